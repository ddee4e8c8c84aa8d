package bolt

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
)

// checkBlocks is how many blocks of what was gleaned one read transaction looks at.
const checkBlocks = 16

// gleaned looks at what was gleaned of an operation: that rows are in order and of versions that were
// read already, and that those of values are of versions that the index has.
func (c *checker) gleaned(op auth.OperationID) error {
	where := "what was gleaned of operation " + string(op)
	var names [][]byte
	err := c.view(where, func(tx *bbolt.Tx) error {
		o := tx.Bucket(operationName(op))
		if o == nil {
			return nil
		}
		if upTo := keyOf(o, keyGleaned); upTo > keyOf(o, keyLast) {
			c.fault(where, "it was read up to %s, after the newest version", upTo)
		}
		names = append(names, nil)
		return o.ForEachBucket(func(name []byte) error {
			if len(name) > 1 && name[0] == 'c' {
				names = append(names, slices.Clone(name))
			}
			return nil
		})
	})
	for _, name := range names {
		buckets := []string{bucketLapses, bucketCommon}
		if name == nil {
			buckets = []string{bucketGists, bucketValues}
		}
		for _, bucket := range buckets {
			if err == nil {
				err = c.blocks(op, name, bucket, where)
			}
		}
	}
	return err
}

func keyOf(o *bbolt.Bucket, key string) collections.Added {
	return collections.Added(numberOf(o.Get([]byte(key))))
}

// blocks looks at one bucket, of the operation or of the collection in it.
func (c *checker) blocks(op auth.OperationID, collection []byte, bucket, where string) error {
	return c.walk(where, checkBlocks, func(tx *bbolt.Tx) (*bbolt.Bucket, func(k, v []byte), error) {
		o := c.s.openOperation(tx, op)
		in := o.op
		if collection != nil {
			in = in.Bucket(collection)
		}
		upTo := keyOf(o.op, keyGleaned)
		return in.Bucket([]byte(bucket)), func(k, v []byte) {
			if what := c.block(o, bucket, v, upTo); what != "" {
				c.fault(where, "%s block %x: %s", bucket, k, what)
			}
		}, nil
	})
}

// block says what is wrong with one.
func (c *checker) block(o *opened, bucket string, v []byte, upTo collections.Added) string {
	size := tierRow
	if bucket == bucketGists {
		size = gistRow
	}
	if len(v) == 0 || len(v)%size != 0 {
		return "it is cut off"
	}
	for i := 0; i < len(v); i += size {
		if i > 0 && bytes.Compare(v[i-size:i], v[i:i+size]) >= 0 {
			return fmt.Sprintf("row %d is out of order", i/size)
		}
		var added collections.Added
		switch bucket {
		case bucketGists:
			added = keyAdded(v[i:])
		case bucketLapses:
			added = keyAdded(v[i+8:])
		case bucketValues:
			added = keyAdded(v[i+24:])
			r := row(v[i:])
			if list, err := o.index.find(r.at(2)); err != nil || !slices.ContainsFunc(list, func(e entry) bool { return e.added == added }) {
				return fmt.Sprintf("row %d is of a version %s that is not there", i/size, added)
			}
		}
		if added > upTo {
			return fmt.Sprintf("row %d is of %s, which was not read yet", i/size, added)
		}
	}
	return ""
}
