package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"
)

// Bounds of an invitation's life.
const (
	MinInvitation = time.Minute
	MaxInvitation = 7 * 24 * time.Hour
)

// The changes of joining.
type (
	// Invite lets a partner that is active join once more. Invitations of it that ran out unused go.
	Invite struct {
		Partner PartnerID
		Token   string        // as NewInvitation made it; only its hash is kept
		TTL     time.Duration // MinInvitation to MaxInvitation
	}
	// Join uses an invitation up and makes a client of it. A zero Secret or a zero Certificate is
	// none; one of them there must be.
	Join struct {
		Token       string
		Client      ClientID // as Invitation told
		Secret      Secret
		Certificate Certificate
		Keys        []PublicKey // as ParseKeys gave them; may be none
	}
)

// NewInvitation makes a token of 256 random bits, URL-safe.
func NewInvitation() string { return randomText() }

func randomText() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Invitation looks an unused, unexpired invitation up by its token and gives the client that joining
// with it will make; ErrNotFound for all others alike. It rests while its partner is suspended.
//
// It is looked up by the token's hash, so that how long the comparison takes tells nothing of a
// token: nobody can choose where hashes begin to differ.
func (t *Tables) Invitation(token string, now time.Time) (Invitation, ClientID, error) {
	v, ok := t.Invitations[hashOf(token)]
	if !ok || !v.Used.IsZero() || !now.Before(v.Expires) || t.Partners[v.Partner].State != Active {
		return Invitation{}, "", fmt.Errorf("%w: invitation: it was used, ran out or never was: ask the operator for a new one", ErrNotFound)
	}
	return v, t.NextClient(v.Partner), nil
}

func hashOf(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// label is what the journal knows an invitation by; the token cannot be had from it.
func (v Invitation) label() string { return v.Hash[:16] }

// Apply makes the invitation.
func (c Invite) Apply(t *Tables, now time.Time) (Effect, error) {
	p, err := t.partner(c.Partner)
	if err != nil {
		return Effect{}, err
	}
	if p.State != Active {
		return Effect{}, fmt.Errorf("%w: partner %q is suspended: \"liaison partner resume %s\" first", ErrConflict, p.ID, p.ID)
	}
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(c.Token); err != nil || len(raw) != 32 {
		return Effect{}, fmt.Errorf("%w: invitation's token: want 256 random bits in base64url", ErrInvalid)
	}
	if c.TTL < MinInvitation || c.TTL > MaxInvitation {
		return Effect{}, fmt.Errorf("%w: ttl %s: want %s to %s", ErrInvalid, c.TTL, MinInvitation, MaxInvitation)
	}
	v := Invitation{Hash: hashOf(c.Token), Partner: p.ID, Created: micro(now), Expires: micro(now.Add(c.TTL))}
	if _, ok := t.Invitations[v.Hash]; ok {
		return Effect{}, fmt.Errorf("%w: invitation %s: make a new token", ErrExists, v.label())
	}
	var records []Record
	for _, h := range sortedKeys(t.Invitations) {
		if old := t.Invitations[h]; old.Partner == p.ID && old.Used.IsZero() && !now.Before(old.Expires) {
			delete(t.Invitations, h)
			records = append(records, Record{Table: invitationTable, Key: h})
		}
	}
	return Effect{append(records, t.putInvitation(v)), "partner.invite", struct {
		Partner    PartnerID `json:"partner"`
		Invitation string    `json:"invitation"`
		Expires    string    `json:"expires"`
	}{p.ID, v.label(), v.Expires.Format(stampLayout)}}, nil
}

// Apply makes the client.
func (c Join) Apply(t *Tables, now time.Time) (Effect, error) {
	v, next, err := t.Invitation(c.Token, now)
	if err != nil {
		return Effect{}, err
	}
	if c.Client != next {
		return Effect{}, fmt.Errorf("%w: client %q: the next one is %q: join again", ErrConflict, c.Client, next)
	}
	k := Client{ID: next, Partner: v.Partner, Epoch: 1, Created: micro(now)}
	what := struct {
		Partner     PartnerID `json:"partner"`
		Client      ClientID  `json:"client"`
		Invitation  string    `json:"invitation"`
		Secret      string    `json:"secret,omitempty"`      // its id
		Serial      string    `json:"serial,omitempty"`      // of the certificate
		Fingerprint string    `json:"fingerprint,omitempty"` // of the certificate
		NotAfter    string    `json:"not_after,omitempty"`
		Keys        []string  `json:"keys,omitempty"` // their ids
	}{Partner: k.Partner, Client: k.ID, Invitation: v.label()}
	if c.Secret == (Secret{}) && c.Certificate == (Certificate{}) {
		return Effect{}, fmt.Errorf("%w: joining: want a secret or a certificate", ErrInvalid)
	}
	if c.Secret != (Secret{}) {
		if err := t.newSecret(c.Secret, now); err != nil {
			return Effect{}, err
		}
		k.Secrets = []Secret{c.Secret}
		what.Secret = c.Secret.ID
	}
	if c.Certificate != (Certificate{}) {
		if err := t.newCertificate(c.Certificate, now); err != nil {
			return Effect{}, err
		}
		k.Certificates = []Certificate{c.Certificate}
		what.Serial, what.Fingerprint = c.Certificate.Serial, c.Certificate.Fingerprint
		what.NotAfter = c.Certificate.NotAfter.UTC().Format(stampLayout)
	}
	if err := checkKeys(c.Keys); err != nil {
		return Effect{}, err
	}
	for _, key := range c.Keys {
		k.Keys = append(k.Keys, key)
		what.Keys = append(what.Keys, key.ID)
	}
	p := t.Partners[v.Partner]
	p.Clients++
	v.Used, v.Client = micro(now), k.ID
	return Effect{[]Record{t.putPartner(p), t.putClient(k), t.putInvitation(v)}, "client.join", what}, nil
}
