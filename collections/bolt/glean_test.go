package bolt_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"liaison/collections"
	"liaison/collections/bolt"
)

// gistOfRaw gives each object an end and two values, one of which many have.
func gistOfRaw(raw []byte) collections.Gist {
	n := len(raw) + strings.Count(string(raw), "1")
	return collections.Gist{
		Until: time.Date(2025, time.January, n%28+1, 0, 0, 0, 0, time.UTC), Revoked: n%7 == 0,
		Values: []collections.Value{{Kind: "word", Text: fmt.Sprint(n % 5)}, {Kind: "object", Text: string(raw)}},
	}
}

// TestCheckGleaned: what was gleaned in many steps has no fault, and each sort of damage is found.
func TestCheckGleaned(t *testing.T) {
	t.Parallel()
	o := options(t, time.Now).WithSegments(5000, 900)
	s := wealth(t, o)
	glean := func(s *bolt.Store) {
		t.Helper()
		if more, err := s.Glean(t.Context(), secure, gistOfRaw); err != nil || more {
			t.Fatal(more, err)
		}
	}
	glean(s)
	for n := range 40 { // so that blocks are joined
		publishTo(t, s, 200+n, north, items(1000+n, 1, 1, vn))
		glean(s)
	}
	if list := faults(t, s); list != nil {
		t.Errorf("faults: %s", strings.Join(list, "\n"))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Create = false
	for _, row := range []struct {
		bucket string
		change func(v []byte) []byte
		says   string
	}{
		{"v", func(v []byte) []byte { return v[:len(v)-1] }, "cut off"},
		{"z", func(v []byte) []byte { return append(v, v...) }, "out of order"},
		{"v", func(v []byte) []byte { v[16] ^= 1; return v }, "not there"},
		{"z", func(v []byte) []byte { binary.BigEndian.PutUint64(v[len(v)-17:], 1<<60); return v }, "not read yet"},
	} {
		var key, before []byte
		change(t, o, func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("o" + secure)).Bucket([]byte(row.bucket))
			k, v := b.Cursor().First()
			key, before = slices.Clone(k), slices.Clone(v)
			return b.Put(key, row.change(slices.Clone(v)))
		})
		s := open(t, o)
		if list := strings.Join(faults(t, s), "\n"); !strings.Contains(list, row.says) {
			t.Errorf("%s of %s: faults %q", row.says, row.bucket, list)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		change(t, o, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("o"+secure)).Bucket([]byte(row.bucket)).Put(key, before)
		})
	}
}

func change(t *testing.T, o bolt.Options, f func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(o.Path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(f); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
