package bolt

import (
	"bytes"
	"math/bits"
	"slices"

	"go.etcd.io/bbolt"
)

// weave is what is to be written to tiers, made while only reading: who reads them through it sees it already.
type weave struct {
	*tiers
	split  int  // splitRows, smaller in tests
	budget *int // rows that may be written again
	edits  []edit
}

// edit is one key to be written; nil value: to be deleted.
type edit struct{ key, value []byte }

// add adds rows to a space, sorts them, and brings it a step on to how it should be.
func (w *weave) add(space uint16, rows []row) error {
	slices.SortFunc(rows, compareRows)
	p := branch{space: space}
	if err := w.place(p, slices.Compact(rows)); err != nil {
		return err
	}
	return w.divide(p)
}

// sizeOf says how large a block is, of which those of one size are joined; 0: not small.
func (w *weave) sizeOf(rows int) int {
	if rows >= w.split/smallBlocks {
		return 0
	}
	return 1 + bits.Len(uint(rows))/4
}

// place adds a block to a part, with the small ones that it is joined with.
func (w *weave) place(p branch, rows []row) error {
	for w.sizeOf(len(rows)) > 0 {
		list, err := w.blocks(p)
		if err != nil {
			return err
		}
		size := 0
		alike := slices.DeleteFunc(slices.Clone(list), func(b block) bool { return w.sizeOf(b.rows) != w.sizeOf(len(rows)) })
		for _, b := range alike {
			size += b.rows
		}
		if len(alike)+1 < joinBlocks || size > *w.budget {
			break
		}
		*w.budget -= size
		old, err := readAll(alike)
		if err != nil {
			return err
		}
		w.remove(p, alike)
		rows = mergeRows(old, rows)
	}
	for len(rows) > 0 {
		n := min(len(rows), w.split/2)
		if err := w.put(p, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// divide moves the rows of a part that has too many to parts of their own; before that those of one of these
// that has too many itself.
func (w *weave) divide(p branch) error {
	for {
		list, size, err := w.full(p)
		if err != nil || list == nil || size > *w.budget {
			return err
		}
		rows, err := readAll(list)
		if err != nil {
			return err
		}
		depth := byte(bits.LeadingZeros64(rows[0].key^rows[len(rows)-1].key)/4) + 1
		if depth > 16 { // they are of one key
			*w.budget -= size
			w.remove(p, list)
			return w.put(p, rows)
		}
		var below *branch
		for child := range divided(p.space, depth, rows) {
			list, _, err := w.full(child)
			if err != nil {
				return err
			}
			if list != nil {
				below = &child
				break
			}
		}
		if below != nil {
			p = *below
			continue
		}
		*w.budget -= size
		w.remove(p, list)
		for child, rows := range divided(p.space, depth, rows) {
			if err := w.place(child, rows); err != nil {
				return err
			}
		}
		return nil
	}
}

// full gives the oldest blocks of a part that have enough rows together to be divided; nil when it has fewer.
func (w *weave) full(p branch) (list []block, size int, err error) {
	all, err := w.blocks(p)
	for _, b := range all {
		if b.rows >= w.split {
			continue
		}
		list = append(list, b)
		if size += b.rows; size >= w.split {
			return list, size, err
		}
	}
	return nil, 0, err
}

// divided yields the rows of each part.
func divided(space uint16, depth byte, rows []row) func(func(branch, []row) bool) {
	return func(yield func(branch, []row) bool) {
		for len(rows) > 0 {
			p := partOf(space, depth, rows[0].key)
			n := 1
			for n < len(rows) && partOf(space, depth, rows[n].key) == p {
				n++
			}
			if !yield(p, rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// readAll gives the rows of blocks in order.
func readAll(list []block) ([]row, error) {
	lists := make([][]row, len(list))
	for i := range list {
		var err error
		if lists[i], err = list[i].read(); err != nil {
			return nil, err
		}
	}
	for len(lists) > 1 {
		half := lists[:0]
		for i := 0; i < len(lists); i += 2 {
			if i+1 == len(lists) {
				half = append(half, lists[i])
			} else {
				half = append(half, mergeRows(lists[i], lists[i+1]))
			}
		}
		lists = half
	}
	return lists[0], nil
}

// mergeRows gives the rows of both, each once.
func mergeRows(a, b []row) []row {
	all := make([]row, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].less(&b[0]):
			all, a = append(all, a[0]), a[1:]
		case b[0].less(&a[0]):
			all, b = append(all, b[0]), b[1:]
		default:
			a = a[1:]
		}
	}
	return append(append(all, a...), b...)
}

// remove takes blocks away.
func (w *weave) remove(p branch, list []block) {
	for _, b := range list {
		for i := range b.chunks {
			w.edits = append(w.edits, edit{key: p.key(b.number, i)})
		}
	}
	w.opened[p] = slices.DeleteFunc(slices.Clone(w.opened[p]), func(b block) bool {
		return slices.ContainsFunc(list, func(gone block) bool { return gone.number == b.number })
	})
}

// put adds a block.
func (w *weave) put(p branch, rows []row) error {
	list, err := w.blocks(p)
	if err != nil {
		return err
	}
	b := block{number: 1, rows: len(rows)}
	if n := len(list); n > 0 {
		b.number = list[n-1].number + 1
	}
	for len(rows) > 0 {
		value, n := appendChunk(make([]byte, 0, chunkBytes), rows)
		w.edits = append(w.edits, edit{p.key(b.number, len(b.chunks)), value})
		b.chunks, rows = append(b.chunks, value), rows[n:]
	}
	w.opened[p] = append(slices.Clip(list), b)
	return nil
}

// apply writes edits into a bucket, in order of keys.
func apply(b *bbolt.Bucket, edits []edit) (err error) {
	b.FillPercent = 1
	slices.SortStableFunc(edits, func(a, b edit) int { return bytes.Compare(a.key, b.key) })
	for i := 0; i < len(edits) && err == nil; i++ {
		if e := &edits[i]; e.value != nil {
			err = b.Put(e.key, e.value)
		} else {
			err = b.Delete(e.key)
		}
	}
	return err
}
