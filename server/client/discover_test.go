package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/server/client"
	"liaison/server/taxii"
)

// without leaves api_root out of the account.
func without(a *client.Account, _ *client.Options) { a.APIRoot = "" }

func TestAPIRoot(t *testing.T) {
	d := newDouble(t)
	own := d.URL + "/api/"
	for _, tt := range []struct {
		discovery, name, says string
	}{
		{`{"default":"/api/","api_roots":["/api/","/other/"]}`, "", ""},
		{`{"default":"` + own + `","api_roots":["` + own + `"]}`, "", ""},
		{`{"api_roots":["/api"]}`, "", ""},
		{`{"api_roots":["/other/","/api/"]}`, "api", ""},
		{`{"api_roots":["/other/","/api/"]}`, own, ""},
		{`{"api_roots":["/other/","/api/"]}`, "", "--api-root"},
		{`{"api_roots":["/other/"]}`, "api", `api root "api"`},
		{`{"api_roots":null}`, "", "no api root"},
		{`{"api_roots":["https://evil.example/api/"]}`, "", "another server"},
		{`{"api_roots":["//evil.example/api/"]}`, "", "another server"},
		{`{"api_roots":["/gone/"]}`, "", "404"},
		{`{"api_roots":["/api/collections/"]}`, "", "no api root"},
	} {
		d.Config.Handler = replaced(d, "/taxii2/", tt.discovery)
		c, _ := d.dial(t, without)
		got, err := c.APIRoot(t.Context(), tt.name)
		switch {
		case tt.says == "":
			want := client.Root{URL: own, APIRoot: taxii.APIRoot{Title: "api", Versions: []string{taxiiType}, MaxContentLength: d.maxContent}}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", tt.discovery, err, diff)
			}
		case err == nil || !strings.Contains(err.Error(), tt.says):
			t.Errorf("%s: %v", tt.discovery, err)
		}
	}
}

// replaced answers one path with a text and leaves the others to the double.
func replaced(d *double, path, text string) http.Handler {
	mux := d.Config.Handler
	if r, ok := mux.(*replacement); ok {
		mux = r.next
	}
	return &replacement{path, text, mux}
}

type replacement struct {
	path, text string
	next       http.Handler
}

func (h *replacement) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != h.path {
		h.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", taxiiType)
	w.Write([]byte(h.text))
}

func TestCollectionsAndFind(t *testing.T) {
	d := newDouble(t)
	c, _ := d.dial(t)
	all, err := c.Collections(t.Context(), d.root())
	if err != nil || len(all) != 4 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, name := range []string{"lk", lk} {
		if k, err := client.Find(all, name); err != nil || k.ID != lk || client.Name(k) != "lk" {
			t.Errorf("%s is %+v, %v", name, k, err)
		}
	}
	for _, name := range []string{"", "LK", "x"} {
		if _, err := client.Find(all, name); !errors.Is(err, client.ErrNotFound) || !strings.Contains(err.Error(), "vn, lk, ro, wo") {
			t.Errorf("%q: %v", name, err)
		}
	}
	d.Config.Handler = replaced(d, "/api/collections/", `{"collections":[{"title":"x"}]}`)
	if _, err := c.Collections(t.Context(), d.root()); !errors.Is(err, client.ErrNotTAXII) {
		t.Errorf("a collection without an id: %v", err)
	}
}

