package taxii_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/collections"
	"liaison/server/taxii"
	"liaison/stix"
)

const (
	idA = "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"
	idB = "malware--31b940d4-6f7f-459a-80ea-9c1f17b5891b"
)

func instant(t testing.TB, s string) stix.Instant {
	at, err := stix.ParseInstant([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func micros(s string) collections.Added {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return collections.AddedAt(t)
}

func TestSection3_4_query(t *testing.T) {
	for raw, want := range map[string]collections.Query{
		"":                             {Limit: 1000},
		"foo=bar&foo=baz":              {Limit: 1000},
		"limit=1":                      {Limit: 1},
		"limit=0020":                   {Limit: 20},
		"limit=10000":                  {Limit: 10000},
		"limit=10001":                  {Limit: 10000},
		"limit=99999999999999999999":   {Limit: 10000},
		"next=":                        {Limit: 1000},
		"match[type]=indicator":        {Limit: 1000, Types: []string{"indicator"}},
		"match[type]=x-y,indicator":    {Limit: 1000, Types: []string{"indicator", "x-y"}},
		"match%5Btype%5D=a%2Cb":        {Limit: 1000, Types: []string{"a", "b"}},
		"match[id]=" + idB + "," + idA: {Limit: 1000, IDs: []stix.ID{idA, idB}},
		"match[spec_version]=2.1,2.0":  {Limit: 1000, Specs: []string{"2.0", "2.1"}},
		"match[version]=all":           {Limit: 1000, Versions: collections.Versions{All: true}},
		"match[version]=last,first":    {Limit: 1000, Versions: collections.Versions{First: true, Last: true}},
		"match[version]=first,2018-03-02T01:01:01.123Z": {Limit: 1000, Versions: collections.Versions{
			First: true, At: []stix.Instant{instant(t, "2018-03-02T01:01:01.123Z")},
		}},
		"added_after=2025-01-31T09:30:00Z":            {Limit: 1000, After: micros("2025-01-31T09:30:00Z")},
		"added_after=2025-01-31T09:30:00.1Z":          {Limit: 1000, After: micros("2025-01-31T09:30:00.1Z")},
		"added_after=2025-01-31T09:30:00.123456789Z":  {Limit: 1000, After: micros("2025-01-31T09:30:00.123456Z")},
		"added_after=2025-01-31T09:30:00%2B07:00":     {Limit: 1000, After: micros("2025-01-31T02:30:00Z")},
		"added_after=2025-01-31T09:30:00.5-00:30":     {Limit: 1000, After: micros("2025-01-31T10:00:00.5Z")},
		"added_after=1960-01-01T00:00:00Z&limit=2":    {Limit: 2},
		"added_after=0000-01-01T00:00:00Z":            {Limit: 1000},
		"added_after=2016-12-31T23:59:60.5Z":          {Limit: 1000, After: micros("2017-01-01T00:00:00.5Z")},
		"added_after=1997-06-30T18:59:60-05:00":       {Limit: 1000, After: micros("1997-07-01T00:00:00Z")},
		"added_after=2025-01-31T09:30:00.123456Z&x=y": {Limit: 1000, After: micros("2025-01-31T09:30:00.123456Z")},
	} {
		r, err := taxii.ParseQuery(taxii.OfObjects, raw)
		if err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if diff := cmp.Diff(want, r.Query); diff != "" {
			t.Errorf("%q (-want +got):\n%s", raw, diff)
		}
		if r.Positioned != strings.Contains(raw, "added_after") {
			t.Errorf("%q: positioned %v", raw, r.Positioned)
		}
	}
}

func TestSection3_4_malformed(t *testing.T) {
	for raw, parameter := range map[string]string{
		"limit=0": "limit", "limit=-1": "limit", "limit=abc": "limit", "limit=": "limit", "limit=1.5": "limit",
		"limit=+1": "limit", "limit=1&limit=2": "limit", "limit=000": "limit", "limit=1e3": "limit", "limit=%D9%A1": "limit",
		"added_after=":                                                      "added_after",
		"added_after=yesterday":                                             "added_after",
		"added_after=2025-01-31":                                            "added_after",
		"added_after=2025-01-31T09:30:00":                                   "added_after",
		"added_after=2025-01-31T09:30:00+00:00":                             "added_after",
		"added_after=2025-02-30T09:30:00Z":                                  "added_after",
		"added_after=2025-01-31T24:30:00Z":                                  "added_after",
		"added_after=2025-01-31T09:30:00.Z":                                 "added_after",
		"added_after=2025-01-31T09:30:00,5Z":                                "added_after",
		"added_after=2025-01-31T9:30:00Z":                                   "added_after",
		"added_after=2025-01-31t09:30:00z":                                  "added_after",
		"added_after=2025-01-31T09:30:00.1234567890Z":                       "added_after",
		"added_after=2016-12-30T23:59:60Z":                                  "added_after",
		"added_after=2016-12-31T23:58:60Z":                                  "added_after",
		"added_after=2016-03-31T23:59:60Z":                                  "added_after",
		"added_after=2016-12-31T23:59:60-01:00":                             "added_after",
		"added_after=2016-12-31T23:59:61Z":                                  "added_after",
		"added_after=2025-01-31T09:30:00-24:00":                             "added_after",
		"added_after=2025-01-31T09:30:00%2B01:60":                           "added_after",
		"added_after=2025-01-31T09:30:00Z&added_after=2025-01-31T09:30:00Z": "added_after",
		"next=a&next=b":                                                     "next",
		"match[type]=":                                                      "match[type]",
		"match[type]=a,":                                                    "match[type]",
		"match[type]=a,,b":                                                  "match[type]",
		"match[type]=a,%20b":                                                "match[type]",
		"match[type]=Indicator":                                             "match[type]",
		"match[type]=a&match[type]=b":                                       "match[type]",
		"match[type]=a&match%5Btype%5D=a":                                   "match[type]",
		"match[id]=":                                                        "match[id]",
		"match[id]=indicator":                                               "match[id]",
		"match[id]=" + idA + ",x":                                           "match[id]",
		"match[spec_version]=":                                              "match[spec_version]",
		"match[spec_version]=all":                                           "match[spec_version]",
		"match[spec_version]=2":                                             "match[spec_version]",
		"match[version]=":                                                   "match[version]",
		"match[version]=all,first":                                          "match[version]",
		"match[version]=first,all":                                          "match[version]",
		"match[version]=all,all":                                            "match[version]",
		"match[version]=last,last":                                          "match[version]",
		"match[version]=newest":                                             "match[version]",
		"match[version]=All":                                                "match[version]",
		"match[version]=2018-03-02":                                         "match[version]",
		"match[version]=2018-03-02T01:01:01Z,2018-03-02T01:01:01.000Z":      "match[version]",
		"match[name]=x":                                                     "match[name]",
		"match[]=x":                                                         "match[]",
		"match=x":                                                           "match",
		"match[relationships-all]=" + idA:                                   "match[relationships-all]",
	} {
		_, err := taxii.ParseQuery(taxii.OfObjects, raw)
		e, ok := errors.AsType[*taxii.Error](err)
		if !ok || e.Status() != 400 || e.Details["parameter"] != parameter || !strings.Contains(e.Title, parameter) {
			t.Errorf("%q: %v, want a 400 that names %s", raw, err, parameter)
		}
	}
	for _, raw := range []string{"match[type]=a;limit=1", "limit=1;", "limit=%zz", "a=%"} {
		if _, err := taxii.ParseQuery(taxii.OfObjects, raw); err == nil {
			t.Errorf("%q is taken", raw)
		}
	}
	_, err := taxii.ParseQuery(taxii.OfObjects, "added_after=2025-01-31T09:30:00+00:00")
	if err == nil || !strings.Contains(err.Error(), "%2B") {
		t.Errorf("an unescaped plus sign: %v, want help", err)
	}
}

func TestSection5_filtersByEndpoint(t *testing.T) {
	all := []string{"match[id]=" + idA, "match[type]=a", "match[version]=all", "match[spec_version]=2.1", "limit=1", "added_after=2025-01-01T00:00:00Z"}
	for e, allowed := range map[taxii.Endpoint]string{
		taxii.OfManifest: "111111", taxii.OfObjects: "111111", taxii.OfObject: "001111", taxii.OfVersions: "000111", taxii.OfDeletion: "001100",
	} {
		for i, raw := range all {
			if _, err := taxii.ParseQuery(e, raw); (err == nil) != (allowed[i] == '1') {
				t.Errorf("endpoint %d, %q: %v", e, raw, err)
			}
		}
	}
}

func TestObjectID(t *testing.T) {
	for id, want := range map[string]bool{
		idA: true, idB: true,
		"x-a--b--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f":             true,
		"indicator--8E2E2D2B-17D4-4CBF-938F-98EE46B3CD3F":          true,
		"indicator-8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f":           false,
		"--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f":                   false,
		"Indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f":          false,
		"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3g":          false,
		"indicator--8e2e2d2b17d44cbf938f98ee46b3cd3f":              false,
		"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f\x00":      false,
		"a/b--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f":                false,
		strings.Repeat("a", 300) + "--" + idA[len("indicator--"):]: false,
		"": false,
	} {
		if _, got := taxii.ObjectID(id); got != want {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
	}
}

// FuzzQuery holds that what is taken is within its bounds, and that the order of parameters does not
// count.
func FuzzQuery(f *testing.F) {
	f.Add("added_after=2025-01-31T09:30:00.000000Z&limit=5&match[type]=indicator&match[version]=all")
	f.Add("match%5Bid%5D=" + idA + "," + idB + "&next=abc&match[spec_version]=2.1,2.0")
	f.Add("match[version]=first,2018-03-02T01:01:01.123Z&limit=007")
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := taxii.ParseQuery(taxii.OfObjects, raw)
		if err != nil {
			if e, ok := errors.AsType[*taxii.Error](err); !ok || e.Status() != 400 || len(e.Description) > 1000 {
				t.Errorf("%v", err)
			}
			return
		}
		q := r.Query
		if q.Limit < 1 || q.Limit > collections.MaxLimit || q.After < 0 {
			t.Errorf("%+v", q)
		}
		if q.Versions.All && (q.Versions.First || q.Versions.Last || len(q.Versions.At) > 0) {
			t.Errorf("all beside others: %+v", q.Versions)
		}
		values, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("taken and not a query: %v", err)
		}
		again, err := taxii.ParseQuery(taxii.OfObjects, values.Encode())
		if err != nil {
			t.Fatalf("sorted: %v", err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Errorf("sorted:\n%s", diff)
		}
	})
}
