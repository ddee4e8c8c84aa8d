package certs_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"liaison/certs"
)

const host = "gw.example"

var acme = certs.Subject{Partner: "acme", Client: "acme_1"}

// authority makes an authority for host in a directory of its own.
func authority(t testing.TB, host string) (*certs.Authority, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	a, err := certs.Create(dir, host)
	if err != nil {
		t.Fatal(err)
	}
	return a, dir
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newClient makes a key, has it certified for s, and gives both.
func newClient(t testing.TB, a *certs.Authority, s certs.Subject, life time.Duration) (*certs.Issued, crypto.Signer) {
	t.Helper()
	k := must[crypto.Signer](t)(certs.NewKey())
	csr := must[[]byte](t)(certs.CSR(k))
	return must[*certs.Issued](t)(a.Issue(csr, s, life)), k
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	return must[*x509.Certificate](t)(x509.ParseCertificate(der))
}

// caKey reads a key file of an authority, for chains that it would never sign itself.
func caKey(t testing.TB, dir, name string) crypto.Signer {
	t.Helper()
	b, _ := pem.Decode(must[[]byte](t)(os.ReadFile(filepath.Join(dir, name))))
	return must[any](t)(x509.ParsePKCS8PrivateKey(b.Bytes)).(crypto.Signer)
}

func TestCreateAndOpen(t *testing.T) {
	a, dir := authority(t, "GW.Example.:8443")
	if a.Host() != host {
		t.Errorf("host %q", a.Host())
	}
	b, err := certs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b.Host() != host || b.Fingerprint() != a.Fingerprint() || !b.Root().Equal(a.Root()) {
		t.Error("opened another authority than was made")
	}
	if block, _ := pem.Decode(b.RootPEM()); block == nil || string(block.Bytes) != string(a.Root().Raw) {
		t.Error("the root's PEM is not the root")
	}
	if _, err := certs.Create(dir, host); !errors.Is(err, certs.ErrExists) {
		t.Errorf("creating again: %v", err)
	}
	entries := must[[]os.DirEntry](t)(os.ReadDir(dir))
	if len(entries) != 6 {
		t.Errorf("%d files, want 6", len(entries))
	}
	for _, e := range entries {
		if fi := must[fs.FileInfo](t)(e.Info()); fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), fi.Mode())
		}
	}
	if left := must[[]os.DirEntry](t)(os.ReadDir(filepath.Dir(dir))); len(left) != 1 {
		t.Errorf("something was left beside the directory: %v", left)
	}
	// What one issued the other knows.
	issued, _ := newClient(t, b, acme, 0)
	if s, err := certs.Identify(parse(t, issued.DER), a.Host()); err != nil || s != acme {
		t.Errorf("identified %v, %v", s, err)
	}
}

func TestCreateInAnEmptyDirectory(t *testing.T) {
	dir := t.TempDir()
	if _, err := certs.Create(dir, host); err != nil {
		t.Fatal(err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.Create(full, host); err == nil || errors.Is(err, certs.ErrExists) {
		t.Errorf("a directory with other things in it: %v", err)
	}
	if left := must[[]os.DirEntry](t)(os.ReadDir(filepath.Dir(full))); len(left) != 2 {
		t.Errorf("something was left behind: %v", left)
	}
}

func TestCreateRefusesHosts(t *testing.T) {
	for _, h := range []string{"", ".", "a b", "gw/example", "gw..example", "-a.example", "bücher.example", "fe80::1%eth0", "a@b", "*.example",
		strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "example"} {
		if _, err := certs.Create(filepath.Join(t.TempDir(), "ca"), h); !errors.Is(err, certs.ErrHost) {
			t.Errorf("host %q: %v", h, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	other, otherDir := authority(t, "other.example")
	_ = other
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, dir string) error
		want   error  // nil: any
		says   string // in the error
	}{
		{"no directory", func(t *testing.T, dir string) error { return os.RemoveAll(dir) }, certs.ErrNoAuthority, "no authority"},
		{"no root", func(t *testing.T, dir string) error { return os.Remove(filepath.Join(dir, "root.pem")) }, certs.ErrNoAuthority, "no authority"},
		{"no client key", func(t *testing.T, dir string) error { return os.Remove(filepath.Join(dir, "client.key")) }, fs.ErrNotExist, "client.key"},
		{"root key open to the group", func(t *testing.T, dir string) error { return os.Chmod(filepath.Join(dir, "root.key"), 0o640) }, certs.ErrPermissions, "root.key"},
		{"client key open to all", func(t *testing.T, dir string) error { return os.Chmod(filepath.Join(dir, "client.key"), 0o604) }, certs.ErrPermissions, "chmod 600"},
		{"server key writable by others", func(t *testing.T, dir string) error { return os.Chmod(filepath.Join(dir, "server.key"), 0o602) }, certs.ErrPermissions, "server.key"},
		{"half a certificate", func(t *testing.T, dir string) error { return os.Truncate(filepath.Join(dir, "server.pem"), 300) }, nil, "server.pem"},
		{"half a key", func(t *testing.T, dir string) error { return os.Truncate(filepath.Join(dir, "client.key"), 60) }, nil, "client.key"},
		{"too large", func(t *testing.T, dir string) error { return os.Truncate(filepath.Join(dir, "client.pem"), 2<<20) }, nil, "client.pem"},
		{"another's key", func(t *testing.T, dir string) error { return replace(dir, otherDir, "client.key") }, nil, "not that of the certificate"},
		{"another's issuer", func(t *testing.T, dir string) error {
			return errors.Join(replace(dir, otherDir, "client.key"), replace(dir, otherDir, "client.pem"))
		}, nil, "not signed by the root"},
		{"issuers exchanged", func(t *testing.T, dir string) error {
			return errors.Join(rename(dir, "client.key", "x"), rename(dir, "client.pem", "y"),
				rename(dir, "server.key", "client.key"), rename(dir, "server.pem", "client.pem"),
				rename(dir, "x", "server.key"), rename(dir, "y", "server.pem"))
		}, nil, "one purpose"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, dir := authority(t, host)
			if err := tt.damage(t, dir); err != nil {
				t.Fatal(err)
			}
			_, err := certs.Open(dir)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("opened with %v, want %v saying %q", err, tt.want, tt.says)
			}
		})
	}
}

func rename(dir, from, to string) error {
	return os.Rename(filepath.Join(dir, from), filepath.Join(dir, to))
}

func replace(dir, from, name string) error {
	data, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), data, 0o600)
}

