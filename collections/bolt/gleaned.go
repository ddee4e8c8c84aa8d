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
		gists := openGists(o.op)
		err := o.present(s.id, id, func(e entry, v *version) {
			until, flags, err := gists.of(e.added)
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
		o := s.openOperation(tx, at.Operation)
		w := lapses{store: s.id, gists: openGists(o.op), shelf: shelf, shows: showsTo(a), until: uint64(max(q.Until.UnixMicro(), 0)), limit: min(max(q.Limit, 1), collections.MaxLimit)}
		from := row{uint64(max(q.After.At.UnixMicro(), 0)), uint64(max(q.After.Added, 0)) + 1, 0}
		if q.After.At.IsZero() {
			from = row{}
		}
		m := openTiers(o.op, bucketLapses).merge(shelf.number, from)
		for more := true; more; {
			var r row
			if r, more, err = m.next(); more {
				more, err = w.row(r)
			}
		}
		if err != nil {
			return err
		}
		p = w.page
		return nil
	})
	if err != nil {
		return collections.LapsePage{}, fmt.Errorf("listing what lapsed in %s: %w", at.Collection, err)
	}
	return p, nil
}

// lapses fills a page.
type lapses struct {
	store  string
	gists  *gists
	shelf  *shelf
	shows  shows
	until  uint64
	limit  int
	looked int
	page   collections.LapsePage
}

// row looks at one of e; more is whether the page goes on.
func (w *lapses) row(r row) (more bool, err error) {
	switch {
	case r.key > w.until:
		return false, nil
	case len(w.page.Lapses) == w.limit || w.looked == collections.MaxLapses:
		w.page.More = true
		return false, nil
	}
	w.looked++
	at, added, flags := time.UnixMicro(int64(r.key)).UTC(), collections.Added(r.tag), byte(r.val)
	w.page.Next = collections.LapsePosition{At: at, Added: added}
	v, err := w.shelf.versionAt(added)
	if err != nil || !v.present || !w.shows(v.object()) {
		return err == nil, err
	}
	list, _, err := w.shelf.find(w.store, v.ID)
	if err != nil {
		return false, err
	}
	there := make([]bool, len(list))
	for i := range there {
		there[i] = true
	}
	for i, bits := range sight(nil, list, there, w.shows) {
		if list[i].Added != added || !bits.has(kindLast) {
			continue
		}
		until := int64(r.key)
		if flags&gistUntil != 0 && r.key == r.tag { // it was over before, or revoked
			if until, _, err = w.gists.of(added); err != nil {
				return false, err
			}
		}
		w.page.Lapses = append(w.page.Lapses, collections.Lapse{
			Fact: v.Fact, At: at, Until: untilOf(until, flags), Stated: flags&gistStated != 0, Revoked: flags&gistRevoked != 0,
		})
	}
	return true, nil
}

