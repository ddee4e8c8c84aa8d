package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
)

// running is a gateway that serves in this process.
type running struct {
	*gateway
	base  string // URL
	stop  context.CancelFunc
	ended chan error
}

func runGateway(t *testing.T) *running {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "gateway")
	if err := createGateway(t.Context(), dir, initOptions{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	return serveGateway(t, dir, gatewayOptions{})
}

// serveGateway serves the gateway in dir within this process.
func serveGateway(t *testing.T, dir string, o gatewayOptions) *running {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(looksAt(t), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	g, err := openGateway(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	l, err := g.listen()
	if err != nil {
		g.Close()
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{gateway: g, stop: stop, ended: make(chan error, 1)}
	ready := make(chan string, 1)
	go func() {
		r.ended <- g.serve(ctx, l, func(url string) { ready <- url })
		close(served)
	}()
	t.Cleanup(func() { // it writes to its directory until it is done
		stop()
		<-served
		g.Close()
		noSecrets(t, dir)
	})
	select {
	case r.base = <-ready:
	case err := <-r.ended:
		t.Fatal(err)
	}
	return r
}

// secret makes a vendor with one collection and gives its secret.
func (r *running) secret(t *testing.T) (secret string) {
	t.Helper()
	token := auth.NewInvitation()
	text, row := r.vault.NewSecret(time.Now())
	if err := r.registry.Apply(t.Context(), "test",
		collections.CreateOperation{ID: "secure", Title: "S", Countries: []string{"VN"}},
		collections.Access(auth.CreatePartner{ID: "acme", Role: auth.Vendor, Name: "A"}),
		collections.Access(auth.Invite{Partner: "acme", Token: token, TTL: time.Hour}),
		collections.Access(auth.Join{Token: token, Client: "acme_1", Secret: row}),
	); err != nil {
		t.Fatal(err)
	}
	vn, _ := r.registry.State().Find("secure", "vn")
	if err := r.registry.Apply(t.Context(), "test", collections.Access(auth.SetGrant{Grant: auth.Grant{
		Partner: "acme", Operation: "secure", Collection: vn.ID, Rights: auth.Rights{Read: true, Write: true},
	}})); err != nil {
		t.Fatal(err)
	}
	return text
}

func (r *running) https() *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(r.authority.Root())
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ExpectContinueTimeout: patience}}
}

const envelope = `{"objects":[{"type":"identity","spec_version":"2.1","id":"identity--6f0b2a52-6c0a-4d0e-8a5e-3a1f0d1c2b3a",` +
	`"created":"2026-01-05T10:00:00.000Z","modified":"2026-01-05T10:00:00.000Z","name":"A","identity_class":"group",` +
	`"object_marking_refs":["marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"]}]}`

// TestStop tells a gateway to stop in the middle of a publication: nobody else gets in, and what was
// begun is finished, answered and kept.
func TestStop(t *testing.T) {
	r := runGateway(t)
	secret := r.secret(t)
	body, rest := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+"/secure/collections/vn/objects/", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Content-Type", "application/taxii+json;version=2.1")
	req.Header.Set("Accept", "application/taxii+json;version=2.1")
	req.Header.Set("Expect", "100-continue") // so that the body begins when the gateway reads it
	type answer struct {
		status int
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		resp, err := r.https().Do(req)
		if err != nil {
			answered <- answer{err: err}
			return
		}
		resp.Body.Close()
		answered <- answer{status: resp.StatusCode}
	}()
	if _, err := io.WriteString(rest, envelope[:100]); err != nil {
		t.Fatal(err)
	}
	r.stop()
	address := strings.TrimPrefix(r.base, "https://")
	for deadline := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		c.Close()
		if time.Now().After(deadline) {
			t.Fatal("the gateway still accepts connections")
		}
		<-time.After(5 * time.Millisecond)
	}
	select {
	case err := <-r.ended:
		t.Fatalf("the gateway did not wait for the publication: %v", err)
	case a := <-answered:
		t.Fatalf("answered before the body was there: %v", a)
	default:
	}
	if _, err := io.WriteString(rest, envelope[100:]); err != nil {
		t.Fatal(err)
	}
	rest.Close()
	if a := <-answered; a.err != nil || a.status != http.StatusAccepted {
		t.Errorf("the publication was answered with %d, %v", a.status, a.err)
	}
	if err := <-r.ended; err != nil {
		t.Errorf("serve ended with %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := openGateway(t.Context(), r.dir, gatewayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	kinds := map[string]int{}
	for e, err := range again.store.Journal(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		kinds[e.Line.Kind]++
	}
	if kinds["publish"] != 1 || kinds["gap"] != 0 {
		t.Errorf("the journal has %v", kinds)
	}
	if _, err := again.store.VerifyJournal(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRenewal moves the clock over the years: the gateway's certificate is new before it ends, and the
// issuers' too, under the same root.
func TestRenewal(t *testing.T) {
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	dir := filepath.Join(t.TempDir(), "gateway")
	if err := createGateway(t.Context(), dir, initOptions{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	g, err := openGateway(t.Context(), dir, gatewayOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	first, err := g.certificates()
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	last := first[0].Leaf
	for _, days := range []int{100, 360, 380, 800, 1000, 1500} {
		ahead.Store(int64(time.Duration(days) * day))
		if _, err := g.authority.Renew(renewIssuer); err != nil {
			t.Fatal(err)
		}
		list, err := g.certificates()
		if err != nil {
			t.Fatal(err)
		}
		leaf := list[0].Leaf
		if due := last.NotAfter.Before(now().Add(renewServer)); due != (leaf.SerialNumber.Cmp(last.SerialNumber) != 0) {
			t.Errorf("after %d days: due is %v, and the certificate ends %s", days, due, leaf.NotAfter)
		}
		issuers, roots := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(g.authority.Root())
		for _, der := range list[0].Certificate[1:] {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			issuers.AddCert(c)
		}
		_, err = leaf.Verify(x509.VerifyOptions{
			DNSName: "localhost", Roots: roots, Intermediates: issuers, CurrentTime: now().Add(renewServer - day),
		})
		if err != nil {
			t.Errorf("after %d days: %v", days, err)
		}
		last = leaf
	}
}

// TestStart refuses to start over what another gateway needs, and leaves nothing running.
func TestStart(t *testing.T) {
	r := runGateway(t)
	if _, err := openGateway(t.Context(), r.dir, gatewayOptions{}); err == nil {
		t.Error("opened a gateway that runs")
	}
	if err := createGateway(t.Context(), r.dir, initOptions{}); err == nil {
		t.Error("made a gateway over one that runs")
	}
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil && !errors.Is(err, collections.ErrUnavailable) {
		t.Errorf("closed twice: %v", err)
	}
}
