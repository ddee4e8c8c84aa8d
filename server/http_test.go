package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/server"
	"liaison/server/taxii"
)

func TestSection3_1_mediaTypes(t *testing.T) {
	g := open(t)
	for line, want := range map[string]int{
		taxii.MediaType:                        200,
		"*/*":                                  200,
		"application/taxii+json":               200,
		`application/taxii+json;version="2.1"`: 200,
		"application/stix+json;version=2.1":    200,
		"application/taxii+json;version=2.0":   406,
		"application/xml":                      406,
	} {
		for _, path := range []string{"/taxii2/", "/secure/", "/secure/collections/", "/secure/collections/vn/", "/secure/collections/vn/manifest/", "/secure/collections/vn/objects/"} {
			g.get(g.vn, path, header("Accept", line)).want(want)
		}
	}
	g.get(g.vn, "/secure/", header("Accept")).want(200)
	g.get(g.vn, "/secure/", header("Accept", "text/plain", taxii.MediaType+";q=0.1")).want(200)
}

func TestBrowserOnDiscovery(t *testing.T) {
	g := open(t, func(o *server.Options) { o.Contact = "<soc@gw.example>" })
	a := g.get(account{}, "/taxii2/", header("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"))
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", a.status, a.header)
	}
	for _, want := range []string{"TAXII 2.1", g.url + "/taxii2/", "&lt;soc@gw.example&gt;"} {
		if !strings.Contains(string(a.body), want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers %v", a.header)
	}
	g.get(g.vn, "/secure/", header("Accept", "text/html")).want(406)
}

func TestMethods(t *testing.T) {
	g := open(t)
	for path, allow := range map[string]string{
		"/taxii2/":                       "GET, HEAD, OPTIONS",
		"/secure/":                       "GET, HEAD, OPTIONS",
		"/secure/collections":            "GET, HEAD, OPTIONS",
		"/secure/collections/vn/objects": "GET, HEAD, OPTIONS, POST",
		"/secure/collections/vn/objects/indicator--5d0092c5-5f74-4287-9642-33f4c354e56d/": "DELETE, GET, HEAD, OPTIONS",
		"/secure/status/5d0092c5-5f74-4287-9642-33f4c354e56d/":                            "GET, HEAD, OPTIONS",
	} {
		for _, method := range []string{"PUT", "PATCH", "TRACE", "BREW", "PROPFIND"} {
			if a := g.ask(g.vn, method, path).want(405); a.header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, path, a.header.Get("Allow"), allow)
			}
		}
		if a := g.ask(account{}, http.MethodOptions, path); a.status != 204 || a.header.Get("Allow") != allow || len(a.body) != 0 {
			t.Errorf("OPTIONS %s: %d %q", path, a.status, a.header.Get("Allow"))
		}
	}
	for _, path := range []string{"/", "/secure/nothing/", "/secure/collections/vn/nothing/", "/a/b/c/d/e/f/g/"} {
		g.get(g.vn, path).want(404)
	}
	for _, path := range []string{"/taxii2/", "/secure/", "/secure/collections/", "/secure/collections/vn/", "/secure/collections/vn/manifest/", "/secure/collections/vn/objects/"} {
		head, get := g.ask(g.vn, http.MethodHead, path), g.get(g.vn, path).want(200)
		if head.status != 200 || len(head.body) != 0 || head.header.Get("Content-Type") != taxii.MediaType || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
			t.Errorf("HEAD %s: %d %v, GET %v", path, head.status, head.header, get.header)
		}
	}
	if a := g.ask(account{}, http.MethodHead, "/taxii2/"); a.status != 401 || len(a.body) != 0 {
		t.Errorf("HEAD without credentials: %d", a.status)
	}
}

// raw sends bytes over TLS and gives the status line's code.
func (g *gateway) raw(request string) (status int, head http.Header) {
	g.Helper()
	resp := g.rawResponse("localhost", request)
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header
}

