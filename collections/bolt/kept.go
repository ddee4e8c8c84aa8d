package bolt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// What is kept in an operation and in no collection, bucket "kept" of the operation; its sequence is
// the last key that was given. Numbers are big-endian.
//
//	bucket   key                      value
//	k        key                      JSON, see keptRecord
//	raw      key                      the object's bytes
//	id       id hash, key             nothing; with key 0 the claim on the id: JSON, see claim
//	wait     hash of a waited id, key nothing
//	batch    status id, key           nothing
//	count    publisher                8 bytes number of its kept versions, 8 bytes their bytes
//
// One of two ids of the same hash, which nobody can aim at, gets no claim. A claim is made with the first kept version of an id that nobody has yet, and stays: a version that
// was dropped leaves no other trace of who had the id first.
const (
	bucketKept      = "kept"
	bucketRecords   = "k"
	bucketRaw       = "raw"
	bucketKeptIDs   = "id"
	bucketWaits     = "wait"
	bucketBatches   = "batch"
	bucketKeptCount = "count"
)

var keptBuckets = []string{bucketRecords, bucketRaw, bucketKeptIDs, bucketWaits, bucketBatches, bucketKeptCount}

// keptRecord is a kept version as it is stored.
type keptRecord struct {
	ID        stix.ID              `json:"id"`
	Type      string               `json:"type"`
	Spec      string               `json:"spec"`
	Version   string               `json:"version,omitempty"`
	At        stix.Instant         `json:"at,omitzero"`
	Level     stix.Level           `json:"level"`
	Named     []auth.PartnerID     `json:"named,omitempty"`
	Shared    bool                 `json:"shared,omitempty"`
	Defines   stix.Level           `json:"defines,omitempty"`
	Author    stix.ID              `json:"author,omitempty"`
	Message   string               `json:"message,omitempty"`
	Digest    []byte               `json:"digest"`
	Size      int                  `json:"size"`
	Keep      collections.Keep     `json:"keep"`
	Place     collections.Place    `json:"place"`
	Publisher auth.PartnerID       `json:"publisher"`
	Actor     auth.Actor           `json:"actor"`
	Batch     collections.StatusID `json:"batch"`
	Received  time.Time            `json:"received"`
	Asked     auth.Actor           `json:"asked,omitempty"`
	Because   string               `json:"because,omitempty"`
}

// claim says who had an id first.
type claim struct {
	ID        stix.ID        `json:"id"`
	Publisher auth.PartnerID `json:"publisher"`
	Shared    bool           `json:"shared,omitempty"`
}

// kept gives the contract's form.
func (r *keptRecord) kept(key collections.KeptKey) collections.Kept {
	k := collections.Kept{
		Key: key, Size: r.Size, Place: r.Place, Publisher: r.Publisher, Actor: r.Actor, Batch: r.Batch, Received: r.Received,
		Asked: r.Asked, Because: r.Because,
		Item: collections.Item{
			ID: r.ID, Type: r.Type, Spec: r.Spec, Version: collections.Version{Text: r.Version, At: r.At},
			Level: r.Level, Named: r.Named, Shared: r.Shared, Defines: r.Defines, Author: r.Author, Message: r.Message, Keep: &r.Keep,
		},
	}
	copy(k.Item.Digest[:], r.Digest)
	return k
}

// sameAs reports whether an item would only repeat it.
func (r *keptRecord) sameAs(it *collections.Item) bool {
	return bytes.Equal(r.Digest, it.Digest[:]) && r.At.Set == it.Version.At.Set && (!r.At.Set || r.At.Compare(it.Version.At) == 0)
}

// keptVersion is a kept version in a write transaction.
type keptVersion struct {
	keptRecord
	key     collections.KeptKey
	hash    uint64
	raw     []byte // of a fresh one
	waited  []stix.ID
	fresh   bool // made in this transaction
	dirty   bool // to be written
	dropped bool
}

// keeping is what is kept of an operation in a write transaction.
type keeping struct {
	store   string
	most    int64         // of a publisher, see collections.MaxKept
	bucket  *bbolt.Bucket // nil: nothing was ever kept
	last    int64         // the last key that was given
	ids     map[uint64]*keptOf
	byKey   map[collections.KeptKey]*keptVersion // of all that ids has
	changed []*keptVersion
	claims  []*keptOf
	counts  map[auth.PartnerID]*keptCount
	undo    []func()
}

