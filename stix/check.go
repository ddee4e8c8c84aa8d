package stix

import (
	"math"
	"strconv"
	"strings"
)

// A Note is something worth telling the publisher that is no reason to refuse.
type Note = Problem

// Check is tier 1: what always must hold of an object: type, id, spec_version, the required
// properties of every STIX 2.1 type, the JSON types of all that STIX defines, timestamps, orderings,
// enumerations and ranges, what references may name, the pattern grammar, and the standard markings.
// Types that STIX does not define, and those of extensions, need the common properties. STIX 2.0
// objects are held to what STIX 2.0 demands of what the gateway reads.
//
// notes are told but no reason to refuse: an observable whose id is not the one that STIX derives.
// An object that the scanner has a Problem with is not checked again: the same problem comes back.
func Check(o *Object) (problem *Problem, notes []*Note) {
	c := &o.checker
	*c = checker{o: o}
	if !c.object() {
		return c.problem, nil
	}
	if o.p.fault == noFault {
		o.p.memory.passed = c.shape
	}
	if o.kind != nil && o.kind.class == observable {
		if n := derivedID(o); n != nil {
			notes = append(notes, n)
		}
	}
	return nil, notes
}

// CheckStrict is tier 2: everything that the OASIS schemas demand, beyond Check, and what the text of
// STIX 2.1 demands where it goes further (docs/divergences.md). An object must pass both.
func CheckStrict(o *Object) *Problem {
	c := &o.checker
	*c = checker{o: o, strict: true}
	if !c.object() || !c.strictly() {
		return c.problem
	}
	return nil
}

// A checker holds one object against the rules and stops at the first that is broken. Its methods
// give false when one is.
type checker struct {
	o       *Object
	strict  bool
	shape   *shape // that the object itself is held against
	problem *Problem
}

// fail notes the problem of the node at.
func (c *checker) fail(at int, section string, rule ...string) bool {
	c.problem = &Problem{Pointer: c.o.pointer(at), Rule: strings.Join(rule, ""), Section: section}
	return false
}

// object checks the whole object.
func (c *checker) object() bool {
	o := c.o
	if o.p == nil {
		c.problem = &Problem{Rule: "the object was not read", Section: "RFC 8259 section 9"}
		return false
	}
	if o.p.fault != noFault {
		c.problem = o.p.problem(Limits{}.withDefaults())
		return false
	}
	if !c.typeAndID() {
		return false
	}
	if o.p.have.has(nSpecVersion) && string(o.SpecVersion) != "2.1" && string(o.SpecVersion) != "2.0" {
		return c.fail(c.at(nSpecVersion), "STIX 2.1 section 3.2", "spec_version must be \"2.1\" (or \"2.0\"), not ", c.show(c.at(nSpecVersion)))
	}
	switch {
	case o.SpecVersion == nil && o.Spec() == "2.0":
		return c.object20()
	case o.kind == nil:
		return c.custom()
	}
	if n := o.p.have.missing(&o.kind.must); n != 0 {
		return c.missing(0, n, o.kind)
	}
	return c.members(0, o.kind) && c.versions()
}

// typeAndID checks the two properties that everything hangs on.
func (c *checker) typeAndID() bool {
	o := c.o
	if o.Type == nil {
		return c.need(nType, "STIX 2.1 section 3.2")
	}
	// "All names … MUST be in ASCII and MUST only contain the characters a–z (lowercase ASCII), 0–9,
	// and hyphen (-) … MUST have a minimum length of 3 ASCII characters … maximum length of 250".
	if o.kind == nil && !typeName(o.Type) {
		return c.fail(c.at(nType), "STIX 2.1 section 11.2", "a type is 3 to 250 of a-z, 0-9 and hyphen, not ", quote(o.Type))
	}
	if o.ID == nil {
		return c.need(nID, "STIX 2.1 section 3.2")
	}
	// "All identifiers … MUST follow the form object-type--UUID, where object-type is the exact value
	// (all type names are lowercase strings, by definition) from the type property of the object
	// being identified or referenced and where the UUID MUST be an RFC 4122-compliant UUID".
	kind, ok := splitID(o.ID)
	if !ok {
		return c.fail(c.at(nID), "STIX 2.1 section 2.9", "an id is a type, two hyphens and an RFC 4122 UUID, not ", quote(o.ID))
	}
	if string(kind) == "bundle" {
		return c.fail(c.at(nType), "STIX 2.1 section 8", "a bundle is no STIX object: send what it holds")
	}
	if string(kind) != string(o.Type) {
		return c.fail(c.at(nID), "STIX 2.1 section 2.9", "the id must start with the type ", quote(o.Type), " and two hyphens, not ", quote(o.ID))
	}
	return true
}

// need says of a required property that it is missing, or that it is no string.
func (c *checker) need(n name, section string) bool {
	if c.o.p.have.has(n) {
		return c.fail(c.at(n), section, n.String(), " must be a string")
	}
	return c.fail(0, section, n.String(), " is required")
}

