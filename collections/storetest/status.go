package storetest

import (
	"fmt"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func status() []step {
	return []step{
		{"what became of each object", statusWhole},
		{"details are bounded, counts are not", statusBounds},
		{"what the publisher is told goes first", statusNotes},
		{"a duplicate keeps its level, and its publisher is told", statusRepeated},
		{"only failures at the door", statusDoor},
		{"its publisher's alone", statusPublisher},
		{"expires", statusExpires},
	}
}

// whole compares a status with another, the messages of the store's own failures aside.
func whole(s collections.Status, own int) collections.Status {
	s.Received = s.Received.UTC()
	failures := make([]collections.Detail, len(s.Failures))
	copy(failures, s.Failures)
	for i := own; i < len(failures); i++ {
		if failures[i].Message != "" {
			failures[i].Message = "said"
		}
	}
	s.Failures = failures
	return s
}

func statusWhole(e *env) {
	e.added(south, item(5))
	added, _ := e.added(north, item(1))
	e.clock.step(time.Minute)
	p := e.publication(north,
		item(2, message("nobody but you can see it")),
		item(1),                  // there already
		item(5, modified(2)),     // another's
		item(3, observable),      //
		item(1, body("changed")), // other bytes
		item(4, to(lk, fj)),
	)
	p.Received = e.clock.now().Add(-time.Second)
	p.Failed = 2
	p.Failures = []collections.Detail{
		{ID: "indicator--bad", Version: "2025-01-01T00:00:00.000Z", Message: "/id: is no identifier"},
		{ID: "objects/9", Version: "2025-01-01T00:00:00.000Z", Message: "/: is no object"},
	}
	got := e.send(p)
	start := collections.AddedAt(e.clock.now())
	want := collections.Status{
		ID: p.Status, Operation: secure, Publisher: north, Received: p.Received,
		Success: 4, Failure: 4, Duplicate: 1, First: start, Last: start + 40,
		Successes: []collections.Detail{
			{ID: string(item(2).ID), Version: versionOf(1).Text, Message: "nobody but you can see it"},
			{ID: string(item(1).ID), Version: versionOf(1).Text},
			{ID: string(item(3, observable).ID), Version: (start + 20).String()},
			{ID: string(item(4).ID), Version: versionOf(1).Text},
		},
		Failures: []collections.Detail{
			p.Failures[0], p.Failures[1],
			{ID: string(item(5).ID), Version: versionOf(2).Text, Message: "said"},
			{ID: string(item(1).ID), Version: versionOf(1).Text, Message: "said"},
		},
	}
	got = whole(got, 2)
	got.Successes[1].Message = "" // a store may say that it was there
	equal(e, "the status that Publish gives", want, got)
	for range 2 {
		kept, err := e.store.Status(e.ctx, secure, north, p.Status)
		e.check("asking for a status", err)
		kept = whole(kept, 2)
		kept.Successes[1].Message = ""
		equal(e, "the status that is kept", want, kept)
		e.reopen()
	}
	again := e.publish(north, item(3, observable))
	if want := (start + 20).String(); again.Successes[0].Version != want || again.Duplicate != 1 || added >= start {
		e.Errorf("a duplicate observable has version %s, want %s: %+v", again.Successes[0].Version, want, again)
	}
	if again.First != 0 || again.Last != 0 {
		e.Errorf("a publication that added nothing was given %v to %v", again.First, again.Last)
	}
}

func statusBounds(e *env) {
	const most = collections.MaxDetails
	e.added(south, items(5000, most)...)
	p := e.publication(north, append(items(0, most+50), items(5000, most)...)...)
	p.Failed = 70
	for n := range 60 {
		p.Failures = append(p.Failures, collections.Detail{ID: fmt.Sprint("objects/", n), Version: "0", Message: "bad"})
	}
	e.send(p)
	s, err := e.store.Status(e.ctx, secure, north, p.Status)
	e.check("asking for a status", err)
	if s.Success != most+50 || s.Failure != most+70 || s.Pending != 0 || s.Duplicate != 0 {
		e.Errorf("%d successes, %d failures, %d pending, %d duplicates; want %d, %d, 0, 0",
			s.Success, s.Failure, s.Pending, s.Duplicate, most+50, most+70)
	}
	if len(s.Successes) != most || len(s.Failures) != most {
		e.Fatalf("%d successes and %d failures are listed, want %d of each", len(s.Successes), len(s.Failures), most)
	}
	for n, d := range s.Successes {
		if d.ID != string(item(n).ID) {
			e.Fatalf("success %d is %s, want %s", n, d.ID, item(n).ID)
		}
	}
	for n, d := range s.Failures {
		want := fmt.Sprint("objects/", n)
		if n >= 60 {
			want = string(item(5000 + n - 60).ID)
		}
		if d.ID != want {
			e.Fatalf("failure %d is %s, want %s", n, d.ID, want)
		}
	}
}

// statusNotes: what the publisher is told of a success is listed, however many others there are.
func statusNotes(e *env) {
	const most = collections.MaxDetails
	list := items(0, most+30)
	want := []string{string(list[5].ID), string(list[most+10].ID), string(list[most+29].ID)}
	for _, n := range []int{5, most + 10, most + 29} {
		list[n].Message = "nobody but you can see it"
	}
	p := e.publication(north, list...)
	e.send(p)
	for range 2 {
		s, err := e.store.Status(e.ctx, secure, north, p.Status)
		e.check("asking for a status", err)
		if len(s.Successes) != most || s.Success != most+30 {
			e.Fatalf("%d of %d successes are listed, want %d of %d", len(s.Successes), s.Success, most, most+30)
		}
		var noted []string
		for _, d := range s.Successes {
			if d.Message != "" {
				noted = append(noted, d.ID)
			}
		}
		equal(e, "the successes with a message", want, noted)
		if last := s.Successes[most-3].ID; last != string(list[most-3].ID) {
			e.Errorf("before the late ones stands %s, want %s", last, list[most-3].ID)
		}
		e.reopen()
	}
}

// statusRepeated: what was published before keeps its level, whatever it comes with now.
func statusRepeated(e *env) {
	e.added(north, item(1, level(stix.Unknown)), item(2, level(stix.Amber)))
	s := e.publish(north, item(1, level(stix.Green)), item(2, level(stix.Amber)))
	if s.Duplicate != 2 || s.Successes[0].Message == "" || s.Successes[1].Message != "" {
		e.Errorf("publishing again gives %+v; want a message for the first alone", s)
	}
	e.added(north, item(3, level(stix.Red), named(hanoi)), item(4, level(stix.Red), named(hanoi)))
	e.reopen()
	s = e.publish(north, item(3, level(stix.Red), named(south)), item(4, level(stix.Red), named(hanoi)))
	if s.Duplicate != 2 || s.Successes[0].Message == "" || s.Successes[1].Message != "" {
		e.Errorf("publishing again for others gives %+v; want a message for the first alone", s)
	}
	known, err := e.store.Levels(e.ctx, secure, north, []stix.ID{item(1).ID})
	e.check("asking for a level", err)
	if known[item(1).ID] != stix.Unknown {
		e.Errorf("publishing again has changed the level to %v", known[item(1).ID])
	}
}

func statusDoor(e *env) {
	p := e.publication(north)
	p.Failed = 1
	p.Failures = []collections.Detail{{ID: "objects/0", Version: "0", Message: "bad"}}
	e.send(p)
	s, err := e.store.Status(e.ctx, secure, north, p.Status)
	e.check("asking for a status", err)
	if s.Success != 0 || s.Failure != 1 || len(s.Failures) != 1 || s.First != 0 || s.Last != 0 {
		e.Errorf("a publication of one bad object: %+v", s)
	}
	if n := len(e.linesOf("publish")); n != 1 {
		e.Errorf("%d lines of kind publish, want 1", n)
	}
}

func statusPublisher(e *env) {
	s := e.publish(north, item(1))
	for _, p := range []auth.PartnerID{south, hanoi, "", "nor", "north2"} {
		if _, err := e.store.Status(e.ctx, secure, p, s.ID); !isNotFound(err) {
			e.Errorf("%q asks for north's status: %v, want not found", p, err)
		}
	}
	if _, err := e.store.Status(e.ctx, harbor, north, s.ID); !isNotFound(err) {
		e.Errorf("a status in another operation: %v, want not found", err)
	}
	if _, err := e.store.Status(e.ctx, secure, north, statusID(999)); !isNotFound(err) {
		e.Errorf("a status that nobody made: %v, want not found", err)
	}
	if _, err := e.store.Status(e.ctx, secure, north, s.ID); err != nil {
		e.Errorf("its publisher asks: %v", err)
	}
}

func statusExpires(e *env) {
	old := e.publish(north, item(1))
	e.clock.step(time.Hour)
	young := e.publish(north, item(2))
	there := func(s collections.Status, want bool) {
		e.Helper()
		if _, err := e.store.Status(e.ctx, secure, north, s.ID); (err == nil) != want || err != nil && !isNotFound(err) {
			e.Errorf("%v after its publication, a status: %v, want it there %t", e.clock.now().Sub(s.Received), err, want)
		}
	}
	sweep := func() {
		e.Helper()
		e.check("sweeping", e.store.Sweep(e.ctx, e.clock.now()))
	}
	e.clock.step(collections.StatusLife - time.Hour - time.Second)
	sweep()
	there(old, true)
	e.clock.step(2 * time.Second)
	sweep()
	there(old, false)
	there(young, true)
	e.reopen()
	there(old, false)
	there(young, true)
	e.clock.step(24 * time.Hour)
	sweep()
	there(young, false)
	e.gives("the objects of an expired status", widest(), in(vn), every(), item(1), item(2))
}
