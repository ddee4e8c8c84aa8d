package collections_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/routing"
	"liaison/stix"
)

// chances are repeatable numbers (splitmix64).
type chances uint64

func (c *chances) below(n int) int {
	*c += 0x9E3779B97F4A7C15
	z := uint64(*c)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return int((z ^ z>>31) >> 1 % uint64(n))
}

func (c *chances) once(in int) bool { return c.below(in) == 0 }

func pick[T any](c *chances, list ...T) T { return list[c.below(len(list))] }

// dueSeeds is how many walks a run of the tests takes, and how many steps each has; LIAISON_DUE_SEEDS=FROM-TO takes others.
const (
	dueSeeds = 40
	dueSteps = 50
)

// TestEverybodyIsGivenTheirDue: over random partners, grants, markings, guards, holds, routes and acts of operators,
// what a partner is given on any path is exactly what the model says (due_model_test.go): nothing more, nothing less;
// and every preview is what comes of it.
func TestEverybodyIsGivenTheirDue(t *testing.T) {
	from, to := 0, dueSeeds
	if text := os.Getenv("LIAISON_DUE_SEEDS"); text != "" {
		if _, err := fmt.Sscanf(text, "%d-%d", &from, &to); err != nil {
			t.Fatalf("LIAISON_DUE_SEEDS=%s: want FROM-TO, like 100-900", text)
		}
	}
	for seed := from; seed < to; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &dueWalk{house: houseOf(t, dueCodes[:3]...), chances: chances(seed), memo: map[string]*dueObject{}, statuses: map[collections.StatusID]auth.PartnerID{},
				due: due{owner: map[string]auth.PartnerID{}, wanted: map[string]dueSet{}, mixed: map[collections.StatusID]bool{}}}
			w.begin()
			for n := range dueSteps {
				w.n = n
				w.step()
				if t.Failed() {
					t.Log(strings.Join(w.acts, "\n"))
					t.Logf("seed %d, step %d: LIAISON_DUE_SEEDS=%d-%d go test ./collections -run EverybodyIsGiven", seed, n, seed, seed+1)
					return
				}
			}
		})
	}
}

type dueWalk struct {
	*house
	chances
	due
	n        int
	acts     []string // what was done so far
	memo     map[string]*dueObject
	statuses map[collections.StatusID]auth.PartnerID
}

func (w *dueWalk) begin() {
	w.Helper()
	w.desk.Routing = routing.Options{Addresses: dueAddresses{}}
	w.guard(wordGuard{
		"holdword":  {List: "holds", Hold: true, Text: "holds"},
		"blockword": {List: "blocks", Block: true, Text: "blocks"},
		"docword":   {List: "documents", Block: true, Text: "documents"},
		"watchword": {List: "watch", Text: "watch"},
	})
	w.desk.Gleaning = collections.Gleaning{Gist: dueGists, Value: func(text string) (collections.Value, error) { return collections.Value{Text: text}, nil }}
	clearances := []stix.Level{stix.Clear, stix.Green, stix.Amber, stix.AmberStrict, stix.Red, stix.Red}
	for n, role := range []auth.Role{auth.Vendor, auth.Vendor, auth.Agency, auth.Agency, auth.Agency, auth.Agency, auth.Auditor} {
		who := &duePartner{role: role, rights: map[string]auth.Rights{}}
		c := auth.CreatePartner{ID: auth.PartnerID(fmt.Sprintf("partner-%d", n)), Role: role}
		if role == auth.Agency {
			c.Clearance = pick(&w.chances, clearances...)
		}
		if role != auth.Auditor {
			c.DefaultMarking = pick(&w.chances, stix.Unmarked, stix.Green, stix.Amber)
		}
		who.clearance, who.standard = c.Clearance, c.DefaultMarking
		who.p = w.house.partner(c, auth.Rights{})
		w.partners = append(w.partners, who)
		if role != auth.Auditor {
			for at := range dueAliases {
				w.regrant(who, at)
			}
			w.set(who, auth.SetPartner{})
		}
		if role == auth.Vendor {
			w.grant(who, "intake", auth.Rights{Write: true})
		}
	}
}

