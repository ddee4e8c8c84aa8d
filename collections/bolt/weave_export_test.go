package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// Row is a row of tiers.
type Row [3]uint64

// AddRows adds rows to a space of tiers in a bucket of this name, whose parts are divided at so many rows.
func AddRows(tx *bbolt.Tx, name string, space uint16, split int, list []Row) error {
	b, err := tx.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return err
	}
	budget := 2 * split
	w := weave{tiers: &tiers{b: b, opened: map[branch][]block{}}, split: split, budget: &budget}
	rows := make([]row, len(list))
	for i, r := range list {
		rows[i] = row{r[0], r[1], r[2]}
	}
	if err := w.add(space, rows); err != nil {
		return err
	}
	return apply(b, w.edits)
}

// RowsFrom gives the rows of a space in order, at most so many, and how many depths they are in.
func RowsFrom(tx *bbolt.Tx, name string, space uint16, from Row, most int) (list []Row, depths int, err error) {
	t := &tiers{b: tx.Bucket([]byte(name)), opened: map[branch][]block{}}
	for depth := byte(0); depth <= 16; depth++ {
		if p, ok := t.after(space, depth, 0); ok && p.depth == depth {
			depths++
		}
	}
	m := t.merge(space, row{from[0], from[1], from[2]})
	for err == nil && len(list) < most {
		r, ok, nextErr := m.next()
		if err = nextErr; !ok {
			break
		}
		list = append(list, Row{r.key, r.tag, r.val})
	}
	return list, depths, err
}

// Blocks gives how many blocks each part has, at most.
func Blocks(tx *bbolt.Tx, name string) (most int, err error) {
	count := map[branch]map[uint32]bool{}
	err = tx.Bucket([]byte(name)).ForEach(func(k, _ []byte) error {
		p, number, _, ok := readTierKey(k)
		if !ok {
			return fmt.Errorf("key %x: %w", k, errDamaged)
		}
		if count[p] == nil {
			count[p] = map[uint32]bool{}
		}
		count[p][number] = true
		most = max(most, len(count[p]))
		return nil
	})
	return most, err
}

// Chunk writes a chunk, and ChunkRows reads one.
func Chunk(list []Row) []byte {
	rows := make([]row, len(list))
	for i, r := range list {
		rows[i] = row{r[0], r[1], r[2]}
	}
	b, n := appendChunk(nil, rows)
	if n != len(list) {
		panic("too many rows for a chunk")
	}
	return b
}

// ChunkRows reads a chunk.
func ChunkRows(b []byte) (list []Row, err error) {
	rows, err := readChunk(nil, b)
	for _, r := range rows {
		list = append(list, Row{r.key, r.tag, r.val})
	}
	return list, err
}
