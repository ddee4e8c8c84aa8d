package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// ringFile is where the signing keys are, in the directory of keys:
//
//	{"keys": [{"kid": "…", "state": "active", "alg": "EdDSA", "key": JWK, "created": "…", "since": "…"}]}
//
// JWK is the private key, RFC 7517; a retired key's row has none. One key is active.
const ringFile = "tokens.json"

// The life of a signing key: next (published, so that verifiers know it before it signs), active
// (signs), retiring (signs no more, its tokens live on), retired (gone).
type keyState string

const (
	keyNext     keyState = "next"
	keyActive   keyState = "active"
	keyRetiring keyState = "retiring"
	keyRetired  keyState = "retired"
)

const (
	// PublishAhead is how long a key is published before it signs: the time for which others may keep
	// a key set that they read.
	PublishAhead = 5 * time.Minute
	// retireAfter is how long a key that signs no more is kept: no token of it is alive then.
	retireAfter = MaxTokenTTL + leeway
	// maxRetired bounds the rows of keys that are gone.
	maxRetired = 16
)

// Ring holds the signing keys of access tokens in DIR/tokens.json (mode 0600). It is safe for
// concurrent use.
type Ring struct {
	dir   string
	write sync.Mutex
	keys  atomic.Pointer[keySet]
}

type ringRow struct {
	Keys []ringKey `json:"keys"`
}

type ringKey struct {
	Kid     string           `json:"kid"` // RFC 7638 thumbprint
	State   keyState         `json:"state"`
	Alg     string           `json:"alg"`           // EdDSA or ES256
	Key     *jose.JSONWebKey `json:"key,omitempty"` // private
	Created time.Time        `json:"created"`
	Since   time.Time        `json:"since"` // in its state
}

// keySet is a ring at one moment; it never changes.
type keySet struct {
	rows   []ringKey
	active ringKey
	jwks   []byte
}

// OpenRing reads DIR/tokens.json; ErrNotFound when it is not there.
func OpenRing(dir string) (*Ring, error) {
	var f ringRow
	if err := readKeyFile(dir, ringFile, &f); err != nil {
		return nil, fmt.Errorf("opening ring: %w", err)
	}
	s, err := newKeySet(f.Keys)
	if err != nil {
		return nil, fmt.Errorf("opening ring: %s: %w", ringFile, err)
	}
	r := &Ring{dir: dir}
	r.keys.Store(s)
	return r, nil
}

// CreateRing makes an EdDSA key and DIR/tokens.json; ErrExists when it is there.
func CreateRing(dir string) (*Ring, error) {
	k, err := newRingKey(keyActive, time.Now())
	if err != nil {
		return nil, fmt.Errorf("creating ring: %w", err)
	}
	s, err := newKeySet([]ringKey{k})
	if err != nil {
		return nil, fmt.Errorf("creating ring: %w", err)
	}
	if err := createKeyFile(dir, ringFile, ringRow{s.rows}); err != nil {
		return nil, fmt.Errorf("creating ring: %w", err)
	}
	r := &Ring{dir: dir}
	r.keys.Store(s)
	return r, nil
}

// JWKS gives the public keys as a JSON Web Key Set, `kid` = RFC 7638 thumbprint: those that are next,
// active and retiring. RFC 7517 section 5.
func (r *Ring) JWKS() []byte { return slices.Clone(r.keys.Load().jwks) }

// Signer gives the active key.
func (r *Ring) Signer() (kid string, key crypto.Signer) {
	k := r.keys.Load().active
	return k.Kid, k.signer()
}

// signing gives the active key with its algorithm.
func (r *Ring) signing() (kid string, m jwt.SigningMethod, key crypto.Signer) {
	k := r.keys.Load().active
	return k.Kid, k.method(), k.signer()
}

// verifier gives the public key that tokens of kid are verified with, and its one algorithm. A key
// that has not signed yet verifies nothing, neither does one that is retired.
func (r *Ring) verifier(kid string) (alg string, key crypto.PublicKey, ok bool) {
	for _, k := range r.keys.Load().rows {
		if k.Kid == kid && (k.State == keyActive || k.State == keyRetiring) {
			return k.Alg, k.signer().Public(), true
		}
	}
	return "", nil, false
}

