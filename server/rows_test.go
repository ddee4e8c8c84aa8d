package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/taxii"
)

// TestRows holds the checklist of docs/taxii.md, row by row, against one gateway: run one of them by
// "go test ./server -run TestRows/Row037". Rows that need a gateway of their own kind are tests by
// themselves; the page names them.
func TestRows(t *testing.T) {
	r := openRows(t)
	all := map[string]func(*testing.T, *rows){}
	for _, group := range []map[string]func(*testing.T, *rows){
		rowsOfHTTP(), rowsOfQueries(), rowsOfVersions(), rowsOfPaging(), rowsOfResources(), rowsOfObjects(), rowsOfChanges(), rowsOfTraps(),
	} {
		maps.Copy(all, group)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			outer := r.TB
			defer func() { r.TB = outer }()
			r.TB = t
			all[name](t, r)
		})
	}
}

// rows is the gateway that the rows share: an operation "rows" with a collection for each row that
// wants its own, in which a vendor, its rival and an agency have their usual rights.
type rows struct {
	*gateway
	writer, other, reader account
	free                  []string // aliases that no row has used
	stock                 stock
}

// stock is a collection with a bit of everything, which rows only read.
type stock struct {
	at            string // its path, with the final slash
	indicator     string // ids
	malware       string
	domain        string
	old           string
	v1, v2, v3    string // versions of the indicator
	m, d, o       string // the malware, an observable without spec_version, an object of STIX 2.0
	everything    []string
	latest        []string // what a request without filters gives
	first, second string   // date_added of v1 and of the malware
}

func openRows(t *testing.T) *rows {
	r := &rows{gateway: open(t)}
	countries := strings.Fields(`AF AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BT BW BY BZ CA CH CI CL CM CN
		CO CR CU CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FR GA GB GD GE GH GM GN GR GT GY HN HR HT HU ID IE IL IN IQ IR IS IT`)
	r.apply(collections.CreateOperation{ID: "rows", Title: "Rows", Countries: countries})
	r.writer, r.other, r.reader = r.vendor, r.rival, r.vn
	var grants []collections.Change
	for _, country := range countries {
		alias := strings.ToLower(country)
		c := r.collection("rows", alias)
		for _, g := range []auth.Grant{
			{Partner: r.writer.partner, Rights: auth.Rights{Read: true, Write: true}},
			{Partner: r.other.partner, Rights: auth.Rights{Read: true, Write: true}},
			{Partner: r.reader.partner, Rights: auth.Rights{Read: true}},
		} {
			g.Operation, g.Collection = c.Operation, c.ID
			grants = append(grants, collections.Access(auth.SetGrant{Grant: g}))
		}
		r.free = append(r.free, alias)
	}
	r.apply(grants...)
	r.fill()
	return r
}

// fresh gives the path of a collection that nothing is in.
func (r *rows) fresh() string {
	r.Helper()
	if len(r.free) == 0 {
		r.Fatal("no collection is left: openRows needs more countries")
	}
	alias := r.free[0]
	r.free = r.free[1:]
	return "/rows/collections/" + alias + "/"
}

// put publishes objects and wants all of them taken.
func (r *rows) put(at string, objects ...string) taxii.Status {
	r.Helper()
	var s taxii.Status
	r.post(r.writer, at, envelopeOf(objects...)).want(http.StatusAccepted).json(&s)
	if s.SuccessCount != len(objects) || s.TotalCount != len(objects) || s.FailureCount+s.PendingCount != 0 {
		r.Fatalf("status %+v, want %d successes", s, len(objects))
	}
	return s
}

func (r *rows) post(a account, at, text string, changes ...change) *answer {
	r.Helper()
	return r.ask(a, http.MethodPost, at+"objects/", append([]change{body(text)}, changes...)...)
}

// objects gives what the reader is given for a query.
func (r *rows) objects(at, query string) []string {
	r.Helper()
	return texts(r.get(r.reader, at+"objects/?"+query).want(http.StatusOK).envelope())
}

func (r *rows) manifest(at, query string) taxii.Manifest {
	r.Helper()
	var m taxii.Manifest
	r.get(r.reader, at+"manifest/?"+query).want(http.StatusOK).json(&m)
	return m
}

func (r *rows) versions(at, id, query string) taxii.Versions {
	r.Helper()
	var v taxii.Versions
	r.get(r.reader, at+"objects/"+id+"/versions/?"+query).want(http.StatusOK).json(&v)
	return v
}

func (r *rows) fill() {
	s := &r.stock
	s.at = r.fresh()
	s.indicator, s.malware = "indicator--"+uuid.NewString(), "malware--"+uuid.NewString()
	s.domain, s.old = "domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7", "indicator--"+uuid.NewString()
	s.v1 = indicatorOf(s.indicator, "one", "2025-01-31T09:30:00.000Z")
	s.v2 = indicatorOf(s.indicator, "two", "2025-02-01T00:00:00.5Z")
	s.v3 = indicatorOf(s.indicator, "three", "2025-02-02T00:00:00.123456Z")
	s.m = fmt.Sprintf(`{"type":"malware","spec_version":"2.1","id":%q,"created":"2025-01-31T09:30:00.000Z","modified":"2025-01-31T09:30:00.000Z","is_family":false}`, s.malware)
	s.d = fmt.Sprintf(`{"type":"domain-name","id":%q,"value":"example.com"}`, s.domain)
	s.o = fmt.Sprintf(`{"type":"indicator","id":%q,"created":"2025-01-31T09:30:00.000Z","modified":"2025-01-31T09:30:00.000Z",`+
		`"labels":["malicious-activity"],"pattern":"[domain-name:value = 'a.example']","valid_from":"2025-01-31T09:30:00Z"}`, s.old)
	s.everything = []string{s.v1, s.m, s.d, s.v2, s.o, s.v3}
	s.latest = []string{s.m, s.d, s.o, s.v3}
	r.put(s.at, s.everything...)
	m := r.manifest(s.at, "match[version]=all")
	s.first, s.second = m.Objects[0].DateAdded, m.Objects[1].DateAdded
}

// each runs cases of one row by their names.
func each[T any](t *testing.T, cases map[string]T, hold func(name string, c T)) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		hold(name, cases[name])
	}
}
