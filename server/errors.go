package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/taxii"
	"liaison/stix"
)

// retry is an error that passes by itself.
type retry struct {
	problem *taxii.Error
	after   time.Duration
}

func (r *retry) Error() string { return r.problem.Error() }
func (r *retry) Unwrap() error { return r.problem }

// problemOf is the one table from errors to the protocol. What is not in it is a bare 500.
//
// A caller is told the same whatever the reason that something is not there for it: what it may not
// see does not exist.
func problemOf(err error) *taxii.Error {
	if e, ok := errors.AsType[*taxii.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*auth.OAuthError](err); ok {
		return taxii.NewError(e.Status, e.Code, "Token refused", e.Description)
	}
	if r, ok := errors.AsType[*auth.Refusal](err); ok && r.Bound {
		return taxii.NewError(http.StatusUnauthorized, "unauthorized", "Not identified",
			"the token is bound to the client certificate that it was asked for with: open the connection with that certificate")
	}
	if e, ok := errors.AsType[*stix.BodyError](err); ok {
		return bodyProblem(e)
	}
	if e, ok := errors.AsType[*echo.HTTPError](err); ok {
		return httpProblem(e.Code)
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return httpProblem(http.StatusRequestEntityTooLarge)
	}
	for _, row := range []struct {
		kind    error
		problem *taxii.Error
	}{
		{auth.ErrUnauthenticated, httpProblem(http.StatusUnauthorized)},
		{collections.ErrNotFound, httpProblem(http.StatusNotFound)},
		{collections.ErrDenied, httpProblem(http.StatusForbidden)},
		{errTooLong, httpProblem(http.StatusRequestEntityTooLarge)},
		{errGzip, taxii.NewError(http.StatusBadRequest, "invalid_gzip", "Body is not gzip",
			"Content-Encoding says gzip: the body must be whole gzip members and nothing else")},
		{collections.ErrFull, taxii.NewError(http.StatusServiceUnavailable, "full", "No space left",
			"the disk of the gateway is full and nothing was stored; the operator has to make room")},
		{collections.ErrUnavailable, taxii.NewError(http.StatusServiceUnavailable, "unavailable", "Not available now",
			"nothing was stored; send it again later")},
		{context.DeadlineExceeded, taxii.NewError(http.StatusServiceUnavailable, "busy", "Not available now",
			"it took too long; send it again later")},
		{context.Canceled, taxii.NewError(http.StatusServiceUnavailable, "cancelled", "Cancelled",
			"the connection ended before the answer")},
	} {
		if errors.Is(err, row.kind) {
			return row.problem
		}
	}
	return httpProblem(http.StatusInternalServerError)
}

// bodyProblem: 400 for what is not JSON, 413 for its size alone, 422 for what is JSON and cannot be
// processed. TAXII 2.1 section 5.5.
func bodyProblem(e *stix.BodyError) *taxii.Error {
	status, code, title := http.StatusBadRequest, "malformed_body", "Malformed body"
	switch {
	case errors.Is(e, stix.ErrTooLarge):
		return httpProblem(http.StatusRequestEntityTooLarge)
	case errors.Is(e, stix.ErrTooMany):
		status, code, title = http.StatusUnprocessableEntity, "too_many_objects", "Too many objects"
	case errors.Is(e, stix.ErrNoObjects):
		status, code, title = http.StatusUnprocessableEntity, "no_objects", "No objects"
	}
	p := taxii.NewError(status, code, title, e.Rule)
	p.Details = map[string]string{"offset": strconv.FormatInt(e.Offset, 10)}
	return p
}

// httpProblem gives the error of a status that says it all.
func httpProblem(status int) *taxii.Error {
	switch status {
	case http.StatusBadRequest:
		return taxii.NewError(status, "bad_request", "Bad request", "")
	case http.StatusUnauthorized:
		return taxii.NewError(status, "unauthorized", "Not identified",
			"send the client id and secret as HTTP Basic, or a token as Bearer")
	case http.StatusForbidden:
		return taxii.NewError(status, "forbidden", "Not permitted", "your account does not have this right here")
	case http.StatusNotFound:
		return taxii.NewError(status, "not_found", "Not found", "there is nothing here for your account")
	case http.StatusMethodNotAllowed:
		return taxii.NewError(status, "method_not_allowed", "Method not allowed", "the Allow header lists the methods of this resource")
	case http.StatusRequestEntityTooLarge:
		return taxii.NewError(status, "too_large", "Body is too large",
			"it is over the api root's max_content_length: send the objects in several requests")
	case http.StatusMisdirectedRequest:
		return taxii.NewError(status, "misdirected", "Misdirected request", "the connection was opened to another host name")
	}
	return taxii.NewError(http.StatusInternalServerError, "internal", "Internal error",
		"tell the operator the error_id")
}

