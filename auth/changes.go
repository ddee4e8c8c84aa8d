package auth

import (
	"fmt"
	"net/netip"
	"time"

	"liaison/stix"
)

// Effect is what a change does: rows and what the journal says of it. What marshals to an object
// without any secret, MAC or token.
type Effect struct {
	Records []Record
	Kind    string
	What    any
}

// A Change is one act of administration. Apply checks it against t and changes t; its errors are of
// the kinds ErrExists, ErrNotFound, ErrInvalid, ErrConflict and name the field and the rule. A change
// that is refused leaves t as it was.
type Change interface {
	Apply(t *Tables, now time.Time) (Effect, error)
}

// The changes to partners and grants.
type (
	// CreatePartner adds a partner that is active and has neither grant nor client.
	CreatePartner struct {
		ID             PartnerID
		Role           Role
		Name           string     // 1 to 200 characters, none of them control characters
		Clearance      stix.Level // Unmarked: AmberStrict for agencies, none for the others
		DefaultMarking stix.Level // vendors and agencies; Clear to AmberStrict
	}
	// SetPartner changes what is given; nil fields stay.
	SetPartner struct {
		ID             PartnerID
		Name           *string
		Clearance      *stix.Level
		DefaultMarking *stix.Level // Unmarked takes it away

		RequireCertificate *bool
		Networks           *[]netip.Prefix // empty takes them away, at most MaxNetworks
		Agreement          *Agreement      // the zero value takes it away
		RequireAgreement   *bool
		Compatibility      *[]Compatibility // empty takes them away

		SetPublishing
	}
	SuspendPartner struct{ ID PartnerID } // epoch + 1: tokens die, secrets and certificates rest
	ResumePartner  struct{ ID PartnerID }
	RemovePartner  struct{ ID PartnerID } // final: clients revoked, secrets gone, certificates revoked, grants and invitations gone
	ResyncPartner  struct{ ID PartnerID }
	SetGrant       struct{ Grant } // vendors and agencies only
	DropGrant      struct {
		Partner    PartnerID
		Collection CollectionID
	}
	RaiseEpochs struct{} // every partner's, and the end of invitations that are not used: after a restore
)

// changed is how the journal writes a value that was replaced.
type changed[T any] struct {
	Before T `json:"before"`
	After  T `json:"after"`
}

// ofPartner is what the journal says of changes that a partner's id tells.
type ofPartner struct {
	Partner PartnerID        `json:"partner"`
	State   *changed[State]  `json:"state,omitempty"`
	Epoch   *changed[uint64] `json:"epoch,omitempty"`
}

// Apply makes the partner.
func (c CreatePartner) Apply(t *Tables, now time.Time) (Effect, error) {
	if err := c.ID.Check(); err != nil {
		return Effect{}, err
	}
	if old, ok := t.Partners[c.ID]; ok {
		if old.State == Removed {
			return Effect{}, fmt.Errorf("%w: partner %q was removed, and ids are never used again: choose another", ErrExists, c.ID)
		}
		return Effect{}, fmt.Errorf("%w: partner %q: choose another id, or change it with \"liaison partner set %s\"", ErrExists, c.ID, c.ID)
	}
	if err := c.Role.check(); err != nil {
		return Effect{}, err
	}
	if err := checkName(c.Name); err != nil {
		return Effect{}, err
	}
	if c.Role == Agency && c.Clearance == stix.Unmarked {
		c.Clearance = stix.AmberStrict
	}
	if err := c.Role.checkClearance(c.Clearance); err != nil {
		return Effect{}, err
	}
	if err := c.Role.checkDefault(c.DefaultMarking); err != nil {
		return Effect{}, err
	}
	p := Partner{
		ID: c.ID, Role: c.Role, Name: c.Name, Clearance: c.Clearance, DefaultMarking: c.DefaultMarking,
		State: Active, Epoch: 1, Created: micro(now), Publishing: Publishing{Identity: newIdentity()},
	}
	return Effect{[]Record{t.putPartner(p)}, "partner.create", struct {
		Partner        PartnerID  `json:"partner"`
		Role           Role       `json:"role"`
		Name           string     `json:"name"`
		Clearance      stix.Level `json:"clearance,omitzero"`
		DefaultMarking stix.Level `json:"default_marking,omitzero"`
		Identity       stix.ID    `json:"identity"`
	}{p.ID, p.Role, p.Name, p.Clearance, p.DefaultMarking, p.Identity}}, nil
}

