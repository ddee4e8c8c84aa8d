package server_test

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/collections"
	"liaison/server"
	"liaison/server/taxii"
	"liaison/stix"
)

// Each bound of docs/config.md that a partner meets over HTTP is tried below, at and above it, with
// the gateway's defaults. Those of a body as a whole, in each way that one may come, are in
// bounds_test.go and TestRow107_maxContentLength.

// The header block is the request line, the headers and the empty line.
func TestLimitHeaderBlock(t *testing.T) {
	g := open(t)
	host := strings.TrimPrefix(g.url, "https://")
	const most = 64 << 10
	for n, want := range map[int]int{most - 1: 200, most: 200, most + 1: 431, most + 9000: 431} {
		head := "GET /secure/ HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: " + basic(g.vn) + "\r\nConnection: close\r\nX-Pad: "
		request := head + strings.Repeat("a", n-len(head)-4) + "\r\n\r\n"
		if status, _ := g.raw(request); len(request) != n || status != want {
			t.Errorf("%d bytes: %d, want %d", len(request), status, want)
		}
	}
}

// A cursor with more filters in it than the gateway writes is still read, up to the bound.
func TestLimitCursor(t *testing.T) {
	g := open(t)
	want := g.many(g.vendor, "vn", 3)
	c := g.collection("secure", "vn")
	cursor := func(length int) string {
		b := []byte{1, byte(taxii.OfObjects)}
		for _, text := range []string{string(g.vn.partner), "secure", string(c.ID)} {
			b = append(append(b, byte(len(text))), text...)
		}
		b = binary.BigEndian.AppendUint64(append(b, 0, 0), 0) // no object; from the start
		b = append(b, 0, byte(taxii.MatchType))
		const seal, versions = 16, 2
		room := base64.RawURLEncoding.DecodedLen(length) - len(b) - seal - versions
		types := [][]byte{[]byte("indicator")} // and others, so that it has just that length
		for room -= 1 + 1 + len(types[0]); room > 0; {
			n := min(room, 102) - 1
			if rest := room - 1 - n; rest == 1 {
				n--
			}
			types = append(types, []byte(strings.Repeat("x", n)))
			room -= 1 + n
		}
		b = binary.AppendUvarint(b, uint64(len(types)))
		for _, t := range types {
			b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
		}
		b = append(b, 4, 0) // the last version
		mac := g.vault.MAC("cursor", b)
		return base64.RawURLEncoding.EncodeToString(append(b, mac[:seal]...))
	}
	const most = 4096
	for n, status := range map[int]int{most - 1: 200, most: 200, most + 2: 400} { // no base64 has 4097 characters
		next := cursor(n)
		if len(next) != n {
			t.Fatalf("%d characters, want %d", len(next), n)
		}
		a := g.get(g.vn, objects+"?next="+next).want(status)
		if status == 200 {
			if diff := cmp.Diff(want, texts(a.envelope())); diff != "" {
				t.Errorf("%d characters (-want +got):\n%s", n, diff)
			}
		}
	}
	for _, n := range []int{most - 1, most, most + 1, 60_000} {
		g.get(g.vn, objects+"?next="+random(n)).want(400)
	}
}

// Filters that a cursor has no room for have to be repeated with it.
func TestLimitFiltersOfACursor(t *testing.T) {
	g := open(t)
	want := g.many(g.vendor, "vn", 3)
	const most = 2048
	for n, alone := range map[int]int{most - 1: 200, most: 200, most + 1: 400} {
		types := []string{"indicator"} // in their canonical form: a length before each, and two bytes of version
		for room := n - 1 - 1 - 10 - 2; room > 0; {
			k := min(room, 100) - 1
			if rest := room - 1 - k; rest == 1 {
				k--
			}
			types = append(types, fmt.Sprintf("x%0*d", k-1, len(types)))
			room -= 1 + k
		}
		filter := "match[type]=" + strings.Join(types, ",")
		first := g.get(g.vn, objects+"?limit=1&"+filter).want(200).envelope()
		g.get(g.vn, objects+"?next="+first.Next).want(alone)
		again := g.get(g.vn, objects+"?next="+first.Next+"&"+filter).want(200).envelope()
		if diff := cmp.Diff(want[1:], texts(again)); diff != "" {
			t.Errorf("%d bytes of filters (-want +got):\n%s", n, diff)
		}
	}
}

