package admin

import (
	"context"
	"slices"
	"sync"

	"liaison/auth"
)

// owed are the lines of what happened already that the store did not take yet.
type owed struct {
	mu    sync.Mutex
	lines []auth.Line
}

// Tell writes the line of something that has happened outside of the store and cannot be undone. What
// the store does not take now is kept for Settle. Whatever else is done is written in the same
// transaction as its effect.
func (a *API) Tell(ctx context.Context, l auth.Line) {
	a.owed.mu.Lock()
	a.owed.lines = append(a.owed.lines, l)
	a.owed.mu.Unlock()
	if err := a.Settle(context.WithoutCancel(ctx)); err != nil {
		a.o.Log.Error("journal line is owed", "kind", l.Kind, "error", err)
	}
}

// Settle writes the lines that are owed, if there are any. The gateway calls it about once a second,
// and before it closes the store.
func (a *API) Settle(ctx context.Context) error {
	a.owed.mu.Lock()
	defer a.owed.mu.Unlock()
	if len(a.owed.lines) == 0 {
		return nil
	}
	if err := a.o.Store.Apply(ctx, nil, slices.Clone(a.owed.lines), nil); err != nil {
		return err
	}
	a.owed.lines = nil
	return nil
}
