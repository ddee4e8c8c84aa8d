package auth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/stix"
)

func TestIdentifySecret(t *testing.T) {
	h := newHouse(t)
	s := h.secret
	for name, c := range map[string]auth.Presented{
		"basic":                   authorization(basic(string(h.id), s)),
		"basic, any user":         authorization(basic("somebody", s)),
		"basic, another client":   authorization(basic(string(h.rivalID), s)),
		"basic, no user":          authorization(basic("", s)),
		"basic, secret as user":   authorization(basic(s, "")),
		"basic, user in Japanese": authorization(basic("警察", s)),
		"basic in lower case":     authorization("basic " + strings.TrimPrefix(basic("x", s), "Basic ")),
		"basic in upper case":     authorization("BASIC  " + strings.TrimPrefix(basic("x", s), "Basic ")),
		"bearer":                  bearer(s),
		"bearer in lower case":    authorization("bearer " + s),
		"token":                   authorization("Token " + s),
		"token in lower case":     authorization("token " + s),
		"white space around it":   authorization(" Bearer  " + s + " "),
		"api key":                 {APIKey: []string{s}},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			p := h.enters(h.id, auth.BySecret, c)
			if p.Scope != auth.FullScope || p.Partner != "acme" || p.Role != auth.Vendor || p.Default != stix.Amber || p.Certificate != "" {
				t.Errorf("got %+v", p)
			}
			c.Certificate = &h.shown
			h.enters(h.id, auth.BySecret, c)
			c.Certificate = &h.rivals
			code := "invalid_client"
			if strings.HasPrefix(name, "bearer") || strings.HasPrefix(name, "white") {
				code = "invalid_token"
			}
			claimed := h.id
			h.stays(code, claimed, c)
		})
	}
	h.enters(h.rivalID, auth.BySecret, bearer(h.rival))
}

// Threat 14 and its like: what is not exactly one credential of an accepted form opens nothing.
func TestThreat14Basic(t *testing.T) {
	h := newHouse(t)
	s := h.secret
	wrong := s[:len(s)-2] + "AA"
	if wrong == s {
		wrong = s[:len(s)-2] + "BB"
	}
	raw := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, c := range map[string]struct {
		code    string
		claimed auth.ClientID
		auth.Presented
	}{
		"nothing":                     {"", "", auth.Presented{}},
		"wrong secret":                {"invalid_client", h.id, authorization(basic(string(h.id), wrong))},
		"wrong secret, unknown user":  {"invalid_client", "", authorization(basic("acme_9", wrong))},
		"wrong secret as user":        {"invalid_client", "", authorization(basic(wrong, ""))},
		"empty secret":                {"invalid_client", "", authorization(basic(string(h.id), ""))},
		"empty user and secret":       {"invalid_client", "", authorization(raw(":"))},
		"no colon":                    {"invalid_client", "", authorization(raw(s))},
		"colon in the secret":         {"invalid_client", h.id, authorization(basic(string(h.id), s+":"))},
		"two users":                   {"invalid_client", "", authorization(basic("x:y", s))},
		"cut secret":                  {"invalid_client", h.id, authorization(basic(string(h.id), s[:len(s)-1]))},
		"longer secret":               {"invalid_client", h.id, authorization(basic(string(h.id), s+"A"))},
		"secret in another case":      {"invalid_client", h.id, authorization(basic(string(h.id), strings.ToUpper(s)))},
		"secret without prefix":       {"invalid_token", "", bearer(s[4:])},
		"secret with a newline":       {"invalid_client", h.id, authorization(basic(string(h.id), s+"\n"))},
		"secret with a zero byte":     {"invalid_client", h.id, authorization(basic(string(h.id), s+"\x00"))},
		"not UTF-8 in basic":          {"invalid_client", "", authorization(raw("\xff:" + s))},
		"not UTF-8":                   {"invalid_client", "", authorization("Bearer " + s + "\xff")},
		"not base64":                  {"invalid_client", "", authorization("Basic *" + s)},
		"base64 without padding":      {"invalid_client", "", authorization(strings.TrimRight(basic("ab", s), "="))},
		"basic without anything":      {"invalid_client", "", authorization("Basic")},
		"bearer without anything":     {"invalid_token", "", authorization("Bearer ")},
		"an empty header":             {"invalid_client", "", authorization("")},
		"no scheme":                   {"invalid_client", "", authorization(s)},
		"a scheme that is not known":  {"invalid_client", "", authorization("Digest " + s)},
		"two headers":                 {"invalid_client", "", authorization("Bearer "+s, "Bearer "+s)},
		"two credentials in one":      {"invalid_token", "", authorization("Bearer " + s + ", Bearer " + s)},
		"header and API key":          {"invalid_client", "", auth.Presented{Authorization: []string{"Bearer " + s}, APIKey: []string{s}}},
		"two API keys":                {"invalid_client", "", auth.Presented{APIKey: []string{s, s}}},
		"an empty API key":            {"invalid_client", "", auth.Presented{APIKey: []string{""}}},
		"API key with a scheme":       {"invalid_client", "", auth.Presented{APIKey: []string{"Bearer " + s}}},
		"a long header":               {"invalid_client", "", authorization("Bearer " + strings.Repeat("a", 8<<10))},
		"a long API key":              {"invalid_client", "", auth.Presented{APIKey: []string{strings.Repeat("a", 8<<10+1)}}},
		"an invitation's token":       {"invalid_token", "", bearer(auth.NewInvitation())},
		"the MAC instead of a secret": {"invalid_token", "", bearer("lsn_" + h.t0.Clients[h.id].Secrets[0].MAC)},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			h.stays(c.code, c.claimed, c.Presented)
			c.Certificate = &h.shown
			if name == "nothing" {
				h.enters(h.id, auth.ByCertificate, c.Presented)
				return
			}
			h.stays(c.code, c.claimed, c.Presented) // a certificate does not mend a credential that does not hold
		})
	}
}

