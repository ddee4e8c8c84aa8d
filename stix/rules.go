package stix

import "math"

// A rule says what a property's value must be.
type rule struct {
	kind     ruleKind
	min, max float64  // of numbers
	words    []string // of an enumeration; the types that a reference may name
	deny     []string // the types that a reference must not name
	of       *rule    // of a list's values
	shape    *shape   // of an object
	loose    bool     // a reference need not end in a whole UUID
	form     *form    // of a text, in tier 2
	entries  entries  // of a dictionary, in tier 2
}

type ruleKind uint8

const (
	isAny ruleKind = iota
	isText
	isBoolean
	isInteger
	isFloat
	isStamp
	isID
	isRef
	isList
	isEnum
	isHashes
	isDictionary
	isHex
	isBinary
	isShape
	isExtensions
	isLanguages // the contents of a language-content
)

// class is which sort of object a type is. STIX 2.1 section 1.3.
type class uint8

const (
	part       class = iota // of an object, like an external reference
	domain                  // SDO
	relation                // SRO
	observable              // SCO
	meta                    // language-content, extension-definition
	marking                 // marking-definition
)

// A shape is what STIX 2.1 says of the properties of a type, or of an object inside objects.
type shape struct {
	name    string
	section string
	class   class
	must    nameSet
	index   [nameCount]uint8 // into props; 0 is none
	props   []rule
	whole   func(c *checker, at int) bool // what holds between properties; it is called last
	some    bool                          // one property of the table must be there, beside those that must
	closed  bool                          // tier 2 has no properties but the table's
}

func (s *shape) rule(n name) *rule {
	if i := s.index[n]; i != 0 {
		return &s.props[i]
	}
	return nil
}

// A property is a line of a shape's table.
type property struct {
	name string
	must bool
	rule rule
}

func must(name string, r rule) property { return property{name, true, r} }
func may(name string, r rule) property  { return property{name, false, r} }

// shaped makes the shape of a type.
func shaped(name, section string, c class, whole func(*checker, int) bool, lines ...property) *shape {
	s := &shape{name: name, section: section, class: c, whole: whole, props: make([]rule, 1)}
	s.put(commonProperties(c)...)
	s.put(lines...)
	return s
}

// inside makes the shape of an object inside objects.
func inside(name, section string, whole func(*checker, int) bool, lines ...property) *shape {
	s := &shape{name: name, section: section, whole: whole, props: make([]rule, 1)}
	s.put(lines...)
	return s
}

// orOne makes a shape whose properties may all be left out, but not all at once: "As all properties
// of this extension are optional, at least one of the properties defined below MUST be included".
func (s *shape) orOne() *shape {
	s.some = true
	return s
}

// alone makes a shape that the schemas allow no other properties in.
func (s *shape) alone() *shape {
	s.closed = true
	return s
}

func (s *shape) put(lines ...property) {
	for _, l := range lines {
		n := named(l.name)
		if s.class == observable && refName([]byte(l.name)) && n != nObjectMarkingRefs {
			l.rule = l.rule.loosely()
		}
		if l.must {
			s.must.add(n)
		}
		if s.index[n] != 0 {
			s.props[s.index[n]] = l.rule
			continue
		}
		s.index[n] = uint8(len(s.props))
		s.props = append(s.props, l.rule)
	}
}

// commonProperties are those of every object of a class. STIX 2.1 section 3.1.
func commonProperties(c class) []property {
	lines := []property{
		must("type", text), may("spec_version", text), must("id", rule{kind: isID}),
		may("object_marking_refs", refs("marking-definition")),
		may("granular_markings", list(object(granularMarking))),
		may("extensions", rule{kind: isExtensions}),
	}
	if c == observable {
		return append(lines, may("defanged", boolean))
	}
	lines = append(lines,
		must("created", stamp), may("created_by_ref", ref()),
		may("external_references", list(object(externalReference))),
		may("labels", list(text)), may("lang", formed(languageForm)), may("confidence", integer(0, 100)), may("revoked", boolean))
	if c != marking {
		lines = append(lines, must("modified", stamp))
	}
	return lines
}

// The rules that tables are made of.
var (
	text       = rule{kind: isText}
	boolean    = rule{kind: isBoolean}
	stamp      = rule{kind: isStamp}
	hashes     = rule{kind: isHashes}
	dictionary = rule{kind: isDictionary}
	hexText    = rule{kind: isHex}
	binaryText = rule{kind: isBinary}
	anyInteger = integer(math.Inf(-1), math.Inf(1))
	natural    = integer(0, math.Inf(1))
	port       = integer(0, 65535)
)

func integer(lo, hi float64) rule { return rule{kind: isInteger, min: lo, max: hi} }
func float(lo, hi float64) rule   { return rule{kind: isFloat, min: lo, max: hi} }
func list(r rule) rule            { return rule{kind: isList, of: &r} }
func object(s *shape) rule        { return rule{kind: isShape, shape: s} }
func enum(words ...string) rule   { return rule{kind: isEnum, words: words} }
func formed(f *form) rule         { return rule{kind: isText, form: f} }
func entriesOf(e entries) rule    { return rule{kind: isDictionary, entries: e} }
func ref(types ...string) rule    { return rule{kind: isRef, words: types} }
func refs(types ...string) rule   { return list(ref(types...)) }
func refNot(types ...string) rule { return rule{kind: isRef, deny: types} }
func seen(first, last string) []property {
	return []property{may(first, stamp), may(last, stamp)}
}

// Shapes of objects inside objects.
var (
	// STIX 2.1 section 7.2.3
	granularMarking = inside("granular marking", "STIX 2.1 section 7.2.3", wholeGranular,
		may("lang", formed(languageForm)), may("marking_ref", ref("marking-definition")), must("selectors", list(text)))
	// STIX 2.1 section 2.5
	externalReference = inside("external reference", "STIX 2.1 section 2.5", wholeReference,
		must("source_name", text), may("description", text), may("url", formed(uriForm)), may("hashes", hashes), may("external_id", text))
	// STIX 2.1 section 2.11
	killChainPhase = inside("kill chain phase", "STIX 2.1 section 2.11", nil,
		must("kill_chain_name", text), must("phase_name", text))
)

// shapes finds a type's shape.
var shapes = func() map[string]*shape {
	all := make(map[string]*shape)
	for _, list := range [][]*shape{domainShapes(), relationShapes(), observableShapes()} {
		for _, s := range list {
			all[s.name] = s
		}
	}
	return all
}()

func shapeOf(kind []byte) *shape { return shapes[string(kind)] }

// loosely is a rule for the references between observables: OASIS's own validator asks for the type
// that they name and does not count the digits behind it, and what it accepts is not refused here.
func (r rule) loosely() rule {
	if r.of != nil {
		of := r.of.loosely()
		r.of = &of
	}
	r.loose = true
	return r
}
