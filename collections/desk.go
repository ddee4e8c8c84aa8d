package collections

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"liaison/auth"
	"liaison/collections/routing"
	"liaison/stix"
)

// Desk is where principals publish and read. Every method takes the principal first; what the
// principal may not see is ErrNotFound, what it may see but not do ErrDenied. Every page, list and status
// is recorded before it is returned; who answers with what Operations, Operation and Find give calls Seen. Safe for concurrent use.
type Desk struct {
	Registry *Registry
	Store    Store
	Limits   stix.Limits      // of a publication's body
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger
	Guard    func() Guard // the guard of now; nil: none
	Routing  routing.Options
	Gleaning Gleaning // how objects are read after their commit

	resyncs  resyncs
	networks networks
	turns    turns
	behind   behind
}

func (d *Desk) now() time.Time {
	if d.Now == nil {
		return time.Now().UTC()
	}
	return d.Now().UTC()
}

// Listing is a collection as one principal is shown it. TAXII 2.1 section 5.2.1.
type Listing struct {
	Collection
	CanRead  bool
	CanWrite bool
}

// Operations lists the operations in which the principal has a grant, by id.
func (d *Desk) Operations(_ context.Context, p auth.Principal) ([]Operation, error) {
	st := d.Registry.State()
	var list []Operation
	for _, op := range st.Operations {
		if d.holds(st, p, op.ID) {
			list = append(list, op)
		}
	}
	slices.SortFunc(list, func(a, b Operation) int { return compareText(a.ID, b.ID) })
	return list, nil
}

func (d *Desk) holds(st *State, p auth.Principal, op auth.OperationID) bool {
	for _, g := range st.Access.Grants[p.Partner] {
		if g.Operation == op && auth.Decide(p, auth.List, resource(st, p, Place{op, g.Collection})) == auth.Allowed {
			return true
		}
	}
	return false
}

// Operation gives one operation in which the principal has a grant.
func (d *Desk) Operation(_ context.Context, p auth.Principal, id auth.OperationID) (Operation, error) {
	st := d.Registry.State()
	op, ok := st.Operations[id]
	if !ok || !d.holds(st, p, id) {
		return Operation{}, fmt.Errorf("%w: api root %q", ErrNotFound, id)
	}
	return op, nil
}

// Collections lists what the principal has a grant on, sorted by id (interoperability test 2.1.7).
func (d *Desk) Collections(ctx context.Context, p auth.Principal, op auth.OperationID) ([]Listing, error) {
	if _, err := d.Operation(ctx, p, op); err != nil {
		return nil, err
	}
	st := d.Registry.State()
	var list []Listing
	for _, c := range st.In(op) {
		if l, ok := d.listing(st, p, c); ok {
			list = append(list, l)
		}
	}
	return list, d.served(ctx, p, "read.collections", struct {
		Operation auth.OperationID `json:"operation"`
		Count     int              `json:"count"`
		Address   string           `json:"address,omitempty"`
	}{op, len(list), p.Address})
}

// Find gives one collection by its id or alias.
func (d *Desk) Find(_ context.Context, p auth.Principal, op auth.OperationID, name string) (Listing, error) {
	st := d.Registry.State()
	if c, ok := st.Find(op, name); ok {
		if l, ok := d.listing(st, p, c); ok {
			return l, nil
		}
	}
	return Listing{}, fmt.Errorf("%w: collection %q of %q", ErrNotFound, name, op)
}

func (d *Desk) listing(st *State, p auth.Principal, c Collection) (Listing, bool) {
	r := resource(st, p, c.Place())
	return Listing{
		Collection: c,
		CanRead:    auth.Decide(p, auth.Read, r) == auth.Allowed,
		CanWrite:   auth.Decide(p, auth.Write, r) == auth.Allowed,
	}, auth.Decide(p, auth.List, r) == auth.Allowed
}

