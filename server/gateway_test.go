package server_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/mod/sumdb/note"

	"liaison/auth"
	"liaison/certs"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/server"
	"liaison/server/taxii"
	"liaison/stix"
)

// gateway is a whole gateway behind TLS, with an operation of two countries, a vendor that writes to
// both and an agency for each.
type gateway struct {
	testing.TB
	url      string
	server   *server.Server
	store    collections.Store
	registry *collections.Registry
	vault    *auth.Vault
	ca       *certs.Authority
	ahead    atomic.Int64 // of the clock, in nanoseconds
	log      *journalled
	issued   issued                // what may be in no output
	front    atomic.Pointer[front] // stands between callers and the gateway; nil for nothing
	client   *http.Client
	halt     func() // ends what serve began
	restart  func() // ends the gateway and begins it anew with what it kept

	vendor, rival, vn, lk account
}

// front answers instead of the gateway, or before or after it.
type front func(w http.ResponseWriter, r *http.Request, gateway http.Handler)

// account is one client of a partner, with what it identifies itself by.
type account struct {
	partner auth.PartnerID
	id      auth.ClientID
	secret  string
}

// journalled is a log that is searched for secrets.
type journalled struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journalled) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journalled) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

type option func(*server.Options)

func open(t testing.TB, with ...option) *gateway {
	t.Helper()
	g := &gateway{TB: t, log: &journalled{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.ok(err)
	g.url = "https://localhost:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	public, err := url.Parse(g.url)
	g.ok(err)
	g.ca = authority(t)
	keys := t.TempDir()
	g.vault, err = auth.CreateVault(keys)
	g.ok(err)
	ring, err := auth.CreateRing(keys)
	g.ok(err)
	skey, vkey, err := note.GenerateKey(rand.Reader, "localhost/journal")
	g.ok(err)
	signer, err := note.NewSigner(skey)
	g.ok(err)
	verifier, err := note.NewVerifier(vkey)
	g.ok(err)
	dir := t.TempDir()
	t.Cleanup(func() { // after the store is closed
		if what := g.issued.in([]byte(g.log.String())); what != "" {
			t.Errorf("the log has %s", what)
		}
		g.issued.files(t, dir)
	})
	file := bolt.Options{Path: dir + "/store.db", Spool: dir + "/journal.spool", Create: true, Now: g.now, Signer: signer, Verifier: verifier}
	begin := func(listener net.Listener) {
		g.store, err = bolt.Open(file)
		g.ok(err)
		g.registry, err = collections.OpenRegistry(t.Context(), g.store, g.now)
		g.ok(err)
		log := slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o := server.Options{
			URL:      public,
			Registry: g.registry,
			Desk:     &collections.Desk{Registry: g.registry, Store: g.store, Now: g.now, Log: log, Limits: stix.Limits{Body: 1 << 20}, Gleaning: gleaning()},
			Doors: &auth.Doors{
				Issuer: g.url, Audience: g.url + taxii.DiscoveryPath, Vault: g.vault, Ring: ring, Now: g.now,
				Tables: func() *auth.Tables { return g.registry.State().Access },
			},
			Vault:     g.vault,
			Authority: g.ca,
			Log:       log,
			Now:       g.now,
		}
		for _, f := range with {
			f(&o)
		}
		g.server, err = server.New(o)
		g.ok(err)
		serve(g, listener)
	}
	t.Cleanup(func() { g.ok(g.store.Close()) })
	begin(listener)
	g.restart = func() {
		t.Helper()
		g.halt()
		g.ok(g.store.Close())
		file.Create = false
		g.vault, err = auth.OpenVault(keys)
		g.ok(err)
		ring, err = auth.OpenRing(keys)
		g.ok(err)
		listener, err := net.Listen("tcp", "127.0.0.1:"+public.Port())
		g.ok(err)
		begin(listener)
		g.client.CloseIdleConnections()
	}
	g.client = g.dial(nil)

	g.apply(collections.CreateOperation{ID: "secure", Title: "Operation Secure", Countries: []string{"VN", "LK"}})
	g.vendor = g.partner("acme", auth.Vendor, auth.Rights{Read: true, Write: true}, "vn", "lk")
	g.rival = g.partner("rival", auth.Vendor, auth.Rights{Read: true, Write: true}, "vn", "lk")
	g.vn = g.partner("vn-police", auth.Agency, auth.Rights{Read: true}, "vn")
	g.lk = g.partner("lk-police", auth.Agency, auth.Rights{Read: true}, "lk")
	return g
}

// made are the files of an authority and the certificates of its server, once for all gateways: to make
// their keys takes longer than most tests.
var made = sync.OnceValues(func() (m struct {
	files map[string][]byte
	list  []tls.Certificate
}, err error,
) {
	parent, err := os.MkdirTemp("", "authority")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(parent)
	dir := filepath.Join(parent, "ca")
	ca, err := certs.Create(dir, "localhost")
	if err != nil {
		return m, err
	}
	if m.list, err = ca.ServerCertificates([]string{"localhost", "127.0.0.1"}, 0); err != nil {
		return m, err
	}
	entries, err := os.ReadDir(dir)
	m.files = map[string][]byte{}
	for _, e := range entries {
		b, readErr := os.ReadFile(filepath.Join(dir, e.Name()))
		m.files[e.Name()], err = b, errors.Join(err, readErr)
	}
	return m, err
})

// authority opens an authority with files of its own.
func authority(t testing.TB) *certs.Authority {
	t.Helper()
	m, err := made()
	dir := t.TempDir()
	for name, b := range m.files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	ca, err := certs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func serve(g *gateway, listener net.Listener) {
	m, err := made()
	g.ok(err)
	h := g.server.HTTP()
	behind := h.Handler
	h.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w = g.issued.answers(g, w, r)
		if f := g.front.Load(); f != nil {
			(*f)(w, r, behind)
			return
		}
		behind.ServeHTTP(w, r)
	})
	h.TLSConfig = certs.NewServer(certs.ServerOptions{Certificates: m.list, Authority: g.ca}).TLSConfig()
	done := make(chan error, 1)
	go func() { done <- h.Serve(tls.NewListener(server.Gather(listener), h.TLSConfig)) }()
	g.halt = sync.OnceFunc(func() {
		h.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			g.Errorf("serving: %v", err)
		}
	})
	g.Cleanup(g.halt)
}

