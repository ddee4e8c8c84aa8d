package collections

import (
	"bytes"
	"sync"
)

// room is memory for a publication: it is worth more than what most of them need, so it is used again.
type room struct {
	items  []Item
	drafts []draft
	blocks []*block // in use; the last one is being filled
	filled int      // bytes of the last one
}

// roomItems is how large a publication may be whose items are kept for the next one: 700 kB.
const roomItems = 2048

// block takes copies of objects; one that would fill a quarter has memory of its own, for what is left at
// the end of a block is lost.
type block [64 << 10]byte

var (
	rooms  = sync.Pool{New: func() any { return new(room) }}
	blocks = sync.Pool{New: func() any { return new(block) }}
)

func (r *room) copy(b []byte) []byte {
	if len(b) > len(block{})/4 {
		return bytes.Clone(b)
	}
	if len(r.blocks) == 0 || len(b) > len(block{})-r.filled {
		r.blocks = append(r.blocks, blocks.Get().(*block))
		r.filled = 0
	}
	to := r.blocks[len(r.blocks)-1][r.filled : r.filled+len(b) : r.filled+len(b)]
	r.filled += copy(to, b)
	return to
}

// empty gives the copies back, when nobody looks at them any more.
func (r *room) empty() {
	for i, b := range r.blocks {
		blocks.Put(b)
		r.blocks[i] = nil
	}
	r.blocks = r.blocks[:0]
}

// keepRoom notes where items and drafts are, when there will not be more of them.
func (in *intake) keepRoom() { in.room.items, in.room.drafts = in.publication.Items, in.drafts }

// rest lets go of what is not needed for as long as the commit takes.
func (in *intake) rest() {
	in.drafts, in.marked, in.types, in.graph = nil, nil, nil, nil
	in.room.drafts = emptied(in.room.drafts)
}

// forget lets go of the items, which somebody else has from then on.
func (in *intake) forget() { in.publication.Items, in.room.items = nil, nil }

// release gives the room to the next publication. Nobody looks at this one any more.
func (in *intake) release() {
	r := in.room
	r.empty()
	r.items, r.drafts = emptied(r.items), emptied(r.drafts)
	in.room, in.drafts, in.publication.Items = nil, nil, nil
	rooms.Put(r)
}

// emptied is a list without what was in it, or none where it is too large to be kept.
func emptied[T any](list []T) []T {
	if cap(list) > roomItems {
		return nil
	}
	clear(list)
	return list[:0]
}
