package storetest

import (
	"errors"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func bringing() []step {
	return []step{
		{"what was published before is brought to another collection", broughtAlong},
		{"the status says nothing of what is brought", broughtUntold},
		{"what cannot be brought is left out", broughtLeftOut},
		{"what was kept is kept no more when it is taken", keptTaken},
		{"what speaks of what failed stays behind", tiedBehind},
		{"a publisher's things are found wherever they are", placedFound},
		{"reasons are kept beside the version", whysKept},
		{"what the gateway moves has a reason and no status", movedForReason},
		{"what is wanted is remembered", wantedKept},
		{"what is tried is what comes", triedTruly},
		{"a trial leaves nothing", triedAway},
	}
}

func brought(d *draft) { d.Brought = true }

func was(k collections.KeptKey) trait { return func(d *draft) { d.Kept = k } }

func because(texts ...string) trait {
	return func(d *draft) {
		for _, t := range texts {
			d.Why = append(d.Why, collections.Reason{Code: "listed", Text: t, Country: "VN"})
		}
	}
}

func broughtAlong(e *env) {
	e.publish(north, item(1, level(stix.Amber)), item(2))
	s := e.publish(north, item(1, level(stix.Amber), to(lk), brought), item(3, to(lk)))
	if s.Success != 1 || s.Duplicate != 0 || s.Failure != 0 {
		e.Errorf("a publication of one that brings another: %+v", s)
	}
	e.gives("who reads there", widest(), in(lk), last(), item(1, level(stix.Amber)), item(3))
	e.gives("who reads where it was", widest(), in(vn), last(), item(1, level(stix.Amber)), item(2))
	facts := e.facts(widest(), in(lk), last())
	if len(facts) == 2 && (facts[0].Added >= s.First || facts[1].Added != s.First || s.First != s.Last) {
		e.Errorf("what is brought first is at %v, the run is %v to %v", facts[0].Added, s.First, s.Last)
	}
}

func broughtUntold(e *env) {
	e.publish(north, items(1, 3)...)
	p := e.publication(north,
		item(1, to(lk), brought), item(11, to(lk)), item(2, to(lk), brought), item(12, to(lk), message("a word")), item(3, to(lk), brought), item(13, to(lk)))
	for _, got := range []collections.Status{e.send(p), e.status(p)} {
		var ids []string
		for _, d := range got.Successes {
			ids = append(ids, d.ID)
		}
		want := []string{string(item(11).ID), string(item(12).ID), string(item(13).ID)}
		if got.Success != 3 || !slices.Equal(ids, want) {
			e.Errorf("a status of three that brings three: %d successes, %v, want %v", got.Success, ids, want)
		}
	}
	e.gives("who reads there", widest(), in(lk), last(), item(1), item(11), item(2), item(12), item(3), item(13))
}

func (e *env) status(p collections.Publication) collections.Status {
	e.Helper()
	s, err := e.store.Status(e.ctx, secure, p.Publisher, p.Status)
	e.check("asking for a status", err)
	return s
}

func broughtLeftOut(e *env) {
	e.publish(south, item(1))
	e.publish(north, item(2))
	s := e.publish(north, item(1, to(lk), brought), item(2, to(lk), body("other"), brought), item(2, brought), item(3, to(lk), was(99), brought), item(4))
	if s.Success != 1 || s.Failure != 0 || s.Duplicate != 0 {
		e.Errorf("a publication of one with four that cannot be brought: %+v", s)
	}
	e.gives("who reads there", widest(), in(lk), last())
	e.gives("who reads", widest(), in(vn), last(), item(1), item(2), item(4))
}

func keptTaken(e *env) {
	keys := e.keeps(north, item(1, keepAs(collections.KeepPending)), item(2, keepAs(collections.KeepPending)), item(3, keepAs(collections.KeepUnrouted)))
	s := e.publish(north, item(1, was(keys[0]), brought), item(2, keepAs(collections.KeepHeld, vn), was(keys[1]), brought), item(3, was(keys[2])), item(4, was(99)))
	if s.Success != 2 || s.Kept != 0 || s.Duplicate != 0 {
		e.Errorf("a publication of two that were kept or never were: %+v", s)
	}
	e.gives("who reads", widest(), in(vn), last(), item(1), item(3), item(4))
	list := e.waiting(collections.KeptQuery{})
	if len(list) != 1 || list[0].Item.ID != item(2).ID || list[0].Item.Keep.Kind != collections.KeepHeld || list[0].Key == keys[1] {
		e.Errorf("after one was kept again: %+v", list)
	}
	_, err := e.store.Publish(e.ctx, e.publication(north, item(5), item(6, was(list[0].Key))))
	if !errors.Is(err, collections.ErrInvalid) {
		e.Errorf("an item that is to be another that is kept: %v", err)
	}
	_, err = e.store.Publish(e.ctx, e.publication(south, item(2, was(list[0].Key))))
	if !errors.Is(err, collections.ErrInvalid) {
		e.Errorf("an item that is to be another publisher's: %v", err)
	}
	s = e.publish(north, item(2, body("other"), was(list[0].Key)), item(2, body("another")))
	if s.Success != 1 || s.Failure != 1 || len(e.waiting(collections.KeptQuery{})) != 0 {
		e.Errorf("in the place of what is kept: %+v", s)
	}
	e.reopen()
	if n := len(e.waiting(collections.KeptQuery{Publisher: north})); n != 0 {
		e.Errorf("%d are kept after reopening", n)
	}
}

// tied has item i go only where these items are.
func tied(p *collections.Publication, i int, ends ...int) {
	t := collections.Tie{Item: int32(i)}
	for _, n := range ends {
		t.Ends = append(t.Ends, collections.End{ID: p.Items[n].ID, Item: int32(n)})
	}
	p.Ties = append(p.Ties, t)
}

func tiedBehind(e *env) {
	e.publish(south, item(1))
	e.publish(north, item(2, to(vn)), item(9))
	keys := e.keeps(north, item(7, keepAs(collections.KeepPending)))
	p := e.publication(north,
		item(1, to(vn, lk)),                        // another's
		item(2, body("other"), to(vn, lk)),         // a conflict: it is in one of them
		item(3, to(vn, lk)),                        // goes
		item(4, to(vn, lk)),                        // of what fails
		item(5, to(vn, lk)),                        // of what is in one of them
		item(6, to(vn, lk)),                        // of what goes
		item(7, was(keys[0]), to(lk), brought),     // waited for what fails
		item(8, to(lk)),                            // of what stays behind
		item(9, to(lk), brought),                   // of what waits still
		item(10, keepAs(collections.KeepHeld, lk)), // is held
	)
	tied(&p, 3, 2, 0)
	tied(&p, 4, 1, 2)
	tied(&p, 5, 2)
	tied(&p, 6, 0)
	tied(&p, 7, 3)
	tied(&p, 8, 6)
	tied(&p, 9, 0)
	tried, err := e.store.Try(e.ctx, p)
	e.check("trying", err)
	s := e.send(p)
	if s.Success != 6 || s.Failure != 2 || s.Kept != 3 || s.Duplicate != 0 {
		e.Errorf("of ten, two fail, two bring and three wait: %+v", s)
	}
	e.gives("who reads where one end is", auth.View{Partner: north, Own: true}, in(vn), last(), item(2), item(9), item(3), item(5, to(vn)), item(6))
	e.gives("who reads where none is", auth.View{Partner: north, Own: true}, in(lk), last(), item(3), item(6))
	for i, want := range [][]auth.CollectionID{3: nil, 4: {vn}, 5: {vn, lk}, 6: nil, 7: nil, 8: nil, 9: nil} {
		if i >= 3 && !slices.Equal(tried[i].To, want) {
			e.Errorf("item %d was to go to %v by a trial, want %v", i, tried[i].To, want)
		}
	}
	if tried[3].Kept == nil || tried[3].Message == "" || tried[7].Kept == nil || tried[4].Kept != nil {
		e.Errorf("what a trial says: %+v", tried)
	}
	waits := map[stix.ID][]stix.ID{}
	for _, k := range e.waiting(collections.KeptQuery{Kind: collections.KeepPending}) {
		waits[k.Item.ID] = k.Item.Keep.Waits
	}
	want := map[stix.ID][]stix.ID{item(4).ID: {item(1).ID, item(3).ID}, item(7).ID: nil, item(8).ID: {item(4).ID}}
	equal(e, "what waits, and for what", want, waits)
}

func (e *env) placed(publisher auth.PartnerID, ids ...stix.ID) []collections.Placed {
	e.Helper()
	list, err := e.store.Placed(e.ctx, secure, publisher, ids, true)
	e.check("looking things up", err)
	return list
}

func placedFound(e *env) {
	e.publish(north, item(1, level(stix.Amber), named(hanoi), to(vn, fj)), item(2, observable, shared), item(3), item(5, defining(stix.Green)))
	e.publish(north, item(1, modified(9), level(stix.Red), to(lk), because("in the middle")))
	e.publish(north, item(1, modified(2), to(fj)))
	e.publish(south, item(2, observable, shared, to(lk)), item(4))
	e.keeps(north, item(6, keep(vn)))
	e.remove(north, in(vn), item(3).ID)
	got := e.placed(north, item(9).ID, item(2, observable).ID, item(1).ID, item(3).ID, item(2, observable).ID, item(4).ID, item(6).ID,
		item(5, defining(stix.Green)).ID)
	if len(got) != 3 {
		e.Fatalf("%d are placed, want 3: %+v", len(got), got)
	}
	newest := item(1, modified(9), level(stix.Red))
	one := got[1]
	if one.Item.ID != newest.ID || one.Item.Level != stix.Red || one.Item.Version.At.Compare(newest.Version.At) != 0 ||
		string(one.Item.Raw) != string(newest.Raw) || one.Item.Digest != newest.Digest || one.Item.Keep != nil || one.Item.To != nil ||
		len(one.Why) != 1 || one.Why[0].Text != "in the middle" || one.Added == 0 {
		e.Errorf("the newest version: %+v", one)
	}
	places := []auth.CollectionID{vn, lk, fj}
	slices.Sort(places)
	if !slices.Equal(one.In, places) {
		e.Errorf("it is in %v, want %v", one.In, places)
	}
	if sco := got[0]; sco.Item.Version.At.Set || !sco.Item.Shared || !slices.Equal(sco.In, []auth.CollectionID{vn}) {
		e.Errorf("an observable: %+v", sco)
	}
	if d := got[2]; d.Item.Defines != stix.Green {
		e.Errorf("a definition: %+v", d)
	}
	list, err := e.store.Placed(e.ctx, secure, north, []stix.ID{item(1).ID}, false)
	e.check("looking things up", err)
	if len(list) != 1 || list[0].Item.Raw != nil {
		e.Errorf("without bytes: %+v", list)
	}
	if list, err = e.store.Placed(e.ctx, "elsewhere", north, []stix.ID{item(1).ID}, false); err != nil || len(list) != 0 {
		e.Errorf("in another operation: %+v, %v", list, err)
	}
}

func (e *env) routes(id stix.ID) []collections.Routed {
	e.Helper()
	list, err := e.store.Routes(e.ctx, secure, id)
	e.check("asking for reasons", err)
	return list
}

func whysKept(e *env) {
	e.publish(north, item(1, because("one", "two"), to(vn, lk)), item(2), item(3, because("one", "two")), item(4, because("three")))
	e.publish(north, item(1, modified(2), because("four"), to(fj)))
	keys := e.keeps(north, item(5, keep(vn), also(func(k *collections.Keep) { k.Reasons = []collections.Reason{{Code: "held", Text: "five"}} })))
	e.release(keys...)
	e.reopen()
	for n, want := range map[int][]string{1: {"one two", "four"}, 2: {""}, 3: {"one two"}, 4: {"three"}, 5: {"five"}, 6: nil} {
		var got []string
		for _, r := range e.routes(item(n).ID) {
			text := ""
			for i, w := range r.Why {
				if i > 0 {
					text += " "
				}
				text += w.Text
			}
			got = append(got, text)
			if r.Publisher != north || r.ID != item(n).ID || len(r.In) == 0 || !slices.IsSorted(r.In) {
				e.Errorf("route %+v", r)
			}
		}
		if !slices.Equal(got, want) {
			e.Errorf("reasons of object %d: %q, want %q", n, got, want)
		}
	}
	if r := e.routes(item(1).ID); len(r) == 2 && (len(r[0].In) != 2 || !slices.Equal(r[1].In, []auth.CollectionID{fj}) || len(r[0].Why) == 0 || r[0].Why[0].Country != "VN") {
		e.Errorf("routes %+v", r)
	}
}

func movedForReason(e *env) {
	e.publish(north, item(1))
	keys := e.keeps(north, item(2, keepAs(collections.KeepUnrouted)))
	p := e.publication(north, item(1, to(lk), brought), item(2, to(lk), was(keys[0])))
	p.Reason = "concerns LK"
	s := e.send(p)
	if s.Success != 1 || s.First == 0 {
		e.Errorf("the answer is %+v", s)
	}
	if _, err := e.store.Status(e.ctx, secure, north, p.Status); !errors.Is(err, collections.ErrNotFound) {
		e.Errorf("it has a status: %v", err)
	}
	e.gives("who reads", widest(), in(lk), last(), item(1), item(2))
	if l := e.linesOf("publish"); len(l) != 2 {
		e.Errorf("%d lines of publications, want 2", len(l))
	}
	p = e.publication(north, item(2, to(vn), was(keys[0])), item(3, to(vn)))
	p.Reason = "concerns VN"
	if s := e.send(p); s.Success != 1 || s.Failure != 1 || s.Failures[0].ID != string(item(2).ID) {
		e.Errorf("of what is kept no more: %+v", s)
	}
	if l := e.linesOf("route"); len(l) != 2 || !strings.Contains(string(l[0].What), `"reason":"concerns LK"`) {
		e.Errorf("lines %+v", l)
	}
}

func wantedKept(e *env) {
	wants := func(p auth.PartnerID, items []collections.Item, w ...collections.Wanted) {
		pub := e.publication(p, items...)
		pub.Wanted = w
		e.send(pub)
	}
	a, b := item(50).ID, item(51).ID
	wants(north, []collections.Item{item(1), item(2, to(lk))}, collections.Wanted{ID: a, To: []auth.CollectionID{vn}}, collections.Wanted{ID: b, To: []auth.CollectionID{lk, vn}})
	wants(north, []collections.Item{item(2, to(lk))}, collections.Wanted{ID: a, To: []auth.CollectionID{lk}})
	wants(south, []collections.Item{item(3, to(fj))}, collections.Wanted{ID: a, To: []auth.CollectionID{fj}})
	refused := e.publication(north, item(4))
	refused.Wanted, refused.Still = []collections.Wanted{{ID: item(52).ID, To: []auth.CollectionID{vn}}}, func() error { return errors.New("no longer") }
	if _, err := e.store.Publish(e.ctx, refused); err == nil {
		e.Errorf("a publication that may not be is taken")
	}
	e.reopen()
	both := []auth.CollectionID{vn, lk}
	slices.Sort(both)
	ids := []stix.ID{b, item(52).ID, a, item(1).ID, a}
	for p, want := range map[auth.PartnerID][]collections.Wanted{
		north: {{ID: b, To: both}, {ID: a, To: both}},
		south: {{ID: a, To: []auth.CollectionID{fj}}},
		hanoi: nil,
	} {
		got, err := e.store.Wanted(e.ctx, secure, p, ids)
		e.check("asking what is wanted", err)
		equal(e, "what is wanted of "+string(p), want, got)
	}
}

// trial is one of each sort of thing that may become of an item.
func trial(e *env) collections.Publication {
	e.publish(south, item(1))
	e.publish(north, item(2, to(vn)), item(3))
	keys := e.keeps(north, item(4, keepAs(collections.KeepPending)), item(5, keep(lk)))
	return e.publication(north,
		item(1, to(lk)),                           // another's
		item(2, to(vn, lk)),                       // in one of two already
		item(3),                                   // a duplicate
		item(3, body("other")),                    // a conflict
		item(4, was(keys[0])),                     // kept until now
		item(5, keep(lk)),                         // kept already
		item(6, to(vn), also0(keep(lk))),          // added and kept
		item(7, keepAs(collections.KeepUnrouted)), // kept
		item(8), item(8), item(8, body("conflict")), // among themselves
		item(2, to(fj), brought), item(1, to(fj), brought),
		item(9, observable),
	)
}

// also0 is keep beside what is added.
func also0(keep trait) trait {
	return func(d *draft) {
		to := d.To
		keep(d)
		d.To = to
	}
}

func triedTruly(e *env) {
	p := trial(e)
	tried, err := e.store.Try(e.ctx, p)
	e.check("trying", err)
	if len(tried) != len(p.Items) {
		e.Fatalf("%d outcomes of %d", len(tried), len(p.Items))
	}
	s := e.send(p)
	var failures, kept, duplicates, added int
	for i, t := range tried {
		it := &p.Items[i]
		if it.Brought {
			continue
		}
		switch {
		case t.Why != "":
			failures++
			if len(t.To) > 0 || t.Kept != nil || t.Duplicate {
				e.Errorf("a failure that is more: %+v", t)
			}
		case t.Duplicate:
			duplicates++
		default:
			added++
		}
		if t.Kept != nil {
			kept++
		}
	}
	if failures != s.Failure || kept != s.Kept || duplicates != s.Duplicate || added+duplicates != s.Success || failures == 0 || kept == 0 || duplicates == 0 {
		e.Errorf("tried: %d failures, %d kept, %d duplicates, %d others; then %+v", failures, kept, duplicates, added, s)
	}
	// Where each was to go, it is.
	for i, t := range tried {
		for _, c := range t.To {
			known, err := e.store.Known(e.ctx, auth.View{Partner: north, Own: true}, in(c), p.Items[i].ID)
			e.check("asking", err)
			if !known {
				e.Errorf("item %d was to be in %s", i, c)
			}
		}
	}
	for i, want := range map[int]collections.Tried{
		1: {To: []auth.CollectionID{lk}}, 2: {Duplicate: true}, 4: {To: []auth.CollectionID{vn}}, 5: {Duplicate: true},
		8: {To: []auth.CollectionID{vn}}, 9: {Duplicate: true}, 11: {To: []auth.CollectionID{fj}}, 12: {Duplicate: true}, 13: {To: []auth.CollectionID{vn}},
	} {
		equal(e, "what becomes of an item", want, tried[i])
	}
	if t := tried[6]; !slices.Equal(t.To, []auth.CollectionID{vn}) || t.Kept == nil || !slices.Equal(t.Kept.To, []auth.CollectionID{lk}) {
		e.Errorf("added and kept: %+v", t)
	}
}

func triedAway(e *env) {
	p := trial(e)
	before := e.waiting(collections.KeptQuery{})
	lines := len(e.journal())
	for range 2 {
		_, err := e.store.Try(e.ctx, p)
		e.check("trying", err)
	}
	equal(e, "what is kept after a trial", before, e.waiting(collections.KeptQuery{}))
	if n := len(e.journal()); n != lines {
		e.Errorf("%d lines after trials, %d before", n, lines)
	}
	if _, err := e.store.Status(e.ctx, secure, north, p.Status); !errors.Is(err, collections.ErrNotFound) {
		e.Errorf("a trial has a status: %v", err)
	}
	e.gives("who reads", widest(), in(vn), last(), item(1), item(2), item(3))
	e.gives("who reads elsewhere", widest(), in(lk), last())
	no := e.publication(north, item(30))
	refusal := errors.New("no longer")
	no.Still = func() error { return refusal }
	if _, err := e.store.Try(e.ctx, no); !errors.Is(err, refusal) {
		e.Errorf("a trial of who may no longer: %v", err)
	}
}