// A token that holds in all else is not read when it is too long.
func TestLimitToken(t *testing.T) {
	const most = 4096
	var aud string
	var doors *auth.Doors
	g := open(t, func(o *server.Options) { doors, aud = o.Doors, o.Doors.Audience })
	seen := map[int]bool{}
	for pad := (most-len(g.token(g.vn, "")))*3/4 - 8; len(seen) < 3; pad++ {
		doors.Audience = aud + strings.Repeat("a", pad)
		token := g.token(g.vn, "")
		want := 200
		if len(token) > most {
			want = 401
		}
		if a := g.get(account{}, "/secure/", header("Authorization", "Bearer "+token)); a.status != want {
			t.Errorf("%d bytes: %d, want %d", len(token), a.status, want)
		}
		if d := len(token) - most; d >= -2 && d <= 2 { // of four lengths base64 has three
			seen[max(min(d, 1), -1)] = true
		} else if d > 2 {
			t.Fatalf("no token of %d bytes, or none about it: %v", most, seen)
		}
	}
}

// sized is an object of exactly n bytes.
func sized(n int) string { return with(`"x_p":"` + strings.Repeat("a", n-len(with(`"x_p":""`))) + `"`) }

func TestLimitObjectByDefault(t *testing.T) {
	t.Parallel()
	const most = 16 << 20
	g := open(t, func(o *server.Options) { o.Desk.Limits = stix.Limits{} })
	zip := header("Content-Encoding", "gzip")
	for n, failed := range map[int]int{most - 1: 0, most: 0, most + 1: 1} {
		_, good := indicator("good")
		text := envelopeOf(good, sized(n))
		for _, how := range [][]change{{body(text)}, {zip, chunked(gzipped(t, text))}} {
			var s taxii.Status
			g.ask(g.vendor, http.MethodPost, objects, how...).want(202).json(&s)
			if s.FailureCount != failed || s.SuccessCount != 2-failed {
				t.Errorf("%d bytes: %+v", n, s)
			}
		}
	}
	if n := len(g.get(g.vn, "/secure/collections/vn/manifest/").want(200).envelope().Objects); n != 5 {
		t.Errorf("%d objects, want 5", n)
	}
}

func TestLimitObjectsByDefault(t *testing.T) {
	const most = 100_000
	g := open(t)
	zip := header("Content-Encoding", "gzip")
	for n, want := range map[int]int{most - 1: 202, most: 202, most + 1: 422} {
		text := `{"objects":[7` + strings.Repeat(",7", n-1) + `]}`
		for _, how := range [][]change{{chunked(text)}, {zip, body(gzipped(t, text))}} {
			a := g.ask(g.vendor, http.MethodPost, objects, how...).want(want)
			if want == 202 {
				var s taxii.Status
				a.json(&s)
				if s.FailureCount != n || s.TotalCount != n || len(s.Failures) != collections.MaxDetails {
					t.Errorf("%d objects: %d failures of %d, %d listed", n, s.FailureCount, s.TotalCount, len(s.Failures))
				}
			}
		}
	}
}

