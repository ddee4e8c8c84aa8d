package auth

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Bounds of a client's credentials.
const (
	MaxSecrets      = 2                  // live at the same time
	MaxCertificates = 16                 // neither expired nor revoked
	MaxOverlap      = 7 * 24 * time.Hour // for which a rotated secret may live on
	RenewOverlap    = 7 * 24 * time.Hour // for which a renewed certificate lives on
)

// The changes to clients.
type (
	// AddSecret rotates: the older live secret gets until Overlap (0 to MaxOverlap) from now, a third
	// goes at once. Tokens live on.
	AddSecret struct {
		Client  ClientID
		Secret  Secret
		Overlap time.Duration
	}
	AddCertificate struct {
		Client      ClientID
		Certificate Certificate
	}
	// RenewCertificate adds a certificate in the place of the one with the serial number Old, which
	// lives on for RenewOverlap.
	RenewCertificate struct {
		Client      ClientID
		Old         string
		Certificate Certificate
	}
	// SetClient marks a client of an agency as one that feeds others, or as one that does not.
	SetClient struct {
		ID     ClientID
		Onward bool
	}
	RevokeClient struct{ ID ClientID } // all of its credentials, for good
	// RevokeSecret and RevokeCertificate raise the client's epoch: what a thief got with the
	// credential dies with it.
	RevokeSecret struct {
		Client ClientID
		ID     string
	}
	RevokeCertificate struct {
		Client ClientID
		Serial string
	}
)

// ofClient is what the journal says of a client's credentials.
type ofClient struct {
	Partner      PartnerID        `json:"partner"`
	Client       ClientID         `json:"client"`
	Secrets      []string         `json:"secrets,omitempty"`      // ids of secrets that are gone
	Certificates []string         `json:"certificates,omitempty"` // serials that are revoked
	Keys         []string         `json:"keys,omitempty"`         // ids of keys that are gone
	Epoch        *changed[uint64] `json:"epoch,omitempty"`
}

// Apply adds the secret.
func (c AddSecret) Apply(t *Tables, now time.Time) (Effect, error) {
	k, err := t.liveClient(c.Client)
	if err != nil {
		return Effect{}, err
	}
	if c.Overlap < 0 || c.Overlap > MaxOverlap {
		return Effect{}, fmt.Errorf("%w: overlap %s: want 0 to %s", ErrInvalid, c.Overlap, MaxOverlap)
	}
	if err := t.newSecret(c.Secret, now); err != nil {
		return Effect{}, err
	}
	what := struct {
		ofClient
		Secret string `json:"secret"` // the new one's id
		Old    string `json:"old,omitempty"`
		Until  string `json:"until,omitempty"` // how long the old one lives on
	}{ofClient: ofClient{Partner: k.Partner, Client: k.ID}, Secret: c.Secret.ID}

	newest := -1 // of those that hold
	for i, s := range k.Secrets {
		if !s.Expired(now) {
			newest = i
		}
	}
	var kept []Secret
	for i, s := range k.Secrets {
		if i != newest || c.Overlap == 0 {
			what.Secrets = append(what.Secrets, s.ID)
			continue
		}
		until := micro(now.Add(c.Overlap))
		if s.Expires.IsZero() || until.Before(s.Expires) {
			s.Expires = until
		}
		what.Old, what.Until = s.ID, s.Expires.Format(stampLayout)
		kept = append(kept, s)
	}
	k.Secrets = append(kept, c.Secret)
	return Effect{[]Record{t.putClient(k)}, "client.rotate", what}, nil
}

// Apply adds the certificate.
func (c AddCertificate) Apply(t *Tables, now time.Time) (Effect, error) {
	k, err := t.liveClient(c.Client)
	if err != nil {
		return Effect{}, err
	}
	if err := t.addCertificate(&k, c.Certificate, now); err != nil {
		return Effect{}, err
	}
	return Effect{[]Record{t.putClient(k)}, "certificate.add", struct {
		Partner     PartnerID `json:"partner"`
		Client      ClientID  `json:"client"`
		Serial      string    `json:"serial"`
		Fingerprint string    `json:"fingerprint"`
		NotAfter    string    `json:"not_after"`
	}{k.Partner, k.ID, c.Certificate.Serial, c.Certificate.Fingerprint, c.Certificate.NotAfter.UTC().Format(stampLayout)}}, nil
}

// addCertificate gives the client another certificate. Rows of certificates that have expired go:
// nothing can come of them.
func (t *Tables) addCertificate(k *Client, c Certificate, now time.Time) error {
	if err := t.newCertificate(c, now); err != nil {
		return err
	}
	k.Certificates = slices.DeleteFunc(k.Certificates, func(s Certificate) bool { return !now.Before(s.NotAfter) })
	live := 0
	for _, s := range k.Certificates {
		if !s.gone(now) {
			live++
		}
	}
	if live >= MaxCertificates {
		return fmt.Errorf("%w: client %q has %d certificates already: revoke one first", ErrConflict, k.ID, live)
	}
	k.Certificates = append(k.Certificates, c)
	return nil
}

