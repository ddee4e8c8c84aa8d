package storetest

import (
	"fmt"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// given is everything that a reader can tell of a collection: every page of several queries with all
// that a page says, the facts, and whether objects are known.
type given struct {
	Sheets map[string][]sheet
	Lists  map[string][]list
	Known  map[stix.ID]bool
}

// list is one page of facts.
type list struct {
	Facts []collections.Fact
	Next  collections.Added
}

func (e *env) given(v auth.View, at collections.Place, m matter) given {
	e.Helper()
	g := given{map[string][]sheet{}, map[string][]list{}, map[stix.ID]bool{}}
	for what, q := range map[string]collections.Query{
		"default":     {Limit: 7},
		"one by one":  {Limit: 1, Versions: allVersions()},
		"all":         {Limit: 10, Versions: allVersions(), Specs: []string{"2.0", "2.1"}},
		"first":       {Limit: 1000, Versions: collections.Versions{First: true}},
		"exact":       {Limit: 4, Versions: collections.Versions{At: m.exact}},
		"a type":      {Limit: 5, Types: []string{"ipv4-addr"}, Versions: allVersions()},
		"some ids":    {Limit: 3, IDs: m.ids[:len(m.ids)/2], Versions: allVersions()},
		"one id":      {Limit: 2, IDs: m.ids[:1], Versions: allVersions()},
		"2.0":         {Limit: 5, Specs: []string{"2.0"}},
		"larger page": {Limit: collections.MaxLimit},
	} {
		after := q.After
		for {
			s := e.page(v, at, q)
			g.Sheets[what] = append(g.Sheets[what], s)
			if !s.More || s.Count == 0 {
				break
			}
			q.After = s.Last
		}
		for q.After = after; ; {
			facts, next, err := e.store.Facts(e.ctx, v, at, q)
			e.check("reading facts", err)
			g.Lists[what] = append(g.Lists[what], list{facts, next})
			if next == 0 {
				break
			}
			q.After = next
		}
	}
	for _, id := range m.ids {
		known, err := e.store.Known(e.ctx, v, at, id)
		e.check("asking whether an object is known", err)
		g.Known[id] = known
	}
	return g
}

// matter is what batches are about.
type matter struct {
	ids   []stix.ID
	exact []stix.Instant // some of the versions
}

// batch is a publication in the making: all of it seen by the reader, or none of it.
type batch struct {
	publisher auth.PartnerID
	items     []collections.Item
	hidden    bool
}

// batches makes publications that mix what a reader sees and what it does not: versions of the same
// objects, copies of the same ids, levels, audiences, spec versions. No two items have a version in
// common, so that hidden ones make no conflicts.
func batches(r *dice, v auth.View, n int) (all []batch, m matter) {
	shows := func(publisher auth.PartnerID, it collections.Item) bool {
		return v.Shows(auth.Object{Publisher: publisher, Level: it.Level, Named: it.Named})
	}
	seen := map[stix.ID]bool{}
	versions := 0
	for range n {
		b := batch{publisher: pick(r, north, south), hidden: r.chance(2)}
		for range 40 {
			versions++
			ts := []trait{
				modified(1 + r.below(8)*1000 + versions), body(fmt.Sprint(versions)),
				level(pick(r, levels()...)), named(pick(r, hanoi, suva)), spec(pick(r, "2.1", "2.1", "2.0")),
			}
			k := r.below(6)
			if b.publisher == south {
				k += 10
			}
			switch r.below(4) {
			case 0:
				k, ts = 20+r.below(4), append(ts, shared)
			case 1:
				k, ts = 30+r.below(4), append(ts, observable)
			}
			it := item(k, ts...)
			if len(b.items) < 6 && shows(b.publisher, it) != b.hidden {
				b.items = append(b.items, it)
				if it.Version.At.Set && r.chance(4) {
					m.exact = append(m.exact, it.Version.At)
				}
			}
			if !seen[it.ID] {
				seen[it.ID], m.ids = true, append(m.ids, it.ID)
			}
		}
		if len(b.items) > 0 {
			all = append(all, b)
		}
	}
	return all, m
}

// readers gives the views that hidden things are tried on.
func readers() []auth.View {
	return []auth.View{ownView(north), upTo(hanoi, stix.Clear), upTo(hanoi, stix.Amber), upTo(suva, stix.Red)}
}

// sightHiddenLater: whatever is added that a reader does not see, the reader is given the same, byte
// for byte, with the same counts, dates and ends of pages; and when it is deleted again.
func sightHiddenLater(e *env) {
	for i, v := range readers() {
		t := e.twin()
		all, m := batches(newDice(uint64(i)+1), v, 14)
		for _, b := range all {
			if !b.hidden {
				t.publish(b.publisher, b.items...)
			}
		}
		before := t.given(v, in(vn), m)
		var deletions []collections.Deletion
		for _, b := range all {
			if !b.hidden {
				continue
			}
			t.publish(b.publisher, b.items...)
			if it := b.items[0]; it.Version.At.Set {
				which := collections.Versions{At: []stix.Instant{it.Version.At}}
				deletions = append(deletions, t.deletion(b.publisher, in(vn), it.ID, which))
			}
		}
		equal(e, fmt.Sprintf("what %+v is given before and after hidden objects came", v), before, t.given(v, in(vn), m))
		for _, d := range deletions {
			_, err := t.store.Delete(e.ctx, d)
			e.check("deleting what is hidden", err)
		}
		equal(e, fmt.Sprintf("what %+v is given before and after hidden objects went", v), before, t.given(v, in(vn), m))
	}
}

// sightHiddenBetween: two stores, one with and one without what a reader does not see, give it the
// same.
func sightHiddenBetween(e *env) {
	for i, v := range readers() {
		without, with := e.twin(), e.twin()
		all, m := batches(newDice(uint64(i)+100), v, 14)
		for _, b := range all {
			without.clock.step(time.Millisecond)
			with.clock.step(time.Millisecond)
			with.publish(b.publisher, b.items...)
			if !b.hidden {
				without.publish(b.publisher, b.items...)
			}
		}
		equal(e, fmt.Sprintf("what %+v is given without and with hidden objects", v),
			without.given(v, in(vn), m), with.given(v, in(vn), m))
	}
}
