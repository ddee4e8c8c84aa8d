package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"liaison/server/client"
)

// double is a TAXII 2.1 server that follows the standard to the letter, in memory, and can be made to
// be odd in every way that servers in the field are. It numbers the requests to collections' objects.
type double struct {
	*httptest.Server
	hook       func(n int, w http.ResponseWriter, r *http.Request) bool // true: answered
	page       int                                                      // objects a page at most
	noNext     bool                                                     // page by dates alone
	maxContent int64
	pending    int // how often a status is pending before it is complete
	tokens     bool

	mu       sync.Mutex
	requests int
	posts    [][]byte // bodies that were taken
	stored   map[string][]stored
	statuses map[string]*doubleStatus
	token    int
	log      []string
}

type stored struct {
	raw     []byte
	id, ver string
	added   time.Time
}

type doubleStatus struct {
	polls int
	body  map[string]any
}

const (
	vn = "11111111-1111-4111-8111-111111111111"
	lk = "22222222-2222-4222-8222-222222222222"
	ro = "33333333-3333-4333-8333-333333333333" // may only be read
	wo = "44444444-4444-4444-8444-444444444444" // may only be written

	doubleSecret = "s3cret"

	taxiiType = "application/taxii+json;version=2.1"
	stamp     = "2006-01-02T15:04:05.000000Z"
)

func newDouble(t testing.TB) *double {
	d := &double{page: 10, maxContent: 1 << 20, stored: map[string][]stored{}, statuses: map[string]*doubleStatus{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /taxii2/{$}", d.known(func(w http.ResponseWriter, r *http.Request) {
		reply(w, 200, map[string]any{"title": "double", "default": "/api/", "api_roots": []string{"/api/"}})
	}))
	mux.HandleFunc("GET /api/{$}", d.known(func(w http.ResponseWriter, r *http.Request) {
		reply(w, 200, map[string]any{"title": "api", "versions": []string{taxiiType}, "max_content_length": d.maxContent})
	}))
	mux.HandleFunc("GET /api/collections/{$}", d.known(func(w http.ResponseWriter, r *http.Request) {
		var list []any
		for _, c := range []struct {
			id, alias   string
			read, write bool
		}{{vn, "vn", true, true}, {lk, "lk", true, true}, {ro, "ro", true, false}, {wo, "wo", false, true}} {
			list = append(list, map[string]any{"id": c.id, "title": c.alias, "alias": c.alias, "can_read": c.read, "can_write": c.write})
		}
		reply(w, 200, map[string]any{"collections": list})
	}))
	mux.HandleFunc("/api/collections/{id}/objects/{$}", d.known(d.objects))
	mux.HandleFunc("GET /api/status/{id}/{$}", d.known(d.status))
	mux.HandleFunc("POST /token", d.grant)
	d.Server = httptest.NewTLSServer(mux)
	t.Cleanup(d.Server.Close)
	return d
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", taxiiType)
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, code int, title string) {
	reply(w, code, map[string]any{"title": title, "http_status": strconv.Itoa(code)})
}

// known lets in who says its name and asks for TAXII 2.1.
func (d *double) known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, secret, basic := r.BasicAuth()
		d.mu.Lock()
		bearer := r.Header.Get("Authorization") == fmt.Sprintf("Bearer token-%d", d.token) && d.token > 0
		d.log = append(d.log, r.Method+" "+r.URL.Path+" "+strings.SplitN(r.Header.Get("Authorization"), " ", 2)[0])
		d.mu.Unlock()
		switch {
		case !bearer && !(basic && user == "acme_1" && secret == doubleSecret):
			w.Header().Add("WWW-Authenticate", `Basic realm="taxii"`)
			refuse(w, 401, "Unauthorized")
		case r.Header.Get("Accept") != taxiiType:
			refuse(w, 406, "Not acceptable")
		default:
			next(w, r)
		}
	}
}

