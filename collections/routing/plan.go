package routing

import (
	"slices"

	"liaison/stix"
)

// Held is what the publisher published in the operation before and may be brought: its own objects and
// its own copies of shared ones, never another's, and nothing that is on hold, blocked or recalled.
type Held interface {
	// In gives the countries in whose collections versions of the object are, and whether it is kept
	// at all: what waits to be routed is kept and nowhere. It is asked for the objects of the
	// publication too.
	In(id stix.ID) (Set, bool)
	// Object reads the newest version of a kept object; the reasons are those that it was routed for, if
	// they are kept. read is called at most once. false: it cannot be had any more.
	Object(id stix.ID, read func(o *stix.Object)) ([]Reason, bool)
	// Wanted gives the countries where things are that refer to this id and came before it (Plan.Wanted of
	// earlier plans, joined). It is asked for the objects of the publication.
	Wanted(id stix.ID) Set
	// Waiting gives the kept objects that wait for this id (Route.Waits), at most MaxWaiting.
	Waiting(id stix.ID) []stix.ID
}

// Of names an object in a question: its index in the publication, or -1 and the id of one that is kept.
type Of struct {
	Index int
	ID    stix.ID
}

// Request is what a plan is made of besides the graph.
type Request struct {
	// Countries is the publisher's list for the whole publication; nil: none. It holds for every object
	// that has no list of its own.
	Countries []Country
	// Held knows what is kept; nil: nothing.
	Held Held
	// Kept are objects of Held that an operator routes, to these countries besides; it needs no graph.
	Kept map[stix.ID][]Country
	// Allowed says whether the object may go to the country's collection: its marking, the collection's
	// ceiling, what the publisher may write. Its answer must not change during a Plan; nil allows
	// everything.
	Allowed func(o Of, c Country) bool
	// Held back are objects of the publication, by index, that go nowhere before somebody has looked at
	// them. What they say of countries counts, and their routes say where they are meant to go; but they
	// bring nothing, and what speaks of them waits for them. nil: none.
	HeldBack func(index int) bool
}

// Plan is where everything goes, dependencies first: the order in which it is to be added.
type Plan struct {
	Routes []Route
	// Wanted are identities, markings, definitions and parts that are not known and that things which go
	// somewhere refer to: when they come, they go there.
	Wanted []Wanted

	graph *Graph
}

// Wanted is an id that is not known, and where it is wanted.
type Wanted struct {
	ID        stix.ID
	Countries Set
}

// Route is where one object goes. Every object of the publication that was not dropped has one; a kept
// object has one when it goes to another country now.
type Route struct {
	Of
	State   State
	To      Set // where it goes: of a kept object only where it is not yet
	Own     Set // of To, for reasons of its own; the rest it was brought to or follows to
	Refused Set // where it would go and Allowed forbids it
	// Waits are the ids that a relationship, a sighting or another object about objects waits for, at most
	// MaxWaits: first Missing that are not known, then those that are and not in the same countries. Of a
	// state other than Waiting and Apart there are none.
	Waits   []stix.ID
	Missing int
	// Notes are what the publisher is told: a country that could not be read.
	Notes []string

	node int32
}

// Plan finds where everything goes. A graph is planned once.
//
// It takes time in proportion to the objects and their references.
func (r *Router) Plan(g *Graph, q Request) *Plan {
	c := closure{Graph: g, q: q}
	g.load(&q)
	g.find(&q)
	meant := c.close()
	if !g.holdBack(&q) {
		return meant
	}
	// What is held back goes, one day, where it would go now; the rest goes as if that were not there.
	g.again()
	c = closure{Graph: g, q: q}
	p := c.close()
	routes := make(map[int]*Route, len(meant.Routes))
	for i := range meant.Routes {
		if r := &meant.Routes[i]; r.Index >= 0 {
			routes[r.Index] = r
		}
	}
	for i := range p.Routes {
		if r := &p.Routes[i]; r.Index >= 0 && q.HeldBack(r.Index) {
			*r = *routes[r.Index]
		}
	}
	return p
}

