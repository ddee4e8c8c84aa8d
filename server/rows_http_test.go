package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"liaison/server"
	"liaison/server/taxii"
)

// Transport, rules of HTTP, headers: TAXII 2.1 sections 3.1, 3.2, 8.2.
func rowsOfHTTP() map[string]func(*testing.T, *rows) {
	return map[string]func(*testing.T, *rows){
		"Row001_httpsOnly":           rowHTTPSOnly,
		"Row002_tlsVersions":         rowTLSVersions,
		"Row003_noEarlyData":         rowNoEarlyData,
		"Row004_cipherSuites":        rowCipherSuites,
		"Row010_unauthorized":        rowUnauthorizedAnswered,
		"Row011_noUserAgent":         rowNoUserAgent,
		"Row014_bodies":              rowBodies,
		"Row015_errorBodies":         rowErrorBodies,
		"Row016_accept":              rowAccept,
		"Row017_contentType":         rowContentType,
		"Row018_acceptNoVersion":     rowAcceptNoVersion,
		"Row019_unsupportedVersion":  rowUnsupportedVersion,
		"Row020_otherAccept":         rowOtherAccept,
		"Row021_unsupportedContent":  rowUnsupportedContent,
		"Row022_otherContent":        rowOtherContent,
		"Row023_postHeaders":         rowPostHeaders,
		"Row024_charset":             rowCharset,
		"Row025_acceptGrammar":       rowAcceptGrammar,
		"Row027_noContentLength":     rowNoContentLength,
		"Row028_dateHeaders":         rowDateHeaders,
		"Row029_dateHeaderFormat":    rowDateHeaderFormat,
		"Row030_emptyAnswers":        rowEmptyAnswers,
		"Row031_headerCase":          rowHeaderCase,
		"Row063_httpStatusText":      rowHTTPStatusText,
		"Row085_discoveryStatus":     rowDiscoveryStatus,
		"Row101_unidentified":        rowUnidentified,
		"Row105_stixAccept":          rowSTIXAccept,
		"Row131_otherURLs":           rowOtherURLs,
		"Row026_TableG1_statusCodes": tableG1,
	}
}

func rowHTTPSOnly(t *testing.T, r *rows) {
	resp, err := http.Get("http" + strings.TrimPrefix(r.url, "https") + "/taxii2/")
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("plain HTTP is answered %d", resp.StatusCode)
		}
	}
	for _, public := range []string{"http://gw.example", "ftp://gw.example", "gw.example"} {
		u, err := url.Parse(public)
		r.ok(err)
		o := server.Options{URL: u}
		if _, err := server.New(o); err == nil {
			t.Errorf("public URL %s is taken", public)
		}
	}
	var d taxii.Discovery
	r.get(r.reader, "/taxii2/").want(200).json(&d)
	for _, root := range d.APIRoots {
		if !strings.HasPrefix(root, "https://") {
			t.Errorf("api root %s", root)
		}
	}
}

// handshake opens TLS with a configuration and closes it again.
func (r *rows) handshake(c *tls.Config) (tls.ConnectionState, error) {
	r.Helper()
	c.RootCAs, c.ServerName = x509.NewCertPool(), "localhost"
	c.RootCAs.AddCert(r.ca.Root())
	conn, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "https://"), c)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), conn.Close()
}

func rowTLSVersions(t *testing.T, r *rows) {
	for version, want := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		state, err := r.handshake(&tls.Config{MinVersion: version, MaxVersion: version})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil && state.Version != version {
			t.Errorf("%s was negotiated for %s", tls.VersionName(state.Version), tls.VersionName(version))
		}
	}
}

// Early data exists over QUIC alone in this implementation of TLS; the gateway neither offers it nor
// says that it is there.
func rowNoEarlyData(t *testing.T, r *rows) {
	state, err := r.handshake(&tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h3", "http/1.1"}})
	if err != nil || state.NegotiatedProtocol == "h3" {
		t.Errorf("%v, protocol %q", err, state.NegotiatedProtocol)
	}
	if a := r.get(r.reader, "/taxii2/").want(200); a.header.Get("Alt-Svc") != "" {
		t.Errorf("Alt-Svc %q", a.header.Get("Alt-Svc"))
	}
}

// RFC 7540 appendix A: everything without ephemeral keys, and everything with CBC.
func rowCipherSuites(t *testing.T, r *rows) {
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] > tls.VersionTLS12 {
			continue
		}
		good := strings.HasPrefix(suite.Name, "TLS_ECDHE_") && (strings.Contains(suite.Name, "GCM") || strings.Contains(suite.Name, "POLY1305"))
		_, err := r.handshake(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		if !good && err == nil {
			t.Errorf("%s is accepted", suite.Name)
		}
		if good && strings.Contains(suite.Name, "_ECDSA_") && err != nil {
			t.Errorf("%s: %v", suite.Name, err)
		}
	}
}

