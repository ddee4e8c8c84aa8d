package stix

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/text/language"
)

// A form is how the text of a property must be made, beyond being a string. Tier 2 looks at it.
type form struct {
	ok   func(text []byte) bool
	want string // "the value must be …"
}

var (
	// "The value of this property MUST be an RFC 5646 language code." STIX 2.1 sections 3.2 and 6.14.
	languageForm = &form{languageCode, "a language code of RFC 5646, like en or pt-BR"}
	// "The value of this property MUST conform to [RFC3986], more specifically section 1.1.3 with
	// reference to the definition for 'Uniform Resource Locator'." STIX 2.1 sections 2.5, 6.1 and 6.15.
	uriForm = &form{uri, "a URL as RFC 3986 has it, like https://a.example/b"}
	// "The value of this property MUST conform to [RFC1034], and each domain and sub-domain contained
	// within the domain name MUST conform to [RFC5890]." STIX 2.1 section 6.4.
	domainForm = &form{domainName, "a domain name, like a.example"}
	// "Whose value MUST conform to addr-spec as defined in section 3.4.1 of [RFC5322]". STIX 2.1
	// section 6.5.
	mailForm = &form{mailAddress, "an e-mail address without a display name"}
	// "The value of this property MUST be a valid IPv4 address or a block in CIDR notation." STIX 2.1
	// section 6.8.
	ipv4Form = &form{func(t []byte) bool { return addressOrBlock(t, 32) }, "an IPv4 address or a block of them"}
	// STIX 2.1 section 6.9.
	ipv6Form = &form{func(t []byte) bool { return addressOrBlock(t, 128) }, "an IPv6 address or a block of them"}
	// "A single colon-delimited, lowercase MAC-48 address, which MUST include leading zeros". STIX 2.1
	// section 6.10.
	macForm = &form{macAddress, "a MAC address like d2:fb:49:24:37:18"}
	// "The value of this property MUST be a CPE v2.3 entry". STIX 2.1 section 6.14; NISTIR 7695
	// section 6.2.
	cpeForm = &form{cpe, "a CPE 2.3 formatted string"}
	// "The hive MUST be fully expanded and not truncated". STIX 2.1 section 6.17.
	hiveForm = &form{wholeHive, "a key with its hive written out, like HKEY_LOCAL_MACHINE\\System"}
	// The shape of a media type. Which of them are registered with IANA is a SHOULD. STIX 2.1 section
	// 6.1.
	mimeForm = &form{mimeType, "a media type, like application/zip"}
	// "This value MUST be specified using the corresponding name from the 2013-12-20 revision of the
	// IANA character set registry." STIX 2.1 sections 6.3 and 6.7.
	charsetForm = &form{charset, "the preferred name of a character set that IANA registers, like ISO-8859-1"}
)

// languageTag reports the form of a language tag. RFC 5646 section 2.1.
func languageTag(t []byte) bool {
	first := true
	for part := range bytes.SplitSeq(t, []byte("-")) {
		if len(part) == 0 || len(part) > 8 {
			return false
		}
		for _, c := range part {
			if c|0x20-'a' > 'z'-'a' && (first || c-'0' > 9) {
				return false
			}
		}
		first = false
	}
	return true
}

// languageCode reports a language tag, of at most 250 bytes, whose parts are registered.
func languageCode(t []byte) bool {
	if len(t) > 250 || !languageTag(t) {
		return false
	}
	_, err := language.Parse(string(t))
	return err == nil
}

// addressOrBlock reports an IP address of so many bits, or a block of them in CIDR notation.
func addressOrBlock(t []byte, bits int) bool {
	text, length, block := strings.Cut(string(t), "/")
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.BitLen() != bits {
		return false
	}
	if !block {
		return true
	}
	n, err := strconv.Atoi(length)
	return err == nil && n >= 0 && n <= bits && strconv.Itoa(n) == length
}

func macAddress(t []byte) bool {
	if len(t) != len("00:00:00:00:00:00") {
		return false
	}
	for k, c := range t {
		if k%3 == 2 && c != ':' || k%3 != 2 && c-'0' > 9 && c-'a' > 5 {
			return false
		}
	}
	return true
}

// cpe reports a formatted string of CPE 2.3: "cpe:2.3:" and eleven parts.
func cpe(t []byte) bool {
	rest, ok := bytes.CutPrefix(t, []byte("cpe:2.3:"))
	if !ok {
		return false
	}
	for n := range 11 {
		end := cpeEnd(rest)
		if last := end == len(rest); last != (n == 10) || !cpePart(rest[:end], n) {
			return false
		}
		rest = rest[min(end+1, len(rest)):]
	}
	return true
}

// cpeEnd gives where the first part ends: at a colon that is not escaped, or at the text's end.
func cpeEnd(t []byte) int {
	for i := 0; i < len(t); i++ {
		switch t[i] {
		case '\\':
			i++
		case ':':
			return i
		}
	}
	return len(t)
}

// cpePart checks the n-th part. NISTIR 7695, figure 6-3.
func cpePart(t []byte, n int) bool {
	if s := string(t); s == "*" || s == "-" {
		return true
	}
	switch n {
	case 0:
		return len(t) == 1 && strings.IndexByte("aho", t[0]) >= 0
	case 6: // the language: two or three letters, and two letters or three digits of a region
		l, region, both := strings.Cut(string(t), "-")
		letters := func(s string) bool { return strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz") == "" }
		return (len(l) == 2 || len(l) == 3) && letters(l) &&
			(!both || len(region) == 2 && letters(region) || len(region) == 3 && allDigits([]byte(region)))
	}
	wild := func(t []byte) []byte { // "*" or some "?" may stand at either end
		if rest, ok := bytes.CutPrefix(t, []byte("*")); ok {
			return rest
		}
		return bytes.TrimLeft(t, "?")
	}
	t = wild(t)
	from := len(t)
	for i := 0; i < len(t); i++ {
		switch c := t[i]; {
		case c == '\\':
			if i++; i == len(t) || strings.IndexByte("\\*?!\"#$%&'()+,/:;<=>@[]^`{|}~-._", t[i]) < 0 {
				return false
			}
		case c == '*' || c == '?':
			return i > 0 && len(wild(t[i:])) == 0
		case !word(c) && c-'0' > 9 && c != '-' && c != '.':
			return false
		}
	}
	return from > 0
}

func allDigits(t []byte) bool {
	for _, d := range t {
		if d-'0' > 9 {
			return false
		}
	}
	return true
}

func wholeHive(t []byte) bool {
	hive, _, _ := strings.Cut(strings.ToUpper(string(t)), `\`)
	switch hive {
	case "HKLM", "HKCC", "HKCR", "HKCU", "HKU":
		return false
	}
	return true
}

func mimeType(t []byte) bool {
	kind, sub, _ := bytes.Cut(t, []byte("/"))
	return among(kind, []string{"application", "audio", "font", "image", "message", "model", "multipart", "text", "video"}) &&
		len(sub) > 0 && (word(sub[0]) || sub[0]-'0' <= 9 || strings.IndexByte(".+-", sub[0]) >= 0)
}
