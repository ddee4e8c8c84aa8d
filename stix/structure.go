package stix

import "bytes"

// Holds computes a valid pattern with truth given to each of its comparisons by leaf: AND and
// FOLLOWEDBY need both sides, OR one, AND binds closer than OR and OR than FOLLOWEDBY, an observation
// expression needs its comparisons. NOT stands in the comparison as Negated; a list of IN needs one of
// its constants, of NOT IN all. leaf is called with every comparison in order, whatever the others
// gave. Qualifiers change nothing. A text that is no pattern gives false, and leaf hears what stands
// before the slip. STIX 2.1 sections 9.5 and 9.6.
func Holds(pattern []byte, leaf func(c *Comparison) bool) bool {
	s := structure{lexer: lexer{text: pattern}, leaf: leaf}
	s.advance()
	v := s.followed()
	return v && !s.bad && s.tok.kind == tEnd
}

// A structure reads a pattern that the parser has accepted, or one that it would not: then it stops.
type structure struct {
	lexer
	tok   token
	depth int
	bad   bool
	leaf  func(*Comparison) bool
}

func (s *structure) advance() { s.tok = s.next() }

func (s *structure) fail() bool {
	s.bad = true
	return false
}

// take advances over a token of this kind; any other is a slip.
func (s *structure) take(k tokenKind) bool {
	if s.bad || s.tok.kind != k {
		return s.fail()
	}
	s.advance()
	return true
}

// followed, either and both read observation expressions, the loosest operator first.
func (s *structure) followed() bool {
	return s.joined(tFollowedBy, func() bool {
		return s.joined(tOr, func() bool { return s.joined(tAnd, s.observation) })
	})
}

// joined reads operands between operators of one kind.
func (s *structure) joined(operator tokenKind, operand func() bool) bool {
	v := operand()
	for !s.bad && s.tok.kind == operator {
		s.advance()
		w := operand()
		if operator == tOr {
			v = v || w
		} else {
			v = v && w
		}
	}
	return v
}

func (s *structure) observation() bool {
	v := false
	switch s.tok.kind {
	case tOpenBracket:
		s.advance()
		v = s.comparisons()
		s.take(tCloseBracket)
	case tOpenParen:
		if s.depth++; s.depth > maxParentheses {
			return s.fail()
		}
		s.advance()
		v = s.followed()
		s.take(tCloseParen)
		s.depth--
	default:
		return s.fail()
	}
	for !s.bad {
		switch s.tok.kind {
		case tWithin, tRepeats, tStart, tStop, tSeconds, tTimes, tPositiveInteger, tPositiveFloat, tTimestamp:
			s.advance()
			continue
		}
		break
	}
	return v
}

func (s *structure) comparisons() bool {
	return s.joined(tOr, func() bool { return s.joined(tAnd, s.comparison) })
}

func (s *structure) comparison() bool {
	c := Comparison{}
	switch s.tok.kind {
	case tOpenParen:
		if s.depth++; s.depth > maxParentheses {
			return s.fail()
		}
		s.advance()
		v := s.comparisons()
		s.take(tCloseParen)
		s.depth--
		return v
	case tNot:
		c.Negated = true
		s.advance()
		if s.tok.kind != tExists {
			return s.fail()
		}
		fallthrough
	case tExists:
		s.advance()
		c.Operator = Exists
		if !s.path(&c) {
			return false
		}
		c.Kind = kindOf(c.Path, nil)
		return s.leaf(&c)
	}
	if !s.path(&c) {
		return false
	}
	if s.tok.kind == tNot {
		c.Negated = true
		s.advance()
	}
	switch s.tok.kind {
	case tEqual:
		c.Operator = Equals
	case tNotEqual:
		c.Operator = Differs
	case tOrder:
		c.Operator = Orders
	case tLike:
		c.Operator = Like
	case tMatches:
		c.Operator = Matches
	case tSubset:
		c.Operator = Subset
	case tSuperset:
		c.Operator = Superset
	case tIn:
		c.Operator = InSet
		s.advance()
		return s.set(&c)
	default:
		return s.fail()
	}
	s.advance()
	return s.constant(&c)
}

// set reads the constants of IN.
func (s *structure) set(c *Comparison) bool {
	if !s.take(tOpenParen) {
		return false
	}
	v := c.Negated
	for s.tok.kind != tCloseParen {
		w := s.constant(c)
		if s.bad {
			return false
		}
		if c.Negated {
			v = v && w
		} else {
			v = v || w
		}
		if s.tok.kind == tComma {
			s.advance()
		} else if s.tok.kind != tCloseParen {
			return s.fail()
		}
	}
	s.advance()
	return v
}

func (s *structure) constant(c *Comparison) bool {
	switch s.tok.kind {
	case tString, tPositiveInteger, tNegativeInteger, tPositiveFloat, tNegativeFloat, tHex, tBinary, tTimestamp, tBoolean:
	default:
		return s.fail()
	}
	c.Value = s.text[s.tok.from:s.tok.to]
	if s.tok.kind == tString {
		c.Value = c.Value[1 : len(c.Value)-1]
		if bytes.IndexByte(c.Value, '\\') >= 0 {
			c.Value = []byte(plainConstant(s.text, lexeme{s.tok.kind, s.tok.from, s.tok.to}))
		}
	}
	c.Kind = kindOf(c.Path, c.Value)
	s.advance()
	return s.leaf(c)
}

// path reads an object path.
func (s *structure) path(c *Comparison) bool {
	from, to := s.tok.from, s.tok.to
	size, open := 0, false
	for !s.bad {
		switch k := s.tok.kind; k {
		case tOpenBracket, tCloseBracket:
			if open == (k == tOpenBracket) {
				break // the end of the observation expression
			}
			open = !open
			fallthrough
		case tIdentifier, tHyphenated, tColon, tDot, tString, tAsterisk, tPositiveInteger, tNegativeInteger:
			size += s.tok.to - s.tok.from
			to = s.tok.to
			s.advance()
			continue
		}
		break
	}
	if size == 0 {
		return s.fail()
	}
	c.Path = s.text[from:to]
	if size != to-from {
		c.Path = []byte(plainPath(c.Path))
	}
	return true
}
