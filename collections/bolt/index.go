package bolt

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// The id index of an operation: one row for every object version, deleted ones too.
//
//	 0  8 bytes  hash of the id, big-endian, keyed with the store's id so that nobody can aim at collisions
//	 8  8 bytes  date_added, big-endian
//	16 16 bytes  of the SHA-256 of its bytes
//	32  1 byte   the level that it defines, see stix.Level
//	33  4 bytes  where it is: see places.go
//
// The id itself, the version, the publisher, the level, who is named: those are in the facts of any of
// its collections, which have to be looked at anyway to compare the id.
//
// Rows are kept in runs, bucket ix:
//
//	key     8 bytes: the lowest hash of the run
//	value   8 bytes: up to which record of the delta its range is merged; the rows, sorted
//
// A run has up to runRows rows; each of the 256 ranges of hashes begins with a run of its own. What was
// added lately is not there yet but in the delta, see delta.go: a row there replaces the one here.
const (
	rowHash     = 16 // bytes that rows are sorted by
	indexRow    = rowHash + len(digest{}) + 5
	runHeader   = 8
	runRows     = 256
	indexRanges = 256
)

// entry is a row of the index.
type entry struct {
	hash    uint64
	added   collections.Added
	digest  digest
	defines stix.Level
	places  places
}

// digest is the part of an object's SHA-256 that is kept.
type digest [16]byte

func hashID(store string, id stix.ID) uint64 {
	b := make([]byte, 0, 128)
	b = append(append(append(b, store...), 0), id...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

func hashKey(h uint64) (k [8]byte) {
	binary.BigEndian.PutUint64(k[:], h)
	return k
}

func readEntry(b []byte) entry {
	return entry{
		hash:    binary.BigEndian.Uint64(b),
		added:   collections.Added(binary.BigEndian.Uint64(b[8:])),
		digest:  digest(b[16:]),
		defines: stix.Level(b[32]),
		places:  places(binary.LittleEndian.Uint32(b[33:])),
	}
}

func (e *entry) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, e.hash)
	b = binary.BigEndian.AppendUint64(b, uint64(e.added))
	b = append(append(b, e.digest[:]...), byte(e.defines))
	return binary.LittleEndian.AppendUint32(b, uint32(e.places))
}

func (e *entry) compare(f *entry) int {
	return cmp.Or(cmp.Compare(e.hash, f.hash), cmp.Compare(e.added, f.added))
}

// rows are rows of the index as they are stored.
type rows []byte

func readRows(b []byte) (rows, error) {
	if len(b)%indexRow != 0 {
		return nil, errDamaged
	}
	return b, nil
}

// readRun takes a run apart.
func readRun(b []byte) (merged uint64, r rows, err error) {
	if len(b) < runHeader {
		return 0, nil, errDamaged
	}
	r, err = readRows(b[runHeader:])
	return binary.LittleEndian.Uint64(b), r, err
}

func (r rows) len() int { return len(r) / indexRow }

func (r rows) at(i int) []byte { return r[i*indexRow : (i+1)*indexRow] }

