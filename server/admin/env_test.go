package admin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/server/admin"
)

// env is a gateway's API over a real store, with what a test may want to look at.
type env struct {
	dir      string
	api      *admin.API
	registry *collections.Registry
	store    collections.Store
	log      *safeBuffer
	ring     *auth.Ring
	vault    *auth.Vault
	uses     auth.Uses
	issued   []string // secrets and invitations, which no output may hold
	archive  func(ctx context.Context, had admin.Had, w io.Writer) error
}

func newEnv(t *testing.T, change func(*admin.Options)) *env {
	t.Helper()
	e := &env{dir: t.TempDir(), log: &safeBuffer{}}
	private, public, err := note.GenerateKey(rand.Reader, "test/journal")
	check(t, err)
	signer, err := note.NewSigner(private)
	check(t, err)
	verifier, err := note.NewVerifier(public)
	check(t, err)
	store, err := bolt.Open(bolt.Options{
		Path: filepath.Join(e.dir, "store.db"), Spool: filepath.Join(e.dir, "journal.spool"),
		Create: true, Signer: signer, Verifier: verifier,
	})
	check(t, err)
	t.Cleanup(func() {
		store.Close()
		e.searched(t)
	})
	e.store = store
	e.registry, err = collections.OpenRegistry(t.Context(), store, nil)
	check(t, err)
	e.ring, err = auth.CreateRing(filepath.Join(e.dir, "keys"))
	check(t, err)
	e.vault, err = auth.CreateVault(filepath.Join(e.dir, "keys"))
	check(t, err)
	o := admin.Options{
		Ring:       e.ring,
		Vault:      e.vault,
		Uses:       &e.uses,
		Registry:   e.registry,
		Store:      store,
		Desk:       &collections.Desk{Registry: e.registry, Store: store, Guard: func() collections.Guard { return oneGuard{} }, Gleaning: plainGleaning()},
		Maintainer: store,
		Owner:      os.Getuid(),
		URL:        "https://gateway.example",
		Invitation: func(token string) string { return "https://gateway.example/join/" + token + "#sha256:00" },
		Archive: func(ctx context.Context, had admin.Had, w io.Writer) error {
			if e.archive == nil {
				return errors.New("no archive")
			}
			return e.archive(ctx, had, w)
		},
		Log: slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&o)
	}
	e.api = admin.New(o)
	return e
}

// secretShape is what no output may hold, whoever was given it: a secret, an invitation, an access token.
var secretShape = regexp.MustCompile(`lsn_[A-Za-z0-9_-]{43}|/join/[A-Za-z0-9_-]{43}|eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{40,}`)

// searched looks for secrets in the log and in what the store keeps.
func (e *env) searched(t *testing.T) {
	outputs := map[string][]byte{"log": []byte(e.log.String())}
	for _, name := range []string{"store.db", "journal.spool"} {
		b, err := os.ReadFile(filepath.Join(e.dir, name))
		check(t, err)
		outputs[name] = b
	}
	for name, b := range outputs {
		// An expression that begins with many letters is slow over a whole store.
		if (bytes.Contains(b, []byte("lsn_")) || bytes.Contains(b, []byte("/join/")) || bytes.Contains(b, []byte("eyJ"))) && secretShape.Match(b) {
			t.Errorf("%s holds what looks like a secret", name)
		}
		for _, s := range e.issued {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s holds a secret or an invitation", name)
			}
		}
	}
}

// serve answers on the socket in e.dir until the test ends.
func (e *env) serve(t *testing.T) {
	t.Helper()
	l, err := admin.Listen(e.dir)
	check(t, err)
	s := e.api.Server()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the socket's server ended with %v", err)
		}
	})
}

// raw gives an HTTP client of the socket without any of the typed client's manners.
func (e *env) raw() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(e.dir, admin.SocketName))
		},
	}}
}

// transports are the two ways to the same handlers.
func transports(t *testing.T, run func(t *testing.T, e *env, c *admin.Client)) {
	t.Run("socket", func(t *testing.T) {
		e := newEnv(t, nil)
		e.serve(t)
		c, err := admin.Dial(t.Context(), e.dir)
		check(t, err)
		t.Cleanup(c.Close)
		run(t, e, c)
	})
	t.Run("in process", func(t *testing.T) {
		e := newEnv(t, nil)
		run(t, e, admin.InProcess(e.api, os.Getuid()))
	})
}

// join makes a client of a partner, as joining does.
func (e *env) join(t *testing.T, partner auth.PartnerID) auth.ClientID {
	t.Helper()
	token, now := auth.NewInvitation(), time.Now()
	check(t, e.registry.Apply(t.Context(), "test", collections.Access(auth.Invite{Partner: partner, Token: token, TTL: time.Hour})))
	_, id, err := e.registry.State().Access.Invitation(token, now)
	check(t, err)
	text, secret := e.vault.NewSecret(now)
	e.issued = append(e.issued, token, text)
	check(t, e.registry.Apply(t.Context(), "test", collections.Access(auth.Join{Token: token, Client: id, Secret: secret})))
	return id
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// safeBuffer is a buffer that handlers and the test share.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
