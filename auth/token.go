package auth

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds of an access token's life.
const (
	DefaultTokenTTL = 10 * time.Minute
	MaxTokenTTL     = 15 * time.Minute
	leeway          = 30 * time.Second // between clocks
)

// GetExpirationTime and the other methods make claims a jwt.Claims.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return numericDate(c.Expires), nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return numericDate(c.Issued), nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return numericDate(c.NotBefore), nil }
func (c *claims) GetIssuer() (string, error)                   { return c.Issuer, nil }
func (c *claims) GetSubject() (string, error)                  { return c.Subject, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings{c.Audience}, nil }

func numericDate(s int64) *jwt.NumericDate { return jwt.NewNumericDate(time.Unix(s, 0)) }

// issue signs a token for a principal, as RFC 9068 has it.
func (d *Doors) issue(p Principal, now time.Time) (token string, ttl time.Duration, err error) {
	ttl = d.ttl()
	c := &claims{
		Issuer: d.Issuer, Audience: d.Audience, Subject: string(p.Client), Client: p.Client,
		Issued: now.Unix(), NotBefore: now.Unix(), Expires: now.Unix() + int64(ttl/time.Second),
		ID: rand.Text(), Scope: p.Scope.String(),
		Partner: p.Partner, PartnerEpoch: p.PartnerEpoch, ClientEpoch: p.ClientEpoch,
	}
	if p.Certificate != "" {
		// RFC 8705 section 3.1: the token is bound to the certificate that its client came with.
		raw, err := hex.DecodeString(p.Certificate)
		if err != nil || len(raw) != sha256.Size {
			return "", 0, errors.New("issuing token: the certificate's fingerprint is no SHA-256")
		}
		c.Confirmation = &confirmation{base64.RawURLEncoding.EncodeToString(raw)}
	}
	kid, method, key := d.Ring.signing()
	t := jwt.NewWithClaims(method, c)
	t.Header["typ"], t.Header["kid"] = "at+jwt", kid
	token, err = t.SignedString(key)
	if err != nil {
		return "", 0, fmt.Errorf("issuing token: %w", err)
	}
	return token, ttl, nil
}

// ttl is the life of tokens in whole seconds.
func (d *Doors) ttl() time.Duration {
	ttl := d.TokenTTL
	if ttl <= 0 {
		ttl = DefaultTokenTTL
	}
	return max(min(ttl, MaxTokenTTL).Truncate(time.Second), time.Second)
}

// verify gives the claims of a token that is ours and alive. What does not change for a token is
// checked once and remembered; what may change, the clock and the keys, is checked every time. The
// signature comes last: it costs most.
func (d *Doors) verify(token string, now time.Time) (claims, error) {
	if len(token) > maxToken {
		return claims{}, fmt.Errorf("token: longer than %d bytes", maxToken)
	}
	sum := sha256.Sum256([]byte(token))
	v, known := d.verified.get(sum)
	if !known {
		h, c, err := readToken(token)
		if err != nil {
			return c, fmt.Errorf("token: %w", err)
		}
		if err := c.check(d); err != nil {
			return c, fmt.Errorf("token: %w", err)
		}
		v = verifiedToken{h, c}
	}
	if err := v.claims.alive(now); err != nil {
		return v.claims, fmt.Errorf("token: %w", err)
	}
	alg, key, ok := d.Ring.verifier(v.header.kid)
	if !ok {
		return v.claims, errors.New("token: its key is not known, or retired")
	}
	if alg != v.header.alg {
		return v.claims, errors.New("token: alg is not its key's")
	}
	if !known {
		if err := d.checkSignature(token, v, key, now); err != nil {
			return v.claims, fmt.Errorf("token: %w", err)
		}
		d.verified.put(sum, v)
	}
	return v.claims, nil
}

// check holds the claims to what this gateway issues.
func (c claims) check(d *Doors) error {
	switch {
	case c.Issuer != d.Issuer:
		return errors.New("iss is another's")
	case c.Audience != d.Audience:
		return errors.New("aud is another's")
	case c.Subject != string(c.Client):
		return errors.New("sub is not client_id")
	case c.Client.Check() != nil || c.Partner.Check() != nil:
		return errors.New("client_id or tid is no id")
	case c.Expires <= c.Issued || c.Expires-c.Issued > int64(MaxTokenTTL/time.Second):
		return fmt.Errorf("exp is not within %s of iat", MaxTokenTTL)
	case c.NotBefore > c.Expires:
		return errors.New("nbf is after exp")
	}
	if _, err := ParseScope(c.Scope); err != nil {
		return err
	}
	if c.Confirmation != nil {
		if _, err := c.Confirmation.fingerprint(); err != nil {
			return err
		}
	}
	return nil
}

// alive reports whether the token's time is now, give or take the leeway.
func (c claims) alive(now time.Time) error {
	switch early := now.Add(leeway); {
	case !now.Before(time.Unix(c.Expires, 0).Add(leeway)):
		return errors.New("expired")
	case early.Before(time.Unix(c.Issued, 0)):
		return errors.New("iat is in the future")
	case early.Before(time.Unix(c.NotBefore, 0)):
		return errors.New("nbf is in the future")
	}
	return nil
}

// checkSignature gives the token to golang-jwt with the one algorithm of its key, and sees that the
// library read the same claims.
func (d *Doors) checkSignature(token string, v verifiedToken, key crypto.PublicKey, now time.Time) error {
	p := jwt.NewParser(jwt.WithValidMethods([]string{v.header.alg}), jwt.WithIssuer(d.Issuer), jwt.WithAudience(d.Audience),
		jwt.WithSubject(v.claims.Subject), jwt.WithExpirationRequired(), jwt.WithNotBeforeRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithStrictDecoding())
	var again claims
	if _, err := p.ParseWithClaims(token, &again, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		return err
	}
	if !again.equal(v.claims) {
		return errors.New("read in two ways")
	}
	return nil
}

func (c claims) equal(o claims) bool {
	a, b := c.Confirmation, o.Confirmation
	c.Confirmation, o.Confirmation = nil, nil
	return c == o && (a == nil) == (b == nil) && (a == nil || *a == *b)
}

// fingerprint gives the certificate's fingerprint as the rest of the house writes it.
func (c confirmation) fingerprint() (string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(c.Thumbprint)
	if err != nil || len(b) != sha256.Size || len(c.Thumbprint) != 43 {
		return "", errors.New("cnf: x5t#S256 is no SHA-256")
	}
	return hex.EncodeToString(b), nil
}

// verifiedToken is what is remembered of a token whose signature held.
type verifiedToken struct {
	header header
	claims claims
}

// maxRemembered bounds each of the memory's two generations.
const maxRemembered = 4096

// tokenMemory remembers verified tokens by their SHA-256, so that the token itself is not kept. It
// holds two generations: when the young one is full it becomes the old one and the old one goes.
// The zero value is ready; it is safe for concurrent use.
type tokenMemory struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]verifiedToken
}

func (m *tokenMemory) get(k [sha256.Size]byte) (verifiedToken, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.young[k]; ok {
		return v, true
	}
	v, ok := m.old[k]
	if ok {
		m.add(k, v)
	}
	return v, ok
}

func (m *tokenMemory) put(k [sha256.Size]byte, v verifiedToken) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(k, v)
}

func (m *tokenMemory) add(k [sha256.Size]byte, v verifiedToken) {
	if len(m.young) >= maxRemembered || m.young == nil {
		m.old, m.young = m.young, map[[sha256.Size]byte]verifiedToken{}
	}
	m.young[k] = v
}
