package collections

import (
	"fmt"
	"strings"
	"time"

	"liaison/auth"
	"liaison/stix"
)

// Bounds of what is kept.
const (
	MaxKept      = 100_000 // kept object versions that a publisher has in an operation
	MaxKeptBytes = 1 << 30 // bytes of them
	MaxReasons   = 16      // of one kept object version
	MaxReason    = 500     // bytes of one reason's text
	MaxWaits     = 16      // ids that one kept object version waits for
	MaxSettled   = 10_000  // kept or added object versions that one call decides about

	MaxSettledBytes = 64 << 20 // of what one call releases, unless it is one object
)

// KeepKind says why an object version waits.
type KeepKind string

// The kinds.
const (
	KeepHeld     KeepKind = "held"     // somebody has to look at it: by a policy, or by a guard
	KeepUnrouted KeepKind = "unrouted" // no country was found
	KeepPending  KeepKind = "pending"  // it waits for other objects
)

// KeptKey numbers what is kept in an operation, in order of arrival, from 1. None is used again.
type KeptKey int64

// Reason says why something was decided about an object.
type Reason struct {
	Code string `json:"code"` // short, of a fixed list: "policy", "guard.private", …
	Text string `json:"text,omitempty"`
	// Country is the ISO 3166-1 alpha-2 code of the country that it speaks of, when it speaks of one.
	Country string `json:"country,omitempty"`
}

func (r Reason) String() string {
	if r.Text == "" {
		return r.Code
	}
	return r.Text
}

// Reasons joins reasons to a text.
func Reasons(list []Reason) string {
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = r.String()
	}
	return strings.Join(texts, "; ")
}

// Keep has an item kept, for all or some of the collections that it was meant for.
type Keep struct {
	Kind    KeepKind            `json:"kind"`
	Reasons []Reason            `json:"reasons,omitempty"` // at most MaxReasons
	To      []auth.CollectionID `json:"to,omitempty"`      // where it goes when it is released, each once
	Waits   []stix.ID           `json:"waits,omitempty"`   // for pending: for these, at most MaxWaits
	Second  bool                `json:"second,omitempty"`  // a release takes two: one who asks, another who agrees
}

// Two reports whether another than the actor must have asked for a release first. What was held and waits
// for other things now was released by two already.
func (k *Keep) Two(asked, actor auth.Actor) bool {
	return k.Second && k.Kind == KeepHeld && (asked == "" || asked == actor)
}

// Check says what is wrong with a Keep, wrapping ErrInvalid.
func (k *Keep) Check() error {
	switch {
	case k.Kind != KeepHeld && k.Kind != KeepUnrouted && k.Kind != KeepPending:
		return fmt.Errorf("%w: kind %q of what is kept: want held, unrouted or pending", ErrInvalid, k.Kind)
	case len(k.Reasons) > MaxReasons:
		return fmt.Errorf("%w: %d reasons, more than %d", ErrInvalid, len(k.Reasons), MaxReasons)
	case len(k.Waits) > MaxWaits:
		return fmt.Errorf("%w: it waits for %d objects, more than %d", ErrInvalid, len(k.Waits), MaxWaits)
	}
	for _, r := range k.Reasons {
		if len(r.Text) > MaxReason || len(r.Code) > MaxReason {
			return fmt.Errorf("%w: a reason of more than %d bytes", ErrInvalid, MaxReason)
		}
	}
	return nil
}

// Kept is an object version that was taken and is in no collection for it yet. Its facts are those of
// the time when it was taken; a date_added comes with its release.
type Kept struct {
	Key       KeptKey
	Item      Item // Raw only where it was asked for; To empty, Keep set
	Size      int  // bytes of it
	Place     Place
	Publisher auth.PartnerID
	Actor     auth.Actor // who sent it
	Batch     StatusID   // the publication
	Received  time.Time
	Asked     auth.Actor // who asked for its release, where that takes two
	Because   string     // and why
}

// KeptQuery selects what is kept in an operation, ascending by key. Zero fields select all.
type KeptQuery struct {
	Kind      KeepKind
	Publisher auth.PartnerID
	Batch     StatusID
	Keys      []KeptKey // these; nil: any
	IDs       []stix.ID // versions of any of these; nil: of any
	Waits     []stix.ID // that wait for any of these; nil: for any or none
	After     KeptKey
	Limit     int  // 1 to MaxSettled
	Bytes     bool // with Raw; the answer may end at MaxPageSize then
}

// Released is one release. To nil is the kept one's own.
type Released struct {
	Key KeptKey
	To  []auth.CollectionID
}

// Amended changes what is kept. Zero fields leave it as it is.
type Amended struct {
	Key     KeptKey
	Asked   auth.Actor
	Because string
	Kind    KeepKind
	To      []auth.CollectionID
	Waits   []stix.ID
	Reasons []Reason
}

// Settlement decides about what is kept, all of it in one transaction: each key stands in it once.
type Settlement struct {
	Operation auth.OperationID
	Release   []Released
	Drop      []KeptKey
	Amend     []Amended
	Actor     auth.Actor
	Address   string
	Reason    string
	Still     func() error
}

// Check says what is wrong with a settlement, wrapping ErrInvalid.
func (s *Settlement) Check() error {
	n := len(s.Release) + len(s.Drop) + len(s.Amend)
	if n == 0 || n > MaxSettled {
		return fmt.Errorf("%w: a settlement of %d: want 1 to %d", ErrInvalid, n, MaxSettled)
	}
	seen := make(map[KeptKey]bool, n)
	for _, k := range s.Keys() {
		if seen[k] {
			return fmt.Errorf("%w: %d is settled twice", ErrInvalid, k)
		}
		seen[k] = true
	}
	for _, a := range s.Amend {
		k := Keep{Kind: a.Kind, Reasons: a.Reasons, Waits: a.Waits}
		if k.Kind == "" {
			k.Kind = KeepHeld
		}
		if err := k.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Keys gives all keys of a settlement.
func (s *Settlement) Keys() []KeptKey {
	var list []KeptKey
	for _, r := range s.Release {
		list = append(list, r.Key)
	}
	list = append(list, s.Drop...)
	for _, a := range s.Amend {
		list = append(list, a.Key)
	}
	return list
}

// Outcome is what became of one release.
type Outcome struct {
	Key     KeptKey
	ID      stix.ID
	Version string
	Added   Added               // 0 when it was added nowhere
	To      []auth.CollectionID // where it was added
	Why     string              // why it was not: it is there already, and no longer kept; or Stays
	Stays   bool                // it could not be released and is still kept
}

// Withdrawn is one object version to be withdrawn from one collection.
type Withdrawn struct {
	Collection auth.CollectionID
	ID         stix.ID
	Added      Added
}

// Withdrawal removes object versions that one publisher published, by the operator's order.
type Withdrawal struct {
	Operation auth.OperationID
	Publisher auth.PartnerID
	Batch     StatusID    // for the journal
	Items     []Withdrawn // 1 to MaxSettled; those that are not there count for nothing
	Actor     auth.Actor
	Address   string
	Reason    string
	Still     func() error
}