// Apply changes the partner.
func (c SetPartner) Apply(t *Tables, _ time.Time) (Effect, error) {
	p, err := t.partner(c.ID)
	if err != nil {
		return Effect{}, err
	}
	what := struct {
		Partner        PartnerID            `json:"partner"`
		Name           *changed[string]     `json:"name,omitempty"`
		Clearance      *changed[stix.Level] `json:"clearance,omitempty"`
		DefaultMarking *changed[stix.Level] `json:"default_marking,omitempty"`
		Require        *changed[bool]       `json:"require_certificate,omitempty"`

		Networks      *changed[[]netip.Prefix]  `json:"networks,omitempty"`
		Agreement     *changed[*Agreement]      `json:"agreement,omitempty"` // null: none
		Required      *changed[bool]            `json:"require_agreement,omitempty"`
		Compatibility *changed[[]Compatibility] `json:"compatibility,omitempty"`
		publishingChanged
	}{Partner: p.ID}
	if c.Name != nil {
		if err := checkName(*c.Name); err != nil {
			return Effect{}, err
		}
		what.Name = &changed[string]{p.Name, *c.Name}
		p.Name = *c.Name
	}
	if c.Clearance != nil {
		if err := p.Role.checkClearance(*c.Clearance); err != nil {
			return Effect{}, err
		}
		what.Clearance = &changed[stix.Level]{p.Clearance, *c.Clearance}
		p.Clearance = *c.Clearance
	}
	if c.DefaultMarking != nil {
		if err := p.Role.checkDefault(*c.DefaultMarking); err != nil {
			return Effect{}, err
		}
		what.DefaultMarking = &changed[stix.Level]{p.DefaultMarking, *c.DefaultMarking}
		p.DefaultMarking = *c.DefaultMarking
	}
	if c.RequireCertificate != nil {
		what.Require = &changed[bool]{p.RequireCertificate, *c.RequireCertificate}
		p.RequireCertificate = *c.RequireCertificate
	}
	if c.Networks != nil {
		list, err := cleanNetworks(*c.Networks)
		if err != nil {
			return Effect{}, err
		}
		what.Networks = &changed[[]netip.Prefix]{p.Networks, list}
		p.Networks = list
	}
	if c.Agreement != nil {
		if err := c.Agreement.check(); err != nil {
			return Effect{}, err
		}
		a := Agreement{Reference: c.Agreement.Reference, Until: micro(c.Agreement.Until)}
		if *c.Agreement == (Agreement{}) {
			a = Agreement{}
		}
		what.Agreement = &changed[*Agreement]{p.Agreement.orNil(), a.orNil()}
		p.Agreement = a
	}
	if c.RequireAgreement != nil {
		what.Required = &changed[bool]{p.RequireAgreement, *c.RequireAgreement}
		p.RequireAgreement = *c.RequireAgreement
	}
	if c.Compatibility != nil {
		list, err := cleanCompatibility(*c.Compatibility)
		if err != nil {
			return Effect{}, err
		}
		what.Compatibility = &changed[[]Compatibility]{p.Compatibility, list}
		p.Compatibility = list
	}
	if what.publishingChanged, err = c.SetPublishing.apply(&p); err != nil {
		return Effect{}, err
	}
	if c.nothing() {
		return Effect{}, fmt.Errorf("%w: partner %q: nothing to set: give a name, a clearance or a default marking", ErrInvalid, c.ID)
	}
	return Effect{[]Record{t.putPartner(p)}, "partner.set", what}, nil
}

func (c SetPartner) nothing() bool {
	return c == SetPartner{ID: c.ID}
}

// Apply suspends the partner.
func (c SuspendPartner) Apply(t *Tables, _ time.Time) (Effect, error) {
	p, err := t.partner(c.ID)
	if err != nil {
		return Effect{}, err
	}
	if p.State != Active {
		return Effect{}, fmt.Errorf("%w: partner %q is suspended already", ErrConflict, c.ID)
	}
	p.State = Suspended
	p.Epoch++
	return Effect{[]Record{t.putPartner(p)}, "partner.suspend", ofPartner{
		p.ID, &changed[State]{Active, Suspended}, &changed[uint64]{p.Epoch - 1, p.Epoch},
	}}, nil
}

