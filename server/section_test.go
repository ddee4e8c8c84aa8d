package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/taxii"
)

func TestSection4_1_discovery(t *testing.T) {
	g := open(t)
	for _, path := range []string{"/taxii2/", "/taxii2"} {
		var d taxii.Discovery
		g.get(g.vn, path).want(http.StatusOK).json(&d)
		want := taxii.Discovery{Title: "Liaison", Default: g.url + "/secure/", APIRoots: []string{g.url + "/secure/"}}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	nobody := g.partner("new-vendor", auth.Vendor, auth.Rights{})
	if got := string(g.get(nobody, "/taxii2/").want(http.StatusOK).body); got != `{"title":"Liaison"}` {
		t.Errorf("without a grant: %s", got)
	}
	g.get(account{}, "/taxii2/").want(http.StatusUnauthorized)
}

func TestSection4_2_apiRoot(t *testing.T) {
	g := open(t)
	for _, path := range []string{"/secure/", "/secure"} {
		var r taxii.APIRoot
		g.get(g.vn, path).want(http.StatusOK).json(&r)
		want := taxii.APIRoot{Title: "Operation Secure", Versions: []string{taxii.MediaType}, MaxContentLength: 1 << 20}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	g.get(g.vn, "/nowhere/").want(http.StatusNotFound)
}

func TestSection4_3_status(t *testing.T) {
	g := open(t)
	id, good := indicator("good")
	bad := `{"type":"indicator","spec_version":"2.1","id":"indicator--1"}`
	var posted, got taxii.Status
	a := g.ask(g.vendor, http.MethodPost, "/secure/collections/vn/objects/", body(envelopeOf(good, bad))).want(http.StatusAccepted)
	a.json(&posted)
	if posted.Status != "complete" || posted.TotalCount != 2 || posted.SuccessCount != 1 || posted.FailureCount != 1 || posted.PendingCount != 0 {
		t.Fatalf("status %s", a.body)
	}
	if len(posted.Successes) != 1 || posted.Successes[0].ID != id || len(posted.Failures) != 1 || posted.Failures[0].Message == "" {
		t.Errorf("details %s", a.body)
	}
	for _, member := range []string{`"pending_count":0`, `"request_timestamp":"`} {
		if !strings.Contains(string(a.body), member) {
			t.Errorf("no %s in %s", member, a.body)
		}
	}
	if strings.Contains(string(a.body), "pendings") || strings.Contains(string(a.body), "null") {
		t.Errorf("an empty list or a null in %s", a.body)
	}
	g.get(g.vendor, "/secure/status/"+posted.ID+"/").want(http.StatusOK).json(&got)
	if diff := cmp.Diff(posted, got); diff != "" {
		t.Errorf("(-posted +read):\n%s", diff)
	}
	g.get(g.rival, "/secure/status/"+posted.ID+"/").want(http.StatusNotFound)
	g.get(g.vendor, "/secure/status/1/").want(http.StatusNotFound)
}

func TestSection5_1_collections(t *testing.T) {
	g := open(t)
	var c taxii.Collections
	g.get(g.vendor, "/secure/collections/").want(http.StatusOK).json(&c)
	if len(c.Collections) != 2 || c.Collections[0].ID > c.Collections[1].ID {
		t.Fatalf("collections %+v, want two by id", c)
	}
	vn := g.collection("secure", "vn")
	want := taxii.Collection{
		ID: string(vn.ID), Title: "Viet Nam", Description: "Operation Secure: what concerns Viet Nam", Alias: "vn",
		CanRead: true, MediaTypes: []string{taxii.STIX21, taxii.STIX20},
	}
	var one taxii.Collection
	for _, name := range []string{"vn", string(vn.ID)} {
		g.get(g.vn, "/secure/collections/"+name+"/").want(http.StatusOK).json(&one)
		if diff := cmp.Diff(want, one); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	nobody := g.partner("new-vendor", auth.Vendor, auth.Rights{})
	g.get(nobody, "/secure/collections/").want(http.StatusNotFound)
}

// The rows of the interoperability test document, 3.5.1 and 3.5.2.
func TestSection5_2_rights(t *testing.T) {
	g := open(t)
	id, raw := indicator("there")
	g.publish(g.vendor, "vn", raw)
	const read, write = true, true
	for _, row := range []struct {
		name           string
		rights         auth.Rights
		get, post, del int
	}{
		{"read-only", auth.Rights{Read: read}, 200, 403, 403},
		{"write-only", auth.Rights{Write: write}, 403, 202, 403},
		{"neither", auth.Rights{}, 403, 403, 404},
		{"both", auth.Rights{Read: read, Write: write}, 200, 202, 403}, // another partner's object
	} {
		a := g.partner(auth.PartnerID(row.name), auth.Agency, row.rights, "vn")
		const at = "/secure/collections/vn/"
		var c taxii.Collection
		g.get(a, at).want(200).json(&c)
		if c.CanRead != row.rights.Read || c.CanWrite != row.rights.Write {
			t.Errorf("%s: flags %v %v", row.name, c.CanRead, c.CanWrite)
		}
		for _, path := range []string{"manifest/", "objects/", "objects/" + id + "/", "objects/" + id + "/versions/"} {
			g.get(a, at+path).want(row.get)
		}
		_, more := indicator("more")
		g.ask(a, http.MethodPost, at+"objects/", body(envelopeOf(more))).want(row.post)
		g.ask(a, http.MethodDelete, at+"objects/"+id+"/").want(row.del)
	}
	g.apply(collections.CloseOperation{ID: "secure"})
	_, late := indicator("late")
	g.ask(g.vendor, http.MethodPost, "/secure/collections/vn/objects/", body(envelopeOf(late))).want(403)
	g.get(g.vendor, "/secure/collections/vn/objects/").want(200)
}

func TestSection5_3_manifest(t *testing.T) {
	g := open(t)
	empty := g.get(g.vn, "/secure/collections/vn/manifest/").want(200)
	if string(empty.body) != "{}" {
		t.Errorf("empty manifest %s, want {}", empty.body)
	}
	wantDates(t, empty, "", "")
	id, raw := indicator("one")
	g.publish(g.vendor, "vn", raw, `{"type":"domain-name","id":"domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7","value":"example.com"}`)
	a := g.get(g.vn, "/secure/collections/vn/manifest/").want(200)
	var m taxii.Manifest
	a.json(&m)
	if len(m.Objects) != 2 || m.More == nil || *m.More || m.Next != "" {
		t.Fatalf("manifest %s", a.body)
	}
	first, second := m.Objects[0], m.Objects[1]
	want := taxii.ManifestRecord{ID: id, DateAdded: first.DateAdded, Version: "2025-01-31T09:30:00.000Z", MediaType: taxii.STIX21}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if second.Version != second.DateAdded || second.MediaType != taxii.STIX21 {
		t.Errorf("an observable's version %q, want its date_added %q", second.Version, second.DateAdded)
	}
	wantDates(t, a, first.DateAdded, second.DateAdded)
}

func wantDates(t *testing.T, a *answer, first, last string) {
	t.Helper()
	for name, want := range map[string]string{taxii.HeaderFirst: first, taxii.HeaderLast: last} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
}

func TestSection5_4_objects(t *testing.T) {
	g := open(t)
	empty := g.get(g.vn, "/secure/collections/vn/objects/").want(200)
	if string(empty.body) != `{"more": false}` {
		t.Errorf("empty envelope %s", empty.body)
	}
	wantDates(t, empty, "", "")
	_, odd := indicator("  kept <as> it & came \\u00e9 ")
	odd = strings.Replace(odd, `"name":`, "\n \"x_n\" : 1.50e+3 ,\t\"name\":", 1)
	g.publish(g.vendor, "vn", odd)
	a := g.get(g.vn, "/secure/collections/vn/objects/").want(200)
	if want := `{"more":false,"objects":[` + odd + `]}`; string(a.body) != want {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, string(a.body)))
	}
	if a.header.Get(taxii.HeaderFirst) == "" || a.header.Get(taxii.HeaderFirst) != a.header.Get(taxii.HeaderLast) {
		t.Errorf("dates %v", a.header)
	}
	if got := g.get(g.lk, "/secure/collections/lk/objects/").want(200); len(got.envelope().Objects) != 0 {
		t.Errorf("another country's: %s", got.body)
	}
}

func TestSection5_5_add(t *testing.T) {
	g := open(t)
	_, raw := indicator("one")
	const path = "/secure/collections/vn/objects/"
	bundle := `{"type":"bundle","id":"bundle--5d0092c5-5f74-4287-9642-33f4c354e56d","objects":[` + raw + `]}`
	for _, row := range []struct {
		name, media, body string
		want              int
	}{
		{"envelope", taxii.MediaType, envelopeOf(raw), 202},
		{"again", taxii.MediaType, envelopeOf(raw), 202},
		{"bundle", "application/stix+json; version=2.1", bundle, 202},
		{"bundle as taxii", "application/taxii+json", bundle, 202},
		{"custom", taxii.MediaType, `{"x_test":{"a":[1]},"objects":[` + raw + `]}`, 202},
		{"no objects", taxii.MediaType, `{}`, 422},
		{"empty objects", taxii.MediaType, `{"objects":[]}`, 422},
		{"not JSON", taxii.MediaType, `{"objects":[`, 400},
		{"trailing", taxii.MediaType, envelopeOf(raw) + "x", 400},
		{"two objects", taxii.MediaType, `{"objects":[],"objects":[]}`, 400},
		{"nothing", taxii.MediaType, ``, 400},
		{"other type", "application/json", envelopeOf(raw), 415},
		{"other version", "application/taxii+json;version=2.0", envelopeOf(raw), 415},
		{"other charset", taxii.MediaType + ";charset=latin1", envelopeOf(raw), 415},
	} {
		a := g.ask(g.vendor, http.MethodPost, path, header("Content-Type", row.media), body(row.body))
		if a.status != row.want {
			t.Errorf("%s: %d %s, want %d", row.name, a.status, a.body, row.want)
			continue
		}
		a.want(row.want)
	}
	g.ask(g.vendor, http.MethodPost, path, header("Accept", "text/plain"), body(envelopeOf(raw))).want(406)
	g.ask(g.vendor, http.MethodPost, path, header("Content-Type"), body(envelopeOf(raw))).want(415)
}

func TestSection5_6_object(t *testing.T) {
	g := open(t)
	id, first := indicator("first")
	second := indicatorOf(id, "second", "2025-02-01T00:00:00.000Z")
	g.publish(g.vendor, "vn", first, second)
	at := "/secure/collections/vn/objects/" + id + "/"
	for query, want := range map[string][]string{
		"":                                       {second},
		"?match[version]=all":                    {first, second},
		"?match[version]=first":                  {first},
		"?match[version]=2025-01-31T09:30:00Z":   {first},
		"?match[version]=first,last":             {first, second},
		"?match[version]=2020-01-01T00:00:00Z":   nil,
		"?match[spec_version]=2.0":               nil,
		"?match[version]=all&limit=1":            {first},
		"?match%5Bversion%5D=all&unknown=ignore": {first, second},
	} {
		var got []string
		for _, o := range g.get(g.vn, at+query).want(200).envelope().Objects {
			got = append(got, string(o))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	other, _ := indicator("never sent")
	for _, name := range []string{other, "indicator", "indicator--1", id[:len(id)-1], strings.ToUpper(id)} {
		g.get(g.vn, "/secure/collections/vn/objects/"+name+"/").want(404)
		g.get(g.vn, "/secure/collections/vn/objects/"+name+"/versions/").want(404)
	}
	g.get(g.vn, at+"?match[id]="+id).want(400)
}

func TestSection5_7_delete(t *testing.T) {
	g := open(t)
	id, first := indicator("first")
	second := indicatorOf(id, "second", "2025-02-01T00:00:00.000Z")
	g.publish(g.vendor, "vn", first, second)
	at := "/secure/collections/vn/objects/" + id + "/"
	g.ask(g.rival, http.MethodDelete, at).want(404)
	g.ask(g.vendor, http.MethodDelete, at+"?limit=1").want(400)
	a := g.ask(g.vendor, http.MethodDelete, at+"?match[version]=first").want(200)
	if len(a.body) != 0 {
		t.Errorf("payload %s", a.body)
	}
	if got := g.get(g.vn, at+"?match[version]=all").want(200).envelope(); len(got.Objects) != 1 {
		t.Errorf("%d versions are left, want 1", len(got.Objects))
	}
	g.ask(g.vendor, http.MethodDelete, at).want(200)
	g.get(g.vn, at).want(404)
	g.ask(g.vendor, http.MethodDelete, at).want(404)
	if got := string(g.get(g.vn, "/secure/collections/vn/manifest/").body); got != "{}" {
		t.Errorf("manifest %s", got)
	}
	was := g.publish(g.vendor, "vn", first)
	if got := g.get(g.vn, at).want(200); was.SuccessCount != 1 || len(got.envelope().Objects) != 1 {
		t.Errorf("published again: %s", got.body)
	}
}

func TestSection5_8_versions(t *testing.T) {
	g := open(t)
	id, first := indicator("first")
	second := indicatorOf(id, "second", "2025-02-01T00:00:00Z")
	g.publish(g.vendor, "vn", second, first)
	at := "/secure/collections/vn/objects/" + id + "/versions/"
	var v taxii.Versions
	g.get(g.vn, at).want(200).json(&v)
	if diff := cmp.Diff([]string{"2025-02-01T00:00:00Z", "2025-01-31T09:30:00.000Z"}, v.Versions); diff != "" {
		t.Errorf("by date_added, with the publisher's digits (-want +got):\n%s", diff)
	}
	a := g.get(g.vn, at+"?limit=1").want(200)
	a.json(&v)
	if v.More == nil || !*v.More || v.Next == "" || len(v.Versions) != 1 {
		t.Fatalf("first page %s", a.body)
	}
	rest := g.get(g.vn, at+"?added_after="+a.header.Get(taxii.HeaderLast)).want(200)
	v = taxii.Versions{}
	rest.json(&v)
	if diff := cmp.Diff([]string{"2025-01-31T09:30:00.000Z"}, v.Versions); diff != "" {
		t.Errorf("second page (-want +got):\n%s", diff)
	}
	end := g.get(g.vn, at+"?added_after="+rest.header.Get(taxii.HeaderLast)).want(200)
	if string(end.body) != "{}" {
		t.Errorf("after the end %s", end.body)
	}
	wantDates(t, end, "", rest.header.Get(taxii.HeaderLast))
	g.get(g.vn, at+"?match[version]=all").want(400)
}
