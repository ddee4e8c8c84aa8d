package bolt

import (
	"encoding/binary"

	"go.etcd.io/bbolt"

	"liaison/collections"
)

// The bytes of a segment, bucket s:
//
//	1 byte tag, 1 byte 0, 2 bytes number of objects
//	tag 1: 4 bytes for each object: where it ends; the objects, joined by commas
//	tag 2: 16 bytes for each object: 8 bytes number of its parcel, 4 bytes position there, 4 bytes length;
//	       of one that is in no parcel: 0, where it begins, length; then those objects' bytes
//
// A deleted object has no bytes and no comma; by tag 1 it ends where the one before it ends, by tag 2 it
// has length 0.
const (
	bytesTag = 1
	refsTag  = 2
	refSize  = 16
)

// objects reads the bytes of a segment. They are the store's and end with the transaction.
type objects struct {
	n       int
	refs    bool
	ends    []byte // by tag 2: the references
	text    []byte
	parcels *bbolt.Bucket // of the operation
}

func readObjects(b []byte, parcels *bbolt.Bucket) (objects, error) {
	if len(b) < 4 || b[0] != bytesTag && b[0] != refsTag {
		return objects{}, errDamaged
	}
	n, each := int(binary.LittleEndian.Uint16(b[2:])), 4
	if b[0] == refsTag {
		each = refSize
	}
	if len(b) < 4+each*n {
		return objects{}, errDamaged
	}
	return objects{n: n, refs: b[0] == refsTag, ends: b[4 : 4+each*n], text: b[4+each*n:], parcels: parcels}, nil
}

func (o *objects) end(i int) int {
	if i < 0 {
		return 0
	}
	return min(int(binary.LittleEndian.Uint32(o.ends[4*i:])), len(o.text))
}

// span gives objects i to j-1 joined by commas, of tag 1.
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

// ref gives where object i is, and how long it is, of tag 2.
func (o *objects) ref(i int) (r ref, size int) {
	if i >= o.n {
		return ref{}, 0
	}
	b := o.ends[refSize*i:]
	return ref{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])}, int(binary.LittleEndian.Uint32(b[12:]))
}

// inline gives object i of tag 2 that is in no parcel.
func (o *objects) inline(r ref, size int) ([]byte, error) {
	if uint64(r.pos)+uint64(size) > uint64(len(o.text)) {
		return nil, errDamaged
	}
	return o.text[r.pos:][:size], nil
}

// length gives the size of object i; 0 for a deleted one.
func (o *objects) length(i int) int {
	if o.refs {
		_, size := o.ref(i)
		return size
	}
	return len(o.span(i, i+1))
}

// piece gives object i for another segment.
func (o *objects) piece(i int) (piece, error) {
	if !o.refs {
		return inPlace(o.span(i, i+1)), nil
	}
	r, size := o.ref(i)
	if r.parcel != 0 {
		return piece{ref: r, length: size}, nil
	}
	raw, err := o.inline(r, size)
	return inPlace(raw), err
}

// append appends the objects of a set, joined by commas.
func (o *objects) append(dst []byte, set bitmap) ([]byte, error) {
	if o.refs {
		return o.collect(dst, set)
	}
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
	return dst, nil
}

// collect is append for tag 2. Neighbours in a parcel are taken at once.
func (o *objects) collect(dst []byte, set bitmap) ([]byte, error) {
	var from objects
	var parcel uint64
	first := true
	for i, j := range set.runs() {
		for i < j {
			r, size := o.ref(i)
			n := 1
			var b []byte
			var err error
			switch {
			case size == 0:
				i++
				continue
			case r.parcel == 0:
				b, err = o.inline(r, size)
			default:
				if r.parcel != parcel {
					if from, err = readParcel(o.parcels, r.parcel); err != nil {
						return dst, err
					}
					parcel = r.parcel
				}
				for ; i+n < j; n++ {
					if next, more := o.ref(i + n); more == 0 || next.parcel != parcel || next.pos != r.pos+uint32(n) {
						break
					}
				}
				b = from.span(int(r.pos), int(r.pos)+n)
			}
			if err == nil && len(b) < size {
				err = errDamaged
			}
			if err != nil {
				return dst, err
			}
			if !first {
				dst = append(dst, ',')
			}
			dst, first = append(dst, b...), false
			i += n
		}
	}
	return dst, nil
}

