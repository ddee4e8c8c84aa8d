package collections

import (
	"context"

	"liaison/auth"
)

// Stager is a store that takes the bytes of a large publication before the publication itself, so that
// they need not be in memory all at once.
type Stager interface {
	// Stage takes the bytes of the next objects of the publication with this status id, in order: those of
	// the first call are number 1, 2, … of Item.Staged. They are durable, and nothing shows them. They
	// are the caller's again when the call returns.
	Stage(ctx context.Context, op auth.OperationID, id StatusID, raws [][]byte) error

	// Unstage gives up what was staged for a publication that does not come. Publish does it itself,
	// whether it succeeds or not, and so does the next start after a crash.
	Unstage(ctx context.Context, op auth.OperationID, id StatusID) error
}

// stageSize is how many bytes of a publication are in memory at once, where the store is a Stager.
const stageSize = 8 << 20

// stage hands the bytes that were copied since the last time to the store.
func (in *intake) stage(ctx context.Context) error {
	list := in.publication.Items[in.unstaged:]
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
	in.unstaged, in.loose = len(in.publication.Items), 0
	in.room.empty()
	return nil
}

// unstage gives up what was staged.
func (in *intake) unstage(ctx context.Context) {
	if in.staged > 0 {
		// An error leaves it to the next start: nothing refers to it.
		_ = in.stager.Unstage(context.WithoutCancel(ctx), in.publication.Place.Operation, in.publication.Status)
	}
}
