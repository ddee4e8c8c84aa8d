package storetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// gists is what the model gleaned of one operation.
type gists struct {
	upTo collections.Added
	of   map[collections.Added]collections.Gist
}

func (m *Model) gistsOf(op auth.OperationID) *gists {
	if m.gleaned == nil {
		m.gleaned = map[auth.OperationID]*gists{}
	}
	if m.gleaned[op] == nil {
		m.gleaned[op] = &gists{of: map[collections.Added]collections.Gist{}}
	}
	return m.gleaned[op]
}

// Glean reads what was added since the last time.
func (m *Model) Glean(ctx context.Context, op auth.OperationID, read collections.GistOf) (more bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return false, err
	}
	g := m.gistsOf(op)
	n := 0
	for _, v := range m.versions {
		if v.at.Operation != op || v.Added <= g.upTo || !v.present() {
			continue
		}
		if _, known := g.of[v.Added]; known { // in another collection
			continue
		}
		if n++; n > collections.MaxGleaned {
			return true, nil
		}
		read([][]byte{v.raw}, func(gist collections.Gist) {
			gist.Until = gist.Until.Truncate(time.Microsecond)
			gist.Values = slices.Clone(gist.Values[:min(len(gist.Values), collections.MaxValues)])
			g.of[v.Added] = gist
		})
	}
	g.upTo = m.newest[op]
	return false, nil
}

// Ungleaned counts what was added since the last time.
func (m *Model) Ungleaned(ctx context.Context, op auth.OperationID, most int) (u collections.Ungleaned, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return u, err
	}
	g := m.gistsOf(op)
	for _, v := range m.versions {
		if _, known := g.of[v.Added]; v.at.Operation != op || v.Added <= g.upTo || known {
			continue
		}
		if u.Oldest == 0 || v.Added < u.Oldest {
			u.Oldest = v.Added
		}
		u.Versions = min(u.Versions+1, most)
	}
	return u, nil
}

// Gists gives what was gleaned of an object.
func (m *Model) Gists(ctx context.Context, op auth.OperationID, id stix.ID) ([]collections.Gisted, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	var list []collections.Gisted
	for _, v := range m.byID[id] {
		gist, ok := m.gistsOf(op).of[v.Added]
		if v.at.Operation != op || !v.present() || !ok || gist.Until.IsZero() && !gist.Revoked {
			continue
		}
		i := slices.IndexFunc(list, func(g collections.Gisted) bool { return g.Added == v.Added })
		if i < 0 {
			i = len(list)
			list = append(list, collections.Gisted{Fact: v.Fact, Until: gist.Until, Stated: gist.Stated, Revoked: gist.Revoked})
		}
		list[i].In = append(list[i].In, v.at.Collection)
		slices.Sort(list[i].In)
	}
	slices.SortFunc(list, func(a, b collections.Gisted) int { return cmp.Compare(a.Added, b.Added) })
	return list, nil
}

func shows(a collections.Audience, v *version) bool { return a.All || a.View.Shows(v.object()) }

// lasts gives the last version of each object of a collection, as Objects does.
func (m *Model) lasts(a collections.Audience, at collections.Place) []*version {
	copies := map[stix.ID][]*version{}
	for _, v := range m.versions {
		if v.at == at && v.present() && shows(a, v) && (copies[v.ID] == nil || copies[v.ID][0].Publisher == v.Publisher) {
			copies[v.ID] = append(copies[v.ID], v)
		}
	}
	var list []*version
	for _, versions := range copies {
		list = append(list, ofVersions(ofLatestSpec(versions), collections.Versions{Last: true})...)
	}
	return list
}

