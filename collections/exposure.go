package collections

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"liaison/auth"
	"liaison/stix"
)

// Exposure says who was given what of a batch or of an object: of the journal's lines of reads, which
// are written before a page is sent.
type Exposure struct {
	Operation auth.OperationID `json:"operation"`
	Batch     StatusID         `json:"batch,omitempty"`
	ID        stix.ID          `json:"id,omitempty"`
	Publisher auth.PartnerID   `json:"publisher"`
	Objects   int              `json:"objects"` // object versions that were looked for, each collection counted
	Pulled    int              `json:"pulled"`  // of them those that somebody was given
	Readers   []Reader         `json:"readers"` // who was given any, by partner
}

// Reader is one partner that was given some of them. It counts what its pages may have held: a page of
// which only some versions were asked for counts whole.
type Reader struct {
	Partner auth.PartnerID  `json:"partner"`
	Clients []auth.ClientID `json:"clients"`
	Objects int             `json:"objects"`
	First   time.Time       `json:"first"` // of the reads
	Last    time.Time       `json:"last"`
}

// placed is one object version in one collection.
type placed struct {
	Fact
	collection auth.CollectionID
	pulled     bool
}

// runOf is a run of date_added that a batch was given, and where.
type runOf struct {
	first, last Added
	collections []auth.CollectionID
	ids         []stix.ID // only these; nil: all in the run
}

// batchOf is what the journal has of one batch.
type batchOf struct {
	publisher auth.PartnerID
	read      int64 // the journal's lines that were read
	runs      []runOf
	brought   []runOf // what was brought to other collections since, of all its publisher's
	others    []runOf // among its runs, what it took along of other batches that waited
	along     []runOf // among its runs, what it brought
	withdrawn bool
}

// ranLine is what lines of publications and releases have in common.
type ranLine struct {
	Status      StatusID            `json:"status"`
	Batch       StatusID            `json:"batch"`
	Operation   auth.OperationID    `json:"operation"`
	Publisher   auth.PartnerID      `json:"publisher"`
	By          StatusID            `json:"by"`
	IDs         []stix.ID           `json:"ids"`
	First       string              `json:"first"`
	Last        string              `json:"last"`
	Collections []auth.CollectionID `json:"collections"`
}

// bringKind is the kind of lines that tell what a publication brought to further collections.
const bringKind = "bring"

// run gives what a line added; false for nothing.
func (l *ranLine) run() (r runOf, ok bool) {
	first, ok := parseAdded(l.First)
	last, also := parseAdded(l.Last)
	r = runOf{first: first, last: last, collections: l.Collections}
	if l.By != "" { // others of that publication are between them
		r.ids = l.IDs
	}
	return r, ok && also
}

func parseAdded(text string) (Added, bool) {
	t, err := time.Parse(AddedLayout, text)
	return AddedAt(t), err == nil
}

// batch finds a batch in the journal: statuses end, the journal does not.
func (d *Desk) batch(ctx context.Context, op auth.OperationID, id StatusID) (batchOf, error) {
	var b batchOf
	err := d.learn(ctx, op, id, &b)
	if err == nil && b.publisher == "" {
		err = fmt.Errorf("%w: batch %q in %s: \"liaison journal list\" has them, by status", ErrNotFound, clip(string(id)), op)
	}
	return b, err
}

// learn reads what the journal has of a batch since it was read for it last.
func (d *Desk) learn(ctx context.Context, op auth.OperationID, id StatusID, b *batchOf) error {
	for e, err := range d.Store.Journal(ctx, b.read) {
		if err != nil {
			return err
		}
		b.read = e.Seq + 1
		switch e.Line.Kind {
		case "publish", "kept.release", withdrawKind, bringKind:
		default:
			continue
		}
		var l ranLine
		if json.Unmarshal(e.Line.What, &l) != nil || l.Operation != op {
			continue
		}
		if r, ok := l.run(); ok && b.publisher != "" && l.Publisher == b.publisher {
			switch {
			case e.Line.Kind == bringKind && l.By == id:
				b.along = append(b.along, r)
			case e.Line.Kind == bringKind:
				b.brought = append(b.brought, r)
			case l.By == id && l.Batch != id:
				b.others = append(b.others, r)
			}
		}
		if e.Line.Kind == bringKind || cmp.Or(l.Batch, l.Status) != id {
			continue
		}
		b.publisher = l.Publisher
		b.withdrawn = b.withdrawn || e.Line.Kind == withdrawKind
		if r, ok := l.run(); ok {
			b.runs = append(b.runs, r)
		}
	}
	return nil
}

