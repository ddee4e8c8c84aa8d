package client

import (
	"context"
	"fmt"
	"net/http"
)

// Identity is what a gateway says of the partner itself.
type Identity struct {
	Partner     string `json:"partner"`
	Identity    string `json:"identity"`    // of the identity object that the gateway issued
	Attribution string `json:"attribution"` // named, or pseudonym
	Pseudonym   string `json:"pseudonym"`   // by which its objects name it then
}

// Identity asks the gateway by which identities this partner's objects may name it.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	var i Identity
	if c.account.Gateway == "" {
		return i, fmt.Errorf("%w: %s has no gateway: this server gives out no identities", ErrAccount, AccountFile)
	}
	resp, err := c.do(ctx, call{method: http.MethodGet, url: slashed(c.account.Gateway) + "client/identity", accept: jsonType})
	if err != nil {
		return i, fmt.Errorf("asking for the partner's identity: %w", err)
	}
	defer resp.Body.Close()
	return i, decode(resp, &i)
}
