package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// NewKey makes a P-256 key for a client.
func NewKey() (crypto.Signer, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making key: %w", err)
	}
	return k, nil
}

// MarshalKey writes a key as PKCS#8 in PEM, not encrypted.
func MarshalKey(k crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, fmt.Errorf("writing key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

// CSR makes a request in PEM with nothing in it but the key and the proof of holding it: names are
// the gateway's to give.
func CSR(k crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, k)
	if err != nil {
		return nil, fmt.Errorf("making certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemRequest, Bytes: der}), nil
}

// PinnedConfig trusts exactly the root whose SHA-256 is fingerprint (hexadecimal, "sha256:" before
// it allowed) and no other authority of the system: the served chain must carry that root, and the
// server's certificate must verify up to it for serverName, a name or an address. A certificate for
// other names fails the handshake with an x509.HostnameError, anything else with ErrPin.
func PinnedConfig(serverName, fingerprint string) *tls.Config {
	host, nameErr := cleanHost(serverName)
	if nameErr != nil {
		host = serverName
	}
	return &tls.Config{
		ServerName: host,
		MinVersion: tls.VersionTLS12,
		// The verification below stands in for the system's; it is called on resumption too.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if nameErr != nil {
				return nameErr
			}
			root, err := RootOf(cs, fingerprint)
			if err != nil {
				return err
			}
			o := x509.VerifyOptions{
				DNSName:       host,
				Roots:         x509.NewCertPool(),
				Intermediates: x509.NewCertPool(),
				KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			}
			o.Roots.AddCert(root)
			for _, c := range cs.PeerCertificates[1:] {
				o.Intermediates.AddCert(c)
			}
			_, err = cs.PeerCertificates[0].Verify(o)
			if _, ok := errors.AsType[x509.HostnameError](err); ok {
				return err
			}
			if err != nil {
				return fmt.Errorf("%w: %w", ErrPin, err)
			}
			return nil
		},
	}
}

// RootOf gives the certificate with that fingerprint from the chain that a server sent, to be kept
// as the authority trusted from now on. It gives ErrPin when there is none.
func RootOf(cs tls.ConnectionState, fingerprint string) (*x509.Certificate, error) {
	want, err := hex.DecodeString(strings.TrimPrefix(fingerprint, "sha256:"))
	if err != nil || len(want) != sha256.Size {
		return nil, fmt.Errorf("%w: %q is not a SHA-256 in hexadecimal: copy the invitation whole", ErrPin, clip(fingerprint))
	}
	for _, c := range cs.PeerCertificates {
		if sha256.Sum256(c.Raw) == [sha256.Size]byte(want) {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w: it serves another chain, or somebody is between: ask the operator for a new invitation", ErrPin)
}
