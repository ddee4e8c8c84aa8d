package admin

import (
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// The bodies of requests. Fields that are left out stay as they are, or take their default.
type (
	// NewOperation is the body of POST /operations.
	NewOperation struct {
		ID          auth.OperationID `json:"slug"`
		Title       string           `json:"title"`
		Description string           `json:"description,omitempty"`
		Countries   []string         `json:"countries"`          // ISO 3166-1 alpha-2, any case
		Strict      bool             `json:"strict,omitempty"`   // only what holds against the whole of STIX 2.1's schemas
		Training    bool             `json:"training,omitempty"` // with a training collection
	}
	// NewPartner is the body of POST /partners. With Operation and Countries the partner gets its
	// grants in the same transaction: vendors read and write, agencies read.
	NewPartner struct {
		ID             auth.PartnerID   `json:"id"`
		Role           auth.Role        `json:"role"`
		Name           string           `json:"name"`
		Clearance      string           `json:"clearance,omitempty"`
		DefaultMarking string           `json:"default_marking,omitempty"`
		Operation      auth.OperationID `json:"operation,omitempty"`
		Countries      []string         `json:"countries,omitempty"` // or "all" alone
	}
	// PartnerChange is the body of PATCH /partners/ID. Countries are then all that the partner has in
	// the operation: grants on others are taken away, those that are there keep their rights.
	PartnerChange struct {
		Name           *string `json:"name,omitempty"`
		Clearance      *string `json:"clearance,omitempty"`
		DefaultMarking *string `json:"default_marking,omitempty"` // "" takes it away

		RequireCertificate *bool                 `json:"require_certificate,omitempty"`
		Networks           *[]string             `json:"networks,omitempty"`        // addresses and networks; [] is everywhere
		Agreement          *string               `json:"agreement,omitempty"`       // its reference; "" takes it away
		AgreementUntil     *string               `json:"agreement_until,omitempty"` // 2026-12-31, or a time in RFC 3339; with agreement
		RequireAgreement   *bool                 `json:"require_agreement,omitempty"`
		Compatibility      *[]auth.Compatibility `json:"compatibility,omitempty"` // [] is none
		Hold               *[]auth.HoldRule      `json:"hold,omitempty"`          // what waits for the operator; [] is nothing
		Exempt             *[]string             `json:"exempt,omitempty"`        // guard lists that do not hold for it; [] is none
		Onward             *bool                 `json:"onward,omitempty"`        // it feeds others
		Attribution        *string               `json:"attribution,omitempty"`   // named or pseudonym

		Operation auth.OperationID `json:"operation,omitempty"`
		Countries []string         `json:"countries,omitempty"`
	}
	// NewInvitation is the body of POST /partners/ID/invitations.
	NewInvitation struct {
		TTL string `json:"ttl,omitempty"` // like "24h", which is the default
	}
	// ClientSetting is the body of PATCH /clients/ID.
	ClientSetting struct {
		Onward *bool `json:"onward,omitempty"` // it feeds others: nothing above AMBER
	}
	// Revocation is the body of POST /clients/ID/revoke: one secret, one certificate, or, when both
	// are empty, everything.
	Revocation struct {
		Secret      string `json:"secret,omitempty"`
		Certificate string `json:"certificate,omitempty"` // its serial
		Key         string `json:"key,omitempty"`         // its thumbprint
	}
	// KeyRotation is the body of POST /keys/rotate.
	KeyRotation struct {
		Kind string `json:"kind,omitempty"` // SigningKeys, which is the default, or ServerKeys
	}
)

// The kinds of keys that the gateway has itself.
const (
	SigningKeys = "signing" // of access tokens
	ServerKeys  = "server"  // under which secrets are kept and cursors sealed
)

// The bodies of answers.
type (
	// Operation is an operation with its collections, by alias.
	Operation struct {
		collections.Operation
		URL         string                   `json:"url"` // the api root
		Collections []collections.Collection `json:"collections"`
	}
	// Partner is a partner with what it has, by operation and alias.
	Partner struct {
		auth.Partner
		Grants      []Grant `json:"grants"`
		LiveClients int     `json:"live_clients"`
		Invitations int     `json:"invitations"` // not used and not run out
	}
	// Grant is a grant with the names that people use.
	Grant struct {
		Operation  auth.OperationID  `json:"operation"`
		Collection auth.CollectionID `json:"collection"`
		Alias      string            `json:"alias"`
		Title      string            `json:"title"`
		auth.Rights
	}
	// Changed is a partner after a change. Widened: it may read more than before, which what it has
	// pulled already does not show.
	Changed struct {
		Partner
		Widened bool `json:"widened"`
	}
	// Invitation is a URL that lets a partner join once.
	Invitation struct {
		URL     string    `json:"url"`
		Expires time.Time `json:"expires"`
	}
	// Holder is a client of a partner without what its credentials could be guessed from.
	Holder struct {
		ID           auth.ClientID  `json:"id"`
		Partner      auth.PartnerID `json:"partner"`
		Created      time.Time      `json:"created"`
		Revoked      time.Time      `json:"revoked,omitzero"`
		Onward       bool           `json:"onward,omitempty"` // it feeds others: nothing above AMBER
		Secrets      []Secret       `json:"secrets"`
		Certificates []Certificate  `json:"certificates"`
		Keys         []Key          `json:"keys"` // by which it signs assertions
	}
	// Secret is a secret's row without its MAC.
	Secret struct {
		ID       string    `json:"id"`
		Created  time.Time `json:"created"`
		Expires  time.Time `json:"expires,omitzero"`
		LastUsed time.Time `json:"last_used,omitzero"` // to the minute
	}
	// Certificate is a certificate's row.
	Certificate struct {
		auth.Certificate
		LastUsed time.Time `json:"last_used,omitzero"`
	}
	// Key is a client's public key.
	Key struct {
		ID       string    `json:"id"`
		Created  time.Time `json:"created"`
		LastUsed time.Time `json:"last_used,omitzero"`
	}
	// Keys are the gateway's own, without what is secret of them.
	Keys struct {
		Signing []auth.SigningKey `json:"signing"`
		Server  []auth.ServerKey  `json:"server"`
	}
	// Verified is a journal that holds.
	Verified struct {
		Lines int64  `json:"lines"`
		Root  string `json:"root"` // base64 of the tree's root hash
		Note  string `json:"note"` // the signed checkpoint
	}
	// StoreChecked is what a check of the store found; Faults are at most 1,000.
	StoreChecked struct {
		Checked collections.Checked `json:"checked"`
		Faults  []collections.Fault `json:"faults"`
	}
	// Health is the answer of /health.
	Health struct {
		Status     string `json:"status"`
		URL        string `json:"url"`
		Operations int    `json:"operations"`
		Partners   int    `json:"partners"`
		LastAdded  string `json:"last_added,omitempty"`
	}
	list[T any] struct {
		Items []T `json:"items"`
	}
)

// level reads a level of the API; "" is none.
func level(s string) (stix.Level, error) {
	if s == "" {
		return stix.Unmarked, nil
	}
	return stix.ParseLevel(s)
}
