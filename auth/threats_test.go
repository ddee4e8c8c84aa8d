package auth_test

import (
	"fmt"
	"strings"
	"testing"

	"liaison/auth"
)

// Threat 6: what is too long is refused unread: without a decoder having seen it, whatever is in it.
// How long that takes is BenchmarkThreat06Dots.
func TestThreat06LongTokensAreNotRead(t *testing.T) {
	h := newHouse(t)
	for name, token := range map[string]string{
		"dots":      strings.Repeat(".", 4097),
		"well made": h.sign(h.header(), with(h.claims(), "jti", strings.Repeat("j", 3500))),
		"megabytes": strings.Repeat("a.", 1<<20),
	} {
		if len(token) <= 4096 {
			t.Fatalf("%s has %d bytes", name, len(token))
		}
		c := bearer(token)
		h.stays(map[bool]string{true: "invalid_client", false: "invalid_token"}[len(token) > 8<<10], "", c)
		if n := testing.AllocsPerRun(100, func() { h.in(c) }); n > 10 {
			t.Errorf("%s: %.0f allocations", name, n)
		}
	}
}

// Threat 8: whose token it is, and for whom: each name on its own.
func TestThreat08Names(t *testing.T) {
	h := newHouse(t)
	for name, kv := range map[string][]any{
		"iss": {"iss", "https://evil.example"}, "aud": {"aud", issuer}, "sub": {"sub", string(h.rivalID)},
		"client_id": {"client_id", string(h.rivalID)}, "tid": {"tid", "rival"},
		"sub and client_id": {"sub", string(h.rivalID), "client_id", string(h.rivalID)},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			if p, err := h.in(bearer(h.sign(h.header(), with(h.claims(), kv...)))); err == nil {
				t.Errorf("accepted as %+v", p)
			}
		})
	}
	h.t = t
	// All of them another's, and consistent: that is the other's token, and only the key could make it.
	other := with(h.claims(), "sub", string(h.rivalID), "client_id", string(h.rivalID), "tid", "rival")
	h.enters(h.rivalID, auth.ByToken, bearer(h.sign(h.header(), other)))
}

// Threat 10: a token that is bound to a certificate opens nothing without it, or with another one.
func TestThreat10BoundTokens(t *testing.T) {
	h := newHouse(t)
	token := bearer(h.token(&h.shown))
	second := certificate("acme", h.id, 500)
	h.do(auth.AddCertificate{Client: h.id, Certificate: h.certificate(second)})
	h.stays("invalid_token", h.id, token)
	for _, shown := range []*auth.Shown{&h.rivals, &second} {
		c := token
		c.Certificate = shown
		h.stays("invalid_token", h.id, c)
	}
	token.Certificate = &h.shown
	h.enters(h.id, auth.ByToken, token)
	h.do(auth.RevokeCertificate{Client: h.id, Serial: h.shown.Serial})
	h.stays("invalid_token", h.id, token)
}

// Threat 14: a header that a password breaks, or that comes twice, is a refusal and nothing else.
func TestThreat14Headers(t *testing.T) {
	h := newHouse(t)
	id := string(h.id)
	for name, c := range map[string]auth.Presented{
		"colon in the secret": authorization(basic(id, "a:b:c")), "two headers": authorization(basic(id, h.secret), basic(id, h.secret)),
		"header and key": {Authorization: []string{basic(id, h.secret)}, APIKey: []string{h.secret}}, "empty": authorization("Basic Og=="),
		"not UTF-8": authorization("Basic /w=="), "tabs": authorization("Basic\t" + strings.TrimPrefix(basic(id, h.secret), "Basic ")),
	} {
		if p, err := h.in(c); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// Threat 18: a token that was narrowed does not widen itself, nor does asking for more than there is.
func TestThreat18TokensDoNotWiden(t *testing.T) {
	h := newHouse(t)
	for _, scope := range []string{"admin", "taxii:read admin", "taxii:*", "*", "TAXII:READ", "taxii:read,taxii:write", fmt.Sprint(auth.FullScope) + " openid"} {
		_, _, err := h.doors.Token(t.Context(), auth.TokenRequest{
			Presented: authorization(basic(string(h.id), h.secret)),
			Form:      map[string][]string{"grant_type": {"client_credentials"}, "scope": {scope}},
		})
		if err == nil {
			t.Errorf("scope %q is given", scope)
		}
	}
	narrow, _, err := h.doors.Token(t.Context(), auth.TokenRequest{
		Presented: authorization(basic(string(h.id), h.secret)),
		Form:      map[string][]string{"grant_type": {"client_credentials"}, "scope": {"taxii:read"}},
	})
	must(t, err)
	if _, _, err := h.doors.Token(t.Context(), auth.TokenRequest{
		Presented: bearer(narrow.AccessToken), Form: map[string][]string{"grant_type": {"client_credentials"}},
	}); err == nil {
		t.Error("a token gets a token")
	}
}
