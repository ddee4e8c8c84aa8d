package stix

import (
	"fmt"
	"strings"
)

// isHashes reports the name hashes.
func (p *patternParser) isHashes() bool {
	return strings.Trim(string(p.text[p.tok.from:p.tok.to]), "'") == "hashes"
}

// hashValue checks the constant with which a hash is said to be equal: OASIS's validator refuses one
// that cannot be, whatever capitals and hyphens the algorithm's name has. STIX 2.1 section 10.7.
func (p *patternParser) hashValue(operator lexeme) bool {
	if p.hash.to == 0 || p.tok.kind != tString || operator.kind == tLike || operator.kind == tMatches {
		return true
	}
	name := strings.ToUpper(strings.Trim(string(p.text[p.hash.from:p.hash.to]), "'"))
	digits := hashDigits([]byte(hashSpelling(name)))
	value := p.text[p.tok.from+1 : p.tok.to-1]
	if digits == 0 || len(value) == digits && hexBytes(value) {
		return true
	}
	p.problem = &Problem{Rule: fmt.Sprintf("the pattern compares a hash of %s, which has %d hexadecimal digits, with %s", name, digits, quote(value)), Section: "STIX 2.1 section 10.7"}
	return false
}

// hashSpelling gives an algorithm's name as the vocabulary has it: SHA256 and SHA-256 are one.
func hashSpelling(name string) string {
	plain := strings.ReplaceAll(name, "-", "")
	for _, family := range []string{"SHA3", "SHA", "RIPEMD"} {
		if rest, ok := strings.CutPrefix(plain, family); ok {
			return family + "-" + rest
		}
	}
	return plain
}

// Observable is a comparison in a pattern of an object path with a constant.
type Observable struct {
	Path  string // "ipv4-addr:value", as written but without white space and comments
	Value string // of a string its text, of another constant as written
}

// Observables lists the equality comparisons (=, IN, ISSUBSET) of a valid pattern in their order,
// those that are negated left out. Of a text that is no pattern it lists what stands before the slip.
func Observables(text []byte) []Observable {
	var found []Observable
	p := patternParser{lexer: lexer{text: text}}
	p.compared = func(path, operator, constant lexeme) {
		switch operator.kind {
		case tEqual, tIn, tSubset:
			found = append(found, Observable{Path: plainPath(text[path.from:path.to]), Value: plainConstant(text, constant)})
		}
	}
	p.pattern()
	return found
}

// plainPath joins a path's tokens.
func plainPath(text []byte) string {
	var b []byte
	for l := (lexer{text: text}); ; {
		t := l.next()
		if t.kind == tEnd {
			return string(b)
		}
		b = append(b, text[t.from:t.to]...)
	}
}

// plainConstant gives a string's text: "\'" and "\\" stand for the second character.
func plainConstant(text []byte, c lexeme) string {
	raw := text[c.from:c.to]
	if c.kind != tString {
		return string(raw)
	}
	var b []byte
	for i := 1; i < len(raw)-1; i++ {
		if raw[i] == '\\' {
			i++
		}
		b = append(b, raw[i])
	}
	return string(b)
}
