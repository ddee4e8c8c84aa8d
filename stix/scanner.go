package stix

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
)

// Kinds of a BodyError.
var (
	ErrSyntax    = errors.New("body is not well-formed")
	ErrTooLarge  = errors.New("body is too large")
	ErrTooMany   = errors.New("body has too many objects")
	ErrNoObjects = errors.New("body has no objects")
)

// BodyError is why a body is refused as a whole; Kind says which sort it is, Offset where.
type BodyError struct {
	Kind   error // ErrSyntax, ErrTooLarge, ErrTooMany, ErrNoObjects
	Offset int64 // bytes from the start of the body
	Rule   string
}

// Error gives the rule and the offset.
func (e *BodyError) Error() string { return fmt.Sprintf("%s (at byte %d)", e.Rule, e.Offset) }

// Unwrap gives the kind.
func (e *BodyError) Unwrap() error { return e.Kind }

// Limits bound one body. A zero field takes its default.
type Limits struct {
	Body    int64 // bytes of the body, default 100 MiB
	Object  int   // bytes of one object, default 16 MiB, at most 1 GiB
	Objects int   // objects in a body, default 100,000
	Depth   int   // nesting inside an object, the object itself counted, default 64
}

func (l Limits) withDefaults() Limits {
	if l.Body <= 0 {
		l.Body = 100 << 20
	}
	if l.Object <= 0 {
		l.Object = 16 << 20
	}
	l.Object = min(l.Object, 1<<30)
	if l.Objects <= 0 {
		l.Objects = 100_000
	}
	if l.Depth <= 0 {
		l.Depth = 64
	}
	return l
}

// Scanner splits one body into objects in one pass: an envelope (TAXII 2.1 section 3.7) or a bundle
// (STIX 2.1 section 8), with its members in any order. It reads JSON of RFC 8259 and nothing else;
// everything outside the objects is checked and skipped.
//
// Objects come while the rest of the body is still unread, so a caller must keep nothing of them
// until Next has given false and Err nil. Memory grows with the largest object, not with the body.
// A Scanner must not be used by several goroutines at once.
type Scanner struct {
	reading
	buf    []byte // n bytes of the body, then slack
	parser parser
	obj    Object
}

// reading is how far a scanner is in its body.
type reading struct {
	r       io.Reader
	lim     Limits
	pos, n  int   // what is left is buf[pos:n]
	base    int64 // offset of buf[0] in the body
	readErr error // io.EOF at the end

	state   state
	objects bool // the member `objects` was there
	variant bool // so was one that differs in case
	count   int
	bundle  bool
	err     error

	skip    skipper
	problem *Problem
}

type state uint8

const (
	atStart state = iota
	atFirstObject
	atNextObject
	atMembers
	atEnd
)

const (
	firstBuffer = 16 << 10  // bytes, of a body that may be a single object
	wantBuffer  = 256 << 10 // bytes, of a body that goes on
)

// NewScanner reads an envelope or a bundle from r.
func NewScanner(r io.Reader, l Limits) *Scanner {
	s := &Scanner{}
	s.Reset(r, l)
	return s
}

// Reset makes the scanner read another body with the buffers that it has.
func (s *Scanner) Reset(r io.Reader, l Limits) {
	const keep = 1 << 20 // a larger buffer was for one large object
	scratch := s.obj.scratch
	if s.buf == nil || len(s.buf) > keep { // a zero Scanner, too
		s.buf, scratch = make([]byte, firstBuffer+slack), nil
		s.parser = newParser()
	}
	s.reading = reading{r: r, lim: l.withDefaults()}
	s.obj = Object{scratch: scratch, properties: s.obj.properties}
	s.parser.depth = s.lim.Depth
	s.parser.forget()
}

func newParser() parser { return parser{seed: maphash.MakeSeed()} }

// Object gives the current object.
func (s *Scanner) Object() *Object { return &s.obj }

// Problem gives what the scanner itself has against the current object (not a JSON object, duplicate
// members, case variants, invalid UTF-8, lone surrogates, depth, size, more than 524,288 values), or
// nil. The object's facts are then those that could be read, and Raw is nil when the object was too
// large to be kept.
func (s *Scanner) Problem() *Problem { return s.problem }

// Err gives the error of the body, or nil: a *BodyError, or what the reader failed with.
//
// A body over its limit is ErrTooLarge whatever else is wrong with it. Unparseable JSON, trailing
// data, a body that is cut off, a second `objects`, one that is no list: ErrSyntax. A body that is a
// JSON object with no `objects` in it, or with an empty list of them: ErrNoObjects.
func (s *Scanner) Err() error { return s.err }

// Bundle reports whether the body was a bundle and not an envelope; valid after the last Next.
func (s *Scanner) Bundle() bool { return s.bundle }

// Next advances to the next object; false at the end and on an error of the body.
func (s *Scanner) Next() bool {
	for {
		switch s.state {
		case atStart:
			s.open()
		case atFirstObject:
			c, ok := s.peek()
			if !ok {
				return false
			}
			if c == ']' {
				s.pos++
				s.state = atMembers
				continue
			}
			return s.element()
		case atNextObject:
			c, ok := s.peek()
			if !ok {
				return false
			}
			s.pos++
			switch c {
			case ',':
				if _, ok = s.peek(); !ok {
					return false
				}
				return s.element()
			case ']':
				s.state = atMembers
			default:
				return s.fail(ErrSyntax, s.pos-1, "an object of the list `objects` is followed by neither a comma nor the list's end")
			}
		case atMembers:
			s.members()
		case atEnd:
			return false
		}
	}
}

