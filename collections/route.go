package collections

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"liaison/auth"
	"liaison/collections/routing"
	"liaison/stix"
)

// maxRouteTold is how many successes of a publication are told where they went. The rest of what a status
// lists is left to messages that the publisher would not expect.
const maxRouteTold = MaxDetails / 2

// Codes of the reasons for which objects are kept on their way through an intake, beside routing's own.
const (
	CodeWaiting = "waiting" // an end is not known yet
	CodeApart   = "apart"   // its ends are not in one country
	CodeContext = "context" // nothing needs it yet
	CodeOutside = "outside" // it concerns countries, none of them in the operation
	CodeNowhere = "nowhere" // no country was found
)

// network is what routing needs to know of an operation: its countries and their collections.
type network struct {
	router      *routing.Router
	collections []auth.CollectionID // by the router's places
	place       map[auth.CollectionID]int
}

// networks keeps the network of each operation; its collections never change.
type networks struct {
	mu  sync.Mutex
	all map[auth.OperationID]*network
}

func (d *Desk) network(st *State, op auth.OperationID) (*network, error) {
	d.networks.mu.Lock()
	defer d.networks.mu.Unlock()
	if n := d.networks.all[op]; n != nil {
		return n, nil
	}
	var countries []routing.Country
	n := &network{place: map[auth.CollectionID]int{}}
	for _, c := range st.In(op) {
		code, err := routing.ParseCountry(c.country())
		if err != nil {
			continue
		}
		n.place[c.ID] = len(countries)
		countries = append(countries, code)
		n.collections = append(n.collections, c.ID)
	}
	var err error
	if n.router, err = routing.New(countries, d.Routing); err != nil {
		return nil, fmt.Errorf("routing of %s: %w", op, err)
	}
	if d.networks.all == nil {
		d.networks.all = map[auth.OperationID]*network{}
	}
	d.networks.all[op] = n
	return n, nil
}

// in gives the countries of collections.
func (n *network) in(list []auth.CollectionID) (s routing.Set) {
	for _, c := range list {
		if i, ok := n.place[c]; ok {
			s.Add(i)
		}
	}
	return s
}

// codes writes a set of countries: "VN, LK".
func (n *network) codes(s routing.Set) string {
	var b strings.Builder
	for _, c := range n.router.Codes(s) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(c))
	}
	return b.String()
}

// ParseCountries reads a publisher's list for a whole publication: codes separated by commas, each once.
// "" is none. Errors are ErrInvalid.
func ParseCountries(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var list []string
	for code := range strings.SplitSeq(text, ",") {
		c, err := routing.ParseCountry(strings.TrimSpace(code))
		if err != nil {
			return nil, fmt.Errorf("%w: countries: %w", ErrInvalid, err)
		}
		if !slices.Contains(list, string(c)) {
			list = append(list, string(c))
		}
	}
	return list, nil
}

// turns let one publication of a publisher into an intake go at a time: each is planned on what the
// ones before it left, what waits for what included.
type turns struct {
	mu  sync.Mutex
	all map[string]chan struct{}
}

