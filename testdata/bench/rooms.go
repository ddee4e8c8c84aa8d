package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"liaison/auth"
	"liaison/certs"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/server/client"
	"liaison/stix"
)

// rooms is a data directory that no gateway serves, opened in this process: what the baseline logs in
// with, and what is measured without HTTP.
type rooms struct {
	dir       string
	url       string
	store     *bolt.Store
	registry  *collections.Registry
	desk      *collections.Desk
	doors     *auth.Doors
	authority *certs.Authority
}

func openRooms(ctx context.Context, dir string) (*rooms, error) {
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	var c struct {
		URL        string `json:"url"`
		MaxContent int64  `json:"max_content_length"`
		MaxObject  int    `json:"max_object_length"`
		MaxObjects int    `json:"max_objects"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, err
	}
	keys := filepath.Join(dir, "keys")
	private, err := os.ReadFile(filepath.Join(keys, "journal.key"))
	if err != nil {
		return nil, err
	}
	public, err := os.ReadFile(filepath.Join(keys, "journal.pub"))
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(private)))
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(public)))
	if err != nil {
		return nil, err
	}
	r := &rooms{dir: dir, url: c.URL}
	if r.authority, err = certs.Open(filepath.Join(dir, "ca")); err != nil {
		return nil, err
	}
	vault, err := auth.OpenVault(keys)
	if err != nil {
		return nil, err
	}
	ring, err := auth.OpenRing(keys)
	if err != nil {
		return nil, err
	}
	r.store, err = bolt.Open(bolt.Options{
		Path: filepath.Join(dir, "store.db"), Spool: filepath.Join(dir, "journal.spool"), Signer: signer, Verifier: verifier,
	})
	if err != nil {
		return nil, err
	}
	if r.registry, err = collections.OpenRegistry(ctx, r.store, nil); err != nil {
		return nil, errors.Join(err, r.store.Close())
	}
	r.desk = &collections.Desk{
		Registry: r.registry, Store: r.store, Limits: stix.Limits{Body: c.MaxContent, Object: c.MaxObject, Objects: c.MaxObjects},
	}
	r.doors = &auth.Doors{
		Issuer: c.URL, Audience: c.URL + "/taxii2/", Vault: vault, Ring: ring, Now: time.Now, Uses: &auth.Uses{},
		Tables: func() *auth.Tables { return r.registry.State().Access },
	}
	return r, nil
}

func (r *rooms) Close() error { return r.store.Close() }

// principal is who an account proves to be.
func (r *rooms) principal(ctx context.Context, a client.Account) (auth.Principal, error) {
	return r.doors.Identify(ctx, auth.Presented{Authorization: []string{basic(a)}, Address: "127.0.0.1"})
}

// place finds a collection by its alias.
func (r *rooms) place(alias string) (collections.Place, error) {
	c, ok := r.registry.State().Find(operation, alias)
	if !ok {
		return collections.Place{}, errors.New("no collection " + alias)
	}
	return c.Place(), nil
}
