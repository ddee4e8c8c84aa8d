package routing

import (
	"maps"
	"slices"

	"liaison/stix"
)

// find settles which countries each object concerns for reasons of its own. What the publisher states
// stands alone; else the database and the domains; else what is known of the things around it. Each
// rule looks one step far, so that the order of the objects does not matter.
func (g *Graph) find(q *Request) {
	g.listAll(q)
	g.places()
	g.sightings()
	g.victims()
	g.infrastructure()
	g.parts()
	g.settle()
	g.around()
	for n, chosen := range g.chosen {
		g.nodes[n].own = g.sets.union(g.nodes[n].own, chosen)
	}
}

// listAll gives every object of the publication the publisher's list for all of it: they share its
// records. Relationships and sightings go where their ends go.
func (g *Graph) listAll(q *Request) {
	if len(q.Countries) == 0 {
		return
	}
	var said chain
	var stated setID
	for _, c := range q.Countries {
		if assigned(c) {
			g.record(&said, &stated, ListedAll, slot(c), "")
		}
	}
	for i := range g.entries {
		e := &g.entries[i]
		v := &g.nodes[e.node]
		if e.index >= 0 && !e.dropped && v.flags&(listed|all) == 0 && v.class != linkClass && v.class != sightingClass {
			v.said, v.stated = said, stated
			v.flags |= all | hasStated
		}
	}
}

// each calls do with every relationship of this kind that takes part.
func (g *Graph) each(kind linkKind, do func(l *link)) {
	for i := range g.links {
		if l := &g.links[i]; l.kind == kind && !g.entries[l.entry].dropped {
			do(l)
		}
	}
}

// places gives an object the country of the locations that it is located at, targets or originates from.
func (g *Graph) places() {
	for i := range g.links {
		l := &g.links[i]
		var code Code
		switch l.kind {
		case locatedAt:
			code = LocatedAt
		case targets:
			code = Targets
		case originatesFrom:
			code = OriginatesFrom
		default:
			continue
		}
		to := &g.nodes[l.to]
		if g.entries[l.entry].dropped || to.class != locationClass || to.country == 0 || g.nodes[l.from].class == locationClass {
			continue
		}
		g.state(l.from, code, int(to.country)-1, to.id)
	}
}

// sightings gives a sighting, what was sighted and the data that were observed the countries where that
// was: of a location, and of an identity that is located there.
func (g *Graph) sightings() {
	for i := range g.entries {
		e := &g.entries[i]
		if g.nodes[e.node].class != sightingClass || e.dropped {
			continue
		}
		refs := g.refs[e.refs:e.end]
		id := g.nodes[e.node].id
		for _, w := range refs {
			if w.property == pWhere {
				g.eachPlace(w.to, func(country int) { g.state(e.node, Sighted, country, id) })
			}
		}
		for _, of := range refs {
			if of.property == pSightingOf || of.property == pObserved {
				g.inherit(of.to, e.node, Sighted, func(c Code) bool { return c == Sighted })
			}
		}
	}
}

// eachPlace gives the countries of a location, or those that an identity is located in.
func (g *Graph) eachPlace(n int32, each func(country int)) {
	v := &g.nodes[n]
	if v.class == locationClass {
		if v.country != 0 {
			each(int(v.country) - 1)
		}
		return
	}
	for i := v.said.first; i > 0; {
		r := g.records[i-1]
		if r.code == LocatedAt || r.code == Listed {
			each(int(r.country))
		}
		i = r.next
	}
}

// victims gives what targets an identity the countries that the identity is located in.
func (g *Graph) victims() {
	g.each(targets, func(l *link) {
		if g.nodes[l.to].class == identityClass {
			g.eachPlace(l.to, func(country int) { g.state(l.from, Victim, country, g.nodes[l.to].id) })
		}
	})
}

