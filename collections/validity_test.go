package collections_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// gleanedStore counts calls of Glean, says how much is left when it is told to, and fails on demand.
type gleanedStore struct {
	collections.Store
	calls int
	left  int
	fails error
}

func (s *gleanedStore) Glean(ctx context.Context, op auth.OperationID, read collections.GistOf) (bool, error) {
	s.calls++
	if s.fails != nil {
		return false, s.fails
	}
	more, err := s.Store.Glean(ctx, op, read)
	s.left = 0
	return more, err
}

func (s *gleanedStore) Ungleaned(ctx context.Context, op auth.OperationID, most int) (collections.Ungleaned, error) {
	u, err := s.Store.Ungleaned(ctx, op, most)
	u.Versions = min(u.Versions+s.left, most)
	return u, err
}

// TestGleanInBackground: it lets publications go first, but not for ever; a question waits for nobody.
func TestGleanInBackground(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	store := &gleanedStore{Store: h.store}
	h.desk.Store = store
	h.desk.Gleaning = collections.Gleaning{
		Gist: func(list [][]byte, each func(collections.Gist)) {
			for range list {
				each(collections.Gist{Values: []collections.Value{{Kind: "word", Text: "a"}}})
			}
		},
		Value: func(text string) (collections.Value, error) { return collections.Value{Kind: "word", Text: text}, nil },
	}
	vendor := h.partner(auth.CreatePartner{ID: "north", Role: auth.Vendor}, auth.Rights{Read: true, Write: true}, "vn")
	agency := h.partner(auth.CreatePartner{ID: "hanoi", Role: auth.Agency, Clearance: stix.Red}, auth.Rights{Read: true}, "vn")
	n := 0
	publish := func(after time.Duration) {
		h.clock = h.clock.Add(after)
		n++
		h.publish(vendor, "vn", indicator(n, "green"))
	}
	background := func(what string, after time.Duration, want int) {
		t.Helper()
		h.clock = h.clock.Add(after)
		store.calls = 0
		if err := h.desk.GleanInBackground(t.Context()); !errors.Is(err, store.fails) {
			t.Fatalf("%s: %v", what, err)
		}
		if store.calls != want {
			t.Errorf("%s: %d calls of Glean, want %d", what, store.calls, want)
		}
	}
	background("when there is nothing", 0, 1)
	publish(0)
	background("after a publication", 0, 0)
	background("shortly after it", 999*time.Millisecond, 0)
	background("a second after it", time.Millisecond, 1)
	publish(0)
	for range 29 {
		publish(time.Second)
		background("while they come in", 0, 0)
	}
	publish(999 * time.Millisecond)
	background("shortly before it is late", 0, 0)
	publish(time.Millisecond)
	background("when it is late", 0, 1)
	publish(0)
	background("when all was read", 0, 0)
	store.left = 99_998
	background("with one version less than much", 0, 0)
	store.left++
	background("with much", 0, 1)

	publish(0)
	background("before a question", 0, 0)
	if list, err := h.desk.Reports(t.Context(), agency, "secure", []string{"a"}); err != nil || list[0].Partners != 1 || store.calls != 1 {
		t.Errorf("a question is answered %+v after %d calls of Glean, %v", list, store.calls, err)
	}

	store.fails = collections.ErrFull
	background("of a full store", 2*time.Second, 1)
	background("soon after", time.Second, 0)
	background("before it is time again", 28*time.Second, 0)
	background("when it is time again", time.Second, 1)
	store.fails = nil
	background("of a store that has room again", 30*time.Second, 1)
	background("from then on", time.Second, 1)

	publish(0)
	h.clock = h.clock.Add(-time.Hour)
	background("by a clock that was set back", 0, 1)
}
