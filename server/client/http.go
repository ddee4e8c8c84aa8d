package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"time"

	"liaison/server/taxii"
)

// Media types beside TAXII's.
const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

// Waiting between attempts.
const (
	firstPause = 500 * time.Millisecond
	longPause  = 30 * time.Second // without Retry-After
	longestAsk = 15 * time.Minute // a Retry-After beyond it ends the request, unless there is no end of attempts
	hour       = time.Hour        // the longest wait of all

	strangerAttempts = 3 // of a server that never answered
)

var errIdle = errors.New("nothing was heard for too long")

// call is one request that may be made several times.
type call struct {
	method, url string
	accept      string // taxii.MediaType when empty
	ctype       string
	body        []byte
	anew        func() ([]byte, error) // makes the body for each attempt; may be nil
	open        bool                   // without credentials
	basic       bool                   // with Basic, whatever else there is
	once        bool                   // not to be repeated when it may have been carried out
}

// do makes a request until it is answered by something else than "later". The answer is of the 2xx
// or the error is an *Error; whoever gets an answer closes its body.
func (c *Client) do(ctx context.Context, k call) (*http.Response, error) {
	fresh := false // the token was renewed for this request
	for n := 1; ; n++ {
		used := ""
		if !k.open && !k.basic {
			var err error
			if used, err = c.accessToken(ctx); err != nil {
				return nil, err
			}
		}
		resp, err := c.attempt(ctx, k, used)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			if permanent(err) || k.once || c.spent(n) {
				return nil, Explain(err)
			}
			if err := c.pause(ctx, n, 0, Explain(err)); err != nil {
				return nil, err
			}
			continue
		case resp.StatusCode < 300:
			return resp, nil
		}
		e := readError(resp, c.o.Now())
		switch {
		case e.Status == http.StatusUnauthorized && used != "" && !fresh:
			// It may have run out early, or the gateway was restored; one new token tells.
			fresh = true
			c.dropToken(used)
			n--
		case overloaded(e.Status) && !c.spent(n) && (e.RetryAfter <= longestAsk || c.o.Attempts < 0):
			if err := c.pause(ctx, n, e.RetryAfter, e); err != nil {
				return nil, err
			}
		default:
			return nil, e
		}
	}
}

// spent reports whether attempt n was the last.
func (c *Client) spent(n int) bool {
	if c.o.Attempts < 0 {
		return false
	}
	if !c.contacted.Load() {
		return n >= min(c.o.Attempts, strangerAttempts)
	}
	return n >= c.o.Attempts
}

// pause waits after attempt n: as long as was asked, else longer each time.
func (c *Client) pause(ctx context.Context, n int, asked time.Duration, why error) error {
	d := min(asked, hour)
	if d == 0 {
		d = min(firstPause<<min(n-1, 10), longPause)
		var b [8]byte
		rand.Read(b[:])
		d += time.Duration(binary.LittleEndian.Uint64(b[:]) % uint64(d/4)) // so that not all come at once
	}
	c.o.Notify(fmt.Sprintf("%v; trying again in %s", why, d.Round(100*time.Millisecond)))
	return c.o.Sleep(ctx, d)
}

// attempt makes a request once, with a token unless that is empty.
func (c *Client) attempt(ctx context.Context, k call, token string) (resp *http.Response, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	g := &guard{idle: c.o.Idle, cancel: cancel}
	g.timer = time.AfterFunc(g.idle, func() { cancel(errIdle) })
	defer func() {
		if err != nil {
			if errors.Is(context.Cause(ctx), errIdle) {
				err = fmt.Errorf("%w: %s", errIdle, c.o.Idle)
			}
			g.stop()
		}
	}()
	req, err := http.NewRequestWithContext(ctx, k.method, k.url, nil)
	if err != nil {
		return nil, err
	}
	if k.anew != nil {
		if k.body, err = k.anew(); err != nil {
			return nil, err
		}
	}
	if k.body != nil {
		req.ContentLength = int64(len(k.body))
		req.GetBody = func() (io.ReadCloser, error) { return g.reading(io.NopCloser(bytes.NewReader(k.body))), nil }
		req.Body, _ = req.GetBody()
		req.Header.Set("Content-Type", k.ctype)
	}
	req.Header.Set("Accept", k.accept)
	if k.accept == "" {
		req.Header.Set("Accept", taxii.MediaType)
	}
	req.Header.Set("User-Agent", c.o.UserAgent)
	switch {
	case k.open:
	case token != "":
		req.Header.Set("Authorization", "Bearer "+token)
	case c.account.ClientSecret != "":
		req.SetBasicAuth(c.account.ClientID, c.account.ClientSecret)
	}
	if resp, err = c.http.Do(req); err != nil {
		return nil, c.byProxy(req, err)
	}
	c.contacted.Store(true)
	resp.Body = g.answer(resp.Body)
	return resp, nil
}

