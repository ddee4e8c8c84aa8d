package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"liaison/auth"
	"liaison/collections"
)

// Bounds of one transaction. A publication that is larger than groupBytes has one of its own.
const (
	groupRequests = 512
	groupBytes    = 16 << 20
)

// request is one call that writes, waiting for its transaction.
type request struct {
	ctx     context.Context
	size    int                // bytes that it writes, about
	plan    func(*batch) error // after an error nothing of it is in the batch
	asks    bool               // plan asks Still
	after   func()             // done of Apply
	alone   bool               // it has a transaction of its own
	outside func() error       // in the place of a transaction, with alone

	state  atomic.Int32
	err    error
	answer chan struct{}
}

// The states of a request. Whoever takes it out of waiting decides about it.
const (
	waiting = iota
	taken
	abandoned
)

// do hands a request to the committer and waits for its answer. A call whose context ends before its
// transaction has begun leaves nothing; after that its outcome is waited for.
func (s *Store) do(r *request) error {
	r.answer = make(chan struct{})
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return errClosed()
	case s.mending:
		s.mu.Unlock()
		return fmt.Errorf("%w: it is mending itself after an error: try again in a moment", collections.ErrUnavailable)
	case r.ctx.Err() != nil:
		s.mu.Unlock()
		return r.ctx.Err()
	}
	s.queue = append(s.queue, r)
	s.mu.Unlock()
	s.nudge()
	select {
	case <-r.answer:
	case <-r.ctx.Done():
		if r.state.CompareAndSwap(waiting, abandoned) {
			return r.ctx.Err()
		}
		<-r.answer
	}
	return r.err
}

func errClosed() error { return fmt.Errorf("%w: it is closed", collections.ErrUnavailable) }

func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// commits is the committer: the only goroutine that writes to the database.
func (s *Store) commits() {
	for range s.wake {
		for {
			group, closed := s.take()
			if len(group) > 0 {
				s.commit(group, false)
				continue
			}
			if closed {
				s.commit(nil, true)
				return
			}
			break
		}
	}
}

// take gives the requests of the next transaction, in order of arrival. Who asks Still after an Apply
// must see what its done did, which is after the transaction: that ends a group.
func (s *Store) take() (group []*request, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, told, n := 0, false, 0
	for _, r := range s.queue {
		if len(group) == groupRequests || len(group) > 0 && (r.alone || group[0].alone) || len(group) > 0 && size+r.size > groupBytes || told && r.asks {
			break
		}
		n++
		if !r.state.CompareAndSwap(waiting, taken) {
			continue
		}
		size += r.size
		told = told || r.after != nil
		group = append(group, r)
	}
	s.queue = s.queue[n:]
	if len(s.queue) == 0 {
		s.queue = nil // its array may hold large publications
	}
	return group, s.closed
}

// commit makes one transaction of a group. The last one, of a clean stop, drains everything.
func (s *Store) commit(group []*request, last bool) {
	if len(group) == 1 && group[0].outside != nil {
		group[0].err = group[0].outside()
		answer(group)
		return
	}
	b, id, err := s.transact(group, last)
	s.scratch.rewind()
	if err == nil {
		if b != nil && b.drained != nil {
			if s.mark, err = s.spool.drained(*b.drained); err != nil {
				s.log.Error("journal spool not replaced", "error", err)
			}
		}
		for _, r := range group {
			if r.after != nil && r.err == nil {
				r.after()
			}
		}
		answer(group)
		return
	}
	s.log.Error("transaction failed", "error", err, "requests", len(group))
	for _, r := range group {
		if r.err == nil {
			r.err = failure(err)
		}
	}
	s.mend(id, group, last)
}

func answer(group []*request) {
	for _, r := range group {
		close(r.answer)
	}
}

// transact plans and writes a group. id is the transaction's when it failed while it was written.
func (s *Store) transact(group []*request, last bool) (b *batch, id int, err error) {
	if s.db == nil { // stopping while it could not be opened again
		return nil, 0, errClosed()
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, 0, err
	}
	b = s.newBatch(tx)
	if err := b.drain(last); err != nil {
		return nil, 0, errors.Join(err, tx.Rollback())
	}
	for _, r := range group {
		if r.err = r.ctx.Err(); r.err == nil {
			r.err = r.plan(b)
		}
		if b.spoilt {
			return nil, 0, errors.Join(r.err, tx.Rollback())
		}
	}
	b.clean = last
	if b.idle() {
		return nil, 0, tx.Rollback()
	}
	if err := b.put(); err != nil {
		return nil, 0, errors.Join(err, tx.Rollback())
	}
	id = tx.ID()
	if err := tx.Commit(); err != nil {
		return b, id, err
	}
	stats := tx.Stats()
	s.written.Add(stats.GetPageAlloc() + int64(s.db.Info().PageSize)) // the meta page is not allocated
	s.deltas.committed(id)
	return b, id, nil
}

