package stix

import (
	"bytes"
	"strings"
)

// strictly checks what tier 2 asks of every object beyond the tables.
func (c *checker) strictly() bool {
	o := c.o
	if !typeForm(o.Type) {
		return c.fail(c.at(nType), "STIX 2.1 section 11.2", "a type begins with a letter and has no two hyphens in a row, unlike ", quote(o.Type))
	}
	// RFC 4122 section 4.1.3 defines the versions 1 to 5.
	if v, _ := uuidVersion(o.ID); v > 5 {
		return c.fail(c.at(nID), "STIX 2.1 section 2.9", "the id's UUID has a version that RFC 4122 does not define")
	}
	if !c.propertyNames() || !c.selectors() || !c.strictTLP() {
		return false
	}
	if string(o.PatternType) == "stix" && o.Pattern != nil && string(o.Type) == "indicator" {
		return c.patternNames()
	}
	return true
}

// strictTLP: a definition of type tlp is one of the four of STIX 2.1 section 7.2.1.4, with nothing
// added to it.
func (c *checker) strictTLP() bool {
	const section = "STIX 2.1 section 7.2.1.4"
	o := c.o
	if string(o.DefinitionType) != "tlp" || string(o.Type) != "marking-definition" {
		return true
	}
	if m := standard(o.ID); m == nil || !m.one {
		return c.fail(c.at(nID), section, "a TLP marking definition has the id that the standard gives it")
	}
	nodes := o.p.nodes
	for i := 1; i < int(nodes[0].next); i = int(nodes[i].next) {
		switch nodes[i].name {
		case nType, nSpecVersion, nID, nCreated, nName, nDefinitionType, nDefinition:
		default:
			return c.fail(i, section, "a TLP marking definition has no property but those that the standard gives it")
		}
	}
	return true
}

// typeForm reports words of a-z and 0-9 joined by single hyphens.
func typeForm(t []byte) bool {
	return t[0]-'a' <= 'z'-'a' && !bytes.Contains(t, []byte("--")) && typeName(t)
}

// propertyNames checks the names at the top level and what properties that STIX does not define hold.
//
// "All property names MUST be in ASCII and MUST only contain the characters a–z (lowercase ASCII),
// 0–9, and underscore (_) … MUST have a minimum length of 3 ASCII characters … maximum length of
// 250". STIX 2.1 section 11.1 and 3.1.
func (c *checker) propertyNames() bool {
	nodes := c.o.p.nodes
	for i := 1; i < int(nodes[0].next); i = int(nodes[i].next) {
		key := c.o.key(&nodes[i])
		// "The following property names are reserved … MUST NOT be used in Custom Properties".
		if reserved(key) {
			return c.fail(i, "STIX 2.1 section 11.1", "the property name ", string(key), " is reserved")
		}
		if nodes[i].name == 0 && !propertyName(key) {
			return c.fail(i, "STIX 2.1 section 11.1", "a property name is 3 to 250 of a-z, 0-9 and underscore and begins with a letter, unlike ", quote(key))
		}
		if nodes[i].name == 0 && !c.customValue(i, key) {
			return false
		}
	}
	return true
}

// reserved names are those that STIX 2.1 keeps for later. STIX 2.1 section 3.8.
func reserved(key []byte) bool {
	switch string(key) {
	case "severity", "action", "usernames", "phone_numbers", "addresses",
		"first_seen_precision", "last_seen_precision", "valid_from_precision", "valid_until_precision":
		return true
	}
	return false
}

func propertyName(key []byte) bool {
	if len(key) < 3 || len(key) > 250 || key[0]-'a' > 'z'-'a' {
		return false
	}
	for _, b := range key {
		if b-'a' > 'z'-'a' && b-'0' > 9 && b != '_' {
			return false
		}
	}
	return true
}

// customValue checks the value of a property that STIX does not define: its name tells a type, and
// neither null nor an empty list is a value. STIX 2.1 sections 2.8, 2.1 and 2.12.
func (c *checker) customValue(i int, key []byte) bool {
	m := &c.o.p.nodes[i]
	switch {
	case m.kind == kNull:
		return c.fail(i, "STIX 2.1 section 3.1", "null is no value: leave the property out")
	case m.kind == kList && i+1 == int(m.next):
		return c.fail(i, "STIX 2.1 section 2.12", "a list must not be empty: leave the property out")
	case bytes.HasSuffix(key, []byte("_hex")) && (m.kind != kString || !hexBytes(c.o.text(m))):
		return c.fail(i, "STIX 2.1 section 2.8", "the value must be pairs of hexadecimal digits")
	case bytes.HasSuffix(key, []byte("_bin")) && (m.kind != kString || !base64Text(c.o.text(m))):
		return c.fail(i, "STIX 2.1 section 2.1", "the value must be base64 with padding")
	}
	return true
}

// selectors checks that those of granular markings name what the object holds.
//
// "The selectors MUST … resolve to a property or value". STIX 2.1 section 7.2.3.1.
func (c *checker) selectors() bool {
	at := c.find(0, nGranularMarkings)
	if at == 0 {
		return true
	}
	nodes := c.o.p.nodes
	for g := at + 1; g < int(nodes[at].next); g = int(nodes[g].next) {
		list := c.find(g, nSelectors)
		for s := list + 1; s < int(nodes[list].next); s = int(nodes[s].next) {
			if !c.resolves(c.o.text(&nodes[s])) {
				return c.fail(s, "STIX 2.1 section 7.2.3.1", "the selector ", quote(c.o.text(&nodes[s])), " names nothing in the object")
			}
		}
	}
	return true
}

// resolves follows a selector like "external_references.[0].url" from the object.
func (c *checker) resolves(selector []byte) bool {
	at := 0
	nodes := c.o.p.nodes
	for part := range bytes.SplitSeq(selector, []byte(".")) {
		index, isIndex := listIndex(part)
		if isIndex != (nodes[at].kind == kList) || !isIndex && nodes[at].kind != kObject {
			return false
		}
		found, n := 0, 0
		for i := at + 1; i < int(nodes[at].next) && found == 0; i = int(nodes[i].next) {
			if isIndex && n == index || !isIndex && bytes.Equal(c.o.key(&nodes[i]), part) {
				found = i
			}
			n++
		}
		if found == 0 {
			return false
		}
		at = found
	}
	return true
}

// listIndex reads "[12]".
func listIndex(part []byte) (n int, ok bool) {
	if len(part) < 3 || len(part) > 9 || part[0] != '[' || part[len(part)-1] != ']' {
		return 0, false
	}
	for _, d := range part[1 : len(part)-1] {
		if d-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, true
}

// patternNames checks the names in an indicator's pattern: of object types and of properties.
// STIX 2.1 sections 9.7, 3.1 and 11.
func (c *checker) patternNames() bool {
	var bad string
	p := patternParser{lexer: lexer{text: c.o.Pattern}}
	p.named = func(kind, property lexeme) {
		t, prop := p.text[kind.from:kind.to], p.text[property.from:property.to]
		if bad != "" || property.kind != tIdentifier {
			return
		}
		if classOf(t) == observable && !propertyName(prop) && string(prop) != "id" {
			bad = string(prop)
		}
	}
	p.pattern()
	if bad != "" {
		return c.fail(c.at(nPattern), "STIX 2.1 section 9.7", quote([]byte(bad)), " is no name of a property")
	}
	return true
}

// strictReference checks the references to CVE and CAPEC. STIX 2.1 section 2.5 with 4.1 and 4.19.
func (c *checker) strictReference(at int) bool {
	const section = "STIX 2.1 section 2.5"
	source := c.o.text(&c.o.p.nodes[c.find(at, nSourceName)])
	var id []byte
	i := c.find(at, nExternalID)
	if i != 0 {
		id = c.o.text(&c.o.p.nodes[i])
	}
	isCVE, isCAPEC := cveID(id), capecID(id)
	switch {
	case string(source) == "cve" && !isCVE:
		return c.fail(max(at, i), section, "a reference with source_name cve needs an external_id like CVE-2021-44228")
	case string(source) == "capec" && !isCAPEC:
		return c.fail(max(at, i), section, "a reference with source_name capec needs an external_id like CAPEC-163")
	case isCVE && string(source) != "cve":
		return c.fail(i, section, "a reference to a CVE has the source_name cve, not ", quote(source))
	case isCAPEC && string(source) != "capec":
		return c.fail(i, section, "a reference to a CAPEC entry has the source_name capec, not ", quote(source))
	}
	return true
}

// cveID reports CVE-YYYY-NNNN, with more digits only when the first is not 0.
func cveID(id []byte) bool {
	rest, ok := bytes.CutPrefix(id, []byte("CVE-"))
	if !ok || len(rest) < 9 || rest[4] != '-' || !allDigits(rest[:4]) || !allDigits(rest[5:]) {
		return false
	}
	return len(rest) == 9 || rest[5] != '0'
}

func capecID(id []byte) bool {
	rest, ok := bytes.CutPrefix(id, []byte("CAPEC-"))
	return ok && len(rest) > 0 && allDigits(rest)
}

func allDigits(t []byte) bool {
	for _, d := range t {
		if d-'0' > 9 {
			return false
		}
	}
	return true
}

// strictKey checks a key of a dictionary: "a–z, A–Z, 0–9, hyphen, and underscore", up to 250 of them;
// its value is neither null nor an empty list. STIX 2.1 section 2.3.
func (c *checker) strictKey(i int) bool {
	key := c.o.key(&c.o.p.nodes[i])
	if len(key) > 250 || strings.ContainsFunc(string(key), func(r rune) bool {
		return !(r < 0x80 && (word(byte(r)) || byte(r)-'0' <= 9 || r == '-'))
	}) {
		return c.fail(i, "STIX 2.1 section 2.3", "a key is at most 250 of a-z, A-Z, 0-9, hyphen and underscore, unlike ", quote(key))
	}
	m := &c.o.p.nodes[i]
	if m.kind == kNull || m.kind == kList && i+1 == int(m.next) {
		return c.fail(i, "STIX 2.1 section 2.3", "neither null nor an empty list is a value")
	}
	return true
}

// hashDigits gives how many hexadecimal digits the hashes of STIX 2.1 section 10.7 have.
func hashDigits(algorithm []byte) int {
	switch string(algorithm) {
	case "MD5":
		return 32
	case "SHA-1", "RIPEMD-160":
		return 40
	case "SHA-224", "SHA3-224":
		return 56
	case "SHA-256", "SHA3-256":
		return 64
	case "SHA-384", "SHA3-384":
		return 96
	case "SHA-512", "SHA3-512", "WHIRLPOOL":
		return 128
	}
	return 0
}

// strictHash checks a member of hashes. STIX 2.1 sections 2.7 and 10.7.
func (c *checker) strictHash(i int) bool {
	m := &c.o.p.nodes[i]
	key, value := c.o.key(m), c.o.text(m)
	if n := hashDigits(key); n != 0 && (len(value) != n || !hexBytes(value)) {
		return c.fail(i, "STIX 2.1 section 10.7", "a hash of ", string(key), " has ", itoa(n), " hexadecimal digits")
	}
	if len(key) < 3 {
		return c.fail(i, "STIX 2.1 section 2.7", "the name of a hash has 3 to 250 characters")
	}
	return c.strictKey(i)
}
