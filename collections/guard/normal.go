package guard

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"liaison/stix"
)

// Key is a value in its one form: two values with one key are the same thing.
type Key struct {
	Kind  stix.ValueKind
	Value string
}

// Normal gives a value's key; false for a kind that is not compared (OtherValue) and for a text that is
// no value of its kind. Only what the standards say is the same becomes the same: the case of schemes,
// hosts, digests and MAC addresses, punycode, the dot at a name's end, the forms of IPv6, a scheme's own
// port, dot segments and needless escapes of a path. Paths, queries, fragments and the part of a mail
// address before the @ keep their case. It holds that Normal(Normal(x)) = Normal(x).
//
// RFC 3986 section 6.2, RFC 5891, RFC 5952, RFC 5321 section 2.4.
func Normal(kind stix.ValueKind, text string) (Key, bool) {
	k, _, ok := normal(kind, text)
	return k, ok
}

// normal gives, of an address, also the block that it is.
func normal(kind stix.ValueKind, text string) (k Key, block netip.Prefix, ok bool) {
	if len(text) > MaxValue {
		return k, block, false
	}
	switch kind {
	case stix.IPv4Value, stix.IPv6Value:
		return normalAddress(text)
	case stix.DomainValue:
		return normalHost(text)
	case stix.URLValue:
		k, ok = normalURL(text)
	case stix.EmailValue:
		k, ok = normalMail(text)
	case stix.MACValue:
		k, ok = normalMAC(text)
	case stix.ASNumberValue:
		k, ok = normalNumber(text)
	case stix.OtherValue:
	default:
		k, ok = normalHash(kind, text)
	}
	return k, block, ok
}

// normalAddress reads an address or a block. An IPv4 address in IPv6's clothes is the IPv4 address, a
// block of one address is the address, the bits after a block's length do not count.
func normalAddress(text string) (k Key, block netip.Prefix, ok bool) {
	if text == "" || text[0]-'0' > 9 && text[0] != ':' && text[0]|0x20-'a' > 5 {
		return k, block, false
	}
	if strings.IndexByte(text, '/') >= 0 {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return k, block, false
		}
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		block = p.Masked()
	} else {
		if len(text) > 4 && strings.IndexByte(text, ':') < 0 && text[len(text)-1]-'0' > 9 {
			return k, block, false // a name
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			return k, block, false
		}
		a = a.Unmap().WithZone("")
		block = netip.PrefixFrom(a, a.BitLen())
	}
	k.Kind = stix.IPv6Value
	if block.Addr().Is4() {
		k.Kind = stix.IPv4Value
	}
	var b [64]byte
	one := b[:0]
	if block.IsSingleIP() {
		one = block.Addr().AppendTo(one)
	} else {
		one = block.AppendTo(one)
	}
	if k.Value = text; string(one) != text {
		k.Value = string(one)
	}
	return k, block, true
}

// lookup maps names as browsers do, and lets names through that hosts must not have and DNS may.
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// normalHost reads a domain name, or an address in its place.
func normalHost(text string) (k Key, block netip.Prefix, ok bool) {
	if k, block, ok = normalAddress(text); ok {
		return k, block, ok
	}
	host, ok := hostText(text)
	if !ok {
		return Key{}, block, false
	}
	if host != text { // digits of another script
		if k, block, ok = normalAddress(host); ok {
			return k, block, ok
		}
	}
	return Key{stix.DomainValue, host}, netip.Prefix{}, true
}

// hostText maps a name to lower case and punycode. What cannot stand in a URL's host is in no name, also
// not after the mapping.
func hostText(text string) (string, bool) {
	const most = 253 // RFC 1035 section 2.3.4, without the dot at the end
	if strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf || r-'A' <= 'Z'-'A' && r >= 'A' }) || strings.Contains(text, "xn--") {
		mapped, err := lookup.ToASCII(text)
		if err != nil || !utf8.ValidString(text) {
			return "", false
		}
		if again, err := lookup.ToASCII(mapped); err != nil || again != mapped { // no name then, whatever it maps to
			return "", false
		}
		text = mapped
	}
	for i := 0; i < len(text); i++ {
		if c := text[i]; c <= ' ' || c >= 0x7F || strings.IndexByte("/\\?#@:[]<>\"'`{}|^", c) >= 0 {
			return "", false
		}
	}
	text = strings.TrimSuffix(text, ".")
	if text == "" || len(text) > most || text[0] == '.' || text[len(text)-1] == '.' || strings.Contains(text, "..") {
		return "", false
	}
	return text, true
}

func normalMail(text string) (Key, bool) {
	at := strings.LastIndexByte(text, '@')
	if at <= 0 {
		return Key{}, false
	}
	host, ok := hostText(text[at+1:])
	if !ok {
		return Key{}, false
	}
	return Key{stix.EmailValue, text[:at+1] + host}, true
}

// normalMAC reads six bytes in hexadecimal with any or no separators.
func normalMAC(text string) (Key, bool) {
	var b [17]byte
	n := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == ':' || c == '-' || c == '.':
			continue
		case !hexDigit(c) || n == len(b):
			return Key{}, false
		case n%3 == 2:
			b[n] = ':'
			n++
		}
		b[n] = lower(c)
		n++
	}
	return Key{stix.MACValue, string(b[:n])}, n == len(b)
}

// normalNumber reads the number of an autonomous system, with or without AS before it.
func normalNumber(text string) (Key, bool) {
	if len(text) > 2 && strings.EqualFold(text[:2], "as") {
		text = text[2:]
	}
	if len(text) == 0 || len(text) > 20 {
		return Key{}, false
	}
	for i := 0; i < len(text); i++ {
		if text[i]-'0' > 9 {
			return Key{}, false
		}
	}
	text = strings.TrimLeft(text, "0")
	if text == "" {
		text = "0"
	}
	return Key{stix.ASNumberValue, text}, true
}

// normalHash reads a digest: of a known algorithm its hexadecimal digits, of another hexadecimal digits
// in lower case and any other text as it is (SSDEEP minds its case).
func normalHash(kind stix.ValueKind, text string) (Key, bool) {
	length := 0
	switch kind {
	case stix.MD5Value:
		length = 32
	case stix.SHA1Value:
		length = 40
	case stix.SHA256Value:
		length = 64
	case stix.SHA512Value:
		length = 128
	case stix.OtherHashValue:
	default:
		return Key{}, false
	}
	digits := text != ""
	for i := 0; i < len(text) && digits; i++ {
		digits = hexDigit(text[i])
	}
	if length > 0 && (!digits || len(text) != length) || text == "" {
		return Key{}, false
	}
	if digits {
		text = strings.ToLower(text)
	}
	return Key{kind, text}, true
}

func hexDigit(c byte) bool { return c-'0' <= 9 || c|0x20-'a' <= 5 }

func lower(c byte) byte {
	if c-'A' <= 'Z'-'A' {
		return c | 0x20
	}
	return c
}