// grant gives a right, and notes it.
func (w *dueWalk) grant(who *duePartner, alias string, r auth.Rights) {
	who.rights[alias] = r
	w.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{Partner: who.p.Partner, Operation: "secure", Collection: w.place(alias).Collection, Rights: r}}))
}

func (w *dueWalk) regrant(who *duePartner, at int) {
	alias := dueAliases[at]
	if w.once(8) {
		if _, ok := who.rights[alias]; ok {
			delete(who.rights, alias)
			w.apply(collections.Access(auth.DropGrant{Partner: who.p.Partner, Collection: w.place(alias).Collection}))
		}
		return
	}
	write := who.role == auth.Vendor && !w.once(4) || who.role == auth.Agency && w.once(4)
	w.grant(who, alias, auth.Rights{Read: !w.once(5), Write: write})
}

// set changes something of a partner at random.
func (w *dueWalk) set(who *duePartner, c auth.SetPartner) {
	c.ID = who.p.Partner
	switch n := w.below(8); {
	case who.role == auth.Agency && n < 2:
		who.onward = w.once(2)
		c.Onward = &who.onward
	case who.role == auth.Agency && n < 5:
		who.clearance = stix.Level(1 + w.below(5))
		c.Clearance = &who.clearance
	case n == 5:
		who.standard = pick(&w.chances, stix.Unmarked, stix.Green, stix.Amber)
		c.DefaultMarking = &who.standard
	case n == 6:
		who.exempt = pick(&w.chances, "", "holds", "blocks")
		list := slices.DeleteFunc([]string{who.exempt}, func(s string) bool { return s == "" })
		c.Exempt = &list
	case n == 7:
		a := pick(&w.chances, auth.Named, auth.Pseudonymous)
		who.pseudonymous, c.Attribution = a == auth.Pseudonymous, &a
	default:
		who.hold = pick(&w.chances, "", "", "", "all", "type=indicator", "type=malware", "type=relationship", "type=identity", "level=amber", "level=amber", "pattern=ipv4-addr", "list=watch")
		rules := slices.DeleteFunc([]auth.HoldRule{auth.HoldRule(who.hold)}, func(r auth.HoldRule) bool { return r == "" })
		c.Hold = &rules
	}
	w.apply(collections.Access(c))
	if !who.suspended {
		who.p = w.principal(who.p.Client)
	}
	row := w.desk.Registry.State().Access.Partners[who.p.Partner]
	who.identity, who.pseudonym = string(row.Identity), string(row.Pseudonym)
}

func (w *dueWalk) tellf(format string, args ...any) {
	w.acts = append(w.acts, fmt.Sprintf("%d: ", w.n)+fmt.Sprintf(format, args...))
}

func (w *dueWalk) step() {
	w.Helper()
	w.clock = w.clock.Add(time.Second)
	who := w.partners[w.below(len(w.partners)-1)]
	switch n := w.below(30); {
	case n < 2:
		w.set(who, auth.SetPartner{})
	case n == 2:
		at := w.below(3)
		w.ceiling[at] = pick(&w.chances, 0, 0, stix.Green, stix.Amber, stix.Red)
		w.apply(collections.SetCeiling{Operation: "secure", Collection: w.place(dueAliases[at]).Collection, Ceiling: w.ceiling[at]})
	case n == 3 && !who.suspended:
		w.regrantOnTheWay(who, w.below(3))
	case n == 4:
		w.suspend(who)
	case n < 9:
		w.decide()
	case n == 9:
		w.withdraw()
	case n == 10:
		w.delete()
	default:
		who = w.partners[pick(&w.chances, 0, 0, 0, 1, 1, 2)]
		if !who.suspended {
			w.send(who)
		}
	}
	if w.once(6) || w.n == dueSteps-1 {
		w.compare()
	}
}

