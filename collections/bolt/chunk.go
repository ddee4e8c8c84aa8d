package bolt

import (
	"encoding/binary"
	"math/bits"
)

// A chunk:
//
//	8 bytes key of the first row, 2 bytes number of rows, both big-endian; for each row how it differs from
//	the one before it, the first one from that key and zeros:
//	    2 bytes, of which four bits each, from the lowest, are how many bytes the three differences have
//	    the difference of the keys, then those of the other two, zigzag, each without leading zeros
//
// Numbers are little-endian but for the head.
const (
	chunkHead  = 10
	chunkBytes = 2000 // at most
	longestRow = 2 + 3*8
)

// appendChunk encodes as many rows as a chunk takes, and gives how many these are.
func appendChunk(b []byte, rows []row) (_ []byte, n int) {
	start := len(b)
	b = binary.BigEndian.AppendUint64(b, rows[0].key)
	b = append(b, 0, 0)
	last := row{key: rows[0].key}
	for n < len(rows) && len(b)-start <= chunkBytes-longestRow {
		r := rows[n]
		n++
		at := len(b)
		b = append(b, 0, 0)
		sizes := uint16(0)
		for i, d := range [...]uint64{r.key - last.key, zigzag(r.tag - last.tag), zigzag(r.val - last.val)} {
			sizes |= uint16(bits.Len64(d)+7) / 8 << (4 * i)
			for ; d > 0; d >>= 8 {
				b = append(b, byte(d))
			}
		}
		binary.LittleEndian.PutUint16(b[at:], sizes)
		last = r
	}
	binary.BigEndian.PutUint16(b[start+8:], uint16(n))
	return b, n
}

// zigzag makes a small number of a small difference of either sign.
func zigzag(d uint64) uint64 { return d<<1 ^ uint64(int64(d)>>63) }

func unzigzag(z uint64) uint64 { return z>>1 ^ -(z & 1) }

// chunk reads a chunk row by row.
type chunk struct {
	row        // the last one that was read
	n   int    // how many are left
	b   []byte // in these bytes
}

func openChunk(b []byte) (chunk, error) {
	if len(b) < chunkHead {
		return chunk{}, errDamaged
	}
	return chunk{row: row{key: chunkKey(b)}, n: chunkRows(b), b: b[chunkHead:]}, nil
}

// next reads the next row; false at the end.
func (c *chunk) next() (bool, error) {
	if c.n == 0 {
		if len(c.b) > 0 {
			return false, errDamaged
		}
		return false, nil
	}
	b := c.b
	if len(b) < 2 {
		return false, errDamaged
	}
	sizes := binary.LittleEndian.Uint16(b)
	key, tag, val := int(sizes&15), int(sizes>>4&15), int(sizes>>8&15)
	b = b[2:]
	if sizes >= 1<<12 || key > 8 || tag > 8 || val > 8 || key+tag+val > len(b) {
		return false, errDamaged
	}
	c.key += littleNumber(b, key)
	b = b[key:]
	c.tag += unzigzag(littleNumber(b, tag))
	b = b[tag:]
	c.val += unzigzag(littleNumber(b, val))
	c.b = b[val:]
	c.n--
	return true, nil
}

// littleNumber reads n bytes.
func littleNumber(b []byte, n int) (x uint64) {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b) & (1<<(8*n) - 1)
	}
	for i := range n {
		x |= uint64(b[i]) << (8 * i)
	}
	return x
}

// readChunk appends the rows of a chunk.
func readChunk(dst []row, b []byte) ([]row, error) {
	c, err := openChunk(b)
	for more := err == nil; more; {
		if more, err = c.next(); more {
			dst = append(dst, c.row)
		}
	}
	return dst, err
}

func chunkKey(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

func chunkRows(b []byte) int { return int(binary.BigEndian.Uint16(b[8:])) }
