package server_test

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/certs"
	"liaison/collections"
	"liaison/server"
	"liaison/server/taxii"
)

// spending lets used assertions last.
func spending(o *server.Options) {
	reg := o.Registry
	o.Doors.Spend = func(ctx context.Context, c auth.UseAssertion) error {
		return reg.Apply(ctx, auth.Actor(c.Client), collections.Access(c))
	}
}

// form posts to one of the OAuth endpoints.
func (g *gateway) form(client *http.Client, a account, path string, values url.Values) *answer {
	g.Helper()
	return g.askBy(client, a, http.MethodPost, path, header("Content-Type", formType), body(values.Encode()))
}

// assertion signs what private_key_jwt needs for aud.
func (g *gateway) assertion(id, aud string, key ed25519.PrivateKey) string {
	g.Helper()
	claims, err := json.Marshal(map[string]any{"iss": id, "sub": id, "aud": aud, "jti": rand.Text(), "exp": g.now().Add(time.Minute).Unix()})
	g.ok(err)
	in := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sig, err := key.Sign(nil, []byte(in), crypto.Hash(0))
	g.ok(err)
	return in + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// A key that was registered inline at joining gets tokens; once for each assertion, for the issuer
// alone.
func TestPrivateKeyJWT(t *testing.T) {
	g := open(t, spending)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	g.ok(err)
	_, post := g.request()
	var in map[string]any
	g.ok(json.Unmarshal([]byte(post), &in))
	in["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public}}}
	raw, err := json.Marshal(in)
	g.ok(err)
	token, asJSON := g.invite(g.vn.partner), header("Content-Type", "application/json")
	in["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private}}}
	bad, err := json.Marshal(in)
	g.ok(err)
	if a := g.ask(account{}, http.MethodPost, "/join/"+token, asJSON, body(string(bad))); a.status != 400 ||
		!strings.Contains(string(a.body), "invalid_jwks") || strings.Contains(string(a.body), base64.RawURLEncoding.EncodeToString(private.Seed())) {
		t.Errorf("a private key: %d %s", a.status, a.body)
	}
	var j joined
	g.ask(account{}, http.MethodPost, "/join/"+token, asJSON, body(string(raw))).json(&j)

	ask := func(aud, assertion string) *answer {
		if assertion == "" {
			assertion = g.assertion(j.ClientID, aud, private)
		}
		return g.form(g.client, account{}, "/oauth2/token", url.Values{
			"grant_type": {"client_credentials"}, "client_assertion_type": {auth.AssertionType}, "client_assertion": {assertion},
		})
	}
	once := g.assertion(j.ClientID, g.url, private)
	a := ask("", once)
	var got auth.TokenResponse
	a.json(&got)
	if a.status != 200 || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	g.get(account{}, "/secure/collections/vn/", header("Authorization", "Bearer "+got.AccessToken)).want(200)
	for name, a := range map[string]*answer{
		"again": ask("", once), "token endpoint": ask(g.url+"/oauth2/token", ""), "another": ask("https://other.example", ""),
	} {
		if a.status != 401 || !strings.Contains(string(a.body), `"invalid_client"`) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestMetadataIsComplete(t *testing.T) {
	g := open(t, spending, func(o *server.Options) { o.Doors.SecretPost = true })
	var got map[string]any
	g.get(account{}, "/.well-known/oauth-authorization-server").json(&got)
	methods := []any{"client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"}
	algs := []any{"EdDSA", "ES256"}
	want := map[string]any{
		"issuer": g.url, "token_endpoint": g.url + "/oauth2/token", "jwks_uri": g.url + "/oauth2/jwks",
		"revocation_endpoint": g.url + "/oauth2/revoke", "introspection_endpoint": g.url + "/oauth2/introspect",
		"scopes_supported":         []any{"taxii:read", "taxii:write", "taxii:delete"},
		"response_types_supported": []any{}, "grant_types_supported": []any{"client_credentials"},
		"token_endpoint_auth_methods_supported": methods, "token_endpoint_auth_signing_alg_values_supported": algs,
		"revocation_endpoint_auth_methods_supported": methods, "revocation_endpoint_auth_signing_alg_values_supported": algs,
		"introspection_endpoint_auth_methods_supported": methods, "introspection_endpoint_auth_signing_alg_values_supported": algs,
		"tls_client_certificate_bound_access_tokens": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = nil
	open(t).get(account{}, "/.well-known/oauth-authorization-server").json(&got)
	if diff := cmp.Diff([]any{"client_secret_basic", "tls_client_auth"}, got["token_endpoint_auth_methods_supported"]); diff != "" {
		t.Errorf("without switches (-want +got):\n%s", diff)
	}
	if a := g.get(account{}, "/oauth2/jwks"); a.header.Get("Content-Type") != "application/jwk-set+json" || a.header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("jwks: %v", a.header)
	}
}

func TestRFC7009_revocation(t *testing.T) {
	g := open(t)
	token, other := g.token(g.vn, ""), g.token(g.lk, "")
	use := func(token string) int {
		return g.get(account{}, "/secure/", header("Authorization", "Bearer "+token)).status
	}
	revoke := func(a account, token string) *answer {
		return g.form(g.client, a, "/oauth2/revoke", url.Values{"token": {token}})
	}
	for name, tok := range map[string]string{"another client's": other, "nobody's": "x", "a secret": g.vn.secret} {
		if a := revoke(g.vn, tok); a.status != 200 || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if use(token) != 200 || use(other) != 200 {
		t.Error("a token that was not revoked is dead")
	}
	for range 2 {
		if a := revoke(g.vn, token); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if got := use(token); got != 401 {
			t.Errorf("revoked, and %d", got)
		}
	}
	if a := revoke(account{}, token); a.status != 401 {
		t.Errorf("nobody: %d", a.status)
	}
	if a := g.form(g.client, g.vn, "/oauth2/revoke", nil); a.status != 400 || !strings.Contains(string(a.body), "invalid_request") {
		t.Errorf("without a token: %d %s", a.status, a.body)
	}
	if lines := g.journal("token.revoke"); len(lines) != 1 || strings.Contains(lines[0], token) {
		t.Errorf("journal: %s", lines)
	}
}

func TestRFC7662_introspection(t *testing.T) {
	g := open(t)
	auditor := g.partner("auditor", auth.Auditor, auth.Rights{})
	token := g.token(g.vn, "taxii:read")
	ask := func(a account, token string) string {
		got := g.form(g.client, a, "/oauth2/introspect", url.Values{"token": {token}})
		if got.status != 200 || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", got.status, got.header)
		}
		return string(got.body)
	}
	for _, a := range []account{auditor, g.vn} {
		var got auth.Introspection
		g.ok(json.Unmarshal([]byte(ask(a, token)), &got))
		if !got.Active || got.Client != g.vn.id || got.Scope != "taxii:read" || got.Issuer != g.url {
			t.Errorf("%+v", got)
		}
	}
	for name, got := range map[string]string{
		"another's": ask(g.lk, token), "nobody's": ask(auditor, "x"), "a secret": ask(auditor, g.vn.secret),
	} {
		if got != `{"active":false}` {
			t.Errorf("%s: %s", name, got)
		}
	}
	g.apply(collections.Access(auth.SuspendPartner{ID: g.vn.partner}))
	if got := ask(auditor, token); got != `{"active":false}` {
		t.Errorf("of a suspended partner: %s", got)
	}
	if a := g.form(g.client, account{}, "/oauth2/introspect", url.Values{"token": {token}}); a.status != 401 {
		t.Errorf("nobody: %d", a.status)
	}
}

// renew asks for another certificate over a connection with one.
func (g *gateway) renew(by *http.Client, a account, post string) *answer {
	g.Helper()
	return g.askBy(by, a, http.MethodPost, "/client/certificate", header("Content-Type", "application/json"), body(post))
}

func TestRenewal(t *testing.T) {
	g := open(t)
	j, mine := g.join(g.vn.partner)
	by := g.dial(&mine)
	key, post := g.request()
	a := g.renew(by, account{}, post)
	var got struct {
		Certificate string    `json:"certificate"`
		NotAfter    time.Time `json:"not_after"`
		Previous    time.Time `json:"previous_until"`
	}
	a.json(&got)
	if a.status != 200 || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if left := got.Previous.Sub(g.now()); left < auth.RenewOverlap-time.Minute || left > auth.RenewOverlap {
		t.Errorf("the one before lives on for %s", left)
	}
	next, err := tls.X509KeyPair([]byte(got.Certificate), key)
	g.ok(err)
	if who, err := certs.Identify(next.Leaf, g.ca.Host()); err != nil || who.Client != j.ClientID {
		t.Errorf("it names %+v, %v", who, err)
	}
	g.askBy(g.dial(&next), account{}, http.MethodGet, "/secure/").want(200)
	g.askBy(by, account{}, http.MethodGet, "/secure/").want(200)
	old := g.registry.State().Access.Clients[auth.ClientID(j.ClientID)].Certificates[0].Serial
	if g.onCRL(old) {
		t.Error("revoked already")
	}
	g.ahead.Store(int64(auth.RenewOverlap + 13*time.Hour))
	g.askBy(by, account{}, http.MethodGet, "/secure/").want(401)
	g.askBy(g.dial(&next), account{}, http.MethodGet, "/secure/").want(200)
	if !g.onCRL(old) {
		t.Error("superseded a week ago, and not on the list")
	}
}

// Threat 26: a renewal needs a certificate that holds, of this client, over this connection, and a
// key that is new.
func TestThreat26RenewalOverTLS(t *testing.T) {
	g := open(t)
	_, post := g.request()
	_, mine := g.join(g.vn.partner)
	lkJoined, lks := g.join(g.lk.partner)
	by := g.dial(&mine)

	refused := func(name string, a *answer, status int) {
		t.Helper()
		if a.status != status || strings.Contains(string(a.body), "BEGIN") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	refused("without a certificate", g.renew(g.client, g.vn, post), 403)
	refused("by nobody", g.renew(g.client, account{}, post), 401)
	refused("another tenant's secret beside it", g.renew(by, g.lk, post), 401)
	refused("the same key", g.renew(by, account{}, g.requestFor(mine.PrivateKey.(crypto.Signer))), 400)
	refused("no request", g.renew(by, account{}, `{}`), 400)
	refused("for another tenant", g.renew(by, account{}, strings.Replace(post, "{", `{"partner":"lk-police",`, 1)), 400)
	token := g.token(g.vn, "")
	refused("a token alone", g.renew(g.client, account{}, post), 401)
	if a := g.askBy(g.client, account{}, http.MethodPost, "/client/certificate", header("Authorization", "Bearer "+token), body(post)); a.status != 403 {
		t.Errorf("a token alone: %d", a.status)
	}
	// What the request says of names is not looked at.
	a := g.renew(g.dial(&lks), account{}, post)
	var got struct {
		Certificate string `json:"certificate"`
	}
	a.json(&got)
	if who, err := certs.Identify(g.leaf(got.Certificate), g.ca.Host()); err != nil || who.Partner != "lk-police" || who.Client != lkJoined.ClientID {
		t.Errorf("it names %+v, %v", who, err)
	}

	g.apply(collections.Access(auth.SuspendPartner{ID: g.vn.partner}))
	by.CloseIdleConnections()
	refused("suspended", g.renew(by, account{}, post), 401)
	g.apply(collections.Access(auth.ResumePartner{ID: g.vn.partner}))
	g.ahead.Store(int64(91 * 24 * time.Hour))
	refused("expired", g.renew(by, account{}, post), 401)
	g.ahead.Store(0)
	for _, c := range g.registry.State().Access.Clients {
		if c.Partner == g.vn.partner && len(c.Certificates) > 0 {
			g.apply(collections.Access(auth.RevokeCertificate{Client: c.ID, Serial: c.Certificates[0].Serial}))
		}
	}
	by.CloseIdleConnections()
	refused("revoked", g.renew(by, account{}, post), 401)
}

// line is one TLS connection with a request on it whenever one wants.
type line struct {
	*gateway
	conn *tls.Conn
	in   *bufio.Reader
}

// call opens a connection.
func (g *gateway) call(mine *tls.Certificate) *line {
	g.Helper()
	config := g.dial(mine).Transport.(*http.Transport).TLSClientConfig
	u, err := url.Parse(g.url)
	g.ok(err)
	config.ServerName = u.Hostname()
	c, err := tls.Dial("tcp", u.Host, config)
	g.ok(err)
	g.Cleanup(func() { c.Close() })
	return &line{g, c, bufio.NewReader(c)}
}

// get asks on the line and reads the answer whole.
func (l *line) get(path string, headers ...string) int {
	l.Helper()
	l.send(path, headers...)
	resp, err := http.ReadResponse(l.in, nil)
	l.ok(err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	l.ok(err)
	return resp.StatusCode
}

func (l *line) send(path string, headers ...string) {
	l.Helper()
	_, err := io.WriteString(l.conn, "GET "+path+" HTTP/1.1\r\n"+strings.Join(append(headers, "Host: localhost", "Accept: "+taxii.MediaType), "\r\n")+"\r\n\r\n")
	l.ok(err)
}

// dead wants the server to have closed the line.
func (l *line) dead(name string) {
	l.Helper()
	l.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := io.Copy(io.Discard, l.in)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		l.Errorf("%s: the connection is open", name)
	} else if n > 0 {
		l.Errorf("%s: %d bytes came", name, n)
	}
}

// Threats 9 and 25: what is taken away closes the connections that are open with it, at once and
// without another request on them; those of others stay.
func TestThreat25LiveConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(g *gateway, c auth.Client) auth.Change{
		"suspend":        func(_ *gateway, c auth.Client) auth.Change { return auth.SuspendPartner{ID: c.Partner} },
		"remove":         func(_ *gateway, c auth.Client) auth.Change { return auth.RemovePartner{ID: c.Partner} },
		"client revoked": func(_ *gateway, c auth.Client) auth.Change { return auth.RevokeClient{ID: c.ID} },
		"certificate alone": func(_ *gateway, c auth.Client) auth.Change {
			return auth.RevokeCertificate{Client: c.ID, Serial: c.Certificates[0].Serial}
		},
		"secret alone": func(_ *gateway, c auth.Client) auth.Change {
			return auth.RevokeSecret{Client: c.ID, ID: c.Secrets[0].ID}
		},
		"after a restore": func(*gateway, auth.Client) auth.Change { return auth.RaiseEpochs{} },
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t)
			j, mine := g.join(g.vn.partner)
			a := account{g.vn.partner, auth.ClientID(j.ClientID), j.Secret}
			basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(j.ClientID+":"+j.Secret))
			token := "Authorization: Bearer " + g.token(a, "")
			lines := map[string]*line{"secret": g.call(nil), "token": g.call(nil), "certificate": g.call(&mine)}
			asks := map[string][]string{"secret": {basic}, "token": {token}, "certificate": nil}
			for by, l := range lines {
				if status := l.get("/secure/", asks[by]...); status != 200 {
					t.Fatalf("%s: %d", by, status)
				}
			}
			other, nobody := g.call(nil), g.call(nil)
			others := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(string(g.lk.id)+":"+g.lk.secret))
			other.get("/secure/", others)
			nobody.get("/healthz")
			change := away(g, g.registry.State().Access.Clients[a.id])
			g.apply(collections.Access(change))
			for by, l := range lines {
				l.dead(by)
			}
			if status := nobody.get("/healthz"); status != 200 {
				t.Errorf("nobody's connection: %d", status)
			}
			if _, all := change.(auth.RaiseEpochs); !all && other.get("/secure/", others) != 200 {
				t.Error("another partner's connection")
			}
		})
	}
}