// seek gives the first row whose hash is not below h.
func (r rows) seek(h uint64) int {
	lo, hi := 0, r.len()
	if hi > 16 { // hashes are even: a guess, and how far it may be off
		first, last := binary.BigEndian.Uint64(r), binary.BigEndian.Uint64(r.at(hi-1))
		if h <= first {
			return 0
		}
		if h > last {
			return hi
		}
		guess := int(float64(h-first) / float64(last-first) * float64(hi-1))
		const off = 12
		if i := max(guess-off, 0); binary.BigEndian.Uint64(r.at(i)) < h {
			lo = i + 1
		} else {
			hi = i
		}
		if i := min(guess+off, hi-1); i > lo && binary.BigEndian.Uint64(r.at(i)) < h {
			lo = i + 1
		} else if i > lo {
			hi = i
		}
	}
	for lo < hi {
		if mid := (lo + hi) / 2; binary.BigEndian.Uint64(r.at(mid)) < h {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// index is the id index of one operation in one transaction. The zero value is an empty one.
type index struct {
	runs  *bbolt.Cursor // nil: none is stored
	delta *delta        // nil: none
	tx    uint64        // what the delta got later than this transaction is not seen
	buf   []entry
}

func openIndex(tx *bbolt.Tx, op *bbolt.Bucket, d *delta) index {
	x := index{delta: d, tx: uint64(tx.ID())}
	if op != nil {
		if b := op.Bucket([]byte(bucketIndex)); b != nil {
			x.runs = b.Cursor()
		}
	}
	return x
}

// find gives the rows with this hash, ascending by date_added. They are valid until the next call.
func (x *index) find(h uint64) ([]entry, error) {
	x.buf = x.buf[:0]
	if x.delta != nil {
		x.buf = x.delta.find(x.buf, h, x.tx)
	}
	if x.runs == nil {
		return x.buf, nil
	}
	late := len(x.buf)
	r, err := x.run(h)
	if err != nil {
		return nil, err
	}
	for i := r.seek(h); i < r.len(); i++ {
		e := readEntry(r.at(i))
		if e.hash != h {
			break
		}
		if !slices.ContainsFunc(x.buf[:late], func(f entry) bool { return f.added == e.added }) {
			x.buf = append(x.buf, e)
		}
	}
	slices.SortFunc(x.buf, func(a, b entry) int { return a.compare(&b) })
	return x.buf, nil
}

// run gives the rows of the run that a hash belongs to. All rows of a hash are in one run.
func (x *index) run(h uint64) (rows, error) {
	key := hashKey(h)
	k, v := x.runs.Seek(key[:])
	if k == nil || !bytes.Equal(k, key[:]) {
		if k, v = x.runs.Prev(); k == nil {
			return nil, nil
		}
	}
	_, r, err := readRun(v)
	return r, err
}

// opened is an operation for reading.
type opened struct {
	index   index
	names   *bbolt.Bucket
	sets    *bbolt.Bucket
	op      *bbolt.Bucket
	shelves map[uint16]*shelf
}

func (s *Store) openOperation(tx *bbolt.Tx, id auth.OperationID) *opened {
	op := tx.Bucket(operationName(id))
	if op == nil {
		return nil
	}
	return &opened{
		op: op, index: openIndex(tx, op, s.delta(id)), names: op.Bucket([]byte(bucketNumbers)), sets: op.Bucket([]byte(bucketSets)),
		shelves: map[uint16]*shelf{},
	}
}

func (o *opened) shelf(n uint16) (*shelf, error) {
	if s := o.shelves[n]; s != nil {
		return s, nil
	}
	s := &shelf{number: n}
	c := o.op.Bucket(collectionName(collectionNumbered(o.names, n)))
	if c == nil {
		return nil, errDamaged
	}
	o.shelves[n] = s
	return s, s.open(c)
}

// present yields what the index and the facts say of every present version of an id.
func (o *opened) present(store string, id stix.ID, each func(entry, *version)) error {
	list, err := o.index.find(hashID(store, id))
	if err != nil {
		return err
	}
	for _, e := range list {
		in, _, err := e.places.lists(o.sets)
		if err != nil {
			return err
		}
		if len(in) == 0 {
			continue
		}
		s, err := o.shelf(in[0])
		if err != nil {
			return err
		}
		found, err := s.versionAt(e.added)
		if err != nil {
			return err
		}
		if found.ID == id {
			each(e, found)
		}
	}
	return nil
}

// versionAt gives the version with exactly this date_added; not to find it is damage.
func (s *shelf) versionAt(a collections.Added) (*version, error) {
	_, f, ok, err := s.factsAt(a)
	if err != nil {
		return nil, err
	}
	if ok {
		if i, ok := f.at(a); ok {
			return f.version(i)
		}
	}
	return nil, errDamaged
}