func TestIdentifyCertificate(t *testing.T) {
	h := newHouse(t)
	only := func(s auth.Shown) auth.Presented { return auth.Presented{Certificate: &s} }
	h.enters(h.id, auth.ByCertificate, only(h.shown))
	h.enters(h.rivalID, auth.ByCertificate, only(h.rivals))

	s := h.shown
	s.Client = h.rivalID
	h.stays("invalid_client", h.rivalID, only(s))
	s = h.shown
	s.Partner = "rival"
	h.stays("invalid_client", h.id, only(s))
	s = h.shown
	s.Serial = "ff"
	h.stays("invalid_client", h.id, only(s))
	s = h.shown
	s.Fingerprint = fingerprint("issued by somebody else")
	h.stays("invalid_client", h.id, only(s))
	h.stays("invalid_client", "", only(auth.Shown{}))
	h.stays("invalid_client", "", only(auth.Shown{Partner: "acme", Client: "acme_9", Serial: "1", Fingerprint: fingerprint("x")}))

	// Another client of the same partner is another client.
	_, sibling, _ := h.join("acme")
	token := h.token(nil)
	h.enters("acme_2", auth.BySecret, bearer(sibling))
	h.stays("invalid_token", "acme_2", auth.Presented{Authorization: []string{"Bearer " + sibling}, Certificate: &h.shown})
	third, _, shown := h.join("acme")
	h.enters(third, auth.ByCertificate, only(shown))
	h.stays("invalid_token", h.id, auth.Presented{Authorization: []string{"Bearer " + token}, Certificate: &shown})

	h.do(auth.RevokeCertificate{Client: h.id, Serial: h.shown.Serial})
	h.stays("invalid_client", h.id, only(h.shown))
	h.stays("invalid_token", h.id, auth.Presented{Authorization: []string{"Bearer " + h.secret}, Certificate: &h.shown})
	h.enters(h.id, auth.BySecret, bearer(h.secret))
}

