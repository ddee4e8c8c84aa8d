package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"liaison/server/taxii"
)

// Sorting, parameters and their matching: TAXII 2.1 sections 3.3 and 3.4.
func rowsOfQueries() map[string]func(*testing.T, *rows) {
	return map[string]func(*testing.T, *rows){
		"Row032_ascending":         rowAscending,
		"Row033_consistentOrder":   rowConsistentOrder,
		"Row034_collectionsByID":   rowCollectionsByID,
		"Row035_strictlyRising":    rowStrictlyRising,
		"Row036_filtersFilter":     rowFiltersFilter,
		"Row037_malformed":         rowMalformed,
		"Row038_addedAfter":        rowAddedAfter,
		"Row039_oldestFirst":       rowOldestFirst,
		"Row040_precision":         rowPrecision,
		"Row041_limitPositive":     rowLimitPositive,
		"Row048_twice":             rowTwice,
		"Row049_andOr":             rowAndOr,
		"Row050_unknownParameters": rowUnknownParameters,
		"Row051_semicolon":         rowSemicolon,
		"Row052_emptyItems":        rowEmptyItems,
		"Row053a_matchID":          rowMatchID,
		"Row053b_matchType":        rowMatchType,
		"Row053c_matchSpecVersion": rowMatchSpecVersion,
		"Row053d_latestSpec":       rowLatestSpec,
	}
}

