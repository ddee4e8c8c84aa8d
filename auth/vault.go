package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// secretPrefix lets a secret be known for one, by people and by scanners of leaked files.
const secretPrefix = "lsn_"

// secretLen is the length of a secret's text: the prefix and 256 bits in base64url.
const secretLen = len(secretPrefix) + 43

// vaultFile is where the server keys are, in the directory of keys:
//
//	{"keys": [{"id": "…", "state": "active", "key": "BASE64", "created": "…"}]}
//
// One key is active: it makes new MACs. MACs under the others still hold.
const vaultFile = "secrets.json"

// maxServerKeys bounds the keys whose MACs hold: each is tried at every login.
const maxServerKeys = 8

// Vault holds the server keys that secrets are MACed under. Safe for concurrent use.
type Vault struct {
	dir   string
	write sync.Mutex
	set   atomic.Pointer[serverKeys]
}

// serverKeys is a vault at one moment; it never changes.
type serverKeys struct {
	active serverKey
	keys   []serverKey // the active one first
}

type vaultRow struct {
	Keys []serverKey `json:"keys"`
}

type serverKey struct {
	ID      string    `json:"id"`
	State   keyState  `json:"state"` // active or retiring
	Key     []byte    `json:"key"`   // 32 bytes
	Created time.Time `json:"created"`

	macs *sync.Pool // of *macer
}

// macer makes MACs under one key, one after the other: what it begins with is computed once.
type macer struct {
	hash.Hash
	in  []byte
	out [sha256.Size]byte
}

// OpenVault reads DIR/secrets.json (mode 0600); ErrNotFound when it is not there.
func OpenVault(dir string) (*Vault, error) {
	var f vaultRow
	if err := readKeyFile(dir, vaultFile, &f); err != nil {
		return nil, fmt.Errorf("opening vault: %w", err)
	}
	k, err := newServerKeys(f)
	if err != nil {
		return nil, fmt.Errorf("opening vault: %s: %w", vaultFile, err)
	}
	return newVault(dir, k), nil
}

func newVault(dir string, k *serverKeys) *Vault {
	v := &Vault{dir: dir}
	v.set.Store(k)
	return v
}

// CreateVault makes a server key and DIR/secrets.json; ErrExists when it is there.
func CreateVault(dir string) (*Vault, error) {
	f := vaultRow{Keys: []serverKey{newServerKey(time.Now())}}
	k, err := newServerKeys(f)
	if err != nil {
		return nil, fmt.Errorf("creating vault: %w", err)
	}
	if err := createKeyFile(dir, vaultFile, f); err != nil {
		return nil, fmt.Errorf("creating vault: %w", err)
	}
	return newVault(dir, k), nil
}

func newServerKey(now time.Time) serverKey {
	k := serverKey{ID: rand.Text()[:12], State: keyActive, Key: make([]byte, 32), Created: micro(now)}
	rand.Read(k.Key)
	return k
}

func newServerKeys(f vaultRow) (*serverKeys, error) {
	var v serverKeys
	seen := map[string]bool{}
	for _, k := range f.Keys {
		switch {
		case k.ID == "" || seen[k.ID]:
			return nil, errors.New("a key without an id of its own")
		case len(k.Key) != 32:
			return nil, fmt.Errorf("key %q: want 32 bytes", k.ID)
		case k.Created.IsZero():
			return nil, fmt.Errorf("key %q: no created", k.ID)
		}
		seen[k.ID] = true
		k.macs = &sync.Pool{New: func() any { return &macer{Hash: hmac.New(sha256.New, k.Key)} }}
		switch k.State {
		case keyActive:
			if v.active.ID != "" {
				return nil, errors.New("two active keys")
			}
			v.active = k
			v.keys = append([]serverKey{k}, v.keys...)
		case keyRetiring:
			v.keys = append(v.keys, k)
		default:
			return nil, fmt.Errorf("key %q: state %q: want active or retiring", k.ID, k.State)
		}
	}
	if v.active.ID == "" {
		return nil, errors.New("no active key")
	}
	return &v, nil
}

// NewSecret generates a secret (256 bits, prefix "lsn_") and the row that keeps its MAC. The text is
// shown once and kept nowhere.
func (v *Vault) NewSecret(now time.Time) (text string, s Secret) {
	text = secretPrefix + randomText()
	ref := v.set.Load().active.ref(text)
	return text, Secret{
		ID:      strings.ToLower(rand.Text()[:12]),
		Key:     ref.key,
		MAC:     hex.EncodeToString(ref.mac[:]),
		Created: micro(now),
	}
}

// MAC is also what other rooms derive keys from: an HMAC-SHA-256 of label and data under the active
// server key. Different labels give unrelated MACs.
func (v *Vault) MAC(label string, data []byte) [32]byte { return v.set.Load().active.mac(label, data) }

// Holds reports whether mac begins a MAC of label and data under any of the server keys: what was
// sealed before a rotation holds after it. An empty one holds never.
func (v *Vault) Holds(label string, data, mac []byte) bool {
	ok := false
	for _, k := range v.set.Load().keys {
		want := k.mac(label, data)
		if n := len(mac); n > 0 && n <= len(want) && hmac.Equal(want[:n], mac) {
			ok = true
		}
	}
	return ok
}

// ServerKey is a server key as people are told of it.
type ServerKey struct {
	ID      string    `json:"id"`
	State   string    `json:"state"` // active or retiring
	Created time.Time `json:"created"`
	Secrets int       `json:"secrets"` // that are kept under it
}