// Apply renews the certificate.
func (c RenewCertificate) Apply(t *Tables, now time.Time) (Effect, error) {
	k, err := t.liveClient(c.Client)
	if err != nil {
		return Effect{}, err
	}
	i := slices.IndexFunc(k.Certificates, func(s Certificate) bool { return s.Serial == c.Old })
	if i < 0 || k.Certificates[i].gone(now) || !now.Before(k.Certificates[i].NotAfter) {
		return Effect{}, fmt.Errorf("%w: certificate %.40q of client %q does not hold any more: ask the operator for an invitation", ErrConflict, c.Old, k.ID)
	}
	if end := micro(now.Add(RenewOverlap)); k.Certificates[i].Superseded.IsZero() {
		k.Certificates[i].Superseded = end
	}
	until := k.Certificates[i].Superseded
	if err := t.addCertificate(&k, c.Certificate, now); err != nil {
		return Effect{}, err
	}
	return Effect{[]Record{t.putClient(k)}, "certificate.renew", struct {
		Partner     PartnerID `json:"partner"`
		Client      ClientID  `json:"client"`
		Old         string    `json:"old"`   // serial
		Until       string    `json:"until"` // how long the old one lives on
		Serial      string    `json:"serial"`
		Fingerprint string    `json:"fingerprint"`
		NotAfter    string    `json:"not_after"`
	}{k.Partner, k.ID, c.Old, until.Format(stampLayout), c.Certificate.Serial, c.Certificate.Fingerprint,
		c.Certificate.NotAfter.UTC().Format(stampLayout)}}, nil
}

// Apply marks the client.
func (c SetClient) Apply(t *Tables, _ time.Time) (Effect, error) {
	k, err := t.client(c.ID)
	if err != nil {
		return Effect{}, err
	}
	if c.Onward && t.Partners[k.Partner].Role != Agency {
		return Effect{}, fmt.Errorf("%w: onward: only agencies read what others published: leave it out", ErrInvalid)
	}
	was := k.Onward
	k.Onward = c.Onward
	return Effect{[]Record{t.putClient(k)}, "client.set", struct {
		Partner PartnerID     `json:"partner"`
		Client  ClientID      `json:"client"`
		Onward  changed[bool] `json:"onward"`
	}{k.Partner, k.ID, changed[bool]{was, c.Onward}}}, nil
}

// Apply revokes the client with all it has.
func (c RevokeClient) Apply(t *Tables, now time.Time) (Effect, error) {
	k, err := t.client(c.ID)
	if err != nil {
		return Effect{}, err
	}
	gone := k.revoke(now)
	if !gone.did {
		return Effect{}, fmt.Errorf("%w: client %q is revoked already", ErrConflict, c.ID)
	}
	return Effect{[]Record{t.putClient(k)}, "client.revoke", gone.ofClient}, nil
}

// Apply revokes one secret.
func (c RevokeSecret) Apply(t *Tables, _ time.Time) (Effect, error) {
	k, err := t.client(c.Client)
	if err != nil {
		return Effect{}, err
	}
	i := slices.IndexFunc(k.Secrets, func(s Secret) bool { return s.ID == c.ID })
	if i < 0 {
		return Effect{}, fmt.Errorf("%w: secret %q of client %q: \"liaison client list %s\" shows them", ErrNotFound, c.ID, k.ID, k.Partner)
	}
	k.Secrets = slices.Delete(k.Secrets, i, i+1)
	k.Epoch++
	return Effect{[]Record{t.putClient(k)}, "secret.revoke", ofClient{
		Partner: k.Partner, Client: k.ID, Secrets: []string{c.ID}, Epoch: &changed[uint64]{k.Epoch - 1, k.Epoch},
	}}, nil
}

// Apply revokes one certificate.
func (c RevokeCertificate) Apply(t *Tables, now time.Time) (Effect, error) {
	k, err := t.client(c.Client)
	if err != nil {
		return Effect{}, err
	}
	i := slices.IndexFunc(k.Certificates, func(s Certificate) bool { return s.Serial == c.Serial })
	if i < 0 {
		return Effect{}, fmt.Errorf("%w: certificate %q of client %q: \"liaison client list %s\" shows them", ErrNotFound, c.Serial, k.ID, k.Partner)
	}
	if !k.Certificates[i].Revoked.IsZero() {
		return Effect{}, fmt.Errorf("%w: certificate %q is revoked already", ErrConflict, c.Serial)
	}
	k.Certificates[i].Revoked = micro(now)
	k.Epoch++
	return Effect{[]Record{t.putClient(k)}, "certificate.revoke", ofClient{
		Partner: k.Partner, Client: k.ID, Certificates: []string{c.Serial}, Epoch: &changed[uint64]{k.Epoch - 1, k.Epoch},
	}}, nil
}

