package collections

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"liaison/auth"
	"liaison/stix"
)

// Gleaning is how the Desk reads what objects say of their validity and what they report. Its zero value
// reads nothing, and what asks for it is ErrUnavailable.
type Gleaning struct {
	Gist  GistOf
	Value func(text string) (Value, error) // one form of a value that somebody typed; ErrInvalid
}

// maxRounds bounds what a question gleans itself before it is answered: this many calls of Glean.
const maxRounds = 200_000 / MaxGleaned

// lapseOverlap is how long before now the next list of lapses begins: what was being committed while
// this one was made is in one of them, and what is in both is the same.
const lapseOverlap = time.Minute

// When the background reads what was published.
const (
	gleanQuiet = time.Second      // after the last publication
	gleanLate  = 30 * time.Second // after the oldest one that was not read, whatever comes in
	gleanMuch  = 100_000          // object versions of an operation, likewise
	gleanRest  = 30 * time.Second // after an error: a store that is full or mends itself is left alone
)

// Glean reads what was published since the last time, in all operations, as long as ctx lasts.
func (d *Desk) Glean(ctx context.Context) error {
	return d.glean(ctx, func(context.Context, auth.OperationID) (bool, error) { return true, nil })
}

// GleanInBackground is Glean while no publications come in, or when too much was not read: it leaves the
// processor to them. The gateway calls it every second, so that questions find little to do. After an error
// it does nothing for a while and gives that error.
func (d *Desk) GleanInBackground(ctx context.Context) error {
	now := d.now()
	if err := d.behind.resting(now); err != nil {
		return err
	}
	late := map[auth.OperationID]bool{}
	err := d.glean(ctx, func(ctx context.Context, op auth.OperationID) (bool, error) {
		if late[op] {
			return true, nil // until all is read
		}
		quiet, err := d.quiet(ctx)
		if quiet || err != nil {
			return quiet, err
		}
		u, err := d.Store.Ungleaned(ctx, op, gleanMuch)
		late[op] = u.Versions >= gleanMuch || u.Oldest != 0 && d.now().Sub(u.Oldest.Time()) >= gleanLate
		return late[op], err
	})
	d.behind.rest(err, now.Add(gleanRest))
	return err
}

// quiet reports whether no publication was committed lately. Where the newest date_added is far ahead of the
// clock, nothing tells, and it is.
func (d *Desk) quiet(ctx context.Context) (bool, error) {
	last, err := d.Store.Last(ctx)
	since := d.now().Sub(last.Time())
	return since >= gleanQuiet || since <= -gleanQuiet, err
}

// glean reads each operation while it is to be read now.
func (d *Desk) glean(ctx context.Context, due func(context.Context, auth.OperationID) (bool, error)) error {
	if d.Gleaning.Gist == nil {
		return nil
	}
	for _, op := range slices.Sorted(maps.Keys(d.Registry.State().Operations)) {
		for more := true; more; {
			var err error
			if more, err = due(ctx, op); more && err == nil {
				more, err = d.Store.Glean(ctx, op, d.Gleaning.Gist)
			}
			if err != nil {
				if ctx.Err() != nil {
					return nil // the rest is for the next time
				}
				return err
			}
		}
	}
	return nil
}

// behind is when the background goes on after an error.
type behind struct {
	mu    sync.Mutex
	until time.Time
	err   error
}

func (b *behind) resting(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.until) {
		return b.err
	}
	return nil
}

func (b *behind) rest(err error, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err = err; err != nil {
		b.until = until
	}
}

// gleaned reads what is new, so that an answer is of now.
func (d *Desk) gleaned(ctx context.Context, op auth.OperationID) error {
	if d.Gleaning.Gist == nil || d.Gleaning.Value == nil {
		return fmt.Errorf("%w: this gateway does not read the validity of objects", ErrUnavailable)
	}
	for range maxRounds {
		more, err := d.Store.Glean(ctx, op, d.Gleaning.Gist)
		if err != nil || !more {
			return err
		}
	}
	return fmt.Errorf("%w: what was published lately is still being read: ask again in a minute", ErrUnavailable)
}

// audience gives whom an answer is for; the collection, where one is named, must be readable.
func (d *Desk) audience(ctx context.Context, p auth.Principal, op auth.OperationID, of auth.CollectionID) (Audience, error) {
	st := d.Registry.State()
	if p.Role == auth.Operator {
		_, err := d.operator(p, op)
		if c, ok := st.Collections[of]; err == nil && of != "" && (!ok || c.Operation != op) {
			err = fmt.Errorf("%w: collection %q of %q", ErrNotFound, of, op)
		}
		return Audience{All: true}, err
	}
	if _, err := d.Operation(ctx, p, op); err != nil {
		return Audience{}, err
	}
	if of != "" {
		if err := d.allow(p, auth.Read, Place{op, of}); err != nil {
			return Audience{}, err
		}
	}
	a := Audience{View: auth.ViewOf(p)}
	for _, c := range st.In(op) {
		if auth.Decide(p, auth.Read, resource(st, p, c.Place())) == auth.Allowed {
			a.In = append(a.In, c.ID)
		}
	}
	return a, nil
}

// Lapses is a page of what lapsed, and what to ask for after the last page.
type Lapses struct {
	LapsePage
	Until time.Time // what lapsed until then was listed, or will be by further pages
	Since time.Time // where the next list begins: some time before Until
}

