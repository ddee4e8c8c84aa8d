package collections_test

import (
	"fmt"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// The policy once more, in as few words as it goes and without any of the gateway's code: who is due what.
// It is written from DESIGN.md and docs/routing.md, markings.md, holding.md, and stands against the Desk in
// TestEverybodyIsGivenTheirDue.
type (
	dueSet uint8 // collections, a bit each in the order of dueAliases; dueAbroad is a country outside the operation

	// dueObject is an object version as its publisher means it.
	dueObject struct {
		id, typ        string
		version        int // 0: it has none
		by             string
		marks          []string   // definitions of its publisher's own that it bears
		level          stix.Level // by its other markings; Unmarked: none
		named          []auth.PartnerID
		list           dueSet // the countries that it lists; 0: it has no list
		guess, country dueSet // of its address or domain; of a location
		relation       string // of a relationship: its type, and its ends; of a sighting: what was sighted, where
		source, target string
		word           string // that a guard meets
		value          string // that it reports
		lapsed         bool
		revoked, lower bool
		raw            string
	}

	// dueCopy is one in one collection, or one that is kept.
	dueCopy struct {
		*dueObject
		level     stix.Level
		named     []auth.PartnerID
		publisher auth.PartnerID
		in        dueSet // one collection; 0: it is kept
		kind      collections.KeepKind
		waits     collections.KeepKind // of what is held: what it is when it is held no more
		then      dueSet               // where what is held goes
		second    bool
		asked     auth.Actor
		batch     collections.StatusID // that it was sent with
		via       collections.StatusID // that brought it from another collection
		direct    bool                 // it was not sent to the intake
		said      dueSet               // what its publisher said of where it is
		freed     bool                 // it is held, and released now
		gone      bool
	}

	duePartner struct {
		p                   auth.Principal
		role                auth.Role
		rights              map[string]auth.Rights // by alias, those of the intake too; none: it does not exist
		clearance, standard stix.Level
		onward, suspended   bool
		pseudonymous        bool
		identity, pseudonym string
		hold                string
		exempt              string
	}

	due struct {
		all      []*dueCopy // in the order in which they were added
		owner    map[string]auth.PartnerID
		wanted   map[string]dueSet // by publisher and id
		partners []*duePartner
		ceiling  [3]stix.Level
		mixed    map[collections.StatusID]bool // some of it was sent again while it waited
		named    []dueNaming
	}

	// dueNaming is what names its author in these collections, or would have, had it not failed.
	dueNaming struct {
		*dueCopy
		where dueSet
	}

	// dueWishes are what is said of a publication as a whole.
	dueWishes struct {
		all      dueSet
		partners []auth.PartnerID
		lower    bool
	}

	// dueThing takes part in the routing of one publication.
	dueThing struct {
		*dueCopy                          // as sent, or the newest that is known and not held
		sent, known, chosen, held, listed bool
		only                              bool // it goes where it was chosen to go, and nowhere else
		there, said, own, to, no          dueSet
		says                              bool
	}
)

const dueAbroad dueSet = 8

var dueAliases = []string{"vn", "lk", "th"}

func (s dueSet) each(do func(i int, one dueSet)) {
	for i := range dueAliases {
		if s>>i&1 != 0 {
			do(i, 1<<i)
		}
	}
}

// may gives the collections in which a partner has a right.
func (w *duePartner) may(right func(auth.Rights) bool) (out dueSet) {
	dueSet(7).each(func(i int, one dueSet) {
		if right(w.rights[dueAliases[i]]) {
			out |= one
		}
	})
	return out
}

func (w *duePartner) reads() dueSet  { return w.may(func(r auth.Rights) bool { return r.Read }) }
func (w *duePartner) writes() dueSet { return w.may(func(r auth.Rights) bool { return r.Write }) }

func (o *dueObject) name() string { return fmt.Sprintf("%s/%d", o.id, o.version) }
func (o *dueObject) shared() bool { return o.typ == "ipv4-addr" }
func (o *dueObject) link() bool   { return o.source != "" }
func (o *dueObject) context() bool {
	return slices.Contains([]string{"identity", "location", "malware", "marking-definition"}, o.typ)
}

// opens: an agency is given what its clearance opens, but nothing above amber where it feeds others, and with a
// clearance of red what names it; everybody what is their own.
func (w *duePartner) opens(c *dueCopy) bool {
	top := min(w.clearance, stix.AmberStrict)
	if w.onward {
		top = min(top, stix.Amber)
	}
	return c.publisher == w.p.Partner && w.role != auth.Auditor || w.role == auth.Agency && (c.level <= top ||
		c.level == stix.Red && w.clearance == stix.Red && !w.onward && slices.Contains(c.named, w.p.Partner))
}

// shown is what a partner may know of in these collections; of an id that everybody derives alike it is the copy of
// the publisher that came first among those that it may know of, where not each copy counts.
func (d *due) shown(w *duePartner, in dueSet, eachCopy bool) (list []*dueCopy) {
	first := map[string]auth.PartnerID{}
	for _, c := range d.all {
		if c.gone || c.in&in&w.reads() == 0 || !w.opens(c) {
			continue
		}
		if first[c.id] == "" {
			first[c.id] = c.publisher
		}
		if eachCopy || first[c.id] == c.publisher {
			list = append(list, c)
		}
	}
	return list
}

// dueLast leaves the newest version of each object.
func dueLast(list []*dueCopy) (out []*dueCopy) {
	for i, c := range list {
		if !slices.ContainsFunc(list[i+1:], func(o *dueCopy) bool { return o.id == c.id && o.publisher == c.publisher && o.version >= c.version }) &&
			!slices.ContainsFunc(list[:i], func(o *dueCopy) bool { return o.id == c.id && o.publisher == c.publisher && o.version > c.version }) {
			out = append(out, c)
		}
	}
	return out
}

// reported counts the publishers whose newest version that the partner may know of has the value.
func (d *due) reported(w *duePartner, value string) int {
	by := map[auth.PartnerID]bool{}
	for _, c := range dueLast(d.shown(w, 7, true)) {
		if c.value == value && !c.revoked {
			by[c.publisher] = true
		}
	}
	return len(by)
}

// mine gives what a publisher has of an id, kept and placed.
func (d *due) mine(p auth.PartnerID, id string) (list []*dueCopy) {
	for _, c := range d.all {
		if c.publisher == p && c.id == id && !c.gone {
			list = append(list, c)
		}
	}
	return list
}

// held says whether somebody looks at it first, and whether that takes two.
func (w *duePartner) held(c *dueCopy, sent, routed bool) (held, second bool) {
	if sent {
		held = c.word == "holdword" && w.exempt != "holds" || c.word == "watchword" && w.hold == "list=watch"
		second = c.word == "blockword" && w.exempt != "blocks" || c.word == "docword" && routed
		if w.hold == "pattern=ipv4-addr" && strings.HasPrefix(c.value, "1") {
			held = true
		}
	}
	return held || second || w.hold == "all" || w.hold == "type="+c.typ || w.hold == "level=amber" && c.level >= stix.Amber, second
}

// marked settles level and recipients, or gives false: it fails.
func (d *due) marked(w *duePartner, o *dueObject, body []*dueObject, wishes dueWishes, batch collections.StatusID) (*dueCopy, bool) {
	c := &dueCopy{dueObject: o, level: o.level, named: o.named, publisher: w.p.Partner, batch: batch}
	for _, m := range o.marks {
		if !slices.ContainsFunc(body, func(o *dueObject) bool { return o.id == m }) && len(d.mine(w.p.Partner, m)) == 0 {
			c.level = stix.Unknown
		}
	}
	if c.level == stix.Unmarked {
		c.level = w.standard
	}
	if c.level == stix.Red && c.named == nil {
		c.named = wishes.partners
	}
	return c, c.level != stix.Unmarked && (c.level >= stix.Red || o.named == nil) &&
		!(w.pseudonymous && (o.by != "" && o.by != w.pseudonym && !d.anothers(w, o.by)))
}

// anothers: an identity that the gateway issued to another partner.
func (d *due) anothers(w *duePartner, id string) bool {
	return slices.ContainsFunc(d.partners, func(o *duePartner) bool { return o != w && id != "" && (o.identity == id || o.pseudonym == id) })
}

// objection: what the publication as a whole is judged by, one after the other. new: it would be added or kept.
func (d *due) objects(w *duePartner, c *dueCopy, wishes dueWishes, new bool) bool {
	if o, ok := d.owner[c.id]; d.anothers(w, c.by) || ok && o != w.p.Partner && !c.shared() {
		return true
	}
	before := &dueCopy{dueObject: &dueObject{}}
	for _, o := range d.mine(w.p.Partner, c.id) {
		if o.version == c.version && c.version > 0 && o.raw != c.raw {
			return true // other content under the same version
		}
		if (c.version == 0 || o.version < c.version) && (o.version > before.version || o.version == before.version && o.level > before.level) {
			before = o
		}
	}
	if o, ok := d.owner[c.by]; new && ok && o != w.p.Partner {
		return true
	}
	return new && c.level < before.level && before.level <= stix.Red && !c.lower && !wishes.lower
}

// there: the publisher has just this in these collections, or just this is kept for them.
func (d *due) there(c *dueCopy, kept bool) (in dueSet, any bool) {
	for _, o := range d.mine(c.publisher, c.id) {
		if o.raw == c.raw && (o.in != 0 || kept) {
			in, any = in|o.in|o.then, true
		}
	}
	return in, any
}

func (r *dueResult) failed() bool { r.fails++; return true }

type dueResult struct {
	batch              collections.StatusID
	fails, there, kept int
	came               []string       // collection and name of what was added
	readers            map[string]int // by name, of what was added
}

// publish notes what becomes of a publication.
func (d *due) publish(w *duePartner, to string, body []*dueObject, wishes dueWishes, batch collections.StatusID) *dueResult {
	r := &dueResult{batch: batch, readers: map[string]int{}}
	var list []*dueCopy
	routed := to == "intake"
	for _, o := range body {
		c, ok := d.marked(w, o, body, wishes, batch)
		c.direct = !routed
		if at := slices.Index(dueAliases, to); !routed && d.ceiling[at] != 0 && c.level > d.ceiling[at] {
			ok = false
		}
		if ok {
			list = append(list, c)
		} else {
			r.fails++
		}
	}
	if !routed {
		for _, c := range list {
			d.take(w, c, 1<<slices.Index(dueAliases, to), "", true, nil, wishes, r)
		}
		return r
	}
	list = slices.DeleteFunc(list, func(c *dueCopy) bool { return d.anothers(w, c.by) && r.failed() })
	things := d.route(w, list, wishes.all, nil)
	for _, t := range things {
		switch {
		case !t.sent && t.to != 0:
			d.take(w, t.dueCopy, t.to, "", false, t, wishes, r)
		case t.sent && t.to == 0 && t.no != 0: // it may go to none of the countries that it concerns
			r.fails++
		case t.sent && t.to != 0:
			d.take(w, t.dueCopy, t.to, "", true, t, wishes, r)
		case t.sent && (t.context() || t.typ == "relationship" || t.typ == "sighting" && (t.said == 0 || t.said&^dueAbroad != 0)):
			d.take(w, t.dueCopy, 0, collections.KeepPending, true, t, wishes, r)
		case t.sent:
			d.take(w, t.dueCopy, 0, collections.KeepUnrouted, true, t, wishes, r)
		}
	}
	return r
}

// take adds or keeps one object.
func (d *due) take(w *duePartner, c *dueCopy, to dueSet, keep collections.KeepKind, sent bool, t *dueThing, wishes dueWishes, r *dueResult) {
	kind, second := keep, false
	if held, two := w.held(c, sent, t != nil); held && sent {
		kind, second = collections.KeepHeld, two
	}
	waited := slices.DeleteFunc(d.mine(c.publisher, c.id), func(o *dueCopy) bool { // what it is, if that waited
		return t == nil || keep != "" || o.in != 0 || o.kind == collections.KeepHeld || o.raw != c.raw
	})
	for _, o := range waited {
		if o.gone = true; sent { // it came with both
			d.mixed[o.batch], d.mixed[c.batch] = true, true
		}
	}
	d.named = append(d.named, dueNaming{c, to})
	in, any := d.there(c, kind != "")
	rest := to &^ in
	if sent && d.objects(w, c, wishes, kind == "" && rest != 0 || kind != "" && (to == 0 && !any || rest != 0)) {
		for _, o := range waited {
			o.gone = false
		}
		r.fails++
		return
	}
	switch {
	case kind == "" && rest == 0, kind != "" && (to == 0 && any || to != 0 && rest == 0):
		if sent {
			r.there++
		}
		return
	case kind != "":
		k := *c
		k.kind, k.waits, k.then, k.second, k.in, k.asked, k.gone = kind, keep, rest, second, 0, "", false
		if t != nil {
			k.said = t.said
		}
		if !sent {
			k.batch = r.batch
		}
		d.all = append(d.all, &k)
		if sent {
			r.kept++
		}
	default:
		d.add(c, rest, t, r)
	}
	d.claim(w, c)
}

func (d *due) claim(w *duePartner, c *dueCopy) {
	for _, id := range []string{c.id, c.by} {
		if _, ok := d.owner[id]; !ok && id != "" {
			d.owner[id] = w.p.Partner
		}
	}
}

func (d *due) add(c *dueCopy, to dueSet, t *dueThing, r *dueResult) {
	readers := map[auth.PartnerID]bool{}
	to.each(func(i int, one dueSet) {
		k := *c
		k.in, k.kind, k.then, k.gone = one, "", 0, false
		if k.via = ""; c.in != 0 {
			k.via = r.batch
		}
		if t != nil {
			k.said = t.said
		}
		d.all = append(d.all, &k)
		r.came = append(r.came, dueAliases[i]+" "+c.name())
		for _, o := range d.partners {
			if o.p.Partner != c.publisher && !o.suspended && o.rights[dueAliases[i]].Read && o.opens(&k) {
				readers[o.p.Partner] = true
			}
		}
	})
	r.readers[c.name()] = len(readers)
}

// route says where things go that a publisher sends through the intake, or that an operator chose of what waited,
// and what comes along. What is held counts as if it were not there.
func (d *due) route(w *duePartner, list []*dueCopy, all dueSet, chosen map[string]dueSet) []*dueThing {
	if chosen == nil && slices.ContainsFunc(list, func(c *dueCopy) bool { return first(w.held(c, true, true)) }) {
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
		t.held = look && first(w.held(c, true, true))
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
				d.take(w, t.dueCopy, t.to, "", false, t, dueWishes{}, &dueResult{readers: map[string]int{}})
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
