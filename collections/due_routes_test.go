package collections_test

import (
	"slices"
	"strings"

	"liaison/auth"
	"liaison/collections"
)

// route says where things go that a publisher sends through the intake, or that an operator chose of what waited,
// and what comes along. What is held counts as if it were not there.
func (d *due) route(w *duePartner, list []*dueCopy, all dueSet, chosen map[string]dueSet) []*dueThing {
	if chosen == nil && slices.ContainsFunc(list, func(c *dueCopy) bool { return first(w.held(c, true)) }) {
		meant := d.plan(w, list, all, nil, false)
		things := d.plan(w, list, all, nil, true)
		for _, t := range things {
			for _, m := range meant {
				if t.held && m.id == t.id {
					t.to, t.no = m.to, m.no
				}
			}
		}
		return things
	}
	return d.plan(w, list, all, chosen, true)
}

func (d *due) plan(w *duePartner, list []*dueCopy, all dueSet, chosen map[string]dueSet, look bool) []*dueThing {
	var order []*dueThing
	things := map[string]*dueThing{}
	thing := func(id string) *dueThing {
		if t := things[id]; t != nil {
			return t
		}
		typ, _, _ := strings.Cut(id, "--")
		t := &dueThing{dueCopy: &dueCopy{dueObject: &dueObject{id: id, typ: typ}}}
		for _, o := range d.mine(w.p.Partner, id) {
			t.there |= o.in
			if (o.kind != collections.KeepHeld || o.freed) && (!t.known || o.version > t.version || o.version == t.version && (o.in == 0 || t.in != 0)) {
				t.known, t.dueCopy = true, o
			}
		}
		t.said, t.listed = t.dueCopy.said, t.list != 0
		things[id], order = t, append(order, t)
		return t
	}
	for _, c := range list {
		t := thing(c.id)
		t.sent, t.dueCopy, t.said = true, c, 0
		t.held = look && first(w.held(c, true))
		t.listed = c.list != 0 || all != 0 && !c.link()
		if t.own = c.list; t.own == 0 && t.listed {
			t.own = all
		}
	}
	for id, to := range chosen {
		t := thing(id)
		t.chosen, t.own = true, to
		t.only = slices.ContainsFunc(d.mine(w.p.Partner, id), func(o *dueCopy) bool { return o.freed })
	}
	var links []*dueThing
	for _, c := range d.all { // what waits for one of them
		if t := things[c.source]; c.publisher == w.p.Partner && !c.gone && c.kind == collections.KeepPending && c.link() &&
			(t != nil && (t.sent || t.chosen) || things[c.target] != nil && c.typ == "relationship" && (things[c.target].sent || things[c.target].chosen)) {
			thing(c.id)
		}
	}
	for _, t := range slices.Clone(order) {
		if t.link() {
			links = append(links, t)
			thing(t.source)
			thing(t.target)
		}
	}
	// What the publisher says of where things are.
	news := map[*dueThing]dueSet{}
	say := func(t *dueThing, where dueSet) {
		if !t.listed {
			news[t], t.said = news[t]|where&^t.said, t.said|where
		}
	}
	for _, l := range links {
		if to := things[l.target]; l.typ == "relationship" && (to.sent || to.known) {
			say(things[l.source], to.country)
		}
	}
	for _, l := range links {
		if where := things[l.target]; l.typ == "sighting" {
			say(l, where.country|where.said)
			say(things[l.source], l.said)
		}
		if to := things[l.target]; l.relation == "targets" && to.typ == "identity" {
			say(things[l.source], to.said)
		}
	}
	may := func(t *dueThing) (s dueSet) {
		w.writes().each(func(i int, one dueSet) {
			if (d.ceiling[i] == 0 || t.level <= d.ceiling[i]) && (!t.only || one&chosen[t.id] != 0) {
				s |= one
			}
		})
		return s
	}
	changed := true
	grant := func(t *dueThing, want dueSet) {
		if want &= 7; !t.sent {
			want &^= t.there
		}
		if (t.sent || t.known) && want&^t.to&^t.no != 0 {
			t.to, t.no, changed = t.to|want&may(t), t.no|want&^may(t), true
		}
	}
	for _, t := range order {
		switch {
		case t.sent && !t.listed && t.said == 0:
			t.own |= t.guess | t.country
		case t.sent && !t.listed:
			t.own |= t.said | t.country
		default:
			t.own |= news[t]
		}
		if !t.link() {
			want := t.own
			if t.sent {
				want |= t.there
			}
			if t.sent {
				want |= d.wanted[string(w.p.Partner)+t.id]
			}
			grant(t, want)
		}
	}
	at := func(t *dueThing) dueSet { // where it is, for others
		if t.held {
			return t.there
		}
		return t.there | t.to
	}
	bring := func(t *dueThing, where dueSet) { // what is somebody's goes where it is, or anywhere
		if t.typ == "identity" && (t.said != 0 || t.sent && t.listed) {
			where &= t.own | t.there
		}
		if t.context() {
			grant(t, where)
		}
	}
	with := func(t *dueThing) (where dueSet) { // where it is for its own sake
		if !t.held {
			where = t.own & t.to
		}
		if !t.context() {
			where |= t.there
		}
		return where
	}
	for changed {
		changed = false
		for _, l := range links {
			if from, to := things[l.source], things[l.target]; l.typ == "relationship" {
				bring(to, with(from))
				bring(from, with(to))
				grant(l, at(from)&at(to))
			} else if where := at(from); l.said != 0 {
				grant(l, where&(l.own|l.there))
			} else {
				grant(l, where)
			}
		}
		for _, t := range slices.Clone(order) { // what they cannot be understood without
			where := t.to
			if where == 0 || t.held {
				continue
			}
			if t.typ == "sighting" {
				bring(things[t.target], where)
			}
			for _, id := range append([]string{t.by}, t.marks...) {
				if need := thing(id); id != "" && (need.sent || need.known) {
					grant(need, where)
				} else if id != "" && look {
					d.wanted[string(w.p.Partner)+id] |= where
				}
			}
		}
	}
	return dueOrder(order, things)
}

