package collections

import (
	"fmt"
	"time"

	"liaison/auth"
	"liaison/stix"
)

// SetCeiling says up to which level a collection takes objects; Unmarked: any. What is there already stays.
type SetCeiling struct {
	Operation  auth.OperationID
	Collection auth.CollectionID
	Ceiling    stix.Level // Clear to Red, or Unmarked
}

func (c SetCeiling) apply(s *State, _ time.Time) (auth.Effect, error) {
	col, ok := s.Collections[c.Collection]
	switch {
	case !ok || col.Operation != c.Operation:
		return auth.Effect{}, fmt.Errorf("%w: collection %s of %s", ErrNotFound, c.Collection, c.Operation)
	case c.Ceiling > stix.Red:
		return auth.Effect{}, fmt.Errorf("%w: ceiling %s: want clear, green, amber, amber+strict, red or none", ErrInvalid, c.Ceiling)
	case col.Training && c.Ceiling != stix.Clear:
		return auth.Effect{}, fmt.Errorf("%w: ceiling: a training collection takes what is clear, and nothing else", ErrInvalid)
	case col.Intake && c.Ceiling != stix.Unmarked:
		return auth.Effect{}, fmt.Errorf("%w: ceiling: nothing is in the intake: set those of the countries", ErrInvalid)
	}
	before := col.Ceiling
	col.Ceiling = c.Ceiling
	s.Collections[col.ID] = col
	return auth.Effect{
		Kind:    "collection.ceiling",
		Records: []auth.Record{row(tableCollection, string(col.ID), col)},
		What: struct {
			Operation  auth.OperationID  `json:"operation"`
			Collection auth.CollectionID `json:"collection"`
			Alias      string            `json:"alias"`
			Before     stix.Level        `json:"before"`
			After      stix.Level        `json:"after"`
		}{c.Operation, col.ID, col.Alias, before, c.Ceiling},
	}, nil
}
