package collections

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/collections/routing"
	"liaison/stix"
)

// archive is what one publisher published in an operation before, for one plan: what is in collections
// and what is pending or unrouted, never what stays held. It looks things up once; the first error ends it.
type archive struct {
	ctx       context.Context
	store     Store
	network   *network
	op        auth.OperationID
	publisher auth.PartnerID
	self      auth.Partner      // the publisher
	known     map[stix.ID]*past // nil: looked for and not there
	asked     []stix.ID         // looked for too, and not in known yet; see find
	empty     bool              // nothing of what is sent was there: nothing else is asked of
	freed     map[KeptKey]bool  // held, but let go by this plan
	err       error
}

// past is what there is of one id.
type past struct {
	placed  *Placed
	kept    []Kept // ascending by key
	newest  Item   // of both
	raw     bool   // its bytes are read
	in      routing.Set
	waiting []stix.ID // kept objects that wait for it
	there   bool      // placed or kept
	wanted  routing.Set
}

func newArchive(ctx context.Context, s Store, n *network, op auth.OperationID, p auth.PartnerID) *archive {
	return &archive{ctx: ctx, store: s, network: n, op: op, publisher: p, known: map[stix.ID]*past{}}
}

// prefetch looks up what a publication will ask of, at once.
func (a *archive) prefetch(g *routing.Graph, items []Item) {
	list := make([]stix.ID, 0, len(items))
	for i := range items {
		list = append(list, items[i].ID)
	}
	g.Referred(func(id stix.ID) { list = append(list, id) })
	a.look(list)
	a.asked, a.empty = list, len(a.known) == 0
}

// lookAtOnce is how many ids are asked of what is kept at once.
const lookAtOnce = 500

func (a *archive) fetch(list []stix.ID) {
	list = slices.DeleteFunc(list, func(id stix.ID) bool {
		_, ok := a.known[id]
		if !ok {
			a.known[id] = nil
		}
		return ok
	})
	a.look(list)
}

// look is fetch for ids that were not looked for before.
func (a *archive) look(list []stix.ID) {
	if len(list) == 0 || a.err != nil {
		return
	}
	placed, err := a.store.Placed(a.ctx, a.op, a.publisher, list, false)
	if err != nil {
		a.err = err
		return
	}
	for i := range placed {
		if it := &placed[i].Item; ours(a.self, it.ID, it.Version, it.Level) {
			continue // it goes with what names it, at the level of that: see author.go
		}
		p := a.past(placed[i].Item.ID)
		p.placed, p.there = &placed[i], true
		p.newest, p.in = placed[i].Item, a.network.in(placed[i].In)
	}
	wanted, err := a.store.Wanted(a.ctx, a.op, a.publisher, slices.DeleteFunc(slices.Clone(list), neverWanted))
	if err != nil {
		a.err = err
		return
	}
	for _, w := range wanted {
		a.past(w.ID).wanted = a.network.in(w.To)
	}
	for part := range slices.Chunk(list, lookAtOnce) {
		a.each(KeptQuery{IDs: part}, func(k Kept) {
			p := a.past(k.Item.ID)
			if slices.ContainsFunc(p.kept, func(have Kept) bool { return have.Key == k.Key }) {
				return // an id may stand in the list twice
			}
			if !p.there || later(k.Item.Version, p.newest.Version) {
				p.newest, p.there = k.Item, true
				p.newest.Kept, p.newest.Keep = k.Key, nil
			}
			p.kept = append(p.kept, k)
		})
		a.each(KeptQuery{Waits: part}, func(k Kept) {
			for _, id := range k.Item.Keep.Waits {
				if !slices.Contains(part, id) {
					continue
				}
				if p := a.past(id); !slices.Contains(p.waiting, k.Item.ID) {
					p.waiting = append(p.waiting, k.Item.ID)
				}
			}
		})
	}
}

// neverWanted tells of most objects that nothing needs them to be understood: only identities, markings,
// definitions and the parts of others are.
func neverWanted(id stix.ID) bool {
	kind, _, _ := strings.Cut(string(id), "--")
	switch kind {
	case "indicator", "relationship", "sighting", "observed-data", "note", "report", "opinion", "grouping", "malware", "infrastructure":
		return true
	}
	return false
}

// later reports whether a is later than b; of what has no version the kept one came later.
func later(a, b Version) bool { return !a.At.Set || !b.At.Set || a.At.Compare(b.At) >= 0 }

func (a *archive) past(id stix.ID) *past {
	p := a.known[id]
	if p == nil {
		p = &past{}
		a.known[id] = p
	}
	return p
}