// fail ends the body with an error of it at buf[at]. A body over its limit is that first of all, so
// the rest is read and counted.
func (s *Scanner) fail(kind error, at int, rule string) bool {
	s.state = atEnd
	if s.err != nil {
		return false
	}
	e := &BodyError{Kind: kind, Offset: s.base + int64(at), Rule: rule}
	for s.readErr == nil && kind != ErrTooLarge {
		s.pos = s.n
		s.fill()
		if s.err != nil {
			return false
		}
	}
	s.err = e
	return false
}

// fill reads on, after everything before pos is forgotten: until the buffer is full, or the body
// ends. A buffer that is full already is doubled, so that reading an object anew each time costs no
// more than reading it twice.
func (s *Scanner) fill() {
	if s.readErr != nil {
		return
	}
	s.parser.forget()
	room := len(s.buf) - slack
	if s.pos == 0 && s.n == room || s.base > 0 && room < wantBuffer {
		grown := make([]byte, min(max(2*room, firstBuffer), s.lim.Object+wantBuffer)+slack)
		copy(grown, s.buf[s.pos:s.n])
		s.buf = grown
		room = len(s.buf) - slack
	} else {
		copy(s.buf, s.buf[s.pos:s.n])
	}
	s.n -= s.pos
	s.base += int64(s.pos)
	s.pos = 0
	idle := 0
	for s.n < room && s.readErr == nil {
		got, err := s.r.Read(s.buf[s.n:room])
		s.n += got
		s.readErr = err
		if idle++; got > 0 {
			idle = 0
		} else if idle > 100 && err == nil {
			s.readErr = io.ErrNoProgress
		}
		if s.base+int64(s.n) > s.lim.Body {
			s.err = &BodyError{Kind: ErrTooLarge, Offset: s.lim.Body, Rule: fmt.Sprintf("the body has more than %d bytes: publish in smaller parts", s.lim.Body)}
			s.state = atEnd
			s.readErr = io.EOF
			s.n = 0
		}
	}
	if s.readErr != nil && s.readErr != io.EOF && s.err == nil {
		s.err = fmt.Errorf("reading body: %w", s.readErr)
		s.state = atEnd
	}
	clear(s.buf[s.n : s.n+slack])
}

// peek skips white space and gives the next byte, which stays; false at the body's end, which is an
// error of it.
func (s *Scanner) peek() (byte, bool) {
	for {
		for space(s.buf[s.pos]) {
			s.pos++
		}
		if s.pos < s.n {
			return s.buf[s.pos], true
		}
		if s.readErr != nil {
			return 0, s.fail(ErrSyntax, s.n, "the body is cut off")
		}
		if s.fill(); s.err != nil {
			return 0, false
		}
	}
}

// open reads the body's opening brace.
func (s *Scanner) open() {
	s.state = atMembers
	s.fill()
	if s.err != nil {
		return
	}
	switch c, ok := s.peek(); {
	case !ok:
	case c == '{':
		s.pos++
		s.state = atMembers
		s.openMembers()
	case c == 0xEF && s.base == 0 && s.pos == 0:
		// "Implementations MUST NOT add a byte order mark (U+FEFF) to the beginning of a
		// networked-transmitted JSON text." RFC 8259 section 8.1.
		s.fail(ErrSyntax, 0, "the body starts with a byte order mark: send plain UTF-8")
	default:
		s.fail(ErrSyntax, s.pos, "the body is no JSON object: send an envelope, {\"objects\": […]}, or a bundle")
	}
}

// element reads the element of `objects` at pos.
func (s *Scanner) element() bool {
	if s.count++; s.count > s.lim.Objects {
		return s.fail(ErrTooMany, s.pos, fmt.Sprintf("the body has more than %d objects: publish in smaller parts", s.lim.Objects))
	}
	for {
		end := s.parser.parse(s.buf, s.pos, s.n)
		if size := end - s.pos; end >= 0 && size <= s.lim.Object {
			s.obj.read(&s.parser, s.pos, end)
			s.problem = nil
			if s.parser.fault != noFault {
				s.problem = s.parser.problem(s.lim)
			}
			s.pos = end
			s.state = atNextObject
			return true
		}
		if end >= 0 || s.n-s.pos > s.lim.Object && s.parser.bad >= s.n {
			return s.oversize()
		}
		if s.parser.bad < s.n {
			return s.fail(ErrSyntax, s.parser.bad, "the body is no JSON from here on")
		}
		if s.readErr != nil {
			return s.fail(ErrSyntax, s.n, "the body is cut off in the middle of an object")
		}
		if s.fill(); s.err != nil {
			return false
		}
	}
}

// oversize skips the element at pos, which is larger than an object may be, and keeps what facts its
// first bytes held.
func (s *Scanner) oversize() bool {
	s.obj.read(&s.parser, s.pos, s.pos)
	s.obj.keep()
	s.problem = &Problem{
		Rule:    fmt.Sprintf("the object has more than %d bytes", s.lim.Object),
		Section: "RFC 8259 section 9",
	}
	s.state = atNextObject
	s.skip.start()
	s.skip.lax = true // this object fails, the body need not
	return s.skipValue(nil)
}
