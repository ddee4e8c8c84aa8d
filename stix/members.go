package stix

import "strings"

// openMembers is where the first member of the body may stand, or its end.
func (s *Scanner) openMembers() {
	c, ok := s.peek()
	if !ok {
		return
	}
	if c == '}' {
		s.pos++
		s.close()
		return
	}
	s.member()
}

// members goes on after a member of the body.
func (s *Scanner) members() {
	c, ok := s.peek()
	if !ok {
		return
	}
	s.pos++
	switch c {
	case ',':
		s.member()
	case '}':
		s.close()
	default:
		s.fail(ErrSyntax, s.pos-1, "a member of the body is followed by neither a comma nor the body's end")
	}
}

// member reads one member of the body; at `objects` it stops before the first object.
func (s *Scanner) member() {
	var name, value short
	c, ok := s.peek()
	if !ok {
		return
	}
	if c != '"' {
		s.fail(ErrSyntax, s.pos, "a member of the body has no name")
		return
	}
	at := s.base + int64(s.pos)
	s.skip.start()
	if !s.skipValue(&name) {
		return
	}
	if c, ok = s.peek(); !ok {
		return
	}
	if c != ':' {
		s.fail(ErrSyntax, s.pos, "a member's name is not followed by a colon")
		return
	}
	s.pos++
	if c, ok = s.peek(); !ok {
		return
	}
	key := name.text()
	if key == "objects" {
		s.openObjects(c, at)
		return
	}
	if fold([]byte(key)) == "objects" {
		s.variant = true
		if s.objects {
			s.secondObjects(at)
			return
		}
	}
	s.skip.start()
	if s.skipValue(&value) && key == "type" {
		s.bundle = value.text() == "bundle"
	}
}

// openObjects enters the list of objects, whose first byte is c.
func (s *Scanner) openObjects(c byte, at int64) {
	switch {
	case s.objects || s.variant:
		s.secondObjects(at)
	case c != '[':
		s.fail(ErrSyntax, s.pos, "the member `objects` is no list")
	default:
		s.objects = true
		s.pos++
		s.state = atFirstObject
	}
}

func (s *Scanner) secondObjects(at int64) {
	s.fail(ErrSyntax, int(at-s.base), "the body has a second member `objects`")
}

// close is after the body's closing brace: nothing but white space may follow.
func (s *Scanner) close() {
	for {
		for space(s.buf[s.pos]) {
			s.pos++
		}
		if s.pos < s.n {
			s.fail(ErrSyntax, s.pos, "something follows the end of the body")
			return
		}
		if s.readErr != nil {
			break
		}
		if s.fill(); s.err != nil {
			return
		}
	}
	switch {
	case s.variant && !s.objects:
		s.fail(ErrNoObjects, s.n, "the body has no member `objects` (its name is all lower case)")
	case !s.objects:
		s.fail(ErrNoObjects, s.n, "the body has no member `objects`: send an envelope, {\"objects\": […]}, or a bundle")
	case s.count == 0:
		s.fail(ErrNoObjects, s.n, "the list `objects` is empty")
	}
	s.state = atEnd
}

// skipValue runs the skipper over a value from pos on, reading as much as it takes, and keeps the
// bytes in what when that is not nil.
func (s *Scanner) skipValue(what *short) bool {
	for {
		for s.pos < s.n {
			c := s.buf[s.pos]
			v := s.skip.step(c)
			if v == skipBad {
				return s.fail(ErrSyntax, s.pos, "the body is no JSON from here on")
			}
			if v == skipBefore {
				return true
			}
			s.pos++
			if what != nil {
				what.add(c)
			}
			if v == skipAfter {
				return true
			}
		}
		if s.readErr != nil {
			return s.fail(ErrSyntax, s.n, "the body is cut off")
		}
		if s.fill(); s.err != nil {
			return false
		}
	}
}

// short keeps the first bytes of a string with its quotes: enough for `"objects"` with every letter
// escaped.
type short struct {
	b    [64]byte
	n    int
	more bool
}

func (t *short) add(c byte) {
	if t.n == len(t.b) {
		t.more = true
		return
	}
	t.b[t.n] = c
	t.n++
}

// text gives the string's text, or "" when it is long or no string.
func (t *short) text() string {
	if t.more || t.n < 2 || t.b[0] != '"' {
		return ""
	}
	var b strings.Builder
	b.Write(unescape(nil, t.b[1:t.n-1]))
	return b.String()
}