func TestRequireCertificate(t *testing.T) {
	h := newHouse(t)
	free, bound := h.token(nil), h.token(&h.shown)
	h.do(auth.SetPartner{ID: "acme", RequireCertificate: new(true)})
	if got, want := h.lastLine(), `partner.set {"partner":"acme","require_certificate":{"after":true,"before":false}}`; got != want {
		t.Errorf("journal: got %s, want %s", got, want)
	}
	for name, c := range map[string]string{"secret": h.secret, "token": free, "bound token": bound} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			h.stays("invalid_token", h.id, bearer(c))
			p := bearer(c)
			p.Certificate = &h.rivals
			h.stays("invalid_token", h.id, p)
			p.Certificate = &h.shown
			if _, err := h.in(p); err != nil {
				t.Errorf("with its certificate: %v", err)
			}
		})
	}
	h.t = t
	h.enters(h.id, auth.ByCertificate, auth.Presented{Certificate: &h.shown})
	h.enters(h.rivalID, auth.BySecret, bearer(h.rival))
	_, _, err := h.doors.Token(context.Background(), auth.TokenRequest{
		Presented: authorization(basic(string(h.id), h.secret)), Form: map[string][]string{"grant_type": {"client_credentials"}},
	})
	if e, ok := errors.AsType[*auth.OAuthError](err); !ok || e.Status != 401 {
		t.Errorf("a token without a certificate: %v", err)
	}
	h.do(auth.SetPartner{ID: "acme", RequireCertificate: new(false)})
	h.enters(h.id, auth.BySecret, bearer(h.secret))
}

