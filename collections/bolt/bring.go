package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"liaison/auth"
	"liaison/collections"
)

// take judges one item of a publication: like any other, but as collections.Item says of one that was
// kept before and of one that is only brought along.
func (b *batch) take(op *operation, p *publication, i int, t *tally) (verdict, error) {
	it, err := op.cut(p, i)
	if err != nil {
		return verdict{item: it}, err
	}
	failed := t.Failure
	v, err := b.takeCut(op, p, i, it, t)
	if err == nil && len(p.Ties) > 0 && (it != &p.Items[i] || t.Failure > failed || it.Brought && v.new == nil) {
		p.miss(i)
	}
	return v, err
}

// miss notes that an item is not everywhere where it was to go.
func (p *publication) miss(i int) {
	if p.missed == nil {
		p.missed = map[int32]bool{}
	}
	p.missed[int32(i)] = true
}

// cut gives an item as it goes by what became of the ones before it; see collections.Tie.
func (op *operation) cut(p *publication, i int) (*collections.Item, error) {
	it := &p.Items[i]
	tie := p.Tie(i)
	if tie == nil || len(p.missed) == 0 {
		return it, nil
	}
	return tie.Cut(it, func(e collections.End, c auth.CollectionID) (bool, error) {
		if !p.missed[e.Item] {
			return false, nil
		}
		s, err := op.stack(c)
		if err != nil {
			return false, err
		}
		known, err := op.versions(p.hashes[e.Item], e.ID)
		return !slices.ContainsFunc(known, func(k *version) bool {
			return k.Publisher == p.Publisher && slices.Contains(k.in, s.number)
		}), err
	})
}

// takeCut judges item i as it goes.
func (b *batch) takeCut(op *operation, p *publication, i int, it *collections.Item, t *tally) (verdict, error) {
	if it.Brought && len(it.To) == 0 && it.Keep == nil {
		return verdict{item: it}, nil // it stays where it is
	}
	if it.Kept == 0 && !it.Brought {
		return b.judge(op, p, i, it, t)
	}
	k := op.keeps(b)
	old, err := k.before(p, it)
	switch {
	case errors.Is(err, collections.ErrNotFound) && it.Brought:
		return verdict{item: it}, nil
	case errors.Is(err, collections.ErrNotFound) && p.Reason != "":
		t.fail(p, it, "it is kept no more: another order dropped or released it")
		return verdict{item: it}, nil
	case err != nil && !errors.Is(err, collections.ErrNotFound):
		return verdict{item: it}, err
	case old != nil && old.Keep.Two(old.Asked, p.Actor):
		return verdict{item: it}, fmt.Errorf("%w: its release takes two: one who asks for it, and another who agrees", collections.ErrDenied)
	}
	if old != nil {
		k.drop(old) // before it is judged, for it is no other than itself
	}
	own := t
	if it.Brought {
		own = &tally{}
	}
	failed := own.Failure
	v, err := b.judge(op, p, i, it, own)
	if err != nil {
		return v, err
	}
	if old != nil && own.Failure > failed {
		k.undrop(old)
	}
	if it.Brought && v.new != nil {
		for _, s := range v.to {
			t.reach(s.id)
		}
	}
	return v, nil
}

// before finds the kept version that an item is; nil for none.
func (k *keeping) before(p *publication, it *collections.Item) (*keptVersion, error) {
	if it.Kept == 0 {
		return nil, nil
	}
	v, err := k.find(it.Kept)
	if err != nil {
		return nil, err
	}
	if v.Publisher != p.Publisher || v.ID != it.ID {
		return nil, fmt.Errorf("%w: %s is not what is kept under %d", collections.ErrInvalid, it.ID, it.Kept)
	}
	return v, nil
}

// brings reports whether a publication has items that its status says nothing of.
func (p *publication) brings() bool {
	for i := range p.Items {
		if p.Items[i].Brought {
			return true
		}
	}
	return false
}

// Try implements collections.Store. It plans as a publication does, seeing what the ones before it
// planned, and forgets what it planned.
func (s *Store) Try(ctx context.Context, p collections.Publication) (list []collections.Tried, err error) {
	w := publication{Publication: p, hashes: make([]uint64, len(p.Items))}
	if err := w.check(); err != nil {
		return nil, err
	}
	for i := range p.Items {
		w.hashes[i] = hashID(s.id, p.Items[i].ID)
	}
	err = s.do(&request{ctx: ctx, asks: true, plan: func(b *batch) (err error) {
		list, err = b.try(ctx, &w)
		return err
	}})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (b *batch) try(ctx context.Context, p *publication) ([]collections.Tried, error) {
	p.missed = nil
	if p.Still != nil {
		if err := p.Still(); err != nil {
			return nil, err
		}
	}
	op := b.operation(p.Place.Operation)
	k := op.keeps(b)
	mark, last, given, shown, added := k.mark(), op.last, op.given, b.s.given[op.id], b.last
	var verdicts []verdict
	defer func() {
		op.forget(verdicts)
		k.back(mark)
		op.last, op.given, b.s.given[op.id], b.last = last, given, shown, added
	}()
	list := make([]collections.Tried, len(p.Items))
	for i := range p.Items {
		if i%askEvery == askEvery-1 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var t tally
		before := len(k.changed)
		v, err := b.take(op, p, i, &t)
		if err != nil {
			return nil, fmt.Errorf("trying %s: %w", p.Items[i].ID, err)
		}
		if v.new != nil {
			verdicts = append(verdicts, v)
		}
		if list[i] = v.tried(&t); v.item != &p.Items[i] {
			list[i].Message = v.item.Message
		}
		for _, c := range k.changed[before:] {
			if c.fresh && !c.dropped {
				keep := c.Keep
				list[i].Kept, list[i].Duplicate = &keep, false
			}
		}
	}
	return list, nil
}

func (v *verdict) tried(t *tally) collections.Tried {
	out := collections.Tried{Duplicate: t.Duplicate > 0 || t.Success == 0 && t.Failure == 0 && v.new == nil}
	if t.Failure > 0 {
		out.Why = t.Failures[0].Message
	}
	for _, s := range v.to {
		out.To = append(out.To, s.id)
	}
	return out
}

// ids gives the collections behind numbers.
func (o *opened) ids(numbers []uint16) []auth.CollectionID {
	list := make([]auth.CollectionID, len(numbers))
	for i, n := range numbers {
		list[i] = collectionNumbered(o.names, n)
	}
	return list
}

// count counts what was added, by collection, where there is more than one.
func (t *tally) count(list []verdict) {
	if len(t.reached) < 2 {
		return
	}
	n := map[*stack]int{}
	for _, v := range list {
		for _, s := range v.to {
			n[s]++
		}
	}
	t.placed = make(map[auth.CollectionID]int, len(n))
	for s, c := range n {
		t.placed[s.id] = c
	}
}
