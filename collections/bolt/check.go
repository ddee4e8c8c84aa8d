package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// How much one read transaction of a check looks at, so that none is long.
const (
	checkSegments = 32
	checkRuns     = 64
	checkKeys     = 20_000
)

// checker looks at what is stored.
type checker struct {
	s     *Store
	ctx   context.Context
	found func(collections.Fault)
	done  collections.Checked
}

// Check implements collections.Maintainer. In short transactions everything is held against everything
// else: segments against facts, facts and digests against the index and back, tracks against what
// every class of readers has to be shown, parcels, what is kept, statuses, and the journal's hashes.
func (s *Store) Check(ctx context.Context, found func(collections.Fault)) (done collections.Checked, err error) {
	c := &checker{s: s, ctx: ctx, found: found}
	places, err := c.operations()
	for _, at := range places {
		if err == nil {
			err = c.collection(at)
		}
	}
	if err == nil {
		err = c.statuses()
	}
	if err != nil {
		return c.done, fmt.Errorf("checking the store: %w", err)
	}
	cp, err := s.VerifyJournal(ctx)
	var fault *collections.JournalFault
	switch {
	case errors.As(err, &fault):
		c.fault("journal", "%s", fault)
	case err != nil:
		return c.done, err
	}
	c.done.Lines = cp.Size
	return c.done, nil
}

func (c *checker) fault(where, what string, args ...any) {
	c.done.Faults++
	c.found(collections.Fault{Where: where, What: fmt.Sprintf(what, args...)})
}

// view runs a read transaction; a page that bbolt cannot make sense of is a fault.
func (c *checker) view(where string, f func(*bbolt.Tx) error) error {
	err := c.s.view(c.ctx, func(tx *bbolt.Tx) (err error) {
		defer damage(&err)()
		return f(tx)
	})
	if errors.Is(err, errDamaged) {
		c.fault(where, "%v", err)
		return nil
	}
	return err
}

