package collections

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/stix"
)

// maxReasonText bounds what an operator gives as a reason, in characters.
const maxReasonText = 500

// settleAtOnce is how many kept versions the Desk decides about in one transaction.
const settleAtOnce = 1000

// operator admits an operator to an operation.
func (d *Desk) operator(p auth.Principal, op auth.OperationID) (*State, error) {
	st := d.Registry.State()
	if p.Role != auth.Operator {
		return nil, fmt.Errorf("%w: for operators alone", ErrDenied)
	}
	if _, ok := st.Operations[op]; !ok {
		return nil, fmt.Errorf("%w: operation %q: \"liaison operation list\" shows them", ErrNotFound, op)
	}
	return st, nil
}

// stillOperator is asked in the commit.
func (d *Desk) stillOperator(p auth.Principal) func() error {
	return func() error { return d.Registry.State().Access.Still(p) }
}

func checkReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("%w: reason: say why, for the journal", ErrInvalid)
	}
	return checkText("reason", reason, 1, maxReasonText)
}

// Queue lists what is kept in an operation: held, unrouted, pending. Operators alone. That it was looked
// at stands in the journal; with q.Bytes the objects themselves are shown.
func (d *Desk) Queue(ctx context.Context, p auth.Principal, op auth.OperationID, q KeptQuery) ([]Kept, KeptKey, error) {
	if _, err := d.operator(p, op); err != nil {
		return nil, 0, err
	}
	list, next, err := d.Store.Kept(ctx, op, q)
	if err != nil {
		return nil, 0, err
	}
	what := struct {
		Operation auth.OperationID `json:"operation"`
		Count     int              `json:"count"`
		Content   bool             `json:"content"` // the objects themselves
		First     KeptKey          `json:"first,omitempty"`
		Last      KeptKey          `json:"last,omitempty"`
		Address   string           `json:"address,omitempty"`
	}{Operation: op, Count: len(list), Content: q.Bytes, Address: p.Address}
	if len(list) > 0 {
		what.First, what.Last = list[0].Key, list[len(list)-1].Key
	}
	return list, next, d.served(ctx, p, "read.queue", what)
}

// Order is what an operator decides about what is kept: of some, or of a whole batch.
type Order struct {
	Keys   []KeptKey // at most MaxSettled
	Batch  StatusID  // everything of it that is kept; without Keys
	Kind   KeepKind  // of a batch only these; "": all
	To     []string  // for releases: ids or aliases of collections; nil: where each was meant to go
	Reason string
}

// Refused is one kept version that an order left as it was.
type Refused struct {
	Key KeptKey `json:"key"`
	ID  stix.ID `json:"id"`
	Why string  `json:"why"`
}

// Settled is what came of an order.
type Settled struct {
	Released int       `json:"released"` // added to at least one collection
	Repeated int       `json:"repeated"` // were there already, and are kept no more
	Asked    int       `json:"asked"`    // another operator has to agree now
	Dropped  int       `json:"dropped"`
	Waiting  int       `json:"waiting"` // are held no more, and wait for what they need or for a country
	Refused  []Refused `json:"refused"` // at most MaxDetails
	Stay     int       `json:"stay"`    // how many were refused
	First    string    `json:"first,omitempty"`
	Last     string    `json:"last,omitempty"` // the run of date_added
}

func (s *Settled) refuse(k *Kept, why string) {
	if s.Stay++; len(s.Refused) < MaxDetails {
		s.Refused = append(s.Refused, Refused{k.Key, k.Item.ID, why})
	}
}

