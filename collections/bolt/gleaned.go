package bolt

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// Answers from what was gleaned.

// showsTo gives what an audience is shown.
func showsTo(a collections.Audience) shows {
	if a.All {
		return classes.shows()
	}
	return a.View.Shows
}

// Gists implements collections.Gleaner.
func (s *Store) Gists(ctx context.Context, op auth.OperationID, id stix.ID) ([]collections.Gisted, error) {
	var list []collections.Gisted
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		o := s.openOperation(tx, op)
		if o == nil {
			return nil
		}
		var damage error
		err := o.present(s.id, id, func(e entry, v *version) {
			until, flags, err := o.gist(e.added)
			in, _, inErr := e.places.lists(o.sets)
			if err != nil || inErr != nil {
				damage = errDamaged
				return
			}
			if flags&(gistUntil|gistRevoked) == 0 {
				return
			}
			g := collections.Gisted{
				Fact: v.Fact, Until: untilOf(until, flags), Stated: flags&gistStated != 0, Revoked: flags&gistRevoked != 0, In: o.ids(in),
			}
			slices.Sort(g.In)
			list = append(list, g)
		})
		if err == nil {
			err = damage
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking %s up: %w", id, err)
	}
	return list, nil
}

// Lapsed implements collections.Gleaner.
func (s *Store) Lapsed(ctx context.Context, a collections.Audience, at collections.Place, q collections.LapseQuery) (p collections.LapsePage, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		p = collections.LapsePage{}
		shelf, err := openShelf(tx, s.delta(at.Operation), at)
		if err != nil || shelf.number == 0 {
			return err
		}
		c := tx.Bucket(operationName(at.Operation)).Bucket(collectionName(at.Collection))
		w := lapses{store: s.id, shelf: shelf, shows: showsTo(a), until: uint64(max(q.Until.UnixMicro(), 0)), limit: min(max(q.Limit, 1), collections.MaxLimit)}
		from := makeRow(uint64(max(q.After.At.UnixMicro(), 0)), uint64(max(q.After.Added, 0))+1, 0, 0)
		if q.After.At.IsZero() {
			from = row{}
		} else if q.After.Added == math.MaxInt64 {
			from = makeRow(from.at(0)+1, 0, 0, 0)
		}
		t := tiersOf(c, bucketLapses, 4)
		for part := t.next(lapsePart(from.at(0))); part != nil && w.more(); part = t.next(afterPart(part)) {
			b, err := t.blocks(part)
			if err != nil {
				return err
			}
			b.rows(from, w.row)
			if w.err != nil {
				return w.err
			}
		}
		p = w.page
		return nil
	})
	if err != nil {
		return collections.LapsePage{}, fmt.Errorf("listing what lapsed in %s: %w", at.Collection, err)
	}
	return p, nil
}

// afterPart gives what every later part is not before; nil after the last, which no part is.
func afterPart(part []byte) []byte {
	next := slices.Clone(part)
	for i := len(next) - 1; i >= 0; i-- {
		if next[i]++; next[i] != 0 {
			return next
		}
	}
	return append(slices.Clone(part), 0xff)
}

// lapses fills a page.
type lapses struct {
	store  string
	shelf  *shelf
	shows  shows
	until  uint64
	limit  int
	looked int
	over   bool // at until
	page   collections.LapsePage
	err    error
}

func (w *lapses) more() bool { return !w.over && !w.page.More && w.err == nil }

func (w *lapses) row(r row) bool {
	switch {
	case r.at(0) > w.until:
		w.over = true
		return false
	case len(w.page.Lapses) == w.limit || w.looked == collections.MaxLapses:
		w.page.More = true
		return false
	}
	w.looked++
	at, added, flags := time.UnixMicro(int64(r.at(0))).UTC(), collections.Added(r.at(1)), byte(r.at(3))
	w.page.Next = collections.LapsePosition{At: at, Added: added}
	var v *version
	if v, w.err = w.shelf.versionAt(added); w.err != nil {
		return false
	}
	if !v.present || !w.shows(v.object()) {
		return true
	}
	var list []*version
	if list, _, w.err = w.shelf.find(w.store, v.ID); w.err != nil {
		return false
	}
	there := make([]bool, len(list))
	for i := range there {
		there[i] = true
	}
	for i, bits := range sight(nil, list, there, w.shows) {
		if list[i].Added == added && bits.has(kindLast) {
			w.page.Lapses = append(w.page.Lapses, collections.Lapse{
				Fact: v.Fact, At: at, Until: untilOf(int64(r.at(2)), flags), Stated: flags&gistStated != 0, Revoked: flags&gistRevoked != 0,
			})
		}
	}
	return true
}