// Threat 25: an answer that is on its way when its reader is removed ends there.
func TestThreat25AnswerIsCutOff(t *testing.T) {
	g := open(t)
	raw := make([]string, 40)
	for i := range raw {
		_, raw[i] = indicator(strings.Repeat("x", 20_000))
	}
	for range 12 { // far more than the buffers of a connection hold
		for i := range raw {
			_, raw[i] = indicator(random(20_000))
		}
		g.publish(g.vendor, "vn", raw...)
	}
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(string(g.vn.id)+":"+g.vn.secret))
	l := g.call(nil)
	l.send("/secure/collections/vn/objects/?limit=1000", basic)
	resp, err := http.ReadResponse(l.in, nil)
	g.ok(err)
	defer resp.Body.Close()
	g.apply(collections.Access(auth.RemovePartner{ID: g.vn.partner}))
	l.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil {
		t.Errorf("the answer of %d bytes came whole", n)
	}
}

// Removal is one act: one line in the journal, and with it every credential fails on its very next
// request; its certificates are on a list with a higher number, and ids are never used again.
func TestThreat09RemoveIsOneTransaction(t *testing.T) {
	g := open(t, spending)
	j, mine := g.join(g.vn.partner)
	a := account{g.vn.partner, auth.ClientID(j.ClientID), j.Secret}
	token := header("Authorization", "Bearer "+g.token(a, ""))
	number := g.crl().Number
	lines := 0
	for _, err := range g.store.Journal(t.Context(), 0) {
		g.ok(err)
		lines++
	}
	invitation := g.invite(g.vn.partner)
	g.apply(collections.Access(auth.RemovePartner{ID: g.vn.partner}))
	if got := g.journal("partner.remove"); len(got) != 1 || !strings.Contains(got[0], string(a.id)) || !strings.Contains(got[0], `"certificates":["`) {
		t.Errorf("journal: %s", got)
	}
	with := g.dial(&mine)
	for name, got := range map[string]*answer{
		"secret":                   g.get(a, "/secure/"),
		"secret as bearer":         g.get(account{}, "/secure/", header("Authorization", "Bearer "+a.secret)),
		"secret as token":          g.get(account{}, "/secure/", header("Authorization", "Token "+a.secret)),
		"secret as key":            g.get(account{}, "/secure/", header("X-API-Key", a.secret)),
		"token":                    g.get(account{}, "/secure/", token),
		"certificate":              g.askBy(with, account{}, http.MethodGet, "/secure/"),
		"certificate and secret":   g.askBy(with, a, http.MethodGet, "/secure/"),
		"the partner's old client": g.get(g.vn, "/secure/"),
	} {
		if got.status != 401 || len(got.header.Values("WWW-Authenticate")) != 2 {
			t.Errorf("%s: %d %v", name, got.status, got.header)
		}
	}
	if got := g.form(g.client, a, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}}); got.status != 401 {
		t.Errorf("token endpoint: %d", got.status)
	}
	_, post := g.request()
	if got := g.ask(account{}, http.MethodPost, "/join/"+invitation, header("Content-Type", "application/json"), body(post)); got.status != 404 {
		t.Errorf("invitation: %d", got.status)
	}
	list := g.crl()
	if list.Number.Cmp(number) <= 0 || len(list.RevokedCertificateEntries) != 1 {
		t.Errorf("list %s after %s has %d entries", list.Number, number, len(list.RevokedCertificateEntries))
	}
}

