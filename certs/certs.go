// Package certs is how partners and the gateway prove who they are: the gateway's own certificate
// authority, the certificates and revocation lists it signs, and the TLS configurations that trust
// them.
//
// It is not a register of what was issued or revoked (the caller keeps that and is asked through
// functions), it speaks no HTTP, and it decides nothing about what a partner may do.
//
// It follows RFC 5280 (certificates and revocation lists), RFC 2986 (requests), RFC 8705 section 2.1
// (clients known by the URI in their certificate), the SPIFFE form of such URIs, and RFC 9325 (TLS).
package certs

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Kinds of error; the text beside them says what was wrong and what to do.
var (
	ErrExists      = errors.New("an authority exists already")
	ErrNoAuthority = errors.New("no authority")
	ErrNoRootKey   = errors.New("the root's key is not here")
	ErrPermissions = errors.New("key file open to others")
	ErrHost        = errors.New("not a host name")
	ErrSubject     = errors.New("not a partner and client")
	ErrValidity    = errors.New("validity out of bounds")
	ErrRequest     = errors.New("certificate request refused")
	ErrKey         = errors.New("key refused")
	ErrCertificate = errors.New("server certificate refused")
	ErrIdentity    = errors.New("certificate names no client of this gateway")
	ErrRevoked     = errors.New("certificate is revoked")
	ErrPin         = errors.New("the gateway is not the one the fingerprint names")
)

// Lives of certificates. RFC 5280 section 4.1.2.5; the caps are this gateway's own.
const (
	rootLife   = 10 * year
	issuerLife = 3 * year

	DefaultClientLife = 90 * day
	MaxClientLife     = 397 * day
	DefaultServerLife = 397 * day
	MaxServerLife     = 825 * day // what Apple's clients accept at most

	day  = 24 * time.Hour
	year = 365 * day

	// A certificate is valid a little before it was made, for clocks that are behind.
	backdate = 5 * time.Minute
)

// PEM block types, RFC 7468.
const (
	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY"
	pemRequest     = "CERTIFICATE REQUEST"
	pemRequestOld  = "NEW CERTIFICATE REQUEST" // RFC 7468 section 7 lets parsers take it
)

// Subject is who a client certificate speaks for: a partner's id and one of its clients' ids.
type Subject struct{ Partner, Client string }

// URI gives the one name a client certificate of a gateway carries,
// spiffe://HOST/partner/ID/client/ID. A port in host is dropped, an IPv6 address is bracketed.
func (s Subject) URI(host string) string {
	if h, err := cleanHost(host); err == nil {
		host = h
	}
	return spiffe(host) + "/partner/" + s.Partner + "/client/" + s.Client
}

// check refuses what could not be told apart again once it stands in a URI.
func (s Subject) check() error {
	switch {
	case len(s.Partner) < 2 || len(s.Partner) > 63 || !idText(s.Partner, false):
		return fmt.Errorf("%w: partner %q must be 2 to 63 of a-z, 0-9 and -", ErrSubject, clip(s.Partner))
	case len(s.Client) < 1 || len(s.Client) > 80 || !idText(s.Client, true):
		return fmt.Errorf("%w: client %q must be 1 to 80 of a-z, 0-9, - and _", ErrSubject, clip(s.Client))
	}
	return nil
}

// idText reports whether s is made of lower-case letters, digits and hyphens, starting with a
// letter or digit; a client's id has underscores too.
func idText(s string, underscore bool) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '-' || underscore && c == '_'):
		default:
			return false
		}
	}
	return true
}

// clip bounds a foreign text that goes into an error.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// spiffe gives the trust domain's URI of a clean host.
func spiffe(host string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "spiffe://" + host
}

// cleanHost gives the name in host (a name or address, perhaps with a port) as it stands in
// identities: lower case, no port, no brackets, no final dot.
func cleanHost(host string) (string, error) {
	h := host
	if name, _, err := net.SplitHostPort(h); err == nil {
		h = name
	}
	if inner, ok := strings.CutPrefix(h, "["); ok {
		h = strings.TrimSuffix(inner, "]")
	}
	h = strings.TrimSuffix(strings.ToLower(h), ".")
	if ip, err := netip.ParseAddr(h); err == nil {
		if ip.Zone() != "" {
			return "", fmt.Errorf("%w: %q has a zone", ErrHost, clip(host))
		}
		return ip.String(), nil
	}
	if len(h) == 0 || len(h) > 253 {
		return "", fmt.Errorf("%w: %q must have 1 to 253 characters", ErrHost, clip(host))
	}
	for label := range strings.SplitSeq(h, ".") {
		if len(label) == 0 || len(label) > 63 || !idText(label, true) {
			return "", fmt.Errorf("%w: %q: write it in letters, digits and hyphens (xn--… for others)", ErrHost, clip(host))
		}
	}
	return h, nil
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// newSerial gives 158 random bits in exactly 20 octets, so that a serial always has 40 hexadecimal
// digits. "Conforming CAs MUST NOT use serialNumber values longer than 20 octets." RFC 5280 section
// 4.1.2.2
func newSerial() *big.Int {
	var b [20]byte
	rand.Read(b[:])
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b[:])
}

// keyID is the SHA-256 of the key's bits, cut to 160. RFC 7093 section 2, method 1.
func keyID(pub any) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(info.Key.RightAlign())
	return sum[:20], nil
}

// fingerprint is the lower-case hexadecimal SHA-256 of a certificate's DER.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func certificatePEM(der ...[]byte) []byte {
	var out []byte
	for _, d := range der {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: d})...)
	}
	return out
}

// samePublic reports whether k is the private half of the key in c.
func samePublic(c *x509.Certificate, k crypto.Signer) bool {
	pub, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(k.Public())
}
