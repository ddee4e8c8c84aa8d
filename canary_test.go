package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
	"liaison/server/client"
	"liaison/server/taxii"
)

// outputs is what a gateway wrote on its log.
type outputs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *outputs) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *outputs) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.b.Bytes())
}

// recorder keeps every answer that a client got, whole.
type recorder struct {
	http.RoundTripper
	outputs
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(b))
	resp.Header.Write(&r.outputs)
	r.Write(b)
	return resp, err
}

// canaries are what nobody but its holder may ever see again, by what they are.
type canaries map[string]string

// in looks for canaries as they are, in base64 and in hexadecimal text, and names those that are there.
func (c canaries) in(t *testing.T, where string, b []byte) {
	t.Helper()
	for name, secret := range c {
		if len(secret) < 16 {
			t.Fatalf("canary %s is %q", name, secret)
		}
		forms := [][]byte{[]byte(secret), []byte(url.QueryEscape(secret)),
			[]byte(base64.StdEncoding.EncodeToString([]byte(secret))), []byte(base64.RawURLEncoding.EncodeToString([]byte(secret)))}
		for _, f := range forms {
			if bytes.Contains(b, f) {
				t.Errorf("%s: %s is in it", where, name)
				break
			}
		}
	}
}

// files looks into every file below dir, but those that are for secrets.
func (c canaries) files(t *testing.T, dir string, but ...string) {
	t.Helper()
	looked := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		for _, p := range but {
			if strings.HasPrefix(filepath.ToSlash(rel), p) {
				return nil
			}
		}
		b, err := os.ReadFile(name)
		looked++
		c.in(t, rel, b)
		return err
	})
	if err != nil || looked == 0 {
		t.Errorf("looked into %d files: %v", looked, err)
	}
}

