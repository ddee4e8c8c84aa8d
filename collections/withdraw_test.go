package collections_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// TestWithdrawBatch: what nobody was given disappears without a trace, what somebody was given is named
// to those who could have been given it, and to nobody else.
func TestWithdrawBatch(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, auth.Rights{Read: true, Write: true}, "vn", "lk")
	rival := h.partner(auth.CreatePartner{ID: "rival", Role: auth.Vendor}, auth.Rights{Read: true, Write: true}, "vn")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	low := h.partner(auth.CreatePartner{ID: "vn-cert", Role: auth.Agency, Clearance: stix.Green}, auth.Rights{Read: true}, "vn", "lk")
	root, _ := operators()
	ctx, every := t.Context(), collections.Query{Limit: 100}

	h.publish(rival, "vn", indicator(50, "green"))
	first := h.publish(vendor, "vn", indicator(1, "green"), indicator(2, "amber"), indicator(3, "amber"))
	h.publish(vendor, "vn", indicator(60, "green"))
	h.clock = h.clock.Add(1e9)
	indicatorsOf(t, h, vn, "vn", collections.Query{Limit: 1, Types: []string{"indicator"}, IDs: []stix.ID{stix.ID(idOf(indicator(2, "amber")))}})
	h.pull(low, "vn", every) // is given 1, not 2 and 3
	h.pull(vendor, "vn", every)

	e, err := h.desk.Exposure(ctx, root, "secure", string(first.ID))
	if err != nil || e.Objects != 3 || e.Pulled != 2 || readersOf(e) != "vn-cert 1, vn-police 1" {
		t.Errorf("the exposure of the batch: %+v, %v", e, err)
	}
	if e, err = h.desk.Exposure(ctx, root, "secure", idOf(indicator(3, "amber"))); err != nil || e.Pulled != 0 || e.Publisher != "acme" {
		t.Errorf("the exposure of an object that nobody has: %+v, %v", e, err)
	}
	for what, c := range map[string]struct {
		p      auth.Principal
		batch  collections.StatusID
		reason string
		want   error
	}{
		"by the vendor":    {vendor, first.ID, "mine", collections.ErrDenied},
		"without a reason": {root, first.ID, "", collections.ErrInvalid},
		"of no batch":      {root, "none", "bad", collections.ErrNotFound},
	} {
		if _, err := h.desk.WithdrawBatch(ctx, c.p, "secure", c.batch, c.reason, true); !errors.Is(err, c.want) {
			t.Errorf("a withdrawal %s: %v, want %v", what, err, c.want)
		}
	}
	if _, err := h.desk.Exposure(ctx, vendor, "secure", string(first.ID)); !errors.Is(err, collections.ErrDenied) {
		t.Errorf("a vendor asks who was given its objects: %v", err)
	}

	r, err := h.desk.WithdrawBatch(ctx, root, "secure", first.ID, "a wrong feed", true)
	if err != nil || r.Withdrawn != 3 || r.Pulled != 2 || len(r.Notes) != 2 || readersOf(r.Exposure) != "vn-cert 1, vn-police 1" {
		t.Fatalf("the withdrawal: %+v, %v", r, err)
	}
	identityID := string(h.desk.Registry.State().Operations["secure"].IdentityID())
	for _, c := range []struct {
		who  auth.Principal
		want []string // ids without those of notes
		refs []string // what the notes that it is given name
	}{
		{vn, []string{idOf(indicator(50, "")), idOf(indicator(60, "")), identityID}, []string{idOf(indicator(1, "")), idOf(indicator(2, ""))}},
		{low, []string{idOf(indicator(50, "")), idOf(indicator(60, "")), identityID}, []string{idOf(indicator(1, ""))}},
		{vendor, []string{idOf(indicator(60, ""))}, nil},
		{rival, []string{idOf(indicator(50, ""))}, nil},
	} {
		var ids, refs []string
		for _, raw := range h.objects(c.who, "vn") {
			var o struct {
				ID, Type  string
				By        string   `json:"created_by_ref"`
				Refs      []string `json:"object_refs"`
				Content   string
				CreatedBy string
			}
			if err := json.Unmarshal([]byte(raw), &o); err != nil {
				t.Fatal(err)
			}
			if o.Type != "note" {
				ids = append(ids, o.ID)
				continue
			}
			if refs = append(refs, o.Refs...); o.By != identityID || !strings.Contains(o.Content, "a wrong feed") {
				t.Errorf("a note: %s", raw)
			}
			sound(t, raw)
		}
		slices.Sort(refs)
		if fmt.Sprint(ids) != fmt.Sprint(c.want) || fmt.Sprint(refs) != fmt.Sprint(c.refs) {
			t.Errorf("%s has %v and notes on %v, want %v and %v", c.who.Partner, ids, refs, c.want, c.refs)
		}
	}
	if n := len(h.pull(low, "lk", every)); n != 0 {
		t.Errorf("%d objects in a collection that the batch did not go to", n)
	}
	h.journals("batch.withdraw", 1, `"readers":["vn-cert","vn-police"]`)
	h.journals("withdraw", 1, `"reason":"a wrong feed"`)
	if _, err = h.desk.WithdrawBatch(ctx, root, "secure", first.ID, "again", true); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("a second withdrawal: %v", err)
	}
	if s := h.publish(vendor, "vn", indicator(1, "green")); s.Success != 1 || s.Duplicate != 0 {
		t.Errorf("published again: %+v", s)
	}
}

