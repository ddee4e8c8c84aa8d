package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/collections"
	"liaison/server/taxii"
)

// Pages: TAXII 2.1 sections 3.4, 3.5 and 3.7.
func rowsOfPaging() map[string]func(*testing.T, *rows) {
	return map[string]func(*testing.T, *rows){
		"Row042_043_044_045_limit":  rowLimit,
		"Row046_next":               rowNext,
		"Row047_nextNotTrusted":     rowNextNotTrusted,
		"Row054_bothWays":           rowBothWays,
		"Row055_emptyPage":          rowEmptyPage,
		"Row056_nextOnlyWithMore":   rowNextOnlyWithMore,
		"Row057_statelessCursor":    rowStatelessCursor,
		"Row058_otherLimit":         rowOtherLimit,
		"Row059_nextOnEveryList":    rowNextOnEveryList,
		"Row060_emptyNext":          rowEmptyNext,
		"Row061_newOnesAtTheEnd":    rowNewOnesAtTheEnd,
		"Row121_deleteMeansAll":     rowDeleteMeansAll,
		"Row123_publishedAgain":     rowPublishedAgain,
		"Row126_datesOfVersions":    rowDatesOfVersions,
		"Row124_versionsPaged":      rowVersionsPaged,
		"Row067_moreAbsentIsFalse":  rowMoreAbsent,
		"Row103_manifestByVersions": rowManifest,
	}
}

// rowLimit holds the four rows about limit in one collection of more than a page.
func rowLimit(t *testing.T, r *rows) {
	at := r.fresh()
	var sent []string
	for i := range collections.PageSize + 1 {
		_, raw := indicator(fmt.Sprint(i))
		sent = append(sent, raw)
	}
	r.put(at, sent...)
	for _, row := range []struct {
		query      string
		most, less int
		more       bool
	}{
		{"", collections.PageSize, collections.PageSize, true},
		{"limit=100", 100, 1, true},
		{"limit=1000", 1000, 1, true},
		{"limit=1001", 1001, 1001, false},
		{"limit=10000", 1001, 1001, false},
		{"limit=99999999", 1001, 1001, false},
		{"match[type]=malware", 0, 0, false},
	} {
		e := r.get(r.reader, at+"objects/?"+row.query).want(200).envelope()
		if n := len(e.Objects); n > row.most || n < row.less || e.More != row.more {
			t.Errorf("%q: %d objects, more %v", row.query, n, e.More)
		}
		m := r.manifest(at, row.query)
		if n := len(m.Objects); n > row.most || n < row.less || (m.More != nil && *m.More) != row.more {
			t.Errorf("%q: %d records, more %v", row.query, n, m.More)
		}
	}
}

// walk pages through a list by next.
func (r *rows) walk(at string, first url.Values, turn func(q url.Values, a *answer, next string)) []string {
	r.Helper()
	var got []string
	q := url.Values{}
	for k, v := range first {
		q[k] = v
	}
	for pages := 0; ; pages++ {
		a := r.get(r.reader, at+"objects/?"+q.Encode()).want(200)
		e := a.envelope()
		got = append(got, texts(e)...)
		if !e.More {
			return got
		}
		if pages > 50 {
			r.Fatal("paging does not end")
		}
		turn(q, a, e.Next)
	}
}

