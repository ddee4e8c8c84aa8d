package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
)

// partner makes a partner of the running gateway with one client, and gives its directory.
func (r *running) partner(t *testing.T, id auth.PartnerID, role auth.Role) string {
	t.Helper()
	c := r.client()
	in := admin.NewPartner{ID: id, Role: role, Name: string(id)}
	if role == auth.Vendor || role == auth.Agency {
		in.Operation, in.Countries = "secure", []string{"VN"}
	}
	if _, err := c.CreatePartner(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	v, err := c.Invite(t.Context(), id, admin.NewInvitation{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), string(id))
	if _, err := joinGateway(t.Context(), v.URL, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A pull that goes on renews its certificate when a third of its life is left, shows the new one from
// then on, and does not need the old one any more.
func TestFollowRenews(t *testing.T) {
	r := runGateway(t)
	if err := r.registry.Apply(t.Context(), "test", collections.CreateOperation{ID: "secure", Title: "Secure", Countries: []string{"VN"}}); err != nil {
		t.Fatal(err)
	}
	dir := r.partner(t, "vn-police", auth.Agency)
	var ahead time.Duration
	var told []string
	n := &renewer{dir: dir, now: func() time.Time { return time.Now().Add(ahead) }, notify: func(s string) { told = append(told, s) }}
	c, err := partnerClient(dir, n.hold)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	serials := func() (live []string) {
		for _, k := range r.registry.State().Access.Clients["vn-police_1"].Certificates {
			if k.Superseded.IsZero() {
				live = append(live, k.Serial)
			}
		}
		return live
	}
	first := serials()
	for _, days := range []int{0, 30, 59} {
		ahead = time.Duration(days) * 24 * time.Hour
		if err := n.check(t.Context(), c); err != nil || len(told) != 0 {
			t.Fatalf("after %d days: %v, %q", days, err, told)
		}
	}
	ahead = 61 * 24 * time.Hour
	if err := n.check(t.Context(), c); err != nil || len(told) != 1 {
		t.Fatalf("after 61 days: %v, %q", err, told)
	}
	second := serials()
	if len(first) != 1 || len(second) != 1 || first[0] == second[0] {
		t.Fatalf("certificates %v, then %v", first, second)
	}
	if err := r.registry.Apply(t.Context(), "test", collections.Access(auth.RevokeCertificate{Client: "vn-police_1", Serial: first[0]})); err != nil {
		t.Fatal(err)
	}
	if err := r.registry.Apply(t.Context(), "test", collections.Access(auth.SetPartner{ID: "vn-police", RequireCertificate: new(true)})); err != nil {
		t.Fatal(err)
	}
	if _, err := c.APIRoot(t.Context(), ""); err != nil {
		t.Errorf("by the new certificate: %v", err)
	}
	again, err := partnerClient(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.APIRoot(t.Context(), ""); err != nil {
		t.Errorf("as the directory has it: %v", err)
	}

	// One that ends with its context, whatever the gateway says.
	if err := r.registry.Apply(t.Context(), "test", collections.Access(auth.RevokeClient{ID: "vn-police_1"})); err != nil {
		t.Fatal(err)
	}
	ahead = 200 * 24 * time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	n.notify = func(s string) { told = append(told, s); cancel() }
	n.run(ctx, c)
	if len(told) != 2 {
		t.Errorf("told %q", told)
	}
}
