package certs_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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

			for range 2 {
				if l := dial(t, g.server.TLSConfig(), client); l.refused != nil || l.server.ConnectionState().DidResume {
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
		l := dial(t, g.server.TLSConfig(), client(func(c *tls.Config) { c.NextProtos = []string{"http/1.1", "h2"} }))
		if l.refused != nil {
			t.Fatal(l.refused)
		}
		cs := l.server.ConnectionState()
		if cs.Version != tls.VersionTLS13 || cs.CurveID != tls.X25519MLKEM768 || cs.NegotiatedProtocol != "h2" {
			t.Errorf("%s, %v, %s", tls.VersionName(cs.Version), cs.CurveID, cs.NegotiatedProtocol)
		}
	})
	t.Run("http/1.1 alone", func(t *testing.T) {
		s := certs.NewServer(certs.ServerOptions{Authority: g.Authority, NextProtos: []string{"http/1.1"},
			Certificates: must[[]tls.Certificate](t)(g.ServerCertificates([]string{host}, 0))})
		l := dial(t, s.TLSConfig(), client(func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }))
		if p := l.server.ConnectionState().NegotiatedProtocol; l.refused != nil || p != "http/1.1" {
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

func TestServerCertificates(t *testing.T) {
	a, _ := authority(t, host)
	list := must[[]tls.Certificate](t)(a.ServerCertificates([]string{"GW.example:8443", "localhost", "127.0.0.1", "::1", "[2001:db8::1]:8443"}, 0))
	if len(list) != 2 {
		t.Fatalf("%d certificates", len(list))
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.Root())
	between.AddCert(parse(t, list[0].Certificate[1]))
	for i, algorithm := range []x509.PublicKeyAlgorithm{x509.ECDSA, x509.RSA} {
		c := list[i].Leaf
		if c.PublicKeyAlgorithm != algorithm || certs.ChainFingerprint(list[i]) != a.Fingerprint() {
			t.Errorf("certificate %d: %v, last of chain %s", i, c.PublicKeyAlgorithm, certs.ChainFingerprint(list[i]))
		}
		for _, name := range []string{host, "localhost", "127.0.0.1", "::1", "[2001:db8::1]"} {
			if _, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name}); err != nil {
				t.Error(err)
			}
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
			t.Error("good for clients too")
		}
	}
	for _, names := range [][]string{nil, {""}, {"a b"}, {"gw.example", "*"}} {
		if _, err := a.ServerCertificates(names, 0); !errors.Is(err, certs.ErrHost) {
			t.Errorf("names %q: %v", names, err)
		}
	}
	for _, life := range []time.Duration{-1, certs.MaxServerLife + 1} {
		if _, err := a.ServerCertificates([]string{host}, life); !errors.Is(err, certs.ErrValidity) {
			t.Errorf("life %v: %v", life, err)
		}
	}
	if certs.ChainFingerprint(tls.Certificate{}) != "" {
		t.Error("fingerprint of nothing")
	}
}

