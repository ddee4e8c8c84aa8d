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

// known refuses items that are to be what is kept under another's key, and what one alone would release.
func (m *Model) known(p collections.Publication) error {
	for _, it := range p.Items {
		for _, k := range m.kept {
			switch {
			case it.Kept == 0 || k.op != p.Place.Operation || k.Key != it.Kept:
			case k.Publisher != p.Publisher || k.Item.ID != it.ID:
				return fmt.Errorf("%w: %s is not what is kept under %d", collections.ErrInvalid, it.ID, it.Kept)
			case k.Item.Keep.Two(k.Asked, p.Actor):
				return fmt.Errorf("%w: the release of %d takes two", collections.ErrDenied, it.Kept)
			}
		}
	}
	return nil
}

// before takes the kept version away that an item is. gone: there is none any more.
func (m *Model) before(p collections.Publication, it collections.Item) (old *keptVersion, gone bool) {
	if it.Kept == 0 {
		return nil, false
	}
	i := slices.IndexFunc(m.kept, func(k *keptVersion) bool { return k.op == p.Place.Operation && k.Key == it.Kept })
	if i < 0 {
		return nil, true
	}
	old = m.kept[i]
	m.kept = slices.Delete(m.kept, i, i+1)
	return old, false
}

func (m *Model) restore(old *keptVersion) {
	if old != nil {
		m.kept = append(m.kept, old)
		slices.SortStableFunc(m.kept, func(a, b *keptVersion) int { return cmp.Compare(a.Key, b.Key) })
	}
}

// Placed gives what a publisher has of ids.
func (m *Model) Placed(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID, withBytes bool) ([]collections.Placed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	var list []collections.Placed
	for i, id := range ids {
		all := m.copyOf(op, publisher, id)
		if len(all) == 0 || slices.Contains(ids[:i], id) {
			continue
		}
		newest := slices.MaxFunc(all, func(a, b *version) int {
			return cmp.Or(a.Version.At.Compare(b.Version.At), cmp.Compare(a.Added, b.Added))
		})
		p := collections.Placed{Added: newest.Added, Why: newest.why, Item: collections.Item{
			ID: id, Type: newest.Type, Spec: newest.Spec, Level: newest.Level, Named: newest.Named, Shared: newest.shared, Defines: newest.defines,
		}}
		if newest.versioned {
			p.Item.Version = newest.Version
		}
		if withBytes {
			p.Item.Raw, p.Item.Digest = bytes.Clone(newest.raw), newest.digest
		}
		for _, v := range all {
			p.In = append(p.In, v.at.Collection)
		}
		slices.Sort(p.In)
		p.In = slices.Compact(p.In)
		list = append(list, p)
	}
	return list, nil
}

// Routes gives why the versions of an object went where they are.
func (m *Model) Routes(ctx context.Context, op auth.OperationID, id stix.ID) ([]collections.Routed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	var list []collections.Routed
	for _, v := range m.byID[id] {
		if v.at.Operation != op || !v.present() {
			continue
		}
		i := slices.IndexFunc(list, func(r collections.Routed) bool { return r.Added == v.Added })
		if i < 0 {
			i = len(list)
			list = append(list, collections.Routed{Fact: v.Fact, Why: v.why})
		}
		list[i].In = append(list[i].In, v.at.Collection)
		slices.Sort(list[i].In)
	}
	slices.SortFunc(list, func(a, b collections.Routed) int { return cmp.Compare(a.Added, b.Added) })
	return list, nil
}

// Try publishes into a copy and tells what came of it.
func (m *Model) Try(ctx context.Context, p collections.Publication) ([]collections.Tried, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	if err := p.Still(); err != nil {
		return nil, err
	}
	if err := m.known(p); err != nil {
		return nil, err
	}
	c := m.copied()
	now := collections.AddedAt(c.now())
	list := make([]collections.Tried, len(p.Items))
	short := map[int32]bool{}
	for i := range p.Items {
		t := &list[i]
		it, stays := c.cut(p, i, short)
		if stays {
			t.Duplicate = true
			continue
		}
		if it.Message != p.Items[i].Message {
			t.Message = it.Message
		}
		old, gone := c.before(p, it)
		if it.Brought && gone {
			short[int32(i)] = true
			t.Duplicate = true
			continue
		}
		if t.Why = c.objection(p, it); t.Why != "" {
			short[int32(i)] = true
			c.restore(old)
			if it.Brought {
				*t = collections.Tried{Duplicate: true}
			}
			continue
		}
		for _, to := range it.To {
			if c.there(p, it, to) == nil {
				t.To = append(t.To, to)
			}
		}
		if t.Kept = c.rest(p, it); t.Kept != nil {
			c.hold(p, it, *t.Kept)
		}
		t.Duplicate = c.add(p, it, now) == nil && t.Kept == nil
	}
	return list, nil
}

// cut gives an item as it goes where an end of it is not everywhere where it was to be. stays: nowhere.
func (m *Model) cut(p collections.Publication, i int, short map[int32]bool) (it collections.Item, stays bool) {
	tie := p.Tie(i)
	if tie == nil {
		return p.Items[i], false
	}
	cut, err := tie.Cut(&p.Items[i], func(e collections.End, c auth.CollectionID) (bool, error) {
		return short[e.Item] && !slices.ContainsFunc(m.copyOf(p.Place.Operation, p.Publisher, e.ID), func(v *version) bool {
			return v.at.Collection == c
		}), nil
	})
	if err != nil {
		panic(err) // there is none
	}
	if cut != &p.Items[i] {
		short[int32(i)] = true
	}
	return *cut, cut.Brought && len(cut.To) == 0 && cut.Keep == nil
}

// copied gives a model of its own that holds the same; versions themselves are not changed by what Try
// does.
func (m *Model) copied() *Model {
	c := NewModel(m.now)
	c.versions = slices.Clone(m.versions)
	for id, list := range m.byID {
		c.byID[id] = slices.Clone(list)
	}
	for op, a := range m.newest {
		c.newest[op] = a
	}
	for op, k := range m.lastKept {
		c.lastKept[op] = k
	}
	c.floor, c.last = m.floor, m.last
	c.kept, c.claims = slices.Clone(m.kept), slices.Clone(m.claims)
	return c
}

// wantedBy is what one publisher's publications wanted.
type wantedBy struct {
	op        auth.OperationID
	publisher auth.PartnerID
	collections.Wanted
}

// want remembers what a publication wants.
func (m *Model) want(p collections.Publication) {
	for _, w := range p.Wanted {
		n := 0
		var have *wantedBy
		for i := range m.wanted {
			if x := &m.wanted[i]; x.op == p.Place.Operation && x.publisher == p.Publisher {
				if n++; x.ID == w.ID {
					have = x
				}
			}
		}
		if have == nil {
			if n >= collections.MaxWanted {
				continue
			}
			m.wanted = append(m.wanted, wantedBy{p.Place.Operation, p.Publisher, collections.Wanted{ID: w.ID}})
			have = &m.wanted[len(m.wanted)-1]
		}
		have.To = append(have.To, w.To...)
		slices.Sort(have.To)
		have.To = slices.Compact(have.To)
	}
}

// Wanted gives what a publisher's publications wanted of ids.
func (m *Model) Wanted(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID) ([]collections.Wanted, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	var list []collections.Wanted
	for i, id := range ids {
		for _, w := range m.wanted {
			if w.op == op && w.publisher == publisher && w.ID == id && !slices.Contains(ids[:i], id) {
				list = append(list, collections.Wanted{ID: id, To: slices.Clone(w.To)})
			}
		}
	}
	return list, nil
}
