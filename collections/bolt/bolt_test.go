package bolt_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"crypto/rand"

	"golang.org/x/mod/sumdb/note"

	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/collections/storetest"
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
			if _, err := io.Copy(f, backup); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			return func(t testing.TB) collections.Store { return open(t, o) }
		},
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, factory(func(o bolt.Options) bolt.Options { return o }))
}

// TestStoreOfSmallSegments runs the suite where nearly every object meets a segment's end.
func TestStoreOfSmallSegments(t *testing.T) {
	storetest.Run(t, factory(func(o bolt.Options) bolt.Options { return o.WithSegments(700, 300) }))
}
