package auth

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what canonical JSON is made of.
const (
	maxDepth = 32        // objects and arrays in one another
	maxInt   = 1<<53 - 1 // what every reader of JSON keeps exactly. RFC 7493 section 2.2
)

// appendCanonical appends the one JSON value in src as RFC 8785 writes it. Numbers must be integers
// up to 2^53 - 1: how a fraction is written is where implementations differ, and the journal's
// hashes must not.
func appendCanonical(dst, src []byte) ([]byte, error) {
	if !utf8.Valid(src) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(src) { // from here on the grammar holds
		return nil, errors.New("not JSON")
	}
	r := canonicalizer{src: src}
	return r.value(dst, 0)
}

// canonicalizer walks a JSON text that is known to be valid.
type canonicalizer struct {
	src []byte
	i   int // the next byte
}

// next skips white space and what stands between values, and gives the byte where something begins.
func (r *canonicalizer) next() byte {
	for {
		switch c := r.src[r.i]; c {
		case ' ', '\t', '\n', '\r', ',', ':':
			r.i++
		default:
			return c
		}
	}
}

func (r *canonicalizer) value(dst []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("deeper than %d", maxDepth)
	}
	switch c := r.next(); c {
	case '{':
		return r.object(dst, depth+1)
	case '[':
		return r.array(dst, depth+1)
	case '"':
		return r.text(dst)
	case 't', 'f', 'n':
		return append(dst, r.word()...), nil
	}
	return appendInteger(dst, string(r.word()))
}

// word reads a literal or a number.
func (r *canonicalizer) word() []byte {
	start := r.i
	for r.i < len(r.src) && bytes.IndexByte([]byte(" \t\n\r,:]}"), r.src[r.i]) < 0 {
		r.i++
	}
	return r.src[start:r.i]
}

// text appends a string. Without a backslash it is canonical as it is: a control character or a
// quotation mark could not stand in it.
func (r *canonicalizer) text(dst []byte) ([]byte, error) {
	start, plain := r.i, true
	for r.i++; r.src[r.i] != '"'; r.i++ {
		if r.src[r.i] == '\\' {
			plain = false
			r.i++
		}
	}
	r.i++
	raw := r.src[start:r.i]
	if plain {
		return append(dst, raw...), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	return appendString(dst, s), nil
}

func (r *canonicalizer) array(dst []byte, depth int) ([]byte, error) {
	dst = append(dst, '[')
	r.i++
	for first := true; r.next() != ']'; first = false {
		if !first {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = r.value(dst, depth); err != nil {
			return nil, err
		}
	}
	r.i++
	return append(dst, ']'), nil
}

func (r *canonicalizer) object(dst []byte, depth int) ([]byte, error) {
	type member struct{ name, value []byte } // canonical, the name with its quotation marks
	var few [8]member
	members, buf := few[:0], make([]byte, 0, 256)
	r.i++
	for r.next() != '}' {
		start := len(buf)
		var err error
		if buf, err = r.text(buf); err != nil {
			return nil, err
		}
		middle := len(buf)
		r.next()
		if buf, err = r.value(buf, depth); err != nil {
			return nil, err
		}
		// A buffer that grew leaves the members before it in the one that it had.
		members = append(members, member{buf[start:middle:middle], buf[middle:len(buf):len(buf)]})
	}
	r.i++
	slices.SortFunc(members, func(a, b member) int { return compareNames(a.name, b.name) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			if bytes.Equal(m.name, members[i-1].name) {
				return nil, fmt.Errorf("member %s twice", m.name)
			}
			dst = append(dst, ',')
		}
		dst = append(append(dst, m.name...), ':')
		dst = append(dst, m.value...)
	}
	return append(dst, '}'), nil
}

// compareNames orders names as they stand in canonical JSON. Names without an escape and outside of
// what surrogates write sort as their bytes do.
func compareNames(a, b []byte) int {
	var s, t string
	plain := func(b []byte) bool {
		return bytes.IndexByte(b, '\\') < 0 && !bytes.ContainsFunc(b, func(r rune) bool { return r >= 0xD800 })
	}
	if plain(a) && plain(b) {
		return bytes.Compare(a[1:len(a)-1], b[1:len(b)-1])
	}
	// They were written by appendString or came through the decoder: they are strings.
	if json.Unmarshal(a, &s) != nil || json.Unmarshal(b, &t) != nil {
		return bytes.Compare(a, b)
	}
	return compareUTF16(s, t)
}

// compareUTF16 orders names by UTF-16 code units. RFC 8785 section 3.2.3.
func compareUTF16(a, b string) int {
	for a != "" && b != "" {
		r, n := utf8.DecodeRuneInString(a)
		s, m := utf8.DecodeRuneInString(b)
		if r != s {
			return slices.Compare(utf16.AppendRune(nil, r), utf16.AppendRune(nil, s))
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

// appendString writes a string with the fewest escapes. RFC 8785 section 3.2.2.2.
func appendString(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s { // what is not UTF-8 becomes U+FFFD
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\b':
			dst = append(dst, `\b`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\f':
			dst = append(dst, `\f`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r < 0x20:
			dst = append(dst, `\u00`...)
			dst = append(dst, digits[r>>4], digits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// appendInteger writes a number as its shortest decimal form; -0 is 0. RFC 8785 section 3.2.2.3.
func appendInteger(dst []byte, s string) ([]byte, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(s, 64)
		if ferr != nil || math.Trunc(f) != f || math.Abs(f) > maxInt {
			return nil, fmt.Errorf("number %.40s: want an integer up to 2^53 - 1", s)
		}
		n = int64(f)
	}
	if n > maxInt || n < -maxInt {
		return nil, fmt.Errorf("number %.40s: want an integer up to 2^53 - 1", s)
	}
	return strconv.AppendInt(dst, n, 10), nil
}