func rowUnauthorizedAnswered(t *testing.T, r *rows) {
	r.get(account{}, "/taxii2/").want(401)
	r.get(account{id: "nobody_1", secret: "lsn_x"}, "/rows/").want(401)
}

func rowNoUserAgent(t *testing.T, r *rows) {
	r.get(r.reader, r.stock.at+"objects/", header("User-Agent")).want(200)
	r.post(r.writer, r.fresh(), envelopeOf(r.stock.m), header("User-Agent")).want(202)
}

func rowBodies(t *testing.T, r *rows) {
	s := r.stock
	for _, path := range []string{"/taxii2/", "/rows/", "/rows/collections/", s.at, s.at + "manifest/", s.at + "objects/", s.at + "objects/" + s.indicator + "/", s.at + "objects/" + s.indicator + "/versions/"} {
		var resource map[string]any
		if r.get(r.reader, path).want(200).json(&resource); len(resource) == 0 {
			t.Errorf("%s: empty", path)
		}
	}
}

// refusals are requests of each kind that the standard has an error for.
func refusals(r *rows) map[string]struct {
	want int
	got  *answer
} {
	s := r.stock
	type refusal = struct {
		want int
		got  *answer
	}
	return map[string]refusal{
		"parameter":    {400, r.get(r.reader, s.at+"objects/?limit=0")},
		"body":         {400, r.post(r.writer, s.at, "{")},
		"nobody":       {401, r.get(account{}, s.at)},
		"no right":     {403, r.post(r.reader, s.at, envelopeOf(s.m))},
		"nothing":      {404, r.get(r.reader, "/rows/nothing/")},
		"no api root":  {404, r.get(r.reader, "/nowhere/")},
		"no object":    {404, r.get(r.reader, s.at+"objects/malware--"+strings.TrimPrefix(s.indicator, "indicator--")+"/")},
		"method":       {405, r.ask(r.reader, http.MethodPut, s.at)},
		"accept":       {406, r.get(r.reader, s.at, header("Accept", "application/taxii+json;version=2.0"))},
		"too large":    {413, r.post(r.writer, s.at, strings.Repeat(" ", 1<<20)+"{}")},
		"content type": {415, r.post(r.writer, s.at, envelopeOf(s.m), header("Content-Type", "text/csv"))},
		"no objects":   {422, r.post(r.writer, s.at, "{}")},
	}
}

func rowErrorBodies(t *testing.T, r *rows) {
	each(t, refusals(r), func(name string, c struct {
		want int
		got  *answer
	}) {
		var e taxii.Error
		c.got.want(c.want).json(&e)
		if e.Title == "" || e.ErrorCode == "" {
			t.Errorf("%s: %s", name, c.got.body)
		}
	})
}

// TAXII 2.1 section 3.6.1: a string, and the one of the status line.
func rowHTTPStatusText(t *testing.T, r *rows) {
	each(t, refusals(r), func(name string, c struct {
		want int
		got  *answer
	}) {
		var e struct {
			HTTPStatus any `json:"http_status"`
		}
		c.got.json(&e)
		if e.HTTPStatus != strconv.Itoa(c.want) || c.got.status != c.want {
			t.Errorf("%s: http_status %v, status line %d, want %d", name, e.HTTPStatus, c.got.status, c.want)
		}
	})
}

func rowAccept(t *testing.T, r *rows) {
	for _, accept := range [][]string{nil, {""}, {"*/*"}, {taxii.MediaType}, {"application/taxii+json"}} {
		r.get(r.reader, r.stock.at+"objects/", header("Accept", accept...)).want(200)
	}
}

func rowContentType(t *testing.T, r *rows) {
	for _, path := range []string{"/", "/taxii2/", "/rows/", "/rows/nothing/at/all/", r.stock.at + "objects/", "/rows/status/x/"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"} {
			for _, a := range []account{r.reader, {}} {
				if got := r.ask(a, method, path).header.Get("Content-Type"); got != "application/taxii+json;version=2.1" {
					t.Errorf("%s %s: Content-Type %q", method, path, got)
				}
			}
		}
	}
}

func rowAcceptNoVersion(t *testing.T, r *rows) {
	r.get(r.reader, "/rows/", header("Accept", "application/taxii+json")).want(200)
	r.post(r.writer, r.fresh(), envelopeOf(r.stock.m), header("Accept", "application/taxii+json")).want(202)
}

