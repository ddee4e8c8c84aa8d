package server_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	"liaison/certs"
	"liaison/server"
	"liaison/server/taxii"
)

// kernel counts the writes that reach it, and refuses them after so many bytes.
type kernel struct {
	net.Listener
	writes, bytes atomic.Int64
	most          atomic.Int64 // 0: as many as come
}

type kernelConn struct {
	net.Conn
	k *kernel
}

var errBroken = errors.New("the peer is gone")

func (k *kernel) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return kernelConn{c, k}, nil
}

func (c kernelConn) Write(b []byte) (int, error) {
	c.k.writes.Add(1)
	if n, most := c.k.bytes.Add(int64(len(b))), c.k.most.Load(); most > 0 && n > most {
		c.Conn.Close()
		return 0, errBroken
	}
	return c.Conn.Write(b)
}

// before11 asks as clients of HTTP/1.0 do, to whom an answer ends with its connection.
func before11(t *testing.T, g *gateway, path string) string {
	t.Helper()
	c, err := tls.Dial("tcp", g.url[len("https://"):], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := http.NewRequest(http.MethodGet, g.url+path, nil)
	g.ok(err)
	r.SetBasicAuth(string(g.vn.id), g.vn.secret)
	fmt.Fprintf(c, "GET %s HTTP/1.0\r\nAuthorization: %s\r\nAccept: %s\r\n\r\n", path, r.Header.Get("Authorization"), taxii.MediaType)
	resp, err := http.ReadResponse(bufio.NewReader(c), r)
	g.ok(err)
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("%s, close %v, %v", resp.Status, resp.Close, err)
	}
	return string(body)
}

// TestGather: an answer of many records of TLS reaches the kernel in few writes, and as it is.
func TestGather(t *testing.T) {
	g := open(t)
	g.filled(rand.New(rand.NewPCG(5, 5)), "vn", 330, 2000)
	const path = "/secure/collections/vn/objects/"
	want := string(g.get(g.vn, path).want(200).body)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	g.ok(err)
	k := &kernel{Listener: l}
	m, err := made()
	g.ok(err)
	h := g.server.HTTP()
	done := make(chan error, 1)
	go func() {
		done <- h.Serve(tls.NewListener(server.Gather(k), certs.NewServer(certs.ServerOptions{Certificates: m.list, Authority: g.ca}).TLSConfig()))
	}()
	t.Cleanup(func() {
		h.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	direct := g.url
	g.url = "https://localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	ask := func() string {
		return string(g.get(g.vn, path, func(r *http.Request) { r.Host = direct[len("https://"):] }).want(200).body)
	}
	if ask() != want { // and the connection is there
		t.Error("another page")
	}
	k.writes.Store(0)
	k.bytes.Store(0)
	if ask() != want {
		t.Error("another page")
	}
	// Seven runs of 64 KiB, two in a part, and a part goes in two writes: the last one in one write with
	// the chunk that ends the answer.
	if n, most := k.writes.Load(), int64(len(want)/(64<<10)); n > most {
		t.Errorf("%d bytes in %d writes, want %d at most", k.bytes.Load(), n, most)
	}
	if body := before11(t, g, path); body != want {
		t.Errorf("%d bytes before HTTP/1.1, want %d", len(body), len(want))
	}

	// What the kernel does not take is an error of the answer: it is cut off.
	k.bytes.Store(0)
	k.most.Store(int64(len(want) / 2))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+path, nil)
	g.ok(err)
	r.Host = direct[len("https://"):]
	r.SetBasicAuth(string(g.vn.id), g.vn.secret)
	resp, err := g.client.Do(r)
	if err == nil {
		defer resp.Body.Close()
		buf := make([]byte, 2*len(want))
		n := 0
		for err == nil {
			var m int
			m, err = resp.Body.Read(buf[n:])
			n += m
		}
		if n >= len(want) || err.Error() == "EOF" {
			t.Errorf("%d of %d bytes, then %v: want it cut off", n, len(want), err)
		}
	}
	if k.bytes.Load() <= k.most.Load() {
		t.Errorf("%d bytes written: nothing was refused", k.bytes.Load())
	}
}
