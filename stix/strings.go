package stix

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special looks at eight bytes at once for control characters, quotation marks, reverse solidi and
// bytes outside ASCII: the lowest top bit that is set is one's.
func special(w uint64) uint64 {
	q, s := w^(ones*'"'), w^(ones*'\\')
	return (w | (w - ones*' ') | (q - ones) | (s - ones)) & highs
}

// text reads a string whose first byte after the quotation mark is at i, and gives the offset of the
// closing one, or -1.
func (p *parser) text(b []byte, i int) (end int, flags uint8) {
	for j := i; ; j += 8 {
		if m := special(binary.LittleEndian.Uint64(b[j:])); m != 0 {
			j += bits.TrailingZeros64(m) >> 3
			if b[j] == '"' {
				return j, 0
			}
			return p.hardText(i, j)
		}
	}
}

// hardText is text for a string with something else than printable ASCII at i; start is its first
// byte.
func (p *parser) hardText(start, i int) (end int, flags uint8) {
	b, wide := p.b, false
	for {
		switch c := b[i]; {
		case c == '"':
			// "JSON text exchanged between systems that are not part of a closed ecosystem MUST be
			// encoded using UTF-8." RFC 8259 section 8.1.
			if wide && !utf8.Valid(b[start:i]) {
				p.blame(faultUTF8, start)
			}
			return i, flags
		case c == '\\':
			flags = escapedValue
			if i = p.escape(i); i < 0 {
				return -1, 0
			}
			continue
		case c < ' ':
			return p.stop(i), 0
		case c >= utf8.RuneSelf:
			wide = true
		}
		i++
		for { // on to the next byte of interest, eight at once
			if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
	}
}

// escape checks the escape sequence at i and gives the offset after it; a surrogate takes its other
// half with it. RFC 8259 section 7.
func (p *parser) escape(i int) int {
	b := p.b
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		return p.stop(i + 1)
	}
	for k := i + 2; k < i+6; k++ {
		if k >= p.n || hexDigit[b[k]] > 15 {
			return p.stop(k)
		}
	}
	switch hex4(b[i+2:]) >> 10 {
	case 0xD800 >> 10:
		if b[i+6] == '\\' && b[i+7] == 'u' {
			if hex4(b[i+8:])>>10 == 0xDC00>>10 {
				return i + 12
			}
		}
		p.blame(faultSurrogate, i)
	case 0xDC00 >> 10:
		p.blame(faultSurrogate, i)
	}
	return i + 6
}

// lookupEscaped is lookup for a name with escapes, or with bytes outside ASCII.
func (p *parser) lookupEscaped(start, end int) name {
	p.tmp = unescape(p.tmp[:0], p.b[start:end])
	n := len(p.tmp)
	p.tmp = append(p.tmp, make([]byte, slack)...)
	return lookup(p.tmp, 0, n)
}

// keyText gives a name's text; it may use p.tmp.
func (p *parser) keyText(start, end int, escaped bool) []byte {
	text := p.b[start:end]
	if escaped && bytes.IndexByte(text, '\\') >= 0 {
		p.tmp = unescape(p.tmp[:0], text)
		return p.tmp
	}
	return text
}
