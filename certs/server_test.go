package certs_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"liaison/certs"
)

func TestThreat25Revocation(t *testing.T) {
	g := newGateway(t)
	issued, key := newClient(t, g.Authority, acme, 0)
	client := g.client(key, issued.DER)
	live := dial(t, g.server.TLSConfig(), client)
	if live.refused != nil {
		t.Fatal(live.refused)
	}
	cs := live.server.ConnectionState()
	if who, _, err := g.server.Peer(&cs); who != acme || err != nil {
		t.Fatalf("before: %v, %v", who, err)
	}
	g.revoked[issued.Serial] = true

	t.Run("live connection", func(t *testing.T) {
		if who, c, err := g.server.Peer(&cs); who != (certs.Subject{}) || c != nil || !errors.Is(err, certs.ErrRevoked) {
			t.Errorf("%v, %v", who, err)
		}
	})
	t.Run("new connection", func(t *testing.T) {
		if l := dial(t, g.server.TLSConfig(), client); !errors.Is(l.refused, certs.ErrRevoked) || l.failed == nil {
			t.Errorf("server %v, client %v", l.refused, l.failed)
		}
	})
	t.Run("without its certificate", func(t *testing.T) {
		if l := dial(t, g.server.TLSConfig(), g.client(nil)); l.refused != nil {
			t.Error(l.refused)
		}
	})
}

// The server gives no tickets; should it ever, a resumed session is held to the same as a new one.
func TestThreat25Resumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			g := newGateway(t)
			issued, key := newClient(t, g.Authority, acme, 0)
			client := g.client(key, issued.DER)
			client.MaxVersion = version
			client.ClientSessionCache = tls.NewLRUClientSessionCache(8)

			config := g.server.TLSConfig()
			for range 3 {
				if l := dial(t, config, client); l.refused != nil || l.server.ConnectionState().DidResume {
					t.Fatalf("resumed %v, %v", l.server.ConnectionState().DidResume, l.refused)
				}
			}

			tickets := g.server.TLSConfig()
			tickets.GetConfigForClient = nil
			tickets.SessionTicketsDisabled = false
			dial(t, tickets, client)
			l := dial(t, tickets, client)
			if l.refused != nil || !l.server.ConnectionState().DidResume {
				t.Fatalf("resumed %v, %v", l.server.ConnectionState().DidResume, l.refused)
			}
			g.revoked[issued.Serial] = true
			if l := dial(t, tickets, client); !l.server.ConnectionState().DidResume || !errors.Is(l.refused, certs.ErrRevoked) {
				t.Errorf("resumed %v, refused with %v", l.server.ConnectionState().DidResume, l.refused)
			}
			// A session that was begun before a certificate ended does not outlive it.
			delete(g.revoked, issued.Serial)
			g.Now = func() time.Time { return issued.NotAfter.Add(time.Second) }
			if l := dial(t, tickets, client); l.refused == nil {
				t.Error("resumed with a certificate that has ended")
			}
			// Nor does one pass to a gateway with another authority.
			other := newGateway(t)
			foreign := other.server.TLSConfig()
			cs := l.server.ConnectionState()
			if err := foreign.VerifyConnection(cs); err == nil {
				t.Error("another gateway took the session")
			}
		})
	}
}

func TestPeerOnLiveConnections(t *testing.T) {
	g := newGateway(t)
	issued, key := newClient(t, g.Authority, acme, time.Hour)
	l := dial(t, g.server.TLSConfig(), g.client(key, issued.DER))
	if l.refused != nil {
		t.Fatal(l.refused)
	}
	cs := l.server.ConnectionState()
	g.Now = func() time.Time { return issued.NotAfter.Add(time.Second) }
	if _, _, err := g.server.Peer(&cs); !errors.Is(err, certs.ErrIdentity) {
		t.Errorf("a certificate that ended meanwhile: %v", err)
	}
	g.Now = time.Now
	cs.VerifiedChains = nil
	if _, _, err := g.server.Peer(&cs); !errors.Is(err, certs.ErrIdentity) {
		t.Errorf("a chain nobody verified: %v", err)
	}
	if _, c, err := g.server.Peer(nil); c != nil || err != nil {
		t.Errorf("no TLS: %v, %v", c, err)
	}
}

