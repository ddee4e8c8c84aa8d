package bolt

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// placedAtOnce is how many ids are looked up in one transaction.
const placedAtOnce = 5000

// Placed implements collections.Store.
func (s *Store) Placed(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, ids []stix.ID, withBytes bool) ([]collections.Placed, error) {
	var list []collections.Placed
	seen := map[stix.ID]bool{}
	err := s.eachID(ctx, op, ids, placedAtOnce, func(o *opened, id stix.ID) error {
		if seen[id] {
			return nil
		}
		p, ok, err := o.placed(s.id, publisher, id, withBytes)
		if err == nil && ok {
			seen[id] = true
			list = append(list, p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (o *opened) placed(store string, publisher auth.PartnerID, id stix.ID, withBytes bool) (p collections.Placed, ok bool, err error) {
	var newest *version
	var at entry
	var numbers []uint16
	var damage error
	err = o.present(store, id, func(e entry, v *version) {
		if v.Publisher != publisher {
			return
		}
		in, _, err := e.places.lists(o.sets)
		if err != nil {
			damage = err
		}
		numbers = append(numbers, in...)
		if newest == nil || v.compare(newest) >= 0 {
			newest, at = v, e
		}
	})
	if err = cmp.Or(err, damage); err != nil || newest == nil {
		return p, false, err
	}
	p.Added = at.added
	p.In = o.ids(numbers)
	slices.Sort(p.In)
	p.In = slices.Compact(p.In)
	p.Item = collections.Item{
		ID: id, Type: newest.Type, Spec: newest.Spec, Level: newest.Level, Named: newest.Named, Shared: newest.shared, Defines: at.defines,
	}
	if newest.versioned {
		p.Item.Version = newest.Version
	}
	if p.Why, err = o.why(at.added); err != nil || !withBytes {
		return p, err == nil, err
	}
	p.Item.Raw, err = o.bytes(at)
	p.Item.Digest = sha256.Sum256(p.Item.Raw)
	return p, err == nil, err
}

// bytes gives a copy of one object version.
func (o *opened) bytes(e entry) ([]byte, error) {
	in, _, err := e.places.lists(o.sets)
	if err != nil || len(in) == 0 {
		return nil, orDamaged(err)
	}
	s, err := o.shelf(in[0])
	if err != nil {
		return nil, err
	}
	_, f, ok, err := s.factsAt(e.added)
	if err != nil || !ok {
		return nil, orDamaged(err)
	}
	pos, ok := f.at(e.added)
	if !ok {
		return nil, errDamaged
	}
	s.parcels = o.op.Bucket([]byte(bucketParcels))
	all, err := s.bytesAt(e.added)
	if err != nil {
		return nil, err
	}
	var one bitmap
	raw, err := all.append(nil, one.set(pos))
	if err == nil && len(raw) == 0 {
		err = errDamaged
	}
	return raw, err
}

// Routes implements collections.Store.
func (s *Store) Routes(ctx context.Context, op auth.OperationID, id stix.ID) ([]collections.Routed, error) {
	var list []collections.Routed
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		o := s.openOperation(tx, op)
		if o == nil {
			return nil
		}
		var damage error
		err := o.present(s.id, id, func(e entry, v *version) {
			in, _, err := e.places.lists(o.sets)
			if err != nil {
				damage = err
				return
			}
			r := collections.Routed{Fact: v.Fact, In: o.ids(in)}
			slices.Sort(r.In)
			if r.Why, err = o.why(e.added); err != nil {
				damage = err
			}
			list = append(list, r)
		})
		return cmp.Or(err, damage)
	})
	if err != nil {
		return nil, fmt.Errorf("looking %s up: %w", id, err)
	}
	slices.SortFunc(list, func(a, b collections.Routed) int { return cmp.Compare(a.Added, b.Added) })
	return list, nil
}
