package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/server"
	"liaison/server/taxii"
)

// Threat 16: guesses from thousands of addresses cost bounded work and bounded memory, and the client
// that is guessed at comes in as before.
func TestThreat16StuffingFromManyAddresses(t *testing.T) {
	g := open(t)
	g.wholeMinute()
	ask := func(address string, a account) int {
		r := httptest.NewRequest(http.MethodGet, "/secure/", nil)
		r.RemoteAddr = address + ":40000"
		r.Header.Set("Accept", taxii.MediaType)
		r.SetBasicAuth(string(a.id), a.secret)
		w := httptest.NewRecorder()
		g.server.Handler().ServeHTTP(w, r)
		return w.Code
	}
	var wg sync.WaitGroup
	for n := range 3000 {
		wg.Go(func() {
			address := fmt.Sprintf("198.51.%d.%d", n/250, n%250)
			if status := ask(address, account{id: g.vn.id, secret: "lsn_" + random(43)}); status != 401 {
				t.Errorf("a guess: %d", status)
			}
		})
		if n%300 == 0 { // meanwhile
			begin := time.Now()
			if status := ask("192.0.2.1", g.vn); status != 200 {
				t.Errorf("the client itself: %d", status)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("the client itself waited for %s", took)
			}
		}
	}
	wg.Wait()
	g.flush(time.Minute)
	for _, what := range g.journal("login.refused") {
		var s struct {
			Counts []json.RawMessage `json:"counts"`
			Other  int               `json:"other"`
		}
		g.ok(json.Unmarshal([]byte(what), &s))
		if len(s.Counts) > 256 || s.Other == 0 {
			t.Errorf("%d counted one by one, %d together", len(s.Counts), s.Other)
		}
	}
}

// Threat 17: a token in the URL opens nothing, and is not logged.
func TestThreat17TokenInTheURL(t *testing.T) {
	g := open(t)
	token := g.token(g.vn, "")
	for _, secret := range []string{token, g.vn.secret} {
		for _, name := range []string{"access_token", "token", "api_key", "X-API-Key", "authorization"} {
			g.get(account{}, "/secure/?"+name+"="+url.QueryEscape(secret)).want(401)
			if a := g.ask(account{}, http.MethodPost, "/oauth2/token?"+name+"="+url.QueryEscape(secret), header("Content-Type", formType), body("grant_type=client_credentials")); a.status != 400 {
				t.Errorf("token endpoint, %s: %d", name, a.status)
			}
			g.get(g.vn, "/secure/collections/vn/objects/?"+name+"="+url.QueryEscape(secret)).want(200)
		}
		if strings.Contains(g.log.String(), secret) {
			t.Error("it is in the log")
		}
	}
	g.flush(time.Minute)
	for e, err := range g.store.Journal(t.Context(), 0) {
		g.ok(err)
		if strings.Contains(string(e.Raw), token) || strings.Contains(string(e.Raw), g.vn.secret) {
			t.Errorf("it is in the journal: %s", e.Raw)
		}
	}
}

// Threat 30: what a proxy would write is written by anybody, and believed of nobody.
func TestThreat30SpoofedHeaders(t *testing.T) {
	g := open(t)
	j, mine := g.join(g.vn.partner)
	leaf := g.leaf(j.Certificate)
	der := fmt.Sprintf(":%s:", leaf.Raw)
	for name, value := range map[string]string{
		"Client-Cert": der, "Client-Cert-Chain": der, "X-Client-Cert": j.Certificate[:20], "X-SSL-Client-Cert": "x", "X-SSL-Client-Verify": "SUCCESS",
		"X-Forwarded-Client-Cert": "URI=" + leaf.URIs[0].String(), "X-Forwarded-User": j.ClientID, "X-Remote-User": j.ClientID, "X-User": j.ClientID,
		"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Real-IP": "127.0.0.1", "X-Partner": "vn-police",
	} {
		value = strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return 'x'
			}
			return r
		}, value)
		g.get(account{}, "/secure/", header(name, value)).want(401)
		// Neither does it take anything away, nor make one come from elsewhere.
		g.get(g.vn, "/secure/", header(name, value)).want(200)
	}
	g.apply(collections.Access(auth.SetPartner{ID: g.vn.partner, RequireCertificate: new(true)}))
	g.get(g.vn, "/secure/", header("Client-Cert", "x"), header("X-SSL-Client-Verify", "SUCCESS")).want(401)
	g.askBy(g.dial(&mine), account{}, http.MethodGet, "/secure/").want(200)
	g.apply(collections.Access(auth.SetPartner{ID: g.lk.partner, Networks: &[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}))
	for _, name := range []string{"X-Forwarded-For", "X-Real-IP"} {
		g.get(g.lk, "/secure/", header(name, "192.0.2.7")).want(401)
	}
	g.get(g.lk, "/secure/", header("Forwarded", "for=192.0.2.7")).want(401)
}

