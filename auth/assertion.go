package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds of a client's assertions.
const (
	MaxAssertionLife = 5 * time.Minute // from now to its exp
	MaxAssertions    = 1000            // of one client that are used and not yet out of date
	maxAssertionID   = 255             // bytes of a jti
)

// AssertionType is the client_assertion_type of private_key_jwt. RFC 7523 section 2.2.
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// UsedAssertion is an assertion that must not be taken again. Its row goes when the assertion would
// be out of date anyway.
type UsedAssertion struct {
	Key     string    `json:"key"` // hex SHA-256 of client and jti
	Client  ClientID  `json:"client"`
	Expires time.Time `json:"expires"` // leeway included
}

// UseAssertion uses up an assertion that was verified; a second time is ErrConflict.
type UseAssertion struct{ UsedAssertion }

// Apply remembers the assertion. What is out of date is forgotten.
func (c UseAssertion) Apply(t *Tables, now time.Time) (Effect, error) {
	k, err := t.liveClient(c.Client)
	if err != nil {
		return Effect{}, err
	}
	if !hexOf(c.Key, 64, 64) || !now.Before(c.Expires) || c.Expires.After(now.Add(MaxAssertionLife+2*leeway)) {
		return Effect{}, fmt.Errorf("%w: assertion's row: want a key of 64 hexadecimal digits and an end within %s", ErrInvalid, MaxAssertionLife)
	}
	if _, used := t.Assertions[c.Key]; used {
		return Effect{}, fmt.Errorf("%w: assertion was used before", ErrConflict)
	}
	e := Effect{Kind: "assertion.use", What: struct {
		Partner   PartnerID `json:"partner"`
		Client    ClientID  `json:"client"`
		Assertion string    `json:"assertion"`
	}{k.Partner, k.ID, c.Key[:16]}}
	var dead []string
	mine := 0
	for _, id := range sortedKeys(t.Assertions) {
		switch old := t.Assertions[id]; {
		case !now.Before(old.Expires):
			dead = append(dead, id)
		case old.Client == c.Client:
			mine++
		}
	}
	if mine >= MaxAssertions {
		return Effect{}, fmt.Errorf("%w: client %q used %d assertions in the last minutes: use its tokens while they last", ErrConflict, k.ID, mine)
	}
	for _, id := range dead {
		delete(t.Assertions, id)
		e.Records = append(e.Records, Record{Table: assertionTable, Key: id})
	}
	c.Expires = micro(c.Expires)
	t.Assertions[c.Key] = c.UsedAssertion
	e.Records = append(e.Records, row(assertionTable, c.Key, c.UsedAssertion))
	return e, nil
}

func assertionKey(c ClientID, jti string) string {
	sum := sha256.Sum256([]byte(string(c) + "\n" + jti))
	return hex.EncodeToString(sum[:])
}

// assertion is what a client's JWT says. RFC 7523 section 3.
type assertion struct {
	alg, kid, typ     string
	issuer, subject   string
	audience, id      string
	expires           int64
	issued, notBefore int64 // 0: not given
}

// readAssertion reads a JWT, of a length that was looked at before, without verifying it. Of its
// header everything is known; of its claims those that count stand once and by their exact names.
//
// "The JWT MUST contain an 'aud' (audience) claim containing a value that identifies the
// authorization server as an intended audience" (RFC 7523 section 3): here one string, for a list
// would make it good elsewhere too.
func readAssertion(s string) (a assertion, err error) {
	raw, err := jwtParts(s)
	if err != nil {
		return a, err
	}
	if err := readObject(raw[0], []field{
		{name: "alg", read: text(&a.alg)},
		{name: "typ", optional: true, read: text(&a.typ)},
		{name: "kid", optional: true, read: text(&a.kid)},
	}); err != nil {
		return a, fmt.Errorf("header: %w", err)
	}
	switch strings.ToLower(a.typ) { // RFC 7515 section 4.1.9: media types have no case
	case "", "jwt", "client-authentication+jwt":
	default:
		return a, errors.New("header: typ is not client-authentication+jwt")
	}
	if a.alg != "EdDSA" && a.alg != "ES256" {
		return a, errors.New("header: alg is neither EdDSA nor ES256")
	}
	if err := readMembers(raw[1], []field{
		{name: "iss", read: text(&a.issuer)},
		{name: "sub", read: text(&a.subject)},
		{name: "aud", read: text(&a.audience)},
		{name: "jti", read: text(&a.id)},
		{name: "exp", read: number(&a.expires)},
		{name: "iat", optional: true, read: number(&a.issued)},
		{name: "nbf", optional: true, read: number(&a.notBefore)},
	}, func(string, json.RawMessage) error { return nil }); err != nil { // "The JWT MAY contain other claims."
		return a, fmt.Errorf("claims: %w", err)
	}
	return a, nil
}