// drain plans to take what was served into the journal.
func (b *batch) drain(all bool) error {
	mark := b.s.mark
	for {
		lines, to, bad, err := b.s.spool.drain(mark)
		if err != nil {
			return err
		}
		b.lines = append(b.lines, lines...)
		if bad > 0 {
			b.gap(fmt.Sprintf("%d lines of the spool were damaged", bad))
		}
		if to == mark {
			return nil
		}
		mark = to
		b.drained = &to
		if !all {
			return nil
		}
	}
}

// gap says in the journal that reads may be missing from it.
func (b *batch) gap(why string) {
	b.line(auth.Gateway, "gap", struct {
		Reason string `json:"reason"`
	}{why})
}

// failure is what a publisher is told of an error of the database.
func failure(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: free space there: %v", collections.ErrFull, err)
	}
	return fmt.Errorf("%w: %v", collections.ErrUnavailable, err)
}

func isFull(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		// bbolt keeps only the text of what went wrong while the file grew
		if errors.Is(err, e) || strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}

// Backing off between attempts to open the database again.
const (
	mendSoonest = 10 * time.Millisecond
	mendLatest  = 2 * time.Second
)

// mend closes the database after a failed transaction, makes sure that nothing of it is there, and
// opens it again. Publishers get ErrUnavailable meanwhile; readers wait for the first attempt and then
// get ErrUnavailable too. The group is answered after the first attempt.
func (s *Store) mend(id int, group []*request, last bool) {
	s.setMending(true)
	defer s.setMending(false)
	s.copies.end(fmt.Errorf("%w: it is mending itself after an error: back up again in a moment", collections.ErrUnavailable))
	s.copying.Lock() // copies hold a transaction, which the closing waits for
	defer s.copying.Unlock()
	pageSize := 0
	for wait := mendSoonest; ; wait = min(2*wait, mendLatest) {
		s.gate.Lock()
		if s.db != nil {
			pageSize = s.db.Info().PageSize
		}
		err := s.reopen(id, pageSize)
		s.gate.Unlock()
		answer(group)
		group = nil
		if err == nil || last {
			if err != nil {
				s.log.Error("store not opened again", "error", err)
			}
			return
		}
		s.log.Error("store not opened again", "error", err, "next_try", wait)
		select {
		case <-s.stopping:
			return
		case <-time.After(wait):
		}
	}
}

func (s *Store) setMending(on bool) {
	s.mu.Lock()
	s.mending = on
	var left []*request
	if on {
		for _, r := range s.queue {
			if r.state.CompareAndSwap(waiting, taken) {
				r.err = fmt.Errorf("%w: it is mending itself after an error: try again in a moment", collections.ErrUnavailable)
				left = append(left, r)
			}
		}
		s.queue = nil
	}
	s.mu.Unlock()
	answer(left)
}

func (s *Store) reopen(id, pageSize int) error {
	if s.db != nil {
		err := s.db.Close()
		s.db = nil
		if err != nil {
			s.log.Warn("closing the store", slog.Any("error", err))
		}
	}
	if id != 0 {
		if err := s.undo(id, pageSize); err != nil {
			return fmt.Errorf("taking the failed transaction back: %w", err)
		}
	}
	db, err := s.o.open(false)
	if err != nil {
		return err
	}
	if err := s.load(db); err != nil {
		return errors.Join(err, db.Close())
	}
	s.db = db
	return nil
}

// undo takes a transaction back whose last step, the meta page, may have been written although its
// sync failed: it would be there after all. A page of bbolt begins with 16 bytes; in a meta page the
// transaction's number is 48 bytes behind them and its checksum 8 more. Without a valid checksum bbolt
// takes the other meta page, which is the transaction before.
func (s *Store) undo(id, pageSize int) error {
	f, err := s.o.openFile(s.o.Path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	at := int64(id%2*pageSize) + 16
	b := make([]byte, 16)
	if _, err := f.ReadAt(b, at+48); err != nil {
		return err
	}
	if numberOf(b) != int64(id) {
		return nil
	}
	if _, err := f.WriteAt(make([]byte, 8), at+56); err != nil {
		return err
	}
	return f.Sync()
}
