package stix

// container checks the values that are dictionaries, and texts of a form.
func (c *checker) container(at int, r *rule, s *shape) bool {
	m := &c.o.p.nodes[at]
	switch r.kind {
	case isHex, isBinary:
		if m.kind != kString {
			return c.wrong(at, s, "a string")
		}
		text := c.o.text(m)
		// "The value MUST be … an even number of hexadecimal characters." STIX 2.1 section 2.8.
		if r.kind == isHex && (!hexBytes(text) || c.strict && len(text) == 0) {
			return c.fail(at, "STIX 2.1 section 2.8", "the value must be pairs of hexadecimal digits")
		}
		// "base64-encoded string as defined in … RFC 4648". STIX 2.1 section 2.1.
		if r.kind == isBinary && (!base64Text(text) || c.strict && len(text) == 0) {
			return c.fail(at, "STIX 2.1 section 2.1", "the value must be base64 with padding")
		}
		return true
	}
	if m.kind != kObject {
		return c.wrong(at, s, "an object")
	}
	// "Empty dictionaries are prohibited in STIX". STIX 2.1 section 2.3.
	if at+1 == int(m.next) {
		return c.fail(at, "STIX 2.1 section 2.3", "a dictionary must not be empty: leave the property out")
	}
	nodes := c.o.p.nodes
	for i := at + 1; i < int(m.next); i = int(nodes[i].next) {
		if !c.entry(i, r, s) {
			return false
		}
	}
	return true
}

// entry checks one member of a dictionary.
func (c *checker) entry(i int, r *rule, s *shape) bool {
	m := &c.o.p.nodes[i]
	switch r.kind {
	case isHashes:
		if m.kind != kString {
			return c.fail(i, "STIX 2.1 section 2.7", "a hash must be a string, not ", c.show(i))
		}
		return !c.strict || c.strictHash(i)
	case isExtensions:
		if m.kind != kObject {
			return c.fail(i, "STIX 2.1 section 3.2", "an extension must be an object, not ", c.show(i))
		}
		return !c.strict || c.strictExtension(i)
	case isLanguages:
		if m.kind != kObject {
			return c.fail(i, "STIX 2.1 section 7.1", "the contents of a language must be an object, not ", c.show(i))
		}
		// "The keys in the dictionary MUST be RFC 5646 language codes". STIX 2.1 section 7.1.
		if !languageTag(c.o.key(m)) {
			return c.fail(i, "STIX 2.1 section 7.1", quote(c.o.key(m)), " is no RFC 5646 language code")
		}
		return !c.strict || c.strictLanguage(i)
	}
	return !c.strict || c.strictEntry(i, r, s)
}

// extendsSCO reports an object whose extension defines its type as an observable: it needs no
// created and modified. STIX 2.1 section 7.3.
func (o *Object) extendsSCO() bool {
	if !o.p.have.has(nExtensions) {
		return false
	}
	nodes := o.p.nodes
	at := int(o.p.at[nExtensions])
	for i := at + 1; i < int(nodes[at].next); i++ {
		if m := &nodes[i]; m.name == nExtensionType && m.kind == kString && string(o.text(m)) == "new-sco" {
			return true
		}
	}
	return false
}
