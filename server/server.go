// Package server is the gateway over HTTP: TAXII 2.1 for partners, the token endpoint and what
// belongs to it, joining, and the revocation list.
//
// A handler identifies, parses, calls the Desk, encodes. What is allowed is decided by the domain:
// the one table of routes (routes.go) says what there is, the one table of errors (errors.go) what
// the protocol makes of an error. It opens no store and no listener.
//
// TAXII Version 2.1, OASIS Standard, 10 June 2021; RFC 9110, RFC 6749, RFC 6750, RFC 8414, RFC 9728.
package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"liaison/auth"
	"liaison/certs"
	"liaison/collections"
	"liaison/server/taxii"
)

// Bounds of what a caller can make large or slow.
const (
	DefaultMaxContent  = 100 << 20 // bytes of a body, decoded
	MaxMaxContent      = 1<<53 - 1 // the largest integer of TAXII 2.1 section 2
	DefaultMaxInFlight = 256       // requests of one client at the same time
	DefaultGrace       = 30 * time.Second
	DefaultMinRate     = 16 << 10 // bytes a second that a peer has to read or write

	DefaultMaxContentInFlight = 256 << 20 // bytes of all bodies that are under way, decoded

	maxHeader     = 64 << 10 // bytes of a header block
	maxForm       = 16 << 10 // bytes of a form of the token endpoint
	maxChanging   = 4        // changes of one client's own credentials that wait for their commit
	maxJoin       = 32 << 10 // bytes of a request to join
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	commitTimeout = 2 * time.Minute // that a publication may wait for its commit, after its last byte
)

// Options are what a Server is made of. URL, Desk, Doors, Vault and Authority must be given.
type Options struct {
	URL       *url.URL // the public URL, https://HOST[:PORT]: issuer, api_roots, links
	Registry  *collections.Registry
	Desk      *collections.Desk
	Doors     *auth.Doors
	Vault     *auth.Vault
	Authority *certs.Authority
	Log       *slog.Logger     // nil: nothing is logged
	Now       func() time.Time // nil: time.Now

	Title       string // of the discovery resource; "" is Liaison
	Description string
	Contact     string
	Admin       Administration // the operator's API for operators that come over TLS; nil: there is none here
	MaxContent  int64          // max_content_length of every api root in bytes, at most 2⁵³−1; 0: the Desk's, else DefaultMaxContent
	MaxInFlight int            // 0: DefaultMaxInFlight

	RatePerMinute int // requests of one client that begin something; 0: as many as they like
	RateBurst     int // of them at once; 0: RatePerMinute

	// Bytes of all publications that are under way, decoded; 0: DefaultMaxContentInFlight. Less than
	// twice MaxContent counts as that.
	MaxContentInFlight int64

	Cache      string // a directory of this process alone, for what is compressed once for many answers; "" for none
	CacheBytes int64  // that it may hold; 0: none

	Grace   time.Duration // that a body or an answer may take beyond its rate; 0: DefaultGrace
	MinRate int           // bytes a second that a peer has to keep after that; 0: DefaultMinRate
}

// Server answers for one gateway. Safe for concurrent use.
type Server struct {
	o        Options
	base     string // the public URL without a final slash
	echo     *echo.Echo
	cursors  taxii.Cursors
	refused  *tally // logins that did not hold
	strayed  *tally // cursors that were carried into another collection
	flights  flights
	rates    rates
	sites    *http.CrossOriginProtection
	changing flights // what a client changes of its own credentials, alone
	contents *contents
	tarpit   chan struct{}
	pools    *pools
	headers  headers
	pieces   *pieces
	crl      crl
	health   health

	connections connections
	wall        func() time.Time // the machine's clock, which deadlines and durations run by
}

