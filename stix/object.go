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
	facts   factSet

	decoded    bool // a list's text is in scratch, which the next object overwrites
	refMembers int  // top-level members with references

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

// readNodes takes the facts from the nodes in one pass.
//
// References are the properties at any depth that end in _ref or _refs: "MUST end in _ref (or _refs
// for a list)" is how STIX 2.1 section 2.9 and appendix B tell them from other text.
func (o *Object) readNodes() {
	nodes := o.p.nodes
	o.empty(o.facts)
	o.facts, o.decoded, o.refMembers = 0, false, 0
	o.Refs, o.scratch = o.Refs[:0], o.scratch[:0]
	for i := 1; i < len(nodes); {
		m := &nodes[i]
		next := max(int(m.next), i+1)
		if bit := factBit[m.name]; bit != 0 && m.end >= m.start && o.p.at[m.name] == uint32(i) && o.facts&bit == 0 {
			o.facts |= bit
			o.readFact(m, i)
		}
		m.flags &^= holdsRef
		if o.readRefs(i, next) {
			m.flags |= holdsRef
			o.refMembers++
		}
		if m.next == 0 {
			break // the rest of it is not there
		}
		i = next
	}
}

// readChanges is readNodes for an object with the same names as the one before, whose facts stand
// still, and whose bytes are still in the buffer: it reads the members that changed. It gives false
// when that is not all there is to do.
func (o *Object) readChanges() bool {
	m := &o.p.memory
	if !m.alike || o.decoded || m.refs != o.refMembers {
		return false
	}
	for _, i := range m.changed {
		for k := i; k < int(o.p.nodes[i].next); k++ {
			if o.isRef(&o.p.nodes[k]) {
				return false
			}
		}
	}
	o.scratch = o.scratch[:0]
	for _, i := range m.changed {
		if n := &o.p.nodes[i]; factBit[n.name] != 0 {
			o.readFact(n, i)
		}
	}
	return true
}

// isRef reports a member that is a reference or a list of them by its name. Markings are none here.
func (o *Object) isRef(m *node) bool {
	if m.name != 0 {
		return nameIsRef[m.name]
	}
	return m.kend != 0 && refName(o.key(m))
}

// nameIsRef tells the references among the names that STIX defines.
var nameIsRef = func() (is [nameCount]bool) {
	for n, text := range names {
		is[n] = refName([]byte(text)) && name(n) != nObjectMarkingRefs && name(n) != nMarkingRef
	}
	return is
}()

func refName(text []byte) bool {
	return bytes.HasSuffix(text, []byte("_ref")) || bytes.HasSuffix(text, []byte("_refs"))
}

// readFact takes the fact of a top-level property.
func (o *Object) readFact(m *node, at int) {
	if m.kind != kString {
		o.empty(factBit[m.name])
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
		o.stamp(&o.Created, m)
	case nModified:
		o.stamp(&o.Modified, m)
	case nValidFrom:
		o.stamp(&o.ValidFrom, m)
	case nValidUntil:
		o.stamp(&o.ValidUntil, m)
	case nCreatedByRef:
		o.CreatedBy = o.text(m)
	case nName:
		o.Name = o.text(m)
	case nPattern:
		o.Pattern = o.text(m)
	case nPatternType:
		o.PatternType = o.text(m)
	default: // a flag or a list that is none
		o.empty(factBit[m.name])
	}
}

// A factSet says which facts an Object holds.
type factSet uint16

// factNames are the properties that are facts of every object, a bit of factSet each.
var factNames = [...]name{
	nType, nID, nSpecVersion, nCreated, nModified, nValidFrom, nValidUntil, nCreatedByRef, nName, nPattern, nPatternType,
	nRevoked, nObjectMarkingRefs, nGranularMarkings,
}

// factBit gives a name's bit, 0 for a name that is no fact.
var factBit = func() (bit [nameCount]factSet) {
	for i, n := range factNames {
		bit[n] = 1 << i
	}
	return bit
}()

// empty makes facts absent.
func (o *Object) empty(facts factSet) {
	for i, n := range factNames {
		if facts>>i&1 == 0 {
			continue
		}
		switch n {
		case nType:
			o.Type = nil
		case nID:
			o.ID = nil
		case nSpecVersion:
			o.SpecVersion = nil
		case nCreated:
			o.Created = Timestamp{}
		case nModified:
			o.Modified = Timestamp{}
		case nValidFrom:
			o.ValidFrom = Timestamp{}
		case nValidUntil:
			o.ValidUntil = Timestamp{}
		case nCreatedByRef:
			o.CreatedBy = nil
		case nName:
			o.Name = nil
		case nPattern:
			o.Pattern = nil
		case nPatternType:
			o.PatternType = nil
		case nRevoked:
			o.Revoked = false
		case nObjectMarkingRefs:
			o.Markings = o.Markings[:0]
		case nGranularMarkings:
			o.GranularMarkings = o.GranularMarkings[:0]
		}
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

func (o *Object) stamp(t *Timestamp, m *node) {
	t.Text = o.text(m)
	t.At, _ = o.p.instant(t.Text)
}

// readMarkings takes the ids of the list at.
func (o *Object) readMarkings(at int) {
	nodes := o.p.nodes
	for c := at + 1; c < int(nodes[at].next) && c < len(nodes); c = int(nodes[c].next) {
		if nodes[c].kind == kString {
			o.Markings = append(o.Markings, o.text(&nodes[c]))
			o.decoded = o.decoded || nodes[c].flags&escapedValue != 0
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
			o.decoded = o.decoded || m.flags&escapedValue != 0
		}
	}
}

// readRefs takes the references of the top-level member at i, whose nodes end at next, and reports
// whether there are any.
func (o *Object) readRefs(i, next int) bool {
	nodes := o.p.nodes
	found := len(o.Refs)
	for k := i; k < next && k < len(nodes); k++ {
		m := &nodes[k]
		if !o.isRef(m) {
			continue
		}
		if m.kind == kString {
			o.addRef(&nodes[i], m)
		} else if m.kind == kList {
			for c := k + 1; c < int(m.next) && c < len(nodes); c = int(nodes[c].next) {
				if nodes[c].kind == kString {
					o.addRef(&nodes[i], &nodes[c])
				}
			}
		}
	}
	return len(o.Refs) > found
}

// addRef adds a reference; the objects inside an observed-data of STIX 2.0 refer to each other by
// keys, which are no ids.
func (o *Object) addRef(top, m *node) {
	id := o.text(m)
	const tail = uuidLength + 2
	if n := len(id); n > tail && id[n-tail] == '-' && id[n-tail+1] == '-' || bytes.Contains(id, []byte("--")) {
		o.Refs = append(o.Refs, Ref{Property: o.property(top), ID: id})
		o.decoded = o.decoded || m.flags&escapedValue != 0
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
