package stix

import (
	"bytes"
	"strconv"
	"strings"
)

// entries says what the values of a dictionary must be.
type entries uint8

const (
	ofAny entries = iota
	ofText
	ofInteger
	ofTextOrInteger
	ofTexts // lists of strings
	ofTextOrTexts
)

// wants says it in words.
var wants = [...]string{
	ofText: "a string", ofInteger: "an integer", ofTextOrInteger: "a string or an integer",
	ofTexts: "a list of strings", ofTextOrTexts: "a string or a list of strings",
}

// strictEntry checks a member of a dictionary: its key, and its value by what the dictionary is for.
// STIX 2.1 section 2.3, and that of the dictionary's property.
func (c *checker) strictEntry(i int, r *rule, s *shape) bool {
	if !c.strictKey(i) {
		return false
	}
	nodes := c.o.p.nodes
	m := &nodes[i]
	ok := true
	switch r.entries {
	case ofAny:
	case ofText:
		ok = m.kind == kString
	case ofInteger:
		ok = m.kind == kInteger
	case ofTextOrInteger:
		ok = m.kind == kString || m.kind == kInteger
	default:
		ok = m.kind == kList || m.kind == kString && r.entries == ofTextOrTexts
		for k := i + 1; k < int(m.next); k = int(nodes[k].next) {
			ok = ok && nodes[k].kind == kString
		}
	}
	return ok || c.wrong(i, s, wants[r.entries])
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

// strictLanguage checks the contents of a language: its code is registered, its members are named as
// properties are. STIX 2.1 section 7.1.
func (c *checker) strictLanguage(i int) bool {
	const section = "STIX 2.1 section 7.1"
	m := &c.o.p.nodes[i]
	if key := c.o.key(m); !languageCode(key) {
		return c.fail(i, section, quote(key), " is no RFC 5646 language code")
	}
	if i+1 == int(m.next) {
		return c.fail(i, "STIX 2.1 section 2.3", "a dictionary must not be empty")
	}
	for k := i + 1; k < int(m.next); k = int(c.o.p.nodes[k].next) {
		if !c.customProperty(k) {
			return false
		}
	}
	return true
}

// hashDigits gives how many hexadecimal digits the hashes of STIX 2.1 section 10.7 have, and some that
// are not in it.
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
	const section = "STIX 2.1 section 10.7"
	m := &c.o.p.nodes[i]
	key, value := c.o.key(m), c.o.text(m)
	switch n := hashDigits(key); {
	case n != 0 && (len(value) != n || !hexBytes(value)):
		return c.fail(i, section, "a hash of ", string(key), " has ", strconv.Itoa(n), " hexadecimal digits")
	case string(key) == "SSDEEP" && !ssdeep(value):
		return c.fail(i, section, "a hash of SSDEEP is a block size and two hashes, joined by colons")
	case string(key) == "TLSH" && !tlsh(value):
		return c.fail(i, section, "a hash of TLSH has 70 hexadecimal digits, and may have T1 before them")
	case len(key) < 3:
		return c.fail(i, "STIX 2.1 section 2.7", "the name of a hash has 3 to 250 characters")
	}
	return c.strictKey(i)
}

// ssdeep reports the characters of a fuzzy hash: digits, and base64 in two parts.
func ssdeep(t []byte) bool {
	for _, b := range t {
		if (!word(b) || b == '_') && b-'0' > 9 && strings.IndexByte("/+:.", b) < 0 {
			return false
		}
	}
	return len(t) > 0 && len(t) <= 148
}

func tlsh(t []byte) bool {
	t = bytes.TrimPrefix(t, []byte("T1"))
	return len(t) == 70 && hexBytes(t)
}
