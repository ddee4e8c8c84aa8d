package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of the keys that a client registers.
const (
	MaxKeys    = 4        // of one client
	maxKeySize = 16 << 10 // bytes of the JWK or JWK Set that brings them
)

// PublicKey is a key by which a client signs its assertions (private_key_jwt).
type PublicKey struct {
	ID      string          `json:"id"`  // RFC 7638 thumbprint
	JWK     json.RawMessage `json:"jwk"` // RFC 7517, public
	Created time.Time       `json:"created"`
}

// ParseKeys reads a JWK Set or a single JWK as a client registers it: 1 to MaxKeys public keys,
// Ed25519 or P-256. What is kept is written anew from the keys themselves: no other member comes in.
// A private key is ErrInvalid; it is not repeated in the error.
func ParseKeys(raw []byte, now time.Time) ([]PublicKey, error) {
	bad := func(format string, args ...any) ([]PublicKey, error) {
		return nil, fmt.Errorf("%w: jwks: "+format, append([]any{ErrInvalid}, args...)...)
	}
	if len(raw) > maxKeySize {
		return bad("longer than %d bytes", maxKeySize)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
		Kind string            `json:"kty"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return bad("want a JWK or a JWK Set")
	}
	if set.Keys == nil && set.Kind != "" {
		set.Keys = []json.RawMessage{raw}
	}
	if len(set.Keys) < 1 || len(set.Keys) > MaxKeys {
		return bad("want 1 to %d keys, have %d", MaxKeys, len(set.Keys))
	}
	var out []PublicKey
	for i, one := range set.Keys {
		var k jose.JSONWebKey
		if err := json.Unmarshal(one, &k); err != nil {
			return bad("key %d cannot be read", i+1)
		}
		if !k.IsPublic() {
			return bad("key %d is private: nobody but you may have it, so make another and send its public half", i+1)
		}
		alg := algorithmOf(k.Key)
		if alg == "" || !k.Valid() {
			return bad("key %d: want Ed25519 (EdDSA) or P-256 (ES256)", i+1)
		}
		if k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != alg {
			return bad("key %d: use or alg does not fit it", i+1)
		}
		p, err := publicKey(k.Key, alg, now)
		if err != nil {
			return bad("key %d: %w", i+1, err)
		}
		if slices.ContainsFunc(out, func(o PublicKey) bool { return o.ID == p.ID }) {
			return bad("key %d stands twice", i+1)
		}
		out = append(out, p)
	}
	return out, nil
}

func publicKey(key any, alg string, now time.Time) (PublicKey, error) {
	clean := jose.JSONWebKey{Key: key, Algorithm: alg, Use: "sig"}
	id, err := thumbprint(&clean)
	if err != nil {
		return PublicKey{}, err
	}
	clean.KeyID = id
	b, err := clean.MarshalJSON()
	return PublicKey{ID: id, JWK: b, Created: micro(now)}, err
}

// algorithmOf gives the one algorithm of a key, "" for a key of another kind. Verifying ES256 checks
// no curve, so it is checked here.
func algorithmOf(key any) string {
	switch k := key.(type) {
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return string(jose.EdDSA)
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return string(jose.ES256)
		}
	}
	return ""
}

// public reads the key of a row.
func (k PublicKey) public() (alg string, key crypto.PublicKey, err error) {
	var j jose.JSONWebKey
	if err := j.UnmarshalJSON(k.JWK); err != nil {
		return "", nil, errors.New("key cannot be read")
	}
	if alg = algorithmOf(j.Key); alg == "" || !j.Valid() {
		return "", nil, errors.New("key is of no kind that is known")
	}
	return alg, j.Key, nil
}

// check holds a row to what ParseKeys makes.
func (k PublicKey) check() error {
	alg, key, err := k.public()
	if err != nil {
		return fmt.Errorf("%w: key %.50q: %w", ErrInvalid, k.ID, err)
	}
	want, err := publicKey(key, alg, k.Created)
	if err != nil || want.ID != k.ID || !bytes.Equal(want.JWK, k.JWK) {
		return fmt.Errorf("%w: key %.50q: its id or its form is not the key's", ErrInvalid, k.ID)
	}
	return nil
}

func checkKeys(list []PublicKey) error {
	if len(list) > MaxKeys {
		return fmt.Errorf("%w: at most %d keys", ErrInvalid, MaxKeys)
	}
	for i, k := range list {
		if err := k.check(); err != nil {
			return err
		}
		if slices.ContainsFunc(list[:i], func(o PublicKey) bool { return o.ID == k.ID }) {
			return fmt.Errorf("%w: key %s stands twice", ErrInvalid, k.ID)
		}
	}
	return nil
}

// RevokeKey takes one of a client's keys away and raises the client's epoch.
type RevokeKey struct {
	Client ClientID
	ID     string
}

// Apply revokes the key.
func (c RevokeKey) Apply(t *Tables, _ time.Time) (Effect, error) {
	k, err := t.client(c.Client)
	if err != nil {
		return Effect{}, err
	}
	i := slices.IndexFunc(k.Keys, func(p PublicKey) bool { return p.ID == c.ID })
	if i < 0 {
		return Effect{}, fmt.Errorf("%w: key %q of client %q: \"liaison client list %s\" shows them", ErrNotFound, c.ID, k.ID, k.Partner)
	}
	k.Keys = slices.Delete(k.Keys, i, i+1)
	k.Epoch++
	return Effect{[]Record{t.putClient(k)}, "key.revoke", ofClient{
		Partner: k.Partner, Client: k.ID, Keys: []string{c.ID}, Epoch: &changed[uint64]{k.Epoch - 1, k.Epoch},
	}}, nil
}
