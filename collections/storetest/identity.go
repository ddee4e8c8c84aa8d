package storetest

import (
	"strconv"
	"strings"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// identity is the contract's paragraph of that name as a table: what becomes of each item.
func identity() []step {
	var steps []step
	for _, c := range identityCases() {
		steps = append(steps, step{c.name, func(e *env) { c.run(e) }})
	}
	return append(steps,
		step{"a duplicate changes nothing", identityDuplicate},
		step{"operations know nothing of each other", identityOperations},
		step{"each publisher has a copy of a shared id", identityCopies},
		step{"deletion shows the next copy", identityNextCopy},
		step{"ownership is told to the operator", identityTold},
		step{"one more version than there may be", identityMany},
		step{"an author is one publisher's", identityAuthor},
		step{"a marking is not lowered by mistake", identityLower},
	)
}

// outcome is what became of an item.
type outcome string

const (
	isAdded   outcome = "added"
	duplicate outcome = "duplicate"
	refused   outcome = "refused" // another's id
	conflict  outcome = "conflict"
)

// act is a publication of one item, or of several with a join, or a deletion.
type act struct {
	publisher auth.PartnerID
	item      collections.Item
	want      outcome
	same      bool // in one publication with the act before
	deletes   bool // deletes all versions of the item's id from its collections
}

type identityCase struct {
	name string
	acts []act
}

func identityCases() []identityCase {
	a := item(1, body("a"))
	b := item(1, body("b"))
	x := item(1, observable, body("x"))
	y := item(1, observable, body("y"))
	return []identityCase{
		{"the first publisher owns an id", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: south, item: item(1, modified(2)), want: refused},
			{publisher: south, item: a, want: refused},
			{publisher: north, item: item(1, modified(2)), want: isAdded},
		}},
		{"ownership holds in every collection", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: south, item: item(1, modified(2), to(lk)), want: refused},
		}},
		{"ownership outlives deletion", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: north, item: a, deletes: true},
			{publisher: south, item: a, want: refused},
			{publisher: north, item: a, want: isAdded},
		}},
		{"a failure owns nothing", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: south, item: item(1, modified(3)), want: refused},
			{publisher: south, item: item(2), want: isAdded},
			{publisher: north, item: item(2), want: refused},
		}},
		{"the same again is a duplicate", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: north, item: a, want: duplicate},
			{publisher: north, item: item(1, modified(2)), want: isAdded},
			{publisher: north, item: a, want: duplicate},
		}},
		{"the same in one publication", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: north, item: a, want: duplicate, same: true},
			{publisher: north, item: b, want: conflict, same: true},
			{publisher: north, item: item(1, modified(2)), want: isAdded, same: true},
			{publisher: north, item: x, want: isAdded, same: true},
			{publisher: north, item: x, want: duplicate, same: true},
		}},
		{"the same version with other bytes is a conflict", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: north, item: b, want: conflict},
			{publisher: north, item: a, want: duplicate},
		}},
		{"a conflict in another collection", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: north, item: item(1, body("b"), to(lk)), want: conflict},
			{publisher: north, item: item(1, body("b"), to(lk, fj)), want: conflict},
		}},
		{"versions are compared as instants", []act{
			{publisher: north, item: item(1, written("2025-01-01T00:00:01Z")), want: isAdded},
			{publisher: north, item: item(1, written("2025-01-01T00:00:01.000Z")), want: conflict},
			{publisher: north, item: item(1, written("2025-01-01T00:00:01.000000001Z")), want: isAdded},
			{publisher: north, item: item(1, written("2025-01-01T00:00:01.0000000010Z")), want: conflict},
		}},
		{"an older version comes later", []act{
			{publisher: north, item: item(1, modified(5)), want: isAdded},
			{publisher: north, item: item(1, modified(2)), want: isAdded},
		}},
		{"another collection gets its own", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: north, item: item(1, body("a"), to(lk)), want: isAdded},
			{publisher: north, item: item(1, body("a"), to(vn, lk)), want: duplicate},
			{publisher: north, item: item(1, body("a"), to(vn, fj)), want: isAdded},
			{publisher: north, item: item(1, body("a"), to(vn, fj)), want: duplicate},
		}},
		{"without a version, id and digest decide", []act{
			{publisher: north, item: x, want: isAdded},
			{publisher: north, item: x, want: duplicate},
			{publisher: north, item: y, want: isAdded},
			{publisher: north, item: x, want: duplicate},
			{publisher: north, item: item(1, observable, body("x"), to(lk)), want: isAdded},
		}},
		{"without a version, an owned id", []act{
			{publisher: north, item: item(1, unversioned, body("x")), want: isAdded},
			{publisher: north, item: item(1, unversioned, body("y")), want: isAdded},
			{publisher: north, item: item(1, unversioned, body("x")), want: duplicate},
			{publisher: south, item: item(1, unversioned, body("x")), want: refused},
		}},
		{"a shared id is judged by copy", []act{
			{publisher: north, item: item(1, shared, body("a")), want: isAdded},
			{publisher: south, item: item(1, shared, body("a")), want: isAdded},
			{publisher: south, item: item(1, shared, body("b")), want: conflict},
			{publisher: south, item: item(1, shared, body("a")), want: duplicate},
			{publisher: hanoi, item: item(1, shared, body("b")), want: isAdded},
			{publisher: north, item: x, want: isAdded},
			{publisher: south, item: x, want: isAdded},
			{publisher: south, item: x, want: duplicate},
		}},
		{"an owned id is not to be had by calling it shared", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: south, item: item(1, shared, modified(2)), want: refused},
			{publisher: south, item: item(1, shared, body("a")), want: refused},
			{publisher: north, item: item(1, shared, modified(3)), want: isAdded},
			{publisher: south, item: item(1, shared, modified(2)), want: refused},
			{publisher: north, item: a, deletes: true},
			{publisher: south, item: item(1, shared, modified(2)), want: refused},
		}},
		{"a shared id is not to be had by owning it", []act{
			{publisher: north, item: item(1, shared, body("a")), want: isAdded},
			{publisher: south, item: item(1, modified(2)), want: refused},
			{publisher: north, item: item(1, modified(2)), want: isAdded},
			{publisher: south, item: item(1, shared, body("b")), want: isAdded},
			{publisher: south, item: item(1, modified(3)), want: refused},
		}},
		{"what was deleted can be published again", []act{
			{publisher: north, item: a, want: isAdded},
			{publisher: north, item: a, deletes: true},
			{publisher: north, item: a, want: isAdded},
			{publisher: north, item: a, want: duplicate},
			{publisher: north, item: a, deletes: true},
			{publisher: north, item: b, want: isAdded},
			{publisher: north, item: x, want: isAdded},
			{publisher: north, item: x, deletes: true},
			{publisher: north, item: x, want: isAdded},
		}},
		{"what another collection has still conflicts", []act{
			{publisher: north, item: item(1, body("a"), to(vn, lk)), want: isAdded},
			{publisher: north, item: a, deletes: true},
			{publisher: north, item: b, want: conflict},
			{publisher: north, item: a, want: isAdded},
		}},
	}
}

