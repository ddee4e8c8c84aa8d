package bolt_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/stix"
)

// wealth makes a store that has everything that a check looks at.
func wealth(t *testing.T, o bolt.Options) *bolt.Store {
	t.Helper()
	s := open(t, o)
	for n := range 12 {
		list := items(n*10, 10, 1, vn)
		for i := range list {
			switch i % 5 {
			case 1:
				list[i].To = append(list[i].To, lk)
			case 2:
				list[i].Level, list[i].Named = stix.Red, []auth.PartnerID{hanoi}
			case 3:
				list[i].Shared = true
			case 4:
				list[i].To, list[i].Keep = nil, &collections.Keep{Kind: collections.KeepHeld, To: []auth.CollectionID{vn}}
			}
		}
		if n > 0 {
			list = append(list, item(n*10-10, 2, vn), item(n*10-9, 2, lk))
		}
		publishTo(t, s, n, north, list)
		if n > 6 {
			publishTo(t, s, 100+n, south, []collections.Item{list[3]})
		}
	}
	for n := range 5 {
		_, err := s.Delete(t.Context(), collections.Deletion{
			Place: at(vn), ID: item(n*10, 1).ID, Versions: collections.Versions{All: true}, View: auth.View{Partner: north, Own: true}, Actor: "north_1", At: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func publishTo(t *testing.T, s *bolt.Store, n int, publisher auth.PartnerID, list []collections.Item) {
	t.Helper()
	if st, err := s.Publish(t.Context(), publication(n, publisher, list)); err != nil || st.Failure > 0 {
		t.Fatal(st.Failures, err)
	}
}

func faults(t *testing.T, s *bolt.Store) (list []string) {
	t.Helper()
	done, err := s.Check(t.Context(), func(f collections.Fault) { list = append(list, f.Where+": "+f.What) })
	if err != nil {
		t.Fatal(err)
	}
	if done.Faults != len(list) {
		t.Errorf("%d faults told, %d counted", len(list), done.Faults)
	}
	return list
}

// TestCheck: a whole store has no fault, before and after it is compacted.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(bolt.Options) bolt.Options{
		"usual": func(o bolt.Options) bolt.Options { return o },
		"small": func(o bolt.Options) bolt.Options { return o.WithSegments(5000, 900) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := wealth(t, change(options(t, time.Now)))
			defer s.Close()
			if list := faults(t, s); list != nil {
				t.Errorf("faults: %s", strings.Join(list, "\n"))
			}
			if _, err := s.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			if list := faults(t, s); list != nil {
				t.Errorf("compacted: faults: %s", strings.Join(list, "\n"))
			}
			done, err := s.Check(t.Context(), func(collections.Fault) {})
			if err != nil || done.Operations != 1 || done.Collections != 2 || done.Objects < 100 || done.Kept != 24 || done.Statuses != 17 || done.Lines == 0 {
				t.Errorf("looked at %+v, %v", done, err)
			}
		})
	}
}

// TestCheckFinds: each sort of damage is found, and a start refuses what it looks at.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(t, time.Now).WithSegments(5000, 900)
	if err := wealth(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	o.Create = false
	whole, err := os.ReadFile(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	in := func(tx *bbolt.Tx, path ...string) *bbolt.Bucket {
		b := tx.Bucket([]byte("o" + secure))
		for _, name := range path {
			b = b.Bucket([]byte(name))
		}
		return b
	}
	last := func(b *bbolt.Bucket) (k, v []byte) {
		k, v = b.Cursor().Last()
		return append([]byte(nil), k...), append([]byte(nil), v...)
	}
	c := "c" + string(vn)
	first := func(b *bbolt.Bucket) (k, v []byte) {
		k, v = b.Cursor().First()
		return append([]byte(nil), k...), append([]byte(nil), v...)
	}
	for _, row := range []struct {
		name   string
		damage func(*bbolt.Tx) error
		says   string
		start  bool // a start refuses it
	}{
		{"a byte of an object", func(tx *bbolt.Tx) error {
			b := in(tx, c, "s")
			k, v := first(b)
			v[len(v)-5] ^= 1
			return b.Put(k, v)
		}, "are others than were published", false},
		{"a byte of a parcel", func(tx *bbolt.Tx) error {
			b := in(tx, "p")
			k, v := first(b)
			v[len(v)-5] ^= 1
			return b.Put(k, v)
		}, "are others than were published", false},
		{"a parcel", func(tx *bbolt.Tx) error {
			b := in(tx, "p")
			k, _ := first(b)
			return b.Delete(k)
		}, "parcel", false},
		{"facts of the newest segment", func(tx *bbolt.Tx) error {
			b := in(tx, c, "m")
			k, _ := last(b)
			return b.Delete(k)
		}, "facts of a segment", true},
		{"a level", func(tx *bbolt.Tx) error {
			b := in(tx, c, "m")
			k, v := first(b)
			texts := int(binary.LittleEndian.Uint16(v[4:]) + binary.LittleEndian.Uint16(v[6:]))
			rows := 8 + 4*texts + int(binary.LittleEndian.Uint32(v[8+4*(texts-1):]))
			v[rows+44+40] = byte(stix.Clear) // of the second object, for the first one is deleted
			return b.Put(k, v)
		}, "track", false},
		{"a bit too many", func(tx *bbolt.Tx) error {
			b := in(tx, c, "t")
			k, v := first(b)
			v[0] ^= 1
			return b.Put(k, v)
		}, "track", false},
		{"a stray track", func(tx *bbolt.Tx) error {
			return in(tx, c, "t").Put([]byte("Tx\x00\x00\x00\x00\x00\x00\x00\x00\x09"), []byte{1})
		}, "not there", false},
		{"a record of the index", func(tx *bbolt.Tx) error {
			b := in(tx, "d")
			k, _ := first(b)
			return b.Delete(k)
		}, "is not in the index", false},
		{"a row without its object", func(tx *bbolt.Tx) error {
			b := in(tx, "d")
			log := map[string][]byte{}
			err := b.ForEach(func(k, v []byte) error {
				v = bytes.Clone(v)
				for i := 15; i < len(v); i += 37 { // all, for what is merged already is not looked at
					v[i] ^= 1
				}
				log[string(k)] = v
				return nil
			})
			for k, v := range log {
				err = errors.Join(err, b.Put([]byte(k), v))
			}
			return err
		}, "row of", false},
		{"a run of the index", func(tx *bbolt.Tx) error {
			b := in(tx, "ix")
			k, v := first(b)
			return b.Put(k, v[:len(v)-1])
		}, "damaged", true},
		{"the operation's newest date", func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("o"+secure)).Put([]byte("last"), binary.LittleEndian.AppendUint64(nil, 1<<60))
		}, "date_added", true},
		{"what is kept", func(tx *bbolt.Tx) error {
			b := in(tx, "kept", "raw")
			k, v := first(b)
			v[3] ^= 1
			return b.Put(k, v)
		}, "kept", false},
		{"a status", func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("status"))
			k, _ := first(b)
			return b.Put(k, []byte("{"))
		}, "status", false},
		{"a line", func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("journal"))
			k, v := first(b)
			v[len(v)-3] ^= 1
			return b.Put(k, v)
		}, "journal", false},
		{"the last line", func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("journal"))
			k, v := last(b)
			v[len(v)-3] ^= 1
			return b.Put(k, v)
		}, "journal", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			damaged := o
			damaged.Path, damaged.Spool = filepath.Join(dir, strings.ReplaceAll(row.name, " ", "-")), filepath.Join(dir, row.name+".spool")
			spool, err := os.ReadFile(o.Spool)
			if err := errors.Join(err, os.WriteFile(damaged.Path, whole, 0o600), os.WriteFile(damaged.Spool, spool, 0o600)); err != nil {
				t.Fatal(err)
			}
			edit(t, damaged.Path, row.damage)
			s, err := bolt.Open(damaged)
			if (err != nil) != row.start || err != nil && !strings.Contains(err.Error(), "store check") {
				t.Errorf("opening: %v", err)
			}
			if err == nil {
				s.Close()
			}
			damaged.Damaged = true
			if s, err = bolt.Open(damaged); err != nil {
				if row.name == "a run of the index" && strings.Contains(err.Error(), row.says) {
					return // nothing can be found without it
				}
				t.Fatal(err)
			}
			defer s.Close()
			list := faults(t, s)
			if !strings.Contains(strings.Join(list, "\n"), row.says) {
				t.Errorf("found %q, want %q", list, row.says)
			}
		})
	}
}