func (g *gateway) rawResponse(sni, request string) *http.Response {
	g.Helper()
	conn := g.connect(sni)
	_, err := io.WriteString(conn, request)
	g.ok(err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	g.ok(err)
	return resp
}

func (g *gateway) connect(sni string) *tls.Conn {
	g.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(g.ca.Root())
	conn, err := tls.Dial("tcp", strings.TrimPrefix(g.url, "https://"), &tls.Config{RootCAs: roots, ServerName: sni})
	g.ok(err)
	g.Cleanup(func() { conn.Close() })
	g.ok(conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

func basic(a account) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(string(a.id)+":"+a.secret))
}

func TestPathTricks(t *testing.T) {
	g := open(t)
	id, raw := indicator("x")
	g.publish(g.vendor, "vn", raw)
	host := strings.TrimPrefix(g.url, "https://")
	for path, want := range map[string]int{
		"/secure/collections/vn/":                         200,
		"/secure%2Fcollections/vn/":                       404,
		"/secure/collections/v%6e/":                       200, // the same path, written otherwise
		"/secure/collections/vn%2F..%2Flk/":               404,
		"/secure/collections/..%2Flk/":                    404,
		"/secure/collections/../collections/vn/":          404,
		"/secure/./collections/vn/":                       404,
		"/secure//collections/vn/":                        404,
		"//secure/collections/vn/":                        404,
		"/secure/collections//":                           404,
		"/secure/collections/vn%00/":                      404,
		"/secure/collections/vn%20/":                      404,
		"/secure/collections/%E2%80%AEnv/":                404,
		"/SECURE/collections/vn/":                         404,
		"/secure/Collections/vn/":                         404,
		"/secure/collections/VN/":                         404,
		"/secure/collections/vn;a=b/":                     404,
		"/secure/collections/vn/objects/" + id + "%00/":   404,
		"/secure/collections/vn/objects/" + id + "/":      200,
		"/secure/collections/vn/objects/" + id + "//":     404,
		"/secure/collections/vn/objects/..%2F" + id + "/": 404,
		"/secure/status/%00/":                             404,
		"/taxii2//":                                       404,
		"https://" + host + "/taxii2/":                    200,
	} {
		status, head := g.raw("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nAccept: */*\r\nAuthorization: " + basic(g.vn) + "\r\nConnection: close\r\n\r\n")
		if status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
		if head.Get("Content-Type") != taxii.MediaType || head.Get("Location") != "" {
			t.Errorf("%s: headers %v", path, head)
		}
	}
}

func TestRawRequests(t *testing.T) {
	g := open(t)
	host := strings.TrimPrefix(g.url, "https://")
	post := "POST /secure/collections/vn/objects/ HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: " + basic(g.vendor) +
		"\r\nAccept: */*\r\nContent-Type: application/taxii+json\r\nConnection: close\r\n"
	for name, row := range map[string]struct {
		request string
		want    int
	}{
		"length and chunked":       {post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"two lengths":              {post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
		"bad chunk":                {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", 400},
		"transfer gzip":            {post + "Transfer-Encoding: gzip\r\n\r\n", 501},
		"header block":             {"GET /taxii2/ HTTP/1.1\r\nHost: " + host + "\r\nX-A: " + strings.Repeat("a", 70<<10) + "\r\n\r\n", 431},
		"long query":               {"GET /secure/collections/vn/objects/?" + strings.Repeat("a=b&", 12000) + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nAuthorization: " + basic(g.vn) + "\r\n\r\n", 400},
		"no host":                  {"GET /taxii2/ HTTP/1.1\r\n\r\n", 400},
		"two credentials":          {"GET /taxii2/ HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: " + basic(g.vn) + "\r\nAuthorization: " + basic(g.lk) + "\r\nConnection: close\r\n\r\n", 401},
		"HTTP/1.0":                 {"GET /taxii2/ HTTP/1.0\r\nAccept: */*\r\nAuthorization: " + basic(g.vn) + "\r\n\r\n", 200},
		"HTTP/1.0, elsewhere":      {"GET /taxii2/ HTTP/1.0\r\nHost: other.example\r\nAuthorization: " + basic(g.vn) + "\r\n\r\n", 421},
		"elsewhere by its URL":     {"GET https://other.example/taxii2/ HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nAuthorization: " + basic(g.vn) + "\r\n\r\n", 421},
		"here by its URL":          {"GET https://" + host + "/taxii2/ HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\nAccept: */*\r\nAuthorization: " + basic(g.vn) + "\r\n\r\n", 200},
		"two hosts":                {"GET /taxii2/ HTTP/1.1\r\nHost: " + host + "\r\nHost: other.example\r\n\r\n", 400},
		"two in one line":          {"GET /taxii2/ HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: " + basic(g.vn) + ", " + basic(g.lk) + "\r\nConnection: close\r\n\r\n", 401},
		"folded":                   {"GET /taxii2/ HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Basic\r\n " + strings.TrimPrefix(basic(g.vn), "Basic ") + "\r\nConnection: close\r\nAccept: */*\r\n\r\n", 200},
		"a space before the colon": {"GET /taxii2/ HTTP/1.1\r\nHost: " + host + "\r\nAuthorization : " + basic(g.vn) + "\r\n\r\n", 400},
		"a bare line feed in it":   {"GET /taxii2/ HTTP/1.1\r\nHost: " + host + "\r\nX-A: b\rAuthorization: " + basic(g.vn) + "\r\n\r\n", 400},
		"a credential at the end":  {post[:strings.Index(post, "Authorization")] + "Content-Type: application/taxii+json\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: " + basic(g.vendor) + "\r\n\r\n", 401},
		"chunked twice":            {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
		"chunked, oddly":           {post + "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n{}", 501},
		"a length with a sign":     {post + "Content-Length: +2\r\n\r\n{}", 400},
		"tunnel":                   {"CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nAuthorization: " + basic(g.vn) + "\r\n\r\n", 404},
		"another protocol":         {"GET /taxii2/ HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 401},
		"HTTP/2 at once":           {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404},
		"a space in a query":       {"GET /secure/collections/vn/objects/?limit= 5 HTTP/1.1\r\nHost: " + host + "\r\n\r\n", 400},
		"spoofed certificate":      {"GET /taxii2/ HTTP/1.1\r\nHost: " + host + "\r\nClient-Cert: :abc:\r\nX-Forwarded-Client-Cert: a\r\nX-Forwarded-User: vn-police_1\r\nConnection: close\r\n\r\n", 401},
	} {
		if status, _ := g.raw(row.request); status != row.want {
			t.Errorf("%s: %d, want %d", name, status, row.want)
		}
	}
}

func TestThreat20Misdirected(t *testing.T) {
	g := open(t)
	port := g.url[strings.LastIndex(g.url, ":"):]
	for _, row := range []struct {
		sni, host string
		want      int
	}{
		{"localhost", "localhost" + port, 200},
		{"localhost", "LOCALHOST." + port, 200},
		{"localhost", "localhost", 200},
		{"localhost", "other.example" + port, 421},
		{"localhost", "127.0.0.1" + port, 421},
		{"127.0.0.1", "127.0.0.1" + port, 200}, // an address is not sent as SNI
		{"127.0.0.1", "anything.example", 200},
	} {
		resp := g.rawResponse(row.sni, "GET /taxii2/ HTTP/1.1\r\nHost: "+row.host+"\r\nAuthorization: "+basic(g.vn)+"\r\nConnection: close\r\n\r\n")
		resp.Body.Close()
		if resp.StatusCode != row.want || resp.Header.Get("Content-Type") != taxii.MediaType {
			t.Errorf("SNI %s, Host %s: %d %v, want %d", row.sni, row.host, resp.StatusCode, resp.Header, row.want)
		}
	}
}

func TestCommonHeaders(t *testing.T) {
	g := open(t)
	a := g.get(g.vn, "/secure/collections/").want(200)
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Accept, Accept-Encoding, Authorization, X-API-Key",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	g.get(g.vn, "/secure/collections/", header("Accept-Encoding", "identity;q=0, br")).want(406)
}

// A fault inside is a bare 500 whose error_id is in the log, and tells nothing of itself.
func TestRow065_faults(t *testing.T) {
	for name, fail := range map[string]func() (collections.Page, error){
		"error": func() (collections.Page, error) { return collections.Page{}, fmt.Errorf("canary-of-the-inside") },
		"panic": func() (collections.Page, error) { panic("canary-of-the-inside") },
	} {
		g := open(t, func(o *server.Options) { o.Desk.Store = faulty{o.Desk.Store, fail} })
		a := g.get(g.vn, "/secure/collections/vn/objects/").want(500)
		var e taxii.Error
		a.json(&e)
		if e.ErrorID == "" || !strings.Contains(g.log.String(), e.ErrorID) {
			t.Errorf("%s: error_id %q is not in the log", name, e.ErrorID)
		}
		if strings.Contains(string(a.body), "canary") {
			t.Errorf("%s: body %s", name, a.body)
		}
		g.get(g.vn, "/secure/collections/vn/manifest/").want(200)
	}
	for name, row := range map[string]struct {
		err   error
		retry string
	}{
		"full": {collections.ErrFull, "60"}, "unavailable": {collections.ErrUnavailable, "5"},
	} {
		g := open(t, func(o *server.Options) {
			o.Desk.Store = faulty{o.Desk.Store, func() (collections.Page, error) { return collections.Page{}, row.err }}
		})
		if a := g.get(g.vn, "/secure/collections/vn/objects/").want(503); a.header.Get("Retry-After") != row.retry {
			t.Errorf("%s: Retry-After %q", name, a.header.Get("Retry-After"))
		}
	}
}

type faulty struct {
	collections.Store
	fail func() (collections.Page, error)
}

func (f faulty) Objects(_ context.Context, _ auth.View, _ collections.Place, _ collections.Query) (collections.Page, error) {
	return f.fail()
}

// A page that breaks in its middle must not look whole.
func TestBrokenPage(t *testing.T) {
	n := 0
	g := open(t, func(o *server.Options) {
		o.Desk.Store = faulty{o.Desk.Store, func() (collections.Page, error) {
			return collections.Page{Count: 9, First: 1, Last: 9, Next: func(dst []byte) ([]byte, error) {
				if n++; n > 3 {
					return dst, fmt.Errorf("disk gone")
				}
				return append(dst, `{"a":"`+strings.Repeat("b", 80_000)+`"}`...), nil
			}}, nil
		}}
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/secure/collections/vn/objects/", nil)
	g.ok(err)
	r.SetBasicAuth(string(g.vn.id), g.vn.secret)
	resp, err := g.client.Do(r)
	g.ok(err)
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the broken page was read to an end")
	}
}

// A list is never empty, also when what was planned is deleted before it is read.
func TestPageDeletedMeanwhile(t *testing.T) {
	g := open(t, func(o *server.Options) {
		o.Desk.Store = faulty{o.Desk.Store, func() (collections.Page, error) {
			n := 0
			return collections.Page{Count: 2, First: 1, Last: 2, Next: func(dst []byte) ([]byte, error) {
				if n++; n > 2 {
					return dst, io.EOF
				}
				return dst, nil
			}}, nil
		}}
	})
	if got := string(g.get(g.vn, "/secure/collections/vn/objects/").want(200).body); got != `{"more": false}` {
		t.Errorf("%s", got)
	}
}

func TestInFlight(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	g := open(t, func(o *server.Options) {
		o.MaxInFlight = 1
		o.Desk.Store = faulty{o.Desk.Store, func() (collections.Page, error) {
			entered <- struct{}{}
			<-leave
			return collections.Page{}, nil
		}}
	})
	done := make(chan *answer)
	go func() { done <- g.get(g.vn, "/secure/collections/vn/objects/") }()
	<-entered
	if a := g.get(g.vn, "/secure/").want(429); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	g.get(g.vendor, "/secure/").want(200)
	if n := g.server.InFlight(); n != 1 {
		t.Errorf("%d in flight, want 1", n)
	}
	leave <- struct{}{}
	(<-done).want(200)
	g.get(g.vn, "/secure/").want(200)
}
