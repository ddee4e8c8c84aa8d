package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/collections"
	"liaison/server/taxii"
)

// What libraries and frameworks make of TAXII and STIX when nobody looks: none of it happens here.
func rowsOfTraps() map[string]func(*testing.T, *rows) {
	return map[string]func(*testing.T, *rows){
		"TrapR1_nothingLeaksToTheNext":   trapLeaks,
		"TrapR2_everyVersionIsKept":      trapVersions,
		"TrapR3_timestampsAreNotCut":     trapTimestamps,
		"TrapR4_requiredProperties":      trapRequired,
		"TrapR5_oddObjectsFailAlone":     trapOddObjects,
		"TrapR6_routerSpeaksTAXII":       trapRouter,
		"TrapR7_queryAsItIsWritten":      trapQuery,
		"TrapR8_readersDoNotHoldWriters": trapReaders,
		"TrapR9_datesAreCutNotRounded":   trapRounding,
	}
}

func trapLeaks(t *testing.T, r *rows) {
	at := r.fresh()
	_, one := indicator("one")
	_, two := indicator("two")
	one = strings.Replace(one, `"name":`, `"x_secret":"of the first","name":`, 1)
	r.put(at, one, two, r.stock.d)
	if diff := cmp.Diff([]string{one, two, r.stock.d}, r.objects(at, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func trapVersions(t *testing.T, r *rows) {
	at := r.fresh()
	id, _ := indicator("")
	var sent []string
	for day := range 9 {
		sent = append(sent, indicatorOf(id, fmt.Sprint(day), fmt.Sprintf("2025-02-0%dT00:00:00.000Z", day+1)))
	}
	r.put(at, sent...)
	if diff := cmp.Diff(sent, r.objects(at, "match[version]=all")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func trapTimestamps(t *testing.T, r *rows) {
	at := r.fresh()
	id, _ := indicator("")
	sent := []string{indicatorOf(id, "a", "2025-02-01T00:00:00.123456Z"), indicatorOf(id, "b", "2025-02-01T00:00:00.123456789Z")}
	r.put(at, sent...)
	if diff := cmp.Diff(sent, r.objects(at, "match[version]=all")); diff != "" {
		t.Errorf("versions that differ by less than a millisecond are two (-want +got):\n%s", diff)
	}
}

// failing publishes objects of which all but the good one fail.
func (r *rows) failing(at string, bad ...string) taxii.Status {
	r.Helper()
	_, good := indicator("good")
	var s taxii.Status
	r.post(r.writer, at, envelopeOf(append(bad, good)...)).want(http.StatusAccepted).json(&s)
	if s.FailureCount != len(bad) || s.SuccessCount != 1 {
		r.Errorf("%d failures and %d successes, want %d and 1: %+v", s.FailureCount, s.SuccessCount, len(bad), s.Failures)
	}
	if diff := cmp.Diff([]string{good}, r.objects(at, "")); diff != "" {
		r.Errorf("(-want +got):\n%s", diff)
	}
	return s
}

func trapRequired(t *testing.T, r *rows) {
	_, whole := indicator("x")
	var bad []string
	for _, name := range []string{"id", "type", "created", "modified", "pattern", "pattern_type", "valid_from"} {
		bad = append(bad, strings.Replace(whole, `"`+name+`":`, `"x_`+name+`":`, 1))
	}
	for _, f := range r.failing(r.fresh(), bad...).Failures {
		if f.Message == "" || f.ID == "" || f.Version == "" {
			t.Errorf("%+v: want id, version and why", f)
		}
	}
}

func trapOddObjects(t *testing.T, r *rows) {
	_, whole := indicator("x")
	r.failing(r.fresh(),
		strings.Replace(whole, `"indicator"`, `7`, 1), strings.Replace(whole, `"indicator"`, `["indicator"]`, 1),
		strings.Replace(whole, "indicator--", "indicator--x", 1), strings.Replace(whole, "indicator--", "", 1), strings.Replace(whole, `"name":"x"`, `"name":7`, 1),
		`{}`, `[]`, `null`, `7`, `"indicator"`, `{"type":{},"id":[]}`)
}

func trapRouter(t *testing.T, r *rows) {
	s := r.stock
	for _, row := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/rows/nothing/", 404}, {"PUT", "/rows/", 405}, {"POST", s.at, 405}, {"DELETE", "/taxii2/", 405}, {"POST", s.at + "objects/", 400},
		{"GET", "/rows%2Fcollections/", 404}, {"GET", strings.Replace(s.at, "/collections/", "/collections%2F", 1), 404}, {"GET", "/rows/collections/%2E%2E/", 404},
	} {
		r.ask(r.writer, row.method, row.path).want(row.want)
	}
	if a := r.ask(r.writer, "HEAD", s.at); a.status != 200 || len(a.body) != 0 {
		t.Errorf("HEAD: %d", a.status)
	}
}

func trapQuery(t *testing.T, r *rows) {
	s := r.stock
	if diff := cmp.Diff([]string{s.m}, r.objects(s.at, "match%5Btype%5D=malware")); diff != "" {
		t.Errorf("escaped brackets (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{s.m}, r.objects(s.at, "match%5btype%5d=%6dalware")); diff != "" {
		t.Errorf("escaped letters (-want +got):\n%s", diff)
	}
	for _, query := range []string{"match[type]=malware&match%5Btype%5D=indicator", "match[type]=malware;x=1", "added_after=2025-01-01T00:00:00+00:00", "match[type]=mal+ware"} {
		r.get(r.reader, s.at+"objects/?"+query).want(400)
	}
}

// A client that asks for a page and does not read it keeps nobody from publishing.
func trapReaders(t *testing.T, r *rows) {
	at := r.fresh()
	_, raw := indicator(strings.Repeat("x", 900_000))
	r.put(at, raw)
	for range 4 {
		conn := r.connect("localhost")
		if _, err := fmt.Fprintf(conn, "GET %sobjects/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n\r\n", at, basic(r.reader)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		if _, err := conn.Read(b); err != nil { // the answer has begun
			t.Fatal(err)
		}
	}
	for range 3 {
		_, raw := indicator("meanwhile")
		r.put(at, raw)
	}
	if got := len(r.objects(at, "")); got != 4 {
		t.Errorf("%d objects, want 4", got)
	}
}

func trapRounding(t *testing.T, r *rows) {
	q, err := taxii.ParseQuery(taxii.OfObjects, "added_after=2025-01-31T09:30:00.1234569Z")
	if err != nil || q.Query.After.String() != "2025-01-31T09:30:00.123456Z" {
		t.Errorf("%v, %s", err, q.Query.After)
	}
	if got := collections.AddedAt(q.Query.After.Time().Add(999)).String(); got != "2025-01-31T09:30:00.123456Z" {
		t.Errorf("%s", got)
	}
}
