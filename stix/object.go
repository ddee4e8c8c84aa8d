package stix

import "bytes"

// ID is a STIX identifier, type--UUID. STIX 2.1 section 2.9.
type ID string

// Ref is a reference from one object to another.
type Ref struct {
	Property string // the top-level property that holds it, like "source_ref" or "object_refs"
	ID       []byte
}

// Object is one STIX object of a body: its bytes and the facts read from them. Everything in it is
// valid until the Scanner's next Next and must be copied to be kept. A property that has not the JSON
// type that it should have counts as absent; Check says so.
type Object struct {
	Raw               []byte // exactly as it came, without surrounding white space
	Type, ID          []byte
	SpecVersion       []byte // as written; nil when absent
	Created, Modified Timestamp
	ValidFrom         Timestamp
	ValidUntil        Timestamp
	Revoked           bool
	CreatedBy         []byte
	Markings          [][]byte // object_marking_refs
	GranularMarkings  [][]byte // marking_ref of every granular marking
	Refs              []Ref    // every other reference at any depth, created_by_ref included
	Pattern           []byte   // decoded; nil when absent
	PatternType       []byte
	Name              []byte // decoded; nil when absent or not a string
	DefinitionType    []byte // marking-definition only
	DefinitionLevel   Level  // marking-definition only: the level that it defines; Unmarked when it carries none (a statement, PAP), Unknown when it is not understood

	kind    *shape // what STIX says of the type; nil for a type that it does not define
	inside  shelf  // the dictionary of an observed-data that holds it, or nil
	p       *parser
	scratch []byte // text of strings with escapes
	checker checker
	facts   factSet

	decoded    bool // a fact's text is in scratch, which the next object overwrites
	refMembers int  // top-level members with references

	simple     Comparison        // of its pattern, where that has but one
	properties map[string]string // names of properties that STIX does not define, to be used again
}

// Version gives the object's STIX version instant: modified, else created, else not set (an
// observable; the store's date_added stands for it). TAXII 2.1 section 3.4.1.
func (o *Object) Version() Timestamp {
	if o.Modified.At.Set {
		return o.Modified
	}
	return o.Created
}

// Spec gives "2.1" or "2.0": spec_version where present; an SDO, SRO or marking without it is 2.0,
// an SCO without it 2.1. DESIGN.md section 7. A type that STIX does not define is taken for an SCO
// when it has no `created`.
//
// "If objects are found where this property is not present, the implicit value for all STIX Objects
// other than SCOs is 2.0. Since SCOs are now top-level objects in STIX 2.1, the default value for
// SCOs is 2.1." STIX 2.1 section 3.2.
func (o *Object) Spec() string {
	switch {
	case string(o.SpecVersion) == "2.0":
		return "2.0"
	case o.SpecVersion != nil:
		return "2.1"
	case o.kind != nil && o.kind.class == observable, o.kind == nil && o.Created.Text == nil:
		return "2.1"
	}
	return "2.0"
}

// Shared reports whether everybody derives this id alike (observables and other UUIDv5 ids, MITRE's
// ids, the standard marking definitions), so that nobody owns it.
func (o *Object) Shared() bool {
	if o.kind != nil && o.kind.class == observable {
		return true
	}
	if v, ok := uuidVersion(o.ID); ok && v == 5 {
		return true
	}
	if standard(o.ID) != nil || mitre(o.CreatedBy) || mitre(o.ID) {
		return true
	}
	return bytes.HasPrefix(o.Type, []byte("x-mitre-"))
}

// mitre reports the identities under which MITRE publishes ATT&CK and CAPEC, and ATT&CK's copyright
// statement: whoever works with ATT&CK sends these objects on.
func mitre(id []byte) bool {
	switch string(id) {
	case "identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5",
		"identity--e50ab59c-5c4f-4d40-bf6a-d58418d89bcd",
		"marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168",
		"marking-definition--17d82bb2-eeeb-4898-bda5-3ddbcd2b799d":
		return true
	}
	return false
}

// read takes the facts of the value at buf[base:end] from the parser's nodes. With base == end the
// value is not complete.
func (o *Object) read(p *parser, base, end int) {
	o.p = p
	o.Raw = nil
	o.DefinitionType, o.DefinitionLevel = nil, Unmarked
	if end > base {
		o.Raw = p.b[base:end:end]
	}
	if len(p.nodes) == 0 || p.nodes[0].kind != kObject {
		o.kind = nil
		o.empty(o.facts)
		o.facts, o.Refs, o.refMembers = 0, o.Refs[:0], 0
		return
	}
	if !o.readChanges() {
		o.readNodes()
	}
	if o.kind == nil || o.kind.name != string(o.Type) {
		o.kind = shapeOf(o.Type)
	}
	if o.kind != nil && o.kind.class == marking {
		o.DefinitionType = o.str(nDefinitionType)
		o.DefinitionLevel = o.definitionLevel()
	}
}

// member gives the node of a top-level property; the zero node when it is absent or was not read.
func (o *Object) member(n name) *node {
	if o.p.have.has(n) {
		if at := int(o.p.at[n]); at < len(o.p.nodes) && o.p.nodes[at].end >= o.p.nodes[at].start && o.p.nodes[at].name == n {
			return &o.p.nodes[at]
		}
	}
	return &noNode
}

// noNode stands for a property that is absent; nobody writes to it.
var noNode node

// absent reports whether member found nothing.
func (n *node) absent() bool { return n == &noNode }

// str gives the text of a top-level property, nil when it is absent or no string.
func (o *Object) str(n name) []byte {
	m := o.member(n)
	if m.kind != kString {
		return nil
	}
	return o.text(m)
}

// text gives a string's text.
func (o *Object) text(m *node) []byte {
	raw := o.p.b[o.p.base+int(m.start) : o.p.base+int(m.end) : o.p.base+int(m.end)]
	if m.flags&escapedValue == 0 {
		return raw
	}
	return o.decode(raw)
}

// key gives the text of a member's name.
func (o *Object) key(m *node) []byte {
	raw := o.p.b[o.p.base+int(m.key) : o.p.base+int(m.kend) : o.p.base+int(m.kend)]
	if m.flags&escapedKey == 0 {
		return raw
	}
	return o.decode(raw)
}

func (o *Object) decode(raw []byte) []byte {
	at := len(o.scratch)
	o.scratch = unescape(o.scratch, raw)
	return o.scratch[at:len(o.scratch):len(o.scratch)]
}

// raw gives a value's bytes, without a string's quotes.
func (o *Object) raw(m *node) []byte {
	return o.p.b[o.p.base+int(m.start) : o.p.base+int(m.end)]
}

// keep copies the facts out of the buffer, which is about to be read over.
func (o *Object) keep() {
	for _, f := range []*[]byte{
		&o.Type, &o.ID, &o.SpecVersion, &o.Created.Text, &o.Modified.Text, &o.ValidFrom.Text, &o.ValidUntil.Text,
		&o.CreatedBy, &o.Pattern, &o.PatternType, &o.Name, &o.DefinitionType,
	} {
		*f = bytes.Clone(*f)
	}
	for i := range o.Markings {
		o.Markings[i] = bytes.Clone(o.Markings[i])
	}
	for i := range o.GranularMarkings {
		o.GranularMarkings[i] = bytes.Clone(o.GranularMarkings[i])
	}
	for i := range o.Refs {
		o.Refs[i].ID = bytes.Clone(o.Refs[i].ID)
	}
	o.Raw, o.p = nil, nil
}
