package auth

import (
	"bytes"
)

// Most lines are plain: canonical JSON without an escape, in ASCII, with names in order and small
// integers. The functions below know such text by one look at it; of any other they say nothing. A line
// is written and read for every answer that is given.

// plainDepth is how deep plain text goes.
const plainDepth = 4

// isPlain reports whether b is an object in canonical form, as appendCanonical would write it.
func isPlain(b []byte) bool {
	n := plainObject(b, 0)
	return n > 0 && n == len(b)
}

// plainObject gives the length of the object that b begins with; 0 when it is not a plain one.
func plainObject(b []byte, depth int) int {
	if depth == plainDepth || len(b) < 2 || b[0] != '{' {
		return 0
	}
	if b[1] == '}' {
		return 2
	}
	i := 1
	for before := []byte(nil); ; {
		n := plainText(b[i:])
		if n == 0 || i+n >= len(b) || b[i+n] != ':' {
			return 0
		}
		name := b[i+1 : i+n-1]
		if before != nil && bytes.Compare(before, name) >= 0 {
			return 0
		}
		before = name
		i += n + 1
		if n = plainValue(b[i:], depth+1); n == 0 || i+n >= len(b) {
			return 0
		}
		i += n + 1
		switch b[i-1] {
		case '}':
			return i
		case ',':
		default:
			return 0
		}
	}
}

func plainValue(b []byte, depth int) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		return plainText(b)
	case '{':
		return plainObject(b, depth)
	case '[':
		return plainArray(b, depth)
	case 't', 'f', 'n':
		for _, word := range []string{"true", "false", "null"} {
			if len(b) >= len(word) && string(b[:len(word)]) == word {
				return len(word)
			}
		}
		return 0
	}
	return plainInteger(b)
}

func plainArray(b []byte, depth int) int {
	if depth == plainDepth || len(b) < 2 {
		return 0
	}
	if b[1] == ']' {
		return 2
	}
	for i := 1; ; {
		n := plainValue(b[i:], depth+1)
		if n == 0 || i+n >= len(b) {
			return 0
		}
		i += n + 1
		switch b[i-1] {
		case ']':
			return i
		case ',':
		default:
			return 0
		}
	}
}

// plainText: printable ASCII in quotation marks.
func plainText(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ' || c > '~' || c == '\\':
			return 0
		}
	}
	return 0
}

// plainInteger: not negative, at most 15 digits, so that it is below 2^53.
func plainInteger(b []byte) int {
	i := 0
	for i < len(b) && i <= 15 && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i > 15 || i > 1 && b[0] == '0' {
		return 0
	}
	return i
}

// parsePlain is ParseLine for a plain line; ok is false for any other, good or bad.
func parsePlain(b []byte) (l Line, seq int64, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(`{"actor":`))
	n := plainText(rest)
	if !ok || n <= 2 {
		return Line{}, 0, false
	}
	actor := Actor(rest[1 : n-1])
	rest, ok = bytes.CutPrefix(rest[n:], []byte(`,"kind":`))
	if n = plainText(rest); !ok || n <= 2 {
		return Line{}, 0, false
	}
	kind := string(rest[1 : n-1])
	rest, ok = bytes.CutPrefix(rest[n:], []byte(`,"seq":`))
	if n = plainInteger(rest[:min(len(rest), 16)]); !ok || n == 0 {
		return Line{}, 0, false
	}
	for _, c := range rest[:n] {
		seq = 10*seq + int64(c-'0')
	}
	rest, ok = bytes.CutPrefix(rest[n:], []byte(`,"time":"`))
	if n = len(stampLayout); !ok || len(rest) < n {
		return Line{}, 0, false
	}
	at, ok := ParseStamp(rest[:n])
	if !ok {
		return Line{}, 0, false
	}
	rest, ok = bytes.CutPrefix(rest[n:], []byte(`","what":`))
	if !ok || len(rest) == 0 || rest[len(rest)-1] != '}' || !isPlain(rest[:len(rest)-1]) {
		return Line{}, 0, false
	}
	return Line{Time: at, Actor: actor, Kind: kind, What: bytes.Clone(rest[:len(rest)-1])}, seq, true
}