// Threats 9 and 10: what is taken away is gone with the next request, whatever was remembered.
func TestThreat09RevocationActsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		by     func(h *house)
		secret bool // still holds
		token  bool
		cert   bool
		then   func(h *house)
		after  bool // secret and certificate hold again, the token does not
	}{
		"suspended": {by: func(h *house) { h.do(auth.SuspendPartner{ID: "acme"}) },
			then: func(h *house) { h.do(auth.ResumePartner{ID: "acme"}) }, after: true},
		"removed": {by: func(h *house) { h.do(auth.RemovePartner{ID: "acme"}) }},
		"client":  {by: func(h *house) { h.do(auth.RevokeClient{ID: h.id}) }},
		"secret": {by: func(h *house) {
			h.do(auth.RevokeSecret{Client: h.id, ID: h.t0.Clients[h.id].Secrets[0].ID})
		}, cert: true},
		"certificate":  {by: func(h *house) { h.do(auth.RevokeCertificate{Client: h.id, Serial: h.shown.Serial}) }, secret: true},
		"restored":     {by: func(h *house) { h.do(auth.RaiseEpochs{}) }, secret: true, cert: true},
		"key revoked":  {by: func(h *house) { kid, _ := h.ring.Signer(); must(t, h.ring.Revoke(kid, h.now)) }, secret: true, cert: true},
		"other's":      {by: func(h *house) { h.do(auth.RemovePartner{ID: "rival"}) }, secret: true, token: true, cert: true},
		"nothing":      {by: func(h *house) {}, secret: true, token: true, cert: true},
		"token is old": {by: func(h *house) { h.now = h.now.Add(10*time.Minute + 30*time.Second) }, secret: true, cert: true},
		"all is old":   {by: func(h *house) { h.now = h.now.Add(90 * 24 * time.Hour) }, secret: true},
		"secret is old": {by: func(h *house) {
			_, s := h.vault.NewSecret(h.now)
			h.do(auth.AddSecret{Client: h.id, Secret: s, Overlap: 5 * time.Minute})
			h.enters(h.id, auth.BySecret, bearer(h.secret))
			h.now = h.now.Add(5 * time.Minute)
		}, token: true, cert: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			token := h.token(nil)
			check := func(secret, tok, cert bool) {
				t.Helper()
				for what, d := range map[string]struct {
					auth.Presented
					holds bool
				}{
					"secret": {bearer(h.secret), secret}, "token": {bearer(token), tok}, "certificate": {auth.Presented{Certificate: &h.shown}, cert},
				} {
					if _, err := h.in(d.Presented); (err == nil) != d.holds {
						t.Errorf("%s: got %v, want it to hold: %t", what, err, d.holds)
					}
				}
			}
			check(true, true, true)
			c.by(h)
			check(c.secret, c.token, c.cert)
			if c.then != nil {
				c.then(h)
				check(c.after, false, c.after)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTokenEndpoint(t *testing.T) {
	h := newHouse(t)
	ask := func(c auth.Presented, form ...string) (auth.TokenResponse, auth.Principal, error) {
		f := map[string][]string{}
		for i := 0; i < len(form); i += 2 {
			f[form[i]] = append(f[form[i]], form[i+1])
		}
		return h.doors.Token(context.Background(), auth.TokenRequest{Presented: c, Form: f})
	}
	const cc = "client_credentials"
	id, withSecret := string(h.id), authorization(basic(string(h.id), h.secret))
	bound := auth.Presented{Authorization: withSecret.Authorization, Certificate: &h.shown}
	only := auth.Presented{Certificate: &h.shown}
	encoded := authorization(basic(strings.ReplaceAll(id, "_", "%5f"), strings.ReplaceAll(h.secret, "l", "%6C")))

	for name, c := range map[string]struct {
		c     auth.Presented
		form  []string
		scope auth.Scope
		m     auth.Method
		bound bool
	}{
		"basic":                 {withSecret, []string{"grant_type", cc}, auth.FullScope, auth.BySecret, false},
		"basic, form-encoded":   {encoded, []string{"grant_type", cc}, auth.FullScope, auth.BySecret, false},
		"basic and its id":      {withSecret, []string{"grant_type", cc, "client_id", id}, auth.FullScope, auth.BySecret, false},
		"basic and certificate": {bound, []string{"grant_type", cc}, auth.FullScope, auth.BySecret, true},
		"certificate":           {only, []string{"grant_type", cc, "client_id", id}, auth.FullScope, auth.ByCertificate, true},
		"one scope":             {withSecret, []string{"grant_type", cc, "scope", "taxii:read"}, auth.ScopeRead, auth.BySecret, false},
		"two scopes":            {only, []string{"grant_type", cc, "client_id", id, "scope", "taxii:delete taxii:read"}, auth.ScopeRead | auth.ScopeDelete, auth.ByCertificate, true},
		"an empty scope":        {withSecret, []string{"grant_type", cc, "scope", ""}, auth.FullScope, auth.BySecret, false},
		"unknown parameters":    {withSecret, []string{"grant_type", cc, "audience", "x", "tid", "rival"}, auth.FullScope, auth.BySecret, false},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			r, p, err := ask(c.c, c.form...)
			if err != nil {
				t.Fatal(err)
			}
			want := auth.TokenResponse{AccessToken: r.AccessToken, TokenType: "Bearer", ExpiresIn: 600, Scope: c.scope.String()}
			if diff := cmp.Diff(want, r); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if p.Client != h.id || p.Method != c.m || p.Scope != c.scope {
				t.Errorf("principal %+v", p)
			}
			use := bearer(r.AccessToken)
			if c.bound {
				h.stays("invalid_token", h.id, use) // threat 10
				use.Certificate = &h.rivals
				h.stays("invalid_token", h.id, use)
				second := certificate("acme", h.id, 500)
				if h.t0.Clients[h.id].Certificates[len(h.t0.Clients[h.id].Certificates)-1].Serial != second.Serial {
					h.do(auth.AddCertificate{Client: h.id, Certificate: h.certificate(second)})
				}
				use.Certificate = &second // the same client's, not the same certificate
				h.stays("invalid_token", h.id, use)
				use.Certificate = &h.shown
			}
			if got := h.enters(h.id, auth.ByToken, use); got.Scope != c.scope || got.Partner != "acme" {
				t.Errorf("by the token: %+v", got)
			}
		})
	}

	for name, c := range map[string]struct {
		c      auth.Presented
		form   []string
		status int
		code   string
	}{
		"no authentication":           {auth.Presented{}, []string{"grant_type", cc}, 401, "invalid_client"},
		"id alone":                    {auth.Presented{}, []string{"grant_type", cc, "client_id", id}, 401, "invalid_client"},
		"wrong secret":                {authorization(basic(id, h.secret[:46]+"!")), []string{"grant_type", cc}, 401, "invalid_client"},
		"another's id":                {authorization(basic(string(h.rivalID), h.secret)), []string{"grant_type", cc}, 401, "invalid_client"},
		"any id":                      {authorization(basic("x", h.secret)), []string{"grant_type", cc}, 401, "invalid_client"},
		"secret as user":              {authorization(basic(h.secret, "")), []string{"grant_type", cc}, 401, "invalid_client"},
		"bad form-encoding":           {authorization(basic(id, "%zz")), []string{"grant_type", cc}, 401, "invalid_client"},
		"bearer":                      {bearer(h.secret), []string{"grant_type", cc}, 401, "invalid_client"},
		"token":                       {bearer(h.token(nil)), []string{"grant_type", cc}, 401, "invalid_client"},
		"api key":                     {auth.Presented{APIKey: []string{h.secret}}, []string{"grant_type", cc}, 401, "invalid_client"},
		"another's certificate":       {auth.Presented{Authorization: withSecret.Authorization, Certificate: &h.rivals}, []string{"grant_type", cc}, 401, "invalid_client"},
		"secret in the form":          {auth.Presented{}, []string{"grant_type", cc, "client_id", id, "client_secret", h.secret}, 401, "invalid_client"},
		"assertion":                   {auth.Presented{}, []string{"grant_type", cc, "client_assertion", "x", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, 401, "invalid_client"},
		"unknown assertion":           {only, []string{"grant_type", cc, "client_assertion", "x", "client_assertion_type", "y"}, 401, "invalid_client"},
		"basic and secret":            {withSecret, []string{"grant_type", cc, "client_secret", h.secret}, 400, "invalid_request"},
		"basic and assertion":         {withSecret, []string{"grant_type", cc, "client_assertion", "x"}, 400, "invalid_request"},
		"basic twice":                 {authorization(withSecret.Authorization[0], withSecret.Authorization[0]), []string{"grant_type", cc}, 400, "invalid_request"},
		"basic and api key":           {auth.Presented{Authorization: withSecret.Authorization, APIKey: []string{h.secret}}, []string{"grant_type", cc}, 400, "invalid_request"},
		"basic and another id":        {withSecret, []string{"grant_type", cc, "client_id", string(h.rivalID)}, 400, "invalid_request"},
		"certificate without id":      {only, []string{"grant_type", cc}, 400, "invalid_request"},
		"certificate and other id":    {only, []string{"grant_type", cc, "client_id", string(h.rivalID)}, 401, "invalid_client"},
		"no grant type":               {withSecret, nil, 400, "invalid_request"},
		"password grant":              {withSecret, []string{"grant_type", "password"}, 400, "unsupported_grant_type"},
		"refresh token":               {withSecret, []string{"grant_type", "refresh_token"}, 400, "unsupported_grant_type"},
		"two grant types":             {withSecret, []string{"grant_type", cc, "grant_type", cc}, 400, "invalid_request"},
		"two scopes":                  {withSecret, []string{"grant_type", cc, "scope", "taxii:read", "scope", "taxii:write"}, 400, "invalid_request"},
		"unknown scope":               {withSecret, []string{"grant_type", cc, "scope", "taxii:read admin"}, 400, "invalid_scope"},
		"scope of another case":       {withSecret, []string{"grant_type", cc, "scope", "Taxii:Read"}, 400, "invalid_scope"},
		"unknown client, other grant": {auth.Presented{}, []string{"grant_type", "password"}, 401, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			r, p, err := ask(c.c, c.form...)
			e, ok := errors.AsType[*auth.OAuthError](err)
			if !ok || e.Status != c.status || e.Code != c.code || e.Description == "" {
				t.Fatalf("got %+v, want %d %s", err, c.status, c.code)
			}
			if r != (auth.TokenResponse{}) || p.Client != "" {
				t.Errorf("came with %+v, %+v", r, p)
			}
			if got, want := errors.Is(err, auth.ErrUnauthenticated), c.status == 401; got != want {
				t.Errorf("is ErrUnauthenticated: %t, want %t", got, want)
			}
			for _, s := range []string{h.secret, h.rival} {
				if strings.Contains(fmt.Sprintf("%v %+v", e, e.Refusal), s) {
					t.Error("the secret is in the error")
				}
			}
		})
	}

	h.do(auth.SuspendPartner{ID: "acme"})
	for name, c := range map[string]auth.Presented{"secret": withSecret, "certificate": only} {
		_, _, err := ask(c, "grant_type", cc, "client_id", id)
		if e, ok := errors.AsType[*auth.OAuthError](err); !ok || e.Status != 401 || e.Refusal.Claimed != h.id {
			t.Errorf("suspended, by %s: %v", name, err)
		}
	}
}

func TestTokenLife(t *testing.T) {
	h := newHouse(t)
	for ttl, want := range map[time.Duration]time.Duration{
		0: 10 * time.Minute, -1: 10 * time.Minute, time.Hour: 15 * time.Minute, 90*time.Second + 5: 90 * time.Second, 1: time.Second,
	} {
		h.doors.TokenTTL = ttl
		start := h.now
		token := h.token(nil)
		for _, c := range []struct {
			at    time.Duration
			holds bool
		}{
			{0, true}, {-30 * time.Second, true}, {-30*time.Second - 1, false},
			{want, true}, {want + 30*time.Second - 1, true}, {want + 30*time.Second, false}, {0, true},
		} {
			h.now = start.Add(c.at)
			if _, err := h.in(bearer(token)); (err == nil) != c.holds {
				t.Errorf("TokenTTL %s, after %s: %v, want it to hold: %t", ttl, c.at, err, c.holds)
			}
		}
		h.now = start
	}
}

// Threat 18: whatever is asked for, a token has no more than that and no more than its client.
func TestThreat18ScopeOnlyNarrows(t *testing.T) {
	h := newHouse(t)
	for want := auth.Scope(1); want <= auth.FullScope; want++ {
		r, _, err := h.doors.Token(context.Background(), auth.TokenRequest{
			Presented: authorization(basic(string(h.id), h.secret)),
			Form:      map[string][]string{"grant_type": {"client_credentials"}, "scope": {want.String()}},
		})
		if err != nil {
			t.Fatal(err)
		}
		p := h.enters(h.id, auth.ByToken, bearer(r.AccessToken))
		if p.Scope != want {
			t.Errorf("asked for %q, got %q", want, p.Scope)
		}
	}
}

// Threat 12: keys rotate under load, and no client that is valid is refused.
func TestThreat12RotationUnderLoad(t *testing.T) {
	h := newHouse(t)
	var clock atomic.Int64 // seconds since the start
	start := time.Now()    // when the ring was made
	now := func() time.Time { return start.Add(time.Duration(clock.Load()) * time.Second) }
	doors := &auth.Doors{
		Issuer: issuer, Audience: audience, Vault: h.vault, Ring: h.ring, Now: now,
		Tables: func() *auth.Tables { return h.t0 },
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				at := now()
				r, _, err := doors.Token(context.Background(), auth.TokenRequest{
					Presented: authorization(basic(string(h.id), h.secret)),
					Form:      map[string][]string{"grant_type": {"client_credentials"}},
				})
				if err != nil {
					t.Error(err)
					return
				}
				for range 20 {
					_, err := doors.Identify(context.Background(), bearer(r.AccessToken))
					if err != nil && now().Sub(at) < 10*time.Minute {
						t.Errorf("client %d, a token of %s: %v", n, now().Sub(at), err)
						return
					}
				}
			}
		})
	}
	kids := map[string]bool{}
	for range 120 { // an hour of half minutes
		clock.Add(30)
		if _, err := h.ring.Tend(now(), 6*time.Minute); err != nil {
			t.Error(err)
		}
		kid, _ := h.ring.Signer()
		kids[kid] = true
	}
	close(done)
	wg.Wait()
	if len(kids) < 4 {
		t.Errorf("%d keys signed", len(kids))
	}
}