func TestCRLIsCached(t *testing.T) {
	g := open(t)
	first := g.get(account{}, "/crl")
	tag := first.header.Get("ETag")
	if first.status != 200 || tag == "" || first.header.Get("Content-Type") != "application/pkix-crl" {
		t.Fatalf("%d %v", first.status, first.header)
	}
	if a := g.get(account{}, "/crl", header("If-None-Match", tag)); a.status != 304 || len(a.body) != 0 {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
	last := new(big.Int)
	for range 3 {
		g.ahead.Add(int64(-30 * 24 * time.Hour)) // whatever the clock does
		g.apply(collections.Access(auth.ResyncPartner{ID: g.vn.partner}))
		if n := g.crl().Number; n.Cmp(last) <= 0 {
			t.Errorf("number %s after %s", n, last)
		} else {
			last = n
		}
	}
}

// A partner whose clients cannot do without has an empty list in empty envelopes, and nobody else.
func TestEmptyObjects(t *testing.T) {
	g := open(t)
	g.apply(collections.Access(auth.SetPartner{ID: g.vn.partner, Compatibility: &[]auth.Compatibility{auth.EmptyObjects}}))
	for path, want := range map[string]string{"vn": `{"more":false,"objects":[]}`} {
		if got := string(g.get(g.vn, "/secure/collections/"+path+"/objects/").want(200).body); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := string(g.get(g.lk, "/secure/collections/lk/objects/").want(200).body); got != `{"more": false}` {
		t.Errorf("everybody else: %s", got)
	}
}

// A rotation of the server key is nobody's trouble: secrets and cursors go on.
func TestServerKeyRotates(t *testing.T) {
	g := open(t)
	g.many(g.vendor, "vn", 3)
	page := g.get(g.vn, "/secure/collections/vn/objects/?limit=1").want(200).envelope()
	for range 3 {
		_, err := g.vault.Rotate(g.now())
		g.ok(err)
		page = g.get(g.vn, "/secure/collections/vn/objects/?limit=1&next="+page.Next).want(200).envelope()
		if len(page.Objects) != 1 {
			t.Fatalf("%+v", page)
		}
		if !page.More {
			break
		}
	}
}

// Partners without an agreement are held to training collections over HTTP too.
func TestAgreementOverHTTP(t *testing.T) {
	g := open(t, func(o *server.Options) { o.Doors.RequireAgreement = true })
	g.get(g.vn, "/secure/").want(404)
	g.apply(collections.CreateOperation{ID: "drill", Title: "Drill", Countries: []string{"VN"}, Training: true})
	c := g.collection("drill", collections.TrainingAlias)
	for _, p := range []auth.PartnerID{g.vn.partner, g.vendor.partner} {
		g.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{Partner: p, Operation: "drill", Collection: c.ID,
			Rights: auth.Rights{Read: true, Write: p == g.vendor.partner}}}))
	}
	_, raw := indicator("x")
	g.ask(g.vendor, http.MethodPost, "/drill/collections/training/objects/", body(envelopeOf(raw))).want(202)
	if got := g.get(g.vn, "/drill/collections/training/objects/").want(200).envelope(); len(got.Objects) != 1 {
		t.Errorf("training has %d objects", len(got.Objects))
	}
	until := g.now().Add(time.Hour)
	g.apply(collections.Access(auth.SetPartner{ID: g.vn.partner, Agreement: &auth.Agreement{Reference: "MoU 17", Until: until}}))
	g.get(g.vn, "/secure/").want(200)
	g.get(g.vendor, "/secure/").want(404)
	g.ahead.Store(int64(2 * time.Hour))
	g.get(g.vn, "/secure/").want(404)
}

// requestFor is what is posted with a request for a key.
func (g *gateway) requestFor(key crypto.Signer) string {
	g.Helper()
	csr, err := certs.CSR(key)
	g.ok(err)
	b, err := json.Marshal(map[string]string{"csr": string(csr)})
	g.ok(err)
	return string(b)
}

// leaf parses the first certificate of a PEM text.
func (g *gateway) leaf(text string) *x509.Certificate {
	g.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		g.Fatalf("no certificate in %q", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	g.ok(err)
	return c
}