// TestWithdrawHeldBatch: a batch of which some is held and some was released goes whole.
func TestWithdrawHeldBatch(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, auth.Rights{Read: true, Write: true}, "vn")
	agency := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	root, _ := operators()
	h.hold("acme", auth.HoldAll)
	s := h.publish(vendor, "vn", indicator(1, "green"), indicator(2, "green"), indicator(3, "green"))
	if _, err := h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: h.keys()[1:2], Reason: "fine"}); err != nil {
		t.Fatal(err)
	}
	r, err := h.desk.WithdrawBatch(t.Context(), root, "secure", s.ID, "not fine", true)
	if err != nil || r.Dropped != 2 || r.Withdrawn != 1 || r.Pulled != 0 || len(r.Notes) != 0 {
		t.Errorf("the withdrawal: %+v, %v", r, err)
	}
	if got := h.pull(agency, "vn", collections.Query{Limit: 10}); len(got)+len(h.keys()) != 0 {
		t.Errorf("there is %v, and %v is kept", got, h.keys())
	}
	if _, err := h.desk.Exposure(t.Context(), root, "secure", string(s.ID)); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("the exposure of what was withdrawn: %v", err)
	}
}

func readersOf(e collections.Exposure) string {
	var list []string
	for _, r := range e.Readers {
		list = append(list, fmt.Sprintf("%s %d", r.Partner, r.Objects))
	}
	return strings.Join(list, ", ")
}

// indicatorsOf reads one page and throws it away.
func indicatorsOf(t *testing.T, h *house, p auth.Principal, alias string, q collections.Query) {
	t.Helper()
	page, err := h.desk.Objects(t.Context(), p, h.place(alias), q)
	if err != nil || page.Count != 1 {
		t.Fatalf("%d objects, %v", page.Count, err)
	}
}

func (h *house) objects(p auth.Principal, alias string) []string {
	h.Helper()
	page, err := h.desk.Objects(h.Context(), p, h.place(alias), collections.Query{Limit: 1000})
	if err != nil {
		h.Fatal(err)
	}
	return bodies(h.T, page.Page)
}

// sound checks an object that the gateway made against the whole of STIX.
func sound(t *testing.T, raw string) {
	t.Helper()
	s := stix.NewScanner(envelope(raw), stix.Limits{})
	for s.Next() {
		if s.Problem() != nil {
			t.Errorf("%v in %s", s.Problem(), raw)
		} else if p, _ := stix.Check(s.Object()); p != nil {
			t.Errorf("%v in %s", p, raw)
		} else if p := stix.CheckStrict(s.Object()); p != nil {
			t.Errorf("%v in %s", p, raw)
		}
	}
	if s.Err() != nil {
		t.Error(s.Err())
	}
}

// TestWithdrawWhatCameLater: what waited goes with the batch that it came with, although another one took
// it along; that one keeps its own.
func TestWithdrawWhatCameLater(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	root, _ := operators()
	m, a := malware(1), evil(1, listed("VN"))
	rel := relation(1, "indicates", objectID("indicator", 1), objectID("malware", 1))
	first := h.intake(vendor, nil, rel, m)
	h.intake(vendor, nil, a)
	h.has(vn, "vn", a, m, rel)
	r, err := h.desk.WithdrawBatch(t.Context(), root, "secure", first.ID, "wrong", false)
	if err != nil || r.Withdrawn != 2 {
		t.Errorf("the withdrawal: %+v, %v", r, err)
	}
	h.has(vn, "vn", a)
}

