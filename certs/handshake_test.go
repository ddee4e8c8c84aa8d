package certs_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"liaison/certs"
)

// link is a connection over a socket, seen from both sides.
type link struct {
	client, server *tls.Conn
	refused        error // the server's view of the handshake
	failed         error // the client's, up to the first byte from the server
}

// dial joins two configurations over 127.0.0.1.
func dial(t testing.TB, server, client *tls.Config) link {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	deadline := time.Now().Add(20 * time.Second)
	raw := must[net.Conn](t)(net.Dial("tcp", l.Addr().String()))
	out := link{client: tls.Client(raw, client), server: tls.Server(must[net.Conn](t)(l.Accept()), server)}
	t.Cleanup(func() { out.client.Close(); out.server.Close() })
	if err := errors.Join(out.client.SetDeadline(deadline), out.server.SetDeadline(deadline)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		err := out.server.Handshake()
		if err == nil {
			_, err = out.server.Write([]byte("."))
		} else {
			out.server.Close()
		}
		done <- err
	}()
	if out.failed = out.client.Handshake(); out.failed == nil {
		_, out.failed = io.ReadFull(out.client, make([]byte, 1))
	} else {
		out.client.Close()
	}
	out.refused = <-done
	return out
}

// gateway is an authority with a server that speaks for it.
type gateway struct {
	*certs.Authority
	dir     string
	server  *certs.Server
	revoked map[string]bool
}

func newGateway(t testing.TB) *gateway {
	t.Helper()
	a, dir := authority(t, host)
	g := &gateway{Authority: a, dir: dir, revoked: map[string]bool{}}
	g.server = certs.NewServer(certs.ServerOptions{
		Certificates: must[[]tls.Certificate](t)(a.ServerCertificates([]string{host, "127.0.0.1"}, 0)),
		Authority:    a,
		Revoked:      func(serial string, s certs.Subject) bool { return g.revoked[serial] },
	})
	return g
}

// client gives a client's configuration with a chain, none when empty. It sends the chain whatever
// authorities the server asks for.
func (g *gateway) client(key crypto.Signer, chain ...[]byte) *tls.Config {
	c := certs.PinnedConfig(host, g.Fingerprint())
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: chain, PrivateKey: key}, nil
	}
	return c
}

func (g *gateway) issuer(t testing.TB) certs.Issuer {
	return certs.Issuer{Certificate: g.ClientIssuer(), Key: caKey(t, g.dir, "client.key")}
}

// hand makes a certificate from any template, signed by anybody, with a key of its own.
func hand(t testing.TB, tmpl *x509.Certificate, by certs.Issuer) certs.Issuer {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	return certs.Issuer{Certificate: handFor(t, tmpl, by, key), Key: key}
}

func handFor(t testing.TB, tmpl *x509.Certificate, by certs.Issuer, key crypto.Signer) *x509.Certificate {
	t.Helper()
	if by.Key == nil {
		by = certs.Issuer{Certificate: tmpl, Key: key}
	}
	return parse(t, must[[]byte](t)(x509.CreateCertificate(rand.Reader, tmpl, by.Certificate, key.Public(), by.Key)))
}

// leafTemplate is a proper client certificate; tests spoil it.
func leafTemplate(t testing.TB, uris ...string) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: must[*big.Int](t)(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))),
		Subject:      pkix.Name{CommonName: "acme_1"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, u := range uris {
		c.URIs = append(c.URIs, must[*url.URL](t)(url.Parse(u)))
	}
	return c
}

func caTemplate(t testing.TB, name string, pathLen int) *x509.Certificate {
	c := leafTemplate(t)
	c.Subject = pkix.Name{CommonName: name}
	c.KeyUsage = x509.KeyUsageCertSign
	c.IsCA, c.BasicConstraintsValid = true, true
	c.MaxPathLen, c.MaxPathLenZero = pathLen, pathLen == 0
	return c
}

