package collections_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/routing"
	"liaison/stix"
)

const tlpRed = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"

// with puts members into an object.
func with(object string, members string) string {
	return strings.TrimSuffix(object, "}") + "," + members + "}"
}

func by(id stix.ID) string { return fmt.Sprintf(`"created_by_ref":%q`, id) }

func says(members string) string {
	return `"extensions":{"` + routing.Extension + `":{"extension_type":"property-extension",` + members + `}}`
}

func version(object string, n int) string {
	return strings.Replace(object, `"modified":"2026-01-01T00:00:00.000Z"`, fmt.Sprintf(`"modified":"2026-01-02T00:00:%02d.000Z"`, n), 1)
}

// TestRedIsForTheNamed: named by the object, or for the whole publication; by nobody, it is nobody's.
func TestRedIsForTheNamed(t *testing.T) {
	h := newHouse(t)
	rights := auth.Rights{Read: true, Write: true}
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, rights, "vn")
	named := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency, Clearance: stix.Red}, auth.Rights{Read: true}, "vn")
	other := h.partner(auth.CreatePartner{ID: "vn-cert", Role: auth.Agency, Clearance: stix.Red}, auth.Rights{Read: true}, "vn")
	low := h.partner(auth.CreatePartner{ID: "vn-bank", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	red := func(n int) string { return with(indicator(n, ""), marked(tlpRed)[1:]) }
	for i, c := range []struct {
		object string
		wishes collections.Wishes
		seen   string // by whom
		told   string
	}{
		{red(1), collections.Wishes{}, "", "names no recipients"},
		{with(red(2), says(`"partners":["vn-police"]`)), collections.Wishes{}, "vn-police", ""},
		{with(red(3), says(`"partners":["vn-police","vn-bank","nobody-at-all"]`)), collections.Wishes{}, "vn-police", ""},
		{red(4), collections.Wishes{Partners: []auth.PartnerID{"vn-cert"}}, "vn-cert", ""},
		{with(red(5), says(`"partners":["vn-police"]`)), collections.Wishes{Partners: []auth.PartnerID{"vn-cert"}}, "vn-police", ""},
		{indicator(6, "green"), collections.Wishes{Partners: []auth.PartnerID{"vn-cert"}}, "vn-bank vn-cert vn-police", "marked green and goes to whoever may read it"},
		{with(indicator(7, "amber"), says(`"partners":["vn-police"]`)), collections.Wishes{}, "-", "only TLP:RED is for those who are named"},
		{with(red(8), says(`"partners":["VN Police"]`)), collections.Wishes{}, "-", "is no partner's id"},
		{with(red(9), says(`"partners":"vn-police"`)), collections.Wishes{}, "-", "/partners"},
	} {
		s, err := h.desk.PublishWith(t.Context(), vendor, h.place("vn"), envelope(c.object), c.wishes)
		if err != nil {
			t.Fatal(err)
		}
		var seen []string
		for _, p := range []auth.Principal{low, other, named} {
			if slices.Contains(h.pull(p, "vn", collections.Query{Limit: 100}), idOf(c.object)) {
				seen = append(seen, string(p.Partner))
			}
		}
		told := s.Failures
		if c.seen != "-" {
			told = s.Successes
		}
		if strings.Join(seen, " ") != strings.Trim(c.seen, "-") || len(told) != 1 || !strings.Contains(told[0].Message, c.told) || c.told == "" && told[0].Message != "" {
			t.Errorf("%d: seen by %v, %+v; want %s, %q", i, seen, s, c.seen, c.told)
		}
	}
}

func TestMarkingsDoNotSink(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, auth.Rights{Read: true, Write: true}, "vn")
	h.publish(vendor, "vn", indicator(1, "amber"))
	if s := h.publish(vendor, "vn", version(indicator(1, "green"), 1)); s.Failure != 1 || !strings.Contains(s.Failures[0].Message, "marked green, below the version before it (amber)") {
		t.Errorf("a lower version: %+v", s)
	}
	if s := h.publish(vendor, "vn", with(version(indicator(1, "green"), 1), says(`"confirms":["lower-marking"]`))); s.Success != 1 {
		t.Errorf("a lower version, confirmed: %+v", s)
	}
	if s := h.publish(vendor, "vn", with(indicator(2, "green"), says(`"confirms":["everything"]`))); s.Failure != 1 {
		t.Errorf("a confirmation of nothing: %+v", s)
	}
	s, err := h.desk.PublishWith(t.Context(), vendor, h.place("vn"), envelope(version(indicator(1, "clear"), 2)), collections.Wishes{Lower: true})
	if err != nil || s.Success != 1 {
		t.Errorf("a lower version, confirmed for the whole publication: %+v, %v", s, err)
	}
}

