package bolt_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"liaison/collections/bolt"
)

// TestSeekRun looks every hash of a run up, those beside it and the ends, in runs of even hashes, as they
// are, and in runs of uneven ones, where a guess is of no use.
func TestSeekRun(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		run := make([]uint64, n)
		for i := range run {
			switch n % 3 {
			case 0:
				run[i] = r.Uint64()
			case 1:
				run[i] = 1 << r.IntN(64)
			default:
				run[i] = uint64(r.IntN(5)) * math.MaxUint64 / 4
			}
		}
		slices.Sort(run)
		asked := []uint64{0, math.MaxUint64, r.Uint64()}
		for _, h := range run {
			asked = append(asked, h-1, h, h+1)
		}
		for i, got := range bolt.SeekRun(run, asked) {
			if want := sortedPlace(run, asked[i]); got != want {
				t.Fatalf("%d rows, hash %x: row %d, want %d", n, asked[i], got, want)
			}
		}
	}
}

func sortedPlace(run []uint64, h uint64) int {
	i, _ := slices.BinarySearch(run, h)
	return i
}

// TestStamp compares times with those that the standard library writes.
func TestStamp(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	at := []int64{0, 1, -1, 999_999, 1_000_000, 253402300799_999_999, 253402300800_000_000, -62135596800_000_000, -62167219200_000_000, -62167219200_000_001}
	for range 10_000 {
		at = append(at, r.Int64N(300_000_000_000_000_000)-62_200_000_000_000_000)
	}
	for i, us := range at {
		digits := i % 7
		layout := "2006-01-02T15:04:05." + "000000"[:digits]
		if digits == 0 {
			layout = layout[:len(layout)-1]
		}
		if got, want := bolt.Stamp(us, digits), time.UnixMicro(us).UTC().Format(layout+"Z"); got != want {
			t.Fatalf("%d µs with %d digits: %s, want %s", us, digits, got, want)
		}
	}
}

// TestFilter: what was added is never missed, over layers; of what was not, at most one in 200 seems to be there.
func TestFilter(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	f := bolt.NewFilter(0)
	if f.Has(0) || f.Has(r.Uint64()) {
		t.Error("an empty filter has something")
	}
	all := make([]uint64, 1_000_000)
	for i := range all {
		all[i] = r.Uint64()
		f.Add(all[i])
	}
	if f.Layers() < 2 {
		t.Errorf("%d layers: they were not tried", f.Layers())
	}
	for _, h := range all {
		if !f.Has(h) {
			t.Fatalf("hash %x is missed", h)
		}
	}
	wrong := 0
	for range all {
		if f.Has(r.Uint64()) {
			wrong++
		}
	}
	if wrong > len(all)/200*f.Layers() {
		t.Errorf("%d of %d that were not added seem to be there", wrong, len(all))
	}
}
