package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections/bolt"
)

// frail is a spool's file that fails when it is told to.
type frail struct {
	*os.File
	f *frailty
}

type frailty struct {
	short    atomic.Bool // the next write stops half-way
	noTrim   atomic.Bool
	noSync   atomic.Bool
	noSyncOf atomic.Bool // of the directory
	synced   chan error  // outcomes of Sync
}

var errFrail = errors.New("input/output error")

func (f *frail) Write(b []byte) (int, error) {
	if f.f.short.CompareAndSwap(true, false) {
		n, err := f.File.Write(b[:len(b)/2])
		return n, errors.Join(err, io.ErrShortWrite)
	}
	return f.File.Write(b)
}

func (f *frail) Truncate(n int64) error {
	if f.f.noTrim.Load() {
		return errFrail
	}
	return f.File.Truncate(n)
}

func (f *frail) Sync() error {
	err := f.File.Sync()
	if f.f.noSync.Load() {
		err = errFrail
	}
	select {
	case f.f.synced <- err:
	default:
	}
	return err
}

func (f *frailty) options(o bolt.Options) bolt.Options {
	return o.WithSpool(
		func(file *os.File) bolt.SpoolFile { return &frail{file, f} },
		func(string) error {
			if f.noSyncOf.Load() {
				return errFrail
			}
			return nil
		})
}

// told gives the texts of the journal's lines.
func told(t *testing.T, s *bolt.Store) string {
	t.Helper()
	var b strings.Builder
	for e, err := range s.Journal(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", e.Raw)
	}
	return b.String()
}

func remark(text string) auth.Line {
	return auth.NewLine(time.Now(), "hanoi_1", "read.objects", map[string]string{"note": text})
}

func serve(t *testing.T, s *bolt.Store, text string) {
	t.Helper()
	if err := s.Served(t.Context(), remark(text)); err != nil {
		t.Fatal(err)
	}
}

// TestSpoolReplacedUnsynced: when the new file is in its place but the directory cannot be synced, the
// lines that follow go to the file that has the name, not to one that nobody can find.
func TestSpoolReplacedUnsynced(t *testing.T) {
	t.Parallel()
	var f frailty
	o := f.options(options(t, nil))
	s := open(t, o)
	f.noSyncOf.Store(true)
	long := strings.Repeat("x", 1<<20)
	for range 5 {
		serve(t, s, long)
		if err := s.Sweep(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	serve(t, s, "after the replacement")
	b, err := os.ReadFile(o.Spool)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("after the replacement")) || len(b) > 2<<20 {
		t.Error("what is read after the replacement is not in the file that has the name")
	}
	f.noSyncOf.Store(false)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Create = false
	s = open(t, o)
	lines := told(t, s)
	if n := strings.Count(lines, long); n != 5 || strings.Count(lines, "after the replacement") != 1 || strings.Contains(lines, "gap") {
		t.Errorf("the journal has %d of 5 long lines, or others twice, or a gap", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSpoolTorn: a line that was torn and cannot be taken back takes no other with it.
func TestSpoolTorn(t *testing.T) {
	t.Parallel()
	for _, noTrim := range []bool{false, true} {
		var f frailty
		s := open(t, f.options(options(t, nil)))
		serve(t, s, "one")
		f.short.Store(true)
		f.noTrim.Store(noTrim)
		if err := s.Served(t.Context(), remark("torn")); err == nil {
			t.Fatal("a line that was not written whole was taken")
		}
		serve(t, s, "two")
		serve(t, s, "three")
		if err := s.Sweep(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		lines := told(t, s)
		for _, want := range []string{`"one"`, `"two"`, `"three"`} {
			if strings.Count(lines, want) != 1 {
				t.Errorf("without truncation %t: the journal has not %s once:\n%s", noTrim, want, lines)
			}
		}
		if noTrim != strings.Contains(lines, "1 lines of the spool were damaged") {
			t.Errorf("without truncation %t: the journal tells otherwise:\n%s", noTrim, lines)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSpoolNotSynced: the first of a run of failing syncs is told, the others are not.
func TestSpoolNotSynced(t *testing.T) {
	t.Parallel()
	f := frailty{synced: make(chan error, 100)}
	var told atomic.Int32
	o := f.options(options(t, nil))
	o.Log = slog.New(counter{slog.DiscardHandler, &told})
	s := open(t, o)
	f.noSync.Store(true)
	for n := range 3 {
		serve(t, s, fmt.Sprint(n))
		<-f.synced
	}
	f.noSync.Store(false)
	serve(t, s, "well")
	<-f.synced
	f.noSync.Store(true)
	for n := range 2 {
		serve(t, s, fmt.Sprint(n))
		<-f.synced
	}
	f.noSync.Store(false)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := told.Load(); n != 2 {
		t.Errorf("%d errors told, want the first of two runs", n)
	}
}

// counter counts errors.
type counter struct {
	slog.Handler
	n *atomic.Int32
}

func (c counter) Enabled(context.Context, slog.Level) bool { return true }

func (c counter) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelError {
		c.n.Add(1)
	}
	return nil
}
