package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// MaxRequest is how large a certificate request may be, in bytes of PEM.
const MaxRequest = 16 << 10

// maxName is the upper bound of a common or organization name. RFC 5280 appendix A.1
const maxName = 64

// Issued is a client certificate as it was signed.
type Issued struct {
	Serial              string   // 40 lower-case hexadecimal digits
	Fingerprint         [32]byte // SHA-256 of DER, the x5t#S256 of RFC 8705 section 3.1
	NotBefore, NotAfter time.Time
	PEM                 []byte // the certificate, then its issuer's
	DER                 []byte
	Key                 [32]byte // SHA-256 of the subject's public key (SPKI)
}

// RequestKey gives the SHA-256 of the public key (SPKI) of a request in PEM whose sender proved to hold
// it; the errors are those of Issue.
func RequestKey(csrPEM []byte) (sum [32]byte, err error) {
	pub, err := requestKey(csrPEM)
	if err != nil {
		return sum, err
	}
	return keySum(pub)
}

func keySum(pub any) ([32]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return [32]byte{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return sha256.Sum256(der), nil
}

// Issue makes a client certificate for s from a PKCS#10 request in PEM. Nothing is taken from the
// request but its key and the proof that the sender holds it; names, extensions and validity in it
// are ignored. A validity of 0 is DefaultClientLife, more than MaxClientLife is ErrValidity; no
// certificate outlives its issuer. It gives ErrRequest for a request that is not well-formed or not
// signed, with ErrKey for a weak key, and ErrSubject for ids that no partner or client can have.
func (a *Authority) Issue(csrPEM []byte, s Subject, validity time.Duration) (*Issued, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	pub, err := requestKey(csrPEM)
	if err != nil {
		return nil, err
	}
	uri, err := url.Parse(s.URI(a.host))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSubject, err)
	}
	by := a.issuers.Load().client
	t, err := a.leaf(pub, by, validity, DefaultClientLife, MaxClientLife)
	if err != nil {
		return nil, err
	}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	t.URIs = []*url.URL{uri}
	// The names are for people who look into a file; who is speaking is read from the URI alone.
	t.Subject.Organization = []string{s.Partner}
	if len(s.Client) <= maxName {
		t.Subject.CommonName = s.Client
	}
	if a.CRLURL != "" {
		t.CRLDistributionPoints = []string{a.CRLURL}
	}
	key, err := keySum(pub)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, by.Certificate, pub, by.Key)
	if err != nil {
		return nil, fmt.Errorf("signing client certificate: %w", err)
	}
	return &Issued{
		Serial:      serialText(t.SerialNumber),
		Fingerprint: sha256.Sum256(der),
		NotBefore:   t.NotBefore,
		NotAfter:    t.NotAfter,
		PEM:         certificatePEM(der, by.Certificate.Raw),
		DER:         der,
		Key:         key,
	}, nil
}

// leaf is what client and server certificates have in common. Neither can sign others: they carry
// basic constraints with cA false.
func (a *Authority) leaf(pub any, by Issuer, life, normal, most time.Duration) (*x509.Certificate, error) {
	switch {
	case life == 0:
		life = normal
	case life < 0 || life > most:
		return nil, fmt.Errorf("%w: %v is not between 0 and %d days", ErrValidity, life, most/day)
	}
	id, err := keyID(pub)
	if err != nil {
		return nil, err
	}
	now := a.Now().UTC().Truncate(time.Second)
	start, end := now.Add(-backdate), earlier(now.Add(life), by.Certificate.NotAfter)
	if issuer := by.Certificate.NotBefore; start.Before(issuer) {
		start = issuer
	}
	if !end.After(start) || !end.After(now) {
		return nil, fmt.Errorf("%w: the issuer's own certificate ended on %s: renew it first",
			ErrValidity, by.Certificate.NotAfter.Format(time.DateOnly))
	}
	return &x509.Certificate{
		SerialNumber:          newSerial(),
		NotBefore:             start,
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		SubjectKeyId:          id,
		Subject:               pkix.Name{},
	}, nil
}

// requestKey gives the key of a request whose sender proved to hold it. RFC 2986 section 3.
func requestKey(csrPEM []byte) (any, error) {
	if len(csrPEM) > MaxRequest {
		return nil, fmt.Errorf("%w: over %d bytes", ErrRequest, MaxRequest)
	}
	b, rest := pem.Decode(csrPEM)
	switch {
	case b == nil || b.Type != pemRequest && b.Type != pemRequestOld:
		return nil, fmt.Errorf("%w: no PEM block %q", ErrRequest, pemRequest)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, fmt.Errorf("%w: something follows the request", ErrRequest)
	}
	r, err := x509.ParseCertificateRequest(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	// The key comes before the signature: a weak one is worth its own message, a huge one no work.
	if err := checkKey(r.PublicKey); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	switch r.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		return nil, fmt.Errorf("%w: signed with %v: use SHA-256", ErrRequest, r.SignatureAlgorithm)
	}
	if err := r.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: its signature is not made with its key: %w", ErrRequest, err)
	}
	return r.PublicKey, nil
}

// ServerCertificates makes the gateway's own TLS certificates for names (host names and addresses,
// one at least): one with a P-256 key and, for old clients, one with RSA 2048. Each chain is
// certificate, issuer, root, so that a client who knows the root by its fingerprint alone can verify
// it. A validity of 0 is DefaultServerLife, more than MaxServerLife is ErrValidity.
func (a *Authority) ServerCertificates(names []string, validity time.Duration) ([]tls.Certificate, error) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making server key: %w", err)
	}
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making server key: %w", err)
	}
	var out []tls.Certificate
	for _, key := range []crypto.Signer{ec, old} {
		c, err := a.server(key, names, validity)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func (a *Authority) server(key crypto.Signer, names []string, validity time.Duration) (tls.Certificate, error) {
	by := a.issuers.Load().server
	t, err := a.leaf(key.Public(), by, validity, DefaultServerLife, MaxServerLife)
	if err != nil {
		return tls.Certificate{}, err
	}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if len(names) == 0 {
		return tls.Certificate{}, fmt.Errorf("%w: a server certificate needs a name", ErrHost)
	}
	for _, n := range names {
		h, err := cleanHost(n)
		if err != nil {
			return tls.Certificate{}, err
		}
		if ip, err := netip.ParseAddr(h); err == nil {
			t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
		if t.Subject.CommonName == "" && len(h) <= maxName {
			t.Subject.CommonName = h
		}
	}
	made, err := sign(t, by, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("signing server certificate: %w", err)
	}
	return tls.Certificate{
		Certificate: [][]byte{made.Certificate.Raw, by.Certificate.Raw, a.root.Raw},
		PrivateKey:  key,
		Leaf:        made.Certificate,
	}, nil
}
