package bolt

import (
	"cmp"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/collections"
	"liaison/stix"
)

// shelf is one collection as a transaction finds it. A shelf without buckets is an empty one.
type shelf struct {
	index    index         // of the operation
	sets     *bbolt.Bucket // likewise
	parcels  *bbolt.Bucket // likewise
	number   uint16        // the collection's in the operation; 0: it has none
	segments *bbolt.Bucket
	facts    *bbolt.Bucket
	tracks   *bbolt.Bucket
	tail     *tail // nil: every segment is full

	lastKey collections.Added // of the stored segment that was looked at last, and its facts
	last    *facts
}

// openShelf opens a collection for reading.
func openShelf(tx *bbolt.Tx, d *delta, at collections.Place) (*shelf, error) {
	s := &shelf{}
	op := tx.Bucket(operationName(at.Operation))
	if op == nil {
		return s, nil
	}
	c := op.Bucket(collectionName(at.Collection))
	if c == nil {
		return s, nil
	}
	s.index, s.sets, s.parcels = openIndex(tx, op, d), op.Bucket([]byte(bucketSets)), op.Bucket([]byte(bucketParcels))
	s.number = collectionNumber(op.Bucket([]byte(bucketNumbers)), at.Collection)
	return s, s.open(c)
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
		if k, v := s.facts.Cursor().Seek(addedKey(a)); k != nil {
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

// segmentAt is bytesAt for a transaction that wants nothing else of the collection. It gives the
// segment's key too.
func segmentAt(tx *bbolt.Tx, at collections.Place, a collections.Added) (collections.Added, objects, error) {
	s := &shelf{}
	if op := tx.Bucket(operationName(at.Operation)); op != nil {
		if c := op.Bucket(collectionName(at.Collection)); c != nil {
			s.parcels = op.Bucket([]byte(bucketParcels))
			if k, v := c.Bucket([]byte(bucketSegments)).Cursor().Seek(addedKey(a)); k != nil {
				o, err := readObjects(v, s.parcels)
				return keyAdded(k), o, err
			}
			if err := s.openTail(c); err != nil {
				return 0, objects{}, err
			}
		}
	}
	o, err := s.bytesAt(a)
	if err != nil {
		return 0, objects{}, err
	}
	return s.tail.key(), o, nil
}

// bytesAt gives the bytes of the segment that a date_added belongs to.
func (s *shelf) bytesAt(a collections.Added) (objects, error) {
	if s.segments != nil {
		if k, v := s.segments.Cursor().Seek(addedKey(a)); k != nil {
			return readObjects(v, s.parcels)
		}
	}
	if s.tail != nil && s.tail.key() >= a {
		return readObjects(s.tail.bytes, s.parcels)
	}
	return objects{}, fmt.Errorf("segment of %s is missing: %w", a, errDamaged)
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
