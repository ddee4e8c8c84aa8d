package certs

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// The authority's directory: certificates as PEM, keys as PKCS#8 PEM (RFC 5958), each file 0600 in
// a directory 0700. root.key is needed by Renew only and may be kept elsewhere.
const (
	rootFile      = "root.pem"
	rootKeyFile   = "root.key"
	clientFile    = "client.pem"
	clientKeyFile = "client.key"
	serverFile    = "server.pem"
	serverKeyFile = "server.key"
)

const maxFile = 1 << 20 // bytes of a PEM file that is read

// createDir makes dir with all files in it: they are written beside it first, so that a crash
// leaves no half of an authority.
func createDir(dir string, root, client, server Issuer) error {
	if _, err := os.Lstat(filepath.Join(dir, rootFile)); err == nil {
		return fmt.Errorf("%w in %s", ErrExists, dir)
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return fmt.Errorf("making authority: %w", err)
	}
	stage, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+"-")
	if err != nil {
		return fmt.Errorf("making authority: %w", err)
	}
	defer os.RemoveAll(stage)
	for _, f := range []struct {
		name, key string
		Issuer
	}{
		{rootFile, rootKeyFile, root},
		{clientFile, clientKeyFile, client},
		{serverFile, serverKeyFile, server},
	} {
		key, err := MarshalKey(f.Key)
		if err != nil {
			return err
		}
		if err := errors.Join(
			rewrite(stage, f.key, key),
			rewrite(stage, f.name, certificatePEM(f.Certificate.Raw)),
		); err != nil {
			return err
		}
	}
	// An empty directory may stand there already; anything else stays, and the rename refuses it.
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("making authority: %s is not an empty directory: %w", dir, err)
	}
	if err := os.Rename(stage, dir); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w in %s", ErrExists, dir)
	} else if err != nil {
		return fmt.Errorf("making authority: %w", err)
	}
	return syncDir(parent)
}

// readDir reads what createDir wrote, without the root's key, whose permissions are checked if it
// is there.
func readDir(dir string) (root *x509.Certificate, client, server Issuer, err error) {
	d, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, client, server, fmt.Errorf("%w in %s: bring the directory back from a backup", ErrNoAuthority, dir)
	} else if err != nil {
		return nil, client, server, fmt.Errorf("opening authority: %w", err)
	}
	defer d.Close()
	if _, err := d.Lstat(rootFile); errors.Is(err, fs.ErrNotExist) {
		return nil, client, server, fmt.Errorf("%w in %s: no %s: bring it back from a backup", ErrNoAuthority, dir, rootFile)
	}
	if _, err := d.Lstat(rootKeyFile); err == nil {
		if _, err := readSecret(d, rootKeyFile); err != nil {
			return nil, client, server, err
		}
	}
	if root, err = readCertificate(d, rootFile); err != nil {
		return nil, client, server, err
	}
	if client, err = readIssuer(d, clientFile, clientKeyFile); err != nil {
		return nil, client, server, err
	}
	server, err = readIssuer(d, serverFile, serverKeyFile)
	return root, client, server, err
}

func readRootKey(dir string) (crypto.Signer, error) {
	d, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	key, err := readKey(d, rootKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: put it back as %s", ErrNoRootKey, filepath.Join(dir, rootKeyFile))
	}
	return key, err
}

func readIssuer(d *os.Root, name, keyName string) (Issuer, error) {
	c, err := readCertificate(d, name)
	if err != nil {
		return Issuer{}, err
	}
	k, err := readKey(d, keyName)
	return Issuer{c, k}, err
}

func readCertificate(d *os.Root, name string) (*x509.Certificate, error) {
	data, err := readBounded(d, name)
	if err != nil {
		return nil, err
	}
	b, rest := pem.Decode(data)
	if b == nil || b.Type != pemCertificate || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("reading %s: not one PEM certificate: restore it from a backup", path(d, name))
	}
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path(d, name), err)
	}
	return c, nil
}

func readKey(d *os.Root, name string) (crypto.Signer, error) {
	data, err := readSecret(d, name)
	if err != nil {
		return nil, err
	}
	k, err := parseKey(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path(d, name), err)
	}
	return k, nil
}

// parseKey reads the one PKCS#8 key in PEM data that may have certificates beside it.
func parseKey(data []byte) (crypto.Signer, error) {
	for b, rest := pem.Decode(data); b != nil; b, rest = pem.Decode(rest) {
		if b.Type != pemKey {
			continue
		}
		k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
		if err != nil {
			return nil, err
		}
		if s, ok := k.(crypto.Signer); ok {
			return s, nil
		}
		return nil, errors.New("the key cannot sign")
	}
	return nil, errors.New("no PEM private key in it: restore it from a backup")
}

// readSecret reads a file that only its owner may open.
func readSecret(d *os.Root, name string) ([]byte, error) {
	fi, err := d.Stat(name)
	if err != nil {
		return nil, notRead(d, name, err)
	}
	// Windows has no such modes.
	if runtime.GOOS != "windows" && fi.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o: run \"chmod 600 %[2]s\" first",
			ErrPermissions, path(d, name), fi.Mode().Perm())
	}
	return readBounded(d, name)
}

func readBounded(d *os.Root, name string) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, notRead(d, name, err)
	}
	defer f.Close()
	return readPEM(f)
}

func notRead(d *os.Root, name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no %s: bring it back from a backup (%w)", path(d, name), fs.ErrNotExist)
	}
	return fmt.Errorf("reading %s: %w", path(d, name), err)
}

func readPEM(f *os.File) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("reading %s: over %d bytes", f.Name(), maxFile)
	}
	return data, nil
}

// rewrite puts data into dir/name, mode 0600, so that after a crash the file is the old one or the
// new one, and after the return it is the new one.
func rewrite(dir, name string, data []byte) error {
	d, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Join(dir, name), err)
	}
	defer d.Close()
	tmp := "." + name + "." + rand.Text()
	if err := writeSynced(d, tmp, data); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path(d, name), err), d.Remove(tmp))
	}
	if err := d.Rename(tmp, name); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path(d, name), err), d.Remove(tmp))
	}
	return syncDir(dir)
}

func writeSynced(d *os.Root, name string, data []byte) error {
	f, err := d.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func path(d *os.Root, name string) string { return filepath.Join(d.Name(), name) }