func rowNext(t *testing.T, r *rows) {
	got := r.walk(r.stock.at, url.Values{"limit": {"1"}, "match[version]": {"all"}, "match[spec_version]": {"2.1,2.0"}},
		func(q url.Values, _ *answer, next string) { q.Set("next", next) })
	if diff := cmp.Diff(r.stock.everything, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	next := r.get(r.reader, r.stock.at+"objects/?limit=1").envelope().Next
	if diff := cmp.Diff(r.objects(r.stock.at, "limit=1&next="+next), r.objects(r.stock.at, "limit=1&next="+next)); diff != "" {
		t.Errorf("used twice:\n%s", diff)
	}
	r.get(r.reader, r.stock.at+"objects/?match[type]=malware&next="+next).want(400)
}

func rowNextNotTrusted(t *testing.T, r *rows) {
	at := r.stock.at + "objects/?next="
	next := r.get(r.reader, r.stock.at+"objects/?limit=1").envelope().Next
	for i := range len(next) {
		changed := next[:i] + string('A'+(next[i]+1)%26) + next[i+1:]
		if changed != next && i%7 == 0 {
			r.get(r.reader, at+changed).want(400)
		}
	}
	r.get(r.reader, at+next+"A").want(400)
	r.get(r.reader, at+next[:len(next)-2]).want(400)
	r.get(r.writer, at+next).want(400) // another partner's
	r.get(r.reader, r.stock.at+"manifest/?next="+next).want(400)
	r.get(r.lk, at+next).want(404) // without a right there is nothing
}

func rowBothWays(t *testing.T, r *rows) {
	for name, turn := range map[string]func(url.Values, *answer, string){
		"next":        func(q url.Values, _ *answer, next string) { q.Set("next", next) },
		"added_after": func(q url.Values, a *answer, _ string) { q.Set("added_after", a.header.Get(taxii.HeaderLast)) },
		"both": func(q url.Values, a *answer, next string) {
			q.Set("next", next)
			q.Set("added_after", a.header.Get(taxii.HeaderLast))
		},
		"both, first date": func(q url.Values, a *answer, next string) {
			q.Set("next", next)
			q.Set("added_after", "2020-01-01T00:00:00Z")
		},
	} {
		for _, limit := range []string{"1", "2", "5"} {
			got := r.walk(r.stock.at, url.Values{"limit": {limit}, "match[version]": {"all"}, "match[spec_version]": {"2.0,2.1"}}, turn)
			if diff := cmp.Diff(r.stock.everything, got); diff != "" {
				t.Errorf("%s by %s (-want +got):\n%s", name, limit, diff)
			}
		}
	}
}

func rowEmptyPage(t *testing.T, r *rows) {
	at := r.fresh()
	id, one := indicator("one")
	other, two := indicator("two")
	r.put(at, one, two)
	first := r.get(r.reader, at+"objects/?limit=1").want(200)
	r.ask(r.writer, http.MethodDelete, at+"objects/"+other+"/").want(200)
	e := first.envelope()
	a := r.get(r.reader, at+"objects/?limit=1&next="+e.Next).want(200)
	if rest := a.envelope(); !e.More || rest.More || len(rest.Objects) != 0 || strings.Contains(string(a.body), "objects") {
		t.Errorf("first %+v, rest %s", e, a.body)
	}
	wantDates(t, a, "", first.header.Get(taxii.HeaderLast))
	_ = id
}

func rowNextOnlyWithMore(t *testing.T, r *rows) {
	for _, path := range dated(r.stock) {
		for _, limit := range []string{"1", "1000"} {
			var page struct {
				More bool
				Next *string
			}
			at := path + "?limit=" + limit
			if strings.Contains(path, "?") {
				at = path + "&limit=" + limit
			}
			r.get(r.reader, at).want(200).json(&page)
			if page.More != (page.Next != nil) || page.Next != nil && *page.Next == "" {
				t.Errorf("%s: %+v", at, page)
			}
		}
	}
}

// Another server with the same keys and store continues it: nothing of it is in memory.
func rowStatelessCursor(t *testing.T, r *rows) {
	next := r.get(r.reader, r.stock.at+"objects/?limit=1").envelope().Next
	c := taxii.Cursors{MAC: r.vault.MAC}
	where := taxii.Cursor{Endpoint: taxii.OfObjects, Partner: r.reader.partner, Place: r.place(r.stock.at)}
	q, err := taxii.ParseQuery(taxii.OfObjects, "next="+next)
	r.ok(err)
	if stray, err := c.Resume(&q, where); err != nil || stray || q.Query.After.String() != r.stock.second {
		t.Errorf("%v %v: after %s, want %s", err, stray, q.Query.After, r.stock.second)
	}
	r.ahead.Add(int64(30 * 24 * 3600 * 1e9)) // a month later
	defer r.ahead.Add(-int64(30 * 24 * 3600 * 1e9))
	r.get(r.reader, r.stock.at+"objects/?next="+next).want(200)
	var e *taxii.Error
	q.Next = next[2:]
	if _, err := c.Resume(&q, where); !errors.As(err, &e) || e.Status() != 400 {
		t.Errorf("damaged: %v", err)
	}
}

func (r *rows) place(at string) collections.Place {
	r.Helper()
	alias := strings.Split(at, "/")[3]
	return r.collection("rows", alias).Place()
}

func rowOtherLimit(t *testing.T, r *rows) {
	s := r.stock
	next := r.get(r.reader, s.at+"objects/?limit=1").envelope().Next
	for _, limit := range []string{"", "limit=1&", "limit=2&", "limit=1000&"} {
		got := r.objects(s.at, limit+"next="+next)
		if diff := cmp.Diff(s.latest[1:1+len(got)], got); diff != "" || len(got) == 0 {
			t.Errorf("%q (-want +got):\n%s", limit, diff)
		}
	}
}

func rowNextOnEveryList(t *testing.T, r *rows) {
	s := r.stock
	if m := r.manifest(s.at, "limit=1"); m.More == nil || !*m.More || m.Next == "" {
		t.Errorf("manifest %+v", m)
	}
	v := r.versions(s.at, s.indicator, "limit=1")
	if v.More == nil || !*v.More || v.Next == "" {
		t.Errorf("versions %+v", v)
	}
	rest := r.versions(s.at, s.indicator, "next="+v.Next)
	if len(v.Versions)+len(rest.Versions) != 3 {
		t.Errorf("versions %v, then %v", v.Versions, rest.Versions)
	}
	if e := r.get(r.reader, s.at+"objects/"+s.indicator+"/?match[version]=all&limit=1").want(200).envelope(); !e.More || e.Next == "" {
		t.Errorf("object %+v", e)
	}
}

func rowEmptyNext(t *testing.T, r *rows) {
	if diff := cmp.Diff(r.stock.latest, r.objects(r.stock.at, "next=")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowNewOnesAtTheEnd(t *testing.T, r *rows) {
	at := r.fresh()
	want := []string{}
	add := func() string {
		id, raw := indicator("x")
		r.put(at, raw)
		want = append(want, raw)
		return id
	}
	first := add()
	add()
	add()
	got := r.walk(at, url.Values{"limit": {"1"}}, func(q url.Values, _ *answer, next string) {
		q.Set("next", next)
		if len(want) < 8 {
			add()
		}
		if len(want) == 5 { // a deletion behind the reader moves nothing
			r.ask(r.writer, http.MethodDelete, at+"objects/"+first+"/").want(200)
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowMoreAbsent(t *testing.T, r *rows) {
	if got := string(r.get(r.reader, r.fresh()+"manifest/").want(200).body); got != "{}" {
		t.Errorf("manifest %s", got)
	}
	for _, path := range dated(r.stock) {
		if a := r.get(r.reader, path); !strings.Contains(string(a.body), `"more":false`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func rowManifest(t *testing.T, r *rows) {
	s := r.stock
	var got []taxii.ManifestRecord
	for _, record := range r.manifest(s.at, "match[version]=all").Objects {
		if !stamp.MatchString(record.DateAdded) {
			t.Errorf("date_added %q", record.DateAdded)
		}
		if record.ID == s.domain && record.Version == record.DateAdded {
			record.Version = ""
		}
		record.DateAdded = ""
		got = append(got, record)
	}
	want := []taxii.ManifestRecord{
		{ID: s.indicator, Version: "2025-01-31T09:30:00.000Z", MediaType: taxii.STIX21},
		{ID: s.malware, Version: "2025-01-31T09:30:00.000Z", MediaType: taxii.STIX21},
		{ID: s.domain, MediaType: taxii.STIX21},
		{ID: s.indicator, Version: "2025-02-01T00:00:00.5Z", MediaType: taxii.STIX21},
		{ID: s.old, Version: "2025-01-31T09:30:00.000Z", MediaType: taxii.STIX20},
		{ID: s.indicator, Version: "2025-02-02T00:00:00.123456Z", MediaType: taxii.STIX21},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for query, want := range map[string]int{
		"match[id]=" + s.malware: 1, "match[type]=indicator": 2, "match[version]=first": 4, "match[spec_version]=2.0": 1, "limit=2": 2, "added_after=" + s.second: 3,
	} {
		if got := len(r.manifest(s.at, query).Objects); got != want {
			t.Errorf("%s: %d records, want %d", query, got, want)
		}
	}
}

func rowVersionsPaged(t *testing.T, r *rows) {
	s := r.stock
	want := []string{"2025-01-31T09:30:00.000Z", "2025-02-01T00:00:00.5Z", "2025-02-02T00:00:00.123456Z"}
	var got []string
	after := ""
	for {
		a := r.get(r.reader, s.at+"objects/"+s.indicator+"/versions/?limit=1"+after).want(200)
		var v taxii.Versions
		a.json(&v)
		got = append(got, v.Versions...)
		if v.More == nil || !*v.More {
			break
		}
		after = "&added_after=" + a.header.Get(taxii.HeaderLast)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by dates (-want +got):\n%s", diff)
	}
	if got := string(r.get(r.reader, s.at+"objects/"+s.indicator+"/versions/?match[spec_version]=2.0").want(200).body); got != "{}" {
		t.Errorf("none: %s", got)
	}
	if v := r.versions(s.at, s.indicator, "match[spec_version]=2.1"); len(v.Versions) != 3 {
		t.Errorf("%v", v.Versions)
	}
	r.get(r.reader, s.at+"objects/"+s.indicator+"/versions/?match[type]=indicator").want(400)
}

func rowDatesOfVersions(t *testing.T, r *rows) {
	s := r.stock
	var want []string
	for _, record := range r.manifest(s.at, "match[version]=all&match[id]="+s.indicator).Objects {
		want = append(want, record.DateAdded)
	}
	at := s.at + "objects/" + s.indicator + "/versions/"
	wantDates(t, r.get(r.reader, at).want(200), want[0], want[2])
	wantDates(t, r.get(r.reader, at+"?limit=1&added_after="+want[0]).want(200), want[1], want[1])
}
