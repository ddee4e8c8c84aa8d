package client

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

// Files of a partner's directory beside AccountFile, as Join names them in it.
const (
	CAFile        = "ca.pem"
	CertFile      = "cert.pem"
	KeyFile       = "key.pem"
	AssertionFile = "assertion.jwk" // when the client joined with a key for assertions
)

// Joining is what a client brings.
type Joining struct {
	CSR  string          `json:"csr"`            // certificate request, PEM
	JWKS json.RawMessage `json:"jwks,omitempty"` // public keys for private_key_jwt. RFC 7591 section 2
}

// Joined is what a gateway gave for an invitation.
type Joined struct {
	Account     Account
	CA          []byte // PEM of the authority to trust; empty for the system's roots
	Certificate []byte // PEM, the client's own first
}

// Join uses an invitation up: it sends a certificate request, and keys if need be, and gets a client of
// the partner that was invited. o.TLS decides who is trusted with it. For ten minutes the gateway answers
// the same keys again, so an answer that was lost is asked for again; ErrLost says that it did not come
// then either.
func Join(ctx context.Context, v Invitation, in Joining, o Options) (Joined, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return Joined{}, err
	}
	c := newClient(Account{}, o)
	defer c.Close()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	resp, err := c.do(ctx, call{method: http.MethodPost, url: v.URL, accept: jsonType, ctype: jsonType, body: body, open: true})
	e, answered := errors.AsType[*Error](err)
	switch {
	case err == nil:
	case answered && (e.Status == http.StatusNotFound || e.Status == http.StatusGone):
		return Joined{}, fmt.Errorf("the invitation was used, has run out, or never was: ask the operator for a new one (%w)", err)
	case answered && e.Status >= http.StatusInternalServerError, !answered && sent.Load():
		return Joined{}, fmt.Errorf("joining: %w: %w", ErrLost, err)
	default:
		return Joined{}, fmt.Errorf("joining: %w", err)
	}
	defer resp.Body.Close()
	var a struct {
		Account
		Certificate string `json:"certificate"`
		Authority   string `json:"ca"`
	}
	if err := decode(resp, &a); err != nil {
		return Joined{}, fmt.Errorf("joining: %w: %w", ErrLost, err)
	}
	j := Joined{Account: a.Account, Certificate: []byte(a.Certificate)}
	// Names of files are this side's to give.
	j.Account.Cert, j.Account.Key, j.Account.AssertionKey = CertFile, KeyFile, ""
	if len(in.JWKS) > 0 {
		j.Account.AssertionKey = AssertionFile
	}
	if j.CA, err = authority(resp, v.Fingerprint, a.Authority); err != nil {
		return Joined{}, err
	}
	if j.Account.CA = ""; len(j.CA) > 0 {
		j.Account.CA = CAFile
	}
	if err := j.Account.check(); err != nil || j.Account.Partner == "" || j.Account.ClientID == "" || j.Account.Gateway == "" {
		return Joined{}, fmt.Errorf("%w: what %s answered is not what a gateway gives to a new partner", ErrNotTAXII, shown(resp.Request.URL))
	}
	return j, nil
}

// authority gives what to trust from now on: the one that the invitation named, or the one that the
// gateway names when it is above the certificate that it showed, else the system's roots.
func authority(resp *http.Response, fingerprint, named string) ([]byte, error) {
	if resp.TLS == nil || len(resp.TLS.PeerCertificates) == 0 {
		return nil, fmt.Errorf("%w: the gateway showed no certificate", ErrNotTAXII)
	}
	chain := resp.TLS.PeerCertificates
	if fingerprint != "" {
		for _, c := range chain {
			if sum := sha256.Sum256(c.Raw); hex.EncodeToString(sum[:]) == fingerprint {
				return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), nil
			}
		}
		return nil, fmt.Errorf("%w: the gateway did not show the authority that the invitation names", ErrInvitation)
	}
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	if named == "" || !o.Roots.AppendCertsFromPEM([]byte(named)) {
		return nil, nil
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return nil, nil
	}
	return []byte(strings.TrimSpace(named) + "\n"), nil
}

// Rotated is a new secret.
type Rotated struct {
	Secret   string    `json:"client_secret"`
	Previous time.Time `json:"previous_expires"` // how long the old one lives on
	Ended    bool      `json:"ended"`            // the one before the old one still held, and ended now
}

// Rotate asks the gateway for a new secret. The caller saves the account with it.
func (c *Client) Rotate(ctx context.Context) (Rotated, error) {
	if c.account.Gateway == "" {
		return Rotated{}, fmt.Errorf("%w: %s has no gateway: this server's operator gives out new secrets", ErrAccount, AccountFile)
	}
	resp, err := c.do(ctx, call{method: http.MethodPost, url: slashed(c.account.Gateway) + "client/secret",
		accept: jsonType, ctype: jsonType, body: []byte("{}"), once: true})
	if err != nil {
		return Rotated{}, fmt.Errorf("asking for a new secret: %w", err)
	}
	defer resp.Body.Close()
	var r Rotated
	if err := decode(resp, &r); err != nil {
		return Rotated{}, err
	}
	if r.Secret == "" {
		return Rotated{}, fmt.Errorf("%w: the gateway gave no client_secret", ErrNotTAXII)
	}
	return r, nil
}
