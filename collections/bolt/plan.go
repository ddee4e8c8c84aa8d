package bolt

import (
	"context"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// plan is a page: which positions of which segments.
type plan struct {
	shelf *shelf
	limit int
	sized bool // a page of bytes: it ends at MaxPageSize
	rows  int  // that byFacts may still look at

	picks       []pick
	count, size int
	first, last collections.Added
	more        bool
	gone        bool // see collections.Page
	arena       []byte
}

// pick is what a page takes from one segment.
type pick struct {
	key collections.Added
	set bitmap
	n   int // objects of the segment, when its bytes are wanted
}

// tracked is something that walks segments: a lens, a union, both.
type tracked interface {
	seek(collections.Added) (collections.Added, bitmap)
}

// plan finds the page that a query asks for. Everything in it outlives the transaction.
func (s *shelf) plan(ctx context.Context, tx *bbolt.Tx, store *Store, v auth.View, at collections.Place, q collections.Query, sized bool) (*plan, error) {
	p := &plan{shelf: s, limit: min(max(q.Limit, 1), collections.MaxLimit), sized: sized, rows: store.o.sizes.scan}
	defer func() { p.shelf = nil }()
	e, blind, ok := eyeOf(v)
	if blind || s.op == nil {
		return p, nil
	}
	if q.IDs == nil {
		// Most ask for what comes after the end.
		if _, _, there, err := s.factsAt(q.After + 1); err != nil || !there {
			return p, err
		}
		s.walked()
		if ok && (q.Specs == nil || latestAlone(q.Specs)) && len(q.Versions.At) == 0 {
			return p, p.byTracks(e, q)
		}
	}
	s.walked()
	s.indexed(tx, store.delta(at.Operation), at)
	if q.IDs != nil {
		return p, p.byID(store.id, v, q)
	}
	return p, p.byFacts(ctx, store.id, v, q)
}

// latestAlone reports whether only the latest spec version that there is is asked for: the tracks then
// answer but for the objects that are in them with an older one.
func latestAlone(specs []string) bool { return len(specs) == 1 && specs[0] == "2.1" }

// kindsOf gives the tracks that a choice of versions needs.
func kindsOf(v collections.Versions) []kind {
	switch {
	case v.All:
		return []kind{kindAll}
	case v.First && v.Last:
		return []kind{kindFirst, kindLast}
	case v.First:
		return []kind{kindFirst}
	}
	return []kind{kindLast}
}

// byTracks answers what is in the tracks: no id, no exact version, the default spec version.
func (p *plan) byTracks(e eye, q collections.Query) error {
	var walk tracked = p.shelf.lens(e, kindsOf(q.Versions))
	if q.Types != nil {
		walk = &both{a: p.shelf.types(q.Types), b: walk}
	}
	for from, straddles := q.After+1, true; ; straddles = false {
		key, set := walk.seek(from)
		if key == theEnd {
			return p.end()
		}
		from = key + 1
		set = p.keep(set)
		if straddles || q.Specs != nil {
			_, f, ok, err := p.shelf.factsAt(key)
			if err != nil || !ok {
				return orDamaged(err)
			}
			if straddles { // the first one may begin before the position
				set = set.from(f.after(q.After))
			}
			if q.Specs != nil {
				set = f.latest(set)
			}
			if len(set) == 0 {
				continue
			}
		}
		if full, err := p.take(key, set); full || err != nil {
			return orNil(err, p.end)
		}
	}
}

// latest keeps of a set the objects of the latest spec version.
func (f *facts) latest(set bitmap) bitmap {
	for i := range min(len(set)<<3, f.n) {
		if set.has(i) && f.row(i)[41]&flagSpec20 != 0 {
			set = set.clear(i)
		}
	}
	return set
}

func orDamaged(err error) error {
	if err == nil {
		err = errDamaged
	}
	return err
}

func orNil(err error, end func() error) error {
	if err != nil {
		return err
	}
	return end()
}

func (s *shelf) types(list []string) *union {
	u := &union{}
	for _, t := range list {
		c := &cursor{}
		s.cursor(c, typeTrack(t))
		u.cursors = append(u.cursors, c)
	}
	return u
}

// keep copies bits out of the transaction.
func (p *plan) keep(set bitmap) bitmap {
	if cap(p.arena)-len(p.arena) < len(set) {
		p.arena = make([]byte, 0, max(1024, len(set)))
	}
	n := len(p.arena)
	p.arena = append(p.arena, set...)
	return p.arena[n:len(p.arena):len(p.arena)]
}

// take adds objects of the next segment to the page; full when the page is complete. The set is the
// plan's own.
func (p *plan) take(key collections.Added, set bitmap) (full bool, err error) {
	room := p.limit - p.count
	n, all := set.count(), 0
	if n > room {
		p.more, full, n = true, true, room
		set = set.first(room)
	}
	if p.sized && n > 0 {
		o, err := p.shelf.bytesAt(key)
		if err != nil {
			return false, err
		}
		all = o.n
		size := o.size(set)
		if p.size+size > collections.MaxPageSize {
			p.more, full = true, true
			set = p.fit(&o, set)
			n = set.count()
		}
		p.size += size
	}
	if n > 0 {
		p.picks = append(p.picks, pick{key, set, all})
		p.count += n
	}
	return full, nil
}

// fit keeps of a set the first objects that a page still has room for, at least one on a page.
func (p *plan) fit(o *objects, set bitmap) bitmap {
	n, size := 0, p.size
	for i, j := range set.runs() {
		for ; i < j; i++ {
			size += o.length(i) + 1
			if size > collections.MaxPageSize && p.count+n > 0 {
				return set.first(n)
			}
			n++
		}
	}
	return set.first(n)
}

// end completes the plan with the positions of its first and last object.
func (p *plan) end() error {
	if p.count == 0 {
		p.more = false
		return nil
	}
	return p.ends()
}

// ends sets the positions of the first and the last object.
func (p *plan) ends() error {
	one := func(k pick, at func(bitmap) int) (collections.Added, error) {
		_, f, ok, err := p.shelf.factsAt(k.key)
		if err != nil || !ok {
			return 0, orDamaged(err)
		}
		i := at(k.set)
		if i >= f.n {
			return 0, errDamaged
		}
		return f.added(i), nil
	}
	var err error
	if p.first, err = one(p.picks[0], bitmap.least); err != nil {
		return err
	}
	p.last, err = one(p.picks[len(p.picks)-1], bitmap.most)
	return err
}

// byID answers for named objects, from the index.
func (p *plan) byID(store string, v auth.View, q collections.Query) error {
	var all []found
	for i, id := range q.IDs {
		if slices.Contains(q.IDs[:i], id) {
			continue
		}
		list, places, err := p.shelf.find(store, id)
		if err != nil {
			return err
		}
		for _, f := range placed(places, choose(list, v, q.Specs, false, q.Versions)) {
			if f.Added > q.After && (q.Types == nil || slices.Contains(q.Types, f.Type)) {
				all = append(all, f)
			}
		}
	}
	if len(all) == 0 && p.sized {
		var err error
		if p.gone, err = p.shelf.gone(store, v, q); err != nil {
			return err
		}
	}
	slices.SortFunc(all, byAdded)
	return p.takeAll(all)
}

// gone reports whether a query of one id asks for nothing but versions that were deleted.
func (s *shelf) gone(store string, v auth.View, q collections.Query) (bool, error) {
	if len(q.IDs) != 1 || !q.Versions.Exact() {
		return false, nil
	}
	list, _, err := s.search(store, q.IDs[0], true)
	return err == nil && allGone(list, v, q), err
}

// takeAll takes places that ascend by date_added.
func (p *plan) takeAll(list []found) error {
	for len(list) > 0 {
		n := 0
		var set bitmap
		for n < len(list) && list[n].key == list[0].key {
			set = set.set(list[n].pos)
			n++
		}
		if full, err := p.take(list[0].key, set); full || err != nil {
			return orNil(err, p.end)
		}
		list = list[n:]
	}
	return p.end()
}

// byFacts walks the facts and asks for each candidate what its object's versions are: for exact
// versions, named spec versions and views that no tracks are kept for. It ends the page when it has
// looked at enough of them.
func (p *plan) byFacts(ctx context.Context, store string, v auth.View, q collections.Query) error {
	w := sieve{v: v, q: q, exact: q.Versions.Exact()}
	var types *union
	if q.Types != nil {
		types = p.shelf.types(q.Types)
	}
	for from := q.After + 1; ; {
		if types != nil {
			if from, _ = types.seek(from); from == theEnd {
				return p.end()
			}
		}
		key, f, ok, err := p.shelf.factsAt(from)
		if err != nil {
			return err
		}
		if !ok {
			return p.end()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		set, err := w.segment(p.shelf, store, f)
		if err != nil {
			return err
		}
		if len(set) > 0 {
			if full, err := p.take(key, set); full || err != nil {
				return orNil(err, p.end)
			}
		}
		if p.rows -= f.n - f.after(q.After); p.rows <= 0 {
			return p.pause(key)
		}
		from = key + 1
	}
}

// pause ends a page before all was looked at: after its last object, or without one after a position.
func (p *plan) pause(at collections.Added) error {
	p.more = true
	if p.count > 0 {
		return p.ends()
	}
	p.last = at
	return nil
}

// sieve finds what a query selects in one segment.
type sieve struct {
	v     auth.View
	q     collections.Query
	exact bool // exact versions alone are asked for
}

func (w *sieve) segment(s *shelf, store string, f *facts) (bitmap, error) {
	var set bitmap
	for i := f.after(w.q.After); i < f.n; i++ {
		if !f.present(i) || w.q.Specs != nil && !slices.Contains(w.q.Specs, f.spec(i)) || w.exact && !f.mayBe(i, w.q.Versions.At) {
			continue
		}
		o, err := f.version(i)
		if err != nil {
			return nil, err
		}
		if !w.v.Shows(o.object()) ||
			w.q.Types != nil && !slices.Contains(w.q.Types, o.Type) ||
			w.exact && !containsInstant(w.q.Versions.At, o.Version.At) {
			continue
		}
		list, _, err := s.find(store, o.ID)
		if err != nil {
			return nil, err
		}
		for _, c := range choose(list, w.v, w.q.Specs, false, w.q.Versions) {
			if c.Added == o.Added {
				set = set.set(i)
			}
		}
	}
	return set, nil
}

// mayBe tells cheaply that object i has none of these versions.
func (f *facts) mayBe(i int, at []stix.Instant) bool {
	us, ok := f.micros(i)
	return !ok || slices.ContainsFunc(at, func(x stix.Instant) bool { return x == microInstant(us) })
}
