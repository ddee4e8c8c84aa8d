package storetest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func paging() []step {
	return []step{
		{"at every limit", pagingLimits},
		{"while a writer adds and deletes", pagingWhileWriting},
		{"what was deleted since the planning is left out", pagingDeleted},
		{"a page ends by its size", pagingSize},
		{"an object larger than a page", pagingLarge},
		{"pages of a rare kind", pagingRare},
		{"runs have names", pagingNames},
		{"what was deleted is in no run with a name of then", pagingNamesDeleted},
	}
}

// pagingLimits: at every limit the pages together are everything once, and what fits comes at once.
func pagingLimits(e *env) {
	const n = 47
	list := items(0, n)
	e.added(north, list[:20]...)
	for _, it := range list[20:] {
		e.added(north, it)
	}
	m := NewModel(e.clock.now)
	p := e.publication(north, list...)
	_, err := m.Publish(e.ctx, p)
	e.check("publishing to the model", err)
	for limit := 1; limit <= n+1; limit++ {
		q := every()
		q.Limit = limit
		e.gives("all", widest(), in(vn), q, list...)
		e.like(m, widest(), in(vn), q)
	}
	for _, limit := range []int{n, n + 1, collections.MaxLimit} {
		q := last()
		q.Limit = limit
		if s := e.page(widest(), in(vn), q); s.Count != n || s.More {
			e.Errorf("limit %d over %d objects: a page of %d, more %t", limit, n, s.Count, s.More)
		}
		facts, next, err := e.store.Facts(e.ctx, widest(), in(vn), q)
		e.check("reading facts", err)
		if len(facts) != n || next != 0 {
			e.Errorf("limit %d over %d objects: %d facts, more after %v", limit, n, len(facts), next)
		}
	}
}

// pagingWhileWriting: who pages while others add and delete misses nothing that stays and is given
// nothing twice.
func pagingWhileWriting(e *env) {
	list := items(0, 120, to(vn, lk))
	e.added(north, list...)
	q := every()
	q.Limit = 7
	var got []string
	for n := 0; ; n++ {
		s := e.page(widest(), in(vn), q)
		got = append(got, e.split(s.Body)...)
		if !s.More {
			break
		}
		q.After = s.Last
		if n < 10 {
			e.added(north, items(1000+n*3, 3)...)
			e.remove(north, in(vn), list[n].ID)       // given already
			e.remove(north, in(vn), list[119-2*n].ID) // to come
		}
	}
	var want []string
	for i, it := range list {
		if i <= 100 || i%2 == 0 {
			want = append(want, string(it.Raw))
		}
	}
	for _, it := range items(1000, 30) {
		want = append(want, string(it.Raw))
	}
	equal(e, "objects over all pages", want, got)
	e.gives("the other collection", widest(), in(lk), every(), list...)
}

func pagingDeleted(e *env) {
	list := items(0, 9)
	e.added(north, list...)
	p, err := e.store.Objects(e.ctx, widest(), in(vn), every())
	e.check("planning a page", err)
	for _, n := range []int{0, 4, 5, 8} {
		e.remove(north, in(vn), list[n].ID)
	}
	e.added(north, item(20))
	var want []string
	for _, n := range []int{1, 2, 3, 6, 7} {
		want = append(want, string(list[n].Raw))
	}
	equal(e, "objects of a page whose objects were deleted", want, e.split(string(e.drain(p))))

	p, err = e.store.Objects(e.ctx, widest(), in(vn), every())
	e.check("planning a page", err)
	for _, n := range []int{1, 2, 3, 6, 7, 20} {
		e.remove(north, in(vn), item(n).ID)
	}
	if body := e.drain(p); len(body) != 0 {
		e.Errorf("a page whose objects were all deleted gives %s", body)
	}
}

// pagingSize: a page holds MaxPageSize bytes of objects at most.
func pagingSize(e *env) {
	const size = 1 << 20
	var list []collections.Item
	for n := range 20 {
		list = append(list, item(n, raw(`{"n":"`+strings.Repeat(string(rune('a'+n)), size)+`"}`)))
	}
	e.added(north, list[:4]...)
	e.added(north, list[4:]...)
	e.added(north, item(100))
	q := every()
	var got [][]byte
	for range len(list) {
		s := e.page(widest(), in(vn), q)
		if held := len(s.Body) - s.Count + 1; held > collections.MaxPageSize {
			e.Errorf("a page of %d objects has %d bytes of them, more than %d", s.Count, held, collections.MaxPageSize)
		}
		for _, o := range e.split(s.Body) {
			got = append(got, []byte(o))
		}
		if s.Count < collections.MaxPageSize/(size+20) && s.More {
			e.Errorf("a page has %d objects, though more would fit", s.Count)
		}
		if !s.More {
			break
		}
		q.After = s.Last
	}
	list = append(list, item(100))
	if !slices.EqualFunc(got, list, func(b []byte, it collections.Item) bool { return bytes.Equal(b, it.Raw) }) {
		e.Errorf("%d large objects come back as %d, or not as they were", len(list), len(got))
	}
}

