package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// Error is a request that the server answered with a status of 400 or more.
type Error struct {
	Method, URL string
	Status      int
	Title       string // of a TAXII error (section 3.6.1), or OAuth's error code (RFC 6749 section 5.2)
	Description string
	ID          string        // error_id, for the operator's log
	RetryAfter  time.Duration // 0 when the server asked for none
	Date        time.Time     // the server's clock; zero when it did not say
}

// Error gives the request, the status and what the server said, on one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d %s", e.Method, e.URL, e.Status, http.StatusText(e.Status))
	if e.Title != "" && !strings.EqualFold(e.Title, http.StatusText(e.Status)) {
		b.WriteString(": " + e.Title)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	if e.ID != "" {
		b.WriteString(" (error_id " + e.ID + ")")
	}
	return b.String()
}

// Is makes a 401 an ErrRefused.
func (e *Error) Is(kind error) bool {
	return kind == ErrRefused && e.Status == http.StatusUnauthorized
}

// readError makes an Error of an answer and closes it.
func readError(r *http.Response, now time.Time) *Error {
	defer r.Body.Close()
	e := &Error{Method: r.Request.Method, URL: shown(r.Request.URL), Status: r.StatusCode, Date: dateOf(r),
		RetryAfter: retryAfter(r.Header.Get("Retry-After"), now)}
	data, err := io.ReadAll(io.LimitReader(r.Body, maxError))
	if err != nil || len(data) == 0 {
		return e
	}
	var body struct {
		Title       string `json:"title"`
		Description string `json:"description"`
		ID          string `json:"error_id"`
		Error       string `json:"error"`
		Explanation string `json:"error_description"`
	}
	// Members of other types than the standard's are of no use, and no reason to lose the others.
	if err := json.Unmarshal(data, &body); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok {
			return e
		}
	}
	e.Title, e.Description, e.ID = clean(body.Title), clean(body.Description), clean(body.ID)
	if e.Title == "" {
		e.Title = clean(body.Error)
	}
	if e.Description == "" {
		e.Description = clean(body.Explanation)
	}
	return e
}

// dateOf gives the server's clock. RFC 9110 section 6.6.1
func dateOf(r *http.Response) time.Time {
	t, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// shown is a URL as it may stand in an error: an invitation's token and a cursor are left out.
func shown(u *url.URL) string {
	v := *u
	v.RawQuery, v.Fragment, v.User = "", "", nil
	if dir, _, ok := cutLast(v.Path, "/"); ok && strings.HasSuffix(dir, "/join") {
		v.Path, v.RawPath = dir+"/…", dir+"/…"
		return v.Scheme + "://" + v.Host + v.Path
	}
	return clean(v.String())
}

// clean makes a foreign text fit to be printed on one line of a terminal.
func clean(s string) string {
	const most = 400 // characters
	s = strings.ToValidUTF8(s, "�")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case !unicode.IsGraphic(r):
			return -1
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return s
}

// retryAfter reads the header: seconds or a date. RFC 9110 section 10.2.3
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// overloaded reports whether a status says that the same request may succeed later.
func overloaded(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// permanent reports whether a failure of the connection will be the same the next time.
func permanent(err error) bool {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if _, ok := errors.AsType[*redirectError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*connectError](err); ok && e.status < http.StatusInternalServerError {
		return true
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && (e.Op == "remote error" || e.Op == "local error") {
		return true // a TLS alert: the handshake was refused
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, ErrNotTAXII)
}

// Explain says in one line what went wrong with a connection and what to do.
func Explain(err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*explained](err); ok || errors.Is(err, ErrNotTAXII) {
		return err
	}
	host := "the server"
	if e, ok := errors.AsType[*url.Error](err); ok {
		if u, perr := url.Parse(e.URL); perr == nil && u.Host != "" {
			host = clean(u.Host)
		}
		err = e.Err
	}
	say := func(format string, args ...any) error {
		return &explained{"connecting to " + host + ": " + fmt.Sprintf(format, args...), err}
	}
	if e, ok := errors.AsType[*proxyError](err); ok {
		return say("the proxy %s (HTTPS_PROXY) %s: is that setting right, and does the proxy let this host through?", clean(e.host), proxyFault(e.err))
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return say("there is no host %q: is the name in the URL right, and does this machine's DNS know it?", clean(e.Name))
		}
		return say("DNS does not answer: %v", e)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return say("its certificate is signed by an authority that is not trusted here: is this the right gateway, is a proxy between that opens TLS, or did the gateway change its authority (then join again)?")
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return say("its certificate is for other names (%v): use the gateway's public name", clean(e.Error()))
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return say("its certificate is out of its time (%v): is this machine's clock right? else tell the operator", clean(e.Detail))
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return say("it does not speak TLS there: is the port right?")
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return say("it refused the TLS handshake (%v): is the certificate of this partner expired or revoked? ask the operator for a new invitation", clean(e.Err.Error()))
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return say("nothing listens there: is the gateway running, and the port right?")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return say("no way leads there: is this machine on the network, or does it need HTTPS_PROXY?")
	case errors.Is(err, errIdle):
		return say("%v", errIdle)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return say("it closed the connection before it had answered")
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return say("no answer in time: is a firewall between?")
	}
	return say("%v", clean(err.Error()))
}

// proxyError is a proxy that does not lead anywhere.
type proxyError struct {
	host string
	err  error
}

func (e *proxyError) Error() string { return "proxy " + e.host + ": " + e.err.Error() }
func (e *proxyError) Unwrap() error { return e.err }

// connectError is a proxy's answer to CONNECT that is no success.
type connectError struct{ status int }

func (e *connectError) Error() string {
	return fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
}

// proxyFault says what the proxy did.
func proxyFault(err error) string {
	if e, ok := errors.AsType[*connectError](err); ok {
		return "answers " + e.Error()
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return "is not known to DNS"
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "gave no answer in time"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "is not there: nothing listens"
	}
	return "does not answer (" + clean(err.Error()) + ")"
}

type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }
