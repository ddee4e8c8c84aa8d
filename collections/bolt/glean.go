package bolt

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
)

// What is gleaned of the bytes of objects after their commit, up to a watermark: operation keys
//
//	"gleaned"   8 bytes: the date_added up to which all was read
//	z           last date_added of a chunk: rows of the versions with something to say: date_added, flags,
//	            valid_until in µs
//	v           tiers of values, space 0: hash of the value; publisher and collection, 16 bits each;
//	            date_added. The collection is one that the version was in
//	e           tiers of when versions lapse, a space is a collection's number: when in µs, date_added, flags
//	u           2 bytes number of a publisher: its id
//
// Rows and their keys are drawn in tiers.go, chunks in chunk.go. Rows are never taken back: whether a version is present, where,
// for whom and the last one is asked of the facts and of the id index when an answer is made, so that
// deletions and withdrawals need nothing here.
const (
	keyGleaned       = "gleaned"
	bucketGists      = "z"
	bucketValues     = "v"
	bucketLapses     = "e"
	bucketPublishers = "u"

	gleanBytes = 1 << 20 // of objects that are read at once, about
	gleanRows  = 1 << 16 // of values and lapses that one call writes, about
)

const (
	gistUntil byte = 1 << iota
	gistStated
	gistRevoked
)

func (s *Store) hashValue(v collections.Value) uint64 {
	b := append(append(make([]byte, 0, 256), s.id...), 0, 'v')
	sum := sha256.Sum256(appendText(appendText(b, v.Kind), v.Text))
	return binary.BigEndian.Uint64(sum[:])
}

// gleaned is one object version on its way.
type gleaned struct {
	added     collections.Added
	publisher uint16
	in        []uint16 // collections
	until     int64
	flags     byte
}

// gleaning is what one call writes.
type gleaning struct {
	store      *Store
	op         auth.OperationID
	from, to   collections.Added
	list       []gleaned // of this round
	raws       [][]byte  // their bytes
	text       []byte    // what raws lies in
	read       int       // versions
	publishers publishers
	gists      []row
	values     []row
	lapses     map[uint16][]row // by collection
	rows       int              // of values and lapses
	room       []uint16

	edits [3][]edit // of z, v and e
}

// Glean implements collections.Gleaner. Only the last of its steps is the committer's.
func (s *Store) Glean(ctx context.Context, op auth.OperationID, read collections.GistOf) (more bool, err error) {
	s.gleans.Lock()
	defer s.gleans.Unlock()
	g := &gleaning{store: s, op: op, lapses: map[uint16][]row{}}
	for more = true; more && g.read < collections.MaxGleaned && g.rows < gleanRows; {
		err = s.view(ctx, func(tx *bbolt.Tx) (err error) {
			more, err = g.gather(tx)
			return err
		})
		if err != nil {
			return false, fmt.Errorf("gleaning %s: %w", op, err)
		}
		more = g.take(read) || more
	}
	if g.to <= g.from {
		return false, nil
	}
	err = s.view(ctx, g.weave)
	if err == nil {
		err = s.do(&request{ctx: ctx, size: g.size(), plan: func(b *batch) error {
			b.gleanings = append(b.gleanings, g)
			return nil
		}})
	}
	if err != nil {
		return false, fmt.Errorf("gleaning %s: %w", op, err)
	}
	return more, nil
}

