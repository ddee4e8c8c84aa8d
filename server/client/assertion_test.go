package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"liaison/server/client"
)

func TestAssertionKey(t *testing.T) {
	k, err := client.NewAssertionKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	public, err := k.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	var private map[string]any
	if err := json.Unmarshal(text, &private); err != nil || private["d"] == nil {
		t.Fatalf("%v: %v", private, err)
	}
	if strings.Contains(string(public), private["d"].(string)) || strings.Contains(string(public), `"d"`) {
		t.Error("the public half has the private one in it")
	}
	again, err := client.ParseAssertionKey(text)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := again.JWKS(); err != nil || string(same) != string(public) {
		t.Errorf("read again: %s, %v", same, err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(public, &set); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "{}", "null", string(public), strings.Replace(string(text), `"Ed25519"`, `"X25519"`, 1), `{"kty":"oct","k":"c2VjcmV0"}`} {
		if _, err := client.ParseAssertionKey([]byte(bad)); !errors.Is(err, client.ErrAccount) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

// With a key for assertions the secret is not sent to the token endpoint, and each attempt brings an
// assertion of its own.
func TestTokenByAssertion(t *testing.T) {
	d := newDouble(t)
	d.tokens = true
	k, err := client.NewAssertionKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := k.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(public, &set); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	behind := d.Config.Handler
	d.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			behind.ServeHTTP(w, r)
			return
		}
		if r.Header.Get("Authorization") != "" || r.FormValue("grant_type") != "client_credentials" ||
			r.FormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			t.Errorf("asked with %v %v", r.Header, r.Form)
		}
		j, err := jose.ParseSignedCompact(r.FormValue("client_assertion"), []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil {
			t.Error(err)
			return
		}
		b, err := j.Verify(set.Keys[0])
		var c struct {
			Iss, Sub, Aud, JTI string
			Iat, Exp           int64
		}
		if err != nil || json.Unmarshal(b, &c) != nil || j.Signatures[0].Header.KeyID != set.Keys[0].KeyID {
			t.Errorf("assertion %s: %v", b, err)
		}
		if c.Iss != "acme_1" || c.Sub != "acme_1" || c.Aud != d.URL || c.JTI == "" || c.Exp-c.Iat > 300 || seen[c.JTI] {
			t.Errorf("claims %+v", c)
		}
		if seen[c.JTI] = true; len(seen) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": "given", "expires_in": 600})
	})
	c, _ := d.dial(t, func(_ *client.Account, o *client.Options) { o.Assertion = k })
	got, err := c.Token(t.Context())
	if err != nil || got.Access != "given" || len(seen) != 2 || time.Until(got.Expires) < 9*time.Minute {
		t.Errorf("%+v, %v after %d assertions", got, err, len(seen))
	}
}

func TestAccountWithAssertionKey(t *testing.T) {
	dir := t.TempDir()
	a := client.Account{Gateway: "https://gw.example", Discovery: "https://gw.example/taxii2/", ClientID: "acme_1",
		TokenURL: "https://gw.example/oauth2/token", AssertionKey: client.AssertionFile}
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	var o client.Options
	if err := a.Open(dir, &o); !errors.Is(err, client.ErrAccount) || !strings.Contains(err.Error(), client.AssertionFile) {
		t.Errorf("a file that is not there: %v", err)
	}
	k, err := client.NewAssertionKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.WriteDurably(filepath.Join(dir, client.AssertionFile), text); err != nil {
		t.Fatal(err)
	}
	if err := a.Open(dir, &o); err != nil || o.Assertion == nil {
		t.Errorf("%v", err)
	}
	for _, change := range []func(*client.Account){
		func(a *client.Account) { a.ClientID = "" },
		func(a *client.Account) { a.Gateway = "" },
		func(a *client.Account) { a.TokenURL = "" },
	} {
		b := a
		change(&b)
		if err := b.Save(dir); !errors.Is(err, client.ErrAccount) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}
