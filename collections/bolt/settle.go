package bolt

import (
	"context"
	"fmt"
	"slices"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// publishing plans a publication; after an error nothing of it is in the batch, kept ones included.
func (b *batch) publishing(ctx context.Context, p *publication) (collections.Status, error) {
	k := b.operation(p.Place.Operation).keeps(b)
	mark := k.mark()
	st, err := b.publish(ctx, p)
	if err != nil {
		k.back(mark)
	}
	return st, err
}

// Settle implements collections.Store.
func (s *Store) Settle(ctx context.Context, t collections.Settlement) (list []collections.Outcome, err error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	r := &request{ctx: ctx, asks: true, size: 1 << 10 * len(t.Release)}
	r.plan = func(b *batch) (err error) {
		list, err = b.settle(&t)
		return err
	}
	if err := s.do(r); err != nil {
		return nil, err
	}
	return list, nil
}

type settleLine struct {
	Operation   auth.OperationID     `json:"operation"`
	Batch       collections.StatusID `json:"batch,omitempty"`
	By          collections.StatusID `json:"by,omitempty"` // the publication that took it along
	Publisher   auth.PartnerID       `json:"publisher,omitempty"`
	Address     string               `json:"address,omitempty"`
	Reason      string               `json:"reason,omitempty"`
	Count       int                  `json:"count"`
	Repeated    int                  `json:"repeated,omitempty"`
	Stays       int                  `json:"stays,omitempty"`
	IDs         []stix.ID            `json:"ids"`
	First       string               `json:"first,omitempty"`
	Last        string               `json:"last,omitempty"`
	Collections []auth.CollectionID  `json:"collections,omitempty"`
	Asked       []auth.Actor         `json:"asked,omitempty"`
	Kept        []string             `json:"kept,omitempty"` // for these reasons, the first maxReasons of them
}

// maxReasons bounds the different reasons that a line repeats.
const maxReasons = 10

// freed tells of what a publication took along: kept versions, by the batches that they came with, and what
// was in other collections before, in lines that each name all that they tell of.
func (b *batch) freed(op *operation, p *publication, verdicts []verdict) (list []auth.Line) {
	var lines []*settleLine
	for _, v := range verdicts {
		if v.item.Kept == 0 && !v.item.Brought || v.new == nil {
			continue
		}
		k := op.keeping.byKey[v.item.Kept]
		if k == nil && v.item.Kept != 0 {
			continue
		}
		var from collections.StatusID
		if k != nil {
			from = k.Batch
		}
		i := slices.IndexFunc(lines, func(l *settleLine) bool { return l.Batch == from && len(l.IDs) < maxNames })
		if i < 0 {
			i = len(lines)
			lines = append(lines, &settleLine{
				Operation: p.Place.Operation, Batch: from, By: p.Status, Publisher: p.Publisher, Address: p.Address, Reason: p.Reason,
			})
		}
		l := lines[i]
		if k != nil {
			l.note(k)
		} else {
			l.Count++
			l.IDs = append(l.IDs, v.item.ID)
		}
		if l.First == "" {
			l.First = v.new.Added.String()
		}
		l.Last = v.new.Added.String()
		for _, s := range v.to {
			if !slices.Contains(l.Collections, s.id) {
				l.Collections = append(l.Collections, s.id)
			}
		}
	}
	for _, l := range lines {
		kind := "kept.release"
		if l.Batch == "" {
			kind = "bring"
		}
		list = append(list, auth.NewLine(b.now.Time(), p.Actor, kind, l))
	}
	return list
}

func (l *settleLine) note(v *keptVersion) {
	if l.Count++; len(l.IDs) < maxNames {
		l.IDs = append(l.IDs, v.ID)
	}
	for _, r := range v.Keep.Reasons {
		if why := r.String(); len(l.Kept) < maxReasons && !slices.Contains(l.Kept, why) {
			l.Kept = append(l.Kept, why)
		}
	}
	if v.Asked != "" && !slices.Contains(l.Asked, v.Asked) && len(l.Asked) < maxNames {
		l.Asked = append(l.Asked, v.Asked)
	}
}

// settle plans a settlement. After an error nothing of it is in the batch.
func (b *batch) settle(t *collections.Settlement) (list []collections.Outcome, err error) {
	if t.Still != nil {
		if err := t.Still(); err != nil {
			return nil, err
		}
	}
	op := b.operation(t.Operation)
	k := op.keeps(b)
	mark := k.mark()
	var verdicts []verdict
	var all []many
	var lines []settleLine
	size := 0
	defer func() {
		if err != nil {
			op.forget(verdicts)
			k.back(mark)
		}
	}()
	for _, r := range t.Release {
		v, err := k.find(r.Key)
		if err != nil {
			return nil, err
		}
		if size += v.Size; size > collections.MaxSettledBytes && len(list) > 0 {
			return nil, fmt.Errorf("%w: more than %d bytes to release at once", collections.ErrInvalid, collections.MaxSettledBytes)
		}
		out, verdict, err := b.release(op, k, t, r, v)
		if err != nil {
			return nil, fmt.Errorf("releasing %s: %w", v.ID, err)
		}
		if verdict.new != nil {
			verdicts = append(verdicts, verdict)
		}
		list = append(list, out)
		lines = noteRelease(lines, t, v, &out)
	}
	dropped := settleLine{Operation: t.Operation, Address: t.Address, Reason: t.Reason}
	for _, key := range t.Drop {
		v, err := k.find(key)
		if err != nil {
			return nil, err
		}
		k.drop(v)
		dropped.note(v)
	}
	amended := settleLine{Operation: t.Operation, Address: t.Address, Reason: t.Reason}
	for i := range t.Amend {
		v, err := k.find(t.Amend[i].Key)
		if err != nil {
			return nil, err
		}
		k.amend(v, &t.Amend[i])
		amended.note(v)
	}
	if all, err = op.gather(verdicts); err != nil {
		return nil, err
	}
	op.place(&publication{}, verdicts, all)
	op.explain(verdicts)
	for _, l := range lines {
		b.line(t.Actor, "kept.release", l)
	}
	if dropped.Count > 0 {
		b.line(t.Actor, "kept.drop", dropped)
	}
	if amended.Count > 0 {
		b.line(t.Actor, "kept.amend", amended)
	}
	return list, nil
}

// noteRelease adds an outcome to the line of its batch.
func noteRelease(lines []settleLine, t *collections.Settlement, v *keptVersion, out *collections.Outcome) []settleLine {
	i := slices.IndexFunc(lines, func(l settleLine) bool { return l.Batch == v.Batch })
	if i < 0 {
		i = len(lines)
		lines = append(lines, settleLine{
			Operation: t.Operation, Batch: v.Batch, Publisher: v.Publisher, Address: t.Address, Reason: t.Reason,
		})
	}
	l := &lines[i]
	l.note(v)
	switch {
	case out.Stays:
		l.Stays++
	case out.Added == 0:
		l.Repeated++
	default:
		if l.First == "" {
			l.First = out.Added.String()
		}
		l.Last = out.Added.String()
		for _, c := range out.To {
			if !slices.Contains(l.Collections, c) {
				l.Collections = append(l.Collections, c)
			}
		}
	}
	return lines
}

// release plans that a kept version goes into its collections.
func (b *batch) release(op *operation, k *keeping, t *collections.Settlement, r collections.Released, v *keptVersion) (collections.Outcome, verdict, error) {
	out := collections.Outcome{Key: v.key, ID: v.ID, Version: v.Version}
	to := r.To
	if len(to) == 0 {
		to = v.Keep.To
	}
	if len(to) == 0 {
		return out, verdict{}, fmt.Errorf("%w: it has no collection to go to: name some", collections.ErrInvalid)
	}
	if v.Keep.Two(v.Asked, t.Actor) {
		return out, verdict{}, fmt.Errorf("%w: its release takes two: one who asks for it, and another who agrees", collections.ErrDenied)
	}
	raw := v.raw
	if !v.fresh {
		raw = slices.Clone(k.sub(bucketRaw).Get(keptKey(v.key)))
	}
	if len(raw) == 0 {
		return out, verdict{}, errDamaged
	}
	it := v.kept(v.key).Item
	it.Raw, it.To, it.Keep, it.Why = raw, to, nil, v.Keep.Reasons
	it.Lower, it.Author = true, "" // that was judged when it was taken
	k.drop(v)                      // before it is judged, for it is no other than itself
	p := &publication{
		Publication: collections.Publication{
			Status: v.Batch, Place: v.Place, Publisher: v.Publisher, Received: v.Received, Items: []collections.Item{it},
		},
		hashes: []uint64{v.hash},
	}
	var one tally
	judged, err := b.judge(op, p, 0, &p.Items[0], &one)
	if err != nil {
		return out, verdict{}, err
	}
	switch {
	case one.Failure > 0:
		k.undrop(v)
		out.Stays, out.Why = true, one.Failures[0].Message
	case judged.new == nil:
		out.Why = "it is there already"
	default:
		out.Added, out.Version = judged.new.Added, judged.new.Version.Text
		for _, s := range judged.to {
			out.To = append(out.To, s.id)
		}
	}
	return out, judged, nil
}

// undrop takes back the last drop, which was of v.
func (k *keeping) undrop(v *keptVersion) {
	v.dropped = false
	k.tally(v.Publisher, 1, int64(v.Size))
	k.undo = append(k.undo, func() {
		v.dropped = true
		k.tally(v.Publisher, -1, -int64(v.Size))
	})
}

func (k *keeping) amend(v *keptVersion, a *collections.Amended) {
	k.touch(v)
	before := v.keptRecord
	k.undo = append(k.undo, func() { v.keptRecord = before })
	if a.Asked != "" {
		v.Asked, v.Because = a.Asked, a.Because
	}
	if a.Kind != "" {
		v.Keep.Kind = a.Kind
	}
	if a.To != nil {
		v.Keep.To = slices.Clone(a.To)
	}
	if a.Waits != nil {
		v.Keep.Waits = slices.Clone(a.Waits)
	}
	if a.Reasons != nil {
		v.Keep.Reasons = slices.Clone(a.Reasons)
	}
}

// Withdraw implements collections.Store.
func (s *Store) Withdraw(ctx context.Context, w collections.Withdrawal) (n int, err error) {
	if len(w.Items) == 0 || len(w.Items) > collections.MaxSettled {
		return 0, fmt.Errorf("%w: a withdrawal of %d: want 1 to %d", collections.ErrInvalid, len(w.Items), collections.MaxSettled)
	}
	err = s.do(&request{ctx: ctx, asks: true, plan: func(b *batch) (err error) {
		n, err = b.withdraw(&w)
		return err
	}})
	if err != nil {
		return 0, err
	}
	return n, nil
}

type withdrawLine struct {
	Operation   auth.OperationID     `json:"operation"`
	Publisher   auth.PartnerID       `json:"publisher"`
	Batch       collections.StatusID `json:"batch,omitempty"`
	Address     string               `json:"address,omitempty"`
	Reason      string               `json:"reason,omitempty"`
	Count       int                  `json:"count"`
	IDs         []stix.ID            `json:"ids"`
	Collections []auth.CollectionID  `json:"collections"`
}

// withdraw plans a withdrawal: first it finds all, which may fail, then it removes.
func (b *batch) withdraw(w *collections.Withdrawal) (int, error) {
	if w.Still != nil {
		if err := w.Still(); err != nil {
			return 0, err
		}
	}
	op := b.operation(w.Operation)
	type target struct {
		stack *stack
		list  []*version // of the id, in the collection
		gone  []*version
	}
	type place struct {
		c  auth.CollectionID
		id stix.ID
	}
	targets := map[place]*target{}
	var order []*target
	l := withdrawLine{
		Operation: w.Operation, Publisher: w.Publisher, Batch: w.Batch, Address: w.Address, Reason: w.Reason,
	}
	for _, it := range w.Items {
		at := place{it.Collection, it.ID}
		t := targets[at]
		if t == nil {
			var err error
			t = &target{}
			if t.stack, t.list, err = op.here(b, it); err != nil {
				return 0, fmt.Errorf("withdrawing %s: %w", it.ID, err)
			}
			targets[at] = t
			order = append(order, t)
		}
		i := slices.IndexFunc(t.list, func(v *version) bool { return v.Added == it.Added && v.Publisher == w.Publisher })
		if i < 0 || slices.Contains(t.gone, t.list[i]) {
			continue
		}
		t.gone = append(t.gone, t.list[i])
		if l.Count++; len(l.IDs) < maxNames && !slices.Contains(l.IDs, it.ID) {
			l.IDs = append(l.IDs, it.ID)
		}
		if !slices.Contains(l.Collections, it.Collection) {
			l.Collections = append(l.Collections, it.Collection)
		}
	}
	if l.Count == 0 {
		return 0, fmt.Errorf("%w: none of these object versions is there", collections.ErrNotFound)
	}
	for _, t := range order {
		if len(t.gone) > 0 {
			op.remove(t.stack, t.list, t.gone)
		}
	}
	b.line(w.Actor, "withdraw", l)
	return l.Count, nil
}

// here gives the versions of an id in one collection, with their places.
func (op *operation) here(b *batch, it collections.Withdrawn) (*stack, []*version, error) {
	known, err := op.versions(hashID(b.s.id, it.ID), it.ID)
	if err != nil || len(known) == 0 || op.numberOf(it.Collection) == 0 {
		return nil, nil, err
	}
	s, err := op.stack(it.Collection)
	if err != nil {
		return nil, nil, err
	}
	var list []*version
	for _, k := range known {
		if !slices.Contains(k.in, s.number) {
			continue
		}
		if _, err := k.spot(s); err != nil {
			return nil, nil, err
		}
		list = append(list, k)
	}
	return s, list, nil
}
