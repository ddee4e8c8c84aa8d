package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
)

// TestSeal: small segments are joined, pages that were planned before still give what they promised, and
// nothing that anybody sees changes.
func TestSeal(t *testing.T) {
	t.Parallel()
	o := options(t, time.Now).WithSegments(20_000, 900).WithGrowingMap()
	s := open(t, o)
	for n := range 60 {
		to := []auth.CollectionID{vn}
		if n%4 == 1 {
			to = append(to, lk)
		}
		list := items(n*3, 3, 1, to...)
		if n > 20 {
			list = append(list, item(n*2, 2, to...)) // a newer version
		}
		if _, err := s.Publish(t.Context(), publication(n, north, list)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 40 { // whole segments of it among them
		_, err := s.Delete(t.Context(), collections.Deletion{
			Place: at(vn), ID: item(30+n, 1).ID, Versions: collections.Versions{First: true}, View: auth.View{Partner: north, Own: true}, Actor: "north_1", At: time.Now(),
		})
		if err != nil && !errors.Is(err, collections.ErrNotFound) {
			t.Fatal(err)
		}
	}
	queries := map[string]collections.Query{
		"last": {Limit: 50}, "all": {Limit: 50, Versions: collections.Versions{All: true}}, "first": {Limit: 50, Versions: collections.Versions{First: true}},
		"type": {Limit: 50, Types: []string{"malware"}},
	}
	views := map[string]auth.View{"reader": amber(), "own": {Partner: north, Own: true}, "nobody": {Partner: south, Own: true}}
	before, planned := map[string]string{}, map[string]collections.Page{}
	for _, c := range []auth.CollectionID{vn, lk} {
		for v, view := range views {
			for q, query := range queries {
				name := v + " " + q + " " + string(c)
				p, err := s.Objects(t.Context(), view, at(c), query)
				if err != nil {
					t.Fatal(err)
				}
				before[name] = string(body(t, p))
				if planned[name], err = s.Objects(t.Context(), view, at(c), query); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	count := segments(t, s, vn)
	rounds := 0
	for more := true; more; rounds++ {
		var err error
		if more, err = s.Seal(t.Context()); err != nil || rounds > 100 {
			t.Fatal(rounds, err)
		}
	}
	if after := segments(t, s, vn); after > count/3 {
		t.Errorf("%d segments of %d are left", after, count)
	}
	check := func() {
		t.Helper()
		for _, c := range []auth.CollectionID{vn, lk} {
			for v, view := range views {
				for q, query := range queries {
					name := v + " " + q + " " + string(c)
					p, err := s.Objects(t.Context(), view, at(c), query)
					if err != nil {
						t.Fatal(err)
					}
					if got := string(body(t, p)); got != before[name] {
						t.Errorf("%s: other objects than before", name)
					}
				}
			}
		}
	}
	check()
	for name, p := range planned {
		if got := string(body(t, p)); got != before[name] {
			t.Errorf("%s, planned before: other objects", name)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Create = false
	s = open(t, o)
	check()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Seal(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("sealing for nobody: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// segments counts the runs of a page of everything.
func segments(t *testing.T, s *bolt.Store, c auth.CollectionID) int {
	t.Helper()
	p, err := s.Objects(t.Context(), auth.View{Partner: north, Own: true}, at(c), collections.Query{Limit: collections.MaxLimit, Versions: collections.Versions{All: true}})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		b, err := p.Take(nil, nil) // of one segment
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil || bytes.Contains(b, []byte(",,")) {
			t.Fatal(err, string(b))
		}
	}
}