// Keys lists the server keys, the active one first.
func (v *Vault) Keys(t *Tables) []ServerKey {
	kept := map[string]int{}
	for _, c := range t.Clients {
		for _, s := range c.Secrets {
			kept[s.Key]++
		}
	}
	var out []ServerKey
	for _, k := range v.set.Load().keys {
		out = append(out, ServerKey{k.ID, string(k.State), k.Created, kept[k.ID]})
	}
	return out
}

// Rotate makes another key the active one. Secrets under the one before go on: it retires when none
// is left, at Tend. ErrConflict when too many are waiting for that.
func (v *Vault) Rotate(now time.Time) (id string, err error) {
	err = v.change(func(keys []serverKey) ([]serverKey, error) {
		if len(keys) >= maxServerKeys {
			return nil, fmt.Errorf("%w: %d server keys have secrets under them: let partners rotate their secrets, or revoke keys", ErrConflict, len(keys))
		}
		for i := range keys {
			keys[i].State = keyRetiring
		}
		k := newServerKey(now)
		id = k.ID
		return append([]serverKey{k}, keys...), nil
	})
	return id, err
}

// retireServerKeys is how long a key that makes no MACs any more is kept: a cursor that was given
// under it may be used so long.
const retireServerKeys = 30 * 24 * time.Hour

// Tend takes away retiring keys under which no secret is kept any more, and reports which.
func (v *Vault) Tend(t *Tables, now time.Time) (gone []string, err error) {
	err = v.change(func(keys []serverKey) (out []serverKey, _ error) {
		if out, gone = v.tended(keys, t, now); len(gone) == 0 {
			return nil, nil
		}
		return out, nil
	})
	return gone, err
}

// Due lists what Tend would take away, for those who say so first.
func (v *Vault) Due(t *Tables, now time.Time) []string {
	_, gone := v.tended(v.set.Load().keys, t, now)
	return gone
}

// tended parts keys into those that are kept and the ids of those that go.
func (v *Vault) tended(keys []serverKey, t *Tables, now time.Time) (out []serverKey, gone []string) {
	used := map[string]bool{}
	for _, k := range v.Keys(t) {
		used[k.ID] = k.Secrets > 0
	}
	// A key retired when the one before it in the list was made.
	out = keys[:1:1]
	for i, k := range keys[1:] {
		if used[k.ID] || now.Before(keys[i].Created.Add(retireServerKeys)) {
			out = append(out, k)
		} else {
			gone = append(gone, k.ID)
		}
	}
	return out, gone
}

// Revoke takes a server key away at once, in an emergency: secrets under it hold no more. When it was
// the active one, another makes new MACs from now on.
func (v *Vault) Revoke(id string, now time.Time) error {
	return v.change(func(keys []serverKey) ([]serverKey, error) {
		i := slices.IndexFunc(keys, func(k serverKey) bool { return k.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("%w: server key %.40q", ErrNotFound, id)
		}
		keys = slices.Delete(keys, i, i+1)
		if i == 0 {
			keys = append([]serverKey{newServerKey(now)}, keys...)
		}
		return keys, nil
	})
}

// change writes the file before any MAC is made by it. f gets keys of its own; nil keys without an
// error change nothing.
func (v *Vault) change(f func([]serverKey) ([]serverKey, error)) error {
	v.write.Lock()
	defer v.write.Unlock()
	keys, err := f(slices.Clone(v.set.Load().keys))
	if err != nil || keys == nil {
		return err
	}
	row := vaultRow{Keys: keys}
	next, err := newServerKeys(row)
	if err != nil {
		return err
	}
	if err := writeKeyFile(v.dir, vaultFile, row); err != nil {
		return fmt.Errorf("writing %s: %w", vaultFile, err)
	}
	v.set.Store(next)
	return nil
}

// mac writes the label's length before it, so that no label and data are another label and data.
func (k serverKey) mac(label string, data []byte) [32]byte {
	h := k.macs.Get().(*macer)
	defer k.macs.Put(h)
	h.Reset()
	h.in = append(binary.BigEndian.AppendUint32(h.in[:0], uint32(len(label))), label...)
	h.Write(h.in)
	h.Write(data)
	h.Sum(h.out[:0])
	return h.out
}

func (k serverKey) ref(secret string) secretRef {
	return secretRef{key: k.ID, mac: k.mac("liaison secret", []byte(secret))}
}

// find gives the client and the row of a secret that is known, whether it still holds or not.
//
// The comparison is safe by construction: what is looked up is not the secret but its MAC under a key
// that never leaves the gateway. Who tries secrets cannot choose where the MACs of two begin to
// differ, so how long the lookup takes says nothing about any secret that is kept. Known and unknown
// clients cost the same, because no client is looked up before.
func (v *Vault) find(t *Tables, secret string) (Client, Secret, bool) {
	if len(secret) != secretLen || !strings.HasPrefix(secret, secretPrefix) {
		return Client{}, Secret{}, false
	}
	for _, k := range v.set.Load().keys {
		ref := k.ref(secret)
		c, ok := t.Clients[t.secrets[ref]]
		if !ok {
			continue
		}
		for _, s := range c.Secrets {
			if s.ref() == ref {
				return c, s, true
			}
		}
	}
	return Client{}, Secret{}, false
}
