package storetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// keptVersion is one kept object version.
type keptVersion struct {
	collections.Kept
	op  auth.OperationID
	raw []byte
}

// claim says who had an id of an operation first, by keeping.
type claim struct {
	op        auth.OperationID
	id        stix.ID
	publisher auth.PartnerID
	shared    bool
}

// waiting gives what one publisher has kept of an id.
func (m *Model) waiting(op auth.OperationID, publisher auth.PartnerID, id stix.ID) []*keptVersion {
	var list []*keptVersion
	for _, k := range m.kept {
		if k.op == op && k.Publisher == publisher && k.Item.ID == id {
			list = append(list, k)
		}
	}
	return list
}

func sameVersion(a, b collections.Item) bool {
	return a.Digest == b.Digest && a.Version.At.Set == b.Version.At.Set && (!a.Version.At.Set || a.Version.At.Compare(b.Version.At) == 0)
}

// rest gives what of an item's Keep is to be kept; nil for nothing.
func (m *Model) rest(p collections.Publication, it collections.Item) *collections.Keep {
	if it.Keep == nil {
		return nil
	}
	var same []*keptVersion
	for _, k := range m.waiting(p.Place.Operation, p.Publisher, it.ID) {
		if sameVersion(k.Item, it) {
			same = append(same, k)
		}
	}
	rest := *it.Keep
	if len(rest.To) == 0 {
		there := slices.ContainsFunc(m.copyOf(p.Place.Operation, p.Publisher, it.ID), func(v *version) bool {
			return m.there(p, it, v.at.Collection) != nil
		})
		if there || len(same) > 0 {
			return nil
		}
		return &rest
	}
	rest.To = slices.DeleteFunc(slices.Clone(rest.To), func(c auth.CollectionID) bool {
		return m.there(p, it, c) != nil ||
			slices.ContainsFunc(same, func(k *keptVersion) bool { return slices.Contains(k.Item.Keep.To, c) })
	})
	if len(rest.To) == 0 {
		return nil
	}
	return &rest
}

// hold keeps an item.
func (m *Model) hold(p collections.Publication, it collections.Item, keep collections.Keep) {
	op := p.Place.Operation
	if !slices.ContainsFunc(m.byID[it.ID], func(v *version) bool { return v.at.Operation == op }) && m.claimOf(op, it.ID) == nil {
		m.claims = append(m.claims, &claim{op, it.ID, p.Publisher, it.Shared})
	}
	m.lastKept[op]++
	k := &keptVersion{op: op, raw: bytes.Clone(it.Raw), Kept: collections.Kept{
		Key: m.lastKept[op], Item: it, Size: len(it.Raw), Place: p.Place, Publisher: p.Publisher, Actor: p.Actor,
		Batch: p.Status, Received: p.Received,
	}}
	k.Item.Raw, k.Item.To, k.Item.Keep, k.Item.Lower = nil, nil, &keep, false
	k.Item.Why, k.Item.Kept, k.Item.Brought = nil, 0, false
	m.kept = append(m.kept, k)
}

func (m *Model) claimOf(op auth.OperationID, id stix.ID) *claim {
	for _, c := range m.claims {
		if c.op == op && c.id == id {
			return c
		}
	}
	return nil
}

// Kept lists what is kept.
func (m *Model) Kept(ctx context.Context, op auth.OperationID, q collections.KeptQuery) ([]collections.Kept, collections.KeptKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, 0, err
	}
	var list []collections.Kept
	for _, k := range m.kept {
		it := k.Item
		if k.op != op || k.Key <= q.After || q.Kind != "" && it.Keep.Kind != q.Kind ||
			q.Publisher != "" && k.Publisher != q.Publisher || q.Batch != "" && k.Batch != q.Batch ||
			q.Keys != nil && !slices.Contains(q.Keys, k.Key) || q.IDs != nil && !slices.Contains(q.IDs, it.ID) ||
			q.Waits != nil && !slices.ContainsFunc(q.Waits, func(id stix.ID) bool { return slices.Contains(it.Keep.Waits, id) }) {
			continue
		}
		if len(list) == q.Limit {
			return list, list[len(list)-1].Key, nil
		}
		if q.Bytes {
			it.Raw = bytes.Clone(k.raw)
		}
		keep := *it.Keep
		out := k.Kept
		it.Keep, out.Item = &keep, it
		out.Item.Keep = &keep
		list = append(list, out)
	}
	return list, 0, nil
}