// Ungleaned implements collections.Gleaner.
func (s *Store) Ungleaned(ctx context.Context, op auth.OperationID, most int) (u collections.Ungleaned, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		u = collections.Ungleaned{}
		g := &gleaning{store: s, op: op}
		o := tx.Bucket(operationName(op))
		if o == nil {
			return nil
		}
		if g.to = collections.Added(numberOf(o.Get([]byte(keyGleaned)))); collections.Added(numberOf(o.Get([]byte(keyLast)))) <= g.to {
			return nil
		}
		lanes, err := g.lanes(tx, o)
		if err != nil {
			return err
		}
		for _, l := range lanes {
			if u.Oldest == 0 || l.at < u.Oldest {
				u.Oldest = l.at
			}
			for more := true; more && u.Versions < most; {
				u.Versions += l.f.n - l.i
				l.i = l.f.n - 1
				if more, err = l.next(l.f.added(l.i)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return collections.Ungleaned{}, fmt.Errorf("counting what is to be gleaned of %s: %w", op, err)
	}
	return u, nil
}

// take makes rows of what was gathered. It ends where they are many: cut.
func (g *gleaning) take(read collections.GistOf) (cut bool) {
	i := 0
	read(g.raws, func(gist collections.Gist) {
		if cut || i == len(g.list) {
			return
		}
		if cut = g.rows >= gleanRows && i > 0; cut {
			g.to = g.list[i-1].added
			return
		}
		g.one(&g.list[i], gist)
		i++
	})
	g.read += i
	return cut
}

// one makes the rows of a version.
func (g *gleaning) one(v *gleaned, gist collections.Gist) {
	if !gist.Until.IsZero() {
		v.until, v.flags = gist.Until.UnixMicro(), v.flags|gistUntil
	}
	if gist.Stated {
		v.flags |= gistStated
	}
	if gist.Revoked { // which reports nothing any more
		v.flags |= gistRevoked
		gist.Values = nil
	}
	for _, value := range gist.Values[:min(len(gist.Values), collections.MaxValues)] {
		g.values = append(g.values, row{g.store.hashValue(value), uint64(v.publisher)<<16 | uint64(v.in[0]), uint64(v.added)})
		g.rows++
	}
	if v.flags != 0 {
		g.gists = append(g.gists, row{uint64(v.added), uint64(v.flags), uint64(v.until)})
	}
	if at, ok := v.lapse(); ok {
		for _, c := range v.in {
			g.lapses[c] = append(g.lapses[c], row{at, uint64(v.added), uint64(v.flags)})
			g.rows++
		}
	}
}

// lapse gives when a version goes out of date or was revoked.
func (v *gleaned) lapse() (at uint64, ok bool) {
	switch {
	case v.flags&gistRevoked != 0:
		return uint64(v.added), true
	case v.flags&gistUntil != 0:
		return uint64(max(v.until, int64(v.added))), true
	}
	return 0, false
}

// weave makes the keys that are to be written.
func (g *gleaning) weave(tx *bbolt.Tx) (err error) {
	o := tx.Bucket(operationName(g.op))
	if o == nil {
		return errDamaged
	}
	if g.edits[0], err = g.chunks(o.Bucket([]byte(bucketGists))); err != nil {
		return fmt.Errorf("gists: %w", err)
	}
	budget := tierBudget
	values := weave{tiers: openTiers(o, bucketValues), split: splitRows, budget: &budget}
	if len(g.values) > 0 {
		if err := values.add(0, g.values); err != nil {
			return fmt.Errorf("values: %w", err)
		}
	}
	lapses := weave{tiers: openTiers(o, bucketLapses), split: splitRows, budget: &budget}
	for _, c := range slices.Sorted(maps.Keys(g.lapses)) {
		if err := lapses.add(c, g.lapses[c]); err != nil {
			return fmt.Errorf("lapses: %w", err)
		}
	}
	g.edits[1], g.edits[2] = values.edits, lapses.edits
	return nil
}

// chunks makes chunks of z, of which the last one is continued while it is small.
func (g *gleaning) chunks(b *bbolt.Bucket) (list []edit, err error) {
	rows := g.gists
	if b != nil && len(rows) > 0 {
		if k, v := b.Cursor().Last(); len(v) < chunkBytes/2 {
			last, err := readChunk(nil, v)
			if err != nil {
				return nil, err
			}
			rows = append(last, rows...)
			list = append(list, edit{key: slices.Clone(k)})
		}
	}
	for len(rows) > 0 {
		value, n := appendChunk(make([]byte, 0, chunkBytes), rows)
		list = append(list, edit{addedKey(collections.Added(rows[n-1].key)), value})
		rows = rows[n:]
	}
	return list, nil
}

// size gives about how many bytes are to be written.
func (g *gleaning) size() (n int) {
	for _, edits := range g.edits {
		for _, e := range edits {
			n += len(e.key) + len(e.value)
		}
	}
	return n
}

// putGleanings writes what was gleaned.
func (b *batch) putGleanings() error {
	for _, g := range b.gleanings {
		o := b.tx.Bucket(operationName(g.op))
		if o == nil || collections.Added(numberOf(o.Get([]byte(keyGleaned)))) != g.from {
			return errDamaged // they are written one after the other
		}
		if err := g.put(o); err != nil {
			return fmt.Errorf("writing what was gleaned of %s: %w", g.op, err)
		}
	}
	return nil
}

func (g *gleaning) put(o *bbolt.Bucket) error {
	for i, name := range [...]string{bucketGists, bucketValues, bucketLapses} {
		if len(g.edits[i]) == 0 {
			continue
		}
		b, err := o.CreateBucketIfNotExists([]byte(name))
		if err == nil {
			err = apply(b, g.edits[i])
		}
		if err != nil {
			return err
		}
	}
	if err := g.publishers.put(o); err != nil {
		return err
	}
	return o.Put([]byte(keyGleaned), number(int64(g.to)))
}

// gists reads z.
type gists struct {
	b    *bbolt.Bucket // nil: none
	last collections.Added
	rows []row // of the chunk that was read last, which ends with last
}

func openGists(o *bbolt.Bucket) *gists { return &gists{b: o.Bucket([]byte(bucketGists))} }

// of gives what was gleaned of the version with this date_added; no flags for none.
func (g *gists) of(a collections.Added) (until int64, flags byte, err error) {
	if len(g.rows) == 0 || uint64(a) < g.rows[0].key || a > g.last {
		g.rows = g.rows[:0]
		if g.b == nil {
			return 0, 0, nil
		}
		k, v := g.b.Cursor().Seek(addedKey(a))
		if k == nil {
			return 0, 0, nil
		}
		if g.rows, err = readChunk(g.rows, v); err != nil || len(k) != 8 {
			return 0, 0, errDamaged
		}
		g.last = keyAdded(k)
	}
	i, found := slices.BinarySearchFunc(g.rows, uint64(a), func(r row, key uint64) int { return cmp.Compare(r.key, key) })
	if !found {
		return 0, 0, nil
	}
	return int64(g.rows[i].val), byte(g.rows[i].tag), nil
}

// untilOf gives the time of a gist.
func untilOf(until int64, flags byte) (at time.Time) {
	if flags&gistUntil != 0 {
		at = time.UnixMicro(until).UTC()
	}
	return at
}
