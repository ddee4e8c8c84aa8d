package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Authority is the gateway's CA: a root that signs two issuers, one for clients and one for the
// gateway's own TLS certificates, so that neither can make the other's. Safe for concurrent use;
// Now and CRLURL are set before the first use.
type Authority struct {
	Now    func() time.Time // default time.Now
	CRLURL string           // where the revocation list is served; written into client certificates unless empty

	host  string
	dir   string // "" when the keys are elsewhere
	root  *x509.Certificate
	renew sync.Mutex

	numbering sync.Mutex
	number    *big.Int // of the last revocation list; nil: not read yet

	issuers atomic.Pointer[issuers]
}

// Issuer is a CA certificate with its key, which may live in a file, a hardware module or a service.
type Issuer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

type issuers struct{ client, server Issuer }

// Create makes a root and two issuers in dir for a gateway whose SPIFFE host is host (a port is
// dropped; an address is allowed). It gives ErrExists when dir has an authority, ErrHost for a host
// that no certificate could name. The directory appears complete or not at all.
func Create(dir, host string) (*Authority, error) {
	host, err := cleanHost(host)
	if err != nil {
		return nil, err
	}
	a := &Authority{Now: time.Now, host: host, dir: dir}
	now := a.Now()
	root, err := newRoot(host, now)
	if err != nil {
		return nil, fmt.Errorf("making root: %w", err)
	}
	client, err := newIssuer(root, clientProfile(host), now, nil)
	if err != nil {
		return nil, fmt.Errorf("making client issuer: %w", err)
	}
	server, err := newIssuer(root, serverProfile(), now, nil)
	if err != nil {
		return nil, fmt.Errorf("making server issuer: %w", err)
	}
	if err := a.adopt(root.Certificate, client, server); err != nil {
		return nil, err
	}
	if err := createDir(dir, root, client, server); err != nil {
		return nil, err
	}
	return a, nil
}

// New gives an authority whose keys are held elsewhere: root has signed both issuers, and the
// client issuer must be used for this gateway's clients alone. Renew gives ErrNoRootKey.
func New(host string, root *x509.Certificate, client, server Issuer) (*Authority, error) {
	host, err := cleanHost(host)
	if err != nil {
		return nil, err
	}
	a := &Authority{Now: time.Now, host: host}
	if err := a.adopt(root, client, server); err != nil {
		return nil, err
	}
	return a, nil
}

// adopt takes a root and its issuers if they are what they should be.
func (a *Authority) adopt(root *x509.Certificate, client, server Issuer) error {
	for _, i := range []struct {
		name string
		Issuer
		usage x509.ExtKeyUsage
	}{
		{"client issuer", client, x509.ExtKeyUsageClientAuth},
		{"server issuer", server, x509.ExtKeyUsageServerAuth},
	} {
		switch c := i.Certificate; {
		case root == nil || c == nil || i.Key == nil:
			return fmt.Errorf("%s: a certificate or the key is missing", i.name)
		case !samePublic(c, i.Key):
			return fmt.Errorf("%s: the key is not that of the certificate", i.name)
		case !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage&x509.KeyUsageCertSign == 0:
			return fmt.Errorf("%s: the certificate is not a CA's", i.name)
		case !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{i.usage}) || len(c.UnknownExtKeyUsage) > 0:
			return fmt.Errorf("%s: the certificate must be for its one purpose only", i.name)
		}
		if err := i.Certificate.CheckSignatureFrom(root); err != nil {
			return fmt.Errorf("%s: not signed by the root: %w", i.name, err)
		}
	}
	a.root = root
	a.issuers.Store(&issuers{client: client, server: server})
	return nil
}

// Open loads the authority that Create made in dir: ErrNoAuthority when there is none,
// ErrPermissions when a key file can be read or written by others. The root's key may have been
// taken away to a safe place.
func Open(dir string) (*Authority, error) {
	root, client, server, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	if len(root.URIs) != 1 {
		return nil, fmt.Errorf("opening authority: %s names no host", rootFile)
	}
	a, err := New(root.URIs[0].Hostname(), root, client, server)
	if err != nil {
		return nil, fmt.Errorf("opening authority in %s: %w", dir, err)
	}
	a.dir = dir
	return a, nil
}

// Host is the SPIFFE host: a name or an address, without port and brackets.
func (a *Authority) Host() string { return a.host }

// Root is the root certificate.
func (a *Authority) Root() *x509.Certificate { return a.root }

// RootPEM is the root certificate for a file of trusted authorities.
func (a *Authority) RootPEM() []byte { return certificatePEM(a.root.Raw) }

// Fingerprint is the lower-case hexadecimal SHA-256 of the root's DER, what an invitation names.
func (a *Authority) Fingerprint() string { return fingerprint(a.root.Raw) }

// ClientIssuer is the certificate that signs client certificates and revocation lists.
func (a *Authority) ClientIssuer() *x509.Certificate { return a.issuers.Load().client.Certificate }

