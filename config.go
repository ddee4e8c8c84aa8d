package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"liaison/server"
)

// The data directory. All files are 0600 and all directories 0700.
const (
	configName = "config.json"
	storeName  = "store.db"
	spoolName  = "journal.spool"
	keysName   = "keys"  // secrets.json, tokens.json, journal.key, journal.pub
	caName     = "ca"    // see certs
	tlsName    = "tls"   // the gateway's own server certificates, see certs
	cacheName  = "cache" // what may be deleted while no gateway runs
)

// defaultStore is the embedded store in the data directory.
const defaultStore = "bolt:"

// config is DIR/config.json; docs/config.md explains it. init writes it, with all defaults, and nothing
// else does; flags of serve win over it for one run.
type config struct {
	URL              string   `json:"url"`   // the public URL, without a path; it never changes
	Title            string   `json:"title"` // of the TAXII server
	Description      string   `json:"description,omitempty"`
	Contact          string   `json:"contact,omitempty"`  // for people whose client does not work
	Hosts            []string `json:"hosts"`              // names and addresses in the server's certificate
	Listen           string   `json:"listen"`             // HOST:PORT
	Store            string   `json:"store"`              // "bolt:"
	TLSCert          string   `json:"tls_cert,omitempty"` // a certificate chain of another authority, PEM
	TLSKey           string   `json:"tls_key,omitempty"`
	MaxContentLength int64    `json:"max_content_length"`    // bytes of a publication
	MaxContentFlight int64    `json:"max_content_in_flight"` // bytes of all publications at the same time
	MaxObjectLength  int      `json:"max_object_length"`     // bytes of one object
	MaxObjects       int      `json:"max_objects"`           // of a publication
	MaxInFlight      int      `json:"max_in_flight"`         // requests of one client at the same time
	RatePerMinute    int      `json:"rate_per_minute"`       // requests of one client that begin something; 0 is off
	RateBurst        int      `json:"rate_burst"`            // of them at once; 0 is RatePerMinute
	CompressedCache  int64    `json:"compressed_cache"`      // bytes of DIR/cache for answers that are compressed once; 0 is none
	RequireAgreement bool     `json:"require_agreement"`     // partners without one reach training collections alone
	ClientSecretPost bool     `json:"client_secret_post"`    // the token endpoint takes the secret in the form too

	AddressData    string            `json:"address_database,omitempty"` // an MMDB file for routing; none: the built-in one
	CountryDomains map[string]string `json:"country_domains,omitempty"`  // top-level domains to countries, "" to none

	Guards       map[string]string `json:"guards,omitempty"`        // what guard lists do, by name: off, hold, block
	GuardDomains []string          `json:"guard_domains,omitempty"` // the operator's own and member governments'
	Lifetimes    map[string]int    `json:"lifetimes,omitempty"`     // days that indicators are valid by default, by kind of value; 0 is for ever
}

// Bounds of what the configuration may ask for.
const (
	defaultObject  = 16 << 20 // bytes
	defaultObjects = 100_000
	maxObjectBytes = 1 << 30 // what the scanner keeps at most
	maxConfig      = 1 << 20 // bytes of config.json
	maxRate        = 1_000_000
	minCache       = 4 << 20  // bytes
	maxCache       = 16 << 30 // bytes; the index of as much takes a fifth of a gigabyte of memory
)

func defaultConfig() config {
	return config{
		Title:            "Liaison",
		Store:            defaultStore,
		MaxContentLength: server.DefaultMaxContent,
		MaxContentFlight: server.DefaultMaxContentInFlight,
		MaxObjectLength:  defaultObject,
		MaxObjects:       defaultObjects,
		MaxInFlight:      server.DefaultMaxInFlight,
		CompressedCache:  server.DefaultCacheBytes,
	}
}

// errNoGateway: the directory is not a gateway's.
var errNoGateway = errors.New("no gateway")

