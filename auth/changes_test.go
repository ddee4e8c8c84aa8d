package auth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/stix"
)

const (
	vn auth.CollectionID = "5d2a1f5e-3d2b-4c57-9d6e-0f6d3c1a7b21"
	lk auth.CollectionID = "9b1c2d3e-4f50-4a61-8b72-93a4b5c6d7e8"
)

// desk applies changes the way a registry does: to a clone, keeping the rows and the lines.
type desk struct {
	t     testing.TB
	vault *auth.Vault

	vaultDir string
	now      time.Time
	t0       *auth.Tables
	rows     map[[2]string][]byte
	lines    []auth.Line
}

func newDesk(t testing.TB) *desk {
	dir := t.TempDir()
	v, err := auth.CreateVault(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t: t, vault: v, vaultDir: dir, now: morning, t0: auth.NewTables(), rows: map[[2]string][]byte{}}
}

func (d *desk) try(c auth.Change) error {
	d.t.Helper()
	before := d.reload() // shares nothing with either
	next := d.t0.Clone()
	e, err := c.Apply(next, d.now)
	if err != nil {
		if diff := diffTables(before, next); diff != "" {
			d.t.Errorf("%T was refused and changed the tables (-before +after):\n%s", c, diff)
		}
		return err
	}
	if diff := diffTables(before, d.t0); diff != "" {
		d.t.Errorf("%T on a clone changed the original (-before +after):\n%s", c, diff)
	}
	for _, r := range e.Records {
		if r.Value == nil {
			delete(d.rows, [2]string{r.Table, r.Key})
		} else {
			d.rows[[2]string{r.Table, r.Key}] = r.Value
		}
	}
	d.lines = append(d.lines, auth.NewLine(d.now, "local:0", e.Kind, e.What))
	d.t0 = next
	return nil
}

func (d *desk) do(cs ...auth.Change) {
	d.t.Helper()
	for _, c := range cs {
		if err := d.try(c); err != nil {
			d.t.Fatalf("%T: %v", c, err)
		}
	}
}

func (d *desk) refuse(kind error, says string, c auth.Change) {
	d.t.Helper()
	err := d.try(c)
	if !errors.Is(err, kind) || !strings.Contains(fmt.Sprint(err), says) {
		d.t.Errorf("%T %+v: got %v; want %v that says %q", c, c, err, kind, says)
	}
}

// reload gives the tables that the rows make in a fresh process.
func (d *desk) reload() *auth.Tables {
	d.t.Helper()
	t := auth.NewTables()
	for k, v := range d.rows {
		if ok, err := t.Load(auth.Record{Table: k[0], Key: k[1], Value: v}); !ok || err != nil {
			d.t.Fatalf("loading %q: %t, %v", k, ok, err)
		}
	}
	return t
}

func (d *desk) lastLine() string {
	d.t.Helper()
	l := d.lines[len(d.lines)-1]
	return l.Kind + " " + string(l.What)
}

// join gives a partner another client with a secret and a certificate.
func (d *desk) join(p auth.PartnerID) (auth.ClientID, string, auth.Shown) {
	d.t.Helper()
	token := auth.NewInvitation()
	d.do(auth.Invite{Partner: p, Token: token, TTL: time.Hour})
	text, secret := d.vault.NewSecret(d.now)
	id := d.t0.NextClient(p)
	shown := certificate(p, id, len(d.lines))
	d.do(auth.Join{Token: token, Client: id, Secret: secret, Certificate: d.certificate(shown)})
	return id, text, shown
}

func (d *desk) certificate(s auth.Shown) auth.Certificate {
	return auth.Certificate{Serial: s.Serial, Fingerprint: s.Fingerprint, NotAfter: d.now.Add(90 * 24 * time.Hour).Truncate(time.Second)}
}

func certificate(p auth.PartnerID, c auth.ClientID, n int) auth.Shown {
	return auth.Shown{Partner: p, Client: c, Serial: fmt.Sprintf("%032x", n), Fingerprint: fmt.Sprintf("%064x", n)}
}

// diffTables compares tables with their indexes.
func diffTables(a, b *auth.Tables) string {
	return cmp.Diff(a, b, cmp.Exporter(func(t reflect.Type) bool { return t.PkgPath() == "liaison/auth" }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }))
}

