package bolt

import (
	"crypto/sha256"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// The id index of an operation, bucket ix: one entry for every object version, deleted ones too.
//
//	key     8 bytes hash of the id, keyed with the store's id so that nobody can aim at collisions;
//	        8 bytes date_added
//	value   1 byte: the level that it defines, see stix.Level
//	        16 bytes of the SHA-256 of its bytes
//	        numbers of the collections that it is in: how many, then each, all as uvarints
//	        numbers of those that it was deleted from, likewise
//
// The id itself, the version, the publisher, the level, who is named: those are in the facts of any of
// its collections, which have to be looked at anyway to compare the id.
type entry struct {
	defines  stix.Level
	digest   digest
	in, gone []uint16
}

// digest is the part of an object's SHA-256 that is kept.
type digest [16]byte

func hashID(store string, id stix.ID) uint64 {
	b := make([]byte, 0, 128)
	b = append(append(append(b, store...), 0), id...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

func hashKey(h uint64) (k [8]byte) {
	binary.BigEndian.PutUint64(k[:], h)
	return k
}

func readEntry(b []byte) (entry, error) {
	var e entry
	if len(b) < 1+len(e.digest) {
		return e, errDamaged
	}
	e.defines, e.digest = stix.Level(b[0]), digest(b[1:])
	h := heap{b: b[1+len(e.digest):]}
	e.in, e.gone = h.numbers(), h.numbers()
	if h.bad {
		return e, errDamaged
	}
	return e, nil
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

func (v *version) writeEntry() []byte {
	b := make([]byte, 0, 32)
	b = append(append(b, byte(v.defines)), v.digest[:]...)
	for _, list := range [...][]uint16{v.in, v.gone} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, n := range list {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	return b
}

func (v *version) entryKey() []byte {
	k := hashKey(v.hash)
	return append(k[:], addedKey(v.Added)...)
}

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

// Levels and definitions are looked up in any of an operation's collections.

// opened is an operation for reading.
type opened struct {
	index, names *bbolt.Bucket
	op           *bbolt.Bucket
	shelves      map[uint16]*shelf
}

func openOperation(tx *bbolt.Tx, id auth.OperationID) *opened {
	op := tx.Bucket(operationName(id))
	if op == nil {
		return nil
	}
	return &opened{
		op: op, index: op.Bucket([]byte(bucketIndex)), names: op.Bucket([]byte(bucketNumbers)),
		shelves: map[uint16]*shelf{},
	}
}

func (o *opened) shelf(n uint16) (*shelf, error) {
	if s := o.shelves[n]; s != nil {
		return s, nil
	}
	s := &shelf{index: o.index, number: n}
	c := o.op.Bucket(collectionName(collectionNumbered(o.names, n)))
	if c == nil {
		return nil, errDamaged
	}
	o.shelves[n] = s
	return s, s.open(c)
}

// present yields what the index and the facts say of every present version of an id.
func (o *opened) present(store string, id stix.ID, each func(entry, *version)) error {
	prefix := hashKey(hashID(store, id))
	c := o.index.Cursor()
	for k, v := c.Seek(prefix[:]); len(k) == 16 && [8]byte(k) == prefix; k, v = c.Next() {
		e, err := readEntry(v)
		if err != nil {
			return err
		}
		if len(e.in) == 0 {
			continue
		}
		s, err := o.shelf(e.in[0])
		if err != nil {
			return err
		}
		found, err := s.versionAt(keyAdded(k[8:]))
		if err != nil {
			return err
		}
		if found.ID == id {
			each(e, found)
		}
	}
	return nil
}

// versionAt gives the version with exactly this date_added; not to find it is damage.
func (s *shelf) versionAt(a collections.Added) (*version, error) {
	_, f, ok, err := s.factsAt(a)
	if err != nil {
		return nil, err
	}
	if ok {
		if i, ok := f.at(a); ok {
			return f.version(i)
		}
	}
	return nil, errDamaged
}
