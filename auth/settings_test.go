package auth_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/stix"
)

func networks(t testing.TB, list ...string) *[]netip.Prefix {
	out := []netip.Prefix{}
	for _, s := range list {
		n, err := auth.ParseNetwork(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return &out
}

func TestSetPartnerDoors(t *testing.T) {
	d := newDesk(t)
	d.do(agency("vn-police"))
	d.do(auth.SetPartner{ID: "vn-police", Networks: networks(t, "2001:db8::1/32", "192.0.2.77/24", "192.0.2.7", "192.0.2.0/24")})
	if got, want := d.lastLine(), `partner.set {"networks":{"after":["192.0.2.0/24","192.0.2.7/32","2001:db8::/32"],"before":null},"partner":"vn-police"}`; got != want {
		t.Errorf("journal: got %s, want %s", got, want)
	}
	until := d.now.Add(time.Hour)
	d.do(auth.SetPartner{ID: "vn-police", Agreement: &auth.Agreement{Reference: "MoU 17/2025", Until: until}})
	if a := d.t0.Partners["vn-police"].Agreement; !a.Holds(d.now) || a.Holds(until.Truncate(time.Microsecond)) {
		t.Errorf("agreement %+v", a)
	}
	d.do(auth.SetPartner{ID: "vn-police", Compatibility: &[]auth.Compatibility{auth.EmptyObjects, auth.EmptyObjects}})
	if diff := cmp.Diff([]auth.Compatibility{auth.EmptyObjects}, d.t0.Partners["vn-police"].Compatibility); diff != "" {
		t.Errorf("compatibility (-want +got):\n%s", diff)
	}
	d.do(auth.SetPartner{ID: "vn-police", Networks: &[]netip.Prefix{}, Agreement: &auth.Agreement{}, Compatibility: &[]auth.Compatibility{}})
	if got, want := d.lastLine(), `partner.set {"agreement":{"after":null,"before":{"reference":"MoU 17/2025","until":"`+
		until.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)+`"}},"compatibility":{"after":null,"before":["empty-objects"]},`+
		`"networks":{"after":null,"before":["192.0.2.0/24","192.0.2.7/32","2001:db8::/32"]},"partner":"vn-police"}`; got != want {
		t.Errorf("journal: got %s, want %s", got, want)
	}

	set := func(f func(*auth.SetPartner)) auth.SetPartner {
		c := auth.SetPartner{ID: "vn-police"}
		f(&c)
		return c
	}
	many := make([]netip.Prefix, auth.MaxNetworks+1)
	for i := range many {
		many[i] = netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/32", i))
	}
	for _, list := range [][]netip.Prefix{
		many, {{}}, {netip.MustParsePrefix("0.0.0.0/0")}, {netip.MustParsePrefix("::/0")}, {netip.MustParsePrefix("::ffff:192.0.2.0/120")},
	} {
		d.refuse(auth.ErrInvalid, "networks", set(func(c *auth.SetPartner) { c.Networks = &list }))
	}
	for _, a := range []auth.Agreement{
		{Reference: "x"}, {Until: until}, {Reference: strings.Repeat("x", 201), Until: until}, {Reference: "a\nb", Until: until},
	} {
		d.refuse(auth.ErrInvalid, "agreement", set(func(c *auth.SetPartner) { c.Agreement = &a }))
	}
	d.refuse(auth.ErrInvalid, "compatibility", set(func(c *auth.SetPartner) { c.Compatibility = &[]auth.Compatibility{"tlp"} }))
	for _, s := range []string{"", "x", "192.0.2.1/33", "fe80::1%eth0", "fe80::1%eth0/64"} {
		if n, err := auth.ParseNetwork(s); err == nil {
			t.Errorf("network %q is %s", s, n)
		}
	}
}

// A partner may be held to a certificate, to addresses, or to both; at every door alike.
func TestAddressList(t *testing.T) {
	h := newHouse(t)
	token := h.token(nil)
	h.do(auth.SetPartner{ID: "acme", Networks: networks(t, "192.0.2.0/24", "2001:db8::/32")})
	for address, in := range map[string]bool{
		"192.0.2.1": true, "192.0.2.255": true, "2001:db8::5": true, "::ffff:192.0.2.9": true,
		"192.0.3.1": false, "2001:db9::1": false, "": false, "localhost": false, "192.0.2.1:80": false, "2001:db8::5%eth0": false,
	} {
		for name, c := range map[string]auth.Presented{
			"secret": bearer(h.secret), "token": bearer(token), "certificate": {Certificate: &h.shown},
			"basic": authorization(basic(string(h.id), h.secret)), "key": {APIKey: []string{h.secret}},
		} {
			c.Address = address
			p, err := h.in(c)
			if (err == nil) != in {
				t.Errorf("%s from %q: %+v, %v", name, address, p, err)
			}
		}
		_, _, err := h.doors.Token(t.Context(), auth.TokenRequest{
			Presented: auth.Presented{Authorization: []string{basic(string(h.id), h.secret)}, Address: address},
			Form:      map[string][]string{"grant_type": {"client_credentials"}},
		})
		if (err == nil) != in {
			t.Errorf("token endpoint from %q: %v", address, err)
		}
	}
	h.do(auth.SetPartner{ID: "acme", RequireCertificate: new(true)})
	c := bearer(h.secret)
	c.Address = "192.0.2.1"
	h.stays("invalid_token", h.id, c)
	c.Certificate = &h.shown
	h.enters(h.id, auth.BySecret, c)
	// Somebody else's list is not this one's.
	r := bearer(h.rival)
	r.Address = "198.51.100.1"
	if _, err := h.in(r); err != nil {
		t.Errorf("another partner: %v", err)
	}
}

// Where an agreement is required, without one that holds a partner has training collections alone,
// and of them what is clear.
func TestAgreementRequired(t *testing.T) {
	h := newHouse(t)
	in := func() auth.Principal {
		t.Helper()
		p, err := h.in(bearer(h.secret))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if in().Training {
		t.Error("training where no agreement is required")
	}
	h.do(auth.SetPartner{ID: "acme", RequireAgreement: new(true)})
	if !in().Training {
		t.Error("required of this partner, and it has more than training")
	}
	if p, err := h.in(bearer(h.rival)); err != nil || p.Training {
		t.Errorf("required of another partner: %+v, %v", p, err)
	}
	h.do(auth.SetPartner{ID: "acme", RequireAgreement: new(false)})
	if in().Training {
		t.Error("required no more, and nothing but training")
	}
	h.doors.RequireAgreement = true
	p := in()
	if !p.Training {
		t.Error("no agreement, and more than training")
	}
	all := auth.Resource{Granted: true, Rights: auth.Rights{Read: true, Write: true}}
	training := all
	training.Training = true
	for a := auth.List; a <= auth.Delete; a++ {
		if v := auth.Decide(p, a, all); v != auth.Hidden {
			t.Errorf("action %d: %v", a, v)
		}
		if v := auth.Decide(p, a, training); v != auth.Allowed {
			t.Errorf("action %d on training: %v", a, v)
		}
	}
	agency := auth.Principal{Partner: "vn", Role: auth.Agency, Clearance: stix.Red, Scope: auth.FullScope, Training: true}
	view := auth.ViewOf(agency)
	for l, want := range map[stix.Level]bool{stix.Clear: true, stix.Green: false, stix.Amber: false, stix.AmberStrict: false} {
		if got := view.Shows(auth.Object{Publisher: "acme", Level: l}); got != want {
			t.Errorf("level %s: shown %t", l, got)
		}
	}
	if view.Shows(auth.Object{Publisher: "acme", Level: stix.Red, Named: []auth.PartnerID{"vn"}}) {
		t.Error("red by name is shown")
	}
	until := h.now.Add(time.Hour)
	h.do(auth.SetPartner{ID: "acme", Agreement: &auth.Agreement{Reference: "MoU 17/2025", Until: until}})
	if in().Training {
		t.Error("an agreement that holds is not looked at")
	}
	h.now = until
	if !in().Training {
		t.Error("the agreement has run out")
	}
}