// TestWithdrawWhatWasBrought: a batch is withdrawn also from where another one brought things of it, and
// who was given them there is known.
func TestWithdrawWhatWasBrought(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	lk := h.partner(auth.CreatePartner{ID: "lk-police", Role: auth.Agency}, auth.Rights{Read: true}, "lk")
	root, _ := operators()
	m, a, b := malware(1), evil(1, listed("VN")), evil(2, listed("LK"))
	first := h.intake(vendor, nil, m, a, relation(1, "indicates", objectID("indicator", 1), objectID("malware", 1)))
	says := relation(2, "indicates", objectID("indicator", 2), objectID("malware", 1))
	h.intake(vendor, nil, b, says)
	h.publish(vendor, "lk", version(malware(1), 3)) // no version of the batch
	h.clock = h.clock.Add(1e9)
	h.pull(lk, "lk", collections.Query{Limit: 100, Versions: collections.Versions{All: true}})
	h.journals("bring", 1, objectID("malware", 1))
	e, err := h.desk.Exposure(t.Context(), root, "secure", string(first.ID))
	if err != nil || e.Objects != 4 || readersOf(e) != "lk-police 1" {
		t.Errorf("exposure: %+v, %v", e, err)
	}
	r, err := h.desk.WithdrawBatch(t.Context(), root, "secure", first.ID, "wrong", false)
	if err != nil || r.Withdrawn != 4 || r.Pulled != 1 {
		t.Errorf("the withdrawal: %+v, %v", r, err)
	}
	h.has(vn, "vn")
	h.has(lk, "lk", b, says, m)
}

// TestWithdrawWhatBrought: with a batch goes what it brought, where it brought it; what it took along of
// another batch, that waited, is that one's.
func TestWithdrawWhatBrought(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	lk := h.partner(auth.CreatePartner{ID: "lk-police", Role: auth.Agency}, auth.Rights{Read: true}, "lk")
	root, _ := operators()
	indicates := func(n int) string {
		return relation(n, "indicates", objectID("indicator", n), objectID("malware", 1))
	}
	m := malware(1)
	h.intake(vendor, nil, m)
	second := h.intake(vendor, nil, evil(2, listed("VN")), indicates(2))
	third := h.intake(vendor, nil, evil(3, listed("LK")), indicates(3))
	for i, s := range []collections.Status{third, second} {
		e, err := h.desk.Exposure(t.Context(), root, "secure", string(s.ID))
		if err != nil || e.Objects != 3-i {
			t.Errorf("exposure %d: %+v, %v", i, e, err)
		}
		if r, err := h.desk.WithdrawBatch(t.Context(), root, "secure", s.ID, "wrong", false); err != nil || r.Withdrawn != 3-i {
			t.Errorf("withdrawal %d: %+v, %v", i, r, err)
		}
	}
	h.has(lk, "lk")
	h.has(vn, "vn", m)
	h.intake(vendor, nil, evil(4, listed("LK")), indicates(4))
	if got := h.pull(lk, "lk", collections.Query{Limit: 100}); len(got) != 3 {
		t.Errorf("LK has %v, want what is published after, and the malware", got)
	}
}

// meddler does something the first time that somebody asks what is kept.
type meddler struct {
	collections.Store
	once func()
}

func (m *meddler) Kept(ctx context.Context, op auth.OperationID, q collections.KeptQuery) ([]collections.Kept, collections.KeptKey, error) {
	if do := m.once; do != nil {
		m.once = nil
		do()
	}
	return m.Store.Kept(ctx, op, q)
}

// TestWithdrawWhatIsReleasedMeanwhile: another operator's release in the middle of a withdrawal lets nothing through.
func TestWithdrawWhatIsReleasedMeanwhile(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	root, other := operators()
	h.hold("acme", auth.HoldAll)
	s := h.publish(vendor, "vn", indicator(1, "green"), indicator(2, "green"))
	keys := h.keys()
	h.desk.Store = &meddler{h.store, func() {
		if r, err := h.desk.Release(t.Context(), other, "secure", collections.Order{Keys: keys[:1], Reason: "fine"}); err != nil || r.Released != 1 {
			t.Errorf("release: %+v, %v", r, err)
		}
	}}
	r, err := h.desk.WithdrawBatch(t.Context(), root, "secure", s.ID, "not fine", true)
	if err != nil || r.Dropped != 1 || r.Withdrawn != 1 {
		t.Errorf("the withdrawal: %+v, %v", r, err)
	}
	h.has(vn, "vn")
}
