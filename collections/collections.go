// Package collections is the heart of the gateway: operations and their collections, the registry of
// everything that an operator decides, the Desk where principals publish and read, and the contract
// that a store keeps. The Desk owns order and policy, the store owns durability.
//
// It knows nothing of HTTP and of no particular store.
//
// TAXII 2.1, OASIS Standard, 10 June 2021, sections 3 to 5.
package collections

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"liaison/auth"
	"liaison/stix"
)

// Errors by kind, wrapped with what was wrong and what to do. The first three are auth's: what a
// principal may not see does not exist.
var (
	ErrNotFound    = auth.ErrNotFound
	ErrDenied      = auth.ErrDenied
	ErrInvalid     = auth.ErrInvalid
	ErrFull        = errors.New("no space left on the store's disk")
	ErrUnavailable = errors.New("the store does not take writes now")
)

// Bounds of the contract.
const (
	MaxLimit    = 10_000             // objects a page; a larger limit is clamped
	PageSize    = 1_000              // objects a page unless asked
	MaxDetails  = 1_000              // successes, failures listed in a status
	MaxScan     = 200_000            // object versions that are looked at for a page where that has to be
	MaxVersions = 1_000              // of one id that a publisher has in an operation; see Store
	StatusLife  = 7 * 24 * time.Hour // TAXII 2.1 section 4.3 wants 24 h
	MaxPageSize = 8 << 20            // bytes of objects a page, unless its first object alone is larger
)

// Added is a date_added: whole microseconds since 1970-01-01T00:00:00Z. Zero is none.
// DESIGN.md, law 2: in an operation every object version has its own, strictly increasing.
type Added int64

// AddedLayout is the timestamp of TAXII 2.1 section 2: UTC with exactly six decimals.
const AddedLayout = "2006-01-02T15:04:05.000000Z"

// AddedAt gives the last Added that is not after t.
func AddedAt(t time.Time) Added { return Added(t.UnixMicro()) }

// Time gives the instant in UTC.
func (a Added) Time() time.Time { return time.UnixMicro(int64(a)).UTC() }

// String writes the TAXII timestamp.
func (a Added) String() string {
	var b [len(AddedLayout)]byte
	return string(a.append(b[:0]))
}

func (a Added) append(b []byte) []byte { return auth.AppendStamp(b, a.Time()) }

// Version is an object's version: the partner's own digits and their value. For an object without
// modified and created it is its date_added. TAXII 2.1 section 3.4.1.
type Version struct {
	Text string
	At   stix.Instant
}

// Place is a collection in its operation.
type Place struct {
	Operation  auth.OperationID
	Collection auth.CollectionID
}

// Item is one object on its way into the store: its bytes, untouched, and the facts read from them.
type Item struct {
	Raw     []byte   // nil when it is staged
	Staged  int      // from 1: which of the objects that were staged for the publication it is; see Stager
	Size    int      // bytes of a staged one
	Digest  [32]byte // SHA-256 of Raw
	ID      stix.ID
	Type    string
	Spec    string           // "2.0" or "2.1"
	Version Version          // At.Set is false when the date_added is to stand for it
	Named   []auth.PartnerID // recipients of a RED object
	Level   stix.Level
	Shared  bool                // nobody owns this id: each publisher has its own copy
	Defines stix.Level          // the level that a marking-definition defines, else Unmarked
	Foreign bool                // it claims an identity of another: it fails, and the operator is told; Message says why
	Lower   bool                // its publisher confirms that it is marked lower than the version before it
	Brought bool                // the gateway brings it along for others; see Store
	Author  stix.ID             // whom created_by_ref names, where that must be the publisher's own; "": nobody is held to it
	Message string              // what the publisher is told although it was taken
	To      []auth.CollectionID // each once; at least one, unless it is kept
	Keep    *Keep               // nil: it is not kept
	Why     []Reason            // why it goes where it goes, kept beside the version; at most MaxReasons
	Kept    KeptKey             // the kept version that this one is; see Store. 0: none
}

