package server_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/server/client"
	"liaison/server/interop"
	"liaison/server/taxii"
)

// interopPartners makes partners with all the rights that the rows ask for, in one collection.
func interopPartners(g *gateway) []interop.Partner {
	var list []interop.Partner
	for _, row := range []struct {
		name   string
		rights auth.Rights
	}{{"both", auth.Rights{Read: true, Write: true}}, {"reader", auth.Rights{Read: true}}, {"writer", auth.Rights{Write: true}}, {"neither", auth.Rights{}}} {
		role := auth.Agency
		if row.rights.Write {
			role = auth.Vendor
		}
		a := g.partner(auth.PartnerID("interop-"+row.name), role, row.rights, "vn")
		joined, mine := g.join(a.partner)
		roots := x509.NewCertPool()
		roots.AddCert(g.ca.Root())
		p := interop.Partner{Name: row.name, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
		p.Account = client.Account{Discovery: g.url + "/taxii2/", APIRoot: g.url + "/secure/", ClientID: joined.ClientID, ClientSecret: joined.Secret}
		if row.name == "both" {
			p.TLS.Certificates = []tls.Certificate{mine}
		}
		list = append(list, p)
	}
	return list
}

func results(report interop.Report, result interop.Result) []string {
	var list []string
	for _, row := range report.Rows {
		if row.Result == result {
			list = append(list, row.ID)
		}
	}
	return list
}

func TestInterop(t *testing.T) {
	g := open(t)
	partners := interopPartners(g)
	_, before := indicator("was there before")
	g.publish(g.vendor, "vn", before)
	report, err := interop.Run(t.Context(), interop.Options{Partners: partners, Collection: "vn"})
	g.ok(err)
	page, err := os.ReadFile("../docs/taxii.md")
	g.ok(err)
	for _, row := range report.Rows {
		if !strings.Contains(string(page), "| "+row.ID+" | "+row.Name+" |") {
			t.Errorf("docs/taxii.md does not list %s %s", row.ID, row.Name)
		}
	}
	optional := []string{"3.13.2.1", "3.13.2.2", "3.13.2.3", "3.13.2.4", "3.13.2.5"}
	if diff := cmp.Diff(optional, results(report, interop.NotOffered)); diff != "" {
		t.Errorf("not offered (-want +got):\n%s", diff)
	}
	for _, row := range report.Rows {
		if row.Result == interop.Failed || row.Result == interop.NotTestable || row.Got == "" || row.Expected == "" {
			t.Errorf("%s %s: %s: %s", row.ID, row.Name, row.Result, row.Got)
		}
		if row.Mandatory == slices.Contains(optional, row.ID) {
			t.Errorf("%s: mandatory %v", row.ID, row.Mandatory)
		}
	}
	if len(report.Rows) != 44 || report.Count(true, interop.Passed) != 39 || !report.OK() || len(report.Left) != 0 {
		t.Errorf("%d rows, %d mandatory passed, left %v", len(report.Rows), report.Count(true, interop.Passed), report.Left)
	}
	// What it made is deleted, what was there stays.
	if got := texts(g.get(g.vn, "/secure/collections/vn/objects/").want(200).envelope()); !slices.Equal(got, []string{before}) {
		t.Errorf("in the collection: %v", got)
	}
}

// Without a collection to write to, and with one partner, nothing is written and nothing fails.
func TestInteropReadOnly(t *testing.T) {
	g := open(t)
	partners := interopPartners(g)[1:2]
	partners[0].Account.APIRoot = "" // found by discovery
	report, err := interop.Run(t.Context(), interop.Options{Partners: partners})
	g.ok(err)
	if !report.OK() || report.Count(true, interop.Failed) != 0 {
		t.Errorf("failed: %v", results(report, interop.Failed))
	}
	want := []string{"3.1.1", "3.1.2", "3.1.4", "3.2.1", "3.3.1", "3.3.2", "3.4.1", "3.5.1.3", "3.5.3", "3.7.2", "3.8.2", "3.13.1.10"}
	if diff := cmp.Diff(want, results(report, interop.Passed)); diff != "" {
		t.Errorf("passed (-want +got):\n%s", diff)
	}
	for _, row := range report.Rows {
		if row.Result == interop.NotTestable && !strings.HasPrefix(row.Got, "needs a") {
			t.Errorf("%s: %q", row.ID, row.Got)
		}
	}
	if got := g.get(g.vn, "/secure/collections/vn/objects/").envelope(); len(got.Objects) != 0 {
		t.Errorf("it wrote %d objects", len(got.Objects))
	}
	partners[0].Account.Discovery = "https://localhost:1/taxii2/"
	if _, err := interop.Run(t.Context(), interop.Options{Partners: partners}); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("a server that is away: %v", err)
	}
	if _, err := interop.Run(t.Context(), interop.Options{}); err == nil {
		t.Error("no partners, no error")
	}
}

