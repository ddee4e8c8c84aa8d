package routing

import (
	"slices"
	"strings"

	"liaison/stix"
)

// follow sends what speaks of other things where those go: a relationship where both of its ends are, a
// sighting where what was sighted is, a note, an opinion, a translation, a report or a grouping where all
// that it speaks of is. They may speak of each other, so they come in the order of dependencies.
func (c *closure) follow() {
	c.sort()
	for _, n := range c.order {
		switch v := &c.nodes[n]; v.class {
		case linkClass, sightingClass:
			c.grant(n, c.together(n))
		case aboutClass:
			if v.own == 0 && v.flags&hasStated == 0 {
				c.grant(n, c.together(n))
			}
		}
	}
	c.needs()
}

// together gives where everything is that the versions of n speak of.
func (c *closure) together(n int32) setID {
	v := &c.nodes[n]
	where := setID(0)
	for e := v.first; e >= 0; e = c.entries[e].next {
		if !c.entries[e].dropped {
			where = c.sets.union(where, c.subjects(e))
		}
	}
	if v.flags&hasStated != 0 {
		where = c.sets.intersect(where, c.sets.union(v.own, v.there))
	}
	return where
}

// subjects gives where all is that one version speaks of. Of a report or a note with things in it the
// malware, actors and places do not count, they go along.
func (c *closure) subjects(e int32) setID {
	var all, context setID
	things, contexts := 0, 0
	for _, r := range c.refs[c.entries[e].refs:c.entries[e].end] {
		switch {
		case !r.property.subject():
		case r.property == pObjects && c.nodes[r.to].class.context():
			context = c.join(context, c.present(r.to), contexts)
			contexts++
		default:
			all = c.join(all, c.present(r.to), things)
			things++
		}
	}
	if things == 0 {
		return context
	}
	return all
}

// join intersects, from the second on.
func (c *closure) join(all, where setID, n int) setID {
	if n == 0 {
		return where
	}
	return c.sets.intersect(all, where)
}

// sort orders the nodes that have objects so that what an object refers to comes before it: a walk over
// references, which gives up at what it is on already.
func (c *closure) sort() {
	type step struct{ node, entry, ref int32 }
	var path []step
	begin := func(n int32) {
		if v := &c.nodes[n]; v.flags&(walked|ordered) == 0 && v.first >= 0 {
			v.flags |= walked
			path = append(path, step{n, v.first, c.entries[v.first].refs})
		}
	}
	for i := range c.entries {
		begin(c.entries[i].node)
		for len(path) > 0 {
			s := &path[len(path)-1]
			switch {
			case s.ref < c.entries[s.entry].end:
				to := c.refs[s.ref].to
				s.ref++
				begin(to)
			case c.entries[s.entry].next >= 0:
				s.entry = c.entries[s.entry].next
				s.ref = c.entries[s.entry].refs
			default:
				c.nodes[s.node].flags |= ordered
				c.order = append(c.order, s.node)
				path = path[:len(path)-1]
			}
		}
	}
}

// plan writes what came out, in the order in which it is to be added.
func (c *closure) plan() *Plan {
	c.sort() // what was read since
	p := &Plan{graph: c.Graph, Routes: make([]Route, 0, len(c.entries))}
	for n, where := range c.wanted {
		p.Wanted = append(p.Wanted, Wanted{stix.ID(c.nodes[n].id), c.sets.get(where)})
	}
	slices.SortFunc(p.Wanted, func(a, b Wanted) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for _, n := range c.order {
		v := &c.nodes[n]
		if v.flags&held != 0 {
			if v.to != 0 {
				p.Routes = append(p.Routes, c.held(n))
			}
			continue
		}
		versions := 0
		for e := v.first; e >= 0; e = c.entries[e].next {
			if !c.entries[e].dropped {
				versions++
			}
		}
		for e := v.first; e >= 0; e = c.entries[e].next {
			if x := &c.entries[e]; !x.dropped {
				p.Routes = append(p.Routes, c.entry(n, e, versions > 1))
			}
		}
	}
	return p
}

func (c *closure) held(n int32) Route {
	v := &c.nodes[n]
	return Route{
		Of:   Of{Index: -1, ID: stix.ID(v.id)},
		To:   c.sets.get(v.to),
		Own:  c.sets.get(c.sets.intersect(v.to, v.own)),
		node: n,
	}
}

// entry gives the route of one version. Where there are several, each is asked about by itself.
func (c *closure) entry(n, e int32, several bool) Route {
	v := &c.nodes[n]
	r := Route{Of: Of{Index: int(c.entries[e].index), ID: stix.ID(v.id)}, To: c.sets.get(v.to), Refused: c.sets.get(v.no), Notes: c.notes[e], node: n}
	if several && c.q.Allowed != nil {
		all := r.To
		for place := range all.All() {
			if !c.q.Allowed(r.Of, c.router.countries[place]) {
				r.To = r.To.Without(single(place))
				r.Refused.Add(place)
			}
		}
	}
	r.Own = r.To.Intersect(c.sets.get(c.sets.union(v.own, v.there)))
	r.State = c.state(v, &r)
	if v.class >= linkClass && r.To.Empty() {
		c.waits(e, &r)
	}
	return r
}

func single(place int) (s Set) {
	s.Add(place)
	return s
}

func (c *closure) state(v *node, r *Route) State {
	switch {
	case !r.To.Empty():
		return Routed
	case !r.Refused.Empty():
		return Refused
	case v.class.context():
		return Context
	case v.flags&hasStated != 0 && v.said.n > 0 && v.stated == 0,
		v.flags&(hasStated|hasSeen) == hasSeen && v.guessed == 0,
		v.flags&(hasStated|hasSeen|hasAround) == hasAround && v.round == 0:
		return Outside
	}
	return Nowhere
}

// waits finds what an object about others waits for: ends that are not known, or else those that are,
// but not all in one country.
func (c *closure) waits(e int32, r *Route) {
	if r.State != Nowhere {
		return
	}
	refs := c.refs[c.entries[e].refs:c.entries[e].end]
	unknown, anywhere := false, c.nodes[r.node].class != aboutClass
	for _, x := range refs {
		if x.property.subject() {
			unknown = unknown || !c.known(x.to)
			anywhere = anywhere || c.present(x.to) != 0
		}
	}
	switch {
	case unknown:
		r.State = Waiting
	case anywhere:
		r.State = Apart
	default:
		return
	}
	// What is not known comes first; of all others, too, it is looked at again when they go further.
	for _, known := range [2]bool{false, true} {
		for _, x := range refs {
			if x.property.subject() && len(r.Waits) < MaxWaits && c.known(x.to) == known {
				r.Waits = append(r.Waits, stix.ID(c.nodes[x.to].id))
			}
		}
		if !known {
			r.Missing = len(r.Waits)
		}
	}
}

// subject reports a reference to what an object speaks of.
func (p property) subject() bool {
	return p == pSource || p == pTarget || p == pSightingOf || p == pObjects
}