func (d *double) grant(w http.ResponseWriter, r *http.Request) {
	user, secret, ok := r.BasicAuth()
	d.mu.Lock()
	defer d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if !ok || user != "acme_1" || secret != doubleSecret || r.FormValue("grant_type") != "client_credentials" {
		w.WriteHeader(401)
		io.WriteString(w, `{"error":"invalid_client","error_description":"the client is not known"}`)
		return
	}
	d.token++
	fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":600,"scope":"read"}`, d.token)
}

func (d *double) objects(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.requests++
	n, hook := d.requests, d.hook
	d.mu.Unlock()
	if hook != nil && hook(n, w, r) {
		return
	}
	if r.Method == http.MethodPost {
		d.add(w, r)
		return
	}
	d.get(w, r)
}

// intercept sets the hook while requests may come, or when they come from another process.
func (d *double) intercept(hook func(n int, w http.ResponseWriter, r *http.Request) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hook = hook
}

func (d *double) get(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit := d.page
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			refuse(w, 400, "limit")
			return
		}
		limit = min(limit, n)
	}
	from := time.Time{}
	if s := q.Get("added_after"); s != "" {
		t, err := time.Parse(stamp, s)
		if err != nil {
			refuse(w, 400, "added_after")
			return
		}
		from = t
	}
	if s := q.Get("next"); s != "" {
		t, err := time.Parse("c"+stamp, s)
		if err != nil {
			refuse(w, 400, "next")
			return
		}
		from = t
	}
	d.mu.Lock()
	all := slices.Clone(d.stored[r.PathValue("id")])
	d.mu.Unlock()
	all = slices.DeleteFunc(all, func(s stored) bool { return !s.added.After(from) })
	more := len(all) > limit
	all = all[:min(limit, len(all))]
	var body bytes.Buffer
	fmt.Fprintf(&body, `{"more":%v`, more)
	if len(all) > 0 {
		last := all[len(all)-1].added.Format(stamp)
		w.Header().Set("X-TAXII-Date-Added-First", all[0].added.Format(stamp))
		w.Header().Set("X-TAXII-Date-Added-Last", last)
		body.WriteString(`,"objects":[`)
		for i, s := range all {
			if i > 0 {
				body.WriteByte(',')
			}
			body.Write(s.raw)
		}
		body.WriteByte(']')
		if more && !d.noNext {
			fmt.Fprintf(&body, `,"next":"c%s"`, last)
		}
	}
	body.WriteByte('}')
	w.Header().Set("Content-Type", taxiiType)
	w.Write(body.Bytes())
}

func (d *double) add(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != taxiiType {
		refuse(w, 415, "Unsupported media type")
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, d.maxContent))
	if err != nil {
		refuse(w, 413, "Content too large")
		return
	}
	var env struct {
		Objects []json.RawMessage `json:"objects"`
	}
	if err := json.Unmarshal(data, &env); err != nil {
		refuse(w, 400, "Bad request")
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.posts = append(d.posts, data)
	var failures []any
	for _, raw := range env.Objects {
		var o struct{ ID, Modified, Name string }
		if err := json.Unmarshal(raw, &o); err != nil || o.ID == "" || o.Name == "bad" {
			failures = append(failures, map[string]any{"id": o.ID, "version": o.Modified, "message": "it is\nbad"})
			continue
		}
		d.put(r.PathValue("id"), raw, o.ID, o.Modified)
	}
	id := fmt.Sprintf("55555555-5555-4555-8555-%012d", len(d.statuses))
	st := map[string]any{"id": id, "status": "complete", "total_count": len(env.Objects),
		"success_count": len(env.Objects) - len(failures), "failure_count": len(failures), "pending_count": 0}
	if len(failures) > 0 {
		st["failures"] = failures
	}
	d.statuses[id] = &doubleStatus{polls: d.pending, body: st}
	reply(w, 202, d.statuses[id].now())
}

