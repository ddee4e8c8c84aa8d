package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"liaison/collections"
	"liaison/server"
	"liaison/server/taxii"
	"liaison/stix"
)

const objects = "/secure/collections/vn/objects/"

func gzipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// padded is an envelope of exactly n bytes.
func padded(t testing.TB, n int) string {
	t.Helper()
	_, raw := indicator("x")
	s := envelopeOf(raw)
	if len(s) > n {
		t.Fatalf("an envelope of %d bytes, want at most %d", len(s), n)
	}
	return s[:len(s)-1] + strings.Repeat(" ", n-len(s)) + "}"
}

func TestRow107_maxContentLength(t *testing.T) {
	const most = 1 << 20
	g := open(t)
	zip := header("Content-Encoding", "gzip")
	for _, row := range []struct {
		name string
		send string
		want int
	}{
		{"below", padded(t, most-1), 202},
		{"at", padded(t, most), 202},
		{"above", padded(t, most+1), 413},
		{"far above", padded(t, 3*most), 413},
		{"above and broken", "{" + strings.Repeat(" ", most), 413},
		{"above and not JSON", strings.Repeat("x", most+1), 413},
	} {
		g.ask(g.vendor, http.MethodPost, objects, body(row.send)).want(row.want)
		g.ask(g.vendor, http.MethodPost, objects, chunked(row.send)).want(row.want)
		g.ask(g.vendor, http.MethodPost, objects, zip, body(gzipped(t, row.send))).want(row.want)
		g.ask(g.vendor, http.MethodPost, objects, zip, chunked(gzipped(t, row.send))).want(row.want)
	}
	over := padded(t, most+1)
	for name, wrong := range map[string]change{
		"media type": header("Content-Type", "text/plain"),
		"accept":     header("Accept", "text/plain"),
		"coding":     header("Content-Encoding", "br"),
	} {
		t.Log(name)
		g.ask(g.vendor, http.MethodPost, objects, wrong, body(over)).want(413)
		g.ask(g.vendor, http.MethodPost, objects, wrong, chunked(over)).want(413)
	}
	g.ask(account{}, http.MethodPost, objects, body(over)).want(401)
	g.ask(g.vn, http.MethodPost, objects, body(padded(t, 1000))).want(403)
}

func TestRequestCodings(t *testing.T) {
	g := open(t)
	_, raw := indicator("x")
	good := envelopeOf(raw)
	bomb := gzipped(t, `{"objects":[`+strings.Repeat(" ", 200<<20)+`]}`)
	if len(bomb) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	for name, row := range map[string]struct {
		coding []string
		send   string
		want   int
	}{
		"gzip":          {[]string{"gzip"}, gzipped(t, good), 202},
		"upper case":    {[]string{"GZIP"}, gzipped(t, good), 202},
		"x-gzip":        {[]string{"x-gzip"}, gzipped(t, good), 202},
		"identity":      {[]string{"identity"}, good, 202},
		"deflate":       {[]string{"deflate"}, good, 415},
		"br":            {[]string{"br"}, good, 415},
		"zstd":          {[]string{"zstd"}, good, 415},
		"twice":         {[]string{"gzip, gzip"}, gzipped(t, gzipped(t, good)), 415},
		"two lines":     {[]string{"gzip", "gzip"}, gzipped(t, gzipped(t, good)), 415},
		"identity,gzip": {[]string{"identity,gzip"}, gzipped(t, good), 415},
		"not gzip":      {[]string{"gzip"}, good, 400},
		"cut":           {[]string{"gzip"}, gzipped(t, good)[:50], 400},
		"checksum":      {[]string{"gzip"}, gzipped(t, good)[:len(gzipped(t, good))-5] + "xxxxx", 400},
		"two members":   {[]string{"gzip"}, gzipped(t, good[:20]) + gzipped(t, good[20:]) + gzipped(t, ""), 202},
		"second cut":    {[]string{"gzip"}, gzipped(t, good) + gzipped(t, "  ")[:12], 400},
		"second full":   {[]string{"gzip"}, gzipped(t, good) + gzipped(t, good), 400},
		"trailing":      {[]string{"gzip"}, gzipped(t, good) + "x", 400},
		"bomb":          {[]string{"gzip"}, bomb, 413},
		"empty":         {[]string{"gzip"}, "", 400},
	} {
		a := g.ask(g.vendor, http.MethodPost, objects, header("Content-Encoding", row.coding...), body(row.send))
		if a.status != row.want {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, row.want)
		}
		if a.status == 415 && a.header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("%s: Accept-Encoding %q", name, a.header.Get("Accept-Encoding"))
		}
	}
	// Nothing of what was refused is there.
	if got := g.get(g.vendor, objects).envelope(); len(got.Objects) != 1 {
		t.Errorf("%d objects, want 1", len(got.Objects))
	}
}

