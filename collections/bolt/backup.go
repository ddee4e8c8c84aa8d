package bolt

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"sync"

	"go.etcd.io/bbolt"

	"liaison/collections"
)

// A copy of the store is a stream of records, each of one block of the file:
//
//	8 bytes  offset in the file, little endian, a multiple of BlockBytes
//	4 bytes  how many bytes follow, 1 to BlockBytes, little endian
//	…        the block
//
// A later record of a block overrides an earlier one, and a block without one is zeros. The last record
// has no bytes, and the file's length as its offset.
const (
	BlockBytes = 256 << 10
	recordHead = 12
	maxCopy    = 1 << 46 // bytes of a file
)

// Sum is the SHA-256 of a block, and zero of a block that is not there.
type Sum = [sha256.Size]byte

// copyLimits say when a copy's last step is small enough for one transaction. Bytes, and times.
type copyLimits struct {
	little int64 // a pass that sends no more is the last one without a transaction
	passes int   // at most before the first transaction
	most   int64 // that are gathered while a transaction is open
	tries  int   // to stay below that
}

func usualCopy() copyLimits { return copyLimits{32 << 20, 5, 64 << 20, 3} }

// Backup implements collections.Store: it is Copy to somebody who has nothing.
func (s *Store) Backup(ctx context.Context, w io.Writer) error { return s.Copy(ctx, nil, w) }

// Copy writes a copy of the database to w, each record in one Write, without the blocks that are there
// already, whose sums are has, in order. What was acknowledged before the call is in it, and it is what
// one moment of the call had.
//
// The file is sent as it is read, block by block, and what was changed meanwhile again. No transaction
// is open then, so that w may be as slow as it likes; a short one at the end finds what is left, which
// is sent after it. Where publishers change more than that in every moment, the last of it is sent from
// within a transaction, which the log says; when the store has to mend itself then, which cannot wait
// for w, the error is ErrUnavailable.
func (s *Store) Copy(ctx context.Context, has []Sum, w io.Writer) error {
	if err := s.do(&request{ctx: ctx, plan: func(*batch) error { return nil }}); err != nil { // what was served
		return fmt.Errorf("backing up: %w", err)
	}
	f, err := os.Open(s.o.Path) // beside the database's own, which is closed when the store mends itself
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	defer f.Close()
	c := &copier{s: s, has: has, w: w, file: f, limits: cmp.Or(s.o.copies, usualCopy()), seed: maphash.MakeSeed()}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	return nil
}

// copier takes one copy.
type copier struct {
	s      *Store
	has    []Sum // what was there before the copy
	w      io.Writer
	file   *os.File
	limits copyLimits
	seed   maphash.Seed
	sent   []uint64 // hashes of what is there now, of the blocks that were looked at
	record []byte   // the one at hand
}

func (c *copier) run(ctx context.Context) error {
	for range c.limits.passes {
		n, err := c.pass(ctx)
		if err != nil {
			return err
		}
		if n <= c.limits.little {
			break
		}
	}
	for range c.limits.tries {
		done, err := c.finish(ctx)
		if done || err != nil {
			return err
		}
		if _, err := c.pass(ctx); err != nil {
			return err
		}
	}
	c.s.log.Warn("a backup holds a transaction while it is sent: publishers change more than it can gather", "bytes", c.limits.most)
	return c.hold(ctx)
}

// pass sends what was changed since it was sent, as it is found without a transaction: a page may be
// torn, which does no harm, as it is not what it was and will be sent again.
func (c *copier) pass(ctx context.Context) (n int64, err error) {
	var size int64
	err = c.s.view(ctx, func(tx *bbolt.Tx) error {
		size = tx.Size()
		return nil
	})
	for i := 0; err == nil && int64(i)*BlockBytes < size; i++ {
		if err = ctx.Err(); err != nil {
			break
		}
		var b []byte
		if b, err = c.read(i, size); err != nil {
			break
		}
		if !c.there(i, b) {
			n += int64(len(b))
			_, err = c.w.Write(c.record)
		}
		if h := maphash.Bytes(c.seed, b); i < len(c.sent) {
			c.sent[i] = h
		} else {
			c.sent = append(c.sent, h)
		}
	}
	return n, err
}

// read makes the record of a block of a file of size bytes, and gives the block in it.
func (c *copier) read(i int, size int64) (block []byte, err error) {
	if c.record == nil {
		c.record = make([]byte, recordHead+BlockBytes)
	}
	at := int64(i) * BlockBytes
	n := min(size-at, BlockBytes)
	c.record = framed(c.record, at, n)[:recordHead+n]
	block = c.record[recordHead:]
	if _, err := c.file.ReadAt(block, at); err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.s.o.Path, err)
	}
	return block, nil
}

func framed(record []byte, at, n int64) []byte {
	binary.LittleEndian.PutUint64(record, uint64(at))
	binary.LittleEndian.PutUint32(record[8:], uint32(n))
	return record
}

// there reports whether a block is there as it is. Two that differ have the same hash once in 2⁶⁴, and
// who publishes does not know the seed.
func (c *copier) there(i int, b []byte) bool {
	switch {
	case i < len(c.sent):
		return c.sent[i] == maphash.Bytes(c.seed, b)
	case i < len(c.has) && c.has[i] != Sum{}:
		return c.has[i] == sha256.Sum256(b)
	}
	return len(bytes.TrimLeft(b, "\x00")) == 0
}

var errMuch = errors.New("too much was changed")

