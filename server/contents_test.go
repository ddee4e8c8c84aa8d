package server_test

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"liaison/server"
)

// half is a body of which the rest comes when more is closed.
type half struct {
	io.Reader
	rest io.Reader
	more chan struct{}
}

func (h *half) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n == 0 && err == io.EOF && h.rest != nil {
		<-h.more
		h.Reader, h.rest = h.rest, nil
		return h.Reader.Read(p)
	}
	return n, err
}

// counting tells when the gateway has read so many bytes of a body.
type counting struct {
	io.ReadCloser
	left int
	read chan struct{}
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.left > 0 && c.left <= n {
		close(c.read)
	}
	c.left -= n
	return n, err
}

// hold sends the first part of a body, waits until the gateway has read it, and gives what sends the
// rest and waits for the answer.
func (g *gateway) hold(a account, s string, first int) (finish func() *answer) {
	g.Helper()
	c := &counting{left: first, read: make(chan struct{})}
	watch := front(func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		if r.Header.Get("X-Held") != "" {
			c.ReadCloser, r.Body = r.Body, c
		}
		gateway.ServeHTTP(w, r)
	})
	g.front.Store(&watch)
	more, done := make(chan struct{}), make(chan *answer, 1)
	go func() {
		done <- g.ask(a, http.MethodPost, objects, header("X-Held", "yes"), func(r *http.Request) {
			r.Body = io.NopCloser(&half{bytes.NewReader([]byte(s[:first])), bytes.NewReader([]byte(s[first:])), more})
			r.ContentLength = -1
		})
	}()
	<-c.read
	g.front.Store(nil)
	return func() *answer {
		close(more)
		return <-done
	}
}

// Of 2 MiB in all, 1 MiB is kept for the publication that goes ahead; a partner has half of the rest.
func TestContentInFlight(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	g := open(t, func(o *server.Options) {
		o.MaxContentInFlight = 2 * most
		o.Grace = time.Second // bounds the waiting too
		o.MinRate = 1
	})
	large, small := padded(t, most), padded(t, 1000)
	finish := g.hold(g.vendor, large, most-1000)

	zip := header("Content-Encoding", "gzip")
	for name, a := range map[string]*answer{
		"the same partner":  g.ask(g.vendor, http.MethodPost, objects, body(large)),
		"decoded":           g.ask(g.vendor, http.MethodPost, objects, zip, body(gzipped(t, large))),
		"another's large":   g.ask(g.rival, http.MethodPost, objects, body(large)),
		"another's chunked": g.ask(g.rival, http.MethodPost, objects, chunked(large)),
	} {
		if a.want(503).header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", name)
		}
	}
	g.ask(g.rival, http.MethodPost, objects, body(small)).want(202)
	g.ask(g.rival, http.MethodPost, objects, body(padded(t, most/4))).want(202)

	finish().want(202)
	g.ask(g.vendor, http.MethodPost, objects, body(large)).want(202)
	g.ask(g.rival, http.MethodPost, objects, zip, body(gzipped(t, large))).want(202)
}

// Publications that together want more than there is do not hold each other up.
func TestContentInFlightGoesOn(t *testing.T) {
	const most = 1 << 20
	g := open(t, func(o *server.Options) { o.MaxContentInFlight = 2 * most })
	var all sync.WaitGroup
	for range 6 {
		for _, a := range []account{g.vendor, g.rival} {
			send := padded(t, most)
			all.Go(func() {
				if got := g.ask(a, http.MethodPost, objects, body(send)); got.status != http.StatusAccepted {
					t.Errorf("%d %s", got.status, got.body)
				}
			})
		}
	}
	all.Wait()
}

// A refusal, a body that breaks off and one over the bound give back what they held.
func TestContentInFlightIsGivenBack(t *testing.T) {
	const most = 1 << 20
	g := open(t, func(o *server.Options) {
		o.MaxContentInFlight = 2 * most
		o.Grace = time.Second
	})
	large := padded(t, most)
	for range 3 {
		g.ask(g.vendor, http.MethodPost, objects, chunked("x"+large[1:])).want(400)
		g.ask(g.vendor, http.MethodPost, objects, chunked(large+large)).want(413)
		g.ask(g.vendor, http.MethodPost, objects, header("Content-Encoding", "gzip"), body(gzipped(t, large)[:1000])).want(400)
		g.ask(g.vendor, http.MethodPost, objects, header("Content-Type", "text/plain"), chunked(large)).want(415)
	}
	g.ask(g.vendor, http.MethodPost, objects, body(large)).want(202)
}
