package routing

import "liaison/stix"

// closure carries what each object needs to the countries that the object goes to.
type closure struct {
	*Graph
	q     Request
	queue []int32 // nodes whose needs are to be brought
	order []int32 // nodes, dependencies first
}

// present gives where a thing is or comes to.
func (c *closure) present(n int32) Set { return c.nodes[n].to.Union(c.nodes[n].there) }

// available reports an object of the publication, or one that is kept.
func (c *closure) available(n int32) bool {
	v := &c.nodes[n]
	if v.flags&held != 0 {
		return true
	}
	for e := v.first; e >= 0; e = c.entries[e].next {
		if !c.entries[e].dropped {
			return true
		}
	}
	return false
}

// grant adds the countries that the caller allows to where n goes.
func (c *closure) grant(n int32, want Set) {
	v := &c.nodes[n]
	want = want.Without(v.to).Without(v.no)
	if v.flags&held != 0 {
		want = want.Without(v.there)
	}
	if want.Empty() || !c.available(n) {
		return
	}
	for place := range want.All() {
		if c.allowed(n, place) {
			v.to.Add(place)
		} else {
			v.no.Add(place)
		}
	}
	if v.flags&queued == 0 && !v.to.Empty() {
		v.flags |= queued
		c.queue = append(c.queue, n)
	}
}

// allowed asks the caller: of several versions one is enough.
func (c *closure) allowed(n int32, place int) bool {
	if c.q.Allowed == nil {
		return true
	}
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
			want = want.Union(v.there)
		}
		if !want.Empty() {
			c.grant(int32(i), want)
		}
	}
}

// mayBring says where n may be brought that is needed there: knowledge, places and markings everywhere;
// somebody's things where they are, or anywhere if they are nowhere; cases never.
func (c *closure) mayBring(n int32, where Set) Set {
	v := &c.nodes[n]
	switch v.class {
	case knowledgeClass, locationClass, markingClass:
		return where
	case thingClass, identityClass:
		if v.flags&(hasStated|hasSeen) == 0 {
			return where
		}
		return where.Intersect(v.own.Union(v.there))
	}
	return Set{}
}

// come brings n because of by.
func (c *closure) come(n, by int32, where Set) {
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
		if where := c.routed(l.from); !where.Empty() {
			c.come(l.to, l.from, c.mayBring(l.to, where))
		}
		if where := c.routed(l.to); !where.Empty() {
			c.come(l.from, l.to, c.mayBring(l.from, where))
		}
	}
	for range MaxKnowledgeStep {
		for i := range c.links {
			l := &c.links[i]
			from, to := &c.nodes[l.from], &c.nodes[l.to]
			if c.entries[l.entry].dropped || from.class != knowledgeClass || to.class != knowledgeClass && to.class != locationClass {
				continue
			}
			if where := c.present(l.from); !where.Empty() {
				c.come(l.to, l.from, where)
			}
		}
	}
	c.needs()
}

// routed gives where n goes for reasons of its own: what was only brought brings nothing that is
// merely related to it.
func (c *closure) routed(n int32) Set {
	v := &c.nodes[n]
	if v.class.context() {
		return v.own.Intersect(v.to)
	}
	return c.present(n)
}

// needs brings what objects refer to, and what that refers to. Kept objects that are brought are read for
// what they refer to themselves.
func (c *closure) needs() {
	for len(c.queue) > 0 {
		n := c.queue[len(c.queue)-1]
		c.queue = c.queue[:len(c.queue)-1]
		c.nodes[n].flags &^= queued
		if c.nodes[n].flags&(held|loaded) == held && !c.loadObject(c.q.Held, n) {
			c.nodes[n].no, c.nodes[n].to = c.nodes[n].no.Union(c.nodes[n].to), Set{}
			continue
		}
		c.need(n)
	}
}

// need brings what the versions of n refer to.
func (c *closure) need(n int32) {
	where := c.nodes[n].to
	if where.Empty() {
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
				c.come(r.to, n, where)
			case pSource, pTarget:
			case pObjects:
				if c.nodes[n].class == caseClass && c.nodes[r.to].class == thingClass {
					c.come(r.to, n, where) // an observed-data is its observables
					continue
				}
				c.come(r.to, n, c.mayBring(r.to, where))
			default:
				c.come(r.to, n, c.mayBring(r.to, where))
			}
		}
	}
}