// finish gathers what one transaction sees and is not there, and sends it after the transaction. done is
// false, and nothing is sent, when that is too much.
func (c *copier) finish(ctx context.Context) (done bool, err error) {
	var left [][]byte
	var n int64
	size, err := c.changed(ctx, func(_ context.Context, record []byte) error {
		if n += int64(len(record)); n > c.limits.most {
			return errMuch
		}
		left = append(left, bytes.Clone(record))
		return nil
	})
	if errors.Is(err, errMuch) {
		return false, nil
	}
	for i := 0; err == nil && i < len(left); i++ {
		_, err = c.w.Write(left[i])
		left[i] = nil
	}
	if err == nil {
		err = c.end(size)
	}
	return err == nil, err
}

// hold sends what one transaction sees from within it. The transaction ends with the store's mending
// even while w takes nothing.
func (c *copier) hold(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	records := make(chan []byte)
	var size int64
	var failed error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(records)
		size, failed = c.changed(ctx, func(ctx context.Context, record []byte) error {
			select {
			case records <- bytes.Clone(record):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	var err error
	for r := range records {
		if err == nil {
			if _, err = c.w.Write(r); err != nil {
				stop()
			}
		}
	}
	reading.Wait()
	if err := cmp.Or(err, failed); err != nil {
		return err
	}
	return c.end(size)
}

func (c *copier) end(size int64) error {
	_, err := c.w.Write(framed(make([]byte, recordHead), size, 0))
	return err
}

// changed opens a read transaction and hands the record of each block that is not there to each. The
// pages that the transaction can reach do not change while it is open, and the others matter to nobody;
// the two pages that say where it begins are its own. ctx of each ends when the store has to mend itself,
// and each must return then.
func (c *copier) changed(ctx context.Context, each func(ctx context.Context, record []byte) error) (size int64, err error) {
	ctx, done := c.s.copies.begin(ctx)
	defer done()
	c.s.copying.RLock()
	defer c.s.copying.RUnlock()
	tx, err := c.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	size = tx.Size()
	meta, err := metaPages(tx)
	if err != nil {
		return 0, err
	}
	for i := 0; int64(i)*BlockBytes < size; i++ {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		b, err := c.read(i, size)
		if err != nil {
			return 0, err
		}
		if i == 0 {
			copy(b, meta)
		}
		if c.there(i, b) {
			continue
		}
		if err := each(ctx, c.record); err != nil {
			return 0, err
		}
	}
	return size, nil
}

func (c *copier) begin(ctx context.Context) (*bbolt.Tx, error) {
	c.s.gate.RLock()
	defer c.s.gate.RUnlock()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case c.s.db == nil:
		return nil, errClosed()
	}
	return c.s.db.Begin(false)
}

// metaPages gives the first two pages of a transaction's copy.
func metaPages(tx *bbolt.Tx) ([]byte, error) {
	want := 2 * tx.DB().Info().PageSize
	if want > BlockBytes || int64(want) > tx.Size() {
		return nil, fmt.Errorf("pages of %d bytes cannot be copied", want/2)
	}
	w := &firstBytes{left: want}
	if _, err := tx.WriteTo(w); w.left > 0 {
		return nil, cmp.Or(err, io.ErrUnexpectedEOF)
	}
	return w.b, nil
}

// firstBytes takes so many bytes, and ends who writes more.
type firstBytes struct {
	b    []byte
	left int
}

func (w *firstBytes) Write(b []byte) (int, error) {
	n := min(len(b), w.left)
	w.b, w.left = append(w.b, b[:n]...), w.left-n
	if w.left == 0 {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// ReadCopy reads whole records of a copy to the end of r and hands each block with its offset to put;
// the block is valid until put returns. size is the length of the file when the last record said it,
// else -1. What is not such a stream is ErrInvalid.
func ReadCopy(r io.Reader, put func(at int64, block []byte) error) (size int64, err error) {
	size = -1
	b := make([]byte, recordHead+BlockBytes)
	for {
		if _, err := io.ReadFull(r, b[:recordHead]); err == io.EOF {
			return size, nil
		} else if err != nil {
			return -1, fmt.Errorf("reading a record of the store's copy: %w", err)
		}
		at, n := binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint32(b[8:]))
		if at > maxCopy || n > BlockBytes || n > 0 && at%BlockBytes != 0 {
			return -1, fmt.Errorf("%w: a record of the store's copy has %d bytes at %d", collections.ErrInvalid, n, at)
		}
		if size = -1; n == 0 {
			size = int64(at)
			continue
		}
		block := b[recordHead : recordHead+n]
		if _, err := io.ReadFull(r, block); err != nil {
			return -1, fmt.Errorf("reading a record of the store's copy: %w", err)
		}
		if err := put(int64(at), block); err != nil {
			return -1, err
		}
	}
}

// copies are the transactions of copies, to be ended when the store mends itself or closes.
type copies struct {
	mu   sync.Mutex
	ends map[int]context.CancelCauseFunc
	next int
}

// begin gives the context of a new one. done must be called at its end.
func (c *copies) begin(ctx context.Context) (_ context.Context, done func()) {
	ctx, end := context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ends == nil {
		c.ends = map[int]context.CancelCauseFunc{}
	}
	n := c.next
	c.next++
	c.ends[n] = end
	return ctx, func() {
		end(nil)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.ends, n)
	}
}

// end ends all that run.
func (c *copies) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range c.ends {
		end(why)
	}
}
