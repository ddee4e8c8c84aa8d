package stix

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// idNamespace is 00abedb4-aa42-466c-9c01-fed23315a9b7, in which the UUIDv5 of observables are made.
// STIX 2.1 section 2.9.
var idNamespace = [16]byte{0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7}

// contributing gives the properties from which a type's ids are derived: the "ID Contributing
// Properties" of STIX 2.1 section 6, in the order of their names.
func contributing(kind []byte) []string {
	switch string(kind) {
	case "artifact":
		return []string{"hashes", "payload_bin"}
	case "autonomous-system":
		return []string{"number"}
	case "directory":
		return []string{"path"}
	case "domain-name", "email-addr", "ipv4-addr", "ipv6-addr", "mac-addr", "url":
		return []string{"value"}
	case "email-message":
		return []string{"body", "from_ref", "subject"}
	case "file":
		return []string{"extensions", "hashes", "name", "parent_directory_ref"}
	case "mutex":
		return []string{"name"}
	case "network-traffic":
		return []string{"dst_port", "dst_ref", "end", "extensions", "protocols", "src_port", "src_ref", "start"}
	case "software":
		return []string{"cpe", "name", "swid", "vendor", "version"}
	case "user-account":
		return []string{"account_login", "account_type", "user_id"}
	case "windows-registry-key":
		return []string{"key", "values"}
	case "x509-certificate":
		return []string{"hashes", "serial_number"}
	}
	return nil
}

// derivedID gives a note when an observable's id is not the one that STIX derives.
//
// "… the UUID portion of the UUIDv5-based identifier SHOULD be generated … The name portion SHOULD be
// created from the set of 'ID Contributing Properties' … stringified according to [RFC8785]".
// STIX 2.1 section 2.9.
func derivedID(o *Object) *Note {
	names := contributing(o.Type)
	at := len(o.scratch)
	b := append(o.scratch, '{')
	for _, text := range names {
		n := named(text)
		if !o.p.have.has(n) {
			continue
		}
		if len(b) > at+1 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, text...)
		b = append(b, '"', ':')
		if n == nHashes {
			b = o.oneHash(b, int(o.p.at[n]))
		} else {
			b = o.canonical(b, int(o.p.at[n]))
		}
	}
	if len(b) == at+1 {
		return nil // nothing to derive an id from
	}
	b = append(b, '}')
	want := uuid5(b[at:])
	o.scratch = b[:at]
	if got := o.ID[len(o.ID)-uuidLength:]; strings.EqualFold(string(got), want) {
		return nil
	}
	return &Note{Pointer: "/id", Rule: "the id is not the one that STIX derives from the object: " + string(o.Type) + "--" + want, Section: "STIX 2.1 section 2.9"}
}

// uuid5 makes a UUID of version 5. RFC 4122 section 4.3.
func uuid5(name []byte) string {
	h := sha1.New()
	h.Write(idNamespace[:])
	h.Write(name)
	sum := h.Sum(nil)
	sum[6] = sum[6]&0x0F | 0x50
	sum[8] = sum[8]&0x3F | 0x80
	t := hex.EncodeToString(sum[:16])
	return t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:]
}

// oneHash writes the hash that contributes: "If the hashes property has more than one … MD5, SHA-1,
// SHA-256, SHA-512, in that order", else the first by name.
func (o *Object) oneHash(b []byte, at int) []byte {
	nodes := o.p.nodes
	best, rank := 0, 0
	for i := at + 1; i < int(nodes[at].next); i = int(nodes[i].next) {
		r := 4
		for k, algorithm := range []string{"MD5", "SHA-1", "SHA-256", "SHA-512"} {
			if string(o.key(&nodes[i])) == algorithm {
				r = k
			}
		}
		if best == 0 || r < rank || r == rank && bytes.Compare(o.key(&nodes[i]), o.key(&nodes[best])) < 0 {
			best, rank = i, r
		}
	}
	if best == 0 {
		return o.canonical(b, at)
	}
	b = append(b, '{')
	b = canonicalText(b, o.key(&nodes[best]))
	b = append(b, ':')
	b = o.canonical(b, best)
	return append(b, '}')
}

// canonical writes the value at as RFC 8785 has it.
func (o *Object) canonical(b []byte, at int) []byte {
	nodes := o.p.nodes
	m := &nodes[at]
	switch m.kind {
	case kString:
		raw := o.raw(m)
		if m.flags&escapedValue != 0 {
			raw = unescape(nil, raw)
		}
		return canonicalText(b, raw)
	case kInteger, kNumber:
		return canonicalNumber(b, string(o.raw(m)))
	case kList:
		b = append(b, '[')
		for i := at + 1; i < int(m.next); i = int(nodes[i].next) {
			if i > at+1 {
				b = append(b, ',')
			}
			b = o.canonical(b, i)
		}
		return append(b, ']')
	case kObject:
		return o.canonicalObject(b, at)
	}
	return append(b, o.raw(m)...)
}

// canonicalObject writes an object with its names in the order of their UTF-16 units.
func (o *Object) canonicalObject(b []byte, at int) []byte {
	nodes := o.p.nodes
	type member struct {
		key []uint16
		at  int
	}
	var members []member
	for i := at + 1; i < int(nodes[at].next); i = int(nodes[i].next) {
		raw := o.p.b[o.p.base+int(nodes[i].key) : o.p.base+int(nodes[i].kend)]
		members = append(members, member{utf16.Encode([]rune(string(unescape(nil, raw)))), i})
	}
	slices.SortFunc(members, func(x, y member) int { return slices.Compare(x.key, y.key) })
	b = append(b, '{')
	for k, m := range members {
		if k > 0 {
			b = append(b, ',')
		}
		b = canonicalText(b, []byte(string(utf16.Decode(m.key))))
		b = append(b, ':')
		b = o.canonical(b, m.at)
	}
	return append(b, '}')
}

// canonicalText writes a string. RFC 8785 section 3.2.2.2.
func canonicalText(b, text []byte) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ':
			b = append(b, c)
		default:
			if k := strings.IndexByte("\b\t\n\f\r", c); k >= 0 {
				b = append(b, '\\', "btnfr"[k])
			} else {
				b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			}
		}
	}
	return append(b, '"')
}

// canonicalNumber writes a number as ECMAScript does. RFC 8785 section 3.2.2.3.
func canonicalNumber(b []byte, text string) []byte {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f == 0 {
		return append(b, '0')
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(s, "e")
	sign, digits := exponent[:1], strings.TrimLeft(exponent[1:], "0")
	return append(b, mantissa+"e"+sign+digits...)
}
