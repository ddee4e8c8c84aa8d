package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
)

// checkChunks is how many chunks of what was gleaned one read transaction looks at.
const checkChunks = 256

// gleaned looks at what was gleaned of an operation: that rows are in order and of versions that were
// read already, and that those of values and lapses are of versions that are there.
func (c *checker) gleaned(op auth.OperationID) error {
	where := "what was gleaned of operation " + string(op)
	there := false
	err := c.view(where, func(tx *bbolt.Tx) error {
		o := tx.Bucket(operationName(op))
		if o == nil {
			return nil
		}
		there = true
		if upTo := keyOf(o, keyGleaned); upTo > keyOf(o, keyLast) {
			c.fault(where, "it was read up to %s, after the newest version", upTo)
		}
		_, err := readPublishers(o)
		return err
	})
	for _, bucket := range []string{bucketGists, bucketValues, bucketLapses} {
		if err == nil && there {
			err = c.chunks(op, bucket, where)
		}
	}
	return err
}

func keyOf(o *bbolt.Bucket, key string) collections.Added {
	return collections.Added(numberOf(o.Get([]byte(key))))
}

// chunks looks at one bucket.
func (c *checker) chunks(op auth.OperationID, bucket, where string) error {
	w := gleanings{bucket: bucket}
	return c.walk(where, checkChunks, func(tx *bbolt.Tx) (_ *bbolt.Bucket, _ func(k, v []byte), err error) {
		w.o, w.resumed = c.s.openOperation(tx, op), w.o != nil
		w.upTo = keyOf(w.o.op, keyGleaned)
		if w.publishers, err = readPublishers(w.o.op); err != nil {
			return nil, nil, err
		}
		return w.o.op.Bucket([]byte(bucket)), func(k, v []byte) {
			if what := w.chunk(k, v); what != "" {
				c.fault(where, "%s chunk %x: %s", bucket, k, what)
			}
		}, nil
	})
}

// gleanings looks at chunks one after the other.
type gleanings struct {
	bucket     string
	o          *opened
	upTo       collections.Added
	publishers publishers
	rows       []row
	part       branch // of the last chunk of a tier, its block, its number and its last row
	block      uint32
	number     int
	last       row
	resumed    bool // by another transaction: what was before the next chunk may have been written anew
}

// chunk says what is wrong with one.
func (w *gleanings) chunk(k, v []byte) string {
	var err error
	if w.rows, err = readChunk(w.rows[:0], v); err != nil || len(w.rows) == 0 {
		return "it is cut off"
	}
	if w.resumed {
		w.last = row{}
	}
	if w.bucket == bucketGists {
		if len(k) != 8 || uint64(keyAdded(k)) != w.rows[len(w.rows)-1].key {
			return "its key is not its last row's"
		}
	} else {
		p, number, chunk, ok := readTierKey(k)
		switch {
		case !ok:
			return "its key is damaged"
		case partOf(p.space, p.depth, w.rows[0].key) != p || partOf(p.space, p.depth, w.rows[len(w.rows)-1].key) != p:
			return "its rows are of another part"
		case w.resumed:
		case p == w.part && number == w.block && chunk != w.number+1, (p != w.part || number != w.block) && chunk != 0:
			return "a chunk before it is missing"
		case chunk == 0:
			w.last = row{}
		}
		w.part, w.block, w.number = p, number, chunk
	}
	w.resumed = false
	for i, r := range w.rows {
		if (i > 0 || w.last != row{}) && !w.last.less(&r) {
			return fmt.Sprintf("row %d is out of order", i)
		}
		w.last = r
		if what := w.row(r); what != "" {
			return fmt.Sprintf("row %d is %s", i, what)
		}
	}
	return ""
}

// row says what a row is that must not be.
func (w *gleanings) row(r row) string {
	added, in := collections.Added(r.key), uint16(0)
	switch w.bucket {
	case bucketValues:
		added, in = collections.Added(r.val), uint16(r.tag)
		if n := r.tag >> 16; n == 0 || n > uint64(len(w.publishers.names)) {
			return fmt.Sprintf("of a publisher %d that is not there", n)
		}
	case bucketLapses:
		added, in = collections.Added(r.tag), w.part.space
	}
	if added > w.upTo {
		return fmt.Sprintf("of %s, which was not read yet", added)
	}
	if w.bucket == bucketGists {
		return ""
	}
	shelf, err := w.o.shelf(in)
	if err == nil {
		_, err = shelf.versionAt(added)
	}
	if err != nil {
		return fmt.Sprintf("of a version %s that is not there", added)
	}
	return ""
}