func agency(id auth.PartnerID) auth.CreatePartner {
	return auth.CreatePartner{ID: id, Role: auth.Agency, Name: "Agency " + string(id)}
}

func vendor(id auth.PartnerID) auth.CreatePartner {
	return auth.CreatePartner{ID: id, Role: auth.Vendor, Name: "Vendor " + string(id), DefaultMarking: stix.Amber}
}

func grant(p auth.PartnerID, c auth.CollectionID, read, write bool) auth.SetGrant {
	return auth.SetGrant{Grant: auth.Grant{Partner: p, Operation: "secure", Collection: c, Rights: auth.Rights{Read: read, Write: write}}}
}

func TestCreatePartner(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn-police"))
	want := auth.Partner{
		ID: "vn-police", Role: auth.Agency, Name: "Agency vn-police", Clearance: stix.AmberStrict, State: auth.Active, Epoch: 1,
		Created: morning.Truncate(time.Microsecond),
	}
	want.Identity = d.t0.Partners["vn-police"].Identity
	if !strings.HasPrefix(string(want.Identity), "identity--") || len(want.Identity) != len("identity--")+36 {
		t.Errorf("identity %q", want.Identity)
	}
	if diff := cmp.Diff(want, d.t0.Partners["vn-police"]); diff != "" {
		t.Errorf("partner (-want +got):\n%s", diff)
	}
	if got, want := d.lastLine(), `partner.create {"clearance":"amber+strict","identity":"`+string(want.Identity)+
		`","name":"Agency vn-police","partner":"vn-police","role":"agency"}`; got != want {
		t.Errorf("journal: got %s, want %s", got, want)
	}
	d.do(vendor("acme"))
	if p := d.t0.Partners["acme"]; p.Clearance != stix.Unmarked || p.DefaultMarking != stix.Amber {
		t.Errorf("vendor: %+v", p)
	}

	d.refuse(auth.ErrExists, "another id", vendor("acme"))
	for _, id := range []auth.PartnerID{"", "a", "-a", "A1", "a_b", "a:b", "a/b", "é1", "a b", auth.PartnerID(strings.Repeat("a", 64))} {
		d.refuse(auth.ErrInvalid, "partner id", vendor(id))
	}
	d.do(vendor("a1"), vendor(auth.PartnerID(strings.Repeat("a", 63))), vendor("0-"))

	with := func(f func(*auth.CreatePartner)) auth.CreatePartner {
		c := agency("new")
		f(&c)
		return c
	}
	d.refuse(auth.ErrInvalid, "role", with(func(c *auth.CreatePartner) { c.Role = "admin" }))
	d.refuse(auth.ErrInvalid, "role", with(func(c *auth.CreatePartner) { c.Role = "" }))
	for _, name := range []string{"", "   ", "a\nb", "a\x00b", "a\u202eb", "a\u2028b", "\xff", strings.Repeat("é", 201)} {
		d.refuse(auth.ErrInvalid, "name", with(func(c *auth.CreatePartner) { c.Name = name }))
	}
	d.refuse(auth.ErrInvalid, "clearance", with(func(c *auth.CreatePartner) { c.Clearance = stix.Unknown }))
	d.refuse(auth.ErrInvalid, "default marking", with(func(c *auth.CreatePartner) { c.DefaultMarking = stix.Unknown }))
	d.refuse(auth.ErrInvalid, "default marking", with(func(c *auth.CreatePartner) { c.DefaultMarking = stix.Red }))
	for _, role := range []auth.Role{auth.Vendor, auth.Operator, auth.Auditor} {
		d.refuse(auth.ErrInvalid, "clearance", with(func(c *auth.CreatePartner) { c.Role, c.Clearance = role, stix.Green }))
	}
	for _, role := range []auth.Role{auth.Operator, auth.Auditor} {
		d.refuse(auth.ErrInvalid, "default marking", with(func(c *auth.CreatePartner) { c.Role, c.DefaultMarking = role, stix.Green }))
	}
	d.do(with(func(c *auth.CreatePartner) { c.Name, c.Clearance = strings.Repeat("é", 200), stix.Red }))
}

