package routing_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/collections/routing"
	"liaison/stix"
)

// raw is what the tests know of an object without the package.
type raw struct {
	ID, Type string
	Creator  string   `json:"created_by_ref"`
	Marks    []string `json:"object_marking_refs"`
	Source   string   `json:"source_ref"`
	Target   string   `json:"target_ref"`
	Of       string   `json:"sighting_of_ref"`
	Refs     []string `json:"object_refs"`
}

func parse(t testing.TB, text string) (o raw) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return o
}

func (o raw) refs() []string {
	list := append([]string{o.Creator, o.Source, o.Target, o.Of}, o.Marks...)
	return slices.DeleteFunc(append(list, o.Refs...), func(s string) bool { return s == "" })
}

// world makes random objects that refer to each other.
func world(r *rand.Rand, n int) []string {
	types := []string{"indicator", "indicator", "indicator", "malware", "tool", "campaign", "infrastructure", "identity", "location", "ipv4-addr", "report", "note", "marking-definition"}
	values := []string{"203.113.131.1", "1.1.1.1", "116.193.76.1", "evil.vn", "evil.lk", "evil.la", "evil.com", "evil.gov.hk", "x"}
	countries := []string{"VN", "LK", "LA", "US", "VNM"}
	relations := []string{"indicates", "located-at", "targets", "consists-of", "uses", "based-on", "related-to"}
	var names, list []string
	for i := range n {
		names = append(names, fmt.Sprintf("#%s.%d", types[r.IntN(len(types))], i))
	}
	pick := func() string { return names[r.IntN(len(names))] }
	for i, name := range names {
		typ, _, _ := strings.Cut(name[1:], ".")
		var more []string
		if r.IntN(3) == 0 {
			more = append(more, `"created_by_ref":"#identity.`+fmt.Sprint(r.IntN(n))+`"`)
		}
		if r.IntN(3) == 0 {
			more = append(more, `"object_marking_refs":["#marking-definition.`+fmt.Sprint(r.IntN(n))+`"]`)
		}
		if r.IntN(12) == 0 {
			more = append(more, listing(`["`+countries[r.IntN(len(countries))]+`"]`))
		}
		switch typ {
		case "indicator":
			v := values[r.IntN(len(values))]
			kind := "domain-name"
			if v[0] <= '9' {
				kind = "ipv4-addr"
			}
			more = append(more, fmt.Sprintf(`"pattern":"[%s:value = '%s']"`, kind, v))
		case "ipv4-addr":
			more = append(more, `"value":"203.113.131.1"`)
		case "location":
			more = append(more, `"country":"`+countries[r.IntN(len(countries))]+`"`)
		case "report", "note":
			more = append(more, `"object_refs":["`+pick()+`","`+pick()+`"]`)
		}
		list = append(list, object(typ, fmt.Sprint(i), more...))
	}
	for range n {
		switch r.IntN(8) {
		case 0:
			list = append(list, object("sighting", fmt.Sprint(len(list)), `"sighting_of_ref":"`+pick()+`"`, `"where_sighted_refs":["`+pick()+`"]`))
		default:
			list = append(list, object("relationship", fmt.Sprint(len(list)), `"relationship_type":"`+relations[r.IntN(len(relations))]+`"`, `"source_ref":"`+pick()+`"`, `"target_ref":"`+pick()+`"`))
		}
	}
	return list
}

// allowed is some rule that forbids a fifth.
func allowed(o routing.Of, c routing.Country) bool {
	h := uint32(2166136261)
	for _, b := range []byte(string(o.ID) + string(c)) {
		h = (h ^ uint32(b)) * 16777619
	}
	return h>>8%5 != 0
}

func TestPlanProperties(t *testing.T) {
	r := router(t)
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		list := world(random, 25)
		q := routing.Request{Allowed: allowed}
		if seed%3 == 0 {
			q.Countries = []routing.Country{"LA"}
		}
		routes := plan(t, r, q, list)
		if !holds(t, r, routes, list) {
			t.Fatalf("seed %d", seed)
		}
		want := where(r, routes)
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if diff := cmp.Diff(want, where(r, plan(t, r, q, list))); diff != "" {
			t.Fatalf("seed %d: another order gives another plan: %s", seed, diff)
		}
	}
}