// check holds the claims to this gateway and this moment.
func (a assertion) check(issuer string, now time.Time) error {
	end, early := time.Unix(a.expires, 0), now.Add(leeway)
	switch {
	case a.issuer != a.subject:
		return errors.New("iss is not sub")
	case a.audience != issuer:
		return errors.New("aud is another's: it must be the issuer, alone")
	case len(a.id) > maxAssertionID:
		return errors.New("jti is too long")
	case !now.Before(end.Add(leeway)):
		return errors.New("expired")
	case end.After(early.Add(MaxAssertionLife)):
		return fmt.Errorf("exp is more than %s ahead", MaxAssertionLife)
	case a.issued != 0 && early.Before(time.Unix(a.issued, 0)):
		return errors.New("iat is in the future")
	case a.notBefore != 0 && early.Before(time.Unix(a.notBefore, 0)):
		return errors.New("nbf is in the future")
	}
	return nil
}

// byAssertion is private_key_jwt. An assertion of a client or a key that is not known is verified
// too, with a key that is nobody's: it costs the same.
func (d *Doors) byAssertion(ctx context.Context, r TokenRequest) (Principal, error) {
	t, now := d.Tables(), d.now()
	p, a, err := d.asserted(t, r, now)
	if err == nil {
		p, err = d.admit(t, p, r.Presented, now)
	}
	if err != nil {
		return Principal{}, refused(invalidClient, ClientID(a.subject), "assertion: "+err.Error())
	}
	// Only now: what does not hold uses nothing up, and who holds no key fills no table.
	err = d.Spend(ctx, UseAssertion{UsedAssertion{
		Key: assertionKey(p.Client, a.id), Client: p.Client, Expires: time.Unix(a.expires, 0).Add(leeway).UTC(),
	}})
	if errors.Is(err, ErrConflict) {
		return Principal{}, refused(invalidClient, p.Client, err.Error())
	}
	if err != nil {
		return Principal{}, &spendError{err}
	}
	return p, nil
}

// spendError is the gateway's own trouble: an assertion that cannot be remembered is not taken.
type spendError struct{ error }

func (e *spendError) Unwrap() error { return e.error }

func (d *Doors) asserted(t *Tables, r TokenRequest, now time.Time) (Principal, assertion, error) {
	var a assertion
	raw := r.param("client_assertion")
	if r.param("client_assertion_type") != AssertionType {
		return Principal{}, a, errors.New("client_assertion_type is another")
	}
	if len(raw) > maxToken {
		return Principal{}, a, fmt.Errorf("longer than %d bytes", maxToken)
	}
	a, err := readAssertion(raw)
	if err != nil {
		return Principal{}, a, err
	}
	if err := a.check(d.Issuer, now); err != nil {
		return Principal{}, a, err
	}
	// RFC 7521 section 4.2: the client_id "MUST identify the same client as is identified by the
	// client assertion".
	if id := r.param("client_id"); id != "" && id != a.subject {
		return Principal{}, a, errors.New("client_id is not its sub")
	}
	key, err := a.verify(raw, t.Clients[ClientID(a.subject)].Keys)
	if err != nil {
		return Principal{}, a, err
	}
	p, err := t.Principal(ClientID(a.subject), ByAssertion)
	p.Credential = key
	return p, a, err
}

// verify tries the keys that could have signed it and gives the id of the one that holds. What no key
// holds for has cost as much for a client with none, or for nobody, as for one with all that it may
// have: decoys make up the number.
func (a assertion) verify(raw string, keys []PublicKey) (id string, err error) {
	i := strings.LastIndexByte(raw, '.')
	in, sig := raw[:i], mustBase64(raw[i+1:])
	var method jwt.SigningMethod = jwt.SigningMethodEdDSA
	if a.alg == "ES256" {
		method = jwt.SigningMethodES256
	}
	alg, nobodys := []byte(`"alg":"`+a.alg+`"`), decoys()[a.alg]
	var fit [MaxKeys]PublicKey
	n := 0
	for i, k := range nobodys {
		if i < len(keys) {
			k = keys[i]
		}
		// By the row's text, for reading a key costs more.
		if bytes.Contains(k.JWK, alg) && (a.kid == "" || a.kid == k.ID) && i < len(keys) {
			fit[n] = k
			n++
		}
	}
	most := MaxKeys
	if a.kid != "" {
		most = 1
	}
	for i, k := range nobodys[:most] {
		if i < n {
			k = fit[i]
		}
		if _, key, err := k.public(); err == nil && method.Verify(in, sig, key) == nil && i < n {
			return k.ID, nil
		}
	}
	if n == 0 {
		return "", errors.New("no key of this client that could have signed it")
	}
	return "", errors.New("its signature does not hold")
}

// decoys are MaxKeys keys for each algorithm of which nobody has the private halves. They are all
// different: what is computed twice is faster the second time.
var decoys = sync.OnceValue(func() map[string][]PublicKey {
	out := map[string][]PublicKey{}
	for range MaxKeys {
		ed, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err) // there is always randomness
		}
		p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		for alg, key := range map[string]any{"EdDSA": ed, "ES256": p256.Public()} {
			row, err := publicKey(key, alg, time.Time{})
			if err != nil {
				panic(err) // it is a key of a kind that is known
			}
			out[alg] = append(out[alg], row)
		}
	}
	return out
})