// infrastructure gives what indicates an infrastructure, and the observables that it consists of, the
// countries where the publisher places it.
func (g *Graph) infrastructure() {
	for i := range g.links {
		l := &g.links[i]
		if g.entries[l.entry].dropped {
			continue
		}
		switch from, to := &g.nodes[l.from], &g.nodes[l.to]; {
		case l.kind == indicates && isInfrastructure(to.id):
			g.inherit(l.from, l.to, Indicates, placed)
		case l.kind == consistsOf && isInfrastructure(from.id) && to.class == thingClass && !isInfrastructure(to.id):
			g.inherit(l.to, l.from, PartOf, placed)
		}
	}
}

func isInfrastructure(id string) bool {
	const prefix = "infrastructure--"
	return len(id) > len(prefix) && id[:len(prefix)] == prefix
}

// placed tells how the publisher says where an infrastructure is.
func placed(c Code) bool { return c == Listed || c == ListedAll || c == LocatedAt }

// inherit gives n, for this reason, the countries that the publisher stated of from for one of those.
func (g *Graph) inherit(n, from int32, code Code, which func(Code) bool) {
	id := g.nodes[from].id
	for i := g.nodes[from].said.first; i > 0; {
		r := g.records[i-1]
		if which(r.code) {
			g.state(n, code, int(r.country), id)
		}
		i = r.next
	}
}

// parts gives an object what databases and domains say of its parts: an observable of those that it
// refers to, an observed-data and an infrastructure of the observables that they hold, an indicator of
// the observed-data that it is based on.
func (g *Graph) parts() {
	for i := range g.entries {
		e := &g.entries[i]
		v := &g.nodes[e.node]
		if e.dropped || v.class != thingClass || v.flags&hasStated != 0 {
			continue
		}
		for _, r := range g.refs[e.refs:e.end] {
			if r.property == pPart && g.nodes[r.to].class == thingClass {
				g.copySeen(e.node, r.to, true)
			}
		}
	}
	g.each(resolvesTo, func(l *link) { g.copySeen(l.from, l.to, true) })
	for i := range g.entries {
		e := &g.entries[i]
		v := &g.nodes[e.node]
		if e.dropped || v.class != caseClass || v.flags&hasStated != 0 {
			continue
		}
		for _, r := range g.refs[e.refs:e.end] {
			if r.property == pObjects && g.nodes[r.to].class == thingClass {
				g.copySeen(e.node, r.to, false)
			}
		}
	}
	g.each(consistsOf, func(l *link) {
		if isInfrastructure(g.nodes[l.from].id) && g.nodes[l.to].class == thingClass {
			g.copySeen(l.from, l.to, false)
		}
	})
	g.each(basedOn, func(l *link) { g.copySeen(l.from, l.to, false) })
}

// copySeen gives n the guesses of from: those of its own values alone, or with those of its parts.
func (g *Graph) copySeen(n, from int32, own bool) {
	if n == from || g.nodes[n].flags&hasStated != 0 {
		return
	}
	c := g.nodes[from].seen
	left := c.n
	if own {
		left = c.base
	}
	for i := c.first; i > 0 && left > 0; left-- {
		r := g.records[i-1]
		g.see(n, r.code, int(r.country), r.value)
		i = r.next
	}
}

// settle chooses between what was stated and what was guessed.
func (g *Graph) settle() {
	for i := range g.nodes {
		v := &g.nodes[i]
		switch {
		case v.flags&held != 0: // it was routed then for what was known then
			v.own = g.sets.without(v.stated, v.before)
		case v.flags&hasStated != 0:
			v.own = v.stated
		case v.flags&hasSeen != 0:
			v.own = v.guessed
		}
	}
}

// around gives what has nothing of its own the countries of what is around it: an indicator those which
// the publisher says that what it indicates targets, an object those that the publisher gives a report or
// grouping with it.
func (g *Graph) around() {
	g.each(indicates, func(l *link) {
		if g.bare(l.from) {
			g.copySaid(l.from, l.to, IndicatesWhat, func(c Code) bool { return c <= ListedAll || c == Targets || c == Victim })
		}
	})
	for i := range g.entries {
		e := &g.entries[i]
		if id := g.nodes[e.node].id; e.dropped || g.nodes[e.node].class != aboutClass || id[0] != 'r' && id[0] != 'g' {
			continue
		}
		for _, r := range g.refs[e.refs:e.end] {
			if r.property == pObjects && g.nodes[r.to].class <= thingClass && g.bare(r.to) {
				g.copySaid(r.to, e.node, Member, Code.Stated)
			}
		}
	}
	for i := range g.nodes {
		v := &g.nodes[i]
		if v.flags&hasAround != 0 && v.own == 0 && (v.flags&held == 0 || v.there == 0) {
			v.own = v.round
		}
	}
}

