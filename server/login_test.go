package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/collections"
)

func TestRow008_challenges(t *testing.T) {
	g := open(t)
	const basicChallenge = `Basic realm="taxii", charset="UTF-8"`
	bearer := `Bearer realm="taxii", resource_metadata="` + g.url + `/.well-known/oauth-protected-resource/taxii2/"`
	invalid := bearer + `, error="invalid_token", error_description="the token is not valid, or not any more"`
	for name, row := range map[string]struct {
		line string
		want []string
	}{
		"nothing":      {"", []string{basicChallenge, bearer}},
		"wrong secret": {basic(account{id: g.vn.id, secret: "lsn_" + random(43)}), []string{basicChallenge, bearer}},
		"bad base64":   {"Basic %%%", []string{basicChallenge, bearer}},
		"other scheme": {"Digest a=b", []string{basicChallenge, bearer}},
		"wrong token":  {"Bearer a.b.c", []string{basicChallenge, invalid}},
		"huge token":   {"Bearer " + random(6000), []string{basicChallenge, invalid}},
	} {
		for _, path := range []string{"/taxii2/", "/secure/", "/nowhere/", "/secure/collections/", "/secure/collections/vn/objects/"} {
			var a *answer
			if row.line == "" {
				a = g.get(account{}, path)
			} else {
				a = g.get(account{}, path, header("Authorization", row.line))
			}
			a.want(http.StatusUnauthorized)
			if diff := cmp.Diff(row.want, a.header.Values("WWW-Authenticate")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	a := g.ask(account{}, http.MethodPost, "/secure/collections/vn/objects/", body(envelopeOf()))
	a.want(http.StatusUnauthorized)
}

func TestRow005_006_doors(t *testing.T) {
	g := open(t)
	for name, change := range map[string]change{
		"basic":            header("Authorization", basic(g.vn)),
		"lower-case basic": header("Authorization", "basic"+strings.TrimPrefix(basic(g.vn), "Basic")),
		"any user":         header("Authorization", basic(account{id: "whoever", secret: g.vn.secret})),
		"bearer":           header("Authorization", "Bearer "+g.vn.secret),
		"token":            header("Authorization", "Token "+g.vn.secret),
		"api key":          header("X-API-Key", g.vn.secret),
	} {
		if a := g.get(account{}, "/secure/collections/vn/", change); a.status != 200 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	// A credential in the query string is none, and does not get into the log.
	g.get(account{}, "/secure/collections/vn/objects/?access_token="+g.vn.secret+"&api_key="+g.vn.secret).want(401)
	for _, secret := range []string{g.vn.secret, g.vendor.secret} {
		if strings.Contains(g.log.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
}

func TestSuspensionActsOnTheNextRequest(t *testing.T) {
	g := open(t)
	token := g.token(g.vn, "")
	bearer := header("Authorization", "Bearer "+token)
	g.get(g.vn, "/secure/").want(200)
	g.get(account{}, "/secure/", bearer).want(200)
	g.apply(collections.Access(auth.SuspendPartner{ID: g.vn.partner}))
	g.get(g.vn, "/secure/").want(401)
	g.get(account{}, "/secure/", bearer).want(401)
	g.apply(collections.Access(auth.ResumePartner{ID: g.vn.partner}))
	g.get(g.vn, "/secure/").want(200)
	g.get(account{}, "/secure/", bearer).want(401)
}

func TestRefusedLoginsAreSummed(t *testing.T) {
	g := open(t)
	g.wholeMinute()
	wrong := account{id: g.vn.id, secret: "lsn_" + random(43)}
	for range 3 {
		g.get(wrong, "/secure/").want(401)
	}
	g.get(account{id: "nobody_1", secret: "x"}, "/secure/").want(401)
	g.get(account{}, "/secure/").want(401)
	if lines := g.journal("login.refused"); len(lines) != 0 {
		t.Errorf("before the minute is over: %v", lines)
	}
	g.flush(time.Minute)
	lines := g.journal("login.refused")
	if len(lines) != 1 {
		t.Fatalf("journal %v, want one line", lines)
	}
	var got struct {
		Counts []struct {
			Address string `json:"address"`
			Client  string `json:"client"`
			Code    string `json:"code"`
			Count   int    `json:"count"`
		} `json:"counts"`
	}
	g.ok(json.Unmarshal([]byte(lines[0]), &got))
	seen := map[string]int{}
	for _, c := range got.Counts {
		seen[c.Address+" "+c.Client+" "+c.Code] = c.Count
	}
	want := map[string]int{
		"127.0.0.1 " + string(g.vn.id) + " invalid_client": 3,
		"127.0.0.1  invalid_client":                        1,
		"127.0.0.1  none":                                  1,
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	g.flush(time.Minute)
	if again := g.journal("login.refused"); len(again) != 1 {
		t.Errorf("a quiet minute wrote %v", again)
	}
}

// Somebody who guesses never locks out the client: what holds is never delayed.
func TestThreat16GuessingLocksNobodyOut(t *testing.T) {
	g := open(t)
	g.wholeMinute()
	wrong := account{id: g.vn.id, secret: "lsn_" + random(43)}
	for range 50 {
		g.get(wrong, "/secure/").want(401)
	}
	took := func(a account, status int) time.Duration {
		begin := time.Now()
		g.get(a, "/secure/").want(status)
		return time.Since(begin)
	}
	late := took(wrong, 401)
	if late < 400*time.Millisecond {
		t.Errorf("the 51st failure took %v, want it delayed", late)
	}
	right := late
	for range 5 {
		right = min(right, took(g.vn, 200))
	}
	if right > late/2 {
		t.Errorf("the right secret took %v, a wrong one %v", right, late)
	}
	g.ahead.Add(int64(time.Minute))
	again := late
	for range 5 {
		again = min(again, took(wrong, 401))
	}
	if again > late/2 {
		t.Errorf("in the next minute a wrong one took %v", again)
	}
}

// Threat 15: after how many failures an answer comes late does not tell whether the claimed client is
// one.
func TestThreat15DelayTellsNobody(t *testing.T) {
	g := open(t)
	g.wholeMinute()
	took := func(id auth.ClientID) time.Duration {
		begin := time.Now()
		g.get(account{id: id, secret: "lsn_" + random(43)}, "/secure/").want(401)
		return time.Since(begin)
	}
	for range 51 {
		g.get(account{id: "nobody_1", secret: "lsn_" + random(43)}, "/secure/").want(401)
	}
	late := took("nobody_1")
	if late < 400*time.Millisecond {
		t.Errorf("the 52nd failure of nobody took %v, want it delayed", late)
	}
	for _, id := range []auth.ClientID{g.vn.id, "nobody_2"} {
		best := late
		for range 5 {
			best = min(best, took(id))
		}
		if best > late/2 {
			t.Errorf("a first failure of %s took %v, one of too many %v", id, best, late)
		}
	}
	for range 60 {
		g.get(account{id: auth.ClientID("name-" + random(12) + "_1"), secret: g.vn.secret[:20]}, "/secure/")
	}
	g.flush(time.Minute)
	lines := g.journal("login.refused")
	if len(lines) != 1 || strings.Contains(lines[0], "nobody") || strings.Contains(lines[0], "name-") || !strings.Contains(lines[0], string(g.vn.id)) {
		t.Errorf("journal: %v", lines)
	}
}

// A page of another site cannot make a browser that remembers a password, or holds a certificate, change
// what a client has.
func TestOtherSitesChangeNothing(t *testing.T) {
	g := open(t)
	for _, path := range []string{"/client/secret", "/client/certificate", "/admin/v1/partners"} {
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			a := g.ask(g.vn, http.MethodPost, path, header("Content-Type", "text/plain"), header(name, value), body(`{"csr":"x"}`))
			if a.status != 403 || !strings.Contains(string(a.body), "cross_site") {
				t.Errorf("POST %s with %s: %d %s", path, name, a.status, a.body)
			}
		}
	}
	if got := len(g.registry.State().Access.Clients[g.vn.id].Secrets); got != 1 {
		t.Errorf("%d secrets, want the one", got)
	}
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		// A form of another site has one of three media types, and none of them publishes.
		for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"} {
			g.ask(g.vendor, http.MethodPost, "/secure/collections/vn/objects/", header("Content-Type", media), header(name, value), body(`{"objects":[]}`)).want(415)
		}
	}
	if a := g.ask(g.vn, http.MethodPost, "/client/secret", header("Origin", g.url), header("Sec-Fetch-Site", "same-origin")); a.status != 200 {
		t.Errorf("its own page: %d %s", a.status, a.body)
	}
}

// wholeMinute sets the clock to the beginning of a minute.
func (g *gateway) wholeMinute() {
	now := time.Now()
	g.ahead.Store(int64(now.Truncate(time.Minute).Add(time.Minute).Sub(now)))
}

func TestRow007_clientCertificate(t *testing.T) {
	g := open(t)
	joined, mine := g.join(g.vn.partner)
	with := g.dial(&mine)
	g.askBy(with, account{}, http.MethodGet, "/secure/collections/vn/").want(200)
	g.askBy(with, account{id: auth.ClientID(joined.ClientID), secret: joined.Secret}, http.MethodGet, "/secure/").want(200)
	// Another client's secret beside it is two voices.
	g.askBy(with, g.lk, http.MethodGet, "/secure/").want(401)
	client := g.registry.State().Access.Clients[auth.ClientID(joined.ClientID)]
	g.apply(collections.Access(auth.RevokeCertificate{Client: client.ID, Serial: client.Certificates[0].Serial}))
	g.askBy(with, account{}, http.MethodGet, "/secure/").want(401)
	if !g.onCRL(client.Certificates[0].Serial) {
		t.Error("the revocation list does not have it")
	}
}

func TestRevocationList(t *testing.T) {
	g := open(t)
	a := g.get(account{}, "/crl")
	if a.status != 200 || a.header.Get("Content-Type") != "application/pkix-crl" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	first := g.crl()
	if again := g.crl(); again.Number.Cmp(first.Number) != 0 {
		t.Error("made anew without a change")
	}
	if a := g.get(account{}, "/crl", header("If-None-Match", a.header.Get("ETag"))); a.status != 304 {
		t.Errorf("unchanged: %d", a.status)
	}
	g.ahead.Store(int64(-time.Hour)) // the number grows although the clock goes back
	g.partner("another", auth.Agency, auth.Rights{})
	if second := g.crl(); second.Number.Cmp(first.Number) <= 0 {
		t.Errorf("number %v after %v", second.Number, first.Number)
	}
}
