package stix

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// tokenKind is which sort of token of the pattern grammar something is. STIX 2.1 section 9.
type tokenKind uint8

const (
	tEnd tokenKind = iota
	tBad           // belongs to no token
	tIdentifier
	tHyphenated // an identifier with a hyphen in it, which only an object type may have
	tString
	tPositiveInteger
	tNegativeInteger
	tPositiveFloat
	tNegativeFloat
	tHex
	tBinary
	tTimestamp
	tBoolean
	tEqual
	tNotEqual
	tOrder
	tOpenBracket
	tCloseBracket
	tOpenParen
	tCloseParen
	tColon
	tDot
	tComma
	tAsterisk
	tAnd
	tOr
	tNot
	tFollowedBy
	tLike
	tMatches
	tSubset
	tSuperset
	tExists
	tIn
	tStart
	tStop
	tWithin
	tSeconds
	tRepeats
	tTimes
	tLast // reserved, and in no rule
)

// keyword gives the kind of a word that the grammar reserves, in capitals but for the booleans.
func keyword(word []byte) tokenKind {
	switch string(word) {
	case "AND":
		return tAnd
	case "OR":
		return tOr
	case "NOT":
		return tNot
	case "FOLLOWEDBY":
		return tFollowedBy
	case "LIKE":
		return tLike
	case "MATCHES":
		return tMatches
	case "ISSUBSET":
		return tSubset
	case "ISSUPERSET":
		return tSuperset
	case "EXISTS":
		return tExists
	case "IN":
		return tIn
	case "START":
		return tStart
	case "STOP":
		return tStop
	case "WITHIN":
		return tWithin
	case "SECONDS":
		return tSeconds
	case "REPEATS":
		return tRepeats
	case "TIMES":
		return tTimes
	case "LAST":
		return tLast
	case "true", "false":
		return tBoolean
	}
	return tIdentifier
}

type token struct {
	kind     tokenKind
	from, to int
}

// A lexer cuts a pattern into tokens, the longest that fits first.
type lexer struct {
	text []byte
	pos  int
}

// next gives the next token; at the end, and from then on, tEnd.
func (l *lexer) next() token {
	if l.pos < len(l.text) {
		if c := l.text[l.pos]; c <= ' ' || c == '/' || c >= utf8.RuneSelf {
			l.blank()
		}
	}
	from := l.pos
	if from >= len(l.text) {
		return token{tEnd, from, from}
	}
	kind, to := l.token(from)
	l.pos = to
	return token{kind, from, to}
}

// token reads the token at from and gives where it ends.
func (l *lexer) token(from int) (tokenKind, int) {
	c := l.text[from]
	switch {
	case c == '\'':
		return l.quoted(from)
	case word(c):
		return l.word(from)
	case c-'0' <= 9, c == '+', c == '-', c == '.':
		return l.number(from)
	}
	two := byte(0)
	if from+1 < len(l.text) {
		two = l.text[from+1]
	}
	switch c {
	case '[':
		return tOpenBracket, from + 1
	case ']':
		return tCloseBracket, from + 1
	case '(':
		return tOpenParen, from + 1
	case ')':
		return tCloseParen, from + 1
	case ':':
		return tColon, from + 1
	case ',':
		return tComma, from + 1
	case '*':
		return tAsterisk, from + 1
	case '=':
		if two == '=' {
			return tEqual, from + 2
		}
		return tEqual, from + 1
	case '!':
		if two == '=' {
			return tNotEqual, from + 2
		}
	case '<':
		if two == '>' {
			return tNotEqual, from + 2
		}
		fallthrough
	case '>':
		if two == '=' {
			return tOrder, from + 2
		}
		return tOrder, from + 1
	}
	return tBad, from + 1
}

// blank skips white space and comments.
func (l *lexer) blank() {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch c := rest[0]; {
		case c == ' ' || c-'\t' <= '\r'-'\t':
			l.pos++
		case c == '/' && len(rest) > 1 && rest[1] == '/':
			end := bytes.IndexAny(rest, "\r\n")
			if end < 0 {
				end = len(rest)
			}
			l.pos += end
		case c == '/' && len(rest) > 1 && rest[1] == '*':
			end := bytes.Index(rest[2:], []byte("*/"))
			if end < 0 {
				return
			}
			l.pos += end + 4
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(rest)
			if !unicode.Is(unicode.White_Space, r) {
				return
			}
			l.pos += n
		default:
			return
		}
	}
}