// byProxy names the proxy that could not be reached; the transport says only that one could not.
func (c *Client) byProxy(r *http.Request, err error) error {
	e, ok := errors.AsType[*net.OpError](err)
	if !ok || e.Op != "proxyconnect" || c.o.Proxy == nil {
		return err
	}
	proxy, perr := c.o.Proxy(r)
	if perr != nil || proxy == nil {
		return err
	}
	return &url.Error{Op: r.Method, URL: r.URL.Scheme + "://" + r.URL.Host, Err: &proxyError{proxy.Host, e.Err}}
}

// guard ends a request when nothing moves any more in either direction.
type guard struct {
	idle   time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

func (g *guard) stop() {
	g.timer.Stop()
	g.cancel(nil)
}

func (g *guard) reading(r io.ReadCloser) io.ReadCloser { return &guarded{ReadCloser: r, guard: g} }
func (g *guard) answer(r io.ReadCloser) io.ReadCloser {
	return &guarded{ReadCloser: r, guard: g, last: true}
}

type guarded struct {
	io.ReadCloser
	guard *guard
	last  bool
}

func (r *guarded) Read(p []byte) (int, error) {
	r.guard.timer.Reset(r.guard.idle)
	n, err := r.ReadCloser.Read(p)
	if err == nil {
		r.guard.timer.Reset(r.guard.idle)
	}
	return n, err
}

func (r *guarded) Close() error {
	err := r.ReadCloser.Close()
	if r.last {
		r.guard.stop()
	}
	return err
}

// resource gets a TAXII resource into v.
func (c *Client) resource(ctx context.Context, url string, v any) error {
	resp, err := c.do(ctx, call{method: http.MethodGet, url: url})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := checkType(resp, false); err != nil {
		return err
	}
	return decode(resp, v)
}

// decode reads a bounded JSON answer; members that are not v's are skipped.
func decode(resp *http.Response, v any) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxResource+1))
	what := "answer to " + resp.Request.Method + " " + shown(resp.Request.URL)
	switch {
	case err != nil:
		return fmt.Errorf("reading %s: %w", what, Explain(err))
	case len(data) > maxResource:
		return fmt.Errorf("%w: the %s has more than %d bytes", ErrNotTAXII, what, maxResource)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: the %s: %s", ErrNotTAXII, what, jsonFault(err))
	}
	return nil
}

// checkType refuses answers that are not TAXII 2.1. "Responses ... MUST include the media type and
// version parameter", section 3.1; one without the version is taken. An answer that says what
// became of a publication is too dear to be refused for being plain JSON.
func checkType(resp *http.Response, orJSON bool) error {
	text := resp.Header.Get("Content-Type")
	kind, params, err := mime.ParseMediaType(text)
	if v, ok := params["version"]; err == nil && kind == "application/taxii+json" && (!ok || v == "2.1") {
		return nil
	}
	if err == nil && orJSON && kind == jsonType {
		return nil
	}
	what := clean(text)
	if what == "" {
		what = "no Content-Type"
	}
	return fmt.Errorf("%w: %s answered with %s instead of %s: is it the address of a TAXII 2.1 server?", ErrNotTAXII, shown(resp.Request.URL), what, taxii.MediaType)
}

// under gives the address of a resource below a root: steps are escaped, a slash ends it.
func under(root string, steps ...string) string {
	for _, s := range steps {
		root += url.PathEscape(s) + "/"
	}
	return root
}