// close sends everything where it goes.
func (c *closure) close() *Plan {
	c.route()
	c.bring()
	c.follow()
	return c.plan()
}

// holdBack marks the ids of which all that is published is held back, and reports whether anything is.
func (g *Graph) holdBack(q *Request) (any bool) {
	if q.HeldBack == nil {
		return false
	}
	free := make([]bool, len(g.nodes))
	for i := range g.entries {
		e := &g.entries[i]
		switch {
		case e.dropped:
		case e.index >= 0 && q.HeldBack(int(e.index)):
			g.nodes[e.node].flags |= stays
			any = true
		default:
			free[e.node] = true
		}
	}
	for n := range free {
		if free[n] {
			g.nodes[n].flags &^= stays
		}
	}
	return any
}

// again forgets what closing found, but for why those that stay are meant to go where they are.
func (g *Graph) again() {
	for n := range g.nodes {
		v := &g.nodes[n]
		v.to, v.no = 0, 0
		v.flags &^= queued | walked | ordered
		if v.flags&stays == 0 {
			v.by = -1
		}
	}
}

// Ends yields what an object speaks of that goes only where all of that goes, a relationship, a sighting or a note:
// ids, each with its index in the publication, -1 for what is kept. For others it yields nothing.
func (p *Plan) Ends(route *Route, each func(id stix.ID, index int)) {
	g := p.graph
	v := &g.nodes[route.node]
	if v.class < linkClass || v.class == aboutClass && (v.own != 0 || v.flags&hasStated != 0) {
		return
	}
	for e := v.first; e >= 0; e = g.entries[e].next {
		x := &g.entries[e]
		if x.dropped || int(x.index) != route.Index {
			continue
		}
		refs := g.refs[x.refs:x.end]
		things := slices.ContainsFunc(refs, func(r ref) bool { return r.property.subject() && !g.aside(r) })
		for _, r := range refs {
			if r.property.subject() && g.aside(r) != things {
				each(stix.ID(g.nodes[r.to].id), g.sentAt(r.to))
			}
		}
	}
}

// aside reports a reference of a report or note to malware, an actor or a place.
func (g *Graph) aside(r ref) bool { return r.property == pObjects && g.nodes[r.to].class.context() }

// sentAt gives the index of an object of the publication with this id, -1 for none.
func (g *Graph) sentAt(n int32) int {
	for e := g.nodes[n].first; e >= 0; e = g.entries[e].next {
		if x := &g.entries[e]; !x.dropped && x.index >= 0 {
			return int(x.index)
		}
	}
	return -1
}

// Reasons lists why an object concerns countries, those outside the operation too, in the order of
// preference, at most MaxReasons; and last why it was brought or follows, if it does.
func (p *Plan) Reasons(route *Route) []Reason {
	g := p.graph
	v := &g.nodes[route.node]
	c := v.said
	switch {
	case v.flags&hasStated != 0:
	case v.flags&hasSeen != 0:
		c = v.seen
	case v.flags&hasAround != 0:
		c = v.also
	}
	list := make([]Reason, 0, c.n+1)
	for i := c.first; i > 0; i = g.records[i-1].next {
		list = append(list, g.reason(&g.records[i-1]))
	}
	own := g.sets.get(v.own)
	if chosen, ok := g.chosen[route.node]; ok {
		set := g.sets.get(chosen)
		for i := range set.All() {
			country := g.router.countries[i]
			if !slices.ContainsFunc(list, func(r Reason) bool { return r.Country == country }) { // that says it already
				list = append(list, Reason{Code: Operator, Country: country})
			}
		}
	}
	there := g.sets.get(v.there)
	earlier := route.To.Intersect(there).Without(own)
	for i := range earlier.All() {
		list = append(list, Reason{Code: Earlier, Country: g.router.countries[i]})
	}
	if rest := route.To.Without(own).Without(there); !rest.Empty() {
		switch {
		case v.by >= 0:
			list = append(list, Reason{Code: Brought, Value: g.nodes[v.by].id})
		case v.class >= linkClass:
			list = append(list, Reason{Code: Follows})
		default:
			list = append(list, Reason{Code: Brought})
		}
	}
	return list
}