func TestCredentials(t *testing.T) {
	d := newDouble(t)
	d.tokens = true
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	c, _ := d.dial(t, func(_ *client.Account, o *client.Options) { o.Now = func() time.Time { return now } })
	ask := func(want int) {
		t.Helper()
		if _, err := c.Collections(t.Context(), d.root()); err != nil {
			t.Fatal(err)
		}
		if d.token != want {
			t.Errorf("asked for %d tokens, want %d", d.token, want)
		}
	}
	ask(1)
	now = now.Add(8 * time.Minute)
	ask(1)
	now = now.Add(time.Minute + time.Second) // a tenth of its life before its end
	ask(2)
	d.mu.Lock()
	d.token++ // the gateway forgot the other
	d.mu.Unlock()
	ask(4)

	tok, err := c.Token(t.Context())
	want := client.Token{Access: "token-5", Type: "Bearer", Scope: "read", Expires: now.Add(10 * time.Minute)}
	if diff := cmp.Diff(want, tok); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	for name, change := range map[string]func(*client.Account, *client.Options){
		"token": func(a *client.Account, _ *client.Options) { a.ClientSecret = "wrong" },
		"basic": func(a *client.Account, _ *client.Options) { a.ClientSecret, a.TokenURL = "wrong", "" },
	} {
		c, w := d.dial(t, change)
		if _, err := c.Collections(t.Context(), d.root()); !errors.Is(err, client.ErrRefused) || strings.Contains(err.Error(), "wrong") || len(w.list) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, _ = d.dial(t, func(a *client.Account, _ *client.Options) { a.TokenURL = "" })
	if _, err := c.Token(t.Context()); !errors.Is(err, client.ErrAccount) {
		t.Errorf("no token_url: %v", err)
	}
	for _, line := range d.log {
		if strings.Contains(line, "/api/") && !strings.HasSuffix(line, "Bearer") && !strings.HasSuffix(line, "Basic") {
			t.Errorf("asked %s", line)
		}
	}
}

func TestConnectionFailures(t *testing.T) {
	d := newDouble(t)
	for name, tt := range map[string]struct {
		change func(*client.Account, *client.Options)
		says   string
	}{
		"another authority": {func(_ *client.Account, o *client.Options) { o.TLS = nil }, "not trusted here"},
		"another name": {func(a *client.Account, _ *client.Options) {
			a.APIRoot = strings.Replace(a.APIRoot, "127.0.0.1", "localhost", 1)
		},
			"other names"},
		"no TLS":  {func(a *client.Account, _ *client.Options) { a.APIRoot = "https://" + plain(t) + "/api/" }, "does not speak TLS"},
		"no host": {func(a *client.Account, _ *client.Options) { a.APIRoot = "https://no-such-host.invalid/" }, "no-such-host.invalid"},
	} {
		c, _ := d.dial(t, tt.change)
		if _, err := c.APIRoot(t.Context(), ""); err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// plain is the address of a server without TLS.
func plain(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestErrorBodies(t *testing.T) {
	d := newDouble(t)
	for body, says := range map[string]string{
		`{"title":"Gone fishing","description":"back\nat five","error_id":"e1","http_status":"418"}`: "Gone fishing: back at five (error_id e1)",
		`{"title":"Number","http_status":418}`:                                                       "Number",
		`{"error":"invalid_scope","error_description":"no"}`:                                         "invalid_scope: no",
		`{"title":7,"description":"seven"}`:                                                          "seven",
		`<html>`:                                                                                     "418",
		``:                                                                                           "418",
	} {
		d.hook = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(418)
			w.Write([]byte(body))
			return true
		}
		c, _ := d.dial(t)
		_, _, err := c.Peek(t.Context(), d.root(), toVN, 1)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestClockAndPeek(t *testing.T) {
	d := newDouble(t)
	d.fill(vn, 30)
	c, _ := d.dial(t)
	n, more, err := c.Peek(t.Context(), d.root(), toVN, 4)
	if n != 4 || !more || err != nil {
		t.Errorf("peeked %d, %v, %v", n, more, err)
	}
	there, here, err := c.Clock(t.Context())
	if err != nil || there.IsZero() || here.Sub(there).Abs() > 5*time.Second {
		t.Errorf("%v there, %v here, %v", there, here, err)
	}
}

// A server of which nothing more is heard is not waited for.
func TestIdle(t *testing.T) {
	d := newDouble(t)
	d.fill(vn, 3)
	d.hook = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			w.Header().Set("Content-Type", taxiiType)
			json.NewEncoder(w).Encode(map[string]any{"more": false})
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		return false
	}
	c, w := d.dial(t, func(_ *client.Account, o *client.Options) { o.Idle = 50 * time.Millisecond })
	p := puller(t, d, c, "out.json")
	if got := run(t, p); got.Objects != 3 || len(w.list) == 0 {
		t.Errorf("%+v, waited %v, said %q", got, w.list, w.said)
	}
}

// A proxy that does not lead to the server is named, and not taken for the server.
func TestProxyThatDoesNotAnswer(t *testing.T) {
	d := newDouble(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	defer refusing.Close()
	for text, want := range map[string]string{
		closed.URL: "is not there: nothing listens",
		strings.Replace(refusing.URL, "http://", "http://user:geheim@", 1): "answers 407 Proxy Authentication Required",
		"http://proxy.invalid:3128":                                        "HTTPS_PROXY",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		c, _ := d.dial(t, func(_ *client.Account, o *client.Options) { o.Proxy = http.ProxyURL(u) })
		_, err = c.Discover(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "the proxy "+u.Host+" (HTTPS_PROXY)") ||
			strings.Contains(err.Error(), "is the gateway running") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A proxy sees where the client goes and none of what it says.
func TestProxy(t *testing.T) {
	d := newDouble(t)
	var tunnels atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Authorization") != "" {
			t.Errorf("the proxy got %s %v", r.Method, r.Header)
			return
		}
		tunnels.Add(1)
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		w.WriteHeader(http.StatusOK)
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer here.Close()
		go io.Copy(there, here)
		io.Copy(here, there)
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	d.fill(vn, 25)
	c, _ := d.dial(t, func(_ *client.Account, o *client.Options) { o.Proxy = http.ProxyURL(u) })
	if got := run(t, puller(t, d, c, "out.json")); got.Objects != 25 || tunnels.Load() == 0 {
		t.Errorf("pulled %+v through %d tunnels", got, tunnels.Load())
	}
	c.Close()
}
