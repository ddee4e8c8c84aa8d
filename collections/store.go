package collections

import (
	"context"
	"io"
	"iter"
	"time"

	"liaison/auth"
	"liaison/stix"
)

// Store keeps what was shared and what was decided. This comment is the contract; the package
// storetest is its proof; an engine that passes it is a store.
//
// Durability. A method that writes returns nil only after its effect and its journal lines are
// durable and visible together, in one transaction: no effect without its line, no line without its
// effect. After an error nothing of the call is there, now or after a crash. Calls wait for each
// other in order of arrival and may share a transaction; a call whose ctx ends before its transaction
// has begun leaves nothing, and its error is the ctx's. A full disk is ErrFull, and reading goes on; a
// store that is closed or mending itself answers ErrUnavailable. What a caller hands over (Raw, Value)
// is the caller's again when the call returns.
//
// Order. Within an operation every object version that is added gets an Added of its own, greater
// than every Added that was given in the operation before, in the order of Publication.Items, and the
// same in every collection that the item goes to. It is the clock's microsecond, or a step after the
// newest where that is later: 20 µs while the newest is not more than a second ahead of the clock, 1 µs
// beyond; the clock may jump, the order holds. A reader that has seen Added a never later finds a new
// version at or before a.
//
// Identity. Within an operation:
//   - The first publisher of an id owns it, for good, deletions included. Another's item with that id
//     becomes a failure, and the journal tells the operator (kind "ownership.refused"), unless both are
//     Shared: that item, and what the first publisher's first one with the id was.
//   - An item with the id, version and digest of a version that the same publisher has in the
//     collection already is a duplicate: a success, stored once, its date_added, level and audience
//     unchanged, and told with Item.Repeated. Without a
//     version of its own (an observable) id and digest decide. Sent to several collections, it is added
//     to those that do not have it, and a duplicate only if all of them have it.
//   - An item with the id and version of one that the same publisher has anywhere in the operation,
//     but other bytes, is a conflict: a failure; the first is kept. Versions are equal as instants,
//     however they are written.
//   - Of a Shared id every publisher has its own copy, judged by itself: a duplicate or a conflict
//     only against the same publisher's. In a collection a reader is shown the copy of the first
//     publisher (by the lowest Added among what it sees) of whose copies it sees any, and no other.
//   - A publisher has at most MaxVersions of one id in an operation, each date_added counted and what
//     was deleted not. An item that would be one more is a failure whose message names the bound.
//   - An item that is Foreign is a failure with its own message, told to the operator as ownership is.
//   - An item is a failure whose Author is an id that another publisher owns, told to the operator as
//     ownership is; an Author that nobody has is the publisher's from then on, as if it had been kept.
//   - An item that would be added or kept is a failure when its level is below that of the version before
//     it, and it is neither Lower nor Brought: of the same publisher's present and kept versions the newest
//     one that is older, or, without versions, any of them. Levels that open nothing do not count.
//   - Items see the earlier items of their own publication, and publications the earlier ones.
//   - A deleted version counts for ownership only: it can be published again, under a new Added.
//
// Keeping. An item with a Keep is kept: durable, a success with its message and without a date_added,
// in no collection and no reader's sight until it is released. Within an operation:
//   - A kept version claims its id as an added one does: the first publisher owns it, for good, whatever
//     becomes of the version. It counts among MaxVersions.
//   - An item that would be kept or added is a conflict with a kept version of the same publisher as with
//     an added one. It is kept for those collections of its Keep where neither the publisher has that
//     version nor such a one is kept for it; with none named, only if the publisher has that version in
//     no collection and none such is kept. One that is neither added nor kept is a duplicate.
//   - A publisher has at most MaxKept kept versions of at most MaxKeptBytes together. An item that would
//     be more is a failure whose message names the bound.
//   - A release adds it as if it were published now: a new Added, in order of the releases, and
//     duplicates, MaxVersions and supersession are judged anew. Where it is there already it is just no
//     longer kept.
//   - Definitions and Levels count kept versions as present ones.
//   - What a publication takes along of what was kept has a line of kind "kept.release" for each batch that it
//     came with, after that of the publication, with all ids, at most 100; what is Brought and was not kept
//     has such lines of kind "bring".
//   - An item with Kept is the kept version of that key, of the same publisher and id: that one is no
//     longer kept when the item is taken. A key that is kept no more is none; where the publication has a
//     Reason it is a failure. A held one that takes two is ErrDenied unless another than the actor asked for it.
//
// Bringing. An item that is Brought is one that the publisher published before: it is judged and added
// like any other, in its place among the items, but the status says nothing of it, neither counts nor
// ids, and where it cannot be added it is left out. It is left out too when its Kept is kept no more.
//
// Ties. An item with a Tie goes to those of its collections where each of its ends is that did not go
// where it was to: an item of the same publication that failed, was left out or was cut so itself, of whose id its
// publisher has no version there. Where that is none, it is kept as pending; one that is Brought stays where it is.
//
// Sight. A View decides object by object exactly as auth.View.Shows does, on the facts fixed at the
// commit. First, last and the default spec version are taken among what the reader sees, of the copy
// it is shown: first Specs (or the latest) chooses, of that Versions, and then After, IDs, Types and
// Limit apply. Equal versions do not occur in one copy. What a reader does not see changes nothing in
// what it is given: neither its objects nor More, nor where a page ends. A collection that nothing was
// sent to is empty.
//
// Cost. A page costs what it returns, not what the collection holds. Exact version instants, named spec
// versions and views that no reader has are the exception: for them a call looks at MaxScan object
// versions, seen or not, and what follows is the next page's, so that a page may end early and may even
// be empty with More. No method holds a read transaction while a caller is slow.
//
// All methods are safe for concurrent use.
type Store interface {
	// Rows yields every row of the registry.
	Rows(ctx context.Context) iter.Seq2[auth.Record, error]

	// Apply writes registry rows and journal lines; there must be at least one line. done, when not
	// nil, is called after the transaction is durable and before the Still of any later publication
	// or deletion is asked.
	Apply(ctx context.Context, rows []auth.Record, lines []auth.Line, done func()) error

	// Publish adds objects and keeps the status. It writes one journal line of kind "publish" with the
	// status id, the place, counts, the run of date_added and the collections, and after it one of kind
	// "ownership.refused" with the ids when there were such. With a Reason it keeps no status, and the line is of kind
	// "route". An error of Still is returned as it is and stores nothing. In the status the failures at the door come first, then the store's.
	Publish(ctx context.Context, p Publication) (Status, error)

	// Delete removes the versions that match: their bytes go, facts stay for ownership and the journal.
	// Versions chooses among those that the View shows, its partner published and Specs leaves, also
	// where the reader is shown another's copy. It returns how many went; none is ErrNotFound. One line
	// of kind "delete".
	Delete(ctx context.Context, d Deletion) (int, error)

	// Kept lists what is kept. next is the key to go on after when there may be more, else 0; a page may
	// end early, and may even be empty with more behind it.
	Kept(ctx context.Context, op auth.OperationID, q KeptQuery) (list []Kept, next KeptKey, err error)

	// Settle releases, drops and amends what is kept, in one transaction, and gives an outcome for each
	// release. A key that is not kept is ErrNotFound, a release without a collection, or of more than MaxSettledBytes, ErrInvalid; one that
	// takes two by the one who asked, or that nobody asked for, is ErrDenied; then nothing was settled.
	// One line of kind "kept.release" for each batch that something was released of, one of "kept.drop"
	// and one of "kept.amend", each with the reason.
	Settle(ctx context.Context, s Settlement) ([]Outcome, error)

	// Withdraw removes object versions as Delete does, by their date_added, of one publisher. It returns
	// how many went; none is ErrNotFound. One line of kind "withdraw".
	Withdraw(ctx context.Context, w Withdrawal) (int, error)

	// Placed gives, of these ids, what this publisher has of them in the operation's collections: the
	// newest present version of each and all collections with a present one; ids without any are absent.
	// In the order of ids, each once.
	Placed(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID, bytes bool) ([]Placed, error)

	// Wanted gives, of these ids, what the publisher's publications so far wanted of them: the collections of
	// all, each once, sorted. Ids that none wanted are absent, and ids that came after MaxWanted others.
	Wanted(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID) ([]Wanted, error)

	// Routes gives why the versions of an object that are present in the operation went where they are,
	// whoever published them, ascending by date_added.
	Routes(ctx context.Context, op auth.OperationID, id stix.ID) ([]Routed, error)

	// Try says what Publish would do with each item, Brought ones too, and does nothing: no effect, no
	// status, no line.
	Try(ctx context.Context, p Publication) ([]Tried, error)

	// Objects plans a page and gives its bytes piece by piece. With q.IDs of one id it is the object
	// endpoint's answer too; Known tells whether there is any version at all.
	Objects(ctx context.Context, v auth.View, at Place, q Query) (Page, error)

	// Facts is the same selection without the bytes, for manifests and versions. next is where the page
	// ends when there is more, as Page.Last, and 0 when there is not.
	Facts(ctx context.Context, v auth.View, at Place, q Query) (facts []Fact, next Added, err error)

	// Known reports whether the reader sees any version of the object in the collection.
	Known(ctx context.Context, v auth.View, at Place, id stix.ID) (bool, error)

	// Status gives a status to its publisher; ErrNotFound for everybody else, and after StatusLife.
	Status(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, id StatusID) (Status, error)

	// Definitions gives, of these ids, the levels that marking definitions define which this
	// publisher published in the operation and that are present: the strictest of each, Unmarked for
	// those that carry no level (statements). Other ids are absent.
	Definitions(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID) (map[stix.ID]stix.Level, error)

	// Levels gives, of these ids, the strictest level among the present versions that this publisher
	// published in the operation; ids without any are absent.
	Levels(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID) (map[stix.ID]stix.Level, error)

	// What is read from the bytes of objects after their commit.
	Gleaner

	// Served records a read. The line is in the hands of the operating system when it returns (a killed
	// process loses none), synced within 50 ms, and part of the journal with the next transaction.
	Served(ctx context.Context, l auth.Line) error

	// Journal yields entries in order, from sequence number from (the first is 0), served lines included
	// that have been drained. VerifyJournal recomputes every hash and the signed checkpoint and names
	// the first entry that does not hold; the error is then a *JournalFault.
	Journal(ctx context.Context, from int64) iter.Seq2[Entry, error]
	VerifyJournal(ctx context.Context) (Checkpoint, error)

	// Last gives the highest Added that was ever given; Raise makes sure that none at or below floor
	// is given any more.
	Last(ctx context.Context) (Added, error)
	Raise(ctx context.Context, floor Added, l auth.Line) error

	// Sweep drops statuses older than StatusLife and drains served lines. The gateway calls it about
	// once a second.
	Sweep(ctx context.Context, now time.Time) error

	// Backup writes a consistent copy of the store that opens as a store; writes go on meanwhile.
	Backup(ctx context.Context, w io.Writer) error

	Close() error
}

