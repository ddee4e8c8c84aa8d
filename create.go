package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"liaison/auth"
	"liaison/certs"
	"liaison/collections/bolt"
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
	for _, name := range []string{keysName, cacheName} {
		if err := os.Mkdir(filepath.Join(stage, name), 0o700); err != nil {
			return fmt.Errorf("making gateway: %w", err)
		}
	}
	authority, err := certs.Create(filepath.Join(stage, caName), u.Hostname())
	if err != nil {
		return fmt.Errorf("making gateway: %w", err)
	}
	list, err := authority.ServerCertificates(c.names(), 0)
	if err != nil {
		return fmt.Errorf("making gateway: %w", err)
	}
	if err := certs.WriteServer(filepath.Join(stage, tlsName), list); err != nil {
		return err
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
	if _, err := net.LookupPort("tcp", port); err != nil {
		return c, fmt.Errorf("--listen %q: want a port of 1 to 65535, or 0 for a free one", c.Listen)
	}
	for _, h := range o.Hosts {
		if _, err := publicURL("https://" + net.JoinHostPort(h, port)); err != nil {
			return c, fmt.Errorf("--host %q: want a name or an address", h)
		}
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
// is known as localhost or by a loopback address.
func (o initOptions) listen(host string) string {
	port := "8443"
	if u, err := publicURL(o.URL); err == nil {
		port = cmp.Or(u.Port(), port)
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return net.JoinHostPort(host, port)
	}
	return ":" + port
}
