package client

// verdict says what was found where a JSON value was expected.
type verdict uint8

const (
	whole verdict = iota // a value
	short                // the beginning of one, as far as the bytes go
	wrong                // no JSON
)

const maxDepth = 10_000 // levels of nesting; encoding/json has the same

// scanValue finds the end of the JSON value that begins at b[i] or after white space, and checks it by
// the grammar of RFC 8259. open is memory for the brackets that are open, to be used again.
func scanValue(b []byte, i int, open []byte) (end int, v verdict, memory []byte) {
	open = open[:0]
	for {
		if i = blank(b, i); i == len(b) {
			return i, short, open
		}
		switch c := b[i]; {
		case c == '{':
			if i = blank(b, i+1); i == len(b) {
				return i, short, open
			}
			if b[i] != '}' {
				if len(open) == maxDepth {
					return i, wrong, open
				}
				open = append(open, '}')
				if i, v = scanName(b, i); v != whole {
					return i, v, open
				}
				continue
			}
			i++
		case c == '[':
			if i = blank(b, i+1); i == len(b) {
				return i, short, open
			}
			if b[i] != ']' {
				if len(open) == maxDepth {
					return i, wrong, open
				}
				open = append(open, ']')
				continue
			}
			i++
		case c == '"':
			i, v = scanString(b, i+1)
		case c == '-' || '0' <= c && c <= '9':
			i, v = scanNumber(b, i)
		case c == 't':
			i, v = scanWord(b, i, "true")
		case c == 'f':
			i, v = scanWord(b, i, "false")
		case c == 'n':
			i, v = scanWord(b, i, "null")
		default:
			v = wrong
		}
		if v == whole {
			i, v, open = closeValues(b, i, open)
		}
		if v != whole || len(open) == 0 {
			return i, v, open
		}
	}
}

// closeValues stands behind a value: it closes what ends there and stops where the next value begins,
// or with nothing open.
func closeValues(b []byte, i int, open []byte) (int, verdict, []byte) {
	for len(open) > 0 {
		if i = blank(b, i); i == len(b) {
			return i, short, open
		}
		top := open[len(open)-1]
		switch {
		case b[i] == top:
			open = open[:len(open)-1]
			i++
		case b[i] != ',':
			return i, wrong, open
		case top == '}':
			i, v := scanName(b, blank(b, i+1))
			return i, v, open
		default:
			return i + 1, whole, open
		}
	}
	return i, whole, open
}

// scanName reads a member's name at b[i] and the colon behind it.
func scanName(b []byte, i int) (int, verdict) {
	if i == len(b) {
		return i, short
	}
	if b[i] != '"' {
		return i, wrong
	}
	i, v := scanString(b, i+1)
	if v != whole {
		return i, v
	}
	switch i = blank(b, i); {
	case i == len(b):
		return i, short
	case b[i] != ':':
		return i, wrong
	}
	return i + 1, whole
}

// scanString reads a string from behind its first quotation mark.
func scanString(b []byte, i int) (int, verdict) {
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i + 1, whole
		case c < ' ':
			return i, wrong
		case c != '\\':
			i++
			continue
		}
		if i++; i == len(b) {
			break
		}
		switch b[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i++
		case 'u':
			for n := 1; n <= 4; n++ {
				if i+n == len(b) {
					return i + n, short
				}
				if c := b[i+n] | 0x20; (c < '0' || c > '9') && (c < 'a' || c > 'f') || b[i+n] < '0' {
					return i + n, wrong
				}
			}
			i += 5
		default:
			return i, wrong
		}
	}
	return len(b), short
}

// scanNumber reads a number; one that the bytes end with may go on.
func scanNumber(b []byte, i int) (int, verdict) {
	digits := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if b[i] == '-' {
		i++
	}
	switch {
	case i == len(b):
		return i, short
	case b[i] == '0':
		i++
	case !digits():
		return i, wrong
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() && i < len(b) {
			return i, wrong
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() && i < len(b) {
			return i, wrong
		}
	}
	if i == len(b) {
		return i, short
	}
	return i, whole
}

func scanWord(b []byte, i int, word string) (int, verdict) {
	for n := range len(word) {
		if i+n == len(b) {
			return i + n, short
		}
		if b[i+n] != word[n] {
			return i + n, wrong
		}
	}
	return i + len(word), whole
}

// blank skips white space.
func blank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}
