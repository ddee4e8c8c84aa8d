package auth

import (
	"context"
	"crypto"
	"encoding/json"
	"time"

	"liaison/stix"
)

func actorOf(p Principal) Actor { panic("stub") }

// Scope is a set of OAuth scope values.
type Scope uint8

// The scopes. RFC 6749 section 3.3.
const (
	ScopeRead   Scope = 1 << iota // taxii:read
	ScopeWrite                    // taxii:write
	ScopeDelete                   // taxii:delete
	FullScope   = ScopeRead | ScopeWrite | ScopeDelete
)

// Has reports whether s contains all of t.
func (s Scope) Has(t Scope) bool { return s&t == t }

// ParseScope reads a space-separated list; an unknown value is ErrInvalid; "" is FullScope.
func ParseScope(s string) (Scope, error) { panic("stub") }

// String gives the space-separated list.
func (s Scope) String() string { panic("stub") }

// Line is what the journal says of one effect or one read. The store gives it its sequence number
// and its place in the tree.
type Line struct {
	Time  time.Time // UTC, microseconds
	Actor Actor
	Kind  string          // "partner.create", "publish", "read.objects", …
	What  json.RawMessage // an object with what changed; never a secret
}

// NewLine marshals what into a Line.
func NewLine(at time.Time, a Actor, kind string, what any) Line { panic("stub") }

// Canonical writes the line with its sequence number as canonical JSON (RFC 8785), without a newline:
// members sorted, no insignificant white space.
func (l Line) Canonical(seq int64) []byte { panic("stub") }

// ParseLine is the inverse of Canonical; an error names what is wrong.
func ParseLine(b []byte) (Line, int64, error) { panic("stub") }

// Record is a row of the registry as a store keeps it. A nil Value deletes the row.
type Record struct {
	Table, Key string
	Value      []byte // JSON
}

// Tables is auth's part of the registry. A published snapshot is immutable; Clone makes the next.
type Tables struct {
	Partners    map[PartnerID]Partner
	Clients     map[ClientID]Client
	Grants      map[PartnerID]map[CollectionID]Grant
	Invitations map[string]Invitation // by Hash
	// unexported indexes: secret MAC → client, certificate fingerprint → client, …
}

// NewTables gives empty tables.
func NewTables() *Tables { panic("stub") }

// Clone makes a copy that can be changed without touching t.
func (t *Tables) Clone() *Tables { panic("stub") }

// Load puts a stored row in place; ok is false for a table that is not auth's. An unreadable row is
// an error.
func (t *Tables) Load(r Record) (ok bool, err error) { panic("stub") }

// Principal gives the principal for a client; ErrUnauthenticated unless the client and its partner
// are live.
func (t *Tables) Principal(id ClientID, m Method) (Principal, error) { panic("stub") }

// Still reports whether a principal is still what it was when its request was admitted: partner
// active, client live, epochs unchanged. The error is ErrUnauthenticated and says why.
func (t *Tables) Still(p Principal) error { panic("stub") }

// Rights gives a partner's rights on a collection; granted is false when there is no grant.
func (t *Tables) Rights(p PartnerID, c CollectionID) (r Rights, granted bool) { panic("stub") }

// Effect is what a change does: rows and what the journal says of it.
type Effect struct {
	Records []Record
	Kind    string
	What    any
}

// A Change is one act of administration. Apply checks it against t and changes t; its errors are of
// the kinds ErrExists, ErrNotFound, ErrInvalid, ErrConflict and name the field and the rule.
type Change interface {
	Apply(t *Tables, now time.Time) (Effect, error)
}

// The changes.
type (
	CreatePartner struct {
		ID             PartnerID
		Role           Role
		Name           string
		Clearance      stix.Level // Unmarked: AmberStrict for agencies, none for the others
		DefaultMarking stix.Level
	}
	SetPartner struct { // nil fields stay
		ID             PartnerID
		Name           *string
		Clearance      *stix.Level
		DefaultMarking *stix.Level // Unmarked takes it away
	}
	SuspendPartner struct{ ID PartnerID } // epoch + 1
	ResumePartner  struct{ ID PartnerID }
	RemovePartner  struct{ ID PartnerID } // final: clients revoked, secrets gone, certificates revoked, grants and invitations gone
	ResyncPartner  struct{ ID PartnerID }
	SetGrant       struct{ Grant } // vendors and agencies only
	DropGrant      struct {
		Partner    PartnerID
		Collection CollectionID
	}
	Invite struct {
		Partner PartnerID
		Token   string        // as NewInvitation made it; only its hash is kept
		TTL     time.Duration // 1 minute to 7 days
	}
	Join struct { // uses an invitation up and makes a client of it
		Token       string
		Client      ClientID // as NextClient told
		Secret      Secret
		Certificate Certificate
	}
	AddSecret struct { // rotation: the older live secret gets until Overlap from now, a third goes at once
		Client  ClientID
		Secret  Secret
		Overlap time.Duration
	}
	AddCertificate struct {
		Client      ClientID
		Certificate Certificate
	}
	RevokeClient struct{ ID ClientID } // all of its credentials, for good
	RevokeSecret struct {
		Client ClientID
		ID     string
	}
	RevokeCertificate struct {
		Client ClientID
		Serial string
	}
	RaiseEpochs struct{} // every partner's: after a restore
)

