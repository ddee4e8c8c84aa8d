package storetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/storetest"
	"liaison/stix"
)

// TestFaults shows that the suite can fail: each store is the model with one fault, and the case that
// is named for it must report it.
func TestFaults(t *testing.T) {
	cases := map[string]storetest.Case{}
	for _, c := range storetest.Cases() {
		cases[c.Name] = c
	}
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c, ok := cases[f.reportedBy]
			if !ok {
				t.Fatalf("the suite has no case %q", f.reportedBy)
			}
			factory := storetest.Factory{New: func(_ testing.TB, now func() time.Time) storetest.Opener {
				return f.opener(now)
			}}
			if reports := reportsOf(t, c, factory); len(reports) == 0 {
				t.Errorf("case %q passes over a store that %s", f.reportedBy, f.name)
			}
		})
	}
}

// recorder is a testing.TB that keeps failures to itself.
type recorder struct {
	testing.TB
	mu      sync.Mutex
	reports []string
}

// reportsOf runs one case and gives its failures.
func reportsOf(t *testing.T, c storetest.Case, f storetest.Factory) []string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // Fatalf ends the goroutine
		defer close(done)
		c.Run(r, f)
	}()
	<-done
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reports
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.reports) > 0
}

func (r *recorder) Helper()             {}
func (r *recorder) Logf(string, ...any) {}

// fault is a store that breaks one promise.
type fault struct {
	name       string // what the store does
	reportedBy string
	breaks     func(b *broken)
	clock      func(now func() time.Time) func() time.Time // nil: the clock as it is
	forgets    bool                                        // a new store at each opening
}

func (f fault) opener(now func() time.Time) storetest.Opener {
	if f.clock != nil {
		now = f.clock(now)
	}
	b := &broken{Model: storetest.NewModel(now)}
	if f.breaks != nil {
		f.breaks(b)
	}
	return func(testing.TB) collections.Store {
		if f.forgets {
			return storetest.NewModel(now)
		}
		b.Reopen()
		return b
	}
}

// broken is the model with some of its methods replaced.
type broken struct {
	*storetest.Model
	apply   func(ctx context.Context, rows []auth.Record, lines []auth.Line, done func()) error
	publish func(ctx context.Context, p collections.Publication) (collections.Status, error)
	remove  func(ctx context.Context, d collections.Deletion) (int, error)
	settle  func(ctx context.Context, s collections.Settlement) ([]collections.Outcome, error)
	kept    func(ctx context.Context, op auth.OperationID, q collections.KeptQuery) ([]collections.Kept, collections.KeptKey, error)
	retract func(ctx context.Context, w collections.Withdrawal) (int, error)
	objects func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error)
	facts   func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, collections.Added, error)
	known   func(v auth.View, at collections.Place, id stix.ID) (bool, error)
	status  func(op auth.OperationID, id collections.StatusID) (collections.Status, error)
	placed  func(ctx context.Context, p auth.PartnerID, ids []stix.ID) ([]collections.Placed, error)
	routes  func(ctx context.Context, id stix.ID) ([]collections.Routed, error)
	try     func(ctx context.Context, p collections.Publication) ([]collections.Tried, error)
	levels  func(op auth.OperationID, ids []stix.ID) (map[stix.ID]stix.Level, error)
	journal func(from int64) iter.Seq2[collections.Entry, error]
	verify  func(c collections.Checkpoint) collections.Checkpoint
	served  func(l auth.Line) error
	raise   func(l auth.Line) error
	sweep   func(now time.Time) error
	backup  func() error
	close   func() error

	glean   func(read collections.GistOf) (collections.GistOf, bool)
	allRead bool // nothing is left to be gleaned
	lapsed  func(ctx context.Context, a collections.Audience, at collections.Place, q collections.LapseQuery) (collections.LapsePage, error)
	reports func(ctx context.Context, a collections.Audience, op auth.OperationID, values []collections.Value) ([]collections.Reported, error)
	common  func(ctx context.Context, a collections.Audience, at collections.Place, after collections.CommonPosition, limit int) (collections.CommonPage, error)
}

func (b *broken) Apply(ctx context.Context, rows []auth.Record, lines []auth.Line, done func()) error {
	if b.apply != nil {
		return b.apply(ctx, rows, lines, done)
	}
	return b.Model.Apply(ctx, rows, lines, done)
}

func (b *broken) Publish(ctx context.Context, p collections.Publication) (collections.Status, error) {
	if b.publish != nil {
		return b.publish(ctx, p)
	}
	return b.Model.Publish(ctx, p)
}

func (b *broken) Settle(ctx context.Context, s collections.Settlement) ([]collections.Outcome, error) {
	if b.settle != nil {
		return b.settle(ctx, s)
	}
	return b.Model.Settle(ctx, s)
}