// bare reports an object of which nothing was stated and nothing guessed.
func (g *Graph) bare(n int32) bool { return g.nodes[n].flags&(hasStated|hasSeen) == 0 }

func (g *Graph) copySaid(n, from int32, code Code, which func(Code) bool) {
	id := g.nodes[from].id
	for i := g.nodes[from].said.first; i > 0; {
		r := g.records[i-1]
		if which(r.code) {
			g.surround(n, code, int(r.country), id)
		}
		i = r.next
	}
}

// load asks what is kept of the ids that take part and brings in the relationships that waited for them.
func (g *Graph) load(q *Request) {
	h := q.Held
	if h == nil {
		return
	}
	asked := 0
	for _, id := range slices.Sorted(maps.Keys(q.Kept)) {
		countries := q.Kept[id]
		n := g.intern([]byte(id))
		if g.nodes[n].first >= 0 || !g.loadObject(h, n) {
			continue
		}
		if g.chosen == nil {
			g.chosen = make(map[int32]setID)
		}
		g.chosen[n] = g.sets.id(g.router.Set(countries...))
	}
	for i := 0; i < len(g.nodes); i++ { // it grows
		g.look(h, int32(i))
		v := &g.nodes[i]
		if _, chosen := g.chosen[int32(i)]; !chosen && !g.sent(int32(i)) || asked >= MaxHeld {
			continue
		}
		id := stix.ID(v.id)
		v.wanted = g.sets.id(h.Wanted(id))
		for k, w := range h.Waiting(id) {
			if k == MaxWaiting || asked >= MaxHeld {
				break
			}
			asked++
			g.loadObject(h, g.intern([]byte(w)))
		}
	}
	// What a country may come from, or go on from, must be read.
	for i := range g.links {
		l := g.links[i]
		if l.kind == otherLink || l.kind == basedOn || l.kind == resolvesTo {
			continue
		}
		for _, n := range [2]int32{l.from, l.to} {
			c := g.nodes[n].class
			if c == caseClass && (n != l.from || l.kind == indicates && !isInfrastructure(g.nodes[l.to].id)) {
				continue
			}
			if asked < MaxHeld && c <= locationClass {
				asked++
				g.loadObject(h, n)
			}
		}
	}
	for i := 0; i < len(g.refs); i++ { // it grows
		r := g.refs[i]
		if r.property == pWhere || r.property == pSightingOf || r.property == pObserved || (r.property == pPart || r.property == pObjects) && g.nodes[r.to].class == thingClass {
			if asked < MaxHeld && !g.live(r.to) {
				asked++
				g.loadObject(h, r.to)
			}
		}
	}
	for i := range g.nodes {
		g.look(h, int32(i))
	}
}

// look asks once whether an id is kept.
func (g *Graph) look(h Held, n int32) {
	v := &g.nodes[n]
	if v.flags&looked != 0 {
		return
	}
	v.flags |= looked
	there, kept := h.In(stix.ID(v.id))
	v.there = g.sets.id(there)
	if kept && !g.live(n) {
		v.flags |= held
	}
}

// loadObject reads a kept object, once, that is none of the publication.
func (g *Graph) loadObject(h Held, n int32) bool {
	g.look(h, n)
	v := &g.nodes[n]
	if v.flags&held == 0 || v.flags&loaded != 0 {
		return g.live(n)
	}
	v.flags |= loaded
	reasons, ok := h.Object(stix.ID(v.id), func(o *stix.Object) { g.add(o, -1) })
	if !ok {
		return false
	}
	for _, r := range reasons { // what it was routed for before
		if r.Code.Stated() && assigned(r.Country) {
			g.state(n, r.Code, slot(r.Country), r.Value)
		}
	}
	v = &g.nodes[n]
	v.before = v.stated
	return true
}