// Page is a planned page of objects. If all that match fit, all are in it; otherwise it may end before
// the limit. TAXII 2.1 section 3.4.
type Page struct {
	Count       int
	First, Last Added // date_added of the first and the last object; 0 when Count is 0
	// More is whether the reader sees more that matches after Last, or may see: a page that ended at
	// MaxScan. If that one has no object, Last is the position to go on after.
	More bool
	// Gone is whether the query is for exact versions of one id and each of them was deleted: of the
	// copy that the reader is shown, or of the one that it would be shown had nothing been deleted. A
	// version that is there, that never was or that the reader would not see is not Gone.
	Gone bool
	// Next appends the next run of objects, joined by commas, to dst; the caller puts a comma between
	// runs. At the end it returns io.EOF and dst as it was. A version that was deleted since the
	// planning is left out, so that a run may be empty. Not safe for concurrent use.
	Next func(dst []byte) ([]byte, error)
	// Take is Next for who may have the run from before. It asks have, once at most, by the RunID of the
	// bytes that would be appended now, and if that is true passes over the run and returns dst as it
	// was. have is called within a read of the store and returns soon. Empty runs are not asked for.
	Take func(dst []byte, have func(RunID) bool) ([]byte, error)
}

// RunID names the bytes of a run of objects: in one store the same RunID is the same bytes, whoever asks
// and whenever. So what a deletion took from a run, or what another reader does not see of it, is in
// none of the runs with its name. The other way it does not hold: the same bytes may have many names.
type RunID [16]byte

// Entry is one line of the journal in its place.
type Entry struct {
	Seq  int64
	Raw  []byte // canonical JSON, the hashed record
	Line auth.Line
}

// Checkpoint is the signed head of the journal. golang.org/x/mod/sumdb/tlog, c2sp.org/tlog-checkpoint.
type Checkpoint struct {
	Size int64
	Root string // base64 of the tree's root hash
	Note string // the signed note
}

// JournalFault names the first entry that does not hold.
type JournalFault struct {
	Seq  int64  // -1 for the checkpoint itself
	What string // "changed", "missing", "out of order", …
}

func (f *JournalFault) Error() string {
	return "journal does not verify at line " + itoa(f.Seq) + ": " + f.What
}
