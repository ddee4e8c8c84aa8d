package bolt

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/collections"
	"liaison/stix"
)

// shelf is one collection as a transaction finds it. A shelf without buckets is an empty one.
type shelf struct {
	op       *bbolt.Bucket // the operation; nil: the shelf has all that it needs of it
	index    index         // of the operation; after indexed
	sets     *bbolt.Bucket // likewise
	parcels  *bbolt.Bucket // likewise; nil until some are wanted
	number   uint16        // the collection's in the operation; 0: it has none
	pages    *bbolt.Bucket // the collection, while segments and tracks are not opened; see walked
	segments *bbolt.Bucket
	facts    *bbolt.Bucket
	tracks   *bbolt.Bucket
	tail     *tail // nil: every segment is full

	ofSegments, ofFacts, ofTracks *bbolt.Cursor // that seek; each is made once
	key                           [8]byte       // see keyOf
	names                         []byte        // of tracks, one after the other, each with room for a key

	lastKey collections.Added // of the stored segment that was looked at last, and its facts
	last    *facts
}

// openShelf opens a collection for reading.
func openShelf(tx *bbolt.Tx, d *delta, at collections.Place) (*shelf, error) {
	s, err := openPages(tx, at)
	if err != nil {
		return nil, err
	}
	if s.op != nil {
		s.walked()
		s.indexed(tx, d, at)
		s.parcels = s.op.Bucket([]byte(bucketParcels))
	}
	return s, nil
}

// bucketsOf gives those of an operation and of a collection in it; nil for what is not there.
func bucketsOf(tx *bbolt.Tx, at collections.Place) (op, c *bbolt.Bucket) {
	if op = tx.Bucket(operationName(at.Operation)); op != nil {
		c = op.Bucket(collectionName(at.Collection))
	}
	return op, c
}

// openPages opens a collection for its facts; walked and indexed open the rest when it is wanted. Opening a
// bucket costs as much as finding a page in it.
func openPages(tx *bbolt.Tx, at collections.Place) (*shelf, error) {
	s := &shelf{}
	op, c := bucketsOf(tx, at)
	if c == nil {
		return s, nil
	}
	s.op, s.pages, s.facts = op, c, c.Bucket([]byte(bucketFacts))
	return s, s.openTail(c)
}

// walked opens the segments and the tracks.
func (s *shelf) walked() {
	if s.pages != nil {
		s.segments, s.tracks = s.pages.Bucket([]byte(bucketSegments)), s.pages.Bucket([]byte(bucketTracks))
		s.pages = nil
	}
}

// indexed opens the index of ids.
func (s *shelf) indexed(tx *bbolt.Tx, d *delta, at collections.Place) {
	if s.op == nil || s.number != 0 {
		return
	}
	s.index, s.sets = openIndex(tx, s.op, d), s.op.Bucket([]byte(bucketSets))
	s.number = collectionNumber(s.op.Bucket([]byte(bucketNumbers)), at.Collection)
}

func (s *shelf) open(c *bbolt.Bucket) error {
	s.segments = c.Bucket([]byte(bucketSegments))
	s.facts = c.Bucket([]byte(bucketFacts))
	s.tracks = c.Bucket([]byte(bucketTracks))
	return s.openTail(c)
}

func (s *shelf) openTail(c *bbolt.Bucket) error {
	if b := c.Get([]byte(keyTail)); b != nil {
		t, err := readTail(b)
		if err != nil {
			return fmt.Errorf("reading the newest segment: %w", err)
		}
		s.tail = t
	}
	return nil
}