// Repeated is what the publisher is told of a duplicate: the item's own message, and where the version
// that is there has another level or, RED, names others, that it keeps them.
func (it *Item) Repeated(there stix.Level, named []auth.PartnerID) string {
	alike := func(p auth.PartnerID) bool { return slices.Contains(it.Named, p) }
	switch {
	case there == stix.Red && it.Level == stix.Red && (len(named) != len(it.Named) || slices.ContainsFunc(named, func(p auth.PartnerID) bool { return !alike(p) })):
		return "it was published before for other recipients and stays theirs; a later version takes others"
	case there == it.Level:
		return it.Message
	case there == stix.Unknown || there == stix.Unmarked:
		return "nobody but you can see the copy that was published before: its marking was not known then; " +
			"delete it and publish again, or publish a later version"
	}
	return "it was published before as " + there.String() + " and stays so; a later version takes another marking"
}

// Fact is what the store knows of one object version in one collection. It outlives the bytes.
type Fact struct {
	ID        stix.ID
	Type      string
	Spec      string
	Version   Version
	Added     Added
	Publisher auth.PartnerID
	Level     stix.Level
	Named     []auth.PartnerID
}

// Versions says which versions of an object are asked for. The zero value is the last one.
// TAXII 2.1 section 3.4.1, match[version].
type Versions struct {
	All         bool // excludes the others
	First, Last bool
	At          []stix.Instant // exact
}

// Exact reports whether exact versions alone are asked for.
func (v *Versions) Exact() bool { return len(v.At) > 0 && !v.All && !v.First && !v.Last }

// Query selects object versions of one collection, ascending by date_added. TAXII 2.1 section 3.4.
type Query struct {
	After    Added     // strictly after; 0 from the start
	Limit    int       // 1 to MaxLimit
	IDs      []stix.ID // any of these; nil: all
	Types    []string  // any of these; nil: all
	Specs    []string  // any of these; nil: of each object only the latest spec version the reader sees
	Versions Versions  // among what the reader sees, before After, Types and Limit apply
}

// StatusID names a status resource: a UUIDv4.
type StatusID string

// Detail is one object in a status. TAXII 2.1 section 4.3.1.
type Detail struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Message string `json:"message,omitempty"`
}

// Status is what became of one publication. Total = Success + Failure + Pending.
type Status struct {
	ID        StatusID
	Operation auth.OperationID
	Publisher auth.PartnerID
	Received  time.Time
	Success   int
	Failure   int
	Pending   int
	Duplicate int      // of the successes: there already
	Kept      int      // of the successes: kept, wholly or for some collections; see Keep
	First     Added    // the run of date_added that the publication was given; 0 for none
	Last      Added    //
	Successes []Detail // at most MaxDetails, in order of arrival; see ListSuccesses
	Failures  []Detail // at most MaxDetails
}

// ListSuccesses gives the successes that a status lists, in order of arrival, of the first ones and of
// those after them that have a message. A message tells the publisher what it would not expect, so where
// not all fit into MaxDetails, the last of those without one make room.
func ListSuccesses(first, noted []Detail) []Detail {
	excess := len(first) + len(noted) - MaxDetails
	if excess <= 0 {
		return append(first, noted...)
	}
	list := make([]Detail, 0, MaxDetails)
	for i := len(first) - 1; i >= 0; i-- {
		if first[i].Message == "" && excess > 0 {
			excess--
			continue
		}
		list = append(list, first[i])
	}
	slices.Reverse(list)
	return append(list, noted[:min(len(noted), MaxDetails-len(list))]...)
}

// Publication is one request to add objects, with everything decided but what only the store can
// decide: ownership, duplicates, conflicts and date_added.
type Publication struct {
	Status    StatusID
	Place     Place // where it was sent
	Publisher auth.PartnerID
	Actor     auth.Actor
	Address   string
	Received  time.Time
	Items     []Item       // in order of arrival
	Failures  []Detail     // what failed at the door, at most MaxDetails
	Failed    int          // how many that were
	Reason    string       // why the gateway itself moves what was published before; see Store
	Wanted    []Wanted     // each id once
	Ties      []Tie        // ascending by Item, each item once
	Still     func() error // whether the publisher still may; asked within the commit
}

// Deletion removes versions of one object that the principal published.
type Deletion struct {
	Place    Place
	ID       stix.ID
	Versions Versions  // of what the publisher has; the zero value is the last one, and the Desk always sets one
	Specs    []string  // nil: any
	View     auth.View // only what this view shows and its partner published
	Actor    auth.Actor
	Address  string
	At       time.Time
	Still    func() error
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
