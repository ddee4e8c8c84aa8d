package bolt_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
)

// versions makes n versions of object i, each a second after the one before.
func versions(i, n int, to ...auth.CollectionID) []collections.Item {
	list := make([]collections.Item, n)
	for k := range list {
		list[k] = item(i, 0, to...)
		list[k].Version.At.Sec += int64(k)
		list[k].Version.Text = time.Unix(list[k].Version.At.Sec, 0).UTC().Format(time.RFC3339)
		list[k].Raw = fmt.Appendf(nil, `{"version":%d}`, k)
		list[k].Digest = sha256.Sum256(list[k].Raw)
	}
	return list
}

// TestManyVersions: the committer works for everybody, so that what one publication may make of one id
// is bounded, and all of it is placed in one go: the newest of them is the last one.
func TestManyVersions(t *testing.T) {
	t.Parallel()
	s := open(t, options(t, nil))
	for n, first := range []int{0, 500} { // the second continues the first
		st, err := s.Publish(t.Context(), publication(n, north, versions(1, collections.MaxVersions+100, vn, lk)[first:]))
		if err != nil || st.Success+first != collections.MaxVersions || st.Failure != 100 {
			t.Fatalf("%d successes, %d failures, %v; want %d in all", st.Success, st.Failure, err, collections.MaxVersions)
		}
	}
	for _, c := range []auth.CollectionID{vn, lk} {
		q := collections.Query{Limit: 10}
		p, err := s.Objects(t.Context(), amber(), at(c), q)
		if err != nil || p.Count != 1 {
			t.Fatalf("%d last versions, %v", p.Count, err)
		}
		want := fmt.Sprintf(`[{"version":%d}]`, collections.MaxVersions-1)
		if got := string(body(t, p)); got != want {
			t.Errorf("the last version is %s, want %s", got, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// leaving is a context that ends when it has been asked so many times.
type leaving struct {
	context.Context
	left atomic.Int32
}

func (l *leaving) Err() error {
	if l.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestLeaving: a publication whose caller goes while it is planned leaves nothing, and its neighbours
// find nothing of it.
func TestLeaving(t *testing.T) {
	t.Parallel()
	s := open(t, options(t, nil))
	for left := range 8 {
		ctx := &leaving{Context: t.Context()}
		ctx.left.Store(int32(left))
		list := append(items(0, 2_500, 0, vn), versions(0, 3, vn)...)
		_, err := s.Publish(ctx, publication(100+left, north, list))
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("publishing: %v", err)
		}
		if n := len(everything(t, s, vn)); n != 0 {
			t.Fatalf("asked %d times, %d objects are there", left, n)
		}
		if left == 7 {
			t.Error("the plan was asked for its caller without end")
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
