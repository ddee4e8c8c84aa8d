package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Bounds of an invitation's life.
const (
	MinInvitation = time.Minute
	MaxInvitation = 7 * 24 * time.Hour
	RejoinWithin  = 10 * time.Minute // in which who joined may ask for the answer again
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
		Key         string      // of the certificate: hex SHA-256 of its SPKI; "" when it may not ask again
	}
	// Rejoin gives a client whose answer was lost another secret and another certificate in the place
	// of the first ones: for the same keys, within RejoinWithin, and as long as nothing else happened
	// to the client.
	Rejoin struct{ Join }
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

// Rejoining gives the client that came of an invitation and may ask for the answer again; ErrNotFound,
// the same as Invitation's, for all others.
func (t *Tables) Rejoining(token string, now time.Time) (Invitation, Client, error) {
	none := func() (Invitation, Client, error) {
		_, _, err := t.Invitation("", now)
		return Invitation{}, Client{}, err
	}
	v, ok := t.Invitations[hashOf(token)]
	if !ok || v.Used.IsZero() || v.Key == "" || !now.Before(v.Expires) || !now.Before(v.Used.Add(RejoinWithin)) {
		return none()
	}
	k, live := t.Clients[v.Client], 0
	for _, c := range k.Certificates {
		if !c.gone(now) {
			live++
		}
	}
	// A credential that was rotated, renewed or revoked does not come back by this way.
	if t.Partners[v.Partner].State != Active || !k.Revoked.IsZero() || live != 1 || len(k.Secrets) != 1 || k.Secrets[0].ID != v.Secret {
		return none()
	}
	return v, k, nil
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
	if c.Key != "" && !hexOf(c.Key, 64, 64) {
		return Effect{}, fmt.Errorf("%w: joining: key: want a SHA-256 of 64 lower-case hexadecimal digits", ErrInvalid)
	}
	p := t.Partners[v.Partner]
	p.Clients++
	v.Used, v.Client, v.Key, v.Secret = micro(now), k.ID, c.Key, c.Secret.ID
	return Effect{[]Record{t.putPartner(p), t.putClient(k), t.putInvitation(v)}, "client.join", what}, nil
}

// Apply replaces what the client was given. Its epoch is raised: if somebody had the first answer after
// all, it opens nothing.
func (c Rejoin) Apply(t *Tables, now time.Time) (Effect, error) {
	v, k, err := t.Rejoining(c.Token, now)
	if err != nil {
		return Effect{}, err
	}
	sameKey := func(a, b PublicKey) bool { return a.ID == b.ID }
	if c.Key != v.Key || c.Client != k.ID || !slices.EqualFunc(c.Keys, k.Keys, sameKey) {
		_, _, err := t.Invitation("", now)
		return Effect{}, err
	}
	if err := t.newSecret(c.Secret, now); err != nil {
		return Effect{}, err
	}
	k = k.own()
	what := struct {
		ofClient
		Invitation  string `json:"invitation"`
		Secret      string `json:"secret"`      // the new one's id
		Serial      string `json:"serial"`      // of the new certificate
		Fingerprint string `json:"fingerprint"` // of the new certificate
		NotAfter    string `json:"not_after"`
	}{
		ofClient:   ofClient{Partner: k.Partner, Client: k.ID, Secrets: []string{v.Secret}, Epoch: &changed[uint64]{k.Epoch, k.Epoch + 1}},
		Invitation: v.label(), Secret: c.Secret.ID, Serial: c.Certificate.Serial, Fingerprint: c.Certificate.Fingerprint,
		NotAfter: c.Certificate.NotAfter.UTC().Format(stampLayout),
	}
	for i, old := range k.Certificates {
		if old.Revoked.IsZero() {
			k.Certificates[i].Revoked = micro(now)
			what.Certificates = append(what.Certificates, old.Serial)
		}
	}
	if err := t.addCertificate(&k, c.Certificate, now); err != nil {
		return Effect{}, err
	}
	k.Epoch++
	k.Secrets = []Secret{c.Secret}
	v.Secret = c.Secret.ID
	return Effect{[]Record{t.putClient(k), t.putInvitation(v)}, "client.rejoin", what}, nil
}
