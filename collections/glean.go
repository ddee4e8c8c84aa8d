package collections

import (
	"context"
	"time"

	"liaison/auth"
	"liaison/stix"
)

// Bounds of what is gleaned and of what is asked of it.
const (
	MaxGleaned = 8000    // object versions of one call of Glean
	MaxValues  = 1000    // values of one object version that are counted
	MaxAsked   = 100     // values that one question counts
	MaxLapses  = 20_000  // object versions that are looked at for a page of what lapsed, shown or not
	MaxCommon  = 2000    // values that are looked at for a page of what several report, shown or not
	MaxPassed  = 100_000 // what one publisher reports and is passed over for such a page, about
	MaxReports = 1000    // objects that are looked at for one value and one publisher
)

// Gist is what is read once from the bytes of an object version after it was added, and kept beside it.
type Gist struct {
	Until   time.Time // when it goes out of date, in whole µs; zero: never
	Stated  bool      // by its publisher, else by the operator's table
	Revoked bool
	Values  []Value // what it reports, each in its one form; the first MaxValues count
}

// Value is the value of an observable in its one form: two that are equal are the same thing.
type Value struct {
	Kind string `json:"kind"`
	Text string `json:"value"`
}

// GistOf reads the gists of objects and calls each once for every one, in order. It keeps nothing of their
// bytes; Values are its own again when each returns.
type GistOf func(objects [][]byte, each func(Gist))

// Gisted is one object version with its gist.
type Gisted struct {
	Fact
	Until   time.Time
	Stated  bool
	Revoked bool
	In      []auth.CollectionID // where it is present, sorted
}

// Lapse is an object version that is out of date or revoked.
type Lapse struct {
	Fact
	At      time.Time // since when: of a revoked one its date_added, else the later of that and Until
	Until   time.Time
	Stated  bool
	Revoked bool
}

// LapsePosition is a place in the order of lapses: by At, then by date_added.
type LapsePosition struct {
	At    time.Time
	Added Added
}

// LapseQuery asks for lapses after a position.
type LapseQuery struct {
	After LapsePosition // strictly
	Until time.Time     // not later than
	Limit int           // 1 to MaxLimit
}

// LapsePage is a page of lapses. Next is where to go on, when there may be more.
type LapsePage struct {
	Lapses []Lapse
	Next   LapsePosition
	More   bool
}

// Ungleaned is what Glean has still to read of an operation. Its zero value is nothing.
type Ungleaned struct {
	Versions int   // object versions, deleted ones too; of one in several collections each counts
	Oldest   Added // of them
}

// Audience is whom something is counted for. The zero value is nobody.
type Audience struct {
	View auth.View
	In   []auth.CollectionID // that it may read
	All  bool                // an operator: everything, whatever the rest says
}

// Reported is a value and how many publishers report it, of what an audience is shown.
type Reported struct {
	Value
	Partners int     `json:"partners"`
	ID       stix.ID `json:"id,omitempty"` // one of the objects that report it; "" for none
}

// CommonPosition is a place in the order of values, which is the store's own; 0 is before all.
type CommonPosition uint64

// CommonPage is a page of values. Next is where to go on, when there may be more.
type CommonPage struct {
	Values []Reported
	Next   CommonPosition
	More   bool
}

// Gleaner is the part of a store that answers from what was read of the bytes of objects. Nothing of it
// is in an object, and no publication waits for it: Glean reads what was added and gives the answers.
type Gleaner interface {
	// Glean reads the next object versions of an operation that have no gist yet, in order of date_added,
	// at most MaxGleaned, and keeps their gists. They are durable and visible together, with what the
	// methods below find them by; more is whether there may be others. A version has one gist, and it
	// stays; one that was deleted before has none. Nothing is decided by it, so there is no journal line.
	// read is called in no transaction. Calls wait for each other.
	Glean(ctx context.Context, op auth.OperationID, read GistOf) (more bool, err error)

	// Ungleaned tells what there is to be read, of which it counts about most at most.
	Ungleaned(ctx context.Context, op auth.OperationID, most int) (Ungleaned, error)

	// Gists gives the present versions of an object that go out of date or are revoked, as far as they were
	// gleaned, whoever published them, ascending by date_added.
	Gists(ctx context.Context, op auth.OperationID, id stix.ID) ([]Gisted, error)

	// Lapsed lists what is out of date or revoked of what the audience is shown in a collection: of each
	// object the last version, as Objects gives it, if that one lapsed. It looks at MaxLapses at most, so
	// that a page may end early and may even be empty with More. In does not matter.
	Lapsed(ctx context.Context, a Audience, at Place, q LapseQuery) (LapsePage, error)

	// Reports counts for each value the publishers that report it to the audience: those with an object
	// in one of its collections whose newest version there, of that publisher and shown by the View, names
	// the value and is not revoked. It looks at MaxReports objects of one publisher for it, and says the
	// rest does not report it. In the order of values.
	Reports(ctx context.Context, a Audience, op auth.OperationID, values []Value) ([]Reported, error)

	// Common lists the values that two or more publishers report to the audience, one of them in this
	// collection. It looks at MaxCommon at most and passes MaxPassed over, so that a page may end early, as
	// Lapsed's. read gives the values of the bytes.
	Common(ctx context.Context, a Audience, at Place, after CommonPosition, limit int, read GistOf) (CommonPage, error)
}
