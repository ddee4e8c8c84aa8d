package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/certs"
)

const formType = "application/x-www-form-urlencoded"

// token asks for an access token.
func (g *gateway) token(a account, scope string) string {
	g.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	if scope != "" {
		form.Set("scope", scope)
	}
	got := g.ask(a, http.MethodPost, "/oauth2/token", header("Content-Type", formType), body(form.Encode()))
	if got.status != 200 || got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Type") != "application/json" {
		g.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	var t auth.TokenResponse
	got.json(&t)
	if t.TokenType != "Bearer" || t.ExpiresIn <= 0 || t.AccessToken == "" {
		g.Fatalf("%s", got.body)
	}
	return t.AccessToken
}

func TestRFC6749_token(t *testing.T) {
	g := open(t)
	bearer := header("Authorization", "Bearer "+g.token(g.vendor, ""))
	g.get(account{}, "/secure/collections/vn/", bearer).want(200)
	narrow := header("Authorization", "Bearer "+g.token(g.vendor, "taxii:read"))
	g.get(account{}, "/secure/collections/vn/objects/", narrow).want(200)
	_, raw := indicator("x")
	g.ask(account{}, http.MethodPost, "/secure/collections/vn/objects/", narrow, body(envelopeOf(raw))).want(403)
	if a := g.ask(account{}, http.MethodPost, "/client/secret", bearer); a.status != 403 {
		t.Errorf("a token alone makes a secret: %d %s", a.status, a.body)
	}
}

func TestRFC6749_errors(t *testing.T) {
	g := open(t)
	const good = "grant_type=client_credentials"
	for name, row := range map[string]struct {
		account
		media, query, body string
		status             int
		code               string
	}{
		"wrong secret":    {account{id: g.vn.id, secret: "lsn_" + random(43)}, formType, "", good, 401, "invalid_client"},
		"nobody":          {account{}, formType, "", good, 401, "invalid_client"},
		"other grant":     {g.vn, formType, "", "grant_type=password", 400, "unsupported_grant_type"},
		"no grant":        {g.vn, formType, "", "", 400, "invalid_request"},
		"twice":           {g.vn, formType, "", good + "&" + good, 400, "invalid_request"},
		"scope":           {g.vn, formType, "", good + "&scope=admin", 400, "invalid_scope"},
		"JSON":            {g.vn, "application/json", "", `{"grant_type":"client_credentials"}`, 400, "invalid_request"},
		"in the query":    {g.vn, formType, "?grant_type=client_credentials", "", 400, "invalid_request"},
		"not a form":      {g.vn, formType, "", "%zz", 400, "invalid_request"},
		"semicolon":       {g.vn, formType, "", good + ";scope=a", 400, "invalid_request"},
		"form of 16 KiB+": {g.vn, formType, "", good + "&a=" + random(17<<10), 413, "too_large"},
	} {
		a := g.ask(row.account, http.MethodPost, "/oauth2/token"+row.query, header("Content-Type", row.media), body(row.body))
		var e struct{ Error string }
		a.json(&e)
		if a.status != row.status || e.Error != row.code {
			t.Errorf("%s: %d %s, want %d %s", name, a.status, a.body, row.status, row.code)
		}
		if a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", name, a.header)
		}
		if a.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: challenge %q", name, a.header.Get("WWW-Authenticate"))
		}
	}
	if a := g.get(g.vn, "/oauth2/token"); a.status != 405 || a.header.Get("Allow") != "OPTIONS, POST" {
		t.Errorf("GET: %d %v", a.status, a.header)
	}
}