// everyVersion asks for all that a publisher has in a collection.
func everyVersion() Query {
	return Query{Limit: PageSize, Versions: Versions{All: true}, Specs: []string{"2.0", "2.1"}}
}

// present gives what is there of a batch, wherever it was brought since, and what it brought. What it took
// along of other batches, where it waited, is theirs: nothing else would have it.
func (d *Desk) present(ctx context.Context, op auth.OperationID, b batchOf) (list []placed, err error) {
	in := func(runs []runOf, f *Fact) bool {
		return slices.ContainsFunc(runs, func(r runOf) bool {
			return r.first <= f.Added && f.Added <= r.last && slices.Contains(r.ids, f.ID)
		})
	}
	for _, r := range b.runs {
		if list, err = d.run(ctx, op, b.publisher, r, list, func(f *Fact) bool {
			return (r.ids == nil || slices.Contains(r.ids, f.ID)) && !in(b.others, f)
		}); err != nil {
			return nil, err
		}
	}
	versions := map[stix.ID][]Version{}
	for i := range list {
		if !in(b.along, &list[i].Fact) {
			versions[list[i].ID] = append(versions[list[i].ID], list[i].Version)
		}
	}
	for _, r := range b.along { // some came before its first, or after its last
		if list, err = d.run(ctx, op, b.publisher, r, list, func(f *Fact) bool {
			return !slices.ContainsFunc(b.runs, func(r runOf) bool { return r.ids == nil && r.first <= f.Added && f.Added <= r.last })
		}); err != nil {
			return nil, err
		}
	}
	for _, r := range b.brought {
		r.ids = slices.DeleteFunc(slices.Clone(r.ids), func(id stix.ID) bool { return versions[id] == nil })
		if len(r.ids) == 0 {
			continue
		}
		if list, err = d.run(ctx, op, b.publisher, r, list, func(f *Fact) bool {
			return slices.ContainsFunc(versions[f.ID], func(v Version) bool {
				return !v.At.Set || !f.Version.At.Set || v.At.Compare(f.Version.At) == 0
			})
		}); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// run adds what a publisher has of a run, as far as of accepts it, but for the identities that the gateway issued:
// others of the publisher's objects may name them.
func (d *Desk) run(ctx context.Context, op auth.OperationID, publisher auth.PartnerID, r runOf, list []placed, of func(*Fact) bool) ([]placed, error) {
	own := auth.View{Partner: publisher, Own: true}
	self := d.Registry.State().Access.Partners[publisher]
	for _, c := range r.collections {
		q := everyVersion()
		q.IDs = r.ids
		for q.After = r.first - 1; q.After < r.last; {
			facts, next, err := d.Store.Facts(ctx, own, Place{op, c}, q)
			if err != nil {
				return nil, err
			}
			for _, f := range facts {
				if f.Publisher == publisher && f.Added <= r.last && of(&f) && !ours(self, f.ID, f.Version, f.Level) {
					list = append(list, placed{Fact: f, collection: c})
				}
			}
			if next == 0 {
				break
			}
			q.After = next
		}
	}
	return list, nil
}

// eyes are what partners might read, as the journal tells it while it is read.
type eyes struct {
	partners map[auth.PartnerID]auth.Principal
	onward   map[auth.ClientID]bool // clients that feed others, whatever their partners do
}

// of gives what a client might read.
func (y eyes) of(p auth.PartnerID, c auth.ClientID) auth.View {
	who := y.partners[p]
	who.Onward = who.Onward || y.onward[c]
	return auth.ViewOf(who)
}

// follow takes what a line changes of them.
func (y eyes) follow(l auth.Line) {
	switch l.Kind {
	case "partner.create":
		var c struct {
			Partner   auth.PartnerID `json:"partner"`
			Role      auth.Role      `json:"role"`
			Clearance stix.Level     `json:"clearance"`
		}
		if json.Unmarshal(l.What, &c) == nil {
			y.partners[c.Partner] = auth.Principal{Partner: c.Partner, Role: c.Role, Clearance: c.Clearance}
		}
	case "partner.set":
		var c struct {
			Partner   auth.PartnerID `json:"partner"`
			Clearance *struct {
				After stix.Level `json:"after"`
			} `json:"clearance"`
			Onward *struct {
				After bool `json:"after"`
			} `json:"onward"`
		}
		if json.Unmarshal(l.What, &c) != nil {
			return
		}
		p := y.partners[c.Partner]
		if c.Clearance != nil {
			p.Clearance = c.Clearance.After
		}
		if c.Onward != nil {
			p.Onward = c.Onward.After
		}
		y.partners[c.Partner] = p
	case "client.set":
		var c struct {
			Client auth.ClientID `json:"client"`
			Onward struct {
				After bool `json:"after"`
			} `json:"onward"`
		}
		if json.Unmarshal(l.What, &c) == nil {
			y.onward[c.Client] = c.Onward.After
		}
	}
}

// readers reads the journal for those who were given any of these, but for their publisher, and marks
// those that somebody was given. It takes the journal's whole length.
func (d *Desk) readers(ctx context.Context, op auth.OperationID, list []placed) ([]Reader, error) {
	if err := d.Store.Sweep(ctx, d.now()); err != nil { // what was served just now
		return nil, err
	}
	byPlace := map[auth.CollectionID][]*placed{}
	for i := range list {
		byPlace[list[i].collection] = append(byPlace[list[i].collection], &list[i])
	}
	for _, l := range byPlace {
		slices.SortFunc(l, func(a, b *placed) int { return cmp.Compare(a.Added, b.Added) })
	}
	seen := eyes{map[auth.PartnerID]auth.Principal{}, map[auth.ClientID]bool{}}
	found := map[auth.PartnerID]*Reader{}
	given := map[auth.PartnerID]map[*placed]bool{}
	for e, err := range d.Store.Journal(ctx, 0) {
		if err != nil {
			return nil, err
		}
		if seen.follow(e.Line); e.Line.Kind != readObjects && e.Line.Kind != readObject {
			continue
		}
		var l readLine
		if json.Unmarshal(e.Line.What, &l) != nil || l.Operation != op || l.Count == 0 || len(byPlace[l.Collection]) == 0 {
			continue
		}
		client := auth.ClientID(e.Line.Actor)
		cut := strings.LastIndexByte(string(client), '_')
		if cut < 0 {
			continue
		}
		p := auth.PartnerID(client[:cut])
		held := l.holds(byPlace[l.Collection], seen.of(p, client))
		for _, o := range held {
			if o.Publisher == p {
				continue
			}
			r := found[p]
			if r == nil {
				r = &Reader{Partner: p, First: e.Line.Time}
				found[p], given[p] = r, map[*placed]bool{}
			}
			o.pulled, given[p][o], r.Last = true, true, e.Line.Time
			if !slices.Contains(r.Clients, client) {
				r.Clients = append(r.Clients, client)
			}
		}
	}
	out := []Reader{}
	for _, p := range slices.Sorted(maps.Keys(found)) {
		found[p].Objects = len(given[p])
		out = append(out, *found[p])
	}
	return out, nil
}

// holds gives those of a collection's objects that the page of a line may have held.
func (l *readLine) holds(list []*placed, v auth.View) []*placed {
	first, ok := parseAdded(l.First)
	last, also := parseAdded(l.Last)
	if !ok || !also {
		return nil
	}
	from, _ := slices.BinarySearchFunc(list, first, func(o *placed, a Added) int { return cmp.Compare(o.Added, a) })
	var filter struct {
		IDs   []stix.ID `json:"id"`
		Types []string  `json:"type"`
	}
	if strings.HasPrefix(l.Filter, "{") {
		json.Unmarshal([]byte(l.Filter), &filter) // one that is named by its hash filters nothing here
	}
	var out []*placed
	for _, o := range list[from:] {
		if o.Added > last {
			break
		}
		if v.Shows(auth.Object{Publisher: o.Publisher, Level: o.Level, Named: o.Named}) &&
			(filter.IDs == nil || slices.Contains(filter.IDs, o.ID)) && (filter.Types == nil || slices.Contains(filter.Types, o.Type)) {
			out = append(out, o)
		}
	}
	return out
}

// Exposure says who was given what of a batch, or of an object, that is there. Operators and auditors.
func (d *Desk) Exposure(ctx context.Context, p auth.Principal, op auth.OperationID, what string) (Exposure, error) {
	e := Exposure{Operation: op, Readers: []Reader{}}
	st := d.Registry.State()
	if p.Role != auth.Operator && p.Role != auth.Auditor {
		return e, fmt.Errorf("%w: for operators and auditors alone", ErrDenied)
	}
	if _, ok := st.Operations[op]; !ok {
		return e, fmt.Errorf("%w: operation %q: \"liaison operation list\" shows them", ErrNotFound, op)
	}
	var list []placed
	if strings.Contains(what, "--") {
		e.ID = stix.ID(what)
		var err error
		if list, err = d.versionsOf(ctx, st, op, e.ID); err != nil {
			return e, err
		}
		if len(list) == 0 {
			return e, fmt.Errorf("%w: object %s in %s", ErrNotFound, clip(what), op)
		}
		e.Publisher = list[0].Publisher
	} else {
		e.Batch = StatusID(what)
		b, err := d.batch(ctx, op, e.Batch)
		if err != nil {
			return e, err
		}
		e.Publisher = b.publisher
		if list, err = d.present(ctx, op, b); err != nil {
			return e, err
		}
		if len(list) == 0 && b.withdrawn {
			return e, fmt.Errorf("%w: batch %s was withdrawn: the journal's line of kind %s says who was given it", auth.ErrConflict, e.Batch, withdrawKind)
		}
	}
	err := d.served(ctx, p, "read.exposure", struct {
		Operation auth.OperationID `json:"operation"`
		Of        string           `json:"of"`
		Address   string           `json:"address,omitempty"`
	}{op, clip(what), p.Address})
	if err != nil {
		return e, err
	}
	return e, d.expose(ctx, &e, list)
}

func (d *Desk) expose(ctx context.Context, e *Exposure, list []placed) (err error) {
	if e.Readers, err = d.readers(ctx, e.Operation, list); err != nil {
		return err
	}
	e.Objects = len(list)
	for i := range list {
		if list[i].pulled {
			e.Pulled++
		}
	}
	return nil
}

// versionsOf gives all versions of an id, whoever published them.
func (d *Desk) versionsOf(ctx context.Context, st *State, op auth.OperationID, id stix.ID) ([]placed, error) {
	var list []placed
	for _, c := range st.In(op) {
		for partner := range st.Access.Partners {
			q := everyVersion()
			q.IDs, q.Limit = []stix.ID{id}, MaxVersions
			facts, _, err := d.Store.Facts(ctx, auth.View{Partner: partner, Own: true}, c.Place(), q)
			if err != nil {
				return nil, err
			}
			for _, f := range facts {
				list = append(list, placed{Fact: f, collection: c.ID})
			}
		}
	}
	slices.SortFunc(list, func(a, b placed) int { return cmp.Compare(a.Added, b.Added) })
	return list, nil
}
