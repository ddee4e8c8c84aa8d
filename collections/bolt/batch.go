package bolt

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// batch is one write transaction in the making: requests plan into it one after the other, each
// seeing what the ones before it planned; then put writes it all. bbolt has no savepoints, so nothing
// is written while a request may still fail.
type batch struct {
	s        *Store
	tx       *bbolt.Tx
	now      collections.Added
	floor    collections.Added
	ops      map[auth.OperationID]*operation
	rows     []auth.Record
	lines    []auth.Line
	statuses []stored
	expired  [][]byte // keys of expiry
	drained  *spoolMark
	last     collections.Added
	clean    bool
	raised   bool
	spoilt   bool // what was written of a plan that failed can be taken back with the transaction alone
	seal     []seam

	gleanings []*gleaning
}

func (s *Store) newBatch(tx *bbolt.Tx) *batch {
	meta := tx.Bucket([]byte(bucketMeta))
	return &batch{
		s: s, tx: tx, now: collections.AddedAt(s.now()),
		floor: collections.Added(numberOf(meta.Get([]byte(keyFloor)))),
		last:  collections.Added(numberOf(meta.Get([]byte(keyLast)))),
		ops:   map[auth.OperationID]*operation{},
	}
}

// idle reports whether there is nothing to write.
func (b *batch) idle() bool {
	for _, op := range b.ops {
		if len(op.stagings) > 0 { // which has no line of its own
			return false
		}
	}
	return len(b.lines) == 0 && len(b.expired) == 0 && len(b.seal) == 0 && len(b.gleanings) == 0 && b.drained == nil && !b.clean
}

// operation is one operation in a write transaction.
type operation struct {
	id        auth.OperationID
	sizes     sizes
	stored    *bbolt.Bucket // nil: nothing is stored yet
	index     index
	names     *bbolt.Bucket
	sets      *bbolt.Bucket
	parcels   *parcels
	discarded []discarded
	stagings  []stagingRecord
	scratch   *scratch
	recent    []uint16 // what numbers gave last
	last      collections.Added
	given     bool // last has moved
	partial   bool // more of it is written in the same transaction
	number    uint16
	stacks    map[auth.CollectionID]*stack
	byNum     map[uint16]*stack
	known     map[uint64][]*version // versions by the hash of their id, ascending by date_added
	fresh     []*version            // whose entries are to be written

	keeping *keeping // nil: not looked at
	whys    []explained
	wants   []*publication
}

func (b *batch) operation(id auth.OperationID) *operation {
	if op := b.ops[id]; op != nil {
		return op
	}
	op := &operation{
		id: id, sizes: b.s.o.sizes, scratch: &b.s.scratch, stacks: map[auth.CollectionID]*stack{}, byNum: map[uint16]*stack{}, known: map[uint64][]*version{},
	}
	if op.stored = b.tx.Bucket(operationName(id)); op.stored != nil {
		op.names = op.stored.Bucket([]byte(bucketNumbers))
		op.last = collections.Added(numberOf(op.stored.Get([]byte(keyLast))))
		op.sets = op.stored.Bucket([]byte(bucketSets))
	}
	op.index = openIndex(b.tx, op.stored, b.s.delta(id))
	op.parcels = openParcels(op.stored, b.s.o.sizes.full, &b.s.scratch)
	op.number = highestNumber(op.names)
	op.last = max(op.last, b.s.given[id]) // not lower than what a failed transaction may have shown
	b.ops[id] = op
	return op
}

// next gives the next date_added. DESIGN.md, law 2.
func (b *batch) next(op *operation) collections.Added {
	const second = collections.Added(1_000_000)
	newest := max(op.last, b.floor)
	if newest > b.now+second {
		op.last = newest + 1
	} else {
		op.last = max(newest+20, b.now)
	}
	op.given = true
	b.s.given[op.id] = op.last
	b.last = max(b.last, op.last)
	return op.last
}

// stack opens a collection, which gets a number when it has none.
func (op *operation) stack(id auth.CollectionID) (*stack, error) {
	if s := op.stacks[id]; s != nil {
		return s, nil
	}
	var c *bbolt.Bucket
	if op.stored != nil {
		c = op.stored.Bucket(collectionName(id))
	}
	s, err := newStack(c, id, op.sizes, op.scratch)
	if err != nil {
		return nil, fmt.Errorf("opening collection %s: %w", id, err)
	}
	if s.number = collectionNumber(op.names, id); s.number == 0 {
		op.number++
		s.number, s.fresh = op.number, true
	}
	s.parcels = op.parcels.stored
	op.stacks[id], op.byNum[s.number] = s, s
	return s, nil
}

func (op *operation) numbered(n uint16) (*stack, error) {
	if s := op.byNum[n]; s != nil {
		return s, nil
	}
	id := collectionNumbered(op.names, n)
	if id == "" {
		return nil, fmt.Errorf("collection number %d: %w", n, errDamaged)
	}
	return op.stack(id)
}

// versions gives all versions of an id, ascending by date_added, deleted ones too.
func (op *operation) versions(hash uint64, id stix.ID) ([]*version, error) {
	list, ok := op.known[hash]
	if !ok {
		if op.index.delta == nil || !op.index.delta.ids.has(hash) {
			return nil, nil
		}
		var err error
		if list, err = op.load(hash); err != nil {
			return nil, err
		}
		op.known[hash] = list
	}
	for i, v := range list {
		if v.ID != id { // another id with the same hash
			return slices.DeleteFunc(slices.Clone(list[i:]), func(v *version) bool { return v.ID != id }), nil
		}
	}
	return list, nil
}