// TestInteropOfWrongServers breaks the gateway in one way at a time: the row fails that is about it.
func TestInteropOfWrongServers(t *testing.T) {
	g := open(t)
	partners := interopPartners(g)
	wrong := wrongServers(partners)
	sound, err := interop.Run(t.Context(), interop.Options{Partners: partners, Collection: "vn"})
	g.ok(err)
	for _, row := range sound.Rows {
		t.Run(row.ID, func(t *testing.T) {
			f, ok := wrong[row.ID]
			if !ok {
				t.Fatal("no wrong server for this row")
			}
			g.front.Store(&f)
			defer g.front.Store(nil)
			report, err := interop.Run(t.Context(), interop.Options{Partners: partners, Collection: "vn"})
			if err != nil {
				t.Fatal(err)
			}
			if failed := results(report, interop.Failed); !slices.Contains(failed, row.ID) {
				t.Errorf("it passes; failed: %v", failed)
			}
			if report.OK() && row.Mandatory {
				t.Error("a mandatory row failed and the report is good")
			}
		})
	}
}

// recorded lets the gateway answer into a recorder.
func recorded(r *http.Request, gateway http.Handler) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	gateway.ServeHTTP(rec, r)
	return rec
}

// when answers matching requests itself, and lets the gateway answer the others.
func when(match func(*http.Request) bool, answer front) front {
	return func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		if match(r) {
			answer(w, r, gateway)
			return
		}
		gateway.ServeHTTP(w, r)
	}
}

// says answers a status with a body.
func says(status int, body string) front {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", taxii.MediaType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// edits changes the gateway's answer.
func edits(change func(head http.Header, body string) string) front {
	return func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		rec := recorded(r, gateway)
		body := change(rec.Header(), rec.Body.String())
		for name, values := range rec.Header() {
			if name != "Content-Length" {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(rec.Code)
		io.WriteString(w, body)
	}
}

func replaces(old, new string) front {
	return edits(func(_ http.Header, body string) string { return strings.ReplaceAll(body, old, new) })
}

// forgets lets the gateway answer as if parameters were not there.
func forgets(names ...string) front {
	return func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		q := r.URL.Query()
		for _, name := range names {
			q.Del(name)
		}
		r.URL.RawQuery = q.Encode()
		gateway.ServeHTTP(w, r)
	}
}

func method(m, suffix string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == m && strings.HasSuffix(r.URL.Path, suffix) }
}

func by(p interop.Partner, match func(*http.Request) bool) func(*http.Request) bool {
	return func(r *http.Request) bool {
		user, _, _ := r.BasicAuth()
		return user == p.Account.ClientID && match(r)
	}
}

func asksFor(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.Query().Has(name) }
}

func everything(*http.Request) bool { return true }

