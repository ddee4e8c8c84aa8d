package stix

// A skipper checks one JSON value byte by byte and keeps nothing of it, so that a value of any size
// can be passed over. RFC 8259; nesting up to 10,000 levels.
type skipper struct {
	state skipState
	depth int
	lists [maxNesting/64 + 1]uint64 // a bit for each level: it is a list
	rest  string                    // of a literal
	hex   int                       // digits left of an escape
	key   bool                      // the string is a member's name
	wide  int                       // bytes left of a character outside ASCII
	lo    byte                      // bounds of its next byte
	hi    byte
	lax   bool // bytes that are no UTF-8 pass
}

type skipState uint8

const (
	skipValueHere  skipState = iota // a value
	skipValueOrEnd                  // a value or the end of an empty list
	skipNameOrEnd                   // a name or the end of an empty object
	skipName                        // a name
	skipColon                       // the colon after it
	skipComma                       // a comma or the end of a list or object
	skipString                      // inside a string
	skipEscape                      // after a reverse solidus
	skipHex                         // inside \uXXXX
	skipLiteral                     // inside true, false, null
	skipMinus                       // after a minus
	skipZero                        // after a leading zero
	skipInteger                     // inside the integer part
	skipPoint                       // after the point
	skipFraction                    // inside the fraction
	skipExponent                    // after e
	skipExpSign                     // after its sign
	skipExpDigits                   // inside the exponent
)

// verdict is what step says of a byte.
type verdict uint8

const (
	skipMore   verdict = iota // it belongs to the value, and there is more to come
	skipAfter                 // it is the value's last
	skipBefore                // the value ended before it
	skipBad                   // it makes the text no JSON
)

// start makes the skipper ready for a value.
func (k *skipper) start() {
	k.state, k.depth, k.key, k.lax = skipValueHere, 0, false, false
}

func (k *skipper) step(c byte) verdict {
	switch k.state {
	case skipString:
		return k.inString(c)
	case skipEscape:
		return k.escape(c)
	case skipHex:
		if hexDigit[c] > 15 {
			return skipBad
		}
		if k.hex--; k.hex == 0 {
			k.state = skipString
		}
		return skipMore
	case skipLiteral:
		if c != k.rest[0] {
			return skipBad
		}
		if k.rest = k.rest[1:]; k.rest == "" {
			return k.done()
		}
		return skipMore
	}
	if k.state >= skipMinus {
		return k.number(c)
	}
	return k.between(c)
}

// between is step for a byte between strings, numbers and literals.
func (k *skipper) between(c byte) verdict {
	if space(c) {
		return skipMore
	}
	list := k.depth > 0 && k.lists[k.depth/64]>>(k.depth%64)&1 != 0
	switch {
	case k.state == skipColon:
		if c != ':' {
			return skipBad
		}
		k.state = skipValueHere
	case c == '}':
		if k.state != skipNameOrEnd && (k.state != skipComma || list) {
			return skipBad
		}
		return k.leave()
	case c == ']':
		if k.state != skipValueOrEnd && (k.state != skipComma || !list) {
			return skipBad
		}
		return k.leave()
	case k.state == skipComma:
		if c != ',' {
			return skipBad
		}
		k.state = skipName
		if list {
			k.state = skipValueHere
		}
	case k.state == skipName || k.state == skipNameOrEnd:
		if c != '"' {
			return skipBad
		}
		k.state, k.key = skipString, true
	default:
		return k.value(c)
	}
	return skipMore
}

// value is step for the first byte of a value.
func (k *skipper) value(c byte) verdict {
	switch {
	case c == '"':
		k.state, k.key = skipString, false
	case c == '{' || c == '[':
		if k.depth++; k.depth > maxNesting-2 {
			return skipBad
		}
		bit := uint64(1) << (k.depth % 64)
		k.lists[k.depth/64] &^= bit
		k.state = skipNameOrEnd
		if c == '[' {
			k.lists[k.depth/64] |= bit
			k.state = skipValueOrEnd
		}
	case c == '-':
		k.state = skipMinus
	case c == '0':
		k.state = skipZero
	case c-'1' <= 8:
		k.state = skipInteger
	case c == 't':
		k.state, k.rest = skipLiteral, "rue"
	case c == 'f':
		k.state, k.rest = skipLiteral, "alse"
	case c == 'n':
		k.state, k.rest = skipLiteral, "ull"
	default:
		return skipBad
	}
	return skipMore
}

// leave ends a list or an object.
func (k *skipper) leave() verdict {
	k.depth--
	return k.done()
}

// done is after the last byte of a value.
func (k *skipper) done() verdict {
	if k.depth == 0 {
		return skipAfter
	}
	k.state = skipComma
	return skipMore
}

func (k *skipper) inString(c byte) verdict {
	switch {
	case k.wide > 0:
		if c < k.lo || c > k.hi {
			return skipBad
		}
		k.wide, k.lo, k.hi = k.wide-1, 0x80, 0xBF
	case c == '"':
		if k.key {
			k.state, k.key = skipColon, false
			return skipMore
		}
		return k.done()
	case c == '\\':
		k.state = skipEscape
	case c < ' ':
		return skipBad
	case c >= 0x80 && !k.lax:
		return k.wideByte(c)
	}
	return skipMore
}

// wideByte takes the first byte of a character outside ASCII. RFC 3629 section 4.
func (k *skipper) wideByte(c byte) verdict {
	k.lo, k.hi = 0x80, 0xBF
	switch {
	case c >= 0xC2 && c <= 0xDF:
		k.wide = 1
	case c >= 0xE0 && c <= 0xEF:
		k.wide = 2
		if c == 0xE0 {
			k.lo = 0xA0
		} else if c == 0xED {
			k.hi = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		k.wide = 3
		if c == 0xF0 {
			k.lo = 0x90
		} else if c == 0xF4 {
			k.hi = 0x8F
		}
	default:
		return skipBad
	}
	return skipMore
}

func (k *skipper) escape(c byte) verdict {
	k.state = skipString
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
	case 'u':
		k.state, k.hex = skipHex, 4
	default:
		return skipBad
	}
	return skipMore
}

// number is step inside a number.
func (k *skipper) number(c byte) verdict {
	digit := c-'0' <= 9
	switch k.state {
	case skipMinus:
		switch {
		case c == '0':
			k.state = skipZero
		case digit:
			k.state = skipInteger
		default:
			return skipBad
		}
		return skipMore
	case skipPoint, skipExpSign, skipExponent:
		switch {
		case digit && k.state == skipPoint:
			k.state = skipFraction
		case digit:
			k.state = skipExpDigits
		case k.state == skipExponent && (c == '+' || c == '-'):
			k.state = skipExpSign
		default:
			return skipBad
		}
		return skipMore
	}
	switch { // the number may end here
	case digit && k.state != skipZero:
	case c == '.' && (k.state == skipZero || k.state == skipInteger):
		k.state = skipPoint
	case c|0x20 == 'e' && k.state != skipExpDigits:
		k.state = skipExponent
	default:
		if k.depth == 0 {
			return skipBefore
		}
		k.state = skipComma
		return k.between(c)
	}
	return skipMore
}