// Expires is the earliest end of the two issuers' certificates; no certificate outlives its issuer.
func (a *Authority) Expires() time.Time {
	i := a.issuers.Load()
	if s := i.server.Certificate.NotAfter; s.Before(i.client.Certificate.NotAfter) {
		return s
	}
	return i.client.Certificate.NotAfter
}

// Renew gives each issuer that ends within d a new certificate for the same key and name, so that
// what it signed before stays good, and reports whether it did so. It gives ErrNoRootKey when the
// root's key is not in the directory.
func (a *Authority) Renew(d time.Duration) (bool, error) {
	a.renew.Lock()
	defer a.renew.Unlock()
	now := a.Now()
	if a.Expires().After(now.Add(d)) {
		return false, nil
	}
	if a.dir == "" {
		return false, fmt.Errorf("renewing issuers: %w: its keeper signs the new ones", ErrNoRootKey)
	}
	key, err := readRootKey(a.dir)
	if err != nil {
		return false, fmt.Errorf("renewing issuers: %w", err)
	}
	if !samePublic(a.root, key) {
		return false, fmt.Errorf("renewing issuers: %s is not the key of %s", rootKeyFile, rootFile)
	}
	root, next := Issuer{a.root, key}, *a.issuers.Load()
	for _, i := range []struct {
		issuer *Issuer
		file   string
		tmpl   *x509.Certificate
	}{
		{&next.client, clientFile, clientProfile(a.host)},
		{&next.server, serverFile, serverProfile()},
	} {
		if i.issuer.Certificate.NotAfter.After(now.Add(d)) {
			continue
		}
		i.tmpl.Subject = i.issuer.Certificate.Subject
		if *i.issuer, err = newIssuer(root, i.tmpl, now, i.issuer.Key); err != nil {
			return false, fmt.Errorf("renewing issuers: %w", err)
		}
		if err := rewrite(a.dir, i.file, certificatePEM(i.issuer.Certificate.Raw)); err != nil {
			return false, fmt.Errorf("renewing issuers: %w", err)
		}
	}
	a.issuers.Store(&next)
	return true, nil
}

// newRoot makes a self-signed P-384 root that may sign issuers and nothing below them. It carries
// the trust domain's URI, as a SPIFFE signing certificate does; Open reads the host from it.
func newRoot(host string, now time.Time) (Issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return Issuer{}, err
	}
	domain, err := url.Parse(spiffe(host))
	if err != nil {
		return Issuer{}, err
	}
	id, err := keyID(key.Public())
	if err != nil {
		return Issuer{}, err
	}
	t := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               caName("Root", id),
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(rootLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            1,
		SubjectKeyId:          id,
		URIs:                  []*url.URL{domain},
	}
	return sign(t, Issuer{t, key}, key)
}

// clientProfile constrains the client issuer to this gateway's URIs. RFC 5280 section 4.2.1.10.
// Such constraints cannot speak about URIs whose host is an address, and would have every client
// refused: there the issuer has none, and Identify alone holds the line.
func clientProfile(host string) *x509.Certificate {
	t := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Client"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if isIP(host) {
		return t
	}
	t.PermittedDNSDomainsCritical = true // "Conforming CAs MUST mark this extension as critical"
	t.PermittedURIDomains = []string{host}
	t.ExcludedDNSDomains = []string{""}
	t.ExcludedIPRanges = []*net.IPNet{
		{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
		{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
	}
	return t
}

func serverProfile() *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Server"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// newIssuer signs a CA that can sign leaves only; a nil key makes a new P-256 one, whose id then
// completes the name.
func newIssuer(root Issuer, t *x509.Certificate, now time.Time, key crypto.Signer) (Issuer, error) {
	fresh := key == nil
	if fresh {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return Issuer{}, err
		}
		key = k
	}
	id, err := keyID(key.Public())
	if err != nil {
		return Issuer{}, err
	}
	if fresh {
		t.Subject = caName(t.Subject.CommonName, id)
	}
	t.SerialNumber = newSerial()
	t.NotBefore = now.Add(-backdate)
	t.NotAfter = earlier(now.Add(issuerLife), root.Certificate.NotAfter)
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	t.BasicConstraintsValid = true
	t.IsCA = true
	t.MaxPathLen, t.MaxPathLenZero = 0, true
	t.SubjectKeyId = id
	if !t.NotAfter.After(now) {
		return Issuer{}, errors.New("the root has expired: a new gateway authority is needed")
	}
	return sign(t, root, key)
}

// caName is unlike that of any other authority: "two CAs MUST NOT have the same name" is what the
// key's id in it is for. RFC 5280 section 4.1.2.6
func caName(role string, id []byte) pkix.Name {
	return pkix.Name{
		Organization: []string{"Liaison"},
		CommonName:   "Liaison " + role + " CA " + hex.EncodeToString(id[:8]),
	}
}

// sign makes t into a certificate for key.
func sign(t *x509.Certificate, by Issuer, key crypto.Signer) (Issuer, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, by.Certificate, key.Public(), by.Key)
	if err != nil {
		return Issuer{}, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return Issuer{}, err
	}
	return Issuer{c, key}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