// SigningKey is a signing key as people are told of it.
type SigningKey struct {
	ID      string    `json:"id"`
	State   string    `json:"state"` // next, active, retiring or retired
	Alg     string    `json:"alg"`
	Created time.Time `json:"created"`
	Since   time.Time `json:"since"` // in its state
}

// Keys lists the signing keys in the order they were made.
func (r *Ring) Keys() []SigningKey {
	var out []SigningKey
	for _, k := range r.keys.Load().rows {
		out = append(out, SigningKey{k.Kid, string(k.State), k.Alg, k.Created, k.Since})
	}
	return out
}

// Rotate begins a rotation: it makes the next key and publishes it. Tend ends it. ErrConflict while
// one is under way.
func (r *Ring) Rotate(now time.Time) error {
	return r.change(func(rows []ringKey) ([]ringKey, error) {
		if i := find(rows, keyNext); i >= 0 {
			return nil, fmt.Errorf("%w: a rotation is under way: key %s signs from %s on", ErrConflict,
				rows[i].Kid, rows[i].Since.Add(PublishAhead).Format(time.RFC3339))
		}
		k, err := newRingKey(keyNext, now)
		return append(rows, k), err
	})
}

// Tend does what is due: a key that was published for PublishAhead becomes the active one, one whose
// tokens are dead is retired, and a rotation begins when the active key is older than life (zero:
// never by itself). It is called every minute or so and reports whether it changed anything.
func (r *Ring) Tend(now time.Time, life time.Duration) (changed bool, err error) {
	err = r.change(func(rows []ringKey) ([]ringKey, error) {
		rows, err := tended(rows, now, life)
		changed = rows != nil
		return rows, err
	})
	return changed && err == nil, err
}

// Due reports whether Tend would change anything, for those who say so first.
func (r *Ring) Due(now time.Time, life time.Duration) bool {
	rows, err := tended(slices.Clone(r.keys.Load().rows), now, life)
	return rows != nil || err != nil
}

// tended gives the rows after what is due; nil when nothing is.
func tended(rows []ringKey, now time.Time, life time.Duration) ([]ringKey, error) {
	changed := false
	for i, k := range rows {
		if k.State == keyRetiring && !now.Before(k.Since.Add(retireAfter)) {
			rows[i].retire(now)
			changed = true
		}
	}
	next, active := find(rows, keyNext), find(rows, keyActive)
	switch {
	case next >= 0 && !now.Before(rows[next].Since.Add(PublishAhead)):
		rows[active].State, rows[active].Since = keyRetiring, micro(now)
		rows[next].State, rows[next].Since = keyActive, micro(now)
		changed = true
	case next < 0 && life > 0 && !now.Before(rows[active].Since.Add(life)):
		k, err := newRingKey(keyNext, now)
		if err != nil {
			return nil, err
		}
		rows = append(rows, k)
		changed = true
	}
	if !changed {
		return nil, nil
	}
	return rows, nil
}

// Revoke takes a key away at once, in an emergency: its tokens die on their next request. When it
// was the active one, another signs from now on.
func (r *Ring) Revoke(kid string, now time.Time) error {
	return r.change(func(rows []ringKey) ([]ringKey, error) {
		i := slices.IndexFunc(rows, func(k ringKey) bool { return k.Kid == kid && k.State != keyRetired })
		if i < 0 {
			return nil, fmt.Errorf("%w: signing key %.60q", ErrNotFound, kid)
		}
		was := rows[i].State
		rows[i].retire(now)
		if was != keyActive {
			return rows, nil
		}
		if n := find(rows, keyNext); n >= 0 {
			rows[n].State, rows[n].Since = keyActive, micro(now)
			return rows, nil
		}
		k, err := newRingKey(keyActive, now)
		return append(rows, k), err
	})
}