// Apply lets the partner's secrets and certificates hold again. Tokens from before stay dead: their
// epoch is over.
func (c ResumePartner) Apply(t *Tables, _ time.Time) (Effect, error) {
	p, err := t.partner(c.ID)
	if err != nil {
		return Effect{}, err
	}
	if p.State != Suspended {
		return Effect{}, fmt.Errorf("%w: partner %q is active already", ErrConflict, c.ID)
	}
	p.State = Active
	return Effect{[]Record{t.putPartner(p)}, "partner.resume", ofPartner{
		Partner: p.ID, State: &changed[State]{Suspended, Active},
	}}, nil
}

// Apply removes the partner for good. Its row and its clients' rows stay, without a credential that
// holds, for what the journal refers to.
func (c RemovePartner) Apply(t *Tables, now time.Time) (Effect, error) {
	p, err := t.partner(c.ID)
	if err != nil {
		return Effect{}, err
	}
	what := struct {
		ofPartner
		Clients      []ClientID     `json:"clients,omitempty"`      // revoked now
		Secrets      []string       `json:"secrets,omitempty"`      // ids
		Certificates []string       `json:"certificates,omitempty"` // serials, revoked now
		Grants       []CollectionID `json:"grants,omitempty"`
		Invitations  []string       `json:"invitations,omitempty"`
	}{ofPartner: ofPartner{p.ID, &changed[State]{p.State, Removed}, &changed[uint64]{p.Epoch, p.Epoch + 1}}}
	p.State = Removed
	p.Epoch++
	e := Effect{Records: []Record{t.putPartner(p)}, Kind: "partner.remove"}
	for _, k := range t.clientsOf(p.ID) {
		gone := k.revoke(now)
		if gone.did {
			what.Clients = append(what.Clients, k.ID)
		}
		what.Secrets = append(what.Secrets, gone.Secrets...)
		what.Certificates = append(what.Certificates, gone.Certificates...)
		e.Records = append(e.Records, t.putClient(k))
	}
	for _, id := range sortedKeys(t.Grants[p.ID]) {
		what.Grants = append(what.Grants, id)
		e.Records = append(e.Records, Record{Table: grantTable, Key: t.Grants[p.ID][id].key()})
	}
	delete(t.Grants, p.ID)
	for _, h := range sortedKeys(t.Invitations) {
		if t.Invitations[h].Partner == p.ID {
			what.Invitations = append(what.Invitations, t.Invitations[h].label())
			e.Records = append(e.Records, Record{Table: invitationTable, Key: h})
			delete(t.Invitations, h)
		}
	}
	e.What = what
	return e, nil
}

// Apply makes positions that were handed out before now start again.
func (c ResyncPartner) Apply(t *Tables, now time.Time) (Effect, error) {
	p, err := t.partner(c.ID)
	if err != nil {
		return Effect{}, err
	}
	p.Resync = micro(now)
	return Effect{[]Record{t.putPartner(p)}, "partner.resync", ofPartner{Partner: p.ID}}, nil
}

// Apply sets the grant, or replaces its rights.
func (c SetGrant) Apply(t *Tables, _ time.Time) (Effect, error) {
	p, err := t.partner(c.Partner)
	if err != nil {
		return Effect{}, err
	}
	if p.Role != Vendor && p.Role != Agency {
		return Effect{}, fmt.Errorf("%w: partner %q is an %s, and only vendors and agencies have collections", ErrInvalid, p.ID, p.Role)
	}
	if err := c.Operation.Check(); err != nil {
		return Effect{}, err
	}
	if err := c.Collection.Check(); err != nil {
		return Effect{}, err
	}
	old, ok := t.Grants[c.Partner][c.Collection]
	if ok && old.Operation != c.Operation {
		return Effect{}, fmt.Errorf("%w: collection %s belongs to operation %q: name that one", ErrConflict, c.Collection, old.Operation)
	}
	what := struct {
		Partner    PartnerID    `json:"partner"`
		Operation  OperationID  `json:"operation"`
		Collection CollectionID `json:"collection"`
		Before     *Rights      `json:"before,omitempty"`
		After      Rights       `json:"after"`
	}{Partner: c.Partner, Operation: c.Operation, Collection: c.Collection, After: c.Rights}
	if ok {
		what.Before = &old.Rights
	}
	return Effect{[]Record{t.putGrant(c.Grant)}, "grant.set", what}, nil
}

