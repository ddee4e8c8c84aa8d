package storetest

import (
	"fmt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func sight() []step {
	return []step{
		{"every object to every reader as Decide says", sightDecide},
		{"versions of different levels", sightVersions},
		{"first and last are taken among what is seen", sightLast},
		{"the default spec version is taken among what is seen", sightSpec},
		{"the zero view sees nothing", sightZero},
		{"what is added hidden changes nothing", sightHiddenLater},
		{"what is hidden between changes nothing", sightHiddenBetween},
	}
}

// levels gives all levels.
func levels() []stix.Level {
	return []stix.Level{stix.Unmarked, stix.Clear, stix.Green, stix.Amber, stix.AmberStrict, stix.Red, stix.Unknown}
}

// sightDecide: for every role, clearance and partner, and every level, publisher, audience and kind
// of id, a reader is given exactly the objects that the policy allows it to read.
func sightDecide(e *env) {
	var all []auth.Object
	of := map[int]collections.Item{}
	n := 0
	for _, publisher := range []auth.PartnerID{north, south, hanoi} {
		var batch []collections.Item
		for _, l := range levels() {
			for _, audience := range [][]auth.PartnerID{nil, {hanoi}, {suva, north}} {
				for _, more := range []trait{modified(1), shared, observable} {
					it := item(n, level(l), named(audience...), more)
					of[len(all)] = it
					all = append(all, auth.Object{Publisher: publisher, Level: l, Named: audience})
					batch = append(batch, it)
					n++
				}
			}
		}
		e.added(publisher, batch...)
	}
	for _, role := range []auth.Role{auth.Vendor, auth.Agency, auth.Operator, auth.Auditor} {
		for _, partner := range []auth.PartnerID{north, hanoi, suva, "nobody"} {
			for _, clearance := range levels() {
				p := auth.Principal{Partner: partner, Role: role, Clearance: clearance, Scope: auth.FullScope}
				e.decided(p, all, of)
				if p.Onward = true; partner == hanoi && clearance >= stix.Amber {
					e.decided(p, all, of)
				}
			}
		}
	}
}

// decided compares what one principal is given with the policy, object by object.
func (e *env) decided(p auth.Principal, all []auth.Object, of map[int]collections.Item) {
	e.Helper()
	v := auth.ViewOf(p)
	var want []collections.Item
	for i, o := range all {
		r := auth.Resource{Granted: true, Rights: auth.Rights{Read: true}, Object: &o}
		allowed := auth.Decide(p, auth.Read, r) == auth.Allowed
		if readsContent := p.Role == auth.Vendor || p.Role == auth.Agency; readsContent && allowed != v.Shows(o) {
			e.Errorf("policy and view do not agree on %+v for %+v", o, p)
		}
		if allowed {
			want = append(want, of[i])
		}
		if i%7 == 0 || !allowed && i%5 == 0 { // a sample, all objects being of many kinds
			known, err := e.store.Known(e.ctx, v, in(vn), of[i].ID)
			e.check("asking whether an object is known", err)
			if known != allowed {
				e.Errorf("%s %s of clearance %s knows of %+v: %t, want %t", p.Role, p.Partner, p.Clearance, o, known, allowed)
			}
		}
	}
	for what, q := range map[string]collections.Query{
		"default": last(),
		"first":   {Limit: 40, Versions: collections.Versions{First: true}},
		"all":     every(),
	} {
		e.gives(fmt.Sprintf("%s %s of clearance %s, %s", p.Role, p.Partner, p.Clearance, what), v, in(vn), q, want...)
	}
	exact := collections.Query{Limit: collections.MaxLimit, Versions: collections.Versions{At: instants(1)}}
	var versioned []collections.Item
	for _, it := range want {
		if it.Version.At.Set {
			versioned = append(versioned, it)
		}
	}
	e.gives(fmt.Sprintf("%s %s of clearance %s, exact", p.Role, p.Partner, p.Clearance), v, in(vn), exact, versioned...)
}

// views gives views of every kind, those that no role has today among them.
func views() []auth.View {
	list := []auth.View{{}, {Level: stix.AmberStrict, Own: true, Named: true}}
	for _, p := range []auth.PartnerID{north, hanoi} {
		for _, l := range []stix.Level{stix.Unmarked, stix.Clear, stix.Amber, stix.AmberStrict} {
			for flags := range 4 {
				list = append(list, auth.View{Partner: p, Level: l, Own: flags&1 != 0, Named: flags&2 != 0})
			}
		}
	}
	return list
}

