package collections

import (
	"liaison/auth"
	"liaison/stix"
)

// Placed is what a publisher has of an id in an operation.
type Placed struct {
	Item  Item                // the newest version: by version, then by date_added. Raw only where it was asked for; To empty
	Added Added               // of that version
	In    []auth.CollectionID // that have any version of it, sorted
	Why   []Reason            // for which that version was added
}

// MaxWanted bounds the ids that are remembered of one publisher in an operation.
const MaxWanted = 100_000

// Wanted is an id that things of a publisher refer to, in these collections, and that it has not published.
type Wanted struct {
	ID stix.ID
	To []auth.CollectionID
}

// Routed is one object version, and why it went where it is.
type Routed struct {
	Fact
	In  []auth.CollectionID // sorted
	Why []Reason            // none: it was published there
}

// Tried is what would become of one item.
type Tried struct {
	To        []auth.CollectionID // where it would be added
	Kept      *Keep               // it would be kept, for what stands there
	Duplicate bool                // it is there already, or kept already
	Why       string              // it would fail
	Message   string              // what its publisher would be told instead of the item's own message; "": nothing
}
