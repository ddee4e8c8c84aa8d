package stix

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape appends the text of a JSON string whose bytes between the quotes are s, and which has
// passed the scanner. A lone surrogate becomes U+FFFD. RFC 8259 section 7.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := rune(hex4(s[i+1:]))
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+6 < len(s) && s[i+1] == '\\' && s[i+2] == 'u' {
					low = rune(hex4(s[i+3:]))
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c) // quotation mark, reverse solidus, solidus
		}
	}
	return dst
}

// hex4 reads four hexadecimal digits, or gives -1.
func hex4(s []byte) int {
	if len(s) < 4 {
		return -1
	}
	v := 0
	for _, c := range s[:4] {
		d := hexDigit[c]
		if d > 15 {
			return -1
		}
		v = v<<4 | int(d)
	}
	return v
}

// hexDigit gives the value of a hexadecimal digit, and 255 for every other byte.
var hexDigit = func() (t [256]uint8) {
	for c := range t {
		t[c] = 255
	}
	for c := range 10 {
		t['0'+c] = uint8(c)
	}
	for c := range 6 {
		t['a'+c], t['A'+c] = uint8(10+c), uint8(10+c)
	}
	return t
}()

// quote gives text as a person reads it in a message: quoted, and cut when it is long.
func quote(text []byte) string {
	const most = 80
	if len(text) <= most {
		return strconv.Quote(string(text))
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strconv.Quote(string(text[:cut])) + "…"
}