// Threat 9: a poller in flight is let in until the change is published, and never after.
func TestThreat09RevocationUnderLoad(t *testing.T) {
	h := newHouse(t)
	token := h.token(nil)
	var tables atomic.Pointer[auth.Tables]
	tables.Store(h.t0)
	doors := &auth.Doors{
		Issuer: issuer, Audience: audience, Vault: h.vault, Ring: h.ring, Now: h.doors.Now, Tables: tables.Load,
	}
	var gone atomic.Bool
	var in, out atomic.Int64
	var wg sync.WaitGroup
	for n := range 4 {
		c := []auth.Presented{bearer(token), bearer(h.secret), {Certificate: &h.shown}, {Authorization: []string{"Bearer " + token}, Certificate: &h.shown}}[n]
		wg.Go(func() {
			for range 100_000 {
				before := gone.Load()
				_, err := doors.Identify(context.Background(), c)
				switch {
				case err == nil && before:
					t.Error("let in after it was suspended")
					return
				case err == nil:
					in.Add(1)
				case out.Add(1) > 400:
					return
				}
			}
		})
	}
	for in.Load() < 400 {
		runtime.Gosched()
	}
	next := h.t0.Clone()
	if _, err := (auth.SuspendPartner{ID: "acme"}).Apply(next, h.now); err != nil {
		t.Error(err)
	}
	tables.Store(next)
	gone.Store(true)
	wg.Wait()
	if out.Load() == 0 {
		t.Error("nobody was refused")
	}
}
