package certs

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
)

// Identify reads whom a client certificate speaks for, when its chain has been verified already. It
// gives ErrIdentity unless the certificate is a leaf for client authentication and digital
// signatures alone, with exactly one subject alternative name, which is the URI of a subject of host
// to the letter. Name constraints cannot promise this: they let pass a certificate without a name,
// with two, with an e-mail address, or with a host below ours.
//
// RFC 8705 section 2.1.2: tls_client_auth_san_uri, one expected value.
func Identify(c *x509.Certificate, host string) (Subject, error) {
	switch {
	case c.IsCA || c.KeyUsage&x509.KeyUsageCertSign != 0:
		return Subject{}, fmt.Errorf("%w: it is a CA's", ErrIdentity)
	case c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return Subject{}, fmt.Errorf("%w: not for digital signatures", ErrIdentity)
	case !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) || len(c.UnknownExtKeyUsage) > 0:
		return Subject{}, fmt.Errorf("%w: not for client authentication alone", ErrIdentity)
	}
	uri, err := onlyURI(c)
	if err != nil {
		return Subject{}, err
	}
	host, err = cleanHost(host)
	if err != nil {
		return Subject{}, err
	}
	path, ok := strings.CutPrefix(uri, spiffe(host)+"/partner/")
	partner, client, cut := strings.Cut(path, "/client/")
	s := Subject{Partner: partner, Client: client}
	if !ok || !cut || s.check() != nil {
		return Subject{}, fmt.Errorf("%w: its name is %q", ErrIdentity, clip(uri))
	}
	return s, nil
}

// onlyURI gives the one URI of c. It reads the extension itself: x509 leaves names of other kinds
// (otherName, directoryName, registeredID) out of its fields, and a parsed URL may be written
// otherwise than it stands.
func onlyURI(c *x509.Certificate) (string, error) {
	const tagURI = 6 // uniformResourceIdentifier, RFC 5280 section 4.2.1.6
	san := asn1.ObjectIdentifier{2, 5, 29, 17}
	var value []byte
	found := 0
	for _, e := range c.Extensions {
		if e.Id.Equal(san) {
			value = e.Value
			found++
		}
	}
	if found != 1 {
		return "", fmt.Errorf("%w: it has no alternative name", ErrIdentity)
	}
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(value, &names); err != nil || len(rest) > 0 {
		return "", fmt.Errorf("%w: its alternative name is malformed", ErrIdentity)
	}
	if len(names) != 1 {
		return "", fmt.Errorf("%w: it has %d alternative names instead of one", ErrIdentity, len(names))
	}
	if n := names[0]; n.Class != asn1.ClassContextSpecific || n.Tag != tagURI || n.IsCompound {
		return "", fmt.Errorf("%w: its alternative name is not a URI", ErrIdentity)
	}
	return string(names[0].Bytes), nil
}