// numbered gives n small objects from the first number on.
func numbered(first, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"type":"url","id":"url--00000000-0000-5000-8000-%012d","value":"https://example.com/%d"}`, first+i, first+i)
	}
	return list
}

// What is larger than the largest page means that, and without a limit a page has its usual size.
func TestLimitOfAPage(t *testing.T) {
	t.Parallel()
	g := open(t, func(o *server.Options) { o.Desk.Limits = stix.Limits{} })
	g.publish(g.vendor, "vn", numbered(0, 10_002)...)
	for limit, want := range map[string]int{
		"": 1000, "999": 999, "1000": 1000, "1001": 1001,
		"9999": 9999, "10000": 10_000, "10001": 10_000, "00010001": 10_000, "99999999999999999999999": 10_000,
	} {
		for _, path := range []string{objects, "/secure/collections/vn/manifest/"} {
			if path != objects && want < 9999 {
				continue
			}
			q := url.Values{}
			if limit != "" {
				q.Set("limit", limit)
			}
			first := g.get(g.vn, path+"?"+q.Encode()).want(200)
			if e := first.envelope(); len(e.Objects) != want || !e.More {
				t.Errorf("%s limit %q: %d objects, more %v; want %d", path, limit, len(e.Objects), e.More, want)
			}
			q.Set("next", first.envelope().Next)
			rest := min(10_002-want, max(want, 1))
			if e := g.get(g.vn, path+"?"+q.Encode()).want(200).envelope(); len(e.Objects) != rest {
				t.Errorf("%s limit %q: then %d objects, want %d", path, limit, len(e.Objects), rest)
			}
		}
	}
	// A collection that has just as many as a page is one page.
	for _, n := range []int{999, 1000, 1001} {
		id := auth.OperationID(fmt.Sprintf("op-%d", n))
		g.apply(collections.CreateOperation{ID: id, Title: "Of " + string(id), Countries: []string{"VN"}})
		c := g.collection(id, "vn")
		for who, r := range map[auth.PartnerID]auth.Rights{g.vendor.partner: {Read: true, Write: true}, g.vn.partner: {Read: true}} {
			g.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{Partner: who, Operation: id, Collection: c.ID, Rights: r}}))
		}
		path := "/" + string(id) + "/collections/vn/objects/"
		g.ask(g.vendor, http.MethodPost, path, body(envelopeOf(numbered(0, n)...))).want(202)
		if e := g.get(g.vn, path).want(200).envelope(); len(e.Objects) != min(n, 1000) || e.More != (n > 1000) {
			t.Errorf("%d objects: a page of %d, more %v", n, len(e.Objects), e.More)
		}
	}
}

// A page ends before it is over its bytes, unless it has one object.
func TestLimitPageSize(t *testing.T) {
	t.Parallel()
	const most = collections.MaxPageSize
	g := open(t, func(o *server.Options) { o.Desk.Limits = stix.Limits{} })
	at := func(alias string) string { return "/secure/collections/" + alias + "/objects/" }
	send := func(alias string, sizes ...int) {
		t.Helper()
		var list []string
		for _, n := range sizes {
			list = append(list, sized(n))
		}
		g.publish(g.vendor, alias, list...)
	}
	page := func(a account, alias, query string, want int, more bool) string {
		t.Helper()
		e := g.get(a, at(alias)+"?"+query).want(200).envelope()
		if len(e.Objects) != want || e.More != more {
			t.Errorf("%s?%s: %d objects, more %v; want %d, %v", alias, query, len(e.Objects), e.More, want, more)
		}
		return "next=" + e.Next
	}
	const half = most/2 - 1 // and a comma
	send("vn", half-1, half, half, half, half, half+1, 1000)
	next := page(g.vn, "vn", "", 2, true)  // below
	next = page(g.vn, "vn", next, 2, true) // at
	next = page(g.vn, "vn", next, 1, true) // the next one would be above
	page(g.vn, "vn", next, 2, false)
	send("lk", most+1, 1000)
	next = page(g.lk, "lk", "", 1, true)
	page(g.lk, "lk", next, 1, false)
}

// The requests of a client at the same time.
func TestLimitInFlight(t *testing.T) {
	const most = 4
	g := open(t, func(o *server.Options) { o.MaxInFlight = most })
	for under := range most + 1 {
		var end []func() *answer
		for range under {
			end = append(end, g.hold(g.vendor, padded(t, 2000), 1000))
		}
		want := 200
		if under == most {
			want = 429
		}
		a := g.get(g.vendor, "/secure/").want(want)
		if (a.header.Get("Retry-After") != "") != (want == 429) {
			t.Errorf("%d under way: Retry-After %q", under, a.header.Get("Retry-After"))
		}
		g.get(g.rival, "/secure/").want(200) // another client has its own
		for _, finish := range end {
			finish().want(202)
		}
	}
	g.get(g.vendor, "/secure/").want(200)
}

// The lists in a status.
func TestLimitDetails(t *testing.T) {
	const most = collections.MaxDetails
	g := open(t, func(o *server.Options) { o.Desk.Limits = stix.Limits{} })
	for i, n := range []int{most - 1, most, most + 1} {
		good := numbered(10_000*i, n)
		bad := strings.Split(strings.Repeat("7,", n-1)+"7", ",")
		var s, again taxii.Status
		g.ask(g.vendor, http.MethodPost, objects, body(envelopeOf(append(good, bad...)...))).want(202).json(&s)
		listed := min(n, most)
		if s.SuccessCount != n || s.FailureCount != n || s.TotalCount != 2*n || len(s.Successes) != listed || len(s.Failures) != listed {
			t.Errorf("%d: %d successes, %d listed; %d failures, %d listed", n, s.SuccessCount, len(s.Successes), s.FailureCount, len(s.Failures))
		}
		g.get(g.vendor, "/secure/status/"+s.ID+"/").want(200).json(&again)
		if diff := cmp.Diff(s, again); diff != "" {
			t.Errorf("the status later (-first +later):\n%s", diff)
		}
	}
}

// The versions of an object that a publisher has.
func TestLimitVersions(t *testing.T) {
	const most = collections.MaxVersions
	g := open(t, func(o *server.Options) { o.Desk.Limits = stix.Limits{} })
	id, _ := indicator("")
	version := func(i int) string { return indicatorOf(id, "x", fmt.Sprintf("2025-02-01T00:00:00.%06dZ", i)) }
	var list []string
	for i := range most - 1 {
		list = append(list, version(i))
	}
	g.publish(g.vendor, "vn", list...)
	for i, want := range []int{0, 1} {
		var s taxii.Status
		g.ask(g.vendor, http.MethodPost, objects, body(envelopeOf(version(most-1+i)))).want(202).json(&s)
		if s.FailureCount != want {
			t.Errorf("version %d: %+v", most+i, s)
		}
	}
	g.ask(g.vendor, http.MethodDelete, objects+id+"/?match[version]=first").want(200)
	g.publish(g.vendor, "vn", version(most))
}

// Values in the JSON of one object, which it pays for with memory.
func TestLimitValues(t *testing.T) {
	const most = 1 << 19
	g := open(t, func(o *server.Options) { o.Desk.Limits = stix.Limits{} })
	values := func(n int) string { return with(`"x_v":[0` + strings.Repeat(",0", n-1) + "]") }
	own := 1 + strings.Count(values(1), `":`) // the object and its members
	for n, want := range map[int]int{most - 1: 0, most: 0, most + 1: 1} {
		var s taxii.Status
		g.ask(g.vendor, http.MethodPost, objects, body(envelopeOf(values(n-own)))).want(202).json(&s)
		if s.FailureCount != want || want == 1 && !strings.Contains(s.Failures[0].Message, "524288 values") {
			t.Errorf("%d values: %+v", n, s)
		}
	}
}

