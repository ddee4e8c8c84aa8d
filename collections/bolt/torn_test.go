package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
)

const filePage = 4096 // bytes

// TestTornWrites builds what a power cut may leave of a transaction: any of its pages without the one
// that makes it valid, in whole or in part, and that one cut off at any sector. Each opens as the store
// before the transaction or, where all of it was there, after it, and holds in every part.
func TestTornWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(t, time.Now).WithSegments(4000, 900).WithGrowingMap()
	s := open(t, o)
	own := auth.View{Partner: north, Own: true}
	steps := []func(n int) error{
		func(n int) error {
			_, err := s.Publish(t.Context(), publication(n, north, items(n*20, 20, 1, vn, lk)))
			return err
		},
		func(n int) error {
			_, err := s.Publish(t.Context(), publication(n, north, []collections.Item{item(n, 2, vn)}))
			return err
		},
		func(n int) error {
			id := collections.StatusID(fmt.Sprintf("%08x-5747-4000-8000-00000000ffff", n))
			return s.Stage(t.Context(), secure, id, [][]byte{item(n, 1).Raw})
		},
		func(n int) error {
			_, err := s.Delete(t.Context(), collections.Deletion{
				Place: at(vn), ID: item((n-3)*20+3, 1).ID, Versions: collections.Versions{All: true}, View: own, Actor: "north_1", At: time.Now(),
			})
			return err
		},
		func(int) error {
			_, err := s.Seal(t.Context())
			return err
		},
		func(n int) error {
			return s.Apply(t.Context(), []auth.Record{{Table: "x", Key: fmt.Sprint(n), Value: []byte("{}")}}, []auth.Line{read(n)}, nil)
		},
	}
	random := rand.New(rand.NewPCG(1, 2))
	before, had := image(t, o.Path), 0
	for n := range 4 * len(steps) {
		if err := steps[n%len(steps)](n); err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		after, has := image(t, o.Path), versionsIn(t, s)
		for k := range 3 {
			torn := tear(before, after, random, k)
			path := filepath.Join(dir, fmt.Sprintf("%d-%d", n, k))
			spool, err := os.ReadFile(o.Spool)
			if err := errors.Join(err, os.WriteFile(path, torn, 0o600), os.WriteFile(path+".spool", spool, 0o600)); err != nil {
				t.Fatal(err)
			}
			c := o
			c.Create, c.Path, c.Spool = false, path, path+".spool"
			left, err := bolt.Open(c)
			if err != nil {
				t.Fatalf("step %d, torn %d: %v", n, k, err)
			}
			if now := versionsIn(t, left); now != had && !(k == 1 && now == has) {
				t.Errorf("step %d, torn %d: %d objects, had %d, has %d", n, k, now, had, has)
			}
			if list := faults(t, left); list != nil {
				t.Errorf("step %d, torn %d: %s", n, k, strings.Join(list, "\n"))
			}
			if _, err := left.Publish(t.Context(), publication(10_000+n, north, items(100_000+n, 1, 1, vn))); err != nil {
				t.Errorf("step %d, torn %d: publishing on it: %v", n, k, err)
			}
			if err := errors.Join(left.Close(), os.Remove(path)); err != nil {
				t.Error(err)
			}
		}
		before, had = after, has
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// versionsIn counts the object versions in a collection.
func versionsIn(t *testing.T, s *bolt.Store) int {
	t.Helper()
	q := collections.Query{Limit: collections.MaxLimit, Versions: collections.Versions{All: true}}
	list, _, err := s.Facts(t.Context(), auth.View{Partner: north, Own: true}, at(vn), q)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// image gives what is used of the store's file.
func image(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 8*filePage && bytes.Equal(b[len(b)-filePage:], make([]byte, filePage)) {
		b = b[:len(b)-filePage] // the file grows in large steps
	}
	return b
}

// tear gives the pages of after that a power cut left: kind 0 some without the meta page, 1 all but the
// meta page is cut off, 2 some of them in part.
func tear(before, after []byte, random *rand.Rand, kind int) []byte {
	torn := append([]byte(nil), before...)
	if len(after) > len(torn) {
		torn = append(torn, make([]byte, len(after)-len(torn))...)
	}
	for at := 0; at < len(after); at += filePage {
		page := after[at:min(at+filePage, len(after))]
		if at < len(before) && bytes.Equal(page, before[at:min(at+filePage, len(before))]) {
			continue
		}
		switch {
		case at < 2*filePage: // a meta page
			if kind == 1 {
				copy(torn[at:], page[:random.IntN(filePage/512)*512])
			}
		case kind == 1 || random.IntN(2) == 0:
			copy(torn[at:], page)
		case kind == 2:
			copy(torn[at:], page[:random.IntN(8)*512])
		}
	}
	return torn
}
