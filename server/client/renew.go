package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Renewed is a certificate that follows another.
type Renewed struct {
	Certificate []byte    // PEM, the client's own first
	NotAfter    time.Time // its end
	Previous    time.Time // how long the one before lives on
}

// Renew sends a certificate request in PEM, for a new key, over a connection that the present
// certificate opened. It is tried once; when the answer is lost the present certificate lives on for
// a week, and renews again.
func (c *Client) Renew(ctx context.Context, csr []byte) (Renewed, error) {
	if c.account.Gateway == "" || c.account.Cert == "" {
		return Renewed{}, fmt.Errorf("%w: %s has no gateway or no certificate: there is nothing to renew", ErrAccount, AccountFile)
	}
	body, err := json.Marshal(map[string]string{"csr": string(csr)})
	if err != nil {
		return Renewed{}, err
	}
	resp, err := c.do(ctx, call{method: http.MethodPost, url: slashed(c.account.Gateway) + "client/certificate",
		accept: jsonType, ctype: jsonType, body: body, once: true})
	if err != nil {
		return Renewed{}, fmt.Errorf("renewing the certificate: %w", err)
	}
	defer resp.Body.Close()
	var r struct {
		Certificate string    `json:"certificate"`
		NotAfter    time.Time `json:"not_after"`
		Previous    time.Time `json:"previous_until"`
	}
	if err := decode(resp, &r); err != nil {
		return Renewed{}, err
	}
	if r.Certificate == "" {
		return Renewed{}, fmt.Errorf("%w: the gateway gave no certificate", ErrNotTAXII)
	}
	return Renewed{[]byte(r.Certificate), r.NotAfter, r.Previous}, nil
}
