package collections_test

import (
	"errors"
	"strings"
	"testing"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func TestCeiling(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, auth.Rights{Read: true, Write: true}, "vn", "lk")
	vn := h.place("vn").Collection
	h.publish(vendor, "vn", indicator(1, "amber"))
	h.apply(collections.SetCeiling{Operation: "secure", Collection: vn, Ceiling: stix.Green})
	if s := h.publish(vendor, "vn", indicator(2, "amber"), indicator(3, "green")); s.Failure != 1 || s.Success != 1 || !strings.Contains(s.Failures[0].Message, "above what this collection takes (green)") {
		t.Errorf("above the ceiling and at it: %+v", s)
	}
	if s := h.publish(vendor, "lk", indicator(4, "amber")); s.Success != 1 {
		t.Errorf("another collection: %+v", s)
	}
	if got := h.pull(vendor, "vn", collections.Query{Limit: 9}); len(got) != 2 {
		t.Errorf("what was there before stays: %v", got)
	}
	// what is held is held against the ceiling of its release
	h.apply(collections.SetCeiling{Operation: "secure", Collection: vn})
	h.hold("acme", auth.HoldAll)
	h.publish(vendor, "vn", indicator(5, "amber"))
	h.apply(collections.SetCeiling{Operation: "secure", Collection: vn, Ceiling: stix.Green})
	r, err := h.desk.Release(t.Context(), auth.LocalOperator(0), "secure", collections.Order{Keys: h.keys(), Reason: "seen"})
	if err != nil || r.Stay != 1 || !strings.Contains(r.Refused[0].Why, "above what vn takes (green)") {
		t.Errorf("a release above the ceiling: %+v, %v", r, err)
	}
	for what, c := range map[string]struct {
		change collections.SetCeiling
		want   error
	}{
		"of nothing":   {collections.SetCeiling{Operation: "secure", Collection: "x"}, collections.ErrNotFound},
		"of another":   {collections.SetCeiling{Operation: "harbor", Collection: vn}, collections.ErrNotFound},
		"unknown":      {collections.SetCeiling{Operation: "secure", Collection: vn, Ceiling: stix.Unknown}, collections.ErrInvalid},
		"of an intake": {collections.SetCeiling{Operation: "secure", Collection: h.place("intake").Collection, Ceiling: stix.Green}, collections.ErrInvalid},
	} {
		if err := h.desk.Registry.Apply(t.Context(), "local:0", c.change); !errors.Is(err, c.want) {
			t.Errorf("a ceiling %s: %v, want %v", what, err, c.want)
		}
	}
}
