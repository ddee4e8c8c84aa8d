package collections

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"liaison/auth"
	"liaison/stix"
)

// mark settles the level of every draft. Definitions are taken from the standard ones, from this body
// and from what the publisher published before, never from another partner's, and never afterwards.
func (in *intake) mark(ctx context.Context, d *Desk, p auth.Principal, at Place) error {
	known, err := in.definitions(ctx, d, p, at)
	if err != nil {
		return err
	}
	lookup := func(id []byte) (stix.Level, bool) {
		l, ok := known[stix.ID(id)]
		return l, ok
	}
	m := marking{intake: in, lookup: lookup, standard: p.Default, ceiling: d.Registry.State().Collections[at.Collection].Ceiling}
	translated := slices.ContainsFunc(in.drafts, func(dr draft) bool { return dr.language != "" })
	levels := make(map[stix.ID]stix.Level) // strictest of each id that this body brings, for language content
	for i := range in.drafts {
		dr := &in.drafts[i]
		if dr.language != "" {
			continue
		}
		if m.settle(i, stix.Unmarked) && translated {
			levels[dr.ID] = levels[dr.ID].Join(dr.Level)
		}
	}
	if translated {
		if err := m.languages(ctx, d, p, at, levels); err != nil {
			return err
		}
	}
	if len(in.rejected) == 0 {
		return nil
	}
	kept := in.publication.Items[:0]
	for i := range in.drafts {
		if !in.rejected[i] {
			in.moved(i, len(kept))
			kept = append(kept, *in.drafts[i].Item)
		} else {
			delete(in.watched, i)
		}
	}
	in.publication.Items = kept
	return nil
}

// definitions gives the levels of every definition that this body brings or refers to. One that
// comes more than once, or that was published before, has the strictest level.
func (in *intake) definitions(ctx context.Context, d *Desk, p auth.Principal, at Place) (map[stix.ID]stix.Level, error) {
	brought := make(map[stix.ID]stix.Level)
	asked := make(map[stix.ID]bool)
	ask := func(id []byte) {
		if _, _, standard := stix.StandardMarking(id); !standard { // whose level is the standard's
			asked[stix.ID(id)] = true
		}
	}
	for i := range in.drafts {
		if dr := &in.drafts[i]; dr.Type == "marking-definition" {
			brought[dr.ID] = brought[dr.ID].Join(dr.Defines)
		}
	}
	for id := range brought {
		ask([]byte(id))
	}
	for _, m := range in.marked {
		for _, id := range m.object {
			ask(id)
		}
		for _, id := range m.granular {
			ask(id)
		}
	}
	if len(asked) == 0 {
		return brought, nil
	}
	ids := slices.Collect(maps.Keys(asked))
	held, err := d.Store.Definitions(ctx, at.Operation, p.Partner, ids)
	if err != nil {
		return nil, fmt.Errorf("looking markings up: %w", err)
	}
	for id, l := range held {
		brought[id] = brought[id].Join(l)
	}
	return brought, nil
}

// marking settles levels.
type marking struct {
	*intake
	lookup   func(id []byte) (stix.Level, bool)
	standard stix.Level // the publisher's default marking
	ceiling  stix.Level // of the collection
}

// languages settles language content, which has its object's level: that of the versions of the object
// in this body and of those that the publisher published before. Where nobody knows the object, its
// translation fails: a default marking could be lower. Translations of translations wait for theirs.
func (m *marking) languages(ctx context.Context, d *Desk, p auth.Principal, at Place, levels map[stix.ID]stix.Level) error {
	waiting := make(map[stix.ID][]int) // by object, the drafts that translate it
	unsettled := make(map[stix.ID]int) // language content of this body, by its id
	for i := range m.drafts {
		if dr := &m.drafts[i]; dr.language != "" {
			waiting[dr.language] = append(waiting[dr.language], i)
			unsettled[dr.ID]++
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	ids := slices.Collect(maps.Keys(waiting))
	held, err := d.Store.Levels(ctx, at.Operation, p.Partner, ids)
	if err != nil {
		return fmt.Errorf("looking levels up: %w", err)
	}
	ready := slices.DeleteFunc(ids, func(id stix.ID) bool { return unsettled[id] > 0 })
	for len(ready) > 0 {
		id := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		brought, inBody := levels[id]
		before, inStore := held[id]
		for _, i := range waiting[id] {
			dr := &m.drafts[i]
			if !inBody && !inStore {
				m.reject(i, untranslatable(id))
			} else if m.settle(i, brought.Join(before)) {
				levels[dr.ID] = levels[dr.ID].Join(dr.Level)
			}
			if unsettled[dr.ID]--; unsettled[dr.ID] == 0 && len(waiting[dr.ID]) > 0 {
				ready = append(ready, dr.ID)
			}
		}
		delete(waiting, id)
	}
	for id, drafts := range waiting { // they translate each other
		for _, i := range drafts {
			m.reject(i, untranslatable(id))
		}
	}
	return nil
}

func untranslatable(id stix.ID) string {
	return fmt.Sprintf("language content has the level of its object, and %s is not known here: publish the object before or with it", clip(string(id)))
}

// reject makes draft i a failure.
func (in *intake) reject(i int, why string) {
	if in.rejected == nil {
		in.rejected = map[int]bool{}
	}
	in.rejected[i] = true
	in.fail(string(in.drafts[i].ID), []byte(in.drafts[i].Version.Text), i, why)
}

// settle gives draft i its level, at least from, or makes it a failure and reports false. DESIGN.md,
// law 4: unmarked is not CLEAR.
func (m *marking) settle(i int, from stix.Level) bool {
	dr := &m.drafts[i]
	if dr.unfit != "" && !dr.Foreign {
		m.reject(i, dr.unfit)
		return false
	}
	level, unknown := dr.levelOf(m.lookup)
	level = level.Join(from)
	if level == stix.Unmarked {
		level = m.standard
	}
	switch {
	case level == stix.Unmarked:
		m.reject(i, "no marking says how widely this may be shared: add a TLP marking to object_marking_refs, "+
			"or ask the operator for a default marking")
		return false
	case m.ceiling != stix.Unmarked && level > m.ceiling:
		m.reject(i, fmt.Sprintf("marked %s, above what this collection takes (%s)", level, m.ceiling))
		return false
	case level == stix.Unknown && unknown == nil:
		dr.Message = appendMessage(dr.Message, "nobody but you can see it: what it belongs to bears a marking that is not known here")
	case level == stix.Unknown:
		dr.Message = appendMessage(dr.Message, fmt.Sprintf(
			"nobody but you can see it: the marking %s is not known here; publish its definition before or with the object", unknown))
	}
	dr.Level = level
	return m.names(i)
}