func TestHandshake(t *testing.T) {
	g := newGateway(t)
	issued, key := newClient(t, g.Authority, acme, 0)
	for name, tt := range map[string]struct {
		config *tls.Config
		want   certs.Subject
	}{
		"without certificate":          {g.client(nil), certs.Subject{}},
		"with certificate":             {g.client(key, issued.DER), acme},
		"with certificate and issuer":  {g.client(key, issued.DER, g.ClientIssuer().Raw), acme},
		"with the whole chain":         {g.client(key, issued.DER, g.ClientIssuer().Raw, g.Root().Raw), acme},
		"with 100 unrelated ones more": {g.client(key, append([][]byte{issued.DER}, many(t, 100)...)...), acme},
	} {
		t.Run(name, func(t *testing.T) {
			l := dial(t, g.server.TLSConfig(), tt.config)
			if l.refused != nil || l.failed != nil {
				t.Fatalf("server %v, client %v", l.refused, l.failed)
			}
			cs := l.server.ConnectionState()
			who, c, err := g.server.Peer(&cs)
			if err != nil || who != tt.want || (c == nil) != (tt.want == certs.Subject{}) {
				t.Errorf("peer %v, %v", who, err)
			}
		})
	}
}

// many gives certificates that have nothing to do with anything.
func many(t testing.TB, n int) (out [][]byte) {
	for range n {
		out = append(out, hand(t, caTemplate(t, "unrelated", -1), certs.Issuer{}).Certificate.Raw)
	}
	return out
}

func TestThreat23MisissuedLeaves(t *testing.T) {
	g := newGateway(t)
	const in, nobody, unverified = "let in", "names nobody", "does not verify"
	ours, uri := g.issuer(t), acme.URI(host)
	sibling := hand(t, caTemplate(t, "Sibling CA", -1), certs.Issuer{})
	twin := hand(t, func() *x509.Certificate {
		c := caTemplate(t, "", -1)
		c.RawSubject = g.ClientIssuer().RawSubject
		return c
	}(), certs.Issuer{})
	serverIssuer := certs.Issuer{Certificate: parse(t, chainOf(t, g)[1]), Key: caKey(t, g.dir, "server.key")}
	root := certs.Issuer{Certificate: g.Root(), Key: caKey(t, g.dir, "root.key")}
	spoil := func(f func(c *x509.Certificate)) *x509.Certificate {
		c := leafTemplate(t, uri)
		f(c)
		return c
	}
	names := func(values ...asn1.RawValue) func(c *x509.Certificate) {
		return func(c *x509.Certificate) {
			c.URIs = nil
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: must[[]byte](t)(asn1.Marshal(values))}}
		}
	}
	name := func(tag int, text string) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(text)}
	}
	for _, tt := range []struct {
		name string
		tmpl *x509.Certificate
		by   certs.Issuer
		want string
	}{
		{"as it should be", leafTemplate(t, uri), ours, in},
		{"as it should be, extension by hand", spoil(names(name(6, uri))), ours, in},
		{"no name", leafTemplate(t), ours, nobody},
		{"two tenants", leafTemplate(t, uri, "spiffe://gw.example/partner/mallory/client/mallory_1"), ours, nobody},
		{"the same twice", leafTemplate(t, uri, uri), ours, nobody},
		{"with an e-mail address", spoil(func(c *x509.Certificate) { c.EmailAddresses = []string{"a@gw.example"} }), ours, nobody},
		{"with a DNS name", spoil(func(c *x509.Certificate) { c.DNSNames = []string{"gw.example"} }), ours, nobody},
		{"with an address", spoil(func(c *x509.Certificate) { c.IPAddresses = []net.IP{{127, 0, 0, 1}} }), ours, nobody},
		{"a DNS name that reads like ours", spoil(names(name(2, uri))), ours, nobody},
		{"an e-mail address that reads like ours", spoil(names(name(1, uri))), ours, nobody},
		{"with a registered id", spoil(names(name(6, uri), name(8, "\x2a\x03"))), ours, nobody},
		{"with another name", spoil(names(name(6, uri), asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: []byte{6, 2, 0x2a, 3, 0xa0, 2, 5, 0}})), ours, nobody},
		{"no usage", spoil(func(c *x509.Certificate) { c.ExtKeyUsage = nil }), ours, nobody},
		{"any usage", spoil(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), ours, nobody},
		{"server usage", spoil(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), ours, nobody},
		{"both usages", spoil(func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) }), ours, nobody},
		{"an unknown usage too", spoil(func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} }), ours, nobody},
		{"no key usage", spoil(func(c *x509.Certificate) { c.KeyUsage = 0 }), ours, nobody},
		{"key agreement only", spoil(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), ours, nobody},
		{"a CA", spoil(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), ours, nobody},
		{"may sign others", spoil(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }), ours, nobody},
		{"expired", spoil(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), ours, unverified},
		{"not yet valid", spoil(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), ours, unverified},
		{"critical extension", spoil(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}), ours, unverified},
		{"another host", leafTemplate(t, acme.URI("other.example")), ours, nobody},
		{"a host below ours", leafTemplate(t, acme.URI("sub.gw.example")), ours, nobody},
		{"with a port", leafTemplate(t, "spiffe://gw.example:443/partner/acme/client/acme_1"), ours, nobody},
		{"with a user", leafTemplate(t, "spiffe://x@gw.example/partner/acme/client/acme_1"), ours, nobody},
		{"host in capitals", leafTemplate(t, "spiffe://GW.example/partner/acme/client/acme_1"), ours, nobody},
		{"scheme in capitals", spoil(names(name(6, "SPIFFE://gw.example/partner/acme/client/acme_1"))), ours, nobody},
		{"another scheme", leafTemplate(t, "https://gw.example/partner/acme/client/acme_1"), ours, nobody},
		{"urn", leafTemplate(t, "urn:partner:acme"), ours, nobody},
		{"escaped letter", spoil(names(name(6, "spiffe://gw.example/partner/%61cme/client/acme_1"))), ours, nobody},
		{"slash at the end", leafTemplate(t, uri+"/"), ours, nobody},
		{"query", leafTemplate(t, uri+"?x"), ours, nobody},
		{"fragment", leafTemplate(t, uri+"#x"), ours, nobody},
		{"no client", leafTemplate(t, "spiffe://gw.example/partner/acme"), ours, nobody},
		{"empty client", leafTemplate(t, "spiffe://gw.example/partner/acme/client/"), ours, nobody},
		{"two clients", leafTemplate(t, uri+"/client/x"), ours, nobody},
		{"dots", leafTemplate(t, "spiffe://gw.example/partner/acme/client/../x"), ours, nobody},
		{"tenant in capitals", leafTemplate(t, "spiffe://gw.example/partner/ACME/client/acme_1"), ours, nobody},
		{"from a sibling CA", leafTemplate(t, uri), sibling, unverified},
		{"from a CA of the same name", leafTemplate(t, uri), twin, unverified},
		{"from the server issuer", leafTemplate(t, uri), serverIssuer, unverified},
		{"from the root", leafTemplate(t, uri), root, unverified},
		{"signed by itself", leafTemplate(t, uri), certs.Issuer{}, unverified},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaf := hand(t, tt.tmpl, tt.by)
			chain := [][]byte{leaf.Certificate.Raw}
			if tt.by.Certificate != nil {
				chain = append(chain, tt.by.Certificate.Raw)
			}
			l := dial(t, g.server.TLSConfig(), g.client(leaf.Key, chain...))
			if got := l.refused == nil && l.failed == nil; got != (tt.want == in) {
				t.Errorf("server %v, client %v; want %s", l.refused, l.failed, tt.want)
			}
			// Identify holds the line alone, whatever the issuer's constraints would have stopped.
			_, err := certs.Identify(leaf.Certificate, host)
			if tt.want == nobody && !errors.Is(err, certs.ErrIdentity) || tt.want != nobody && err != nil {
				t.Errorf("identified with %v; want %s", err, tt.want)
			}
		})
	}
}

