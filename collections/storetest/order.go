package storetest

import (
	"time"

	"liaison/auth"
	"liaison/collections"
)

func order() []step {
	return []step{
		{"steps", orderSteps},
		{"in the order of the items", orderOfItems},
		{"one date_added in all collections", orderAcrossCollections},
		{"a later routing gets a new date_added", orderOfLaterRouting},
		{"holds over reopening with a clock that went back", orderReopened},
		{"last is the highest that was given", orderLast},
		{"raise", orderRaise},
	}
}

// orderSteps: 20 µs while the newest is not more than a second ahead of the clock, 1 µs beyond.
func orderSteps(e *env) {
	newest, _ := e.added(north, item(0))
	if want := collections.AddedAt(e.clock.now()); newest != want {
		e.Errorf("the first date_added is %v, want the clock's %v", newest, want)
	}
	const toClock = -1
	for n, c := range []struct {
		what  string
		ahead time.Duration // the newest before the clock
		step  collections.Added
	}{
		{"the clock stands at the newest", 0, 20},
		{"the clock went on by less than a step", -5 * time.Microsecond, 20},
		{"the clock went on by a step", -20 * time.Microsecond, 20},
		{"the clock went on", -3 * time.Millisecond, toClock},
		{"the clock jumped ahead", -1000 * time.Hour, toClock},
		{"the clock went back", 900 * time.Millisecond, 20},
		{"the clock went back a second", time.Second, 20},
		{"the clock went back more than a second", time.Second + time.Microsecond, 1},
		{"the clock jumped back", 5000 * time.Hour, 1},
		{"the clock is right again", 30 * time.Microsecond, 20},
		{"the clock went on within a microsecond", -(40*time.Microsecond + 999*time.Nanosecond), toClock},
	} {
		e.clock.step(newest.Time().Add(-c.ahead).Sub(e.clock.now()))
		want := newest + c.step
		if c.step == toClock {
			want = collections.AddedAt(e.clock.now())
		}
		got, _ := e.added(north, item(n+1))
		if got != want {
			e.Errorf("%s: the step is %d µs, want %d", c.what, got-newest, want-newest)
		}
		newest = got
	}
}

func orderOfItems(e *env) {
	list := items(0, 300)
	first, last := e.added(north, list...)
	e.gives("all items", widest(), in(vn), every(), list...)
	var added []collections.Added
	for _, f := range e.facts(widest(), in(vn), every()) {
		added = append(added, f.Added)
	}
	var want []collections.Added
	for i := range list {
		want = append(want, first+collections.Added(20*i))
	}
	equal(e, "date_added", want, added)
	if last != want[len(want)-1] {
		e.Errorf("the run ends with %v, want %v", last, want[len(want)-1])
	}
}

func orderAcrossCollections(e *env) {
	e.added(north, item(1, to(vn)), item(2, to(lk, vn, fj)), item(3, to(fj)), item(4, to(fj, lk)))
	added := map[auth.CollectionID][]collections.Added{}
	start := collections.AddedAt(e.clock.now())
	for _, c := range []auth.CollectionID{vn, lk, fj} {
		for _, f := range e.facts(widest(), in(c), every()) {
			added[c] = append(added[c], f.Added-start)
		}
	}
	equal(e, "date_added after the first, by collection", map[auth.CollectionID][]collections.Added{
		vn: {0, 20}, lk: {20, 60}, fj: {20, 40, 60},
	}, added)
}

func orderOfLaterRouting(e *env) {
	first, _ := e.added(north, item(1, to(vn)))
	s := e.publish(north, item(1, to(vn, lk)))
	if s.Success != 1 || s.Duplicate != 0 || s.First <= first || s.Last != s.First {
		e.Errorf("an object that one of two collections has: %+v, want one added after %v", s, first)
	}
	at := func(c auth.CollectionID) collections.Added {
		facts := e.facts(widest(), in(c), every())
		if len(facts) != 1 {
			e.Fatalf("%d versions in %s, want 1", len(facts), c)
		}
		return facts[0].Added
	}
	if got := at(vn); got != first {
		e.Errorf("date_added in the first collection moved from %v to %v", first, got)
	}
	if got := at(lk); got != s.First {
		e.Errorf("date_added in the second collection is %v, want %v", got, s.First)
	}
}

func orderReopened(e *env) {
	_, newest := e.added(north, items(0, 5)...)
	e.remove(north, in(vn), item(4).ID) // what was given last is not there any more
	e.clock.step(-time.Hour)
	e.reopen()
	first, _ := e.added(north, item(5))
	if first != newest+1 {
		e.Errorf("after reopening, date_added %v follows %v, want 1 µs more", first, newest)
	}
}

func orderLast(e *env) {
	last := func(want collections.Added) {
		e.Helper()
		got, err := e.store.Last(e.ctx)
		e.check("asking for the last date_added", err)
		if got != want {
			e.Errorf("the last date_added is %v, want %v", got, want)
		}
	}
	last(0)
	_, newest := e.added(north, items(0, 3)...)
	last(newest)
	e.remove(north, in(vn), item(2).ID)
	e.publish(north, item(1)) // a duplicate
	last(newest)
	e.reopen()
	last(newest)
}

func orderRaise(e *env) {
	_, newest := e.added(north, item(1))
	floor := newest + 3_600_000_000
	e.check("raising", e.store.Raise(e.ctx, floor, e.line("restore", "raised")))
	e.reopen()
	next, _ := e.added(north, item(2))
	if next <= floor {
		e.Errorf("after raising to %v, date_added is %v", floor, next)
	}
	e.check("raising to less", e.store.Raise(e.ctx, newest, e.line("restore", "again")))
	if after, _ := e.added(north, item(3)); after <= next {
		e.Errorf("after raising to less, date_added %v follows %v", after, next)
	}
	e.lines("restore", "raised", "again")
}
