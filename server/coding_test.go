package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"liaison/server/taxii"
)

// What HTTP leaves to the two sides: content codings, HEAD, OPTIONS, and a page for people. RFC 9110
// sections 8.4, 9.3.2, 9.3.7 and 12.5.
func TestCodings(t *testing.T) {
	r := openRows(t)
	for name, hold := range map[string]func(*testing.T, *rows){
		"Answer_codings":      answerCodings,
		"Answer_none":         answerNone,
		"Answer_head":         answerHead,
		"Answer_options":      answerOptions,
		"Answer_page":         answerPage,
		"Body_noneAcceptable": bodyNoneAcceptable,
		"Body_gzipOfBundle":   bodyGzipOfBundle,
		"Body_wrongCoding":    bodyWrongCoding,
	} {
		t.Run(name, func(t *testing.T) {
			outer := r.TB
			defer func() { r.TB = outer }()
			r.TB = t
			hold(t, r)
		})
	}
}

// large is a collection whose page is worth compressing and fits a buffer, or does not.
func (r *rows) large(n int) string {
	at := r.fresh()
	_, raw := indicator(strings.Repeat("long ", n/5))
	r.put(at, raw)
	return at + "objects/"
}

func answerCodings(t *testing.T, r *rows) {
	for _, size := range []int{10_000, 200_000} {
		path := r.large(size)
		plain := r.get(r.reader, path).want(200)
		for _, row := range []struct {
			lines []string
			want  string
		}{
			{nil, ""}, {[]string{""}, ""}, {[]string{"identity"}, ""}, {[]string{"br, deflate"}, ""}, {[]string{"gzip;q=0"}, ""},
			{[]string{"gzip"}, "gzip"}, {[]string{"x-gzip"}, "gzip"}, {[]string{"gzip, deflate, br, zstd"}, "gzip"}, {[]string{"*"}, "gzip"},
			{[]string{"zstd"}, "zstd"}, {[]string{"gzip;q=0.5, zstd;q=0.6"}, "zstd"}, {[]string{"gzip;q=0.5", "zstd"}, "zstd"},
			{[]string{"gzip;q=0, *;q=0.5"}, "zstd"}, {[]string{"identity;q=0, gzip;q=0.001"}, "gzip"}, {[]string{"*;q=0, zstd"}, "zstd"},
			{[]string{"gzip;q=0.2, identity;q=0.8"}, ""}, {[]string{"GZip ; Q=1"}, "gzip"},
		} {
			a := r.get(r.reader, path, header("Accept-Encoding", row.lines...)).want(200)
			if got := a.header.Get("Content-Encoding"); got != row.want {
				t.Errorf("%q: Content-Encoding %q, want %q", row.lines, got, row.want)
				continue
			}
			text := string(a.body)
			if row.want != "" {
				text = decoded(t, row.want, a.body)
			}
			if text != string(plain.body) {
				t.Errorf("%q: another body", row.lines)
			}
			if !strings.Contains(a.header.Get("Vary"), "Accept-Encoding") {
				t.Errorf("Vary %q", a.header.Get("Vary"))
			}
		}
	}
}

func answerNone(t *testing.T, r *rows) {
	for _, path := range []string{"/rows/", r.large(10_000), r.fresh() + "objects/"} {
		for _, line := range []string{"identity;q=0", "*;q=0", "br, *;q=0", "identity;q=0, gzip;q=0, zstd;q=0"} {
			a := r.get(r.reader, path, header("Accept-Encoding", line)).want(406)
			if a.header.Get("Content-Encoding") != "" {
				t.Errorf("%s: an error in %s", path, a.header.Get("Content-Encoding"))
			}
		}
		a := r.get(r.reader, path, header("Accept-Encoding", "identity;q=0, gzip")).want(200)
		if a.header.Get("Content-Encoding") != "gzip" || decoded(t, "gzip", a.body) == "" {
			t.Errorf("%s: small answers too: %v", path, a.header)
		}
	}
}

// HEAD has the headers of GET, but for the length of what is compressed on the way.
func answerHead(t *testing.T, r *rows) {
	s := r.stock
	object := s.at + "objects/" + s.indicator + "/"
	for _, path := range []string{"/taxii2/", "/rows/", "/rows/collections/", s.at, s.at + "manifest/?limit=1", s.at + "objects/", s.at + "objects/?limit=1", object,
		object + "versions/", r.fresh() + "objects/", r.large(10_000), r.large(300_000), "/nowhere/", s.at + "objects/?limit=0", "/rows/status/x/", "/healthz", "/oauth2/jwks"} {
		for _, coding := range []string{"identity", "gzip", "zstd"} {
			for _, accept := range []string{taxii.MediaType, "text/html"} {
				set := []change{header("Accept-Encoding", coding), header("Accept", accept)}
				get, head := r.ask(r.reader, http.MethodGet, path, set...), r.ask(r.reader, http.MethodHead, path, set...)
				if head.status != get.status || len(head.body) != 0 {
					t.Errorf("HEAD %s: %d with %d bytes, GET %d", path, head.status, len(head.body), get.status)
				}
				for _, h := range []http.Header{get.header, head.header} {
					h.Del("Date")
					if h.Get("Content-Encoding") != "" {
						h.Del("Content-Length")
					}
				}
				for name := range get.header {
					if !slices.Equal(get.header[name], head.header[name]) {
						t.Errorf("HEAD %s in %s: %s %q, GET %q", path, coding, name, head.header[name], get.header[name])
					}
				}
			}
		}
	}
}

