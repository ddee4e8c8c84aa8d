package taxii_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/collections"
	"liaison/server/taxii"
)

func cursors() taxii.Cursors {
	return taxii.Cursors{MAC: func(label string, data []byte) (out [32]byte) {
		h := hmac.New(sha256.New, []byte("key of "+label))
		h.Write(data)
		h.Sum(out[:0])
		return out
	}}
}

func here() taxii.Cursor {
	return taxii.Cursor{
		Endpoint: taxii.OfObjects, Partner: "vn-police",
		Place: collections.Place{Operation: "secure", Collection: "5d0092c5-5f74-4287-9642-33f4c354e56d"},
	}
}

func parse(t testing.TB, raw string) taxii.Request {
	t.Helper()
	r, err := taxii.ParseQuery(taxii.OfObjects, raw)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return r
}

func seal(t testing.TB, first string) string {
	c := here()
	c.After, c.Filters = 12345, taxii.FiltersOf(parse(t, first))
	return cursors().Seal(c)
}

func TestSection3_5_resume(t *testing.T) {
	const first = "match[type]=malware,indicator&match[version]=first,2018-03-02T01:01:01.123Z&match[spec_version]=2.1&match[id]=" + idA
	next := seal(t, first)
	want := parse(t, first).Query
	want.After = 12345
	for _, again := range []string{
		"", first, "match[type]=indicator,malware", "added_after=2030-01-01T00:00:00Z",
		"match[version]=2018-03-02T01:01:01.1230Z,first&match[spec_version]=2.1",
	} {
		r := parse(t, again+"&limit=7&next="+next)
		stray, err := cursors().Resume(&r, here())
		if err != nil || stray {
			t.Fatalf("%q: %v %v", again, stray, err)
		}
		want.Limit = 7
		if diff := cmp.Diff(want, r.Query); diff != "" || !r.Positioned {
			t.Errorf("%q (-want +got):\n%s", again, diff)
		}
	}
	for _, again := range []string{
		"match[type]=indicator", "match[version]=all", "match[version]=last", "match[spec_version]=2.0", "match[id]=" + idB,
	} {
		r := parse(t, again+"&next="+next)
		if _, err := cursors().Resume(&r, here()); !is400(err) {
			t.Errorf("%q beside other filters: %v", again, err)
		}
	}
}

func is400(err error) bool {
	e, ok := errors.AsType[*taxii.Error](err)
	return ok && e.Status() == 400 && e.Details["parameter"] == "next"
}

func TestSection3_5_defaults(t *testing.T) {
	r := parse(t, "match[version]=last&next="+seal(t, ""))
	if _, err := cursors().Resume(&r, here()); err != nil {
		t.Errorf("the default version, said: %v", err)
	}
	r = parse(t, "match[type]=indicator&next="+seal(t, ""))
	if _, err := cursors().Resume(&r, here()); !is400(err) {
		t.Errorf("a filter that was not there: %v", err)
	}
	r = parse(t, "added_after=2025-01-31T09:30:00Z&next=")
	if _, err := cursors().Resume(&r, here()); err != nil || r.Query.After != micros("2025-01-31T09:30:00Z") {
		t.Errorf("an empty next: %v", err)
	}
}

func TestSection3_5_foreign(t *testing.T) {
	next := seal(t, "match[type]=indicator")
	for name, change := range map[string]func(*taxii.Cursor){
		"partner":  func(c *taxii.Cursor) { c.Partner = "lk-police" },
		"endpoint": func(c *taxii.Cursor) { c.Endpoint = taxii.OfManifest },
		"object":   func(c *taxii.Cursor) { c.Object = idA },
		"both": func(c *taxii.Cursor) {
			c.Partner, c.Place.Collection = "lk-police", "00000000-0000-4000-8000-000000000000"
		},
	} {
		at := here()
		change(&at)
		r := parse(t, "next="+next)
		if stray, err := cursors().Resume(&r, at); !is400(err) || stray {
			t.Errorf("another %s: %v %v", name, stray, err)
		}
	}
	at := here()
	at.Place.Collection = "00000000-0000-4000-8000-000000000000"
	r := parse(t, "added_after=2025-01-31T09:30:00Z&next="+next)
	stray, err := cursors().Resume(&r, at)
	if err != nil || !stray || r.Query.After != micros("2025-01-31T09:30:00Z") || r.Query.Types != nil {
		t.Errorf("another collection: %v %v %+v, want it to count as absent", stray, err, r.Query)
	}
}