func rowUnsupportedVersion(t *testing.T, r *rows) {
	for _, accept := range []string{
		"application/taxii+json;version=2.0", "application/taxii+json;version=9.9", `application/taxii+json; version="2.0"`,
		"application/vnd.oasis.taxii+json;version=2.0", "application/vnd.oasis.taxii+json",
	} {
		r.get(r.reader, "/taxii2/", header("Accept", accept)).want(406)
		r.ask(r.writer, http.MethodDelete, r.stock.at+"objects/"+r.stock.indicator+"/", header("Accept", accept)).want(406)
		r.post(r.writer, r.stock.at, envelopeOf(r.stock.m), header("Accept", accept)).want(406)
	}
}

func rowOtherAccept(t *testing.T, r *rows) {
	each(t, map[string]int{
		"*/*": 200, "application/*": 200, "application/*;q=0.1": 200, "application/taxii+json;q=0.9": 200,
		"application/json": 406, "text/csv": 406, "application/xml": 406, "nonsense": 406,
	}, func(accept string, want int) { r.get(r.reader, "/rows/", header("Accept", accept)).want(want) })
}

func rowUnsupportedContent(t *testing.T, r *rows) {
	for _, content := range []string{"application/taxii+json;version=2.0", "application/taxii+json;version=1.1", "application/vnd.oasis.taxii+json;version=2.0"} {
		r.post(r.writer, r.stock.at, envelopeOf(r.stock.m), header("Content-Type", content)).want(415)
	}
}

func rowOtherContent(t *testing.T, r *rows) {
	at := r.fresh()
	each(t, map[string]int{
		"application/taxii+json; version=2.1": 202, "application/taxii+json": 202, "application/stix+json": 202,
		"application/stix+json;version=2.1": 202, "application/stix+json; version=2.0": 202, "application/stix+json;version=9": 202,
		"application/json": 415, "application/x-www-form-urlencoded": 415, "": 415, "x": 415,
	}, func(content string, want int) {
		r.post(r.writer, at, envelopeOf(r.stock.m), header("Content-Type", content)).want(want)
	})
}

func rowPostHeaders(t *testing.T, r *rows) {
	r.post(r.writer, r.stock.at, envelopeOf(r.stock.m), header("Content-Type")).want(415)
	r.post(r.writer, r.stock.at, envelopeOf(r.stock.m), header("Content-Type", taxii.MediaType, "text/plain")).want(415)
	r.post(r.writer, r.stock.at, envelopeOf(r.stock.m), header("Accept", "text/plain")).want(406)
}

func rowCharset(t *testing.T, r *rows) {
	at := r.fresh()
	for _, charset := range []string{"utf-8", "UTF-8", `"utf-8"`} {
		r.post(r.writer, at, envelopeOf(r.stock.m), header("Content-Type", taxii.MediaType+"; charset="+charset)).want(202)
		r.get(r.reader, "/rows/", header("Accept", taxii.MediaType+"; charset="+charset)).want(200)
	}
	r.post(r.writer, at, envelopeOf(r.stock.m), header("Content-Type", taxii.MediaType+"; charset=iso-8859-1")).want(415)
	if got := r.get(r.reader, "/rows/").header.Get("Content-Type"); strings.Contains(got, "charset") {
		t.Errorf("Content-Type %q", got)
	}
}

func rowAcceptGrammar(t *testing.T, r *rows) {
	for _, row := range []struct {
		want  int
		lines []string
	}{
		{200, []string{"text/plain, application/taxii+json;version=2.1;q=0.1"}},
		{200, []string{"text/plain", "application/taxii+json;version=2.1"}},
		{200, []string{" APPLICATION/Taxii+JSON ; Version=2.1 ,"}},
		{200, []string{`application/taxii+json;version="2.1"`}},
		{200, []string{"application/taxii+json;version=2.0, application/taxii+json;version=2.1"}},
		{200, []string{"*/*;q=0, application/taxii+json;version=2.1;q=0.001"}},
		{406, []string{"application/taxii+json;version=2.1;q=0"}},
		{406, []string{"application/taxii+json;version=2.1;q=0.0, */*"}},
		{406, []string{`text/plain;x=", application/taxii+json;version=2.1"`}},
	} {
		if a := r.get(r.reader, "/rows/", header("Accept", row.lines...)); a.status != row.want {
			t.Errorf("%q: %d, want %d", row.lines, a.status, row.want)
		}
	}
}

func rowNoContentLength(t *testing.T, r *rows) {
	at := r.fresh()
	r.ask(r.writer, http.MethodPost, at+"objects/", chunked(envelopeOf(r.stock.m))).want(202)
	r.ask(r.writer, http.MethodPost, at+"objects/", chunked("")).want(400)
	r.ask(r.writer, http.MethodPost, at+"objects/", body("")).want(400)
}

