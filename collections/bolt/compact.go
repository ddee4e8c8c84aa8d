package bolt

import (
	"context"
	"fmt"
	"os"

	"liaison/collections"
)

// Compact implements collections.Maintainer. It joins small segments in transactions of a few MB, and
// gives the pages that nothing uses back to the file system: the file keeps its length and gets holes.
// While it looks for them nobody reads or writes, some 0.1 s a GB; while a backup is taken it is
// ErrUnavailable.
func (s *Store) Compact(ctx context.Context) (done collections.Compacted, err error) {
	if done.DiskBefore, err = diskUse(s.o.Path); err != nil {
		return done, err
	}
	again := &request{ctx: ctx, alone: true, plan: func(b *batch) error {
		b.s.sealed = sealed{}
		return nil
	}}
	if err := s.do(again); err != nil {
		return done, err
	}
	for {
		n, more, err := s.join(ctx)
		done.Segments += n
		if err != nil {
			return done, fmt.Errorf("joining segments: %w", err)
		}
		if !more {
			break
		}
	}
	if err := s.do(&request{ctx: ctx, alone: true, outside: s.punch}); err != nil {
		return done, fmt.Errorf("giving free room back: %w", err)
	}
	done.DiskAfter, err = diskUse(s.o.Path)
	return done, err
}

// Usage implements collections.Maintainer.
func (s *Store) Usage(ctx context.Context) (u collections.Usage, err error) {
	if err := ctx.Err(); err != nil {
		return u, err
	}
	u.Written = s.written.Load()
	info, err := os.Stat(s.o.Path)
	if err != nil {
		return u, err
	}
	u.Size = info.Size()
	u.Disk, err = diskUse(s.o.Path)
	return u, err
}

// punch makes holes of the pages that are free. bbolt may write to them in its next transaction, and with
// no reader there is none that still looks at them.
func (s *Store) punch() error {
	if !s.copying.TryLock() {
		return fmt.Errorf("%w: a backup is being taken: compact again after it", collections.ErrUnavailable)
	}
	defer s.copying.Unlock()
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.db == nil {
		return errClosed()
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	f, err := s.o.openFile(s.o.Path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	size := int64(s.db.Info().PageSize)
	var from, n int64
	flush := func() error {
		if n == 0 {
			return nil
		}
		err := punchHole(f, from*size, n*size)
		n = 0
		return err
	}
	for i := int64(0); i < tx.Size()/size; {
		p, err := tx.Page(int(i))
		if err != nil {
			return err
		}
		if p == nil {
			break
		}
		if p.Type == "free" {
			if n == 0 {
				from = i
			}
			n++
			i++
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		i += int64(p.OverflowCount) + 1
	}
	if err := flush(); err != nil {
		return err
	}
	return f.Sync()
}