// An operator that is not on the machine needs a certificate and a token that is bound to it and not
// narrowed; for everybody else there is no such path.
func TestAdministrationOverTLS(t *testing.T) {
	seen := &adminSeen{}
	g := open(t, func(o *server.Options) { o.Admin = seen })
	g.partner("boss", auth.Operator, auth.Rights{})
	g.partner("reader", auth.Auditor, auth.Rights{})
	for partner, status := range map[auth.PartnerID]int{"boss": 200, "reader": 200, g.vendor.partner: 404, g.vn.partner: 404} {
		j, mine := g.join(partner)
		a, by := account{partner, auth.ClientID(j.ClientID), j.Secret}, g.dial(&mine)
		token := func(client *http.Client, scope string) change {
			form := url.Values{"grant_type": {"client_credentials"}}
			if scope != "" {
				form.Set("scope", scope)
			}
			var got auth.TokenResponse
			g.form(client, a, "/oauth2/token", form).json(&got)
			return header("Authorization", "Bearer "+got.AccessToken)
		}
		less := 403
		if status == 404 {
			less = 404
		}
		for name, row := range map[string]struct {
			got  *answer
			want int
		}{
			"certificate and token":       {g.askBy(by, account{}, http.MethodGet, "/admin/v1/health", token(by, "")), status},
			"a narrowed token":            {g.askBy(by, account{}, http.MethodGet, "/admin/v1/health", token(by, "taxii:read")), less},
			"certificate alone":           {g.askBy(by, account{}, http.MethodGet, "/admin/v1/health"), less},
			"certificate and secret":      {g.askBy(by, a, http.MethodGet, "/admin/v1/health"), less},
			"secret alone":                {g.ask(a, http.MethodGet, "/admin/v1/health"), less},
			"token alone":                 {g.ask(account{}, http.MethodGet, "/admin/v1/health", token(g.client, "")), less},
			"bound token, no certificate": {g.ask(account{}, http.MethodGet, "/admin/v1/health", token(by, "")), 401},
			"nobody":                      {g.ask(account{}, http.MethodGet, "/admin/v1/health"), 401},
			"escaped":                     {g.askBy(by, account{}, http.MethodGet, "/admin/v1/partners/a%2Fb", token(by, "")), 404},
		} {
			if row.got.status != row.want {
				t.Errorf("%s, %s: %d %s, want %d", partner, name, row.got.status, row.got.body, row.want)
			}
		}
	}
	for _, p := range seen.all() {
		if p.Method != auth.ByToken || p.Certificate == "" || p.Role != auth.Operator && p.Role != auth.Auditor {
			t.Errorf("handed over: %+v", p)
		}
	}
	if len(seen.all()) != 2 {
		t.Errorf("%d requests were handed over, want the two", len(seen.all()))
	}
}

type adminSeen struct {
	mu   sync.Mutex
	list []auth.Principal
}

func (s *adminSeen) Remote(w http.ResponseWriter, _ *http.Request, p auth.Principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, p)
	w.WriteHeader(http.StatusOK)
}

func (s *adminSeen) all() []auth.Principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list
}
