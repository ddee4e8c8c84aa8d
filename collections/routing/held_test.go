package routing_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"liaison/collections/routing"
	"liaison/stix"
)

// archive keeps what was published before, as a store does.
type archive struct {
	t       testing.TB
	r       *routing.Router
	objects map[stix.ID]string
	in      map[stix.ID]routing.Set
	reasons map[stix.ID][]routing.Reason
	waiting map[stix.ID][]stix.ID
	wanted  map[stix.ID]routing.Set
	read    int
}

func newArchive(t testing.TB, r *routing.Router) *archive {
	return &archive{t: t, r: r, objects: map[stix.ID]string{}, in: map[stix.ID]routing.Set{},
		reasons: map[stix.ID][]routing.Reason{}, waiting: map[stix.ID][]stix.ID{}, wanted: map[stix.ID]routing.Set{}}
}

func (a *archive) In(id stix.ID) (routing.Set, bool) {
	_, ok := a.objects[id]
	return a.in[id], ok
}

func (a *archive) Wanted(id stix.ID) routing.Set { return a.wanted[id] }

func (a *archive) Waiting(id stix.ID) []stix.ID { return a.waiting[id] }

func (a *archive) Object(id stix.ID, read func(o *stix.Object)) ([]routing.Reason, bool) {
	text, ok := a.objects[id]
	if !ok {
		return nil, false
	}
	a.read++
	s := objects(a.t, text)
	if !s.Next() {
		a.t.Fatal(s.Err())
	}
	read(s.Object())
	return a.reasons[id], true
}

// apply plans and keeps.
func (a *archive) apply(q routing.Request, list ...string) *routing.Plan {
	a.t.Helper()
	q.Held = a
	g := a.r.Graph()
	s := objects(a.t, list...)
	for s.Next() {
		g.Add(s.Object())
	}
	if s.Err() != nil && len(list) > 0 {
		a.t.Fatal(s.Err())
	}
	p := a.r.Plan(g, q)
	for i := range p.Routes {
		route := &p.Routes[i]
		if route.Index >= 0 {
			a.objects[route.ID] = list[route.Index]
		}
		if route.Index < 0 && !route.To.Intersect(a.in[route.ID]).Empty() {
			a.t.Errorf("%s goes where it is", route.ID)
		}
		a.in[route.ID] = a.in[route.ID].Union(route.To)
		if reasons := p.Reasons(route); len(reasons) > 0 {
			a.reasons[route.ID] = reasons
		}
		for _, id := range route.Waits {
			if !slices.Contains(a.waiting[id], route.ID) {
				a.waiting[id] = append(a.waiting[id], route.ID)
			}
		}
	}
	for _, w := range p.Wanted {
		a.wanted[w.ID] = a.wanted[w.ID].Union(w.Countries)
	}
	return p
}

// publish plans and keeps, and gives the lines of what goes somewhere now.
func (a *archive) publish(q routing.Request, list ...string) []string {
	a.t.Helper()
	p := a.apply(q, list...)
	var all []string
	for _, text := range a.objects {
		all = append(all, text)
	}
	out := lines(a.r, p, append(all, list...))
	out = slices.DeleteFunc(out, func(line string) bool { return !strings.Contains(line, " routed ") })
	slices.Sort(out)
	return out
}

