package bolt_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/stix"
)

const fj auth.CollectionID = "0f5b6c1e-7f0a-4a53-9d0c-0000000000f1"

// TestParcels: what goes into several collections is stored once, comes out of each as it was whatever
// is beside it, and its bytes go with the last of them.
func TestParcels(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]bolt.Options{"usual": options(t, time.Now), "small": options(t, time.Now).WithSegments(2500, 900)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testParcels(t, o)
		})
	}
}

func testParcels(t *testing.T, o bolt.Options) {
	s := open(t, o)
	want := map[auth.CollectionID]map[stix.ID]string{vn: {}, lk: {}, fj: {}}
	for n := range 10 { // single objects too, so that the newest segment is continued
		list := items(n*20, 1+n*n/5, 1, vn, lk)
		for i := range list {
			switch i % 3 {
			case 1:
				list[i].To = []auth.CollectionID{vn} // between those that are shared
			case 2:
				list[i].To = []auth.CollectionID{fj, lk, vn}
			}
			for _, c := range list[i].To {
				want[c][list[i].ID] = string(list[i].Raw)
			}
		}
		if _, err := s.Publish(t.Context(), publication(n, north, list)); err != nil {
			t.Fatal(err)
		}
	}
	compare := func() {
		t.Helper()
		for c, w := range want {
			got := everything(t, s, c)
			if len(got) != len(w) {
				t.Fatalf("%s has %d objects, want %d", c, len(got), len(w))
			}
			for id, raw := range w {
				if got[id] != raw {
					t.Errorf("%s of %s is %q", id, c, got[id])
				}
			}
		}
	}
	compare()
	whole := stored(t, &s, o, "p")
	if strings.Count(whole, `"type":`) != len(union(want[lk], want[fj])) {
		t.Errorf("%d objects in parcels, want %d", strings.Count(whole, `"type":`), len(union(want[lk], want[fj])))
	}
	for _, c := range []auth.CollectionID{lk, vn, fj} {
		for id := range want[c] {
			_, err := s.Delete(t.Context(), collections.Deletion{
				Place: at(c), ID: id, Versions: collections.Versions{All: true}, View: auth.View{Partner: north, Own: true}, Actor: "north_1", At: time.Now(),
			})
			if err != nil {
				t.Fatal(err)
			}
			delete(want[c], id)
			if len(want[c]) == 20 {
				compare()
			}
		}
		compare()
	}
	if rest := stored(t, &s, o, "p"); rest != "" {
		t.Errorf("%d bytes are left in parcels", len(rest))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func union(a, b map[stix.ID]string) map[stix.ID]string {
	all := map[stix.ID]string{}
	for _, m := range []map[stix.ID]string{a, b} {
		for id, raw := range m {
			all[id] = raw
		}
	}
	return all
}

// stored gives the values of one bucket of the operation, and opens the store again.
func stored(t *testing.T, s **bolt.Store, o bolt.Options, bucket string) string {
	t.Helper()
	if err := (*s).Close(); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	db, err := bbolt.Open(o.Path, 0o600, &bbolt.Options{ReadOnly: true})
	if err == nil {
		err = db.View(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("o" + secure)).Bucket([]byte(bucket)).ForEach(func(_, v []byte) error {
				_, err := all.Write(v)
				return err
			})
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	o.Create = false
	*s = open(t, o)
	return all.String()
}

// TestSpreadIsSmall: 26 collections cost references, not copies.
func TestSpreadIsSmall(t *testing.T) {
	t.Parallel()
	size := func(to ...auth.CollectionID) int64 {
		o := options(t, time.Now)
		s := open(t, o)
		if _, err := s.Publish(t.Context(), publication(1, north, items(0, 5000, 1, to...))); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(o.Path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	var many []auth.CollectionID
	for i := range 26 {
		many = append(many, auth.CollectionID(fmt.Sprintf("0f5b6c1e-7f0a-4a53-9d0c-%012d", i)))
	}
	if one, all := size(vn), size(many...); all > 4*one+16<<20 { // files grow by 16 MiB
		t.Errorf("%d bytes for 26 collections, %d for one", all, one)
	}
}