func TestMetadata(t *testing.T) {
	g := open(t)
	read := func(path string) map[string]any {
		a := g.get(account{}, path)
		if a.status != 200 || a.header.Get("Cache-Control") != "public, max-age=300" {
			t.Fatalf("%s: %d %v", path, a.status, a.header)
		}
		var m map[string]any
		a.json(&m)
		return m
	}
	issuer := read("/.well-known/oauth-authorization-server")
	for name, want := range map[string]any{
		"issuer": g.url, "token_endpoint": g.url + "/oauth2/token", "jwks_uri": g.url + "/oauth2/jwks",
	} {
		if issuer[name] != want {
			t.Errorf("%s %v, want %v", name, issuer[name], want)
		}
	}
	// RFC 9728 section 3.3: the resource is the one that the metadata's own URL is made of.
	resource := read("/.well-known/oauth-protected-resource/taxii2/")
	if resource["resource"] != g.url+"/taxii2/" {
		t.Errorf("resource %v", resource["resource"])
	}
	if diff := cmp.Diff(resource, read("/.well-known/oauth-protected-resource")); diff != "" {
		t.Errorf("without the path (-with +without):\n%s", diff)
	}
	var keys struct{ Keys []map[string]any }
	b, err := json.Marshal(read("/oauth2/jwks"))
	g.ok(err)
	g.ok(json.Unmarshal(b, &keys))
	if len(keys.Keys) == 0 {
		t.Error("no key")
	}
	for _, k := range keys.Keys {
		for _, private := range []string{"d", "p", "q", "k", "dp", "dq", "qi"} {
			if _, ok := k[private]; ok {
				t.Errorf("a private member %s", private)
			}
		}
	}
}

type joined struct {
	Partner     string `json:"partner"`
	ClientID    string `json:"client_id"`
	Secret      string `json:"client_secret"`
	Certificate string `json:"certificate"`
	CA          string `json:"ca"`
	Gateway     string `json:"gateway"`
	Discovery   string `json:"discovery"`
	APIRoot     string `json:"api_root"`
	TokenURL    string `json:"token_url"`
	CRL         string `json:"crl"`
}

// request makes a key and what is posted to join with it.
func (g *gateway) request() (key []byte, post string) {
	g.Helper()
	k, err := certs.NewKey()
	g.ok(err)
	csr, err := certs.CSR(k)
	g.ok(err)
	key, err = certs.MarshalKey(k)
	g.ok(err)
	b, err := json.Marshal(map[string]string{"csr": string(csr)})
	g.ok(err)
	return key, string(b)
}

// join uses an invitation of the partner's.
func (g *gateway) join(partner auth.PartnerID) (j joined, c tls.Certificate) {
	g.Helper()
	key, post := g.request()
	a := g.ask(account{}, http.MethodPost, "/join/"+g.invite(partner), header("Content-Type", "application/json"), body(post))
	if a.status != 200 || a.header.Get("Cache-Control") != "no-store" {
		g.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	a.json(&j)
	c, err := tls.X509KeyPair([]byte(j.Certificate), key)
	g.ok(err)
	return j, c
}

func TestJoin(t *testing.T) {
	g := open(t)
	j, _ := g.join(g.vn.partner)
	want := joined{
		Partner: "vn-police", ClientID: "vn-police_2", Secret: j.Secret, Certificate: j.Certificate, CA: string(g.ca.RootPEM()),
		Gateway: g.url, Discovery: g.url + "/taxii2/", APIRoot: g.url + "/secure/", TokenURL: g.url + "/oauth2/token", CRL: g.url + "/crl",
	}
	if diff := cmp.Diff(want, j); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	g.get(account{id: auth.ClientID(j.ClientID), secret: j.Secret}, "/secure/collections/vn/").want(200)
	if strings.Contains(g.log.String(), j.Secret) {
		t.Error("the secret is in the log")
	}
	if lines := g.journal("client.join"); strings.Contains(strings.Join(lines, ""), j.Secret) {
		t.Error("the secret is in the journal")
	}
}

func TestThreat22JoinRefused(t *testing.T) {
	g := open(t)
	_, post := g.request()
	used := g.invite(g.vn.partner)
	asJSON := header("Content-Type", "application/json")
	if a := g.ask(account{}, http.MethodPost, "/join/"+used, asJSON, body(post)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	_, post = g.request()
	expired := g.invite(g.lk.partner)
	g.ahead.Store(int64(2 * time.Hour))
	var want string
	for name, token := range map[string]string{"used": used, "expired": expired, "never was": auth.NewInvitation(), "odd": "x", "escaped": "%00"} {
		a := g.ask(account{}, http.MethodPost, "/join/"+token, asJSON, body(post))
		if want == "" {
			want = string(a.body)
		}
		if a.status != 404 || string(a.body) != want || !strings.Contains(want, `"error":"invalid_invitation"`) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	fresh := g.invite(g.vn.partner)
	for name, row := range map[string]struct {
		media, body string
		want        int
	}{
		"no request":     {"application/json", `{}`, 400},
		"not PEM":        {"application/json", `{"csr":"x"}`, 400},
		"unknown member": {"application/json", strings.Replace(post, "{", `{"role":"operator",`, 1), 400},
		"not JSON":       {"application/json", `csr`, 400},
		"trailing":       {"application/json", post + post, 400},
		"large":          {"application/json", `{"csr":"` + random(40<<10) + `"}`, 413},
		"form":           {formType, post, 415},
	} {
		a := g.ask(account{}, http.MethodPost, "/join/"+fresh, header("Content-Type", row.media), body(row.body))
		var e struct{ Error string }
		a.json(&e)
		if a.status != row.want || e.Error == "" {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, row.want)
		}
	}
	// None of it used the invitation up.
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if a := g.ask(account{}, method, "/join/"+fresh); a.status != 200 || a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d %v", method, a.status, a.header)
		}
	}
	if a := g.get(account{}, "/join/"+used); a.status != 404 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("the page of a used one: %d", a.status)
	}
	if a := g.ask(account{}, http.MethodPost, "/join/"+fresh, asJSON, body(post)); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, token := range []string{used, fresh} {
		if strings.Contains(g.log.String(), token) {
			t.Error("an invitation is in the log")
		}
	}
}

