package stix

import (
	"bytes"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// uri reports a URI reference: a URI, or what is left of one without its scheme and host, which OASIS's
// validator takes for a URL too. RFC 3986 section 4.1.
func uri(t []byte) bool {
	rest, fragment, _ := bytes.Cut(t, []byte("#"))
	rest, query, _ := bytes.Cut(rest, []byte("?"))
	if len(rest) == 0 || !uriText(fragment, "/?:@") || !uriText(query, "/?:@") {
		return false
	}
	first, _, _ := bytes.Cut(rest, []byte("/"))
	if name, _, ok := bytes.Cut(first, []byte(":")); ok {
		if !scheme(name) {
			return false
		}
		if rest = rest[len(name)+1:]; len(rest) == 0 {
			return false
		}
	}
	if after, ok := bytes.CutPrefix(rest, []byte("//")); ok {
		end := bytes.IndexByte(after, '/')
		if end < 0 {
			end = len(after)
		}
		if !authority(after[:end]) {
			return false
		}
		rest = after[end:]
	}
	return uriText(rest, "/:@")
}

// scheme reports the name of one. RFC 3986 section 3.1.
func scheme(t []byte) bool {
	for i, c := range t {
		if (!word(c) || c == '_') && (i == 0 || c-'0' > 9 && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return len(t) > 0
}

// authority checks what stands between "//" and the path: [user@]host[:port]. RFC 3986 section 3.2.
func authority(t []byte) bool {
	if at := bytes.LastIndexByte(t, '@'); at >= 0 {
		if !uriText(t[:at], ":") {
			return false
		}
		t = t[at+1:]
	}
	host, port := t, []byte(nil)
	if literal, after, ok := bytes.Cut(t, []byte("]")); ok {
		ip, err := netip.ParseAddr(strings.TrimPrefix(string(literal), "["))
		if len(literal) == 0 || literal[0] != '[' || err != nil || !ip.Is6() || ip.Zone() != "" {
			return false
		}
		if len(after) > 0 && after[0] != ':' {
			return false
		}
		host, port = nil, bytes.TrimPrefix(after, []byte(":"))
	} else if at := bytes.IndexByte(t, ':'); at >= 0 {
		host, port = t[:at], t[at+1:]
	}
	return uriText(host, "") && allDigits(port)
}

// uriText reports text of unreserved characters, sub-delims, escapes and what else is given.
func uriText(t []byte, also string) bool {
	for i := 0; i < len(t); i++ {
		switch c := t[i]; {
		case word(c) || c-'0' <= 9 || strings.IndexByte("-.~!$&'()*+,;=", c) >= 0 || strings.IndexByte(also, c) >= 0:
		case c == '%' && i+2 < len(t) && hexDigit[t[i+1]] <= 15 && hexDigit[t[i+2]] <= 15:
			i += 2
		default:
			return false
		}
	}
	return true
}

// domainName reports labels joined by dots, at most 253 bytes of them; the root's dot may stand at the
// end. RFC 1034 section 3.5 with RFC 1123 section 2.1.
func domainName(t []byte) bool {
	t = bytes.TrimSuffix(t, []byte("."))
	if len(t) == 0 || len(t) > 253 {
		return false
	}
	for label := range bytes.SplitSeq(t, []byte(".")) {
		if n := utf8.RuneCount(label); n == 0 || n > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range string(label) {
			if !labelRune(r) {
				return false
			}
		}
	}
	return true
}

// labelRune reports what may be in a label: letters, digits and hyphen, beyond ASCII what IDNA takes
// for letters and digits. RFC 5890 section 2.3, RFC 5892 section 2.
func labelRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '-' || r != '_' && word(byte(r)) || byte(r)-'0' <= 9
	}
	switch r {
	case '\u00B7', '\u0375', '\u05F3', '\u05F4', '\u30FB', '\u200C', '\u200D': // in their context
		return true
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r))
}

// mailAddress reports an addr-spec without comments and white space; letters beyond ASCII are taken,
// as RFC 6531 has it. RFC 5322 section 3.4.1.
func mailAddress(t []byte) bool {
	at := bytes.LastIndexByte(t, '@')
	if at < 1 {
		return false
	}
	local, domain := t[:at], t[at+1:]
	if local[0] == '"' {
		if !quotedString(local) {
			return false
		}
	} else if !dotAtom(local) {
		return false
	}
	if len(domain) > 2 && domain[0] == '[' && domain[len(domain)-1] == ']' {
		return !bytes.ContainsAny(domain[1:len(domain)-1], "[]\\ \t\r\n")
	}
	return dotAtom(domain)
}

// dotAtom reports words of atext joined by single dots. RFC 5322 section 3.2.3.
func dotAtom(t []byte) bool {
	for atom := range bytes.SplitSeq(t, []byte(".")) {
		if len(atom) == 0 {
			return false
		}
		for _, c := range atom {
			if !word(c) && c-'0' > 9 && c < utf8.RuneSelf && strings.IndexByte("!#$%&'*+-/=?^`{|}~", c) < 0 {
				return false
			}
		}
	}
	return true
}

// quotedString reports a text in quotation marks. RFC 5322 section 3.2.4.
func quotedString(t []byte) bool {
	for i := 1; i < len(t); i++ {
		switch c := t[i]; {
		case c == '\\':
			i++
		case c == '"':
			return i == len(t)-1 && i > 0
		case c < ' ' && c != '\t', c == 0x7F:
			return false
		}
	}
	return false
}
