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
// It is written from docs/design.md, routing.md, markings.md and holding.md, and stands against the Desk in
// TestEverybodyIsGivenTheirDue. Where things go is in due_routes_test.go.
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
func (w *duePartner) held(c *dueCopy, sent bool) (held, second bool) {
	if sent {
		held = c.word == "holdword" && w.exempt != "holds" || c.word == "watchword" && w.hold == "list=watch"
		second = c.word == "blockword" && w.exempt != "blocks" || c.word == "docword"
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
	missed := map[string]bool{} // what is not everywhere where it was to go
	for _, t := range things {
		fails, meant := r.fails, t.to
		if held, _ := w.held(t.dueCopy, true); t.link() && !(held && t.sent) {
			t.to = d.together(t, missed)
			d.named = append(d.named, dueNaming{t.dueCopy, meant})
		}
		switch {
		case !t.sent && t.to != 0:
			d.take(w, t.dueCopy, t.to, "", false, t, wishes, r)
		case t.sent && meant == 0 && t.no != 0: // it may go to none of the countries that it concerns
			r.fails++
		case t.sent && t.to != 0:
			d.take(w, t.dueCopy, t.to, "", true, t, wishes, r)
		case t.sent && meant != 0:
			d.take(w, t.dueCopy, 0, collections.KeepPending, true, t, wishes, r)
		case t.sent && (t.context() || t.typ == "relationship" || t.typ == "sighting" && (t.said == 0 || t.said&^dueAbroad != 0)):
			d.take(w, t.dueCopy, 0, collections.KeepPending, true, t, wishes, r)
		case t.sent:
			d.take(w, t.dueCopy, 0, collections.KeepUnrouted, true, t, wishes, r)
		}
		missed[t.id] = r.fails > fails || t.to != meant
	}
	return r
}

// together is where a relationship or sighting goes: where what it speaks of is, if that did not come as it was to.
func (d *due) together(t *dueThing, missed map[string]bool) (to dueSet) {
	to = t.to
	for i, id := range []string{t.source, t.target} {
		if !missed[id] || i == 1 && t.typ == "sighting" {
			continue
		}
		var in dueSet
		for _, o := range d.mine(t.publisher, id) {
			in |= o.in
		}
		to &= in
	}
	return to
}

// take adds or keeps one object.
func (d *due) take(w *duePartner, c *dueCopy, to dueSet, keep collections.KeepKind, sent bool, t *dueThing, wishes dueWishes, r *dueResult) {
	kind, second := keep, false
	if held, two := w.held(c, sent); held && sent {
		kind, second = collections.KeepHeld, two
	}
	waited := slices.DeleteFunc(d.mine(c.publisher, c.id), func(o *dueCopy) bool { // what it is, if that waited
		return t == nil || keep != "" || !sent && o != c || o.in != 0 || o.kind == collections.KeepHeld || o.raw != c.raw
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
		k.in, k.kind, k.then, k.gone, k.freed = one, "", 0, false, false
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
