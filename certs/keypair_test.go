package certs_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"liaison/certs"
)

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
	key := must[[]byte](t)(certs.MarshalKey(list[0].PrivateKey.(crypto.Signer)))
	other := must[[]byte](t)(certs.MarshalKey(list[1].PrivateKey.(crypto.Signer)))
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

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
