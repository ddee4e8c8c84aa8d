package stix

import (
	"bytes"
	"encoding/binary"
)

const uuidLength = len("00000000-0000-0000-0000-000000000000")

// splitID gives the type of an identifier, or false when it is none: a type, two hyphens and a UUID.
// STIX 2.1 section 2.9.
func splitID(id []byte) (kind []byte, ok bool) {
	at := len(id) - uuidLength
	if at < 3 || id[at-1] != '-' || id[at-2] != '-' || !uuid(id[at:]) {
		return nil, false
	}
	kind = id[:at-2]
	return kind, identifierType(kind)
}

// looseID is splitID for a UUID that has too many digits or too few: five groups of them.
func looseID(id []byte) (kind []byte, ok bool) {
	kind, rest, ok := bytes.Cut(id, []byte("--"))
	groups := 1
	for i, b := range rest {
		if b == '-' && i > 0 && rest[i-1] != '-' {
			groups++
		} else if hexDigit[b] > 15 {
			return kind, false
		}
	}
	return kind, ok && identifierType(kind) && groups == 5 && rest[len(rest)-1] != '-'
}

// uuid checks 36 bytes: hexadecimal digits in the five groups of RFC 4122 section 3, the variant of
// section 4.1.1, a version from 1 to 8 (RFC 9562, which took RFC 4122's place, added 6 to 8).
func uuid(b []byte) bool {
	_ = b[35]
	// Eight bytes at once; hyphens become digits before the digits are checked.
	const toDigit = '-' ^ '0'
	w0 := binary.LittleEndian.Uint64(b)
	w1 := binary.LittleEndian.Uint64(b[8:]) ^ (toDigit | toDigit<<40)
	w2 := binary.LittleEndian.Uint64(b[16:]) ^ (toDigit<<16 | toDigit<<56)
	w3 := binary.LittleEndian.Uint64(b[24:])
	w4 := binary.LittleEndian.Uint64(b[28:])
	if b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return false
	}
	if !hex8(w0) || !hex8(w1) || !hex8(w2) || !hex8(w3) || !hex8(w4) {
		return false
	}
	return b[14]-'1' <= 7 && hexDigit[b[19]]>>2 == 2
}

// hex8 reports whether eight bytes are all hexadecimal digits. Each byte is compared with the bounds
// of 0-9 and, with the bit of lower case set, of a-f: adding a number that carries into the top bit
// from the bound on.
func hex8(w uint64) bool {
	if w&highs != 0 {
		return false
	}
	l := w | ones*0x20
	digit := (w + ones*(0x80-'0')) &^ (w + ones*(0x80-'9'-1))
	letter := (l + ones*(0x80-'a')) &^ (l + ones*(0x80-'f'-1))
	return (digit|letter)&highs == highs
}

// uuidVersion gives the version digit of an identifier's UUID.
func uuidVersion(id []byte) (version int, ok bool) {
	if _, ok := splitID(id); !ok {
		return 0, false
	}
	return int(id[len(id)-uuidLength+14] - '0'), true
}

// typeName reports a type's form: 3 to 250 of a-z, 0-9 and hyphen. STIX 2.1 section 11.2.
func typeName(t []byte) bool {
	if len(t) < 3 || len(t) > 250 {
		return false
	}
	for _, c := range t {
		if c-'a' > 'z'-'a' && c-'0' > 9 && c != '-' {
			return false
		}
	}
	return true
}

// identifierType is typeName with what an identifier needs more: it begins with a letter.
func identifierType(t []byte) bool {
	return typeName(t) && !bytes.HasPrefix(t, []byte("-"))
}

// classOf gives the class of a type that STIX 2.1 defines, and part for every other.
func classOf(kind []byte) class {
	switch string(kind) {
	case "attack-pattern", "campaign", "course-of-action", "grouping", "identity", "incident", "indicator",
		"infrastructure", "intrusion-set", "location", "malware", "malware-analysis", "note", "observed-data",
		"opinion", "report", "threat-actor", "tool", "vulnerability":
		return domain
	case "relationship", "sighting":
		return relation
	case "language-content", "extension-definition":
		return meta
	case "marking-definition":
		return marking
	}
	if among(kind, observableTypes[:]) {
		return observable
	}
	return part
}