func TestThreat28Reload(t *testing.T) {
	var log bytes.Buffer
	a, _ := authority(t, host)
	first := must[[]tls.Certificate](t)(a.ServerCertificates([]string{host}, 0))
	s := certs.NewServer(certs.ServerOptions{Certificates: first, Authority: a, Log: slog.New(slog.NewTextHandler(&log, nil))})
	config := s.TLSConfig()
	served := func() string {
		l := dial(t, config, certs.PinnedConfig(host, a.Fingerprint()))
		if l.failed != nil {
			t.Fatal(l.failed)
		}
		return l.client.ConnectionState().PeerCertificates[0].SerialNumber.Text(16)
	}
	serial := func(list []tls.Certificate) string { return list[0].Leaf.SerialNumber.Text(16) }
	if served() != serial(first) {
		t.Fatal("serves another certificate")
	}
	second := must[[]tls.Certificate](t)(a.ServerCertificates([]string{host}, 0))
	issued, key := newClient(t, a, acme, 0)
	madeAt := func(d time.Duration) []tls.Certificate {
		a.Now = func() time.Time { return time.Now().Add(d) }
		defer func() { a.Now = time.Now }()
		return must[[]tls.Certificate](t)(a.ServerCertificates([]string{host}, time.Minute))
	}
	expired, early := madeAt(-2*time.Minute), madeAt(time.Hour)
	for name, list := range map[string][]tls.Certificate{
		"none":             nil,
		"no leaf":          {{PrivateKey: second[0].PrivateKey}},
		"no key":           {{Certificate: second[0].Certificate}},
		"half a leaf":      {{Certificate: [][]byte{second[0].Certificate[0][:200]}, PrivateKey: second[0].PrivateKey}},
		"another's key":    {{Certificate: second[0].Certificate, PrivateKey: first[0].PrivateKey}},
		"expired":          expired,
		"not yet valid":    early,
		"for clients":      {{Certificate: [][]byte{issued.DER}, PrivateKey: key}},
		"second one wrong": {second[0], {Certificate: second[1].Certificate, PrivateKey: second[0].PrivateKey}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Reload(list); !errors.Is(err, certs.ErrCertificate) {
				t.Errorf("got %v, want ErrCertificate", err)
			}
			if served() != serial(first) {
				t.Error("the old certificate is gone")
			}
		})
	}
	if log.Len() > 0 {
		t.Errorf("logged what the caller has to handle: %s", &log)
	}
	if err := s.Reload(second); err != nil {
		t.Fatal(err)
	}
	if served() != serial(second) {
		t.Error("serves the old certificate")
	}
	log.Reset()
	certs.NewServer(certs.ServerOptions{Certificates: expired, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("a start with an expired certificate says %q", &log)
	}
}

// Handshakes, reloads and renewals at the same time.
func TestReloadUnderLoad(t *testing.T) {
	g := newGateway(t)
	issued, key := newClient(t, g.Authority, acme, 0)
	lists := [][]tls.Certificate{
		must[[]tls.Certificate](t)(g.ServerCertificates([]string{host}, 0)),
		must[[]tls.Certificate](t)(g.ServerCertificates([]string{host}, 0)),
	}
	config := g.server.TLSConfig()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 20 {
			if err := g.server.Reload(lists[i%2]); err != nil {
				t.Error(err)
			}
			if _, err := g.Renew(4 * 365 * 24 * time.Hour); err != nil {
				t.Error(err)
			}
		}
	})
	for range 30 {
		if l := dial(t, config, g.client(key, issued.DER)); l.refused != nil || l.failed != nil {
			t.Errorf("server %v, client %v", l.refused, l.failed)
		}
	}
	wg.Wait()
	// A certificate from the renewed issuer is known to the running server.
	issued, key = newClient(t, g.Authority, acme, 0)
	if l := dial(t, config, g.client(key, issued.DER, g.ClientIssuer().Raw)); l.refused != nil {
		t.Error(l.refused)
	}
}