// walk looks at each key of a bucket, at most so many in one read transaction. open gives the bucket, nil
// for none, and what looks.
func (c *checker) walk(where string, most int, open func(*bbolt.Tx) (*bbolt.Bucket, func(k, v []byte), error)) error {
	var from []byte
	for more := true; more; {
		more = false
		err := c.view(where, func(tx *bbolt.Tx) error {
			b, look, err := open(tx)
			if err != nil || b == nil {
				return err
			}
			cursor := b.Cursor()
			k, v := cursor.Seek(from)
			for n := 0; k != nil && n < most; n++ {
				look(k, v)
				k, v = cursor.Next()
			}
			if k != nil {
				from, more = slices.Clone(k), true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// damage makes an error of a page that bbolt cannot make sense of, or that the file does not have: it
// panics there.
func damage(err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if r := recover(); r != nil {
			*err = fmt.Errorf("%v: %w", r, errDamaged)
		}
	}
}

// operations looks at each operation's own, and gives the collections.
func (c *checker) operations() (places []collections.Place, err error) {
	var ops []auth.OperationID
	err = c.view("operations", func(tx *bbolt.Tx) error {
		last := collections.Added(numberOf(tx.Bucket([]byte(bucketMeta)).Get([]byte(keyLast))))
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			op, ok := operationNamed(name)
			if !ok {
				return nil
			}
			ops = append(ops, op)
			if newest := collections.Added(numberOf(b.Get([]byte(keyLast)))); newest > last {
				c.fault("operation "+string(op), "its newest date_added %s is after the store's %s", newest, last)
			}
			return b.ForEachBucket(func(name []byte) error {
				if len(name) > 1 && name[0] == 'c' {
					places = append(places, collections.Place{Operation: op, Collection: auth.CollectionID(name[1:])})
				}
				return nil
			})
		})
	})
	for _, op := range ops {
		c.done.Operations++
		if err == nil {
			err = c.index(op)
		}
		if err == nil {
			err = c.kept(op)
		}
		if err == nil {
			err = c.gleaned(op)
		}
	}
	return places, err
}

// index looks at the rows of an operation's index: each is of a version that the facts have.
func (c *checker) index(op auth.OperationID) error {
	where := "index of operation " + string(op)
	err := c.walk(where, checkRuns, func(tx *bbolt.Tx) (*bbolt.Bucket, func(k, v []byte), error) {
		o := c.s.openOperation(tx, op)
		if o == nil {
			return nil, nil, nil
		}
		return o.op.Bucket([]byte(bucketIndex)), func(k, v []byte) {
			_, r, err := readRun(v)
			if err != nil {
				c.fault(where, "run %x: %v", k, err)
				return
			}
			for i := range r.len() {
				if i > 0 && bytes.Compare(r.at(i - 1)[:rowHash], r.at(i)[:rowHash]) >= 0 || bytes.Compare(r.at(i)[:8], k) < 0 {
					c.fault(where, "run %x: row %d is out of order", k, i)
				}
				c.row(o, where, readEntry(r.at(i)))
			}
		}, nil
	})
	if err != nil {
		return err
	}
	return c.view(where, func(tx *bbolt.Tx) error {
		o := c.s.openOperation(tx, op)
		if o == nil {
			return nil
		}
		d, err := readDelta(o.op, deltaRows)
		if err != nil {
			return err
		}
		for i := range d.ranges {
			for j := range d.ranges[i].rows {
				e := d.ranges[i].rows[j].entry
				if list, err := o.index.find(e.hash); err != nil || !slices.ContainsFunc(list, func(f entry) bool { return f.added == e.added }) {
					c.fault(where, "the row of %s is not found: %v", e.added, err)
				}
				c.row(o, where, e)
			}
		}
		return nil
	})
}

// row looks for the version that a row is of.
func (c *checker) row(o *opened, where string, e entry) {
	in, gone, err := e.places.lists(o.sets)
	if err != nil {
		c.fault(where, "row of %s: its collections: %v", e.added, err)
		return
	}
	for _, n := range append(slices.Clone(in), gone...) {
		s, err := o.shelf(n)
		if err == nil {
			var v *version
			if v, err = s.versionAt(e.added); err == nil && hashID(c.s.id, v.ID) != e.hash {
				err = errors.New("it has another id there")
			}
		}
		if err != nil {
			c.fault(where, "row of %s: in collection number %d: %v", e.added, n, err)
		}
	}
}

// collection looks at the segments of one collection.
func (c *checker) collection(at collections.Place) error {
	c.done.Collections++
	where := "collection " + string(at.Collection)
	var last collections.Added
	for more := true; more; {
		more = false
		err := c.view(where, func(tx *bbolt.Tx) error {
			l := &lot{checker: c, tx: tx, at: at, where: where, tracks: map[stix.ID]map[collections.Added][]track{}}
			if err := l.open(); err != nil {
				return err
			}
			var err error
			last, more, err = l.segments(last)
			return err
		})
		if err != nil {
			return err
		}
	}
	return c.strays(at, where)
}

// strays looks for bits of segments that are not there.
func (c *checker) strays(at collections.Place, where string) error {
	return c.walk(where, checkKeys, func(tx *bbolt.Tx) (*bbolt.Bucket, func(k, v []byte), error) {
		s, err := openShelf(tx, nil, at)
		if err != nil {
			return nil, nil, err
		}
		return s.tracks, func(k, _ []byte) {
			if len(k) <= 8 {
				c.fault(where, "%q is no track", k)
			} else if s.facts.Get(k[len(k)-8:]) == nil {
				c.fault(where, "track %q has bits of a segment %s that is not there", k[:len(k)-8], keyAdded(k[len(k)-8:]))
			}
		}, nil
	})
}

// lot is what one transaction looks at of a collection.
type lot struct {
	*checker
	tx     *bbolt.Tx
	at     collections.Place
	where  string
	shelf  *shelf
	names  []string
	tracks map[stix.ID]map[collections.Added][]track // where each version of an id has to be
}

func (l *lot) open() (err error) {
	if l.shelf, err = openShelf(l.tx, l.s.delta(l.at.Operation), l.at); err != nil {
		return err
	}
	if l.shelf.tracks != nil {
		l.names = trackNames(l.shelf.tracks)
	}
	return nil
}

// segments looks at some after one; more is whether there are others behind them.
func (l *lot) segments(after collections.Added) (last collections.Added, more bool, err error) {
	last = after
	if l.shelf.facts != nil {
		facts, bodies := l.shelf.facts.Cursor(), l.shelf.segments.Cursor()
		k, m := facts.Seek(addedKey(after + 1))
		b, body := bodies.Seek(addedKey(after + 1))
		for n := 0; k != nil || b != nil; n++ {
			if n == checkSegments {
				return last, true, nil
			}
			if !bytes.Equal(k, b) {
				return last, false, fmt.Errorf("facts of a segment %x, bytes of %x: %w", k, b, errDamaged)
			}
			if err := l.ctx.Err(); err != nil {
				return last, false, err
			}
			key := keyAdded(k)
			l.segment(key, last, m, body, func(t []byte) bitmap { return l.shelf.tracks.Get(append(t, k...)) })
			last = key
			k, m = facts.Next()
			b, body = bodies.Next()
		}
	}
	if t := l.shelf.tail; t != nil {
		l.names = nil
		for h := (heap{b: t.tracks}); len(h.b) > 0 && !h.bad; h.bytes() {
			l.names = append(l.names, h.text())
		}
		l.look(t.key(), last, &t.facts, t.bytes, t.track)
	}
	return last, false, nil
}

func (l *lot) segment(key, before collections.Added, m, body []byte, bits func([]byte) bitmap) {
	f, err := readFacts(m)
	if err != nil {
		l.fault(l.where, "facts of segment %s: %v", key, err)
		return
	}
	l.look(key, before, &f, body, bits)
}

// look holds one segment against all that is said of it.
func (l *lot) look(key, before collections.Added, f *facts, body []byte, bits func([]byte) bitmap) {
	l.done.Segments++
	where := l.where + ", segment " + key.String()
	o, err := readObjects(body, l.shelf.parcels)
	if err != nil || o.n != f.n {
		l.fault(where, "its bytes are damaged")
		return
	}
	want := map[string]bitmap{}
	for i := range f.n {
		l.done.Objects++
		v, err := f.version(i)
		if err != nil {
			l.fault(where, "facts of object %d: %v", i, err)
			continue
		}
		if v.Added <= before || i == f.n-1 && v.Added != key {
			l.fault(where, "object %d has date_added %s out of order", i, v.Added)
		}
		before = v.Added
		l.object(where, i, v, &o)
		set := func(t track) { want[string(t.name())] = want[string(t.name())].set(i) }
		set(typeTrack(v.Type))
		set(publisherTrack(v.Publisher))
		if v.present {
			for _, t := range l.tracksOf(where, v) {
				name := string(t.name())
				want[name] = want[name].flip(i)
			}
		}
	}
	for _, name := range l.names {
		if _, ok := want[name]; !ok {
			want[name] = nil
		}
	}
	for name, w := range want {
		if have := bits([]byte(name)); !bytes.Equal(have, w) {
			l.fault(where, "track %q has bits %x, want %x", name, []byte(have), []byte(w))
		}
	}
}

// object holds one version against the index, and its bytes against their digest.
func (l *lot) object(where string, i int, v *version, o *objects) {
	if (o.length(i) > 0) != v.present {
		l.fault(where, "%s is there: %t; it has %d bytes", v.ID, v.present, o.length(i))
		return
	}
	list, err := l.shelf.index.find(hashID(l.s.id, v.ID))
	at := slices.IndexFunc(list, func(e entry) bool { return e.added == v.Added })
	if err != nil || at < 0 {
		l.fault(where, "%s of %s is not in the index: %v", v.ID, v.Added, err)
		return
	}
	e := list[at]
	in, gone, err := e.places.lists(l.shelf.sets)
	if err != nil || !slices.Contains(map[bool][]uint16{true: in, false: gone}[v.present], l.shelf.number) {
		l.fault(where, "%s of %s: the index has it in collections %v and deleted from %v: %v", v.ID, v.Added, in, gone, err)
	}
	if !v.present {
		return
	}
	raw, err := o.append(nil, bitmap{}.set(i))
	if sum := sha256.Sum256(raw); err != nil || e.digest != digest(sum[:]) {
		l.fault(where, "the bytes of %s of %s are others than were published: %v", v.ID, v.Added, err)
	}
}

// tracksOf gives the tracks that a version has to be in.
func (l *lot) tracksOf(where string, v *version) []track {
	all, ok := l.tracks[v.ID]
	if !ok {
		list, _, err := l.shelf.find(l.s.id, v.ID)
		if err != nil {
			l.fault(where, "versions of %s: %v", v.ID, err)
		}
		all = map[collections.Added][]track{}
		before, after := make([]bool, len(list)), make([]bool, len(list))
		for i := range after {
			after[i] = true
		}
		turn(list, before, after, func(t track, i int) { all[list[i].Added] = append(all[list[i].Added], t) })
		l.tracks[v.ID] = all
	}
	return all[v.Added]
}

// kept looks at what an operation keeps back.
func (c *checker) kept(op auth.OperationID) error {
	where := "kept in operation " + string(op)
	return c.walk(where, checkSegments*segmentObjects, func(tx *bbolt.Tx) (*bbolt.Bucket, func(k, v []byte), error) {
		kept := tx.Bucket(operationName(op)).Bucket([]byte(bucketKept))
		if kept == nil {
			return nil, nil, nil
		}
		raws, ids := kept.Bucket([]byte(bucketRaw)), kept.Bucket([]byte(bucketKeptIDs))
		return kept.Bucket([]byte(bucketRecords)), func(k, v []byte) {
			c.done.Kept++
			var r keptRecord
			if err := json.Unmarshal(v, &r); err != nil {
				c.fault(where, "%x: %v", k, err)
				return
			}
			raw := raws.Get(k)
			if sum := sha256.Sum256(raw); len(raw) != r.Size || !bytes.Equal(sum[:], r.Digest) {
				c.fault(where, "the bytes of %s are others than were published", r.ID)
			}
			id := hashKey(hashID(c.s.id, r.ID))
			if key, _ := ids.Cursor().Seek(append(id[:], k...)); !bytes.Equal(key, append(id[:], k...)) {
				c.fault(where, "%s is not found by its id", r.ID)
			}
		}, nil
	})
}

// statuses looks whether each can be read, with the run of objects that it refers to.
func (c *checker) statuses() error {
	return c.walk("statuses", checkSegments, func(tx *bbolt.Tx) (*bbolt.Bucket, func(k, v []byte), error) {
		return tx.Bucket([]byte(bucketStatus)), func(k, v []byte) {
			c.done.Statuses++
			var st stored
			if err := json.Unmarshal(v, &st); err != nil {
				c.fault("status "+string(k), "%v", err)
				return
			}
			if _, err := st.run(tx, min(st.Success, collections.MaxDetails)); err != nil {
				c.fault("status "+string(k), "its objects: %v", err)
			}
		}, nil
	})
}

// quick is the check of a start: what every collection's newest segment and the journal's head say. It
// costs what the number of collections costs, not what they hold.
func (s *Store) quick(tx *bbolt.Tx) (err error) {
	defer damage(&err)()
	last := collections.Added(numberOf(tx.Bucket([]byte(bucketMeta)).Get([]byte(keyLast))))
	err = tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		op, ok := operationNamed(name)
		if !ok {
			return nil
		}
		newest := collections.Added(numberOf(b.Get([]byte(keyLast))))
		if newest > last {
			return fmt.Errorf("operation %s: its newest date_added %s is after the store's %s: %w", op, newest, last, errDamaged)
		}
		return b.ForEachBucket(func(name []byte) error {
			if len(name) < 2 || name[0] != 'c' {
				return nil
			}
			if err := quickCollection(tx, collections.Place{Operation: op, Collection: auth.CollectionID(name[1:])}, newest); err != nil {
				return fmt.Errorf("collection %s of operation %s: %w", name[1:], op, err)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	h, err := readHead(tx)
	if err != nil {
		return err
	}
	if err := verifyLines(tx, max(0, h.size-1), h.size); err != nil {
		return err
	}
	if k, _ := tx.Bucket([]byte(bucketJournal)).Cursor().Last(); k == nil && h.size > 0 {
		return fmt.Errorf("the journal: %w", errDamaged)
	}
	return nil
}

func quickCollection(tx *bbolt.Tx, at collections.Place, newest collections.Added) error {
	s, err := openShelf(tx, nil, at)
	if err != nil || s.segments == nil {
		return err
	}
	k, v := s.segments.Cursor().Last()
	m, said := s.facts.Cursor().Last()
	if !bytes.Equal(k, m) {
		return fmt.Errorf("facts of a segment %x, bytes of %x: %w", m, k, errDamaged)
	}
	check := func(key collections.Added, f *facts, body []byte) error {
		o, err := readObjects(body, nil)
		if err != nil || o.n != f.n || f.added(f.n-1) != key || key > newest {
			return fmt.Errorf("segment %s: %w", key, errDamaged)
		}
		return nil
	}
	if k != nil {
		f, err := readFacts(said)
		if err != nil {
			return fmt.Errorf("facts of segment %s: %w", keyAdded(k), err)
		}
		if err := check(keyAdded(k), &f, v); err != nil {
			return err
		}
	}
	if s.tail != nil {
		return check(s.tail.key(), &s.tail.facts, s.tail.bytes)
	}
	return nil
}
