package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// Kept implements collections.Store. Batches, ids and what waits are found by their index, everything
// else by looking at each, at most MaxScan at once.
func (s *Store) Kept(ctx context.Context, op auth.OperationID, q collections.KeptQuery) (list []collections.Kept, next collections.KeptKey, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		o := tx.Bucket(operationName(op))
		if o == nil {
			return nil
		}
		kept := o.Bucket([]byte(bucketKept))
		if kept == nil {
			return nil
		}
		r := keptReader{kept: kept, store: s.id, q: q, limit: min(max(q.Limit, 1), collections.MaxSettled), rows: s.o.sizes.scan}
		var err error
		list, next, err = r.read()
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading what is kept in %s: %w", op, err)
	}
	return list, next, nil
}

type keptReader struct {
	kept  *bbolt.Bucket
	store string
	q     collections.KeptQuery
	limit int
	rows  int // that may still be looked at
	size  int
}

func (r *keptReader) read() ([]collections.Kept, collections.KeptKey, error) {
	var list []collections.Kept
	q := &r.q
	var keys []collections.KeptKey
	indexed := true
	switch {
	case q.Keys != nil:
		keys = slices.Clone(q.Keys)
	case q.IDs != nil:
		keys = r.hashed(bucketKeptIDs, q.IDs)
	case q.Waits != nil:
		keys = r.hashed(bucketWaits, q.Waits)
	case q.Batch != "":
		keys = r.prefixed(bucketBatches, []byte(q.Batch), nil)
	default:
		indexed = false
	}
	records := r.kept.Bucket([]byte(bucketRecords))
	if indexed {
		slices.Sort(keys)
		for _, k := range slices.Compact(keys) {
			if k <= q.After {
				continue
			}
			if value := records.Get(keptKey(k)); value != nil {
				full, err := r.take(&list, k, value)
				if err != nil || full {
					return list, k - 1, err
				}
			}
		}
		return list, 0, nil
	}
	c := records.Cursor()
	for k, value := c.Seek(keptKey(q.After + 1)); k != nil; k, value = c.Next() {
		full, err := r.take(&list, keyKept(k), value)
		if err != nil || full {
			return list, keyKept(k) - 1, err
		}
	}
	return list, 0, nil
}

// take adds a record to the list when it matches; full when it does not belong to this page any more.
func (r *keptReader) take(list *[]collections.Kept, key collections.KeptKey, value []byte) (full bool, err error) {
	if r.rows == 0 {
		return true, nil
	}
	r.rows--
	var o keptRecord
	if err := json.Unmarshal(value, &o); err != nil {
		return false, fmt.Errorf("kept under %d: %w", key, errDamaged)
	}
	q := &r.q
	if q.Kind != "" && o.Keep.Kind != q.Kind || q.Publisher != "" && o.Publisher != q.Publisher ||
		q.Batch != "" && o.Batch != q.Batch || q.IDs != nil && !slices.Contains(q.IDs, o.ID) ||
		q.Waits != nil && !slices.ContainsFunc(q.Waits, func(id stix.ID) bool { return slices.Contains(o.Keep.Waits, id) }) {
		return false, nil
	}
	if len(*list) == r.limit {
		return true, nil
	}
	k := o.kept(key)
	if q.Bytes {
		if r.size += o.Size; r.size > collections.MaxPageSize && len(*list) > 0 {
			return true, nil
		}
		k.Item.Raw = bytes.Clone(r.kept.Bucket([]byte(bucketRaw)).Get(keptKey(key)))
	}
	*list = append(*list, k)
	return false, nil
}

func (r *keptReader) hashed(bucket string, ids []stix.ID) []collections.KeptKey {
	var keys []collections.KeptKey
	for _, id := range ids {
		h := hashKey(hashID(r.store, id))
		keys = r.prefixed(bucket, h[:], keys)
	}
	return keys
}

func (r *keptReader) prefixed(bucket string, prefix []byte, keys []collections.KeptKey) []collections.KeptKey {
	c := r.kept.Bucket([]byte(bucket)).Cursor()
	for k, _ := c.Seek(prefix); len(k) == len(prefix)+8 && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		if n := keyKept(k[len(prefix):]); n > 0 {
			keys = append(keys, n)
		}
	}
	return keys
}

// keptOfID yields the kept versions of an id, for Definitions and Levels.
func (o *opened) keptOfID(store string, id stix.ID, each func(*keptRecord)) error {
	kept := o.op.Bucket([]byte(bucketKept))
	if kept == nil {
		return nil
	}
	r := keptReader{kept: kept, store: store}
	for _, k := range r.hashed(bucketKeptIDs, []stix.ID{id}) {
		var rec keptRecord
		if err := json.Unmarshal(kept.Bucket([]byte(bucketRecords)).Get(keptKey(k)), &rec); err != nil {
			return fmt.Errorf("kept under %d: %w", k, errDamaged)
		}
		if rec.ID == id {
			each(&rec)
		}
	}
	return nil
}