// Lapsed lists what is out of date or revoked of what the principal is shown in a collection; an operator
// is shown everything. Without an Until it is now.
func (d *Desk) Lapsed(ctx context.Context, p auth.Principal, at Place, q LapseQuery) (Lapses, error) {
	a, err := d.audience(ctx, p, at.Operation, at.Collection)
	if err == nil {
		err = d.gleaned(ctx, at.Operation)
	}
	if err != nil {
		return Lapses{}, err
	}
	if now := d.now(); q.Until.IsZero() || q.Until.After(now) {
		q.Until = now.Truncate(time.Microsecond)
	}
	page, err := d.Store.Lapsed(ctx, a, at, q)
	if err != nil {
		return Lapses{}, err
	}
	return Lapses{page, q.Until, q.Until.Add(-lapseOverlap)}, d.served(ctx, p, "read.validity", validityLine{
		Operation: at.Operation, Collection: at.Collection, Count: len(page.Lapses), More: page.More, Address: p.Address,
	})
}

type validityLine struct {
	Operation  auth.OperationID  `json:"operation"`
	Collection auth.CollectionID `json:"collection,omitempty"`
	ID         stix.ID           `json:"id,omitempty"`
	Count      int               `json:"count"`
	More       bool              `json:"more,omitempty"`
	Address    string            `json:"address,omitempty"`
}

// Validity says until when the last version of an object is valid that the principal is shown in a
// collection, as a Lapse whose At may lie ahead and is zero if it never lapses. ErrNotFound when it is shown none.
func (d *Desk) Validity(ctx context.Context, p auth.Principal, at Place, id stix.ID) (Lapse, error) {
	if err := d.known(ctx, p, at, id); err != nil {
		return Lapse{}, err
	}
	if err := d.gleaned(ctx, at.Operation); err != nil {
		return Lapse{}, err
	}
	facts, _, err := d.Store.Facts(ctx, auth.ViewOf(p), at, Query{IDs: []stix.ID{id}, Limit: 1})
	if err != nil {
		return Lapse{}, err
	}
	if len(facts) == 0 {
		return Lapse{}, fmt.Errorf("%w: object %s", ErrNotFound, id)
	}
	list, err := d.Store.Gists(ctx, at.Operation, id)
	if err != nil {
		return Lapse{}, err
	}
	l := Lapse{Fact: facts[0]}
	for _, g := range list {
		if g.Added != l.Added {
			continue
		}
		l.Until, l.Stated, l.Revoked, l.At = g.Until, g.Stated, g.Revoked, g.Until
		if added := g.Added.Time(); g.Revoked || !g.Until.IsZero() && g.Until.Before(added) {
			l.At = added
		}
	}
	return l, d.served(ctx, p, "read.validity", validityLine{
		Operation: at.Operation, Collection: at.Collection, ID: id, Count: 1, Address: p.Address,
	})
}

// Gists gives the validity of all versions of an object in an operation. Operators alone.
func (d *Desk) Gists(ctx context.Context, p auth.Principal, op auth.OperationID, id stix.ID) ([]Gisted, error) {
	if _, err := d.operator(p, op); err != nil {
		return nil, err
	}
	if err := d.gleaned(ctx, op); err != nil {
		return nil, err
	}
	list, err := d.Store.Gists(ctx, op, id)
	if err != nil {
		return nil, err
	}
	return list, d.served(ctx, p, "read.validity", validityLine{Operation: op, ID: id, Count: len(list), Address: p.Address})
}

// Reports counts, for values as somebody typed them, the publishers that report each to the principal in
// the collections that it reads; an operator is shown all. Whom they are is not told, and the journal
// does not say which values an agency asks for.
func (d *Desk) Reports(ctx context.Context, p auth.Principal, op auth.OperationID, texts []string) ([]Reported, error) {
	a, err := d.audience(ctx, p, op, "")
	if err == nil {
		err = d.gleaned(ctx, op)
	}
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 || len(texts) > MaxAsked {
		return nil, fmt.Errorf("%w: values: want 1 to %d, have %d", ErrInvalid, MaxAsked, len(texts))
	}
	values := make([]Value, len(texts))
	for i, text := range texts {
		if values[i], err = d.Gleaning.Value(text); err != nil {
			return nil, err
		}
	}
	list, err := d.Store.Reports(ctx, a, op, values)
	if err != nil {
		return nil, err
	}
	return list, d.served(ctx, p, "read.reported", validityLine{Operation: op, Count: len(list), Address: p.Address})
}

// Common lists the values of a collection that two or more publishers report, as Reports counts them.
func (d *Desk) Common(ctx context.Context, p auth.Principal, at Place, after CommonPosition, limit int) (CommonPage, error) {
	a, err := d.audience(ctx, p, at.Operation, at.Collection)
	if err == nil {
		err = d.gleaned(ctx, at.Operation)
	}
	if err != nil {
		return CommonPage{}, err
	}
	page, err := d.Store.Common(ctx, a, at, after, limit, d.Gleaning.Gist)
	if err != nil {
		return CommonPage{}, err
	}
	return page, d.served(ctx, p, "read.reported", validityLine{
		Operation: at.Operation, Collection: at.Collection, Count: len(page.Values), More: page.More, Address: p.Address,
	})
}