func TestWriteAndLoadServer(t *testing.T) {
	a, _ := authority(t, host)
	dir := filepath.Join(t.TempDir(), "tls")
	if _, err := certs.LoadServer(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loading from nowhere: %v", err)
	}
	for range 2 { // the second replaces the first
		list := must[[]tls.Certificate](t)(a.ServerCertificates([]string{host}, 0))
		if err := certs.WriteServer(dir, list); err != nil {
			t.Fatal(err)
		}
		got := must[[]tls.Certificate](t)(certs.LoadServer(dir))
		for i := range list {
			if !slices.EqualFunc(list[i].Certificate, got[i].Certificate, bytes.Equal) {
				t.Errorf("certificate %d is another", i)
			}
			if err := certs.Usable(&got[i], time.Now()); err != nil {
				t.Error(err)
			}
		}
	}
	if entries := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(entries) != 2 {
		t.Errorf("files %v", entries)
	}
	name := filepath.Join(dir, "rsa.pem")
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.LoadServer(dir); !errors.Is(err, certs.ErrPermissions) {
		t.Errorf("open to others: %v", err)
	}
	if err := errors.Join(os.Chmod(name, 0o600), os.Truncate(name, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.LoadServer(dir); !errors.Is(err, certs.ErrCertificate) || !strings.Contains(err.Error(), name) {
		t.Errorf("half-written: %v", err)
	}
	if err := errors.Join(os.Remove(name), os.Remove(filepath.Join(dir, "ecdsa.pem"))); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.LoadServer(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loading from an empty directory: %v", err)
	}
}

func TestThreat28KeyPairFiles(t *testing.T) {
	a, _ := authority(t, host)
	list := must[[]tls.Certificate](t)(a.ServerCertificates([]string{host}, 0))
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	var chain []byte
	for _, c := range list[0].Certificate {
		chain = append(chain, pemBlock("CERTIFICATE", c)...)
	}
	key := must[[]byte](t)(certs.MarshalKey(list[0].PrivateKey.(signer)))
	other := must[[]byte](t)(certs.MarshalKey(list[1].PrivateKey.(signer)))
	good, goodKey := file("chain.pem", chain), file("key.pem", key)
	got := must[tls.Certificate](t)(certs.LoadKeyPair(good, goodKey))
	if certs.ChainFingerprint(got) != a.Fingerprint() || certs.Usable(&got, time.Now()) != nil {
		t.Error("loaded something else")
	}
	for _, tt := range []struct {
		name, cert, key string
		says            []string
	}{
		{"no certificate file", filepath.Join(dir, "none.pem"), goodKey, []string{"none.pem", "no such file"}},
		{"no key file", good, filepath.Join(dir, "none.key"), []string{"none.key", "no such file"}},
		{"empty", file("empty.pem", nil), goodKey, []string{"empty.pem", "no PEM block"}},
		{"half-written leaf", file("half.pem", chain[:300]), goodKey, []string{"half.pem", "no PEM block"}},
		{"damaged issuer", file("damaged.pem", append(chain[:len(chain):len(chain)], pemBlock("CERTIFICATE", []byte("x"))...)), goodKey, []string{"damaged.pem", "certificate 4"}},
		{"half-written key", good, file("half.key", key[:80]), []string{"half.key", "no PEM private key"}},
		{"key under a passphrase", good, file("enc.key", pemBlock("ENCRYPTED PRIVATE KEY", []byte("x"))), []string{"enc.key", "passphrase"}},
		{"another's key", good, file("other.key", other), []string{"chain.pem", "other.key"}},
		{"exchanged", goodKey, good, []string{"key.pem", "no PEM block"}},
		{"too large", file("large.pem", make([]byte, 2<<20)), goodKey, []string{"large.pem", "over"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := certs.LoadKeyPair(tt.cert, tt.key)
			if err == nil {
				t.Fatal("loaded")
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

func TestPinned(t *testing.T) {
	g := newGateway(t)
	mallory := newGateway(t) // another authority for the same name
	short := must[[]tls.Certificate](t)(g.ServerCertificates([]string{host}, 0))
	for i := range short {
		short[i].Certificate = short[i].Certificate[:2]
	}
	// The right root sent along with a chain that is another's.
	pasted := must[[]tls.Certificate](t)(mallory.ServerCertificates([]string{host}, 0))
	for i := range pasted {
		pasted[i].Certificate = append(pasted[i].Certificate[:2:2], g.Root().Raw)
	}
	issued, key := newClient(t, g.Authority, acme, 0)
	asClient := []tls.Certificate{{Certificate: [][]byte{issued.DER, g.ClientIssuer().Raw, g.Root().Raw}, PrivateKey: key}}
	serve := func(list []tls.Certificate) *tls.Config {
		return certs.NewServer(certs.ServerOptions{Certificates: list}).TLSConfig()
	}
	fp := g.Fingerprint()
	self := hand(t, func() *x509.Certificate {
		c := leafTemplate(t)
		c.DNSNames, c.ExtKeyUsage = []string{host}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		return c
	}(), certs.Issuer{})
	alone := []tls.Certificate{{Certificate: [][]byte{self.Certificate.Raw}, PrivateKey: self.Key}}
	for _, tt := range []struct {
		name        string
		server      *tls.Config
		host        string
		fingerprint string
		ok          bool
	}{
		{"the gateway", g.server.TLSConfig(), host, fp, true},
		{"by URL host", g.server.TLSConfig(), "gw.example:8443", fp, true},
		{"by address", g.server.TLSConfig(), "127.0.0.1", fp, true},
		{"with the algorithm", g.server.TLSConfig(), host, "sha256:" + fp, true},
		{"capitals", g.server.TLSConfig(), host, strings.ToUpper(fp), true},
		{"its last certificate is an issuer", serve(short), host, certs.ChainFingerprint(short[0]), true},
		{"one certificate that signs itself", serve(alone), host, certs.ChainFingerprint(alone[0]), true},
		{"another name", g.server.TLSConfig(), "other.example", fp, false},
		{"another address", g.server.TLSConfig(), "127.0.0.2", fp, false},
		{"no name", g.server.TLSConfig(), "", fp, false},
		{"another root", mallory.server.TLSConfig(), host, fp, false},
		{"the right root pasted on", serve(pasted), host, fp, false},
		{"the root missing", serve(short), host, fp, false},
		{"a client of the gateway", serve(asClient), host, fp, false},
		{"no fingerprint", g.server.TLSConfig(), host, "", false},
		{"half a fingerprint", g.server.TLSConfig(), host, fp[:32], false},
		{"not hexadecimal", g.server.TLSConfig(), host, strings.Repeat("g", 64), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := dial(t, tt.server, certs.PinnedConfig(tt.host, tt.fingerprint))
			if tt.ok != (l.failed == nil) {
				t.Errorf("client %v", l.failed)
			}
			if tt.ok {
				root, err := certs.RootOf(l.client.ConnectionState(), tt.fingerprint)
				if err != nil {
					t.Fatal(err)
				}
				sum := sha256.Sum256(root.Raw)
				if !strings.EqualFold("sha256:"+hex.EncodeToString(sum[:]), "sha256:"+strings.TrimPrefix(tt.fingerprint, "sha256:")) {
					t.Error("another root than was named")
				}
			} else if _, wrongHost := errors.AsType[x509.HostnameError](l.failed); !errors.Is(l.failed, certs.ErrPin) && !errors.Is(l.failed, certs.ErrHost) && !wrongHost {
				t.Errorf("failed with %v", l.failed)
			}
		})
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
