package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"liaison/auth"
	"liaison/certs"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/server/admin"
	"liaison/stix"
)

// initOptions say what gateway to make. The zero value is one on this machine alone.
type initOptions struct {
	URL    string           // default https://HOST:PORT of the first of Hosts and of Listen
	Hosts  []string         // default localhost
	Listen string           // default localhost:8443, or :8443 for other hosts, with URL's port; port 0: a free one, from now on
	Store  string           // default "bolt:"
	Now    func() time.Time // default time.Now
}

// createGateway makes a gateway's data directory: its configuration, keys, authority and store. dir
// must not be there, or be empty; it appears complete or not at all.
func createGateway(ctx context.Context, dir string, o initOptions) (err error) {
	c, err := o.config()
	if err != nil {
		return err
	}
	stage, publish, err := stageDirectory(dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	u, err := publicURL(c.URL)
	if err != nil {
		return fmt.Errorf("--url %w", err)
	}
	for _, name := range []string{keysName, tlsName, cacheName} {
		if err := os.Mkdir(filepath.Join(stage, name), 0o700); err != nil {
			return fmt.Errorf("making gateway: %w", err)
		}
	}
	authority, err := certs.Create(filepath.Join(stage, caName), u.Hostname())
	if err != nil {
		return fmt.Errorf("making gateway: %w", err)
	}
	keys := filepath.Join(stage, keysName)
	if _, err := auth.CreateVault(keys); err != nil {
		return err
	}
	if _, err := auth.CreateRing(keys); err != nil {
		return err
	}
	if err := createJournalKey(keys, u.Hostname()); err != nil {
		return err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := createStore(ctx, stage, c, authority.Fingerprint(), o.Now); err != nil {
		return err
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(stage, configName), append(b, '\n')); err != nil {
		return fmt.Errorf("making gateway: %w", err)
	}
	return publish()
}

// createStore makes the store with the journal's first line.
func createStore(ctx context.Context, dir string, c config, root string, now func() time.Time) error {
	signer, verifier, err := readJournalKey(filepath.Join(dir, keysName))
	if err != nil {
		return err
	}
	s, err := bolt.Open(bolt.Options{
		Path: filepath.Join(dir, storeName), Spool: filepath.Join(dir, spoolName),
		Create: true, Now: now, Signer: signer, Verifier: verifier,
	})
	if err != nil {
		return fmt.Errorf("making store: %w", err)
	}
	first := auth.NewLine(now(), operator().Actor(), "init", struct {
		URL  string `json:"url"`
		Root string `json:"root"` // SHA-256 of the root certificate
	}{c.URL, root})
	return errors.Join(s.Apply(ctx, nil, []auth.Line{first}, nil), s.Close())
}

// config completes and checks what init was asked for.
func (o initOptions) config() (config, error) {
	c := defaultConfig()
	c.URL = o.URL
	c.Hosts = slices.Clone(o.Hosts)
	c.Store = cmp.Or(o.Store, c.Store)
	if len(c.Hosts) == 0 {
		c.Hosts = []string{"localhost"}
		if u, err := publicURL(c.URL); err == nil {
			c.Hosts[0] = u.Hostname()
		}
	}
	c.Listen = cmp.Or(o.Listen, o.listen(c.Hosts[0]))
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return c, fmt.Errorf("--listen %q: want HOST:PORT, like :8443 or 127.0.0.1:8443", c.Listen)
	}
	if port == "0" {
		l, err := net.Listen("tcp", c.Listen)
		if err != nil {
			return c, fmt.Errorf("choosing a port: %w", err)
		}
		_, port, _ = net.SplitHostPort(l.Addr().String())
		c.Listen = net.JoinHostPort(host, port)
		l.Close()
	}
	c.URL = cmp.Or(c.URL, "https://"+net.JoinHostPort(c.Hosts[0], port))
	c.URL = strings.TrimSuffix(strings.TrimSuffix(c.URL, "/"), ":443")
	return c, c.check()
}

// listen gives the address to listen on: the public URL's port, and only this machine when the gateway
// is known as localhost.
func (o initOptions) listen(host string) string {
	port := "8443"
	if u, err := publicURL(o.URL); err == nil {
		port = cmp.Or(u.Port(), port)
	}
	if host == "localhost" {
		return net.JoinHostPort(host, port)
	}
	return ":" + port
}

// gatewayOptions say how to open a gateway; what is set wins over its configuration. The zero value
// opens it as it is configured.
type gatewayOptions struct {
	Listen      string
	Store       string
	TLSCert     string
	TLSKey      string
	AcceptClock bool             // serve although the newest date_added is far ahead of the clock
	Now         func() time.Time // default time.Now
	Log         *slog.Logger     // default slog.DiscardHandler
}

// gateway is an open data directory: the rooms, wired. It owns the store's lock until Close.
type gateway struct {
	dir       string
	config    config
	url       *url.URL // the public URL
	options   gatewayOptions
	now       func() time.Time
	log       *slog.Logger
	store     collections.Store
	registry  *collections.Registry
	desk      *collections.Desk
	authority *certs.Authority
	vault     *auth.Vault
	ring      *auth.Ring
	doors     *auth.Doors
	admin     *admin.API
	served    atomic.Pointer[string] // fingerprint of what invitations trust, while serving
}

// openGateway opens the gateway in dir. It writes nothing but what the store needs to recover.
func openGateway(ctx context.Context, dir string, o gatewayOptions) (*gateway, error) {
	c, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	c.Listen, c.Store = cmp.Or(o.Listen, c.Listen), cmp.Or(o.Store, c.Store)
	if o.TLSCert != "" || o.TLSKey != "" {
		c.TLSCert, c.TLSKey = o.TLSCert, o.TLSKey
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g := &gateway{dir: dir, config: c, options: o, now: o.Now, log: o.Log}
	if g.url, err = publicURL(c.URL); err != nil {
		return nil, err
	}
	if err := g.readKeys(); err != nil {
		return nil, err
	}
	if err := g.openStore(ctx); err != nil {
		return nil, err
	}
	if err := g.wire(); err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	return g, nil
}

func (g *gateway) path(name string) string { return filepath.Join(g.dir, name) }

func (g *gateway) readKeys() (err error) {
	if g.authority, err = certs.Open(g.path(caName)); err != nil {
		return err
	}
	g.authority.Now = g.now
	g.authority.CRLURL = g.config.URL + "/crl"
	if g.vault, err = auth.OpenVault(g.path(keysName)); err != nil {
		return err
	}
	g.ring, err = auth.OpenRing(g.path(keysName))
	return err
}

func (g *gateway) openStore(ctx context.Context) error {
	signer, verifier, err := readJournalKey(g.path(keysName))
	if err != nil {
		return err
	}
	g.store, err = bolt.Open(bolt.Options{
		Path: g.path(storeName), Spool: g.path(spoolName),
		Now: g.now, Log: g.log, Signer: signer, Verifier: verifier,
	})
	if err != nil {
		return err
	}
	if g.registry, err = collections.OpenRegistry(ctx, g.store, g.now); err != nil {
		return errors.Join(err, g.store.Close())
	}
	return nil
}

// wire puts the rooms together that need the store.
func (g *gateway) wire() error {
	owner, err := ownerOf(g.dir)
	if err != nil {
		return err
	}
	g.desk = &collections.Desk{
		Registry: g.registry,
		Store:    g.store,
		Limits: stix.Limits{
			Body:    g.config.MaxContentLength,
			Object:  g.config.MaxObjectLength,
			Objects: g.config.MaxObjects,
		},
		Now: g.now,
		Log: g.log,
	}
	g.doors = &auth.Doors{
		Issuer:   g.config.URL,
		Audience: g.config.URL + "/taxii2/",
		Vault:    g.vault,
		Ring:     g.ring,
		Tables:   func() *auth.Tables { return g.registry.State().Access },
		Now:      g.now,
	}
	g.admin = admin.New(admin.Options{
		Registry:   g.registry,
		Store:      g.store,
		Owner:      owner,
		URL:        g.config.URL,
		Invitation: g.invitation,
		Archive:    g.archive,
		Now:        g.now,
		Log:        g.log,
	})
	return nil
}

// invitation gives the URL by which a partner joins. Its fragment, which no server is sent, names the
// certificate that the partner is to trust.
func (g *gateway) invitation(token string) string {
	return g.config.URL + "/join/" + token + "#sha256:" + g.fingerprint()
}

// client gives a client of the operator's API within this process.
func (g *gateway) client() *admin.Client { return admin.InProcess(g.admin, os.Getuid()) }

// Close closes the store; what was acknowledged is durable already.
func (g *gateway) Close() error { return g.store.Close() }

// operator is who runs this process.
func operator() auth.Principal { return auth.LocalOperator(os.Getuid()) }

// The key that signs the journal's checkpoints, and the public one that checks them, in the form of
// golang.org/x/mod/sumdb/note.
const (
	journalKeyName = "journal.key"
	journalPubName = "journal.pub"
)

func createJournalKey(keys, host string) error {
	private, public, err := note.GenerateKey(rand.Reader, host+"/journal")
	if err != nil {
		return fmt.Errorf("making the journal's key: %w", err)
	}
	return errors.Join(
		writeFile(filepath.Join(keys, journalKeyName), []byte(private+"\n")),
		writeFile(filepath.Join(keys, journalPubName), []byte(public+"\n")),
	)
}

func readJournalKey(keys string) (note.Signer, note.Verifier, error) {
	private, err := readKeyText(filepath.Join(keys, journalKeyName))
	if err != nil {
		return nil, nil, err
	}
	public, err := readKeyText(filepath.Join(keys, journalPubName))
	if err != nil {
		return nil, nil, err
	}
	s, err := note.NewSigner(private)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w: bring it back from a backup", filepath.Join(keys, journalKeyName), err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w: bring it back from a backup", filepath.Join(keys, journalPubName), err)
	}
	if s.Name() != v.Name() || s.KeyHash() != v.KeyHash() {
		return nil, nil, fmt.Errorf("%s and %s in %s are not of one pair: bring them back from a backup", journalKeyName, journalPubName, keys)
	}
	return s, v, nil
}

func readKeyText(name string) (string, error) {
	if err := privateFile(name); err != nil {
		return "", err
	}
	b, err := readSmall(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no %s: bring it back from a backup", name)
	}
	return strings.TrimSpace(string(b)), err
}
