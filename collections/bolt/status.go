package bolt

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
)

// stored is a status as bucket status keeps it. What was added is not listed but read from the facts
// of its run of date_added; only what the facts do not say is in Told.
type stored struct {
	ID          collections.StatusID `json:"-"`
	Operation   auth.OperationID     `json:"operation"`
	Publisher   auth.PartnerID       `json:"publisher"`
	Received    time.Time            `json:"received"`
	Success     int                  `json:"success"`
	Failure     int                  `json:"failure"`
	Duplicate   int                  `json:"duplicate"`
	Kept        int                  `json:"kept,omitempty"`
	First       collections.Added    `json:"first,omitzero"`
	Last        collections.Added    `json:"last,omitzero"`
	Collections []auth.CollectionID  `json:"collections,omitempty"` // where the run is
	Told        []told               `json:"told,omitempty"`
	Noted       []collections.Detail `json:"noted,omitempty"` // successes with a message after the first MaxDetails
	Failures    []collections.Detail `json:"failures,omitempty"`
}

// told is a success with a message, or a duplicate, which has its id here too.
type told struct {
	At int `json:"at"` // which of the successes
	collections.Detail
}

func storedStatus(t *tally) stored {
	return stored{
		ID: t.ID, Operation: t.Operation, Publisher: t.Publisher, Received: t.Received, Success: t.Success,
		Failure: t.Failure, Duplicate: t.Duplicate, Kept: t.Kept, First: t.First, Last: t.Last, Collections: t.reached,
		Told: t.told, Noted: t.noted, Failures: t.Failures,
	}
}

func (b *batch) putStatuses() error {
	statuses, expiry := b.tx.Bucket([]byte(bucketStatus)), b.tx.Bucket([]byte(bucketExpiry))
	for _, s := range b.statuses {
		if err := statuses.Put([]byte(s.ID), mustJSON(s)); err != nil {
			return err
		}
		k := append(expiryKey(s.Received), s.ID...)
		if err := expiry.Put(k, nil); err != nil {
			return err
		}
	}
	for _, k := range b.expired {
		if err := statuses.Delete(k[8:]); err != nil {
			return err
		}
		if err := expiry.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// expiryKey orders statuses by when they were received.
func expiryKey(received time.Time) []byte { return addedKey(max(0, collections.AddedAt(received))) }

// sweepAtOnce bounds the statuses that one transaction drops.
const sweepAtOnce = 10_000

// sweep plans to drop the statuses that have lived long enough.
func (b *batch) sweep(now time.Time) {
	before := expiryKey(now.Add(-collections.StatusLife))
	c := b.tx.Bucket([]byte(bucketExpiry)).Cursor()
	for k, _ := c.First(); k != nil && len(b.expired) < sweepAtOnce && string(k[:8]) < string(before); k, _ = c.Next() {
		b.expired = append(b.expired, slices.Clone(k))
	}
}

// Status gives a status to its publisher.
func (s *Store) Status(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, id collections.StatusID) (collections.Status, error) {
	var st collections.Status
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		none := fmt.Errorf("%w: status %s", collections.ErrNotFound, id)
		b := tx.Bucket([]byte(bucketStatus)).Get([]byte(id))
		if b == nil {
			return none
		}
		var o stored
		if err := json.Unmarshal(b, &o); err != nil {
			return fmt.Errorf("reading status %s: %w", id, err)
		}
		if o.Operation != op || o.Publisher != publisher || s.now().Sub(o.Received) > collections.StatusLife {
			return none
		}
		o.ID = id
		var err error
		st, err = o.status(tx)
		return err
	})
	return st, err
}

// status completes a stored status with its successes.
func (o *stored) status(tx *bbolt.Tx) (collections.Status, error) {
	st := collections.Status{
		ID: o.ID, Operation: o.Operation, Publisher: o.Publisher, Received: o.Received, Success: o.Success,
		Failure: o.Failure, Duplicate: o.Duplicate, Kept: o.Kept, First: o.First, Last: o.Last, Failures: o.Failures,
	}
	n := min(o.Success, collections.MaxDetails)
	run, err := o.run(tx, n)
	if err != nil {
		return st, fmt.Errorf("reading the run of status %s: %w", o.ID, err)
	}
	told := o.Told
	for i := range n {
		var d collections.Detail
		if len(told) > 0 && told[0].At == i {
			d, told = told[0].Detail, told[1:]
		}
		if d.ID == "" {
			if len(run) == 0 {
				return st, fmt.Errorf("run of status %s: %w", o.ID, errDamaged)
			}
			d.ID, d.Version = string(run[0].ID), run[0].Version.Text
			run = run[1:]
		}
		st.Successes = append(st.Successes, d)
	}
	st.Successes = collections.ListSuccesses(st.Successes, o.Noted)
	return st, nil
}

// run gives the first n versions that a publication added.
func (o *stored) run(tx *bbolt.Tx, n int) ([]*version, error) {
	if o.First == 0 {
		return nil, nil
	}
	var list []*version
	for _, c := range o.Collections {
		s, err := openShelf(tx, nil, collections.Place{Operation: o.Operation, Collection: c})
		if err != nil {
			return nil, err
		}
		from := o.First
		for taken := 0; taken < n && from <= o.Last; {
			key, f, ok, err := s.factsAt(from)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			for i := f.after(from - 1); i < f.n && taken < n && f.added(i) <= o.Last; i++ {
				v, err := f.version(i)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
				taken++
			}
			from = key + 1
		}
	}
	slices.SortFunc(list, func(a, b *version) int { return int(a.Added - b.Added) })
	return slices.CompactFunc(list, func(a, b *version) bool { return a.Added == b.Added }), nil
}