// TestCompact: deleted objects free their room on the disk, and nothing else changes.
func TestCompact(t *testing.T) {
	t.Parallel()
	s := open(t, options(t, time.Now))
	defer s.Close()
	list := items(0, 200, 1, vn)
	for i := range list {
		list[i].Raw = append(bytes.TrimSuffix(list[i].Raw, []byte("}")), `,"x":"`+strings.Repeat("x", 100_000)+`"}`...)
		list[i].Digest = sha256.Sum256(list[i].Raw)
	}
	publishTo(t, s, 1, north, list)
	for n := range list {
		if n%10 == 0 {
			continue
		}
		_, err := s.Delete(t.Context(), collections.Deletion{
			Place: at(vn), ID: list[n].ID, Versions: collections.Versions{All: true}, View: auth.View{Partner: north, Own: true}, Actor: "north_1", At: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := everything(t, s, vn)
	done, err := s.Compact(t.Context())
	if err != nil || done.Segments == 0 || done.DiskAfter > done.DiskBefore/2 {
		t.Fatalf("compacted %+v, %v", done, err)
	}
	after := everything(t, s, vn)
	if len(after) != 20 || len(before) != 20 {
		t.Fatalf("%d objects, %d before", len(after), len(before))
	}
	for id, raw := range before {
		if after[id] != raw {
			t.Errorf("%s changed", id)
		}
	}
	publishTo(t, s, 2, north, items(30_000, 2000, 1, vn)) // into the holes
	if list := faults(t, s); list != nil {
		t.Errorf("faults: %v", list)
	}
}
