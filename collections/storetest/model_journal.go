package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"liaison/auth"
	"liaison/collections"
)

// Rows yields the registry in order of arrival.
func (m *Model) Rows(ctx context.Context) iter.Seq2[auth.Record, error] {
	return func(yield func(auth.Record, error) bool) {
		m.mu.Lock()
		rows, err := slices.Clone(m.rows), m.ready(ctx)
		m.mu.Unlock()
		if err != nil {
			yield(auth.Record{}, err)
			return
		}
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Apply writes rows and lines.
func (m *Model) Apply(ctx context.Context, rows []auth.Record, lines []auth.Line, done func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	if len(lines) == 0 {
		return fmt.Errorf("%w: no effect without its journal line", collections.ErrInvalid)
	}
	for _, r := range rows {
		m.rows = slices.DeleteFunc(m.rows, func(old auth.Record) bool { return old.Table == r.Table && old.Key == r.Key })
		if r.Value != nil {
			m.rows = append(m.rows, auth.Record{Table: r.Table, Key: r.Key, Value: slices.Clone(r.Value)})
		}
	}
	m.commit(lines...)
	if done != nil {
		done()
	}
	return nil
}

// Status gives a status to its publisher while it lives.
func (m *Model) Status(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, id collections.StatusID) (collections.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return collections.Status{}, err
	}
	for _, s := range m.statuses {
		if s.ID == id && s.Operation == op && s.Publisher == publisher && m.now().Sub(s.Received) <= collections.StatusLife {
			return cloneStatus(s), nil
		}
	}
	return collections.Status{}, fmt.Errorf("%w: status %s", collections.ErrNotFound, id)
}

// Served keeps a line for the next commit.
func (m *Model) Served(ctx context.Context, l auth.Line) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	m.spool = append(m.spool, l)
	return nil
}

// Journal yields the lines from one on.
func (m *Model) Journal(ctx context.Context, from int64) iter.Seq2[collections.Entry, error] {
	return func(yield func(collections.Entry, error) bool) {
		m.mu.Lock()
		lines, err := slices.Clone(m.journal), m.ready(ctx)
		m.mu.Unlock()
		if err != nil {
			yield(collections.Entry{}, err)
			return
		}
		for i, l := range lines {
			if seq := int64(i); seq >= from && !yield(collections.Entry{Seq: seq, Raw: l.Canonical(seq), Line: l}, nil) {
				return
			}
		}
	}
}

// VerifyJournal gives the head of the journal: nothing in memory can be changed behind the model.
func (m *Model) VerifyJournal(ctx context.Context) (collections.Checkpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return collections.Checkpoint{}, err
	}
	h := sha256.New()
	for i, l := range m.journal {
		h.Write(l.Canonical(int64(i)))
	}
	root := base64.StdEncoding.EncodeToString(h.Sum(nil))
	return collections.Checkpoint{Size: int64(len(m.journal)), Root: root, Note: "model"}, nil
}

// Last gives the highest date_added of all operations.
func (m *Model) Last(ctx context.Context) (collections.Added, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, m.ready(ctx)
}

// Raise keeps a floor for all operations.
func (m *Model) Raise(ctx context.Context, floor collections.Added, l auth.Line) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	m.floor = max(m.floor, floor)
	m.commit(l)
	return nil
}

// Sweep drops old statuses and drains what was served.
func (m *Model) Sweep(ctx context.Context, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	m.statuses = slices.DeleteFunc(m.statuses, func(s collections.Status) bool {
		return now.Sub(s.Received) > collections.StatusLife
	})
	m.commit()
	return nil
}

// Backup is not for memory.
func (m *Model) Backup(context.Context, io.Writer) error {
	return errors.New("the model has no backups")
}