func TestThreat29Versions(t *testing.T) {
	g := newGateway(t)
	weak := []uint16{}
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		aead := strings.Contains(c.Name, "_GCM_") || strings.Contains(c.Name, "CHACHA20")
		if !(strings.Contains(c.Name, "_ECDHE_") && aead) && slices.Contains(c.SupportedVersions, tls.VersionTLS12) {
			weak = append(weak, c.ID)
		}
	}
	if len(weak) < 10 {
		t.Fatalf("only %d weak suites known", len(weak))
	}
	// The suites alone would keep older versions out; the bound must not hang on them.
	if v := g.server.TLSConfig().MinVersion; v != tls.VersionTLS12 {
		t.Errorf("begins with %s", tls.VersionName(v))
	}
	client := func(f func(c *tls.Config)) *tls.Config {
		c := certs.PinnedConfig(host, g.Fingerprint())
		f(c)
		return c
	}
	for name, c := range map[string]*tls.Config{
		"TLS 1.0": client(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }),
		"TLS 1.1": client(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }),
		"CBC, 3DES, RC4 and static RSA": client(func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, weak
		}),
		"unknown protocol": client(func(c *tls.Config) { c.NextProtos = []string{"spdy/3"} }),
	} {
		t.Run(name, func(t *testing.T) {
			if l := dial(t, g.server.TLSConfig(), c); l.refused == nil {
				t.Errorf("let in with %s", tls.CipherSuiteName(l.server.ConnectionState().CipherSuite))
			}
		})
	}
	for _, id := range []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	} {
		t.Run(tls.CipherSuiteName(id), func(t *testing.T) {
			l := dial(t, g.server.TLSConfig(), client(func(c *tls.Config) {
				c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{id}
			}))
			if l.refused != nil || l.server.ConnectionState().CipherSuite != id {
				t.Errorf("refused: %v", l.refused)
			}
		})
	}
	t.Run("TLS 1.3", func(t *testing.T) {
		l := dial(t, g.server.TLSConfig(), client(func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }))
		if l.refused != nil {
			t.Fatal(l.refused)
		}
		cs := l.server.ConnectionState()
		if cs.Version != tls.VersionTLS13 || cs.CurveID != tls.X25519MLKEM768 || cs.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%s, %v, %s", tls.VersionName(cs.Version), cs.CurveID, cs.NegotiatedProtocol)
		}
	})
	t.Run("other protocols", func(t *testing.T) {
		s := certs.NewServer(certs.ServerOptions{Authority: g.Authority, NextProtos: []string{"h2", "http/1.1"},
			Certificates: must[[]tls.Certificate](t)(g.ServerCertificates([]string{host}, 0))})
		l := dial(t, s.TLSConfig(), client(func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }))
		if p := l.server.ConnectionState().NegotiatedProtocol; l.refused != nil || p != "h2" {
			t.Errorf("%q, %v", p, l.refused)
		}
	})
}

func TestServerWithoutAuthority(t *testing.T) {
	g := newGateway(t)
	s := certs.NewServer(certs.ServerOptions{Certificates: must[[]tls.Certificate](t)(g.ServerCertificates([]string{host}, 0))})
	issued, key := newClient(t, g.Authority, acme, 0)
	l := dial(t, s.TLSConfig(), g.client(key, issued.DER))
	if cs := l.server.ConnectionState(); l.refused != nil || len(cs.PeerCertificates) > 0 {
		t.Errorf("%v, %d certificates", l.refused, len(cs.PeerCertificates))
	}
}

func BenchmarkPeer(b *testing.B) {
	g := newGateway(b)
	issued, key := newClient(b, g.Authority, acme, 0)
	l := dial(b, g.server.TLSConfig(), g.client(key, issued.DER))
	cs := l.server.ConnectionState()
	for b.Loop() {
		if _, _, err := g.server.Peer(&cs); err != nil {
			b.Fatal(err)
		}
	}
}
