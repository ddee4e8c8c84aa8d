package client

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Token is an access token. RFC 6749 section 5.1
type Token struct {
	Access  string    `json:"access_token"`
	Type    string    `json:"token_type"`
	Scope   string    `json:"scope,omitempty"`
	Expires time.Time `json:"expires"`
}

// Token asks for a new access token: client_credentials, with an assertion (private_key_jwt) when there
// is a key for it, else with the secret by client_secret_basic, else with the certificate alone (RFC
// 8705 section 2). It gives ErrAccount when
// the account has no address to ask at.
func (c *Client) Token(ctx context.Context) (Token, error) {
	if c.account.TokenURL == "" {
		return Token{}, fmt.Errorf("%w: %s has no token_url: this server knows no tokens, its secret is used as it is", ErrAccount, AccountFile)
	}
	k := call{method: http.MethodPost, url: c.account.TokenURL, accept: jsonType, ctype: formType, basic: true}
	if c.o.Assertion != nil {
		k.open = true
		k.anew = func() ([]byte, error) {
			form, err := c.o.Assertion.form(c.account.ClientID, strings.TrimSuffix(c.account.Gateway, "/"), c.o.Now())
			return []byte(form.Encode()), err
		}
	} else {
		form := url.Values{"grant_type": {"client_credentials"}}
		if c.account.ClientSecret == "" {
			form.Set("client_id", c.account.ClientID)
		}
		k.body = []byte(form.Encode())
	}
	asked := c.o.Now()
	resp, err := c.do(ctx, k)
	if err != nil {
		return Token{}, fmt.Errorf("asking for a token: %w", err)
	}
	defer resp.Body.Close()
	var t struct {
		Access string  `json:"access_token"`
		Type   string  `json:"token_type"`
		Scope  string  `json:"scope"`
		Life   float64 `json:"expires_in"` // seconds
	}
	if err := decode(resp, &t); err != nil {
		return Token{}, err
	}
	if t.Access == "" || clean(t.Access) != t.Access && len(t.Access) < 400 {
		return Token{}, fmt.Errorf("%w: %s gave no access_token: is it the token endpoint?", ErrNotTAXII, shown(resp.Request.URL))
	}
	// "RECOMMENDED. The lifetime in seconds"; without it a short one is assumed.
	life := time.Duration(min(max(cmp.Or(t.Life, 60), 1), 86400) * float64(time.Second))
	return Token{Access: t.Access, Type: cmp.Or(t.Type, "Bearer"), Scope: clean(t.Scope), Expires: asked.Add(life)}, nil
}

// accessToken gives a token that is good for a while, or "" when the server knows none.
func (c *Client) accessToken(ctx context.Context) (string, error) {
	if c.account.TokenURL == "" {
		return "", nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Now()
	if c.token != "" && now.Before(c.renewAt) {
		return c.token, nil
	}
	t, err := c.Token(ctx)
	if err != nil {
		return "", err
	}
	// A tenth of its life early, so that it does not run out on the way.
	c.token, c.renewAt = t.Access, t.Expires.Add(-t.Expires.Sub(now)/10)
	return c.token, nil
}

// dropToken forgets a token that was refused.
func (c *Client) dropToken(t string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == t {
		c.token = ""
	}
}
