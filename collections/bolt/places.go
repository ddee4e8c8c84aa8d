package bolt

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
)

// Numbers of collections, bucket n. They begin with 1 and are never used again.

func collectionNumber(names *bbolt.Bucket, c auth.CollectionID) uint16 {
	if names == nil {
		return 0
	}
	if b := names.Get(append([]byte("c"), c...)); len(b) == 2 {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func collectionNumbered(names *bbolt.Bucket, n uint16) auth.CollectionID {
	if names == nil {
		return ""
	}
	return auth.CollectionID(names.Get(binary.BigEndian.AppendUint16([]byte("C"), n)))
}

func putNumber(names *bbolt.Bucket, c auth.CollectionID, n uint16) error {
	b := binary.BigEndian.AppendUint16(nil, n)
	if err := names.Put(append([]byte("c"), c...), b); err != nil {
		return err
	}
	return names.Put(append([]byte("C"), b...), []byte(c))
}

// highestNumber gives the last number that was given.
func highestNumber(names *bbolt.Bucket) uint16 {
	if names == nil {
		return 0
	}
	if k, _ := names.Cursor().Seek([]byte("c")); k == nil || k[0] != 'c' {
		return 0
	}
	// "C" sorts before "c": the entry before the first "c" is the highest number.
	c := names.Cursor()
	c.Seek([]byte("c"))
	if k, _ := c.Prev(); len(k) == 3 && k[0] == 'C' {
		return binary.BigEndian.Uint16(k[1:])
	}
	return 0
}

// places says in which collections an object version is and from which it was deleted. Most are in one
// alone: its number. Of the others the sets are kept once, bucket x, and named by their number.
//
//	"S" set                 4 bytes: its number
//	"N" 4 bytes number      the set
//
// A set is the numbers of the collections that it is in: how many, then each, all as uvarints; then
// those that it was deleted from, likewise.
type places uint32

const placesSet places = 1 << 31 // what is without it is the number of a collection

// inMany gives a set as it is stored.
func inMany(in, gone []uint16) []byte {
	var b []byte
	for _, list := range [...][]uint16{in, gone} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, n := range list {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	return b
}

// lists gives the numbers of the collections.
func (p places) lists(sets *bbolt.Bucket) (in, gone []uint16, err error) {
	if p&placesSet == 0 {
		return []uint16{uint16(p)}, nil, nil
	}
	if sets == nil {
		return nil, nil, errDamaged
	}
	return readSet(sets.Get(setKey(uint32(p &^ placesSet))))
}

// has reports whether the version is in a collection or, with deleted, was.
func (p places) has(sets *bbolt.Bucket, number uint16, deleted bool) (bool, error) {
	if p&placesSet == 0 {
		return uint16(p) == number, nil
	}
	in, gone, err := p.lists(sets)
	return slices.Contains(in, number) || deleted && slices.Contains(gone, number), err
}

func readSet(b []byte) (in, gone []uint16, err error) {
	h := heap{b: b}
	in, gone = h.numbers(), h.numbers()
	if h.bad || len(in)+len(gone) == 0 {
		return nil, nil, errDamaged
	}
	return in, gone, nil
}

func (h *heap) numbers() []uint16 {
	n := h.uvarint()
	if n > uint64(len(h.b)) {
		h.bad = true
		return nil
	}
	list := make([]uint16, n)
	for i := range list {
		list[i] = uint16(h.uvarint())
	}
	return list
}

func setKey(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte("N"), n) }

// putPlaces writes where a version is, and gives the places for its row.
func putPlaces(sets *bbolt.Bucket, in, gone []uint16) (places, error) {
	if len(in) == 1 && len(gone) == 0 {
		return places(in[0]), nil
	}
	set := inMany(in, gone)
	name := append([]byte("S"), set...)
	if b := sets.Get(name); len(b) == 4 {
		return placesSet | places(binary.BigEndian.Uint32(b)), nil
	}
	n := uint32(0) // "N" sorts before "S": the last of them is the highest number
	c := sets.Cursor()
	if k, _ := c.Seek([]byte("S")); k == nil {
		k, _ = c.Last()
		n = setNumber(k)
	} else {
		k, _ = c.Prev()
		n = setNumber(k)
	}
	n++
	number := binary.BigEndian.AppendUint32(nil, n)
	if err := sets.Put(name, number); err != nil {
		return 0, err
	}
	return placesSet | places(n), sets.Put(setKey(n), set)
}

func setNumber(k []byte) uint32 {
	if len(k) != 5 || k[0] != 'N' {
		return 0
	}
	return binary.BigEndian.Uint32(k[1:])
}
