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
	chosen    map[stix.ID]*Kept             // that the operator routes
	where     map[stix.ID][]routing.Country // of these, and of those that were released into their collections
	place     Place
	publisher auth.PartnerID
}

// carriages sorts what an order is about by publisher. What is held has its destinations and was settled
// before; the rest, if it goes anywhere, is routed.
func (d *Desk) carriages(st *State, page []Kept, to []auth.CollectionID, settled []KeptKey) []*carriage {
	var list []*carriage
	for i := range page {
		k := &page[i]
		if !st.Collections[k.Place.Collection].Intake {
			continue
		}
		released := slices.Contains(settled, k.Key)
		if !released && (k.Item.Keep.Kind == KeepHeld || len(to) == 0 ||
			slices.ContainsFunc(to, func(c auth.CollectionID) bool { return forbidden(st, k, c) != "" })) {
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
		c.where[k.Item.ID] = nil
		if !released {
			c.chosen[k.Item.ID] = k
			for _, id := range to {
				c.where[k.Item.ID] = append(c.where[k.Item.ID], routing.Country(st.Collections[id].country()))
			}
		}
	}
	return list
}

// carry routes what an order is about, in one transaction: first what it needs, last what waited for it.
func (d *Desk) carry(ctx context.Context, p auth.Principal, op auth.OperationID, c *carriage, reason string, report *Settled) error {
	done, err := d.turns.take(ctx, op, c.publisher)
	if err != nil {
		return err
	}
	defer done()
	x, err := d.dispatch(ctx, op, c.publisher)
	if err != nil {
		return err
	}
	x.levels = func(o routing.Of) stix.Level { return x.archive.level(o.ID) }
	x.archive.fetch(slices.Sorted(maps.Keys(c.where)))
	plan := x.network.router.Plan(x.network.router.Graph(), routing.Request{Held: x.archive, Kept: c.where, Allowed: x.allowed})
	publication := Publication{
		Status: StatusID(uuid.NewString()), Place: c.place, Publisher: c.publisher, Actor: p.Actor(), Address: p.Address,
		Received: d.now(), Reason: reason,
	}
	left := maps.Clone(c.chosen)
	for i := range plan.Routes {
		r := &plan.Routes[i]
		it, ok := x.bring(plan, r)
		if !ok {
			continue
		}
		if k := c.chosen[r.ID]; k != nil && k.Key == it.Kept {
			it.Brought = false
			delete(left, r.ID)
		}
		publication.Items = append(publication.Items, it)
	}
	if x.archive.err != nil {
		return fmt.Errorf("routing: %w", x.archive.err)
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		report.refuse(left[id], "a later version of it is there already, or it may not go there: drop it")
	}
	if len(publication.Items) == 0 {
		return nil
	}
	publication.Wanted = x.wanted(plan)
	publication.Still = x.still(d.stillOperator(p))
	status, err := d.Store.Publish(ctx, publication)
	if err != nil {
		return err
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
