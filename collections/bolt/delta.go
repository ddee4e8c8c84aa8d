package bolt

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"go.etcd.io/bbolt"

	"liaison/auth"
)

// The delta of an operation's id index: what was added since the range of hashes that it belongs to was
// merged into the runs. Ids are random, so that to put each into its run would rewrite a run for each;
// gathered, a thousand of them rewrite the runs of one range. It is kept in memory, and as a log from
// which it is read at start, bucket d:
//
//	8 bytes record number, 4 bytes part    rows of the index that one transaction wrote, sorted
//
// (big-endian; a part has so few rows that a page of the file takes several, for a large value is
// written again with every one that becomes its neighbour)
// A record is dropped when all ranges of its rows are merged. A run says up to which record its range
// is, so that what the log still has of it is not taken again.

// deltaRows is how many rows the delta of an operation has at most after a transaction: what a merge
// rewrites is shared by as many as came meanwhile. Some 70 bytes of memory each, and a log of about as many.
const deltaRows = 256 << 10

const (
	logRows = 26 // rows of a part of a record
	logKey  = 12 // bytes
)

// delta is safe for concurrent use by readers; the committer alone changes it.
type delta struct {
	most int

	mu     sync.RWMutex
	ranges [indexRanges]deltaRange
	count  int

	ids  *filter  // of all hashes of the index, those in the runs too; the committer's
	next uint64   // number of the next record
	log  []record // those that are kept, in order
}

type record struct {
	number uint64
	rows   int
}

// deltaRange is what one range of hashes has: the live generation, and those that were merged but may
// still be looked at by transactions from before.
type deltaRange struct {
	generation
	oldest uint64 // record of its first row
	old    []generation
}

type generation struct {
	rows  []deltaRow
	heads []int32 // see head
	until uint64  // the transaction that merged it
}

type deltaRow struct {
	entry
	prev int32
	from uint64 // the transaction that brought it
}

func newDelta(most int) *delta { return &delta{most: most, next: 1, ids: newFilter(0)} }

func rangeOf(hash uint64) int { return int(hash >> 56) }

// find appends the rows with this hash that a transaction sees.
func (d *delta) find(dst []entry, hash, tx uint64) []entry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	r := &d.ranges[rangeOf(hash)]
	dst = r.find(dst, hash, tx)
	for i := range r.old {
		if g := &r.old[i]; tx < g.until {
			dst = g.find(dst, hash, tx)
		}
	}
	return dst
}

func (g *generation) find(dst []entry, hash, tx uint64) []entry {
	if len(g.heads) == 0 {
		return dst
	}
	for i := *g.head(hash); i > 0; i = g.rows[i-1].prev {
		row := &g.rows[i-1]
		if row.from <= tx && !slices.ContainsFunc(dst, func(e entry) bool { return e.added == row.added }) {
			dst = append(dst, row.entry)
		}
	}
	return dst
}

// head gives the place of a hash in the table that finds rows: the newest of its rows, in which prev is the one
// before, plus one; 0 for none. The hashes are even by themselves, so that their low bits say where to begin.
func (g *generation) head(hash uint64) *int32 {
	for i := hash; ; i++ {
		at := &g.heads[i&uint64(len(g.heads)-1)]
		if *at == 0 || g.rows[*at-1].hash == hash {
			return at
		}
	}
}

// grow doubles the table when it is half full.
func (g *generation) grow() {
	if 2*len(g.rows) < len(g.heads) {
		return
	}
	g.heads = make([]int32, max(16, 2*len(g.heads)))
	for i := range g.rows {
		*g.head(g.rows[i].hash) = int32(i + 1)
	}
}

// add puts a row in, before those for the same version that older transactions still see.
func (r *deltaRange) add(e entry, from, number uint64) {
	if len(r.rows) == 0 {
		r.oldest = number
	}
	r.grow()
	head := r.head(e.hash)
	r.rows = append(r.rows, deltaRow{entry: e, prev: *head, from: from})
	*head = int32(len(r.rows))
}

// put writes what a transaction adds to the index, which readers see with it, and merges as much as
// keeps the delta within its bound, unless the same transaction goes on to look things up: a cursor does not
// come past what its own transaction has emptied. oldest is the oldest transaction that a reader may have.
func (d *delta) put(tx *bbolt.Tx, op *bbolt.Bucket, list []entry, oldest uint64, merges bool) error {
	runs, err := op.CreateBucketIfNotExists([]byte(bucketIndex))
	if err != nil {
		return err
	}
	log, err := op.CreateBucketIfNotExists([]byte(bucketDelta))
	if err != nil {
		return err
	}
	log.FillPercent = 1
	slices.SortFunc(list, func(a, b entry) int { return a.compare(&b) })
	n := d.next
	if err := putRecord(log, n, list); err != nil {
		return err
	}
	d.next++
	d.log = append(d.log, record{n, len(list)})
	d.take(list, uint64(tx.ID()), n)
	d.forget(oldest)
	for merges && d.count > d.most {
		if err := d.merge(runs, d.choose(), n, uint64(tx.ID())); err != nil {
			return err
		}
		if err := d.trim(log); err != nil {
			return err
		}
	}
	return nil
}