func resource(st *State, p auth.Principal, at Place) auth.Resource {
	rights, granted := st.Access.Rights(p.Partner, at.Collection)
	op, ok := st.Operations[at.Operation]
	if st.Collections[at.Collection].Intake {
		rights.Read = false
	}
	return auth.Resource{
		Granted: granted && ok, Rights: rights, Closed: op.Closed, Training: st.Collections[at.Collection].Training,
	}
}

// allow asks the policy about a collection as a whole.
func (d *Desk) allow(p auth.Principal, a auth.Action, at Place) error {
	switch auth.Decide(p, a, resource(d.Registry.State(), p, at)) {
	case auth.Allowed:
		return nil
	case auth.Denied:
		return fmt.Errorf("%w in collection %s", ErrDenied, at.Collection)
	}
	return fmt.Errorf("%w: collection %s", ErrNotFound, at.Collection)
}

// still is asked in the commit: the principal and its right must hold at that moment.
func (d *Desk) still(p auth.Principal, a auth.Action, at Place) func() error {
	return func() error {
		if err := d.Registry.State().Access.Still(p); err != nil {
			return err
		}
		return d.allow(p, a, at)
	}
}

// Reading is a page with the position that it was read from.
type Reading struct {
	Page
	After Added // what the query's After became: 0 while a resync makes the client start again
}

const ( // kinds of its journal lines
	readObjects = "read.objects"
	readObject  = "read.object"
)

// Objects gives a page of objects. TAXII 2.1 section 5.4.
func (d *Desk) Objects(ctx context.Context, p auth.Principal, at Place, q Query) (Reading, error) {
	return d.read(ctx, p, readObjects, at, q)
}

// Object gives a page of the versions of one object; ErrNotFound when the principal sees none of
// them, and when exact versions are asked for that were all deleted. TAXII 2.1 sections 5.6 and 5.7.
func (d *Desk) Object(ctx context.Context, p auth.Principal, at Place, id stix.ID, q Query) (Reading, error) {
	if err := d.known(ctx, p, at, id); err != nil {
		return Reading{}, err
	}
	q.IDs = []stix.ID{id}
	return d.read(ctx, p, readObject, at, q)
}

func (d *Desk) read(ctx context.Context, p auth.Principal, kind string, at Place, q Query) (Reading, error) {
	if err := d.allow(p, auth.Read, at); err != nil {
		return Reading{}, err
	}
	var r run
	q.After, r = d.position(kind, p, at, q)
	page, err := d.Store.Objects(ctx, auth.ViewOf(p), at, q)
	if err != nil {
		return Reading{}, err
	}
	// "any subsequent attempts to fetch that object/version […] MUST return an HTTP 404"
	if page.Gone && kind == readObject {
		return Reading{}, fmt.Errorf("%w: these versions of %s were deleted", ErrNotFound, q.IDs[0])
	}
	span := span{page.Count, page.First, page.Last, page.More}
	if err := d.recordRead(ctx, p, kind, at, q, span); err != nil {
		return Reading{}, err
	}
	if page.Count == 0 {
		d.given(kind, p, at, q, r, span)
	} else if r != settled {
		next, take := page.Next, page.Take
		ended := func(dst []byte, err error) ([]byte, error) {
			if err == io.EOF { // all that came before was sent
				d.given(kind, p, at, q, r, span)
			}
			return dst, err
		}
		page.Next = func(dst []byte) ([]byte, error) { return ended(next(dst)) }
		page.Take = func(dst []byte, have func(RunID) bool) ([]byte, error) { return ended(take(dst, have)) }
	}
	return Reading{Page: page, After: q.After}, nil
}

// Listed is a page of facts, for manifests and versions.
type Listed struct {
	Facts       []Fact
	First, Last Added
	More        bool
	After       Added // see Reading
}

// Manifest lists what Objects would give. TAXII 2.1 section 5.3.
func (d *Desk) Manifest(ctx context.Context, p auth.Principal, at Place, q Query) (Listed, error) {
	return d.list(ctx, p, "read.manifest", at, q)
}

