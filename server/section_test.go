package server_test

import (
	"net/http"
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

func wantDates(t *testing.T, a *answer, first, last string) {
	t.Helper()
	for name, want := range map[string]string{taxii.HeaderFirst: first, taxii.HeaderLast: last} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
}

// A closed operation is read only.
func TestSection5_2_closed(t *testing.T) {
	g := open(t)
	_, raw := indicator("there")
	g.publish(g.vendor, "vn", raw)
	g.apply(collections.CloseOperation{ID: "secure"})
	_, late := indicator("late")
	g.ask(g.vendor, http.MethodPost, "/secure/collections/vn/objects/", body(envelopeOf(late))).want(403)
	g.get(g.vendor, "/secure/collections/vn/objects/").want(200)
	var c taxii.Collection
	g.get(g.vendor, "/secure/collections/vn/").want(200).json(&c)
	if !c.CanRead || c.CanWrite {
		t.Errorf("%+v", c)
	}
}
