package collections

import (
	"liaison/auth"
)

// Placed is what a publisher has of an id in an operation.
type Placed struct {
	Item  Item                // the newest version: by version, then by date_added. Raw only where it was asked for; To empty
	Added Added               // of that version
	In    []auth.CollectionID // that have any version of it, sorted
	Why   []Reason            // for which that version was added
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
}