func TestTooManyObjects(t *testing.T) {
	g := open(t, func(o *server.Options) { o.Desk.Limits = stix.Limits{Body: 1 << 20, Objects: 2} })
	_, a := indicator("a")
	_, b := indicator("b")
	_, c := indicator("c")
	g.ask(g.vendor, http.MethodPost, objects, body(envelopeOf(a, b, c))).want(422)
	g.ask(g.vendor, http.MethodPost, objects, body(envelopeOf(a, b))).want(202)
}

// Nothing is stored of a body that is cut off.
func TestCutOffBody(t *testing.T) {
	g := open(t)
	_, raw := indicator("x")
	conn := g.connect("localhost")
	host := strings.TrimPrefix(g.url, "https://")
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nAccept: */*\r\nContent-Type: application/taxii+json\r\nContent-Length: 100000\r\n\r\n%s",
		objects, host, basic(g.vendor), envelopeOf(raw))
	g.ok(conn.CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	g.ok(err)
	resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("%d, want 400", resp.StatusCode)
	}
	if got := g.get(g.vendor, objects).envelope(); len(got.Objects) != 0 {
		t.Errorf("%d objects", len(got.Objects))
	}
}

// An answer that nobody reads ends at its deadline.
func TestSlowReader(t *testing.T) {
	broken := make(chan struct{})
	g := open(t, func(o *server.Options) {
		o.Grace, o.MinRate = 300*time.Millisecond, 1<<30
		o.Log = slog.New(slog.NewTextHandler(signal{"answer broken off", broken}, nil))
		o.Desk.Store = faulty{o.Desk.Store, func() (collections.Page, error) {
			return collections.Page{Count: 1, First: 1, Last: 1, Next: func(dst []byte) ([]byte, error) {
				return append(dst, `{"a":"`+strings.Repeat("b", 1<<16)+`"}`...), nil // without an end
			}}, nil
		}}
	})
	conn := g.connect("localhost")
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n\r\n", objects, basic(g.vn))
	select {
	case <-broken:
	case <-time.After(time.Minute):
		t.Fatal("the answer was not broken off")
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	g.ok(err)
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the answer looks whole")
	}
}

// signal closes a channel when a line of the log holds a text.
type signal struct {
	text string
	done chan struct{}
}

func (s signal) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.text)) {
		close(s.done)
	}
	return len(p), nil
}

// A body that comes too slowly ends at its deadline.
func TestSlowBody(t *testing.T) {
	g := open(t, func(o *server.Options) { o.Grace = 300 * time.Millisecond })
	host := strings.TrimPrefix(g.url, "https://")
	conn := g.connect("localhost")
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nAccept: */*\r\nContent-Type: application/taxii+json\r\nContent-Length: 100000\r\n\r\n{",
		objects, host, basic(g.vendor))
	begin := time.Now()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	g.ok(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout || resp.Header.Get("Content-Type") != taxii.MediaType {
		t.Errorf("%d %v, want 408", resp.StatusCode, resp.Header)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	// A slow header block is the server's own matter.
	if s := g.server.HTTP(); s.ReadHeaderTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("timeouts %v %v, header %d", s.ReadHeaderTimeout, s.IdleTimeout, s.MaxHeaderBytes)
	}
	// An honest request on a new connection is served.
	_, raw := indicator("x")
	g.publish(g.vendor, "vn", raw)
}
