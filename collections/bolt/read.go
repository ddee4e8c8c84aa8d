package bolt

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// Objects implements collections.Store. Each Next copies what the page takes from one segment, in a
// read transaction of its own.
func (s *Store) Objects(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
	var p *plan
	err := s.view(ctx, func(tx *bbolt.Tx) (err error) {
		p, err = s.planned(ctx, tx, v, at, q)
		return err
	})
	if err != nil {
		return collections.Page{}, fmt.Errorf("planning a page of %s: %w", at.Collection, err)
	}
	r := &reader{store: s, at: at, picks: p.picks}
	next := func(dst []byte) ([]byte, error) { return r.next(ctx, dst) }
	take := func(dst []byte, have func(collections.RunID) bool) ([]byte, error) { return r.take(ctx, dst, have) }
	return collections.Page{
		Count: p.count, First: p.first, Last: p.last, More: p.more, Gone: p.gone, Next: next, Take: take,
	}, nil
}

// reader copies the runs of a page out, one of each segment.
type reader struct {
	store *Store
	at    collections.Place
	picks []pick // what is left
	named []byte // what the name of a run is made of, kept for its room
}

// runBytes is what one read transaction copies, unless a segment is larger.
const runBytes = 96 << 10

// next appends the objects of as many segments as are copied at once.
func (r *reader) next(ctx context.Context, dst []byte) ([]byte, error) {
	if len(r.picks) == 0 {
		return dst, io.EOF
	}
	start, taken := len(dst), 0
	err := r.store.view(ctx, func(tx *bbolt.Tx) error {
		s, err := openSegments(tx, r.at)
		if err != nil {
			return err
		}
		for _, p := range r.picks {
			_, o, err := r.find(tx, s, &p)
			if err != nil {
				return err
			}
			if taken > 0 && len(dst)-start+o.size(p.set) > runBytes {
				return nil
			}
			taken++
			if o.empty(p.set) {
				continue
			}
			if len(dst) > start {
				dst = append(dst, ',')
			}
			if dst, err = o.append(dst, p.set); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return dst, fmt.Errorf("reading a page of %s: %w", r.at.Collection, err)
	}
	r.picks = r.picks[taken:]
	return dst, nil
}

func (r *reader) take(ctx context.Context, dst []byte, have func(collections.RunID) bool) ([]byte, error) {
	if len(r.picks) == 0 {
		return dst, io.EOF
	}
	err := r.store.view(ctx, func(tx *bbolt.Tx) error {
		s, err := openSegments(tx, r.at)
		if err != nil {
			return err
		}
		p := r.picks[0]
		key, o, err := r.find(tx, s, &p)
		if err != nil {
			return err
		}
		if have == nil || o.empty(p.set) || !have(r.name(key, &o, p.set)) {
			dst, err = o.append(dst, p.set)
		}
		return err
	})
	if err != nil {
		return dst, fmt.Errorf("reading a page of %s: %w", r.at.Collection, err)
	}
	r.picks = r.picks[1:]
	return dst, nil
}

// find gives the segment of a pick as it is now, and sets where in it the pick's objects are.
func (r *reader) find(tx *bbolt.Tx, s *shelf, p *pick) (collections.Added, objects, error) {
	key, o, err := s.segmentAt(p.key)
	if err == nil && o.n != p.n {
		p.set, err = moved(tx, r.at, *p)
	}
	return key, o, err
}

// moved gives where the objects of a pick are in a segment that had others joined to it since.
func moved(tx *bbolt.Tx, at collections.Place, p pick) (bitmap, error) {
	s, err := openShelf(tx, nil, at)
	if err != nil {
		return nil, err
	}
	_, f, ok, err := s.factsAt(p.key)
	if err != nil || !ok {
		return nil, orDamaged(err)
	}
	i, ok := f.at(p.key)
	if !ok || i+1 < p.n {
		return nil, errDamaged
	}
	return p.set.shift(i + 1 - p.n), nil
}

// name makes the name of a run. Of the objects of a collection none is added between others, so the
// date_added of a segment's last one and their number say which ones are in it, however segments were
// joined; where each ends says which of them are left; the set, which of those the run takes.
func (r *reader) name(key collections.Added, o *objects, set bitmap) collections.RunID {
	b := appendText(r.named[:0], r.store.id)
	b = appendText(b, string(r.at.Operation))
	b = appendText(b, string(r.at.Collection))
	b = binary.BigEndian.AppendUint64(b, uint64(key))
	b = binary.AppendUvarint(b, uint64(o.n))
	b = appendBytes(b, o.ends)
	b = append(b, set...)
	r.named = b
	sum := sha256.Sum256(b)
	return collections.RunID(sum[:])
}

func (s *Store) planned(ctx context.Context, tx *bbolt.Tx, v auth.View, at collections.Place, q collections.Query) (*plan, error) {
	shelf, err := openPages(tx, at)
	if err != nil {
		return nil, err
	}
	return shelf.plan(ctx, tx, s, v, at, q, true)
}

// Facts implements collections.Store.
func (s *Store) Facts(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (list []collections.Fact, next collections.Added, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		shelf, err := openPages(tx, at)
		if err != nil {
			return err
		}
		p, err := shelf.plan(ctx, tx, s, v, at, q, false)
		if err != nil {
			return err
		}
		if p.count > 0 {
			list = make([]collections.Fact, 0, p.count)
		}
		if p.more {
			next = p.last
		}
		for _, k := range p.picks {
			_, f, ok, err := shelf.factsAt(k.key)
			if err != nil || !ok {
				return orDamaged(err)
			}
			for i, j := range k.set.runs() {
				for ; i < j; i++ {
					o, err := f.version(min(i, f.n-1))
					if err != nil {
						return err
					}
					list = append(list, o.Fact)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("listing %s: %w", at.Collection, err)
	}
	return list, next, nil
}

// Known implements collections.Store.
func (s *Store) Known(ctx context.Context, v auth.View, at collections.Place, id stix.ID) (bool, error) {
	known := false
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		shelf, err := openShelf(tx, s.delta(at.Operation), at)
		if err != nil {
			return err
		}
		list, _, err := shelf.find(s.id, id)
		for _, o := range list {
			known = known || v.Shows(o.object())
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("looking %s up: %w", id, err)
	}
	return known, nil
}

// Definitions implements collections.Store: of several definitions under one id the strictest counts.
func (s *Store) Definitions(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID) (map[stix.ID]stix.Level, error) {
	return s.strictest(ctx, op, publisher, ids, func(e entry, v *version) (stix.Level, bool) {
		return e.defines, v.Type == "marking-definition"
	})
}

// Levels implements collections.Store.
func (s *Store) Levels(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID) (map[stix.ID]stix.Level, error) {
	return s.strictest(ctx, op, publisher, ids, func(_ entry, v *version) (stix.Level, bool) { return v.Level, true })
}

// strictest joins a level of the present versions that a publisher has of each id.
func (s *Store) strictest(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID,
	level func(entry, *version) (stix.Level, bool),
) (map[stix.ID]stix.Level, error) {
	levels := map[stix.ID]stix.Level{}
	err := s.eachID(ctx, op, ids, 1000, func(o *opened, id stix.ID) error {
		err := o.present(s.id, id, func(e entry, v *version) {
			if l, ok := level(e, v); ok && v.Publisher == publisher {
				levels[id] = levels[id].Join(l)
			}
		})
		if err != nil {
			return err
		}
		return o.keptOfID(s.id, id, func(r *keptRecord) {
			v := version{Fact: collections.Fact{Type: r.Type, Level: r.Level}}
			if l, ok := level(entry{defines: r.Defines}, &v); ok && r.Publisher == publisher {
				levels[id] = levels[id].Join(l)
			}
		})
	})
	if err != nil {
		return nil, err
	}
	return levels, nil
}

// eachID looks ids up, at most so many in one transaction.
func (s *Store) eachID(ctx context.Context, op auth.OperationID, ids []stix.ID, atOnce int, look func(*opened, stix.ID) error) error {
	for now := range slices.Chunk(ids, atOnce) {
		err := s.view(ctx, func(tx *bbolt.Tx) error {
			o := s.openOperation(tx, op)
			if o == nil {
				return nil
			}
			for _, id := range now {
				if err := look(o, id); err != nil {
					return fmt.Errorf("looking %s up: %w", id, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Last implements collections.Store.
func (s *Store) Last(ctx context.Context) (last collections.Added, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		last = collections.Added(numberOf(tx.Bucket([]byte(bucketMeta)).Get([]byte(keyLast))))
		return nil
	})
	return last, err
}
