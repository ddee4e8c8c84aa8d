package collections_test

import (
	"fmt"
	"slices"
	"testing"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func TestPreview(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	h.partner(auth.CreatePartner{ID: "vn-cert", Role: auth.Agency, Clearance: stix.Clear}, auth.Rights{Read: true}, "vn")
	h.partner(auth.CreatePartner{ID: "both-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn", "lk")
	h.partner(auth.CreatePartner{ID: "barred", Role: auth.Agency}, auth.Rights{}, "vn", "lk")
	h.intake(vendor, nil, evil(9, listed("VN")), identity(1, ""))
	v, err := h.desk.Preview(t.Context(), vendor, h.place("intake"), envelope(
		evil(1, listed("VN", "LK")+`,"created_by_ref":"`+identityID(1)+`"`), evil(2, ""), evil(9, listed("VN")), `{"type":"indicator"}`,
		evil(3, listed("VN")+marked(tlpClear))), collections.Wishes{})
	if err != nil {
		t.Fatal(err)
	}
	if v.Total != 5 || v.Accepted != 4 || v.Failed != 1 || v.Kept != 1 || v.Duplicate != 1 || v.Brought != 1 ||
		fmt.Sprint(v.Placed) != "[{lk 2} {vn 3}]" {
		t.Errorf("preview %+v", v)
	}
	var lines []string
	for _, f := range v.Objects {
		lines = append(lines, fmt.Sprintf("%s %s %s%v %d %t", f.ID, f.Verdict, f.Kind, f.Collections, f.Recipients, f.Brought))
	}
	slices.Sort(lines)
	want := []string{
		identityID(1) + " added [lk vn] 2 true",
		idOf(evil(1, "")) + " added [lk vn] 2 false",
		idOf(evil(2, "")) + " kept unrouted[] 0 false",
		idOf(evil(3, "")) + " added [vn] 3 false",
		idOf(evil(9, "")) + " duplicate [] 0 false",
		"objects/3 failed [] 0 false",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("objects\n%q\nwant\n%q", lines, want)
	}
	if n := len(h.queue(collections.KeptQuery{})); n != 1 {
		t.Errorf("%d are kept after a preview, want the identity alone", n)
	}
	h.journals("publish", 1, "")
	h.journals("read.preview", 1, `"total":5`)
	root, _ := operators()
	as, err := h.desk.PreviewAs(t.Context(), root, "acme", h.place("intake"), envelope(evil(2, "")), collections.Wishes{Countries: []string{"LK"}})
	if err != nil || as.Accepted != 1 || fmt.Sprint(as.Placed) != "[{lk 1}]" {
		t.Errorf("for an operator: %+v, %v", as, err)
	}
	if _, err := h.desk.PreviewAs(t.Context(), vendor, "acme", h.place("intake"), envelope(), collections.Wishes{}); err == nil {
		t.Error("a vendor asks for another")
	}
}