// word reports a letter or an underscore, with which an identifier begins.
func word(c byte) bool { return c|0x20-'a' <= 'z'-'a' || c == '_' }

// word reads an identifier, a keyword, or a constant that begins with a letter.
func (l *lexer) word(from int) (tokenKind, int) {
	to, hyphen := from+1, false
	for to < len(l.text) {
		c := l.text[to]
		if c == '-' {
			hyphen = true
		} else if !word(c) && c-'0' > 9 {
			break
		}
		to++
	}
	if to == from+1 && to < len(l.text) && l.text[to] == '\'' {
		if kind, end := l.prefixed(from, to); kind != tBad {
			return kind, end
		}
	}
	if hyphen {
		return tHyphenated, to
	}
	return keyword(l.text[from:to]), to
}

// prefixed reads h'…', b'…' and t'…', whose quotation mark is at open.
func (l *lexer) prefixed(from, open int) (tokenKind, int) {
	n := bytes.IndexByte(l.text[open+1:], '\'')
	if n < 0 {
		return tBad, open
	}
	inside := l.text[open+1 : open+1+n]
	end := open + n + 2
	switch l.text[from] {
	case 'h':
		if hexBytes(inside) {
			return tHex, end
		}
	case 'b':
		if base64Text(inside) && n > 0 {
			return tBinary, end
		}
	case 't':
		if timestampText(inside) {
			return tTimestamp, end
		}
	}
	return tBad, open
}

// quoted reads a string: any text, in which a quotation mark and a reverse solidus are escaped by
// one before them.
func (l *lexer) quoted(from int) (tokenKind, int) {
	for i := from + 1; i < len(l.text); i++ {
		switch l.text[i] {
		case '\'':
			return tString, i + 1
		case '\\':
			if i++; i >= len(l.text) || l.text[i] != '\'' && l.text[i] != '\\' {
				return tBad, from + 1
			}
		}
	}
	return tBad, from + 1
}

// number reads an integer without leading zeros, or a float, or the dot of a path.
func (l *lexer) number(from int) (tokenKind, int) {
	i := from
	negative := l.text[i] == '-'
	if negative || l.text[i] == '+' {
		i++
	}
	whole := i
	for i < len(l.text) && l.text[i]-'0' <= 9 {
		i++
	}
	if i+1 < len(l.text) && l.text[i] == '.' && l.text[i+1]-'0' <= 9 {
		for i++; i < len(l.text) && l.text[i]-'0' <= 9; i++ {
		}
		if negative {
			return tNegativeFloat, i
		}
		return tPositiveFloat, i
	}
	switch {
	case i == whole && l.text[from] == '.':
		return tDot, from + 1
	case i == whole:
		return tBad, from + 1
	case l.text[whole] == '0':
		i = whole + 1
	}
	if negative {
		return tNegativeInteger, i
	}
	return tPositiveInteger, i
}

func hexBytes(t []byte) bool {
	for _, c := range t {
		if hexDigit[c] > 15 {
			return false
		}
	}
	return len(t)%2 == 0
}

// base64Text reports base64 with padding. RFC 4648 section 4.
func base64Text(t []byte) bool {
	if len(t)%4 != 0 {
		return false
	}
	for pad := 0; pad < 2 && len(t) > 0 && t[len(t)-1] == '='; pad++ {
		t = t[:len(t)-1]
	}
	for _, c := range t {
		if c|0x20-'a' > 'z'-'a' && c-'0' > 9 && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

// timestampText reports the form of a timestamp: a day from 01 to 31 whatever the month, and any
// number of digits after the point, as the grammar that OASIS publishes has it.
func timestampText(t []byte) bool {
	const form = "0000-00-00T00:00:00"
	if len(t) <= len(form) || t[len(t)-1] != 'Z' {
		return false
	}
	for i := range len(form) {
		if form[i] == '0' && t[i]-'0' > 9 || form[i] != '0' && t[i] != form[i] {
			return false
		}
	}
	two := func(i int) byte { return (t[i]-'0')*10 + t[i+1] - '0' }
	if two(5)-1 > 11 || two(8)-1 > 30 || two(11) > 23 || two(14) > 59 || two(17) > 60 {
		return false
	}
	rest := t[len(form) : len(t)-1]
	if len(rest) == 0 {
		return true
	}
	for _, c := range rest[1:] {
		if c-'0' > 9 {
			return false
		}
	}
	return rest[0] == '.' && len(rest) > 1
}