func putRecord(log *bbolt.Bucket, n uint64, list []entry) error {
	value := make([]byte, 0, len(list)*indexRow)
	for part := 0; len(list) > 0; part++ {
		now := list[:min(logRows, len(list))]
		list = list[len(now):]
		from := len(value)
		for i := range now {
			value = now[i].append(value)
		}
		key := binary.BigEndian.AppendUint64(make([]byte, 0, logKey), n)
		if err := log.Put(binary.BigEndian.AppendUint32(key, uint32(part)), value[from:]); err != nil {
			return err
		}
	}
	return nil
}

func (d *delta) take(list []entry, from, number uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range list {
		d.ranges[rangeOf(e.hash)].add(e, from, number)
		d.ids.add(e.hash)
	}
	d.count += len(list)
}

// forget drops generations that no reader may need.
func (d *delta) forget(oldest uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.ranges {
		if r := &d.ranges[i]; len(r.old) > 0 {
			r.old = slices.DeleteFunc(r.old, func(g generation) bool { return g.until <= oldest })
		}
	}
}

// choose gives the range to be merged: the one that waits longest, which keeps the log short. Hashes are
// even, so that it is one of the fullest.
func (d *delta) choose() int {
	best := 0
	for i := range d.ranges {
		r, b := &d.ranges[i], &d.ranges[best]
		if len(r.rows) > 0 && (len(b.rows) == 0 || r.oldest < b.oldest || r.oldest == b.oldest && len(r.rows) > len(b.rows)) {
			best = i
		}
	}
	return best
}

// merge writes the runs of a range again, with what the delta has of it.
func (d *delta) merge(runs *bbolt.Bucket, n int, number, tx uint64) error {
	r := &d.ranges[n]
	fresh := make([]entry, len(r.rows))
	for i := range r.rows {
		fresh[len(fresh)-1-i] = r.rows[i].entry // the newest first
	}
	slices.SortStableFunc(fresh, func(a, b entry) int { return a.compare(&b) })
	fresh = slices.CompactFunc(fresh, func(a, b entry) bool { return a.compare(&b) == 0 })
	var keys [][]byte
	var stored []rows
	size := len(fresh)
	c := runs.Cursor()
	low := binary.BigEndian.AppendUint64(nil, uint64(n)<<56)
	for k, v := c.Seek(low); len(k) == 8 && int(k[0]) == n; k, v = c.Next() {
		_, part, err := readRun(v)
		if err != nil {
			return fmt.Errorf("run %x of the index: %w", k, err)
		}
		keys, stored = append(keys, slices.Clone(k)), append(stored, part)
		size += part.len()
	}
	all := make([]byte, 0, size*indexRow)
	for _, part := range stored {
		for i := range part.len() {
			e := readEntry(part.at(i))
			for len(fresh) > 0 && fresh[0].compare(&e) < 0 {
				all, fresh = fresh[0].append(all), fresh[1:]
			}
			if len(fresh) > 0 && fresh[0].compare(&e) == 0 {
				all, fresh = fresh[0].append(all), fresh[1:]
				continue
			}
			all = append(all, part.at(i)...)
		}
	}
	for i := range fresh {
		all = fresh[i].append(all)
	}
	if err := writeRuns(runs, keys, low, all, number); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count -= len(r.rows)
	r.until = tx
	r.old = append(r.old, r.generation)
	r.generation = generation{}
	return nil
}