func TestSetPartner(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn"), vendor("acme"))
	d.do(auth.SetPartner{ID: "vn", Name: new("Công an"), Clearance: new(stix.Red)})
	if p := d.t0.Partners["vn"]; p.Name != "Công an" || p.Clearance != stix.Red || p.DefaultMarking != stix.Unmarked {
		t.Errorf("got %+v", p)
	}
	if got, want := d.lastLine(), `partner.set {"clearance":{"after":"red","before":"amber+strict"},"name":{"after":"Công an","before":"Agency vn"},"partner":"vn"}`; got != want {
		t.Errorf("journal: got %s, want %s", got, want)
	}
	d.do(auth.SetPartner{ID: "acme", DefaultMarking: new(stix.Unmarked)})
	if p := d.t0.Partners["acme"]; p.DefaultMarking != stix.Unmarked || p.Name != "Vendor acme" {
		t.Errorf("got %+v", p)
	}
	d.refuse(auth.ErrNotFound, "partner list", auth.SetPartner{ID: "nobody", Name: new("x")})
	d.refuse(auth.ErrInvalid, "nothing to set", auth.SetPartner{ID: "vn"})
	d.refuse(auth.ErrInvalid, "name", auth.SetPartner{ID: "vn", Name: new("")})
	d.refuse(auth.ErrInvalid, "clearance", auth.SetPartner{ID: "vn", Clearance: new(stix.Unmarked)})
	d.refuse(auth.ErrInvalid, "clearance", auth.SetPartner{ID: "acme", Clearance: new(stix.Green)})
	d.refuse(auth.ErrInvalid, "default marking", auth.SetPartner{ID: "acme", Name: new("New"), DefaultMarking: new(stix.Red)})
}

func TestSuspendResumeRemove(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn"))
	id, _, shown := d.join("vn")
	p, err := d.t0.Principal(id, auth.BySecret)
	if err != nil || d.t0.Still(p) != nil {
		t.Fatal(err, d.t0.Still(p))
	}

	d.do(auth.SuspendPartner{ID: "vn"})
	if got, want := d.lastLine(), `partner.suspend {"epoch":{"after":2,"before":1},"partner":"vn","state":{"after":"suspended","before":"active"}}`; got != want {
		t.Errorf("journal: got %s, want %s", got, want)
	}
	if err := d.t0.Still(p); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("Still of a suspended partner: %v", err)
	}
	if _, err := d.t0.Principal(id, auth.BySecret); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("Principal of a suspended partner: %v", err)
	}
	d.refuse(auth.ErrConflict, "suspended already", auth.SuspendPartner{ID: "vn"})
	d.refuse(auth.ErrConflict, "resume", auth.Invite{Partner: "vn", Token: auth.NewInvitation(), TTL: time.Hour})

	d.do(auth.ResumePartner{ID: "vn"})
	if err := d.t0.Still(p); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("what was admitted before the suspension holds again: %v", err)
	}
	if _, err := d.t0.Principal(id, auth.BySecret); err != nil {
		t.Errorf("Principal of a resumed partner: %v", err)
	}
	d.refuse(auth.ErrConflict, "active already", auth.ResumePartner{ID: "vn"})

	d.do(grant("vn", vn, true, false), auth.Invite{Partner: "vn", Token: auth.NewInvitation(), TTL: time.Hour})
	d.do(auth.RemovePartner{ID: "vn"})
	k := d.t0.Clients[id]
	if k.Revoked.IsZero() || len(k.Secrets) != 0 || k.Certificates[0].Revoked.IsZero() || k.Epoch != 2 {
		t.Errorf("client of a removed partner: %+v", k)
	}
	if len(d.t0.Grants["vn"]) != 0 || len(d.t0.Invitations) != 0 || d.t0.Partners["vn"].State != auth.Removed {
		t.Errorf("removed: %+v", d.t0)
	}
	if got := d.t0.RevokedCertificates(d.now); len(got) != 1 || got[0].Serial != shown.Serial {
		t.Errorf("revoked certificates: %+v", got)
	}
	for _, s := range []string{`"clients":["vn_1"]`, `"grants":["` + string(vn) + `"]`, `"certificates":["` + shown.Serial, `"after":"removed"`} {
		if !strings.Contains(d.lastLine(), s) {
			t.Errorf("journal: %s lacks %s", d.lastLine(), s)
		}
	}
	d.refuse(auth.ErrExists, "never used again", agency("vn"))
	for _, c := range []auth.Change{
		auth.SetPartner{ID: "vn", Name: new("x")}, auth.SuspendPartner{ID: "vn"}, auth.ResumePartner{ID: "vn"}, auth.RemovePartner{ID: "vn"},
		auth.ResyncPartner{ID: "vn"}, grant("vn", vn, true, true), auth.Invite{Partner: "vn", Token: auth.NewInvitation(), TTL: time.Hour},
		auth.AddSecret{Client: id}, auth.AddCertificate{Client: id}, auth.RevokeClient{ID: id},
	} {
		d.refuse(auth.ErrConflict, "", c)
	}
	if diff := diffTables(d.t0, d.reload()); diff != "" {
		t.Errorf("reloaded (-want +got):\n%s", diff)
	}
}

