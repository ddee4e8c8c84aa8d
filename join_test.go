package main

import (
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"liaison/auth"
	"liaison/server/admin"
	"liaison/server/client"
)

// TestJoinGoesOn loses every answer of a join: the keys stay beside the directory, and the same command
// goes on with them. Another invitation does not.
func TestJoinGoesOn(t *testing.T) {
	t.Parallel() // it waits before it asks again
	lossy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "gateway")
	if err := createGateway(t.Context(), dir, initOptions{Listen: "127.0.0.1:0", URL: "https://localhost:" + portOf(t, lossy)}); err != nil {
		t.Fatal(err)
	}
	r := serveGateway(t, dir, gatewayOptions{})
	target, err := url.Parse(r.base)
	if err != nil {
		t.Fatal(err)
	}
	var losing atomic.Bool
	go relay(lossy, "localhost:"+target.Port(), &losing)
	t.Cleanup(func() { lossy.Close() })

	if _, err := r.client().CreatePartner(t.Context(), admin.NewPartner{ID: "acme", Role: auth.Vendor, Name: "A"}); err != nil {
		t.Fatal(err)
	}
	v, err := r.client().Invite(t.Context(), "acme", admin.NewInvitation{})
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "acme")
	losing.Store(true)
	if _, err := joinWith(t.Context(), v.URL, out, true); !errors.Is(err, client.ErrLost) || !strings.Contains(err.Error(), "again within ten minutes") {
		t.Fatalf("all answers lost: %v", err)
	}
	if got := r.registry.State().Access.Partners["acme"].Clients; got != 1 {
		t.Fatalf("the gateway made %d clients, want one", got)
	}
	key, err := os.ReadFile(filepath.Join(out+".joining", client.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	losing.Store(false)
	a, err := joinWith(t.Context(), v.URL, out, true)
	if err != nil || a.ClientID != "acme_1" {
		t.Fatalf("again: %+v, %v", a, err)
	}
	if now, err := os.ReadFile(filepath.Join(out, client.KeyFile)); err != nil || string(now) != string(key) {
		t.Errorf("the key is another: %v", err)
	}
	if _, err := os.Stat(filepath.Join(out, joinFor)); err == nil {
		t.Errorf("%s is left in the directory", joinFor)
	}
	c, err := partnerClient(out)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Token(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := joinWith(t.Context(), v.URL, out+"2", true); err == nil || !strings.Contains(err.Error(), "ask the operator") {
		t.Errorf("another key: %v", err)
	}
}

func portOf(t *testing.T, l net.Listener) string {
	t.Helper()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// relay passes connections on, and while it loses answers ends each connection at the first one that
// comes after the handshake.
func relay(l net.Listener, to string, losing *atomic.Bool) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer out.Close()
			var shaken atomic.Bool // the server has said something
			var sent atomic.Int64  // by the caller after that
			go func() {
				buf := make([]byte, 32<<10)
				for {
					n, err := in.Read(buf)
					if n > 0 {
						if shaken.Load() {
							sent.Add(int64(n))
						}
						out.Write(buf[:n])
					}
					if err != nil {
						out.Close()
						return
					}
				}
			}()
			buf := make([]byte, 32<<10)
			for {
				n, err := out.Read(buf)
				// What ends the handshake has under 200 bytes, a request has more.
				if err != nil || losing.Load() && sent.Load() > 200 {
					return
				}
				shaken.Store(true)
				in.Write(buf[:n])
			}
		}()
	}
}
