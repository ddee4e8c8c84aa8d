package bolt

import (
	"bytes"
	"math"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// A track is one bit for every object of a collection, kept by segment, bucket t:
//
//	"T" TYPE 0                       objects of this type
//	"P" PUBLISHER 0                  what this partner published
//	"C" LEVEL KIND                   what a reader with this clearance is shown (1 clear … 4 amber+strict)
//	"O" KIND PUBLISHER 0             what a publisher is shown that reads only its own
//	"V" MIX KIND PARTNER 0           where the truth for a partner differs from
//	                                 (C without P) with O; see mix
//
// KIND is 0 for all versions, 1 for the first, 2 for the last, each of the latest spec version. A
// segment without a bit in a track has no key there, so that a track is walked at the cost of what is
// in it. What was deleted has bits in T and P only.
type track struct {
	sort  byte
	class byte // level or mix
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
func classTrack(l stix.Level, k kind) track   { return track{sort: sortClass, class: byte(l), kind: k} }
func ownTrack(p auth.PartnerID, k kind) track { return track{sort: sortOwn, kind: k, text: string(p)} }
func overTrack(p auth.PartnerID, m mix, k kind) track {
	return track{sort: sortOver, class: byte(m), kind: k, text: string(p)}
}

func (t track) name() []byte {
	b := make([]byte, 0, len(t.text)+12) // with room for a key
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
	stored *bbolt.Cursor // nil when nothing is
	prefix []byte
	at     []byte // buffer of seek keys
	newest collections.Added
	fresh  bitmap // of the newest segment

	key     collections.Added // current segment, or theEnd
	set     bitmap
	started bool
	done    bool // with what is stored
}

func (s *shelf) cursor(t track) *cursor {
	c := &cursor{prefix: t.name()}
	c.at = append([]byte(nil), c.prefix...)
	if s.tracks != nil {
		c.stored = s.tracks.Cursor()
	}
	c.done = c.stored == nil
	if s.tail != nil {
		c.newest, c.fresh = s.tail.key(), s.tail.track(c.prefix)
	}
	return c
}

// seek goes to the first segment at or after k that has bits in the track. It never goes back.
func (c *cursor) seek(k collections.Added) {
	if c.started && c.key >= k {
		return
	}
	if !c.done {
		if c.started {
			c.land(c.stored.Next()) // most walks miss no segment
		}
		if !c.done && (!c.started || c.key < k) {
			c.at = append(c.at[:len(c.prefix)], addedKey(k)...)
			c.land(c.stored.Seek(c.at))
		}
		c.started = true
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

// land takes what the stored cursor found; done is set when that is not of this track.
func (c *cursor) land(k, v []byte) {
	if len(k) != len(c.prefix)+8 || !bytes.HasPrefix(k, c.prefix) {
		c.done = true
		return
	}
	c.key, c.set = keyAdded(k[len(c.prefix):]), v
}

// lens joins the tracks that answer for a reader and a query into one.
type lens struct {
	parts []part
	a, b  bitmap // buffers
}

// part is one kind of versions; nil cursors are empty tracks.
type part struct {
	class, own, published, over *cursor
}

// lens gives the track of what an eye is shown of these kinds.
func (s *shelf) lens(e eye, want []kind) *lens {
	l := &lens{}
	for _, k := range want {
		var p part
		if e.level != stix.Unmarked {
			p.class = s.cursor(classTrack(e.level, k))
		}
		if e.own != "" {
			p.own = s.cursor(ownTrack(e.own, k))
		}
		if e.mix != 0 {
			p.published = s.cursor(publisherTrack(e.own))
			p.over = s.cursor(overTrack(e.own, e.mix, k))
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
		for _, p := range l.parts {
			for _, c := range [...]*cursor{p.class, p.own, p.over} {
				if c != nil {
					c.seek(k)
					key = min(key, c.key)
				}
			}
		}
		if key == theEnd {
			return theEnd, nil
		}
		set := l.parts[0].bits(key, &l.a)
		for _, p := range l.parts[1:] {
			set = or(l.a, set, p.bits(key, &l.b))
			l.a = set
		}
		if len(set) > 0 {
			return key, set
		}
		k = key + 1
	}
}

// bits gives the part's bits of one segment, in buf when they had to be computed.
func (p *part) bits(key collections.Added, buf *bitmap) bitmap {
	get := func(c *cursor) bitmap {
		if c != nil && c.key == key {
			return c.set
		}
		return nil
	}
	set := get(p.class)
	if p.published != nil {
		p.published.seek(key)
		if mine := get(p.published); len(mine) > 0 {
			*buf = without(*buf, set, mine)
			set = *buf
		}
	}
	if own := get(p.own); len(own) > 0 {
		if len(set) == 0 {
			set = own
		} else {
			*buf = or(*buf, set, own)
			set = *buf
		}
	}
	if over := get(p.over); len(over) > 0 {
		*buf = xor(*buf, set, over)
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
