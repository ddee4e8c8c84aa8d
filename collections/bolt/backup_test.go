package bolt_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
)

// receiver is who takes a copy: a writer of whole records.
type receiver struct {
	file    []byte
	size    int64 // of the last record, if it said one
	records int
	wrote   func(at int64, n int) // if set, is told of each block
}

func (m *receiver) Write(b []byte) (int, error) {
	size, err := bolt.ReadCopy(bytes.NewReader(b), func(at int64, block []byte) error {
		if need := int(at) + len(block); need > len(m.file) {
			m.file = append(m.file, make([]byte, need-len(m.file))...)
		}
		copy(m.file[at:], block)
		m.records++
		if m.wrote != nil {
			m.wrote(at, len(block))
		}
		return nil
	})
	m.size = size
	return len(b), err
}

// sums are of what is there so far.
func (m *receiver) sums() (list []bolt.Sum) {
	for at := 0; at < len(m.file); at += bolt.BlockBytes {
		list = append(list, sha256.Sum256(m.file[at:min(at+bolt.BlockBytes, len(m.file))]))
	}
	return list
}

// open gives the store that was received.
func (m *receiver) open(t *testing.T, o bolt.Options) *bolt.Store {
	t.Helper()
	if m.size < 0 {
		t.Fatal("the copy has no end")
	}
	m.file = append(m.file, make([]byte, max(0, m.size-int64(len(m.file))))...) // blocks of zeros are not sent
	dir := t.TempDir()
	o.Path, o.Spool, o.Create = filepath.Join(dir, "store.db"), filepath.Join(dir, "journal.spool"), false
	if err := os.WriteFile(o.Path, m.file[:m.size], 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	t.Cleanup(func() { s.Close() })
	if list := faults(t, s); len(list) > 0 {
		t.Errorf("the copy has faults: %q", list)
	}
	return s
}

// TestCopyWhilePublishing: what was acknowledged before is in the copy, and of what came meanwhile a
// prefix, whether the rest of it can be gathered in a transaction or is sent from within one.
func TestCopyWhilePublishing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(bolt.Options) bolt.Options
	}{
		{"usual", func(o bolt.Options) bolt.Options { return o }},
		{"little is gathered", func(o bolt.Options) bolt.Options { return o.WithCopying(3*bolt.BlockBytes, 4) }},
		{"held", func(o bolt.Options) bolt.Options { return o.WithCopying(1, 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := c.change(options(t, time.Now))
			s := open(t, o)
			defer s.Close()
			before := publishSome(t, s, 0, 8)
			const writers = 2
			var all sync.WaitGroup
			var stop atomic.Bool
			for g := 1; g <= writers; g++ {
				all.Go(func() {
					for n := 0; !stop.Load() && n < 500; n++ {
						if _, err := s.Publish(t.Context(), publication(g*1000+n, north, items((g*1000+n)*100, 60, 1, vn))); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			m := &receiver{}
			n := 100
			m.wrote = func(int64, int) { // and for certain between two records
				if n < 112 {
					n++
					publishSome(t, s, n, 1)
				}
			}
			err := s.Backup(t.Context(), m)
			stop.Store(true)
			all.Wait()
			if err != nil {
				t.Fatal(err)
			}
			there := everything(t, m.open(t, o), vn)
			for _, it := range before {
				if there[it.ID] != string(it.Raw) {
					t.Fatalf("%s was acknowledged before the copy and is not in it", it.ID)
				}
			}
			has := func(n, count int) bool {
				got := 0
				for _, it := range items(n*100, count, 1, vn) {
					if there[it.ID] == string(it.Raw) {
						got++
					}
				}
				if got != 0 && got != count {
					t.Errorf("publication %d is there in part: %d of %d", n, got, count)
				}
				return got > 0
			}
			for g := 1; g <= writers; g++ {
				gone := false
				for n := range 500 {
					if is := has(g*1000+n, 60); is && gone {
						t.Fatalf("publication %d of %d is in the copy, and an earlier one is not", n, g)
					} else if !is {
						gone = true
					}
				}
			}
		})
	}
}

// publishSome makes a publication of so many hundred objects.
func publishSome(t *testing.T, s *bolt.Store, first, n int) []collections.Item {
	t.Helper()
	list := items(first*100, n*100, 1, vn)
	publishTo(t, s, first, north, list)
	return list
}

// TestCopyHoldsNothing: while nobody takes what is sent, the store gives free room back, which it does
// not beside a transaction of a copy, and takes publications and deletions without growing.
func TestCopyHoldsNothing(t *testing.T) {
	t.Parallel()
	o := options(t, time.Now)
	s := open(t, o)
	defer s.Close()
	list := publishSome(t, s, 0, 10)
	m := &receiver{}
	var once sync.Once
	m.wrote = func(int64, int) {
		once.Do(func() {
			for _, it := range list[:40] {
				if _, err := s.Delete(t.Context(), deletion(it)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Compact(t.Context()); err != nil {
				t.Errorf("compacting while a copy waits for its receiver: %v", err)
			}
		})
	}
	if err := s.Backup(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if n := len(everything(t, m.open(t, o), vn)); n != 960 {
		t.Errorf("%d objects in the copy, want the 960 that were left", n)
	}
}

func deletion(it collections.Item) collections.Deletion {
	return collections.Deletion{
		Place: at(vn), ID: it.ID, Versions: collections.Versions{All: true},
		View: auth.View{Partner: north, Own: true}, Actor: "north_1", At: time.Now(),
	}
}

// TestCopyGoesOn: a copy that broke off anywhere is completed by what it has not.
func TestCopyGoesOn(t *testing.T) {
	t.Parallel()
	o := options(t, time.Now)
	s := open(t, o)
	defer s.Close()
	publishSome(t, s, 0, 20)
	whole := &receiver{}
	if err := s.Backup(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	broke := errors.New("broke off")
	for after := 1; after < whole.records; after += 4 {
		m := &receiver{}
		err := s.Backup(t.Context(), writes(func(b []byte) (int, error) {
			if m.records == after {
				return 0, broke
			}
			return m.Write(b)
		}))
		if !errors.Is(err, broke) {
			t.Fatalf("after %d records: %v", after, err)
		}
		publishSome(t, s, 100+after, 1)
		if err := s.Copy(t.Context(), m.sums(), m); err != nil {
			t.Fatal(err)
		}
		if n, want := len(everything(t, m.open(t, o), vn)), 2000+(after+3)/4*100; n != want {
			t.Errorf("broken off after %d records: %d objects, want %d", after, n, want)
		}
		again := &receiver{file: bytes.Clone(m.file)}
		if err := s.Copy(t.Context(), m.sums(), again); err != nil {
			t.Fatal(err)
		}
		if again.records > 2 { // the block with the pages where the file begins, twice at most
			t.Errorf("%d blocks were sent to who had all", again.records)
		}
	}

	// What is there of another time or of another store is overridden, zeros too.
	m := &receiver{file: bytes.Repeat([]byte("x"), len(whole.file)+3*bolt.BlockBytes+7)}
	if err := s.Copy(t.Context(), m.sums(), m); err != nil {
		t.Fatal(err)
	}
	if n := len(everything(t, m.open(t, o), vn)); n < 2000 {
		t.Errorf("%d objects over what was there of another store", n)
	}
}

type writes func([]byte) (int, error)

func (f writes) Write(b []byte) (int, error) { return f(b) }

// FuzzReadCopy: a copy comes from a file that anybody may have made.
func FuzzReadCopy(f *testing.F) {
	f.Add([]byte{})
	f.Add(append(make([]byte, 8), 3, 0, 0, 0, 'a', 'b', 'c', 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		size, err := bolt.ReadCopy(bytes.NewReader(b), func(at int64, block []byte) error {
			n += 12 + len(block)
			if at < 0 || at%bolt.BlockBytes != 0 || len(block) == 0 || len(block) > bolt.BlockBytes {
				t.Errorf("a block of %d bytes at %d", len(block), at)
			}
			return nil
		})
		if n > len(b) || err == nil && size >= 0 && len(b) < 12 || err != nil && size >= 0 {
			t.Errorf("%d of %d bytes, size %d, %v", n, len(b), size, err)
		}
	})
}
