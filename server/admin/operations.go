package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/collections"
)

func (a *API) listOperations(request) (any, error) {
	st := a.o.Registry.State()
	all := list[Operation]{Items: []Operation{}}
	for _, op := range st.Operations {
		all.Items = append(all.Items, a.operation(st, op))
	}
	byID(all.Items, func(o Operation) auth.OperationID { return o.ID })
	return all, nil
}

func (a *API) createOperation(r request) (any, error) {
	var in NewOperation
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	err := a.o.Registry.Apply(r.Context(), r.actor, collections.CreateOperation{
		ID: in.ID, Title: in.Title, Description: in.Description, Countries: in.Countries,
		Strict: in.Strict, Training: in.Training,
	})
	if err != nil {
		return nil, err
	}
	op, err := a.findOperation(in.ID)
	return created{op}, err
}

func (a *API) showOperation(r request) (any, error) {
	return a.findOperation(auth.OperationID(r.PathValue("operation")))
}

func (a *API) closeOperation(r request) (any, error) {
	id := auth.OperationID(r.PathValue("operation"))
	if err := decode(r, &struct{}{}); err != nil {
		return nil, err
	}
	if err := a.o.Registry.Apply(r.Context(), r.actor, collections.CloseOperation{ID: id}); err != nil {
		return nil, err
	}
	return a.findOperation(id)
}

func (a *API) findOperation(id auth.OperationID) (any, error) {
	st := a.o.Registry.State()
	op, err := existing(st, id)
	if err != nil {
		return nil, err
	}
	return a.operation(st, op), nil
}

func existing(st *collections.State, id auth.OperationID) (collections.Operation, error) {
	op, ok := st.Operations[id]
	if !ok {
		return op, fmt.Errorf("%w: operation %q: \"liaison operation list\" shows them", auth.ErrNotFound, id)
	}
	return op, nil
}

func (a *API) operation(st *collections.State, op collections.Operation) Operation {
	o := Operation{Operation: op, URL: a.o.URL + "/" + string(op.ID) + "/", Collections: st.In(op.ID)}
	slices.SortFunc(o.Collections, func(x, y collections.Collection) int { return cmp.Compare(x.Alias, y.Alias) })
	return o
}

// everyCountry stands for all collections of an operation.
const everyCountry = "all"

// choose gives the collections of an operation that countries name.
func choose(st *collections.State, op auth.OperationID, countries []string) ([]collections.Collection, error) {
	switch {
	case op == "" && len(countries) == 0:
		return nil, nil
	case op == "":
		return nil, fmt.Errorf("%w: countries: name the operation too", auth.ErrInvalid)
	case len(countries) == 0:
		return nil, fmt.Errorf("%w: operation: name the countries too, or all", auth.ErrInvalid)
	}
	if _, err := existing(st, op); err != nil {
		return nil, err
	}
	all := st.In(op)
	if len(countries) == 1 && countries[0] == everyCountry {
		return slices.DeleteFunc(all, func(c collections.Collection) bool { return c.Intake }), nil
	}
	var chosen []collections.Collection
	for _, code := range countries {
		c, ok := st.Find(op, strings.ToLower(code))
		if !ok {
			return nil, fmt.Errorf("%w: operation %s has no collection %q: it has %s", auth.ErrNotFound, op, code, aliases(all))
		}
		if slices.ContainsFunc(chosen, func(x collections.Collection) bool { return x.ID == c.ID }) {
			return nil, fmt.Errorf("%w: countries: %s is listed twice", auth.ErrInvalid, strings.ToUpper(code))
		}
		chosen = append(chosen, c)
	}
	return chosen, nil
}

// countriesOf is choose for a partner's countries: the operation's training collection, if there is
// one, goes with any of them, and for vendors its intake.
func countriesOf(st *collections.State, op auth.OperationID, countries []string, role auth.Role) ([]collections.Collection, error) {
	if slices.ContainsFunc(countries, func(c string) bool { return strings.EqualFold(c, collections.IntakeAlias) }) {
		return nil, fmt.Errorf("%w: countries: the intake is no country's: vendors have it by themselves", auth.ErrInvalid)
	}
	chosen, err := choose(st, op, countries)
	if err != nil || len(chosen) == 0 {
		return chosen, err
	}
	for _, c := range st.In(op) {
		if (c.Training || c.Intake && role == auth.Vendor) && !slices.ContainsFunc(chosen, func(x collections.Collection) bool { return x.ID == c.ID }) {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}

func aliases(all []collections.Collection) string {
	var names []string
	for _, c := range all {
		if !c.Intake {
			names = append(names, c.Alias)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
