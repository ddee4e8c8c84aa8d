package bolt

import (
	"bytes"
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"
)

// Tiers are rows of 32 bytes that come in any order and are found by how they begin. Single keys at random
// places would write a page each; so what comes together is a sorted block, and when a level of a part has
// tierBlocks blocks, they become one of the level above. A row is written once for each level, of which a
// part has four at most in practice.
//
//	key     the part: what rows are kept apart by, of one length in a bucket; 1 byte level; 8 bytes number
//	value   rows, sorted
const (
	tierRow    = 32
	tierBlocks = 16
	tierMost   = 2 << 20 // bytes of a block that is made of others
	tierBudget = 4 << 20 // bytes that one transaction joins, about
)

// tiers is such a bucket; nil bucket: no rows.
type tiers struct {
	b    *bbolt.Bucket
	part int // bytes of a part
}

type row [tierRow]byte

func makeRow(a, b, c, d uint64) (r row) {
	be := binary.BigEndian
	be.PutUint64(r[:], a)
	be.PutUint64(r[8:], b)
	be.PutUint64(r[16:], c)
	be.PutUint64(r[24:], d)
	return r
}

// at gives one of the four numbers of a row.
func (r *row) at(i int) uint64 { return binary.BigEndian.Uint64(r[8*i:]) }

// add writes rows of one part, and joins what there is too much of while the budget lasts.
func (t tiers) add(part []byte, rows []row, budget *int) error {
	if err := t.put(part, 0, rows); err != nil {
		return err
	}
	for level := byte(0); level < 8; level++ {
		prefix := append(slices.Clone(part), level)
		var keys [][]byte
		size := 0
		c := t.b.Cursor()
		for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			keys = append(keys, slices.Clone(k))
			size += len(v)
		}
		if len(keys) < tierBlocks || size > tierMost || size > *budget {
			return nil
		}
		*budget -= size
		rows := make([]row, 0, size/tierRow)
		for _, k := range keys {
			for v := t.b.Get(k); len(v) >= tierRow; v = v[tierRow:] {
				rows = append(rows, row(v))
			}
			if err := t.b.Delete(k); err != nil {
				return err
			}
		}
		if err := t.put(part, level+1, rows); err != nil {
			return err
		}
	}
	return nil
}

func (t tiers) put(part []byte, level byte, rows []row) error {
	prefix := append(slices.Clone(part), level)
	// From the front: a cursor of bbolt that goes back does not end where a transaction has emptied a leaf.
	n := uint64(1)
	c := t.b.Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		n = binary.BigEndian.Uint64(k[len(prefix):]) + 1
	}
	slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a[:], b[:]) })
	rows = slices.Compact(rows)
	v := make([]byte, 0, tierRow*len(rows))
	for i := range rows {
		v = append(v, rows[i][:]...)
	}
	return t.b.Put(binary.BigEndian.AppendUint64(prefix, n), v)
}

// blocks gives the blocks of a part. They end with the transaction.
func (t tiers) blocks(part []byte) (list blocks, err error) {
	if t.b == nil {
		return nil, nil
	}
	c := t.b.Cursor()
	for k, v := c.Seek(part); k != nil && bytes.HasPrefix(k, part); k, v = c.Next() {
		if len(v)%tierRow != 0 {
			return nil, errDamaged
		}
		list = append(list, v)
	}
	return list, nil
}

// next gives the first part that is not before this one; nil for none.
func (t tiers) next(part []byte) []byte {
	if t.b == nil {
		return nil
	}
	k, _ := t.b.Cursor().Seek(part)
	if len(k) < t.part {
		return nil
	}
	return slices.Clone(k[:t.part])
}

// blocks are the rows of a part.
type blocks [][]byte

// seek gives the first row that is not before this one.
func (l blocks) seek(from row) (found row, ok bool) {
	for _, b := range l {
		if n := lower(b, from); n < len(b)/tierRow {
			if r := row(b[tierRow*n:]); !ok || bytes.Compare(r[:], found[:]) < 0 {
				found, ok = r, true
			}
		}
	}
	return found, ok
}

// lower gives the first row of a block that is not before this one.
func lower(b []byte, from row) int {
	lo, hi := 0, len(b)/tierRow
	for lo < hi {
		if mid := (lo + hi) / 2; bytes.Compare(b[tierRow*mid:tierRow*(mid+1)], from[:]) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// rows yields the rows of a part in order, from one on.
func (l blocks) rows(from row, yield func(row) bool) {
	rest := make([][]byte, 0, len(l))
	for _, b := range l {
		if n := lower(b, from); n < len(b)/tierRow {
			rest = append(rest, b[tierRow*n:])
		}
	}
	for len(rest) > 0 {
		least := 0
		for i := range rest {
			if bytes.Compare(rest[i][:tierRow], rest[least][:tierRow]) < 0 {
				least = i
			}
		}
		r := row(rest[least])
		if rest[least] = rest[least][tierRow:]; len(rest[least]) == 0 {
			rest = slices.Delete(rest, least, least+1)
		}
		if !yield(r) {
			return
		}
	}
}