// Release lets kept versions go into their collections, with a reason. What a guard blocked takes two
// operators: the first order asks, another's releases. Each transaction holds some of them with its
// journal lines; an error may come after some were released, which the report then tells.
func (d *Desk) Release(ctx context.Context, p auth.Principal, op auth.OperationID, o Order) (Settled, error) {
	report := Settled{Refused: []Refused{}}
	st, err := d.operator(p, op)
	if err == nil {
		err = checkReason(o.Reason)
	}
	if err == nil && st.Operations[op].Closed {
		err = fmt.Errorf("%w: operation %s is closed: nothing new comes into it", auth.ErrConflict, op)
	}
	if err != nil {
		return report, err
	}
	var to []auth.CollectionID
	for _, name := range o.To {
		c, ok := st.Find(op, strings.ToLower(name))
		if !ok {
			return report, fmt.Errorf("%w: collection %q of %s", ErrNotFound, name, op)
		}
		if !slices.Contains(to, c.ID) {
			to = append(to, c.ID)
		}
	}
	err = d.each(ctx, op, o, func(page []Kept) error {
		s := d.order(p, op, o.Reason)
		free := map[KeptKey]bool{}
		for i := range page {
			if d.releaseOne(st, p, &s, &report, &page[i], to, o.Reason) {
				free[page[i].Key] = true
			}
		}
		// What is routed goes with what it needs; what cannot go so, and what is no affair of routing, after.
		for _, c := range d.carriages(st, page, to, func(k *Kept) bool { return free[k.Key] }, nil) {
			left, err := d.carry(ctx, p, op, c, o.Reason, &report)
			if err != nil {
				return err
			}
			for _, k := range left {
				s.Release = append(s.Release, Released{Key: k.Key, To: to})
			}
		}
		if err := d.introduce(ctx, p, op, page, &s); err != nil {
			return err
		}
		if err := d.settle(ctx, s, &report); err != nil {
			return err
		}
		waits := func(k *Kept) bool { return k.Item.Keep.Kind != KeepHeld && len(to) > 0 }
		for _, c := range d.carriages(st, page, to, waits, released(&s)) {
			left, err := d.carry(ctx, p, op, c, o.Reason, &report)
			if err != nil {
				return err
			}
			for _, k := range left {
				report.refuse(k, "a later version of it is there already, or it may not go there: drop it")
			}
		}
		return nil
	})
	return report, err
}

// releaseOne adds what is to be done about one kept version. free: it is held no more, and is routed with
// what it needs; see carry.go.
func (d *Desk) releaseOne(st *State, p auth.Principal, s *Settlement, report *Settled, k *Kept, to []auth.CollectionID, reason string) (free bool) {
	keep := k.Item.Keep
	dest := to
	if len(dest) == 0 {
		dest = keep.To
	}
	routed := st.Collections[k.Place.Collection].Intake
	if len(dest) == 0 && !(routed && keep.Kind == KeepHeld) {
		report.refuse(k, "it has no collection to go to: name countries")
		return false
	}
	for _, c := range dest {
		if why := forbidden(st, k, c); why != "" {
			report.refuse(k, why)
			return false
		}
	}
	if routed && keep.Kind != KeepHeld {
		return false // it is routed, with what it needs: see carry.go
	}
	switch {
	case !keep.Second || k.Asked != "" && k.Asked != p.Actor():
		if len(dest) == 0 { // held while it waited
			s.Amend = append(s.Amend, Amended{Key: k.Key, Kind: keep.waiting()})
			report.Waiting++
			return false
		}
		if routed {
			return true
		}
		s.Release = append(s.Release, Released{Key: k.Key, To: to})
	case k.Asked == "":
		a := Amended{Key: k.Key, Asked: p.Actor(), Because: reason}
		if len(to) > 0 {
			a.To = to
		}
		s.Amend = append(s.Amend, a)
		report.Asked++
	default:
		report.refuse(k, "you asked for its release already; what a guard blocked takes two: another operator has to release it "+
			"(another user of this machine who may run the verbs, or a partner with the role operator)")
	}
	return false
}

// forbidden says why a kept version may not go into a collection, or "".
func forbidden(st *State, k *Kept, c auth.CollectionID) string {
	col, ok := st.Collections[c]
	rights, granted := st.Access.Rights(k.Publisher, c)
	switch {
	case !ok:
		return "its collection is not there any more"
	case col.Intake:
		return "nothing goes into the intake: name countries"
	case !granted || !rights.Write:
		return fmt.Sprintf("its publisher %s may not publish into %s", k.Publisher, col.Alias)
	case col.Ceiling != stix.Unmarked && k.Item.Level > col.Ceiling:
		return fmt.Sprintf("marked %s, above what %s takes (%s)", k.Item.Level, col.Alias, col.Ceiling)
	}
	return ""
}