// Settle releases, drops and amends.
func (m *Model) Settle(ctx context.Context, s collections.Settlement) ([]collections.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	if err := s.Still(); err != nil {
		return nil, err
	}
	find := func(key collections.KeptKey) *keptVersion {
		for _, k := range m.kept {
			if k.op == s.Operation && k.Key == key {
				return k
			}
		}
		return nil
	}
	for _, key := range s.Keys() {
		if find(key) == nil {
			return nil, fmt.Errorf("%w: nothing is kept under %d", collections.ErrNotFound, key)
		}
	}
	size := 0
	for i, r := range s.Release {
		k := find(r.Key)
		if len(r.To)+len(k.Item.Keep.To) == 0 {
			return nil, fmt.Errorf("%w: nowhere to go", collections.ErrInvalid)
		}
		if k.Item.Keep.Two(k.Asked, s.Actor) {
			return nil, fmt.Errorf("%w: it takes two", collections.ErrDenied)
		}
		if size += k.Size; size > collections.MaxSettledBytes && i > 0 {
			return nil, fmt.Errorf("%w: too many bytes", collections.ErrInvalid)
		}
	}
	var outcomes []collections.Outcome
	now := collections.AddedAt(m.now())
	var batches []*batchLine
	for _, r := range s.Release {
		k := find(r.Key)
		out := m.release(k, r, now)
		outcomes = append(outcomes, out)
		batches = noted(batches, k, out)
	}
	var dropped []stix.ID
	for _, key := range s.Drop {
		dropped = append(dropped, find(key).Item.ID)
		m.unkeep(find(key))
	}
	for _, a := range s.Amend {
		k := find(a.Key)
		if a.Asked != "" {
			k.Asked, k.Because = a.Asked, a.Because
		}
		keep := *k.Item.Keep
		keep.Kind = cmp.Or(a.Kind, keep.Kind)
		if a.To != nil {
			keep.To = a.To
		}
		if a.Waits != nil {
			keep.Waits = a.Waits
		}
		if a.Reasons != nil {
			keep.Reasons = a.Reasons
		}
		k.Item.Keep = &keep
	}
	var lines []auth.Line
	for _, b := range batches {
		lines = append(lines, lineOf(now.Time(), s.Actor, "kept.release", map[string]any{
			"operation": s.Operation, "batch": b.batch, "publisher": b.publisher, "reason": s.Reason, "count": b.count,
			"first": runText(b.first), "last": runText(b.last), "collections": b.collections, "asked": b.asked,
		}))
	}
	if len(s.Drop) > 0 {
		lines = append(lines, lineOf(now.Time(), s.Actor, "kept.drop", map[string]any{"reason": s.Reason, "ids": dropped}))
	}
	if len(s.Amend) > 0 {
		lines = append(lines, lineOf(now.Time(), s.Actor, "kept.amend", map[string]any{"reason": s.Reason}))
	}
	m.commit(lines...)
	return outcomes, nil
}

// batchLine is what the journal has of the releases of one batch.
type batchLine struct {
	batch       collections.StatusID
	publisher   auth.PartnerID
	count       int
	first, last collections.Added
	collections []auth.CollectionID
	asked       []auth.Actor
	ids         []stix.ID
}