func TestThreat22JoinAtTheSameMoment(t *testing.T) {
	g := open(t)
	token := g.invite(g.vn.partner)
	status := make(chan int)
	for range 4 {
		_, post := g.request()
		go func() {
			status <- g.ask(account{}, http.MethodPost, "/join/"+token, header("Content-Type", "application/json"), body(post)).status
		}()
	}
	seen := map[int]int{}
	for range 4 {
		seen[<-status]++
	}
	if diff := cmp.Diff(map[int]int{200: 1, 404: 3}, seen); diff != "" {
		t.Errorf("one invitation (-want +got):\n%s", diff)
	}
}

func TestRotate(t *testing.T) {
	g := open(t)
	a := g.ask(g.vn, http.MethodPost, "/client/secret")
	var got struct {
		Secret  string    `json:"client_secret"`
		Expires time.Time `json:"previous_expires"`
	}
	a.json(&got)
	if a.status != 200 || a.header.Get("Cache-Control") != "no-store" || got.Secret == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if left := got.Expires.Sub(g.now()); left < 23*time.Hour || left > 25*time.Hour {
		t.Errorf("the old one lives on for %v", left)
	}
	fresh := account{g.vn.partner, g.vn.id, got.Secret}
	g.get(g.vn, "/secure/").want(200)
	g.get(fresh, "/secure/").want(200)
	g.ahead.Store(int64(25 * time.Hour))
	g.get(g.vn, "/secure/").want(401)
	g.get(fresh, "/secure/").want(200)
	if a := g.ask(account{}, http.MethodPost, "/client/secret"); a.status != 401 || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("nobody: %d %v", a.status, a.header)
	}
}

func (g *gateway) crl() *x509.RevocationList {
	g.Helper()
	list, err := x509.ParseRevocationList(g.get(account{}, "/crl").body)
	g.ok(err)
	g.ok(list.CheckSignatureFrom(g.ca.ClientIssuer()))
	return list
}

func (g *gateway) onCRL(serial string) bool {
	g.Helper()
	for _, e := range g.crl().RevokedCertificateEntries {
		if fmt.Sprintf("%040x", e.SerialNumber) == serial {
			return true
		}
	}
	return false
}