func (b *broken) Kept(ctx context.Context, op auth.OperationID, q collections.KeptQuery) ([]collections.Kept, collections.KeptKey, error) {
	if b.kept != nil {
		return b.kept(ctx, op, q)
	}
	return b.Model.Kept(ctx, op, q)
}

func (b *broken) Withdraw(ctx context.Context, w collections.Withdrawal) (int, error) {
	if b.retract != nil {
		return b.retract(ctx, w)
	}
	return b.Model.Withdraw(ctx, w)
}

func (b *broken) Delete(ctx context.Context, d collections.Deletion) (int, error) {
	if b.remove != nil {
		return b.remove(ctx, d)
	}
	return b.Model.Delete(ctx, d)
}

func (b *broken) Objects(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
	if b.objects != nil {
		return b.objects(ctx, v, at, q)
	}
	return b.Model.Objects(ctx, v, at, q)
}

func (b *broken) Facts(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, collections.Added, error) {
	if b.facts != nil {
		return b.facts(ctx, v, at, q)
	}
	return b.Model.Facts(ctx, v, at, q)
}

func (b *broken) Known(ctx context.Context, v auth.View, at collections.Place, id stix.ID) (bool, error) {
	if b.known != nil {
		return b.known(v, at, id)
	}
	return b.Model.Known(ctx, v, at, id)
}

func (b *broken) Status(ctx context.Context, op auth.OperationID, p auth.PartnerID, id collections.StatusID) (collections.Status, error) {
	if b.status != nil {
		return b.status(op, id)
	}
	return b.Model.Status(ctx, op, p, id)
}

func (b *broken) Placed(ctx context.Context, op auth.OperationID, p auth.PartnerID, ids []stix.ID, withBytes bool) ([]collections.Placed, error) {
	if b.placed != nil {
		return b.placed(ctx, p, ids)
	}
	return b.Model.Placed(ctx, op, p, ids, withBytes)
}

func (b *broken) Routes(ctx context.Context, op auth.OperationID, id stix.ID) ([]collections.Routed, error) {
	if b.routes != nil {
		return b.routes(ctx, id)
	}
	return b.Model.Routes(ctx, op, id)
}

func (b *broken) Try(ctx context.Context, p collections.Publication) ([]collections.Tried, error) {
	if b.try != nil {
		return b.try(ctx, p)
	}
	return b.Model.Try(ctx, p)
}

func (b *broken) Levels(ctx context.Context, op auth.OperationID, p auth.PartnerID, ids []stix.ID) (map[stix.ID]stix.Level, error) {
	if b.levels != nil {
		return b.levels(op, ids)
	}
	return b.Model.Levels(ctx, op, p, ids)
}

func (b *broken) Journal(ctx context.Context, from int64) iter.Seq2[collections.Entry, error] {
	if b.journal != nil {
		return b.journal(from)
	}
	return b.Model.Journal(ctx, from)
}

func (b *broken) VerifyJournal(ctx context.Context) (collections.Checkpoint, error) {
	c, err := b.Model.VerifyJournal(ctx)
	if b.verify != nil {
		c = b.verify(c)
	}
	return c, err
}

func (b *broken) Served(ctx context.Context, l auth.Line) error {
	if b.served != nil {
		return b.served(l)
	}
	return b.Model.Served(ctx, l)
}

func (b *broken) Raise(ctx context.Context, floor collections.Added, l auth.Line) error {
	if b.raise != nil {
		return b.raise(l)
	}
	return b.Model.Raise(ctx, floor, l)
}

func (b *broken) Sweep(ctx context.Context, now time.Time) error {
	if b.sweep != nil {
		return b.sweep(now)
	}
	return b.Model.Sweep(ctx, now)
}

func (b *broken) Backup(ctx context.Context, w io.Writer) error {
	if b.backup != nil {
		return b.backup()
	}
	return b.Model.Backup(ctx, w)
}

func (b *broken) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.Model.Close()
}

// items makes a fault that changes what is published before it is stored.
func items(change func(it *collections.Item)) func(b *broken) {
	return func(b *broken) {
		b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
			p.Items = slices.Clone(p.Items)
			for i := range p.Items {
				change(&p.Items[i])
			}
			return b.Model.Publish(ctx, p)
		}
	}
}

// asked makes a fault that changes what a reader asks for, in Objects and in Facts.
func asked(change func(v *auth.View, q *collections.Query)) func(b *broken) {
	return func(b *broken) {
		b.objects = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
			change(&v, &q)
			return b.Model.Objects(ctx, v, at, q)
		}
		b.facts = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, collections.Added, error) {
			change(&v, &q)
			return b.Model.Facts(ctx, v, at, q)
		}
	}
}

// listed makes a fault that changes the facts that are given.
func listed(change func(list []collections.Fact) []collections.Fact) func(b *broken) {
	return func(b *broken) {
		b.facts = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, collections.Added, error) {
			list, next, err := b.Model.Facts(ctx, v, at, q)
			return change(list), next, err
		}
	}
}

func compact(raw []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}
