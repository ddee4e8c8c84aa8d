package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"liaison/auth"
)

const ed25519Options = crypto.Hash(0)

// states gives the states of the ring's keys as its file has them, in order.
func (h *house) states() string {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, "tokens.json"))
	if err != nil {
		h.t.Fatal(err)
	}
	var f struct {
		Keys []struct {
			State string
			Key   json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &f); err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, k := range f.Keys {
		if (k.Key == nil) != (k.State == "retired") {
			h.t.Errorf("a %s key, there: %t", k.State, k.Key != nil)
		}
		out = append(out, k.State)
	}
	return strings.Join(out, " ")
}

// Threat 12: a rotation gives no 401 to a valid client, and a retired key opens nothing.
func TestRingRotates(t *testing.T) {
	h := newHouse(t)
	start := h.now
	tend := func(at time.Duration, life time.Duration, want string) {
		t.Helper()
		h.now = start.Add(at)
		before := h.states()
		changed, err := h.ring.Tend(h.now, life)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.states(); got != want || changed != (got != before) {
			t.Errorf("after %s: %s, changed %t; want %s", at, got, changed, want)
		}
	}
	first, _ := h.ring.Signer()
	tend(0, 0, "active")
	if err := h.ring.Rotate(h.now); err != nil {
		t.Fatal(err)
	}
	if got := h.states(); got != "active next" {
		t.Errorf("rotating: %s", got)
	}
	if got := len(keySet(t, h.ring).Keys); got != 2 {
		t.Errorf("%d keys are published", got)
	}
	if err := h.ring.Rotate(h.now); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("rotating twice: %v", err)
	}
	tend(auth.PublishAhead-1, 0, "active next")
	old := h.token(nil)
	tend(auth.PublishAhead, 0, "retiring active")
	second, _ := h.ring.Signer()
	if second == first || len(keySet(t, h.ring).Keys) != 2 {
		t.Error("the next key does not sign, or the old one is not published")
	}
	h.enters(h.id, auth.ByToken, bearer(old))
	young := h.token(nil)
	tend(auth.PublishAhead+15*time.Minute+30*time.Second-1, 0, "retiring active")
	tend(auth.PublishAhead+15*time.Minute+30*time.Second, 0, "retired active")
	if len(keySet(t, h.ring).Keys) != 1 {
		t.Error("the retired key is published")
	}
	h.now = start.Add(auth.PublishAhead)
	h.stays("invalid_token", h.id, bearer(old)) // even were the clock to go back
	h.enters(h.id, auth.ByToken, bearer(young))

	again, err := auth.OpenRing(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	if kid, _ := again.Signer(); kid != second || string(again.JWKS()) != string(h.ring.JWKS()) {
		t.Error("opened again, it is another ring")
	}

	tend(time.Hour, 24*time.Hour, "retired active")
	tend(25*time.Hour, 24*time.Hour, "retired active next")
	tend(25*time.Hour+auth.PublishAhead, 24*time.Hour, "retired retiring active")
	tend(26*time.Hour, 24*time.Hour, "retired retired active")
}

// A key that is published and does not sign yet opens nothing, were somebody to sign with it.
func TestNextKeyVerifiesNothing(t *testing.T) {
	h := newHouse(t)
	must(t, h.ring.Rotate(h.now))
	b, err := os.ReadFile(filepath.Join(h.dir, "tokens.json"))
	must(t, err)
	var f struct {
		Keys []struct {
			Kid string
			Key jose.JSONWebKey
		}
	}
	must(t, json.Unmarshal(b, &f))
	next := f.Keys[1]
	token := signedBy(t, next.Key.Key.(ed25519.PrivateKey), with(h.header(), "kid", next.Kid), h.claims())
	h.stays("invalid_token", h.id, bearer(token))
	_, err = h.ring.Tend(h.now.Add(auth.PublishAhead), 0)
	must(t, err)
	h.enters(h.id, auth.ByToken, bearer(token))
}

func TestRingRevokes(t *testing.T) {
	h := newHouse(t)
	token := h.token(nil)
	kid, _ := h.ring.Signer()
	h.enters(h.id, auth.ByToken, bearer(token))
	must(t, h.ring.Revoke(kid, h.now))
	h.stays("invalid_token", h.id, bearer(token))
	h.enters(h.id, auth.ByToken, bearer(h.token(nil)))
	if got := h.states(); got != "retired active" {
		t.Errorf("revoked: %s", got)
	}
	if err := h.ring.Revoke(kid, h.now); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	must(t, h.ring.Rotate(h.now))
	kid, _ = h.ring.Signer()
	must(t, h.ring.Revoke(kid, h.now))
	if got := h.states(); got != "retired retired active" {
		t.Errorf("revoked while rotating: %s", got)
	}
	for range 40 {
		kid, _ = h.ring.Signer()
		must(t, h.ring.Revoke(kid, h.now))
	}
	if got := strings.Count(h.states(), "retired"); got != 16 {
		t.Errorf("%d retired keys are kept", got)
	}
}

