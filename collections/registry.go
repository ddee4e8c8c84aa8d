package collections

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"liaison/auth"
	"liaison/stix"
)

// Operation is a TAXII api root: a joint operation of some countries.
type Operation struct {
	ID          auth.OperationID `json:"slug"`
	Title       string           `json:"title"`
	Description string           `json:"description,omitempty"`
	Closed      bool             `json:"closed"` // reads only
	Created     time.Time        `json:"created"`
}

// Collection is what one country is given in an operation.
type Collection struct {
	ID          auth.CollectionID `json:"id"`
	Operation   auth.OperationID  `json:"operation"`
	Alias       string            `json:"alias"` // lower-case ISO 3166-1 alpha-2, TrainingAlias or IntakeAlias
	Title       string            `json:"title"` // unique in the operation, without "." and ","
	Description string            `json:"description,omitempty"`
	Ceiling     stix.Level        `json:"ceiling,omitzero"`  // no object above it; none: Red
	Strict      bool              `json:"strict,omitzero"`   // objects must hold against the whole of STIX 2.1's schemas
	Training    bool              `json:"training,omitzero"` // for partners without an agreement too
	Intake      bool              `json:"intake,omitzero"`   // nothing is in it: what is published there is routed
	Created     time.Time         `json:"created"`
}

// TrainingAlias is the alias of an operation's training collection.
const TrainingAlias = "training"

// Place says where the collection is.
func (c Collection) Place() Place { return Place{Operation: c.Operation, Collection: c.ID} }

// State is everything that was decided: a snapshot of the registry. It is immutable once published.
type State struct {
	Access      *auth.Tables
	Operations  map[auth.OperationID]Operation
	Collections map[auth.CollectionID]Collection
	resynced    map[string]time.Time // stream → the resync that it has gone through
	issued      *issuedIdentities
}

func newState() *State {
	return &State{
		Access:      auth.NewTables(),
		Operations:  map[auth.OperationID]Operation{},
		Collections: map[auth.CollectionID]Collection{},
		resynced:    map[string]time.Time{},
		issued:      &issuedIdentities{},
	}
}

func (s *State) clone() *State {
	return &State{
		Access:      s.Access.Clone(),
		Operations:  maps.Clone(s.Operations),
		Collections: maps.Clone(s.Collections),
		resynced:    maps.Clone(s.resynced),
		issued:      &issuedIdentities{},
	}
}

// In gives the collections of an operation, sorted by id.
func (s *State) In(op auth.OperationID) []Collection {
	var list []Collection
	for _, c := range s.Collections {
		if c.Operation == op {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Collection) int { return compareText(a.ID, b.ID) })
	return list
}

// Find gives a collection of an operation by id or by alias, compared exactly.
func (s *State) Find(op auth.OperationID, name string) (Collection, bool) {
	if c, ok := s.Collections[auth.CollectionID(name)]; ok && c.Operation == op {
		return c, true
	}
	for _, c := range s.Collections {
		if c.Operation == op && c.Alias == name {
			return c, true
		}
	}
	return Collection{}, false
}

// Tables of the registry that are not auth's; the key is the id.
const (
	tableOperation  = "operation"
	tableCollection = "collection"
	tableResynced   = "resynced"
)

func (s *State) load(r auth.Record) error {
	if known, err := s.Access.Load(r); known || err != nil {
		return err
	}
	switch r.Table {
	case tableOperation:
		return loadRow(s.Operations, auth.OperationID(r.Key), r.Value)
	case tableCollection:
		return loadRow(s.Collections, auth.CollectionID(r.Key), r.Value)
	case tableResynced:
		return loadRow(s.resynced, r.Key, r.Value)
	}
	return fmt.Errorf("registry row %s/%s: unknown table", r.Table, r.Key)
}

func loadRow[K comparable, V any](m map[K]V, key K, value []byte) error {
	if value == nil {
		delete(m, key)
		return nil
	}
	var v V
	if err := json.Unmarshal(value, &v); err != nil {
		return fmt.Errorf("registry row %v: %w", key, err)
	}
	m[key] = v
	return nil
}

func row(table, key string, v any) auth.Record {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // rows are plain structs
	}
	return auth.Record{Table: table, Key: key, Value: b}
}

// A Change is one act of administration on the registry. auth's changes become one with Access.
type Change interface {
	apply(s *State, now time.Time) (auth.Effect, error)
}

// Access makes a Change of one of auth's.
func Access(c auth.Change) Change { return access{c} }

type access struct{ auth.Change }

func (a access) apply(s *State, now time.Time) (auth.Effect, error) {
	if err := s.writeOnly(a.Change); err != nil {
		return auth.Effect{}, err
	}
	return a.Apply(s.Access, now)
}

// Registry is the one writer of what was decided. Readers take a snapshot; it is swapped after each
// commit. Safe for concurrent use.
type Registry struct {
	store Store
	now   func() time.Time
	mu    sync.Mutex // one Apply at a time
	state atomic.Pointer[State]
	watch []func(*State)
}

// OpenRegistry reads the registry that a store holds. now may be nil.
func OpenRegistry(ctx context.Context, s Store, now func() time.Time) (*Registry, error) {
	if now == nil {
		now = time.Now
	}
	r := &Registry{store: s, now: now}
	st := newState()
	for rec, err := range s.Rows(ctx) {
		if err != nil {
			return nil, fmt.Errorf("reading registry: %w", err)
		}
		if err := st.load(rec); err != nil {
			return nil, err
		}
	}
	r.state.Store(st)
	return r, nil
}

// State gives the snapshot of now.
func (r *Registry) State() *State { return r.state.Load() }

// Apply makes changes, all or none, in one transaction with a journal line for each, and shows them
// to readers before it returns. An error of a change leaves everything as it was.
func (r *Registry) Apply(ctx context.Context, actor auth.Actor, changes ...Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now().UTC().Truncate(time.Microsecond)
	next := r.State().clone()
	var rows []auth.Record
	var lines []auth.Line
	for _, c := range changes {
		e, err := c.apply(next, now)
		if err != nil {
			return err
		}
		rows = append(rows, e.Records...)
		lines = append(lines, auth.NewLine(now, actor, e.Kind, e.What))
	}
	if err := r.store.Apply(ctx, rows, lines, func() { r.state.Store(next) }); err != nil {
		return err
	}
	for _, f := range r.watch {
		f(next)
	}
	return nil
}

// Watch has f called after each change, before Apply returns and before the next change; f must be
// quick and must not Apply.
func (r *Registry) Watch(f func(*State)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch = append(r.watch, f)
}

func compareText[T ~string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