// Drop takes kept versions away for good, with a reason. Their ids stay their publisher's.
func (d *Desk) Drop(ctx context.Context, p auth.Principal, op auth.OperationID, o Order) (Settled, error) {
	report := Settled{Refused: []Refused{}}
	_, err := d.operator(p, op)
	if err == nil {
		err = checkReason(o.Reason)
	}
	if err == nil && o.To != nil {
		err = fmt.Errorf("%w: what is dropped goes nowhere", ErrInvalid)
	}
	if err != nil {
		return report, err
	}
	err = d.each(ctx, op, o, func(page []Kept) error {
		s := d.order(p, op, o.Reason)
		for _, k := range page {
			s.Drop = append(s.Drop, k.Key)
		}
		return d.settle(ctx, s, &report)
	})
	return report, err
}

func (d *Desk) order(p auth.Principal, op auth.OperationID, reason string) Settlement {
	return Settlement{Operation: op, Actor: p.Actor(), Address: p.Address, Reason: reason, Still: d.stillOperator(p)}
}

// each gives what an order is about in pages that fit into one transaction. A key that is not kept is
// ErrNotFound before anything is done.
func (d *Desk) each(ctx context.Context, op auth.OperationID, o Order, act func(page []Kept) error) error {
	switch {
	case (o.Batch == "") == (len(o.Keys) == 0):
		return fmt.Errorf("%w: name what is meant: some keys, or one batch", ErrInvalid)
	case len(o.Keys) > MaxSettled:
		return fmt.Errorf("%w: %d keys, more than %d", ErrInvalid, len(o.Keys), MaxSettled)
	}
	q := KeptQuery{Batch: o.Batch, Kind: o.Kind, Limit: settleAtOnce}
	if o.Batch == "" {
		q.Keys = o.Keys
	}
	var pages [][]Kept
	found := 0
	for {
		list, next, err := d.Store.Kept(ctx, op, q)
		if err != nil {
			return err
		}
		found += len(list)
		pages = append(pages, chunks(list)...)
		if next == 0 {
			break
		}
		q.After = next
	}
	if o.Batch == "" {
		keys := slices.Clone(o.Keys)
		slices.Sort(keys)
		if keys = slices.Compact(keys); found != len(keys) {
			return fmt.Errorf("%w: %d of the %d keys are not kept (any more): \"liaison queue list\" shows what is", ErrNotFound, len(keys)-found, len(keys))
		}
	} else if found == 0 {
		return fmt.Errorf("%w: nothing of batch %s is kept", ErrNotFound, o.Batch)
	}
	for _, page := range pages {
		if err := act(page); err != nil {
			return err
		}
	}
	return nil
}

// chunks cuts a list where its bytes become too many for one transaction.
func chunks(list []Kept) (out [][]Kept) {
	size, from := 0, 0
	for i, k := range list {
		if size+k.Size > MaxSettledBytes && i > from {
			out = append(out, list[from:i])
			size, from = 0, i
		}
		size += k.Size
	}
	if from < len(list) {
		out = append(out, list[from:])
	}
	return out
}

func (d *Desk) settle(ctx context.Context, s Settlement, report *Settled) error {
	if len(s.Keys()) == 0 {
		return nil
	}
	outcomes, err := d.Store.Settle(ctx, s)
	if err != nil {
		return err
	}
	report.Dropped += len(s.Drop)
	for _, o := range outcomes {
		switch {
		case o.Stays:
			report.refuse(&Kept{Key: o.Key, Item: Item{ID: o.ID}}, o.Why)
		case o.Added == 0:
			report.Repeated++
		default:
			report.Released++
			if report.First == "" {
				report.First = o.Added.String()
			}
			report.Last = o.Added.String()
		}
	}
	return nil
}