// put stores a version unless it is there. The caller holds the lock.
func (d *double) put(collection string, raw []byte, id, version string) {
	list := d.stored[collection]
	for _, s := range list {
		if s.id == id && s.ver == version {
			return
		}
	}
	added := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	if len(list) > 0 {
		added = list[len(list)-1].added.Add(20 * time.Microsecond)
	}
	d.stored[collection] = append(list, stored{bytes.Clone(raw), id, version, added})
}

// now gives a status and counts how often it was looked at.
func (s *doubleStatus) now() map[string]any {
	if s.polls == 0 {
		return s.body
	}
	s.polls--
	return map[string]any{"id": s.body["id"], "status": "pending", "total_count": s.body["total_count"],
		"success_count": 0, "failure_count": 0, "pending_count": s.body["total_count"]}
}

func (d *double) status(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.statuses[r.PathValue("id")]
	if s == nil {
		refuse(w, 404, "Not found")
		return
	}
	reply(w, 200, s.now())
}

// fill puts n objects into a collection and gives their bytes.
func (d *double) fill(collection string, n int) [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out [][]byte
	for range n {
		i := len(d.stored[collection])
		raw := object(i)
		d.put(collection, raw, fmt.Sprint(i), "")
		out = append(out, raw)
	}
	return out
}

// object gives an object whose bytes no library would write so.
func object(i int) []byte {
	return fmt.Appendf(nil, "{ \"type\":\"indicator\",\t\"id\" : \"indicator--%08d-0000-4000-8000-000000000000\",\"n\":1.50e+%02d,\n \"text\":\"\\u00e9 ]} \\\" \\\\\", \"deep\":[[{\"a\":[]}]] }", i, i%99)
}

func (d *double) raw(collection string) [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out [][]byte
	for _, s := range d.stored[collection] {
		out = append(out, s.raw)
	}
	return out
}

func (d *double) account() client.Account {
	a := client.Account{Partner: "acme", Gateway: d.URL, Discovery: d.URL + "/taxii2/", APIRoot: d.URL + "/api/",
		ClientID: "acme_1", ClientSecret: doubleSecret}
	if d.tokens {
		a.TokenURL = d.URL + "/token"
	}
	return a
}

// trust gives what trusts the double.
func (d *double) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(d.Certificate())
	return &tls.Config{RootCAs: pool}
}

// waits are the pauses that a client made; none of them takes time.
type waits struct {
	mu    sync.Mutex
	list  []time.Duration
	said  []string
	after func(n int) // called before the nth wait; may be nil
}

func (s *waits) sleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	s.list = append(s.list, d)
	n := len(s.list)
	s.mu.Unlock()
	if s.after != nil {
		s.after(n)
	}
	return ctx.Err()
}

func (s *waits) notify(line string) {
	if strings.Contains(line, doubleSecret) || strings.Contains(line, "token-") {
		panic("told a secret: " + line)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, line)
}

// dial gives a client of the double, and its waits.
func (d *double) dial(t testing.TB, change ...func(*client.Account, *client.Options)) (*client.Client, *waits) {
	t.Helper()
	w := &waits{}
	a, o := d.account(), client.Options{TLS: d.trust(), Sleep: w.sleep, Notify: w.notify}
	for _, c := range change {
		c(&a, &o)
	}
	c, err := client.New(a, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, w
}

func (d *double) root() client.Root {
	r := client.Root{URL: d.URL + "/api/"}
	r.MaxContentLength = d.maxContent
	return r
}

// directory writes a partner's directory for the double.
func (d *double) directory(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	a := d.account()
	a.CA = client.CAFile
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.Certificate().Raw})
	if err := client.WriteDurably(filepath.Join(dir, client.CAFile), ca); err != nil {
		t.Fatal(err)
	}
	return dir
}

func source(name string, data []byte) client.Source {
	return client.Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

func envelope(objects ...[]byte) []byte {
	return slices.Concat([]byte(`{"objects": [`), bytes.Join(objects, []byte(" ,\n")), []byte("]}"))
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
