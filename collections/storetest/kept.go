package storetest

import (
	"fmt"
	"strings"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func keeping() []step {
	return []step{
		{"what is kept is there and nobody sees it", keptUnseen},
		{"what is kept claims its id", keptClaims},
		{"duplicates and conflicts are judged against it", keptJudged},
		{"added and kept at once", keptAndAdded},
		{"it counts among the versions of an id", keptCounted},
		{"definitions and levels count it", keptLevels},
		{"what is kept is found", keptQueries},
		{"a release adds", keptRelease},
		{"a release is judged anew", keptReleaseJudged},
		{"some releases take two", keptSecond},
		{"what is dropped is gone", keptDrop},
		{"what is kept can be amended", keptAmend},
		{"a settlement is whole or nothing", keptWhole},
		{"a withdrawal takes what it names", withdrawn},
	}
}

// keep has an item kept for collections, as held, and added nowhere.
func keep(to ...auth.CollectionID) trait { return keepAs(collections.KeepHeld, to...) }

func keepAs(k collections.KeepKind, to ...auth.CollectionID) trait {
	return func(d *draft) {
		d.To = nil
		d.Keep = &collections.Keep{Kind: k, To: to, Reasons: []collections.Reason{{Code: "policy", Text: "everything of this partner is held"}}}
	}
}

func also(change func(k *collections.Keep)) trait {
	return func(d *draft) { change(d.Keep) }
}

func waitsFor(ids ...stix.ID) trait {
	return also(func(k *collections.Keep) { k.Waits = ids })
}

// keeps publishes items that are all to be kept, and gives the keys.
func (e *env) keeps(publisher auth.PartnerID, items ...collections.Item) []collections.KeptKey {
	e.Helper()
	p := e.publication(publisher, items...)
	s := e.send(p)
	if s.Kept != len(items) || s.Success != len(items) || s.Failure != 0 || s.Duplicate != 0 {
		e.Fatalf("publishing %d objects to be kept: %d kept, %d successes, %d duplicates, failures %v",
			len(items), s.Kept, s.Success, s.Duplicate, s.Failures)
	}
	var keys []collections.KeptKey
	for _, k := range e.waiting(collections.KeptQuery{Batch: p.Status}) {
		keys = append(keys, k.Key)
	}
	if len(keys) != len(items) {
		e.Fatalf("%d are kept of a batch of %d", len(keys), len(items))
	}
	return keys
}

// waiting lists what is kept in all pages of a query.
func (e *env) waiting(q collections.KeptQuery) []collections.Kept {
	e.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	var list []collections.Kept
	for {
		page, next, err := e.store.Kept(e.ctx, secure, q)
		e.check("listing what is kept", err)
		if len(page) > q.Limit {
			e.Errorf("%d kept in a page of %d", len(page), q.Limit)
		}
		for _, k := range page {
			if k.Key <= q.After {
				e.Errorf("key %d after %d", k.Key, q.After)
			}
			q.After = k.Key
			k.Received = k.Received.UTC()
			list = append(list, k)
		}
		if next == 0 || e.Failed() {
			return list
		}
		if next < q.After {
			e.Fatalf("next is %d after key %d", next, q.After)
		}
		q.After = next
	}
}

func keptUnseen(e *env) {
	e.added(north, item(1))
	held := item(2, level(stix.Red), named(hanoi), message("held: a list has it"), keep(vn, lk), waitsFor(item(9).ID))
	seen := item(3, observable, keepAs(collections.KeepUnrouted))
	p := e.publication(north, held, seen)
	s := e.send(p)
	want := collections.Status{
		ID: p.Status, Operation: secure, Publisher: north, Received: p.Received, Success: 2, Kept: 2,
		Successes: []collections.Detail{
			{ID: string(held.ID), Version: held.Version.Text, Message: held.Message},
			{ID: string(seen.ID), Version: collections.AddedAt(p.Received).String()},
		},
	}
	for _, again := range []bool{false, true} {
		if again {
			e.reopen()
			var err error
			s, err = e.store.Status(e.ctx, secure, north, p.Status)
			e.check("asking for the status", err)
		}
		s.Received = s.Received.UTC()
		equal(e, "the status", want, s)
		for _, v := range views() {
			e.gives("a reader of what is kept", v, in(lk), every())
		}
		e.gives("the publisher", ownView(north), in(vn), every(), item(1))
		var list []collections.Kept
		for n, it := range []collections.Item{held, seen} {
			it.Lower = false
			list = append(list, collections.Kept{
				Key: collections.KeptKey(n + 1), Item: it, Size: len(it.Raw), Place: in(vn), Publisher: north,
				Actor: p.Actor, Batch: p.Status, Received: p.Received,
			})
		}
		equal(e, "what is kept", list, e.waiting(collections.KeptQuery{Bytes: true}))
	}
	var line struct{ Kept, Success int }
	e.last(&line, "publish")
	if line.Kept != 2 || line.Success != 2 {
		e.Errorf("the journal has %+v of two that are kept", line)
	}
	others, _, err := e.store.Kept(e.ctx, harbor, collections.KeptQuery{Limit: 9})
	e.check("listing what is kept elsewhere", err)
	if len(others) > 0 {
		e.Errorf("another operation has %d of it", len(others))
	}
}

func keptClaims(e *env) {
	keys := e.keeps(north, item(1, keep(vn)), item(2, keep(vn)), item(3, shared, keep(vn)))
	owned := func(when string) {
		e.Helper()
		for n, it := range []collections.Item{item(1), item(2), item(3, shared)} {
			s := e.publish(south, it)
			if ok := s.Success == 1; ok != it.Shared {
				e.Errorf("%s, another's publication of id %d: %+v", when, n+1, s)
			}
		}
		if s := e.publish(south, item(1, modified(5), keep(vn))); s.Failure != 1 {
			e.Errorf("%s, another's version to be kept: %+v", when, s)
		}
	}
	owned("while it is kept")
	e.reopen()
	owned("after reopening")
	s := e.settlement()
	s.Drop = keys[:1]
	s.Release = []collections.Released{{Key: keys[1]}}
	e.settle(s)
	owned("after a drop and a release")
	e.remove(north, in(vn), item(2).ID)
	owned("after a deletion")
	if n := len(e.linesOf("ownership.refused")); n != 12 {
		e.Errorf("%d lines of kind ownership.refused, want 12", n)
	}
	e.added(north, item(1)) // what was dropped can come again
}

func keptJudged(e *env) {
	e.keeps(north, item(1, keep(vn)), item(2, keepAs(collections.KeepUnrouted)), item(3, observable, keep(vn)))
	for n, c := range []struct {
		what             string
		it               collections.Item
		kept, dup, fails int
	}{
		{"the same again", item(1, keep(vn)), 0, 1, 0},
		{"the same for another place", item(1, keep(lk)), 1, 0, 0},
		{"the same for both", item(1, keep(vn, lk)), 0, 1, 0},
		{"the same for one more", item(1, keep(vn, lk, fj)), 1, 0, 0},
		{"the same without a place", item(1, keepAs(collections.KeepUnrouted)), 0, 1, 0},
		{"other bytes", item(1, body("other"), keep(vn)), 0, 0, 1},
		{"other bytes to be added", item(1, body("other")), 0, 0, 1},
		{"another version", item(1, modified(2), keep(vn)), 1, 0, 0},
		{"unrouted again", item(2, keepAs(collections.KeepUnrouted)), 0, 1, 0},
		{"an observable again", item(3, observable, keep(vn)), 0, 1, 0},
		{"an observable with other bytes", item(3, observable, body("other"), keep(vn)), 1, 0, 0},
		{"to be added, though it is kept", item(1), 0, 0, 0},
		{"what is there", item(1, keep(vn)), 0, 1, 0},
		{"what is there, without a place", item(1, keepAs(collections.KeepUnrouted)), 0, 1, 0},
	} {
		s := e.publish(north, c.it)
		if s.Kept != c.kept || s.Duplicate != c.dup || s.Failure != c.fails || s.Success != 1-c.fails {
			e.Errorf("%d, %s: %d kept, %d duplicates, %d failures; want %d, %d, %d", n, c.what, s.Kept, s.Duplicate, s.Failure, c.kept, c.dup, c.fails)
		}
	}
	var rest [][]auth.CollectionID
	for _, k := range e.waiting(collections.KeptQuery{IDs: []stix.ID{item(1).ID}}) {
		rest = append(rest, k.Item.Keep.To)
	}
	equal(e, "where the versions go", [][]auth.CollectionID{{vn}, {lk}, {fj}, {vn}}, rest)
	// within one publication
	s := e.publish(north, item(8, keep(vn)), item(8, keep(vn)), item(8, body("other")), item(9), item(9, body("other"), keep(lk)))
	if s.Kept != 1 || s.Duplicate != 1 || s.Failure != 2 || s.Success != 3 {
		e.Errorf("one after the other: %+v", s)
	}
}

func keptAndAdded(e *env) {
	both := item(1, keep(lk), to(vn))
	s := e.publish(north, both)
	if s.Success != 1 || s.Kept != 1 || s.First == 0 {
		e.Errorf("added and kept: %+v", s)
	}
	e.gives("where it was added", widest(), in(vn), every(), both)
	e.gives("where it is kept for", widest(), in(lk), every())
	list := e.waiting(collections.KeptQuery{})
	if len(list) != 1 {
		e.Fatalf("%d are kept, want 1", len(list))
	}
	out := e.release(list[0].Key)
	if out[0].Added <= s.First || len(out[0].To) != 1 {
		e.Errorf("its release: %+v", out)
	}
	e.gives("after its release", widest(), in(lk), every(), both)
}

func keptCounted(e *env) {
	var half, rest []collections.Item
	for n := range collections.MaxVersions - 1 {
		it := item(1, modified(n+1))
		if n%2 == 0 {
			it = item(1, modified(n+1), keep(vn))
		}
		half = append(half, it)
	}
	e.publish(north, half...)
	rest = append(rest, item(1, modified(4000), keep(vn)), item(1, modified(4001), keep(vn)), item(1, modified(4002)))
	s := e.publish(north, rest...)
	if s.Success != 1 || s.Failure != 2 || !strings.Contains(s.Failures[0].Message, fmt.Sprint(collections.MaxVersions)) {
		e.Errorf("at the bound of versions: %+v", s)
	}
	e.published.Add(0)
	keys := e.waiting(collections.KeptQuery{Limit: 1000})
	if out := e.release(keys[0].Key); out[0].Added == 0 {
		e.Errorf("a release at the bound: %+v", out)
	}
}

func keptLevels(e *env) {
	e.added(north, item(5, defining(stix.Green), level(stix.Green)))
	e.keeps(north, item(5, defining(stix.Amber), modified(2), keep(vn)), item(6, level(stix.Amber), keep(vn)))
	ids := []stix.ID{item(5, defining(0)).ID, item(6).ID}
	for who, want := range map[auth.PartnerID][2]map[stix.ID]stix.Level{
		north: {{ids[0]: stix.Amber}, {ids[0]: stix.Green, ids[1]: stix.Amber}},
		south: {{}, {}},
	} {
		definitions, err := e.store.Definitions(e.ctx, secure, who, ids)
		e.check("asking for definitions", err)
		levels, err := e.store.Levels(e.ctx, secure, who, ids)
		e.check("asking for levels", err)
		equal(e, "definitions of "+string(who), want[0], definitions)
		equal(e, "levels of "+string(who), want[1], levels)
	}
}

func keptQueries(e *env) {
	a := e.keeps(north, item(1, keep(vn)), item(2, keepAs(collections.KeepUnrouted)))
	b := e.keeps(south, item(3, keepAs(collections.KeepPending, vn), waitsFor(item(7).ID, item(8).ID)), item(4, keep(vn)))
	c := e.keeps(north, item(1, modified(2), keepAs(collections.KeepPending, vn), waitsFor(item(8).ID)))
	all := append(append(append([]collections.KeptKey(nil), a...), b...), c...)
	first := e.waiting(collections.KeptQuery{Keys: a[:1]})
	for what, q := range map[string]struct {
		q    collections.KeptQuery
		want []collections.KeptKey
	}{
		"everything":          {collections.KeptQuery{}, all},
		"in small pages":      {collections.KeptQuery{Limit: 2}, all},
		"one by one":          {collections.KeptQuery{Limit: 1, Bytes: true}, all},
		"after one":           {collections.KeptQuery{After: b[0]}, []collections.KeptKey{b[1], c[0]}},
		"held":                {collections.KeptQuery{Kind: collections.KeepHeld}, []collections.KeptKey{a[0], b[1]}},
		"of one":              {collections.KeptQuery{Publisher: south}, b},
		"pending of one":      {collections.KeptQuery{Publisher: north, Kind: collections.KeepPending, Limit: 1}, c},
		"a batch":             {collections.KeptQuery{Batch: first[0].Batch, Limit: 1}, a},
		"another's batch":     {collections.KeptQuery{Batch: first[0].Batch, Publisher: south}, nil},
		"an id":               {collections.KeptQuery{IDs: []stix.ID{item(1).ID}, Limit: 1}, []collections.KeptKey{a[0], c[0]}},
		"ids":                 {collections.KeptQuery{IDs: []stix.ID{item(9).ID, item(2).ID}}, a[1:]},
		"what waits":          {collections.KeptQuery{Waits: []stix.ID{item(8).ID}}, []collections.KeptKey{b[0], c[0]}},
		"what waits for both": {collections.KeptQuery{Waits: []stix.ID{item(7).ID, item(8).ID}, Limit: 1}, []collections.KeptKey{b[0], c[0]}},
		"what waits of one":   {collections.KeptQuery{Waits: []stix.ID{item(8).ID}, Publisher: north}, c},
		"keys":                {collections.KeptQuery{Keys: []collections.KeptKey{c[0], 99, a[0]}, Limit: 1}, []collections.KeptKey{a[0], c[0]}},
		"none of the keys":    {collections.KeptQuery{Keys: []collections.KeptKey{}}, nil},
	} {
		var got []collections.KeptKey
		for _, k := range e.waiting(q.q) {
			got = append(got, k.Key)
			if q.q.Bytes != (len(k.Item.Raw) > 0) {
				e.Errorf("%s: %d bytes of %d", what, len(k.Item.Raw), k.Key)
			}
		}
		equal(e, what, q.want, got)
	}
}
