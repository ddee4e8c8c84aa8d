package server

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"liaison/auth"
	"liaison/certs"
)

// Failed logins beyond freeFailures a minute, by address and claimed client, are answered late, as
// long as no more than maxDelayed wait so. A credential that holds is never asked to wait: it is
// looked at before anything is counted. Whether the claimed client is one makes no difference, or the
// delay would tell who is.
const (
	freeFailures = 50
	delay        = 500 * time.Millisecond
	maxDelayed   = 256
)

// login identifies the caller and counts its request.
func (s *Server) login(k *call) (leave func(), err error) {
	shown, err := s.presented(k.r)
	if err == nil {
		k.p, err = s.o.Doors.Identify(k.r.Context(), shown)
	}
	if err != nil {
		s.turnAway(k, err)
		return nil, err
	}
	admitted(k.r.Context(), k.p, shown.Certificate)
	return s.flights.take(k.p.Client)
}

// presented collects what came with a request. Proxies' headers are nothing of it.
func (s *Server) presented(r *http.Request) (auth.Presented, error) {
	p := auth.Presented{
		Authorization: r.Header.Values("Authorization"),
		APIKey:        r.Header.Values("X-API-Key"),
		Address:       address(r),
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return p, nil
	}
	refused := func(why string) (auth.Presented, error) {
		return p, &auth.Refusal{Code: "invalid_client", Reason: "certificate: " + why}
	}
	c := r.TLS.PeerCertificates[0]
	if len(r.TLS.VerifiedChains) == 0 {
		return refused("its chain was not verified")
	}
	// A connection may outlive its certificate.
	if now := s.now(); now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return refused("not valid now")
	}
	who, err := certs.Identify(c, s.o.Authority.Host())
	if err != nil {
		return refused(err.Error())
	}
	sum := sha256.Sum256(c.Raw)
	p.Certificate = &auth.Shown{
		Partner:     auth.PartnerID(who.Partner),
		Client:      auth.ClientID(who.Client),
		Serial:      serialOf(c),
		Fingerprint: hex.EncodeToString(sum[:]),
	}
	return p, nil
}

// serialOf writes a serial number as the registry does.
func serialOf(c *x509.Certificate) string { return fmt.Sprintf("%040x", c.SerialNumber) }

// known gives the name of a client that there is, else "".
func (s *Server) known(id auth.ClientID) auth.ClientID {
	return s.o.Registry.State().Access.Known(id)
}

// turnAway counts a login that did not hold, and lets one of too many wait.
func (s *Server) turnAway(k *call, err error) {
	key := tallyKey{address: address(k.r), code: "none"}
	if r, ok := errors.AsType[*auth.Refusal](err); ok {
		key.client = r.Claimed
		if r.Code != "" {
			key.code = r.Code
		}
		if s.o.Log.Enabled(k.r.Context(), slog.LevelDebug) {
			s.o.Log.Debug("login refused", "address", key.address, "client", string(s.known(r.Claimed)), "reason", r.Reason)
		}
	}
	if s.refused.count(key, s.now()) <= freeFailures {
		return
	}
	select {
	case s.tarpit <- struct{}{}:
		defer func() { <-s.tarpit }()
	default:
		return
	}
	wait := time.NewTimer(delay)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-k.r.Context().Done():
	}
}

// challenge says how to identify oneself: both ways, in a line each, for some clients read only the
// first scheme of a line. A request that came with nothing is told no error. RFC 6750 section 3,
// RFC 7617 section 2, RFC 9728 section 5.1.
func (s *Server) challenge(h http.Header, err error) {
	if _, ok := errors.AsType[*auth.OAuthError](err); ok {
		h["Www-Authenticate"] = []string{`Basic realm="taxii", charset="UTF-8"`}
		return
	}
	bearer := `Bearer realm="taxii", resource_metadata="` + s.link(resourcePath) + `"`
	if r, ok := errors.AsType[*auth.Refusal](err); ok && r.Code == "invalid_token" {
		why := "the token is not valid, or not any more"
		if r.Bound {
			why = "the token is bound to a client certificate: open the connection with it"
		}
		bearer += `, error="invalid_token", error_description="` + why + `"`
	}
	h["Www-Authenticate"] = []string{`Basic realm="taxii", charset="UTF-8"`, bearer}
}

// addressed refuses a request whose Host is not the one that the connection was opened to. Clients
// that open it without a name, by address, are not held to one. RFC 9110 section 15.5.20.
func (s *Server) addressed(r *http.Request) error {
	if r.TLS == nil || r.TLS.ServerName == "" || r.Host == "" { // HTTP/1.0 needs no Host
		return nil
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if !strings.EqualFold(strings.TrimSuffix(host, "."), strings.TrimSuffix(r.TLS.ServerName, ".")) {
		return httpProblem(http.StatusMisdirectedRequest)
	}
	return nil
}
