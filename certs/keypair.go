package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// The gateway's own certificates in its tls directory: key and chain in one file, so that a crash
// cannot part them.
const (
	ecdsaFile = "ecdsa.pem"
	rsaFile   = "rsa.pem"
)

// WriteServer keeps the certificates of ServerCertificates in dir (made if missing), one file for
// each kind of key, mode 0600, replaced durably.
func WriteServer(dir string, list []tls.Certificate) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("writing server certificates: %w", err)
	}
	for _, c := range list {
		var name string
		switch c.PrivateKey.(type) {
		case *ecdsa.PrivateKey:
			name = ecdsaFile
		case *rsa.PrivateKey:
			name = rsaFile
		default:
			return fmt.Errorf("writing server certificates: %w: key is a %T", ErrCertificate, c.PrivateKey)
		}
		key, err := MarshalKey(c.PrivateKey.(crypto.Signer))
		if err != nil {
			return err
		}
		if err := rewrite(dir, name, append(key, certificatePEM(c.Certificate...)...)); err != nil {
			return err
		}
	}
	return nil
}

// LoadServer reads what WriteServer wrote: ECDSA first. It gives an fs.ErrNotExist when there is
// none, ErrPermissions when others can open a file, ErrCertificate for a file that is not whole.
// Whether a certificate has ended is Usable's to say.
func LoadServer(dir string) ([]tls.Certificate, error) {
	d, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("reading server certificates: %w", err)
	}
	defer d.Close()
	var out []tls.Certificate
	for _, name := range []string{ecdsaFile, rsaFile} {
		data, err := readSecret(d, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		c, err := pair(path(d, name), data, path(d, name), data)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("reading server certificates: none in %s: %w", dir, fs.ErrNotExist)
	}
	return out, nil
}

// LoadKeyPair reads a certificate chain, leaf first, and its key from PEM files of somebody else's
// making. An error names the file and what is wrong with it, and is ErrCertificate unless the file
// could not be read. Whether the certificate has ended is Usable's to say.
func LoadKeyPair(certFile, keyFile string) (tls.Certificate, error) {
	chain, err := readFile(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := readFile(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return pair(certFile, chain, keyFile, key)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readPEM(f)
}

// pair joins a chain and a key, saying which of the two files is at fault.
func pair(certFile string, chain []byte, keyFile string, key []byte) (tls.Certificate, error) {
	count, err := checkChain(chain)
	switch {
	case err != nil:
		return tls.Certificate{}, fmt.Errorf("%w: %s: certificate %d of the chain: %w", ErrCertificate, certFile, count+1, err)
	case count == 0:
		return tls.Certificate{}, fmt.Errorf("%w: %s: no PEM block %q in it", ErrCertificate, certFile, pemCertificate)
	case !hasKey(key):
		return tls.Certificate{}, fmt.Errorf("%w: %s: no PEM private key in it (one under a passphrase cannot be used)", ErrCertificate, keyFile)
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%w: %s with %s: %w", ErrCertificate, certFile, keyFile, err)
	}
	return c, nil
}

// checkChain counts the certificates in data, up to the first that does not parse.
func checkChain(data []byte) (count int, err error) {
	for b, rest := pem.Decode(data); b != nil; b, rest = pem.Decode(rest) {
		if b.Type != pemCertificate {
			continue
		}
		if _, err := x509.ParseCertificate(b.Bytes); err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}

func hasKey(data []byte) bool {
	for b, rest := pem.Decode(data); b != nil; b, rest = pem.Decode(rest) {
		switch b.Type {
		case pemKey, "RSA PRIVATE KEY", "EC PRIVATE KEY":
			return true
		}
	}
	return false
}

// ChainFingerprint is the lower-case hexadecimal SHA-256 of the last certificate of a served chain,
// what an invitation names when the gateway does not serve its own authority's certificate; "" for a
// chain without certificates.
func ChainFingerprint(c tls.Certificate) string {
	if len(c.Certificate) == 0 {
		return ""
	}
	return fingerprint(c.Certificate[len(c.Certificate)-1])
}