// change writes the file before anything is signed or verified by it. f gets rows of its own; nil
// rows without an error change nothing.
func (r *Ring) change(f func([]ringKey) ([]ringKey, error)) error {
	r.write.Lock()
	defer r.write.Unlock()
	rows, err := f(slices.Clone(r.keys.Load().rows))
	if err != nil || rows == nil {
		return err
	}
	retired := 0
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].State != keyRetired {
			continue
		}
		if retired++; retired > maxRetired {
			rows = slices.Delete(rows, i, i+1)
		}
	}
	s, err := newKeySet(rows)
	if err != nil {
		return err
	}
	if err := writeKeyFile(r.dir, ringFile, ringRow{rows}); err != nil {
		return fmt.Errorf("writing %s: %w", ringFile, err)
	}
	r.keys.Store(s)
	return nil
}

func find(rows []ringKey, s keyState) int {
	return slices.IndexFunc(rows, func(k ringKey) bool { return k.State == s })
}

func newRingKey(s keyState, now time.Time) (ringKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return ringKey{}, err
	}
	k := ringKey{
		State: s, Alg: string(jose.EdDSA), Created: micro(now), Since: micro(now),
		Key: &jose.JSONWebKey{Key: private, Algorithm: string(jose.EdDSA), Use: "sig"},
	}
	k.Kid, err = thumbprint(k.Key)
	k.Key.KeyID = k.Kid
	return k, err
}

func thumbprint(k *jose.JSONWebKey) (string, error) {
	b, err := k.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(b), err
}

func (k *ringKey) retire(now time.Time) {
	k.State, k.Since, k.Key = keyRetired, micro(now), nil
}

func (k ringKey) signer() crypto.Signer { s, _ := k.Key.Key.(crypto.Signer); return s }

func (k ringKey) method() jwt.SigningMethod {
	if k.Alg == string(jose.ES256) {
		return jwt.SigningMethodES256
	}
	return jwt.SigningMethodEdDSA
}

// newKeySet checks rows and computes what is read often.
func newKeySet(rows []ringKey) (*keySet, error) {
	s := &keySet{rows: rows}
	public := map[keyState][]jose.JSONWebKey{}
	seen := map[string]bool{}
	for _, k := range rows {
		if k.Kid == "" || seen[k.Kid] || k.Created.IsZero() || k.Since.IsZero() {
			return nil, fmt.Errorf("key %q: want a kid of its own, created and since", k.Kid)
		}
		seen[k.Kid] = true
		if k.State == keyRetired {
			if k.Key != nil {
				return nil, fmt.Errorf("key %q: retired, and still there", k.Kid)
			}
			continue
		}
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("key %q: %w", k.Kid, err)
		}
		public[k.State] = append(public[k.State], k.Key.Public())
		if k.State == keyActive {
			s.active = k
		}
	}
	if len(public[keyActive]) != 1 || len(public[keyNext]) > 1 {
		return nil, errors.New("want one active key and at most one that is next")
	}
	set := jose.JSONWebKeySet{Keys: slices.Concat(public[keyActive], public[keyNext], public[keyRetiring])}
	var err error
	s.jwks, err = json.Marshal(set)
	return s, err
}

// check holds a key to its one algorithm, its name, and its public half: verifying ES256 checks no
// curve, so it is checked here.
func (k ringKey) check() error {
	switch k.State {
	case keyNext, keyActive, keyRetiring:
	default:
		return fmt.Errorf("state %q: want next, active, retiring or retired", k.State)
	}
	if k.Key == nil || k.Key.IsPublic() || !k.Key.Valid() {
		return errors.New("no private key")
	}
	switch private := k.Key.Key.(type) {
	case ed25519.PrivateKey:
		if k.Alg != string(jose.EdDSA) {
			return fmt.Errorf("alg %q does not fit an Ed25519 key", k.Alg)
		}
	case *ecdsa.PrivateKey:
		if k.Alg != string(jose.ES256) || private.Curve != elliptic.P256() {
			return fmt.Errorf("alg %q does not fit the key's curve", k.Alg)
		}
	default:
		return errors.New("want an Ed25519 or a P-256 key")
	}
	if t, err := thumbprint(k.Key); err != nil || t != k.Kid || k.Key.KeyID != k.Kid || k.Key.Algorithm != k.Alg || k.Key.Use != "sig" {
		return errors.New("kid, alg or use is not the key's")
	}
	const text = "does the public half belong to the private one"
	sig, err := k.method().Sign(text, k.signer())
	if err == nil {
		err = k.method().Verify(text, sig, k.signer().Public())
	}
	return err
}
