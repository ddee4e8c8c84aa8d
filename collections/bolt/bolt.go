// Package bolt is the embedded store engine: a collections.Store in one bbolt file, with the lines of
// reads in a spool beside it. One goroutine commits: it gathers what waits into one transaction, so
// that many publishers share a sync. Objects are kept as they came, packed in segments; a page is
// found in bitmaps and copied segment by segment in short read transactions.
//
// It decides nothing that the contract leaves to the Desk, and shares no code with other engines.
// What is stored is drawn in layout.go.
package bolt

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"liaison/auth"
	"liaison/collections"
)

// Errors of Open, wrapped with what to do.
var (
	ErrNotExist = errors.New("no store")
	ErrExists   = errors.New("a store is there already")
	ErrLocked   = errors.New("the store is in use by another process")
	ErrNewer    = errors.New("the store was written by a newer version")
)

// Options of a store. Path, Spool, Signer and Verifier are needed.
type Options struct {
	Path     string           // store.db
	Spool    string           // journal.spool
	Create   bool             // Open requires that the file exists, with Create that it does not
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: none
	Signer   note.Signer      // of the journal's checkpoints; their origin is its name
	Verifier note.Verifier    // of the same key
	Damaged  bool             // Open a store that the checks of a start refuse, to look at it

	openFile func(string, int, os.FileMode) (*os.File, error) // nil: os.OpenFile
	sizes    sizes                                            // zero: the usual ones
	spools   func(*os.File) spoolFile                         // nil: the file itself
	growing  bool                                             // the map begins small, as where address space is limited
	syncDir  func(string) error                               // nil: syncDir
	maxKept  int                                              // 0: collections.MaxKept; tests make it small
	copies   copyLimits                                       // zero: the usual ones
}

// lockTimeout is how long Open waits for another process to let go of the file.
const lockTimeout = time.Second

// Store is an open store. Safe for concurrent use.
type Store struct {
	o   Options
	log *slog.Logger
	id  string

	gate    sync.RWMutex // held by every read transaction; locked while the database is opened again
	copying sync.RWMutex // held by the transactions of copies, which are not short
	copies  copies       // those that are open, to be ended when the store mends itself
	db      *bbolt.DB    // nil while it cannot be opened; swapped by the committer under gate
	deltas  deltas
	staged  stagings
	sealed  sealed // the committer's
	scratch scratch
	written atomic.Int64 // bytes of pages, by transactions
	gleans  sync.Mutex

	spool *spool
	mark  spoolMark                              // drained up to here; the committer's
	given map[auth.OperationID]collections.Added // highest that was ever given, even in vain; the committer's

	mu       sync.Mutex
	queue    []*request
	closed   bool
	mending  bool
	wake     chan struct{}
	stopping chan struct{}
	stopped  sync.WaitGroup
}

// Open opens a store, or makes one with o.Create. Lines of reads that a stop without Close left in the
// spool are taken into the journal, with a line of kind "gap" that says that some may be missing. The
// error is ErrNotExist, ErrExists, ErrLocked or ErrNewer, or tells what is wrong with the file.
func Open(o Options) (*Store, error) {
	if o.Signer == nil || o.Verifier == nil {
		return nil, fmt.Errorf("%w: the store needs a key for the journal", collections.ErrInvalid)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.sizes = cmp.Or(o.sizes, usualSizes())
	if o.openFile == nil {
		o.openFile = os.OpenFile
	}
	if o.spools == nil {
		o.spools = func(f *os.File) spoolFile { return f }
	}
	if o.syncDir == nil {
		o.syncDir = syncDir
	}
	s := &Store{
		o: o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), given: map[auth.OperationID]collections.Added{}, sealed: sealed{},
		staged: stagings{of: map[collections.StatusID]*staging{}},
		wake:   make(chan struct{}, 1), stopping: make(chan struct{}),
	}
	db, err := o.open(o.Create)
	if err != nil {
		return nil, err
	}
	if o.Create {
		err = s.create(db)
	}
	if err == nil {
		err = s.load(db)
	}
	if err == nil {
		s.db = db
		err = s.start()
	}
	if err != nil {
		err = errors.Join(err, db.Close())
		if o.Create {
			err = errors.Join(err, os.Remove(o.Path))
		}
		return nil, err
	}
	s.stopped.Go(s.commits)
	return s, nil
}

// open opens the file itself.
func (o *Options) open(create bool) (*bbolt.DB, error) {
	options := bbolt.Options{
		Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true, InitialMmapSize: initialMap,
		NoStatistics: true,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			if flag &^= os.O_CREATE; create {
				flag |= os.O_CREATE | os.O_EXCL
			}
			return o.openFile(path, flag, mode)
		},
	}
	if o.growing {
		options.InitialMmapSize = 0
	}
	db, err := bbolt.Open(o.Path, 0o600, &options)
	if err != nil && initialMap > 0 && errors.Is(err, errNoMemory) {
		options.InitialMmapSize = 0 // address space is limited
		create = false
		db, err = bbolt.Open(o.Path, 0o600, &options)
	}
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w at %s: run \"liaison init\" first", ErrNotExist, o.Path)
	case errors.Is(err, os.ErrExist):
		return nil, fmt.Errorf("%w: %s: choose another data directory", ErrExists, o.Path)
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s: stop that one first", ErrLocked, o.Path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("opening %s: not a store, or damaged beyond opening (%w): restore a backup", o.Path, err)
	}
	return nil, fmt.Errorf("opening %s: %w", o.Path, err)
}

