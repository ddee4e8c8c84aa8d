package auth

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// The rows, as a store keeps them:
//
//	table        key                   value
//	partner      PARTNER               Partner
//	client       PARTNER_N             Client
//	grant        PARTNER/COLLECTION    Grant
//	invitation   SHA-256 of its token  Invitation
//	token        its jti               RevokedToken
//	assertion    SHA-256 of its jti    UsedAssertion
const (
	partnerTable    = "partner"
	clientTable     = "client"
	grantTable      = "grant"
	invitationTable = "invitation"
	tokenTable      = "token"
	assertionTable  = "assertion"
)

// Record is a row of the registry as a store keeps it. A nil Value deletes the row.
type Record struct {
	Table, Key string
	Value      []byte // JSON
}

// Tables is auth's part of the registry. A published snapshot is immutable; Clone makes the next.
// The maps are for reading: Load and the changes write them, and keep the indexes in step.
type Tables struct {
	Partners    map[PartnerID]Partner
	Clients     map[ClientID]Client
	Grants      map[PartnerID]map[CollectionID]Grant
	Invitations map[string]Invitation    // by Hash
	Tokens      map[string]RevokedToken  // by ID
	Assertions  map[string]UsedAssertion // by Key

	secrets      map[secretRef]ClientID
	fingerprints map[string]ClientID // of certificates
	serials      map[string]ClientID // of certificates
}

// secretRef is what a secret is found by: the server key and the MAC under it.
type secretRef struct {
	key string
	mac [32]byte
}

// NewTables gives empty tables.
func NewTables() *Tables {
	return &Tables{
		Partners:     map[PartnerID]Partner{},
		Clients:      map[ClientID]Client{},
		Grants:       map[PartnerID]map[CollectionID]Grant{},
		Invitations:  map[string]Invitation{},
		Tokens:       map[string]RevokedToken{},
		Assertions:   map[string]UsedAssertion{},
		secrets:      map[secretRef]ClientID{},
		fingerprints: map[string]ClientID{},
		serials:      map[string]ClientID{},
	}
}

// Clone makes a copy that can be changed without touching t. What lies in the maps is shared, and
// never written: a change puts another value, with slices and a map of grants of its own.
func (t *Tables) Clone() *Tables {
	return &Tables{
		Partners:     maps.Clone(t.Partners),
		Clients:      maps.Clone(t.Clients),
		Grants:       maps.Clone(t.Grants),
		Invitations:  maps.Clone(t.Invitations),
		Tokens:       maps.Clone(t.Tokens),
		Assertions:   maps.Clone(t.Assertions),
		secrets:      maps.Clone(t.secrets),
		fingerprints: maps.Clone(t.fingerprints),
		serials:      maps.Clone(t.serials),
	}
}

// Load puts a stored row in place; ok is false for a table that is not auth's. An unreadable row is
// an error: a field that this version does not know could be one that takes a right away.
func (t *Tables) Load(r Record) (ok bool, err error) {
	switch r.Table {
	case partnerTable:
		err = t.loadPartner(r)
	case clientTable:
		err = t.loadClient(r)
	case grantTable:
		err = t.loadGrant(r)
	case invitationTable:
		err = t.loadInvitation(r)
	case tokenTable:
		err = t.loadToken(r)
	case assertionTable:
		err = t.loadAssertion(r)
	default:
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("reading %s %q: %w", r.Table, r.Key, err)
	}
	return true, nil
}

func (t *Tables) loadPartner(r Record) error {
	if r.Value == nil {
		delete(t.Partners, PartnerID(r.Key))
		return nil
	}
	var p Partner
	if err := decodeStrict(r.Value, &p); err != nil {
		return err
	}
	if string(p.ID) != r.Key || p.ID.Check() != nil || p.Role.check() != nil || p.State.check() != nil {
		return errors.New("id, role or state does not hold")
	}
	t.Partners[p.ID] = p
	return nil
}

func (t *Tables) loadClient(r Record) error {
	if r.Value == nil {
		t.unindex(ClientID(r.Key))
		delete(t.Clients, ClientID(r.Key))
		return nil
	}
	var c Client
	if err := decodeStrict(r.Value, &c); err != nil {
		return err
	}
	if string(c.ID) != r.Key || c.ID.Check() != nil || !strings.HasPrefix(string(c.ID), string(c.Partner)+"_") {
		return errors.New("id or partner does not hold")
	}
	for _, s := range c.Secrets {
		if err := s.check(); err != nil {
			return err
		}
	}
	if err := checkKeys(c.Keys); err != nil {
		return err
	}
	t.putClient(c)
	return nil
}

func (t *Tables) loadGrant(r Record) error {
	if r.Value == nil {
		p, c, _ := strings.Cut(r.Key, "/")
		t.dropGrant(PartnerID(p), CollectionID(c))
		return nil
	}
	var g Grant
	if err := decodeStrict(r.Value, &g); err != nil {
		return err
	}
	if g.key() != r.Key || g.Partner.Check() != nil || g.Collection.Check() != nil || g.Operation.Check() != nil {
		return errors.New("partner, operation or collection does not hold")
	}
	t.putGrant(g)
	return nil
}

