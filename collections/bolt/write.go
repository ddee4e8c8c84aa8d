package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"liaison/auth"
	"liaison/collections"
)

// errNoMemory is what mapping more than a limit of address space gives.
const errNoMemory = syscall.ENOMEM

// Publish implements collections.Store.
func (s *Store) Publish(ctx context.Context, p collections.Publication) (st collections.Status, err error) {
	w := publication{Publication: p, hashes: make([]uint64, len(p.Items))}
	op, id := p.Place.Operation, p.Status
	s.staged.Lock()
	w.staging = s.staged.of[id]
	s.staged.Unlock()
	if w.staging != nil {
		defer func() { // after a success there is nothing left to give up
			if err != nil {
				err = errors.Join(err, s.Unstage(context.WithoutCancel(ctx), op, id))
			}
			s.unstage(id)
		}()
	}
	if err := w.check(); err != nil {
		return collections.Status{}, err
	}
	w.parts = w.divisible(s.o.sizes.part)
	r := &request{ctx: ctx, asks: true, alone: w.parts}
	for i := range p.Items {
		w.hashes[i] = hashID(s.id, p.Items[i].ID)
		r.size += (len(p.Items[i].Raw) + 256) * max(1, len(p.Items[i].To))
	}
	r.plan = func(b *batch) (err error) {
		st, err = b.publishing(ctx, &w)
		if err == nil && w.staging != nil {
			w.Items, w.hashes = nil, nil // they are planned, and what is planned of many takes memory of its own
			runtime.GC()
		}
		return err
	}
	if err := s.do(r); err != nil {
		return collections.Status{}, err
	}
	return st, nil
}

// Delete implements collections.Store.
func (s *Store) Delete(ctx context.Context, d collections.Deletion) (int, error) {
	n := 0
	err := s.do(&request{ctx: ctx, asks: true, plan: func(b *batch) (err error) {
		n, err = b.delete(&d)
		return err
	}})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Apply implements collections.Store.
func (s *Store) Apply(ctx context.Context, rows []auth.Record, lines []auth.Line, done func()) error {
	if len(lines) == 0 {
		return fmt.Errorf("%w: no change without its journal line", collections.ErrInvalid)
	}
	size := 0
	for _, r := range rows {
		if r.Table == "" || r.Key == "" || strings.IndexByte(r.Table, 0) >= 0 {
			return fmt.Errorf("%w: registry row %q of table %q", collections.ErrInvalid, r.Key, r.Table)
		}
		size += len(r.Value)
	}
	for _, l := range lines {
		if _, err := canonical(l); err != nil {
			return err
		}
	}
	return s.do(&request{ctx: ctx, size: size, after: done, plan: func(b *batch) error {
		b.rows = append(b.rows, rows...)
		b.lines = append(b.lines, lines...)
		return nil
	}})
}

// Raise implements collections.Store.
func (s *Store) Raise(ctx context.Context, floor collections.Added, l auth.Line) error {
	if _, err := canonical(l); err != nil {
		return err
	}
	return s.do(&request{ctx: ctx, plan: func(b *batch) error {
		b.floor, b.raised = max(b.floor, floor), true
		b.lines = append(b.lines, l)
		return nil
	}})
}

// Sweep implements collections.Store.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	return s.do(&request{ctx: ctx, plan: func(b *batch) error {
		b.sweep(now)
		return nil
	}})
}

// Served implements collections.Store. After a crash of the machine the lines of the last 50 ms may be
// missing; the next Open says so in the journal.
func (s *Store) Served(ctx context.Context, l auth.Line) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	buf := s.spool.lines.Get().(*[]byte)
	defer s.spool.lines.Put(buf)
	b, err := appendLine(append((*buf)[:0], spoolRoom...), l)
	if err != nil {
		return err
	}
	*buf = b[:0]
	switch err := s.spool.append(append(b, '\n')); {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrClosed):
		return errClosed()
	default:
		return failure(fmt.Errorf("recording a read: %w", err))
	}
}

// canonical writes a line as the journal does, but for its number, and refuses one that could not be
// read back.
func canonical(l auth.Line) (raw []byte, err error) { return appendLine(nil, l) }

// appendLine appends what canonical gives.
func appendLine(dst []byte, l auth.Line) (raw []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // Canonical panics on what is no line
			err = fmt.Errorf("%w: %v", collections.ErrInvalid, r)
		}
	}()
	if y := l.Time.UTC().Year(); l.Actor == "" || l.Kind == "" || y < 0 || y > 9999 {
		return nil, fmt.Errorf("%w: journal line %q of %q at %s", collections.ErrInvalid, l.Kind, l.Actor, l.Time)
	}
	return l.AppendCanonical(dst, 0), nil
}

// cutKey takes the key of a registry row apart.
func cutKey(k []byte) (table, key string, ok bool) { return strings.Cut(string(k), "\x00") }
