package certs

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// DefaultCRLLife is how long a revocation list may be used.
const DefaultCRLLife = 48 * time.Hour

// Revoked is one line of a revocation list.
type Revoked struct {
	Serial string    // as in Issued
	At     time.Time // when it was revoked
	Reason int       // CRLReason, RFC 5280 section 5.3.1; 0 is unspecified
}

// CRL signs a full revocation list of the client issuer and gives its DER. The caller keeps number
// growing: "CRL numbers MUST be monotonically increasing" and not longer than 20 octets (RFC 5280
// section 5.2.3). A zero now is the authority's clock, a next of 0 is DefaultCRLLife.
func (a *Authority) CRL(number *big.Int, list []Revoked, now time.Time, next time.Duration) ([]byte, error) {
	if now.IsZero() {
		now = a.Now()
	}
	if next == 0 {
		next = DefaultCRLLife
	}
	switch {
	case number == nil || number.Sign() <= 0 || number.BitLen() > 20*8-1:
		return nil, fmt.Errorf("signing revocation list: its number must be above 0 and below 2^159")
	case next < 0:
		return nil, fmt.Errorf("signing revocation list: %w: %v", ErrValidity, next)
	}
	entries := make([]x509.RevocationListEntry, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, r := range list {
		n, ok := parseSerial(r.Serial)
		switch {
		case !ok:
			return nil, fmt.Errorf("signing revocation list: %q is not a serial", clip(r.Serial))
		case r.Reason < 0 || r.Reason > 10 || r.Reason == 7 || r.Reason == 8: // 7 is unused, 8 is for delta lists
			return nil, fmt.Errorf("signing revocation list: serial %s: no reason %d", r.Serial, r.Reason)
		case seen[serialText(n)]:
			continue
		}
		seen[serialText(n)] = true
		entries = append(entries, x509.RevocationListEntry{
			SerialNumber:   n,
			RevocationTime: r.At.UTC().Truncate(time.Second),
			ReasonCode:     r.Reason,
		})
	}
	by := a.issuers.Load().client
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number:                    number,
		ThisUpdate:                now.UTC().Truncate(time.Second),
		NextUpdate:                now.Add(next).UTC().Truncate(time.Second),
		RevokedCertificateEntries: entries,
	}, by.Certificate, by.Key)
	if err != nil {
		return nil, fmt.Errorf("signing revocation list: %w", err)
	}
	return der, nil
}

// serialText is how a serial is written everywhere: lower-case hexadecimal, 40 digits at least.
func serialText(n *big.Int) string { return fmt.Sprintf("%040x", n) }

// parseSerial reads a positive number of at most 20 octets in hexadecimal.
func parseSerial(s string) (*big.Int, bool) {
	if s == "" || len(s) > 40 || strings.Trim(s, "0123456789abcdef") != "" {
		return nil, false
	}
	n, ok := new(big.Int).SetString(s, 16)
	return n, ok && n.Sign() > 0
}