// create writes the first transaction of a new store.
func (s *Store) create(db *bbolt.DB) error {
	err := db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{bucketRegistry, bucketStatus, bucketExpiry, bucketJournal, bucketHash} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucket([]byte(bucketMeta))
		for _, row := range []struct {
			key   string
			value []byte
		}{
			{keySchema, number(schema)},
			{keyStore, []byte(rand.Text())},
			{keyCreated, number(int64(collections.AddedAt(s.o.Now())))},
			{keyClean, []byte{1}},
		} {
			if err == nil {
				err = meta.Put([]byte(row.key), row.value)
			}
		}
		if err != nil {
			return err
		}
		root, err := tlog.TreeHash(0, nil)
		if err != nil {
			return err
		}
		return s.putHead(tx, head{root: root})
	})
	if err != nil {
		return fmt.Errorf("creating %s: %w", s.o.Path, failure(err))
	}
	return nil
}

// load reads what the store keeps in memory, and refuses a schema that it does not know.
func (s *Store) load(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(bucketMeta))
		if meta == nil {
			return fmt.Errorf("opening %s: it is not a store, or its creation was cut off: delete it and run \"liaison init\"", s.o.Path)
		}
		switch v := numberOf(meta.Get([]byte(keySchema))); {
		case v > schema:
			return fmt.Errorf("%w: %s has schema %d, this program knows %d: use the newer program", ErrNewer, s.o.Path, v, schema)
		case v < schema:
			return fmt.Errorf("opening %s: schema %d is of a time before the first release: begin a new store and publish again", s.o.Path, v)
		}
		id := string(meta.Get([]byte(keyStore)))
		if s.id != "" && s.id != id {
			return fmt.Errorf("opening %s again: another store is in its place", s.o.Path)
		}
		s.id = id
		s.mark = readSpoolMark(meta.Get([]byte(keySpool)))
		err := s.loadDeltas(tx)
		if err == nil && s.db == nil && !s.o.Damaged {
			err = s.quick(tx)
		}
		if err != nil {
			return fmt.Errorf("opening %s: %w: restore a backup, or look at it with \"liaison store check\"", s.o.Path, err)
		}
		return nil
	})
}

// start opens the spool and takes what was left in it into the journal.
func (s *Store) start() error {
	spool, from, gaps, err := openSpool(&s.o, s.log, s.mark)
	if err != nil {
		return err
	}
	s.spool, s.mark = spool, from
	err = s.db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(bucketMeta))
		clean := meta.Get([]byte(keyClean))
		if err := sweepStagings(tx); err != nil {
			return err
		}
		b := s.newBatch(tx)
		if err := b.drain(true); err != nil {
			return err
		}
		if len(clean) != 1 || clean[0] != 1 {
			gaps = append(gaps, "the last stop was not clean: reads of its last 50 ms may be missing")
		}
		for _, g := range gaps {
			b.gap(g)
		}
		if b.drained == nil {
			b.drained = &from
		}
		if err := b.put(); err != nil {
			return err
		}
		s.mark = *b.drained
		return meta.Put([]byte(keyClean), []byte{0})
	})
	if err != nil {
		return errors.Join(fmt.Errorf("opening %s: %w", s.o.Path, failure(err)), spool.close())
	}
	return nil
}

// ID gives the store's random id.
func (s *Store) ID() string { return s.id }

func (s *Store) now() time.Time { return s.o.Now() }

// Close commits what waits, drains the spool and closes the store. Calls after it are ErrUnavailable.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.stopped.Wait()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stopping)
	s.nudge()
	s.stopped.Wait()
	s.copies.end(errClosed())
	s.copying.Lock()
	defer s.copying.Unlock()
	s.gate.Lock()
	defer s.gate.Unlock()
	err := s.spool.close()
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
		s.db = nil
	}
	return err
}

// view runs a short read transaction. Nothing of it may be kept.
func (s *Store) view(ctx context.Context, f func(*bbolt.Tx) error) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.db == nil {
		return errClosed()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	low := s.deltas.enter()
	defer s.deltas.leave(low)
	return s.db.View(f)
}

// Rows yields the registry, sorted by table and key.
func (s *Store) Rows(ctx context.Context) iter.Seq2[auth.Record, error] {
	return func(yield func(auth.Record, error) bool) {
		var list []auth.Record
		err := s.view(ctx, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(bucketRegistry)).ForEach(func(k, v []byte) error {
				table, key, _ := cutKey(k)
				list = append(list, auth.Record{Table: table, Key: key, Value: append([]byte{}, v...)})
				return nil
			})
		})
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(auth.Record{}, err)
		}
	}
}
