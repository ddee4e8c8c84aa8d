package server_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/collections"
	"liaison/server"
)

// TestRow009_012_isolation holds every route against every foreign partner's names: what belongs to another is
// answered exactly as what is not there. A route without a row fails the test.
func TestRow009_012_isolation(t *testing.T) {
	g := open(t)
	g.apply(collections.CreateOperation{ID: "other", Title: "Other", Countries: []string{"SG"}})
	sg := g.collection("other", "sg")
	g.apply(collections.Access(auth.CreatePartner{ID: "sg-police", Role: auth.Agency, Name: "SG"}))
	g.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{
		Partner: "sg-police", Operation: "other", Collection: sg.ID, Rights: auth.Rights{Read: true, Write: true},
	}}))
	vnID, raw := indicator("vn")
	status := g.publish(g.vendor, "vn", raw)
	lkID, raw := indicator("lk")
	lkStatus := g.publish(g.rival, "lk", raw)
	vn, lk := string(g.collection("secure", "vn").ID), string(g.collection("secure", "lk").ID)

	// What exists and is not for the account, and what does not exist at all.
	const none = "00000000-0000-4000-8000-000000000000"
	absent := names{"nowhere", none, "indicator--" + none, none}
	worlds := map[string]struct {
		account
		own     names
		foreign []names
	}{
		"vn": {g.vn, names{"secure", "vn", vnID, ""}, []names{
			{"other", "lk", lkID, status.ID}, {"other", lk, lkID, lkStatus.ID}, {"other", string(sg.ID), lkID, status.ID}, {"other", "sg", lkID, status.ID},
		}},
		"lk": {g.lk, names{"secure", "lk", lkID, ""}, []names{
			{"other", "vn", vnID, status.ID}, {"other", vn, vnID, lkStatus.ID},
		}},
		"acme":  {g.vendor, names{"secure", "vn", vnID, status.ID}, []names{{"other", "sg", lkID, lkStatus.ID}}},
		"rival": {g.rival, names{"secure", "lk", lkID, lkStatus.ID}, []names{{"other", "sg", vnID, status.ID}}},
	}

	rows := foreignNames()
	for _, r := range g.server.Routes() {
		slots, ok := rows[r]
		if !ok {
			t.Errorf("route %v has no row", r)
		}
		delete(rows, r)
		if slots == "" {
			continue
		}
		for who, w := range worlds {
			ask := func(f names) *answer {
				path := strings.NewReplacer(":root", f.root, ":collection", f.collection, ":object", f.object, ":status", f.status).Replace(r.Path)
				return g.ask(w.account, r.Method, path+"/?match[spec_version]=2.1", body(envelopeOf(raw))).want(404)
			}
			for name := range strings.FieldsSeq(slots) {
				if name == "status" && w.own.status == "" {
					continue
				}
				want := ask(w.own.with(name, absent))
				for _, f := range w.foreign {
					got := ask(w.own.with(name, f))
					for _, a := range []*answer{want, got} {
						a.header.Del("Date")
					}
					if diff := cmp.Diff(want.header, got.header); diff != "" {
						t.Errorf("%s %v, foreign %s: headers differ from those of what is not there:\n%s", who, r, name, diff)
					}
					if diff := cmp.Diff(string(want.body), string(got.body)); diff != "" {
						t.Errorf("%s %v, foreign %s: body differs from that of what is not there:\n%s", who, r, name, diff)
					}
				}
			}
		}
	}
	for r := range rows {
		t.Errorf("row %v has no route", r)
	}
}