// dueOrder puts what is needed first.
func dueOrder(order []*dueThing, things map[string]*dueThing) (out []*dueThing) {
	done := map[*dueThing]bool{}
	var walk func(t *dueThing)
	walk = func(t *dueThing) {
		if t == nil || done[t] {
			return
		}
		done[t] = true
		for _, id := range append([]string{t.by, t.source, t.target}, t.marks...) {
			walk(things[id])
		}
		out = append(out, t)
	}
	for _, t := range order {
		walk(t)
	}
	return out
}

func first(yes, _ bool) bool { return yes }

// release is an operator's order: the first of what takes two only asks. What is held goes where it was meant to go
// or is told to go now; what waits is told, and takes along what it needs and what waited for it.
func (d *due) release(list []*dueCopy, to dueSet, actor auth.Actor) {
	chosen := map[*duePartner]map[string]dueSet{}
	choose := func(c *dueCopy, to dueSet) {
		w := d.partner(c.publisher)
		if chosen[w] == nil {
			chosen[w] = map[string]dueSet{}
		}
		chosen[w][c.id] |= to
	}
	var after []*dueCopy // what is to go where it is told, alone
	dest := map[*dueCopy]dueSet{}
	for _, c := range list {
		if dest[c] = to; to == 0 {
			dest[c] = c.then
		}
		held := c.kind == collections.KeepHeld
		if d.forbidden(d.partner(c.publisher), c, dest[c]) || dest[c] == 0 && !(held && !c.direct) {
			continue
		}
		switch {
		case !held:
			after = append(after, c)
		case c.second && c.asked == "":
			c.asked = actor
			if to != 0 {
				c.then = to
			}
		case c.second && c.asked == actor:
		case dest[c] == 0, c.direct:
			after = append(after, c)
		default:
			c.freed = true
			choose(c, dest[c])
		}
	}
	d.carry(chosen)
	chosen = map[*duePartner]map[string]dueSet{}
	for _, c := range list {
		if c.freed && !c.gone {
			after = append(after, c)
		}
		c.freed = false
	}
	slices.SortStableFunc(after, func(a, b *dueCopy) int { return slices.Index(list, a) - slices.Index(list, b) })
	for _, c := range after {
		switch {
		case c.kind != collections.KeepHeld:
			choose(c, to)
			continue
		case dest[c] == 0:
			c.kind = c.waits
		default:
			in, _ := d.there(c, false)
			c.gone = true
			d.named = append(d.named, dueNaming{c, dest[c]})
			d.add(c, dest[c]&^in, nil, &dueResult{readers: map[string]int{}})
		}
		if !c.direct {
			choose(c, 0)
		}
	}
	d.carry(chosen)
}

// carry routes what was chosen, with what it needs and what waited for it.
func (d *due) carry(chosen map[*duePartner]map[string]dueSet) {
	for _, w := range d.partners {
		if chosen[w] == nil {
			continue
		}
		for _, t := range d.route(w, nil, 0, chosen[w]) {
			if t.to != 0 {
				t.dueCopy.gone = t.dueCopy.gone || t.dueCopy.freed
				d.take(w, t.dueCopy, t.to, "", false, t, dueWishes{}, &dueResult{batch: "an order", readers: map[string]int{}})
			}
		}
	}
}

func (d *due) partner(id auth.PartnerID) *duePartner {
	return d.partners[slices.IndexFunc(d.partners, func(w *duePartner) bool { return w.p.Partner == id })]
}

func (d *due) forbidden(w *duePartner, c *dueCopy, to dueSet) (no bool) {
	to.each(func(i int, one dueSet) {
		no = no || w.writes()&one == 0 || d.ceiling[i] != 0 && c.level > d.ceiling[i]
	})
	return no
}