// unversioned is an owned object without a version of its own.
func unversioned(d *draft) {
	kind("x-note")(d)
	d.Version = collections.Version{}
}

// run publishes the acts, and again over a reopened store for the second half, so that identity is
// read from what was stored.
func (c identityCase) run(e *env) {
	model := NewModel(e.clock.now)
	var p collections.Publication
	var wants []outcome
	flush := func() {
		e.Helper()
		if len(wants) == 0 {
			return
		}
		c.outcomes(e, wants, p, e.send(p))
		if _, err := model.Publish(e.ctx, p); err != nil {
			e.Fatalf("publishing to the model: %v", err)
		}
		wants = nil
	}
	for i, a := range c.acts {
		if !a.same {
			flush()
			p = e.publication(a.publisher)
		}
		if i == len(c.acts)/2 && !a.same {
			e.reopen()
		}
		if a.deletes {
			for _, to := range a.item.To {
				d := e.deletion(a.publisher, in(to), a.item.ID, allVersions())
				_, err := e.store.Delete(e.ctx, d)
				e.check("deleting", err)
				_, err = model.Delete(e.ctx, d)
				e.check("deleting from the model", err)
			}
			continue
		}
		p.Items, wants = append(p.Items, a.item), append(wants, a.want)
	}
	flush()
	for _, v := range []auth.View{ownView(north), ownView(south), widest()} {
		for _, at := range []auth.CollectionID{vn, lk, fj} {
			e.like(model, v, in(at), every())
			e.like(model, v, in(at), last())
		}
	}
}

// outcomes compares a status with what was to become of each item.
func (c identityCase) outcomes(e *env, wants []outcome, p collections.Publication, s collections.Status) {
	e.Helper()
	var got, want struct {
		Success, Duplicate, Failure int
		Succeeded, Failed           []string
		Added                       bool
	}
	got.Success, got.Duplicate, got.Failure, got.Added = s.Success, s.Duplicate, s.Failure, s.First != 0
	for _, d := range s.Successes {
		got.Succeeded = append(got.Succeeded, d.ID)
	}
	for _, d := range s.Failures {
		got.Failed = append(got.Failed, d.ID)
		if d.Message == "" {
			e.Errorf("a failure without a message: %+v", d)
		}
	}
	for i, it := range p.Items {
		switch wants[i] {
		case isAdded, duplicate:
			want.Success++
			want.Succeeded = append(want.Succeeded, string(it.ID))
			if wants[i] == duplicate {
				want.Duplicate++
			} else {
				want.Added = true
			}
		default:
			want.Failure++
			want.Failed = append(want.Failed, string(it.ID))
		}
	}
	equal(e, "what became of "+string(p.Publisher)+"'s "+string(p.Items[0].Raw), want, got)
}