// each gives what is kept of the publisher and may be routed.
func (a *archive) each(q KeptQuery, do func(Kept)) {
	q.Publisher, q.Limit = a.publisher, MaxSettled
	for a.err == nil {
		list, next, err := a.store.Kept(a.ctx, a.op, q)
		if err != nil {
			a.err = err
			return
		}
		for _, k := range list {
			if k.Item.Keep.Kind != KeepHeld || a.freed[k.Key] {
				do(k)
			}
		}
		if next == 0 {
			return
		}
		q.After = next
	}
}

func (a *archive) find(id stix.ID) *past {
	if a.empty {
		return nil
	}
	for _, id := range a.asked { // most publications find nothing, and need no list of it
		if _, ok := a.known[id]; !ok {
			a.known[id] = nil
		}
	}
	a.asked = nil
	p, ok := a.known[id]
	if !ok {
		a.fetch([]stix.ID{id})
		p = a.known[id]
	}
	return p
}

// In implements routing.Held.
func (a *archive) In(id stix.ID) (routing.Set, bool) {
	p := a.find(id)
	if p == nil {
		return routing.Set{}, false
	}
	return p.in, p.there
}

// Waiting implements routing.Held.
func (a *archive) Waiting(id stix.ID) []stix.ID {
	if p := a.find(id); p != nil {
		return p.waiting[:min(len(p.waiting), routing.MaxWaiting)]
	}
	return nil
}

// Wanted implements routing.Held.
func (a *archive) Wanted(id stix.ID) routing.Set {
	if p := a.find(id); p != nil {
		return p.wanted
	}
	return routing.Set{}
}

// Object implements routing.Held.
func (a *archive) Object(id stix.ID, read func(o *stix.Object)) ([]routing.Reason, bool) {
	it, ok := a.item(id)
	if !ok {
		return nil, false
	}
	s := stix.NewScanner(io.MultiReader(strings.NewReader(`{"objects":[`), bytes.NewReader(it.Raw), strings.NewReader(`]}`)), stix.Limits{})
	if !s.Next() || s.Problem() != nil {
		return nil, false
	}
	read(s.Object())
	p := a.known[id]
	if by := stix.ID(s.Object().CreatedBy); by != "" && (by == a.self.Identity || by == a.self.Pseudonym) {
		p.newest.Author = by // which goes where it is brought
	}
	why := it.Why
	switch {
	case it.Kept != 0:
		for _, k := range p.kept {
			if k.Key == it.Kept {
				why = k.Item.Keep.Reasons
			}
		}
	case p.placed != nil:
		why = p.placed.Why
	}
	var list []routing.Reason
	for _, r := range why {
		if c := stated(r.Code); c != 0 && r.Country != "" {
			list = append(list, routing.Reason{Code: c, Country: routing.Country(r.Country)})
		}
	}
	return list, true
}

// item gives the newest version of what is there, with its bytes.
func (a *archive) item(id stix.ID) (Item, bool) {
	p := a.find(id)
	if p == nil || !p.there || a.err != nil {
		return Item{}, false
	}
	if p.raw {
		return p.newest, true
	}
	var err error
	if p.newest.Kept != 0 {
		var list []Kept
		list, _, err = a.store.Kept(a.ctx, a.op, KeptQuery{Keys: []KeptKey{p.newest.Kept}, Limit: 1, Bytes: true})
		if len(list) == 1 {
			p.newest.Raw = list[0].Item.Raw
		}
	} else {
		var list []Placed
		list, err = a.store.Placed(a.ctx, a.op, a.publisher, []stix.ID{id}, true)
		if len(list) == 1 && list[0].Added == p.placed.Added {
			p.newest = list[0].Item
		}
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		a.err = err
	}
	p.raw = len(p.newest.Raw) > 0
	return p.newest, p.raw
}

// level gives the level of the newest version.
func (a *archive) level(id stix.ID) stix.Level {
	if p := a.find(id); p != nil && p.there {
		return p.newest.Level
	}
	return stix.Unknown
}

// same gives the key of a kept version that an item repeats.
func (a *archive) same(it *Item) KeptKey {
	if a.empty {
		return 0
	}
	p := a.known[it.ID]
	if p == nil {
		return 0
	}
	for _, k := range p.kept {
		if k.Item.Digest == it.Digest {
			return k.Key
		}
	}
	return 0
}

// stated gives the code of what a publisher stated; 0 for any other.
func stated(name string) routing.Code {
	for c := routing.Listed; c.Stated(); c++ {
		if c.String() == name {
			return c
		}
	}
	return 0
}