func TestHeld(t *testing.T) {
	const vn, lk = "[ipv4-addr:value = '203.113.131.1']", "[domain-name:value = 'x.lk']"
	a := newArchive(t, router(t))
	step := func(want []string, list ...string) {
		t.Helper()
		if diff := cmp.Diff(want, a.publish(routing.Request{}, list...), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	}
	// A malware and its relationship come first: they wait.
	step(nil, object("malware", "m", `"created_by_ref":"#identity.me"`), object("identity", "me"),
		relationship("indicates", "#indicator.a", "#malware.m"))
	// The indicator brings them, and what the malware needs.
	step([]string{
		"identity.me routed VN | brought by malware.m",
		"indicator.a routed VN | 203.113.131.1 is in VN by iploc 2026-09",
		"malware.m routed VN | brought by indicator.a",
		"relationship.indicator-aindicatesmalware-m routed VN | goes where the things go that it speaks of",
	}, indicator("a", vn))
	// A new version is where the earlier one was, though it names nothing any more, and brings nothing twice.
	step([]string{"indicator.a routed VN | an earlier version is in the collection of VN"}, indicator("a", "[file:name = 'x']"))
	// Another indicator in another country takes the malware there.
	step([]string{
		"identity.me routed LK | brought by malware.m",
		"indicator.b routed LK | domain under .lk",
		"malware.m routed LK | brought by indicator.b",
		"relationship.indicator-bindicatesmalware-m routed LK | goes where the things go that it speaks of",
	}, indicator("b", lk), relationship("indicates", "#indicator.b", "#malware.m"))
	// A creator who comes after its object.
	step([]string{"indicator.d routed VN | 203.113.131.1 is in VN by iploc 2026-09"}, indicator("d", vn, `"created_by_ref":"#identity.late"`))
	step([]string{"identity.late routed VN | needed by what is there already"}, object("identity", "late"))
	// An infrastructure nobody could place, and its place days later.
	step(nil, object("infrastructure", "i"))
	step(nil, relationship("located-at", "#infrastructure.i", "#location.vn"))
	step([]string{
		"infrastructure.i routed VN | located-at VN stated by the publisher",
		"location.vn routed VN | location in VN stated by the publisher",
		"relationship.infrastructure-ilocated-atlocation-vn routed VN | goes where the things go that it speaks of",
	}, locVN)
	// What the publisher stated of it before holds for what indicates it now.
	step([]string{
		"indicator.c routed VN | indicates infrastructure in VN stated by the publisher",
		"relationship.indicator-cindicatesinfrastructure-i routed VN | goes where the things go that it speaks of",
	}, indicator("c", lk), relationship("indicates", "#indicator.c", "#infrastructure.i"))
}

func TestOperatorRoutes(t *testing.T) {
	a := newArchive(t, router(t))
	a.publish(routing.Request{}, indicator("hash", "[file:name = 'x']"), object("malware", "m"), relationship("indicates", "#indicator.hash", "#malware.m"))
	hash := stix.ID(id("indicator", "hash"))
	if in, kept := a.In(hash); !kept || !in.Empty() {
		t.Fatal(in, kept)
	}
	got := a.publish(routing.Request{Kept: map[stix.ID][]routing.Country{hash: {"HK", "US"}}})
	want := []string{
		"indicator.hash routed HK | routed to HK by the operator",
		"malware.m routed HK | brought by indicator.hash",
		"relationship.indicator-hashindicatesmalware-m routed HK | goes where the things go that it speaks of",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRecalled: what was stated of a kept object once is not a reason to send it again: it may have been
// refused, or taken back.
func TestRecalled(t *testing.T) {
	a := newArchive(t, router(t))
	i := stix.ID(id("infrastructure", "i"))
	a.objects[i] = object("infrastructure", "i")
	a.reasons[i] = []routing.Reason{{Code: routing.LocatedAt, Country: "VN"}}
	got := a.publish(routing.Request{}, indicator("a", "[file:name = 'x']"), relationship("indicates", "#indicator.a", "#infrastructure.i"))
	want := []string{"indicator.a routed VN | indicates infrastructure in VN stated by the publisher"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDropped(t *testing.T) {
	r := router(t)
	g := r.Graph()
	s := objects(t, indicator("a", "[domain-name:value = 'x.vn']"), object("malware", "m"), relationship("indicates", "#indicator.a", "#malware.m"))
	for s.Next() {
		g.Add(s.Object())
	}
	g.Drop(1)
	p := r.Plan(g, routing.Request{})
	if len(p.Routes) != 2 || p.Routes[0].State != routing.Routed || p.Routes[1].State != routing.Waiting || p.Routes[1].Waits[0] != stix.ID(id("malware", "m")) {
		t.Errorf("%+v", p.Routes)
	}
}

// TestPieces holds that things come to the same countries whether they are published at once or in any
// pieces in any order: indicators, malware, creators and the relationships between them.
func TestPieces(t *testing.T) {
	r := router(t)
	values := []string{"x.vn", "x.lk", "x.la", "x.com"}
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 3))
		var list []string
		for i := range 6 {
			list = append(list, indicator(fmt.Sprint(i), "[domain-name:value = '"+values[random.IntN(4)]+"']", `"created_by_ref":"#identity.`+fmt.Sprint(random.IntN(2))+`"`))
		}
		for i := range 2 {
			list = append(list, object("identity", fmt.Sprint(i)))
		}
		for i := range 3 {
			list = append(list, object("malware", fmt.Sprint(i), `"created_by_ref":"#identity.0"`))
		}
		for range 8 {
			link := relationship("indicates", fmt.Sprintf("#indicator.%d", random.IntN(6)), fmt.Sprintf("#malware.%d", random.IntN(3)))
			if !slices.Contains(list, link) {
				list = append(list, link)
			}
		}
		once := newArchive(t, r)
		once.apply(routing.Request{}, list...)
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		pieces := newArchive(t, r)
		for from := 0; from < len(list); {
			to := min(len(list), from+1+random.IntN(4))
			pieces.apply(routing.Request{}, list[from:to]...)
			from = to
		}
		for id := range once.objects {
			if want, got := r.Codes(once.in[id]), r.Codes(pieces.in[id]); !slices.Equal(want, got) {
				t.Errorf("seed %d: %s is in %v, published at once in %v", seed, id, got, want)
			}
		}
	}
}
