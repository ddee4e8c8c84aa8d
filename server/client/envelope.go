package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// errCut is an answer that ended in the middle; asking again may help.
var errCut = errors.New("the answer is cut off")

// page is what an envelope says beside its objects. TAXII 2.1 section 3.7
type page struct {
	more    bool
	next    string
	objects int
}

// readPage splits an envelope into its objects in one pass and gives each to the caller, byte for
// byte, valid until the next. Memory grows with the largest object. Whatever is no envelope is
// ErrNotTAXII; objects before the fault have been given by then.
func readPage(r io.Reader, each func(raw []byte) error) (page, error) {
	s := &splitter{r: r, buf: make([]byte, 64<<10)}
	var p page
	if err := s.envelope(&p, each); err != nil {
		return page{}, err
	}
	return p, nil
}

// splitter reads an envelope value by value.
type splitter struct {
	r      io.Reader
	buf    []byte
	pos, n int   // what is left is buf[pos:n]
	base   int64 // offset of buf[0]
	open   []byte
}

func (s *splitter) bad(what string) error {
	return fmt.Errorf("%w: the answer is no envelope: %s (at byte %d)", ErrNotTAXII, what, s.base+int64(s.pos))
}

func (s *splitter) envelope(p *page, each func([]byte) error) error {
	if err := s.expect('{', "it does not start with {"); err != nil {
		return err
	}
	seen := make(map[string]bool, 3)
	for first := true; ; first = false {
		c, err := s.peek()
		switch {
		case err != nil:
			return err
		case c == '}':
			s.pos++
			return s.end()
		case !first && c != ',':
			return s.bad("a member is followed by neither a comma nor the end")
		case !first:
			s.pos++
		}
		if first && c == ',' {
			return s.bad("a comma before the first member")
		}
		if err := s.member(p, seen, each); err != nil {
			return err
		}
	}
}

// member reads a name and its value.
func (s *splitter) member(p *page, seen map[string]bool, each func([]byte) error) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c != '"' {
		return s.bad("a member has no name")
	}
	raw, err := s.value(maxMember)
	if err != nil {
		return err
	}
	var name string
	if err := json.Unmarshal(raw, &name); err != nil {
		return s.bad("a member's name is no JSON")
	}
	if err := s.expect(':', "a member's name is not followed by a colon"); err != nil {
		return err
	}
	if c, err = s.peek(); err != nil {
		return err
	}
	known := name == "objects" || name == "more" || name == "next"
	if known && seen[name] {
		return s.bad("a second member " + name)
	}
	if known {
		seen[name] = true
	}
	if name == "objects" && c == '[' {
		return s.objects(p, each)
	}
	if raw, err = s.value(maxMember); err != nil {
		return err
	}
	// A null is against the standard and clear enough.
	switch name {
	case "objects":
		if string(raw) != "null" {
			return s.bad("its objects are no list")
		}
	case "more":
		if json.Unmarshal(raw, &p.more) != nil {
			return s.bad("more is neither true nor false")
		}
	case "next":
		if json.Unmarshal(raw, &p.next) != nil {
			return s.bad("next is no string")
		}
	}
	return nil
}

func (s *splitter) objects(p *page, each func([]byte) error) error {
	s.pos++
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c == ']' {
		s.pos++
		return nil
	}
	for {
		if c, err = s.peek(); err != nil {
			return err
		}
		if c != '{' {
			return s.bad("an element of objects is no object")
		}
		raw, err := s.value(maxObject)
		if err != nil {
			return err
		}
		p.objects++
		if err := each(raw); err != nil {
			return err
		}
		if c, err = s.peek(); err != nil {
			return err
		}
		s.pos++
		switch c {
		case ',':
		case ']':
			return nil
		default:
			s.pos--
			return s.bad("an object is followed by neither a comma nor the list's end")
		}
	}
}

// end is after the envelope: only white space may follow.
func (s *splitter) end() error {
	_, err := s.peek()
	switch {
	case errors.Is(err, errCut):
		return nil
	case err != nil:
		return err
	}
	return s.bad("something follows its end")
}

func (s *splitter) expect(want byte, what string) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c != want {
		return s.bad(what)
	}
	s.pos++
	return nil
}

// peek gives the next byte that is no white space and stays before it; errCut at the end.
func (s *splitter) peek() (byte, error) {
	for {
		for ; s.pos < s.n; s.pos++ {
			switch c := s.buf[s.pos]; c {
			case ' ', '\t', '\n', '\r':
			default:
				return c, nil
			}
		}
		if err := s.fill(0); err != nil {
			return 0, err
		}
	}
}

// value gives the bytes of the value at pos and stands behind it. A value that the buffer does not
// hold whole is read from its start again when there is more; the buffer doubles, so that costs no
// more than reading it twice.
func (s *splitter) value(most int) ([]byte, error) {
	for {
		var end int
		var v verdict
		end, v, s.open = scanValue(s.buf[:s.n], s.pos, s.open)
		switch {
		case v == wrong:
			s.pos = end
			return nil, s.bad("it is no JSON from here on")
		case v == whole:
			return s.take(end - s.pos), nil
		case s.n-s.pos > most:
			return nil, fmt.Errorf("%w: a value of more than %d bytes", ErrNotTAXII, most)
		}
		if err := s.fill(s.n - s.pos); err != nil {
			return nil, err
		}
	}
}

func (s *splitter) take(n int) []byte {
	raw := s.buf[s.pos : s.pos+n]
	s.pos += n
	return raw
}

// fill reads on behind the keep bytes from pos on, which move to the buffer's start.
func (s *splitter) fill(keep int) error {
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.pos+keep])
		s.base += int64(s.pos)
		s.pos, s.n = 0, keep
	}
	if s.n == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	// The buffer is filled to its end, for a value may be read anew each time; an error comes again.
	got, err := io.ReadFull(s.r, s.buf[s.n:])
	s.n += got
	switch {
	case got > 0:
		return nil
	case err == io.EOF:
		return errCut
	}
	return err
}
