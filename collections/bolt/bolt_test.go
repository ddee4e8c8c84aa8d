package bolt_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/collections/storetest"
	"liaison/stix"
)

// keys makes the gateway's key for the journal.
func keys(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "gateway.example")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

// options gives the options of a store that is not there yet, in a directory of its own.
func options(t testing.TB, now func() time.Time) bolt.Options {
	t.Helper()
	dir := t.TempDir()
	o := bolt.Options{
		Path: filepath.Join(dir, "store.db"), Spool: filepath.Join(dir, "journal.spool"), Create: true, Now: now,
	}
	o.Signer, o.Verifier = keys(t)
	return o
}

func open(t testing.TB, o bolt.Options) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// factory makes stores whose options went through change.
func factory(change func(bolt.Options) bolt.Options) storetest.Factory {
	return storetest.Factory{
		New: func(t testing.TB, now func() time.Time) storetest.Opener {
			o := change(options(t, now))
			return func(t testing.TB) collections.Store {
				s := open(t, o)
				o.Create = false
				return s
			}
		},
		Restore: func(t testing.TB, now func() time.Time, backup io.Reader) storetest.Opener {
			o := change(options(t, now))
			o.Create = false
			f, err := os.Create(o.Path)
			if err != nil {
				t.Fatal(err)
			}
			putCopy(t, f, backup)
			return func(t testing.TB) collections.Store { return open(t, o) }
		},
	}
}

// putCopy puts a copy of a store into f and closes it.
func putCopy(t testing.TB, f *os.File, backup io.Reader) {
	t.Helper()
	size, err := bolt.ReadCopy(backup, func(at int64, b []byte) error {
		_, err := f.WriteAt(b, at)
		return err
	})
	if err == nil && size < 0 {
		err = errors.New("the copy has no end")
	}
	if err := errors.Join(err, f.Truncate(max(size, 0)), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, factory(func(o bolt.Options) bolt.Options { return o }))
}

// TestStoreOfSmallSegments runs the suite where nearly every object meets a segment's end, a publication is planned
// in parts, the map grows with the file, and segments are joined after each publication.
func TestStoreOfSmallSegments(t *testing.T) {
	f := factory(func(o bolt.Options) bolt.Options { return o.WithSegments(1500, 300).WithGrowingMap() })
	usual := f.New
	f.New = func(t testing.TB, now func() time.Time) storetest.Opener {
		opener := usual(t, now)
		return func(t testing.TB) collections.Store { return sealing{opener(t).(*bolt.Store)} }
	}
	storetest.Run(t, f)
}

type sealing struct{ *bolt.Store }

func (s sealing) Publish(ctx context.Context, p collections.Publication) (collections.Status, error) {
	st, err := s.Store.Publish(ctx, p)
	if err == nil {
		if _, err := s.Seal(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, collections.ErrUnavailable) {
			return st, err
		}
	}
	return st, err
}

// everything reads a collection whole, and checks that date_added ascends and that objects are whole.
func everything(t *testing.T, s *bolt.Store, c auth.CollectionID) map[stix.ID]string {
	t.Helper()
	all := map[stix.ID]string{}
	q := collections.Query{Limit: collections.MaxLimit, Versions: collections.Versions{All: true}}
	v := auth.View{Partner: north, Own: true}
	for more := true; more; {
		p, err := s.Objects(t.Context(), v, at(c), q)
		if err != nil {
			t.Fatal(err)
		}
		facts, _, err := s.Facts(t.Context(), v, at(c), collections.Query{After: q.After, Limit: p.Count + 1, Versions: q.Versions})
		if err != nil {
			t.Fatal(err)
		}
		var raws []json.RawMessage
		if err := json.Unmarshal(body(t, p), &raws); err != nil {
			t.Fatal(err)
		}
		if len(raws) != p.Count || len(facts) < p.Count {
			t.Fatalf("page of %d has %d objects and %d facts", p.Count, len(raws), len(facts))
		}
		for i, raw := range raws {
			if facts[i].Added <= q.After {
				t.Errorf("date_added %s after %s", facts[i].Added, q.After)
			}
			if _, twice := all[facts[i].ID]; twice {
				t.Errorf("%s is there twice", facts[i].ID)
			}
			q.After, all[facts[i].ID] = facts[i].Added, string(raw)
		}
		more = p.More
	}
	return all
}

// body gives a page as a JSON array.
func body(t *testing.T, p collections.Page) []byte {
	t.Helper()
	var runs [][]byte
	for {
		run, err := p.Next(nil)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return append(append([]byte("["), bytes.Join(runs, []byte(","))...), ']')
		}
		runs = append(runs, run)
	}
}