type keptCount struct {
	n, bytes int64
	dirty    bool
}

// keptOf is what is kept under one hash of an id; nearly always of one id.
type keptOf struct {
	hash     uint64
	claim    *claim
	unstored bool // the claim is to be written
	list     []*keptVersion
}

func (op *operation) keeps(b *batch) *keeping {
	if op.keeping == nil {
		k := &keeping{
			store: b.s.id, most: int64(cmp.Or(b.s.o.maxKept, collections.MaxKept)), ids: map[uint64]*keptOf{}, byKey: map[collections.KeptKey]*keptVersion{},
			counts: map[auth.PartnerID]*keptCount{},
		}
		if op.stored != nil {
			if k.bucket = op.stored.Bucket([]byte(bucketKept)); k.bucket != nil {
				k.last = int64(k.bucket.Sequence())
			}
		}
		op.keeping = k
	}
	return op.keeping
}

func (k *keeping) sub(name string) *bbolt.Bucket {
	if k.bucket == nil {
		return nil
	}
	return k.bucket.Bucket([]byte(name))
}

// mark and back undo what a call planned that fails.
func (k *keeping) mark() int { return len(k.undo) }

func (k *keeping) back(mark int) {
	for len(k.undo) > mark {
		k.undo[len(k.undo)-1]()
		k.undo = k.undo[:len(k.undo)-1]
	}
}

func keptKey(k collections.KeptKey) []byte { return binary.BigEndian.AppendUint64(nil, uint64(k)) }

func keyKept(b []byte) collections.KeptKey { return collections.KeptKey(binary.BigEndian.Uint64(b)) }

// of gives what is kept of an id, and who claims it; nil for nothing and nobody.
func (k *keeping) of(hash uint64, id stix.ID) (*keptOf, error) {
	if o := k.ids[hash]; o != nil {
		return o, nil
	}
	ids := k.sub(bucketKeptIDs)
	if ids == nil {
		return nil, nil
	}
	o := &keptOf{hash: hash}
	prefix := hashKey(hash)
	c := ids.Cursor()
	for key, value := c.Seek(prefix[:]); len(key) == 16 && [8]byte(key) == prefix; key, value = c.Next() {
		n := keyKept(key[8:])
		if n == 0 {
			o.claim = &claim{}
			if err := json.Unmarshal(value, o.claim); err != nil {
				return nil, fmt.Errorf("the claim on %s: %w", id, errDamaged)
			}
			continue
		}
		v, err := k.load(n)
		if err != nil {
			return nil, err
		}
		v.hash = hash
		o.list = append(o.list, v)
		k.byKey[n] = v
	}
	if o.claim == nil && o.list == nil {
		return nil, nil
	}
	k.ids[hash] = o
	return o, nil
}

func (k *keeping) load(n collections.KeptKey) (*keptVersion, error) {
	var value []byte
	if records := k.sub(bucketRecords); records != nil {
		value = records.Get(keptKey(n))
	}
	if value == nil {
		return nil, fmt.Errorf("%w: nothing is kept under %d", collections.ErrNotFound, n)
	}
	v := &keptVersion{key: n}
	if err := json.Unmarshal(value, &v.keptRecord); err != nil {
		return nil, fmt.Errorf("what is kept under %d: %w", n, errDamaged)
	}
	v.waited = v.Keep.Waits
	return v, nil
}

// find gives the kept version of a key as the transaction has it.
func (k *keeping) find(n collections.KeptKey) (*keptVersion, error) {
	if k.byKey[n] == nil {
		v, err := k.load(n)
		if err != nil {
			return nil, err
		}
		if _, err := k.of(hashID(k.store, v.ID), v.ID); err != nil {
			return nil, err
		}
	}
	switch v := k.byKey[n]; {
	case v == nil:
		return nil, fmt.Errorf("what is kept under %d: %w", n, errDamaged)
	case v.dropped:
		return nil, fmt.Errorf("%w: nothing is kept under %d", collections.ErrNotFound, n)
	default:
		return v, nil
	}
}

// present gives the versions of an id that one publisher has kept.
func (o *keptOf) present(publisher auth.PartnerID, id stix.ID) []*keptVersion {
	if o == nil {
		return nil
	}
	var list []*keptVersion
	for _, v := range o.list {
		if !v.dropped && v.Publisher == publisher && v.ID == id {
			list = append(list, v)
		}
	}
	return list
}

