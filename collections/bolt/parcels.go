package bolt

import (
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// Parcels are the bytes of objects that several collections have, bucket p of the operation:
//
//	number, 8 bytes big-endian    as the bytes of a segment of tag 1, see segment.go
//
// An object is packed into a parcel once, whatever the number of its collections; their segments refer
// to it. When the last collection loses it, the bytes go, and with its last object the parcel. The
// bucket's sequence is the highest number that was given.

// ref is where the bytes of an object are. The zero value: in the segment itself.
type ref struct {
	parcel uint64
	pos    uint32
}

// parcels are those of an operation in a write transaction.
type parcels struct {
	stored  *bbolt.Bucket // nil: there are none
	last    uint64        // the highest number that was given
	full    int           // bytes of a parcel
	made    []*parcel     // in this transaction; the last one is open, unless it is shut
	shut    bool
	gone    map[uint64][]uint32
	dropped []uint64 // whole parcels that go
	room    *scratch
}

type parcel struct {
	number uint64
	list   [][]byte
	size   int
}

func openParcels(op *bbolt.Bucket, full int, room *scratch) *parcels {
	p := &parcels{full: full, room: room, gone: map[uint64][]uint32{}}
	if op != nil {
		if p.stored = op.Bucket([]byte(bucketParcels)); p.stored != nil {
			p.last = p.stored.Sequence()
		}
	}
	return p
}

// add packs an object.
func (p *parcels) add(raw []byte) ref {
	var to *parcel
	if n := len(p.made); n > 0 && !p.shut {
		if to = p.made[n-1]; len(to.list) >= segmentObjects || to.size+len(raw)+4*len(to.list) > p.full {
			to = nil
		}
	}
	if to == nil {
		p.last++
		to = &parcel{number: p.last}
		p.made, p.shut = append(p.made, to), false
	}
	to.list = append(to.list, raw)
	to.size += len(raw) + 1
	return ref{to.number, uint32(len(to.list) - 1)}
}

// pack packs objects into parcels of their own.
func (p *parcels) pack(raws [][]byte) []*parcel {
	first := len(p.made)
	for i, raw := range raws {
		p.shut = p.shut || i == 0
		p.add(raw)
	}
	packed := slices.Clone(p.made[first:])
	if len(packed) > 0 {
		p.shut = true
	}
	return packed
}

// remove takes the bytes of an object away.
func (p *parcels) remove(r ref) {
	if r.parcel == 0 {
		return
	}
	for _, m := range p.made {
		if m.number == r.parcel {
			m.size -= len(m.list[r.pos]) + 1
			m.list[r.pos] = nil
			return
		}
	}
	p.gone[r.parcel] = append(p.gone[r.parcel], r.pos)
}

// put writes what was planned.
func (p *parcels) put(op *bbolt.Bucket) error {
	if len(p.made) == 0 && len(p.gone) == 0 && len(p.dropped) == 0 {
		return nil
	}
	b, err := op.CreateBucketIfNotExists([]byte(bucketParcels))
	if err != nil {
		return err
	}
	b.FillPercent = 1
	for _, m := range p.made {
		if m.size <= 0 {
			continue
		}
		if err := b.Put(parcelKey(m.number), packObjects(p.room, m.list, m.size)); err != nil {
			return err
		}
	}
	for _, number := range p.dropped {
		if err := b.Delete(parcelKey(number)); err != nil {
			return err
		}
	}
	for number, positions := range p.gone {
		if err := eraseParcel(b, number, positions); err != nil {
			return err
		}
	}
	return b.SetSequence(p.last)
}

// eraseParcel writes a parcel again without the bytes of some of its objects.
func eraseParcel(b *bbolt.Bucket, number uint64, positions []uint32) error {
	o, err := readParcel(b, number)
	if err != nil {
		return err
	}
	list, size := make([][]byte, o.n), 0
	for i := range list {
		if !slices.Contains(positions, uint32(i)) {
			if list[i] = o.span(i, i+1); len(list[i]) > 0 {
				size += len(list[i]) + 1
			}
		}
	}
	if size == 0 {
		return b.Delete(parcelKey(number))
	}
	return b.Put(parcelKey(number), packObjects(nil, list, size))
}

func parcelKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func readParcel(b *bbolt.Bucket, number uint64) (objects, error) {
	var v []byte
	if b != nil {
		v = b.Get(parcelKey(number))
	}
	o, err := readObjects(v, nil)
	if err != nil || o.refs {
		return objects{}, fmt.Errorf("parcel %d: %w", number, errDamaged)
	}
	return o, nil
}

// packObjects encodes the bytes of a segment of tag 1. An object without bytes is a deleted one.
func packObjects(room *scratch, list [][]byte, size int) []byte {
	n := len(list)
	b := room.buffer(4 + 4*n + size)[:4+4*n]
	b[0], b[1] = bytesTag, 0
	binary.LittleEndian.PutUint16(b[2:], uint16(n))
	start := len(b)
	for i, raw := range list {
		if len(raw) > 0 {
			if len(b) > start {
				b = append(b, ',')
			}
			b = append(b, raw...)
		}
		binary.LittleEndian.PutUint32(b[4+4*i:], uint32(len(b)-start))
	}
	return b
}