// factsAt gives the facts of the segment that a date_added belongs to: the first whose key is not
// before it. ok is false after the last one.
func (s *shelf) factsAt(a collections.Added) (key collections.Added, f *facts, ok bool, err error) {
	if s.last != nil && a <= s.lastKey && a >= s.last.added(0) {
		return s.lastKey, s.last, true, nil
	}
	if s.facts != nil {
		if s.ofFacts == nil {
			s.ofFacts = s.facts.Cursor()
		}
		if k, v := s.ofFacts.Seek(s.keyOf(a)); k != nil {
			f, err := readFacts(v)
			if err != nil {
				return 0, nil, false, fmt.Errorf("reading facts of segment %s: %w", keyAdded(k), err)
			}
			s.lastKey, s.last = keyAdded(k), &f
			return s.lastKey, s.last, true, nil
		}
	}
	if s.tail != nil && s.tail.key() >= a {
		return s.tail.key(), &s.tail.facts, true, nil
	}
	return 0, nil, false, nil
}

// keyOf gives a date_added as a key, in a buffer of the shelf's own.
func (s *shelf) keyOf(a collections.Added) []byte {
	binary.BigEndian.PutUint64(s.key[:], uint64(a))
	return s.key[:]
}

// openSegments opens a collection for its bytes alone.
func openSegments(tx *bbolt.Tx, at collections.Place) (*shelf, error) {
	s := &shelf{}
	op, c := bucketsOf(tx, at)
	if c == nil {
		return s, nil
	}
	s.op, s.segments = op, c.Bucket([]byte(bucketSegments))
	return s, s.openTail(c)
}

// bytesAt gives the bytes of the segment that a date_added belongs to.
func (s *shelf) bytesAt(a collections.Added) (objects, error) {
	_, o, err := s.segmentAt(a)
	return o, err
}

// segmentAt is bytesAt, with the segment's key.
func (s *shelf) segmentAt(a collections.Added) (collections.Added, objects, error) {
	if s.segments != nil {
		if s.ofSegments == nil {
			s.ofSegments = s.segments.Cursor()
		}
		if k, v := s.ofSegments.Seek(s.keyOf(a)); k != nil {
			o, err := s.objects(v)
			return keyAdded(k), o, err
		}
	}
	if s.tail != nil && s.tail.key() >= a {
		o, err := s.objects(s.tail.bytes)
		return s.tail.key(), o, err
	}
	return 0, objects{}, fmt.Errorf("segment of %s is missing: %w", a, errDamaged)
}

// objects reads the bytes of a segment.
func (s *shelf) objects(b []byte) (objects, error) {
	if s.parcels == nil && s.op != nil && len(b) > 0 && b[0] == refsTag {
		s.parcels = s.op.Bucket([]byte(bucketParcels))
	}
	return readObjects(b, s.parcels)
}

// found is an object version and where it is.
type found struct {
	*version
	key collections.Added // of its segment
	pos int
}

// find gives the versions of an object that are in the collection, ascending by date_added.
func (s *shelf) find(store string, id stix.ID) ([]*version, []found, error) {
	return s.search(store, id, false)
}

// search is find; deleted ones too, if wanted.
func (s *shelf) search(store string, id stix.ID, deleted bool) ([]*version, []found, error) {
	var list []*version
	var places []found
	if s.number == 0 {
		return nil, nil, nil
	}
	rows, err := s.index.find(hashID(store, id))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range rows {
		if here, err := e.places.has(s.sets, s.number, deleted); err != nil || !here {
			if err != nil {
				return nil, nil, err
			}
			continue
		}
		added := e.added
		key, f, ok, err := s.factsAt(added)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			return nil, nil, fmt.Errorf("object version of %s: %w", added, errDamaged)
		}
		pos, ok := f.at(added)
		if !ok {
			return nil, nil, fmt.Errorf("object version of %s: %w", added, errDamaged)
		}
		if same, err := f.is(pos, id); err != nil || !same {
			if err != nil {
				return nil, nil, err
			}
			continue
		}
		o, err := f.version(pos)
		if err != nil {
			return nil, nil, err
		}
		if o.present || deleted {
			list = append(list, o)
			places = append(places, found{o, key, pos})
		}
	}
	return list, places, nil
}

// placed gives the places of the chosen versions.
func placed(places []found, chosen []*version) []found {
	return slices.DeleteFunc(places, func(f found) bool { return !slices.Contains(chosen, f.version) })
}

func byAdded(a, b found) int { return cmp.Compare(a.Added, b.Added) }
