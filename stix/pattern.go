package stix

import (
	"bytes"
	"fmt"
)

// Pattern checks a pattern of pattern_type "stix": the whole grammar of STIX 2.1 section 9, in one
// pass and in time linear to the text. Parentheses may be nested 500 deep.
func Pattern(text []byte) *Problem {
	if simplePattern(text) {
		return nil
	}
	p := patternParser{lexer: lexer{text: text}}
	return p.pattern()
}

const maxParentheses = 500

// simplePattern reports a pattern of the form that most are of, [type:property = 'text'], with names
// in lower case, none of them for hashes, and nothing to escape in the text. The parser would accept
// it too.
func simplePattern(t []byte) bool {
	if len(t) < len("[a:b='']") || t[0] != '[' || t[len(t)-1] != ']' || t[len(t)-2] != '\'' {
		return false
	}
	from, i := 1, 1
	for separators := 0; ; i++ { // 1 after the colon
		switch c := t[i]; {
		case c-'a' <= 'z'-'a' || c == '_':
		case c-'0' <= 9 && i > from:
		case c == '-' && i > from && separators == 0:
		case i > from && (c == ':' && separators == 0 || c == '.' && separators == 1):
			if keyword(t[from:i]) != tIdentifier || string(t[from:i]) == "hashes" {
				return false
			}
			separators, from = 1, i+1
		default:
			if i == from || separators == 0 || keyword(t[from:i]) != tIdentifier {
				return false
			}
			rest := bytes.TrimPrefix(t[i:len(t)-1], []byte(" "))
			rest, equal := bytes.CutPrefix(rest, []byte("="))
			rest = bytes.TrimPrefix(rest, []byte(" "))
			return equal && len(rest) >= 2 && rest[0] == '\'' &&
				bytes.IndexByte(rest[1:len(rest)-1], '\'') < 0 && bytes.IndexByte(rest, '\\') < 0
		}
	}
}

// A patternParser reads a pattern by recursive descent with one token ahead.
type patternParser struct {
	lexer
	tok     token
	depth   int
	problem *Problem
	hash    lexeme // the last name of the path that was read last, when the path goes through hashes

	// compared is called with each comparison that is not negated; nil: nobody listens.
	compared func(path, operator, constant lexeme)
	// named is called with the object type and the first property of each path.
	named func(kind, property lexeme)
	// counted is called with the number behind WITHIN and REPEATS, stamped with each timestamp.
	counted, stamped func(lexeme)
}

// pattern reads the whole text.
func (p *patternParser) pattern() *Problem {
	p.advance()
	if p.observations() && p.tok.kind != tEnd {
		p.want("AND, OR, FOLLOWEDBY, a qualifier or the end")
	}
	return p.problem
}

func (p *patternParser) advance() {
	if p.tok.kind == tTimestamp && p.stamped != nil {
		p.stamped(p.lexeme())
	}
	p.tok = p.next()
}

// want says what should stand where the current token is. It gives false.
func (p *patternParser) want(what string) bool {
	if p.problem == nil {
		found := "the end of the pattern"
		if p.tok.kind != tEnd {
			found = quote(p.text[p.tok.from:p.tok.to])
		}
		p.problem = &Problem{
			Rule:    fmt.Sprintf("the pattern needs %s at byte %d, where %s stands", what, p.tok.from, found),
			Section: "STIX 2.1 section 9",
		}
	}
	return false
}

// take advances over a token of this kind.
func (p *patternParser) take(k tokenKind, what string) bool {
	if p.tok.kind != k {
		return p.want(what)
	}
	p.advance()
	return true
}

// nest enters a parenthesis.
func (p *patternParser) nest() bool {
	if p.depth++; p.depth > maxParentheses {
		p.problem = &Problem{Rule: fmt.Sprintf("the pattern's parentheses are nested deeper than %d", maxParentheses), Section: "STIX 2.1 section 9"}
		return false
	}
	p.advance()
	return true
}

// observations reads observation expressions joined by AND, OR and FOLLOWEDBY. STIX 2.1 section 9.5.
// Which of them binds closer does not matter to whether a pattern is one.
func (p *patternParser) observations() bool {
	for {
		if !p.observation() {
			return false
		}
		switch p.tok.kind {
		case tAnd, tOr, tFollowedBy:
			p.advance()
		default:
			return true
		}
	}
}

// observation reads "[ comparisons ]" or "( observations )" with its qualifiers.
func (p *patternParser) observation() bool {
	switch p.tok.kind {
	case tOpenBracket:
		p.advance()
		if !p.comparisons(false) || !p.take(tCloseBracket, "AND, OR or \"]\"") {
			return false
		}
		return p.qualifiers(true)
	case tOpenParen:
		if !p.nest() || !p.observations() || !p.take(tCloseParen, "AND, OR, FOLLOWEDBY, a qualifier or \")\"") {
			return false
		}
		p.depth--
	default:
		return p.want("\"[\" or \"(\"")
	}
	return p.qualifiers(false)
}

