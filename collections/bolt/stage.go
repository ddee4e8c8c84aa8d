package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
)

// What is staged is packed into parcels that nothing refers to yet; bucket st of the operation names them:
//
//	status id    numbers of the parcels, 8 bytes big-endian each
//
// The transaction of the publication takes the name away, and with it what of the parcels it does not
// refer to. A start takes away what a crash has left.

// staging is the parcels of one publication, and how many objects they have before each of them.
type staging struct {
	parcels []uint64
	before  []int
	count   int
	used    []bool // by a plan
}

// stagings are those of publications under way. Their parcels are stored.
type stagings struct {
	sync.Mutex
	of map[collections.StatusID]*staging
}

// ref gives where the nth object is, from 1.
func (g *staging) ref(n int) (ref, bool) {
	if g == nil || n < 1 || n > g.count {
		return ref{}, false
	}
	i, found := slices.BinarySearch(g.before, n-1)
	if !found {
		i--
	}
	return ref{g.parcels[i], uint32(n - 1 - g.before[i])}, true
}

// Stage implements collections.Stager.
func (s *Store) Stage(ctx context.Context, op auth.OperationID, id collections.StatusID, raws [][]byte) error {
	if op == "" || id == "" {
		return fmt.Errorf("%w: staging needs an operation and a status id", collections.ErrInvalid)
	}
	size := 0
	for _, raw := range raws {
		if len(raw) == 0 {
			return fmt.Errorf("%w: an object that is staged has no bytes", collections.ErrInvalid)
		}
		size += len(raw)
	}
	s.staged.Lock()
	g := s.staged.of[id]
	s.staged.Unlock()
	next := &staging{}
	if g != nil {
		*next = staging{parcels: slices.Clone(g.parcels), before: slices.Clone(g.before), count: g.count}
	}
	r := &request{ctx: ctx, size: size, plan: func(b *batch) error {
		o := b.operation(op)
		for _, p := range o.parcels.pack(raws) {
			next.parcels, next.before = append(next.parcels, p.number), append(next.before, next.count)
			next.count += len(p.list)
		}
		o.stagings = append(o.stagings, stagingRecord{id, next.parcels})
		return nil
	}}
	if err := s.do(r); err != nil {
		return err
	}
	s.staged.Lock()
	defer s.staged.Unlock()
	s.staged.of[id] = next
	return nil
}

// Unstage implements collections.Stager.
func (s *Store) Unstage(ctx context.Context, op auth.OperationID, id collections.StatusID) error {
	g := s.unstage(id)
	if g == nil {
		return nil
	}
	return s.do(&request{ctx: ctx, plan: func(b *batch) error {
		o := b.operation(op)
		o.parcels.dropped = append(o.parcels.dropped, g.parcels...)
		o.stagings = append(o.stagings, stagingRecord{id, nil})
		return nil
	}})
}

// unstage gives what is staged for a publication, for the last time.
func (s *Store) unstage(id collections.StatusID) *staging {
	s.staged.Lock()
	defer s.staged.Unlock()
	g := s.staged.of[id]
	delete(s.staged.of, id)
	return g
}

// stagingRecord is what st says of a publication; without parcels nothing.
type stagingRecord struct {
	id      collections.StatusID
	parcels []uint64
}

func (op *operation) putStagings(o *bbolt.Bucket) error {
	if len(op.stagings) == 0 {
		return nil
	}
	b, err := o.CreateBucketIfNotExists([]byte(bucketStagings))
	if err != nil {
		return err
	}
	for _, r := range op.stagings {
		if len(r.parcels) == 0 {
			err = b.Delete([]byte(r.id))
		} else {
			var v []byte
			for _, n := range r.parcels {
				v = binary.BigEndian.AppendUint64(v, n)
			}
			err = b.Put([]byte(r.id), v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// use notes what a plan refers to.
func (g *staging) use(verdicts []verdict) {
	if g == nil {
		return
	}
	if g.used == nil {
		g.used = make([]bool, g.count)
	}
	for _, v := range verdicts {
		if n := v.item.Staged; n > 0 {
			g.used[n-1] = true
		}
	}
}

// settle takes away what a publication staged and does not refer to.
func (op *operation) settle(p *publication) {
	g := p.staging
	if g == nil {
		return
	}
	for n, is := range g.used {
		if !is {
			r, _ := g.ref(n + 1)
			op.parcels.remove(r)
		}
	}
	op.stagings = append(op.stagings, stagingRecord{p.Status, nil})
}

// raw gives the bytes of an item.
func (op *operation) raw(p *publication, it *collections.Item) ([]byte, error) {
	if it.Staged == 0 {
		return it.Raw, nil
	}
	r, ok := p.staging.ref(it.Staged)
	if !ok {
		return nil, errDamaged
	}
	o, err := readParcel(op.parcels.stored, r.parcel)
	if err != nil {
		return nil, err
	}
	return slices.Clone(o.span(int(r.pos), int(r.pos)+1)), nil
}

// piece gives the bytes of an item for its segments.
func (op *operation) piece(p *publication, v *verdict) piece {
	it := v.item
	if it.Staged > 0 {
		r, _ := p.staging.ref(it.Staged) // check has seen it
		return piece{ref: r, length: it.Size}
	}
	if len(v.to) > 1 {
		return piece{ref: op.parcels.add(it.Raw), length: len(it.Raw)}
	}
	return inPlace(it.Raw)
}

// sweepStagings takes away what is staged for publications that never came.
func sweepStagings(tx *bbolt.Tx) error {
	return tx.ForEach(func(name []byte, o *bbolt.Bucket) error {
		if _, ok := operationNamed(name); !ok {
			return nil
		}
		st, parcels := o.Bucket([]byte(bucketStagings)), o.Bucket([]byte(bucketParcels))
		if st == nil || parcels == nil {
			return nil
		}
		var ids [][]byte
		err := st.ForEach(func(id, v []byte) error {
			ids = append(ids, id)
			for ; len(v) >= 8; v = v[8:] {
				if err := parcels.Delete(v[:8]); err != nil {
					return err
				}
			}
			return nil
		})
		for _, id := range ids {
			if err == nil {
				err = st.Delete(id)
			}
		}
		return err
	})
}
