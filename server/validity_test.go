package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/guard"
	"liaison/server/taxii"
	"liaison/stix"
)

// gleaning reads objects for the tests as main does, of domains alone.
func gleaning() collections.Gleaning {
	return collections.Gleaning{
		Gist: func(list [][]byte, each func(collections.Gist)) {
			s := stix.NewScanner(bytes.NewReader(slices.Concat([]byte(`{"objects":[`), bytes.Join(list, []byte(",")), []byte("]}"))), stix.Limits{})
			for s.Next() {
				g := collections.Gist{Revoked: s.Object().Revoked}
				g.Until, g.Stated = guard.DefaultLifetimes().Expires(s.Object())
				s.Object().Observed(func(c *stix.Comparison, _ string) {
					g.Values = append(g.Values, collections.Value{Kind: c.Kind.String(), Text: string(c.Value)})
				})
				each(g)
			}
		},
		Value: func(text string) (collections.Value, error) {
			if !strings.Contains(text, ".") {
				return collections.Value{}, fmt.Errorf("%w: value: want a domain", collections.ErrInvalid)
			}
			return collections.Value{Kind: "domain-name", Text: text}, nil
		},
	}
}

// lasting makes an indicator of a domain; rest is more members.
func lasting(id, domain, rest string) string {
	return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":%q,"created":"2025-01-31T09:30:00.000Z","modified":"2025-01-31T09:30:00.000Z",`+
		`"pattern":"[domain-name:value = '%s']","pattern_type":"stix","valid_from":"2025-01-31T09:30:00Z"%s}`, id, domain, rest)
}

func TestValidity(t *testing.T) {
	g := open(t)
	var ids []string
	for range 5 {
		id, _ := indicator("")
		ids = append(ids, id)
	}
	const at = "/secure/collections/vn/validity/"
	g.publish(g.vendor, "vn", lasting(ids[0], "a.example", ""), lasting(ids[1], "b.example", `,"valid_until":"2025-02-01T00:00:00Z"`),
		lasting(ids[2], "c.example", `,"revoked":true`), lasting(ids[3], "d.example", `,"valid_until":"2999-01-01T00:00:00Z"`))
	page := func(a account, query string) (p taxii.Lapses, ids []string) {
		t.Helper()
		r := g.get(a, at+query).want(http.StatusOK)
		r.json(&p)
		for _, o := range p.Objects {
			ids = append(ids, string(o.ID))
		}
		return p, ids
	}
	p, got := page(g.vn, "")
	if diff := cmp.Diff(ids[:3], got); diff != "" || p.More {
		t.Fatalf("lapses (-want +got), more %v:\n%s", p.More, diff)
	}
	if o := p.Objects; o[0].Which != "default" || o[0].ValidUntil != "2025-05-01T09:30:00.000000Z" || o[1].Which != "stated" || !o[2].Revoked || o[2].At != o[2].Added {
		t.Errorf("lapses %+v", o)
	}
	var walked []string
	first, _ := page(g.vn, "?limit=1")
	for query := "?limit=1"; query != ""; {
		p, got := page(g.vn, query)
		walked = append(walked, got...)
		if query = ""; p.More {
			query = "?limit=1&next=" + p.Next
		}
	}
	if diff := cmp.Diff(ids[:3], walked); diff != "" || !first.More || first.Again != "" {
		t.Errorf("in pages of one:\n%s", diff)
	}

	// The next list begins where this one ended, with what came in between.
	g.ahead.Add(int64(2 * time.Minute))
	p, _ = page(g.vn, "")
	g.publish(g.vendor, "vn", lasting(ids[4], "e.example", `,"revoked":true`))
	if _, got := page(g.vn, "?since="+p.Again); !slices.Equal(got, ids[4:]) {
		t.Errorf("since %s: %v", p.Again, got)
	}
	if _, got := page(g.vn, "?id="+ids[3]); !slices.Equal(got, ids[3:4]) {
		t.Errorf("one object: %v", got)
	}
	if _, got := page(g.rival, ""); got != nil {
		t.Errorf("a rival is given %v", got)
	}
	if _, got := page(g.vendor, ""); len(got) != 4 {
		t.Errorf("its publisher is given %v", got)
	}
	g.get(g.rival, at+"?id="+ids[0]).want(http.StatusNotFound)
	g.get(g.lk, at).want(http.StatusNotFound)
	for _, query := range []string{"?since=yesterday", "?limit=0", "?limit=10001", "?next=1", "?next=1.2.x", "?next=0.1.1", "?id=x", "?id=" + ids[0] + "&limit=1",
		"?added_after=2025-01-01T00:00:00Z", "?since=2025-01-01T00:00:00Z&since=2025-01-01T00:00:00Z", "?since=2025-01-01T00:00:00Z&next=1.1.1", "?limit=%"} {
		g.get(g.vn, at+query).want(http.StatusBadRequest)
	}
	// What a client makes up goes on from there, and not beyond now.
	if _, got := page(g.vn, "?next=99999999999999999.1.1"); len(got) != 4 {
		t.Errorf("with a cursor of its own %v", got)
	}
	if lines := g.journal("read.validity"); len(lines) < 5 || !strings.Contains(lines[0], `"count":3`) {
		t.Errorf("journal has %v", lines)
	}
}

