package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// What publications wanted and their publishers had not published, bucket a of the operation. Numbers are
// big-endian.
//
//	key                           value
//	0, publisher                  8 bytes: how many ids of it there are
//	1, hash of the id, publisher  2 bytes for each collection: its number, ascending
//
// The id itself is not kept: of two with the same hash, which nobody can aim at, one is brought where it is
// not needed.
const bucketWanted = "a"

func wantedKey(store string, id stix.ID, p auth.PartnerID) []byte {
	h := hashKey(hashID(store, id))
	return append(append([]byte{1}, h[:]...), p...)
}

// want notes what a publication wants. It cannot fail.
func (op *operation) want(p *publication) {
	if len(p.Wanted) > 0 {
		op.wants = append(op.wants, p)
	}
}

// putWanted writes it, after the collections have their numbers.
func (op *operation) putWanted(store string, o *bbolt.Bucket) error {
	if len(op.wants) == 0 {
		return nil
	}
	b, err := o.CreateBucketIfNotExists([]byte(bucketWanted))
	if err != nil {
		return err
	}
	for _, p := range op.wants {
		if err := op.putWants(store, b, p); err != nil {
			return err
		}
	}
	return nil
}

func (op *operation) putWants(store string, b *bbolt.Bucket, p *publication) error {
	count := append([]byte{0}, p.Publisher...)
	n := int64(0)
	if v := b.Get(count); len(v) == 8 {
		n = int64(binary.BigEndian.Uint64(v))
	}
	before := n
	for _, w := range p.Wanted {
		key := wantedKey(store, w.ID, p.Publisher)
		old := b.Get(key)
		if old == nil && n >= collections.MaxWanted {
			continue
		}
		value := op.merged(old, w.To)
		if len(value) == 0 || bytes.Equal(value, old) {
			continue
		}
		if old == nil {
			n++
		}
		if err := b.Put(key, value); err != nil {
			return err
		}
	}
	if n == before {
		return nil
	}
	return b.Put(count, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// merged joins collections to a list of numbers.
func (op *operation) merged(old []byte, to []auth.CollectionID) []byte {
	var list []uint16
	for ; len(old) >= 2; old = old[2:] {
		list = append(list, binary.BigEndian.Uint16(old))
	}
	for _, c := range to {
		if n := op.numberOf(c); n != 0 {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	var b []byte
	for _, n := range slices.Compact(list) {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return b
}

// Wanted implements collections.Store.
func (s *Store) Wanted(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID) ([]collections.Wanted, error) {
	var list []collections.Wanted
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		o := tx.Bucket(operationName(op))
		if o == nil {
			return nil
		}
		b, names := o.Bucket([]byte(bucketWanted)), o.Bucket([]byte(bucketNumbers))
		if b == nil || b.Get(append([]byte{0}, publisher...)) == nil {
			return nil
		}
		seen := map[stix.ID]bool{}
		for _, id := range ids {
			v := b.Get(wantedKey(s.id, id, publisher))
			if v == nil || seen[id] {
				continue
			}
			seen[id] = true
			w := collections.Wanted{ID: id}
			for ; len(v) >= 2; v = v[2:] {
				w.To = append(w.To, collectionNumbered(names, binary.BigEndian.Uint16(v)))
			}
			slices.Sort(w.To)
			list = append(list, w)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking up what is wanted in %s: %w", op, err)
	}
	return list, nil
}