// TestAuthors: who made an object is its publisher or one that it brought, never another partner.
func TestAuthors(t *testing.T) {
	h := newHouse(t)
	rights := auth.Rights{Read: true, Write: true}
	acme := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, rights, "vn")
	rival := h.partner(auth.CreatePartner{ID: "rival", Role: auth.Vendor}, rights, "vn")
	agency := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	low := h.partner(auth.CreatePartner{ID: "vn-cert", Role: auth.Agency, Clearance: stix.Green}, auth.Rights{Read: true}, "vn")
	row := func(p auth.PartnerID) auth.Partner { return h.desk.Registry.State().Access.Partners[p] }
	mine := row("acme").Identity
	brought := stix.ID(identityID(77))
	for i, c := range []struct {
		p      auth.Principal
		object string
		fails  string
	}{
		{acme, with(indicator(1, "amber"), by(mine)), ""},
		{acme, identity(77, marked(tlpGreen)), ""},
		{acme, with(indicator(2, "green"), by(brought)), ""},
		{rival, with(indicator(3, "green"), by(mine)), "is another partner's"},
		{rival, with(indicator(4, "green"), by(brought)), "is another partner's"},
		{rival, strings.ReplaceAll(identity(78, marked(tlpGreen)), identityID(78), string(mine)), "this identity is another partner's"},
		{acme, with(indicator(5, "green"), by(stix.ID(identityID(79)))), ""},
		{rival, identity(79, marked(tlpGreen)), "another partner published this id first"},
		{rival, with(indicator(6, "green"), by("identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5")), ""}, // MITRE's
		{acme, with(indicator(7, "green"), by("identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5")), ""},
	} {
		s := h.publish(c.p, "vn", c.object)
		if c.fails == "" && (s.Success != 1 || s.Failure != 0) || c.fails != "" && (s.Failure != 1 || !strings.Contains(s.Failures[0].Message, c.fails)) {
			t.Errorf("%d: %+v, want %q", i, s, c.fails)
		}
	}
	h.journals("ownership.refused", 4, identityID(79))

	// The issued identity goes with the objects that name it, and no further.
	identityOf := func(p auth.Principal) (name string) {
		for _, raw := range h.objects(p, "vn") {
			var o struct{ ID, Name string }
			if err := json.Unmarshal([]byte(raw), &o); err != nil {
				t.Fatal(err)
			}
			if o.ID == string(mine) {
				name = o.Name
				sound(t, raw)
			}
		}
		return name
	}
	if got := identityOf(agency); got != "Partner acme" {
		t.Errorf("the agency is shown the identity as %q", got)
	}
	if got := identityOf(low); got != "" {
		t.Errorf("who sees no object of it is shown the identity: %q", got)
	}
	for n := range 3 {
		h.publish(acme, "vn", with(indicator(20+n, "green"), by(mine)))
	}
	if got := identityOf(low); got != "Partner acme" {
		t.Errorf("who sees an object of it is shown the identity as %q", got)
	}
	if got := identityOf(rival); got != "" {
		t.Errorf("a rival is shown the identity: %q", got)
	}
	q := collections.Query{Limit: 10, IDs: []stix.ID{mine}, Versions: collections.Versions{All: true}}
	if n := len(h.pull(agency, "vn", q)); n != 2 {
		t.Errorf("%d versions of the identity, want one for each level", n)
	}
}