func TestGrants(t *testing.T) {
	d := newDesk(t)
	d.do(vendor("acme"), agency("vn"), auth.CreatePartner{ID: "op", Role: auth.Operator, Name: "Op"}, auth.CreatePartner{ID: "au", Role: auth.Auditor, Name: "Au"})
	d.do(grant("acme", vn, true, true), grant("vn", vn, true, false), grant("vn", lk, false, false))
	if r, ok := d.t0.Rights("acme", vn); !ok || r != (auth.Rights{Read: true, Write: true}) {
		t.Errorf("got %+v, %t", r, ok)
	}
	if r, ok := d.t0.Rights("vn", lk); !ok || r != (auth.Rights{}) {
		t.Errorf("a grant without rights: got %+v, %t", r, ok)
	}
	if _, ok := d.t0.Rights("acme", lk); ok {
		t.Error("a grant that nobody gave")
	}
	d.do(grant("acme", vn, false, true))
	want := `grant.set {"after":{"read":false,"write":true},"before":{"read":true,"write":true},"collection":"` + string(vn) + `","operation":"secure","partner":"acme"}`
	if got := d.lastLine(); got != want {
		t.Errorf("journal: got %s, want %s", got, want)
	}
	d.do(auth.DropGrant{Partner: "acme", Collection: vn})
	if _, ok := d.t0.Rights("acme", vn); ok {
		t.Error("the grant is still there")
	}
	if r, ok := d.t0.Rights("vn", vn); !ok || !r.Read {
		t.Error("another partner's grant went with it")
	}
	d.refuse(auth.ErrNotFound, "grant", auth.DropGrant{Partner: "acme", Collection: vn})
	d.refuse(auth.ErrNotFound, "partner", grant("nobody", vn, true, false))
	d.refuse(auth.ErrInvalid, "only vendors and agencies", grant("op", vn, true, false))
	d.refuse(auth.ErrInvalid, "only vendors and agencies", grant("au", vn, true, false))
	for _, c := range []auth.CollectionID{"", "vn", "5D2A1F5E-3D2B-4C57-9D6E-0F6D3C1A7B21", "5d2a1f5e-3d2b-1c57-9d6e-0f6d3c1a7b21", "5d2a1f5e-3d2b-4c57-1d6e-0f6d3c1a7b21", vn + "0"} {
		d.refuse(auth.ErrInvalid, "collection", grant("acme", c, true, false))
	}
	g := grant("acme", vn, true, false)
	g.Operation = "Secure/"
	d.refuse(auth.ErrInvalid, "operation", g)
	g = grant("vn", vn, true, false)
	g.Operation = "other"
	d.refuse(auth.ErrConflict, "secure", g)
	if diff := diffTables(d.t0, d.reload()); diff != "" {
		t.Errorf("reloaded (-want +got):\n%s", diff)
	}
}

