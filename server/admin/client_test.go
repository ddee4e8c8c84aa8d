package admin_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
)

// TestClient plays every act of the typed client over both transports.
func TestClient(t *testing.T) {
	transports(t, func(t *testing.T, e *env, c *admin.Client) {
		ctx := t.Context()
		o, err := c.CreateOperation(ctx, admin.NewOperation{ID: "secure", Title: "S", Countries: []string{"VN", "LK"}})
		check(t, err)
		if len(o.Collections) != 3 || o.Collections[1].Alias != "lk" || !o.Collections[0].Intake {
			t.Errorf("the operation has %v", o.Collections)
		}
		p, err := c.CreatePartner(ctx, admin.NewPartner{ID: "acme", Role: auth.Vendor, Name: "A", Operation: "secure", Countries: []string{"all"}})
		check(t, err)
		if len(p.Grants) != 3 || !p.Grants[1].Write || p.Grants[0].Alias != "intake" || p.Grants[0].Rights != (auth.Rights{Write: true}) {
			t.Errorf("the vendor has %v", p.Grants)
		}
		_, err = c.CreatePartner(ctx, admin.NewPartner{ID: "vn", Role: auth.Agency, Name: "V"})
		check(t, err)
		red := "red"
		changed, err := c.SetPartner(ctx, "vn", admin.PartnerChange{Clearance: &red})
		check(t, err)
		if !changed.Widened {
			t.Error("a higher clearance does not widen")
		}
		changed, err = c.Grant(ctx, "vn", "secure", "all", auth.Rights{Read: true})
		check(t, err)
		if len(changed.Grants) != 2 || !changed.Widened {
			t.Errorf("all collections granted: %v, widened %v", changed.Grants, changed.Widened)
		}
		v, err := c.Invite(ctx, "acme", admin.NewInvitation{TTL: "1h"})
		check(t, err)
		if !strings.HasPrefix(v.URL, "https://gateway.example/join/") || time.Until(v.Expires) > time.Hour {
			t.Errorf("invited with %v", v)
		}
		id := e.join(t, "acme")
		holders, err := c.Clients(ctx, "acme")
		check(t, err)
		if len(holders) != 1 || holders[0].ID != id || len(holders[0].Secrets) != 1 {
			t.Errorf("acme's clients are %v", holders)
		}
		h, err := c.Revoke(ctx, id, admin.Revocation{Secret: holders[0].Secrets[0].ID})
		check(t, err)
		if len(h.Secrets) != 0 || !h.Revoked.IsZero() {
			t.Errorf("after the secret went: %v", h)
		}
		gone, err := c.RevokePartner(ctx, "acme")
		check(t, err)
		if len(gone) != 1 || gone[0].Revoked.IsZero() {
			t.Errorf("revoked %v", gone)
		}
		p, err = c.SuspendPartner(ctx, "acme")
		check(t, err)
		if p.State != auth.Suspended {
			t.Errorf("suspended acme is %s", p.State)
		}
		_, err = c.ResumePartner(ctx, "acme")
		check(t, err)
		_, err = c.ResyncPartner(ctx, "acme")
		check(t, err)
		_, err = c.RemovePartner(ctx, "acme")
		check(t, err)
		all, err := c.Partners(ctx)
		check(t, err)
		if len(all) != 2 || all[0].State != auth.Removed || all[0].Resync.IsZero() {
			t.Errorf("partners are %v", all)
		}
		o, err = c.CloseOperation(ctx, "secure")
		check(t, err)
		ops, err := c.Operations(ctx)
		check(t, err)
		if !o.Closed || len(ops) != 1 || !ops[0].Closed {
			t.Errorf("operations are %v", ops)
		}
		health, err := c.Health(ctx)
		check(t, err)
		if health.Status != "ok" || health.Operations != 1 || health.Partners != 1 {
			t.Errorf("health is %v", health)
		}
	})
}

// TestErrors wants the same kinds on both sides of the API.
func TestErrors(t *testing.T) {
	transports(t, func(t *testing.T, e *env, c *admin.Client) {
		_, missing := c.Partner(t.Context(), "nobody")
		_, dots := c.Partner(t.Context(), "..")
		_, empty := c.Partner(t.Context(), "")
		_, slash := c.Partner(t.Context(), "a/../b")
		_, invalid := c.CreatePartner(t.Context(), admin.NewPartner{ID: "A"})
		_, closed := c.CloseOperation(t.Context(), "nothing")
		for _, x := range []struct{ err, kind error }{
			{missing, auth.ErrNotFound}, {dots, auth.ErrNotFound}, {empty, auth.ErrNotFound}, {slash, auth.ErrNotFound},
			{invalid, auth.ErrInvalid}, {closed, auth.ErrNotFound},
		} {
			if a, ok := errors.AsType[*admin.Error](x.err); !ok || !errors.Is(x.err, x.kind) || a.Description == "" {
				t.Errorf("%v is not %v", x.err, x.kind)
			}
		}
		check(t, e.store.Close())
		if _, err := c.Invite(t.Context(), "nobody", admin.NewInvitation{}); err == nil {
			t.Error("invited by a gateway whose store is closed")
		}
		if _, err := c.CreatePartner(t.Context(), admin.NewPartner{ID: "a1", Role: auth.Vendor, Name: "A"}); !errors.Is(err, collections.ErrUnavailable) {
			t.Errorf("created in a closed store: %v", err)
		}
	})
}

