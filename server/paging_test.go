package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/server/taxii"
)

// many publishes n indicators and gives their bytes in order.
func (g *gateway) many(a account, alias string, n int) []string {
	g.Helper()
	var list []string
	for i := range n {
		_, raw := indicator(fmt.Sprintf("%s %d", alias, i))
		list = append(list, raw)
	}
	g.publish(a, alias, list...)
	return list
}

func texts(e taxii.Envelope) []string {
	var list []string
	for _, o := range e.Objects {
		list = append(list, string(o))
	}
	return list
}

func TestSection3_5_paging(t *testing.T) {
	g := open(t)
	want := g.many(g.vendor, "vn", 250)
	const path = "/secure/collections/vn/objects/"
	for name, turn := range map[string]func(*answer, url.Values){
		"next":  func(a *answer, q url.Values) { q.Set("next", a.envelope().Next) },
		"added": func(a *answer, q url.Values) { q.Set("added_after", a.header.Get(taxii.HeaderLast)) },
		"both": func(a *answer, q url.Values) {
			q.Set("next", a.envelope().Next)
			q.Set("added_after", "2020-01-01T00:00:00Z")
		},
		"milliseconds": func(a *answer, q url.Values) {
			last := a.header.Get(taxii.HeaderLast)
			q.Set("added_after", last[:len(last)-4]+"Z")
		},
	} {
		var got []string
		q := url.Values{"limit": {"100"}}
		for {
			a := g.get(g.vn, path+"?"+q.Encode()).want(200)
			e := a.envelope()
			if len(e.Objects) > 100 || e.More != (e.Next != "") {
				t.Fatalf("%s: %d objects, more %v, next %q", name, len(e.Objects), e.More, e.Next)
			}
			got = append(got, texts(e)...)
			if !e.More {
				break
			}
			if len(got) > 1000 {
				t.Fatalf("%s does not end", name)
			}
			turn(a, q)
		}
		if name == "milliseconds" { // may see some twice, never miss any
			seen := map[string]bool{}
			var once []string
			for _, o := range got {
				if !seen[o] {
					once = append(once, o)
				}
				seen[o] = true
			}
			got = once
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSection3_5_emptyAnswers(t *testing.T) {
	g := open(t)
	g.many(g.vendor, "vn", 1)
	const later = "2100-01-01T00:00:00.000000Z"
	for _, resource := range []string{"objects", "manifest"} {
		at := "/secure/collections/vn/" + resource + "/"
		wantDates(t, g.get(g.vn, at+"?added_after=2100-01-01T00:00:00Z").want(200), "", later)
		wantDates(t, g.get(g.vn, at+"?match[type]=malware").want(200), "", "")
		wantDates(t, g.get(g.vn, at+"?match[type]=malware&added_after="+later).want(200), "", later)
	}
	wantDates(t, g.get(g.lk, "/secure/collections/lk/objects/").want(200), "", "")
}

func TestSection3_5_cursors(t *testing.T) {
	g := open(t)
	both := g.partner("two-countries", auth.Agency, auth.Rights{Read: true}, "vn", "lk")
	want := g.many(g.vendor, "vn", 5)
	other := g.many(g.vendor, "lk", 5)
	const vn, lk = "/secure/collections/vn/objects/", "/secure/collections/lk/objects/"
	first := g.get(both, vn+"?limit=2&match[type]=indicator").want(200).envelope()
	rest := g.get(both, vn+"?next="+first.Next).want(200).envelope()
	if diff := cmp.Diff(want[2:], texts(rest)); diff != "" {
		t.Errorf("with another limit and without the filters (-want +got):\n%s", diff)
	}
	again := g.get(both, vn+"?limit=1&next="+first.Next).want(200).envelope()
	if diff := cmp.Diff(want[2:3], texts(again)); diff != "" {
		t.Errorf("used again (-want +got):\n%s", diff)
	}
	alias := strings.Replace(vn, "/vn/", "/"+string(g.collection("secure", "vn").ID)+"/", 1)
	if diff := cmp.Diff(want[2:], texts(g.get(both, alias+"?next="+first.Next).want(200).envelope())); diff != "" {
		t.Errorf("by id after alias (-want +got):\n%s", diff)
	}
	carried := g.get(both, lk+"?next="+first.Next).want(200).envelope()
	if diff := cmp.Diff(other, texts(carried)); diff != "" {
		t.Errorf("carried into another collection (-want +got):\n%s", diff)
	}
	g.get(both, vn+"?match[type]=malware&next="+first.Next).want(400)
	g.get(g.vn, vn+"?next="+first.Next).want(400)
	g.get(both, vn+"?next="+first.Next[1:]).want(400)
	g.get(both, "/secure/collections/vn/manifest/?next="+first.Next).want(400)

	g.flush(2 * time.Minute)
	if lines := g.journal("cursor.elsewhere"); len(lines) != 1 || !strings.Contains(lines[0], string(both.id)) {
		t.Errorf("journal %v, want the carried cursor", lines)
	}

	// Rights are evaluated on every page.
	c := g.collection("secure", "vn")
	g.apply(collectionsAccess(auth.DropGrant{Partner: both.partner, Collection: c.ID}))
	g.get(both, vn+"?next="+first.Next).want(404)
	g.grant(both.partner, "vn", auth.Rights{Write: true})
	g.get(both, vn+"?next="+first.Next).want(403)
}

func TestSection3_5_manifestAndVersionsPage(t *testing.T) {
	g := open(t)
	id, one := indicator("one")
	g.publish(g.vendor, "vn", one, indicatorOf(id, "two", "2025-02-01T00:00:00Z"), indicatorOf(id, "three", "2025-03-01T00:00:00Z"))
	for path, want := range map[string]int{
		"/secure/collections/vn/manifest/?match[version]=all":  3,
		"/secure/collections/vn/objects/" + id + "/versions/?": 3,
	} {
		seen, next := 0, ""
		for {
			a := g.get(g.vn, path+"&limit=2&next="+next).want(200)
			var page struct {
				taxii.Manifest
				Versions []string `json:"versions"`
			}
			a.json(&page)
			seen += len(page.Objects) + len(page.Versions)
			if page.Next == "" {
				if *page.More {
					t.Errorf("%s: more without next", path)
				}
				break
			}
			next = page.Next
		}
		if seen != want {
			t.Errorf("%s: %d records, want %d", path, seen, want)
		}
	}
}

// A page that is larger than a buffer is streamed; its bytes are the same in every coding.
func TestLargePage(t *testing.T) {
	g := open(t)
	var want []string
	for i := range 8 {
		_, raw := indicator(strings.Repeat(fmt.Sprint(i), 90_000))
		want = append(want, raw)
	}
	g.publish(g.vendor, "vn", want...)
	const path = "/secure/collections/vn/objects/"
	plain := g.get(g.vn, path).want(200)
	if diff := cmp.Diff(`{"more":false,"objects":[`+strings.Join(want, ",")+`]}`, string(plain.body)); diff != "" {
		t.Fatalf("(-want +got):\n%.1000s", diff)
	}
	for _, coding := range []string{"gzip", "zstd"} {
		a := g.get(g.vn, path, header("Accept-Encoding", coding)).want(200)
		if got := a.header.Get("Content-Encoding"); got != coding {
			t.Fatalf("Content-Encoding %q, want %q", got, coding)
		}
		if got := decoded(t, coding, a.body); got != string(plain.body) {
			t.Errorf("%s: %d bytes, want %d", coding, len(got), len(plain.body))
		}
	}
	if a := g.ask(g.vn, http.MethodHead, path); len(a.body) != 0 {
		t.Errorf("HEAD with a body of %d bytes", len(a.body))
	} else if a.want(200); a.header.Get(taxii.HeaderLast) != plain.header.Get(taxii.HeaderLast) {
		t.Errorf("HEAD tells %v", a.header)
	}
}