func TestInvitations(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn"))
	token := auth.NewInvitation()
	if token == auth.NewInvitation() || len(token) != 43 || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("token %q", token)
	}
	for _, ttl := range []time.Duration{0, -time.Hour, time.Minute - 1, 7*24*time.Hour + 1} {
		d.refuse(auth.ErrInvalid, "ttl", auth.Invite{Partner: "vn", Token: token, TTL: ttl})
	}
	d.refuse(auth.ErrInvalid, "token", auth.Invite{Partner: "vn", Token: "short", TTL: time.Hour})
	d.refuse(auth.ErrNotFound, "nobody", auth.Invite{Partner: "nobody", Token: token, TTL: time.Hour})
	d.do(auth.Invite{Partner: "vn", Token: token, TTL: time.Hour})
	d.refuse(auth.ErrExists, "token", auth.Invite{Partner: "vn", Token: token, TTL: time.Hour})

	at := func(dt time.Duration) error {
		_, _, err := d.t0.Invitation(token, morning.Add(dt))
		return err
	}
	v, next, err := d.t0.Invitation(token, morning)
	if err != nil || next != "vn_1" || v.Partner != "vn" {
		t.Errorf("got %+v, %q, %v", v, next, err)
	}
	if err := at(time.Hour - time.Second); err != nil {
		t.Errorf("a second before it ran out: %v", err)
	}
	unknown := func() error { _, _, err := d.t0.Invitation(auth.NewInvitation(), morning); return err }()
	if !errors.Is(unknown, auth.ErrNotFound) || fmt.Sprint(at(time.Hour)) != fmt.Sprint(unknown) {
		t.Errorf("ran out: %v; unknown: %v; want them alike", at(time.Hour), unknown)
	}

	_, secret := d.vault.NewSecret(d.now)
	shown := certificate("vn", "vn_1", 1)
	d.refuse(auth.ErrNotFound, "invitation", auth.Join{Token: auth.NewInvitation(), Client: "vn_1", Secret: secret})
	d.refuse(auth.ErrConflict, "vn_1", auth.Join{Token: token, Client: "vn_2", Secret: secret})
	d.refuse(auth.ErrInvalid, "secret or a certificate", auth.Join{Token: token, Client: "vn_1"})
	d.refuse(auth.ErrInvalid, "serial", auth.Join{Token: token, Client: "vn_1", Certificate: auth.Certificate{Serial: "0X", Fingerprint: shown.Fingerprint, NotAfter: d.now.Add(1)}})
	d.refuse(auth.ErrInvalid, "fingerprint", auth.Join{Token: token, Client: "vn_1", Certificate: auth.Certificate{Serial: "0a", NotAfter: d.now.Add(1)}})
	d.refuse(auth.ErrInvalid, "expired", auth.Join{Token: token, Client: "vn_1", Certificate: auth.Certificate{Serial: "0a", Fingerprint: shown.Fingerprint, NotAfter: d.now}})
	d.do(auth.Join{Token: token, Client: "vn_1", Secret: secret, Certificate: d.certificate(shown)})
	if err := at(time.Second); fmt.Sprint(err) != fmt.Sprint(unknown) {
		t.Errorf("used: %v; unknown: %v; want them alike", err, unknown)
	}
	d.refuse(auth.ErrNotFound, "invitation", auth.Join{Token: token, Client: "vn_2", Secret: secret})

	token = auth.NewInvitation()
	d.do(auth.Invite{Partner: "vn", Token: token, TTL: time.Hour})
	d.refuse(auth.ErrExists, "secret", auth.Join{Token: token, Client: "vn_2", Secret: secret})
	d.refuse(auth.ErrExists, "certificate", auth.Join{Token: token, Client: "vn_2", Certificate: d.certificate(shown)})
	d.do(auth.Join{Token: token, Client: "vn_2", Certificate: d.certificate(certificate("vn", "vn_2", 2))})

	d.do(auth.Invite{Partner: "vn", Token: auth.NewInvitation(), TTL: time.Hour})
	d.now = d.now.Add(2 * time.Hour)
	d.do(auth.Invite{Partner: "vn", Token: auth.NewInvitation(), TTL: time.Hour})
	if got := len(d.t0.Invitations); got != 3 { // two used, one open
		t.Errorf("%d invitations are kept", got)
	}
	if diff := diffTables(d.t0, d.reload()); diff != "" {
		t.Errorf("reloaded (-want +got):\n%s", diff)
	}
}

