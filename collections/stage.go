package collections

import (
	"context"
	"math"
	"slices"

	"liaison/auth"
)

// Stager is a store that takes the bytes of a large publication before the publication itself, so that
// they need not be in memory all at once.
type Stager interface {
	// Stage takes the bytes of the next objects of the publication with this status id, in order: those of
	// the first call are number 1, 2, … of Item.Staged. They are durable, and nothing shows them. They
	// are the caller's again when the call returns.
	Stage(ctx context.Context, op auth.OperationID, id StatusID, raws [][]byte) error

	// Publish, with items that were staged, may clear the items while it goes through them.

	// Unstage gives up what was staged for a publication that does not come. Publish does it itself,
	// whether it succeeds or not, and so does the next start after a crash.
	Unstage(ctx context.Context, op auth.OperationID, id StatusID) error
}

// How many bytes of a publication are in memory at once, where the store is a Stager: what has no more than the
// first is not staged at all, and of what has more the rest is in smaller pieces, beside more and more facts.
const (
	stageFirst = 8 << 20
	stageSize  = 1 << 20
)

// full reports whether it is time to stage.
func (in *intake) full() bool {
	return in.stager != nil && (in.loose >= stageFirst || in.staged > 0 && in.loose >= stageSize)
}

// stage hands the bytes that were copied since the last time to the store.
func (in *intake) stage(ctx context.Context) error {
	list := in.publication.Items[in.staged:]
	raws := make([][]byte, len(list))
	for i := range list {
		raws[i] = list[i].Raw
	}
	if err := in.stager.Stage(ctx, in.publication.Place.Operation, in.publication.Status, raws); err != nil {
		return err
	}
	for i := range list {
		in.staged++
		list[i].Size, list[i].Raw, list[i].Staged = len(list[i].Raw), nil, in.staged
	}
	first := in.read == 0
	in.read += int64(in.loose)
	in.loose = 0
	in.room.empty()
	if first {
		in.expect()
	}
	return nil
}

// expect makes room for the items that are still to come of a body whose size is known, after the first of
// them were staged: to make room again and again takes twice the memory at the end.
func (in *intake) expect() {
	n := len(in.publication.Items)
	if in.wishes.Size <= in.read {
		return
	}
	most := in.limits.Objects
	if most <= 0 {
		most = math.MaxInt
	}
	all := min(int(float64(n)*float64(in.wishes.Size)/float64(in.read)*1.01)+16, most)
	if all > cap(in.publication.Items) {
		in.publication.Items = slices.Grow(in.publication.Items, all-n)
		in.drafts = slices.Grow(in.drafts, all-n)
	}
}

// unstage gives up what was staged.
func (in *intake) unstage(ctx context.Context) {
	if in.staged > 0 {
		// An error leaves it to the next start: nothing refers to it.
		_ = in.stager.Unstage(context.WithoutCancel(ctx), in.publication.Place.Operation, in.publication.Status)
	}
}
