// Package certs is how partners and the gateway prove who they are: the
// gateway's own certificate authority, the certificates and revocation lists
// it signs, and the TLS configurations that trust them.
//
// It is not a store of what was issued or revoked (the registry keeps that and
// is asked through functions), it speaks no HTTP, and it decides nothing about
// what a partner may do.
//
// It follows RFC 5280 (certificates and lists), RFC 2986 (requests), RFC 8705
// (client certificates for OAuth, section 2.1: the URI subject alternative
// name), the form of SPIFFE identifiers, and RFC 9325 (use of TLS).
package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"time"
)

var (
	ErrExists      = errors.New("an authority exists already")
	ErrNoAuthority = errors.New("no authority")
	ErrPermissions = errors.New("key file readable by others")
	ErrIdentity    = errors.New("certificate names no client of this gateway")
)

type Authority struct {
	Now func() time.Time
}

type Subject struct{ Partner, Client string }

type Issued struct {
	Serial              string
	Fingerprint         [32]byte
	NotBefore, NotAfter time.Time
	PEM                 []byte
	DER                 []byte
}

type Revoked struct {
	Serial string
	At     time.Time
	Reason int
}

type ServerOptions struct {
	Certificates []tls.Certificate
	Authority    *Authority
	Revoked      func(serial string, s Subject) bool
	Log          *slog.Logger
}

type Server struct{ o ServerOptions }

var errStub = errors.New("certs: not built yet")

func Create(dir, host string) (*Authority, error) { return nil, errStub }
func Open(dir string) (*Authority, error)         { return nil, errStub }
func (a *Authority) Host() string                 { return "" }
func (a *Authority) Root() *x509.Certificate      { return nil }
func (a *Authority) RootPEM() []byte              { return nil }
func (a *Authority) Fingerprint() string          { return "" }
func (s Subject) URI(host string) string {
	return "spiffe://" + host + "/partner/" + s.Partner + "/client/" + s.Client
}
func (a *Authority) Issue(csrPEM []byte, s Subject, validity time.Duration) (*Issued, error) {
	return nil, errStub
}
func (a *Authority) ServerCertificates(names []string, validity time.Duration) ([]tls.Certificate, error) {
	return nil, errStub
}
func (a *Authority) CRL(number *big.Int, list []Revoked, now time.Time, next time.Duration) ([]byte, error) {
	return nil, errStub
}
func WriteServer(dir string, list []tls.Certificate) error       { return errStub }
func LoadServer(dir string) ([]tls.Certificate, error)           { return nil, errStub }
func Identify(c *x509.Certificate, host string) (Subject, error) { return Subject{}, errStub }
func NewServer(o ServerOptions) *Server                          { return &Server{o: o} }
func (s *Server) TLSConfig() *tls.Config                         { return &tls.Config{Certificates: s.o.Certificates} }
func (s *Server) Reload(list []tls.Certificate) error            { return errStub }
func LoadKeyPair(certFile, keyFile string) (tls.Certificate, error) {
	return tls.Certificate{}, errStub
}
func ChainFingerprint(c tls.Certificate) string  { return "" }
func NewKey() (crypto.Signer, error)             { return nil, errStub }
func MarshalKey(k crypto.Signer) ([]byte, error) { return nil, errStub }
func CSR(k crypto.Signer) ([]byte, error)        { return nil, errStub }
func PinnedConfig(serverName, fingerprint string) *tls.Config {
	return &tls.Config{ServerName: serverName}
}
func RootOf(cs tls.ConnectionState, fingerprint string) (*x509.Certificate, error) {
	return nil, errStub
}
