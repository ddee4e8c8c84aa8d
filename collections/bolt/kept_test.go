package bolt_test

import (
	"errors"
	"strings"
	"testing"

	"liaison/collections"
)

// TestMostKept: what a publisher has kept is bounded, over transactions and reopening, and what was
// settled makes room.
func TestMostKept(t *testing.T) {
	t.Parallel()
	o := options(t, nil).WithKept(3)
	s := open(t, o)
	o.Create = false
	held := func(i int) collections.Item {
		it := item(i, 0, vn)
		it.To, it.Keep = nil, &collections.Keep{Kind: collections.KeepHeld, To: it.To}
		return it
	}
	send := func(n int, p string, kept, failed int, items ...collections.Item) {
		t.Helper()
		st, err := s.Publish(t.Context(), publication(n, north, items))
		if err != nil || st.Kept != kept || st.Failure != failed {
			t.Fatalf("%s: %d kept, %d failures, %v; want %d and %d", p, st.Kept, st.Failure, err, kept, failed)
		}
		if failed > 0 && !strings.Contains(st.Failures[0].Message, "3 of your objects wait") {
			t.Errorf("%s: %q names no bound", p, st.Failures[0].Message)
		}
	}
	send(1, "below the bound", 2, 0, held(1), held(2))
	send(2, "over the bound", 1, 1, held(3), held(4))
	p := publication(3, north, []collections.Item{held(1)})
	gone := errors.New("gone")
	p.Still = func() error { return gone }
	if _, err := s.Publish(t.Context(), p); !errors.Is(err, gone) {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	send(4, "at the bound after reopening", 0, 1, held(4))
	other := held(9)
	st, err := s.Publish(t.Context(), publication(5, "south", []collections.Item{other}))
	if err != nil || st.Kept != 1 {
		t.Fatalf("another's: %+v, %v", st, err)
	}
	_, err = s.Settle(t.Context(), collections.Settlement{
		Operation: "secure", Actor: "local:1", Release: []collections.Released{{Key: 1}}, Drop: []collections.KeptKey{2},
	})
	if err != nil {
		t.Fatal(err)
	}
	send(6, "after one was released and one dropped", 2, 1, held(4), held(5), held(6))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