func wrongServers(partners []interop.Partner) map[string]front {
	both, reader, writer, neither := partners[0], partners[1], partners[2], partners[3]
	basicly := func(r *http.Request) bool { _, _, ok := r.BasicAuth(); return ok }
	nothing := says(200, `{"more":false}`)
	single := func(r *http.Request) bool {
		part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		return r.Method == http.MethodGet && len(part) == 3 && part[1] == "collections"
	}
	ofObject := func(m string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return r.Method == m && strings.Contains(r.URL.Path, "/objects/") && !strings.HasSuffix(r.URL.Path, "/objects/") && !strings.HasSuffix(r.URL.Path, "/versions/")
		}
	}
	lacksNext := func(h http.Header, body string) string {
		h.Del(taxii.HeaderLast)
		return body
	}
	list := map[string]front{
		"3.1.1": when(everything, edits(func(h http.Header, body string) string { h.Del("WWW-Authenticate"); return body })),
		"3.1.2": func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
			if _, secret, ok := r.BasicAuth(); ok && secret == "not-the-secret" {
				says(403, `{"title":"no"}`)(w, r, gateway)
				return
			}
			gateway.ServeHTTP(w, r)
		},
		"3.1.3": func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
			clone := *r
			state := *r.TLS
			state.PeerCertificates, state.VerifiedChains = nil, nil
			clone.TLS = &state
			gateway.ServeHTTP(w, &clone)
		},
		"3.1.4":    when(basicly, says(401, `{"title":"no"}`)),
		"3.2.1":    when(method("GET", "/taxii2/"), replaces(`"api_roots":["https:`, `"api_roots":["`)),
		"3.3.1":    when(method("GET", "/secure/"), replaces("application/taxii+json;version=2.1", "taxii-2.1")),
		"3.3.2":    when(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/no-such-root") }, says(200, `{"title":"x"}`)),
		"3.4.1":    when(method("GET", "/collections/"), edits(reversed)),
		"3.5.1.1":  when(by(writer, single), replaces(`"can_read":false`, `"can_read":true`)),
		"3.5.1.2":  when(by(both, single), replaces(`"can_write":true`, `"can_write":false`)),
		"3.5.1.3":  when(by(reader, single), replaces(`"can_write":false`, `"can_write":true`)),
		"3.5.1.4":  when(by(neither, single), says(404, `{"title":"no"}`)),
		"3.5.2.1":  when(by(writer, method("GET", "/objects/")), nothing),
		"3.5.2.2":  when(by(reader, method("POST", "/objects/")), says(404, `{"title":"no"}`)),
		"3.5.2.3":  when(by(reader, ofObject("DELETE")), says(200, ``)),
		"3.5.2.4":  when(by(neither, ofObject("DELETE")), says(403, `{"title":"no"}`)),
		"3.5.3":    func(w http.ResponseWriter, r *http.Request, gateway http.Handler) { turned(404, 403)(w, r, gateway) },
		"3.6.1":    when(method("GET", "/manifest/"), edits(func(h http.Header, body string) string { h.Set(taxii.HeaderFirst, "undefined"); return body })),
		"3.7.1":    when(method("GET", "/objects/"), replaces(`{"more":false,`, `{"type":"bundle","more":false,`)),
		"3.7.2":    when(method("GET", "/objects/"), replaces(`{"more": false}`, `{"more":false,"objects":[]}`)),
		"3.8.1":    when(ofObject("GET"), nothing),
		"3.8.2":    when(ofObject("GET"), turned(404, 200)),
		"3.9.1":    when(method("GET", "/versions/"), edits(func(h http.Header, body string) string { return backwards(body) })),
		"3.10.1":   when(method("POST", "/objects/"), turned(202, 200)),
		"3.11.1":   when(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/status/") }, replaces(`"pending_count":0`, `"x_pending":0`)),
		"3.11.2":   when(method("POST", "/objects/"), replaces(`"version":`, `"modified":`)),
		"3.12.1":   when(ofObject("DELETE"), says(200, ``)),
		"3.13.1.1": when(asksFor("added_after"), forgets("added_after")),
		"3.13.1.2": when(asksFor("limit"), forgets("limit")),
		"3.13.1.3": when(asksFor("match[id]"), forgets("match[id]")),
		"3.13.1.4": when(asksFor("match[type]"), forgets("match[type]")),
		"3.13.1.5": when(asksFor("match[version]"), forgets("match[version]")),
		"3.13.1.6": when(asksFor("match[spec_version]"), forgets("match[spec_version]")),
		"3.13.1.7": when(asksFor("match[type]"), firstOf("match[type]")),
		"3.13.1.8": when(func(r *http.Request) bool { return asksFor("match[type]")(r) && asksFor("match[id]")(r) }, forgets("match[id]")),
		"3.13.1.9": when(func(r *http.Request) bool {
			q := r.URL.Query()
			return strings.Contains(q.Get("match[type]"), ",") && strings.Contains(q.Get("match[id]"), ",")
		}, forgets("match[id]")),
		"3.13.1.10": when(func(r *http.Request) bool { return len(r.URL.Query()["match[type]"]) > 1 }, nothing),
		"3.14.1":    when(method("GET", "/versions/"), edits(lacksNext)),
		"3.15.1":    refusesCustom,
	}
	for i, name := range []string{"match[name]", "match[labels]", "match[source_name]", "match[relationships-all]", "match[confidence-gte]"} {
		list[fmt.Sprintf("3.13.2.%d", i+1)] = when(asksFor(name), nothing) // offered, and wrong
	}
	return list
}

