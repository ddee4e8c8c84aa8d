package routing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/collections/routing"
	"liaison/stix"
)

// objects scans STIX written with short names: "#indicator.a" stands for an id of type indicator.
func objects(t testing.TB, list ...string) *stix.Scanner {
	t.Helper()
	body := `{"objects":[` + ids(strings.Join(list, ",")) + `]}`
	return stix.NewScanner(strings.NewReader(body), stix.Limits{})
}

// ids writes out "#type.name".
func ids(text string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "#")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		end := strings.IndexByte(rest, '"')
		typ, name, _ := strings.Cut(rest[:end], ".")
		b.WriteString(id(typ, name))
		text = rest[end:]
	}
}

func id(typ, name string) string {
	h := uint64(14695981039346656037)
	for _, c := range []byte(typ + name) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return fmt.Sprintf("%s--%08x-0000-4000-8000-%012x", typ, uint32(h>>32), h&0xFFFFFFFFFFFF)
}

func indicator(name, pattern string, more ...string) string {
	return fmt.Sprintf(`{"type":"indicator","id":"#indicator.%s","pattern_type":"stix","pattern":%q%s}`, name, pattern, extra(more))
}

func object(typ, name string, more ...string) string {
	return fmt.Sprintf(`{"type":"%s","id":"#%s.%s"%s}`, typ, typ, name, extra(more))
}

func relationship(typ, source, target string, more ...string) string {
	name := strings.NewReplacer("#", "", ".", "-").Replace(source + typ + target)
	return fmt.Sprintf(`{"type":"relationship","id":"#relationship.%s","relationship_type":"%s","source_ref":"%s","target_ref":"%s"%s}`,
		name, typ, source, target, extra(more))
}

func extra(more []string) string {
	if len(more) == 0 {
		return ""
	}
	return "," + strings.Join(more, ",")
}

func listing(countries string) string {
	return `"extensions":{"` + routing.Extension + `":{"extension_type":"property-extension","countries":` + countries + `}}`
}

func router(t testing.TB, codes ...routing.Country) *routing.Router {
	t.Helper()
	if codes == nil {
		codes = []routing.Country{"VN", "LK", "LA", "HK"}
	}
	r, err := routing.New(codes, routing.Options{Addresses: routing.Iploc()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// route plans a publication and writes what came out: a line for each object, "type.name state countries | reasons".
func route(t testing.TB, r *routing.Router, q routing.Request, list ...string) []string {
	t.Helper()
	g := r.Graph()
	s := objects(t, list...)
	for s.Next() {
		if s.Problem() != nil {
			t.Fatal(s.Problem())
		}
		g.Add(s.Object())
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return lines(r, r.Plan(g, q), list)
}

func lines(r *routing.Router, p *routing.Plan, list []string) []string {
	var out []string
	for i := range p.Routes {
		route := &p.Routes[i]
		var text []string
		for _, why := range p.Reasons(route) {
			text = append(text, why.Text())
		}
		var codes []string
		for _, c := range r.Codes(route.To) {
			codes = append(codes, string(c))
		}
		line := name(string(route.ID), list) + " " + route.State.String() + " " + strings.Join(codes, ",") + " | " + strings.Join(text, "; ")
		out = append(out, name(line, list))
	}
	return out
}

// name writes ids in a text short again.
func name(text string, list []string) string {
	all := strings.Join(list, ",")
	for {
		_, rest, ok := strings.Cut(all, "#")
		if !ok {
			return text
		}
		end := strings.IndexByte(rest, '"')
		typ, n, _ := strings.Cut(rest[:end], ".")
		text = strings.ReplaceAll(text, id(typ, n), typ+"."+n)
		all = rest[end:]
	}
}

func TestReasons(t *testing.T) {
	got := route(t, router(t), routing.Request{},
		object("location", "vn", `"country":"vn"`),
		object("infrastructure", "panel"),
		indicator("panel", "[domain-name:value = 'evil.example.lk']"),
		relationship("located-at", "#infrastructure.panel", "#location.vn"),
		relationship("indicates", "#indicator.panel", "#infrastructure.panel"),
		indicator("addr", "[ipv4-addr:value = '203.113.131.1']"),
		indicator("dom", "[domain-name:value = 'evil.gov.la']"),
		indicator("none", "[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']"),
		indicator("us", "[ipv4-addr:value = '8.8.8.8']"),
		object("malware", "m"),
		relationship("indicates", "#indicator.addr", "#malware.m"),
		relationship("indicates", "#indicator.none", "#malware.m"),
	)
	slices.Sort(got)
	want := []string{
		"indicator.addr routed VN | 203.113.131.1 is in VN by iploc 2026-09",
		"indicator.dom routed LA | domain under .gov.la",
		"indicator.none nowhere  | ",
		"indicator.panel routed VN | indicates infrastructure in VN stated by the publisher",
		"indicator.us outside  | 8.8.8.8 is in US by iploc 2026-09",
		"infrastructure.panel routed VN | located-at VN stated by the publisher",
		"location.vn routed VN | location in VN stated by the publisher",
		"malware.m routed VN | brought by indicator.addr",
		"relationship.indicator-addrindicatesmalware-m routed VN | goes where the things go that it speaks of",
		"relationship.indicator-noneindicatesmalware-m apart  | ",
		"relationship.indicator-panelindicatesinfrastructure-panel routed VN | goes where the things go that it speaks of",
		"relationship.infrastructure-panellocated-atlocation-vn routed VN | goes where the things go that it speaks of",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