// custom checks an object of a type that STIX does not define: the common properties.
func (c *checker) custom() bool {
	s := customDomain
	if c.o.extendsSCO() || c.o.inside != nil {
		s = customObservable
	}
	if n := c.o.p.have.missing(&s.must); n != 0 {
		return c.missing(0, n, s)
	}
	return c.members(0, s) && c.versions()
}

var (
	customDomain     = shaped("object", "STIX 2.1 section 3.1", domain, nil)
	customObservable = shaped("object", "STIX 2.1 section 3.1", observable, nil,
		may("created", stamp), may("modified", stamp), may("created_by_ref", ref()),
		may("external_references", list(object(externalReference))), may("confidence", integer(0, 100)), may("revoked", boolean))
)

// missing says which property of the object at is missing.
func (c *checker) missing(at int, n name, s *shape) bool {
	return c.fail(at, s.section, n.String(), " is required in every ", s.name)
}

// versions checks what holds between created and modified.
//
// "The modified property … MUST be later than or equal to the value of the created property."
// STIX 2.1 section 3.2.
func (c *checker) versions() bool {
	o := c.o
	if o.Modified.At.Set && o.Modified.At.Compare(o.Created.At) < 0 && o.Created.At.Set {
		return c.fail(c.at(nModified), "STIX 2.1 section 3.2", "modified must not be earlier than created: ",
			quote(o.Modified.Text), " is before ", quote(o.Created.Text))
	}
	return true
}

// members checks the members of the object at against a shape.
func (c *checker) members(at int, s *shape) bool {
	nodes := c.o.p.nodes
	if at == 0 {
		c.shape = s
		if m := &c.o.p.memory; !c.strict && m.trusted == s { // the others passed in the object before
			for _, i := range m.changed {
				if r := s.rule(nodes[i].name); r != nil && !c.value(i, r, s) {
					return false
				}
			}
			return s.whole == nil || s.whole(c, at)
		}
	}
	for i := at + 1; i < int(nodes[at].next); i = int(nodes[i].next) {
		if r := s.rule(nodes[i].name); r != nil && !c.value(i, r, s) {
			return false
		}
	}
	return s.whole == nil || s.whole(c, at)
}

// value checks the node at against the rule of a property of s.
func (c *checker) value(at int, r *rule, s *shape) bool {
	m := &c.o.p.nodes[at]
	switch r.kind {
	case isAny:
		return true
	case isText:
		if m.kind != kString {
			return c.wrong(at, s, "a string")
		}
		return !c.strict || r.form == nil || r.form.ok(c.o.text(m)) || c.wrong(at, s, r.form.want)
	case isStamp:
		if m.kind != kString {
			return c.wrong(at, s, "a timestamp, which is a string")
		}
		if _, rule := c.o.p.instant(c.o.raw(m)); rule != "" {
			return c.fail(at, "STIX 2.1 section 2.16", "timestamp ", c.show(at), " ", rule)
		}
		return true
	case isID:
		return true // typeAndID
	case isRef:
		return c.reference(at, r, s)
	case isList:
		return c.list(at, r, s)
	case isBoolean:
		return m.kind == kTrue || m.kind == kFalse || c.wrong(at, s, "true or false")
	case isInteger, isFloat:
		return c.number(at, r, s)
	case isEnum:
		return c.enum(at, r, s)
	case isShape:
		return c.part(at, r.shape, s)
	}
	return c.container(at, r, s)
}

// wrong says that a value has the wrong JSON type.
func (c *checker) wrong(at int, s *shape, want string) bool {
	return c.fail(at, s.section, "the value must be ", want, ", not ", c.show(at))
}

// reference checks a reference: its form and the type that it names.
func (c *checker) reference(at int, r *rule, s *shape) bool {
	m := &c.o.p.nodes[at]
	if m.kind != kString {
		return c.wrong(at, s, "an identifier, which is a string")
	}
	id := c.o.text(m)
	kind, ok := splitID(id)
	switch {
	case ok && c.strict && (id[len(id)-uuidLength+14] > '5' || !typeForm(kind)):
		ok = false
	case !ok && r.loose && c.o.inside != nil:
		var word string
		word, ok = c.o.inside[string(id)]
		kind = []byte(word)
	case !ok && r.loose:
		kind, ok = looseID(id)
	}
	if !ok {
		return c.fail(at, "STIX 2.1 section 2.9", "an identifier is a type, two hyphens and an RFC 4122 UUID, not ", quote(id))
	}
	if len(r.words) > 0 && !among(kind, r.words) {
		return c.fail(at, s.section, "the reference must name ", strings.Join(r.words, " or "), ", not ", quote(kind))
	}
	if among(kind, r.deny) || c.strict && string(kind) == "bundle" { // "STIX Objects" are all else
		return c.fail(at, s.section, "the reference must not name ", quote(kind))
	}
	return true
}