func TestPseudonyms(t *testing.T) {
	h := newHouse(t)
	acme := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, auth.Rights{Read: true, Write: true}, "vn")
	agency := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	a := auth.Pseudonymous
	h.apply(collections.Access(auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Attribution: &a}}))
	row := h.desk.Registry.State().Access.Partners["acme"]
	for i, c := range []struct {
		object string
		ok     bool
	}{
		{with(indicator(1, "green"), by(row.Pseudonym)), true},
		{indicator(2, "green"), true},
		{with(indicator(3, "green"), by(row.Identity)), false},
		{with(indicator(4, "green"), by(stix.ID(identityID(9)))), false},
		{strings.ReplaceAll(identity(9, marked(tlpGreen)), identityID(9), string(row.Identity)), false},
	} {
		if s := h.publish(acme, "vn", c.object); (s.Success == 1) != c.ok || !c.ok && !strings.Contains(s.Failures[0].Message, "under a pseudonym") {
			t.Errorf("%d: %+v, want %t", i, s, c.ok)
		}
	}
	for _, raw := range h.objects(agency, "vn") {
		if strings.Contains(raw, "acme") {
			t.Errorf("an object tells who it is: %s", raw)
		}
	}
	if got := h.pull(agency, "vn", collections.Query{Limit: 10, Types: []string{"identity"}}); len(got) != 1 || got[0] != string(row.Pseudonym) {
		t.Errorf("the identities that the agency is given: %v", got)
	}
}

// TestPseudonymsAreNotMatched: a pseudonym says nothing that the identity of before says, and where it takes
// effect that one goes nowhere any more.
func TestPseudonymsAreNotMatched(t *testing.T) {
	h := newHouse(t)
	acme := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	lk := h.partner(auth.CreatePartner{ID: "lk-police", Role: auth.Agency}, auth.Rights{Read: true}, "lk")
	root, _ := operators()
	row := h.desk.Registry.State().Access.Partners["acme"]
	h.intake(acme, nil, with(evil(1, listed("VN")), by(row.Identity)))
	h.hold("acme", auth.HoldAll)
	h.intake(acme, nil, with(evil(2, listed("LK")), by(row.Identity)))
	h.hold("acme")
	a := auth.Pseudonymous
	h.apply(collections.Access(auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Attribution: &a}}))
	row = h.desk.Registry.State().Access.Partners["acme"]
	if _, err := h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: h.keys(), Reason: "seen"}); err != nil {
		t.Fatal(err)
	}
	h.has(lk, "lk", evil(2, ""))
	h.intake(acme, nil, with(evil(3, listed("VN")), by(row.Pseudonym)))
	times := map[string]bool{}
	for _, raw := range h.objects(vn, "vn") {
		var o struct{ Type, Created, Modified string }
		if err := json.Unmarshal([]byte(raw), &o); err != nil {
			t.Fatal(err)
		}
		if o.Type == "identity" {
			times[o.Created], times[o.Modified] = true, true
		}
	}
	if len(times) != 4 {
		t.Errorf("two identities say %v, want times that have nothing in common", times)
	}
}

// TestForeignObjectsBringNothing: what fails for its author is no end that a relationship could go to, and
// is told no countries.
func TestForeignObjectsBringNothing(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	h.vendor("zeta")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	rival := h.desk.Registry.State().Access.Partners["zeta"].Identity
	h.hold("acme", "type=indicator")
	s := h.intake(vendor, nil, with(evil(1, listed("VN")), by(rival)), malware(2), relation(3, "indicates", objectID("indicator", 1), objectID("malware", 2)),
		object("malware", 4, `,"name":"N","is_family":true`+listed("VN")))
	if s.Success != 3 || s.Failure != 1 || s.Kept != 2 {
		t.Errorf("status %+v", s)
	}
	if len(s.Failures) != 1 || s.Failures[0].Message != "created_by_ref: "+string(rival)+" is another partner's: name an identity of your own" {
		t.Errorf("failures %+v", s.Failures)
	}
	h.has(vn, "vn", malware(4))
	h.journals("ownership.refused", 1, objectID("indicator", 1))
}