// foreignNames says for each route which of its names may be foreign.
func foreignNames() map[server.Route]string {
	return map[server.Route]string{
		{Method: "GET", Path: "/taxii2"}:                                                 "",
		{Method: "GET", Path: "/:root"}:                                                  "root",
		{Method: "GET", Path: "/:root/status/:status"}:                                   "root status",
		{Method: "GET", Path: "/:root/collections"}:                                      "root",
		{Method: "GET", Path: "/:root/collections/:collection"}:                          "root collection",
		{Method: "GET", Path: "/:root/collections/:collection/manifest"}:                 "root collection",
		{Method: "GET", Path: "/:root/collections/:collection/objects"}:                  "root collection",
		{Method: "POST", Path: "/:root/collections/:collection/objects"}:                 "root collection",
		{Method: "POST", Path: "/:root/collections/:collection/preview"}:                 "root collection",
		{Method: "GET", Path: "/:root/collections/:collection/objects/:object"}:          "root collection object",
		{Method: "DELETE", Path: "/:root/collections/:collection/objects/:object"}:       "root collection",
		{Method: "GET", Path: "/:root/collections/:collection/objects/:object/versions"}: "root collection object",
		{Method: "GET", Path: "/:root/collections/:collection/validity"}:                 "root collection",
		{Method: "GET", Path: "/:root/collections/:collection/reported"}:                 "root collection",
		{Method: "GET", Path: "/:root/reported"}:                                         "root",
		{Method: "POST", Path: "/oauth2/token"}:                                          "",
		{Method: "POST", Path: "/oauth2/revoke"}:                                         "",
		{Method: "POST", Path: "/oauth2/introspect"}:                                     "",
		{Method: "POST", Path: "/client/certificate"}:                                    "",
		{Method: "GET", Path: "/admin/v1/*"}:                                             "",
		{Method: "POST", Path: "/admin/v1/*"}:                                            "",
		{Method: "PUT", Path: "/admin/v1/*"}:                                             "",
		{Method: "PATCH", Path: "/admin/v1/*"}:                                           "",
		{Method: "GET", Path: "/oauth2/jwks"}:                                            "",
		{Method: "GET", Path: "/.well-known/oauth-authorization-server"}:                 "",
		{Method: "GET", Path: "/.well-known/oauth-protected-resource"}:                   "",
		{Method: "GET", Path: "/.well-known/oauth-protected-resource/taxii2"}:            "",
		{Method: "GET", Path: "/join/:token"}:                                            "",
		{Method: "POST", Path: "/join/:token"}:                                           "",
		{Method: "POST", Path: "/client/secret"}:                                         "",
		{Method: "GET", Path: "/crl"}:                                                    "",
		{Method: "GET", Path: "/client/identity"}:                                        "", // its own row alone
		{Method: "GET", Path: "/healthz"}:                                                "",
	}
}

// names are what stands in a path.
type names struct{ root, collection, object, status string }

// with gives the names with one of them taken from another.
func (n names) with(name string, other names) names {
	switch name {
	case "root":
		n.root = other.root
	case "collection":
		n.collection = other.collection
	case "object":
		n.object = other.object
	case "status":
		n.status = other.status
	}
	return n
}

// What one may not see changes nothing in what one is given.
func TestRow012_hiddenObjectsLeaveNoTrace(t *testing.T) {
	g := open(t)
	g.many(g.vendor, "vn", 3)
	paths := []string{
		"/taxii2/", "/secure/", "/secure/collections/", "/secure/collections/vn/", "/secure/collections/vn/objects/",
		"/secure/collections/vn/objects/?limit=3", "/secure/collections/vn/manifest/?match[version]=all",
	}
	look := func() (all []string) {
		for _, p := range paths {
			a := g.get(g.vendor, p).want(200)
			a.header.Del("Date")
			keys := make([]string, 0, len(a.header))
			for k, v := range a.header {
				keys = append(keys, k+": "+strings.Join(v, ", "))
			}
			slices.Sort(keys)
			all = append(all, p+"\n"+strings.Join(keys, "\n")+"\n"+string(a.body))
		}
		return all
	}
	before := look()
	g.many(g.rival, "vn", 3)
	g.partner("third", auth.Vendor, auth.Rights{Write: true}, "vn")
	if diff := cmp.Diff(before, look()); diff != "" {
		t.Errorf("a rival's objects show (-before +after):\n%s", diff)
	}
	if got := g.get(g.vn, "/secure/collections/vn/objects/").envelope(); len(got.Objects) != 6 {
		t.Errorf("the agency has %d, want 6", len(got.Objects))
	}
}

func TestRow013_finalSlash(t *testing.T) {
	g := open(t)
	id, raw := indicator("x")
	status := g.publish(g.vendor, "vn", raw)
	replace := strings.NewReplacer(":root", "secure", ":collection", "vn", ":object", id, ":status", status.ID, ":token", "x")
	for _, r := range g.server.Routes() {
		if r.Method != http.MethodGet {
			continue
		}
		path := replace.Replace(r.Path)
		with, without := g.get(g.vendor, path+"/"), g.get(g.vendor, path)
		for _, a := range []*answer{with, without} { // of the clock
			a.body = regexp.MustCompile(`"since_next_time":"[^"]*"`).ReplaceAll(a.body, nil)
		}
		if with.status != without.status || with.status >= 300 && with.status < 400 || string(with.body) != string(without.body) {
			t.Errorf("%s: %d %s, without the slash %d %s", path, with.status, with.body, without.status, without.body)
		}
	}
}
