package stix

import "bytes"

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
	o.decoded = o.decoded || m.flags&escapedValue != 0
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