func among(word []byte, words []string) bool {
	for _, w := range words {
		if string(word) == w {
			return true
		}
	}
	return false
}

// list checks a list and what is in it.
//
// "Empty lists are prohibited in STIX and MUST NOT be used as a substitute for omitting the property
// if it is optional." STIX 2.1 section 2.12.
func (c *checker) list(at int, r *rule, s *shape) bool {
	nodes := c.o.p.nodes
	if nodes[at].kind != kList {
		return c.wrong(at, s, "a list")
	}
	end := int(nodes[at].next)
	if at+1 == end {
		return c.fail(at, "STIX 2.1 section 2.12", "a list must not be empty: leave the property out")
	}
	for i := at + 1; i < end; i = int(nodes[i].next) {
		if !c.value(i, r.of, s) {
			return false
		}
	}
	return true
}

// number checks a number's form and range. An integer may be written with a fraction or an exponent
// as long as its value is whole: "JSON number" is all that STIX 2.1 section 2.10 asks for.
func (c *checker) number(at int, r *rule, s *shape) bool {
	m := &c.o.p.nodes[at]
	if m.kind != kInteger && m.kind != kNumber {
		return c.wrong(at, s, "a number")
	}
	v, whole := 0.0, true
	if raw := c.o.raw(m); len(raw) <= 9 && m.kind == kInteger && raw[0] != '-' {
		for _, d := range raw {
			v = v*10 + float64(d-'0')
		}
	} else {
		v, _ = strconv.ParseFloat(string(raw), 64)
		whole = m.kind == kInteger || v == float64(int64(v))
	}
	if r.kind == isInteger && !whole {
		return c.wrong(at, s, "an integer")
	}
	if c.strict && !c.strictNumber(at, v, r.kind) {
		return false
	}
	if v < r.min && math.IsInf(r.max, 1) {
		return c.fail(at, s.section, "the value must be at least ", strconv.FormatFloat(r.min, 'f', -1, 64), ", not ", c.show(at))
	}
	if v < r.min || v > r.max {
		lo, hi := strconv.FormatFloat(r.min, 'f', -1, 64), strconv.FormatFloat(r.max, 'f', -1, 64)
		return c.fail(at, s.section, "the value must be between ", lo, " and ", hi, ", not ", c.show(at))
	}
	return true
}

func (c *checker) enum(at int, r *rule, s *shape) bool {
	m := &c.o.p.nodes[at]
	if m.kind != kString || !among(c.o.text(m), r.words) {
		return c.wrong(at, s, "one of "+strings.Join(r.words, ", "))
	}
	return true
}

// part checks an object inside the object.
func (c *checker) part(at int, s, outer *shape) bool {
	nodes := c.o.p.nodes
	if nodes[at].kind != kObject {
		return c.wrong(at, outer, "an object")
	}
	var have nameSet
	for i := at + 1; i < int(nodes[at].next); i = int(nodes[i].next) {
		have.add(nodes[i].name)
	}
	if n := have.missing(&s.must); n != 0 {
		return c.missing(at, n, s)
	}
	if s.some && !c.any(at, s) {
		return c.fail(at, s.section, "one of the properties of a ", s.name, " is required")
	}
	for i := at + 1; s.closed && c.strict && i < int(nodes[at].next); i = int(nodes[i].next) {
		if s.rule(nodes[i].name) == nil {
			return c.fail(i, s.section, "a ", s.name, " has no property ", quote(c.o.key(&nodes[i])))
		}
	}
	return c.members(at, s)
}

// any reports whether the object at has a property of the shape beside those that it must have.
func (c *checker) any(at int, s *shape) bool {
	nodes := c.o.p.nodes
	for i := at + 1; i < int(nodes[at].next); i = int(nodes[i].next) {
		if n := nodes[i].name; n != 0 && s.rule(n) != nil && !s.must.has(n) {
			return true
		}
	}
	return false
}

// at gives the place of a top-level property's node, which is there.
func (c *checker) at(n name) int { return int(c.o.p.at[n]) }

// find gives the place of the member n of the object at, or 0.
func (c *checker) find(at int, n name) int {
	nodes := c.o.p.nodes
	if at == 0 {
		if c.o.p.have.has(n) {
			return c.at(n)
		}
		return 0
	}
	for i := at + 1; i < int(nodes[at].next); i = int(nodes[i].next) {
		if nodes[i].name == n {
			return i
		}
	}
	return 0
}

// show gives a value as a message shows it.
func (c *checker) show(at int) string {
	m := &c.o.p.nodes[at]
	if m.kind == kString {
		return quote(c.o.text(m))
	}
	const most = 80
	if raw := c.o.raw(m); len(raw) <= most {
		return string(raw)
	}
	if m.kind == kList {
		return "a list"
	}
	return "an object or a long number"
}
