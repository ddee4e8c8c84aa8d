package certs_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"liaison/certs"
)

// unsigned makes a request for any public key, with a signature that is none.
func unsigned(t testing.TB, pub any) []byte {
	t.Helper()
	spki := must[[]byte](t)(x509.MarshalPKIXPublicKey(pub))
	type info struct {
		Version    int
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Attributes []asn1.RawValue `asn1:"tag:0,set"`
	}
	der := must[[]byte](t)(asn1.Marshal(struct {
		Info      info
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{
		info{Subject: asn1.RawValue{FullBytes: []byte{0x30, 0}}, Key: asn1.RawValue{FullBytes: spki}},
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue},
		asn1.BitString{Bytes: make([]byte, 256), BitLength: 2048},
	}))
	return requestPEM(der)
}

func requestPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func prime(t testing.TB, bits int) *big.Int {
	t.Helper()
	return must[*big.Int](t)(rand.Prime(rand.Reader, bits))
}

// rocaPrime gives a prime of the shape of CVE-2017-15361.
func rocaPrime(t testing.TB, bits uint) *big.Int {
	t.Helper()
	m := big.NewInt(1)
	for p := int64(2); p <= 167; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(p))
		}
	}
	top := new(big.Int).Lsh(big.NewInt(3), bits-2)
	for {
		a := must[*big.Int](t)(rand.Int(rand.Reader, m))
		k := must[*big.Int](t)(rand.Int(rand.Reader, new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), bits-2), m)))
		p := new(big.Int).Exp(big.NewInt(65537), a, m)
		p.Add(p, k.Add(k, new(big.Int).Div(top, m)).Mul(k, m))
		if p.BitLen() == int(bits) && p.ProbablyPrime(20) {
			return p
		}
	}
}

func product(p, q *big.Int) *big.Int { return new(big.Int).Mul(p, q) }

// A kind of key that the parser does not know is named as such.
func TestThreat21UnknownKind(t *testing.T) {
	const ed448 = `-----BEGIN CERTIFICATE REQUEST-----
MIHKMEwCAQAwADBDMAUGAytlcQM6AETwjGqk+eU+4U/inQhQjIbwhTWCbJ5LxbM0
rVeEt/rr7ZMAwFJQdSrlssQKbGT485r2DJNDduYpgKAAMAUGAytlcQNzAAD/KkVQ
et84BDVoNarnMCW9vPyLBhCNiohUDS1CUIi6V5f7j7sCP9TZUxxDVtkIFWouiDgt
bxYagIDvYjQG0vg9KZlKRA9/FtPB2Z1gGNNspSGtDp5Io7n9RrwOHnM5es+5FbVh
yeLPltZ5jwWwXVsiAA==
-----END CERTIFICATE REQUEST-----
`
	a, _ := authority(t, host)
	if issued, err := a.Issue([]byte(ed448), acme, 0); issued != nil || !errors.Is(err, certs.ErrKey) || !strings.Contains(err.Error(), "a kind that is not known") {
		t.Errorf("got %v, want ErrKey", err)
	}
}

func TestThreat21WeakKeys(t *testing.T) {
	a, _ := authority(t, host)
	p := prime(t, 1024)
	next := new(big.Int).Add(p, big.NewInt(2))
	for !next.ProbablyPrime(20) {
		next.Add(next, big.NewInt(2))
	}
	good := product(prime(t, 1024), prime(t, 1024))
	p224 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	p521 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	x25519 := must[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
	edge := func(n *big.Int, e int) *rsa.PublicKey { return &rsa.PublicKey{N: n, E: e} }
	point := func(first, rest, last byte) ed25519.PublicKey {
		k := bytes.Repeat([]byte{rest}, 32)
		k[0], k[31] = first, last
		return k
	}
	for _, tt := range []struct {
		name string
		pub  any
		says string
	}{
		{"RSA-1024", edge(product(prime(t, 512), prime(t, 512)), 65537), "1024 bits"},
		{"RSA-2047", edge(new(big.Int).SetBit(new(big.Int).Rsh(good, 1), 0, 1), 65537), "2047 bits"},
		{"RSA-4097", edge(new(big.Int).SetBit(big.NewInt(1), 4096, 1), 65537), "4097 bits"},
		{"RSA-8192", edge(new(big.Int).SetBit(big.NewInt(1), 8191, 1), 65537), "8192 bits"},
		{"e=3", edge(good, 3), "exponent 3"},
		{"e=65535", edge(good, 65535), "exponent 65535"},
		{"e even", edge(good, 65538), "exponent 65538"},
		{"even modulus", edge(new(big.Int).SetBit(good, 0, 0), 65537), "divisible by 2"},
		{"small factor", edge(product(big.NewInt(4093), prime(t, 2040)), 65537), "divisible by 4093"},
		{"ROCA", edge(product(rocaPrime(t, 1024), rocaPrime(t, 1024)), 65537), "ROCA"},
		{"close primes", edge(product(p, next), 65537), "close primes"},
		{"square", edge(product(p, p), 65537), "close primes"},
		{"P-224", p224.Public(), "P-224"},
		{"P-521", p521.Public(), "P-521"},
		{"X25519", x25519.PublicKey(), "use RSA"},
		{"Ed25519 identity", point(1, 0, 0), "small order"},
		{"Ed25519 order two", point(0xec, 0xff, 0x7f), "small order"},
		{"Ed25519 order four", point(0, 0, 0), "small order"},
		{"Ed25519 not canonical", point(0xed, 0xff, 0x7f), "not canonical"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			issued, err := a.Issue(unsigned(t, tt.pub), acme, 0)
			if issued != nil || !errors.Is(err, certs.ErrRequest) || !errors.Is(err, certs.ErrKey) {
				t.Fatalf("got %v, want ErrRequest and ErrKey", err)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q does not say %q", err, tt.says)
			}
		})
	}
}