// Apply takes the grant away: the collection does not exist any more for the partner.
func (c DropGrant) Apply(t *Tables, _ time.Time) (Effect, error) {
	old, ok := t.Grants[c.Partner][c.Collection]
	if !ok {
		return Effect{}, fmt.Errorf("%w: grant of %q on collection %s: \"liaison partner show %s\" lists its grants",
			ErrNotFound, c.Partner, c.Collection, c.Partner)
	}
	t.dropGrant(c.Partner, c.Collection)
	return Effect{[]Record{{Table: grantTable, Key: old.key()}}, "grant.drop", struct {
		Partner    PartnerID    `json:"partner"`
		Operation  OperationID  `json:"operation"`
		Collection CollectionID `json:"collection"`
		Before     Rights       `json:"before"`
	}{old.Partner, old.Operation, old.Collection, old.Rights}}, nil
}

// Apply raises every partner's epoch above any that the time lost in a restore may have handed out:
// to the clock's seconds, where one more than the restored epoch could be one that was given before.
// Invitations that are not used go: whoever used one in the lost time would join with it once more.
func (RaiseEpochs) Apply(t *Tables, now time.Time) (Effect, error) {
	var records []Record
	for _, id := range sortedKeys(t.Partners) {
		p := t.Partners[id]
		p.Epoch = max(p.Epoch+1, uint64(max(now.Unix(), 0)))
		records = append(records, t.putPartner(p))
	}
	what := struct {
		Partners    int      `json:"partners"`
		Invitations []string `json:"invitations,omitempty"`
	}{Partners: len(records)}
	for _, h := range sortedKeys(t.Invitations) {
		if v := t.Invitations[h]; v.Used.IsZero() {
			what.Invitations = append(what.Invitations, v.label())
			records = append(records, Record{Table: invitationTable, Key: h})
			delete(t.Invitations, h)
		}
	}
	return Effect{records, "epochs.raise", what}, nil
}

// partner finds a partner that is not removed.
func (t *Tables) partner(id PartnerID) (Partner, error) {
	p, ok := t.Partners[id]
	if !ok {
		return p, fmt.Errorf("%w: partner %q: \"liaison partner list\" shows them", ErrNotFound, id)
	}
	if p.State == Removed {
		return p, fmt.Errorf("%w: partner %q is removed for good: create another", ErrConflict, id)
	}
	return p, nil
}

func (t *Tables) clientsOf(p PartnerID) []Client {
	var out []Client
	for n := range t.Partners[p].Clients {
		if c, ok := t.Clients[clientID(p, n+1)]; ok {
			out = append(out, c.own())
		}
	}
	return out
}

func (r Role) check() error {
	switch r {
	case Vendor, Agency, Operator, Auditor:
		return nil
	}
	return fmt.Errorf("%w: role %q: want vendor, agency, operator or auditor", ErrInvalid, r)
}

func (s State) check() error {
	switch s {
	case Active, Suspended, Removed:
		return nil
	}
	return fmt.Errorf("%w: state %q: want active, suspended or removed", ErrInvalid, s)
}

// checkClearance: a clearance that opens nothing would only seem to mean something.
func (r Role) checkClearance(l stix.Level) error {
	if r == Agency {
		if l < stix.Clear || l > stix.Red {
			return fmt.Errorf("%w: clearance %s: want clear, green, amber, amber+strict or red", ErrInvalid, l)
		}
		return nil
	}
	if l != stix.Unmarked {
		return fmt.Errorf("%w: clearance %s: only agencies have one (a vendor reads back what it published, operators and auditors read no content): leave it out",
			ErrInvalid, l)
	}
	return nil
}

// checkDefault: RED is for recipients that are named object by object, so it is no default.
func (r Role) checkDefault(l stix.Level) error {
	if l == stix.Unmarked {
		return nil
	}
	if r != Vendor && r != Agency {
		return fmt.Errorf("%w: default marking %s: only vendors and agencies publish: leave it out", ErrInvalid, l)
	}
	if l > stix.AmberStrict {
		return fmt.Errorf("%w: default marking %s: want clear, green, amber or amber+strict (what is red names its recipients, so its publisher marks it)",
			ErrInvalid, l)
	}
	return nil
}
