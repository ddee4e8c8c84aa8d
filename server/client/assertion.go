package client

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// assertionLife is how long an assertion may be used: the way to the gateway, and clocks that differ.
const assertionLife = time.Minute

// AssertionKey signs the assertions by which a client says who it is at the token endpoint:
// private_key_jwt, RFC 7523 section 2.2. Safe for concurrent use.
type AssertionKey struct {
	key ed25519.PrivateKey
	id  string // RFC 7638 thumbprint
}

// NewAssertionKey makes an Ed25519 key.
func NewAssertionKey() (*AssertionKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	return assertionKey(key)
}

func assertionKey(key ed25519.PrivateKey) (*AssertionKey, error) {
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("naming a signing key: %w", err)
	}
	return &AssertionKey{key: key, id: base64.RawURLEncoding.EncodeToString(sum)}, nil
}

// ParseAssertionKey reads what Marshal wrote; its errors are ErrAccount and hold nothing of the key.
func ParseAssertionKey(data []byte) (*AssertionKey, error) {
	var j jose.JSONWebKey
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, fmt.Errorf("%w: assertion_key: not a JWK", ErrAccount)
	}
	key, ok := j.Key.(ed25519.PrivateKey)
	if !ok || !j.Valid() {
		return nil, fmt.Errorf("%w: assertion_key: not a private Ed25519 key", ErrAccount)
	}
	return assertionKey(key)
}

// Marshal gives the private key as a JWK, RFC 7517 and RFC 8037, for a file that nobody else reads.
func (k *AssertionKey) Marshal() ([]byte, error) { return k.jwk(k.key) }

// JWKS gives the public half as the JWK Set with which it is registered.
func (k *AssertionKey) JWKS() (json.RawMessage, error) {
	one, err := k.jwk(k.key.Public())
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string][]json.RawMessage{"keys": {one}})
}

func (k *AssertionKey) jwk(key any) ([]byte, error) {
	return json.Marshal(jose.JSONWebKey{Key: key, KeyID: k.id, Algorithm: string(jose.EdDSA), Use: "sig"})
}

// form is a token request with a new assertion: one is taken only once.
//
// Its audience is the issuer alone, not the token endpoint: an assertion is for one server. RFC 7523
// section 3.
func (k *AssertionKey) form(client, issuer string, now time.Time) (url.Values, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"iss": client, "sub": client, "aud": issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	t.Header["typ"], t.Header["kid"] = "client-authentication+jwt", k.id
	signed, err := t.SignedString(k.key)
	if err != nil {
		return nil, fmt.Errorf("signing an assertion: %w", err)
	}
	return url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {signed},
	}, nil
}

// Assertion reads the key in dir that the account names; nil when it names none.
func (a Account) Assertion(dir string) (*AssertionKey, error) {
	if a.AssertionKey == "" {
		return nil, nil
	}
	name := inDir(dir, a.AssertionKey)
	data, err := readSmall(name)
	if err != nil {
		return nil, fmt.Errorf("%w: reading assertion_key: %w", ErrAccount, err)
	}
	k, err := ParseAssertionKey(data)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, filepath.Base(name))
	}
	return k, nil
}