// owns reports whether a publisher may have an item of the id.
func (o *keptOf) owns(p *publication, it *collections.Item, known []*version) bool {
	switch {
	case o != nil && o.claim != nil && o.claim.ID == it.ID: // made when nobody had the id
		return o.claim.Publisher == p.Publisher || it.Shared && o.claim.Shared
	case len(known) > 0:
		return known[0].Publisher == p.Publisher || it.Shared && known[0].shared
	}
	return true
}

// conflicts reports whether one of them has the item's version but other bytes.
func conflicts(mine []*keptVersion, it *collections.Item) bool {
	return slices.ContainsFunc(mine, func(v *keptVersion) bool {
		return it.Version.At.Set && v.At.Set && v.At.Compare(it.Version.At) == 0 && !bytes.Equal(v.Digest, it.Digest[:])
	})
}

// rest gives what of an item's Keep is not there already; nil for nothing. held are the collections
// that have this version, by their numbers.
func (op *operation) rest(mine []*keptVersion, it *collections.Item, held map[uint16]*version) *collections.Keep {
	if it.Keep == nil {
		return nil
	}
	same := slices.DeleteFunc(slices.Clone(mine), func(v *keptVersion) bool { return !v.sameAs(it) })
	if len(it.Keep.To) == 0 {
		if len(same) > 0 || len(held) > 0 {
			return nil
		}
		return it.Keep
	}
	rest := *it.Keep
	rest.To = slices.DeleteFunc(slices.Clone(rest.To), func(c auth.CollectionID) bool {
		return held[op.numberOf(c)] != nil ||
			slices.ContainsFunc(same, func(v *keptVersion) bool { return slices.Contains(v.Keep.To, c) })
	})
	if len(rest.To) == 0 {
		return nil
	}
	return &rest
}

// numberOf gives the number of a collection, 0 when it has none.
func (op *operation) numberOf(c auth.CollectionID) uint16 {
	if s := op.stacks[c]; s != nil {
		return s.number
	}
	return collectionNumber(op.names, c)
}

// count gives how much a publisher has kept.
func (k *keeping) count(p auth.PartnerID) *keptCount {
	if c := k.counts[p]; c != nil {
		return c
	}
	c := &keptCount{}
	if counts := k.sub(bucketKeptCount); counts != nil {
		if b := counts.Get([]byte(p)); len(b) == 16 {
			c.n, c.bytes = int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
		}
	}
	k.counts[p] = c
	return c
}

// full says why no more of a publisher can be kept, or "".
func (k *keeping) full(p auth.PartnerID, size int) string {
	switch c := k.count(p); {
	case c.n >= k.most:
		return fmt.Sprintf("%d of your objects wait to be released, and no more may: ask the operator", k.most)
	case c.bytes+int64(size) > collections.MaxKeptBytes:
		return fmt.Sprintf("%d bytes of your objects wait to be released, and no more than %d may: ask the operator", c.bytes, collections.MaxKeptBytes)
	}
	return ""
}

func (k *keeping) tally(p auth.PartnerID, n, size int64) {
	c := k.count(p)
	c.n, c.bytes, c.dirty = c.n+n, c.bytes+size, true
}

// keep plans to keep an item.
func (k *keeping) keep(p *publication, it *collections.Item, raw []byte, keep *collections.Keep, hash uint64, alone bool) {
	o := k.ids[hash]
	if o == nil {
		o = &keptOf{hash: hash}
		k.ids[hash] = o
	}
	k.last++
	v := &keptVersion{
		key: collections.KeptKey(k.last), hash: o.hash, raw: raw, fresh: true, dirty: true,
		keptRecord: keptRecord{
			ID: it.ID, Type: it.Type, Spec: it.Spec, Version: it.Version.Text, At: it.Version.At, Level: it.Level,
			Named: it.Named, Shared: it.Shared, Defines: it.Defines, Author: it.Author, Message: it.Message, Digest: it.Digest[:],
			Size: len(raw), Keep: *keep, Place: p.Place, Publisher: p.Publisher, Actor: p.Actor, Batch: p.Status,
			Received: p.Received,
		},
	}
	claims := o.claim == nil && alone
	if claims {
		o.claim, o.unstored = &claim{ID: it.ID, Publisher: p.Publisher, Shared: it.Shared}, true
		k.claims = append(k.claims, o)
	}
	o.list = append(o.list, v)
	k.byKey[v.key] = v
	k.changed = append(k.changed, v)
	k.tally(p.Publisher, 1, int64(v.Size))
	k.undo = append(k.undo, func() {
		k.tally(v.Publisher, -1, -int64(v.Size))
		k.changed = k.changed[:len(k.changed)-1]
		delete(k.byKey, v.key)
		o.list = o.list[:len(o.list)-1]
		if claims {
			o.claim, o.unstored = nil, false
			k.claims = k.claims[:len(k.claims)-1]
		}
		k.last--
	})
}

