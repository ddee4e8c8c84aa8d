package bolt

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
)

// Sealing joins neighbouring segments that are small, as publications of a few objects leave them and
// deletions make them, so that a page finds its objects together. A segment is joined with the next while
// both fit into one; at the end of a collection, which still grows, only once there are several. Nothing
// that a reader has refers to a segment but by the date_added of its objects.

const (
	sealBytes = 4 << 20 // bytes of objects that one transaction joins, about
	sealScan  = 20_000  // segments that it looks at
	sealEnd   = 4       // segments at the end of a collection that are joined
)

// sealed is how far collections are as they should be; the committer's. It is found again after a start.
type sealed map[collections.Place]collections.Added

// seam is a run of segments of one collection that becomes one.
type seam struct {
	at   collections.Place
	keys []collections.Added
}

// Seal joins small segments, as many as one transaction may, and reports whether there was anything
// to do. The gateway calls it now and then; calls until there is nothing join all.
func (s *Store) Seal(ctx context.Context) (bool, error) {
	_, more, err := s.join(ctx)
	return more, err
}

// join is Seal; n is how many segments were joined to others.
func (s *Store) join(ctx context.Context) (n int, more bool, err error) {
	var found []seam
	var done sealed
	r := &request{ctx: ctx, alone: true}
	r.plan = func(b *batch) (err error) {
		found, done, more, err = b.seams()
		b.seal = found
		return err
	}
	r.after = func() {
		for at, key := range done {
			s.sealed[at] = key
		}
	}
	err = s.do(r)
	for _, m := range found {
		n += len(m.keys)
	}
	return n, more || len(found) > 0, err
}

// seams finds what is to be joined.
func (b *batch) seams() (list []seam, done sealed, more bool, err error) {
	done = sealed{}
	size, looked := 0, 0
	err = b.tx.ForEach(func(name []byte, op *bbolt.Bucket) error {
		id, ok := operationNamed(name)
		if !ok {
			return nil
		}
		return op.ForEachBucket(func(name []byte) error {
			if len(name) < 2 || name[0] != 'c' {
				return nil
			}
			at := collections.Place{Operation: id, Collection: auth.CollectionID(name[1:])}
			segments := op.Bucket(name).Bucket([]byte(bucketSegments))
			if segments == nil {
				return nil
			}
			if size >= sealBytes || looked >= sealScan {
				more = true
				return nil
			}
			w := weld{full: b.s.o.sizes.full}
			c := segments.Cursor()
			key := b.s.sealed[at]
			for k, v := c.Seek(addedKey(key + 1)); k != nil; k, v = c.Next() {
				if size+w.size >= sealBytes || looked >= sealScan {
					more = true
					break
				}
				looked++
				n, length, err := weigh(v)
				if err != nil {
					return fmt.Errorf("segment %s of %s: %w", keyAdded(k), at.Collection, err)
				}
				if !w.takes(n, length) {
					if len(w.keys) > 1 {
						list, size = append(list, seam{at, w.keys}), size+w.size
					}
					key = w.keys[len(w.keys)-1]
					w = weld{full: w.full}
				}
				w.add(keyAdded(k), n, length)
			}
			if !more && len(w.keys) >= sealEnd || more && len(w.keys) > 1 {
				list, size = append(list, seam{at, w.keys}), size+w.size
			}
			done[at] = key
			return nil
		})
	})
	return list, done, more, err
}

// weld is a run of segments that fit into one.
type weld struct {
	full, n, size int
	keys          []collections.Added
}

func (w *weld) takes(n, size int) bool {
	return len(w.keys) == 0 || w.n+n <= segmentObjects && w.size+size <= w.full
}

func (w *weld) add(key collections.Added, n, size int) {
	w.keys, w.n, w.size = append(w.keys, key), w.n+n, w.size+size
}

// weigh gives the number of objects of a stored segment and how much of a full one they are.
func weigh(v []byte) (n, size int, err error) {
	o, err := readObjects(v, nil)
	if err != nil {
		return 0, 0, err
	}
	size = 4*o.n + len(o.text)
	if o.refs {
		for i := range o.n {
			if r, length := o.ref(i); r.parcel != 0 {
				size += length + 1
			}
		}
	}
	return o.n, size, nil
}

// putSeams joins what was found.
func (b *batch) putSeams() error {
	for _, m := range b.seal {
		c := b.tx.Bucket(operationName(m.at.Operation)).Bucket(collectionName(m.at.Collection))
		if err := joinSegments(c, m.keys); err != nil {
			return fmt.Errorf("joining segments of %s up to %s: %w", m.at.Collection, m.keys[len(m.keys)-1], err)
		}
	}
	return nil
}

// joinSegments makes one segment of several neighbours.
func joinSegments(c *bbolt.Bucket, keys []collections.Added) error {
	segments, stored, tracks := c.Bucket([]byte(bucketSegments)), c.Bucket([]byte(bucketFacts)), c.Bucket([]byte(bucketTracks))
	segments.FillPercent, stored.FillPercent, tracks.FillPercent = 1, 1, 1
	seg := newSegment()
	begins := make([]int, len(keys))
	names := map[string]bool{}
	for i, key := range keys {
		begins[i] = len(seg.list)
		o, err := readObjects(segments.Get(addedKey(key)), nil)
		if err != nil {
			return err
		}
		f, err := readFacts(stored.Get(addedKey(key)))
		if err != nil || f.n != o.n {
			return orDamaged(err)
		}
		for k := range f.n {
			v, err := f.version(k)
			if err != nil {
				return err
			}
			p, err := o.piece(k)
			if err != nil {
				return err
			}
			if seg.add(v, p); !v.present {
				seg.list[len(seg.list)-1].present = false
				seg.size--
			}
			names[string(typeTrack(v.Type).name())] = true
			names[string(publisherTrack(v.Publisher).name())] = true
		}
	}
	for _, name := range trackNames(tracks) {
		names[name] = true
	}
	last := addedKey(keys[len(keys)-1])
	value, facts := seg.writeObjects(nil), writeFacts(seg.list)
	joined := map[string]bitmap{}
	for name := range names {
		for i, key := range keys {
			if set := tracks.Get(append([]byte(name), addedKey(key)...)); len(set) > 0 {
				joined[name] = or(nil, joined[name], bitmap(set).shift(begins[i]))
			}
		}
	}
	for _, key := range keys[:len(keys)-1] {
		for _, b := range [...]*bbolt.Bucket{segments, stored} {
			if err := b.Delete(addedKey(key)); err != nil {
				return err
			}
		}
		for name := range joined {
			if err := tracks.Delete(append([]byte(name), addedKey(key)...)); err != nil {
				return err
			}
		}
	}
	if err := segments.Put(last, value); err != nil {
		return err
	}
	if err := stored.Put(last, facts); err != nil {
		return err
	}
	for name, set := range joined {
		if err := tracks.Put(append([]byte(name), last...), set); err != nil {
			return err
		}
	}
	return nil
}

// trackNames gives the tracks of a collection but those of types and publishers, which the facts tell.
func trackNames(tracks *bbolt.Bucket) []string {
	var names []string
	c := tracks.Cursor()
	for _, sort := range [...]byte{sortClass, sortOwn, sortOver} {
		for k, _ := c.Seek([]byte{sort}); len(k) > 8 && k[0] == sort; {
			name := k[:len(k)-8]
			names = append(names, string(name))
			next := append(slices.Clone(name), bytes.Repeat([]byte{0xff}, 9)...) // after each of its segments
			k, _ = c.Seek(next)
		}
	}
	return names
}
