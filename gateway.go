package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"liaison/auth"
	"liaison/certs"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/server/admin"
	"liaison/stix"
)

// gatewayOptions say how to open a gateway; what is set wins over its configuration. The zero value
// opens it as it is configured.
type gatewayOptions struct {
	Listen      string
	Store       string
	TLSCert     string
	TLSKey      string
	Damaged     bool             // open a store that the checks of a start refuse
	AcceptClock bool             // serve although the newest date_added is far ahead of the clock
	Now         func() time.Time // default time.Now
	Log         *slog.Logger     // default slog.DiscardHandler
}

// engine is a store with what it can do beside the contract.
type engine interface {
	collections.Store
	collections.Maintainer
	Seal(ctx context.Context) (more bool, err error)             // joins small segments, some at a time
	ID() string                                                  // tells the store from any other
	Copy(ctx context.Context, has []bolt.Sum, w io.Writer) error // Backup without the blocks that are there
}

// gateway is an open data directory: the rooms, wired. It owns the store's lock until Close.
type gateway struct {
	dir       string
	config    config
	url       *url.URL // the public URL
	options   gatewayOptions
	now       func() time.Time
	log       *slog.Logger
	store     engine
	registry  *collections.Registry
	desk      *collections.Desk
	authority *certs.Authority
	vault     *auth.Vault
	ring      *auth.Ring
	uses      *auth.Uses
	doors     *auth.Doors
	admin     *admin.API
	guard     atomic.Pointer[deskGuard]
	unguarded error                  // why the operator's lists could not be read
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
	for _, name := range []string{storeName, keysName, caName} {
		if !exists(filepath.Join(dir, name)) {
			return nil, fmt.Errorf("%s is missing: bring it back, or make the gateway anew of a backup with \"liaison restore FILE --data NEWDIR\"", filepath.Join(dir, name))
		}
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
		Now: g.now, Log: g.log, Signer: signer, Verifier: verifier, Damaged: g.options.Damaged,
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
	g.openGuards()
	if g.desk.Routing, err = g.routing(); err != nil {
		return err
	}
	if g.desk.Gleaning, err = g.config.gleaning(); err != nil {
		return err
	}
	g.readUses()
	g.doors = &auth.Doors{
		Issuer:   g.config.URL,
		Audience: g.config.URL + "/taxii2/",
		Vault:    g.vault,
		Ring:     g.ring,
		Tables:   func() *auth.Tables { return g.registry.State().Access },
		Now:      g.now,
		Uses:     g.uses,
		Spend: func(ctx context.Context, c auth.UseAssertion) error {
			return g.registry.Apply(ctx, auth.Actor(c.Client), collections.Access(c))
		},
		SecretPost:       g.config.ClientSecretPost,
		RequireAgreement: g.config.RequireAgreement,
	}
	g.admin = admin.New(admin.Options{
		Registry:   g.registry,
		Store:      g.store,
		Desk:       g.desk,
		Maintainer: g.store,
		Owner:      owner,
		Ring:       g.ring,
		Vault:      g.vault,
		Uses:       g.uses,
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
func (g *gateway) Close() error {
	return errors.Join(g.admin.Settle(context.Background()), g.store.Close())
}

// operator is who runs this process.
func operator() auth.Principal { return auth.LocalOperator(os.Getuid()) }