// Reports implements collections.Gleaner.
func (s *Store) Reports(ctx context.Context, a collections.Audience, op auth.OperationID, values []collections.Value) ([]collections.Reported, error) {
	list := make([]collections.Reported, len(values))
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		for i, v := range values {
			list[i] = collections.Reported{Value: v}
		}
		o := s.openOperation(tx, op)
		if o == nil {
			return nil
		}
		c, err := s.census(o, a)
		if err != nil {
			return err
		}
		named := openTiers(o.op, bucketValues)
		for i, v := range values {
			hash := s.hashValue(v)
			w := witnesses{tiers: named}
			if err := w.seek(row{key: hash}); err != nil {
				return err
			}
			if !w.there || w.head.key != hash {
				continue
			}
			rows, err := w.group(nil)
			if err != nil {
				return err
			}
			n, one, err := c.count(rows)
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

// witnesses reads v value by value.
type witnesses struct {
	tiers  *tiers
	rows   *merger
	head   row // the next one,
	there  bool
	passed int // rows
}

func (w *witnesses) seek(from row) error {
	w.rows = w.tiers.merge(0, from)
	return w.next()
}

func (w *witnesses) next() (err error) {
	w.passed++
	w.head, w.there, err = w.rows.next()
	return err
}

// group appends the rows of the next value, of each publisher MaxReports at most.
func (w *witnesses) group(dst []row) (_ []row, err error) {
	hash := w.head.key
	for n, last := 0, w.head.tag; err == nil && w.there && w.head.key == hash; {
		if w.head.tag>>16 != last>>16 {
			n, last = 0, w.head.tag
		}
		if n++; n > collections.MaxReports {
			err = w.seek(row{hash, (last>>16 + 1) << 16, 0})
			continue
		}
		dst = append(dst, w.head)
		err = w.next()
	}
	return dst, err
}

// census counts the publishers of values for an audience.
type census struct {
	store      *Store
	o          *opened
	a          collections.Audience
	shows      shows
	in         []uint16 // the audience's collections
	publishers []string // number 1 first
}

func (s *Store) census(o *opened, a collections.Audience) (*census, error) {
	p, err := readPublishers(o.op)
	if err != nil {
		return nil, err
	}
	c := &census{store: s, o: o, a: a, shows: showsTo(a), publishers: p.names}
	for _, id := range a.In {
		if n := collectionNumber(o.names, id); n != 0 {
			c.in = append(c.in, n)
		}
	}
	return c, nil
}

// sighted is a version that reports a value to the audience.
type sighted struct {
	stix.ID
	entry
}

// count gives how many publishers report a value, whose rows these are, and one of the objects that do.
func (c *census) count(rows []row) (n int, one *sighted, err error) {
	for i := 0; i < len(rows); {
		found, err := c.newest(rows[i])
		if err != nil {
			return 0, nil, err
		}
		publisher := rows[i].tag >> 16
		i++
		if found == nil {
			continue
		}
		n++
		if one == nil {
			one = found
		}
		for i < len(rows) && rows[i].tag>>16 == publisher {
			i++
		}
	}
	return n, one, nil
}

// newest gives the version of a row, if it is its publisher's newest that the audience is shown.
func (c *census) newest(r row) (*sighted, error) {
	number := r.tag >> 16
	if number == 0 || number > uint64(len(c.publishers)) {
		return nil, errDamaged
	}
	shelf, err := c.o.shelf(uint16(r.tag))
	if err != nil {
		return nil, err
	}
	named, err := shelf.versionAt(collections.Added(r.val))
	if err != nil {
		return nil, err
	}
	entries, err := c.o.index.find(hashID(c.store.id, named.ID))
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
		if !v.present || v.ID != named.ID || !c.shows(v.object()) || string(v.Publisher) != c.publishers[number-1] {
			continue
		}
		if newest == nil || v.compare(newest) >= 0 {
			newest, at = v, e
		}
	}
	if newest == nil || uint64(newest.Added) != r.val {
		return nil, nil
	}
	return &sighted{newest.ID, at}, nil
}

// Common implements collections.Gleaner.
func (s *Store) Common(ctx context.Context, a collections.Audience, at collections.Place, after collections.CommonPosition, limit int,
	read collections.GistOf,
) (p collections.CommonPage, err error) {
	c := commons{limit: min(max(limit, 1), collections.MaxLimit), rows: witnesses{}}
	err = s.view(ctx, func(tx *bbolt.Tx) (err error) {
		o := s.openOperation(tx, at.Operation)
		if o == nil || !a.All && !slices.Contains(a.In, at.Collection) || after == math.MaxUint64 {
			return nil
		}
		if c.all, err = s.census(o, a); err != nil {
			return err
		}
		if c.only, err = s.census(o, collections.Audience{View: a.View, In: []auth.CollectionID{at.Collection}}); err != nil {
			return err
		}
		c.only.shows = c.all.shows
		c.rows.tiers = openTiers(o.op, bucketValues)
		return c.list(row{key: uint64(after) + 1})
	})
	if err != nil {
		return collections.CommonPage{}, fmt.Errorf("listing what several report in %s: %w", at.Collection, err)
	}
	i := 0
	read(c.raws, func(g collections.Gist) {
		for _, v := range g.Values {
			if s.hashValue(v) == c.hashes[i] {
				c.page.Values[i].Value = v
			}
		}
		i++
	})
	c.page.Values = slices.DeleteFunc(c.page.Values, func(r collections.Reported) bool { return r.Value == collections.Value{} })
	return c.page, nil
}

// commons fills a page of values of one collection.
type commons struct {
	all, only *census // of the audience, of the collection alone
	rows      witnesses
	limit     int
	page      collections.CommonPage
	hashes    []uint64
	raws      [][]byte // of objects that have the values
}

func (c *commons) list(from row) error {
	err := c.rows.seek(from)
	var group []row
	for looked := 0; err == nil && c.rows.there; {
		if len(c.page.Values) == c.limit || looked == collections.MaxCommon || c.rows.passed >= collections.MaxPassed {
			c.page.More = true
			return nil
		}
		hash := c.rows.head.key
		if group, err = c.rows.group(group[:0]); err != nil {
			return err
		}
		c.page.Next = collections.CommonPosition(hash)
		if group[0].tag>>16 == group[len(group)-1].tag>>16 {
			continue // of one publisher
		}
		looked++
		err = c.value(hash, group)
	}
	return err
}

// value takes a value into the page, if that many report it.
func (c *commons) value(hash uint64, rows []row) error {
	local, one, err := c.only.count(rows)
	if err != nil || local == 0 {
		return err
	}
	n, _, err := c.all.count(rows)
	if err != nil || n < 2 {
		return err
	}
	raw, err := c.all.o.bytes(one.entry)
	if err != nil {
		return err
	}
	c.raws, c.hashes = append(c.raws, raw), append(c.hashes, hash)
	c.page.Values = append(c.page.Values, collections.Reported{Partners: n, ID: one.ID})
	return nil
}
