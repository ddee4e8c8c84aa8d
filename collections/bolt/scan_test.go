package bolt_test

import (
	"context"
	"errors"
	"testing"

	"liaison/collections"
	"liaison/stix"
)

// TestScan: a query that no track answers looks at a bounded number of object versions for a page, and
// goes on from there: nothing that matches is missed, and nobody waits for a whole collection.
func TestScan(t *testing.T) {
	t.Parallel()
	const n, rows = 400, 40
	s := open(t, options(t, nil).WithScans(rows))
	list := items(0, n, 1, vn)
	for _, i := range []int{250, 251, 390} {
		list[i].Spec = "2.0"
		list[i].Version = item(i, 7).Version
	}
	st, err := s.Publish(t.Context(), publication(1, north, list))
	if err != nil || st.Success != n {
		t.Fatal(st, err)
	}
	for name, q := range map[string]collections.Query{
		"a spec version":   {Limit: 2, Specs: []string{"2.0"}},
		"an exact version": {Limit: 2, Versions: collections.Versions{At: []stix.Instant{list[250].Version.At}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, empty := 0, 0
			for after, more := collections.Added(0), true; more; {
				q.After = after
				p, err := s.Objects(t.Context(), amber(), at(vn), q)
				if err != nil {
					t.Fatal(err)
				}
				facts, next, err := s.Facts(t.Context(), amber(), at(vn), q)
				if err != nil || len(facts) != p.Count || p.More != (next > 0) || p.More && next != p.Last {
					t.Fatalf("%d facts until %v, %v; a page of %d until %v, more %t", len(facts), next, err, p.Count, p.Last, p.More)
				}
				if p.More && p.Last <= after {
					t.Fatalf("a page after %v goes on after %v", after, p.Last)
				}
				if p.Count == 0 && p.More {
					empty++
				}
				got += p.Count
				after, more = p.Last, p.More
			}
			if got != 3 || empty < n/rows/2 {
				t.Errorf("%d objects and %d empty pages, want 3 and several", got, empty)
			}
		})
	}
	ctx := &leaving{Context: t.Context()}
	ctx.left.Store(2)
	if _, err := s.Objects(ctx, amber(), at(vn), collections.Query{Limit: 2, Specs: []string{"2.0"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a scan whose caller went: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
