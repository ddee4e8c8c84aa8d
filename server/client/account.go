package client

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// AccountFile is the name of the file in a partner's directory that says who it is and where.
const AccountFile = "partner.json"

const maxAccount = 256 << 10 // bytes of partner.json, or of a PEM file beside it

// Account is partner.json: one client of a partner at one gateway. Only a server's address
// (Discovery or APIRoot) and the credentials are needed; a server without tokens has no TokenURL.
// CA, Cert, Key and AssertionKey are files, relative to the directory: no CA means the system's roots;
// with an AssertionKey tokens are asked for with it (private_key_jwt), not with the secret.
type Account struct {
	Partner      string `json:"partner"`
	Gateway      string `json:"gateway"`
	Discovery    string `json:"discovery"`
	APIRoot      string `json:"api_root"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	TokenURL     string `json:"token_url"`
	CA           string `json:"ca"`
	Cert         string `json:"cert"`
	Key          string `json:"key"`
	AssertionKey string `json:"assertion_key,omitempty"`
	Identity     string `json:"identity,omitempty"` // of the identity object that the gateway issued for the partner
}

// ParseAccount reads partner.json; its errors are ErrAccount and never hold the secret.
func ParseAccount(data []byte) (Account, error) {
	var a Account
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return Account{}, fmt.Errorf("%w: %s: %s", ErrAccount, AccountFile, jsonFault(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return Account{}, fmt.Errorf("%w: %s: something follows the end", ErrAccount, AccountFile)
	}
	if err := a.check(); err != nil {
		return Account{}, err
	}
	return a, nil
}

// jsonFault says what is wrong with a JSON text without quoting from it.
func jsonFault(err error) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("no JSON (at byte %d)", e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("member %q has the wrong type (at byte %d)", clean(e.Field), e.Offset)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return "unknown member " + clean(name)
	}
	return "cut off"
}

// check refuses what no request could be made from.
func (a Account) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrAccount, AccountFile, fmt.Sprintf(format, args...))
	}
	for _, u := range []struct{ name, text string }{
		{"gateway", a.Gateway}, {"discovery", a.Discovery}, {"api_root", a.APIRoot}, {"token_url", a.TokenURL},
	} {
		if u.text == "" {
			continue
		}
		if _, err := httpsURL(u.text); err != nil {
			return bad("%s: %v", u.name, err)
		}
	}
	switch {
	case a.Discovery == "" && a.APIRoot == "":
		return bad("neither discovery nor api_root is given")
	case (a.Cert == "") != (a.Key == ""):
		return bad("cert and key go together")
	case a.ClientID == "" && a.Cert == "":
		return bad("no client_id")
	case a.ClientSecret == "" && a.Cert == "" && a.AssertionKey == "":
		return bad("no client_secret and no certificate")
	case a.AssertionKey != "" && (a.ClientID == "" || a.Gateway == "" || a.TokenURL == ""):
		return bad("assertion_key goes with client_id, gateway (the issuer) and token_url")
	case strings.ContainsRune(a.ClientID, ':'):
		return bad("client_id has a colon, which Basic cannot carry (RFC 7617 section 2)")
	}
	for _, s := range []string{a.ClientID, a.ClientSecret} {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return bad("client_id or client_secret has a control character")
		}
	}
	return nil
}

// httpsURL reads an address that credentials may be sent to.
func httpsURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "https":
		// "All TAXII communication MUST use HTTPS". TAXII 2.1 section 8.2.2
		return nil, fmt.Errorf("%q does not start with https://", clean(text))
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("want https://HOST[:PORT]/PATH and nothing else")
	}
	return u, nil
}

// OpenAccount reads the account in a partner's directory: ErrAccount when there is none, or when it
// is broken.
func OpenAccount(dir string) (Account, error) {
	data, err := readSmall(filepath.Join(dir, AccountFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Account{}, fmt.Errorf("%w: no %s in %s: run \"liaison join URL --out %s\" first", ErrAccount, AccountFile, dir, dir)
	}
	if err != nil {
		return Account{}, fmt.Errorf("%w: %w", ErrAccount, err)
	}
	a, err := ParseAccount(data)
	if err != nil {
		return Account{}, fmt.Errorf("in %s: %w", dir, err)
	}
	return a, nil
}

// Open gives what the files in dir that the account names hold: what to trust and to show, and the key
// for assertions.
func (a Account) Open(dir string, o *Options) (err error) {
	if o.TLS, err = a.TLS(dir); err != nil {
		return err
	}
	o.Assertion, err = a.Assertion(dir)
	return err
}

// Exposed gives the first of the files with secrets that others than its owner can open, and its mode;
// "" for none. Windows has no such modes.
func (a Account) Exposed(dir string) (name string, mode fs.FileMode) {
	if runtime.GOOS == "windows" {
		return "", 0
	}
	for _, name := range []string{AccountFile, a.Key, a.AssertionKey} {
		if name == "" {
			continue
		}
		if fi, err := os.Stat(inDir(dir, name)); err == nil && fi.Mode().Perm()&0o077 != 0 {
			return inDir(dir, name), fi.Mode().Perm()
		}
	}
	return "", 0
}

// TLS gives what the account trusts and shows: exactly the authorities in its CA file, or the
// system's when it names none, and its certificate. Relative files are in dir.
func (a Account) TLS(dir string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.CA != "" {
		data, err := readSmall(inDir(dir, a.CA))
		if err != nil {
			return nil, fmt.Errorf("%w: reading ca: %w", ErrAccount, err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%w: no certificate in %s: join again", ErrAccount, inDir(dir, a.CA))
		}
	}
	if a.Cert != "" {
		cert, err := readSmall(inDir(dir, a.Cert))
		if err != nil {
			return nil, fmt.Errorf("%w: reading cert: %w", ErrAccount, err)
		}
		key, err := readSmall(inDir(dir, a.Key))
		if err != nil {
			return nil, fmt.Errorf("%w: reading key: %w", ErrAccount, err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("%w: %s and %s do not fit together: %w", ErrAccount, inDir(dir, a.Cert), inDir(dir, a.Key), err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

func inDir(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// Save writes partner.json durably, at once or not at all, readable by its owner only.
func (a Account) Save(dir string) error {
	if err := a.check(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(dir, AccountFile), append(data, '\n')); err != nil {
		return fmt.Errorf("writing %s: %w", AccountFile, err)
	}
	return nil
}

// readSmall reads a file that has no business being large.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAccount+1))
	if err == nil && len(data) > maxAccount {
		err = fmt.Errorf("%s has more than %d bytes", name, maxAccount)
	}
	return data, err
}
