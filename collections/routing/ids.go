package routing

import (
	"hash/maphash"
	"strings"
)

// ids gives ids numbers, in the order in which they come. It is a hash table with open addressing whose
// slots hold no keys, so that growing it moves little, and the ids lie one after the other in blocks.
type ids struct {
	seed  maphash.Seed
	slots []idSlot // a power of two of them, at most half of them full
	list  []string
	block *strings.Builder
}

type idSlot struct {
	hash   uint32
	number int32 // + 1; 0: empty
}

const idBlock = 32 << 10 // bytes

func newIDs() ids { return ids{seed: maphash.MakeSeed(), slots: make([]idSlot, 256)} }

// number gives an id's number; isNew when it had none.
func (t *ids) number(id []byte) (number int32, isNew bool) {
	hash := uint32(maphash.Bytes(t.seed, id))
	mask := uint32(len(t.slots) - 1)
	at := hash & mask
	for ; t.slots[at].number != 0; at = (at + 1) & mask {
		if s := t.slots[at]; s.hash == hash && t.list[s.number-1] == string(id) {
			return s.number - 1, false
		}
	}
	t.list = append(t.list, t.keep(id))
	t.slots[at] = idSlot{hash, int32(len(t.list))}
	if 2*len(t.list) > len(t.slots) {
		t.grow()
	}
	return int32(len(t.list) - 1), true
}

// keep copies an id into a block.
func (t *ids) keep(id []byte) string {
	if len(id) > idBlock/16 {
		return string(id)
	}
	if t.block == nil || t.block.Cap()-t.block.Len() < len(id) {
		t.block = &strings.Builder{}
		t.block.Grow(idBlock)
	}
	from := t.block.Len()
	t.block.Write(id)
	return t.block.String()[from:]
}

func (t *ids) grow() {
	old := t.slots
	t.slots = make([]idSlot, 2*len(old))
	mask := uint32(len(t.slots) - 1)
	for _, s := range old {
		if s.number == 0 {
			continue
		}
		at := s.hash & mask
		for t.slots[at].number != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = s
	}
}
