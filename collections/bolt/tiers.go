package bolt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"
)

// Tiers are rows of three numbers that come in any order and are found by the first of them. Single keys
// at random places would write a page each; so what comes together is one sorted block in the part of
// all keys. When a part has splitRows rows, they are divided by the next four bits of their keys in which
// they differ, into parts of their own; when it has joinBlocks small blocks of about one size, these
// become one. So a row is written again once for sixteen times as many rows.
//
//	key     2 bytes space, whose rows are kept apart; the part: 1 byte depth, how many times four bits of
//	        the keys are alike, 8 bytes the lowest key; 4 bytes number of the block, 2 bytes of the chunk
//	value   a chunk: some rows of the block, so many that two fit into a page
//
// A block with splitRows rows or more has one key alone, and stays.
const (
	splitRows   = 1 << 17
	joinBlocks  = 16
	smallBlocks = 32                      // a block of this part of splitRows, or of more, is not joined but divided
	tierBudget  = splitRows + splitRows/2 // rows that one transaction writes again, some 2 MiB
)

// row is ordered by its numbers.
type row struct{ key, tag, val uint64 }

func (r *row) less(o *row) bool {
	if r.key != o.key {
		return r.key < o.key
	}
	return r.tag < o.tag || r.tag == o.tag && r.val < o.val
}

func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.tag, b.tag), cmp.Compare(a.val, b.val))
}

// branch is the rows of a space whose keys begin alike.
type branch struct {
	space uint16
	depth byte // times four bits
	low   uint64
}

func partOf(space uint16, depth byte, key uint64) branch {
	return branch{space, depth, key &^ (^uint64(0) >> (4 * depth))}
}

const partKey = 2 + 1 + 8

func (p branch) name() []byte {
	b := append(binary.BigEndian.AppendUint16(make([]byte, 0, partKey+6), p.space), p.depth)
	return binary.BigEndian.AppendUint64(b, p.low)
}

func (p branch) key(number uint32, chunk int) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(p.name(), number), uint16(chunk))
}

// readTierKey takes a key apart.
func readTierKey(k []byte) (p branch, number uint32, chunk int, ok bool) {
	if len(k) != partKey+6 {
		return branch{}, 0, 0, false
	}
	be := binary.BigEndian
	return branch{be.Uint16(k), k[2], be.Uint64(k[3:])}, be.Uint32(k[partKey:]), int(be.Uint16(k[partKey+4:])), true
}

// block is rows that were written together.
type block struct {
	number uint32
	rows   int
	chunks [][]byte
}