func TestReported(t *testing.T) {
	g := open(t)
	one := func(domain string) string {
		id, _ := indicator("")
		return lasting(id, domain, "")
	}
	g.publish(g.vendor, "vn", one("a.example"), one("b.example"), one("c.example"))
	g.publish(g.rival, "lk", one("b.example"))
	counts := func(a account) (list []int) {
		t.Helper()
		var p taxii.Reports
		g.get(a, "/secure/reported/?value=a.example&value=b.example&value=x.example").want(http.StatusOK).json(&p)
		for _, v := range p.Values {
			list = append(list, v.Partners)
		}
		return list
	}
	before := counts(g.vendor)
	third := g.partner("third", auth.Vendor, auth.Rights{Read: true, Write: true}, "vn")
	g.publish(third, "vn", one("a.example"), one("c.example"))
	for who, want := range map[*account][]int{&g.vn: {2, 1, 0}, &g.lk: {0, 1, 0}, &g.vendor: before, &third: {1, 0, 0}} {
		if got := counts(*who); !slices.Equal(got, want) {
			t.Errorf("%s is told %v, want %v", who.partner, got, want)
		}
	}
	var walked []string
	for query := "?limit=1"; query != ""; {
		var p taxii.Reports
		g.get(g.vn, "/secure/collections/vn/reported/"+query).want(http.StatusOK).json(&p)
		for _, v := range p.Values {
			walked = append(walked, fmt.Sprint(v.Text, v.Partners))
		}
		if query = ""; p.More {
			query = "?limit=1&next=" + p.Next
		}
	}
	if slices.Sort(walked); !slices.Equal(walked, []string{"a.example2", "c.example2"}) {
		t.Errorf("several report %v", walked)
	}
	all := g.get(g.vn, "/secure/collections/vn/reported/").want(http.StatusOK).body
	if !json.Valid(all) || regexp.MustCompile(`acme|third|rival`).Match(all) {
		t.Errorf("who reports is told: %s", all)
	}
	g.get(g.lk, "/secure/collections/vn/reported/").want(http.StatusNotFound)
	for _, path := range []string{"/secure/reported/", "/secure/reported/?value=x", "/secure/reported/?values=a.b", "/secure/collections/vn/reported/?next=0",
		"/secure/collections/vn/reported/?next=xyz", "/secure/collections/vn/reported/?since=2025-01-01T00:00:00Z",
		"/secure/reported/?value=" + strings.Repeat("a.b&value=", collections.MaxAsked) + "a.b"} {
		g.get(g.vn, path).want(http.StatusBadRequest)
	}
	if lines := strings.Join(g.journal("read.reported"), ""); !strings.Contains(lines, `"count":3`) || strings.Contains(lines, "example") {
		t.Errorf("journal has %s", lines)
	}
}
