package collections_test

import (
	"errors"
	"testing"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// Without an agreement where one is required a partner has the training collection and nothing else,
// whatever it is granted; and nothing above clear gets into it.
func TestTrainingAlone(t *testing.T) {
	h := newHouse(t)
	h.apply(collections.CreateOperation{ID: "drill", Title: "Drill", Countries: []string{"VN"}, Training: true})
	c, ok := h.desk.Registry.State().Find("drill", collections.TrainingAlias)
	if !ok || !c.Training || c.Ceiling != stix.Clear {
		t.Fatalf("training collection %+v, %t", c, ok)
	}
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear}, auth.Rights{Read: true, Write: true}, "vn")
	agency := h.partner(auth.CreatePartner{ID: "police", Role: auth.Agency, Clearance: stix.Red}, auth.Rights{Read: true}, "vn")
	for id, r := range map[auth.PartnerID]auth.Rights{"acme": {Read: true, Write: true}, "police": {Read: true}} {
		h.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{Partner: id, Operation: "drill", Collection: c.ID, Rights: r}}))
	}
	s, err := h.desk.Publish(t.Context(), vendor, c.Place(), envelope(identity(1, ""), identity(2, marked(tlpGreen))))
	if err != nil || s.Success != 1 || s.Failure != 1 {
		t.Fatalf("publishing into training: %+v, %v", s, err)
	}
	h.publish(vendor, "vn", identity(3, ""))

	agency.Training = true
	ops, err := h.desk.Operations(t.Context(), agency)
	if err != nil || len(ops) != 1 || ops[0].ID != "drill" {
		t.Errorf("operations %v, %v", ops, err)
	}
	if _, err := h.desk.Collections(t.Context(), agency, "secure"); !errors.Is(err, collections.ErrNotFound) {
		t.Errorf("collections of the other operation: %v", err)
	}
	if _, err := h.desk.Objects(t.Context(), agency, h.place("vn"), collections.Query{Limit: 10}); !errors.Is(err, collections.ErrNotFound) {
		t.Errorf("objects of a granted collection: %v", err)
	}
	page, err := h.desk.Objects(t.Context(), agency, c.Place(), collections.Query{Limit: 10})
	if err != nil || page.Count != 1 {
		t.Errorf("training: %d objects, %v", page.Count, err)
	}
	vendor.Training = true
	if _, err := h.desk.Publish(t.Context(), vendor, h.place("vn"), envelope(identity(4, ""))); !errors.Is(err, collections.ErrNotFound) {
		t.Errorf("publishing without an agreement: %v", err)
	}
}
