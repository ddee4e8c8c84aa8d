package collections

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"liaison/auth"
	"liaison/collections/routing"
	"liaison/stix"
)

// carriage is what an operator's order moves of one publisher: what was sent to an intake and is to be
// routed, with what it needs and what waits for it.
type carriage struct {
	chosen    map[stix.ID]*Kept             // that the operator routes or releases
	older     []*Kept                       // earlier versions of these
	where     map[stix.ID][]routing.Country // of the chosen, and of those that were released into their collections
	place     Place
	publisher auth.PartnerID
}

// carriages sorts by publisher what of an order is routed: what chosen names, as far as it may go there, and
// what waits for what was settled.
func (d *Desk) carriages(st *State, page []Kept, to []auth.CollectionID, chosen func(*Kept) bool, settled []KeptKey) []*carriage {
	var list []*carriage
	for i := range page {
		k := &page[i]
		dest := to
		if len(dest) == 0 {
			dest = k.Item.Keep.To
		}
		released := slices.Contains(settled, k.Key)
		if !st.Collections[k.Place.Collection].Intake || !released && (!chosen(k) ||
			slices.ContainsFunc(dest, func(c auth.CollectionID) bool { return forbidden(st, k, c) != "" })) {
			continue // it stays, and the report says why
		}
		at := slices.IndexFunc(list, func(c *carriage) bool { return c.publisher == k.Publisher })
		if at < 0 {
			at = len(list)
			list = append(list, &carriage{
				chosen: map[stix.ID]*Kept{}, where: map[stix.ID][]routing.Country{}, place: k.Place, publisher: k.Publisher,
			})
		}
		c := list[at]
		if c.where[k.Item.ID] = nil; released {
			continue
		}
		if old := c.chosen[k.Item.ID]; old != nil {
			c.older = append(c.older, old)
		}
		c.chosen[k.Item.ID] = k
		for _, id := range dest {
			c.where[k.Item.ID] = append(c.where[k.Item.ID], routing.Country(st.Collections[id].country()))
		}
	}
	return list
}

// carry routes what an order is about, in one transaction: first what it needs, last what waited for it. left
// are those of the chosen that did not go so.
func (d *Desk) carry(ctx context.Context, p auth.Principal, op auth.OperationID, c *carriage, reason string, report *Settled) (left []*Kept, err error) {
	done, err := d.turns.take(ctx, op, c.publisher)
	if err != nil {
		return nil, err
	}
	defer done()
	x, err := d.dispatch(ctx, op, c.publisher)
	if err != nil {
		return nil, err
	}
	x.archive.freed = map[KeptKey]bool{}
	for _, k := range c.chosen {
		x.archive.freed[k.Key] = true
	}
	x.levels = func(o routing.Of) stix.Level { return x.archive.level(o.ID) }
	x.archive.fetch(slices.Sorted(maps.Keys(c.where)))
	plan := x.network.router.Plan(x.network.router.Graph(), routing.Request{
		Held: x.archive, Kept: c.where,
		Allowed: func(o routing.Of, to routing.Country) bool {
			if k := c.chosen[o.ID]; k != nil && k.Item.Keep.Kind == KeepHeld && !slices.Contains(c.where[o.ID], to) {
				return false // it goes where it was meant to go, or where the operator says
			}
			return x.allowed(o, to)
		},
	})
	publication := Publication{
		Status: StatusID(uuid.NewString()), Place: c.place, Publisher: c.publisher, Actor: p.Actor(), Address: p.Address,
		Received: d.now(), Reason: reason,
	}
	stay := maps.Clone(c.chosen)
	for i := range plan.Routes {
		r := &plan.Routes[i]
		it, ok := x.bring(plan, r)
		if !ok {
			continue
		}
		if k := c.chosen[r.ID]; k != nil && k.Key == it.Kept {
			it.Brought, it.Lower = false, true // that was judged when it was taken
			delete(stay, r.ID)
		}
		publication.Items = append(publication.Items, it)
	}
	if x.archive.err != nil {
		return nil, fmt.Errorf("routing: %w", x.archive.err)
	}
	left = c.older
	for _, id := range slices.Sorted(maps.Keys(stay)) {
		left = append(left, stay[id])
	}
	publication.Wanted = x.wanted(plan)
	if len(publication.Items)+len(publication.Wanted) == 0 {
		return left, nil
	}
	people, err := d.identities(ctx, op, x.state.Access.Partners[c.publisher], publication.Items)
	if err != nil {
		return nil, err
	}
	publication.Items = append(people, publication.Items...)
	publication.Still = x.still(d.stillOperator(p))
	status, err := d.Store.Publish(ctx, publication)
	if err != nil {
		return nil, err
	}
	report.Released += status.Success - status.Duplicate
	report.Repeated += status.Duplicate
	for _, f := range status.Failures {
		report.refuse(c.chosen[stix.ID(f.ID)], f.Message)
	}
	if status.First != 0 {
		if report.First == "" {
			report.First = status.First.String()
		}
		report.Last = status.Last.String()
	}
	return left, nil
}

// introduce adds the identities that the gateway issued to where a settlement releases what names them.
func (d *Desk) introduce(ctx context.Context, p auth.Principal, op auth.OperationID, page []Kept, s *Settlement) error {
	byPlace := map[Place]map[auth.PartnerID][]Item{}
	for _, r := range s.Release {
		i := slices.IndexFunc(page, func(k Kept) bool { return k.Key == r.Key })
		k := &page[i]
		it := k.Item
		if it.To = r.To; len(it.To) == 0 {
			it.To = it.Keep.To
		}
		if it.Author == "" {
			continue
		}
		if byPlace[k.Place] == nil {
			byPlace[k.Place] = map[auth.PartnerID][]Item{}
		}
		byPlace[k.Place][k.Publisher] = append(byPlace[k.Place][k.Publisher], it)
	}
	for at, publishers := range byPlace {
		for id, items := range publishers {
			people, err := d.identities(ctx, op, d.Registry.State().Access.Partners[id], items)
			if err != nil {
				return err
			}
			if len(people) == 0 {
				continue
			}
			if _, err := d.Store.Publish(ctx, Publication{
				Status: StatusID(uuid.NewString()), Place: at, Publisher: id, Actor: p.Actor(), Address: p.Address, Received: d.now(),
				Items: people, Reason: s.Reason, Still: s.Still,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// released gives the keys that a settlement releases, or takes out of a hold.
func released(s *Settlement) []KeptKey {
	var keys []KeptKey
	for _, r := range s.Release {
		keys = append(keys, r.Key)
	}
	for _, a := range s.Amend {
		if a.Kind != "" {
			keys = append(keys, a.Key)
		}
	}
	return keys
}

// waiting is what becomes of an object that was held before it had anywhere to go.
func (k *Keep) waiting() KeepKind {
	for _, r := range k.Reasons {
		if r.Code == CodeNowhere || r.Code == CodeOutside {
			return KeepUnrouted
		}
	}
	return KeepPending
}
