package bolt

import (
	"bytes"
	"encoding/binary"
	"math"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
)

// A track is one bit for every object of a collection, kept by segment, bucket t:
//
//	"T" TYPE 0                       objects of this type
//	"P" PUBLISHER 0                  what this partner published
//	"C" CLASS KIND                   where a reader of this class is shown other than one of the class
//	                                 before: 1 clear … 4 amber+strict, 5 who sees all. Most objects are
//	                                 so in the class of their own level alone
//	"O" KIND PUBLISHER 0             where what a publisher that reads only its own is shown differs
//	                                 from class 5 with "P": nowhere but where several published one id
//	"V" MIX KIND PARTNER 0           where the truth for a partner differs from
//	                                 (its class without "P") with its own; see mix
//
// KIND is 0 for all versions, 1 for the first, 2 for the last, each of the latest spec version. A
// segment without a bit in a track has no key there, so that a track is walked at the cost of what is
// in it. What was deleted has bits in T and P only.
type track struct {
	sort  byte
	class byte // class or mix
	kind  kind
	text  string
}

const (
	sortType      = 'T'
	sortPublisher = 'P'
	sortClass     = 'C'
	sortOwn       = 'O'
	sortOver      = 'V'
)

func typeTrack(t string) track                { return track{sort: sortType, text: t} }
func publisherTrack(p auth.PartnerID) track   { return track{sort: sortPublisher, text: string(p)} }
func classTrack(c class, k kind) track        { return track{sort: sortClass, class: byte(c), kind: k} }
func ownTrack(p auth.PartnerID, k kind) track { return track{sort: sortOwn, kind: k, text: string(p)} }
func overTrack(p auth.PartnerID, m mix, k kind) track {
	return track{sort: sortOver, class: byte(m), kind: k, text: string(p)}
}

func (t track) name() []byte { return t.appendName(make([]byte, 0, len(t.text)+12)) } // with room for a key

// appendName appends up to 4 bytes and the text.
func (t track) appendName(b []byte) []byte {
	b = append(b, t.sort)
	switch t.sort {
	case sortClass:
		return append(b, t.class, byte(t.kind))
	case sortOwn:
		b = append(b, byte(t.kind))
	case sortOver:
		b = append(b, t.class, byte(t.kind))
	}
	return append(append(b, t.text...), 0)
}

// key is where the track's bits of one segment are.
func (t track) key(a collections.Added) []byte { return append(t.name(), addedKey(a)...) }

// trackNamed is the inverse of name.
func trackNamed(b []byte) (track, bool) {
	if len(b) < 2 {
		return track{}, false
	}
	t, rest := track{sort: b[0]}, b[1:]
	switch t.sort {
	case sortClass:
		if len(rest) != 2 {
			return track{}, false
		}
		t.class, t.kind = rest[0], kind(rest[1])
		return t, true
	case sortOwn:
		t.kind, rest = kind(rest[0]), rest[1:]
	case sortOver:
		if len(rest) < 2 {
			return track{}, false
		}
		t.class, t.kind, rest = rest[0], kind(rest[1]), rest[2:]
	case sortType, sortPublisher:
	default:
		return track{}, false
	}
	if len(rest) == 0 || rest[len(rest)-1] != 0 {
		return track{}, false
	}
	t.text = string(rest[:len(rest)-1])
	return t, true
}

// theEnd is after every segment.
const theEnd collections.Added = math.MaxInt64

// cursor walks one track of a collection by segments, the newest one included. Its bits are the
// store's and end with the transaction.
type cursor struct {
	shelf  *shelf
	stored *bbolt.Cursor // its own, from the third segment on: most walks are over before
	prefix []byte        // with room for a key
	newest collections.Added
	fresh  bitmap // of the newest segment

	key     collections.Added // current segment, or theEnd
	set     bitmap
	started bool
	again   bool // it was in what is stored twice
	done    bool // with what is stored
}

// cursor makes c walk a track.
func (s *shelf) cursor(c *cursor, t track) {
	c.shelf = s
	if room := len(t.text) + 12; cap(s.names)-len(s.names) < room {
		s.names = make([]byte, 0, max(256, room))
	}
	n := len(s.names)
	s.names = t.appendName(s.names)
	end := len(s.names)
	s.names = s.names[:end+8]
	c.prefix = s.names[n : end : end+8]
	c.done = s.tracks == nil
	if s.tail != nil {
		c.newest, c.fresh = s.tail.key(), s.tail.track(c.prefix)
	}
}

// seek goes to the first segment at or after k that has bits in the track. It never goes back.
func (c *cursor) seek(k collections.Added) {
	if c.started && c.key >= k {
		return
	}
	if !c.done {
		c.find(k)
		if !c.done {
			return
		}
	}
	c.started = true
	c.key, c.set = theEnd, nil
	if len(c.fresh) > 0 && c.newest >= k {
		c.key, c.set = c.newest, c.fresh
	}
}

// find looks in what is stored.
func (c *cursor) find(k collections.Added) {
	at := binary.BigEndian.AppendUint64(c.prefix, uint64(k))
	switch {
	case !c.again:
		c.started, c.again = true, c.started
		if c.shelf.ofTracks == nil {
			c.shelf.ofTracks = c.shelf.tracks.Cursor()
		}
		c.land(c.shelf.ofTracks.Seek(at))
		return
	case c.stored == nil:
		c.stored = c.shelf.tracks.Cursor()
	default:
		c.land(c.stored.Next()) // most walks miss no segment
		if c.done || c.key >= k {
			return
		}
	}
	c.land(c.stored.Seek(at))
}