func TestIssueTakesKeys(t *testing.T) {
	a, _ := authority(t, host)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]crypto.Signer{
		"RSA-2048": must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)),
		"RSA-4096": must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 4096)),
		"P-256":    must[crypto.Signer](t)(certs.NewKey()),
		"P-384":    must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"Ed25519":  ed,
	} {
		t.Run(name, func(t *testing.T) {
			issued, err := a.Issue(must[[]byte](t)(certs.CSR(k)), acme, 0)
			if err != nil {
				t.Fatal(err)
			}
			c := parse(t, issued.DER)
			if !k.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(c.PublicKey) {
				t.Error("certified another key")
			}
			if err := c.CheckSignatureFrom(a.ClientIssuer()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Everything that a request may ask for beside its key changes nothing in what is issued.
func TestThreat21Wishes(t *testing.T) {
	a, _ := authority(t, host)
	key := must[crypto.Signer](t)(certs.NewKey())
	extension := func(id []int, value any) pkix.Extension {
		return pkix.Extension{Id: id, Critical: true, Value: must[[]byte](t)(asn1.Marshal(value))}
	}
	mallory := must[*url.URL](t)(url.Parse("spiffe://gw.example/partner/mallory/client/mallory_1"))
	for name, r := range map[string]*x509.CertificateRequest{
		"nothing": {},
		"CA:TRUE": {ExtraExtensions: []pkix.Extension{extension([]int{2, 5, 29, 19}, struct {
			CA  bool
			Len int
		}{true, 3})}},
		"a second tenant":  {URIs: []*url.URL{mallory}},
		"other names":      {DNSNames: []string{"gw.example", "*"}, IPAddresses: []net.IP{{127, 0, 0, 1}}, EmailAddresses: []string{"root@gw.example"}},
		"any usage":        {ExtraExtensions: []pkix.Extension{extension([]int{2, 5, 29, 37}, []asn1.ObjectIdentifier{{2, 5, 29, 37, 0}})}},
		"key usage":        {ExtraExtensions: []pkix.Extension{extension([]int{2, 5, 29, 15}, asn1.BitString{Bytes: []byte{0x06}, BitLength: 7})}},
		"name constraints": {ExtraExtensions: []pkix.Extension{extension([]int{2, 5, 29, 30}, []int{})}},
		"unknown critical": {ExtraExtensions: []pkix.Extension{extension([]int{1, 2, 3, 4}, 5)}},
		"a huge name":      {Subject: pkix.Name{CommonName: strings.Repeat("x", 8000), Organization: []string{"INTERPOL"}}},
		"an operator's name": {Subject: pkix.Name{CommonName: "operator", ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "root@gw.example"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			csr := requestPEM(must[[]byte](t)(x509.CreateCertificateRequest(rand.Reader, r, key)))
			issued, err := a.Issue(csr, acme, 0)
			if err != nil {
				t.Fatal(err)
			}
			checkProfile(t, a, issued, acme)
		})
	}
}

// checkProfile holds an issued certificate against everything that it must and must not be.
func checkProfile(t testing.TB, a *certs.Authority, issued *certs.Issued, s certs.Subject) {
	t.Helper()
	c := parse(t, issued.DER)
	if got, err := certs.Identify(c, a.Host()); err != nil || got != s {
		t.Errorf("identified %v, %v; want %v", got, err, s)
	}
	if len(c.URIs) != 1 || c.URIs[0].String() != s.URI(a.Host()) ||
		len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses) != 0 {
		t.Errorf("names %v %v %v %v", c.URIs, c.DNSNames, c.IPAddresses, c.EmailAddresses)
	}
	if c.IsCA || !c.BasicConstraintsValid || c.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("CA %v, usage %b", c.IsCA, c.KeyUsage)
	}
	if len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth || len(c.UnknownExtKeyUsage) != 0 {
		t.Errorf("extended usage %v %v", c.ExtKeyUsage, c.UnknownExtKeyUsage)
	}
	if len(c.Extensions) != 6 { // key usage, extended, basic constraints, two key ids, alternative name
		t.Errorf("%d extensions", len(c.Extensions))
	}
	if c.Subject.String() != "CN="+s.Client+",O="+s.Partner {
		t.Errorf("subject %v", c.Subject)
	}
	if len(issued.Serial) != 40 || c.SerialNumber.Text(16) != issued.Serial || issued.Fingerprint != sha256.Sum256(c.Raw) {
		t.Errorf("serial %s, %x", issued.Serial, c.SerialNumber)
	}
	if !c.NotBefore.Equal(issued.NotBefore) || !c.NotAfter.Equal(issued.NotAfter) {
		t.Error("times differ from those in the certificate")
	}
	first, rest := pem.Decode(issued.PEM)
	second, rest := pem.Decode(rest)
	if !bytes.Equal(first.Bytes, issued.DER) || !bytes.Equal(second.Bytes, a.ClientIssuer().Raw) || len(rest) != 0 {
		t.Error("PEM is not the certificate and its issuer")
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.Root())
	between.AddCert(a.ClientIssuer())
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: a.Now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("does not verify: %v", err)
	}
}

func TestThreat21Malformed(t *testing.T) {
	a, _ := authority(t, host)
	key := must[crypto.Signer](t)(certs.NewKey())
	good := must[[]byte](t)(certs.CSR(key))
	block, _ := pem.Decode(good)
	forged := bytes.Clone(block.Bytes)
	forged[len(forged)-1] ^= 1
	other, _ := pem.Decode(must[[]byte](t)(certs.CSR(must[crypto.Signer](t)(certs.NewKey()))))
	swapped := swapSignature(t, block.Bytes, other.Bytes)
	weak := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	for name, csr := range map[string][]byte{
		"empty":                 {},
		"not PEM":               []byte("hello"),
		"DER":                   block.Bytes,
		"too large":             append(bytes.Clone(good), bytes.Repeat([]byte("\n"), certs.MaxRequest)...),
		"two requests":          append(bytes.Clone(good), good...),
		"text after it":         append(bytes.Clone(good), "x"...),
		"a certificate":         pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Root().Raw}),
		"a certificate in it":   requestPEM(a.Root().Raw),
		"cut off":               requestPEM(block.Bytes[:len(block.Bytes)/2]),
		"data after it":         requestPEM(append(bytes.Clone(block.Bytes), 0)),
		"signature changed":     requestPEM(forged),
		"another's signature":   requestPEM(swapped),
		"signed with nothing":   unsigned(t, &weak.PublicKey),
		"signed with SHA-1":     sha1Request(t, weak),
		"a key of its own kind": requestPEM([]byte{0x30, 0x00}),
	} {
		t.Run(name, func(t *testing.T) {
			if issued, err := a.Issue(csr, acme, 0); issued != nil || !errors.Is(err, certs.ErrRequest) {
				t.Errorf("got %v, want ErrRequest", err)
			}
		})
	}
	// The type that old tools write is taken.
	if _, err := a.Issue(pem.EncodeToMemory(&pem.Block{Type: "NEW CERTIFICATE REQUEST", Bytes: block.Bytes}), acme, 0); err != nil {
		t.Error(err)
	}
}