func (op *operation) load(hash uint64) ([]*version, error) {
	rows, err := op.index.find(hash)
	if err != nil {
		return nil, err
	}
	var list []*version
	for _, e := range rows {
		in, gone, err := e.places.lists(op.sets)
		if err != nil {
			return nil, err
		}
		any := gone
		if len(in) > 0 {
			any = in
		}
		s, err := op.numbered(any[0])
		if err != nil {
			return nil, err
		}
		v, at, err := s.find(e.added)
		if err != nil {
			return nil, err
		}
		v.hash, v.digest, v.defines, v.in, v.gone = hash, e.digest, e.defines, in, gone
		v.spots = append(v.spots, at)
		list = append(list, v)
	}
	return list, nil
}

// spot gives where a version is in a collection that it is in.
func (v *version) spot(s *stack) (spot, error) {
	for _, at := range v.spots {
		if at.number == s.number {
			return at, nil
		}
	}
	_, at, err := s.find(v.Added)
	if err == nil {
		v.spots = append(v.spots, at)
	}
	return at, err
}

// write marks a version's entry as one to be written.
func (op *operation) write(v *version) {
	if !v.fresh {
		v.fresh = true
		op.fresh = append(op.fresh, v)
	}
}

// put writes everything that was planned.
func (b *batch) put() error {
	for _, id := range slices.Sorted(maps.Keys(b.ops)) {
		if err := b.ops[id].put(b); err != nil {
			return fmt.Errorf("writing operation %s: %w", id, err)
		}
	}
	if err := b.putSeams(); err != nil {
		return err
	}
	if err := b.putGleanings(); err != nil {
		return err
	}
	registry := b.tx.Bucket([]byte(bucketRegistry))
	for _, r := range b.rows {
		var err error
		if k := registryKey(r); r.Value == nil {
			err = registry.Delete(k)
		} else {
			err = registry.Put(k, r.Value)
		}
		if err != nil {
			return fmt.Errorf("writing the registry: %w", err)
		}
	}
	if err := b.putStatuses(); err != nil {
		return fmt.Errorf("writing statuses: %w", err)
	}
	if err := b.putLines(); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return b.putMeta()
}

func registryKey(r auth.Record) []byte { return []byte(r.Table + "\x00" + r.Key) }

func (b *batch) putMeta() error {
	meta := b.tx.Bucket([]byte(bucketMeta))
	put := func(key string, v []byte) error { return meta.Put([]byte(key), v) }
	err := put(keyLast, number(int64(b.last)))
	if err == nil && b.raised {
		err = put(keyFloor, number(int64(b.floor)))
	}
	if err == nil && b.drained != nil {
		err = put(keySpool, b.drained.bytes())
	}
	if err == nil && b.clean {
		err = put(keyClean, []byte{1})
	}
	return err
}

func (op *operation) put(b *batch) error {
	dirty := slices.SortedFunc(maps.Values(op.stacks), func(a, b *stack) int { return cmp.Compare(a.number, b.number) })
	dirty = slices.DeleteFunc(dirty, func(s *stack) bool { return !s.dirty })
	if len(dirty) == 0 && !op.given && op.keeping.idle() && len(op.stagings) == 0 && len(op.wants) == 0 {
		return nil
	}
	o, err := b.tx.CreateBucketIfNotExists(operationName(op.id))
	if err != nil {
		return err
	}
	if op.given { // otherwise it may be what a call that failed was given in vain
		if err := o.Put([]byte(keyLast), number(int64(op.last))); err != nil {
			return err
		}
	}
	names, err := o.CreateBucketIfNotExists([]byte(bucketNumbers))
	if err != nil {
		return err
	}
	if err := op.keeping.put(o); err != nil {
		return fmt.Errorf("what is kept: %w", err)
	}
	if err := op.putWhys(o); err != nil {
		return fmt.Errorf("reasons: %w", err)
	}
	if err := op.unpack(); err != nil {
		return err
	}
	if err := op.parcels.put(o); err != nil {
		return fmt.Errorf("parcels: %w", err)
	}
	if err := op.putStagings(o); err != nil {
		return fmt.Errorf("what is staged: %w", err)
	}
	for _, s := range dirty {
		if s.fresh {
			if err := putNumber(names, s.id, s.number); err != nil {
				return err
			}
		}
		if err := s.put(o); err != nil {
			return fmt.Errorf("collection %s: %w", s.id, err)
		}
	}
	if err := op.putWanted(b.s.id, o); err != nil {
		return fmt.Errorf("what is wanted: %w", err)
	}
	if len(op.fresh) == 0 {
		return nil
	}
	sets, err := o.CreateBucketIfNotExists([]byte(bucketSets))
	if err != nil {
		return err
	}
	list := make([]entry, len(op.fresh))
	for i, v := range op.fresh {
		at, err := putPlaces(sets, v.in, v.gone)
		if err != nil {
			return err
		}
		list[i] = entry{v.hash, v.Added, v.digest, v.defines, at}
	}
	return b.s.deltaFor(op.id).put(b.tx, o, list, b.s.deltas.oldest(), !op.partial)
}

// line adds a line to the journal. what is plain data.
func (b *batch) line(a auth.Actor, k string, what any) {
	b.lines = append(b.lines, auth.NewLine(b.now.Time(), a, k, what))
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data
	}
	return b
}