// dated are the paths of the four endpoints that tell dates, for the stock.
func dated(s stock) []string {
	object := s.at + "objects/" + s.indicator + "/"
	return []string{s.at + "manifest/?match[version]=all", s.at + "objects/?match[version]=all", object + "?match[version]=all", object + "versions/"}
}

func rowDateHeaders(t *testing.T, r *rows) {
	all := r.manifest(r.stock.at, "match[version]=all").Objects
	last := all[len(all)-1].DateAdded
	for _, path := range dated(r.stock) {
		wantDates(t, r.get(r.reader, path).want(200), r.stock.first, last)
	}
	// Of this answer, not of the collection.
	wantDates(t, r.get(r.reader, r.stock.at+"objects/?match[version]=all&limit=2").want(200), r.stock.first, r.stock.second)
	wantDates(t, r.get(r.reader, r.stock.at+"manifest/?match[type]=malware").want(200), r.stock.second, r.stock.second)
}

// stamp is the timestamp of TAXII 2.1 section 2.
var stamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)

func rowDateHeaderFormat(t *testing.T, r *rows) {
	for _, path := range dated(r.stock) {
		a := r.get(r.reader, path).want(200)
		for _, name := range []string{taxii.HeaderFirst, taxii.HeaderLast} {
			if got := a.header.Values(name); len(got) != 1 || !stamp.MatchString(got[0]) {
				t.Errorf("%s of %s: %q", name, path, got)
			}
		}
	}
}

func rowEmptyAnswers(t *testing.T, r *rows) {
	at := r.fresh()
	for _, resource := range []string{"objects/", "manifest/"} {
		wantDates(t, r.get(r.reader, at+resource).want(200), "", "")
		wantDates(t, r.get(r.reader, at+resource+"?added_after=2100-01-01T00:00:00Z").want(200), "", "2100-01-01T00:00:00.000000Z")
	}
}

func rowHeaderCase(t *testing.T, r *rows) {
	status, head := r.raw("GET " + r.stock.at + "objects/ HTTP/1.1\r\nhost: localhost\r\naCCept: " + taxii.MediaType +
		"\r\nauthORIZATION: " + basic(r.reader) + "\r\nconnection: close\r\n\r\n")
	if status != 200 || head.Get("x-taxii-date-added-last") == "" {
		t.Errorf("%d %v", status, head)
	}
	for name := range head {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: no page of another origin has a part here", name)
		}
	}
}

func rowDiscoveryStatus(t *testing.T, r *rows) {
	r.get(r.reader, "/taxii2/").want(200)
	r.get(account{}, "/taxii2/").want(401)
	r.get(r.reader, "/taxii2/", header("Accept", "text/csv")).want(406)
	r.ask(r.reader, http.MethodPost, "/taxii2/").want(405)
}

func rowUnidentified(t *testing.T, r *rows) {
	s := r.stock
	for _, path := range []string{"/rows/collections/", s.at, s.at + "manifest/", s.at + "objects/", s.at + "objects/" + s.indicator + "/", s.at + "objects/" + s.indicator + "/versions/", "/nowhere/collections/"} {
		r.get(account{}, path).want(401)
	}
	r.post(account{}, s.at, envelopeOf(s.m)).want(401)
	r.ask(account{}, http.MethodDelete, s.at+"objects/"+s.indicator+"/").want(401)
}

func rowSTIXAccept(t *testing.T, r *rows) {
	const both = "application/taxii+json;version=2.1, application/stix+json;version=2.1"
	for _, accept := range []string{both, "application/stix+json;version=2.1"} {
		r.get(r.reader, r.stock.at+"manifest/", header("Accept", accept)).want(200)
	}
}

func rowOtherURLs(t *testing.T, r *rows) {
	if a := r.get(account{}, "/healthz"); a.status != 200 || string(a.body) != "ok\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := r.get(account{}, "/.well-known/oauth-authorization-server"); a.status != 200 || !strings.Contains(string(a.body), "token_endpoint") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// tableG1 is the table of status codes, of all endpoints.
func tableG1(t *testing.T, r *rows) {
	s := r.stock
	r.get(r.reader, s.at+"objects/").want(200)
	r.get(r.reader, s.at+"objects/?match[type]=identity").want(200)
	at := r.fresh()
	r.post(r.writer, at, envelopeOf(s.m)).want(202)
	r.ask(r.writer, http.MethodDelete, at+"objects/"+s.malware+"/").want(200)
	each(t, refusals(r), func(name string, c struct {
		want int
		got  *answer
	}) {
		if c.got.want(c.want); c.want == 405 && c.got.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", name)
		}
	})
	resp, err := r.client.Get(r.url + "/taxii2/")
	r.ok(err)
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if len(resp.Header.Values("WWW-Authenticate")) < 1 {
		t.Error("401 without a challenge")
	}
}
