// Package auth says who speaks and what they may: partners, clients, grants, invitations, credentials
// (secrets, certificates, signing keys), access tokens, the policy (Decide) and what it compiles to
// for the stores (View), and the journal's lines.
//
// It knows nothing of HTTP and nothing of the stores. Its tables are values: a snapshot is immutable
// once it is published, a change makes the next one.
//
// RFC 6749, RFC 6750, RFC 7519, RFC 8705, RFC 9068.
package auth

import (
	"errors"
	"net/netip"
	"time"

	"liaison/stix"
)

// Errors by kind. They are wrapped with what was wrong and what to do.
var (
	ErrUnauthenticated = errors.New("not identified")    // no credential, or none that holds
	ErrNotFound        = errors.New("not found")         // no such thing for this principal
	ErrDenied          = errors.New("not permitted")     // there, but not for this principal
	ErrExists          = errors.New("exists already")    // the id is taken, for good
	ErrInvalid         = errors.New("invalid")           // a value breaks a rule that the text names
	ErrConflict        = errors.New("not in this state") // suspended, removed, closed, used
)

type (
	PartnerID    string // [a-z0-9][a-z0-9-]{1,62}, never reused
	ClientID     string // PARTNER_N
	OperationID  string // the api root's slug, [a-z0-9][a-z0-9-]{0,62}
	CollectionID string // UUIDv4
)

// Role is what kind of partner this is.
type Role string

// The roles.
const (
	Vendor   Role = "vendor"   // publishes; reads back only what it published
	Agency   Role = "agency"   // reads its countries
	Operator Role = "operator" // onboards partners; reads no content
	Auditor  Role = "auditor"  // reads the journal; reads no content
)

// State of a partner.
type State string

// The states. Removed is final.
const (
	Active    State = "active"
	Suspended State = "suspended"
	Removed   State = "removed"
)

// Partner is a tenant. Rows are values of the registry; they are never changed in place.
type Partner struct {
	ID             PartnerID  `json:"id"`
	Role           Role       `json:"role"`
	Name           string     `json:"name"`
	Clearance      stix.Level `json:"clearance,omitzero"`       // highest level it may read; Red: it may also be named
	DefaultMarking stix.Level `json:"default_marking,omitzero"` // what its unmarked objects count as; none: they fail
	State          State      `json:"state"`
	Epoch          uint64     `json:"epoch"`   // tokens of an older epoch are dead
	Clients        int        `json:"clients"` // number of the last client that it was given
	Created        time.Time  `json:"created"`
	Resync         time.Time  `json:"resync,omitzero"` // positions handed out before this start again

	RequireCertificate bool            `json:"require_certificate,omitzero"` // nothing opens a door without one
	Networks           []netip.Prefix  `json:"networks,omitempty"`           // from where alone it may knock; none: from everywhere
	Agreement          Agreement       `json:"agreement,omitzero"`           // on file
	RequireAgreement   bool            `json:"require_agreement,omitzero"`   // without one that holds: training collections alone
	Compatibility      []Compatibility `json:"compatibility,omitempty"`      // what its clients need otherwise

	Publishing
}

// Secret is one long-lived secret of a client: only its MAC is kept.
type Secret struct {
	ID      string    `json:"id"`  // random, for lists and revocation
	Key     string    `json:"key"` // which server key made the MAC
	MAC     string    `json:"mac"` // hex HMAC-SHA-256
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: does not expire
}

// Certificate is one client certificate as issued.
type Certificate struct {
	Serial      string    `json:"serial"`      // lower-case hex
	Fingerprint string    `json:"fingerprint"` // lower-case hex SHA-256 of the DER
	NotAfter    time.Time `json:"not_after"`
	Revoked     time.Time `json:"revoked,omitzero"`
	Superseded  time.Time `json:"superseded,omitzero"` // it was renewed, and opens nothing from then on
}

// Client is one credential holder of a partner. At most two live secrets.
type Client struct {
	ID           ClientID      `json:"id"`
	Partner      PartnerID     `json:"partner"`
	Epoch        uint64        `json:"epoch"`
	Revoked      time.Time     `json:"revoked,omitzero"`
	Secrets      []Secret      `json:"secrets,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`
	Keys         []PublicKey   `json:"keys,omitempty"` // by which it signs assertions
	Created      time.Time     `json:"created"`
	Onward       bool          `json:"onward,omitzero"` // it feeds others, as Publishing's Onward says of all of a partner's
}

// Rights of a grant. A grant without any keeps the collection listed with both flags false; no grant
// at all hides it.
type Rights struct {
	Read  bool `json:"read"`
	Write bool `json:"write"`
}

// Grant: partner × collection → rights.
type Grant struct {
	Partner    PartnerID    `json:"partner"`
	Operation  OperationID  `json:"operation"`
	Collection CollectionID `json:"collection"`
	Rights
}

// Invitation lets a partner join once. Only the SHA-256 of its token is kept.
type Invitation struct {
	Hash    string    `json:"hash"` // lower-case hex SHA-256 of the token
	Partner PartnerID `json:"partner"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Used    time.Time `json:"used,omitzero"`
	Client  ClientID  `json:"client,omitempty"` // who came of it
	Key     string    `json:"key,omitempty"`    // hex SHA-256 of the public key (SPKI) that joined: it alone may ask again
	Secret  string    `json:"secret,omitempty"` // id of the secret that was given for it last
}

// Method is how a principal proved who it is.
type Method string

// The methods. A certificate beside another method is binding, not a second method.
const (
	BySecret      Method = "secret"
	ByToken       Method = "token"
	ByAssertion   Method = "assertion" // at the token endpoint
	ByCertificate Method = "certificate"
	ByPeer        Method = "peer" // the operator on the machine, by peer credentials
)

// Principal is who a request turned out to be. It is a value of one request; the epochs in it are
// compared again where an effect is committed.
type Principal struct {
	Partner      PartnerID
	Client       ClientID
	Role         Role
	Clearance    stix.Level
	Default      stix.Level // the partner's default marking
	Method       Method
	Credential   string // BySecret, ByAssertion: id of the secret or the key
	Certificate  string // fingerprint of the certificate on the connection, "" for none
	PartnerEpoch uint64
	ClientEpoch  uint64
	Scope        Scope  // what a token was narrowed to; the other methods have FullScope
	Token        string // ByToken: the token's id
	Address      string // where the request came from, for the journal
	UID          int    // ByPeer only
	Training     bool   // an agreement is required and its partner has none that holds: training collections alone
	EmptyObjects bool   // its partner's clients need "objects" in empty envelopes
	Onward       bool   // its partner feeds others: nothing above AMBER
}

// Actor gives the name that the journal knows the principal by: "CLIENT" for a partner's client
// (which begins with the partner's id), "local:UID" for the operator on the machine.
func (p Principal) Actor() Actor { return actorOf(p) }

// Actor is who did it, as the journal writes it; "gateway" for what the gateway did by itself.
type Actor string

// Gateway is the actor of what nobody asked for: expiry, start-up, summaries.
const Gateway Actor = "gateway"
