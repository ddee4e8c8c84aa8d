package server_test

import (
	"net/http"
	"strings"
	"testing"

	"liaison/auth"
)

// TestWishes: what a publisher says of a whole publication is understood or refused, never ignored; what it
// does not say here is nobody's business.
func TestWishes(t *testing.T) {
	g := open(t)
	g.grant(g.vendor.partner, "intake", auth.Rights{Write: true})
	for _, c := range []struct {
		to, query string
		want      int
		names     string // in the error
	}{
		{"intake", "", http.StatusAccepted, ""},
		{"intake", "?countries=VN,lk", http.StatusAccepted, ""},
		{"intake", "?anything=else", http.StatusAccepted, ""},
		{"intake", "?countries=VN;LK", http.StatusBadRequest, "the query"},
		{"intake", "?countries=%zz", http.StatusBadRequest, "the query"},
		{"intake", "?countries=", http.StatusBadRequest, "countries"},
		{"intake", "?countries=VN&countries=LK", http.StatusBadRequest, "countries"},
		{"intake", "?countries=Vietnam", http.StatusBadRequest, "countries"},
		{"vn", "?countries=VN", http.StatusBadRequest, "countries"},
		{"vn", "?partners=vn-police", http.StatusAccepted, ""},
		{"vn", "?partners=vn-police;lk-police", http.StatusBadRequest, "the query"},
		{"vn", "?partners=", http.StatusBadRequest, "partners"},
		{"vn", "?partners=VN+Police", http.StatusBadRequest, "partners"},
		{"vn", "?confirm=lower-marking", http.StatusAccepted, ""},
		{"vn", "?confirm=anything", http.StatusBadRequest, "confirm"},
	} {
		for _, path := range []string{"objects/", "preview/"} {
			_, raw := indicator("")
			want := c.want
			if path == "preview/" && want == http.StatusAccepted {
				want = http.StatusOK
			}
			a := g.ask(g.vendor, http.MethodPost, "/secure/collections/"+c.to+"/"+path+c.query, body(envelopeOf(raw)))
			if a.status != want || !strings.Contains(string(a.body), c.names) {
				t.Errorf("%s%s%s: %d %s, want %d and %q", c.to, path, c.query, a.status, a.body, want, c.names)
			}
		}
	}
}