// regrantOnTheWay changes a right while somebody reads page by page.
func (w *dueWalk) regrantOnTheWay(who *duePartner, at int) {
	w.Helper()
	q := collections.Query{Limit: 1}
	if who.rights[dueAliases[at]].Read {
		page, err := w.desk.Objects(w.Context(), who.p, w.place(dueAliases[at]), q)
		if err != nil {
			w.Fatal(err)
		}
		q.After = page.Last
	}
	w.regrant(who, at)
	_, err := w.desk.Objects(w.Context(), who.p, w.place(dueAliases[at]), q)
	if (err == nil) != who.rights[dueAliases[at]].Read {
		w.Errorf("%s reads on in %s with %+v: %v", who.p.Partner, dueAliases[at], who.rights, err)
	}
}

func (w *dueWalk) suspend(who *duePartner) {
	w.Helper()
	if who.suspended {
		w.apply(collections.Access(auth.ResumePartner{ID: who.p.Partner}))
		who.suspended, who.p = false, w.principal(who.p.Client)
		return
	}
	w.apply(collections.Access(auth.SuspendPartner{ID: who.p.Partner}))
	who.suspended = true
	_, known := w.desk.Registry.State().Access.Principal(who.p.Client, auth.BySecret)
	_, err := w.desk.Publish(w.Context(), who.p, w.place(pick(&w.chances, "intake", "vn")), envelope(malware(99)))
	if known == nil || err == nil {
		w.Errorf("%s is suspended: %v, %v", who.p.Partner, known, err)
	}
}