// empty reports whether nothing is left of the objects of a set.
func (o *objects) empty(set bitmap) bool {
	for i, j := range set.runs() {
		for ; i < j; i++ {
			if o.length(i) > 0 {
				return false
			}
		}
	}
	return true
}

// size gives how many bytes the objects of a set have, commas included.
func (o *objects) size(set bitmap) int {
	n := 0
	for i, j := range set.runs() {
		if !o.refs {
			n += len(o.span(i, j)) + 1
			continue
		}
		for ; i < j; i++ {
			_, size := o.ref(i)
			n += size + 1
		}
	}
	return n
}

// object is one object of a segment in the making.
type object struct {
	*version
	ref
	raw     []byte // nil: it is in a parcel
	length  int
	present bool
}

// segment is a segment in the making: new, or the newest of a collection, which is taken apart and
// continued. Its key is not known until it is written.
type segment struct {
	list   []object
	size   int // of the bytes, commas included
	tracks map[track]*bitmap
}

func newSegment() *segment {
	return &segment{list: make([]object, 0, 96), tracks: map[track]*bitmap{}}
}

// track gives the bits of one track, which may be changed.
func (s *segment) track(t track) *bitmap {
	set := s.tracks[t]
	if set == nil {
		set = new(bitmap)
		s.tracks[t] = set
	}
	return set
}

// takes reports whether n more bytes belong into this segment.
func (s *segment) takes(n int, z sizes) bool {
	return len(s.list) == 0 || len(s.list) < segmentObjects && s.size+n+4*len(s.list) <= z.full
}

func (s *segment) add(v *version, p piece) int {
	s.list = append(s.list, object{v, p.ref, p.raw, p.length, true})
	s.size += p.length + 1
	return len(s.list) - 1
}

// piece is the bytes of an object on their way into a segment.
type piece struct {
	ref
	raw    []byte // nil: they are in a parcel
	length int
}

func inPlace(raw []byte) piece { return piece{raw: raw, length: len(raw)} }

// remove takes the bytes of object i away.
func (s *segment) remove(i int) {
	o := &s.list[i]
	s.size -= o.length + 1
	o.ref, o.raw, o.length, o.present = ref{}, nil, 0, false
}

// small reports whether the segment is to be continued by the next transaction.
func (s *segment) small(z sizes) bool { return s.size < z.small && len(s.list) < segmentObjects }

func (s *segment) key() collections.Added { return s.list[len(s.list)-1].Added }

// writeObjects encodes the bytes of a segment, in scratch memory if there is some.
func (s *segment) writeObjects(room *scratch) []byte {
	for i := range s.list {
		if s.list[i].parcel != 0 {
			return s.writeRefs()
		}
	}
	list := make([][]byte, len(s.list))
	for i := range s.list {
		list[i] = s.list[i].raw
	}
	return packObjects(room, list, s.size)
}

// writeRefs encodes them by tag 2.
func (s *segment) writeRefs() []byte {
	le := binary.LittleEndian
	b := append(make([]byte, 0, 4+refSize*len(s.list)), refsTag, 0)
	b = le.AppendUint16(b, uint16(len(s.list)))
	begin := 0
	for i := range s.list {
		o := &s.list[i]
		r := o.ref
		if r.parcel == 0 {
			r.pos = uint32(begin)
			begin += o.length
		}
		b = le.AppendUint64(b, r.parcel)
		b = le.AppendUint32(le.AppendUint32(b, r.pos), uint32(o.length))
	}
	for i := range s.list {
		if o := &s.list[i]; o.parcel == 0 {
			b = append(b, o.raw...)
		}
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
	b = appendBytes(b, s.writeObjects(nil))
	for t, set := range s.tracks {
		if len(*set) > 0 {
			b = appendBytes(appendBytes(b, t.name()), *set)
		}
	}
	return b
}

// reopen takes a newest segment apart so that it can be continued. Nothing of it refers to t.
func (t *tail) reopen() (*segment, error) {
	o, err := readObjects(t.bytes, nil)
	if err != nil || o.n != t.facts.n {
		return nil, errDamaged
	}
	s := newSegment()
	o.text = append([]byte(nil), o.text...)
	for i := range t.facts.n {
		v, err := t.facts.version(i)
		if err != nil {
			return nil, err
		}
		p, err := o.piece(i)
		if err != nil {
			return nil, err
		}
		s.add(v, p)
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
		*s.track(k) = append(bitmap(nil), set...)
	}
	return s, nil
}
