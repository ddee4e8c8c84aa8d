package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"liaison/server/taxii"
)

// serve is around every request: it keeps paths plain, catches panics and writes the access log.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	begin := s.wall()
	seen := &watched{ResponseWriter: w}
	if one, ok := r.Context().Value(connectionKey{}).(*connection); ok {
		seen.under = one.under
	}
	c := s.echo.AcquireContext()
	c.Reset(r, seen)
	defer func() {
		// A context that a panic went through is not used again.
		if v := recover(); v != nil {
			s.panicked(c, seen, v)
		} else {
			defer s.echo.ReleaseContext(c)
		}
		s.log(c, seen, s.wall().Sub(begin))
	}()
	if err := s.route(c); err != nil {
		s.fail(err, c)
	}
}

// route finds the handler by the decoded path. An escaped slash is no slash and no part of any name
// here: a path with one is the path of nothing. RFC 3986 section 2.2.
func (s *Server) route(c echo.Context) error {
	r := c.Request()
	s.deadlines(c)
	if strings.Contains(strings.ToLower(r.URL.RawPath), "%2f") {
		return echo.ErrNotFound
	}
	s.echo.Router().Find(r.Method, r.URL.Path, c)
	return c.Handler()(c)
}

// watched keeps the status and the size of an answer for the log, and its deadlines.
type watched struct {
	http.ResponseWriter
	under  *gathered
	limits deadlines
	status int
	size   int64
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watched) WriteHeader(status int) {
	w.limits.begins()
	if status >= 200 && w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.limits.begins()
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.size += int64(n)
	return n, err
}

// panicked answers 500 when nothing was answered yet, and breaks the connection off otherwise.
func (s *Server) panicked(c echo.Context, w *watched, v any) {
	if v == http.ErrAbortHandler {
		s.log(c, w, 0)
		panic(v)
	}
	// What was panicked with may hold anything, a secret too: it is not logged, where it was is.
	s.o.Log.LogAttrs(c.Request().Context(), slog.LevelError, "panic",
		slog.String("route", c.Path()), slog.String("stack", string(debug.Stack())))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	c.Response().Committed = false
	s.fail(errPanic{}, c)
}

// errPanic is not in the table of errors: it is a bare 500.
type errPanic struct{}

func (errPanic) Error() string { return "panic" }

// log writes a line per request. It names the route, not the path: an invitation's path is a secret.
func (s *Server) log(c echo.Context, w *watched, took time.Duration) {
	r := c.Request()
	level := slog.LevelDebug
	if w.status >= http.StatusInternalServerError {
		level = slog.LevelInfo
	}
	if !s.o.Log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", clip(r.Method, 20)), slog.String("route", c.Path()), slog.Int("status", w.status),
		slog.Int64("bytes", w.size), slog.Duration("took", took), slog.String("address", address(r)),
	}
	if q := loggedQuery(r.URL.RawQuery); q != "" {
		attrs = append(attrs, slog.String("query", q))
	}
	s.o.Log.LogAttrs(context.Background(), level, "request", attrs...)
}

// loggedQuery keeps the parameters that are TAXII's own; of a cursor only that there is one.
func loggedQuery(raw string) string {
	if raw == "" {
		return ""
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "(invalid)"
	}
	own := []string{"added_after", "limit", "match[id]", "match[spec_version]", "match[type]", "match[version]", "next"}
	var parts []string
	for _, name := range own {
		for _, v := range values[name][:min(len(values[name]), 2)] {
			if name == "next" && v != "" {
				v = "(cursor)"
			}
			parts = append(parts, name+"="+clip(v, 200))
		}
	}
	return strings.Join(slices.Clip(parts), "&")
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// resourcePath is where the metadata of the TAXII server as a protected resource is: between host
// and path of its identifier, HOST/taxii2/. RFC 9728 section 3.1.
const resourcePath = "/.well-known/oauth-protected-resource" + taxii.DiscoveryPath
