package certs

import (
	"cmp"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ServerOptions say what a Server serves and whom it trusts.
type ServerOptions struct {
	Certificates []tls.Certificate
	Authority    *Authority                          // whose clients are known; nil: none are asked for
	Revoked      func(serial string, s Subject) bool // nil: none; asked at each handshake and by Peer, so it must be quick
	NextProtos   []string                            // ALPN; default http/1.1 alone, docs/decisions/0003
	Now          func() time.Time                    // default the authority's clock, else time.Now
	Log          *slog.Logger                        // default slog.DiscardHandler
}

// Server is a source of TLS configurations whose certificates can be replaced while it runs. Safe
// for concurrent use.
type Server struct {
	o       ServerOptions
	mu      sync.Mutex // held while current is made anew
	current atomic.Pointer[serving]
}

// serving is one state: the configuration that connections get, and what it was made from.
type serving struct {
	certificates []tls.Certificate
	issuers      *issuers
	config       *tls.Config
}

// NewServer serves o.Certificates as they are: one that clients will not take is logged, not
// refused, since a gateway with an expired certificate is mended sooner than one that is down.
func NewServer(o ServerOptions) *Server {
	if len(o.NextProtos) == 0 {
		o.NextProtos = []string{"http/1.1"}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
		if a := o.Authority; a != nil {
			o.Now = func() time.Time { return a.Now() }
		}
	}
	s := &Server{o: o}
	for i := range o.Certificates {
		if err := Usable(&o.Certificates[i], o.Now()); err != nil {
			o.Log.Warn("serving a certificate that clients will refuse", "error", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(o.Certificates)
	return s
}

// TLSConfig gives the configuration for a listener. Every new connection gets the certificates of
// the last good Reload and the authority's present issuers.
//
// TLS 1.2 with ECDHE and AEAD, and TLS 1.3 (RFC 9325 sections 3.1.1, 4.2). A client may come without
// a certificate; one that does not verify, names nobody, or is revoked fails the handshake. Which
// protocols are offered is fixed by ServerOptions.NextProtos, whatever the caller changes in the
// result.
func (s *Server) TLSConfig() *tls.Config {
	c := s.config().Clone()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.config(), nil }
	return c
}

// Reload replaces the certificates for new connections. A list that is empty or has one that is not
// Usable changes nothing and gives ErrCertificate.
func (s *Server) Reload(list []tls.Certificate) error {
	if len(list) == 0 {
		return fmt.Errorf("%w: none was given", ErrCertificate)
	}
	now := s.o.Now()
	for i := range list {
		if err := Usable(&list[i], now); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(slices.Clone(list))
	s.o.Log.Info("server certificates replaced", "count", len(list), "chain", ChainFingerprint(list[0]))
	return nil
}

// Peer gives who is at the other end of a connection by its certificate, and the certificate; nil
// without error when it came with none. It is for every request, not for connections only: a
// connection that lives on after its certificate was revoked (ErrRevoked) or has ended (ErrIdentity)
// is refused here.
func (s *Server) Peer(cs *tls.ConnectionState) (Subject, *x509.Certificate, error) {
	if cs == nil || len(cs.PeerCertificates) == 0 {
		return Subject{}, nil, nil
	}
	c := cs.PeerCertificates[0]
	if s.o.Authority == nil || len(cs.VerifiedChains) == 0 {
		return Subject{}, nil, fmt.Errorf("%w: its chain was not verified", ErrIdentity)
	}
	if now := s.o.Now(); now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return Subject{}, nil, fmt.Errorf("%w: valid from %s to %s only", ErrIdentity,
			c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339))
	}
	who, err := Identify(c, s.o.Authority.Host())
	if err != nil {
		return Subject{}, nil, err
	}
	if s.o.Revoked != nil && s.o.Revoked(serialText(c.SerialNumber), who) {
		return Subject{}, nil, ErrRevoked
	}
	return who, c, nil
}

// config gives the present configuration, made anew after the authority renewed its issuers.
func (s *Server) config() *tls.Config {
	now := s.current.Load()
	if s.o.Authority == nil || now.issuers == s.o.Authority.issuers.Load() {
		return now.config
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(s.current.Load().certificates)
}

// put makes and installs a state; s.mu is held.
func (s *Server) put(list []tls.Certificate) *tls.Config {
	next := &serving{certificates: list, config: &tls.Config{
		Certificates: list,
		MinVersion:   tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: s.o.NextProtos,
		Time:       s.o.Now,
	}}
	if a := s.o.Authority; a != nil {
		next.issuers = a.issuers.Load()
		// Only the client issuer: neither what the server issuer nor what any other authority
		// signed can stand below it.
		pool := x509.NewCertPool()
		pool.AddCert(next.issuers.client.Certificate)
		next.config.ClientAuth = tls.VerifyClientCertIfGiven
		next.config.ClientCAs = pool
		// A resumed session would carry an identity past the verification of its chain.
		next.config.SessionTicketsDisabled = true
		next.config.VerifyConnection = func(cs tls.ConnectionState) error { return s.verify(&cs, pool) }
	}
	s.current.Store(next)
	return next.config
}

// verify is VerifyConnection, which, unlike VerifyPeerCertificate, is also called on resumption.
func (s *Server) verify(cs *tls.ConnectionState, pool *x509.CertPool) error {
	_, c, err := s.Peer(cs)
	if err != nil || c == nil || !cs.DidResume {
		return err
	}
	_, err = c.Verify(x509.VerifyOptions{
		Roots:       pool,
		CurrentTime: s.o.Now(),
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

// Usable refuses, with ErrCertificate, a server certificate that has no leaf, whose key is another's,
// or that is outside its validity or not for servers at now.
func Usable(c *tls.Certificate, now time.Time) error {
	leaf, err := leafOf(c)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	name := cmp.Or(leaf.Subject.CommonName, serialText(leaf.SerialNumber))
	switch k, ok := c.PrivateKey.(crypto.Signer); {
	case !ok || !samePublic(leaf, k):
		return fmt.Errorf("%w: %q: the key is not that of the certificate", ErrCertificate, name)
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%w: %q ended on %s", ErrCertificate, name, leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%w: %q begins on %s", ErrCertificate, name, leaf.NotBefore.Format(time.RFC3339))
	case len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0 &&
		!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) &&
		!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny):
		return fmt.Errorf("%w: %q is not for servers", ErrCertificate, name)
	}
	return nil
}

func leafOf(c *tls.Certificate) (*x509.Certificate, error) {
	if c.Leaf != nil {
		return c.Leaf, nil
	}
	if len(c.Certificate) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return x509.ParseCertificate(c.Certificate[0])
}
