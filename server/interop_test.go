package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/server/client"
	"liaison/server/interop"
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
	if _, err := interop.Run(t.Context(), interop.Options{Partners: partners, Rows: []string{"9.9"}}); err == nil || !strings.Contains(err.Error(), "9.9") {
		t.Errorf("a row that is none: %v", err)
	}
	if _, err := interop.Run(t.Context(), interop.Options{}); err == nil {
		t.Error("no partners, no error")
	}
}

// TestInteropOfWrongServers breaks the gateway in one way at a time: the row fails that is about it.
func TestInteropOfWrongServers(t *testing.T) {
	t.Parallel()
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
			report, err := interop.Run(t.Context(), interop.Options{Partners: partners, Collection: "vn", Rows: []string{row.ID}})
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

// TestInteropOfOtherServers passes every mandatory row on servers that do otherwise what the standard
// leaves to them: none of it is a failure.
func TestInteropOfOtherServers(t *testing.T) {
	t.Parallel()
	g := open(t)
	partners := interopPartners(g)
	for name, f := range otherServers(g) {
		t.Run(name, func(t *testing.T) {
			g.front.Store(&f)
			defer g.front.Store(nil)
			report, err := interop.Run(t.Context(), interop.Options{Partners: partners, Collection: string(g.collection("secure", "vn").ID)})
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range report.Rows {
				if row.Mandatory && row.Result != interop.Passed {
					t.Errorf("%s %s: %s", row.ID, row.Result, row.Got)
				}
			}
		})
	}
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