// client finds a client for changing: its slices are its own.
func (t *Tables) client(id ClientID) (Client, error) {
	c, ok := t.Clients[id]
	if !ok {
		return c, fmt.Errorf("%w: client %q: \"liaison client list PARTNER\" shows a partner's", ErrNotFound, id)
	}
	return c.own(), nil
}

// own gives the client with slices of its own.
func (c Client) own() Client {
	c.Secrets, c.Certificates, c.Keys = slices.Clone(c.Secrets), slices.Clone(c.Certificates), slices.Clone(c.Keys)
	return c
}

// liveClient finds one that may get another credential.
func (t *Tables) liveClient(id ClientID) (Client, error) {
	c, err := t.client(id)
	if err != nil {
		return c, err
	}
	if !c.Revoked.IsZero() {
		return c, fmt.Errorf("%w: client %q is revoked for good: invite the partner again for another", ErrConflict, id)
	}
	if p := t.Partners[c.Partner]; p.State != Active {
		return c, fmt.Errorf("%w: partner %q is %s: \"liaison partner resume\" ends a suspension", ErrConflict, p.ID, p.State)
	}
	return c, nil
}

type revocation struct {
	ofClient
	did bool
}

// revoke takes a client's credentials away for good; its slices must be its own.
func (c *Client) revoke(now time.Time) revocation {
	r := revocation{ofClient: ofClient{Partner: c.Partner, Client: c.ID}}
	if !c.Revoked.IsZero() {
		return r
	}
	r.did = true
	c.Revoked = micro(now)
	c.Epoch++
	r.Epoch = &changed[uint64]{c.Epoch - 1, c.Epoch}
	for _, s := range c.Secrets {
		r.Secrets = append(r.Secrets, s.ID)
	}
	c.Secrets = nil
	for _, k := range c.Keys {
		r.Keys = append(r.Keys, k.ID)
	}
	c.Keys = nil
	for i, s := range c.Certificates {
		if s.Revoked.IsZero() {
			c.Certificates[i].Revoked = micro(now)
			r.Certificates = append(r.Certificates, s.Serial)
		}
	}
	return r
}

// newSecret checks a secret's row that is to be added.
func (t *Tables) newSecret(s Secret, now time.Time) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.Expired(now) {
		return fmt.Errorf("%w: secret %q has expired: make a new one", ErrInvalid, s.ID)
	}
	if _, ok := t.secrets[s.ref()]; ok {
		return fmt.Errorf("%w: secret %q: make a new one", ErrExists, s.ID)
	}
	return nil
}

// newCertificate checks a certificate's row that is to be added.
func (t *Tables) newCertificate(c Certificate, now time.Time) error {
	switch {
	case !hexOf(c.Serial, 1, 40): // RFC 5280 section 4.1.2.2: at most 20 octets
		return fmt.Errorf("%w: certificate's serial %q: want 1 to 40 lower-case hexadecimal digits", ErrInvalid, c.Serial)
	case !hexOf(c.Fingerprint, 64, 64):
		return fmt.Errorf("%w: certificate's fingerprint: want 64 lower-case hexadecimal digits", ErrInvalid)
	case !c.Revoked.IsZero() || !c.Superseded.IsZero() || !now.Before(c.NotAfter):
		return fmt.Errorf("%w: certificate %s is revoked or has expired: issue a new one", ErrInvalid, c.Serial)
	}
	_, a := t.fingerprints[c.Fingerprint]
	_, b := t.serials[c.Serial]
	if a || b {
		return fmt.Errorf("%w: certificate %s: issue a new one", ErrExists, c.Serial)
	}
	return nil
}

// Expired reports whether the secret does not hold any more.
func (s Secret) Expired(now time.Time) bool { return !s.Expires.IsZero() && !now.Before(s.Expires) }

func (s Secret) check() error {
	if s.ID == "" || len(s.ID) > 64 || s.Key == "" || !hexOf(s.MAC, hex.EncodedLen(32), hex.EncodedLen(32)) {
		return fmt.Errorf("%w: secret's row: want an id, a server key's id and a MAC of 64 lower-case hexadecimal digits", ErrInvalid)
	}
	return nil
}

func clientID(p PartnerID, n int) ClientID { return ClientID(string(p) + "_" + strconv.Itoa(n)) }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
