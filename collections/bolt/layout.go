package bolt

import (
	"encoding/binary"

	"liaison/auth"
	"liaison/collections"
)

// What is stored. Numbers are big-endian in keys and little-endian in values; µs is a date_added.
//
//	bucket          key                       value
//	meta            "schema"                  8 bytes: the version of this drawing
//	                "store"                   the store's random id, text
//	                "created"                 8 bytes: µs
//	                "last"                    8 bytes: the highest date_added ever given
//	                "floor"                   8 bytes: none at or below is given any more
//	                "journal"                 8 bytes size, 32 bytes root hash
//	                "checkpoint"              the signed note over the two
//	                "spool"                   8 bytes generation, 8 bytes drained of journal.spool
//	                "clean"                   1 byte: 1 after a clean stop, 0 while open
//	registry        TABLE 0 KEY               JSON of the row
//	status          status id                 JSON, see status.go
//	expiry          received µs, status id    nothing
//	journal         sequence number           the line, canonical JSON
//	hash            index of tlog             32 bytes: the stored hashes of sumdb/tlog
//	o OPERATION     a bucket for each operation:
//	  "last"                                  8 bytes: the highest date_added given here
//	  ix            lowest hash of a run      object versions by the hash of their id, see index.go
//	  d             record number, part       what ix gets later, see delta.go
//	  p             number                    objects of several collections, see parcels.go
//	  st            status id                 what is staged for a publication, see stage.go
//	  x             "S" set, "N" number       sets of collections, see places.go
//	  n             "c" COLLECTION            2 bytes: its number in this operation
//	                "C" number                the collection's id
//	  kept          a bucket, see kept.go     what was taken and is in no collection yet
//	  y             last µs of a block        why versions went where they are, see why.go
//	  a             see wanted.go             ids that are wanted in collections and not there yet
//	  "gleaned"                               8 bytes: up to which date_added bytes were read after their commit
//	  z, v, e, u                              what was read there, see glean.go
//	  c COLLECTION  a bucket for each collection:
//	    s           last µs of a segment      its objects' bytes, see segment.go
//	    m           last µs of a segment      its objects' facts, which outlive the bytes, see facts.go
//	    t           TRACK, last µs            bits of the segment's objects, see track.go
//	    "w"                                   the newest segment while it is small: all of the above
//
// A segment is a run of object versions of one collection in the order of date_added, about 64 KiB of
// bytes. Its key is its last date_added, so that a seek for what comes after a position lands in the
// right one. Object i of a segment is bit i of each of its tracks. The newest segment of a collection
// stays in "w" and is rewritten whole until it has 16 KiB, so that publishing single objects neither
// makes a segment for each nor touches twenty pages; from then on it never changes but for deletions
// and for bits of what has been superseded.
const schema = 3

// Top-level buckets and the keys of meta.
const (
	bucketMeta     = "meta"
	bucketRegistry = "registry"
	bucketStatus   = "status"
	bucketExpiry   = "expiry"
	bucketJournal  = "journal"
	bucketHash     = "hash"

	keySchema     = "schema"
	keyStore      = "store"
	keyCreated    = "created"
	keyLast       = "last"
	keyFloor      = "floor"
	keyJournal    = "journal"
	keyCheckpoint = "checkpoint"
	keySpool      = "spool"
	keyClean      = "clean"
)

// Inside an operation and inside a collection.
const (
	bucketIndex    = "ix"
	bucketDelta    = "d"
	bucketSets     = "x"
	bucketParcels  = "p"
	bucketStagings = "st"
	bucketNumbers  = "n"
	bucketSegments = "s"
	bucketFacts    = "m"
	bucketTracks   = "t"
	keyTail        = "w"
)

// segmentObjects bounds the objects of a segment.
const segmentObjects = 1024

// segmentFull lets two segments fill 32 pages of 4 KiB: bbolt puts two large values into a leaf.
const segmentFull = 64<<10 - 48

// sizes are those of segments, in bytes of their objects, and of scans; tests make them small.
type sizes struct {
	full  int // an object that would make a segment larger, four bytes for each included, begins the next one
	small int // the newest segment is continued while it is smaller
	scan  int // object versions that are looked at for a page, see collections.MaxScan
	delta int // rows of the index that are not in their runs yet
	part  int // items of a publication that are planned at once, where that can be
}

func usualSizes() sizes {
	return sizes{full: segmentFull, small: 16 << 10, scan: collections.MaxScan, delta: deltaRows, part: partItems}
}

func operationName(op auth.OperationID) []byte { return []byte("o" + string(op)) }

// operationNamed is the inverse of operationName.
func operationNamed(name []byte) (auth.OperationID, bool) {
	if len(name) < 2 || name[0] != 'o' {
		return "", false
	}
	return auth.OperationID(name[1:]), true
}

func collectionName(c auth.CollectionID) []byte { return []byte("c" + string(c)) }

// addedKey is a date_added as a key.
func addedKey(a collections.Added) []byte { return binary.BigEndian.AppendUint64(nil, uint64(a)) }

func keyAdded(k []byte) collections.Added { return collections.Added(binary.BigEndian.Uint64(k)) }

func number(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

// numberOf reads what number wrote; 0 for nothing.
func numberOf(v []byte) int64 {
	if len(v) < 8 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(v))
}
