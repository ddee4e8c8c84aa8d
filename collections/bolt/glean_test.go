package bolt_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"liaison/collections"
	"liaison/collections/bolt"
)

// gistOfRaw gives each object an end and two values, one of which many have.
func gistOfRaw(list [][]byte, each func(collections.Gist)) {
	for _, raw := range list {
		n := len(raw) + strings.Count(string(raw), "1")
		each(collections.Gist{
			Until: time.Date(2025, time.January, n%28+1, 0, 0, 0, 0, time.UTC), Revoked: n%7 == 0,
			Values: []collections.Value{{Kind: "word", Text: fmt.Sprint(n % 5)}, {Kind: "object", Text: string(raw)}},
		})
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
	damage := func(f func(list []bolt.Row)) func(k, v []byte) ([]byte, []byte) {
		return func(k, v []byte) ([]byte, []byte) {
			list, err := bolt.ChunkRows(v)
			if err != nil {
				t.Fatal(err)
			}
			f(list)
			return k, bolt.Chunk(list)
		}
	}
	for _, row := range []struct {
		bucket string
		change func(k, v []byte) ([]byte, []byte)
		says   string
	}{
		{"v", func(k, v []byte) ([]byte, []byte) { return k, v[:len(v)-1] }, "cut off"},
		{"e", func(k, v []byte) ([]byte, []byte) { return k, append(v, 0) }, "cut off"},
		{"z", damage(func(list []bolt.Row) { list[0], list[1] = list[1], list[0] }), "out of order"},
		{"z", damage(func(list []bolt.Row) { list[len(list)-1][0]++ }), "its key is not its last row's"},
		{"v", damage(func(list []bolt.Row) { list[0][2]-- }), "not there"},
		{"v", damage(func(list []bolt.Row) { list[0][1] |= 9 << 16 }), "of a publisher 9 that is not there"},
		{"e", damage(func(list []bolt.Row) { list[len(list)-1][1] = 1 << 60 }), "not read yet"},
		{"e", func(k, v []byte) ([]byte, []byte) { k[3]++; return k, v }, "of another part"},
		{"e", func(k, v []byte) ([]byte, []byte) { k[16]++; return k, v }, "is missing"},
		{"e", func(k, v []byte) ([]byte, []byte) { return k[:16], v }, "its key is damaged"},
		{"u", func(k, _ []byte) ([]byte, []byte) { return []byte{1, 0}, []byte("fiji") }, "damaged"},
	} {
		var key, before, added []byte
		change(t, o, func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("o" + secure)).Bucket([]byte(row.bucket))
			k, v := b.Cursor().First()
			key, before = slices.Clone(k), slices.Clone(v)
			var value []byte
			added, value = row.change(slices.Clone(k), slices.Clone(v))
			if err := b.Delete(key); err != nil {
				return err
			}
			return b.Put(added, value)
		})
		s := open(t, o)
		if list := strings.Join(faults(t, s), "\n"); !strings.Contains(list, row.says) {
			t.Errorf("%s of %s: faults %q", row.says, row.bucket, list)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		change(t, o, func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("o" + secure)).Bucket([]byte(row.bucket))
			if err := b.Delete(added); err != nil {
				return err
			}
			return b.Put(key, before)
		})
	}
}

