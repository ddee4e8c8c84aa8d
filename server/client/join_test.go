package client_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/certs"
	"liaison/server/client"
)

const token = "abcdefghijklmnopqrstuvwxyzABCDEF-_012345678"

func TestParseInvitation(t *testing.T) {
	fp := strings.Repeat("0a", 32)
	for text, want := range map[string]client.Invitation{
		"https://gw.example/join/" + token:                                 {URL: "https://gw.example/join/" + token, Host: "gw.example"},
		" https://gw.example:8443/join/" + token + "#sha256:" + fp + "\n":  {URL: "https://gw.example:8443/join/" + token, Host: "gw.example", Fingerprint: fp},
		"https://[::1]:1/join/" + token + "#sha256:" + strings.ToUpper(fp): {URL: "https://[::1]:1/join/" + token, Host: "::1", Fingerprint: fp},
		"https://gw.example/a/join/" + token:                               {URL: "https://gw.example/a/join/" + token, Host: "gw.example"},
	} {
		got, err := client.ParseInvitation(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", text, err, diff)
		}
	}
	for _, text := range []string{
		"", "x", "gw.example/join/" + token, "http://gw.example/join/" + token, "https:///join/" + token,
		"https://gw.example/" + token, "https://gw.example/join/", "https://gw.example/join/" + token + "/",
		"https://gw.example/join/short", "https://gw.example/join/" + token + "?x", "https://a:b@gw.example/join/" + token,
		"https://gw.example/join/" + token + "#", "https://gw.example/join/" + token + "#" + fp,
		"https://gw.example/join/" + token + "#sha256:" + fp[:62], "https://gw.example/join/" + token + "#sha256:" + fp + "00",
		"https://gw.example/join/" + token + "%2f", "https://gw.example/xjoin/" + token, "https://gw .example/join/" + token,
	} {
		_, err := client.ParseInvitation(text)
		if !errors.Is(err, client.ErrInvitation) || strings.Contains(err.Error(), token) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzInvitation(f *testing.F) {
	f.Add("https://gw.example:8443/join/" + token + "#sha256:" + strings.Repeat("0a", 32))
	f.Add("https://[::1]/a/join/" + token)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := client.ParseInvitation(text)
		if err != nil {
			if !errors.Is(err, client.ErrInvitation) {
				t.Fatal(err)
			}
			return
		}
		again := v.URL
		if v.Fingerprint != "" {
			again += "#sha256:" + v.Fingerprint
		}
		if w, err := client.ParseInvitation(again); err != nil || v != w {
			t.Fatalf("%+v became %+v, %v", v, w, err)
		}
	})
}