// Lapsed lists what is out of date or revoked.
func (m *Model) Lapsed(ctx context.Context, a collections.Audience, at collections.Place, q collections.LapseQuery) (collections.LapsePage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return collections.LapsePage{}, err
	}
	var list []collections.Lapse
	for _, v := range m.lasts(a, at) {
		gist := m.gistsOf(at.Operation).of[v.Added]
		l := collections.Lapse{Fact: v.Fact, At: v.Added.Time(), Until: gist.Until, Stated: gist.Stated, Revoked: gist.Revoked}
		switch {
		case !gist.Revoked && gist.Until.IsZero():
			continue
		case !gist.Revoked && gist.Until.After(l.At):
			l.At = gist.Until
		}
		if !l.At.After(q.Until) && (l.At.After(q.After.At) || l.At.Equal(q.After.At) && l.Added > q.After.Added) {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(a, b collections.Lapse) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Added, b.Added)) })
	p := collections.LapsePage{Lapses: list, More: len(list) > q.Limit}
	if p.More {
		p.Lapses = list[:q.Limit]
	}
	if n := len(p.Lapses); n > 0 {
		p.Next = collections.LapsePosition{At: p.Lapses[n-1].At, Added: p.Lapses[n-1].Added}
	}
	return p, nil
}

// reported counts the publishers of one value, and gives an object of theirs.
func (m *Model) reported(a collections.Audience, op auth.OperationID, value collections.Value) (n int, one stix.ID) {
	type copyOf struct {
		id        stix.ID
		publisher auth.PartnerID
	}
	newest := map[copyOf]*version{}
	for _, v := range m.versions {
		if v.at.Operation != op || !v.present() || !a.All && (!slices.Contains(a.In, v.at.Collection) || !shows(a, v)) {
			continue
		}
		k := copyOf{v.ID, v.Publisher}
		if old := newest[k]; old == nil || cmp.Or(v.Version.At.Compare(old.Version.At), cmp.Compare(v.Added, old.Added)) > 0 {
			newest[k] = v
		}
	}
	publishers := map[auth.PartnerID]bool{}
	for k, v := range newest {
		if gist := m.gistsOf(op).of[v.Added]; !gist.Revoked && slices.Contains(gist.Values, value) {
			publishers[k.publisher], one = true, k.id
		}
	}
	return len(publishers), one
}

// Reports counts the publishers of values.
func (m *Model) Reports(ctx context.Context, a collections.Audience, op auth.OperationID, values []collections.Value) ([]collections.Reported, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	list := make([]collections.Reported, len(values))
	for i, v := range values {
		list[i] = collections.Reported{Value: v}
		list[i].Partners, list[i].ID = m.reported(a, op, v)
	}
	return list, nil
}

// Common lists the values that several report, in the order of their texts.
func (m *Model) Common(ctx context.Context, a collections.Audience, at collections.Place, after collections.CommonPosition, limit int,
	_ collections.GistOf,
) (collections.CommonPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return collections.CommonPage{}, err
	}
	var values []collections.Value
	for _, gist := range m.gistsOf(at.Operation).of {
		values = append(values, gist.Values...)
	}
	slices.SortFunc(values, func(a, b collections.Value) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text))
	})
	var p collections.CommonPage
	for i, v := range slices.Compact(values) {
		if collections.CommonPosition(i) < after {
			continue
		}
		if len(p.Values) == limit {
			p.More = true
			break
		}
		p.Next = collections.CommonPosition(i + 1)
		here := a
		here.In = slices.DeleteFunc(slices.Clone(a.In), func(c auth.CollectionID) bool { return c != at.Collection })
		_, one := m.local(here, at, v)
		if n, _ := m.reported(a, at.Operation, v); n > 1 && one != "" {
			p.Values = append(p.Values, collections.Reported{Value: v, Partners: n, ID: one})
		}
	}
	return p, nil
}

// local is reported of one collection alone.
func (m *Model) local(a collections.Audience, at collections.Place, value collections.Value) (int, stix.ID) {
	only := &Model{gleaned: m.gleaned}
	for _, v := range m.versions {
		if v.at == at {
			only.versions = append(only.versions, v)
		}
	}
	return only.reported(a, at.Operation, value)
}