// takenAlong notes what a publication added that was kept, or brought; 100 of them stand in one line.
func takenAlong(list []*batchLine, old *keptVersion, at collections.Added, it collections.Item) []*batchLine {
	if old == nil && !it.Brought {
		return list
	}
	var batch collections.StatusID
	if old != nil {
		batch = old.Batch
	}
	i := slices.IndexFunc(list, func(l *batchLine) bool { return l.batch == batch && l.count < 100 })
	if i < 0 {
		i = len(list)
		list = append(list, &batchLine{batch: batch, first: at})
	}
	l := list[i]
	if old != nil && old.Asked != "" && !slices.Contains(l.asked, old.Asked) {
		l.asked = append(l.asked, old.Asked)
	}
	l.count++
	l.last, l.ids = at, append(l.ids, it.ID)
	for _, c := range it.To {
		if !slices.Contains(l.collections, c) {
			l.collections = append(l.collections, c)
		}
	}
	return list
}

func noted(list []*batchLine, k *keptVersion, out collections.Outcome) []*batchLine {
	i := slices.IndexFunc(list, func(l *batchLine) bool { return l.batch == k.Batch })
	if i < 0 {
		i = len(list)
		list = append(list, &batchLine{batch: k.Batch, publisher: k.Publisher})
	}
	l := list[i]
	l.count++
	l.first, l.last = cmp.Or(l.first, out.Added), cmp.Or(out.Added, l.last)
	for _, c := range out.To {
		if !slices.Contains(l.collections, c) {
			l.collections = append(l.collections, c)
		}
	}
	if k.Asked != "" && !slices.Contains(l.asked, k.Asked) {
		l.asked = append(l.asked, k.Asked)
	}
	return list
}

func (m *Model) unkeep(k *keptVersion) {
	m.kept = slices.DeleteFunc(m.kept, func(o *keptVersion) bool { return o == k })
}

// release adds a kept version as if it were published now.
func (m *Model) release(k *keptVersion, r collections.Released, now collections.Added) collections.Outcome {
	it := k.Item
	it.Raw, it.Keep, it.To, it.Why = k.raw, nil, it.Keep.To, it.Keep.Reasons
	it.Lower, it.Author = true, "" // judged when it was taken
	if len(r.To) > 0 {
		it.To = r.To
	}
	out := collections.Outcome{Key: k.Key, ID: it.ID, Version: it.Version.Text}
	p := collections.Publication{Place: k.Place, Publisher: k.Publisher}
	m.unkeep(k)
	if why := m.objection(p, it); why != "" {
		m.kept = append(m.kept, k)
		slices.SortFunc(m.kept, func(a, b *keptVersion) int { return cmp.Compare(a.Key, b.Key) })
		out.Stays, out.Why = true, why
		return out
	}
	for _, c := range it.To {
		if m.there(p, it, c) == nil {
			out.To = append(out.To, c)
		}
	}
	if added := m.add(p, it, now); added != nil {
		out.Added, out.Version = added.Added, added.Version.Text
	} else {
		out.Why = "it is there already"
	}
	return out
}

// Withdraw removes versions by their date_added.
func (m *Model) Withdraw(ctx context.Context, w collections.Withdrawal) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return 0, err
	}
	if len(w.Items) == 0 || len(w.Items) > collections.MaxSettled {
		return 0, fmt.Errorf("%w: %d items", collections.ErrInvalid, len(w.Items))
	}
	if err := w.Still(); err != nil {
		return 0, err
	}
	n := 0
	for _, it := range w.Items {
		for _, v := range m.byID[it.ID] {
			at := collections.Place{Operation: w.Operation, Collection: it.Collection}
			if v.at == at && v.Added == it.Added && v.Publisher == w.Publisher && v.present() {
				v.raw = nil
				n++
			}
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("%w: none of them is there", collections.ErrNotFound)
	}
	m.commit(lineOf(m.now(), w.Actor, "withdraw", map[string]any{"count": n, "reason": w.Reason}))
	return n, nil
}
