package storetest

import (
	"errors"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// What is decided of kept versions, and of a batch that is withdrawn; keeping has the list.

func (e *env) settlement() collections.Settlement {
	return collections.Settlement{Operation: secure, Actor: "local:1000", Reason: "looked at", Still: agree}
}

func (e *env) settle(s collections.Settlement) []collections.Outcome {
	e.Helper()
	list, err := e.store.Settle(e.ctx, s)
	e.check("settling", err)
	return list
}

func (e *env) release(keys ...collections.KeptKey) []collections.Outcome {
	e.Helper()
	s := e.settlement()
	for _, k := range keys {
		s.Release = append(s.Release, collections.Released{Key: k})
	}
	return e.settle(s)
}

func keptRelease(e *env) {
	older := item(1, modified(1), keep(vn))
	newest := item(1, modified(3), keep(vn, lk), level(stix.Green))
	keys := e.keeps(north, older, newest, item(2, observable, keep(lk)), item(3, keepAs(collections.KeepUnrouted)))
	other := e.keeps(south, item(4, keep(vn)))
	middle := item(1, modified(2))
	_, before := e.added(north, middle)
	e.clock.step(1e9)
	s := e.settlement()
	s.Release = []collections.Released{
		{Key: other[0]}, {Key: keys[1]}, {Key: keys[0]}, {Key: keys[2]}, {Key: keys[3], To: []auth.CollectionID{fj, vn}},
	}
	outcomes := e.settle(s)
	for i, o := range outcomes {
		if o.Key != s.Release[i].Key || o.Added <= before || o.Stays || o.Why != "" {
			e.Errorf("outcome %d: %+v after %v", i, o, before)
		}
		before = o.Added
	}
	at := collections.AddedAt(e.clock.now())
	if len(outcomes) != 5 || outcomes[0].Added != at || outcomes[1].Added != at+20 || outcomes[3].Version != outcomes[3].Added.String() {
		e.Errorf("outcomes at %v: %+v", at, outcomes)
	}
	for range 2 {
		e.gives("the last versions", widest(), in(vn), last(), item(4), newest, item(3))
		e.gives("all versions", widest(), in(vn), every(), middle, item(4), newest, older, item(3))
		e.gives("elsewhere", widest(), in(lk), every(), newest, item(2, observable))
		e.gives("where it was sent by hand", widest(), in(fj), every(), item(3))
		e.gives("below its level", upTo(hanoi, stix.Clear), in(lk), every(), item(2, observable))
		equal(e, "what is still kept", 0, len(e.waiting(collections.KeptQuery{})))
		e.reopen()
	}
	if n := len(e.linesOf("kept.release")); n != 2 {
		e.Fatalf("%d lines of kind kept.release for two batches", n)
	}
	var line struct {
		Batch       collections.StatusID
		Publisher   auth.PartnerID
		Reason      string
		Count       int
		First, Last string
		Collections []auth.CollectionID
	}
	e.last(&line, "kept.release")
	if line.Publisher != north || line.Count != 4 || line.Reason != "looked at" || len(line.Collections) != 3 ||
		line.First != outcomes[1].Added.String() || line.Last != outcomes[4].Added.String() {
		e.Errorf("the line of a release: %+v", line)
	}
}

func keptReleaseJudged(e *env) {
	keys := e.keeps(north, item(1, keep(vn, lk)), item(2, keep(vn)))
	e.added(north, item(1))
	e.added(north, item(2, to(vn)))
	out := e.release(keys...)
	if out[0].Added == 0 || len(out[0].To) != 1 || out[0].To[0] != lk || out[0].Stays {
		e.Errorf("a release of what is in one of two places: %+v", out[0])
	}
	if out[1].Added != 0 || out[1].Stays || out[1].Why == "" {
		e.Errorf("a release of what is there: %+v", out[1])
	}
	e.gives("once", widest(), in(vn), every(), item(1), item(2))
	e.gives("where it was not", widest(), in(lk), every(), item(1))
	equal(e, "what is still kept", 0, len(e.waiting(collections.KeptQuery{})))
	s := e.publish(north, item(1), item(1, to(lk)), item(2, keep(vn)))
	if s.Duplicate != 3 {
		e.Errorf("what was released, again: %+v", s)
	}
}

func keptSecond(e *env) {
	two := also(func(k *collections.Keep) { k.Second = true })
	keys := e.keeps(north, item(1, keep(vn), two), item(2, keep(vn)))
	before := e.everything()
	s := e.settlement()
	s.Release = []collections.Released{{Key: keys[1]}, {Key: keys[0]}}
	try := func(what string) {
		e.Helper()
		if _, err := e.store.Settle(e.ctx, s); !errors.Is(err, collections.ErrDenied) {
			e.Errorf("%s: %v, want denied", what, err)
		}
		after := e.everything()
		before.Journal, after.Journal = nil, nil
		equal(e, what, before, after)
	}
	try("released though nobody asked")
	e.settle(collections.Settlement{
		Operation: secure, Actor: s.Actor, Still: agree, Reason: "a false alarm",
		Amend: []collections.Amended{{Key: keys[0], Asked: s.Actor, Because: "a false alarm"}},
	})
	before = e.everything()
	try("released by the one who asked")
	p := e.publication(north, item(1, to(vn), was(keys[0])))
	p.Actor, p.Reason = s.Actor, "a false alarm"
	if _, err := e.store.Publish(e.ctx, p); !errors.Is(err, collections.ErrDenied) {
		e.Errorf("published by the one who asked: %v, want denied", err)
	}
	keys = append(keys, e.keeps(north, item(3, keep(vn), two))...)
	e.settle(collections.Settlement{
		Operation: secure, Actor: s.Actor, Still: agree, Reason: "a false alarm",
		Amend: []collections.Amended{{Key: keys[2], Asked: s.Actor, Because: "a false alarm"}},
	})
	p = e.publication(north, item(3, to(vn), was(keys[2])))
	p.Actor, p.Reason = "operator_2", "a false alarm"
	e.send(p)
	var taken struct{ Asked []auth.Actor }
	e.last(&taken, "kept.release")
	equal(e, "who is in the journal as asking for what a publication took along", []auth.Actor{s.Actor}, taken.Asked)
	e.reopen()
	k := e.waiting(collections.KeptQuery{Keys: keys[:1]})[0]
	if k.Asked != s.Actor || k.Because != "a false alarm" {
		e.Errorf("who asked: %+v", k)
	}
	s.Actor = "operator_2"
	if out := e.settle(s); out[1].Added == 0 {
		e.Errorf("released by another: %+v", out)
	}
	e.gives("after two agreed", widest(), in(vn), every(), item(3), item(2), item(1))
	var line struct{ Asked []auth.Actor }
	e.last(&line, "kept.release")
	equal(e, "who is in the journal as asking", []auth.Actor{"local:1000"}, line.Asked)
	asked := auth.Actor("operator_1")
	keys = e.keeps(north, item(4, keep(vn), two))
	e.settle(collections.Settlement{ // two released it before it had anywhere to go
		Operation: secure, Actor: "operator_2", Still: agree, Reason: "it may wait",
		Amend: []collections.Amended{{Key: keys[0], Asked: asked, Because: "it may wait", Kind: collections.KeepPending}},
	})
	p = e.publication(north, item(4, to(vn), was(keys[0]), brought))
	p.Actor, p.Reason = asked, "what it waited for came"
	e.send(p)
	if list := e.waiting(collections.KeptQuery{Keys: keys}); len(list) != 0 {
		e.Errorf("what two released waits still: %+v", list)
	}
}

func keptDrop(e *env) {
	keys := e.keeps(north, item(1, keep(vn), waitsFor(item(9).ID)), item(2, keep(vn)))
	s := e.settlement()
	s.Drop = keys[:1]
	if out := e.settle(s); len(out) != 0 {
		e.Errorf("outcomes of a drop: %+v", out)
	}
	for range 2 {
		for what, q := range map[string]collections.KeptQuery{
			"all": {}, "by id": {IDs: []stix.ID{item(1).ID, item(2).ID}}, "by key": {Keys: keys},
		} {
			list := e.waiting(q)
			if len(list) != 1 || list[0].Key != keys[1] {
				e.Errorf("%s: %+v is kept after a drop, want key %d", what, list, keys[1])
			}
		}
		equal(e, "what waits", 0, len(e.waiting(collections.KeptQuery{Waits: []stix.ID{item(9).ID}})))
		e.gives("after a drop", widest(), in(vn), every())
		e.reopen()
	}
	if again := e.keeps(north, item(1, keep(vn))); again[0] <= keys[1] {
		e.Errorf("key %d is given again", again[0])
	}
	var line struct {
		Reason string
		IDs    []stix.ID
	}
	e.last(&line, "kept.drop")
	if line.Reason != "looked at" || len(line.IDs) != 1 || line.IDs[0] != item(1).ID {
		e.Errorf("the line of a drop: %+v", line)
	}
}

func keptAmend(e *env) {
	keys := e.keeps(north, item(1, keepAs(collections.KeepPending, vn), waitsFor(item(7).ID, item(8).ID)), item(2, keep(vn)))
	s := e.settlement()
	s.Amend = []collections.Amended{{Key: keys[0], Waits: []stix.ID{item(8).ID}, To: []auth.CollectionID{vn, lk}}}
	e.settle(s)
	for range 2 {
		k := e.waiting(collections.KeptQuery{Keys: keys[:1]})[0]
		if k.Item.Keep.Kind != collections.KeepPending || len(k.Item.Keep.Reasons) != 1 || k.Asked != "" {
			e.Errorf("what was not amended: %+v", k.Item.Keep)
		}
		equal(e, "its collections", []auth.CollectionID{vn, lk}, k.Item.Keep.To)
		equal(e, "what waits no more", 0, len(e.waiting(collections.KeptQuery{Waits: []stix.ID{item(7).ID}})))
		equal(e, "what still waits", 1, len(e.waiting(collections.KeptQuery{Waits: []stix.ID{item(8).ID}})))
		e.reopen()
	}
	s.Amend = []collections.Amended{{
		Key: keys[0], Waits: []stix.ID{}, Kind: collections.KeepHeld, Reasons: []collections.Reason{{Code: "guard"}},
	}}
	e.settle(s)
	k := e.waiting(collections.KeptQuery{Keys: keys[:1]})[0]
	if k.Item.Keep.Kind != collections.KeepHeld || len(k.Item.Keep.Waits) != 0 || k.Item.Keep.Reasons[0].Code != "guard" {
		e.Errorf("what was amended: %+v", k.Item.Keep)
	}
	if n := len(e.linesOf("kept.amend")); n != 2 {
		e.Errorf("%d lines of kind kept.amend, want 2", n)
	}
	e.release(keys[0])
	e.gives("released where it was amended to", widest(), in(lk), every(), item(1))
}

func keptWhole(e *env) {
	keys := e.keeps(north, item(1, keep(vn)), item(2, keepAs(collections.KeepUnrouted)), item(3, keep(vn)))
	e.keeps(south, item(4, keep(vn)))
	before, kept := e.everything(), e.waiting(collections.KeptQuery{Bytes: true})
	errGone := errors.New("suspended")
	for what, c := range map[string]struct {
		change func(s *collections.Settlement)
		want   error
	}{
		"what Still refuses":  {func(s *collections.Settlement) { s.Still = func() error { return errGone } }, errGone},
		"a key that is not":   {func(s *collections.Settlement) { s.Drop = append(s.Drop, 99) }, collections.ErrNotFound},
		"another operation's": {func(s *collections.Settlement) { s.Operation = harbor }, collections.ErrNotFound},
		"nowhere to go": {
			func(s *collections.Settlement) { s.Release = append(s.Release, collections.Released{Key: keys[1]}) }, collections.ErrInvalid,
		},
		"twice":   {func(s *collections.Settlement) { s.Drop = append(s.Drop, keys[0]) }, collections.ErrInvalid},
		"nothing": {func(s *collections.Settlement) { s.Release, s.Drop, s.Amend = nil, nil, nil }, collections.ErrInvalid},
	} {
		s := e.settlement()
		s.Release = []collections.Released{{Key: keys[0]}}
		s.Amend = []collections.Amended{{Key: keys[2], Asked: "local:1"}}
		c.change(&s)
		if out, err := e.store.Settle(e.ctx, s); !errors.Is(err, c.want) || out != nil {
			e.Errorf("%s: %v, %v; want %v", what, out, err, c.want)
		}
		equal(e, what+": what the store holds", before, e.everything())
		equal(e, what+": what is kept", kept, e.waiting(collections.KeptQuery{Bytes: true}))
	}
	p := e.publication(north, item(7, keep(vn)))
	p.Still = func() error { return errGone }
	if _, err := e.store.Publish(e.ctx, p); !errors.Is(err, errGone) {
		e.Errorf("publishing: %v, want the error of Still", err)
	}
	equal(e, "what is kept of what was refused", kept, e.waiting(collections.KeptQuery{Bytes: true}))
	e.added(south, item(7)) // nobody has it
	e.reopen()
	equal(e, "what is kept after reopening", kept, e.waiting(collections.KeptQuery{Bytes: true}))
}

func withdrawn(e *env) {
	two := item(1, modified(2))
	first, last := e.added(north, item(1), two, item(2, to(vn, lk)))
	e.added(south, item(3))
	w := collections.Withdrawal{
		Operation: secure, Publisher: north, Batch: statusID(1), Actor: "local:1000", Reason: "a bad batch", Still: agree,
		Items: []collections.Withdrawn{
			{Collection: vn, ID: item(1).ID, Added: first + 20}, {Collection: lk, ID: item(2).ID, Added: last},
			{Collection: lk, ID: item(2).ID, Added: last}, {Collection: fj, ID: item(2).ID, Added: last},
			{Collection: vn, ID: item(1).ID, Added: first + 1}, {Collection: vn, ID: item(3).ID, Added: last + 20},
		},
	}
	refused := w
	errGone := errors.New("suspended")
	refused.Still = func() error { return errGone }
	if n, err := e.store.Withdraw(e.ctx, refused); n != 0 || !errors.Is(err, errGone) {
		e.Errorf("withdrawing: %d, %v; want the error of Still", n, err)
	}
	n, err := e.store.Withdraw(e.ctx, w)
	e.check("withdrawing", err)
	if n != 2 {
		e.Errorf("%d went, want 2", n)
	}
	for range 2 {
		e.gives("what is left", widest(), in(vn), collections.Query{Limit: 9}, item(1), item(2, to(vn, lk)), item(3))
		e.gives("elsewhere", widest(), in(lk), every())
		e.reopen()
	}
	if n, err := e.store.Withdraw(e.ctx, w); n != 0 || !isNotFound(err) {
		e.Errorf("withdrawing again: %d, %v; want not found", n, err)
	}
	var line struct {
		Reason string
		Count  int
		Batch  collections.StatusID
	}
	e.last(&line, "withdraw")
	if line.Reason != "a bad batch" || line.Count != 2 || len(e.linesOf("withdraw")) != 1 {
		e.Errorf("the line of a withdrawal: %+v", line)
	}
	e.added(north, two) // it can come again
}