func TestRenew(t *testing.T) {
	a, dir := authority(t, host)
	old := a.ClientIssuer()
	before, _ := newClient(t, a, acme, 0)
	if done, err := a.Renew(180 * 24 * time.Hour); done || err != nil {
		t.Fatalf("renewed too early: %v, %v", done, err)
	}
	now := a.Expires().Add(-100 * 24 * time.Hour)
	a.Now = func() time.Time { return now }

	// A certificate never outlives its issuer.
	if issued, _ := newClient(t, a, acme, 200*24*time.Hour); !issued.NotAfter.Equal(old.NotAfter) {
		t.Errorf("ends %v, its issuer %v", issued.NotAfter, old.NotAfter)
	}

	// Without the root's key nothing changes and the error says which file is wanted.
	key, away := filepath.Join(dir, "root.key"), filepath.Join(t.TempDir(), "root.key")
	if err := os.Rename(key, away); err != nil {
		t.Fatal(err)
	}
	b, err := certs.Open(dir)
	if err != nil {
		t.Fatalf("opening without the root's key: %v", err)
	}
	b.Now = a.Now
	if done, err := b.Renew(180 * 24 * time.Hour); done || !errors.Is(err, certs.ErrNoRootKey) || !strings.Contains(err.Error(), key) {
		t.Errorf("renewing without the root's key: %v, %v", done, err)
	}
	if err := os.Rename(away, key); err != nil {
		t.Fatal(err)
	}

	if done, err := b.Renew(180 * 24 * time.Hour); !done || err != nil {
		t.Fatalf("renewing: %v, %v", done, err)
	}
	c := must[*certs.Authority](t)(certs.Open(dir))
	for _, x := range []*certs.Authority{b, c} {
		if !x.Expires().After(now.Add(2 * 365 * 24 * time.Hour)) {
			t.Errorf("the new issuers end on %v", x.Expires())
		}
		// What the old issuer signed still verifies below the new one.
		if err := parse(t, before.DER).CheckSignatureFrom(x.ClientIssuer()); err != nil {
			t.Error(err)
		}
		if x.ClientIssuer().Subject.String() != old.Subject.String() || x.ClientIssuer().SerialNumber.Cmp(old.SerialNumber) == 0 {
			t.Error("want the same name with a new serial")
		}
	}

	// After the root's end there is nothing to renew from.
	c.Now = func() time.Time { return c.Root().NotAfter.Add(time.Hour) }
	if done, err := c.Renew(0); done || err == nil {
		t.Errorf("renewed below an expired root: %v, %v", done, err)
	}
	if _, err := c.Issue(must[[]byte](t)(certs.CSR(must[crypto.Signer](t)(certs.NewKey()))), acme, 0); !errors.Is(err, certs.ErrValidity) {
		t.Errorf("issued below an expired issuer: %v", err)
	}
}

// An authority whose keys are elsewhere signs through crypto.Signer alone.
func TestExternalSigner(t *testing.T) {
	a, dir := authority(t, host)
	seam := func(name string) certs.Issuer {
		b, _ := pem.Decode(must[[]byte](t)(os.ReadFile(filepath.Join(dir, name+".pem"))))
		return certs.Issuer{Certificate: parse(t, b.Bytes), Key: opaque{caKey(t, dir, name+".key")}}
	}
	x, err := certs.New(host, a.Root(), seam("client"), seam("server"))
	if err != nil {
		t.Fatal(err)
	}
	issued, _ := newClient(t, x, acme, 0)
	if err := parse(t, issued.DER).CheckSignatureFrom(a.ClientIssuer()); err != nil {
		t.Error(err)
	}
	if _, err := x.ServerCertificates([]string{host}, 0); err != nil {
		t.Error(err)
	}
	for name, f := range map[string]func() (*certs.Authority, error){
		"no root": func() (*certs.Authority, error) { return certs.New(host, nil, seam("client"), seam("server")) },
		"no key": func() (*certs.Authority, error) {
			return certs.New(host, a.Root(), certs.Issuer{Certificate: a.ClientIssuer()}, seam("server"))
		},
		"no issuer":    func() (*certs.Authority, error) { return certs.New(host, a.Root(), seam("client"), certs.Issuer{}) },
		"one for both": func() (*certs.Authority, error) { return certs.New(host, a.Root(), seam("client"), seam("client")) },
		"not a host":   func() (*certs.Authority, error) { return certs.New("", a.Root(), seam("client"), seam("server")) },
		"another's key": func() (*certs.Authority, error) {
			return certs.New(host, a.Root(), certs.Issuer{Certificate: a.ClientIssuer(), Key: seam("server").Key}, seam("server"))
		},
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	x.Now = func() time.Time { return x.Expires() }
	if _, err := x.Renew(time.Hour); !errors.Is(err, certs.ErrNoRootKey) {
		t.Errorf("renewing: %v", err)
	}
}

// opaque hides everything of a key that is not a crypto.Signer's.
type opaque struct{ crypto.Signer }