// TestJournal wants lines as they are hashed, from and to where they are asked for.
func TestJournal(t *testing.T) {
	transports(t, func(t *testing.T, e *env, c *admin.Client) {
		const lines = 1500 // more than the store reads at once
		for range lines / 100 {
			var batch []auth.Line
			for range 100 {
				batch = append(batch, auth.NewLine(time.Now(), "test", "test.line", nil))
			}
			check(t, e.store.Apply(t.Context(), nil, batch, nil))
		}
		for _, x := range []struct{ from, limit, first, count int64 }{
			{0, lines, 0, lines}, {10, 5, 10, 5}, {lines - 1, 1, lines - 1, 1}, {lines + 100, -1, 0, 0}, {0, 0, 0, 0},
		} {
			body, err := c.Journal(t.Context(), x.from, x.limit)
			check(t, err)
			n := int64(0)
			for in := bufio.NewScanner(body); in.Scan(); n++ {
				if _, seq, err := auth.ParseLine(in.Bytes()); err != nil || seq != x.first+n {
					t.Fatalf("line %d is %s: %v", x.first+n, in.Bytes(), err)
				}
			}
			if n != x.count {
				t.Errorf("from %d limit %d: %d lines, want %d", x.from, x.limit, n, x.count)
			}
			check(t, body.Close())
		}
		v, err := c.VerifyJournal(t.Context())
		check(t, err)
		if v.Lines < lines || v.Root == "" || v.Note == "" { // each reading has a line of its own
			t.Errorf("verified %v", v)
		}

		// A reader that leaves early holds nothing up.
		body, err := c.Journal(t.Context(), 0, -1)
		check(t, err)
		_, err = io.ReadFull(body, make([]byte, 10))
		check(t, err)
		check(t, body.Close())
		_, err = c.Health(t.Context())
		check(t, err)
	})
}

// TestBackup wants the whole answer or an error, and a line in the journal before the first byte.
func TestBackup(t *testing.T) {
	transports(t, func(t *testing.T, e *env, c *admin.Client) {
		want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		var told admin.Had
		e.archive = func(ctx context.Context, had admin.Had, w io.Writer) error {
			told = had
			for entry := range e.store.Journal(ctx, 0) {
				if entry.Line.Kind == "backup" {
					_, err := w.Write(want)
					return err
				}
			}
			return errors.New("no line in the journal")
		}
		for _, had := range []admin.Had{{}, {Store: "S", Parts: 3, Sums: []admin.Sum{{1}, {}, {3}}}} {
			body, err := c.Backup(t.Context(), had)
			check(t, err)
			got, err := io.ReadAll(body)
			check(t, err)
			check(t, body.Close())
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes, want %d", len(got), len(want))
			}
			if diff := cmp.Diff(had, told); diff != "" {
				t.Errorf("what is there (-sent +told):\n%s", diff)
			}
		}

		e.archive = func(context.Context, admin.Had, io.Writer) error { return errors.New("the disk said no") }
		_, err := c.Backup(t.Context(), admin.Had{})
		if a, ok := errors.AsType[*admin.Error](err); !ok || a.ErrorID == "" || !strings.Contains(e.log.String(), a.ErrorID) {
			t.Errorf("a backup that cannot begin: %v", err)
		} else if strings.Contains(a.Description, "disk") {
			t.Errorf("an unknown error is told: %s", a.Description)
		}

		e.archive = func(_ context.Context, _ admin.Had, w io.Writer) error {
			w.Write(want)
			return errors.New("the disk said no")
		}
		body, err := c.Backup(t.Context(), admin.Had{})
		check(t, err)
		if _, err = io.ReadAll(body); err == nil || !strings.Contains(err.Error(), "log") {
			t.Errorf("a backup that broke off ended with %v", err)
		}
		check(t, body.Close())
		if !strings.Contains(e.log.String(), "the disk said no") {
			t.Errorf("the log does not say why: %s", e.log)
		}
	})
}