func answerOptions(t *testing.T, r *rows) {
	for path, want := range map[string]string{
		"/taxii2/": "GET, HEAD, OPTIONS", r.stock.at + "objects": "GET, HEAD, OPTIONS, POST",
		r.stock.at + "objects/" + r.stock.indicator + "/": "DELETE, GET, HEAD, OPTIONS", "/oauth2/token": "OPTIONS, POST", "/nowhere/": "GET, HEAD, OPTIONS",
	} {
		a := r.ask(account{}, http.MethodOptions, path)
		if a.status != 204 || a.header.Get("Allow") != want || len(a.body) != 0 {
			t.Errorf("OPTIONS %s: %d, Allow %q, want %q", path, a.status, a.header.Get("Allow"), want)
		}
	}
	r.ask(account{}, http.MethodOptions, "/rows/nothing/at/all/").want(404)
}

// The page is for those who like HTML better than what TAXII defines.
func answerPage(t *testing.T, r *rows) {
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	for _, row := range []struct {
		accept string
		html   bool
		status int // of who is not identified, without HTML
	}{
		{browser, true, 200},
		{"text/html", true, 200},
		{"text/html;q=0.1", true, 200},
		{"text/html, */*", true, 200},
		{"text/html;q=0.9, application/taxii+json;version=2.1;q=0.1", true, 200},
		{"text/html;q=0.5, */*", false, 401},
		{"*/*", false, 401},
		{"text/html;q=0, */*", false, 401},
		{"text/html, application/taxii+json;version=2.1", false, 401},
		{"application/taxii+json;version=2.1, text/html;q=0.9", false, 401},
		{"application/taxii+json;version=2.1", false, 401},
	} {
		a := r.get(account{}, "/taxii2/", header("Accept", row.accept))
		if html := strings.HasPrefix(a.header.Get("Content-Type"), "text/html"); html != row.html || a.status != row.status {
			t.Errorf("%q: %d %s", row.accept, a.status, a.header.Get("Content-Type"))
		}
		if row.html && (!strings.Contains(string(a.body), "<h1>") || strings.Contains(string(a.body), "secure") || !strings.Contains(a.header.Get("Vary"), "Accept")) {
			t.Errorf("%q: %v %s", row.accept, a.header, a.body)
		}
	}
	r.get(r.reader, "/rows/", header("Accept", browser)).want(200)
	r.get(r.reader, "/rows/", header("Accept", "text/html")).want(406)
}

// Nothing is stored of a publication that cannot be answered.
func bodyNoneAcceptable(t *testing.T, r *rows) {
	at := r.fresh()
	for _, line := range []string{"identity;q=0", "br;q=1, *;q=0"} {
		r.post(r.writer, at, envelopeOf(r.stock.m), header("Accept-Encoding", line)).want(406)
	}
	if got := r.objects(at, ""); got != nil {
		t.Errorf("stored although refused: %v", got)
	}
	a := r.post(r.writer, at, envelopeOf(r.stock.m), header("Accept-Encoding", "identity;q=0, gzip")).want(202)
	if a.header.Get("Content-Encoding") != "gzip" || !strings.Contains(decoded(t, "gzip", a.body), `"status":"complete"`) {
		t.Errorf("%v", a.header)
	}
}

func bodyGzipOfBundle(t *testing.T, r *rows) {
	at := r.fresh()
	bundle := `{"type":"bundle","id":"bundle--5d0092c5-5f74-4287-9642-33f4c354e56d","objects":[` + r.stock.m + `]}`
	sent := gzipped(t, bundle[:100]) + gzipped(t, bundle[100:])
	r.post(r.writer, at, sent, header("Content-Encoding", "gzip"), header("Content-Type", "application/stix+json;version=2.1")).want(202)
	r.ask(r.writer, http.MethodPost, at+"objects/", chunked(sent), header("Content-Encoding", "x-gzip"), header("Content-Type", "application/stix+json")).want(202)
	if got := r.objects(at, ""); len(got) != 1 || got[0] != r.stock.m {
		t.Errorf("%v", got)
	}
}

func bodyWrongCoding(t *testing.T, r *rows) {
	at := r.fresh()
	text := envelopeOf(r.stock.m)
	for _, row := range []struct {
		coding, body string
		want         int
	}{
		{"gzip", text, 400}, {"identity", gzipped(t, text), 400}, {"", gzipped(t, text), 400}, {"gzip", gzipped(t, gzipped(t, text)), 400},
		{"br", text, 415}, {"zstd", text, 415}, {"gzip;q=1", gzipped(t, text), 415}, {"*", text, 415}, {"gzip", gzipped(t, text) + "\x00\x00", 400},
	} {
		a := r.post(r.writer, at, row.body, header("Content-Encoding", row.coding)).want(row.want)
		if accepts := a.header.Get("Accept-Encoding"); (accepts == "gzip") != (row.want == 415) {
			t.Errorf("%q: Accept-Encoding %q", row.coding, accepts)
		}
	}
	if got := r.objects(at, ""); got != nil {
		t.Errorf("stored although refused: %v", got)
	}
}
