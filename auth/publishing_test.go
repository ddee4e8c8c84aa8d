package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/stix"
)

func TestHoldRules(t *testing.T) {
	d := newDesk(t)
	d.do(vendor("acme"))
	d.do(agency("vn-police"))
	set := func(p auth.PartnerID, rules ...auth.HoldRule) error {
		_, err := auth.SetPartner{ID: p, SetPublishing: auth.SetPublishing{Hold: &rules}}.Apply(d.t0.Clone(), d.now)
		return err
	}
	for rule, want := range map[auth.HoldRule]string{
		"all":                 "",
		"all=1":               "all takes no value",
		"type=malware":        "",
		"type=":               "want a name",
		"type":                "want a name",
		"type=a,b":            "want a name",
		"level=amber":         "",
		"level=amber+strict":  "",
		"level=none":          "want level=",
		"level=pink":          "want level=",
		"pattern=domain-name": "",
		"list=top sites":      "want a name",
		"list=top-sites":      "",
		"list=" + auth.HoldRule(strings.Repeat("a", 101)): "want a name",
		"everything": "want all, type=TYPE",
		"":           "want all, type=TYPE",
	} {
		err := set("acme", rule)
		if want == "" && err != nil || want != "" && (!errors.Is(err, auth.ErrInvalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", rule, err, want)
		}
	}
	if err := set("acme", make([]auth.HoldRule, auth.MaxHoldRules+1)...); !errors.Is(err, auth.ErrInvalid) {
		t.Errorf("too many rules: %v", err)
	}
	rules := []auth.HoldRule{"type=malware", "level=amber", "type=malware"}
	d.do(auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Hold: &rules}})
	if diff := cmp.Diff([]auth.HoldRule{"level=amber", "type=malware"}, d.t0.Partners["acme"].Hold); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	rules = append(rules, auth.HoldAll)
	d.do(auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Hold: &rules}})
	if want := `partner.set {"hold":{"after":["all"],"before":["level=amber","type=malware"]},"partner":"acme"}`; d.lastLine() != want {
		t.Errorf("journal: %s, want %s", d.lastLine(), want)
	}
	none := []auth.HoldRule{}
	d.do(auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Hold: &none}})
	if p := d.t0.Partners["acme"]; p.Hold != nil {
		t.Errorf("rules after they were taken away: %v", p.Hold)
	}
}

func TestAttribution(t *testing.T) {
	d := newDesk(t)
	d.do(vendor("acme"))
	before := d.t0.Partners["acme"]
	a := auth.Pseudonymous
	d.do(auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Attribution: &a}})
	p := d.t0.Partners["acme"]
	if p.Pseudonym == "" || p.Pseudonym == p.Identity || p.Identity != before.Identity || p.Attribution != auth.Pseudonymous {
		t.Errorf("a pseudonym: %+v", p.Publishing)
	}
	if !strings.Contains(d.lastLine(), string(p.Pseudonym)) {
		t.Errorf("journal: %s does not tell the pseudonym", d.lastLine())
	}
	named := auth.Named
	d.do(auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Attribution: &named}})
	d.do(auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Attribution: &a}})
	if q := d.t0.Partners["acme"]; q.Pseudonym != p.Pseudonym {
		t.Errorf("another pseudonym: %s, was %s", q.Pseudonym, p.Pseudonym)
	}
	for _, text := range []string{"", "anonymous", "Named"} {
		if _, err := auth.ParseAttribution(text); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("attribution %q: %v", text, err)
		}
	}
}

// TestOnward: who feeds others gets nothing that may not leave its organisation.
func TestOnward(t *testing.T) {
	for l := stix.Unmarked; l <= stix.Unknown; l++ {
		o := auth.Object{Publisher: "acme", Level: l, Named: []auth.PartnerID{"hub"}}
		p := auth.Principal{Partner: "hub", Role: auth.Agency, Clearance: stix.Red, Onward: true}
		if got, want := auth.ViewOf(p).Shows(o), l >= stix.Clear && l <= stix.Amber; got != want {
			t.Errorf("%s is shown: %t, want %t", l, got, want)
		}
		o.Publisher = "hub"
		if !auth.ViewOf(p).Shows(o) {
			t.Errorf("%s of its own is hidden", l)
		}
	}
	d := newDesk(t)
	d.do(vendor("acme"))
	yes := true
	_, err := auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Onward: &yes}}.Apply(d.t0.Clone(), d.now)
	if !errors.Is(err, auth.ErrInvalid) {
		t.Errorf("a vendor that feeds others: %v", err)
	}
	d.do(agency("hub"))
	id, _, _ := d.join("hub")
	other, _, _ := d.join("hub")
	principal := func(id auth.ClientID, onward bool) {
		t.Helper()
		if p, err := d.t0.Principal(id, auth.BySecret); err != nil || p.Onward != onward {
			t.Errorf("the principal of %s: %+v, %v, want onward %t", id, p, err, onward)
		}
	}
	d.do(auth.SetClient{ID: id, Onward: true})
	principal(id, true)
	principal(other, false)
	d.do(auth.SetClient{ID: id, Onward: false})
	principal(id, false)
	d.refuse(auth.ErrNotFound, "hub_9", auth.SetClient{ID: "hub_9", Onward: true})
	acme, _, _ := d.join("acme")
	d.refuse(auth.ErrInvalid, "onward", auth.SetClient{ID: acme, Onward: true})
	d.do(auth.SetPartner{ID: "hub", SetPublishing: auth.SetPublishing{Onward: &yes}})
	principal(id, true)
	principal(other, true)
}
