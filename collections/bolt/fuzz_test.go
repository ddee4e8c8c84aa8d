package bolt_test

import (
	"testing"

	"liaison/collections/bolt"
)

// FuzzStored: stored bytes are the store's own, but a damaged disk must be an error, not a panic.
func FuzzStored(f *testing.F) {
	for _, b := range bolt.Samples() {
		f.Add(b)
	}
	f.Fuzz(func(_ *testing.T, b []byte) { bolt.ReadAnything(b) })
}
