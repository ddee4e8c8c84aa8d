package stix

import (
	"bytes"
	"strings"
)

// strictExtension checks a member of extensions: one that STIX defines against its table, one of an
// extension-definition for its extension_type, and of all the names and values. STIX 2.1 sections 6
// and 7.3.
func (c *checker) strictExtension(i int) bool {
	const section = "STIX 2.1 section 7.3"
	nodes := c.o.p.nodes
	m := &nodes[i]
	key := c.o.key(m)
	if i+1 == int(m.next) {
		return c.fail(i, section, "an extension must not be empty")
	}
	for k := i + 1; k < int(m.next); k = int(nodes[k].next) {
		if !c.customProperty(k) {
			return false
		}
	}
	if s := extensionShape(key); s != nil && c.isObservable() {
		return c.part(i, s, s)
	}
	if !bytes.HasPrefix(key, []byte("extension-definition--")) {
		if !c.isObservable() {
			return c.fail(i, section, "the key of an extension is the id of an extension-definition, unlike ", quote(key))
		}
		if !typeForm(key) || !bytes.HasSuffix(key, []byte("-ext")) {
			return c.fail(i, section, "the key of an extension is the id of an extension-definition, or ends in -ext, unlike ", quote(key))
		}
		return true
	}
	if _, ok := splitID(key); !ok {
		return c.fail(i, section, quote(key), " is no identifier")
	}
	t := c.find(i, nExtensionType)
	if t == 0 {
		return c.fail(i, section, "extension_type is required")
	}
	return c.enum(t, &extensionType, granularMarking)
}

var extensionType = enum("new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension")

// isObservable reports an SCO, or an object of a type that STIX does not define and that may be one.
func (c *checker) isObservable() bool {
	if c.o.kind != nil {
		return c.o.kind.class == observable
	}
	return !c.o.p.have.has(nCreated) || c.o.extendsSCO()
}

// wholeBinary: "An object using the Windows PE Binary File Extension MUST contain at least one
// property other than the required pe_type property", which the table says; and "The timestamp value
// MUST BE precise to the second." STIX 2.1 section 6.7.6.
func wholeBinary(c *checker, at int) bool {
	i := c.find(at, nTimeDateStamp)
	if i != 0 && bytes.IndexByte(c.o.raw(&c.o.p.nodes[i]), '.') >= 0 {
		return c.fail(i, "STIX 2.1 section 6.7.6", "time_date_stamp must be precise to the second, unlike ", c.show(i))
	}
	return true
}

// strictPattern checks what an indicator's pattern says beyond the grammar: names of object types and
// of properties, how often and how long, and the days of timestamps. STIX 2.1 sections 9.3, 9.5.1 and
// 9.7.
func (c *checker) strictPattern() bool {
	o := c.o
	if string(o.PatternType) != "stix" || o.Pattern == nil || string(o.Type) != "indicator" {
		return true
	}
	var section string
	var rule []string
	bad := func(at string, text ...string) {
		if section == "" {
			section, rule = at, text
		}
	}
	p := patternParser{lexer: lexer{text: o.Pattern}}
	p.named = func(kind, property lexeme) {
		t, name := p.text[kind.from:kind.to], p.text[property.from:property.to]
		if !typeForm(bytes.TrimPrefix(t, []byte("-"))) {
			bad("STIX 2.1 section 9.7", quote(t), " is no name of an object type")
		}
		if property.kind == tIdentifier && !propertyName(name) && string(name) != "id" {
			bad("STIX 2.1 section 9.7", quote(name), " is no name of a property")
		}
	}
	p.counted = func(n lexeme) {
		// "… where x MUST be a positive integer"; for WITHIN a positive number.
		if text := p.text[n.from:n.to]; strings.Trim(string(text), "+0.") == "" {
			bad("STIX 2.1 section 9.5.1", "what stands behind REPEATS and WITHIN must be positive, not ", quote(text))
		}
	}
	p.stamped = func(t lexeme) {
		if text := p.text[t.from+len("t'") : t.to-len("'")]; !realDay(text) {
			bad("STIX 2.1 section 2.16", "timestamp ", quote(text), " ", calendarRule)
		}
	}
	p.pattern()
	if section != "" {
		return c.fail(c.at(nPattern), section, rule...)
	}
	return true
}

// realDay reports a timestamp whose day is in the calendar, however many digits it has.
func realDay(t []byte) bool {
	_, rule := parseInstant(t)
	return rule != calendarRule
}
