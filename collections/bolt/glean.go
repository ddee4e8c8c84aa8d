package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
)

// What is gleaned of the bytes of objects after their commit, up to a watermark: operation keys
//
//	"gleaned"   8 bytes: the date_added up to which all was read
//	z           last µs of a block: 17 bytes for each version with something to say: date_added, valid_until
//	            in µs, flags
//	v           tiers of values, a part is the first byte of the hash: hash of the value, of its publisher,
//	            of the object's id, date_added
//
// and in each collection
//
//	e           tiers of when versions lapse, a part is a week: when in µs, date_added, valid_until, flags
//	r           tiers of values that two publishers name, parts as in v: hash of the value, 0, 0, 0
//
// Rows are never taken back: whether a version is present, where, for whom and the last one is asked of
// the facts and of the id index when an answer is made, so that deletions and withdrawals need nothing here.
const (
	keyGleaned   = "gleaned"
	bucketGists  = "z"
	bucketValues = "v"
	bucketLapses = "e"
	bucketCommon = "r"

	gistRow    = 17
	gistBlock  = 32 << 10 // bytes
	gleanBytes = 4 << 20  // of objects that are read in one call, about
	oldReports = 1000     // versions of a value's first publisher whose collections are looked up
)

const (
	gistUntil byte = 1 << iota
	gistStated
	gistRevoked
)

// week is the part of lapses, in µs.
const week = 7 * 24 * 3600 * 1_000_000

func lapsePart(at uint64) []byte { return binary.BigEndian.AppendUint32(nil, uint32(at/week)) }

func valuePart(hash uint64) []byte { return []byte{byte(hash >> 56)} }