// Reports implements collections.Gleaner.
func (s *Store) Reports(ctx context.Context, a collections.Audience, op auth.OperationID, values []collections.Value) ([]collections.Reported, error) {
	list := make([]collections.Reported, len(values))
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		o := s.openOperation(tx, op)
		for i, v := range values {
			list[i] = collections.Reported{Value: v}
			if o == nil {
				continue
			}
			n, one, err := s.census(o, a).count(s.hashValue(v))
			if err != nil {
				return err
			}
			list[i].Partners = n
			if one != nil {
				list[i].ID = one.ID
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting reports in %s: %w", op, err)
	}
	return list, nil
}

// census counts the publishers of values for an audience.
type census struct {
	store *Store
	o     *opened
	a     collections.Audience
	shows shows
	in    []uint16 // the audience's collections
}

func (s *Store) census(o *opened, a collections.Audience) *census {
	c := &census{store: s, o: o, a: a, shows: showsTo(a)}
	for _, id := range a.In {
		if n := collectionNumber(o.names, id); n != 0 {
			c.in = append(c.in, n)
		}
	}
	return c
}

// sighted is a version that reports a value to the audience.
type sighted struct {
	stix.ID
	entry
}

// count gives how many publishers report a value, and one of the objects that do.
func (c *census) count(hash uint64) (n int, one *sighted, err error) {
	b, err := tiersOf(c.o.op, bucketValues, 1).blocks(valuePart(hash))
	if err != nil {
		return 0, nil, err
	}
	for _, publisher := range publishersOf(b, hash, math.MaxInt) {
		looked := 0
		b.rows(makeRow(hash, publisher, 0, 0), func(r row) bool {
			if looked++; r.at(0) != hash || r.at(1) != publisher || looked > collections.MaxReports {
				return false
			}
			var found *sighted
			if found, err = c.newest(r); found != nil {
				n++
				if one == nil {
					one = found
				}
			}
			return err == nil && found == nil
		})
		if err != nil {
			return 0, nil, err
		}
	}
	return n, one, nil
}

// newest gives the version of a row, if it is its publisher's newest that the audience is shown.
func (c *census) newest(r row) (*sighted, error) {
	entries, err := c.o.index.find(r.at(2))
	if err != nil {
		return nil, err
	}
	var newest *version
	var at entry
	for _, e := range entries {
		in, _, err := e.places.lists(c.o.sets)
		if err != nil {
			return nil, err
		}
		if !c.a.All {
			in = slices.DeleteFunc(in, func(n uint16) bool { return !slices.Contains(c.in, n) })
		}
		if len(in) == 0 {
			continue
		}
		shelf, err := c.o.shelf(in[0])
		if err != nil {
			return nil, err
		}
		v, err := shelf.versionAt(e.added)
		if err != nil {
			return nil, err
		}
		if !v.present || !c.shows(v.object()) || c.store.hashPublisher(v.Publisher) != r.at(1) {
			continue
		}
		if newest == nil || v.compare(newest) >= 0 {
			newest, at = v, e
		}
	}
	if newest == nil || uint64(newest.Added) != r.at(3) {
		return nil, nil
	}
	return &sighted{newest.ID, at}, nil
}

// Common implements collections.Gleaner.
func (s *Store) Common(ctx context.Context, a collections.Audience, at collections.Place, after collections.CommonPosition, limit int,
	read collections.GistOf,
) (p collections.CommonPage, err error) {
	limit = min(max(limit, 1), collections.MaxLimit)
	var raws [][]byte
	var hashes []uint64
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		o := s.openOperation(tx, at.Operation)
		if o == nil {
			return nil
		}
		c := o.op.Bucket(collectionName(at.Collection))
		all := s.census(o, a)
		if !a.All && !slices.Contains(a.In, at.Collection) {
			return nil
		}
		here := collections.Audience{View: a.View, In: []auth.CollectionID{at.Collection}}
		only := s.census(o, here)
		only.shows = all.shows
		looked := 0
		var err error
		if after == math.MaxUint64 {
			return nil
		}
		from := makeRow(uint64(after)+1, 0, 0, 0)
		t := tiersOf(c, bucketCommon, 1)
		for part := t.next(valuePart(from.at(0))); part != nil && !p.More; part = t.next(afterPart(part)) {
			b, readErr := t.blocks(part)
			if readErr != nil {
				return readErr
			}
			b.rows(from, func(r row) bool {
				if len(p.Values) == limit || looked == collections.MaxCommon {
					p.More = true
					return false
				}
				looked++
				hash := r.at(0)
				p.Next = collections.CommonPosition(hash)
				var n, local int
				var one *sighted
				if local, one, err = only.count(hash); err != nil || local == 0 {
					return err == nil
				}
				if n, _, err = all.count(hash); err != nil || n < 2 {
					return err == nil
				}
				var raw []byte
				if raw, err = o.bytes(one.entry); err != nil {
					return false
				}
				raws, hashes = append(raws, raw), append(hashes, hash)
				p.Values = append(p.Values, collections.Reported{Partners: n, ID: one.ID})
				return true
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return collections.CommonPage{}, fmt.Errorf("listing what several report in %s: %w", at.Collection, err)
	}
	for i, raw := range raws {
		for _, v := range read(raw).Values {
			if s.hashValue(v) == hashes[i] {
				p.Values[i].Value = v
			}
		}
	}
	p.Values = slices.DeleteFunc(p.Values, func(r collections.Reported) bool { return r.Value == collections.Value{} })
	return p, nil
}
