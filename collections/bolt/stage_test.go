package bolt_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
)

// stagedAs hands the bytes of items over before their publication, in parts.
func stagedAs(t *testing.T, s *bolt.Store, id collections.StatusID, list []collections.Item, part int) {
	t.Helper()
	for from := 0; from < len(list); from += part {
		var raws [][]byte
		for i := from; i < min(from+part, len(list)); i++ {
			raws = append(raws, list[i].Raw)
			list[i].Raw, list[i].Size, list[i].Staged = nil, len(list[i].Raw), i+1
		}
		if err := s.Stage(t.Context(), secure, id, raws); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStage: what was staged comes out as what was not, duplicates and failures leave nothing, and what is
// given up goes.
func TestStage(t *testing.T) {
	t.Parallel()
	o := options(t, time.Now).WithSegments(2500, 900)
	s := open(t, o)
	plain := items(0, 50, 1, vn, lk)
	want := map[string]string{}
	for _, it := range plain {
		want[string(it.ID)] = string(it.Raw)
	}
	publishTo(t, s, 1, south, items(1000, 3, 1, vn))

	p := publication(2, north, append(items(0, 50, 1, vn, lk), items(1000, 3, 1, vn)...)) // the last three are south's
	p.Items[7].To = []auth.CollectionID{vn}
	p.Items[9].To, p.Items[9].Keep = nil, &collections.Keep{Kind: collections.KeepHeld, To: []auth.CollectionID{vn}}
	stagedAs(t, s, p.Status, p.Items[:53], 20)
	if got := everything(t, s, lk); len(got) != 0 {
		t.Errorf("%d objects are seen before they are published", len(got))
	}
	st, err := s.Publish(t.Context(), p)
	if err != nil || st.Success != 50 || st.Failure != 3 {
		t.Fatalf("%+v, %v", st, err)
	}
	compare := func() {
		t.Helper()
		for c, n := range map[auth.CollectionID]int{vn: 49, lk: 48} {
			got := everything(t, s, c)
			if len(got) != n {
				t.Errorf("%d objects in %s, want %d", len(got), c, n)
			}
			for id, raw := range got {
				if raw != want[string(id)] {
					t.Errorf("%s is %q", id, raw)
				}
			}
		}
	}
	compare()
	parcels := stored(t, &s, o, "p")
	if n := strings.Count(parcels, `"type":`); n != 49 {
		t.Errorf("%d objects in parcels, want 49", n)
	}

	// All of it again: duplicates, of which nothing stays; and what never comes.
	p = publication(3, north, items(0, 5, 1, vn, lk))
	stagedAs(t, s, p.Status, p.Items, 2)
	if st, err := s.Publish(t.Context(), p); err != nil || st.Duplicate != 5 {
		t.Errorf("%+v, %v", st, err)
	}
	p = publication(4, north, items(200, 5, 1, vn))
	stagedAs(t, s, p.Status, p.Items, 2)
	if err := s.Unstage(t.Context(), secure, p.Status); err != nil {
		t.Error(err)
	}
	if _, err := s.Publish(t.Context(), p); !errors.Is(err, collections.ErrInvalid) {
		t.Errorf("given up, then published: %v", err)
	}
	p = publication(5, north, items(300, 5, 1, vn))
	stagedAs(t, s, p.Status, p.Items, 2)
	p.Still = func() error { return auth.ErrDenied }
	if _, err := s.Publish(t.Context(), p); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("refused: %v", err)
	}
	p = publication(6, north, items(400, 5, 1, vn))
	stagedAs(t, s, p.Status, p.Items, 5) // left by a crash: the start sweeps it
	if left := stored(t, &s, o, "st"); left == "" {
		t.Error("nothing says what is staged")
	}
	if after := stored(t, &s, o, "p"); after != parcels {
		t.Errorf("parcels have %d bytes, %d before", len(after), len(parcels))
	}
	if rest := stored(t, &s, o, "st"); rest != "" {
		t.Errorf("%d bytes of staging are left", len(rest))
	}
	compare()
	if list := faults(t, s); list != nil {
		t.Errorf("faults: %v", list)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stage(ended, secure, "x", [][]byte{[]byte("{}")}); !errors.Is(err, context.Canceled) {
		t.Errorf("staging for nobody: %v", err)
	}
	if err := s.Stage(t.Context(), secure, "x", [][]byte{nil}); !errors.Is(err, collections.ErrInvalid) {
		t.Errorf("staging nothing: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
