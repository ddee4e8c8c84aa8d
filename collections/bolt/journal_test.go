package bolt_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
)

func read(n int) auth.Line {
	return auth.NewLine(time.Unix(int64(n), 0), "hanoi_1", "read.objects", map[string]int{"n": n})
}

// kept gives a closed store with twelve lines in its journal.
func kept(t *testing.T) bolt.Options {
	t.Helper()
	o := options(t, time.Now)
	s := open(t, o)
	for n := range 12 {
		if err := s.Apply(t.Context(), nil, []auth.Line{read(n)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Create = false
	return o
}

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func TestVerifyNamesTheLine(t *testing.T) {
	t.Parallel()
	line := func(n int64) []byte { return read(int(n)).Canonical(n) }
	for _, c := range []struct {
		name   string
		change func(journal, hash, meta *bbolt.Bucket) error
		seq    int64
		what   string
	}{
		{"edited", func(j, _, _ *bbolt.Bucket) error { return j.Put(key(5), read(50).Canonical(5)) }, 5, "changed"},
		{"not canonical", func(j, _, _ *bbolt.Bucket) error { return j.Put(key(7), append(line(7), ' ')) }, 7, "changed"},
		{"removed", func(j, _, _ *bbolt.Bucket) error { return j.Delete(key(3)) }, 3, "missing"},
		{"cut off", func(j, _, _ *bbolt.Bucket) error { return j.Delete(key(11)) }, 11, "missing"},
		{"swapped", func(j, _, _ *bbolt.Bucket) error {
			return errors.Join(j.Put(key(4), line(8)), j.Put(key(8), line(4)))
		}, 4, "out of order"},
		{"swapped and renumbered", func(j, _, _ *bbolt.Bucket) error {
			return errors.Join(j.Put(key(4), read(8).Canonical(4)), j.Put(key(8), read(4).Canonical(8)))
		}, 4, "changed"},
		{"added", func(j, _, _ *bbolt.Bucket) error { return j.Put(key(12), read(12).Canonical(12)) }, 12, "not in the checkpoint"},
		{"hash edited", func(_, h, _ *bbolt.Bucket) error { return h.Put(key(0), make([]byte, 32)) }, 0, "changed"},
		{"hash removed", func(_, h, _ *bbolt.Bucket) error { return h.Delete(key(0)) }, 0, "its hashes are missing"},
		{"checkpoint removed", func(_, _, m *bbolt.Bucket) error { return m.Delete([]byte("checkpoint")) }, -1, "the checkpoint is not signed by this gateway"},
		{"head damaged", func(_, _, m *bbolt.Bucket) error { return m.Put([]byte("journal"), []byte("x")) }, -1, "its head is damaged"},
		{"size lowered", func(j, _, m *bbolt.Bucket) error {
			b := append([]byte(nil), m.Get([]byte("journal"))...)
			binary.LittleEndian.PutUint64(b, 11)
			return errors.Join(j.Delete(key(11)), m.Put([]byte("journal"), b))
		}, -1, "the root hash is not that of the lines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := kept(t)
			s := open(t, o) // and open, for opening writes to the journal only after an unclean stop
			if cp, err := s.VerifyJournal(t.Context()); err != nil || cp.Size != 12 {
				t.Fatalf("untouched: %d lines, %v", cp.Size, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			edit(t, o.Path, func(tx *bbolt.Tx) error {
				return c.change(tx.Bucket([]byte("journal")), tx.Bucket([]byte("hash")), tx.Bucket([]byte("meta")))
			})
			o.Damaged = true
			s = open(t, o)
			defer s.Close()
			_, err := s.VerifyJournal(t.Context())
			fault, ok := errors.AsType[*collections.JournalFault](err)
			if !ok || fault.Seq != c.seq || fault.What != c.what {
				t.Errorf("got %v, want line %d: %s", err, c.seq, c.what)
			}
		})
	}
}

// edit changes a closed store behind its back.
func edit(t *testing.T, path string, change func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherKeyDoesNotVerify(t *testing.T) {
	t.Parallel()
	o := kept(t)
	_, o.Verifier = keys(t)
	s := open(t, o)
	defer s.Close()
	_, err := s.VerifyJournal(t.Context())
	if fault, ok := errors.AsType[*collections.JournalFault](err); !ok || fault.Seq != -1 {
		t.Errorf("got %v, want a fault of the checkpoint", err)
	}
}

// crashed copies the files of an open store as a crash would leave them.
func crashed(t *testing.T, o bolt.Options) bolt.Options {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []*string{&o.Path, &o.Spool} {
		b, err := os.ReadFile(*path)
		if err != nil {
			t.Fatal(err)
		}
		*path = filepath.Join(dir, filepath.Base(*path))
		if err := os.WriteFile(*path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.Create = false
	return o
}

// kindsOf lists the journal: kinds, with the number of a read or the reason of a gap.
func kindsOf(t *testing.T, s *bolt.Store) []string {
	t.Helper()
	var list []string
	for e, err := range s.Journal(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Line.Kind+" "+string(e.Line.What))
	}
	return list
}

const (
	gapUnclean = `gap {"reason":"the last stop was not clean: reads of its last 50 ms may be missing"}`
	gapTorn    = `gap {"reason":"the last line of the spool was cut off"}`
	gapDamaged = `gap {"reason":"1 lines of the spool were damaged"}`
	gapForeign = `gap {"reason":"the spool was not this store's: it is kept as journal.spool.unreadable"}`
	read0      = `read.objects {"n":0}`
	read1      = `read.objects {"n":1}`
	read2      = `read.objects {"n":2}`
)

func TestSpoolIsTakenIn(t *testing.T) {
	t.Parallel()
	change := func(f func(b []byte) []byte) func(*testing.T, bolt.Options) {
		return func(t *testing.T, o bolt.Options) {
			b, err := os.ReadFile(o.Spool)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(o.Spool, f(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		damage func(*testing.T, bolt.Options)
		want   []string
	}{
		{"whole", change(func(b []byte) []byte { return b }), []string{read0, read1, read2, gapUnclean}},
		{"torn", change(func(b []byte) []byte { return b[:len(b)-9] }), []string{read0, read1, gapTorn, gapUnclean}},
		{"torn behind", change(func(b []byte) []byte { return append(b, "1234"...) }), []string{read0, read1, read2, gapTorn, gapUnclean}},
		{"damaged", change(func(b []byte) []byte {
			b[strings.Index(string(b), `"n":1`)+4] = '7'
			return b
		}), []string{read0, read2, gapDamaged, gapUnclean}},
		{"foreign", change(func(b []byte) []byte { return []byte("something else\n") }), []string{gapForeign, gapUnclean}},
		{"empty", change(func(b []byte) []byte { return nil }), []string{gapForeign, gapUnclean}},
		{"absent", func(t *testing.T, o bolt.Options) {
			if err := os.Remove(o.Spool); err != nil {
				t.Fatal(err)
			}
		}, []string{gapUnclean}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options(t, time.Now)
			s := open(t, o)
			for n := range 3 {
				if err := s.Served(t.Context(), read(n)); err != nil {
					t.Fatal(err)
				}
			}
			after := crashed(t, o)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			c.damage(t, after)
			s = open(t, after)
			if diff := cmp.Diff(c.want, kindsOf(t, s)); diff != "" {
				t.Errorf("journal (-want +got):\n%s", diff)
			}
			if err := s.Served(t.Context(), read(3)); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, after) // clean: no gap, nothing twice
			defer s.Close()
			if diff := cmp.Diff(append(c.want, `read.objects {"n":3}`), kindsOf(t, s)); diff != "" {
				t.Errorf("journal after a clean stop (-want +got):\n%s", diff)
			}
			if _, err := s.VerifyJournal(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSpoolIsReplaced: a spool that has been drained does not grow for ever, and no line of the
// change is lost or doubled, wherever it is interrupted.
func TestSpoolIsReplaced(t *testing.T) {
	t.Parallel()
	o := options(t, time.Now)
	s := open(t, o)
	const lines = 5000
	what := map[string]any{"filter": strings.Repeat("x", 1000)}
	for n := range lines {
		what["n"] = n
		if err := s.Served(t.Context(), auth.NewLine(time.Unix(0, 0), "hanoi_1", "read.objects", what)); err != nil {
			t.Fatal(err)
		}
		if n%1000 == 0 {
			if err := s.Sweep(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	image := crashed(t, o)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(o.Spool); err != nil || info.Size() > 3<<20 {
		t.Errorf("spool of %d bytes after 5 MB of lines, %v", info.Size(), err)
	}
	for _, o := range []bolt.Options{o, image} {
		o.Create = false
		s := open(t, o)
		n := 0
		for e, err := range s.Journal(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Line.Kind == "read.objects" {
				n++
			}
		}
		if n != lines {
			t.Errorf("%d lines in the journal, want %d", n, lines)
		}
		if _, err := s.VerifyJournal(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
