package storetest

import (
	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func deletion() []step {
	return []step{
		{"which versions go", deletionVersions},
		{"only of one's own publication", deletionOwn},
		{"other collections keep theirs", deletionPlaces},
		{"a new publication gets a new date_added", deletionAgain},
	}
}

func deletionVersions(e *env) {
	type which = collections.Versions
	v := func(n, version int, more ...trait) collections.Item {
		return item(n, append(more, modified(version))...)
	}
	for n, c := range []struct {
		what  string
		which which
		specs []string
		goes  []int // of the versions 1 to 4; 4 is in spec version 2.0
	}{
		{"all", which{All: true}, nil, []int{1, 2, 3, 4}},
		{"all of 2.1", which{All: true}, []string{"2.1"}, []int{1, 2, 3}},
		{"all of 2.0", which{All: true}, []string{"2.0"}, []int{4}},
		{"first", which{First: true}, nil, []int{1}},
		{"last", which{Last: true}, nil, []int{4}},
		{"last of 2.1", which{Last: true}, []string{"2.1"}, []int{3}},
		{"exact", which{At: instants(2)}, nil, []int{2}},
		{"exact and last", which{At: instants(2), Last: true}, nil, []int{2, 4}},
		{"exact, one that is not there", which{At: instants(2, 9)}, nil, []int{2}},
		{"nothing", which{At: instants(9)}, nil, nil},
		{"nothing of a spec", which{All: true}, []string{"2.2"}, nil},
	} {
		e.added(north, v(n, 2), v(n, 1), v(n, 4, spec("2.0")), v(n, 3))
		d := e.deletion(north, in(vn), item(n).ID, c.which)
		d.Specs = c.specs
		lines := len(e.linesOf("delete"))
		gone, err := e.store.Delete(e.ctx, d)
		if gone != len(c.goes) || isNotFound(err) != (len(c.goes) == 0) || err != nil && !isNotFound(err) {
			e.Errorf("%s: %d went, %v; want %d", c.what, gone, err, len(c.goes))
		}
		if wrote := len(e.linesOf("delete")) - lines; wrote != min(1, len(c.goes)) {
			e.Errorf("%s: %d lines of kind delete, want %d", c.what, wrote, min(1, len(c.goes)))
		}
		var left []collections.Item
		for _, it := range []collections.Item{v(n, 2), v(n, 1), v(n, 4, spec("2.0")), v(n, 3)} {
			if !containsInstant(instants(c.goes...), it.Version.At) {
				left = append(left, it)
			}
		}
		q := every()
		q.IDs = []stix.ID{item(n).ID}
		e.gives(c.what+": what is left", widest(), in(vn), q, left...)
		known, err := e.store.Known(e.ctx, widest(), in(vn), item(n).ID)
		e.check("asking whether an object is known", err)
		if known != (len(left) > 0) {
			e.Errorf("%s: known %t with %d versions left", c.what, known, len(left))
		}
	}
	e.gives("what is last after deletions", widest(), in(vn),
		collections.Query{Limit: 10, IDs: []stix.ID{item(4).ID, item(3).ID}}, v(3, 3), v(4, 3))
}

func containsInstant(list []stix.Instant, i stix.Instant) bool {
	for _, x := range list {
		if x.Compare(i) == 0 {
			return true
		}
	}
	return false
}

func deletionOwn(e *env) {
	ours, theirs := item(1, shared, body("north")), item(1, shared, body("south"))
	e.added(north, item(2), ours)
	e.added(south, theirs)
	mine := item(3, level(stix.Clear))
	e.added(hanoi, mine)
	for _, c := range []struct {
		what string
		id   stix.ID
		view auth.View
	}{
		{"another vendor's", item(2).ID, ownView(south)},
		{"a vendor's by an agency that sees it", item(2).ID, widest()},
		{"an agency's by a vendor", mine.ID, ownView(north)},
		{"nobody's", item(99).ID, ownView(north)},
		{"with the zero view", item(2).ID, auth.View{}},
		{"with a view that does not show it", item(2).ID, auth.View{Partner: north, Level: stix.Unmarked}},
	} {
		d := e.deletion(north, in(vn), c.id, allVersions())
		d.View = c.view
		if n, err := e.store.Delete(e.ctx, d); n != 0 || !isNotFound(err) {
			e.Errorf("deleting %s: %d went, %v; want not found", c.what, n, err)
		}
	}
	e.gives("all after it", widest(), in(vn), every(), item(2), ours, mine)
	e.remove(south, in(vn), ours.ID) // takes south's copy, though others are shown north's
	e.gives("south", ownView(south), in(vn), every())
	e.gives("an agency", widest(), in(vn), every(), item(2), ours, mine)
	d := e.deletion(hanoi, in(vn), mine.ID, allVersions())
	d.View = widest()
	if n, err := e.store.Delete(e.ctx, d); n != 1 || err != nil {
		e.Errorf("an agency deleting its own: %d went, %v; want 1", n, err)
	}
	if n := len(e.linesOf("delete")); n != 2 {
		e.Errorf("%d lines of kind delete, want 2", n)
	}
}

func deletionPlaces(e *env) {
	it := item(1, to(vn, lk, fj))
	e.added(north, it)
	e.remove(north, in(lk), it.ID)
	e.gives("vn", widest(), in(vn), every(), it)
	e.gives("lk", widest(), in(lk), every())
	e.gives("fj", widest(), in(fj), every(), it)
	other := collections.Place{Operation: harbor, Collection: vn}
	if _, err := e.store.Delete(e.ctx, e.deletion(north, other, it.ID, allVersions())); !isNotFound(err) {
		e.Errorf("deleting in another operation: %v, want not found", err)
	}
	if _, err := e.store.Delete(e.ctx, e.deletion(north, in(lk), it.ID, allVersions())); !isNotFound(err) {
		e.Errorf("deleting twice: %v, want not found", err)
	}
	e.remove(north, in(vn), it.ID)
	e.remove(north, in(fj), it.ID)
	e.gives("fj at last", widest(), in(fj), every())
	lines := e.linesOf("delete")
	if len(lines) != 3 {
		e.Fatalf("%d lines of kind delete, want 3", len(lines))
	}
	mentions(e, lines[0], string(it.ID), string(secure), string(lk))
}

// deletionAgain: who has read past the old date_added is given what is published again.
func deletionAgain(e *env) {
	list := []collections.Item{item(1), item(2, observable), item(3, shared)}
	_, newest := e.added(north, append(list, item(9))...)
	for _, it := range list {
		e.remove(north, in(vn), it.ID)
	}
	e.reopen()
	e.added(north, list...)
	q := every()
	q.After = newest
	e.gives("after what was read", widest(), in(vn), q, list...)
	q.After = 0
	e.gives("from the start", widest(), in(vn), q, append([]collections.Item{item(9)}, list...)...)
}