// readConfig reads the configuration of the gateway in dir. Unknown fields are refused by name.
func readConfig(dir string) (config, error) {
	name := filepath.Join(dir, configName)
	c := defaultConfig()
	data, err := readSmall(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && exists(filepath.Join(dir, storeName)):
		return c, fmt.Errorf("no %s: bring it back from a backup", name)
	case errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("%w in %s: run \"liaison init --data %[2]s\" first, or name another directory with --data", errNoGateway, dir)
	case errors.Is(err, errNotDirectory):
		return c, fmt.Errorf("%w in %s: it is not a directory", errNoGateway, dir)
	case errors.Is(err, fs.ErrPermission):
		return c, fmt.Errorf("%s may not be read by this user: run the verb as the user who runs the gateway", name)
	case err != nil:
		return c, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("reading %s: %s: docs/config.md lists its fields", name, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return c, fmt.Errorf("reading %s: something follows the object", name)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("reading %s: %w", name, err)
	}
	return c, nil
}

// readSmall reads a file of at most maxConfig bytes.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		if fi, e := os.Stat(filepath.Dir(name)); e == nil && !fi.IsDir() {
			return nil, errNotDirectory
		}
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(data) > maxConfig {
		err = fmt.Errorf("reading %s: over %d bytes", name, maxConfig)
	}
	return data, err
}

var errNotDirectory = errors.New("not a directory")

// check names the field that does not hold.
func (c config) check() error {
	if _, err := publicURL(c.URL); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen %q: want HOST:PORT, like :8443 or 127.0.0.1:8443", c.Listen)
	}
	if err := checkStore(c.Store); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("tls_cert and tls_key: set both or none")
	case c.MaxContentLength < 1 || c.MaxContentLength > server.MaxMaxContent:
		return fmt.Errorf("max_content_length: want 1 to %d, have %d", int64(server.MaxMaxContent), c.MaxContentLength)
	case c.MaxContentFlight < 1:
		return fmt.Errorf("max_content_in_flight: want at least 1, have %d", c.MaxContentFlight)
	case c.MaxObjectLength < 1 || c.MaxObjectLength > maxObjectBytes:
		return fmt.Errorf("max_object_length: want 1 to %d, have %d", maxObjectBytes, c.MaxObjectLength)
	case c.MaxObjects < 1:
		return fmt.Errorf("max_objects: want at least 1, have %d", c.MaxObjects)
	case c.MaxInFlight < 1:
		return fmt.Errorf("max_in_flight: want at least 1, have %d", c.MaxInFlight)
	case c.RatePerMinute < 0 || c.RatePerMinute > maxRate:
		return fmt.Errorf("rate_per_minute: want 0 (off) to %d, have %d", maxRate, c.RatePerMinute)
	case c.RateBurst < 0 || c.RateBurst > maxRate:
		return fmt.Errorf("rate_burst: want 0 (rate_per_minute) to %d, have %d", maxRate, c.RateBurst)
	case c.RateBurst > 0 && c.RatePerMinute == 0:
		return errors.New("rate_burst: set rate_per_minute too, which is off")
	case c.CompressedCache != 0 && (c.CompressedCache < minCache || c.CompressedCache > maxCache):
		return fmt.Errorf("compressed_cache: want 0 (none) or %d to %d, have %d", minCache, int64(maxCache), c.CompressedCache)
	case c.Title == "":
		return errors.New("title: want a text")
	}
	_, err := c.gleaning()
	return err
}

// publicURL reads the URL by which partners know the gateway; it has no path, so that what is built on
// it has one form.
func publicURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return nil, fmt.Errorf("%q: want https://HOST or https://HOST:PORT", s)
	}
	if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(s, "#") || strings.HasSuffix(s, "?") {
		return nil, fmt.Errorf("%q: want https://HOST or https://HOST:PORT, nothing after it", s)
	}
	return u, nil
}

func checkStore(s string) error {
	switch scheme, _, _ := strings.Cut(s, ":"); {
	case s == defaultStore:
		return nil
	case scheme == "postgres" || scheme == "postgresql":
		return errors.New("PostgreSQL is not part of this version: leave --store out for the embedded store")
	}
	return fmt.Errorf("%q: want %q, the embedded store in the data directory", s, defaultStore)
}