func (t *Tables) loadInvitation(r Record) error {
	if r.Value == nil {
		delete(t.Invitations, r.Key)
		return nil
	}
	var v Invitation
	if err := decodeStrict(r.Value, &v); err != nil {
		return err
	}
	if v.Hash != r.Key || !hexOf(v.Hash, 64, 64) {
		return errors.New("hash does not hold")
	}
	t.Invitations[v.Hash] = v
	return nil
}

func (t *Tables) loadToken(r Record) error {
	if r.Value == nil {
		delete(t.Tokens, r.Key)
		return nil
	}
	var v RevokedToken
	if err := decodeStrict(r.Value, &v); err != nil {
		return err
	}
	if v.ID != r.Key || v.ID == "" || v.Client.Check() != nil {
		return errors.New("id or client does not hold")
	}
	t.Tokens[v.ID] = v
	return nil
}

func (t *Tables) loadAssertion(r Record) error {
	if r.Value == nil {
		delete(t.Assertions, r.Key)
		return nil
	}
	var v UsedAssertion
	if err := decodeStrict(r.Value, &v); err != nil {
		return err
	}
	if v.Key != r.Key || !hexOf(v.Key, 64, 64) || v.Client.Check() != nil {
		return errors.New("key or client does not hold")
	}
	t.Assertions[v.Key] = v
	return nil
}

// The put methods set a row with its indexes and give it as the store keeps it.

func (t *Tables) putPartner(p Partner) Record {
	t.Partners[p.ID] = p
	return row(partnerTable, string(p.ID), p)
}

func (t *Tables) putClient(c Client) Record {
	t.unindex(c.ID)
	if len(c.Secrets) == 0 { // as it will be read again
		c.Secrets = nil
	}
	if len(c.Keys) == 0 {
		c.Keys = nil
	}
	t.Clients[c.ID] = c
	for _, s := range c.Secrets {
		t.secrets[s.ref()] = c.ID
	}
	for _, s := range c.Certificates {
		t.fingerprints[s.Fingerprint] = c.ID
		t.serials[s.Serial] = c.ID
	}
	return row(clientTable, string(c.ID), c)
}

func (t *Tables) unindex(id ClientID) {
	for _, s := range t.Clients[id].Secrets {
		delete(t.secrets, s.ref())
	}
	for _, s := range t.Clients[id].Certificates {
		delete(t.fingerprints, s.Fingerprint)
		delete(t.serials, s.Serial)
	}
}

func (t *Tables) putGrant(g Grant) Record {
	grants := maps.Clone(t.Grants[g.Partner])
	if grants == nil {
		grants = map[CollectionID]Grant{}
	}
	grants[g.Collection] = g
	t.Grants[g.Partner] = grants
	return row(grantTable, g.key(), g)
}

func (t *Tables) dropGrant(p PartnerID, c CollectionID) {
	grants := maps.Clone(t.Grants[p])
	delete(grants, c)
	if len(grants) == 0 {
		delete(t.Grants, p)
		return
	}
	t.Grants[p] = grants
}

func (t *Tables) putInvitation(v Invitation) Record {
	t.Invitations[v.Hash] = v
	return row(invitationTable, v.Hash, v)
}

func (t *Tables) putToken(v RevokedToken) Record {
	t.Tokens[v.ID] = v
	return row(tokenTable, v.ID, v)
}

func (t *Tables) dropToken(id string) Record {
	delete(t.Tokens, id)
	return Record{Table: tokenTable, Key: id}
}

func (g Grant) key() string { return string(g.Partner) + "/" + string(g.Collection) }

func row(table, key string, v any) Record {
	b, err := json.Marshal(v)
	if err != nil { // strings, numbers and times of this century
		panic(fmt.Sprintf("auth: row of %s: %v", table, err))
	}
	return Record{Table: table, Key: key, Value: b}
}

// decodeStrict refuses unknown members and anything after the value.
func decodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

// Principal gives the principal for a client; ErrUnauthenticated unless the client and its partner
// are live.
func (t *Tables) Principal(id ClientID, m Method) (Principal, error) {
	c, ok := t.Clients[id]
	if !ok {
		return Principal{}, fmt.Errorf("%w: no client %q", ErrUnauthenticated, id)
	}
	p, ok := t.Partners[c.Partner]
	if !ok {
		return Principal{}, fmt.Errorf("%w: no partner %q", ErrUnauthenticated, c.Partner)
	}
	q := Principal{
		Partner: p.ID, Client: c.ID, Role: p.Role, Clearance: p.Clearance, Default: p.DefaultMarking, Onward: p.Onward || c.Onward,
		Method: m, PartnerEpoch: p.Epoch, ClientEpoch: c.Epoch, Scope: FullScope,
	}
	if err := t.Still(q); err != nil {
		return Principal{}, err
	}
	return q, nil
}

