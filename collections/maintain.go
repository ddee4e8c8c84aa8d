package collections

import "context"

// Maintainer is what a store can do for the operator beside its contract.
type Maintainer interface {
	// Check looks at everything that is stored while others read and write, and calls found for each
	// fault. The error is another one: that of ctx, ErrUnavailable.
	Check(ctx context.Context, found func(Fault)) (Checked, error)

	// Compact joins what publications and deletions have left in pieces and gives free room back to the
	// file system, while others read and write.
	Compact(ctx context.Context) (Compacted, error)

	// Usage tells what the store takes and what it has written. The error is ErrUnavailable.
	Usage(ctx context.Context) (Usage, error)
}

// Fault is something stored that does not hold.
type Fault struct {
	Where string `json:"where"` // operation, collection, segment, …
	What  string `json:"what"`
}

// Checked tells what was looked at.
type Checked struct {
	Operations  int   `json:"operations"`
	Collections int   `json:"collections"`
	Segments    int   `json:"segments"`
	Objects     int   `json:"objects"` // versions in collections, deleted ones too
	Kept        int   `json:"kept"`
	Statuses    int   `json:"statuses"`
	Lines       int64 `json:"lines"` // of the journal
	Faults      int   `json:"faults"`
}

// Usage tells what a store takes of the disk, in bytes.
type Usage struct {
	Size    int64 `json:"size"`    // of the file
	Disk    int64 `json:"disk"`    // what it takes of the disk: less than its size where it has holes
	Written int64 `json:"written"` // to it, in pages, by all transactions since the start
}

// Compacted tells what a compaction did. Disk is what the file takes of the disk, in bytes.
type Compacted struct {
	Segments   int   `json:"segments"` // that were joined to others
	DiskBefore int64 `json:"disk_before"`
	DiskAfter  int64 `json:"disk_after"`
}
