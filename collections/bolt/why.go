package bolt

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"liaison/collections"
)

// Why object versions went where they are, bucket y of the operation. It outlives the versions.
//
//	key     8 bytes, big-endian: the last date_added of the block
//	value   uvarint number of texts, each with a uvarint length: JSON of reasons, each different text once;
//	        then for each version uvarint of its date_added, less the one before, and uvarint number of its text
//
// Versions that were published into their collections directly have none. A block is of one publication.
const (
	bucketWhy = "y"
	whyBlock  = 32 << 10 // bytes; a block with more is ended
)

// explained is why one version went where it is.
type explained struct {
	added collections.Added
	why   []collections.Reason
}

// explain notes the reasons of what was admitted.
func (op *operation) explain(list []verdict) {
	for _, v := range list {
		if len(v.item.Why) > 0 {
			op.whys = append(op.whys, explained{v.new.Added, v.item.Why})
		}
	}
}

// putWhys writes them, in blocks.
func (op *operation) putWhys(o *bbolt.Bucket) error {
	if len(op.whys) == 0 {
		return nil
	}
	b, err := o.CreateBucketIfNotExists([]byte(bucketWhy))
	if err != nil {
		return err
	}
	b.FillPercent = 1
	var w whyWriter
	var last collections.Added
	for _, x := range op.whys {
		w.add(x)
		last = x.added
		if w.size() >= whyBlock {
			if err := b.Put(addedKey(last), w.block()); err != nil {
				return err
			}
			w = whyWriter{}
		}
	}
	if len(w.rows) == 0 {
		return nil
	}
	return b.Put(addedKey(last), w.block())
}

type whyWriter struct {
	texts  []byte
	number map[string]uint64
	rows   []byte
	last   collections.Added
	lists  map[*collections.Reason]uint64 // most versions have their reasons from the same few lists
}

func (w *whyWriter) add(x explained) {
	n, ok := w.lists[&x.why[0]]
	if !ok {
		text := mustJSON(x.why)
		if n, ok = w.number[string(text)]; !ok {
			if w.number == nil {
				w.number, w.lists = map[string]uint64{}, map[*collections.Reason]uint64{}
			}
			n = uint64(len(w.number))
			w.number[string(text)] = n
			w.texts = append(binary.AppendUvarint(w.texts, uint64(len(text))), text...)
		}
		w.lists[&x.why[0]] = n
	}
	w.rows = binary.AppendUvarint(w.rows, uint64(x.added-w.last))
	w.rows = binary.AppendUvarint(w.rows, n)
	w.last = x.added
}

func (w *whyWriter) size() int { return len(w.texts) + len(w.rows) }

func (w *whyWriter) block() []byte {
	b := binary.AppendUvarint(make([]byte, 0, w.size()+4), uint64(len(w.number)))
	return append(append(b, w.texts...), w.rows...)
}

// why gives the reasons of the version with this date_added; nil for none.
func (o *opened) why(a collections.Added) ([]collections.Reason, error) {
	b := o.op.Bucket([]byte(bucketWhy))
	if b == nil {
		return nil, nil
	}
	k, v := b.Cursor().Seek(addedKey(a))
	if k == nil {
		return nil, nil
	}
	text, ok, err := findWhy(v, a)
	if err != nil || !ok {
		return nil, err
	}
	var list []collections.Reason
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("reasons of %s: %w", a, errDamaged)
	}
	return list, nil
}

// findWhy finds the text of a date_added in a block.
func findWhy(b []byte, a collections.Added) (text []byte, ok bool, err error) {
	number := func() uint64 {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			b, err = nil, errDamaged
			return 0
		}
		b = b[size:]
		return n
	}
	n := number()
	if n > uint64(len(b)) {
		return nil, false, errDamaged
	}
	texts := make([][]byte, n)
	for i := range texts {
		size := number()
		if err != nil || size > uint64(len(b)) {
			return nil, false, errDamaged
		}
		texts[i], b = b[:size], b[size:]
	}
	for at := uint64(0); len(b) > 0; {
		at += number()
		i := number()
		if err != nil || i >= n {
			return nil, false, errDamaged
		}
		if collections.Added(at) == a {
			return texts[i], true, nil
		}
	}
	return nil, false, nil
}