type signedRequest struct {
	Info      asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

func swapSignature(t testing.TB, a, b []byte) []byte {
	t.Helper()
	var x, y signedRequest
	if _, err := asn1.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	x.Signature = y.Signature
	return must[[]byte](t)(asn1.Marshal(x))
}

// sha1Request makes a request whose signature is good but for its hash.
func sha1Request(t testing.TB, k *rsa.PrivateKey) []byte {
	t.Helper()
	b, _ := pem.Decode(unsigned(t, &k.PublicKey))
	var r signedRequest
	if _, err := asn1.Unmarshal(b.Bytes, &r); err != nil {
		t.Fatal(err)
	}
	h := crypto.SHA1.New()
	h.Write(r.Info.FullBytes)
	r.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	r.Signature.Bytes = must[[]byte](t)(rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA1, h.Sum(nil)))
	r.Signature.BitLength = 8 * len(r.Signature.Bytes)
	return requestPEM(must[[]byte](t)(asn1.Marshal(r)))
}

func TestIssueBounds(t *testing.T) {
	a, _ := authority(t, host)
	csr := must[[]byte](t)(certs.CSR(must[crypto.Signer](t)(certs.NewKey())))
	now := time.Now().Add(time.Hour).Truncate(time.Second)
	a.Now = func() time.Time { return now }
	for life, want := range map[time.Duration]time.Duration{
		0:                   certs.DefaultClientLife,
		time.Hour:           time.Hour,
		certs.MaxClientLife: certs.MaxClientLife,
	} {
		issued := must[*certs.Issued](t)(a.Issue(csr, acme, life))
		if got := issued.NotAfter.Sub(now); got != want {
			t.Errorf("life %v gives %v", life, got)
		}
		if !issued.NotBefore.Before(now) {
			t.Error("not valid for a clock that is behind")
		}
	}
	for _, life := range []time.Duration{-1, certs.MaxClientLife + 1} {
		if _, err := a.Issue(csr, acme, life); !errors.Is(err, certs.ErrValidity) {
			t.Errorf("life %v: %v", life, err)
		}
	}
	for _, s := range []certs.Subject{
		{}, {"acme", ""}, {"", "acme_1"}, {"a", "a_1"}, {"Acme", "acme_1"}, {"-cme", "acme_1"}, {"ac_me", "acme_1"},
		{"acme", "acme/client/x"}, {"acme/client/x", "y"}, {"acme", "_1"}, {"acme", "acme 1"}, {"acme", "acme_1?x"},
		{"acme", "%61cme"}, {strings.Repeat("a", 64), "x"}, {"acme", strings.Repeat("a", 81)}, {"acmé", "x"},
	} {
		if _, err := a.Issue(csr, s, 0); !errors.Is(err, certs.ErrSubject) {
			t.Errorf("subject %v: %v", s, err)
		}
	}
	// The longest ids that a partner and its client can have.
	long := certs.Subject{Partner: strings.Repeat("a", 63), Client: strings.Repeat("a", 63) + "_1234567890123456"}
	issued := must[*certs.Issued](t)(a.Issue(csr, long, 0))
	if s, err := certs.Identify(parse(t, issued.DER), host); err != nil || s != long {
		t.Errorf("identified %v, %v", s, err)
	}
}

