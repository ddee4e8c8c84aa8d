package routing_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/collections/routing"
	"liaison/stix"
)

const (
	locVN = `{"type":"location","id":"#location.vn","country":"VN"}`
	locLK = `{"type":"location","id":"#location.lk","country":"LK"}`
	locUS = `{"type":"location","id":"#location.us","country":"US"}`
)

// TestRules is a truth table: of a publication, what becomes of the objects named in want.
func TestRules(t *testing.T) {
	ip := "[ipv4-addr:value = '203.113.131.1']" // VN by the database
	for title, tt := range map[string]struct {
		list []string
		want []string
	}{
		"a list stands alone": {
			[]string{indicator("a", ip, listing(`["lk","US"]`))},
			[]string{"indicator.a routed LK | LK listed by the publisher; US listed by the publisher"},
		},
		"an empty list is nobody": {
			[]string{indicator("a", ip, listing(`[]`))},
			[]string{"indicator.a nowhere  | "},
		},
		"a list that cannot be read is nobody": {
			[]string{indicator("a", ip, listing(`["Vietnam","VNM"]`))},
			[]string{"indicator.a nowhere  | "},
		},
		"stated wins over guessed": {
			[]string{locLK, object("infrastructure", "i"), indicator("a", ip), relationship("located-at", "#infrastructure.i", "#location.lk"), relationship("indicates", "#indicator.a", "#infrastructure.i")},
			[]string{"indicator.a routed LK | indicates infrastructure in LK stated by the publisher"},
		},
		"stated outside the operation wins too": {
			[]string{locUS, object("infrastructure", "i"), indicator("a", ip), relationship("located-at", "#infrastructure.i", "#location.us"), relationship("indicates", "#indicator.a", "#infrastructure.i")},
			[]string{"indicator.a outside  | indicates infrastructure in US stated by the publisher"},
		},
		"targets and originates-from": {
			[]string{locVN, locLK, object("campaign", "c"), relationship("targets", "#campaign.c", "#location.vn"), relationship("originates-from", "#campaign.c", "#location.lk")},
			[]string{"campaign.c routed VN,LK | targets VN stated by the publisher; originates-from LK stated by the publisher"},
		},
		"a victim's country": {
			[]string{locVN, object("identity", "v"), object("campaign", "c"), relationship("targets", "#campaign.c", "#identity.v"), relationship("located-at", "#identity.v", "#location.vn")},
			[]string{
				"campaign.c routed VN | victim identity in VN",
				"identity.v routed VN | located-at VN stated by the publisher",
			},
		},
		"a vendor's own place is not its objects'": {
			[]string{locUS, object("identity", "vendor"), indicator("a", ip, `"created_by_ref":"#identity.vendor"`), relationship("located-at", "#identity.vendor", "#location.us")},
			[]string{
				"identity.vendor routed VN | located-at US stated by the publisher; brought by indicator.a",
				"indicator.a routed VN | 203.113.131.1 is in VN by iploc 2026-09",
			},
		},
		"sighted at a location and at an identity's": {
			[]string{locVN, locLK, object("identity", "v"), object("malware", "m"), object("observed-data", "o"), relationship("located-at", "#identity.v", "#location.lk"),
				object("sighting", "s", `"sighting_of_ref":"#malware.m"`, `"where_sighted_refs":["#location.vn","#identity.v"]`, `"observed_data_refs":["#observed-data.o"]`)},
			[]string{
				"malware.m routed VN,LK | sighted in VN; sighted in LK",
				"observed-data.o routed VN,LK | sighted in VN; sighted in LK",
				"sighting.s routed VN,LK | sighted in VN; sighted in LK",
			},
		},
		"a sighting without a place goes where the thing goes": {
			[]string{indicator("a", ip), object("sighting", "s", `"sighting_of_ref":"#indicator.a"`)},
			[]string{"sighting.s routed VN | goes where the things go that it speaks of"},
		},
		"a sighting waits for what was sighted": {
			[]string{locVN, object("sighting", "s", `"sighting_of_ref":"#indicator.later"`, `"where_sighted_refs":["#location.vn"]`)},
			[]string{"sighting.s waiting  | sighted in VN"},
		},
		"observables of infrastructure": {
			[]string{locLK, object("infrastructure", "i"), object("ipv4-addr", "x", `"value":"203.113.131.1"`), relationship("located-at", "#infrastructure.i", "#location.lk"), relationship("consists-of", "#infrastructure.i", "#ipv4-addr.x")},
			[]string{"ipv4-addr.x routed LK | part of infrastructure in LK stated by the publisher"},
		},
		"infrastructure of observables": {
			[]string{object("infrastructure", "i"), object("ipv4-addr", "x", `"value":"203.113.131.1"`), relationship("consists-of", "#infrastructure.i", "#ipv4-addr.x")},
			[]string{"infrastructure.i routed VN | 203.113.131.1 is in VN by iploc 2026-09"},
		},
		"traffic goes where its ends are, and takes them along": {
			[]string{object("network-traffic", "t", `"src_ref":"#ipv4-addr.x"`, `"dst_ref":"#domain-name.y"`), object("ipv4-addr", "x", `"value":"203.113.131.1"`), object("domain-name", "y", `"value":"evil.lk"`)},
			[]string{
				"domain-name.y routed VN,LK | domain under .lk; brought by network-traffic.t",
				"ipv4-addr.x routed VN,LK | 203.113.131.1 is in VN by iploc 2026-09; brought by network-traffic.t",
				"network-traffic.t routed VN,LK | 203.113.131.1 is in VN by iploc 2026-09; domain under .lk",
			},
		},
		"one step and no further": {
			[]string{object("domain-name", "near", `"value":"y.com"`, `"resolves_to_refs":["#ipv4-addr.x"]`), object("domain-name", "far", `"value":"z.com"`, `"resolves_to_refs":["#domain-name.near"]`), object("ipv4-addr", "x", `"value":"203.113.131.1"`)},
			[]string{
				"domain-name.far nowhere  | ",
				"domain-name.near routed VN | 203.113.131.1 is in VN by iploc 2026-09",
			},
		},
		"observed data": {
			[]string{object("observed-data", "o", `"object_refs":["#ipv4-addr.x","#file.f"]`), object("ipv4-addr", "x", `"value":"203.113.131.1"`), object("file", "f", `"name":"f"`)},
			[]string{
				"file.f routed VN | brought by observed-data.o",
				"observed-data.o routed VN | 203.113.131.1 is in VN by iploc 2026-09",
			},
		},
		"observed data of STIX 2.0": {
			[]string{object("observed-data", "o", `"objects":{"0":{"type":"ipv4-addr","value":"203.113.131.1"}}`)},
			[]string{"observed-data.o routed VN | 203.113.131.1 is in VN by iploc 2026-09"},
		},
		"what it indicates targets a country": {
			[]string{locVN, indicator("hash", "[file:name = 'x']"), indicator("a", "[domain-name:value = 'x.lk']"), object("malware", "m"), relationship("targets", "#malware.m", "#location.vn"), relationship("indicates", "#indicator.hash", "#malware.m"), relationship("indicates", "#indicator.a", "#malware.m")},
			[]string{
				"indicator.a routed LK | domain under .lk",
				"indicator.hash routed VN | indicates what concerns VN by the publisher: malware.m",
				"malware.m routed VN,LK | targets VN stated by the publisher; brought by indicator.a",
			},
		},
		"in a report for a country": {
			[]string{indicator("hash", "[file:name = 'x']"), indicator("a", "[domain-name:value = 'x.lk']"), object("report", "r", `"object_refs":["#indicator.hash","#indicator.a"]`, listing(`["VN"]`))},
			[]string{
				"indicator.a routed LK | domain under .lk",
				"indicator.hash routed VN | in report.r, which the publisher gives VN",
				"report.r routed VN | VN listed by the publisher",
			},
		},
		"a report goes where all goes": {
			[]string{indicator("a", ip), indicator("b", "[domain-name:value IN ('x.vn', 'x.lk')]"), object("malware", "m"), object("report", "r", `"object_refs":["#indicator.a","#indicator.b","#malware.m"]`)},
			[]string{
				"malware.m routed VN | brought by report.r",
				"report.r routed VN | goes where the things go that it speaks of",
			},
		},
		"a note on things in two countries stays": {
			[]string{indicator("a", ip), indicator("b", "[domain-name:value = 'x.lk']"), object("note", "n", `"object_refs":["#indicator.a","#indicator.b"]`)},
			[]string{"note.n apart  | "},
		},
		"a relationship whose ends are apart stays": {
			[]string{indicator("a", ip), object("infrastructure", "i"), object("domain-name", "d", `"value":"x.lk"`), relationship("consists-of", "#infrastructure.i", "#domain-name.d"), relationship("related-to", "#indicator.a", "#infrastructure.i")},
			[]string{
				"infrastructure.i routed LK | domain under .lk",
				"relationship.indicator-arelated-toinfrastructure-i apart  | ",
			},
		},
		"a relationship waits for an end": {
			[]string{indicator("a", ip), relationship("indicates", "#indicator.a", "#malware.later")},
			[]string{"relationship.indicator-aindicatesmalware-later waiting  | "},
		},
		"knowledge brings knowledge, downwards and two steps": {
			[]string{indicator("a", ip), object("malware", "m"), object("attack-pattern", "p"), object("attack-pattern", "q"), object("attack-pattern", "far"), object("intrusion-set", "up"), object("infrastructure", "other"),
				relationship("indicates", "#indicator.a", "#malware.m"), relationship("uses", "#malware.m", "#attack-pattern.p"), relationship("subtechnique-of", "#attack-pattern.p", "#attack-pattern.q"),
				relationship("related-to", "#attack-pattern.q", "#attack-pattern.far"), relationship("uses", "#intrusion-set.up", "#malware.m"), relationship("uses", "#malware.m", "#infrastructure.other")},
			[]string{
				"attack-pattern.far context  | ",
				"attack-pattern.p routed VN | brought by malware.m",
				"attack-pattern.q routed VN | brought by attack-pattern.p",
				"infrastructure.other nowhere  | ",
				"intrusion-set.up context  | ",
				"malware.m routed VN | brought by indicator.a",
			},
		},
		"markings, creators and extensions come along": {
			[]string{object("identity", "i"), object("marking-definition", "m", `"created_by_ref":"#identity.i"`), object("extension-definition", "e"),
				indicator("a", ip, `"object_marking_refs":["#marking-definition.m"]`, `"extensions":{"`+id("extension-definition", "e")+`":{}}`)},
			[]string{
				"extension-definition.e routed VN | brought by indicator.a",
				"identity.i routed VN | brought by marking-definition.m",
				"marking-definition.m routed VN | brought by indicator.a",
			},
		},
		"negated values and other operators say nothing": {
			[]string{indicator("a", "[ipv4-addr:value != '203.113.131.1' AND ipv4-addr:value NOT = '203.113.131.2' AND domain-name:value MATCHES 'x.vn']")},
			[]string{"indicator.a nowhere  | "},
		},
		"URLs, mail addresses, LIKE and addresses in a URL": {
			[]string{
				indicator("u", "[url:value = 'https://user@evil.VN:8443/x']"), indicator("m", "[email-addr:value = 'a@b.lk']"),
				indicator("l", "[domain-name:value LIKE '%.evil.vn']"), indicator("i", "[url:value = 'http://203.113.131.1:80/x']"), indicator("n", "[url:value = 'no.vn']"),
			},
			[]string{
				"indicator.i routed VN | 203.113.131.1 is in VN by iploc 2026-09", "indicator.l routed VN | domain under .vn",
				"indicator.m routed LK | domain under .lk", "indicator.n nowhere  | ", "indicator.u routed VN | domain under .vn",
			},
		},
	} {
		t.Run(title, func(t *testing.T) {
			got := route(t, router(t), routing.Request{}, tt.list...)
			got = slices.DeleteFunc(got, func(line string) bool {
				head, _, _ := strings.Cut(line, " ")
				return !slices.ContainsFunc(tt.want, func(w string) bool { return strings.HasPrefix(w, head+" ") })
			})
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	r := router(t)
	for object, want := range map[string]string{
		`{"type":"location","id":"#location.x","country":"VNM"}`:      `/country: invalid routing: country "VNM": want an ISO 3166-1 alpha-2 code of two letters, like VN, not a name and not three letters`,
		`{"type":"location","id":"#location.x","country":"Viet Nam"}`: `/country: invalid routing: country "Viet Nam": want an ISO 3166-1 alpha-2 code of two letters, like VN, not a name and not three letters`,
		`{"type":"location","id":"#location.x","country":"UK"}`:       `/country: invalid routing: country "UK": want GB, the ISO 3166-1 code of the United Kingdom`,
		`{"type":"location","id":"#location.x","country":"ZZ"}`:       `/country: invalid routing: country "ZZ": no such ISO 3166-1 alpha-2 code`,
		`{"type":"location","id":"#location.x","region":"asia"}`:      ``,
		`{"type":"location","id":"#location.x","country":"vn"}`:       ``,
		object("tool", "x", listing(`"VN"`)):                          `/extensions/` + routing.Extension + `/countries: is no list of strings`,
		object("tool", "x", listing(`[]`)):                            `/extensions/` + routing.Extension + `/countries: the list is empty: the object goes to no country`,
	} {
		g := r.Graph()
		s := objects(t, object)
		for s.Next() {
			g.Add(s.Object())
		}
		if got := strings.Join(r.Plan(g, routing.Request{}).Routes[0].Notes, "; "); got != want {
			t.Errorf("%s: %s", object, got)
		}
	}
}

// TestPublicationList: --countries holds for what has no list of its own.
func TestPublicationList(t *testing.T) {
	got := route(t, router(t), routing.Request{Countries: []routing.Country{"LA", "US"}},
		indicator("a", "[domain-name:value = 'x.lk']"), indicator("b", "[domain-name:value = 'x.lk']", listing(`["VN"]`)),
		object("malware", "m"), relationship("indicates", "#indicator.a", "#malware.m"), relationship("indicates", "#indicator.b", "#malware.m"))
	slices.Sort(got)
	want := []string{
		"indicator.a routed LA | LA listed by the publisher for the whole publication; US listed by the publisher for the whole publication",
		"indicator.b routed VN | VN listed by the publisher",
		"malware.m routed VN,LA | LA listed by the publisher for the whole publication; US listed by the publisher for the whole publication; brought by indicator.b",
		"relationship.indicator-aindicatesmalware-m routed LA | goes where the things go that it speaks of",
		"relationship.indicator-bindicatesmalware-m routed VN | goes where the things go that it speaks of",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestExtensionDefinition: the definition that the documentation gives is one, and this one.
func TestExtensionDefinition(t *testing.T) {
	f, err := os.Open("../../docs/extension-definition.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := stix.NewScanner(f, stix.Limits{})
	last := ""
	for s.Next() {
		if p, _ := stix.Check(s.Object()); p != nil {
			t.Errorf("%s: %v", s.Object().ID, p)
		}
		last = string(s.Object().ID)
	}
	if s.Err() != nil || last != routing.Extension {
		t.Errorf("%s, %v", last, s.Err())
	}
}

// TestPartners reads whom a publisher names.
func TestPartners(t *testing.T) {
	for object, want := range map[string]string{
		object("tool", "x", `"extensions":{"`+routing.Extension+`":{"partners":["vn-police","lk-police"]}}`): "[vn-police lk-police] <nil>",
		object("tool", "x", `"extensions":{"`+routing.Extension+`":{"countries":["VN"]}}`):                   "[] <nil>",
		object("tool", "x"): "[] <nil>",
		object("tool", "x", `"extensions":{"`+routing.Extension+`":{"partners":"vn-police"}}`): "[] /extensions/" + routing.Extension + "/partners: is no list of strings",
	} {
		s := objects(t, object)
		if !s.Next() {
			t.Fatal(s.Err())
		}
		list, problem := routing.Partners(s.Object())
		text := "<nil>"
		if problem != nil {
			text = problem.Error()
		}
		if got := fmt.Sprint(list) + " " + text; got != want {
			t.Errorf("%s: %s, want %s", object, got, want)
		}
	}
}

// TestManyCountries: the countries are complete, the reasons bounded, and a long list costs its length.
func TestManyCountries(t *testing.T) {
	var all []routing.Country
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if c, err := routing.ParseCountry(string(a) + string(b)); err == nil {
				all = append(all, c)
			}
		}
	}
	r := router(t, all...)
	text := fmt.Sprintf("%q", all)
	g := r.Graph()
	s := objects(t, indicator("a", "[file:name = 'x']", listing(strings.ReplaceAll(text, " ", ","))))
	for s.Next() {
		g.Add(s.Object())
	}
	p := r.Plan(g, routing.Request{})
	if p.Routes[0].To.Len() != len(all) || len(p.Reasons(&p.Routes[0])) != routing.MaxReasons {
		t.Errorf("%d of %d countries, %d reasons", p.Routes[0].To.Len(), len(all), len(p.Reasons(&p.Routes[0])))
	}
}
