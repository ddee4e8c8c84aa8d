package admin_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
)

// failing is a store that takes no lines while it is told so.
type failing struct {
	collections.Store
	full atomic.Bool
}

func (f *failing) Apply(ctx context.Context, rows []auth.Record, lines []auth.Line, done func()) error {
	if f.full.Load() {
		return collections.ErrFull
	}
	return f.Store.Apply(ctx, rows, lines, done)
}

func failingEnv(t *testing.T) (*env, *failing, *admin.Client) {
	t.Helper()
	f := &failing{}
	e := newEnv(t, func(o *admin.Options) {
		f.Store = o.Store
		o.Store = f
	})
	return e, f, admin.InProcess(e.api, os.Getuid())
}

// journal gives kind and content of its lines.
func (e *env) journal(t *testing.T) (all []string) {
	t.Helper()
	for entry, err := range e.store.Journal(t.Context(), 0) {
		check(t, err)
		all = append(all, entry.Line.Kind+" "+string(entry.Line.What))
	}
	return all
}

func TestKeysRotateAfterTheirLine(t *testing.T) {
	e, f, c := failingEnv(t)
	before, err := c.Keys(t.Context())
	check(t, err)
	f.full.Store(true)
	for _, kind := range []string{admin.SigningKeys, admin.ServerKeys} {
		if _, err := c.RotateKeys(t.Context(), kind); err == nil {
			t.Errorf("%s keys rotated without a line", kind)
		}
	}
	after, err := c.Keys(t.Context())
	check(t, err)
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("keys changed without a line (-want +got):\n%s", d)
	}

	f.full.Store(false)
	check(t, os.RemoveAll(filepath.Join(e.dir, "keys")))
	if _, err := c.RotateKeys(t.Context(), admin.ServerKeys); err == nil {
		t.Error("keys rotated without a file")
	}
	want := []string{`keys.rotate {"kind":"server"}`, `keys.failed {"kind":"server"}`}
	if d := cmp.Diff(want, e.journal(t)); d != "" {
		t.Errorf("journal (-want +got):\n%s", d)
	}
}

// In an emergency the key goes although the store takes nothing; its line is not lost.
func TestKeyRevocationOwesItsLine(t *testing.T) {
	e, f, c := failingEnv(t)
	keys, err := c.Keys(t.Context())
	check(t, err)
	id := keys.Signing[0].ID
	f.full.Store(true)
	keys, err = c.RevokeKey(t.Context(), id)
	check(t, err)
	for _, k := range keys.Signing {
		if k.ID == id && k.State != "retired" {
			t.Errorf("key %+v was revoked", k)
		}
	}
	if err := e.api.Settle(t.Context()); err == nil {
		t.Error("settled with a store that takes nothing")
	}
	f.full.Store(false)
	for range 2 {
		check(t, e.api.Settle(t.Context()))
		want := []string{`keys.revoke {"key":"` + id + `","kind":"signing"}`}
		if d := cmp.Diff(want, e.journal(t)); d != "" {
			t.Errorf("journal (-want +got):\n%s", d)
		}
	}
}
