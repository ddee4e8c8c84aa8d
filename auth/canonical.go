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
	if !json.Valid(src) { // the decoder below reads tokens; this one reads grammar
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	return appendValue(dst, d, 0)
}

func appendValue(dst []byte, d *json.Decoder, depth int) ([]byte, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("deeper than %d", maxDepth)
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '{' {
			return appendObject(dst, d, depth+1)
		}
		return appendArray(dst, d, depth+1)
	case string:
		return appendString(dst, v), nil
	case json.Number:
		return appendInteger(dst, v.String())
	case bool:
		return strconv.AppendBool(dst, v), nil
	}
	return append(dst, "null"...), nil
}

func appendArray(dst []byte, d *json.Decoder, depth int) ([]byte, error) {
	dst = append(dst, '[')
	for first := true; d.More(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValue(dst, d, depth); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, d *json.Decoder, depth int) ([]byte, error) {
	type member struct {
		name  string
		value []byte
	}
	var members []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		value, err := appendValue(nil, d, depth)
		if err != nil {
			return nil, err
		}
		members = append(members, member{name, value})
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	slices.SortFunc(members, func(a, b member) int { return compareUTF16(a.name, b.name) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			if m.name == members[i-1].name {
				return nil, fmt.Errorf("member %q twice", m.name)
			}
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, m.name), ':')
		dst = append(dst, m.value...)
	}
	return append(dst, '}'), nil
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
