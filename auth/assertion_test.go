package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"liaison/auth"
)

// signing is a client's own key with its public half registered.
type signing struct {
	*house
	id     auth.ClientID
	alg    jwt.SigningMethod
	key    crypto.Signer
	kid    string
	spends int
}

// withKey joins another client of acme that has a key and a certificate.
func withKey(h *house, alg jwt.SigningMethod) *signing {
	h.t.Helper()
	s := &signing{house: h, alg: alg}
	var err error
	if alg == jwt.SigningMethodES256 {
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	keys, err := auth.ParseKeys(jwk(h.t, s.key.Public(), nil), h.now)
	if err != nil {
		h.t.Fatal(err)
	}
	s.kid = keys[0].ID
	token := auth.NewInvitation()
	h.do(auth.Invite{Partner: "acme", Token: token, TTL: time.Hour})
	s.id = h.t0.NextClient("acme")
	h.do(auth.Join{Token: token, Client: s.id, Keys: keys, Certificate: h.certificate(certificate("acme", s.id, 900+len(h.lines)))})
	h.doors.Spend = func(_ context.Context, c auth.UseAssertion) error {
		s.spends++
		return h.try(c)
	}
	return s
}

func jwk(t testing.TB, key any, edit func(map[string]any)) []byte {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if edit == nil {
		return b
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	edit(m)
	return encode(t, m)
}

func (s *signing) claims() map[string]any {
	return map[string]any{
		"iss": string(s.id), "sub": string(s.id), "aud": issuer, "jti": rand.Text(),
		"exp": s.now.Add(time.Minute).Unix(), "iat": s.now.Unix(),
	}
}

// assert signs header and claims by hand, whatever they are.
func (s *signing) assert(header, claims any) string {
	s.t.Helper()
	in := b64(encode(s.t, header)) + "." + b64(encode(s.t, claims))
	sig, err := s.alg.Sign(in, s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	return in + "." + b64(sig)
}

func (s *signing) header() map[string]any { return map[string]any{"alg": s.alg.Alg(), "kid": s.kid} }

func (s *signing) ask(assertion string, form ...string) (auth.TokenResponse, auth.Principal, error) {
	f := map[string][]string{
		"grant_type": {"client_credentials"}, "client_assertion_type": {auth.AssertionType}, "client_assertion": {assertion},
	}
	for i := 0; i < len(form); i += 2 {
		f[form[i]] = []string{form[i+1]}
	}
	return s.doors.Token(context.Background(), auth.TokenRequest{Form: f})
}

func TestAssertion(t *testing.T) {
	for _, alg := range []jwt.SigningMethod{jwt.SigningMethodEdDSA, jwt.SigningMethodES256} {
		t.Run(alg.Alg(), func(t *testing.T) {
			s := withKey(newHouse(t), alg)
			for name, header := range map[string]map[string]any{
				"kid": s.header(), "no kid": {"alg": alg.Alg()},
				"typ JWT": {"alg": alg.Alg(), "typ": "JWT"}, "its own typ": {"alg": alg.Alg(), "typ": "client-authentication+jwt"},
			} {
				r, p, err := s.ask(s.assert(header, s.claims()), "client_id", string(s.id))
				if err != nil || p.Client != s.id || p.Method != auth.ByAssertion || p.Credential != s.kid {
					t.Fatalf("%s: %+v, %v", name, p, err)
				}
				s.enters(s.id, auth.ByToken, bearer(r.AccessToken))
			}
			if at := s.lastLine(); !strings.HasPrefix(at, "assertion.use ") {
				t.Errorf("journal: %s", at)
			}
			bound := auth.TokenRequest{
				Presented: auth.Presented{Certificate: &s.rivals},
				Form: map[string][]string{
					"grant_type": {"client_credentials"}, "client_assertion_type": {auth.AssertionType},
					"client_assertion": {s.assert(s.header(), s.claims())},
				},
			}
			if _, _, err := s.doors.Token(t.Context(), bound); err == nil {
				t.Error("another client's certificate beside it")
			}
			if _, _, err := s.ask(s.assert(s.header(), with(s.claims(), "amr", "x", "nbf", s.now.Unix()))); err != nil {
				t.Errorf("other claims: %v", err)
			}
		})
	}
}

// Threat 11: private_key_jwt replayed, for the token endpoint, for a list, for another server; and
// whatever else an assertion should not be. None of them uses anything up.
func TestThreat11Assertions(t *testing.T) {
	s := withKey(newHouse(t), jwt.SigningMethodEdDSA)
	good := s.assert(s.header(), s.claims())
	if _, _, err := s.ask(good); err != nil {
		t.Fatal(err)
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	c, hd := s.claims(), s.header()
	dup := func(name string) string {
		raw := encode(t, s.claims())
		in := b64(encode(t, hd)) + "." + b64([]byte(strings.Replace(string(raw), `"`+name+`":`, `"`+name+`":"x","`+name+`":`, 1)))
		sig, err := s.alg.Sign(in, s.key)
		must(t, err)
		return in + "." + b64(sig)
	}
	hmacOf := func() string {
		in := b64(encode(t, with(hd, "alg", "HS256"))) + "." + b64(encode(t, s.claims()))
		sig, err := jwt.SigningMethodHS256.Sign(in, []byte(s.key.Public().(ed25519.PublicKey)))
		must(t, err)
		return in + "." + b64(sig)
	}
	end := func(d time.Duration) map[string]any { return with(c, "exp", s.now.Add(d).Unix()) }
	for name, a := range map[string]string{
		"replayed":               good,
		"aud token endpoint":     s.assert(hd, with(c, "aud", issuer+"/oauth2/token")),
		"aud list of one":        s.assert(hd, with(c, "aud", []string{issuer})),
		"aud list":               s.assert(hd, with(c, "aud", []string{issuer, "https://other.example"})),
		"aud another server":     s.assert(hd, with(c, "aud", "https://other.example")),
		"aud with a slash":       s.assert(hd, with(c, "aud", issuer+"/")),
		"no aud":                 s.assert(hd, with(c, "aud", nil)),
		"iss another":            s.assert(hd, with(c, "iss", string(s.rivalID))),
		"sub another":            s.assert(hd, with(c, "sub", string(s.rivalID))),
		"iss and sub another":    s.assert(hd, with(c, "iss", string(s.rivalID), "sub", string(s.rivalID))),
		"unknown client":         s.assert(hd, with(c, "iss", "nobody_1", "sub", "nobody_1")),
		"client without keys":    s.assert(map[string]any{"alg": "EdDSA"}, with(c, "iss", string(s.house.id), "sub", string(s.house.id))),
		"expired":                s.assert(hd, end(-30*time.Second)),
		"too long a life":        s.assert(hd, end(5*time.Minute+31*time.Second)),
		"a century":              s.assert(hd, end(876000*time.Hour)),
		"exp a string":           s.assert(hd, with(c, "exp", fmt.Sprint(s.now.Add(time.Minute).Unix()))),
		"exp a float":            s.assert(hd, with(c, "exp", 1e300)),
		"no exp":                 s.assert(hd, with(c, "exp", nil)),
		"no jti":                 s.assert(hd, with(c, "jti", nil)),
		"empty jti":              s.assert(hd, with(c, "jti", "")),
		"long jti":               s.assert(hd, with(c, "jti", strings.Repeat("x", 256))),
		"iat in the future":      s.assert(hd, with(c, "iat", s.now.Add(31*time.Second).Unix())),
		"nbf in the future":      s.assert(hd, with(c, "nbf", s.now.Add(31*time.Second).Unix())),
		"sub twice":              dup("sub"),
		"jti twice":              dup("jti"),
		"SUB beside sub":         s.assert(hd, with(c, "SUB", string(s.rivalID))),
		"alg none":               b64([]byte(`{"alg":"none"}`)) + "." + b64(encode(t, c)) + ".",
		"HS256 with the key":     hmacOf(),
		"alg of another":         s.assert(with(hd, "alg", "ES256"), c),
		"typ at+jwt":             s.assert(with(hd, "typ", "at+jwt"), c),
		"crit":                   s.assert(with(hd, "crit", []string{"x"}), c),
		"jwk":                    s.assert(with(hd, "jwk", json.RawMessage(jwk(t, other.Public(), nil))), c),
		"jku":                    s.assert(with(hd, "jku", "https://evil.example/jwks"), c),
		"x5u":                    s.assert(with(hd, "x5u", "https://evil.example/x"), c),
		"kid of nobody":          s.assert(with(hd, "kid", "../../k"), c),
		"another key":            (&signing{house: s.house, alg: s.alg, key: other}).assert(hd, c),
		"an access token":        s.token(nil),
		"four parts":             good + ".x",
		"nothing":                "x",
		"over 4 KiB":             s.assert(hd, with(c, "x", strings.Repeat("x", 4<<10))),
		"millions of dots":       strings.Repeat(".", 1<<20),
		"with the neutral point": neutral(t, s, c),
	} {
		before := s.spends
		r, p, err := s.ask(a)
		e, ok := errors.AsType[*auth.OAuthError](err)
		if !ok || e.Status != 401 || e.Code != "invalid_client" || r.AccessToken != "" || p.Client != "" {
			t.Errorf("%s: got %+v, %v", name, p, err)
		}
		if name != "replayed" && s.spends != before {
			t.Errorf("%s: something was used up", name)
		}
	}
	fresh := func() string { return s.assert(hd, s.claims()) }
	if _, _, err := s.ask(fresh(), "client_id", string(s.rivalID)); err == nil {
		t.Error("client_id of another")
	}
	if _, _, err := s.ask(fresh(), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"); err == nil {
		t.Error("another type of assertion")
	}
	for d, in := range map[time.Duration]bool{-29 * time.Second: true, 5*time.Minute + 30*time.Second: true} {
		if _, _, err := s.ask(s.assert(hd, with(s.claims(), "exp", s.now.Add(d).Unix()))); (err == nil) != in {
			t.Errorf("exp in %s: %v", d, err)
		}
	}
}

// neutral is an assertion of an unknown client, signed so that the decoy key would verify it if it
// were the neutral element.
func neutral(t *testing.T, s *signing, c map[string]any) string {
	sig := make([]byte, ed25519.SignatureSize)
	sig[0] = 1
	return b64(encode(t, map[string]any{"alg": "EdDSA"})) + "." + b64(encode(t, with(c, "iss", "nobody_1", "sub", "nobody_1"))) + "." + b64(sig)
}

// Threat 11: what was used stays used in the next process, until it is out of date; and is then
// forgotten.
func TestThreat11Remembered(t *testing.T) {
	s := withKey(newHouse(t), jwt.SigningMethodEdDSA)
	a := s.assert(s.header(), s.claims())
	if _, _, err := s.ask(a); err != nil {
		t.Fatal(err)
	}
	s.t0 = s.reload()
	if _, _, err := s.ask(a); err == nil {
		t.Error("replayed after a restart")
	}
	s.now = s.now.Add(89 * time.Second) // a second before the end of the leeway
	if _, _, err := s.ask(a); err == nil {
		t.Error("replayed at its end")
	}
	s.now = s.now.Add(2 * time.Second)
	if _, _, err := s.ask(s.assert(s.header(), s.claims())); err != nil {
		t.Fatal(err)
	}
	if n := len(s.t0.Assertions); n != 1 {
		t.Errorf("%d assertions are remembered, want the live one", n)
	}
	used := func(n int) auth.UseAssertion {
		return auth.UseAssertion{UsedAssertion: auth.UsedAssertion{Key: fmt.Sprintf("%064x", n), Client: s.id, Expires: s.now.Add(time.Minute)}}
	}
	for n := range auth.MaxAssertions - 1 {
		e, err := used(n).Apply(s.t0, s.now)
		must(t, err)
		for _, r := range e.Records {
			s.rows[[2]string{r.Table, r.Key}] = r.Value
		}
	}
	s.refuse(auth.ErrConflict, "use its tokens", used(auth.MaxAssertions))
	s.refuse(auth.ErrInvalid, "assertion", auth.UseAssertion{UsedAssertion: auth.UsedAssertion{Key: "x", Client: s.id, Expires: s.now.Add(time.Minute)}})
	late := used(1)
	late.Expires = s.now.Add(time.Hour)
	s.refuse(auth.ErrInvalid, "assertion", late)
}

func TestAssertionThatCannotBeKept(t *testing.T) {
	s := withKey(newHouse(t), jwt.SigningMethodEdDSA)
	full := errors.New("no space left")
	s.doors.Spend = func(context.Context, auth.UseAssertion) error { return full }
	_, p, err := s.ask(s.assert(s.header(), s.claims()))
	if _, refused := errors.AsType[*auth.OAuthError](err); refused || !errors.Is(err, full) || p.Client != "" {
		t.Errorf("got %+v, %v; want the store's own error", p, err)
	}
}

func TestRevokeKey(t *testing.T) {
	s := withKey(newHouse(t), jwt.SigningMethodEdDSA)
	r, _, err := s.ask(s.assert(s.header(), s.claims()))
	must(t, err)
	s.refuse(auth.ErrNotFound, "client list", auth.RevokeKey{Client: s.id, ID: "x"})
	s.do(auth.RevokeKey{Client: s.id, ID: s.kid})
	s.stays("invalid_token", s.id, bearer(r.AccessToken))
	if _, _, err := s.ask(s.assert(s.header(), s.claims())); err == nil {
		t.Error("a revoked key signs")
	}
	other := withKey(s.house, jwt.SigningMethodES256)
	other.do(auth.RevokeClient{ID: other.id})
	if len(other.t0.Clients[other.id].Keys) != 0 || !strings.Contains(other.lastLine(), other.kid) {
		t.Errorf("revoked client: %+v, %s", other.t0.Clients[other.id], other.lastLine())
	}
}

func TestParseKeys(t *testing.T) {
	now := time.Date(2025, 1, 31, 9, 30, 0, 0, time.UTC)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	a, b := jwk(t, ed.Public(), nil), jwk(t, p256.Public(), nil)
	set := func(keys ...[]byte) []byte {
		raw := []json.RawMessage{}
		for _, k := range keys {
			raw = append(raw, k)
		}
		return encode(t, map[string]any{"keys": raw})
	}
	for name, raw := range map[string][]byte{
		"one": a, "set of one": set(b), "set of two": set(a, b),
		"with a name": jwk(t, ed.Public(), func(m map[string]any) { m["kid"], m["x5u"] = "mine", "https://evil.example" }),
	} {
		keys, err := auth.ParseKeys(raw, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, k := range keys {
			if strings.Contains(string(k.JWK), "evil") || len(k.ID) != 43 || !strings.Contains(string(k.JWK), k.ID) {
				t.Errorf("%s: kept as %s", name, k.JWK)
			}
		}
	}
	private := jwk(t, ed, nil)
	for name, raw := range map[string][]byte{
		"private":     private,
		"symmetric":   []byte(`{"kty":"oct","k":"` + base64.RawURLEncoding.EncodeToString(make([]byte, 32)) + `"}`),
		"RSA":         jwk(t, rsaKey.Public(), nil),
		"P-384":       jwk(t, p384.Public(), nil),
		"off curve":   jwk(t, p256.Public(), func(m map[string]any) { m["y"] = m["x"] }),
		"another alg": jwk(t, ed.Public(), func(m map[string]any) { m["alg"] = "ES256" }),
		"for enc":     jwk(t, ed.Public(), func(m map[string]any) { m["use"] = "enc" }),
		"twice":       set(a, a),
		"five":        set(a, b, a, b, a),
		"none":        set(),
		"not JSON":    []byte("x"),
		"null":        []byte("null"),
		"large":       []byte(`{"kty":"` + strings.Repeat("x", 17<<10) + `"}`),
	} {
		keys, err := auth.ParseKeys(raw, now)
		if !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	if _, err := auth.ParseKeys(private, now); strings.Contains(fmt.Sprint(err), base64.RawURLEncoding.EncodeToString(ed.Seed())) {
		t.Error("the private key is in the error")
	}
}

func FuzzParseKeys(f *testing.F) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(jwk(f, ed.Public(), nil))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":""}]}`))
	now := time.Date(2025, 1, 31, 9, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, err := auth.ParseKeys(raw, now)
		if err != nil {
			return
		}
		for _, k := range keys { // what is kept is read again as it is
			again, err := auth.ParseKeys(k.JWK, now)
			if err != nil || len(again) != 1 || again[0].ID != k.ID || string(again[0].JWK) != string(k.JWK) {
				t.Errorf("%s becomes %+v, %v", k.JWK, again, err)
			}
		}
	})
}

// FuzzAssertion: what is taken was signed by the client's key, whatever is put around it.
func FuzzAssertion(f *testing.F) {
	s := withKey(newHouse(f), jwt.SigningMethodEdDSA)
	hd, c := encode(f, s.header()), encode(f, s.claims())
	f.Add(hd, c, false)
	f.Add(hd, c, true)
	f.Add([]byte(`{"alg":"none"}`), c, false)
	f.Fuzz(func(t *testing.T, header, claims []byte, signed bool) {
		in := b64(header) + "." + b64(claims)
		sig := make([]byte, ed25519.SignatureSize)
		if signed {
			var err error
			if sig, err = s.key.Sign(nil, []byte(in), crypto.Hash(0)); err != nil {
				t.Fatal(err)
			}
		}
		s.doors.Spend = func(context.Context, auth.UseAssertion) error { return nil }
		_, p, err := s.ask(in + "." + b64(sig))
		if err == nil && (!signed || p.Client != s.id) {
			t.Errorf("%s.%s is %+v", header, claims, p)
		}
	})
}

func TestSecretPost(t *testing.T) {
	h := newHouse(t)
	ask := func(id, secret string) (auth.Principal, error) {
		_, p, err := h.doors.Token(t.Context(), auth.TokenRequest{Form: map[string][]string{
			"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret},
		}})
		return p, err
	}
	if _, err := ask(string(h.id), h.secret); err == nil {
		t.Error("client_secret_post is taken without being switched on")
	}
	h.doors.SecretPost = true
	if p, err := ask(string(h.id), h.secret); err != nil || p.Client != h.id {
		t.Errorf("%+v, %v", p, err)
	}
	for _, c := range [][2]string{{string(h.rivalID), h.secret}, {"", h.secret}, {string(h.id), "x"}, {string(h.id), h.secret + "x"}} {
		if p, err := ask(c[0], c[1]); err == nil {
			t.Errorf("%q: %+v", c[0], p)
		}
	}
}
