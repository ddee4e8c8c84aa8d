package bolt

// filter tells of most hashes that the id index does not have that it does not have them, at one look at memory:
// nearly all that is published is new, and to find that out in the index takes ten. It never says so of one that
// it has. It is made at the start, and is the committer's alone.
type filter struct{ layers []layer }

// layer is a blocked Bloom filter: a hash sets filterBits bits of one block, which is a line of the processor's
// cache. With filterKeys hashes a block one in 400 that are not there seems to be.
type layer struct {
	blocks [][8]uint64
	room   int // for more hashes
}

const (
	filterKeys  = 32 // 2 bytes of memory each
	filterBits  = 4
	filterFirst = 16 << 10 // hashes that there is room for at the start, at least
)

// newFilter makes one for so many hashes and as many again; more begin another layer, four times as large.
func newFilter(n int) *filter {
	f := &filter{}
	f.grow(max(2*n, filterFirst))
	return f
}

func (f *filter) grow(n int) {
	f.layers = append(f.layers, layer{make([][8]uint64, (n+filterKeys-1)/filterKeys), n})
}

func (f *filter) add(hash uint64) {
	l := &f.layers[len(f.layers)-1]
	if l.room == 0 {
		f.grow(4 * len(l.blocks) * filterKeys)
		l = &f.layers[len(f.layers)-1]
	}
	l.room--
	b := l.block(hash)
	for i := range filterBits {
		word, bit := bitOf(hash, i)
		b[word] |= bit
	}
}

// has is false only of a hash that was not added.
func (f *filter) has(hash uint64) bool {
	for i := range f.layers {
		if f.layers[i].has(hash) {
			return true
		}
	}
	return false
}

func (l *layer) has(hash uint64) bool {
	b := l.block(hash)
	for i := range filterBits {
		if word, bit := bitOf(hash, i); b[word]&bit == 0 {
			return false
		}
	}
	return true
}

// block chooses by the upper half of a hash, bitOf by nine bits of the lower one.
func (l *layer) block(hash uint64) *[8]uint64 {
	return &l.blocks[hash>>32*uint64(len(l.blocks))>>32]
}

func bitOf(hash uint64, i int) (word int, bit uint64) {
	n := uint32(hash) >> (7 * i)
	return int(n >> 6 & 7), 1 << (n & 63)
}
