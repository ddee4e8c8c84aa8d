package bolt

import (
	"encoding/binary"

	"liaison/collections"
)

// The bytes of a segment, bucket s:
//
//	1 byte tag, 1 byte 0, 2 bytes number of objects
//	tag 1: 4 bytes for each object: where it ends; the objects, joined by commas
//	tag 2: kept for references to segments that several collections share
//
// A deleted object has no bytes and no comma; it ends where the one before it ends.
const bytesTag = 1

// objects reads the bytes of a segment. They are the store's and end with the transaction.
type objects struct {
	n    int
	ends []byte
	text []byte
}

func readObjects(b []byte) (objects, error) {
	if len(b) < 4 || b[0] != bytesTag {
		return objects{}, errDamaged
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if len(b) < 4+4*n {
		return objects{}, errDamaged
	}
	return objects{n: n, ends: b[4 : 4+4*n], text: b[4+4*n:]}, nil
}

func (o *objects) end(i int) int {
	if i < 0 {
		return 0
	}
	return min(int(binary.LittleEndian.Uint32(o.ends[4*i:])), len(o.text))
}

// span gives objects i to j-1 joined by commas.
func (o *objects) span(i, j int) []byte {
	j = min(j, o.n)
	if i >= j {
		return nil
	}
	from, to := o.end(i-1), o.end(j-1)
	if from > 0 && from < to {
		from++ // the comma
	}
	if from >= to {
		return nil
	}
	return o.text[from:to]
}

// append appends the objects of a set, joined by commas.
func (o *objects) append(dst []byte, set bitmap) []byte {
	first := true
	for i, j := range set.runs() {
		b := o.span(i, j)
		if len(b) == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		dst, first = append(dst, b...), false
	}
	return dst
}

// empty reports whether nothing is left of the objects of a set.
func (o *objects) empty(set bitmap) bool {
	for i, j := range set.runs() {
		if len(o.span(i, j)) > 0 {
			return false
		}
	}
	return true
}

// size gives how many bytes the objects of a set have, commas included.
func (o *objects) size(set bitmap) int {
	n := 0
	for i, j := range set.runs() {
		n += len(o.span(i, j)) + 1
	}
	return n
}

// object is one object of a segment in the making.
type object struct {
	*version
	raw     []byte
	present bool
}

// segment is a segment in the making: new, or the newest of a collection, which is taken apart and
// continued. Its key is not known until it is written.
type segment struct {
	list   []object
	size   int // of the bytes, commas included
	tracks map[track]bitmap
}

func newSegment() *segment { return &segment{tracks: map[track]bitmap{}} }

// takes reports whether n more bytes belong into this segment.
func (s *segment) takes(n int, z sizes) bool {
	return len(s.list) == 0 || len(s.list) < segmentObjects && s.size+n+4*len(s.list) <= z.full
}

func (s *segment) add(v *version, raw []byte) int {
	s.list = append(s.list, object{v, raw, true})
	s.size += len(raw) + 1
	return len(s.list) - 1
}

// remove takes the bytes of object i away.
func (s *segment) remove(i int) {
	o := &s.list[i]
	s.size -= len(o.raw) + 1
	o.raw, o.present = nil, false
}

// small reports whether the segment is to be continued by the next transaction.
func (s *segment) small(z sizes) bool { return s.size < z.small && len(s.list) < segmentObjects }

func (s *segment) key() collections.Added { return s.list[len(s.list)-1].Added }

// writeObjects encodes the bytes of a segment.
func (s *segment) writeObjects() []byte {
	n := len(s.list)
	b := make([]byte, 4+4*n, 4+4*n+s.size)
	b[0] = bytesTag
	binary.LittleEndian.PutUint16(b[2:], uint16(n))
	start := len(b)
	for i := range s.list {
		if o := &s.list[i]; o.present {
			if len(b) > start {
				b = append(b, ',')
			}
			b = append(b, o.raw...)
		}
		binary.LittleEndian.PutUint32(b[4+4*i:], uint32(len(b)-start))
	}
	return b
}

// The newest segment of a collection, key w: its facts, its bytes, its tracks (name, bits), each with
// its length before it.
type tail struct {
	facts  facts
	bytes  []byte
	tracks []byte
}

func readTail(b []byte) (*tail, error) {
	h := heap{b: b}
	m := h.bytes()
	s := h.bytes()
	if h.bad {
		return nil, errDamaged
	}
	f, err := readFacts(m)
	if err != nil {
		return nil, err
	}
	return &tail{f, s, h.b}, nil
}

func (t *tail) key() collections.Added { return t.facts.added(t.facts.n - 1) }

// track gives the bits of one track.
func (t *tail) track(name []byte) bitmap {
	h := heap{b: t.tracks}
	for len(h.b) > 0 && !h.bad {
		if n, b := h.bytes(), h.bytes(); string(n) == string(name) && !h.bad {
			return b
		}
	}
	return nil
}

func (s *segment) writeTail() []byte {
	b := appendBytes(nil, writeFacts(s.list))
	b = appendBytes(b, s.writeObjects())
	for t, set := range s.tracks {
		if len(set) > 0 {
			b = appendBytes(appendBytes(b, t.name()), set)
		}
	}
	return b
}

// reopen takes a newest segment apart so that it can be continued. Nothing of it refers to t.
func (t *tail) reopen() (*segment, error) {
	o, err := readObjects(t.bytes)
	if err != nil || o.n != t.facts.n {
		return nil, errDamaged
	}
	s := newSegment()
	text := append([]byte(nil), o.text...)
	o.text = text
	for i := range t.facts.n {
		v, err := t.facts.version(i)
		if err != nil {
			return nil, err
		}
		s.add(v, o.span(i, i+1))
		if !v.present {
			s.list[i].present = false
			s.size--
		}
	}
	h := heap{b: t.tracks}
	for len(h.b) > 0 {
		name, set := h.bytes(), h.bytes()
		k, ok := trackNamed(name)
		if h.bad || !ok {
			return nil, errDamaged
		}
		s.tracks[k] = append(bitmap(nil), set...)
	}
	return s, nil
}