// land takes what the stored cursor found; done is set when that is not of this track.
func (c *cursor) land(k, v []byte) {
	if len(k) != len(c.prefix)+8 || !bytes.HasPrefix(k, c.prefix) {
		c.done = true
		return
	}
	c.key, c.set = keyAdded(k[len(c.prefix):]), v
}

// chain walks the differences between classes.
type chain []cursor

func (s *shelf) chain(to class, k kind) chain {
	c := make(chain, to)
	for i := range c {
		s.cursor(&c[i], classTrack(class(i+1), k))
	}
	return c
}

// seek gives the first segment at or after k where any of them has bits. It never goes back.
func (c chain) seek(k collections.Added) collections.Added {
	key := theEnd
	for i := range c {
		c[i].seek(k)
		key = min(key, c[i].key)
	}
	return key
}

// bits gives what the last class of the chain is shown of a segment, in buf when it had to be computed.
func (c chain) bits(key collections.Added, buf *bitmap) bitmap {
	var set bitmap
	for i := range c {
		x := &c[i]
		if x.key != key {
			continue
		}
		if len(set) == 0 {
			set = x.set
			continue
		}
		*buf = xor(*buf, set, x.set)
		set = *buf
	}
	return set
}

// lens joins the tracks that answer for a reader and a query into one.
type lens struct {
	parts []part
	a, b  bitmap // buffers
}

// part is one kind of versions.
type part struct {
	class chain
	own   *own    // nil: nothing is the reader's own
	over  *cursor // nil: no overlay
}

// own walks what a publisher is shown of its own.
type own struct {
	published, except cursor
	all               chain
	buf               bitmap
}

// seek gives the first segment at or after k where there may be something of it. It never goes back.
func (o *own) seek(k collections.Added) collections.Added {
	o.except.seek(k)
	o.published.seek(k)
	for o.published.key != theEnd {
		key := o.all.seek(o.published.key)
		if key == o.published.key {
			break
		}
		o.published.seek(key)
	}
	return min(o.except.key, o.published.key)
}

// bits gives what it is shown of a segment, and what it published there.
func (o *own) bits(key collections.Added) (set, published bitmap) {
	if o.published.key == key {
		published = o.published.set
		o.buf = and(o.buf, o.all.bits(key, &o.buf), published)
		set = o.buf
	}
	if o.except.key == key {
		o.buf = xor(o.buf, set, o.except.set)
		set = o.buf
	}
	return set, published
}

// lens gives the track of what an eye is shown of these kinds.
func (s *shelf) lens(e eye, want []kind) *lens {
	l := &lens{}
	for _, k := range want {
		p := part{class: s.chain(class(e.level), k)}
		if e.own != "" {
			p.own = &own{all: s.chain(classes, k)}
			s.cursor(&p.own.published, publisherTrack(e.own))
			s.cursor(&p.own.except, ownTrack(e.own, k))
		}
		if e.mix != 0 {
			p.over = &cursor{}
			s.cursor(p.over, overTrack(e.own, e.mix, k))
		}
		l.parts = append(l.parts, p)
	}
	return l
}

// seek gives the first segment at or after k with bits; theEnd when there is none. The bits are valid
// until the next seek and must not be changed.
func (l *lens) seek(k collections.Added) (collections.Added, bitmap) {
	for {
		key := theEnd
		for i := range l.parts {
			key = min(key, l.parts[i].seek(k))
		}
		if key == theEnd {
			return theEnd, nil
		}
		set := l.parts[0].bits(key, &l.a)
		for i := 1; i < len(l.parts); i++ {
			set = or(l.a, set, l.parts[i].bits(key, &l.b))
			l.a = set
		}
		if len(set) > 0 {
			return key, set
		}
		k = key + 1
	}
}

func (p *part) seek(k collections.Added) collections.Added {
	key := p.class.seek(k)
	if p.own != nil {
		key = min(key, p.own.seek(k))
	}
	if p.over != nil {
		p.over.seek(k)
		key = min(key, p.over.key)
	}
	return key
}

// bits gives the part's bits of one segment, in buf when they had to be computed.
func (p *part) bits(key collections.Added, buf *bitmap) bitmap {
	set := p.class.bits(key, buf)
	if p.own != nil {
		own, published := p.own.bits(key)
		if len(published) > 0 {
			*buf = without(*buf, set, published)
			set = *buf
		}
		if len(own) > 0 {
			if len(set) == 0 {
				set = own
			} else {
				*buf = or(*buf, set, own)
				set = *buf
			}
		}
	}
	if p.over != nil && p.over.key == key {
		*buf = xor(*buf, set, p.over.set)
		set = *buf
	}
	return set
}

// union walks several tracks as one.
type union struct {
	cursors []*cursor
	buf     bitmap
}

func (u *union) seek(k collections.Added) (collections.Added, bitmap) {
	key := theEnd
	for _, c := range u.cursors {
		c.seek(k)
		key = min(key, c.key)
	}
	var set bitmap
	if len(u.cursors) == 1 {
		return key, u.cursors[0].set
	}
	for _, c := range u.cursors {
		if c.key == key {
			u.buf = or(u.buf, set, c.set)
			set = u.buf
		}
	}
	return key, set
}

// both walks the objects that are in two tracks.
type both struct {
	a, b interface {
		seek(collections.Added) (collections.Added, bitmap)
	}
	buf bitmap
}

func (w *both) seek(k collections.Added) (collections.Added, bitmap) {
	for {
		ka, a := w.a.seek(k)
		if ka == theEnd {
			return theEnd, nil
		}
		kb, b := w.b.seek(ka)
		if kb == theEnd {
			return theEnd, nil
		}
		if ka == kb {
			if w.buf = and(w.buf, a, b); len(w.buf) > 0 {
				return ka, w.buf
			}
			kb = ka + 1
		}
		k = kb
	}
}