func rowAscending(t *testing.T, r *rows) {
	var dates []string
	for _, record := range r.manifest(r.stock.at, "match[version]=all").Objects {
		dates = append(dates, record.DateAdded)
	}
	if !slices.IsSorted(dates) || len(dates) != len(r.stock.everything) {
		t.Errorf("dates %v", dates)
	}
	if diff := cmp.Diff(r.stock.everything, r.objects(r.stock.at, "match[version]=all")); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

func rowConsistentOrder(t *testing.T, r *rows) {
	first := r.get(r.reader, "/rows/collections/").want(200)
	for range 5 {
		if again := r.get(r.reader, "/rows/collections/").want(200); string(again.body) != string(first.body) {
			t.Fatal("another order")
		}
	}
}

func rowCollectionsByID(t *testing.T, r *rows) {
	var c taxii.Collections
	r.get(r.reader, "/rows/collections/").want(200).json(&c)
	if len(c.Collections) < 20 || !slices.IsSortedFunc(c.Collections, func(a, b taxii.Collection) int { return strings.Compare(a.ID, b.ID) }) {
		t.Errorf("%d collections, not by id", len(c.Collections))
	}
}

func rowStrictlyRising(t *testing.T, r *rows) {
	at := r.fresh()
	var sent []string
	for i := range 200 {
		_, raw := indicator(fmt.Sprint(i))
		sent = append(sent, raw)
	}
	r.put(at, sent...)
	r.ahead.Add(-int64(time.Hour)) // the clock goes back
	defer r.ahead.Add(int64(time.Hour))
	_, raw := indicator("after")
	r.put(at, raw)
	list := r.manifest(at, "").Objects
	for i := 1; i < len(list); i++ {
		if list[i].DateAdded <= list[i-1].DateAdded {
			t.Fatalf("%s after %s", list[i].DateAdded, list[i-1].DateAdded)
		}
	}
	if diff := cmp.Diff(append(sent, raw), r.objects(at, "")); diff != "" {
		t.Errorf("order of arrival (-want +got):\n%s", diff)
	}
}

func rowFiltersFilter(t *testing.T, r *rows) {
	s := r.stock
	object := "objects/" + s.indicator + "/"
	for _, row := range []struct {
		path, query string
		want        int // objects, records or versions
	}{
		{"manifest/", "match[id]=" + s.malware, 1},
		{"manifest/", "match[type]=malware", 1},
		{"manifest/", "match[version]=first", 4},
		{"manifest/", "match[spec_version]=2.0", 1},
		{"manifest/", "added_after=" + s.second, 3},
		{"manifest/", "limit=1", 1},
		{"objects/", "match[id]=" + s.malware, 1},
		{"objects/", "match[type]=malware", 1},
		{"objects/", "match[version]=all", 6},
		{"objects/", "match[spec_version]=2.0", 1},
		{"objects/", "added_after=" + s.second, 3},
		{"objects/", "limit=1", 1},
		{object, "match[version]=all", 3},
		{object, "match[spec_version]=2.0", 0},
		{object, "match[version]=all&added_after=" + s.first, 2},
		{object, "match[version]=all&limit=1", 1},
		{object + "versions/", "match[spec_version]=2.0", 0},
		{object + "versions/", "added_after=" + s.first, 2},
		{object + "versions/", "limit=1", 1},
	} {
		var page struct {
			Objects, Versions []any
		}
		r.get(r.reader, s.at+row.path+"?"+row.query).want(200).json(&page)
		if got := len(page.Objects) + len(page.Versions); got != row.want {
			t.Errorf("%s?%s: %d, want %d", row.path, row.query, got, row.want)
		}
	}
}

func rowMalformed(t *testing.T, r *rows) {
	for _, query := range []string{
		"added_after=yesterday", "added_after=", "added_after=2025-02-30T00:00:00Z", "added_after=1738315800", "limit=ten", "limit=", "limit=1.5",
		"match[version]=newest", "match[version]=", "match[version]=2025", "match[spec_version]=two", "match[type]=", "match[type]=A_B",
		"match[id]=x", "match[id]=indicator--1", "next=x", "limit=%zz",
	} {
		for _, resource := range []string{"objects/", "manifest/"} {
			var e taxii.Error
			r.get(r.reader, r.stock.at+resource+"?"+query).want(400).json(&e)
			if name, _, _ := strings.Cut(query, "="); e.Details["parameter"] != name && query != "limit=%zz" {
				t.Errorf("%s: the error names %q", query, e.Details["parameter"])
			}
		}
	}
}

func rowAddedAfter(t *testing.T, r *rows) {
	s := r.stock
	if diff := cmp.Diff(s.everything[2:], r.objects(s.at, "match[version]=all&added_after="+s.second)); diff != "" {
		t.Errorf("strictly after (-want +got):\n%s", diff)
	}
	r.get(r.reader, s.at+"objects/?added_after="+s.first+"&added_after="+s.first).want(400)
}

func rowOldestFirst(t *testing.T, r *rows) {
	if diff := cmp.Diff(r.stock.everything[:2], r.objects(r.stock.at, "match[version]=all&limit=2")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowPrecision(t *testing.T, r *rows) {
	s := r.stock
	whole, micros, _ := strings.Cut(strings.TrimSuffix(s.second, "Z"), ".")
	each(t, map[string]int{
		whole + "Z":                       6, // the second began before the first of them
		whole + "." + micros + "Z":        4,
		whole + "." + micros + "000Z":     4,
		whole + "." + micros + "999Z":     4, // cut, not rounded
		whole + "." + micros + "%2B00:00": 4,
		whole + "." + micros[:3] + "Z":    -1,
	}, func(after string, want int) {
		got := len(r.objects(s.at, "match[version]=all&added_after="+after))
		if want >= 0 && got != want && !(want == 6 && got > 4) {
			t.Errorf("added_after=%s: %d, want %d", after, got, want)
		}
		if want < 0 && got < 4 {
			t.Errorf("cut to milliseconds: %d objects are missed", 4-got)
		}
	})
	var e taxii.Error
	r.get(r.reader, s.at+"objects/?added_after="+whole+"+00:00").want(400).json(&e)
	if !strings.Contains(e.Description, "%2B") {
		t.Errorf("an unescaped plus sign: %q", e.Description)
	}
	r.get(r.reader, s.at+"objects/?added_after="+whole).want(400)
	r.get(r.reader, s.at+"objects/?added_after="+whole+".0000000000Z").want(400)
}

func rowLimitPositive(t *testing.T, r *rows) {
	for _, limit := range []string{"0", "-1", "abc", "", "1.0", "%2B1", "1e3", "0x1", "٣", "00"} {
		r.get(r.reader, r.stock.at+"objects/?limit="+limit).want(400)
	}
	for _, limit := range []string{"1", "007", "99999999999999999999999999"} {
		r.get(r.reader, r.stock.at+"objects/?limit="+limit).want(200)
	}
}

func rowTwice(t *testing.T, r *rows) {
	for _, query := range []string{
		"match[type]=malware&match[type]=indicator", "match[type]=malware&match%5Btype%5D=malware", "match[id]=" + r.stock.malware + "&match[id]=" + r.stock.indicator,
		"match[version]=all&match[version]=all", "match[spec_version]=2.1&match[spec_version]=2.0", "limit=1&limit=2", "next=&next=",
	} {
		r.get(r.reader, r.stock.at+"objects/?"+query).want(400)
		r.get(r.reader, r.stock.at+"manifest/?"+query).want(400)
	}
}

func rowAndOr(t *testing.T, r *rows) {
	s := r.stock
	each(t, map[string][]string{
		"match[type]=malware,domain-name":                                         {s.m, s.d},
		"match[type]=malware&match[id]=" + s.indicator:                            nil,
		"match[type]=malware&match[id]=" + s.malware:                              {s.m},
		"match[type]=malware,indicator&match[spec_version]=2.1":                   {s.m, s.v3},
		"match[id]=" + s.malware + "," + s.domain + "&match[type]=file":           nil,
		"match[type]=indicator&match[version]=first,last&match[spec_version]=2.1": {s.v1, s.v3},
	}, func(query string, want []string) {
		if diff := cmp.Diff(want, r.objects(s.at, query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	})
	r.get(r.reader, s.at+"objects/?match[type]=malware,%20indicator").want(400)
}

func rowUnknownParameters(t *testing.T, r *rows) {
	if diff := cmp.Diff(r.stock.latest, r.objects(r.stock.at, "x=1&page=2&Limit=0&MATCH[type]=x")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, query := range []string{"match[name]=x", "match[relationships-all]=" + r.stock.indicator, "match[confidence-gte]=50", "match[]=x", "match=x"} {
		r.get(r.reader, r.stock.at+"objects/?"+query).want(400)
	}
}

func rowSemicolon(t *testing.T, r *rows) {
	r.get(r.reader, r.stock.at+"objects/?match[type]=malware;limit=1").want(400)
	r.get(r.reader, r.stock.at+"objects/?x=a;b").want(400)
	r.get(r.reader, r.stock.at+"objects/?x=a%3Bb").want(200)
}

func rowEmptyItems(t *testing.T, r *rows) {
	for _, query := range []string{"match[type]=a,,b", "match[type]=,a", "match[type]=a,", "match[id]=", "match[version]=,", "match[spec_version]=2.1,"} {
		r.get(r.reader, r.stock.at+"objects/?"+query).want(400)
	}
}

func rowMatchID(t *testing.T, r *rows) {
	s := r.stock
	if diff := cmp.Diff([]string{s.m, s.v3}, r.objects(s.at, "match[id]="+s.indicator+","+s.malware+","+s.malware)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := r.objects(s.at, "match[id]=indicator--"+uuid.NewString()); got != nil {
		t.Errorf("an unknown id gives %v", got)
	}
}

func rowMatchType(t *testing.T, r *rows) {
	for _, kind := range strings.Fields(`attack-pattern campaign course-of-action grouping identity indicator infrastructure intrusion-set location
		malware malware-analysis note observed-data opinion report threat-actor tool vulnerability relationship sighting language-content
		marking-definition extension-definition artifact autonomous-system directory domain-name email-addr email-message file ipv4-addr
		ipv6-addr mac-addr mutex network-traffic process software url user-account windows-registry-key x509-certificate x-custom bundle`) {
		r.get(r.reader, r.stock.at+"objects/?match[type]="+kind).want(200)
	}
}

func rowMatchSpecVersion(t *testing.T, r *rows) {
	s := r.stock
	each(t, map[string][]string{
		"2.1": {s.m, s.d, s.v3}, "2.0": {s.o}, "2.0,2.1": s.latest, "2.1,9.9": {s.m, s.d, s.v3}, "1.0": nil,
	}, func(spec string, want []string) {
		if diff := cmp.Diff(want, r.objects(s.at, "match[spec_version]="+spec)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", spec, diff)
		}
	})
}

func rowLatestSpec(t *testing.T, r *rows) {
	at := r.fresh()
	id := "indicator--" + uuid.NewString()
	old := strings.Replace(r.stock.o, r.stock.old, id, 1)
	now := indicatorOf(id, "now", "2025-02-01T00:00:00.000Z")
	r.put(at, old, now)
	each(t, map[string][]string{
		"":                   {now},
		"match[version]=all": {now},
		"match[spec_version]=2.0,2.1&match[version]=all": {old, now},
		"match[spec_version]=2.0&match[version]=all":     {old},
	}, func(query string, want []string) {
		if diff := cmp.Diff(want, r.objects(at, query)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	})
}
