package routing

import "liaison/stix"

// closure carries what each object needs to the countries that the object goes to.
type closure struct {
	*Graph
	q     Request
	queue []int32 // nodes whose needs are to be brought
	order []int32 // nodes, dependencies first

	wanted map[int32]setID // unknown ids that are needed somewhere
}

// present gives where a thing is or comes to.
func (c *closure) present(n int32) setID { return c.sets.union(c.nodes[n].to, c.nodes[n].there) }

// live reports an id of which an object takes part that was not dropped.
func (g *Graph) live(n int32) bool {
	for e := g.nodes[n].first; e >= 0; e = g.entries[e].next {
		if !g.entries[e].dropped {
			return true
		}
	}
	return false
}

// available reports an object of the publication, or one that is kept.
func (c *closure) available(n int32) bool { return c.nodes[n].flags&held != 0 || c.live(n) }

// known reports one that is not held back, or an earlier version of which is somewhere.
func (c *closure) known(n int32) bool {
	return c.available(n) && (c.nodes[n].flags&stays == 0 || c.nodes[n].there != 0)
}

// grant adds the countries that the caller allows to where n goes.
func (c *closure) grant(n int32, want setID) {
	v := &c.nodes[n]
	want = c.sets.without(c.sets.without(want, v.to), v.no)
	if v.flags&held != 0 {
		want = c.sets.without(want, v.there)
	}
	if want == 0 || v.flags&stays != 0 || !c.available(n) {
		return
	}
	if c.q.Allowed == nil {
		v.to = c.sets.union(v.to, want)
	} else {
		set := c.sets.get(want)
		for place := range set.All() {
			if c.allowed(n, place) {
				v.to = c.sets.with(v.to, place)
			} else {
				v.no = c.sets.with(v.no, place)
			}
		}
	}
	if v.flags&queued == 0 && v.to != 0 {
		v.flags |= queued
		c.queue = append(c.queue, n)
	}
}

// allowed asks the caller: of several versions one is enough.
func (c *closure) allowed(n int32, place int) bool {
	v := &c.nodes[n]
	country := c.router.countries[place]
	if v.flags&held != 0 {
		return c.q.Allowed(Of{Index: -1, ID: stix.ID(v.id)}, country)
	}
	for e := v.first; e >= 0; e = c.entries[e].next {
		if x := &c.entries[e]; !x.dropped && c.q.Allowed(Of{Index: int(x.index), ID: stix.ID(v.id)}, country) {
			return true
		}
	}
	return false
}

// route sends every object where it goes for reasons of its own, and a new version also where the
// earlier ones are: a reader must learn of a revocation.
func (c *closure) route() {
	for i := range c.nodes {
		v := &c.nodes[i]
		if v.class >= linkClass && v.class != aboutClass { // it needs what it speaks of
			continue
		}
		want := v.own
		if v.flags&held == 0 && v.first >= 0 {
			want = c.sets.union(c.sets.union(want, v.there), v.wanted)
		}
		c.grant(int32(i), want)
	}
}

// mayBring says where n may be brought that is needed there: knowledge, places and markings everywhere;
// somebody's things where they are, or anywhere if they are nowhere; cases never.
func (c *closure) mayBring(n int32, where setID) setID {
	v := &c.nodes[n]
	switch v.class {
	case knowledgeClass, locationClass, markingClass:
		return where
	case thingClass, identityClass:
		if v.flags&(hasStated|hasSeen) == 0 {
			return where
		}
		return c.sets.intersect(where, c.sets.union(v.own, v.there))
	}
	return 0
}

// come brings n because of by.
func (c *closure) come(n, by int32, where setID) {
	had := c.nodes[n].to
	c.grant(n, where)
	if v := &c.nodes[n]; v.to != had && v.by < 0 {
		v.by = by
	}
}

// bring brings what objects are related to and refer to.
func (c *closure) bring() {
	for i := range c.links {
		l := &c.links[i]
		if c.entries[l.entry].dropped {
			continue
		}
		if where := c.routed(l.from); where != 0 {
			c.come(l.to, l.from, c.mayBring(l.to, where))
		}
		if where := c.routed(l.to); where != 0 {
			c.come(l.from, l.to, c.mayBring(l.from, where))
		}
	}
	type step struct {
		link  *link
		where setID
	}
	var steps []step
	for range MaxKnowledgeStep { // a step at a time, so that the order of the objects does not matter
		steps = steps[:0]
		for i := range c.links {
			l := &c.links[i]
			from, to := &c.nodes[l.from], &c.nodes[l.to]
			if c.entries[l.entry].dropped || from.class != knowledgeClass && !isInfrastructure(from.id) ||
				to.class != knowledgeClass && to.class != locationClass {
				continue
			}
			if where := c.present(l.from); where != 0 {
				steps = append(steps, step{l, where})
			}
		}
		for _, s := range steps {
			c.come(s.link.to, s.link.from, s.where)
		}
	}
	c.needs()
}

// routed gives where n is for reasons of its own: what was only brought brings nothing that is merely
// related to it. Of what is kept and is no context, everything counts.
func (c *closure) routed(n int32) setID {
	v := &c.nodes[n]
	own := c.sets.intersect(v.own, v.to)
	if v.class.context() {
		return own
	}
	return c.sets.union(own, v.there)
}

// needs brings what objects refer to, and what that refers to. Kept objects that are brought are read for
// what they refer to themselves.
func (c *closure) needs() {
	for len(c.queue) > 0 {
		n := c.queue[len(c.queue)-1]
		c.queue = c.queue[:len(c.queue)-1]
		c.nodes[n].flags &^= queued
		known := len(c.nodes)
		if c.nodes[n].flags&(held|loaded) == held && !c.loadObject(c.q.Held, n) {
			c.nodes[n].no, c.nodes[n].to = c.sets.union(c.nodes[n].no, c.nodes[n].to), 0
			continue
		}
		for i := known; i < len(c.nodes); i++ { // what was read refers to them
			c.look(c.q.Held, int32(i))
		}
		c.need(n)
	}
}

// need brings what the versions of n refer to.
func (c *closure) need(n int32) {
	where := c.nodes[n].to
	if where == 0 {
		return
	}
	for e := c.nodes[n].first; e >= 0; e = c.entries[e].next {
		if c.entries[e].dropped {
			continue
		}
		for _, r := range c.refs[c.entries[e].refs:c.entries[e].end] {
			if r.to == n {
				continue
			}
			switch r.property {
			case pCreator, pMarking, pExtension, pPart:
				c.require(r.to, n, where)
			case pSource, pTarget:
			case pObjects:
				if c.nodes[n].class == caseClass && c.nodes[r.to].class == thingClass {
					c.require(r.to, n, where) // an observed-data is its observables
					continue
				}
				c.come(r.to, n, c.mayBring(r.to, where))
			default:
				c.come(r.to, n, c.mayBring(r.to, where))
			}
		}
	}
}

// require brings n because of by, or notes that it is wanted.
func (c *closure) require(n, by int32, where setID) {
	if c.available(n) {
		c.come(n, by, where)
		return
	}
	if c.wanted == nil {
		c.wanted = make(map[int32]setID)
	}
	c.wanted[n] = c.sets.union(c.wanted[n], where)
}