// New makes a Server; an error names the option that is wrong.
func New(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("making server: %w", err)
	}
	kept, err := openPieces(o.Cache, o.CacheBytes, o.Log, time.Now)
	if err != nil {
		return nil, fmt.Errorf("making server: %w", err)
	}
	s := &Server{
		o:        o,
		base:     strings.TrimSuffix(o.URL.String(), "/"),
		cursors:  taxii.Cursors{MAC: o.Vault.MAC, Holds: o.Vault.Holds},
		sites:    http.NewCrossOriginProtection(),
		changing: flights{most: maxChanging, now: map[auth.ClientID]int{}},
		flights:  flights{most: o.MaxInFlight, now: map[auth.ClientID]int{}},
		rates:    rates{perMinute: o.RatePerMinute, burst: o.RateBurst},
		tarpit:   make(chan struct{}, maxDelayed),
		pools:    newPools(),
		headers:  newHeaders(),
		pieces:   kept,
		wall:     time.Now,
	}
	s.contents = newContents(&s.o, s.wall)
	s.refused, s.strayed = newTally(o.Now(), s.known), newTally(o.Now(), s.known)
	s.connections.open = map[net.Conn]*connection{}
	o.Registry.Watch(s.sever)
	s.echo = s.router()
	return s, nil
}

func (o *Options) complete() error {
	switch {
	case o.Desk == nil || o.Doors == nil || o.Vault == nil || o.Authority == nil:
		return errors.New("want a Desk, Doors, a Vault and an Authority")
	case o.URL == nil || o.URL.Scheme != "https" || o.URL.Host == "" || strings.Trim(o.URL.Path, "/") != "" ||
		o.URL.RawQuery != "" || o.URL.Fragment != "" || o.URL.User != nil:
		return fmt.Errorf("public URL %v: want https://HOST[:PORT]", o.URL)
	}
	if o.Registry == nil {
		o.Registry = o.Desk.Registry
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = slog.New(auth.Discreet(o.Log.Handler())) // what callers send is quoted in it
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Title == "" {
		o.Title = "Liaison"
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	o.RatePerMinute = max(o.RatePerMinute, 0)
	if o.RateBurst <= 0 {
		o.RateBurst = o.RatePerMinute
	}
	if o.Grace <= 0 {
		o.Grace = DefaultGrace
	}
	if o.MinRate <= 0 {
		o.MinRate = DefaultMinRate
	}
	body := o.Desk.Limits.Body
	if o.MaxContent <= 0 {
		o.MaxContent = body
	}
	if o.MaxContent <= 0 {
		o.MaxContent = DefaultMaxContent
	}
	if o.MaxContent > MaxMaxContent {
		return fmt.Errorf("max content %d is above %d, the largest integer of TAXII", o.MaxContent, int64(MaxMaxContent))
	}
	if o.MaxContentInFlight <= 0 {
		o.MaxContentInFlight = DefaultMaxContentInFlight
	}
	o.MaxContentInFlight = max(o.MaxContentInFlight, 2*o.MaxContent)
	// "MUST NOT" refuse a body below max_content_length for its size. TAXII 2.1 section 4.2.1.
	if body > 0 && body < o.MaxContent || body == 0 && o.MaxContent > DefaultMaxContent {
		return fmt.Errorf("max content %d is above what the desk takes", o.MaxContent)
	}
	return nil
}

// Close lets go of the cache. Answers that are under way end as they should.
func (s *Server) Close() { s.pieces.close() }

// Handler gives the whole gateway as one handler. It depends on no version of HTTP.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// HTTP gives a server with all its timeouts around the Handler; the caller adds the TLS
// configuration and the listener. Reading and writing have their deadlines by request.
func (s *Server) HTTP() *http.Server {
	return &http.Server{
		Handler:           s.Handler(),
		ConnContext:       s.connections.begin,
		ConnState:         s.connections.changed,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader - 4096, // net/http adds 4096
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
}

func (s *Server) now() time.Time { return s.o.Now().UTC() }

// address gives where a request comes from, without the port. Headers that proxies write are not
// believed: anybody can write them.
func address(r *http.Request) string {
	if one, ok := r.Context().Value(connectionKey{}).(*connection); ok && one.remote == r.RemoteAddr {
		return one.from
	}
	return addressOf(r.RemoteAddr)
}

func addressOf(remote string) string {
	if a, err := netip.ParseAddrPort(remote); err == nil {
		return a.Addr().Unmap().WithZone("").String()
	}
	return ""
}

// link gives an absolute URL of this gateway.
func (s *Server) link(path string) string { return s.base + path }