// joiner is a gateway that takes one invitation up.
func joiner(t *testing.T, answer func(s *httptest.Server, csr string) (int, map[string]any)) (*httptest.Server, client.Invitation) {
	t.Helper()
	var s *httptest.Server
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ CSR string }
		if r.Method != http.MethodPost || r.URL.Path != "/join/"+token || json.NewDecoder(r.Body).Decode(&body) != nil || r.Header.Get("Authorization") != "" {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		code, v := answer(s, body.CSR)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(v)
	}))
	t.Cleanup(s.Close)
	sum := sha256.Sum256(s.Certificate().Raw)
	v, err := client.ParseInvitation(s.URL + "/join/" + token + "#sha256:" + hex.EncodeToString(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func given(s *httptest.Server) map[string]any {
	return map[string]any{"partner": "acme", "client_id": "acme_1", "client_secret": "lsn_x", "certificate": "CERT", "ca": "CA",
		"gateway": s.URL, "discovery": s.URL + "/taxii2/", "api_root": "", "token_url": s.URL + "/oauth2/token", "crl": s.URL + "/crl"}
}

func TestJoin(t *testing.T) {
	s, v := joiner(t, func(s *httptest.Server, csr string) (int, map[string]any) {
		if csr != "REQUEST" {
			t.Errorf("got request %q", csr)
		}
		return 201, given(s)
	})
	j, err := client.Join(t.Context(), v, client.Joining{CSR: "REQUEST"}, client.Options{TLS: certs.PinnedConfig(v.Host, v.Fingerprint)})
	if err != nil {
		t.Fatal(err)
	}
	want := client.Joined{
		Account: client.Account{Partner: "acme", Gateway: s.URL, Discovery: s.URL + "/taxii2/", ClientID: "acme_1", ClientSecret: "lsn_x",
			TokenURL: s.URL + "/oauth2/token", CA: "ca.pem", Cert: "cert.pem", Key: "key.pem"},
		Certificate: []byte("CERT"),
		CA:          pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), // the one that was named, whatever the answer says
	}
	if diff := cmp.Diff(want, j); diff != "" {
		t.Errorf("joined (-want +got):\n%s", diff)
	}

	// Somebody else's server is told nothing.
	v.Fingerprint = strings.Repeat("0", 64)
	s.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the invitation was sent") })
	if _, err := client.Join(t.Context(), v, client.Joining{CSR: "REQUEST"}, client.Options{TLS: certs.PinnedConfig(v.Host, v.Fingerprint)}); !errors.Is(err, certs.ErrPin) {
		t.Errorf("another authority: %v", err)
	}
}

// Without a fingerprint the roots of the system decide, and the gateway's own authority is kept only
// when it is above what the gateway showed.
func TestJoinWithoutFingerprint(t *testing.T) {
	other, err := certs.Create(t.TempDir(), "gw.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, ca := range map[string]func(s *httptest.Server) string{
		"":      func(*httptest.Server) string { return "" },
		"other": func(*httptest.Server) string { return string(other.RootPEM()) },
		"ca.pem": func(s *httptest.Server) string {
			return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
		},
	} {
		s, v := joiner(t, func(s *httptest.Server, _ string) (int, map[string]any) {
			g := given(s)
			g["ca"] = ca(s)
			return 200, g
		})
		v.Fingerprint = ""
		d := &double{Server: s}
		j, err := client.Join(t.Context(), v, client.Joining{CSR: "REQUEST"}, client.Options{TLS: d.trust()})
		if want := strings.TrimPrefix(name, "other"); err != nil || j.Account.CA != want || (want == "") != (len(j.CA) == 0) {
			t.Errorf("%s: trusts %q, %v", name, j.Account.CA, err)
		}
	}
}

func TestJoinRefused(t *testing.T) {
	for _, tt := range []struct {
		code   int
		change func(g map[string]any)
		says   string
	}{
		{404, nil, "ask the operator for a new one"},
		{410, nil, "ask the operator for a new one"},
		{400, nil, "the request is no request"},
		{503, nil, "503"},
		{200, func(g map[string]any) { delete(g, "client_secret"); delete(g, "client_id") }, "not what a gateway gives"},
		{200, func(g map[string]any) { g["token_url"] = "http://gw.example/" }, "not what a gateway gives"},
		{200, func(g map[string]any) { delete(g, "partner") }, "not what a gateway gives"},
		{200, func(g map[string]any) { g["partner"] = 7 }, "wrong type"},
	} {
		_, v := joiner(t, func(s *httptest.Server, _ string) (int, map[string]any) {
			g := given(s)
			if tt.change == nil {
				g = map[string]any{"error": "invalid_request", "error_description": "the request is no request"}
			} else {
				tt.change(g)
			}
			return tt.code, g
		})
		o := client.Options{TLS: certs.PinnedConfig(v.Host, v.Fingerprint), Sleep: (&waits{}).sleep}
		_, err := client.Join(t.Context(), v, client.Joining{CSR: "REQUEST"}, o)
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "lsn_") {
			t.Errorf("%d: %v", tt.code, err)
		}
	}
}

// A join whose answer does not arrive is asked for again, with the same request; when it never arrives
// the error says so, and does not when nothing was sent.
func TestJoinLost(t *testing.T) {
	for _, lost := range []int{1, 2, 99} {
		asked := 0
		var first string
		_, v := joiner(t, func(s *httptest.Server, csr string) (int, map[string]any) {
			if asked++; asked == 1 {
				first = csr
			}
			if csr != first {
				t.Errorf("another request: %q", csr)
			}
			if asked <= lost {
				panic(http.ErrAbortHandler)
			}
			return 200, given(s)
		})
		o := client.Options{TLS: certs.PinnedConfig(v.Host, v.Fingerprint), Sleep: (&waits{}).sleep}
		_, err := client.Join(t.Context(), v, client.Joining{CSR: "REQUEST"}, o)
		if (err != nil) != (lost == 99) || err != nil && !errors.Is(err, client.ErrLost) || err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("%d answers lost: %v", lost, err)
		}
		if asked < 2 || asked > 3 {
			t.Errorf("%d answers lost: asked %d times", lost, asked)
		}
	}
	s, v := joiner(t, nil)
	s.Close()
	o := client.Options{TLS: certs.PinnedConfig(v.Host, v.Fingerprint), Sleep: (&waits{}).sleep}
	if _, err := client.Join(t.Context(), v, client.Joining{CSR: "REQUEST"}, o); err == nil || errors.Is(err, client.ErrLost) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestRotate(t *testing.T) {
	d := newDouble(t)
	d.tokens = true
	until := time.Date(2025, 2, 3, 4, 5, 6, 0, time.UTC)
	mux := d.Config.Handler.(*http.ServeMux)
	mux.HandleFunc("POST /client/secret", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-1" {
			t.Errorf("asked with %s", r.Header.Get("Authorization"))
		}
		fmt.Fprintf(w, `{"client_secret":"lsn_new","previous_expires":%q,"ended":true}`, until.Format(time.RFC3339))
	})
	c, _ := d.dial(t)
	r, err := c.Rotate(t.Context())
	if err != nil || r.Secret != "lsn_new" || !r.Previous.Equal(until) || !r.Ended {
		t.Errorf("%+v, %v", r, err)
	}
}