// Versions lists the versions of one object, ascending by date_added; ErrNotFound when the principal
// sees none. TAXII 2.1 section 5.8.
func (d *Desk) Versions(ctx context.Context, p auth.Principal, at Place, id stix.ID, q Query) (Listed, error) {
	if err := d.known(ctx, p, at, id); err != nil {
		return Listed{}, err
	}
	q.IDs, q.Versions = []stix.ID{id}, Versions{All: true}
	return d.list(ctx, p, "read.versions", at, q)
}

func (d *Desk) list(ctx context.Context, p auth.Principal, kind string, at Place, q Query) (Listed, error) {
	if err := d.allow(p, auth.Read, at); err != nil {
		return Listed{}, err
	}
	var r run
	q.After, r = d.position(kind, p, at, q)
	facts, next, err := d.Store.Facts(ctx, auth.ViewOf(p), at, q)
	if err != nil {
		return Listed{}, err
	}
	l := Listed{Facts: facts, Last: next, More: next > 0, After: q.After}
	if len(facts) > 0 {
		l.First, l.Last = facts[0].Added, facts[len(facts)-1].Added
	}
	span := span{len(facts), l.First, l.Last, l.More}
	if err := d.recordRead(ctx, p, kind, at, q, span); err != nil {
		return Listed{}, err
	}
	d.given(kind, p, at, q, r, span)
	return l, nil
}

func (d *Desk) known(ctx context.Context, p auth.Principal, at Place, id stix.ID) error {
	if err := d.allow(p, auth.Read, at); err != nil {
		return err
	}
	seen, err := d.Store.Known(ctx, auth.ViewOf(p), at, id)
	if err == nil && !seen {
		err = fmt.Errorf("%w: object %s", ErrNotFound, id)
	}
	return err
}

// Status gives the status of a publication to its publisher. TAXII 2.1 section 4.3.
func (d *Desk) Status(ctx context.Context, p auth.Principal, op auth.OperationID, id StatusID) (Status, error) {
	if _, err := d.Operation(ctx, p, op); err != nil {
		return Status{}, err
	}
	s, err := d.Store.Status(ctx, op, p.Partner, id)
	if err != nil {
		return Status{}, err
	}
	return s, d.served(ctx, p, "read.status", struct {
		Operation auth.OperationID `json:"operation"`
		Status    StatusID         `json:"status"`
		Address   string           `json:"address,omitempty"`
	}{op, id, p.Address})
}

// Delete removes versions of an object that the principal's partner published: all of them when v is
// the zero value, for the resource named is the object. ErrNotFound when the principal sees no such
// version, ErrDenied when it sees it but did not publish it. TAXII 2.1 section 5.7.
func (d *Desk) Delete(ctx context.Context, p auth.Principal, at Place, id stix.ID, v Versions, specs []string) (int, error) {
	if err := d.allow(p, auth.Delete, at); err != nil {
		return 0, err
	}
	if err := d.known(ctx, p, at, id); err != nil {
		return 0, err
	}
	own := auth.View{Partner: p.Partner, Own: true}
	mine, err := d.Store.Known(ctx, own, at, id)
	if err != nil {
		return 0, err
	}
	if !mine {
		return 0, fmt.Errorf("%w: %s was published by another partner", ErrDenied, id)
	}
	if !v.First && !v.Last && len(v.At) == 0 {
		v = Versions{All: true}
	}
	return d.Store.Delete(ctx, Deletion{
		Place: at, ID: id, Versions: v, Specs: specs, View: own,
		Actor: p.Actor(), Address: p.Address, At: d.now(), Still: d.still(p, auth.Delete, at),
	})
}

type span struct {
	count       int
	first, last Added
	more        bool
}

// maxFilter bounds the filters that a journal line repeats; longer ones are named by their hash.
const maxFilter = 1 << 10 // bytes

