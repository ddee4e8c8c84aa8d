package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"liaison/auth"
	"liaison/certs"
)

// Certificates are made anew this long before they end.
const (
	renewServer = 30 * 24 * time.Hour
	renewIssuer = 398 * 24 * time.Hour // longer than what they sign lives
)

// certificates gives what the gateway serves: the configured chain of another authority, or its own,
// made anew when it is about to end or does not name all hosts.
func (g *gateway) certificates() ([]tls.Certificate, error) {
	if g.config.TLSCert != "" {
		c, err := certs.LoadKeyPair(g.config.TLSCert, g.config.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("the certificate to serve: %w", err)
		}
		g.doubt(c)
		return []tls.Certificate{c}, nil
	}
	list, err := certs.LoadServer(g.path(tlsName))
	if err == nil && g.current(list) {
		return list, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if list, err = g.authority.ServerCertificates(g.config.names(), 0); err != nil {
		return nil, err
	}
	return list, certs.WriteServer(g.path(tlsName), list)
}

// doubt warns of what partners will stumble over in a certificate of another authority.
func (g *gateway) doubt(c tls.Certificate) {
	host := g.url.Hostname()
	if err := c.Leaf.VerifyHostname(host); err != nil {
		g.log.Warn("the certificate is not for the public URL's host: partners will refuse it",
			"file", g.config.TLSCert, "host", host, "error", err)
	}
	if len(c.Certificate) == 1 && !bytes.Equal(c.Leaf.RawIssuer, c.Leaf.RawSubject) {
		g.log.Warn("the chain does not carry the certificate's issuer, and partners may not know it: append it",
			"file", g.config.TLSCert, "issuer", c.Leaf.Issuer.String())
	}
	if err := privateFile(g.config.TLSKey); err != nil {
		g.log.Warn("the key of the certificate is not private", "error", err)
	}
}

// current reports whether certificates of our own hold for a while and name all hosts.
func (g *gateway) current(list []tls.Certificate) bool {
	for _, c := range list {
		if certs.Usable(&c, g.now().Add(renewServer)) != nil {
			return false
		}
		for _, name := range g.config.names() {
			if c.Leaf == nil || c.Leaf.VerifyHostname(name) != nil {
				return false
			}
		}
	}
	return len(list) > 0
}

// names are what the gateway's own certificate stands for: the public URL's host first.
func (c config) names() []string {
	var names []string
	if u, err := publicURL(c.URL); err == nil {
		names = append(names, u.Hostname())
	}
	for _, n := range append(slices.Clone(c.Hosts), "localhost", "127.0.0.1", "::1") {
		if ip, err := netip.ParseAddr(n); err == nil {
			n = ip.String()
		}
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// serving is DIR/cache/serving.json: what the last run served, so that an invitation that is made
// while no gateway runs names the same certificate.
type serving struct {
	Fingerprint string `json:"fingerprint"`
}

const servingName = cacheName + "/serving.json"

// present remembers what is served.
func (g *gateway) present(list []tls.Certificate) {
	s := serving{Fingerprint: g.authority.Fingerprint()}
	if g.config.TLSCert != "" {
		s.Fingerprint = certs.ChainFingerprint(list[0])
	}
	g.served.Store(&s.Fingerprint)
	b, err := json.Marshal(s)
	if err == nil {
		err = replaceFile(g.path(servingName), append(b, '\n'))
	}
	if err != nil {
		g.log.Warn("remembering what is served", "error", err)
	}
}

// fingerprint is the SHA-256 of the certificate that partners are told to trust: the gateway's root,
// or, of a chain of another authority, the last one.
func (g *gateway) fingerprint() string {
	if s := g.served.Load(); s != nil {
		return *s
	}
	if g.config.TLSCert != "" {
		if c, err := certs.LoadKeyPair(g.config.TLSCert, g.config.TLSKey); err == nil {
			return certs.ChainFingerprint(c)
		}
	}
	var s serving
	if b, err := readSmall(g.path(servingName)); err == nil && json.Unmarshal(b, &s) == nil && s.Fingerprint != "" {
		return s.Fingerprint
	}
	return g.authority.Fingerprint()
}

// revoked is asked at each handshake and for each request that comes with a certificate: one that
// the registry does not know is as good as revoked.
func (g *gateway) revoked(serial string, s certs.Subject) bool {
	c, ok := g.registry.State().Access.Clients[auth.ClientID(s.Client)]
	if !ok || string(c.Partner) != s.Partner {
		return true
	}
	i := slices.IndexFunc(c.Certificates, func(k auth.Certificate) bool { return k.Serial == serial })
	return i < 0 || !c.Certificates[i].Gone(g.now()).IsZero()
}

// renew makes new certificates of our own before the old ones end.
func (g *gateway) renew(server *certs.Server) error {
	if _, err := g.authority.Renew(renewIssuer); errors.Is(err, certs.ErrNoRootKey) {
		g.log.Warn("the issuers end soon: put the root's key back into "+g.path(caName)+" for a while",
			"until", g.authority.Expires())
	} else if err != nil {
		return err
	}
	if g.config.TLSCert != "" {
		return nil
	}
	if list, err := certs.LoadServer(g.path(tlsName)); err == nil && g.current(list) {
		return nil
	}
	return g.reload(server)
}

// reload reads the certificates again; on an error the old ones stay.
func (g *gateway) reload(server *certs.Server) error {
	list, err := g.certificates()
	if err != nil {
		return err
	}
	if err := server.Reload(list); err != nil {
		return err
	}
	g.present(list)
	return nil
}