// take waits for the turn; the caller calls done.
func (t *turns) take(ctx context.Context, op auth.OperationID, p auth.PartnerID) (done func(), err error) {
	key := string(op) + "/" + string(p)
	t.mu.Lock()
	c := t.all[key]
	if c == nil {
		if t.all == nil {
			t.all = map[string]chan struct{}{}
		}
		c = make(chan struct{}, 1)
		t.all[key] = c
	}
	t.mu.Unlock()
	select {
	case c <- struct{}{}:
		return func() { <-c }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dispatch routes what one publisher sends through an intake.
type dispatch struct {
	desk      *Desk
	state     *State
	network   *network
	op        auth.OperationID
	publisher auth.PartnerID
	archive   *archive
	writable  routing.Set
	ceilings  []stix.Level // by place; Unmarked: none
	to        map[routing.Set][]auth.CollectionID
	used      routing.Set
	whys      map[[maxAlike]routing.Reason][]Reason
	levels    func(o routing.Of) stix.Level
}

func (d *Desk) dispatch(ctx context.Context, op auth.OperationID, publisher auth.PartnerID) (*dispatch, error) {
	st := d.Registry.State()
	n, err := d.network(st, op)
	if err != nil {
		return nil, err
	}
	x := &dispatch{
		desk: d, state: st, network: n, op: op, publisher: publisher,
		ceilings: make([]stix.Level, len(n.collections)), to: map[routing.Set][]auth.CollectionID{},
	}
	for i, id := range n.collections {
		if rights, ok := st.Access.Rights(publisher, id); ok && rights.Write {
			x.writable.Add(i)
		}
		x.ceilings[i] = st.Collections[id].Ceiling
	}
	x.archive = newArchive(ctx, d.Store, n, op, publisher)
	x.archive.self = st.Access.Partners[publisher]
	return x, nil
}

// allowed is what routing asks: whether the publisher may write there, and the collection takes the level.
func (x *dispatch) allowed(o routing.Of, c routing.Country) bool {
	i, ok := x.network.router.Place(c)
	if !ok || !x.writable.Has(i) {
		return false
	}
	ceiling := x.ceilings[i]
	return ceiling == stix.Unmarked || x.levels(o) <= ceiling
}

// refusal says why an object goes to none of the countries that it concerns, or not to some of them.
func (x *dispatch) refusal(refused routing.Set, level stix.Level) string {
	var list []string
	if barred := refused.Without(x.writable); !barred.Empty() {
		list = append(list, "you may not publish to "+x.network.codes(barred))
	}
	if strict := refused.Intersect(x.writable); !strict.Empty() {
		list = append(list, fmt.Sprintf("marked %s, above what the collection of %s takes", level, x.network.codes(strict)))
	}
	return strings.Join(list, "; ")
}

// collections gives the collections of countries.
func (x *dispatch) collections(s routing.Set) []auth.CollectionID {
	list, ok := x.to[s]
	if !ok {
		for i := range s.All() {
			list = append(list, x.network.collections[i])
		}
		x.to[s] = list
		x.used = x.used.Union(s)
	}
	return list
}

// Most objects go where they go for the same few reasons: lists of up to maxAlike are made once, the first
// maxWhys of a publication.
const (
	maxAlike = 3
	maxWhys  = 1000
)

// reasons gives why an object goes where it goes, for the store and the publisher.
func (x *dispatch) reasons(p *routing.Plan, r *routing.Route) (list []Reason) {
	all := p.Reasons(r)
	if len(all) == 0 {
		return nil
	}
	if len(all) <= maxAlike {
		var key [maxAlike]routing.Reason
		copy(key[:], all)
		if list, ok := x.whys[key]; ok {
			return list
		}
		if len(x.whys) < maxWhys {
			if x.whys == nil {
				x.whys = map[[maxAlike]routing.Reason][]Reason{}
			}
			defer func() { x.whys[key] = list }()
		}
	}
	list = make([]Reason, min(len(all), MaxReasons))
	for i := range list {
		list[i] = Reason{Code: all[i].Code.String(), Text: clip(all[i].Text()), Country: string(all[i].Country)}
	}
	return list
}

// route gives every item of a publication its destinations, or keeps it, and adds what it needs and what
// waited for it. The order is that in which things are to be added: what is needed comes first.
func (in *intake) route(x *dispatch, countries []string) error {
	items, at := in.publication.Items, in.positions()
	x.levels = func(o routing.Of) stix.Level {
		if o.Index >= 0 {
			return items[at[o.Index]].Level
		}
		return x.archive.level(o.ID)
	}
	q := routing.Request{Held: x.archive, Allowed: x.allowed, HeldBack: in.heldBack(at)}
	for _, c := range countries {
		q.Countries = append(q.Countries, routing.Country(c))
	}
	x.archive.prefetch(in.graph, items)
	plan := x.network.router.Plan(in.graph, q)
	if x.archive.err != nil {
		return fmt.Errorf("routing: %w", x.archive.err)
	}
	out := arranged{in: in, items: items}
	told := 0
	var ties []Tie
	for i := range plan.Routes {
		r := &plan.Routes[i]
		place := out.len()
		if r.Index < 0 {
			it, ok := x.bring(plan, r)
			if !ok {
				continue
			}
			out.bring(it)
		} else {
			from := at[r.Index]
			if at[r.Index] = -1; !x.settle(in, plan, r, &items[from], &told) {
				continue
			}
			out.take(from)
			at[r.Index] = place
		}
		if ends := ends(plan, r); ends != nil {
			ties = append(ties, Tie{int32(place), ends})
		}
	}
	for _, t := range ties {
		for i, e := range t.Ends {
			if e.Item >= 0 {
				t.Ends[i].Item = int32(at[e.Item])
			}
		}
	}
	in.publication.Ties = ties
	for i := range items {
		if items[i].Foreign { // it stays to be told to the operator
			out.take(i)
		}
	}
	if x.archive.err != nil {
		return fmt.Errorf("routing: %w", x.archive.err)
	}
	in.publication.Items, in.watched = out.list(), out.watched()
	in.publication.Wanted = x.wanted(plan)
	return nil
}

// ends gives what a routed object speaks of, by their indices in the graph; nil where nothing of it came with it.
func ends(p *routing.Plan, r *routing.Route) (list []End) {
	if r.State != routing.Routed {
		return nil
	}
	together := false
	p.Ends(r, func(id stix.ID, index int) {
		list = append(list, End{id, int32(index)})
		together = together || index >= 0
	})
	if !together {
		return nil
	}
	return list
}

// wanted gives what is to be remembered: not the standard markings, which every reader has.
func (x *dispatch) wanted(p *routing.Plan) (list []Wanted) {
	for _, w := range p.Wanted {
		if _, _, standard := stix.StandardMarking([]byte(w.ID)); !standard {
			list = append(list, Wanted{ID: w.ID, To: x.collections(w.Countries)})
		}
	}
	return list
}

// arranged puts items into another order, where it is another.
type arranged struct {
	in    *intake
	items []Item
	n     int    // that stay where they are
	other []Item // nil: all so far
	moved map[int]watched
}

func (a *arranged) part() {
	if a.other == nil {
		a.other = append(make([]Item, 0, len(a.items)+16), a.items[:a.n]...)
		a.moved = map[int]watched{}
		for i := range a.n {
			if w, ok := a.in.watched[i]; ok {
				a.moved[i] = w
			}
		}
	}
}

// take takes item i next.
func (a *arranged) take(i int) {
	if a.other == nil && i == a.n {
		a.n++
		return
	}
	a.part()
	if w, ok := a.in.watched[i]; ok {
		a.moved[len(a.other)] = w
	}
	a.other = append(a.other, a.items[i])
}

// len is how many were taken and brought so far.
func (a *arranged) len() int {
	if a.other == nil {
		return a.n
	}
	return len(a.other)
}

func (a *arranged) bring(it Item) {
	a.part()
	a.other = append(a.other, it)
}

func (a *arranged) list() []Item {
	if a.other == nil && a.n == len(a.items) {
		return a.items
	}
	a.part()
	return a.other
}

func (a *arranged) watched() map[int]watched {
	if a.other == nil {
		return a.in.watched
	}
	return a.moved
}

// dispatch routes a publication as things are now.
func (in *intake) dispatch(ctx context.Context, d *Desk, countries []string) error {
	x, err := d.dispatch(ctx, in.publication.Place.Operation, in.publication.Publisher)
	if err == nil {
		err = in.route(x, countries)
	}
	if err == nil {
		in.publication.Still = x.still(in.publication.Still)
	}
	return err
}

// positions gives for each object of the graph its place among the items; those that fail leave the graph.
func (in *intake) positions() []int {
	at := make([]int, in.graph.Len())
	n := 0
	for i := range at {
		if in.rejected[i] {
			in.graph.Drop(i)
			at[i] = -1
			continue
		}
		if in.publication.Items[n].Foreign {
			in.graph.Drop(i)
		}
		at[i] = n
		n++
	}
	return at
}

// settle decides about one item; false: it fails.
func (x *dispatch) settle(in *intake, p *routing.Plan, r *routing.Route, it *Item, told *int) bool {
	for _, note := range r.Notes {
		it.Message = appendMessage(it.Message, note)
	}
	it.To = nil
	switch r.State {
	case routing.Routed:
		it.To, it.Why = x.collections(r.To), x.reasons(p, r)
		it.Kept = x.archive.same(it)
		if *told++; *told <= maxRouteTold {
			it.Message = appendMessage(it.Message, clip("to "+x.network.codes(r.To)+": "+Reasons(it.Why)))
		}
		if !r.Refused.Empty() {
			it.Message = appendMessage(it.Message, "not to "+x.network.codes(r.Refused)+": "+x.refusal(r.Refused, it.Level))
		}
		return true
	case routing.Refused:
		in.fail(string(it.ID), []byte(it.Version.Text), r.Index, "it concerns "+x.network.codes(r.Refused)+": "+x.refusal(r.Refused, it.Level))
		return false
	}
	it.Keep = x.keep(p, r)
	why := "kept until it goes somewhere: "
	if it.Keep.Kind == KeepUnrouted {
		why = "kept for the operator, who is to say where it goes: "
	}
	it.Message = appendMessage(it.Message, why+clip(Reasons(it.Keep.Reasons)))
	return true
}

// keep says how an object is kept that goes nowhere now.
func (x *dispatch) keep(p *routing.Plan, r *routing.Route) *Keep {
	k := &Keep{Kind: KeepPending, Waits: slices.Clone(r.Waits[:min(len(r.Waits), MaxWaits)])}
	say := func(code, text string) { k.Reasons = append(k.Reasons, Reason{Code: code, Text: clip(text)}) }
	switch r.State {
	case routing.Waiting:
		say(CodeWaiting, "it waits for "+ids(r.Waits[:r.Missing]))
	case routing.Apart:
		say(CodeApart, "no country has all that it speaks of: "+ids(r.Waits))
	case routing.Context:
		say(CodeContext, "no country was found, and nothing needs it yet")
	case routing.Outside:
		k.Kind = KeepUnrouted
		say(CodeOutside, "it concerns countries outside the operation")
	default:
		k.Kind = KeepUnrouted
		say(CodeNowhere, "no country was found")
	}
	k.Reasons = append(k.Reasons, x.reasons(p, r)...)
	k.Reasons = k.Reasons[:min(len(k.Reasons), MaxReasons)]
	return k
}

func ids(list []stix.ID) string {
	var b strings.Builder
	for i, id := range list {
		if i == 3 {
			fmt.Fprintf(&b, " and %d more", len(list)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(id))
	}
	return b.String()
}

// bring makes an item of one that the publisher published before.
func (x *dispatch) bring(p *routing.Plan, r *routing.Route) (Item, bool) {
	it, ok := x.archive.item(r.ID)
	if !ok || r.To.Empty() || hidden(x.state.Access.Partners[x.publisher], r.ID) {
		return it, false
	}
	it.To, it.Why, it.Brought, it.Message = x.collections(r.To), x.reasons(p, r), true, ""
	return it, true
}

// still is asked in the commit: the publisher must still may write where its objects were routed.
func (x *dispatch) still(first func() error) func() error {
	to := x.collections(x.used)
	return func() error {
		if first != nil {
			if err := first(); err != nil {
				return err
			}
		}
		st := x.desk.Registry.State()
		if st == x.state {
			return nil
		}
		for _, c := range to {
			if rights, ok := st.Access.Rights(x.publisher, c); !ok || !rights.Write || st.Operations[x.op].Closed {
				return fmt.Errorf("%w: where the publisher may write has changed meanwhile: send it again", ErrUnavailable)
			}
		}
		return nil
	}
}
