package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
	"liaison/server/client"
)

// far is a client that speaks to /admin/v1 with the certificate of a partner's directory.
type far struct {
	*running
	http  *http.Client
	token string
}

func (r *running) far(t *testing.T, dir string) *far {
	t.Helper()
	a, err := client.OpenAccount(dir)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := a.TLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := partnerClient(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	token, err := c.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: conf}
	t.Cleanup(tr.CloseIdleConnections)
	return &far{r, &http.Client{Transport: tr}, token.Access}
}

func (f *far) ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.base+admin.Prefix+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+f.token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := f.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// An operator far away onboards and suspends as the one on the machine does, under its own name; an
// auditor reads the journal and nothing else.
func TestAdministrationFromAfar(t *testing.T) {
	r := runGateway(t)
	if err := r.registry.Apply(t.Context(), "test", collections.CreateOperation{ID: "secure", Title: "Secure", Countries: []string{"VN"}}); err != nil {
		t.Fatal(err)
	}
	hq := r.far(t, r.partner(t, "hq", auth.Operator))
	auditor := r.far(t, r.partner(t, "auditor", auth.Auditor))
	for _, c := range []struct {
		by                 *far
		method, path, body string
		status             int
		want               string
	}{
		{hq, "GET", "/health", "", 200, `"status":"ok"`},
		{hq, "POST", "/partners", `{"id":"vn-police","role":"agency","name":"Police","operation":"secure","countries":["VN"]}`, 201, `"alias":"vn"`},
		{hq, "POST", "/partners/vn-police/invitations", "", 201, "/join/"},
		{hq, "PATCH", "/partners/vn-police", `{"networks":["192.0.2.0/24"]}`, 200, `192.0.2.0/24`},
		{hq, "POST", "/partners/vn-police/suspend", "", 200, `"state":"suspended"`},
		{hq, "GET", "/openapi.json", "", 200, `"openapi":"3.1.0"`},
		{hq, "GET", "/backup", "", 403, `"error":"denied"`},
		{hq, "GET", "/nothing", "", 404, `"error":"path"`},
		{auditor, "GET", "/journal", "", 200, `"actor":"hq_1","kind":"partner.suspend"`},
		{auditor, "POST", "/journal/verify", "", 200, `"root":"`},
		{auditor, "GET", "/partners", "", 403, `"error":"denied"`},
		{auditor, "POST", "/partners/vn-police/resume", "", 403, `"error":"denied"`},
	} {
		status, answer := c.by.ask(t, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", c.method, c.path, status, answer, c.status, c.want)
		}
	}
	if err := r.registry.Apply(t.Context(), "test", collections.Access(auth.SuspendPartner{ID: "hq"})); err != nil {
		t.Fatal(err)
	}
	if status, _ := hq.ask(t, "GET", "/health", ""); status != 401 {
		t.Errorf("suspended: %d", status)
	}
}

// Threat 12, over TLS: while keys of both kinds rotate, nobody that is valid is told 401.
func TestThreat12RotationOverTLS(t *testing.T) {
	r := runGateway(t)
	if err := r.registry.Apply(t.Context(), "test", collections.CreateOperation{ID: "secure", Title: "Secure", Countries: []string{"VN"}}); err != nil {
		t.Fatal(err)
	}
	dir := r.partner(t, "vn-police", auth.Agency)
	a, err := client.OpenAccount(dir)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := a.TLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	answered := make(chan struct{})
	var pollers sync.WaitGroup
	for n := range 3 {
		pollers.Go(func() {
			h := &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
			defer h.CloseIdleConnections()
			token := ""
			for asked := 0; ctx.Err() == nil; asked++ {
				if n == 0 && asked%20 == 0 || token == "" { // one of them asks for many tokens
					token = askToken(ctx, t, h, a)
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.APIRoot, nil)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Accept", "application/taxii+json;version=2.1")
				req.Header.Set("Authorization", "Bearer "+token)
				if n == 2 {
					req.SetBasicAuth(a.ClientID, a.ClientSecret)
				}
				resp, err := h.Do(req)
				if err != nil {
					continue // the test is over
				}
				io.Copy(io.Discard, resp.Body) // so that the connection is used again
				resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("poller %d: %d", n, resp.StatusCode)
					return
				}
				select {
				case answered <- struct{}{}:
				case <-ctx.Done():
				}
			}
		})
	}
	begin := time.Now()
	for i := range 6 {
		for range 60 {
			select {
			case <-answered:
			case <-time.After(patience):
				t.Fatal("nobody is answered any more")
			}
		}
		at := begin.Add(time.Duration(i) * auth.PublishAhead)
		if _, err := r.ring.Tend(at, time.Second); err != nil { // by a clock that is quicker than theirs
			t.Error(err)
		}
		if i < 3 {
			if _, err := r.vault.Rotate(at); err != nil {
				t.Error(err)
			}
		}
	}
	stop()
	pollers.Wait()
	active, kid := 0, ""
	for _, k := range r.ring.Keys() {
		if k.State == "active" {
			active, kid = active+1, k.ID
		}
	}
	if first := r.ring.Keys()[0].ID; active != 1 || kid == first {
		t.Errorf("%d active keys, and the first still signs: %t", active, kid == first)
	}
}

func askToken(ctx context.Context, t *testing.T, h *http.Client, a client.Account) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.TokenURL, strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		t.Error(err)
		return ""
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(a.ClientID, a.ClientSecret)
	resp, err := h.Do(req)
	if err != nil {
		return "" // the test is over
	}
	defer resp.Body.Close()
	var got auth.TokenResponse
	if err := json.NewDecoder(resp.Body).Decode(&got); ctx.Err() == nil && (err != nil || resp.StatusCode != 200) {
		t.Errorf("a token: %d, %v", resp.StatusCode, err)
	}
	return got.AccessToken
}
