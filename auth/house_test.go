package auth_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"liaison/auth"
)

const (
	issuer   = "https://gw.example"
	audience = "https://gw.example/taxii2/"
)

// house is a gateway's doors with two vendors and an agency behind them.
type house struct {
	*desk
	doors *auth.Doors
	ring  *auth.Ring
	dir   string

	id      auth.ClientID // acme_1
	secret  string
	shown   auth.Shown
	rivalID auth.ClientID
	rival   string
	rivals  auth.Shown
}

func newHouse(t testing.TB) *house {
	h := &house{desk: newDesk(t), dir: t.TempDir()}
	var err error
	if h.ring, err = auth.CreateRing(h.dir); err != nil {
		t.Fatal(err)
	}
	h.now = time.Date(2025, 1, 31, 9, 30, 0, 0, time.UTC)
	h.do(vendor("acme"), vendor("rival"))
	h.id, h.secret, h.shown = h.join("acme")
	h.rivalID, h.rival, h.rivals = h.join("rival")
	h.doors = &auth.Doors{
		Issuer: issuer, Audience: audience, Vault: h.vault, Ring: h.ring,
		Tables: func() *auth.Tables { return h.t0 },
		Now:    func() time.Time { return h.now },
	}
	return h
}

func (h *house) in(c auth.Presented) (auth.Principal, error) {
	return h.doors.Identify(context.Background(), c)
}

// discreet checks that an error repeats no credential that came.
func (h *house) discreet(c auth.Presented, err error) {
	h.t.Helper()
	if err == nil {
		return
	}
	for _, line := range slices.Concat(c.Authorization, c.APIKey) {
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '.' || r == ':' }) {
			if len(word) >= 16 && strings.Contains(err.Error(), word) {
				h.t.Errorf("the refusal says what was sent: %.60q", err)
			}
		}
	}
}

// token gets one as a client does, with this certificate beside the secret or none.
func (h *house) token(c *auth.Shown) string {
	h.t.Helper()
	r, _, err := h.doors.Token(context.Background(), auth.TokenRequest{
		Presented: auth.Presented{Authorization: []string{basic(string(h.id), h.secret)}, Certificate: c},
		Form:      map[string][]string{"grant_type": {"client_credentials"}},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return r.AccessToken
}

// enters checks that a credential opens the door for a client, with the way it did.
func (h *house) enters(id auth.ClientID, m auth.Method, c auth.Presented) auth.Principal {
	h.t.Helper()
	c.Address = "192.0.2.1"
	p, err := h.in(c)
	if err != nil {
		h.t.Errorf("refused: %v", err)
		return p
	}
	if p.Client != id || p.Method != m || p.Address != c.Address || p.Partner == "" {
		h.t.Errorf("got %+v; want client %q by %s", p, id, m)
	}
	if c.Certificate != nil && p.Certificate != c.Certificate.Fingerprint {
		h.t.Errorf("the principal has certificate %q", p.Certificate)
	}
	return p
}

// stays checks that it does not, with which code and of which client the refusal is, and that the
// refusal does not say what was sent.
func (h *house) stays(code string, claimed auth.ClientID, c auth.Presented) {
	h.t.Helper()
	p, err := h.in(c)
	h.discreet(c, err)
	r, ok := errors.AsType[*auth.Refusal](err)
	if !ok || !errors.Is(err, auth.ErrUnauthenticated) {
		h.t.Errorf("got %+v, %v; want a refusal", p, err)
		return
	}
	if p.Client != "" || p.Partner != "" || p.Scope != 0 {
		h.t.Errorf("a principal came with the refusal: %+v", p)
	}
	if r.Code != code || h.t0.Known(r.Claimed) != claimed || r.Reason == "" {
		h.t.Errorf("got %+v; want code %q, client %q", r, code, claimed)
	}
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func authorization(v ...string) auth.Presented { return auth.Presented{Authorization: v} }
func bearer(v string) auth.Presented           { return authorization("Bearer " + v) }

// header and claims of a token as the gateway issues it.
func (h *house) header() map[string]any {
	kid, _ := h.ring.Signer()
	return map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": kid}
}

func (h *house) claims() map[string]any {
	n := h.now.Unix()
	return map[string]any{
		"iss": issuer, "aud": audience, "sub": string(h.id), "client_id": string(h.id), "exp": n + 600, "iat": n, "nbf": n,
		"jti": "01", "scope": "taxii:read", "tid": "acme", "te": 1, "ce": 1,
	}
}

func with(m map[string]any, kv ...any) map[string]any {
	m = maps.Clone(m)
	for i := 0; i < len(kv); i += 2 {
		if k := kv[i].(string); kv[i+1] == nil {
			delete(m, k)
		} else {
			m[k] = kv[i+1]
		}
	}
	return m
}

// sign signs whatever it is given with the gateway's own key.
func (h *house) sign(header, claims any) string {
	h.t.Helper()
	return h.signBytes(encode(h.t, header), encode(h.t, claims))
}

func (h *house) signBytes(header, claims []byte) string {
	h.t.Helper()
	return h.signText(b64(header) + "." + b64(claims))
}

func (h *house) signText(in string) string {
	h.t.Helper()
	_, key := h.ring.Signer()
	sig, err := key.Sign(nil, []byte(in), ed25519Options)
	if err != nil {
		h.t.Fatal(err)
	}
	return in + "." + b64(sig)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encode(t testing.TB, v any) []byte {
	t.Helper()
	switch v := v.(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keySet(t testing.TB, r *auth.Ring) jose.JSONWebKeySet {
	t.Helper()
	var s jose.JSONWebKeySet
	if err := json.Unmarshal(r.JWKS(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func x5t(s auth.Shown) string {
	b, _ := hex.DecodeString(s.Fingerprint)
	return b64(b)
}

func fingerprint(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}