// Threat 19: secrets, tokens, keys and invitations are in nothing that the gateway wrote over a run
// in which all of them were used, rightly and wrongly: its log at its most talkative, the journal, the
// store and what lies beside it, and all answers but the one that each was given in.
func TestThreat19Canaries(t *testing.T) {
	t.Parallel() // it waits: failures are answered late
	dir := filepath.Join(t.TempDir(), "gateway")
	if err := createGateway(t.Context(), dir, initOptions{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	log := &outputs{}
	r := serveGateway(t, dir, gatewayOptions{Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err := r.registry.Apply(t.Context(), "test", collections.CreateOperation{ID: "secure", Title: "Secure", Countries: []string{"VN"}}); err != nil {
		t.Fatal(err)
	}
	c := canaries{}
	c.gateway(t, dir)
	partner := r.partner(t, "vn-police", auth.Agency)
	v, err := r.client().Invite(t.Context(), "vn-police", admin.NewInvitation{})
	if err != nil {
		t.Fatal(err)
	}
	invitation, err := url.Parse(v.URL)
	if err != nil {
		t.Fatal(err)
	}
	c["invitation"] = strings.TrimPrefix(invitation.Path, "/join/")
	c.partner(t, partner)

	cl, err := partnerClient(partner)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	token, err := cl.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c["token"], c["token's signature"] = token.Access, token.Access[strings.LastIndexByte(token.Access, '.')+1:]
	rotated, err := cl.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c["rotated secret"] = rotated.Secret
	if _, err := renew(t.Context(), cl, partner); err != nil {
		t.Fatal(err)
	}
	c.partner(t, partner)
	answers := r.misuse(t, partner, c)
	if _, err := r.client().VerifyJournal(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}

	c.in(t, "the log", log.bytes())
	c.in(t, "an answer", answers)
	if len(log.bytes()) < 1000 || len(answers) < 1000 {
		t.Errorf("%d bytes of log, %d of answers: too few to tell", len(log.bytes()), len(answers))
	}
	c.files(t, dir, keysName+"/", caName+"/", tlsName+"/")
}

// gateway adds what is in the gateway's own key files.
func (c canaries) gateway(t *testing.T, dir string) {
	t.Helper()
	var vault struct {
		Keys []struct {
			Key string `json:"key"`
		} `json:"keys"`
	}
	var ring struct {
		Keys []struct {
			Key struct {
				D string `json:"d"`
			} `json:"key"`
		} `json:"keys"`
	}
	for name, v := range map[string]any{"secrets.json": &vault, "tokens.json": &ring} {
		b, err := os.ReadFile(filepath.Join(dir, keysName, name))
		if err == nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c["server key"], c["signing key"] = vault.Keys[0].Key, ring.Keys[0].Key.D
	for _, name := range []string{caName + "/client.key", caName + "/root.key", tlsName + "/ecdsa.pem", keysName + "/journal.key"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		c[name] = keyText(string(b))
	}
}

// keyText gives the first line of a private key's text.
func keyText(s string) string {
	if _, rest, ok := strings.Cut(s, "PRIVATE KEY-----\n"); ok {
		s = rest
	}
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// partner adds what is in a partner's directory.
func (c canaries) partner(t *testing.T, dir string) {
	t.Helper()
	a, err := client.OpenAccount(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, a.Key))
	if err != nil {
		t.Fatal(err)
	}
	c["secret "+a.Key], c["key "+a.Key] = a.ClientSecret, keyText(string(b))
	c["basic "+a.Key] = base64.StdEncoding.EncodeToString([]byte(a.ClientID + ":" + a.ClientSecret))
}

// sent reports whether a canary is something that a client sends; the others never leave their files.
func (c canaries) sent(name string) bool {
	for _, kind := range []string{"secret", "rotated secret", "token", "invitation", "basic"} {
		if strings.HasPrefix(name, kind) {
			return true
		}
	}
	return false
}

// misuse sends every canary where it does not belong and people put it nevertheless, and gives all
// answers.
func (r *running) misuse(t *testing.T, dir string, c canaries) []byte {
	t.Helper()
	a, err := client.OpenAccount(dir)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := a.TLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{RoundTripper: &http.Transport{TLSClientConfig: conf}}
	h := &http.Client{Transport: rec, Timeout: 30 * time.Second}
	defer h.CloseIdleConnections()
	send := func(method, path, body string, headers ...string) {
		req, err := http.NewRequestWithContext(t.Context(), method, r.base+path, strings.NewReader(body))
		if err != nil {
			return // no URL can be made of it
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header[headers[i]] = append(req.Header[headers[i]], headers[i+1])
		}
		resp, err := h.Do(req)
		if err != nil {
			return // it cannot be a header
		}
		resp.Body.Close()
	}
	const form = "application/x-www-form-urlencoded"
	var all sync.WaitGroup // together, for failures are answered late
	for name, s := range c {
		all.Go(func() {
			q := url.QueryEscape(s)
			if c.sent(name) {
				for _, v := range []string{q, "a," + q, q + "x", q[:len(q)-4], "Bearer+" + q} {
					for _, parameter := range []string{"limit=", "added_after=", "match[id]=", "match[type]=", "match[version]=", "match[spec_version]=", "next="} {
						send("GET", "/secure/collections/vn/objects/?"+parameter+v, "", "Authorization", "Bearer "+a.ClientSecret, "Accept", taxii.MediaType)
					}
					send("GET", "/secure/collections/vn/objects/?match["+v+"]=1", "", "Authorization", "Bearer "+a.ClientSecret, "Accept", taxii.MediaType)
					for _, path := range []string{"/" + v + "/", "/secure/status/" + v + "/", "/secure/collections/" + v + "/objects/",
						"/secure/collections/vn/objects/" + v + "/", "/secure/collections/vn/objects/" + v + "/versions/", "/oauth2/" + v, "/admin/v1/" + v} {
						send("GET", path, "", "Authorization", "Bearer "+a.ClientSecret, "Accept", taxii.MediaType)
					}
				}
				for _, name := range []string{"Accept", "Accept-Encoding", "Content-Type", "Content-Encoding", "Range", "Origin", "Cookie", "Referer", "X-Forwarded-For"} {
					send("GET", "/secure/collections/vn/objects/", "", "Authorization", "Bearer "+a.ClientSecret, name, s)
					send("POST", "/secure/collections/vn/objects/", "{}", "Authorization", "Bearer "+a.ClientSecret, name, s)
				}
				send(strings.Trim(s, "="), "/secure/", "", "Authorization", "Bearer "+a.ClientSecret)
			}
			send("GET", "/secure/", "", "Authorization", "Bearer "+s)
			send("GET", "/secure/", "", "Authorization", "Basic "+s)
			send("GET", "/secure/", "", "Authorization", s)
			send("GET", "/secure/", "", "Authorization", "Token "+s, "X-Api-Key", s)
			send("GET", "/secure/", "", "X-Api-Key", s+"x")
			send("GET", "/secure/?access_token="+q+"&next="+q, "")
			send("GET", "/secure/collections/vn/objects/?next="+q+"", "", "Authorization", "Bearer "+a.ClientSecret, "Accept", "application/taxii+json")
			send("GET", "/secure/collections/vn/objects/?api_key="+q, "", "Authorization", "Bearer "+a.ClientSecret, "Accept", "application/taxii+json", "User-Agent", s)
			send("GET", "/"+q, "")
			send("GET", "/join/x"+q, "")
			send("POST", "/join/"+q, `{"csr":"`+s+`"}`, "Content-Type", "application/json")
			send("POST", "/join/"+q, `{"`+s+`":1}`, "Content-Type", "application/json")
			send("POST", "/client/certificate", `{"csr":"`+s+`"}`, "Content-Type", "application/json")
			send("POST", "/client/certificate", s, "Content-Type", "application/json")
			for _, end := range []string{"token", "revoke", "introspect"} {
				send("POST", "/oauth2/"+end, "grant_type="+q+"&token="+q+"&scope="+q+"&client_id="+q, "Content-Type", form, "Authorization", "Basic "+c["basic key.pem"])
				send("POST", "/oauth2/"+end, "client_assertion="+q+"&client_assertion_type="+q, "Content-Type", form)
				send("POST", "/oauth2/"+end, "client_id="+q+"&client_secret="+q+"&"+q, "Content-Type", form)
			}
		})
	}
	all.Wait()
	return rec.bytes()
}