// qualifiers reads what may follow an observation expression, each sort once behind brackets; behind
// parentheses OASIS's validator takes more, and so they pass. STIX 2.1 section 9.5.1.
func (p *patternParser) qualifiers(once bool) bool {
	var within, repeats, start bool
	for {
		switch p.tok.kind {
		case tWithin:
			if within && once {
				return p.want("no second WITHIN")
			}
			within = true
			p.advance()
			if p.tok.kind != tPositiveInteger && p.tok.kind != tPositiveFloat {
				return p.want("a number of seconds")
			}
			p.count()
			p.advance()
			if !p.take(tSeconds, "SECONDS") {
				return false
			}
		case tRepeats:
			if repeats && once {
				return p.want("no second REPEATS")
			}
			repeats = true
			p.advance()
			p.count()
			if !p.take(tPositiveInteger, "a number of times") || !p.take(tTimes, "TIMES") {
				return false
			}
		case tStart:
			if start && once {
				return p.want("no second START")
			}
			start = true
			p.advance()
			if !p.take(tTimestamp, "a timestamp") || !p.take(tStop, "STOP") || !p.take(tTimestamp, "a timestamp") {
				return false
			}
		default:
			return true
		}
	}
}

// count tells who listens of a number behind a qualifier.
func (p *patternParser) count() {
	if p.counted != nil {
		p.counted(p.lexeme())
	}
}

// comparisons reads comparison expressions joined by AND and OR. STIX 2.1 section 9.6.
func (p *patternParser) comparisons(negated bool) bool {
	for {
		if !p.comparison(negated) {
			return false
		}
		if p.tok.kind != tAnd && p.tok.kind != tOr {
			return true
		}
		p.advance()
	}
}

func (p *patternParser) comparison(negated bool) bool {
	switch p.tok.kind {
	case tOpenParen:
		if !p.nest() || !p.comparisons(negated) || !p.take(tCloseParen, "AND, OR or \")\"") {
			return false
		}
		p.depth--
		return true
	case tNot:
		p.advance()
		if p.tok.kind != tExists {
			return p.want("EXISTS")
		}
		fallthrough
	case tExists:
		p.advance()
		_, ok := p.path()
		return ok
	}
	path, ok := p.path()
	if !ok {
		return false
	}
	if p.tok.kind == tNot {
		negated = !negated
		p.advance()
	}
	operator := p.lexeme()
	switch p.tok.kind {
	case tEqual, tNotEqual:
		p.advance()
		return p.constant(path, operator, negated, true)
	case tOrder:
		p.advance()
		return p.constant(path, operator, negated, false)
	case tLike, tMatches, tSubset, tSuperset:
		p.advance()
		if p.tok.kind != tString {
			return p.want("a string in single quotes")
		}
		return p.constant(path, operator, negated, false)
	case tIn:
		p.advance()
		return p.set(path, operator, negated)
	}
	return p.want("a comparison operator")
}

// path reads an object path. STIX 2.1 section 9.7.
func (p *patternParser) path() (lexeme, bool) {
	path := p.lexeme()
	kind := path
	if p.tok.kind != tIdentifier && p.tok.kind != tHyphenated {
		return path, p.want("an object type")
	}
	p.advance()
	if !p.take(tColon, "\":\"") {
		return path, false
	}
	if p.tok.kind != tIdentifier && p.tok.kind != tString {
		return path, p.want("a property")
	}
	path.to = p.tok.to
	if p.named != nil {
		p.named(kind, p.lexeme())
	}
	hashes := p.isHashes()
	p.hash = lexeme{}
	p.advance()
	for {
		switch p.tok.kind {
		case tDot:
			p.advance()
			if p.tok.kind != tIdentifier && p.tok.kind != tString {
				return path, p.want("a property")
			}
			if hashes {
				p.hash = p.lexeme()
			}
			hashes = hashes || p.isHashes()
		case tOpenBracket:
			p.advance()
			if p.tok.kind != tPositiveInteger && p.tok.kind != tNegativeInteger && p.tok.kind != tAsterisk {
				return path, p.want("an index or \"*\"")
			}
			p.advance()
			if p.tok.kind != tCloseBracket {
				return path, p.want("\"]\"")
			}
			p.hash = lexeme{} // an index names no algorithm
		default:
			return path, true
		}
		path.to = p.tok.to
		p.advance()
	}
}

// constant reads a constant and tells who listens. STIX 2.1 section 9.3.
func (p *patternParser) constant(path, operator lexeme, negated, boolean bool) bool {
	switch p.tok.kind {
	case tString, tPositiveInteger, tNegativeInteger, tPositiveFloat, tNegativeFloat, tHex, tBinary, tTimestamp:
	case tBoolean:
		if !boolean {
			return p.want("a constant that has an order")
		}
	default:
		return p.want("a constant")
	}
	if !p.hashValue(operator) {
		return false
	}
	if p.compared != nil && !negated {
		p.compared(path, operator, p.lexeme())
	}
	p.advance()
	return true
}

// set reads the constants of IN.
func (p *patternParser) set(path, operator lexeme, negated bool) bool {
	if !p.take(tOpenParen, "\"(\"") {
		return false
	}
	if p.tok.kind == tCloseParen {
		p.advance()
		return true
	}
	for {
		if !p.constant(path, operator, negated, true) {
			return false
		}
		if p.tok.kind == tCloseParen {
			p.advance()
			return true
		}
		if !p.take(tComma, "\",\" or \")\"") {
			return false
		}
	}
}

// A lexeme is a run of the pattern's bytes: a token, or the tokens of an object path.
type lexeme struct {
	kind     tokenKind
	from, to int
}

func (p *patternParser) lexeme() lexeme { return lexeme{p.tok.kind, p.tok.from, p.tok.to} }