func pagingLarge(e *env) {
	large := item(2, raw(`{"n":"`+strings.Repeat("x", collections.MaxPageSize)+`"}`))
	e.added(north, item(1), large, item(3))
	q := every()
	var counts []int
	for len(counts) < 5 {
		s := e.page(widest(), in(vn), q)
		counts = append(counts, s.Count)
		if s.Count == 1 && len(s.Body) > 1000 && s.Body != string(large.Raw) {
			e.Errorf("the large object does not come back as it was")
		}
		if !s.More {
			break
		}
		q.After = s.Last
	}
	equal(e, "objects a page, the second being larger than a page", []int{1, 1, 1}, counts)
}

// pagingRare: a few objects among many, and among many that the reader does not see, come at once.
func pagingRare(e *env) {
	var rare []collections.Item
	for n := range 6 {
		e.added(north, items(n*1000, 400)...)
		e.added(south, items(n*1000+500, 300)...)
		it := item(n*1000+900, kind("campaign"))
		e.added(south, it)
		rare = append(rare, it)
	}
	q := last()
	q.Limit, q.Types = 10, []string{"campaign"}
	for _, v := range []auth.View{widest(), ownView(south)} {
		if s := e.page(v, in(vn), q); s.Count != len(rare) || s.More {
			e.Errorf("%d objects of a rare type, limit 10: a page of %d, more %t", len(rare), s.Count, s.More)
		}
		e.gives("a rare type", v, in(vn), q, rare...)
	}
	q.Limit = 2
	e.gives("a rare type, in pages", widest(), in(vn), q, rare...)
	e.gives("a rare type, of another publisher", ownView(north), in(vn), q)
}

// pagingNames: in one store a name is the same bytes for every reader, in every collection, at every
// position and limit, while segments grow; and what is there for a second reader has its name again.
func pagingNames(e *env) {
	views := []auth.View{widest(), upTo(hanoi, stix.Green), upTo(hanoi, stix.Clear), ownView(north), ownView(south)}
	names := map[collections.RunID]string{}
	again := 0
	look := func(v auth.View, at collections.Place, q collections.Query) {
		p, err := e.store.Objects(e.ctx, v, at, q)
		e.check("planning a page", err)
		for {
			var name collections.RunID
			run, err := p.Take(nil, func(id collections.RunID) bool {
				name = id
				return false
			})
			if errors.Is(err, io.EOF) {
				return
			}
			e.check("reading a page", err)
			before, ok := names[name]
			if ok {
				again++
			}
			if ok && before != string(run) {
				e.Fatalf("one name for two runs:\n%s\n%s", before, run)
			}
			names[name] = string(run)
		}
	}
	levels := []stix.Level{stix.Clear, stix.Green, stix.Amber}
	for n := range 36 {
		list := []collections.Item{
			item(10*n, level(levels[n%3]), to(vn, lk, fj)), item(10*n+1, to(vn)), item(10*n+2, to(lk)),
			item(n/4, kind("malware"), modified(n+1), to(vn)),
		}
		e.added([]auth.PartnerID{north, south}[n%2], list[:3]...)
		e.publish(north, list[3])
		if n%7 == 3 {
			e.remove(north, in(vn), item(10*(n-n%2)+1).ID)
		}
		if n%5 != 0 {
			continue
		}
		for _, v := range views {
			for _, at := range []collections.Place{in(vn), in(lk)} {
				for _, q := range []collections.Query{
					every(), last(), {Limit: 7, Versions: allVersions()}, {Limit: 1000, Types: []string{"malware"}},
					{Limit: 20, Versions: collections.Versions{First: true}}, {Limit: 1000, Specs: []string{"2.1"}},
				} {
					look(v, at, q)
				}
			}
		}
	}
	e.reopen()
	before := again
	look(widest(), in(vn), every())
	if len(names) < 10 || again == before {
		e.Errorf("%d names, %d seen again, %d of them after reopening: want some of each", len(names), again, again-before)
	}
}

// pagingNamesDeleted: once a deletion is acknowledged, nobody who keeps runs gives what it took away.
func pagingNamesDeleted(e *env) {
	list := items(0, 40)
	e.added(north, list...)
	read := func(p collections.Page) (body string, passed int) {
		var b []byte
		for {
			longer, hit, err := e.kept.take(p, b)
			if errors.Is(err, io.EOF) {
				return string(b), passed
			}
			e.check("reading a page", err)
			b = longer
			if hit {
				passed++
			}
		}
	}
	plan := func() collections.Page {
		p, err := e.store.Objects(e.ctx, widest(), in(vn), every())
		e.check("planning a page", err)
		return p
	}
	read(plan())
	if body, passed := read(plan()); passed == 0 || !strings.Contains(body, string(list[20].Raw)) {
		e.Errorf("read twice, %d runs had the names of before, and the objects are %s", passed, body)
	}
	early := plan()
	for _, n := range []int{20, 0, 39} {
		e.remove(north, in(vn), list[n].ID)
		for what, p := range map[string]collections.Page{"planned before": early, "planned after": plan()} {
			body, _ := read(p)
			if strings.Contains(body, string(list[n].Raw)) {
				e.Errorf("a page that was %s has an object that was deleted, for who keeps runs by name", what)
			}
			if !strings.Contains(body, string(list[19].Raw)) {
				e.Errorf("a page that was %s lacks an object that is there", what)
			}
		}
		read(plan()) // keeps what is there now
		early = plan()
	}
}