// The forms and JSON bodies of joining and of the token endpoint.
func TestLimitSmallBodies(t *testing.T) {
	g := open(t)
	const form, join = 16 << 10, 32 << 10
	for n, want := range map[int]int{form - 1: 200, form: 200, form + 1: 413} {
		const good = "grant_type=client_credentials&a="
		text := good + strings.Repeat("a", n-len(good))
		for _, how := range []change{body(text), chunked(text)} {
			if a := g.ask(g.vn, http.MethodPost, "/oauth2/token", header("Content-Type", formType), how); a.status != want {
				t.Errorf("a form of %d bytes: %d %s, want %d", n, a.status, a.body, want)
			}
		}
	}
	for n, want := range map[int]int{join - 1: 400, join: 400, join + 1: 413} { // 400: no such request to certify
		text := `{"csr":"` + strings.Repeat("a", n-len(`{"csr":""}`)) + `"}`
		for _, how := range []change{body(text), chunked(text)} {
			if a := g.ask(account{}, http.MethodPost, "/join/"+g.invite(g.vn.partner), header("Content-Type", "application/json"), how); a.status != want {
				t.Errorf("a request to join of %d bytes: %d %s, want %d", n, a.status, a.body, want)
			}
		}
	}
}

// max_content_length is an integer of TAXII, which other programs read as a floating-point number.
func TestLimitOfMaxContentLength(t *testing.T) {
	const most = 1<<53 - 1
	var o server.Options
	open(t, func(p *server.Options) { o = *p })
	for n, ok := range map[int64]bool{most - 1: true, most: true, most + 1: false, 1<<63 - 1: false} {
		o.MaxContent, o.Desk.Limits.Body = n, n
		_, err := server.New(o)
		if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "max content") {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// A connection goes on after every refusal that leaves it whole.
func TestLimitsKeepTheConnection(t *testing.T) {
	g := open(t)
	conn := g.connect("localhost")
	r := bufio.NewReader(conn)
	head := "Host: localhost\r\nAuthorization: " + basic(g.vendor) + "\r\nAccept: */*\r\n"
	for _, row := range []struct {
		request string
		want    int
	}{
		{"GET /secure/nowhere/ HTTP/1.1\r\n" + head + "\r\n", 404},
		{"POST " + objects + " HTTP/1.1\r\n" + head + "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415},
		{"POST " + objects + " HTTP/1.1\r\n" + head + "Content-Type: application/taxii+json\r\nContent-Length: 2\r\n\r\n{}", 422},
		{"POST " + objects + " HTTP/1.1\r\n" + head + "Content-Type: application/taxii+json\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\n{\r\n0\r\nX-Trailer: a\r\n\r\n", 400},
		{"DELETE " + objects + " HTTP/1.1\r\n" + head + "\r\n", 405},
		{"GET " + objects + "?limit=0 HTTP/1.1\r\n" + head + "\r\n", 400},
		{"GET /taxii2/ HTTP/1.1\r\n" + head + "\r\n", 200},
	} {
		_, err := io.WriteString(conn, row.request)
		g.ok(err)
		resp, err := http.ReadResponse(r, nil)
		g.ok(err)
		b, err := io.ReadAll(resp.Body)
		g.ok(err)
		resp.Body.Close()
		if resp.StatusCode != row.want || !json.Valid(b) {
			t.Errorf("%.60q: %d %s, want %d", row.request, resp.StatusCode, b, row.want)
		}
	}
}
