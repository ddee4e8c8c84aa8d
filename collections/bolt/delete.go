package bolt

import (
	"fmt"
	"slices"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

type deleteLine struct {
	Operation  auth.OperationID  `json:"operation"`
	Collection auth.CollectionID `json:"collection"`
	ID         stix.ID           `json:"id"`
	Versions   []string          `json:"versions"`
	Count      int               `json:"count"`
	Publisher  auth.PartnerID    `json:"publisher"`
	Address    string            `json:"address,omitempty"`
}

// delete plans a deletion. After an error nothing of it is in the batch.
func (b *batch) delete(d *collections.Deletion) (int, error) {
	if d.Still != nil {
		if err := d.Still(); err != nil {
			return 0, err
		}
	}
	op := b.operation(d.Place.Operation)
	hash := hashID(b.s.id, d.ID)
	known, err := op.versions(hash, d.ID)
	if err != nil {
		return 0, fmt.Errorf("deleting %s: %w", d.ID, err)
	}
	none := fmt.Errorf("%w: no such version of %s", collections.ErrNotFound, d.ID)
	if len(known) == 0 {
		return 0, none
	}
	s, err := op.stack(d.Place.Collection)
	if err != nil {
		return 0, fmt.Errorf("deleting %s: %w", d.ID, err)
	}
	var list, own []*version
	for _, k := range known {
		if !slices.Contains(k.in, s.number) {
			continue
		}
		if _, err := k.spot(s); err != nil {
			return 0, fmt.Errorf("deleting %s: %w", d.ID, err)
		}
		list = append(list, k)
		if k.Publisher == d.View.Partner {
			own = append(own, k)
		}
	}
	chosen := choose(own, d.View, d.Specs, true, d.Versions)
	if len(chosen) == 0 {
		return 0, none
	}
	op.remove(s, list, chosen)
	l := deleteLine{
		Operation: d.Place.Operation, Collection: d.Place.Collection, ID: d.ID,
		Count: len(chosen), Publisher: d.View.Partner, Address: d.Address,
	}
	for _, k := range chosen[:min(len(chosen), maxNames)] {
		l.Versions = append(l.Versions, k.Version.Text)
	}
	b.line(d.Actor, "delete", l)
	return len(chosen), nil
}

// remove takes versions of one object out of a collection. It cannot fail.
func (op *operation) remove(s *stack, list, chosen []*version) {
	before, after := make([]bool, len(list)), make([]bool, len(list))
	for i, k := range list {
		before[i], after[i] = true, !slices.Contains(chosen, k)
		if after[i] {
			continue
		}
		k.in = slices.DeleteFunc(slices.Clone(k.in), func(n uint16) bool { return n == s.number })
		k.gone = append(k.gone, s.number)
		for _, at := range k.spots {
			if at.number == s.number {
				if len(k.in) == 0 {
					op.discard(s, at)
				}
				s.remove(at)
			}
		}
		op.write(k)
	}
	s.turn(list, before, after)
}

// discard gives the bytes of a version up, which no collection has any more.
func (op *operation) discard(s *stack, at spot) {
	if at.seg != nil {
		op.parcels.remove(at.seg.list[at.pos].ref)
		return
	}
	op.discarded = append(op.discarded, discarded{s, at})
}

// discarded is a version whose bytes go, if they are in a parcel.
type discarded struct {
	stack *stack
	at    spot
}

// unpack takes what is discarded out of its parcels. It comes before the segments are written.
func (op *operation) unpack() error {
	for _, d := range op.discarded {
		r, err := d.stack.refAt(d.at)
		if err != nil {
			return err
		}
		op.parcels.remove(r)
	}
	return nil
}