func TestSecretsRotate(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn"))
	id, _, _ := d.join("vn")
	secrets := func() (out []string) {
		for _, s := range d.t0.Clients[id].Secrets {
			left := "forever"
			if !s.Expires.IsZero() {
				left = s.Expires.Sub(d.now.Truncate(time.Microsecond)).String()
			}
			out = append(out, s.ID+" "+left)
		}
		return out
	}
	first := d.t0.Clients[id].Secrets[0]
	_, second := d.vault.NewSecret(d.now)
	_, third := d.vault.NewSecret(d.now)
	_, fourth := d.vault.NewSecret(d.now)
	d.refuse(auth.ErrInvalid, "overlap", auth.AddSecret{Client: id, Secret: second, Overlap: -1})
	d.refuse(auth.ErrInvalid, "overlap", auth.AddSecret{Client: id, Secret: second, Overlap: auth.MaxOverlap + 1})
	d.refuse(auth.ErrNotFound, "client", auth.AddSecret{Client: "vn_9", Secret: second})
	d.refuse(auth.ErrInvalid, "secret", auth.AddSecret{Client: id})
	d.refuse(auth.ErrExists, "secret", auth.AddSecret{Client: id, Secret: first})
	d.do(auth.AddSecret{Client: id, Secret: second, Overlap: 24 * time.Hour})
	if diff := cmp.Diff([]string{first.ID + " 24h0m0s", second.ID + " forever"}, secrets()); diff != "" {
		t.Errorf("rotated once (-want +got):\n%s", diff)
	}
	d.now = d.now.Add(time.Hour)
	d.do(auth.AddSecret{Client: id, Secret: third, Overlap: 24 * time.Hour})
	if diff := cmp.Diff([]string{second.ID + " 24h0m0s", third.ID + " forever"}, secrets()); diff != "" {
		t.Errorf("rotated twice (-want +got):\n%s", diff)
	}
	if !strings.Contains(d.lastLine(), `"secrets":["`+first.ID+`"]`) {
		t.Errorf("the journal does not say that the first is gone: %s", d.lastLine())
	}
	d.do(auth.AddSecret{Client: id, Secret: fourth})
	if diff := cmp.Diff([]string{fourth.ID + " forever"}, secrets()); diff != "" {
		t.Errorf("without overlap (-want +got):\n%s", diff)
	}
	if d.t0.Clients[id].Epoch != 1 {
		t.Error("rotation raised the epoch")
	}
	// The newest that holds lives on, not one that has expired.
	short := third
	short.ID, short.MAC, short.Expires = "short", strings.Repeat("ab", 32), d.now.Add(time.Minute)
	d.do(auth.AddSecret{Client: id, Secret: short, Overlap: 24 * time.Hour})
	d.now = d.now.Add(time.Hour)
	_, fifth := d.vault.NewSecret(d.now)
	d.do(auth.AddSecret{Client: id, Secret: fifth, Overlap: 48 * time.Hour})
	if diff := cmp.Diff([]string{fourth.ID + " 23h0m0s", fifth.ID + " forever"}, secrets()); diff != "" {
		t.Errorf("after one that expired (-want +got):\n%s", diff)
	}
	fourth = fifth
	d.refuse(auth.ErrNotFound, "secret", auth.RevokeSecret{Client: id, ID: first.ID})
	d.do(auth.RevokeSecret{Client: id, ID: fourth.ID})
	if k := d.t0.Clients[id]; len(k.Secrets) != 1 || k.Epoch != 2 {
		t.Errorf("revoked secret: %+v", k)
	}
	if diff := diffTables(d.t0, d.reload()); diff != "" {
		t.Errorf("reloaded (-want +got):\n%s", diff)
	}
}