func (g *gateway) now() time.Time { return time.Now().Add(time.Duration(g.ahead.Load())) }

// dial makes a client that trusts the gateway's root alone and follows no redirect.
func (g *gateway) dial(mine *tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(g.ca.Root())
	c := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if mine != nil {
		c.Certificates = []tls.Certificate{*mine}
	}
	tr := &http.Transport{TLSClientConfig: c, DisableCompression: true}
	g.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (g *gateway) ok(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

func (g *gateway) apply(changes ...collections.Change) {
	g.Helper()
	g.ok(g.registry.Apply(g.Context(), "local:0", changes...))
	if g.client != nil { // the change may have closed its connections, and a POST is not sent again
		g.client.CloseIdleConnections()
	}
}

func (g *gateway) collection(op auth.OperationID, alias string) collections.Collection {
	g.Helper()
	c, ok := g.registry.State().Find(op, alias)
	if !ok {
		g.Fatalf("no collection %s in %s", alias, op)
	}
	return c
}

// partner makes a partner with rights on collections of the operation "secure", and one client.
func (g *gateway) partner(id auth.PartnerID, role auth.Role, r auth.Rights, aliases ...string) account {
	g.Helper()
	create := auth.CreatePartner{ID: id, Role: role, Name: string(id)}
	if role == auth.Vendor {
		create.DefaultMarking = stix.Clear
	}
	g.apply(collections.Access(create))
	for _, alias := range aliases {
		g.grant(id, alias, r)
	}
	token := g.invite(id)
	text, secret := g.vault.NewSecret(g.now())
	g.issued.add("secret", text)
	client := g.registry.State().Access.NextClient(id)
	g.apply(collections.Access(auth.Join{Token: token, Client: client, Secret: secret}))
	return account{id, client, text}
}

func (g *gateway) grant(id auth.PartnerID, alias string, r auth.Rights) {
	g.Helper()
	c := g.collection("secure", alias)
	g.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{
		Partner: id, Operation: c.Operation, Collection: c.ID, Rights: r,
	}}))
}

func (g *gateway) invite(id auth.PartnerID) string {
	g.Helper()
	token := auth.NewInvitation()
	g.issued.add("invitation", token)
	g.apply(collections.Access(auth.Invite{Partner: id, Token: token, TTL: time.Hour}))
	return token
}

