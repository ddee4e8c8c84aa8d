package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
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

// Vault holds the server key that secrets are MACed under. It never changes once it is open, and is
// safe for concurrent use.
type Vault struct {
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
}

// OpenVault reads DIR/secrets.json (mode 0600); ErrNotFound when it is not there.
func OpenVault(dir string) (*Vault, error) {
	var f vaultRow
	if err := readKeyFile(dir, vaultFile, &f); err != nil {
		return nil, fmt.Errorf("opening vault: %w", err)
	}
	v, err := newVault(f)
	if err != nil {
		return nil, fmt.Errorf("opening vault: %s: %w", vaultFile, err)
	}
	return v, nil
}

// CreateVault makes a server key and DIR/secrets.json; ErrExists when it is there.
func CreateVault(dir string) (*Vault, error) {
	k := serverKey{ID: rand.Text()[:12], State: keyActive, Key: make([]byte, 32), Created: micro(time.Now())}
	rand.Read(k.Key)
	f := vaultRow{Keys: []serverKey{k}}
	if err := createKeyFile(dir, vaultFile, f); err != nil {
		return nil, fmt.Errorf("creating vault: %w", err)
	}
	return newVault(f)
}

func newVault(f vaultRow) (*Vault, error) {
	var v Vault
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
	ref := v.active.ref(text)
	return text, Secret{
		ID:      strings.ToLower(rand.Text()[:12]),
		Key:     ref.key,
		MAC:     hex.EncodeToString(ref.mac[:]),
		Created: micro(now),
	}
}

// MAC is also what other rooms derive keys from: an HMAC-SHA-256 of label and data under the active
// server key. Different labels give unrelated MACs.
func (v *Vault) MAC(label string, data []byte) [32]byte { return v.active.mac(label, data) }

// mac writes the label's length before it, so that no label and data are another label and data.
func (k serverKey) mac(label string, data []byte) (out [32]byte) {
	h := hmac.New(sha256.New, k.Key)
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(label)))
	h.Write(n[:])
	h.Write([]byte(label))
	h.Write(data)
	h.Sum(out[:0])
	return out
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
	for _, k := range v.keys {
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
