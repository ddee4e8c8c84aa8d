package bolt

import (
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// stack is one collection in a write transaction: what was stored before it, and what the
// transaction makes of it. Nothing is written before put.
type stack struct {
	shelf   // without its tail, which became open
	id      auth.CollectionID
	fresh   bool       // its number is not stored yet
	hadTail bool       // there is a tail to replace
	open    *segment   // the newest segment; nil: the next object begins one
	full    []*segment // closed in this transaction, in order
	bits    map[string]bitmap
	gone    map[collections.Added][]int // positions deleted from stored segments, by key
	dirty   bool
	sizes   sizes
	scratch *scratch

	profiles map[profile][]*bitmap // of the open segment
	last     profile               // that was looked for
	shown    []*bitmap             // its bits
}

// spot is where an object version is in one collection: in a segment in the making, or in a stored one.
type spot struct {
	number uint16
	seg    *segment // nil: stored
	key    collections.Added
	pos    int
}

// newStack opens a collection for writing; c is nil for one that holds nothing yet.
func newStack(c *bbolt.Bucket, id auth.CollectionID, z sizes, room *scratch) (*stack, error) {
	s := &stack{
		id: id, sizes: z, scratch: room, bits: map[string]bitmap{}, gone: map[collections.Added][]int{}, profiles: map[profile][]*bitmap{},
	}
	if c == nil {
		return s, nil
	}
	if err := s.shelf.open(c); err != nil {
		return nil, err
	}
	if s.tail != nil {
		seg, err := s.tail.reopen()
		if err != nil {
			return nil, err
		}
		s.open, s.hadTail, s.tail = seg, true, nil
	}
	return s, nil
}

// refAt gives where the bytes of a version are.
func (s *stack) refAt(at spot) (ref, error) {
	if at.seg != nil {
		return at.seg.list[at.pos].ref, nil
	}
	o, err := s.bytesAt(at.key)
	if err != nil || !o.refs {
		return ref{}, err
	}
	r, _ := o.ref(at.pos)
	if r.parcel == 0 {
		r = ref{}
	}
	return r, nil
}

// find gives the version with exactly this date_added, and where it is.
func (s *stack) find(a collections.Added) (*version, spot, error) {
	segs := s.full
	if s.open != nil {
		segs = append(segs[:len(segs):len(segs)], s.open)
	}
	for _, seg := range segs {
		if a > seg.key() || a < seg.list[0].Added {
			continue
		}
		i, ok := slices.BinarySearchFunc(seg.list, a, func(o object, a collections.Added) int { return int(o.Added - a) })
		if !ok {
			return nil, spot{}, errDamaged
		}
		return seg.list[i].version, spot{s.number, seg, 0, i}, nil
	}
	key, f, ok, err := s.factsAt(a)
	if err != nil || !ok {
		return nil, spot{}, orDamaged(err)
	}
	i, ok := f.at(a)
	if !ok {
		return nil, spot{}, errDamaged
	}
	v, err := f.version(i)
	return v, spot{s.number, nil, key, i}, err
}

// add puts a version behind all others.
func (s *stack) add(v *version, p piece) spot {
	if s.open != nil && !s.open.takes(p.length, s.sizes) {
		s.full = append(s.full, s.open)
		s.open = nil
	}
	if s.open == nil {
		s.open = newSegment()
		clear(s.profiles)
		s.shown = nil
	}
	s.dirty = true
	at := spot{s.number, s.open, 0, s.open.add(v, p)}
	return at
}

// flip turns one bit over.
func (s *stack) flip(t track, at spot) {
	s.dirty = true
	if at.seg != nil {
		set := at.seg.track(t)
		*set = set.flip(at.pos)
		return
	}
	k := t.key(at.key)
	set, ok := s.bits[string(k)]
	if !ok && s.tracks != nil {
		set = slices.Clone(bitmap(s.tracks.Get(k)))
	}
	s.bits[string(k)] = set.flip(at.pos)
}

// mark sets the bits of type and publisher of a version that was added, and with alone, when the
// collection does not hold its id yet, those that turn would set: at the cost of one look at a table for
// objects that are alike.
func (s *stack) mark(v *version, at spot, alone bool) {
	p := profile{v.Publisher, v.Type, v.Level, alone}
	named := v.Level == stix.Red && len(v.Named) > 0
	if p != s.last || s.shown == nil || named {
		s.last, s.shown = p, s.profiles[p]
		if s.shown == nil || named {
			s.shown = s.profile(v, at.seg, alone)
		}
		if named {
			s.last = profile{}
		} else {
			s.profiles[p] = s.shown
		}
	}
	for _, set := range s.shown {
		*set = set.flip(at.pos)
	}
}

// profile gives the bits that mark sets.
func (s *stack) profile(v *version, seg *segment, alone bool) []*bitmap {
	list := []*bitmap{seg.track(typeTrack(v.Type)), seg.track(publisherTrack(v.Publisher))}
	if alone {
		turn([]*version{v}, []bool{false}, []bool{true}, func(t track, _ int) { list = append(list, seg.track(t)) })
	}
	return list
}

// profile is what decides in which tracks a version is when it comes.
type profile struct {
	publisher auth.PartnerID
	kind      string
	level     stix.Level
	alone     bool
}

// remove takes the bytes of a version away; its facts stay.
func (s *stack) remove(at spot) {
	s.dirty = true
	if at.seg != nil {
		at.seg.remove(at.pos)
		return
	}
	s.gone[at.key] = append(s.gone[at.key], at.pos)
}

// put writes the collection into its operation.
func (s *stack) put(op *bbolt.Bucket) error {
	c, err := op.CreateBucketIfNotExists(collectionName(s.id))
	if err != nil {
		return err
	}
	for name, b := range map[string]**bbolt.Bucket{
		bucketSegments: &s.segments, bucketFacts: &s.facts, bucketTracks: &s.tracks,
	} {
		if *b, err = c.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
		(*b).FillPercent = 1
	}
	if s.open != nil && !s.open.small(s.sizes) {
		s.full, s.open = append(s.full, s.open), nil
	}
	for _, seg := range s.full {
		if err := s.store(seg); err != nil {
			return err
		}
	}
	switch {
	case s.open != nil:
		err = c.Put([]byte(keyTail), s.open.writeTail())
	case s.hadTail:
		err = c.Delete([]byte(keyTail))
	}
	if err != nil {
		return err
	}
	// In order of keys, for a put into the middle of a page moves all that is behind it.
	for _, k := range slices.Sorted(maps.Keys(s.bits)) {
		if set := s.bits[k]; len(set) > 0 {
			err = s.tracks.Put([]byte(k), set)
		} else {
			err = s.tracks.Delete([]byte(k))
		}
		if err != nil {
			return err
		}
	}
	for key, positions := range s.gone {
		if err := s.erase(key, positions); err != nil {
			return err
		}
	}
	return nil
}

// store writes a segment that is full; its bits wait for the others.
func (s *stack) store(seg *segment) error {
	k := addedKey(seg.key())
	if err := s.segments.Put(k, seg.writeObjects(s.scratch)); err != nil {
		return err
	}
	if err := s.facts.Put(k, writeFacts(seg.list)); err != nil {
		return err
	}
	for t, set := range seg.tracks {
		if len(*set) > 0 {
			s.bits[string(append(t.name(), k...))] = *set
		}
	}
	return nil
}

// erase writes a stored segment again without the bytes of some of its objects.
func (s *stack) erase(key collections.Added, positions []int) error {
	k := addedKey(key)
	o, err := readObjects(s.segments.Get(k), nil)
	if err != nil {
		return err
	}
	m := slices.Clone(s.facts.Get(k))
	f, err := readFacts(m)
	if err != nil || f.n != o.n {
		return orDamaged(err)
	}
	seg := &segment{}
	for i := range o.n {
		p, err := o.piece(i)
		if err != nil {
			return err
		}
		if slices.Contains(positions, i) {
			p = piece{}
			f.row(i)[41] &^= flagPresent
		}
		seg.add(&version{}, p)
	}
	if err := s.segments.Put(k, seg.writeObjects(nil)); err != nil {
		return err
	}
	return s.facts.Put(k, m)
}
