package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	write := func(b string) func(*testing.T, *bolt.Options) {
		return func(t *testing.T, o *bolt.Options) {
			if err := os.WriteFile(o.Path, []byte(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		before func(*testing.T, *bolt.Options)
		want   error  // its kind, or
		says   string // a part of its text
	}{
		{"absent", func(_ *testing.T, o *bolt.Options) { o.Path += "x" }, bolt.ErrNotExist, `run "liaison init"`},
		{"there", func(_ *testing.T, o *bolt.Options) { o.Create = true }, bolt.ErrExists, "another data directory"},
		{"newer", func(t *testing.T, o *bolt.Options) {
			edit(t, o.Path, func(tx *bbolt.Tx) error {
				return tx.Bucket([]byte("meta")).Put([]byte("schema"), binary.LittleEndian.AppendUint64(nil, 1<<20))
			})
		}, bolt.ErrNewer, "use the newer program"},
		{"something else", write(strings.Repeat("no store\n", 10_000)), nil, "restore a backup"},
		{"a short file", write("x"), nil, "restore a backup"},
		{"an empty file", write(""), nil, "creation was cut off"},
		{"no key", func(_ *testing.T, o *bolt.Options) { o.Signer = nil }, collections.ErrInvalid, "key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := kept(t)
			c.before(t, &o)
			s, err := bolt.Open(o)
			if err == nil {
				s.Close()
				t.Fatal("it opened")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want %v and %q", err, c.want, c.says)
			}
		})
	}
}

func TestIDStays(t *testing.T) {
	t.Parallel()
	o := options(t, time.Now)
	s := open(t, o)
	id := s.ID()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Create = false
	s = open(t, o)
	defer s.Close()
	if id == "" || s.ID() != id {
		t.Errorf("id %q became %q", id, s.ID())
	}
}

// TestGroup: requests that wait for the same transaction do not touch each other when one fails, and
// a revocation acts on the publications behind it.
func TestGroup(t *testing.T) {
	t.Parallel()
	s := open(t, options(t, time.Now))
	defer s.Close()
	begun, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	first := publication(1, north, items(0, 2, 1, vn))
	first.Still = func() error { // holds the committer until the others wait
		close(begun)
		<-release
		return nil
	}
	send := func(p collections.Publication, want error) {
		all.Go(func() {
			if _, err := s.Publish(t.Context(), p); !errors.Is(err, want) {
				t.Errorf("publication %s: %v, want %v", p.Status, err, want)
			}
		})
	}
	send(first, nil)
	<-begun
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Publish(gone, publication(2, north, items(100, 2, 1, vn))); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that had gone: %v", err)
	}
	refused := errors.New("suspended")
	for n := 3; n < 40; n++ {
		p := publication(n, north, items(n*10, 2, 1, vn))
		var want error
		if n%3 == 0 {
			p.Still, want = func() error { return refused }, refused
		}
		send(p, want)
	}
	close(release)
	all.Wait()
	if n := len(everything(t, s, vn)); n != 2+2*24 {
		t.Errorf("%d objects, want those of 25 publications", n)
	}

	var mu sync.Mutex
	suspended := false
	for n := range 20 {
		all.Go(func() {
			lines := []auth.Line{read(n)}
			err := s.Apply(t.Context(), nil, lines, func() {
				mu.Lock()
				defer mu.Unlock()
				suspended = true
			})
			if err != nil {
				t.Error(err)
			}
			p := publication(1000+n, north, items(10_000+n*10, 1, 1, vn))
			p.Still = func() error {
				mu.Lock()
				defer mu.Unlock()
				if !suspended {
					return errors.New("asked before the change was told")
				}
				return nil
			}
			if _, err := s.Publish(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestPlanOutlivesChanges: a page that was planned is given as planned while its segment grows, is
// closed and loses objects.
func TestPlanOutlivesChanges(t *testing.T) {
	t.Parallel()
	s := open(t, options(t, time.Now))
	defer s.Close()
	if _, err := s.Publish(t.Context(), publication(1, north, items(0, 5, 1, vn))); err != nil {
		t.Fatal(err)
	}
	p, err := s.Objects(t.Context(), amber(), at(vn), collections.Query{Limit: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Publish(t.Context(), publication(2, north, items(100, 300, 1, vn))); err != nil {
		t.Fatal(err)
	}
	_, err = s.Delete(t.Context(), collections.Deletion{
		Place: at(vn), ID: item(1, 1).ID, Versions: collections.Versions{All: true},
		View: auth.View{Partner: north, Own: true}, Actor: "north_1", At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "[" + string(item(0, 1).Raw) + "," + string(item(2, 1).Raw) + "," + string(item(3, 1).Raw) + "]"
	if got := string(body(t, p)); got != want {
		t.Errorf("page is %s, want %s", got, want)
	}
}

// TestBackup: a copy takes nothing from the store that it is of, and holds what was served before it.
func TestBackup(t *testing.T) {
	t.Parallel()
	o := options(t, time.Now)
	s := open(t, o)
	defer s.Close()
	st, err := s.Publish(t.Context(), publication(1, north, items(0, 5, 1, vn)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Served(t.Context(), read(7)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := o
	c.Path, c.Spool, c.Create = filepath.Join(dir, "store.db"), filepath.Join(dir, "journal.spool"), false
	f, err := os.Create(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	var copied bytes.Buffer
	if err := s.Backup(t.Context(), &copied); err != nil {
		t.Fatal(err)
	}
	putCopy(t, f, &copied)
	twin := open(t, c)
	defer twin.Close()
	for name, s := range map[string]*bolt.Store{"store": s, "copy": twin} {
		if _, err := s.Status(t.Context(), secure, north, st.ID); err != nil {
			t.Errorf("the %s's status: %v", name, err)
		}
		if !slices.Contains(kindsOf(t, s), `read.objects {"n":7}`) {
			t.Errorf("the %s's journal lacks the read", name)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Backup(gone, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("a copy that nobody waits for: %v", err)
	}
}