func errNotAcceptable() *taxii.Error {
	return taxii.NewError(http.StatusNotAcceptable, "not_acceptable", "Not acceptable",
		"this server answers "+taxii.MediaType+": name it in Accept")
}

// errNoCoding is an Accept-Encoding that leaves nothing to answer in. RFC 9110 section 12.5.3.
func errNoCoding() *taxii.Error {
	return taxii.NewError(http.StatusNotAcceptable, "not_acceptable", "Not acceptable",
		"Accept-Encoding allows none of gzip, zstd and identity")
}

// errCoding is RFC 9110 section 15.5.16: which codings would have been taken stands in a header.
func errCoding() *taxii.Error {
	return taxii.NewError(http.StatusUnsupportedMediaType, "unsupported_coding", "Unsupported content coding",
		"Content-Encoding may be gzip, alone")
}

const (
	dialectKey  = "liaison.dialect"
	dialectJSON = "json"
)

// fail answers an error. It is the only place that does, and the only one that logs it.
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		s.broken(&call{Context: c, s: s, r: c.Request()}, "answering", err)
	}
	p := discreet(*problemOf(err))
	status := p.Status()
	h := c.Response().Header()
	if status >= http.StatusInternalServerError {
		p.ErrorID = rand.Text()
		s.o.Log.LogAttrs(c.Request().Context(), severity(err, status), "request failed",
			slog.String("error_id", p.ErrorID), slog.String("route", c.Path()), slog.Any("error", err))
	}
	setHeaders(h, err, &p)
	if status == http.StatusUnauthorized {
		s.challenge(h, err)
	}
	for _, name := range []string{"Content-Encoding", "Content-Length", taxii.HeaderFirst, taxii.HeaderLast} {
		h.Del(name)
	}
	k := &call{Context: c, s: s, r: c.Request(), limits: s.deadlines(c)}
	k.limits.answer()
	if s.dialect(c) {
		err = k.plainJSON(status, oauthProblem(p))
	} else {
		err = k.problem(status, p)
	}
	if err != nil {
		s.o.Log.Debug("writing an error", "error", err)
	}
}

// discreet redacts what of a caller's own words an error repeats: an answer is kept and sent on by
// more people than the request.
func discreet(p taxii.Error) taxii.Error {
	p.Title, p.Description = auth.Redact(p.Title), auth.Redact(p.Description)
	for name, v := range p.Details {
		if clean := auth.Redact(v); clean != v {
			p.Details = maps.Clone(p.Details)
			p.Details[name] = clean
		}
	}
	return p
}

// severity: a caller that went away is no fault, a store that says when to come back is its own.
func severity(err error, status int) slog.Level {
	switch {
	case errors.Is(err, context.Canceled):
		return slog.LevelDebug
	case status == http.StatusServiceUnavailable:
		return slog.LevelWarn
	}
	return slog.LevelError
}

func setHeaders(h http.Header, err error, p *taxii.Error) {
	if p.ErrorCode == "unsupported_coding" {
		h.Set("Accept-Encoding", "gzip")
	}
	if r, ok := errors.AsType[*retry](err); ok {
		h.Set("Retry-After", strconv.Itoa(int(r.after/time.Second)))
		return
	}
	switch p.ErrorCode { // RFC 9110 section 10.2.3
	case "full":
		h.Set("Retry-After", "60")
	case "unavailable", "busy":
		h.Set("Retry-After", "5")
	}
}

// problem writes an error message of TAXII; small, and so never compressed.
func (k *call) problem(status int, p taxii.Error) error {
	b, err := marshal(p)
	if err != nil {
		return err
	}
	h := k.Response().Header()
	k.s.headers.set(h)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	k.Response().WriteHeader(status)
	if k.r.Method == http.MethodHead {
		return nil
	}
	_, err = k.Response().Writer.Write(b)
	return err
}

// dialect reports whether errors of this request are written as OAuth's, not as TAXII's.
func (s *Server) dialect(c echo.Context) bool {
	if c.Get(dialectKey) != nil {
		return true
	}
	path := c.Request().URL.Path
	for _, prefix := range []string{"/oauth2/", "/join/", "/client/", "/admin/", "/.well-known/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// oauthProblem writes any error in the form of RFC 6749 section 5.2, with the error_id if it has one.
func oauthProblem(p taxii.Error) any {
	return struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
		ID          string `json:"error_id,omitempty"`
	}{p.ErrorCode, p.Description, p.ErrorID}
}

// broken ends a request that cannot be answered any more: the connection is cut, so that nobody
// takes what came for the whole.
func (s *Server) broken(k *call, doing string, err error) error {
	// A connection that breaks ends the request's context, and so does a reader that is too slow.
	if k.r.Context().Err() == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		s.o.Log.LogAttrs(k.r.Context(), slog.LevelInfo, "answer broken off",
			slog.String("route", k.Path()), slog.String("doing", doing), slog.Any("error", err))
	}
	panic(http.ErrAbortHandler)
}
