package stix

import (
	"bytes"
	"math"
	"strings"
)

// strictly checks what tier 2 asks of every object beyond the tables.
func (c *checker) strictly() bool {
	o := c.o
	if !typeForm(o.Type) {
		return c.fail(c.at(nType), "STIX 2.1 section 11.2", "a type begins with a letter and has no two hyphens in a row, unlike ", quote(o.Type))
	}
	// "The following object names are reserved: action". STIX 2.1 section 3.8.
	if string(o.Type) == "action" {
		return c.fail(c.at(nType), "STIX 2.1 section 3.8", "the type action is reserved")
	}
	return c.strictID() && c.propertyNames() && c.selectors() && c.strictTLP() && c.strictPattern() && c.embedded()
}

// strictID checks the version of the id's UUID.
func (c *checker) strictID() bool {
	o := c.o
	v, _ := uuidVersion(o.ID)
	if v > 5 { // RFC 4122 section 4.1.3 defines the versions 1 to 5
		return c.fail(c.at(nID), "STIX 2.1 section 2.9", "the id's UUID has a version that RFC 4122 does not define")
	}
	if o.kind == nil || o.kind.class != observable || v == 4 {
		return true
	}
	// "If the contributing properties are all optional, and none are present on the SCO, then a UUIDv4
	// MUST be used." A process has none at all. STIX 2.1 sections 2.9 and 6.13.
	for _, text := range contributing(o.Type) {
		if o.p.have.has(named(text)) {
			return true
		}
	}
	return c.fail(c.at(nID), o.kind.section, "the id of this ", o.kind.name, " must be a UUIDv4, for there is nothing to derive it from, not version ", string(rune('0'+v)))
}

// typeForm reports words of a-z and 0-9 joined by single hyphens.
func typeForm(t []byte) bool {
	return typeName(t) && t[0]-'a' <= 'z'-'a' && !bytes.Contains(t, []byte("--"))
}

// propertyNames checks the names at the top level and what properties that the type does not define
// hold.
//
// "All property names MUST be in ASCII and MUST only contain the characters a–z (lowercase ASCII),
// 0–9, and underscore (_) … MUST have a minimum length of 3 ASCII characters … maximum length of
// 250". STIX 2.1 section 11.1 and 3.1.
func (c *checker) propertyNames() bool {
	nodes := c.o.p.nodes
	for i := 1; i < int(nodes[0].next); i = int(nodes[i].next) {
		key := c.o.key(&nodes[i])
		// "The names defined in this section MUST NOT be used for the name of any Custom Property."
		if reserved(key) {
			return c.fail(i, "STIX 2.1 section 3.8", "the property name ", string(key), " is reserved")
		}
		if (c.shape == nil || c.shape.rule(nodes[i].name) == nil) && !c.customProperty(i) {
			return false
		}
	}
	return true
}

// customProperty checks the name and the value of a member for which there is no rule.
func (c *checker) customProperty(i int) bool {
	m := &c.o.p.nodes[i]
	key := c.o.key(m)
	if m.name == 0 && !propertyName(key) {
		return c.fail(i, "STIX 2.1 section 11.1", "a property name is 3 to 250 of a-z, 0-9 and underscore and begins with a letter, unlike ", quote(key))
	}
	return c.customValue(i, key)
}

// reserved names are those that STIX 2.1 keeps for later. STIX 2.1 section 3.8.
func reserved(key []byte) bool {
	switch string(key) {
	case "severity", "action", "username", "phone_numbers":
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
	case bytes.HasSuffix(key, []byte("_hex")) && (m.kind != kString || !hexBytes(c.o.text(m)) || m.start == m.end):
		return c.fail(i, "STIX 2.1 section 2.8", "the value must be pairs of hexadecimal digits")
	case bytes.HasSuffix(key, []byte("_bin")) && (m.kind != kString || !base64Text(c.o.text(m)) || m.start == m.end):
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
	steps := 0
	for g := at + 1; g < int(nodes[at].next); g = int(nodes[g].next) {
		list := c.find(g, nSelectors)
		for s := list + 1; s < int(nodes[list].next); s = int(nodes[s].next) {
			found := c.resolves(c.o.text(&nodes[s]), &steps)
			if steps > maxSteps {
				return c.fail(s, "STIX 2.1 section 7.2.3.1", "there are too many selectors to follow in an object of this size")
			}
			if !found {
				return c.fail(s, "STIX 2.1 section 7.2.3.1", "the selector ", quote(c.o.text(&nodes[s])), " names nothing in the object")
			}
		}
	}
	return true
}

// maxSteps bounds the members that are looked at to follow all selectors of an object.
const maxSteps = 1 << 24

// resolves follows a selector like "external_references.[0].url" from the object, and counts the
// members that it looks at.
func (c *checker) resolves(selector []byte, steps *int) bool {
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
		if *steps += n; found == 0 || *steps > maxSteps {
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

// strictTLP: a definition of type tlp is one of the four of STIX 2.1 section 7.2.1.4, with nothing
// left out and nothing added to it.
func (c *checker) strictTLP() bool {
	const section = "STIX 2.1 section 7.2.1.4"
	o := c.o
	if string(o.DefinitionType) != "tlp" || string(o.Type) != "marking-definition" {
		return true
	}
	m := standard(o.ID)
	if m == nil || !m.one {
		return c.fail(c.at(nID), section, "a TLP marking definition has the id that the standard gives it")
	}
	if want := "TLP:" + strings.ToUpper(m.colour()); string(o.Name) != want {
		return c.fail(c.find(0, nName), section, "the name of this TLP marking definition is ", want)
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

// strictNumber checks what STIX asks of every number.
//
// "All integers MUST be capable of being represented as a signed 54-bit value ([-(2**53)+1,
// (2**53)-1])." STIX 2.1 section 2.10. A float is an IEEE 754 double: section 2.6.
func (c *checker) strictNumber(at int, v float64, kind ruleKind) bool {
	const most = 1<<53 - 1
	if kind == isInteger && math.Abs(v) > most {
		return c.fail(at, "STIX 2.1 section 2.10", "an integer is at most 2**53-1 from 0, unlike ", c.show(at))
	}
	if math.IsInf(v, 0) {
		return c.fail(at, "STIX 2.1 section 2.6", "a number must fit a double, unlike ", c.show(at))
	}
	return true
}

// strictReference checks the references to CVE and CAPEC, and which hashes there may be. STIX 2.1
// section 2.5 with 4.1 and 4.19.
func (c *checker) strictReference(at int) bool {
	const section = "STIX 2.1 section 2.5"
	nodes := c.o.p.nodes
	source := c.o.text(&nodes[c.find(at, nSourceName)])
	var id []byte
	i := c.find(at, nExternalID)
	if i != 0 {
		id = c.o.text(&nodes[i])
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
	// "Dictionary keys MUST come from one of the entries listed in the hash-algorithm-ov".
	if list := c.find(at, nHashes); list != 0 {
		for h := list + 1; h < int(nodes[list].next); h = int(nodes[h].next) {
			if !among(c.o.key(&nodes[h]), hashNames) {
				return c.fail(h, section, "the hashes of an external reference are ", strings.Join(hashNames, ", "))
			}
		}
	}
	return true
}

// hashNames is the vocabulary hash-algorithm-ov. STIX 2.1 section 10.7.
var hashNames = []string{"MD5", "SHA-1", "SHA-256", "SHA-512", "SHA3-256", "SHA3-512", "SSDEEP", "TLSH"}

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