// writeRuns replaces the runs of a range, whose keys are given.
func writeRuns(runs *bbolt.Bucket, keys [][]byte, low []byte, all rows, number uint64) error {
	parts := max(1, (all.len()+runRows-1)/runRows)
	each := (all.len() + parts - 1) / parts
	var written [][]byte
	for from := 0; from < all.len() || from == 0; {
		to := min(from+each, all.len())
		for to < all.len() && to > 0 && readEntry(all.at(to)).hash == readEntry(all.at(to-1)).hash {
			to++ // all rows of a hash are in one run
		}
		key := low
		if from > 0 {
			key = binary.BigEndian.AppendUint64(nil, readEntry(all.at(from)).hash)
		}
		v := make([]byte, 0, runHeader+(to-from)*indexRow)
		v = binary.LittleEndian.AppendUint64(v, number)
		v = append(v, all[from*indexRow:to*indexRow]...)
		if err := runs.Put(key, v); err != nil {
			return err
		}
		written = append(written, key)
		if from = to; to == 0 {
			break
		}
	}
	for _, k := range keys {
		if !slices.ContainsFunc(written, func(w []byte) bool { return string(w) == string(k) }) {
			if err := runs.Delete(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// trim drops the records of the log whose rows are all merged.
func (d *delta) trim(log *bbolt.Bucket) error {
	oldest := d.next
	for i := range d.ranges {
		if r := &d.ranges[i]; len(r.rows) > 0 {
			oldest = min(oldest, r.oldest)
		}
	}
	if len(d.log) == 0 || d.log[0].number >= oldest {
		return nil
	}
	var keys [][]byte
	c := log.Cursor()
	for k, _ := c.First(); len(k) == logKey && binary.BigEndian.Uint64(k) < oldest; k, _ = c.Next() {
		keys = append(keys, k)
	}
	for _, k := range keys {
		if err := log.Delete(k); err != nil {
			return err
		}
	}
	for len(d.log) > 0 && d.log[0].number < oldest {
		d.log = d.log[1:]
	}
	return nil
}

// readDelta reads the delta of an operation from its log.
func readDelta(op *bbolt.Bucket, most int) (*delta, error) {
	d := newDelta(most)
	var merged [indexRanges]uint64
	if runs := op.Bucket([]byte(bucketIndex)); runs != nil {
		c := runs.Cursor()
		for i := range merged {
			k, v := c.Seek(binary.BigEndian.AppendUint64(nil, uint64(i)<<56))
			if k == nil || int(k[0]) != i {
				continue
			}
			n, _, err := readRun(v)
			if err != nil {
				return nil, fmt.Errorf("run %x of the index: %w", k, err)
			}
			merged[i] = n
			d.next = max(d.next, n+1)
		}
	}
	if err := d.readIDs(op.Bucket([]byte(bucketIndex))); err != nil {
		return nil, err
	}
	log := op.Bucket([]byte(bucketDelta))
	if log == nil {
		return d, nil
	}
	c := log.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		part, err := readRows(v)
		if err != nil || len(k) != logKey {
			return nil, fmt.Errorf("record %x of the index: %w", k, errDamaged)
		}
		n := binary.BigEndian.Uint64(k)
		if len(d.log) == 0 || d.log[len(d.log)-1].number != n {
			d.log = append(d.log, record{number: n})
		}
		d.log[len(d.log)-1].rows += part.len()
		d.next = n + 1
		for i := range part.len() {
			e := readEntry(part.at(i))
			if n > merged[rangeOf(e.hash)] {
				d.ranges[rangeOf(e.hash)].add(e, 0, n)
				d.ids.add(e.hash)
				d.count++
			}
		}
	}
	return d, nil
}

// readIDs puts the hashes of all runs into the filter.
func (d *delta) readIDs(runs *bbolt.Bucket) error {
	n := 0
	err := eachRun(runs, func(r rows) { n += r.len() })
	if err != nil || n == 0 {
		return err
	}
	d.ids = newFilter(n)
	return eachRun(runs, func(r rows) {
		for i := range r.len() {
			d.ids.add(binary.BigEndian.Uint64(r.at(i)))
		}
	})
}

func eachRun(runs *bbolt.Bucket, each func(rows)) error {
	if runs == nil {
		return nil
	}
	return runs.ForEach(func(k, v []byte) error {
		_, r, err := readRun(v)
		if err != nil {
			return fmt.Errorf("run %x of the index: %w", k, err)
		}
		each(r)
		return nil
	})
}

// deltas are those of all operations.
type deltas struct {
	mu    sync.RWMutex
	of    map[auth.OperationID]*delta
	count map[uint64]int // of readers, by a transaction that is not newer than theirs
	done  uint64         // the newest transaction that was committed
}

// delta gives an operation's; nil when it has none.
func (s *Store) delta(op auth.OperationID) *delta {
	s.deltas.mu.RLock()
	defer s.deltas.mu.RUnlock()
	return s.deltas.of[op]
}

// deltaFor gives an operation's, which gets one.
func (s *Store) deltaFor(op auth.OperationID) *delta {
	s.deltas.mu.Lock()
	defer s.deltas.mu.Unlock()
	d := s.deltas.of[op]
	if d == nil {
		d = newDelta(s.o.sizes.delta)
		s.deltas.of[op] = d
	}
	return d
}

// loadDeltas reads those that are stored, in the place of what was there.
func (s *Store) loadDeltas(tx *bbolt.Tx) error {
	of := map[auth.OperationID]*delta{}
	err := tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		op, ok := operationNamed(name)
		if !ok {
			return nil
		}
		d, err := readDelta(b, s.o.sizes.delta)
		if err != nil {
			return fmt.Errorf("operation %s: %w", op, err)
		}
		of[op] = d
		return nil
	})
	if err != nil {
		return err
	}
	s.deltas.mu.Lock()
	defer s.deltas.mu.Unlock()
	s.deltas.of, s.deltas.done = of, uint64(tx.ID())
	return nil
}

// enter notes a reader that is about to begin its transaction; leave its end.
func (d *deltas) enter() (low uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count == nil {
		d.count = map[uint64]int{}
	}
	d.count[d.done]++
	return d.done
}

func (d *deltas) leave(low uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count[low]--; d.count[low] == 0 {
		delete(d.count, low)
	}
}

// committed notes a transaction that is there for readers who begin now.
func (d *deltas) committed(tx int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done = uint64(tx)
}

// oldest gives the oldest transaction that a reader may have.
func (d *deltas) oldest() uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	low := d.done
	for n := range d.count {
		low = min(low, n)
	}
	return low
}