func (d *Desk) recordRead(ctx context.Context, p auth.Principal, kind string, at Place, q Query, s span) error {
	filter := filterText(q)
	if filter == "" && plain(p.Address) {
		b := s.appendTo(make([]byte, 0, 320), p.Address, q.After, at)
		return d.served(ctx, p, kind, json.RawMessage(b))
	}
	return d.served(ctx, p, kind, readLine{
		Operation: at.Operation, Collection: at.Collection, Count: s.count, More: s.more,
		First: text(s.first), Last: text(s.last), After: text(q.After), Filter: filter, Address: p.Address,
	})
}

// appendTo appends the readLine of a read without filters, as it is in canonical JSON: almost all reads
// are such, and making the line is a good part of what an answer without objects costs. Of its members
// only those that are texts in the registry and the address come from elsewhere; none of them has a
// character that JSON escapes.
func (s span) appendTo(b []byte, address string, after Added, at Place) []byte {
	b = append(b, '{')
	if address != "" {
		b = append(append(append(b, `"address":"`...), address...), `",`...)
	}
	if after != 0 {
		b = append(after.append(append(b, `"after":"`...)), `",`...)
	}
	b = append(append(append(b, `"collection":"`...), at.Collection...), `",`...)
	b = append(strconv.AppendInt(append(b, `"count":`...), int64(s.count), 10), ',')
	if s.first != 0 {
		b = append(s.first.append(append(b, `"first":"`...)), `",`...)
	}
	if s.last != 0 {
		b = append(s.last.append(append(b, `"last":"`...)), `",`...)
	}
	b = append(strconv.AppendBool(append(b, `"more":`...), s.more), ',')
	return append(append(append(b, `"operation":"`...), at.Operation...), `"}`...)
}

// plain reports whether JSON has s between quotation marks as it is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// readLine is written for every page: its members are in the order of canonical JSON already.
type readLine struct {
	Address    string            `json:"address,omitempty"`
	After      string            `json:"after,omitempty"`
	Collection auth.CollectionID `json:"collection"`
	Count      int               `json:"count"`
	Filter     string            `json:"filter,omitempty"`
	First      string            `json:"first,omitempty"`
	Last       string            `json:"last,omitempty"`
	More       bool              `json:"more"`
	Operation  auth.OperationID  `json:"operation"`
}

func text(a Added) string {
	if a == 0 {
		return ""
	}
	return a.String()
}

func filterText(q Query) string {
	if len(q.IDs)+len(q.Types)+len(q.Specs)+len(q.Versions.At) == 0 && !q.Versions.All && !q.Versions.First {
		return ""
	}
	b, err := json.Marshal(struct {
		IDs      []stix.ID `json:"id,omitempty"`
		Types    []string  `json:"type,omitempty"`
		Specs    []string  `json:"spec_version,omitempty"`
		Versions Versions  `json:"version"`
	}{q.IDs, q.Types, q.Specs, q.Versions})
	if err != nil {
		panic(err) // plain values
	}
	if len(b) > maxFilter {
		sum := sha256.Sum256(b)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	return string(b)
}

// The reads that give no page: the list of api roots, one of them, one collection.
const (
	ReadDiscovery  = "read.discovery"
	ReadRoot       = "read.root"
	ReadCollection = "read.collection"
)

// Seen records a read of one of these kinds before it is answered; at is what was shown, as far as the
// kind has it.
func (d *Desk) Seen(ctx context.Context, p auth.Principal, kind string, at Place) error {
	return d.served(ctx, p, kind, struct {
		Operation  auth.OperationID  `json:"operation,omitempty"`
		Collection auth.CollectionID `json:"collection,omitempty"`
		Address    string            `json:"address,omitempty"`
	}{at.Operation, at.Collection, p.Address})
}

func (d *Desk) served(ctx context.Context, p auth.Principal, kind string, what any) error {
	return d.Store.Served(ctx, auth.NewLine(d.now(), p.Actor(), kind, what))
}
