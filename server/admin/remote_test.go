package admin_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/server/admin"
)

// An operator that is not on the machine has everything but the backup; an auditor the journal and
// what stands around it; a vendor and an agency nothing. What they do is theirs in the journal.
func TestRemote(t *testing.T) {
	forAuditors := []string{"GET /health", "GET /openapi.json", "GET /journal", "POST /journal/verify", "GET /operations/{operation}/exposure"}
	for _, role := range []auth.Role{auth.Operator, auth.Auditor, auth.Vendor, auth.Agency, ""} {
		t.Run(string(role), func(t *testing.T) {
			e := seeded(t, nil)
			p := auth.Principal{Partner: "far", Client: "far_1", Role: role, Method: auth.ByToken, Certificate: "x", Scope: auth.FullScope}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.api.Remote(w, r, p) }))
			t.Cleanup(s.Close)
			for _, r := range e.api.Routes() {
				path := strings.NewReplacer("{partner}", "nobody", "{operation}", "none", "{collection}", "vn", "{client}", "nobody_1", "{key}", "k").Replace(r.Path)
				req, err := http.NewRequestWithContext(t.Context(), r.Method, s.URL+admin.Prefix+path, nil)
				check(t, err)
				status, answer := do(t, s.Client(), req)
				allowed := role == auth.Operator && r.Path != "/backup" || role == auth.Auditor && slices.Contains(forAuditors, r.Method+" "+r.Path)
				if denied := status == 403 && strings.Contains(answer, `"error":"denied"`); denied == allowed {
					t.Errorf("%s %s: %d %s", r.Method, r.Path, status, answer)
				}
			}
			if role != auth.Operator {
				return
			}
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+admin.Prefix+"/partners/acme/suspend", nil)
			check(t, err)
			if status, answer := do(t, s.Client(), req); status != 200 {
				t.Fatalf("%d %s", status, answer)
			}
			for entry, err := range e.store.Journal(t.Context(), 0) {
				check(t, err)
				if entry.Line.Kind == "partner.suspend" && entry.Line.Actor != "far_1" {
					t.Errorf("the journal says that it was %s", entry.Line.Actor)
				}
			}
		})
	}
}

// Who reads the journal stands in it, before the first byte went out.
func TestJournalReadHasItsLine(t *testing.T) {
	e := newEnv(t, nil)
	p := auth.Principal{Partner: "audit", Client: "audit_1", Role: auth.Auditor, Method: auth.ByToken, Certificate: "x", Scope: auth.FullScope}
	ask := func(target string, status int) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/v1/journal"+target, nil)
		r.RemoteAddr = "[::ffff:192.0.2.7]:1234"
		w := httptest.NewRecorder()
		e.api.Remote(w, r, p)
		if w.Code != status {
			t.Errorf("%s: %d, want %d", target, w.Code, status)
		}
	}
	ask("", http.StatusOK)
	ask("?from=2&limit=0", http.StatusOK)
	ask("?from=x", http.StatusBadRequest)
	check(t, e.store.Sweep(t.Context(), time.Now()))
	want := []string{
		`read.journal {"address":"192.0.2.7","from":0}`,
		`read.journal {"address":"192.0.2.7","from":2,"limit":0}`,
	}
	if d := cmp.Diff(want, e.journal(t)); d != "" {
		t.Errorf("journal (-want +got):\n%s", d)
	}
	check(t, e.store.Close())
	ask("", http.StatusServiceUnavailable)
}