// identityDuplicate: level, audience and date_added are those of the first commit.
func identityDuplicate(e *env) {
	e.added(north, item(1, level(stix.Red), named(suva)))
	before := e.facts(ownView(north), in(vn), every())
	e.clock.step(1000)
	e.publish(north, item(1, level(stix.Clear), named(hanoi)))
	equal(e, "facts after a duplicate of another level", before, e.facts(ownView(north), in(vn), every()))
	e.gives("another reader", widest(), in(vn), every())
	e.gives("the named reader", upTo(suva, stix.Red), in(vn), every(), item(1))
}

func identityOperations(e *env) {
	e.added(north, item(1), item(2, shared))
	p := e.publication(south, item(1, modified(2)), item(2, shared, body("other")))
	p.Place.Operation = harbor
	if s := e.send(p); s.Success != 2 || s.Duplicate != 0 {
		e.Errorf("the same ids in another operation: %+v, want two successes", s)
	}
	e.gives("this operation", widest(), in(vn), every(), item(1), item(2, shared))
	e.gives("the other", widest(), p.Place, every(), p.Items...)
	e.remove(north, in(vn), item(1).ID)
	e.gives("the other, after a deletion in this", widest(), p.Place, every(), p.Items...)
	if _, err := e.store.Status(e.ctx, secure, south, p.Status); !isNotFound(err) {
		e.Errorf("a status asked for in another operation: %v, want not found", err)
	}
}

// identityCopies: nobody's answer depends on another's copy.
func identityCopies(e *env) {
	ours := item(1, shared, body("north"), level(stix.AmberStrict))
	theirs := item(1, shared, body("south"), level(stix.Green))
	newer := item(1, shared, body("north, newer"), modified(2), level(stix.Green))
	e.added(north, ours)
	e.added(south, theirs)
	e.gives("north", ownView(north), in(vn), every(), ours)
	e.gives("south", ownView(south), in(vn), every(), theirs)
	e.gives("a reader of both", upTo(hanoi, stix.AmberStrict), in(vn), every(), ours)
	e.gives("a reader of the second alone", upTo(hanoi, stix.Green), in(vn), every(), theirs)
	e.gives("a reader of none", upTo(hanoi, stix.Clear), in(vn), every())
	e.added(north, newer)
	e.gives("a reader of both", upTo(hanoi, stix.AmberStrict), in(vn), last(), newer)
	// The first that this reader sees is the second publisher's.
	e.gives("a reader of the second and of a later one", upTo(hanoi, stix.Green), in(vn), last(), theirs)
	e.gives("the same, in all versions", upTo(hanoi, stix.Green), in(vn), every(), theirs)
}

func identityNextCopy(e *env) {
	ours, theirs := item(1, observable, body("north")), item(1, observable, body("south"))
	e.added(north, ours)
	e.added(south, theirs)
	e.gives("before", widest(), in(vn), last(), ours)
	e.remove(north, in(vn), ours.ID)
	e.gives("after the first went", widest(), in(vn), last(), theirs)
	e.added(north, ours)
	e.gives("after the first came back", widest(), in(vn), last(), theirs)
}

func identityTold(e *env) {
	e.added(north, items(1, 3)...)
	e.publish(south, append(items(1, 3, body("south")), item(9))...)
	told := e.linesOf("ownership.refused")
	if len(told) != 1 {
		e.Fatalf("%d lines of kind ownership.refused, want 1", len(told))
	}
	mentions(e, told[0], string(item(1).ID), string(item(2).ID), string(item(3).ID))
	e.publish(north, item(1)) // nothing to tell
	if n := len(e.linesOf("ownership.refused")); n != 1 {
		e.Errorf("%d lines of kind ownership.refused, want 1", n)
	}
}

