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
	p       *parser
	scratch []byte // text of strings with escapes
	checker checker

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
	o.clear()
	o.p = p
	if end > base {
		o.Raw = p.b[base:end:end]
	}
	if len(p.nodes) == 0 || p.nodes[0].kind != kObject {
		o.kind = nil
		return
	}
	o.readNodes()
	if o.kind == nil || o.kind.name != string(o.Type) {
		o.kind = shapeOf(o.Type)
	}
	if o.kind != nil && o.kind.class == marking {
		o.DefinitionType = o.str(nDefinitionType)
		o.DefinitionLevel = o.definitionLevel()
	}
}

// readNodes takes the facts from the nodes in one pass.
//
// References are the properties at any depth that end in _ref or _refs: "MUST end in _ref (or _refs
// for a list)" is how STIX 2.1 section 2.9 and appendix B tell them from other text.
func (o *Object) readNodes() {
	nodes := o.p.nodes
	top, nextTop := 0, 1
	for i := 1; i < len(nodes); i++ {
		m := &nodes[i]
		isTop := i == nextTop
		if isTop {
			top, nextTop = i, int(m.next)
		}
		if m.kend == 0 {
			continue
		}
		what := factOf[m.name]
		if what == noFact && (m.name != 0 || !refName(o.key(m))) {
			continue
		}
		if what == noFact || what == aRef {
			o.readRef(&nodes[top], m, i)
		}
		if isTop && m.end >= m.start && o.p.at[m.name] == uint32(i) {
			o.readFact(m, i)
		}
	}
}

// readFact takes the fact of a top-level property.
func (o *Object) readFact(m *node, at int) {
	if m.kind != kString {
		switch {
		case m.name == nRevoked:
			o.Revoked = m.kind == kTrue
		case m.name == nObjectMarkingRefs && m.kind == kList:
			o.readMarkings(at)
		case m.name == nGranularMarkings && m.kind == kList:
			o.readGranular(at)
		}
		return
	}
	switch m.name {
	case nType:
		o.Type = o.text(m)
	case nID:
		o.ID = o.text(m)
	case nSpecVersion:
		o.SpecVersion = o.text(m)
	case nCreated:
		o.Created = o.stamp(m)
	case nModified:
		o.Modified = o.stamp(m)
	case nValidFrom:
		o.ValidFrom = o.stamp(m)
	case nValidUntil:
		o.ValidUntil = o.stamp(m)
	case nCreatedByRef:
		o.CreatedBy = o.text(m)
	case nName:
		o.Name = o.text(m)
	case nPattern:
		o.Pattern = o.text(m)
	case nPatternType:
		o.PatternType = o.text(m)
	}
}

// what a name is to readNodes.
const (
	noFact = iota
	aFact
	aRef // created_by_ref is both
)

// factOf tells the names that readNodes looks at. Markings are no references here.
var factOf = func() (what [nameCount]uint8) {
	for n, text := range names {
		if refName([]byte(text)) {
			what[n] = aRef
		}
	}
	for _, n := range []name{
		nType, nID, nSpecVersion, nCreated, nModified, nValidFrom, nValidUntil, nName, nPattern, nPatternType, nRevoked,
		nObjectMarkingRefs, nGranularMarkings, nMarkingRef,
	} {
		what[n] = aFact
	}
	return what
}()

// clear empties the facts and keeps the memory that they used. It sets them one by one: this is done
// for every object, and most facts are absent from most.
func (o *Object) clear() {
	o.Raw, o.Type, o.ID, o.SpecVersion, o.CreatedBy = nil, nil, nil, nil, nil
	o.Created, o.Modified = Timestamp{}, Timestamp{}
	if o.ValidFrom.Text != nil || o.ValidUntil.Text != nil {
		o.ValidFrom, o.ValidUntil = Timestamp{}, Timestamp{}
	}
	o.Revoked = false
	o.Markings, o.GranularMarkings, o.Refs = o.Markings[:0], o.GranularMarkings[:0], o.Refs[:0]
	o.Pattern, o.PatternType, o.Name = nil, nil, nil
	o.DefinitionType, o.DefinitionLevel = nil, Unmarked
	o.scratch = o.scratch[:0]
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

func (o *Object) stamp(m *node) Timestamp {
	text := o.text(m)
	at, _ := o.p.instant(text)
	return Timestamp{Text: text, At: at}
}

// readMarkings takes the ids of the list at.
func (o *Object) readMarkings(at int) {
	nodes := o.p.nodes
	for c := at + 1; c < int(nodes[at].next); c = int(nodes[c].next) {
		if nodes[c].kind == kString {
			o.Markings = append(o.Markings, o.text(&nodes[c]))
		}
	}
}

// readGranular takes the markings of parts of the object; one that carries `lang` alone marks
// nothing. STIX 2.1 section 7.2.3.
func (o *Object) readGranular(at int) {
	nodes := o.p.nodes
	for c := at + 1; c < int(nodes[at].next); c++ {
		if m := &nodes[c]; m.name == nMarkingRef && m.kind == kString {
			o.GranularMarkings = append(o.GranularMarkings, o.text(m))
		}
	}
}

// readRef takes the reference, or the list of them, at i.
func (o *Object) readRef(top, m *node, i int) {
	nodes := o.p.nodes
	switch m.kind {
	case kString:
		o.addRef(top, m)
	case kList:
		for c := i + 1; c < int(m.next) && c < len(nodes); c = int(nodes[c].next) {
			if nodes[c].kind == kString {
				o.addRef(top, &nodes[c])
			}
		}
	}
}

// addRef adds a reference; the objects inside an observed-data of STIX 2.0 refer to each other by
// keys, which are no ids.
func (o *Object) addRef(top, m *node) {
	id := o.text(m)
	const tail = uuidLength + 2
	if n := len(id); n > tail && id[n-tail] == '-' && id[n-tail+1] == '-' || bytes.Contains(id, []byte("--")) {
		o.Refs = append(o.Refs, Ref{Property: o.property(top), ID: id})
	}
}

// property gives a top-level property's name as a string, without making one each time.
func (o *Object) property(m *node) string {
	if m.name != 0 {
		return m.name.String()
	}
	text := o.key(m)
	if s, ok := o.properties[string(text)]; ok {
		return s
	}
	const most = 1024
	if o.properties == nil || len(o.properties) >= most {
		o.properties = make(map[string]string)
	}
	s := string(text)
	o.properties[s] = s
	return s
}

func refName(text []byte) bool {
	return bytes.HasSuffix(text, []byte("_ref")) || bytes.HasSuffix(text, []byte("_refs"))
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