// queries gives queries of every kind over the objects that a case made.
func queries(ids ...stix.ID) []collections.Query {
	var list []collections.Query
	for _, v := range []collections.Versions{
		{}, {Last: true}, {First: true}, {All: true}, {First: true, Last: true},
		{At: instants(2)}, {At: instants(1, 3), Last: true}, {At: instants(9), First: true},
	} {
		for _, specs := range [][]string{nil, {"2.0"}, {"2.1"}, {"2.0", "2.1"}} {
			list = append(list, collections.Query{Limit: 100, Versions: v, Specs: specs})
		}
		list = append(list, collections.Query{Limit: 3, Versions: v, IDs: ids[:1]},
			collections.Query{Limit: 2, Versions: v, IDs: ids, Types: []string{"indicator"}})
	}
	return list
}

// sightVersions publishes objects whose versions have all levels in several orders, and compares views
// and queries of every kind with the model.
func sightVersions(e *env) {
	m := NewModel(e.clock.now)
	both := func(publisher auth.PartnerID, items ...collections.Item) {
		p := e.publication(publisher, items...)
		e.send(p)
		_, err := m.Publish(e.ctx, p)
		e.check("publishing to the model", err)
	}
	ls := []stix.Level{stix.Red, stix.Clear, stix.AmberStrict, stix.Green, stix.Unknown, stix.Amber}
	var ids []stix.ID
	for n := range 8 {
		var own, theirs []collections.Item
		for i := range 4 {
			ts := []trait{modified(1 + (i*3+n)%4), level(ls[(i*(n+1)+n)%len(ls)]), named(hanoi)}
			if (i+n)%3 == 0 {
				ts = append(ts, spec("2.0"))
			}
			own = append(own, item(n, ts...))
			ts[1] = level(ls[(i+n*2)%len(ls)])
			theirs = append(theirs, item(100+n, append(ts, shared, body("own"))...))
		}
		ids = append(ids, own[0].ID, theirs[0].ID)
		both(north, own...)
		both(south, theirs[:2]...)
		both(north, theirs...)
		both(south, theirs[2:]...)
		e.clock.step(137)
	}
	for i, v := range views() {
		for j, q := range queries(ids...) {
			if (i+j)%2 == 0 { // neighbours differ in little
				e.like(m, v, in(vn), q)
			}
		}
		if e.Failed() {
			return // one view's differences are enough to read
		}
	}
}

// sightLast: a newer version that the reader does not see hides no older one.
func sightLast(e *env) {
	open := item(1, modified(2), level(stix.Green))
	secret := item(1, modified(3), level(stix.Red), named(suva))
	early := item(1, modified(1), level(stix.AmberStrict))
	e.added(north, open, secret, early)
	first := collections.Query{Limit: 10, Versions: collections.Versions{First: true}}
	for _, c := range []struct {
		who         string
		view        auth.View
		first, last collections.Item
	}{
		{"the publisher", ownView(north), early, secret},
		{"the named", upTo(suva, stix.Red), early, secret},
		{"amber+strict", upTo(hanoi, stix.AmberStrict), early, open},
		{"green", upTo(hanoi, stix.Green), open, open},
	} {
		e.gives(c.who+", last", c.view, in(vn), last(), c.last)
		e.gives(c.who+", first", c.view, in(vn), first, c.first)
	}
	e.gives("clear", upTo(hanoi, stix.Clear), in(vn), every())
	e.gives("another vendor", ownView(south), in(vn), every())
}

// sightSpec: a 2.1 form that the reader does not see leaves it the 2.0 form.
func sightSpec(e *env) {
	old := item(1, modified(5), spec("2.0"))
	secret := item(1, modified(1), level(stix.AmberStrict))
	e.added(north, old, secret)
	e.gives("amber+strict", upTo(hanoi, stix.AmberStrict), in(vn), last(), secret)
	e.gives("clear", upTo(hanoi, stix.Clear), in(vn), last(), old)
	old20 := collections.Query{Limit: 10, Specs: []string{"2.0"}}
	e.gives("2.0 alone", upTo(hanoi, stix.AmberStrict), in(vn), old20, old)
}

func sightZero(e *env) {
	e.added("", item(1, level(stix.Clear))) // not even what nobody published
	e.added(north, item(2, level(stix.Red), named("")))
	e.gives("the zero view", auth.View{}, in(vn), every())
	e.gives("a view of nobody", auth.View{Level: stix.AmberStrict, Own: true, Named: true}, in(vn), every())
	for n := range 2 {
		known, err := e.store.Known(e.ctx, auth.View{}, in(vn), item(n+1).ID)
		if known || err != nil {
			e.Errorf("the zero view knows of object %d: %t, %v", n+1, known, err)
		}
	}
}