func TestCertificates(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn"), agency("lk"))
	id, _, shown := d.join("vn")
	holds := func(s auth.Shown) error { _, err := d.t0.Certificate(s, d.now); return err }
	if err := holds(shown); err != nil {
		t.Fatal(err)
	}
	other, _, _ := d.join("lk")
	for name, s := range map[string]auth.Shown{
		"another fingerprint": {Partner: "vn", Client: id, Serial: shown.Serial, Fingerprint: strings.Repeat("a", 64)},
		"another serial":      {Partner: "vn", Client: id, Serial: "ff", Fingerprint: shown.Fingerprint},
		"another client":      {Partner: "vn", Client: other, Serial: shown.Serial, Fingerprint: shown.Fingerprint},
		"another partner":     {Partner: "lk", Client: id, Serial: shown.Serial, Fingerprint: shown.Fingerprint},
		"nothing":             {},
	} {
		if err := holds(s); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	second := certificate("vn", id, 77)
	d.do(auth.AddCertificate{Client: id, Certificate: d.certificate(second)})
	d.refuse(auth.ErrExists, "certificate", auth.AddCertificate{Client: other, Certificate: d.certificate(second)})
	d.do(auth.RevokeCertificate{Client: id, Serial: shown.Serial})
	if err := holds(shown); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("revoked: %v", err)
	}
	if err := holds(second); err != nil {
		t.Errorf("the other one: %v", err)
	}
	d.refuse(auth.ErrConflict, "revoked already", auth.RevokeCertificate{Client: id, Serial: shown.Serial})
	d.refuse(auth.ErrNotFound, "certificate", auth.RevokeCertificate{Client: other, Serial: shown.Serial})
	for n := range auth.MaxCertificates - 1 {
		d.do(auth.AddCertificate{Client: id, Certificate: d.certificate(certificate("vn", id, 1000+n))})
	}
	d.refuse(auth.ErrConflict, "revoke one", auth.AddCertificate{Client: id, Certificate: d.certificate(certificate("vn", id, 2000))})
	d.now = d.now.Add(91 * 24 * time.Hour)
	if err := holds(second); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("expired: %v", err)
	}
	d.do(auth.AddCertificate{Client: id, Certificate: d.certificate(certificate("vn", id, 3000))})
	if got := len(d.t0.Clients[id].Certificates); got != 1 {
		t.Errorf("%d certificates are kept, want those that expired gone", got)
	}
	d.do(auth.RevokeClient{ID: id})
	d.refuse(auth.ErrConflict, "revoked", auth.RevokeClient{ID: id})
	d.refuse(auth.ErrConflict, "for good", auth.AddCertificate{Client: id, Certificate: d.certificate(certificate("vn", id, 3001))})
	if _, err := d.t0.Principal(id, auth.ByCertificate); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a revoked client: %v", err)
	}
	if diff := diffTables(d.t0, d.reload()); diff != "" {
		t.Errorf("reloaded (-want +got):\n%s", diff)
	}
}

// Still says why, whatever a principal is made of.
func TestStill(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn"), agency("lk"))
	id, _, _ := d.join("vn")
	good, err := d.t0.Principal(id, auth.BySecret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.t0.Principal("nobody_1", auth.BySecret); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a client that there is not: %v", err)
	}
	for name, f := range map[string]func(*auth.Principal){
		"no partner \"no\"":        func(p *auth.Principal) { p.Partner = "no" },
		"no client \"vn_2\"":       func(p *auth.Principal) { p.Client = "vn_2" },
		"no client \"vn_1\"":       func(p *auth.Principal) { p.Partner = "lk" },
		"suspended or restored":    func(p *auth.Principal) { p.PartnerEpoch-- },
		"a credential of \"vn_1\"": func(p *auth.Principal) { p.ClientEpoch++ },
	} {
		p := good
		f(&p)
		if err := d.t0.Still(p); !errors.Is(err, auth.ErrUnauthenticated) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.t0.Still(auth.Principal{}); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("the zero principal: %v", err)
	}
	if err := d.t0.Still(auth.LocalOperator(0)); err != nil {
		t.Errorf("the operator on the machine: %v", err)
	}
	d.do(auth.RevokeClient{ID: id})
	if err := d.t0.Still(good); !errors.Is(err, auth.ErrUnauthenticated) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("revoked: %v", err)
	}
	for _, c := range []auth.Change{auth.RevokeClient{ID: "vn_9"}, auth.RevokeSecret{Client: "vn_9"}, auth.RevokeCertificate{Client: "vn_9"}, auth.AddCertificate{Client: "vn_9"}} {
		d.refuse(auth.ErrNotFound, "vn_9", c)
	}
}