// chainOf gives the chain that a gateway serves.
func chainOf(t testing.TB, g *gateway) [][]byte {
	t.Helper()
	l := dial(t, g.server.TLSConfig(), g.client(nil))
	if l.failed != nil {
		t.Fatal(l.failed)
	}
	var out [][]byte
	for _, c := range l.client.ConnectionState().PeerCertificates {
		out = append(out, c.Raw)
	}
	return out
}

func TestThreat24Chains(t *testing.T) {
	uri := acme.URI(host)
	for _, tt := range []struct {
		name  string
		chain func(t *testing.T, g *gateway) (key crypto.Signer, chain [][]byte)
	}{
		{"a CA below the issuer", func(t *testing.T, g *gateway) (crypto.Signer, [][]byte) {
			sub := hand(t, caTemplate(t, "sub", -1), g.issuer(t))
			leaf := hand(t, leafTemplate(t, uri), sub)
			return leaf.Key, [][]byte{leaf.Certificate.Raw, sub.Certificate.Raw, g.ClientIssuer().Raw}
		}},
		{"signed by a client", func(t *testing.T, g *gateway) (crypto.Signer, [][]byte) {
			issued, key := newClient(t, g.Authority, acme, 0)
			leaf := hand(t, leafTemplate(t, uri), certs.Issuer{Certificate: parse(t, issued.DER), Key: key})
			return leaf.Key, [][]byte{leaf.Certificate.Raw, issued.DER, g.ClientIssuer().Raw}
		}},
		{"an expired issuer", func(t *testing.T, g *gateway) (crypto.Signer, [][]byte) {
			leaf := leafTemplate(t, uri)
			leaf.NotAfter = g.Expires().Add(1000 * time.Hour)
			made := hand(t, leaf, g.issuer(t))
			g.Now = func() time.Time { return g.Expires().Add(time.Hour) }
			return made.Key, [][]byte{made.Certificate.Raw, g.ClientIssuer().Raw}
		}},
		{"a cross-signed loop", func(t *testing.T, g *gateway) (crypto.Signer, [][]byte) {
			a := hand(t, caTemplate(t, "A", -1), certs.Issuer{})
			b := hand(t, caTemplate(t, "B", -1), a)
			aByB := handFor(t, caTemplate(t, "A", -1), b, a.Key)
			leaf := hand(t, leafTemplate(t, uri), b)
			return leaf.Key, [][]byte{leaf.Certificate.Raw, b.Certificate.Raw, aByB.Raw, a.Certificate.Raw}
		}},
		{"100 intermediates in a row", func(t *testing.T, g *gateway) (crypto.Signer, [][]byte) {
			by, chain := certs.Issuer{}, [][]byte(nil)
			for range 100 {
				by = hand(t, caTemplate(t, rand.Text(), -1), by)
				chain = append([][]byte{by.Certificate.Raw}, chain...)
			}
			leaf := hand(t, leafTemplate(t, uri), by)
			return leaf.Key, append([][]byte{leaf.Certificate.Raw}, chain...)
		}},
		{"100 intermediates of one name", func(t *testing.T, g *gateway) (crypto.Signer, [][]byte) {
			by := hand(t, caTemplate(t, "same", -1), certs.Issuer{})
			leaf := hand(t, leafTemplate(t, uri), by)
			chain := [][]byte{leaf.Certificate.Raw}
			for range 100 {
				other := hand(t, caTemplate(t, "same", -1), certs.Issuer{})
				chain = append(chain, handFor(t, caTemplate(t, "same", -1), other, by.Key).Raw)
			}
			return leaf.Key, chain
		}},
		{"100 intermediates, all cross-signed", func(t *testing.T, g *gateway) (crypto.Signer, [][]byte) {
			by := hand(t, caTemplate(t, "same", -1), certs.Issuer{})
			leaf := hand(t, leafTemplate(t, uri), by)
			chain := [][]byte{leaf.Certificate.Raw}
			for range 100 {
				chain = append(chain, handFor(t, caTemplate(t, "same", -1), by, by.Key).Raw)
			}
			return leaf.Key, chain
		}},
		{"without the key", func(t *testing.T, g *gateway) (crypto.Signer, [][]byte) {
			issued, _ := newClient(t, g.Authority, acme, 0)
			return must[crypto.Signer](t)(certs.NewKey()), [][]byte{issued.DER}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGateway(t)
			key, chain := tt.chain(t, g)
			start := time.Now()
			l := dial(t, g.server.TLSConfig(), g.client(key, chain...))
			if l.refused == nil {
				t.Error("let in")
			}
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// The issuer's name constraints hold for verifiers that know nothing of Identify, as far as they go.
func TestNameConstraints(t *testing.T) {
	g := newGateway(t)
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(g.Root())
	between.AddCert(g.ClientIssuer())
	for name, c := range map[string]*x509.Certificate{
		"another host": leafTemplate(t, acme.URI("other.example")),
		"a DNS name":   func() *x509.Certificate { c := leafTemplate(t); c.DNSNames = []string{host}; return c }(),
		"an IPv4 address": func() *x509.Certificate {
			c := leafTemplate(t)
			c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)}
			return c
		}(),
		"an IPv6 address": func() *x509.Certificate {
			c := leafTemplate(t)
			c.IPAddresses = []net.IP{net.IPv6loopback}
			return c
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			leaf := hand(t, c, g.issuer(t)).Certificate
			_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between,
				KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			if e, ok := errors.AsType[x509.CertificateInvalidError](err); !ok || e.Reason != x509.CANotAuthorizedForThisName {
				t.Errorf("got %v", err)
			}
		})
	}
}
