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
		{"a deleted version is gone", deletionGone},
		{"a copy of a shared id is gone", deletionGoneCopy},
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

// isGone checks what a page of exact versions of one object says of them.
func (e *env) isGone(what string, want bool, v auth.View, at collections.Place, q collections.Query) {
	e.Helper()
	if q.Limit == 0 {
		q.Limit = 10
	}
	if s := e.page(v, at, q); s.Gone != want || want && s.Count != 0 {
		e.Errorf("%s: gone %t with %d objects, want %t", what, s.Gone, s.Count, want)
	}
}

// deletionGone: who asks for exactly what was deleted is told so, if it would have seen it.
func deletionGone(e *env) {
	type query = collections.Query
	type which = collections.Versions
	list := []collections.Item{item(1, modified(1)), item(1, modified(2)), item(1, modified(3), level(stix.Amber)), item(1, modified(4), spec("2.0"))}
	id := list[0].ID
	first, _ := e.added(north, append(list, item(2))...)
	exact := func(versions ...int) query {
		return query{IDs: []stix.ID{id}, Versions: which{At: instants(versions...)}, Specs: []string{"2.0", "2.1"}}
	}
	e.isGone("before the deletion", false, widest(), in(vn), exact(1))
	for _, n := range []int{1, 3, 4} {
		if _, err := e.store.Delete(e.ctx, e.deletion(north, in(vn), id, which{At: instants(n)})); err != nil {
			e.Fatalf("deleting version %d: %v", n, err)
		}
	}
	after := exact(1)
	after.After = first
	plain := exact(1)
	plain.Specs = nil
	other := exact(4)
	other.Specs = []string{"2.1"}
	keyword := exact(1)
	keyword.Versions.First = true
	ids := exact(1)
	ids.IDs = append(ids.IDs, item(2).ID)
	clear := upTo(hanoi, stix.Clear)
	for range 2 {
		for _, c := range []struct {
			what string
			want bool
			v    auth.View
			at   collections.Place
			q    query
		}{
			{"a deleted version", true, widest(), in(vn), exact(1)},
			{"for its publisher", true, ownView(north), in(vn), exact(1)},
			{"for who saw it alone", true, clear, in(vn), exact(1)},
			{"two of them", true, widest(), in(vn), exact(1, 3)},
			{"in any spec version", true, widest(), in(vn), plain},
			{"of a spec version", true, widest(), in(vn), exact(4)},
			{"after it was added", true, widest(), in(vn), after},
			{"one that is there", false, widest(), in(vn), exact(2)},
			{"one that never was", false, widest(), in(vn), exact(9)},
			{"one of them never was", false, widest(), in(vn), exact(1, 9)},
			{"one of them is there", false, widest(), in(vn), exact(1, 2)},
			{"in another spec version", false, widest(), in(vn), other},
			{"beside a keyword", false, widest(), in(vn), keyword},
			{"of several objects", false, widest(), in(vn), ids},
			{"all versions", false, widest(), in(vn), query{IDs: []stix.ID{id}, Versions: allVersions()}},
			{"without an id", false, widest(), in(vn), query{Versions: which{At: instants(1)}}},
			{"what was hidden", false, clear, in(vn), exact(3)},
			{"for a rival", false, ownView(south), in(vn), exact(1)},
			{"for nobody", false, auth.View{}, in(vn), exact(1)},
			{"in another collection", false, widest(), in(lk), exact(1)},
			{"in another operation", false, widest(), collections.Place{Operation: harbor, Collection: vn}, exact(1)},
		} {
			e.isGone(c.what, c.want, c.v, c.at, c.q)
		}
		e.reopen()
	}
	e.added(north, list[0])
	e.isGone("published again", false, widest(), in(vn), exact(1))
}

// deletionGoneCopy: of a shared id it counts what became of the copies that the reader was shown.
func deletionGoneCopy(e *env) {
	v := func(n int) collections.Item { return item(1, shared, modified(n)) }
	exact := func(n int) collections.Query {
		return collections.Query{IDs: []stix.ID{v(1).ID}, Versions: collections.Versions{At: instants(n)}}
	}
	remove := func(publisher auth.PartnerID, n int) {
		e.Helper()
		_, err := e.store.Delete(e.ctx, e.deletion(publisher, in(vn), v(1).ID, collections.Versions{At: instants(n)}))
		e.check("deleting", err)
	}
	e.added(north, v(1), v(2))
	e.added(south, v(3), v(4))
	remove(south, 4)
	e.isGone("of a copy that nobody was shown", false, widest(), in(vn), exact(4))
	e.isGone("the same, for its publisher", true, ownView(south), in(vn), exact(4))
	remove(north, 1)
	e.isGone("of the copy that is shown", true, widest(), in(vn), exact(1))
	e.isGone("the same, for another publisher", false, ownView(south), in(vn), exact(1))
	remove(north, 2)
	e.isGone("of the copy that was shown", true, widest(), in(vn), exact(2))
	e.isGone("of the copy that is shown now", true, widest(), in(vn), exact(4))
	e.isGone("what is left of it", false, widest(), in(vn), exact(3))
}
