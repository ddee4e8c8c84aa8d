package collections

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"liaison/auth"
)

// IntakeAlias is the alias of an operation's intake: the collection that nobody reads and in which nothing
// is. What is published there is routed, object by object, into the collections of the countries that it
// concerns.
const IntakeAlias = "intake"

// newIntake makes an operation's intake.
func newIntake(op Operation, strict bool, now time.Time) Collection {
	return Collection{
		ID:          auth.CollectionID(uuid.NewString()),
		Operation:   op.ID,
		Alias:       IntakeAlias,
		Title:       "Intake",
		Description: op.Title + ": publish here, and each object goes to the countries that it concerns",
		Strict:      strict,
		Intake:      true,
		Created:     now,
	}
}

// IntakeOf gives the intake of an operation; false for one that was opened before there were any.
func (s *State) IntakeOf(op auth.OperationID) (Collection, bool) {
	for _, c := range s.Collections {
		if c.Operation == op && c.Intake {
			return c, true
		}
	}
	return Collection{}, false
}

// AddIntake gives an operation that has none its intake, and every vendor that may write to one of its
// collections the right to publish there.
type AddIntake struct{ Operation auth.OperationID }

func (c AddIntake) apply(s *State, now time.Time) (auth.Effect, error) {
	op, ok := s.Operations[c.Operation]
	if !ok {
		return auth.Effect{}, fmt.Errorf("%w: operation %s", ErrNotFound, c.Operation)
	}
	if _, ok := s.IntakeOf(c.Operation); ok {
		return auth.Effect{}, fmt.Errorf("%w: operation %s has an intake already", auth.ErrConflict, c.Operation)
	}
	strict := slices.ContainsFunc(s.In(op.ID), func(c Collection) bool { return c.Strict })
	col := newIntake(op, strict, now)
	s.Collections[col.ID] = col
	e := auth.Effect{Kind: "operation.intake", Records: []auth.Record{row(tableCollection, string(col.ID), col)}}
	var vendors []auth.PartnerID
	for id, p := range s.Access.Partners {
		if p.Role != auth.Vendor || p.State == auth.Removed {
			continue
		}
		for _, g := range s.Access.Grants[id] {
			if g.Operation == op.ID && g.Rights.Write {
				vendors = append(vendors, id)
				break
			}
		}
	}
	slices.Sort(vendors)
	for _, id := range vendors {
		g, err := auth.SetGrant{Grant: auth.Grant{
			Partner: id, Operation: op.ID, Collection: col.ID, Rights: auth.Rights{Write: true},
		}}.Apply(s.Access, now)
		if err != nil {
			return auth.Effect{}, err
		}
		e.Records = append(e.Records, g.Records...)
	}
	e.What = struct {
		Slug       auth.OperationID  `json:"slug"`
		Collection auth.CollectionID `json:"collection"`
		Vendors    []auth.PartnerID  `json:"vendors,omitempty"`
	}{op.ID, col.ID, vendors}
	return e, nil
}

// writeOnly refuses a grant to read an intake: there is nothing in it.
func (s *State) writeOnly(c auth.Change) error {
	if g, ok := c.(auth.SetGrant); ok && g.Rights.Read && s.Collections[g.Collection].Intake {
		return fmt.Errorf("%w: rights: the intake is for publishing alone: grant write or none", ErrInvalid)
	}
	return nil
}

// country gives the code of the country whose collection it is; "" for the intake and for training.
func (c Collection) country() string {
	if c.Intake || c.Training || len(c.Alias) != 2 {
		return ""
	}
	return strings.ToUpper(c.Alias)
}