// A file that cannot be written changes nothing: what signs is what is on the disk.
func TestRingKeepsWhatItCannotWrite(t *testing.T) {
	h := newHouse(t)
	kid, _ := h.ring.Signer()
	if err := os.RemoveAll(h.dir); err != nil {
		t.Fatal(err)
	}
	if err := h.ring.Rotate(h.now); err == nil {
		t.Error("rotated without a file")
	}
	if got, _ := h.ring.Signer(); got != kid || len(keySet(t, h.ring).Keys) != 1 {
		t.Error("the ring changed")
	}
}

// Threat 13: the key set has public members alone, and each key's name is its thumbprint.
func TestThreat13JWKSIsPublic(t *testing.T) {
	h := newHouse(t)
	must(t, h.ring.Rotate(h.now))
	for _, ring := range []*auth.Ring{h.ring, ringES256(t)} {
		var raw struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.Unmarshal(ring.JWKS(), &raw); err != nil {
			t.Fatal(err)
		}
		for _, k := range raw.Keys {
			for name := range k {
				if !regexp.MustCompile(`^(kty|crv|x|y|kid|use|alg)$`).MatchString(name) {
					t.Errorf("the key set has the member %q", name)
				}
			}
			if k["use"] != "sig" || k["alg"] == nil {
				t.Errorf("key %v", k)
			}
		}
		for _, k := range keySet(t, ring).Keys {
			sum, err := k.Thumbprint(crypto.SHA256)
			if err != nil || k.KeyID != b64(sum) || !k.IsPublic() {
				t.Errorf("key %q, thumbprint %q, %v", k.KeyID, b64(sum), err)
			}
		}
	}
}

func ringES256(t *testing.T) *auth.Ring {
	t.Helper()
	dir := t.TempDir()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	writeRing(t, dir, private, "ES256", nil)
	r, err := auth.OpenRing(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// writeRing writes a ring's file with one key; edit changes the key's members.
func writeRing(t *testing.T, dir string, private any, alg string, edit func(map[string]any)) {
	t.Helper()
	k := jose.JSONWebKey{Key: private, Algorithm: alg, Use: "sig"}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	k.KeyID = b64(sum)
	var members map[string]any
	if err := json.Unmarshal(encode(t, k), &members); err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(members)
	}
	file := map[string]any{"keys": []any{map[string]any{
		"kid": members["kid"], "state": "active", "alg": alg, "key": members, "created": morning, "since": morning,
	}}}
	if err := os.WriteFile(filepath.Join(dir, "tokens.json"), encode(t, file), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRingWithES256(t *testing.T) {
	h := newHouse(t)
	h.ring = ringES256(t)
	h.doors.Ring = h.ring
	token := h.token(nil)
	h.enters(h.id, auth.ByToken, bearer(token))
	kid, _ := h.ring.Signer()
	if want := b64([]byte(`{"alg":"ES256","kid":"` + kid + `","typ":"at+jwt"}`)); !strings.HasPrefix(token, want+".") {
		t.Errorf("token %s, want its header to be %s", token, want)
	}
}

func TestRingRefusesKeys(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	otherD, err := other.Bytes()
	must(t, err)
	for name, c := range map[string]struct {
		key  any
		alg  string
		edit func(map[string]any)
	}{
		"P-384":             {p384, "ES256", nil},
		"P-384 by its name": {p384, "ES384", nil},
		"another algorithm": {p256, "EdDSA", nil},
		"none":              {p256, "none", nil},
		"a symmetric one": {p256, "HS256", func(m map[string]any) {
			clear(m)
			m["kty"], m["k"], m["alg"], m["use"] = "oct", b64([]byte(strings.Repeat("k", 32))), "HS256", "sig"
		}},
		"public half only":     {p256, "ES256", func(m map[string]any) { delete(m, "d") }},
		"another public half":  {p256, "ES256", func(m map[string]any) { m["d"] = b64(otherD) }},
		"another name":         {p256, "ES256", func(m map[string]any) { m["kid"] = "x" }},
		"for another use":      {p256, "ES256", func(m map[string]any) { m["use"] = "enc" }},
		"without an algorithm": {p256, "ES256", func(m map[string]any) { delete(m, "alg") }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeRing(t, dir, c.key, c.alg, c.edit)
			if _, err := auth.OpenRing(dir); err == nil {
				t.Error("opened")
			}
		})
	}
}