func TestCursorEdited(t *testing.T) {
	next := seal(t, "match[type]=indicator")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range next {
		at := strings.IndexByte(alphabet, next[i])
		for _, bit := range []int{1, 2, 32} {
			edited := next[:i] + string(alphabet[at^bit]) + next[i+1:]
			if _, ok := cursors().Open(edited); ok {
				t.Fatalf("character %d changed by %d is taken", i, bit)
			}
		}
		if _, ok := cursors().Open(next[:i]); ok {
			t.Fatalf("cut at %d is taken", i)
		}
	}
	for _, odd := range []string{next + "=", next + "A", "\n" + next, next + next, strings.Repeat("A", 1<<20), "%"} {
		if _, ok := cursors().Open(odd); ok {
			t.Errorf("%.40q is taken", odd)
		}
	}
}

func TestCursorOfLongFilters(t *testing.T) {
	var ids []string
	for i := range 500 {
		ids = append(ids, fmt.Sprintf("indicator--8e2e2d2b-17d4-4cbf-938f-%012d", i))
	}
	long := "match[id]=" + strings.Join(ids, ",")
	next := seal(t, long)
	if len(next) > 1000 {
		t.Errorf("a cursor of %d characters", len(next))
	}
	r := parse(t, long+"&next="+next)
	if _, err := cursors().Resume(&r, here()); err != nil || len(r.Query.IDs) != 500 || r.Query.After != 12345 {
		t.Errorf("repeated: %v", err)
	}
	for _, again := range []string{"", "match[id]=" + strings.Join(ids[1:], ","), "match[type]=a"} {
		r := parse(t, again+"&next="+next)
		if _, err := cursors().Resume(&r, here()); !is400(err) {
			t.Errorf("not repeated: %v", err)
		}
	}
}

// FuzzCursor holds that a cursor says again what was put into it, that it opens to nothing else, and
// that what a forger writes opens nothing.
func FuzzCursor(f *testing.F) {
	f.Add("match[type]=indicator&match[version]=all", int64(1), []byte("x"))
	f.Add("match[id]="+idA+","+idB+"&match[version]=first,2018-03-02T01:01:01.123Z", int64(1738315800000000), []byte{1, 2})
	f.Fuzz(func(t *testing.T, raw string, after int64, noise []byte) {
		if c, ok := cursors().Open(string(noise)); ok {
			t.Fatalf("forged: %+v", c)
		}
		r, err := taxii.ParseQuery(taxii.OfObjects, raw)
		if err != nil {
			return
		}
		c := here()
		c.After, c.Filters = collections.Added(after), taxii.FiltersOf(r)
		next := cursors().Seal(c)
		again := taxii.Request{Next: next}
		if len(next) > 4<<10 {
			t.Fatalf("%d characters", len(next))
		}
		repeated := r
		repeated.Next = next
		if stray, err := cursors().Resume(&repeated, here()); stray || err != nil || repeated.Query.After != c.After {
			t.Fatalf("repeated: %v %v", stray, err)
		}
		if _, err := cursors().Resume(&again, here()); err != nil {
			if len(raw) < 1000 {
				t.Fatal(err)
			}
			return
		}
		if c2 := taxii.FiltersOf(again); cursors().Seal(taxii.Cursor{Filters: c2}) != cursors().Seal(taxii.Cursor{Filters: c.Filters}) {
			t.Errorf("filters changed: %+v to %+v", r, again)
		}
	})
}