func TestHosts(t *testing.T) {
	for given, want := range map[string]string{
		"localhost":                  "spiffe://localhost/partner/acme/client/acme_1",
		"localhost:8443":             "spiffe://localhost/partner/acme/client/acme_1",
		"127.0.0.1":                  "spiffe://127.0.0.1/partner/acme/client/acme_1",
		"::1":                        "spiffe://[::1]/partner/acme/client/acme_1",
		"[2001:db8::0:1]:8443":       "spiffe://[2001:db8::1]/partner/acme/client/acme_1",
		"taxii.interpol.example:443": "spiffe://taxii.interpol.example/partner/acme/client/acme_1",
		"my_gateway":                 "spiffe://my_gateway/partner/acme/client/acme_1",
		"xn--bcher-kva.example":      "spiffe://xn--bcher-kva.example/partner/acme/client/acme_1",
	} {
		t.Run(given, func(t *testing.T) {
			if got := acme.URI(given); got != want {
				t.Errorf("URI %s, want %s", got, want)
			}
			_, dir := authority(t, given)
			a := must[*certs.Authority](t)(certs.Open(dir))
			issued, _ := newClient(t, a, acme, 0)
			checkProfile(t, a, issued, acme)
			if s, err := certs.Identify(parse(t, issued.DER), given); err != nil || s != acme {
				t.Errorf("identified %v, %v", s, err)
			}
		})
	}
}

func FuzzIssueCSR(f *testing.F) {
	a, _ := authority(f, host)
	k := must[crypto.Signer](f)(certs.NewKey())
	f.Add(must[[]byte](f)(certs.CSR(k)))
	f.Add(requestPEM(must[[]byte](f)(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"gw.example"}}, k))))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(must[[]byte](f)(certs.CSR(ed)))
	f.Add(unsigned(f, &rsa.PublicKey{N: product(prime(f, 1024), prime(f, 1024)), E: 3}))
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Both as it comes and as the inside of the armour, so that the fuzzer reaches the DER.
		for _, csr := range [][]byte{data, requestPEM(data)} {
			issued, err := a.Issue(csr, acme, 0)
			if err != nil {
				if !errors.Is(err, certs.ErrRequest) {
					t.Errorf("error of no kind: %v", err)
				}
				continue
			}
			checkProfile(t, a, issued, acme)
		}
	})
}
