package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
)

// disk opens files that can be made to fail: their descriptor is turned to a device whose writes or
// whose syncs the kernel refuses. What was mapped stays mapped, so that reading goes on.
type disk struct {
	mu   sync.Mutex
	file *os.File
}

func (d *disk) open(path string, flag int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag, mode)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.file = f
	return f, err
}

// The devices. A write to full is ENOSPC; what null takes cannot be synced: EINVAL.
const (
	full = "/dev/full"
	null = "/dev/null"
)

func (d *disk) turn(t *testing.T, device string) {
	t.Helper()
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := syscall.Dup3(int(f.Fd()), int(d.file.Fd()), syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
}

// TestFailingDisk: a transaction that cannot be written leaves nothing, its neighbours and all that
// was there stay, and the store mends itself.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		device string
		want   error
	}{{full, collections.ErrFull}, {null, collections.ErrUnavailable}} {
		t.Run(c.device, func(t *testing.T) {
			t.Parallel()
			var d disk
			o := options(t, time.Now).WithFile(d.open).WithSegments(4000, 900)
			s := open(t, o)
			roomy(t, s)
			before := everything(t, s, vn)
			last, err := s.Last(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for n := range 5 {
				d.turn(t, c.device)
				_, err := s.Publish(t.Context(), publication(100+n, north, items(10_000, 3, 1, vn)))
				if !errors.Is(err, c.want) {
					t.Fatalf("publishing: %v, want %v", err, c.want)
				}
				if diff := cmp.Diff(before, everything(t, s, vn)); diff != "" {
					t.Fatalf("after a failure (-want +got):\n%s", diff)
				}
			}
			eventually(t, func() error {
				_, err := s.Publish(t.Context(), publication(200, north, items(10_000, 3, 1, vn)))
				return err
			})
			if now, err := s.Last(t.Context()); err != nil || now <= last {
				t.Errorf("last date_added %v after %v, %v", now, last, err)
			}
			if n := len(everything(t, s, vn)); n != len(before)+3 {
				t.Errorf("%d objects, want %d", n, len(before)+3)
			}
			if list := faults(t, s); list != nil { // the journal included
				t.Error(strings.Join(list, "\n"))
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMendingBesideBackup: the store mends itself although nobody takes the bytes of a backup. The
// closing of the database waits for transactions; a backup has none and goes on, unless it had to hold
// one: then it ends with an error that says so.
func TestMendingBesideBackup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(bolt.Options) bolt.Options
		stall  int // at which sending of the first block
		want   error
	}{
		{"nothing held", func(o bolt.Options) bolt.Options { return o }, 1, nil},
		{"after the transaction", func(o bolt.Options) bolt.Options { return o }, 2, nil},
		{"held", func(o bolt.Options) bolt.Options { return o.WithCopying(1, 0) }, 1, collections.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var d disk
			o := c.change(options(t, time.Now)).WithFile(d.open)
			s := open(t, o)
			roomy(t, s)
			writing, let := make(chan struct{}), make(chan struct{})
			m := &receiver{}
			times := 0
			m.wrote = func(at int64, _ int) {
				if at > 0 {
					return
				}
				if times++; times == c.stall {
					close(writing)
					<-let
				}
			}
			backup := make(chan error, 1)
			go func() { backup <- s.Backup(t.Context(), m) }()
			<-writing
			d.turn(t, null)
			if _, err := s.Publish(t.Context(), publication(100, north, items(10_000, 3, 1, vn))); !errors.Is(err, collections.ErrUnavailable) {
				t.Fatalf("publishing: %v, want unavailable", err)
			}
			eventually(t, func() error {
				_, err := s.Publish(t.Context(), publication(200, north, items(10_000, 3, 1, vn)))
				return err
			})
			close(let)
			if err := <-backup; !errors.Is(err, c.want) {
				t.Errorf("the backup: %v, want %v", err, c.want)
			}
			if c.want == nil {
				want := 300
				if c.stall == 1 {
					want += 3
				}
				if n := len(everything(t, m.open(t, o.WithFile(nil)), vn)); n != want {
					t.Errorf("%d objects in the copy, want %d", n, want)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// roomy leaves the store with objects and with free pages, so that the next transaction does not grow
// the file.
func roomy(t *testing.T, s *bolt.Store) {
	t.Helper()
	for n := range 30 {
		if _, err := s.Publish(t.Context(), publication(n, north, items(n*10, 10, 1, vn))); err != nil {
			t.Fatal(err)
		}
	}
	big := item(5_000, 1, vn)
	big.Raw = fmt.Appendf(nil, `{"x":"%s"}`, make([]byte, 0, 1<<20)[:1<<20])
	for i := range big.Raw {
		if big.Raw[i] == 0 {
			big.Raw[i] = 'x'
		}
	}
	if _, err := s.Publish(t.Context(), publication(50, north, []collections.Item{big})); err != nil {
		t.Fatal(err)
	}
	_, err := s.Delete(t.Context(), collections.Deletion{
		Place: at(vn), ID: big.ID, Versions: collections.Versions{All: true},
		View: auth.View{Partner: north, Own: true}, Actor: "north_1", At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 { // freed pages wait for the transactions after
		if err := s.Apply(t.Context(), nil, []auth.Line{read(n)}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// eventually waits for the store to have mended itself.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	for {
		err := try()
		if err == nil {
			return
		}
		if !errors.Is(err, collections.ErrUnavailable) {
			t.Fatal(err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
}

// TestUndo: a transaction whose meta page was written, but perhaps not synced, can be taken back.
func TestUndo(t *testing.T) {
	t.Parallel()
	o := kept(t)
	for n := range 4 {
		var id, pageSize int
		put := func(value string) {
			edit(t, o.Path, func(tx *bbolt.Tx) error {
				id, pageSize = tx.ID(), tx.DB().Info().PageSize
				return tx.Bucket([]byte("registry")).Put([]byte("a\x00b"), []byte(value))
			})
		}
		put(fmt.Sprint("kept ", n))
		put("undone")
		if err := o.Undo(id+1, pageSize); err != nil { // one that left nothing
			t.Fatal(err)
		}
		if got := value(t, o); got != "undone" {
			t.Fatalf("round %d: row is %q after nothing was undone", n, got)
		}
		put("undone")
		if err := o.Undo(id, pageSize); err != nil {
			t.Fatal(err)
		}
		if got := value(t, o); got != "undone" {
			t.Fatalf("round %d: row is %q", n, got)
		}
		put(fmt.Sprint("kept ", n))
		put("undone")
		if err := o.Undo(id, pageSize); err != nil {
			t.Fatal(err)
		}
		if got, want := value(t, o), fmt.Sprint("kept ", n); got != want {
			t.Fatalf("round %d: row is %q, want %q", n, got, want)
		}
	}
}

func value(t *testing.T, o bolt.Options) (v string) {
	t.Helper()
	db, err := bbolt.Open(o.Path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		v = string(tx.Bucket([]byte("registry")).Get([]byte("a\x00b")))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
