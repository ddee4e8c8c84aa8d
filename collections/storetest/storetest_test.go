package storetest_test

import (
	"testing"
	"time"

	"liaison/collections"
	"liaison/collections/storetest"
)

func TestModel(t *testing.T) {
	storetest.Run(t, storetest.Factory{New: newModel})
}

func newModel(_ testing.TB, now func() time.Time) storetest.Opener {
	m := storetest.NewModel(now)
	return func(testing.TB) collections.Store {
		m.Reopen()
		return m
	}
}