// reversed turns a list of collections around; one that is alone is listed twice.
func reversed(_ http.Header, body string) string {
	var c struct {
		Collections []json.RawMessage `json:"collections"`
	}
	if json.Unmarshal([]byte(body), &c) != nil || len(c.Collections) == 0 {
		return body
	}
	if len(c.Collections) == 1 {
		c.Collections = append(c.Collections, c.Collections[0])
	}
	slices.Reverse(c.Collections)
	b, err := json.Marshal(c)
	if err != nil {
		return body
	}
	return string(b)
}

func backwards(body string) string {
	var v taxii.Versions
	if json.Unmarshal([]byte(body), &v) != nil {
		return body
	}
	slices.Reverse(v.Versions)
	b, err := json.Marshal(v)
	if err != nil {
		return body
	}
	return string(b)
}

// turned answers with another status instead of one.
func turned(from, to int) front {
	return func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		rec := recorded(r, gateway)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		if rec.Code == from {
			rec.Code = to
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	}
}

// firstOf looks at the first value of a list only.
func firstOf(name string) front {
	return func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		q := r.URL.Query()
		value, _, _ := strings.Cut(q.Get(name), ",")
		q.Set(name, value)
		r.URL.RawQuery = q.Encode()
		gateway.ServeHTTP(w, r)
	}
}

// refusesCustom answers 422 to what it does not know.
func refusesCustom(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
	if r.Method != http.MethodPost {
		gateway.ServeHTTP(w, r)
		return
	}
	b, err := io.ReadAll(r.Body)
	if err == nil && bytes.HasPrefix(b, []byte(`{"x_`)) {
		says(422, `{"title":"unknown"}`)(w, r, gateway)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	gateway.ServeHTTP(w, r)
}

// TestInteropTiers passes the optional rows on a server that has their filters.
func TestInteropTiers(t *testing.T) {
	g := open(t)
	partners := interopPartners(g)
	f := when(func(r *http.Request) bool {
		return r.Method == http.MethodGet && slices.ContainsFunc(slices.Collect(keys(r.URL.Query())), func(name string) bool {
			return strings.HasPrefix(name, "match[") && !slices.Contains([]string{"match[id]", "match[type]", "match[version]", "match[spec_version]"}, name)
		})
	}, tiers)
	g.front.Store(&f)
	report, err := interop.Run(t.Context(), interop.Options{Partners: partners, Collection: "vn"})
	g.ok(err)
	if n := report.Count(false, interop.Passed); n != 5 || !report.OK() {
		t.Errorf("%d optional rows passed; failed %v, not offered %v", n, results(report, interop.Failed), results(report, interop.NotOffered))
	}
}

func keys(v url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range v {
			if !yield(name) {
				return
			}
		}
	}
}

// tiers filters the gateway's answer as the optional tiers ask for it.
func tiers(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
	q := r.URL.Query()
	keep := func(o string) bool {
		for name, values := range q {
			switch v := values[0]; name {
			case "match[name]", "match[labels]", "match[source_name]":
				return strings.Contains(o, `"`+v+`"`)
			case "match[relationships-all]":
				return strings.Contains(o, `"relationship"`) && strings.Contains(o, v)
			case "match[confidence-gte]":
				return strings.Contains(o, `"confidence":90`)
			}
		}
		return true
	}
	known := url.Values{"added_after": q["added_after"]}
	r.URL.RawQuery = known.Encode()
	edits(func(_ http.Header, body string) string {
		var e taxii.Envelope
		if json.Unmarshal([]byte(body), &e) != nil {
			return body
		}
		e.Objects = slices.DeleteFunc(e.Objects, func(o json.RawMessage) bool { return !keep(string(o)) })
		b, err := json.Marshal(e)
		if err != nil {
			return body
		}
		return string(b)
	})(w, r, gateway)
}
