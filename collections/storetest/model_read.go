package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"slices"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func (v *version) object() auth.Object {
	return auth.Object{Publisher: v.Publisher, Level: v.Level, Named: v.Named}
}

// shown gives what a reader sees of one collection: what its view shows, and of a shared id the copy
// of the first publisher only. In order of date_added.
func (m *Model) shown(v auth.View, at collections.Place) []*version {
	first := map[stix.ID]auth.PartnerID{}
	var list []*version
	for _, o := range m.versions {
		if o.at != at || !o.present() || !v.Shows(o.object()) {
			continue
		}
		if _, ok := first[o.ID]; !ok {
			first[o.ID] = o.Publisher
		}
		if first[o.ID] == o.Publisher {
			list = append(list, o)
		}
	}
	return list
}

// selected is a query without its limit.
func (m *Model) selected(v auth.View, at collections.Place, q collections.Query) []*version {
	shown := m.shown(v, at)
	versionsOf := map[stix.ID][]*version{}
	for _, o := range shown {
		if q.Specs == nil || slices.Contains(q.Specs, o.Spec) {
			versionsOf[o.ID] = append(versionsOf[o.ID], o)
		}
	}
	chosen := map[*version]bool{}
	for _, list := range versionsOf {
		if q.Specs == nil {
			list = ofLatestSpec(list)
		}
		for _, o := range ofVersions(list, q.Versions) {
			chosen[o] = true
		}
	}
	return slices.DeleteFunc(shown, func(o *version) bool {
		return !chosen[o] || o.Added <= q.After ||
			q.IDs != nil && !slices.Contains(q.IDs, o.ID) ||
			q.Types != nil && !slices.Contains(q.Types, o.Type)
	})
}

// ofLatestSpec keeps the versions that have the highest spec version.
func ofLatestSpec(list []*version) []*version {
	var latest string
	for _, o := range list {
		latest = max(latest, o.Spec)
	}
	return slices.DeleteFunc(slices.Clone(list), func(o *version) bool { return o.Spec != latest })
}

// ofVersions picks from the versions of one object.
func ofVersions(list []*version, which collections.Versions) []*version {
	if len(list) == 0 || which.All {
		return list
	}
	byVersion := func(a, b *version) int { return a.Version.At.Compare(b.Version.At) }
	earliest, latest := slices.MinFunc(list, byVersion), slices.MaxFunc(list, byVersion)
	wantLast := which.Last || !which.First && len(which.At) == 0
	var picked []*version
	for _, o := range list {
		exact := slices.ContainsFunc(which.At, func(i stix.Instant) bool { return i.Compare(o.Version.At) == 0 })
		if exact || which.First && o == earliest || wantLast && o == latest {
			picked = append(picked, o)
		}
	}
	return picked
}

// gone reports whether a query of one id asks for nothing but versions that were deleted.
func (m *Model) gone(v auth.View, at collections.Place, q collections.Query) bool {
	if len(q.IDs) != 1 || len(q.Versions.At) == 0 || q.Versions.All || q.Versions.First || q.Versions.Last {
		return false
	}
	var copies []auth.PartnerID // the first one of all times, the first one that is there
	for _, wanted := range []func(*version) bool{func(*version) bool { return true }, (*version).present} {
		for _, o := range m.byID[q.IDs[0]] {
			if o.at == at && v.Shows(o.object()) && wanted(o) {
				copies = append(copies, o.Publisher)
				break
			}
		}
	}
	for _, i := range q.Versions.At {
		there, deleted := false, false
		for _, o := range m.byID[q.IDs[0]] {
			if o.at == at && v.Shows(o.object()) && slices.Contains(copies, o.Publisher) && o.Version.At.Compare(i) == 0 &&
				(q.Specs == nil || slices.Contains(q.Specs, o.Spec)) {
				there = there || o.present()
				deleted = deleted || !o.present()
			}
		}
		if there || !deleted {
			return false
		}
	}
	return true
}

// cut ends a page at its limit.
func cut(list []*version, limit int) (page []*version, more bool) {
	if len(list) > limit {
		return list[:limit], true
	}
	return list, false
}

// Objects plans a page and gives it in runs of a few objects.
func (m *Model) Objects(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return collections.Page{}, err
	}
	list, more := cut(m.selected(v, at, q), q.Limit)
	size := 0
	for i, o := range list {
		if size += len(o.raw); size > collections.MaxPageSize && i > 0 {
			list, more = list[:i], true
			break
		}
	}
	p := collections.Page{Count: len(list), More: more, Gone: m.gone(v, at, q)}
	if len(list) > 0 {
		p.First, p.Last = list[0].Added, list[len(list)-1].Added
	}
	p.Take = func(dst []byte, have func(collections.RunID) bool) ([]byte, error) {
		if len(list) == 0 {
			return dst, io.EOF
		}
		const most = 3
		m.mu.Lock()
		defer m.mu.Unlock()
		var raws [][]byte
		for _, o := range list[:min(most, len(list))] {
			if o.present() {
				raws = append(raws, o.raw)
			}
		}
		list = list[min(most, len(list)):]
		run := bytes.Join(raws, []byte(","))
		if sum := sha256.Sum256(run); have != nil && len(run) > 0 && have(collections.RunID(sum[:])) {
			return dst, nil
		}
		return append(dst, run...), nil
	}
	p.Next = func(dst []byte) ([]byte, error) { return p.Take(dst, nil) }
	return p, nil
}

// Facts gives the selection without the bytes.
func (m *Model) Facts(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, collections.Added, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, 0, err
	}
	list, more := cut(m.selected(v, at, q), q.Limit)
	var facts []collections.Fact
	var next collections.Added
	if more {
		next = list[len(list)-1].Added
	}
	for _, o := range list {
		facts = append(facts, o.Fact)
	}
	return facts, next, nil
}

// Known reports whether the reader sees any version.
func (m *Model) Known(ctx context.Context, v auth.View, at collections.Place, id stix.ID) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return false, err
	}
	return slices.ContainsFunc(m.shown(v, at), func(o *version) bool { return o.ID == id }), nil
}

// Definitions gives the strictest level that the publisher's present definitions have for each id.
func (m *Model) Definitions(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID) (map[stix.ID]stix.Level, error) {
	return m.strictest(ctx, op, publisher, ids, func(v *version) (stix.Level, bool) {
		return v.defines, v.Type == "marking-definition"
	})
}

// Levels gives the strictest level of the publisher's present versions of each id.
func (m *Model) Levels(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID) (map[stix.ID]stix.Level, error) {
	return m.strictest(ctx, op, publisher, ids, func(v *version) (stix.Level, bool) { return v.Level, true })
}

func (m *Model) strictest(
	ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID,
	level func(*version) (stix.Level, bool),
) (map[stix.ID]stix.Level, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	levels := map[stix.ID]stix.Level{}
	for _, id := range ids {
		for _, v := range m.copyOf(op, publisher, id) {
			if l, ok := level(v); ok {
				levels[id] = levels[id].Join(l)
			}
		}
		for _, k := range m.waiting(op, publisher, id) {
			v := version{Fact: collections.Fact{Type: k.Item.Type, Level: k.Item.Level}, defines: k.Item.Defines}
			if l, ok := level(&v); ok {
				levels[id] = levels[id].Join(l)
			}
		}
	}
	return levels, nil
}