func plan(t testing.TB, r *routing.Router, q routing.Request, list []string) []routing.Route {
	t.Helper()
	g := r.Graph()
	s := objects(t, list...)
	for s.Next() {
		g.Add(s.Object())
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return r.Plan(g, q).Routes
}

func where(r *routing.Router, routes []routing.Route) map[string]string {
	m := make(map[string]string)
	for i := range routes {
		m[string(routes[i].ID)] = fmt.Sprint(routes[i].State, r.Codes(routes[i].To), r.Codes(routes[i].Refused))
	}
	return m
}

// holds checks what must be true of every plan.
func holds(t *testing.T, r *routing.Router, routes []routing.Route, list []string) (ok bool) {
	t.Helper()
	ok = true
	fail := func(format string, args ...any) {
		t.Errorf(format, args...)
		ok = false
	}
	to := make(map[string]routing.Set)
	position := make(map[string]int)
	for i := range routes {
		if _, twice := to[string(routes[i].ID)]; twice {
			fail("%s is there twice", routes[i].ID)
		}
		to[string(routes[i].ID)] = routes[i].To
		position[string(routes[i].ID)] = i
	}
	if len(routes) != len(list) {
		fail("%d routes of %d objects", len(routes), len(list))
	}
	known := make(map[string]raw)
	for _, text := range list {
		o := parse(t, ids(text))
		known[o.ID] = o
	}
	for i := range routes {
		route := &routes[i]
		o := known[string(route.ID)]
		if !route.To.Intersect(route.Refused).Empty() {
			fail("%s goes where it is refused", route.ID)
		}
		if (route.State == routing.Routed) == route.To.Empty() {
			fail("%s is %s and goes to %v", route.ID, route.State, r.Codes(route.To))
		}
		for place := range route.To.All() {
			c := r.Countries()[place]
			if !allowed(route.Of, c) {
				fail("%s goes to %s", route.ID, c)
			}
			for _, end := range []string{o.Source, o.Target, o.Of} {
				if set := to[end]; end != "" && !set.Has(place) {
					fail("%s goes to %s and %s does not", route.ID, c, end)
				}
			}
			for _, need := range append([]string{o.Creator}, o.Marks...) {
				set, there := to[need]
				if there && !set.Has(place) && allowed(routing.Of{ID: stix.ID(need)}, c) {
					fail("%s goes to %s without %s", route.ID, c, need)
				}
			}
		}
		for _, ref := range o.refs() {
			if at, there := position[ref]; there && at > i && !reaches(known, ref, o.ID) {
				fail("%s comes before %s, which it refers to", route.ID, ref)
			}
		}
	}
	return ok
}

// reaches reports a way over references.
func reaches(known map[string]raw, from, to string) bool {
	seen := map[string]bool{}
	var walk func(id string) bool
	walk = func(id string) bool {
		if id == to {
			return true
		}
		if seen[id] {
			return false
		}
		seen[id] = true
		return slices.ContainsFunc(known[id].refs(), walk)
	}
	return walk(from)
}

// FuzzPlan holds that whatever passes the scanner can be planned, each object once, and goes only where
// it may.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(5) {
		f.Add([]byte(`{"objects":[` + ids(strings.Join(world(rand.New(rand.NewPCG(seed, 2)), 3), ",")) + `]}`))
	}
	f.Add([]byte(`{"objects":[{"type":"indicator","id":"a","pattern":"[ipv6-addr:value ISSUBSET '::/1' OR ipv4-addr:value = '1.0.0.0/3']"}]}`))
	f.Add([]byte(`{"objects":[{"type":"url","id":"url--","value":"://[::1%25x]@:."},{"type":"relationship","id":"r","source_ref":"r--1","target_ref":"r"}]}`))
	r, err := routing.New([]routing.Country{"VN", "LK", "US"}, routing.Options{Addresses: routing.Iploc()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := stix.NewScanner(strings.NewReader(string(body)), stix.Limits{})
		g := r.Graph()
		n := 0
		for s.Next() {
			if got := g.Add(s.Object()); got != n {
				t.Fatalf("index %d, want %d", got, n)
			}
			n++
		}
		p := r.Plan(g, routing.Request{Allowed: allowed})
		seen := make(map[int]bool)
		for i := range p.Routes {
			route := &p.Routes[i]
			if seen[route.Index] || route.Index < 0 || route.Index >= n {
				t.Errorf("index %d", route.Index)
			}
			seen[route.Index] = true
			for place := range route.To.All() {
				if !allowed(route.Of, r.Countries()[place]) {
					t.Errorf("%s goes to %s", route.ID, r.Countries()[place])
				}
			}
			p.Reasons(route)
		}
		if len(seen) != n {
			t.Errorf("%d routes of %d objects", len(seen), n)
		}
	})
}