// A restored backup is older than what was handed out after it was taken.
func TestRaiseEpochs(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn"))
	id, _, _ := d.join("vn")
	open := auth.NewInvitation()
	d.do(auth.Invite{Partner: "vn", Token: open, TTL: time.Hour})
	backup, rows := d.t0.Clone(), maps.Clone(d.rows)
	d.do(auth.SuspendPartner{ID: "vn"}, auth.ResumePartner{ID: "vn"})
	after, err := d.t0.Principal(id, auth.ByToken)
	if err != nil {
		t.Fatal(err)
	}
	d.t0, d.rows = backup, rows
	d.do(auth.RaiseEpochs{})
	if err := d.t0.Still(after); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("epoch %d holds again after the restore", after.PartnerEpoch)
	}
	if _, _, err := d.t0.Invitation(open, morning); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("an invitation from before the restore: %v", err)
	}
	d.do(auth.ResyncPartner{ID: "vn"})
	if got := d.t0.Partners["vn"].Resync; !got.Equal(morning.Truncate(time.Microsecond)) {
		t.Errorf("resync: %s", got)
	}
}

func TestLoadRefuses(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn"), grant("vn", vn, true, false))
	d.join("vn")
	tables := auth.NewTables()
	if ok, err := tables.Load(auth.Record{Table: "operation", Key: "secure", Value: []byte("{}")}); ok || err != nil {
		t.Errorf("another room's row: %t, %v", ok, err)
	}
	for k, v := range d.rows {
		for name, b := range map[string]string{
			"an unknown field": strings.Replace(string(v), "{", `{"unknown":1,`, 1),
			"not JSON":         string(v[1:]),
			"more after it":    string(v) + "{}",
			"empty":            "{}",
		} {
			if ok, err := tables.Load(auth.Record{Table: k[0], Key: k[1], Value: []byte(b)}); !ok || err == nil {
				t.Errorf("%s, %s: %t, %v", k[0], name, ok, err)
			}
		}
		if _, err := tables.Load(auth.Record{Table: k[0], Key: "other", Value: v}); err == nil {
			t.Errorf("%s: loaded under another key", k[0])
		}
	}
	bad := strings.Replace(string(d.rows[[2]string{"partner", "vn"}]), "agency", "admin", 1)
	if _, err := tables.Load(auth.Record{Table: "partner", Key: "vn", Value: []byte(bad)}); err == nil {
		t.Error("a role that there is not was loaded")
	}

	tables = d.reload()
	for k := range d.rows {
		if ok, err := tables.Load(auth.Record{Table: k[0], Key: k[1]}); !ok || err != nil {
			t.Errorf("deleting %q: %t, %v", k, ok, err)
		}
	}
	if diff := diffTables(auth.NewTables(), tables); diff != "" {
		t.Errorf("all rows deleted (-want +got):\n%s", diff)
	}
}

// Nothing that the journal keeps helps to get in.
func TestJournalHoldsNoSecrets(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn"))
	token := auth.NewInvitation()
	text, secret := d.vault.NewSecret(d.now)
	text2, secret2 := d.vault.NewSecret(d.now)
	d.do(auth.Invite{Partner: "vn", Token: token, TTL: time.Hour},
		auth.Join{Token: token, Client: "vn_1", Secret: secret, Certificate: d.certificate(certificate("vn", "vn_1", 1))},
		auth.AddSecret{Client: "vn_1", Secret: secret2, Overlap: time.Hour},
		auth.RevokeSecret{Client: "vn_1", ID: secret.ID},
		auth.RevokeClient{ID: "vn_1"}, auth.RemovePartner{ID: "vn"})
	b, err := json.Marshal(d.lines)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{token, text, text2, secret.MAC, secret2.MAC} {
		if strings.Contains(string(b), s) {
			t.Errorf("the journal has %q", s)
		}
	}
	for k, v := range d.rows {
		for _, s := range []string{token, text, text2} {
			if strings.Contains(string(v), s) || strings.Contains(k[1], s) {
				t.Errorf("row %q has %q", k, s)
			}
		}
	}
}

func BenchmarkClone(b *testing.B) {
	t := auth.NewTables()
	for n := range 1000 {
		p := auth.PartnerID(fmt.Sprintf("p-%d", n))
		if _, err := agency(p).Apply(t, morning); err != nil {
			b.Fatal(err)
		}
		for m := range 27 {
			c := auth.CollectionID(fmt.Sprintf("5d2a1f5e-3d2b-4c57-9d6e-%012x", m))
			if _, err := grant(p, c, true, false).Apply(t, morning); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		t.Clone()
	}
}