func (w *dueWalk) send(who *duePartner) {
	w.Helper()
	k := slices.Index(w.partners, who)
	list := w.body(k)
	if w.once(12) { // another's id
		list = []*dueObject{w.thing(1-min(k, 1), "indicator", w.below(6))}
	}
	to := pick(&w.chances, "intake", "intake", "intake", dueAliases[w.below(3)])
	if who.role == auth.Agency {
		to = dueAliases[w.below(3)]
	}
	var wishes dueWishes
	given := collections.Wishes{}
	if w.once(6) {
		wishes.lower, given.Lower = true, true
	}
	if w.once(4) {
		wishes.partners = []auth.PartnerID{w.partners[w.below(len(w.partners))].p.Partner}
		given.Partners = wishes.partners
	}
	if to == "intake" && w.once(6) {
		list = slices.DeleteFunc(list, func(o *dueObject) bool {
			return o.typ == "location" || o.typ == "malware" || o.typ == "marking-definition" || o.typ == "identity" && o.id[len(o.id)-1] > '4'
		})
		wishes.all = dueSet(1 + w.below(15))
		given.Countries = wishes.all.codes()
	}
	if len(list) == 0 {
		return
	}
	raws := make([]string, len(list))
	for i, o := range list {
		raws[i] = o.raw
	}
	at := w.place(to)
	v, foreseen := w.desk.Preview(w.Context(), who.p, at, envelope(raws...), given)
	before := w.holdings(who)
	s, err := w.desk.PublishWith(w.Context(), who.p, at, envelope(raws...), given)
	if may := who.rights[to].Write; may != (err == nil) || may != (foreseen == nil) {
		w.Errorf("%s publishes to %s with %+v: %v, preview %v", who.p.Partner, to, who.rights[to], err, foreseen)
	}
	if err != nil || w.Failed() {
		return
	}
	w.statuses[s.ID] = who.p.Partner
	r := w.due.publish(who, to, list, wishes, s.ID)
	w.tellf("%s (default %s, hold %q, exempt %q, pseudonym %t, %v) published to %s with %+v\n%s\nunder the ceilings %v: %+v, by the model %+v",
		who.p.Partner, who.standard, who.hold, who.exempt, who.pseudonymous, who.rights, to, given, strings.Join(raws, "\n"), w.ceiling, s, r)
	tell := func(what string, got, want any) {
		w.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			w.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	tell("status: failed, there, kept", []int{s.Failure, s.Duplicate, s.Kept}, []int{r.fails, r.there, r.kept})
	tell("preview: failed, there, kept", []int{v.Failed, v.Duplicate, v.Kept}, []int{r.fails, r.there, r.kept})
	var foretold []string
	for _, f := range v.Objects {
		if w.ours(f.ID) {
			continue
		}
		name := f.ID + "/" + dueVersion(f.Version)
		for _, c := range f.Collections {
			foretold = append(foretold, c+" "+name)
		}
		if f.Verdict == collections.ForecastAdded {
			tell("readers of "+name, f.Recipients, r.readers[name])
		}
	}
	came := without(w.holdings(who), before)
	slices.Sort(foretold)
	slices.Sort(r.came)
	tell("foretold", foretold, came)
	tell("came", came, r.came)
	w.number()
}

// without takes the names of b out of a, each once.
func without(a, b []string) []string {
	a = slices.Clone(a)
	for _, x := range b {
		if i := slices.Index(a, x); i >= 0 {
			a = slices.Delete(a, i, i+1)
		}
	}
	return a
}

// ours: an identity that the gateway issued.
func (w *dueWalk) ours(id string) bool {
	return slices.ContainsFunc(w.partners, func(o *duePartner) bool { return id != "" && (id == o.identity || id == o.pseudonym) })
}

// holdings is everything that a publisher has in collections.
func (w *dueWalk) holdings(who *duePartner) (list []string) {
	w.Helper()
	for _, alias := range dueAliases {
		q := collections.Query{Limit: 1000, Versions: collections.Versions{All: true}}
		facts, _, err := w.store.Facts(w.Context(), auth.View{Partner: who.p.Partner, Own: true}, w.place(alias), q)
		if err != nil {
			w.Fatal(err)
		}
		for _, f := range facts {
			if f.Publisher == who.p.Partner && !w.ours(string(f.ID)) {
				list = append(list, alias+" "+string(f.ID)+"/"+dueVersion(f.Version.Text))
			}
		}
	}
	slices.Sort(list)
	return list
}

// number compares what is kept with the model, one by one.
func (w *dueWalk) number() map[collections.KeptKey]*dueCopy {
	w.Helper()
	keys := map[collections.KeptKey]*dueCopy{}
	left := slices.DeleteFunc(slices.Clone(w.all), func(c *dueCopy) bool { return c.gone || c.in != 0 })
	for _, k := range w.queue(collections.KeptQuery{}) {
		var then dueSet
		for i, alias := range dueAliases {
			if slices.Contains(k.Item.Keep.To, w.place(alias).Collection) {
				then |= 1 << i
			}
		}
		i := slices.IndexFunc(left, func(c *dueCopy) bool {
			return c.publisher == k.Publisher && c.id == string(k.Item.ID) && strconv.Itoa(c.version) == dueVersion(k.Item.Version.Text) &&
				c.kind == k.Item.Keep.Kind && c.then == then && c.second == k.Item.Keep.Second && c.batch == k.Batch && c.asked == k.Asked
		})
		if i < 0 {
			w.Errorf("kept of %s: %s %s for %v, two: %t, asked %q, batch %s, %+v: the model has no such", k.Publisher, k.Item.Keep.Kind, k.Item.ID, then, k.Item.Keep.Second, k.Asked, k.Batch, k.Item.Keep)
			continue
		}
		keys[k.Key] = left[i]
		left = slices.Delete(left, i, i+1)
	}
	for _, c := range left {
		w.Errorf("not kept of %s: %s %s for %v, two: %t, asked %q, batch %s", c.publisher, c.kind, c.name(), c.then, c.second, c.asked, c.batch)
	}
	return keys
}

// decide releases, routes or drops some of what is kept.
func (w *dueWalk) decide() {
	w.Helper()
	keys := w.number()
	var order collections.Order
	var list []*dueCopy
	for _, k := range w.queue(collections.KeptQuery{}) {
		if w.once(4) && keys[k.Key] != nil && len(list) < 4 {
			order.Keys, list = append(order.Keys, k.Key), append(list, keys[k.Key])
		}
	}
	if len(list) == 0 {
		return
	}
	order.Reason = "decided"
	root, other := operators()
	who := pick(&w.chances, root, other)
	if w.once(5) {
		if _, err := w.desk.Drop(w.Context(), who, "secure", order); err != nil {
			w.Fatal(err)
		}
		for _, c := range list {
			c.gone = true
			w.tellf("dropped %s", c.name())
		}
		return
	}
	var to dueSet
	if w.once(2) {
		to = dueSet(1 + w.below(7))
		to.each(func(i int, _ dueSet) { order.To = append(order.To, dueAliases[i]) })
	}
	var what []string
	for _, c := range list {
		what = append(what, fmt.Sprint(c.kind, c.then, c.asked, c.raw))
	}
	s, err := w.desk.Release(w.Context(), who, "secure", order)
	if err != nil {
		w.Fatal(err)
	}
	w.tellf("%s released to %v\n%s\n%+v", who.Actor(), order.To, strings.Join(what, "\n"), s)
	w.due.release(list, to, who.Actor())
	w.number()
	for _, o := range w.partners {
		var want []string
		for _, c := range w.all {
			if c.publisher == o.p.Partner && !c.gone {
				c.in.each(func(i int, _ dueSet) { want = append(want, dueAliases[i]+" "+c.name()) })
			}
		}
		if got := w.holdings(o); len(without(got, want))+len(without(want, got)) > 0 {
			w.Errorf("after a release %s has too much %v, too little %v", o.p.Partner, without(got, want), without(want, got))
		}
	}
}

func (w *dueWalk) withdraw() {
	w.Helper()
	for _, c := range w.all {
		if c.gone || w.mixed[c.batch] || !w.once(5) || !w.of(c, c.batch) {
			continue
		}
		publisher := w.due.partner(c.publisher)
		before := w.holdings(publisher)
		r, err := w.desk.WithdrawBatch(w.Context(), auth.LocalOperator(0), "secure", c.batch, "withdrawn", false)
		if err != nil {
			w.Fatal(err)
		}
		var what []string
		for _, o := range slices.DeleteFunc(slices.Clone(w.all), func(o *dueCopy) bool { return !w.of(o, c.batch) }) {
			o.gone = true
			o.in.each(func(i int, _ dueSet) { what = append(what, dueAliases[i]+" "+o.name()) })
		}
		w.tellf("withdrew %s: %v", c.batch, what)
		if gone := without(before, w.holdings(publisher)); r.Withdrawn != len(what) || len(without(gone, what)) > 0 {
			w.Errorf("withdrawing %s: too much %v, too little %v", c.batch, without(gone, what), without(what, gone))
		}
		return
	}
}

// of: it was sent with the batch, or brought by it, or brought since of what came with it and is still there: of a
// version that came with several batches it is each one's.
func (d *due) of(c *dueCopy, batch collections.StatusID) bool {
	return !c.gone && (c.batch == batch && c.via == "" || c.via == batch || c.via != "" &&
		slices.ContainsFunc(d.all[:slices.Index(d.all, c)], func(o *dueCopy) bool {
			return !o.gone && o.in != 0 && o.via == "" && o.batch == batch && o.publisher == c.publisher && o.id == c.id && o.version == c.version
		}))
}

// delete has a publisher delete what is its own, and others try.
func (w *dueWalk) delete() {
	w.Helper()
	for _, c := range w.all {
		if c.gone || c.in == 0 || !w.once(8) {
			continue
		}
		at := 0
		c.in.each(func(i int, _ dueSet) { at = i })
		who := w.due.partner(c.publisher)
		if w.once(4) {
			who = w.partners[w.below(len(w.partners))]
		}
		r := who.rights[dueAliases[at]]
		mine := slices.DeleteFunc(w.mine(who.p.Partner, c.id), func(o *dueCopy) bool { return o.in != c.in })
		may := r.Read && r.Write && len(mine) > 0 && who.role != auth.Auditor && !who.suspended
		_, err := w.desk.Delete(w.Context(), who.p, w.place(dueAliases[at]), stix.ID(c.id), collections.Versions{}, nil)
		if may != (err == nil) {
			w.Errorf("%s with %+v deletes %s of %s: %v", who.p.Partner, r, c.name(), c.publisher, err)
		}
		if err == nil {
			w.tellf("%s deleted %s in %s", who.p.Partner, c.name(), dueAliases[at])
			for _, o := range mine {
				o.gone = true
			}
		}
		return
	}
}