// read gives the rows of a block.
func (b *block) read() (rows []row, err error) {
	rows = make([]row, 0, b.rows)
	for _, c := range b.chunks {
		if rows, err = readChunk(rows, c); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// tiers are rows as one transaction finds them; nil bucket: none.
type tiers struct {
	b      *bbolt.Bucket
	opened map[branch][]block
}

func openTiers(in *bbolt.Bucket, name string) *tiers {
	t := &tiers{opened: map[branch][]block{}}
	if in != nil {
		t.b = in.Bucket([]byte(name))
	}
	return t
}

// blocks gives the blocks of a part. They end with the transaction.
func (t *tiers) blocks(p branch) ([]block, error) {
	list, known := t.opened[p]
	if known || t.b == nil {
		return list, nil
	}
	name := p.name()
	c := t.b.Cursor()
	for k, v := c.Seek(name); bytes.HasPrefix(k, name); k, v = c.Next() {
		_, number, chunk, ok := readTierKey(k)
		if !ok || len(v) < chunkHead {
			return nil, errDamaged
		}
		if len(list) == 0 || list[len(list)-1].number != number {
			list = append(list, block{number: number})
		}
		last := &list[len(list)-1]
		if chunk != len(last.chunks) {
			return nil, errDamaged
		}
		last.chunks = append(last.chunks, v)
		last.rows += chunkRows(v)
	}
	t.opened[p] = list
	return list, nil
}

// after gives the first part that is there, of those of this depth whose keys are not all below key; false for none.
func (t *tiers) after(space uint16, depth byte, key uint64) (branch, bool) {
	if t.b == nil {
		return branch{}, false
	}
	k, _ := t.b.Cursor().Seek(partOf(space, depth, key).name())
	p, _, _, ok := readTierKey(k)
	return p, ok && p.space == space
}

// merge gives the rows of a space in order, from one on.
func (t *tiers) merge(space uint16, from row) *merger {
	m := &merger{t: t, space: space, from: from}
	for depth := byte(0); depth <= 16; depth++ {
		p, ok := t.after(space, depth, 0)
		if !ok {
			break
		}
		depth = p.depth
		m.wait(depth, from.key)
	}
	return m
}

// merger is a heap of streams.
type merger struct {
	t     *tiers
	space uint16
	from  row
	heap  []stream
}

// stream is the rest of a block, or a part that is not opened before its turn has come.
type stream struct {
	row
	*blockRest
	part branch // of no rest
}

type blockRest struct {
	chunk  chunk
	chunks [][]byte
}

// wait puts the next part of a depth onto the heap.
func (m *merger) wait(depth byte, key uint64) {
	p, ok := m.t.after(m.space, depth, key)
	if ok && p.depth == depth {
		m.push(stream{row: row{key: p.low}, part: p})
	}
}

// next gives the next row; false at the end.
func (m *merger) next() (r row, ok bool, err error) {
	for len(m.heap) > 0 {
		s := &m.heap[0]
		if s.blockRest == nil {
			p := s.part
			m.pop()
			if err := m.open(p); err != nil {
				return row{}, false, err
			}
			continue
		}
		r = s.row
		more, err := s.next()
		if err != nil {
			return row{}, false, err
		}
		if s.row = s.chunk.row; more {
			m.down(0)
		} else {
			m.pop()
		}
		return r, true, nil
	}
	return row{}, false, nil
}

// open opens a part, and lets the next one of its depth wait.
func (m *merger) open(p branch) error {
	list, err := m.t.blocks(p)
	if err != nil {
		return err
	}
	rest := make([]blockRest, len(list))
	for i, b := range list {
		s := &rest[i]
		more, err := s.seek(b.chunks, m.from)
		if err != nil {
			return err
		}
		if more {
			m.push(stream{row: s.chunk.row, blockRest: s})
		}
	}
	if end := p.low | ^uint64(0)>>(4*p.depth); end != ^uint64(0) {
		m.wait(p.depth, end+1)
	}
	return nil
}

// seek goes to the first row that is not before from.
func (s *blockRest) seek(chunks [][]byte, from row) (more bool, err error) {
	// The last chunk that begins before the key has the first of its rows, if any.
	n, _ := slices.BinarySearchFunc(chunks, from.key, func(c []byte, key uint64) int { return cmp.Compare(chunkKey(c), key) })
	s.chunks = chunks[max(n-1, 0):]
	for more, err = s.next(); more && s.chunk.row.less(&from); {
		more, err = s.next()
	}
	return more, err
}

// next reads the next row; false at the end.
func (s *blockRest) next() (more bool, err error) {
	for {
		if more, err = s.chunk.next(); more || err != nil || len(s.chunks) == 0 {
			return more, err
		}
		if s.chunk, err = openChunk(s.chunks[0]); err != nil {
			return false, err
		}
		s.chunks = s.chunks[1:]
	}
}

func (m *merger) push(s stream) {
	m.heap = append(m.heap, s)
	for i := len(m.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !m.heap[i].less(&m.heap[up].row) {
			return
		}
		m.heap[i], m.heap[up] = m.heap[up], m.heap[i]
		i = up
	}
}

func (m *merger) pop() {
	last := len(m.heap) - 1
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	m.down(0)
}

func (m *merger) down(i int) {
	for {
		low := 2*i + 1
		if low >= len(m.heap) {
			return
		}
		if right := low + 1; right < len(m.heap) && m.heap[right].less(&m.heap[low].row) {
			low = right
		}
		if !m.heap[low].less(&m.heap[i].row) {
			return
		}
		m.heap[i], m.heap[low] = m.heap[low], m.heap[i]
		i = low
	}
}