// Invitation looks an unused, unexpired invitation up by its token and gives the client that joining
// with it will make; ErrNotFound for all others alike.
func (t *Tables) Invitation(token string, now time.Time) (Invitation, ClientID, error) { panic("stub") }

// NewInvitation makes a token of 256 random bits, URL-safe.
func NewInvitation() string { panic("stub") }

// Vault holds the server key that secrets are MACed under.
type Vault struct{}

// OpenVault reads DIR/secrets.json (mode 0600), CreateVault makes it.
func OpenVault(dir string) (*Vault, error)   { panic("stub") }
func CreateVault(dir string) (*Vault, error) { panic("stub") }

// NewSecret generates a secret (256 bits, prefix "lsn_") and the row that keeps its MAC. The text is
// shown once and kept nowhere.
func (v *Vault) NewSecret(now time.Time) (text string, s Secret) { panic("stub") }

// MAC is also what other rooms derive keys from: an HMAC-SHA-256 of label and data under the server key.
func (v *Vault) MAC(label string, data []byte) [32]byte { panic("stub") }

// Ring holds the signing keys of access tokens in DIR/tokens.json (mode 0600).
type Ring struct{}

func OpenRing(dir string) (*Ring, error)   { panic("stub") }
func CreateRing(dir string) (*Ring, error) { panic("stub") }

// JWKS gives the public keys as a JSON Web Key Set, `kid` = RFC 7638 thumbprint.
func (r *Ring) JWKS() []byte { panic("stub") }

// Signer gives the active key.
func (r *Ring) Signer() (kid string, key crypto.Signer) { panic("stub") }

// Doors turn credentials into principals: the one code path. Safe for concurrent use.
type Doors struct {
	Issuer   string // the gateway's public URL: issuer of tokens
	Audience string // audience of tokens: the TAXII server's URL, ISSUER/taxii2/
	Vault    *Vault
	Ring     *Ring
	Tables   func() *Tables // the snapshot of now
	Now      func() time.Time
	TokenTTL time.Duration // default 10 minutes, at most 15
}

// Presented is what came with a request.
type Presented struct {
	Authorization []string // every Authorization header line, as it came
	APIKey        []string // every X-API-Key header line
	Certificate   *Shown   // a certificate that the TLS layer verified
	Address       string
}

// Shown is a verified client certificate.
type Shown struct {
	Partner     PartnerID
	Client      ClientID
	Serial      string // lower-case hex
	Fingerprint string // lower-case hex SHA-256 of the DER
}

// Identify ends in a Principal, or in an error that is ErrUnauthenticated and a *Refusal.
func (d *Doors) Identify(ctx context.Context, c Presented) (Principal, error) { panic("stub") }

// Refusal is a login that did not hold; it carries no secret.
type Refusal struct {
	Code   string   // "" without credentials, else "invalid_token" or "invalid_client". RFC 6750 section 3.1
	Client ClientID // who it claimed to be, if that is a known client, else ""
	Reason string   // for the log, never for the caller
}

func (r *Refusal) Error() string { return r.Reason }
func (r *Refusal) Unwrap() error { return ErrUnauthenticated }

// TokenRequest is the form of POST /oauth2/token with what came beside it. RFC 6749 section 4.4.
type TokenRequest struct {
	Presented
	Form map[string][]string
}

// TokenResponse is RFC 6749 section 5.1.
type TokenResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

// OAuthError is RFC 6749 section 5.2; Status is 400 or 401.
type OAuthError struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func (e *OAuthError) Error() string { return e.Code + ": " + e.Description }

// Token answers the token endpoint. The error is an *OAuthError.
func (d *Doors) Token(ctx context.Context, r TokenRequest) (TokenResponse, Principal, error) {
	panic("stub")
}