// TestManyValues: objects with as many values as count are read in several calls, and a list of what several
// report passes over what one alone does, in several pages.
func TestManyValues(t *testing.T) {
	t.Parallel()
	s := open(t, options(t, time.Now))
	defer s.Close()
	const objects = collections.MaxPassed/collections.MaxValues + 2
	publishTo(t, s, 1, north, items(0, objects, 1, vn))
	publishTo(t, s, 2, south, items(objects, 1, 1, vn))
	read := func(list [][]byte, each func(collections.Gist)) {
		for _, raw := range list {
			g := collections.Gist{Values: []collections.Value{{Kind: "word", Text: "several"}}}
			for n := range collections.MaxValues + 1 {
				g.Values = append(g.Values, collections.Value{Kind: string(raw), Text: fmt.Sprint(n)})
			}
			each(g)
		}
	}
	calls := 0
	for more := true; more; calls++ {
		var err error
		if more, err = s.Glean(t.Context(), secure, read); err != nil {
			t.Fatal(err)
		}
	}
	if u, err := s.Ungleaned(t.Context(), secure, 1); calls != 2 || u != (collections.Ungleaned{}) || err != nil {
		t.Errorf("read in %d calls, and left %+v, %v", calls, u, err)
	}
	var found []collections.Reported
	var after collections.CommonPosition
	pages := 0
	for more := true; more; pages++ {
		p, err := s.Common(t.Context(), collections.Audience{All: true}, at(vn), after, 5, read)
		if err != nil {
			t.Fatal(err)
		}
		found, after, more = append(found, p.Values...), p.Next, p.More
	}
	if len(found) != 1 || found[0].Text != "several" || found[0].Partners != 2 || pages != 2 {
		t.Errorf("%d pages with %+v", pages, found)
	}
	last := items(objects-1, 1, 1)[0]
	list, err := s.Reports(t.Context(), collections.Audience{All: true}, secure, []collections.Value{
		{Kind: string(last.Raw), Text: fmt.Sprint(collections.MaxValues - 2)}, {Kind: string(last.Raw), Text: fmt.Sprint(collections.MaxValues - 1)},
	})
	if err != nil || list[0].Partners != 1 || list[1].Partners != 0 {
		t.Errorf("of the last values %+v are counted, %v", list, err)
	}
	if list := faults(t, s); list != nil {
		t.Errorf("faults: %s", strings.Join(list, "\n"))
	}
}

// TestTiers: rows that come in any portions, of keys that are spread, alike or far apart, are read in order
// from anywhere, and lie in few blocks.
func TestTiers(t *testing.T) {
	t.Parallel()
	const split = 512
	for name, key := range map[string]func(d *rand.Rand) uint64{
		"hashes":        (*rand.Rand).Uint64,
		"times":         func(d *rand.Rand) uint64 { return 1_700_000_000_000_000 + d.Uint64N(7*24*3600)*1_000_000 },
		"one time":      func(*rand.Rand) uint64 { return 1_700_000_000_000_000 },
		"one of two":    func(d *rand.Rand) uint64 { return d.Uint64N(2) },
		"some far away": func(d *rand.Rand) uint64 { return 1_700_000_000_000_000 << d.Uint64N(8) >> d.Uint64N(3) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := rand.New(rand.NewPCG(7, uint64(len(name))))
			db, err := bbolt.Open(filepath.Join(t.TempDir(), "rows"), 0o600, &bbolt.Options{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			want := map[uint16][]bolt.Row{}
			for n := uint64(0); len(want[1]) < 30*split; {
				space, size := uint16(1), 1+d.IntN(10)
				switch d.IntN(4) {
				case 0:
					size = d.IntN(3 * split / 2)
				case 1:
					space = 2
				}
				list := make([]bolt.Row, size)
				for i := range list {
					n++
					list[i] = bolt.Row{key(d), d.Uint64N(3) << 16, n}
				}
				want[space] = append(want[space], list...)
				if err := db.Update(func(tx *bbolt.Tx) error { return bolt.AddRows(tx, "rows", space, split, list) }); err != nil {
					t.Fatal(err)
				}
			}
			compare := func(a, b bolt.Row) int { return slices.Compare(a[:], b[:]) }
			err = db.View(func(tx *bbolt.Tx) error {
				for space, want := range want {
					slices.SortFunc(want, compare)
					for range 20 {
						at := d.IntN(len(want))
						from := want[at]
						if d.IntN(2) == 0 {
							from, at = bolt.Row{}, 0
						}
						got, _, err := bolt.RowsFrom(tx, "rows", space, from, len(want))
						if err != nil || !slices.Equal(got, want[at:]) {
							t.Fatalf("space %d from %v: %d rows, want %d: %v", space, from, len(got), len(want)-at, err)
						}
					}
				}
				_, depths, err := bolt.RowsFrom(tx, "rows", 1, bolt.Row{}, 1)
				if err != nil || name == "hashes" && depths < 2 {
					t.Errorf("in %d depths, %v", depths, err)
				}
				most, err := bolt.Blocks(tx, "rows")
				if most > 100 {
					t.Errorf("a part has %d blocks", most)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
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