// LocalOperator is the operator on the machine, known by the user id of the process that connected.
func LocalOperator(uid int) Principal {
	return Principal{Role: Operator, Method: ByPeer, Scope: FullScope, UID: uid, Address: "local"}
}

// Still reports whether a principal is still what it was when its request was admitted: partner
// active, client live, epochs unchanged, token not revoked. The error is ErrUnauthenticated and says why. The operator
// on the machine always is: the operating system admitted it.
func (t *Tables) Still(p Principal) error {
	if p.Method == ByPeer {
		return nil
	}
	partner, ok := t.Partners[p.Partner]
	if !ok {
		return fmt.Errorf("%w: no partner %q", ErrUnauthenticated, p.Partner)
	}
	c, ok := t.Clients[p.Client]
	switch {
	case !ok || c.Partner != p.Partner:
		return fmt.Errorf("%w: no client %q", ErrUnauthenticated, p.Client)
	case partner.State != Active:
		return fmt.Errorf("%w: partner %q is %s", ErrUnauthenticated, p.Partner, partner.State)
	case !c.Revoked.IsZero():
		return fmt.Errorf("%w: client %q is revoked", ErrUnauthenticated, p.Client)
	case partner.Epoch != p.PartnerEpoch:
		return fmt.Errorf("%w: from before partner %q was suspended or restored", ErrUnauthenticated, p.Partner)
	case c.Epoch != p.ClientEpoch:
		return fmt.Errorf("%w: from before a credential of %q was revoked", ErrUnauthenticated, p.Client)
	}
	if r, ok := t.Tokens[p.Token]; ok && r.Client == p.Client {
		return fmt.Errorf("%w: token %.64q is revoked", ErrUnauthenticated, p.Token)
	}
	return nil
}

// Rights gives a partner's rights on a collection; granted is false when there is no grant.
func (t *Tables) Rights(p PartnerID, c CollectionID) (r Rights, granted bool) {
	g, ok := t.Grants[p][c]
	return g.Rights, ok
}

// NextClient gives the id that the partner's next client will have.
func (t *Tables) NextClient(p PartnerID) ClientID {
	return clientID(p, t.Partners[p].Clients+1)
}

// Certificate finds a client's certificate that was issued, is not revoked and has not expired, of a
// client and partner that are live. The error is ErrUnauthenticated and says what does not hold.
//
// The client named in the certificate, its serial number and its fingerprint must all be those of
// the row: a certificate that this gateway's authority signed but its registry does not know (issued
// by a thief of the key, or lost in a restore) opens nothing.
func (t *Tables) Certificate(s Shown, now time.Time) (Certificate, error) {
	if t.fingerprints[s.Fingerprint] != s.Client || s.Client == "" {
		return Certificate{}, fmt.Errorf("%w: certificate %s is not known for client %q", ErrUnauthenticated, s.Serial, s.Client)
	}
	c := t.Clients[s.Client]
	i := slices.IndexFunc(c.Certificates, func(k Certificate) bool { return k.Fingerprint == s.Fingerprint })
	k := c.Certificates[i]
	switch {
	case c.Partner != s.Partner || k.Serial != s.Serial:
		return Certificate{}, fmt.Errorf("%w: certificate %s names another partner or serial", ErrUnauthenticated, s.Serial)
	case k.gone(now):
		return Certificate{}, fmt.Errorf("%w: certificate %s is revoked or superseded", ErrUnauthenticated, s.Serial)
	case !now.Before(k.NotAfter):
		return Certificate{}, fmt.Errorf("%w: certificate %s has expired", ErrUnauthenticated, s.Serial)
	}
	return k, nil
}

// Gone reports since when a certificate opens nothing any more, although it has not expired: it was
// revoked, or another took its place a while ago. Zero: it opens its doors.
func (c Certificate) Gone(now time.Time) time.Time {
	if c.Revoked.IsZero() && !c.Superseded.IsZero() && !now.Before(c.Superseded) {
		return c.Superseded
	}
	return c.Revoked
}

func (c Certificate) gone(now time.Time) bool { return !c.Gone(now).IsZero() }

// RevokedCertificates lists what a revocation list must hold: gone and not yet expired, by serial.
func (t *Tables) RevokedCertificates(now time.Time) []Certificate {
	var out []Certificate
	for _, c := range t.Clients {
		for _, k := range c.Certificates {
			if k.gone(now) && now.Before(k.NotAfter) {
				out = append(out, k)
			}
		}
	}
	slices.SortFunc(out, func(a, b Certificate) int { return strings.Compare(a.Serial, b.Serial) })
	return out
}

// ref is what the secret is found by; its MAC was checked when the row came in.
func (s Secret) ref() secretRef {
	r := secretRef{key: s.Key}
	hex.Decode(r.mac[:], []byte(s.MAC))
	return r
}