func (s *Store) hashText(kind byte, parts ...string) uint64 {
	b := append([]byte(s.id), 0, kind)
	for _, p := range parts {
		b = appendText(b, p)
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

func (s *Store) hashValue(v collections.Value) uint64 { return s.hashText('v', v.Kind, v.Text) }

func (s *Store) hashPublisher(p auth.PartnerID) uint64 { return s.hashText('p', string(p)) }

// gleaned is one object version on its way.
type gleaned struct {
	added     collections.Added
	id        uint64
	publisher uint64
	in        []auth.CollectionID
	raw       []byte
	until     int64
	flags     byte
	values    []uint64
}

// gleaning is what one call writes.
type gleaning struct {
	op       auth.OperationID
	from, to collections.Added
	list     []gleaned
	common   map[auth.CollectionID][]row
}

// Glean implements collections.Gleaner. Only the last of its three steps is the committer's.
func (s *Store) Glean(ctx context.Context, op auth.OperationID, read collections.GistOf) (more bool, err error) {
	s.gleans.Lock()
	defer s.gleans.Unlock()
	g := &gleaning{op: op}
	err = s.view(ctx, func(tx *bbolt.Tx) (err error) {
		more, err = s.gather(tx, g)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("gleaning %s: %w", op, err)
	}
	if g.to <= g.from {
		return false, nil
	}
	for i := range g.list {
		s.read(&g.list[i], read)
	}
	err = s.view(ctx, func(tx *bbolt.Tx) error { return s.meet(tx, g) })
	if err == nil {
		err = s.do(&request{ctx: ctx, size: 256 * len(g.list), plan: func(b *batch) error {
			b.gleanings = append(b.gleanings, g)
			return nil
		}})
	}
	if err != nil {
		return false, fmt.Errorf("gleaning %s: %w", op, err)
	}
	return more, nil
}

// read makes the gist of a version.
func (s *Store) read(v *gleaned, read collections.GistOf) {
	gist := read(v.raw)
	v.raw = nil
	if !gist.Until.IsZero() {
		v.until, v.flags = gist.Until.UnixMicro(), v.flags|gistUntil
	}
	if gist.Stated {
		v.flags |= gistStated
	}
	if gist.Revoked { // which reports nothing any more
		v.flags |= gistRevoked
		return
	}
	for _, value := range gist.Values[:min(len(gist.Values), collections.MaxValues)] {
		v.values = append(v.values, s.hashValue(value))
	}
	slices.Sort(v.values)
	v.values = slices.Compact(v.values)
}

// lane is a collection whose versions are gathered.
type lane struct {
	*shelf
	id auth.CollectionID
	f  *facts
	i  int
	at collections.Added // the version that is next
}

// next moves to the first version after a; false at the end.
func (l *lane) next(a collections.Added) (bool, error) {
	if l.f == nil || l.i+1 >= l.f.n {
		_, f, ok, err := l.factsAt(a + 1)
		if err != nil || !ok {
			return false, err
		}
		l.f, l.i = f, f.after(a)
	} else {
		l.i++
	}
	if l.i >= l.f.n {
		return false, errDamaged
	}
	l.at = l.f.added(l.i)
	return true, nil
}

// gather takes the versions after the watermark out of all collections, in order of date_added.
func (s *Store) gather(tx *bbolt.Tx, g *gleaning) (more bool, err error) {
	o := tx.Bucket(operationName(g.op))
	if o == nil {
		return false, nil
	}
	last := collections.Added(numberOf(o.Get([]byte(keyLast))))
	g.from = collections.Added(numberOf(o.Get([]byte(keyGleaned))))
	if g.to = g.from; last <= g.from {
		return false, nil
	}
	var lanes []*lane
	err = o.ForEachBucket(func(name []byte) error {
		if len(name) < 2 || name[0] != 'c' {
			return nil
		}
		id := auth.CollectionID(name[1:])
		shelf, err := openShelf(tx, s.delta(g.op), collections.Place{Operation: g.op, Collection: id})
		if err != nil {
			return err
		}
		l := &lane{shelf: shelf, id: id}
		ok, err := l.next(g.from)
		if ok {
			lanes = append(lanes, l)
		}
		return err
	})
	for size := 0; err == nil; {
		if len(lanes) == 0 {
			g.to = last
			return false, nil
		}
		if len(g.list) == collections.MaxGleaned || size >= gleanBytes {
			return true, nil
		}
		g.to = lanes[0].at
		for _, l := range lanes {
			g.to = min(g.to, l.at)
		}
		if lanes, err = s.pick(g, lanes, &size); err != nil {
			return false, fmt.Errorf("object version of %s: %w", g.to, err)
		}
	}
	return false, err
}

// pick takes the version of g.to, and moves the lanes on that have it.
func (s *Store) pick(g *gleaning, lanes []*lane, size *int) ([]*lane, error) {
	v := gleaned{added: g.to}
	for i := 0; i < len(lanes); {
		l := lanes[i]
		if l.at != g.to {
			i++
			continue
		}
		if l.f.present(l.i) {
			v.in = append(v.in, l.id)
		}
		if l.f.present(l.i) && v.raw == nil {
			f, err := l.f.version(l.i)
			if err != nil {
				return nil, err
			}
			v.id, v.publisher = hashID(s.id, f.ID), s.hashPublisher(f.Publisher)
			all, err := l.bytesAt(g.to)
			if err == nil {
				var one bitmap
				v.raw, err = all.append(nil, one.set(l.i))
			}
			if err != nil || len(v.raw) == 0 {
				return nil, orDamaged(err)
			}
			*size += len(v.raw)
		}
		ok, err := l.next(g.to)
		if err != nil {
			return nil, err
		}
		if !ok {
			lanes = slices.Delete(lanes, i, i+1)
			continue
		}
		i++
	}
	if v.raw != nil {
		g.list = append(g.list, v)
	}
	return lanes, nil
}

// meet finds the values that more than one publisher names now, and their collections.
func (s *Store) meet(tx *bbolt.Tx, g *gleaning) error {
	o := s.openOperation(tx, g.op)
	if o == nil {
		return errDamaged
	}
	m := meeting{store: s, o: o, g: g, known: map[uint64]*named{}, done: map[spread]bool{}, read: map[string]blocks{}}
	g.common = map[auth.CollectionID][]row{}
	for i := range g.list {
		for _, hash := range g.list[i].values {
			if err := m.value(&g.list[i], hash); err != nil {
				return err
			}
		}
	}
	return nil
}

func tiersOf(in *bbolt.Bucket, name string, part int) tiers {
	if in == nil {
		return tiers{part: part}
	}
	return tiers{in.Bucket([]byte(name)), part}
}

// meeting is what meet looks things up in.
type meeting struct {
	store *Store
	o     *opened
	g     *gleaning
	known map[uint64]*named // by the hash of the value
	done  map[spread]bool
	read  map[string]blocks // by bucket and part
}

// named is who names a value: the first of them, and whether there are others.
type named struct {
	publishers []uint64
	in         []auth.CollectionID // of the versions of this call, while there is one publisher
	common     bool
}

// spread is a value that is listed in a collection.
type spread struct {
	in   auth.CollectionID
	hash uint64
}

func (m *meeting) blocks(of auth.CollectionID, t tiers, part []byte) (blocks, error) {
	key := string(of) + string(part)
	b, ok := m.read[key]
	if !ok {
		var err error
		if b, err = t.blocks(part); err != nil {
			return nil, err
		}
		m.read[key] = b
	}
	return b, nil
}

// value looks at one value of a version.
func (m *meeting) value(v *gleaned, hash uint64) error {
	b, err := m.blocks("", tiersOf(m.o.op, bucketValues, 1), valuePart(hash))
	if err != nil {
		return err
	}
	k := m.known[hash]
	if k == nil {
		k = &named{publishers: publishersOf(b, hash, 2)}
		k.common = len(k.publishers) > 1
		m.known[hash] = k
	}
	if !slices.Contains(k.publishers, v.publisher) {
		k.publishers = append(k.publishers, v.publisher)
	}
	if !k.common && len(k.publishers) > 1 { // from now on
		k.common = true
		if err := m.earlier(b, hash, k.publishers[0]); err != nil {
			return err
		}
		if err := m.list(hash, k.in); err != nil {
			return err
		}
		k.in = nil
	}
	if k.common {
		return m.list(hash, v.in)
	}
	for _, c := range v.in {
		if !slices.Contains(k.in, c) {
			k.in = append(k.in, c)
		}
	}
	return nil
}

// publishersOf gives the publishers of a value, at most so many.
func publishersOf(b blocks, hash uint64, most int) (list []uint64) {
	from := makeRow(hash, 0, 0, 0)
	for len(list) < most {
		r, ok := b.seek(from)
		if !ok || r.at(0) != hash {
			break
		}
		list = append(list, r.at(1))
		if r.at(1)+1 == 0 {
			break
		}
		from = makeRow(hash, r.at(1)+1, 0, 0)
	}
	return list
}

// earlier lists a value in the collections of what its first publisher has of it.
func (m *meeting) earlier(b blocks, hash, publisher uint64) (err error) {
	n := 0
	b.rows(makeRow(hash, publisher, 0, 0), func(r row) bool {
		if n++; r.at(0) != hash || r.at(1) != publisher || n > oldReports {
			return false
		}
		var entries []entry
		if entries, err = m.o.index.find(r.at(2)); err != nil {
			return false
		}
		for _, e := range entries {
			if uint64(e.added) != r.at(3) {
				continue
			}
			var in []uint16
			if in, _, err = e.places.lists(m.o.sets); err == nil {
				err = m.list(hash, m.o.ids(in))
			}
		}
		return err == nil
	})
	return err
}

// list lists a value in collections where it is not yet.
func (m *meeting) list(hash uint64, in []auth.CollectionID) error {
	for _, c := range in {
		at := spread{c, hash}
		if m.done[at] {
			continue
		}
		m.done[at] = true
		b, err := m.blocks(c, tiersOf(m.o.op.Bucket(collectionName(c)), bucketCommon, 1), valuePart(hash))
		if err != nil {
			return err
		}
		if r, ok := b.seek(makeRow(hash, 0, 0, 0)); !ok || r.at(0) != hash {
			m.g.common[c] = append(m.g.common[c], makeRow(hash, 0, 0, 0))
		}
	}
	return nil
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
	budget := tierBudget
	var values []row
	lapses := map[auth.CollectionID][]row{}
	for i := range g.list {
		v := &g.list[i]
		for _, hash := range v.values {
			values = append(values, makeRow(hash, v.publisher, v.id, uint64(v.added)))
		}
		if at, ok := v.lapse(); ok {
			r := makeRow(at, uint64(v.added), uint64(v.until), uint64(v.flags))
			for _, c := range v.in {
				lapses[c] = append(lapses[c], r)
			}
		}
	}
	if err := g.putGists(o); err != nil {
		return err
	}
	if err := addRows(o, bucketValues, values, hashPart, &budget); err != nil {
		return err
	}
	for c, rows := range lapses {
		if err := addRows(o.Bucket(collectionName(c)), bucketLapses, rows, weekPart, &budget); err != nil {
			return err
		}
	}
	for c, rows := range g.common {
		if err := addRows(o.Bucket(collectionName(c)), bucketCommon, rows, hashPart, &budget); err != nil {
			return err
		}
	}
	return o.Put([]byte(keyGleaned), number(int64(g.to)))
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

func hashPart(r *row) []byte { return valuePart(r.at(0)) }

func weekPart(r *row) []byte { return lapsePart(r.at(0)) }

// addRows writes rows of any parts.
func addRows(in *bbolt.Bucket, name string, rows []row, part func(*row) []byte, budget *int) error {
	if len(rows) == 0 {
		return nil
	}
	if in == nil {
		return errDamaged
	}
	b, err := in.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a[:], b[:]) })
	for len(rows) > 0 {
		p := part(&rows[0])
		n := 1
		for n < len(rows) && bytes.Equal(part(&rows[n]), p) {
			n++
		}
		if err := (tiers{b, len(p)}).add(p, rows[:n], budget); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// putGists writes the blocks of z.
func (g *gleaning) putGists(o *bbolt.Bucket) error {
	b, err := o.CreateBucketIfNotExists([]byte(bucketGists))
	if err != nil {
		return err
	}
	b.FillPercent = 1
	var block []byte
	for i := range g.list {
		if v := &g.list[i]; v.flags != 0 {
			block = binary.BigEndian.AppendUint64(block, uint64(v.added))
			block = append(binary.BigEndian.AppendUint64(block, uint64(v.until)), v.flags)
		}
		if len(block) > 0 && (len(block) >= gistBlock || i == len(g.list)-1) {
			last := block[len(block)-gistRow:][:8]
			if err := b.Put(last, block); err != nil {
				return err
			}
			block = nil
		}
	}
	return nil
}

// gist gives what was gleaned of the version with this date_added; no flags for none.
func (o *opened) gist(a collections.Added) (until int64, flags byte, err error) {
	b := o.op.Bucket([]byte(bucketGists))
	if b == nil {
		return 0, 0, nil
	}
	_, v := b.Cursor().Seek(addedKey(a))
	if len(v)%gistRow != 0 {
		return 0, 0, errDamaged
	}
	for ; len(v) > 0; v = v[gistRow:] {
		if keyAdded(v) == a {
			return int64(binary.BigEndian.Uint64(v[8:])), v[16], nil
		}
	}
	return 0, 0, nil
}

// untilOf gives the time of a gist.
func untilOf(until int64, flags byte) (at time.Time) {
	if flags&gistUntil != 0 {
		at = time.UnixMicro(until).UTC()
	}
	return at
}