// drop plans that a version is no longer kept.
func (k *keeping) drop(v *keptVersion) {
	k.touch(v)
	v.dropped = true
	k.tally(v.Publisher, -1, -int64(v.Size))
	k.undo = append(k.undo, func() {
		v.dropped = false
		k.tally(v.Publisher, 1, int64(v.Size))
	})
}

// touch plans to write a version again.
func (k *keeping) touch(v *keptVersion) {
	if v.dirty {
		return
	}
	v.dirty = true
	k.changed = append(k.changed, v)
	k.undo = append(k.undo, func() {
		v.dirty = false
		k.changed = k.changed[:len(k.changed)-1]
	})
}

// idle reports whether there is nothing to write.
func (k *keeping) idle() bool { return k == nil || len(k.changed) == 0 && len(k.claims) == 0 }

// claim plans that an id, which nobody has, is a publisher's.
func (k *keeping) claim(hash uint64, id stix.ID, p auth.PartnerID, shared bool) {
	o := k.ids[hash]
	if o == nil {
		o = &keptOf{hash: hash}
		k.ids[hash] = o
	}
	if o.claim != nil {
		return
	}
	o.claim, o.unstored = &claim{ID: id, Publisher: p, Shared: shared}, true
	k.claims = append(k.claims, o)
	k.undo = append(k.undo, func() {
		o.claim, o.unstored = nil, false
		k.claims = k.claims[:len(k.claims)-1]
	})
}

// put writes what was planned into the operation's bucket.
func (k *keeping) put(op *bbolt.Bucket) error {
	if k.idle() {
		return nil
	}
	kept, err := op.CreateBucketIfNotExists([]byte(bucketKept))
	if err != nil {
		return err
	}
	sub := map[string]*bbolt.Bucket{}
	for _, name := range keptBuckets {
		if sub[name], err = kept.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	if err := kept.SetSequence(uint64(k.last)); err != nil {
		return err
	}
	for _, v := range k.changed {
		if v.dropped && v.fresh {
			continue
		}
		if err := v.put(k.store, sub); err != nil {
			return err
		}
	}
	for _, o := range k.claims {
		key := hashKey(o.hash)
		if err := sub[bucketKeptIDs].Put(append(key[:], keptKey(0)...), mustJSON(o.claim)); err != nil {
			return err
		}
	}
	for p, c := range k.counts {
		if !c.dirty {
			continue
		}
		b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(c.n)), uint64(c.bytes))
		if err := sub[bucketKeptCount].Put([]byte(p), b); err != nil {
			return err
		}
	}
	return nil
}

func (v *keptVersion) put(store string, sub map[string]*bbolt.Bucket) error {
	key := keptKey(v.key)
	id := hashKey(v.hash)
	set := func(bucket string, k, value []byte) error {
		if v.dropped {
			return sub[bucket].Delete(k)
		}
		return sub[bucket].Put(k, value)
	}
	err := set(bucketRecords, key, mustJSON(&v.keptRecord))
	if err == nil && (v.fresh || v.dropped) {
		err = set(bucketRaw, key, v.raw)
	}
	if err == nil {
		err = set(bucketKeptIDs, append(id[:], key...), nil)
	}
	if err == nil {
		err = set(bucketBatches, append([]byte(v.Batch), key...), nil)
	}
	for _, w := range v.waited {
		if err == nil {
			err = sub[bucketWaits].Delete(waitKey(store, w, v.key))
		}
	}
	for _, w := range v.Keep.Waits {
		if err == nil {
			err = set(bucketWaits, waitKey(store, w, v.key), nil)
		}
	}
	return err
}

func waitKey(store string, id stix.ID, key collections.KeptKey) []byte {
	h := hashKey(hashID(store, id))
	return append(h[:], keptKey(key)...)
}
