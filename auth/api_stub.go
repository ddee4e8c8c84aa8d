package auth

import (
	"context"
	"crypto"
	"time"
)

type keyState string

const (
	keyActive   keyState = "active"
	keyRetiring keyState = "retiring"
)

// Ring holds the signing keys of access tokens in DIR/tokens.json (mode 0600).
type Ring struct{}

func OpenRing(dir string) (*Ring, error)   { panic("stub") }
func CreateRing(dir string) (*Ring, error) { panic("stub") }

// JWKS gives the public keys as a JSON Web Key Set, `kid` = RFC 7638 thumbprint.
func (r *Ring) JWKS() []byte { panic("stub") }

// Signer gives the active key.
func (r *Ring) Signer() (kid string, key crypto.Signer) { panic("stub") }

// Doors turn credentials into principals: the one code path. Safe for concurrent use.
type Doors struct {
	Issuer   string // the gateway's public URL: issuer of tokens
	Audience string // audience of tokens: the TAXII server's URL, ISSUER/taxii2/
	Vault    *Vault
	Ring     *Ring
	Tables   func() *Tables // the snapshot of now
	Now      func() time.Time
	TokenTTL time.Duration // default 10 minutes, at most 15
}

// Presented is what came with a request.
type Presented struct {
	Authorization []string // every Authorization header line, as it came
	APIKey        []string // every X-API-Key header line
	Certificate   *Shown   // a certificate that the TLS layer verified
	Address       string
}

// Shown is a verified client certificate.
type Shown struct {
	Partner     PartnerID
	Client      ClientID
	Serial      string // lower-case hex
	Fingerprint string // lower-case hex SHA-256 of the DER
}

// Identify ends in a Principal, or in an error that is ErrUnauthenticated and a *Refusal.
func (d *Doors) Identify(ctx context.Context, c Presented) (Principal, error) { panic("stub") }

// Refusal is a login that did not hold; it carries no secret.
type Refusal struct {
	Code   string   // "" without credentials, else "invalid_token" or "invalid_client". RFC 6750 section 3.1
	Client ClientID // who it claimed to be, if that is a known client, else ""
	Reason string   // for the log, never for the caller
}

func (r *Refusal) Error() string { return r.Reason }
func (r *Refusal) Unwrap() error { return ErrUnauthenticated }

// TokenRequest is the form of POST /oauth2/token with what came beside it. RFC 6749 section 4.4.
type TokenRequest struct {
	Presented
	Form map[string][]string
}

// TokenResponse is RFC 6749 section 5.1.
type TokenResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

// OAuthError is RFC 6749 section 5.2; Status is 400 or 401.
type OAuthError struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func (e *OAuthError) Error() string { return e.Code + ": " + e.Description }

// Token answers the token endpoint. The error is an *OAuthError.
func (d *Doors) Token(ctx context.Context, r TokenRequest) (TokenResponse, Principal, error) {
	panic("stub")
}