// identityMany: the bound is each publisher's own, and what was deleted makes room.
func identityMany(e *env) {
	const id, most = 1, collections.MaxVersions
	version := func(n int, ts ...trait) collections.Item { return item(id, append(ts, shared, modified(n))...) }
	refused := func(what string, s collections.Status) {
		e.Helper()
		if s.Failure != 1 || len(s.Failures) != 1 {
			e.Fatalf("%s: %d failures %v, want 1", what, s.Failure, s.Failures)
		}
		if why := s.Failures[0].Message; !strings.Contains(why, strconv.Itoa(most)) {
			e.Errorf("%s: the message %q does not name the bound", what, why)
		}
	}
	var list []collections.Item
	for n := range most + 1 {
		list = append(list, version(1+n))
	}
	list = append(list, item(2), version(1))
	s := e.publish(north, list...)
	refused("one too many in one publication", s)
	if s.Success != most+2 || s.Duplicate != 1 {
		e.Errorf("%d successes, %d duplicates; want %d and 1", s.Success, s.Duplicate, most+2)
	}
	e.reopen()
	refused("one too many in the next", e.publish(north, version(most+1)))
	refused("one too many elsewhere", e.publish(north, version(1, to(lk))))
	e.added(south, version(1, body("south")))
	gone := collections.Versions{At: []stix.Instant{version(500).Version.At}}
	_, err := e.store.Delete(e.ctx, e.deletion(north, in(vn), list[0].ID, gone))
	e.check("deleting", err)
	e.added(north, version(most+1))
	refused("one too many after one went and one came", e.publish(north, version(most+2)))
	q := last()
	q.IDs = []stix.ID{list[0].ID}
	e.gives("the last of many", ownView(north), in(vn), q, version(most+1))
}

// identityAuthor: whoever names an author first has it, and nobody else may name it or publish it.
func identityAuthor(e *env) {
	theirs, mine := item(50, kind("identity")).ID, item(51, kind("identity")).ID
	e.added(north, item(1, by(theirs)), item(2, by(theirs)), item(50, kind("identity"), by(theirs)))
	for n, c := range []struct {
		what string
		it   collections.Item
		ok   bool
	}{
		{"another's author", item(10, by(theirs)), false},
		{"another's author, to be kept", item(11, by(theirs), keep(vn)), false},
		{"its own author", item(12, by(mine)), true},
		{"its own author again", item(13, by(mine)), true},
		{"no author", item(14), true},
		{"an identity that names itself", item(52, kind("identity"), by(item(52, kind("identity")).ID)), true},
		{"another's identity", item(50, kind("identity"), modified(3)), false},
	} {
		s := e.publish(south, c.it)
		if (s.Success == 1) != c.ok {
			e.Errorf("%d, %s: %+v", n, c.what, s)
		}
	}
	e.reopen()
	if s := e.publish(north, item(20, by(mine)), item(51, kind("identity"))); s.Failure != 2 {
		e.Errorf("an author that another named first: %+v", s)
	}
	if s := e.publish(south, item(51, kind("identity")), item(15, by(mine), keep(lk))); s.Success != 2 {
		e.Errorf("the author itself: %+v", s)
	}
	if n := len(e.linesOf("ownership.refused")); n != 4 {
		e.Errorf("%d lines of kind ownership.refused, want 4", n)
	}
}

// identityLower: a newer version is not marked lower than the one before it unless that is meant.
func identityLower(e *env) {
	v := func(n int, l stix.Level, more ...trait) collections.Item {
		return item(1, append([]trait{modified(n), level(l), guarded}, more...)...)
	}
	o := func(text string, l stix.Level) collections.Item {
		return item(2, observable, body(text), level(l), guarded)
	}
	for n, c := range []struct {
		what string
		it   collections.Item
		ok   bool
	}{
		{"the first", v(5, stix.Amber), true},
		{"an older one", v(3, stix.Green), true},
		{"a newer one alike", v(6, stix.Amber), true},
		{"a newer one below", v(7, stix.Green), false},
		{"a newer one below, to be kept", v(7, stix.Green, keep(vn)), false},
		{"a newer one above, kept", v(8, stix.Red, keep(vn)), true},
		{"one between, above", v(7, stix.AmberStrict), true},
		{"below the kept one", v(9, stix.AmberStrict), false},
		{"below, and meant", v(9, stix.Green, func(d *draft) { d.Lower = true }), true},
		{"as the newest before it", v(10, stix.Green), true},
		{"nobody sees it", v(11, stix.Unknown), true},
		{"after what nobody sees", v(12, stix.Clear), true},
		{"an observable", o("a", stix.Amber), true},
		{"an observable below", o("b", stix.Green), false},
		{"an observable alike", o("b", stix.Amber), true},
		{"an observable that is there", o("a", stix.Green), true},
	} {
		if s := e.publish(north, c.it); (s.Success == 1) != c.ok {
			e.Errorf("%d, %s: %+v", n, c.what, s)
		}
	}
	if s := e.publish(north, v(9, stix.Clear)); s.Duplicate != 1 {
		e.Errorf("what is there already: %+v", s)
	}
	keys := e.waiting(collections.KeptQuery{})
	if out := e.release(keys[len(keys)-1].Key); out[0].Added == 0 {
		e.Errorf("a release of what was judged before: %+v", out)
	}
	e.remove(north, in(vn), item(1).ID)
	if s := e.publish(north, v(20, stix.Clear)); s.Success != 1 {
		e.Errorf("after a deletion: %+v", s)
	}
}
