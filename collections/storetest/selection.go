package storetest

import (
	"bytes"
	"fmt"
	"slices"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func selection() []step {
	return []step{
		{"filters", selectionFilters},
		{"facts say what is served", selectionFacts},
		{"bytes are those that were published", selectionBytes},
		{"a collection of its own", selectionPlaces},
	}
}

// selectionFilters is a table of queries over a few objects that are easily kept in mind.
func selectionFilters(e *env) {
	a1, a2, a3 := item(1, modified(1)), item(1, modified(2)), item(1, modified(3))
	m, m0 := item(2, kind("malware"), modified(2)), item(2, kind("malware"), modified(1))
	old, new20 := item(3, spec("2.0"), modified(1)), item(3, spec("2.0"), modified(4))
	new21 := item(3, spec("2.1"), modified(3))
	x, y := item(4, observable, body("x")), item(4, observable, body("y"))

	start, _ := e.added(north, a2, m, old)
	_, middle := e.added(north, a1, new20, x)
	_, end := e.added(north, a3, new21, y, m0)
	added := e.facts(widest(), in(vn), every())
	if len(added) != 10 {
		e.Fatalf("%d facts, want 10", len(added))
	}

	type query = collections.Query
	type which = collections.Versions
	id := func(list ...collections.Item) (ids []stix.ID) {
		for _, it := range list {
			ids = append(ids, it.ID)
		}
		return ids
	}
	all, either := which{All: true}, []string{"2.0", "2.1"}
	for _, c := range []struct {
		what string
		q    query
		want []collections.Item
	}{
		{"nothing asked", query{}, []collections.Item{m, a3, new21, y}},
		{"last", query{Versions: which{Last: true}}, []collections.Item{m, a3, new21, y}},
		{"first", query{Versions: which{First: true}}, []collections.Item{a1, x, new21, m0}},
		{"first and last", query{Versions: which{First: true, Last: true}}, []collections.Item{m, a1, x, a3, new21, y, m0}},
		{"all", query{Versions: all}, []collections.Item{a2, m, a1, x, a3, new21, y, m0}},
		{"all of any spec", query{Versions: all, Specs: either}, []collections.Item{a2, m, old, a1, new20, x, a3, new21, y, m0}},
		{"last of any spec", query{Specs: either}, []collections.Item{m, new20, a3, y}},
		{"last of 2.0", query{Specs: []string{"2.0"}}, []collections.Item{new20}},
		{"first of 2.0", query{Specs: []string{"2.0"}, Versions: which{First: true}}, []collections.Item{old}},
		{"last of 2.1", query{Specs: []string{"2.1"}}, []collections.Item{m, a3, new21, y}},
		{"another spec", query{Specs: []string{"2.2"}, Versions: all}, nil},
		{"exact", query{Versions: which{At: instants(2)}}, []collections.Item{a2, m}},
		{"exact in a spec", query{Versions: which{At: instants(1)}, Specs: either}, []collections.Item{old, a1, m0}},
		{"exact, several", query{Versions: which{At: instants(1, 3)}}, []collections.Item{a1, a3, new21, m0}},
		{"exact and first", query{Versions: which{At: instants(3), First: true}}, []collections.Item{a1, x, a3, new21, m0}},
		{"exact and last", query{Versions: which{At: instants(1), Last: true}}, []collections.Item{m, a1, a3, new21, y, m0}},
		{"exact, of an observable", query{Versions: which{At: []stix.Instant{addedVersion(middle).At}}}, []collections.Item{x}},
		{"exact, nothing", query{Versions: which{At: instants(77)}}, nil},
		{"exact, finer than any", query{Versions: which{At: []stix.Instant{textVersion("2025-01-01T00:00:02.000000001Z").At}}}, nil},
		{"an id", query{IDs: id(a1)}, []collections.Item{a3}},
		{"an id, all", query{IDs: id(a1), Versions: all}, []collections.Item{a2, a1, a3}},
		{"ids", query{IDs: id(x, m)}, []collections.Item{m, y}},
		{"an id that nobody knows", query{IDs: id(item(99))}, nil},
		{"ids, one that nobody knows", query{IDs: id(item(99), m)}, []collections.Item{m}},
		{"a type", query{Types: []string{"indicator"}}, []collections.Item{a3, new21}},
		{"types", query{Types: []string{"malware", "ipv4-addr"}}, []collections.Item{m, y}},
		{"a type that nobody knows", query{Types: []string{"x-nothing"}}, nil},
		{"id and type", query{IDs: id(a1, m), Types: []string{"malware"}}, []collections.Item{m}},
		{"id and type that differ", query{IDs: id(a1), Types: []string{"malware"}}, nil},
		{"id, type, version and spec", query{
			IDs: id(a1, old), Types: []string{"indicator"}, Specs: []string{"2.0"}, Versions: which{At: instants(1, 2)},
		}, []collections.Item{old}},
		{"after the first", query{After: start, Versions: all}, []collections.Item{m, a1, x, a3, new21, y, m0}},
		{"after just before the first", query{After: start - 1, Versions: all}, []collections.Item{a2, m, a1, x, a3, new21, y, m0}},
		// What was superseded is not handed out as last, though it was added after the newer one.
		{"after the middle", query{After: middle}, []collections.Item{a3, new21, y}},
		{"first after the middle", query{After: middle, Versions: which{First: true}}, []collections.Item{new21, m0}},
		{"after the end", query{After: end, Versions: all}, nil},
		{"after far beyond", query{After: end + 1_000_000_000_000, Versions: all}, nil},
		{"after, with only an older version", query{After: middle, Types: []string{"malware"}}, nil},
		{"after, with a type", query{After: start, Types: []string{"malware"}}, []collections.Item{m}},
	} {
		for _, limit := range []int{1, 2, collections.MaxLimit} {
			q := c.q
			q.Limit = limit
			e.gives(fmt.Sprintf("%s, limit %d", c.what, limit), widest(), in(vn), q, c.want...)
		}
	}
}

// selectionFacts: what a manifest says of an object is what its publisher said of it.
func selectionFacts(e *env) {
	plain := item(1, level(stix.Green), message("taken"))
	red := item(2, kind("malware"), spec("2.0"), written("2025-01-01T00:00:02Z"), level(stix.Red), named(hanoi, suva))
	free := item(3, observable, level(stix.Amber))
	first, _ := e.added(north, plain, red)
	e.clock.step(1_234_567_000)
	third, _ := e.added(south, free)
	want := []collections.Fact{
		{ID: plain.ID, Type: "indicator", Spec: "2.1", Version: plain.Version, Added: first, Publisher: north, Level: stix.Green},
		{
			ID: red.ID, Type: "malware", Spec: "2.0", Version: red.Version, Added: first + 20, Publisher: north,
			Level: stix.Red, Named: []auth.PartnerID{hanoi, suva},
		},
		// TAXII 2.1 section 3.4.1: "a value consistent to the server" for objects without versions.
		{ID: free.ID, Type: "ipv4-addr", Spec: "2.1", Version: addedVersion(third), Added: third, Publisher: south, Level: stix.Amber},
	}
	equal(e, "facts", want, e.facts(widest(), in(vn), every()))
	if got, want := want[2].Version.Text, third.String(); got != want {
		e.Errorf("the version of an observable is %s, its date_added %s", got, want)
	}
	e.reopen()
	equal(e, "facts after reopening", want, e.facts(widest(), in(vn), every()))
}

// selectionBytes: objects come back byte for byte, whatever they look like, and though the caller
// uses its buffers again.
func selectionBytes(e *env) {
	bodies := []string{
		`{}`,
		"{\r\n\t \"id\" : \"x\" ,\n\"type\":\t\"y\"\n}",
		`{"a":"é ☃ 𝄞 \u00e9 \ud834\udd1e \/ \\ \" , ] [ } {"}`,
		`{"z":1,"a":1.0,"n":1e400,"m":-0.00,"big":123456789012345678901234567890}`,
		`{"x":[],"y":{},"x_":[[[[]]]],"null":null}`,
		"{\"raw\":\"\u2028\u2029\u007f\"}",
		`{"long":"` + string(bytes.Repeat([]byte("abc,"), 50_000)) + `"}`,
	}
	var list []collections.Item
	for i, b := range bodies {
		list = append(list, item(i, raw(b), to(vn, lk, fj)), item(100+i, raw(b)))
	}
	p := e.publication(north, list...)
	p.Items = slices.Clone(list)
	buffers := make([][]byte, len(list))
	for i := range p.Items {
		buffers[i] = bytes.Clone(list[i].Raw)
		p.Items[i].Raw = buffers[i]
	}
	e.send(p)
	for _, b := range buffers {
		clear(b)
	}
	e.gives("in one collection", widest(), in(vn), every(), list...)
	e.reopen()
	e.gives("after reopening", widest(), in(vn), every(), list...)
	for i, b := range bodies {
		q := every()
		q.IDs = []stix.ID{list[2*i].ID}
		if s := e.page(widest(), in(lk), q); s.Body != b {
			e.Errorf("object %d comes back as %.100q, want %.100q", i, s.Body, b)
		}
	}
}

// selectionPlaces: a collection holds what was sent to it, whichever one the publication went to.
func selectionPlaces(e *env) {
	here, there, both := item(1), item(2, to(lk)), item(3, to(lk, vn))
	e.added(north, here, there, both)
	e.gives("vn", widest(), in(vn), every(), here, both)
	e.gives("lk", widest(), in(lk), every(), there, both)
	e.gives("fj", widest(), in(fj), every())
	other := collections.Place{Operation: harbor, Collection: vn}
	e.gives("the collection's id in another operation", widest(), other, every())
	for _, c := range []struct {
		at   collections.Place
		id   stix.ID
		want bool
	}{{in(vn), here.ID, true}, {in(lk), here.ID, false}, {in(lk), both.ID, true}, {other, here.ID, false}} {
		known, err := e.store.Known(e.ctx, widest(), c.at, c.id)
		e.check("asking whether an object is known", err)
		if known != c.want {
			e.Errorf("%s known in %v: %t, want %t", c.id, c.at, known, c.want)
		}
	}
}
