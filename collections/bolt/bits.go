package bolt

import (
	"encoding/binary"
	"iter"
	"math/bits"
)

// bitmap is a set of positions in a segment: bit i is bit i%8 of byte i/8. Zero bytes at the end are
// cut, so that the empty set is empty. The zero value is ready.
type bitmap []byte

func (b bitmap) has(i int) bool { return i>>3 < len(b) && b[i>>3]>>(i&7)&1 != 0 }

// set puts position i in.
func (b bitmap) set(i int) bitmap {
	for i>>3 >= len(b) {
		b = append(b, 0)
	}
	b[i>>3] |= 1 << (i & 7)
	return b
}

// clear takes position i out.
func (b bitmap) clear(i int) bitmap {
	if i>>3 < len(b) {
		b[i>>3] &^= 1 << (i & 7)
	}
	return b.cut()
}

// flip turns position i over.
func (b bitmap) flip(i int) bitmap {
	if b.has(i) {
		return b.clear(i)
	}
	return b.set(i)
}

func (b bitmap) cut() bitmap {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

func (b bitmap) count() int {
	n := 0
	for len(b) >= 8 {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	for _, x := range b {
		n += bits.OnesCount8(x)
	}
	return n
}

// from drops the positions before i.
func (b bitmap) from(i int) bitmap {
	for k := range min(i>>3, len(b)) {
		b[k] = 0
	}
	if i>>3 < len(b) {
		b[i>>3] &= 0xff << (i & 7)
	}
	return b.cut()
}

// first keeps the first n positions of the set.
func (b bitmap) first(n int) bitmap {
	for k, x := range b {
		c := bits.OnesCount8(x)
		if c <= n {
			n -= c
			continue
		}
		for ; c > n; c-- {
			x &^= 0x80 >> bits.LeadingZeros8(x)
		}
		b[k] = x
		return b[:k+1].cut()
	}
	return b
}

// least and most give the ends of a set that is not empty.
func (b bitmap) least() int {
	for k, x := range b {
		if x != 0 {
			return k<<3 + bits.TrailingZeros8(x)
		}
	}
	return -1
}

func (b bitmap) most() int { return len(b)<<3 - 1 - bits.LeadingZeros8(b[len(b)-1]) }

// runs yields the runs of positions [i, j).
func (b bitmap) runs() iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for i, n := 0, len(b)<<3; i < n; {
			if i&7 == 0 && b[i>>3] == 0 {
				i += 8
				continue
			}
			if !b.has(i) {
				i++
				continue
			}
			j := i + 1
			for j < n && (j&7 == 0 && b[j>>3] == 0xff || b.has(j)) {
				if j&7 == 0 && b[j>>3] == 0xff {
					j += 8
				} else {
					j++
				}
			}
			if !yield(i, j) {
				return
			}
			i = j
		}
	}
}

// shift moves every position up by n, in a new set.
func (b bitmap) shift(n int) bitmap {
	if n == 0 || len(b) == 0 {
		return b
	}
	moved := make(bitmap, n>>3+len(b)+1)
	for i, x := range b {
		moved[n>>3+i] |= x << (n & 7)
		moved[n>>3+i+1] |= byte(uint16(x) << (n & 7) >> 8)
	}
	return moved.cut()
}

// The operations below append their result to dst, which may not overlap a or b but for its own
// start: or(a, a, b) is right.

func or(dst, a, b bitmap) bitmap {
	dst = dst[:0]
	for i := range max(len(a), len(b)) {
		dst = append(dst, byteAt(a, i)|byteAt(b, i))
	}
	return dst
}

func xor(dst, a, b bitmap) bitmap {
	dst = dst[:0]
	for i := range max(len(a), len(b)) {
		dst = append(dst, byteAt(a, i)^byteAt(b, i))
	}
	return dst.cut()
}

func and(dst, a, b bitmap) bitmap {
	dst = dst[:0]
	for i := range min(len(a), len(b)) {
		dst = append(dst, a[i]&b[i])
	}
	return dst.cut()
}

func without(dst, a, b bitmap) bitmap {
	dst = dst[:0]
	for i := range a {
		dst = append(dst, a[i]&^byteAt(b, i))
	}
	return dst.cut()
}

func byteAt(b bitmap, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}