// answer is a response read whole.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

type change func(*http.Request)

func header(name string, values ...string) change {
	return func(r *http.Request) {
		r.Header.Del(name)
		for _, v := range values {
			r.Header.Add(name, v)
		}
	}
}

func body(s string) change {
	return func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader(s))
		r.ContentLength = int64(len(s))
	}
}

func chunked(s string) change {
	return func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader(s))
		r.ContentLength = -1
	}
}

// ask sends a request as an account; the zero account sends no credentials.
func (g *gateway) ask(a account, method, path string, changes ...change) *answer {
	g.Helper()
	return g.askBy(g.client, a, method, path, changes...)
}

func (g *gateway) askBy(client *http.Client, a account, method, path string, changes ...change) *answer {
	g.Helper()
	r, err := http.NewRequestWithContext(g.Context(), method, g.url+path, nil)
	g.ok(err)
	r.Header.Set("Accept", taxii.MediaType)
	r.Header.Set("Content-Type", taxii.MediaType)
	if a.id != "" {
		r.SetBasicAuth(string(a.id), a.secret)
	}
	for _, c := range changes {
		c(r)
	}
	resp, err := client.Do(r)
	g.ok(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	g.ok(err)
	return &answer{g, resp.StatusCode, resp.Header, b}
}

func (g *gateway) get(a account, path string, changes ...change) *answer {
	g.Helper()
	return g.ask(a, http.MethodGet, path, changes...)
}

// want checks the status, and of every TAXII answer what all of them have.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d; body %s", a.status, status, a.body)
	}
	if got := a.header.Get("Content-Type"); got != taxii.MediaType {
		a.t.Errorf("Content-Type %q, want %q", got, taxii.MediaType)
	}
	if status >= 400 {
		var e taxii.Error
		a.json(&e)
		if e.Title == "" || e.HTTPStatus != strconv.Itoa(status) {
			a.t.Errorf("error message %s: want a title and http_status %q", a.body, strconv.Itoa(status))
		}
	}
	return a
}

func (a *answer) json(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
}

func (a *answer) envelope() taxii.Envelope {
	a.t.Helper()
	var e taxii.Envelope
	a.json(&e)
	return e
}

func indicator(name string) (id, raw string) {
	id = "indicator--" + uuid.NewString()
	return id, indicatorOf(id, name, "2025-01-31T09:30:00.000Z")
}

func indicatorOf(id, name, modified string) string {
	return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":%q,"created":"2025-01-31T09:30:00.000Z","modified":%q,`+
		`"name":%q,"pattern":"[domain-name:value = 'a.example']","pattern_type":"stix","valid_from":"2025-01-31T09:30:00Z"}`, id, modified, name)
}

func envelopeOf(objects ...string) string { return `{"objects":[` + strings.Join(objects, ",") + `]}` }

// publish sends objects and wants all of them taken.
func (g *gateway) publish(a account, alias string, objects ...string) taxii.Status {
	g.Helper()
	var s taxii.Status
	g.ask(a, http.MethodPost, "/secure/collections/"+alias+"/objects/", body(envelopeOf(objects...))).want(http.StatusAccepted).json(&s)
	if s.SuccessCount != len(objects) || s.TotalCount != len(objects) {
		g.Fatalf("status %+v, want %d successes", s, len(objects))
	}
	return s
}

func random(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()[:n]
}

func collectionsAccess(c auth.Change) collections.Change { return collections.Access(c) }

// flush moves the clock and lets the server write what it counted.
func (g *gateway) flush(d time.Duration) {
	g.Helper()
	g.ahead.Add(int64(d))
	g.ok(g.server.Flush(g.Context(), g.now()))
	g.ok(g.store.Sweep(g.Context(), g.now()))
}

// journal gives what the lines of a kind say.
func (g *gateway) journal(kind string) (what []string) {
	g.Helper()
	for e, err := range g.store.Journal(g.Context(), 0) {
		g.ok(err)
		if e.Line.Kind == kind {
			what = append(what, string(e.Line.What))
		}
	}
	return what
}

// decoded takes a content coding off.
func decoded(t testing.TB, coding string, b []byte) string {
	t.Helper()
	var r io.Reader
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(b))
	case "zstd":
		r, err = zstd.NewReader(bytes.NewReader(b))
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
