// Package client is the partner's side of sharing: it joins a gateway, finds what is shared there,
// publishes bundles and pulls collections, over TAXII 2.1 and with any server that speaks it.
//
// It is not a STIX library: objects pass through it byte for byte. It prints nothing, reads no
// environment and keeps nothing on disk but what a caller gives it a path for: a partner's
// directory, a pull's output and the state beside it.
//
// TAXII Version 2.1, OASIS Standard, 10 June 2021; RFC 6749 section 4.4 (client credentials);
// RFC 7617 (Basic), which a TAXII client must speak; RFC 9110 sections 10.2.3 and 15.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Kinds of error; the text beside them says what was wrong and what to do.
var (
	ErrAccount    = errors.New("not a partner's directory")     // partner.json or a file that it names is wrong
	ErrInvitation = errors.New("not an invitation")             // the URL cannot be one
	ErrNotTAXII   = errors.New("not an answer of TAXII 2.1")    // what answered is something else
	ErrRefused    = errors.New("the credentials are refused")   // 401, after a new token was tried
	ErrNotFound   = errors.New("not there")                     // a collection that the server does not list
	ErrNotAllowed = errors.New("not allowed")                   // one that it lists without the right to do this
	ErrState      = errors.New("the state does not fit")        // a pull's state that is broken or another's
	ErrOutput     = errors.New("the output does not fit")       // a pull's output that is not what the state says
	ErrBusy       = errors.New("another pull writes there now") // the output is locked
	ErrLost       = errors.New("the answer was lost")           // what was asked for may have been done
	ErrInput      = errors.New("cannot be published as it is")  // a file that is no envelope and no bundle
)

// Bounds of what a server's answers may make the client hold, in bytes.
const (
	maxResource = 8 << 20  // a discovery, api root, collections or status resource
	maxError    = 64 << 10 // an error's body
	maxObject   = 64 << 20 // one object of a page
	maxMember   = 1 << 20  // any other member of a page
)

// Options are what a Client may be given; the zero value is ready to use.
type Options struct {
	TLS       *tls.Config                           // trusted roots and the client's certificate; nil for the system's and none
	Assertion *AssertionKey                         // asks for tokens, in place of the secret; nil for none
	Proxy     func(*http.Request) (*url.URL, error) // nil for none
	UserAgent string                                // "liaison" when empty
	Notify    func(line string)                     // told when something is tried again, and why; may be nil
	Now       func() time.Time                      // time.Now when nil
	// Sleep waits, or gives the context's error; a timer when nil.
	Sleep func(context.Context, time.Duration) error
	// Attempts is how often a request is tried while the server is overloaded or away: 10 when
	// zero, without end when negative. A server that never answered is given up after three.
	Attempts int
	// Idle ends a request of which nothing was heard for so long; a minute when zero.
	Idle time.Duration
}

// Client speaks to one server as one client of a partner. Safe for concurrent use.
type Client struct {
	account   Account
	o         Options
	http      *http.Client
	contacted atomic.Bool // it has answered once

	mu      sync.Mutex
	token   string
	renewAt time.Time
}

// New gives a client for an account. It connects when it is first asked something.
func New(a Account, o Options) (*Client, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	return newClient(a, o), nil
}

func newClient(a Account, o Options) *Client {
	if o.UserAgent == "" {
		o.UserAgent = "liaison"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	if o.Attempts == 0 {
		o.Attempts = 10
	}
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	return &Client{account: a, o: o, http: newHTTP(o)}
}

// newHTTP gives an HTTP/1.1 client: bulk pages come faster over it than over HTTP/2.
func newHTTP(o Options) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:        o.TLS,
			Proxy:                  o.Proxy,
			OnProxyConnectResponse: proxyAnswered,
			Protocols:              protocols,
			DialContext:            (&net.Dialer{Timeout: 20 * time.Second}).DialContext,
			TLSHandshakeTimeout:    20 * time.Second,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        time.Minute,
			ReadBufferSize:         64 << 10,
			MaxResponseHeaderBytes: 256 << 10,
		},
		CheckRedirect: sameOrigin,
	}
}

// proxyAnswered makes an error of a proxy that does not open a way. RFC 9110 section 9.3.6.
func proxyAnswered(_ context.Context, proxy *url.URL, _ *http.Request, r *http.Response) error {
	if r.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{proxy.Host, &connectError{r.StatusCode}}
}

// sameOrigin follows a redirection within one server only: credentials go nowhere else.
func sameOrigin(r *http.Request, via []*http.Request) error {
	switch first := via[0].URL; {
	case len(via) > 5:
		return errors.New("redirected in circles")
	case r.URL.Scheme != first.Scheme || r.URL.Host != first.Host:
		return &redirectError{to: r.URL.Scheme + "://" + r.URL.Host}
	}
	return nil
}

type redirectError struct{ to string }

func (e *redirectError) Error() string {
	return "redirected to " + clean(e.to) + ", another server: credentials are not sent there; if it is right, write it into partner.json"
}

// Account gives what the client speaks as.
func (c *Client) Account() Account { return c.account }

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
