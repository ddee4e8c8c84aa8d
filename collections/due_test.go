package collections_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

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

// dueAddresses is a database of where addresses are.
type dueAddresses struct{}

func (dueAddresses) Source() string { return "test 2026-03" }

func (dueAddresses) Country(a netip.Addr) (routing.Country, netip.Prefix) {
	p, _ := a.Prefix(8)
	return map[byte]routing.Country{11: "VN", 12: "LK", 13: "TH", 14: "FR"}[a.As4()[0]], p
}

// dueValues are what objects report, with the countries that are guessed of it.
var dueValues = map[string]dueSet{"11.0.0.1": 1, "12.0.0.1": 2, "13.0.0.1": 4, "14.0.0.1": dueAbroad, "15.0.0.1": 0, "a.vn": 1, "a.lk": 2, "a.io": 0, "a.fr": dueAbroad}

var dueNames = []string{"11.0.0.1", "12.0.0.1", "13.0.0.1", "14.0.0.1", "15.0.0.1", "a.vn", "a.lk", "a.io", "a.fr"}

var dueCodes = []string{"VN", "LK", "TH", "FR"}

func (s dueSet) codes() (list []string) {
	for i, c := range dueCodes {
		if s>>i&1 != 0 {
			list = append(list, c)
		}
	}
	return list
}

func (w *dueWalk) begin() {
	w.Helper()
	w.desk.Routing = routing.Options{Addresses: dueAddresses{}}
	w.guard(wordGuard{
		"holdword":  {List: "holds", Hold: true, Text: "holds"},
		"blockword": {List: "blocks", Block: true, Text: "blocks"},
		"docword":   {List: "documents", Block: true, Example: true, Text: "documents"},
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

// object makes a random object of a publisher, or repeats one.
func (w *dueWalk) thing(k int, kind string, n int) *dueObject {
	o := &dueObject{typ: kind, id: objectID(kind, 100*k+n), version: 1}
	var more string
	set := func(format string, args ...any) { more += "," + fmt.Sprintf(format, args...) }
	switch kind {
	case "location":
		o.country = 1 << n
		set(`"country":%q`, dueCodes[n])
	case "identity":
		set(`"name":"N","identity_class":"organization"`)
	case "malware":
		set(`"is_family":true`)
	case "ipv4-addr":
		o.value, o.version = dueNames[n], 0
		o.guess = dueValues[o.value]
		o.id = "ipv4-addr--" + uuid.NewSHA1(uuid.MustParse("00abedb4-aa42-466c-9c01-fed23315a9b7"), fmt.Appendf(nil, `{"value":%q}`, o.value)).String()
		set(`"value":%q`, o.value)
	case "indicator":
		o.version = 1 + w.below(3)
		o.value = pick(&w.chances, dueNames...)
		o.guess = dueValues[o.value]
		if w.once(3) {
			o.list = dueSet(1 + w.below(15))
			o.guess = 0
		}
		path := "domain-name"
		if o.value[0] == '1' {
			path = "ipv4-addr"
		}
		set(`"pattern":"[%s:value = '%s']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"`, path, o.value)
		switch w.below(6) {
		case 0:
			o.lapsed = true
			set(`"valid_until":"2026-02-01T00:00:00Z"`)
		case 1:
			set(`"valid_until":"2036-02-01T00:00:00Z"`)
		case 2:
			o.lapsed, o.revoked = true, true
			set(`"revoked":true`)
		}
	case "relationship", "sighting", "marking-definition":
		panic("made elsewhere")
	}
	return w.finish(k, o, more)
}

// finish marks an object; a version that was made before is mostly the same again.
func (w *dueWalk) finish(k int, o *dueObject, more string) *dueObject {
	key := fmt.Sprint(k, o.name())
	if old := w.memo[key]; old != nil && !w.once(6) {
		return old
	}
	set := func(format string, args ...any) { more += "," + fmt.Sprintf(format, args...) }
	who := w.partners[k]
	if o.typ != "ipv4-addr" {
		switch w.below(8) {
		case 0, 1, 2:
			o.by = objectID("identity", 100*k+w.below(2))
		case 3:
			if o.by = who.identity; who.pseudonymous {
				o.by = who.pseudonym
			}
		case 4:
			if w.once(5) {
				o.by = w.partners[1-min(k, 1)].identity
			}
			if w.once(5) {
				o.by = objectID("identity", 100*(1-min(k, 1)))
			}
		}
		if who.pseudonymous && !w.once(5) {
			o.by = pick(&w.chances, "", who.pseudonym)
		}
		if o.typ == "identity" {
			o.by = ""
		}
	}
	w.mark(k, o, set)
	if (o.typ == "indicator" || o.typ == "malware") && w.once(4) {
		o.word = pick(&w.chances, "holdword", "blockword", "docword", "watchword")
	}
	if o.typ != "ipv4-addr" {
		set(`"spec_version":"2.1","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-02T00:00:%02d.000Z"`, o.version)
	}
	if o.typ == "indicator" || o.typ == "malware" {
		set(`"name":"N %s"`, o.word)
	}
	if o.by != "" {
		set(`"created_by_ref":%q`, o.by)
	}
	var extension []string
	if o.list != 0 {
		extension = append(extension, fmt.Sprintf(`"countries":["%s"]`, strings.Join(o.list.codes(), `","`)))
	}
	if o.named != nil {
		extension = append(extension, fmt.Sprintf(`"partners":[%q]`, o.named[0]))
	}
	if o.typ == "indicator" && w.once(5) {
		o.lower = true
		extension = append(extension, `"confirms":["lower-marking"]`)
	}
	if extension != nil {
		set("%s", says(strings.Join(extension, ",")))
	}
	o.raw = fmt.Sprintf(`{"type":%q,"id":%q%s}`, o.typ, o.id, more)
	w.memo[key] = o
	return o
}

var dueTLP1 = map[stix.Level]string{
	stix.Clear: "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", stix.Green: "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
	stix.Amber: "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82", stix.Red: tlp1Red, stix.AmberStrict: dueTLP2[stix.AmberStrict],
}

var dueTLP2 = map[stix.Level]string{
	stix.Clear: tlpClear, stix.Green: tlpGreen, stix.Amber: tlpAmber, stix.Red: tlpRed,
	stix.AmberStrict: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
}

// mark gives an object markings: of either TLP, also several, also of a part, also of its publisher's own, or none.
func (w *dueWalk) mark(k int, o *dueObject, set func(string, ...any)) {
	levels := []stix.Level{stix.Clear, stix.Green, stix.Green, stix.Amber, stix.AmberStrict, stix.Red}
	if o.typ != "indicator" {
		levels = levels[:4]
	}
	var refs []string
	ref := func() string {
		l := pick(&w.chances, levels...)
		o.level = max(o.level, l)
		return pick(&w.chances, dueTLP1[l], dueTLP2[l])
	}
	if !w.once(5) {
		refs = append(refs, ref())
	}
	if w.once(8) {
		refs = append(refs, ref())
	}
	if w.once(8) && o.typ == "indicator" {
		set(`"granular_markings":[{"marking_ref":%q,"selectors":["pattern"]}]`, ref())
	}
	if w.once(6) && o.typ != "ipv4-addr" {
		o.marks = []string{objectID("marking-definition", 100*k)}
		refs = append(refs, o.marks...)
	}
	if refs != nil {
		set("%s", marked(refs...)[1:])
	}
	if o.level == stix.Red && !w.once(3) || o.typ == "indicator" && w.once(30) {
		o.named = []auth.PartnerID{w.partners[w.below(len(w.partners))].p.Partner}
	}
}

func (w *dueWalk) relation(k int, kind, from, to string) *dueObject {
	o := &dueObject{typ: "relationship", version: 1, relation: kind, source: from, target: to}
	more := fmt.Sprintf(`,"relationship_type":%q,"source_ref":%q,"target_ref":%q`, kind, from, to)
	if kind == "" {
		o.typ = "sighting"
		more = fmt.Sprintf(`,"sighting_of_ref":%q,"where_sighted_refs":[%q]`, from, to)
	}
	o.id = o.typ + "--" + uuidOf(k, o.typ+kind+from+to)
	return w.finish(k, o, more)
}

// uuidOf makes a UUIDv4 of a text.
func uuidOf(k int, text string) string {
	u := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, k, text))
	u[6] = u[6]&0x0f | 0x40
	return u.String()
}

// body makes the objects of a publication, each id once.
func (w *dueWalk) body(k int) (list []*dueObject) {
	add := func(o *dueObject) {
		if !slices.ContainsFunc(list, func(x *dueObject) bool { return x.id == o.id }) {
			list = append(list, o)
		}
	}
	indicator := func() *dueObject { return w.thing(k, "indicator", w.below(6)) }
	location := func() *dueObject { return w.thing(k, "location", w.below(4)) }
	victim := func() *dueObject { return w.thing(k, "identity", 5+w.below(2)) }
	for range 1 + w.below(5) {
		switch w.below(12) {
		case 0, 1, 2:
			add(indicator())
		case 3:
			add(w.thing(k, "malware", w.below(2)))
		case 4:
			add(w.thing(k, "identity", w.below(2)))
		case 5:
			add(location())
		case 6, 7:
			i, m := indicator(), w.thing(k, "malware", w.below(2))
			w.some(add, i, m, w.relation(k, "indicates", i.id, m.id))
		case 8:
			i, l := indicator(), location()
			w.some(add, i, l, w.relation(k, pick(&w.chances, "targets", "located-at", "originates-from"), i.id, l.id))
		case 9:
			i, v, l := indicator(), victim(), location()
			w.some(add, v, l, w.relation(k, "located-at", v.id, l.id), i, w.relation(k, "targets", i.id, v.id))
		case 10:
			i := indicator()
			l := pick(&w.chances, location(), victim())
			w.some(add, i, l, w.relation(k, "", i.id, l.id))
		case 11:
			if w.once(2) {
				add(w.thing(k, "ipv4-addr", w.below(5)))
				continue
			}
			o := &dueObject{typ: "marking-definition", id: objectID("marking-definition", 100*k), version: 1, level: stix.Clear}
			o.raw = strings.Replace(definition(o.id, "statement", `{"statement":"Ours."}`, ""), "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:01.000Z", 1)
			add(o)
		}
	}
	return list
}

// some adds some of these, in some order.
func (w *dueWalk) some(add func(*dueObject), list ...*dueObject) {
	from := w.below(len(list))
	for i := range list {
		if !w.once(4) {
			add(list[(from+i)%len(list)])
		}
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
		if c.gone || w.mixed[c.batch] || !w.once(5) {
			continue
		}
		publisher := w.due.partner(c.publisher)
		before := w.holdings(publisher)
		r, err := w.desk.WithdrawBatch(w.Context(), auth.LocalOperator(0), "secure", c.batch, "withdrawn", false)
		if err != nil {
			w.Fatal(err)
		}
		var what []string
		for _, o := range w.all {
			if !o.gone && (o.batch == c.batch || o.via == c.batch) {
				o.gone = true
				o.in.each(func(i int, _ dueSet) { what = append(what, dueAliases[i]+" "+o.name()) })
			}
		}
		w.tellf("withdrew %s: %v", c.batch, what)
		if gone := without(before, w.holdings(publisher)); r.Withdrawn != len(what) || len(without(gone, what)) > 0 {
			w.Errorf("withdrawing %s: too much %v, too little %v", c.batch, without(gone, what), without(what, gone))
		}
		return
	}
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

// compare looks at everything that anybody could be given.
func (w *dueWalk) compare() {
	w.Helper()
	w.clock = w.clock.Add(time.Second)
	for _, who := range w.partners {
		if who.suspended { // nobody lets it in: see suspend
			continue
		}
		for at := range dueAliases {
			w.paths(who, at)
		}
		w.counts(who)
		for id, publisher := range w.statuses {
			_, err := w.desk.Status(w.Context(), who.p, "secure", id)
			if mine := publisher == who.p.Partner && len(who.rights) > 0; mine != (err == nil) {
				w.Errorf("%s asks for a status of %s: %v", who.p.Partner, publisher, err)
			}
		}
		if w.Failed() {
			return
		}
	}
}

func dueList(list []*dueCopy) []string {
	out := []string{}
	for _, c := range list {
		out = append(out, c.name())
	}
	slices.Sort(out)
	return out
}

func (w *dueWalk) paths(who *duePartner, at int) {
	w.Helper()
	ctx, place := w.Context(), w.place(dueAliases[at])
	every := collections.Query{Limit: 1000, Versions: collections.Versions{All: true}}
	if !who.rights[dueAliases[at]].Read || who.role == auth.Auditor {
		_, objects := w.desk.Objects(ctx, who.p, place, every)
		_, manifest := w.desk.Manifest(ctx, who.p, place, every)
		_, lapsed := w.desk.Lapsed(ctx, who.p, place, collections.LapseQuery{Limit: 10})
		for _, err := range []error{objects, manifest, lapsed} {
			if !errors.Is(err, collections.ErrDenied) && !errors.Is(err, collections.ErrNotFound) {
				w.Errorf("%s reads %s without the right: %v", who.p.Partner, dueAliases[at], err)
			}
		}
		return
	}
	seen := w.shown(who, 1<<at, false)
	same := func(path string, got, want []string) {
		w.Helper()
		got = slices.DeleteFunc(got, func(name string) bool { id, _, _ := strings.Cut(name, "/"); return w.ours(id) })
		if slices.Sort(got); !slices.Equal(got, want) {
			w.Errorf("%s (%s, onward %t) in %s by %s: too much %v, missing %v", who.p.Partner, who.clearance, who.onward, dueAliases[at], path, without(got, want), without(want, got))
		}
	}
	for _, all := range []bool{false, true} {
		q := collections.Query{Limit: 2 + w.below(9), Versions: collections.Versions{All: all}}
		want := seen
		if !all {
			want = dueLast(seen)
		}
		var objects, manifest []string
		for more := true; more; {
			page, err := w.desk.Objects(ctx, who.p, place, q)
			if err != nil {
				w.Fatal(err)
			}
			raws := bodies(w.T, page.Page)
			if len(raws) != page.Count {
				w.Errorf("a page of %d says %d", len(raws), page.Count)
			}
			for _, raw := range raws {
				objects = append(objects, dueNameOf(raw))
				if !w.ours(idOf(raw)) && !slices.ContainsFunc(seen, func(c *dueCopy) bool { return c.raw == raw }) {
					w.Errorf("%s is given bytes that nobody sent: %s", who.p.Partner, raw)
				}
			}
			list, err := w.desk.Manifest(ctx, who.p, place, q)
			if err != nil {
				w.Fatal(err)
			}
			manifest = append(manifest, dueFacts(list.Facts)...)
			more, q.After = page.More, page.Last
		}
		same("objects", slices.Clone(objects), dueList(want))
		same("manifest", manifest, dueList(want))
		if all {
			w.identities(who, at, objects)
		}
	}
	ids := map[string]bool{} // some of all that there ever was
	for _, c := range w.all {
		if w.once(8) {
			ids[c.id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		want := slices.DeleteFunc(slices.Clone(seen), func(c *dueCopy) bool { return c.id != id })
		page, err := w.desk.Object(ctx, who.p, place, stix.ID(id), every)
		list, also := w.desk.Versions(ctx, who.p, place, stix.ID(id), every)
		if hidden := len(want) == 0; hidden != errors.Is(err, collections.ErrNotFound) || hidden != errors.Is(also, collections.ErrNotFound) {
			w.Errorf("%s asks for %s in %s: %v, %v; due is %v", who.p.Partner, id, dueAliases[at], err, also, dueList(want))
		}
		if err == nil && also == nil {
			var got []string
			for _, raw := range bodies(w.T, page.Page) {
				got = append(got, dueNameOf(raw))
			}
			same("object", got, dueList(want))
			same("versions", dueFacts(list.Facts), dueList(want))
		}
	}
	w.lapses(who, at, dueLast(seen), same)
}

// identities: an identity that the gateway issued goes with the objects that name it, and no further.
func (w *dueWalk) identities(who *duePartner, at int, objects []string) {
	w.Helper()
	due := map[string]bool{}
	for _, c := range w.named {
		if w.ours(c.by) && c.where>>at&1 != 0 && who.opens(c.dueCopy) {
			due[c.by] = false
		}
	}
	for _, c := range w.all {
		if w.ours(c.by) && c.in == 1<<at && who.opens(c) {
			due[c.by] = due[c.by] || !c.gone && c.level < stix.Red // of red there is one version, for those whom the first object names
		}
	}
	for _, o := range w.partners {
		for _, id := range []string{o.identity, o.pseudonym} {
			given := id != "" && slices.ContainsFunc(objects, func(name string) bool { return strings.HasPrefix(name, id) })
			if needed, ok := due[id]; given && !ok || !given && needed && !(o.pseudonymous && id == o.identity) || false && given && !ok || !given && needed {
				w.Errorf("%s (%s) in %s: the identity %s of %s: given %t, something names it: %t, ever: %t", who.p.Partner, who.clearance, dueAliases[at], id, o.p.Partner, given, needed, ok)
			}
		}
	}
}

func (w *dueWalk) lapses(who *duePartner, at int, last []*dueCopy, same func(string, []string, []string)) {
	w.Helper()
	want := slices.DeleteFunc(last, func(c *dueCopy) bool { return !c.lapsed })
	var facts []collections.Fact
	q := collections.LapseQuery{Limit: 1 + w.below(4)}
	for more := true; more; {
		page, err := w.desk.Lapsed(w.Context(), who.p, w.place(dueAliases[at]), q)
		if err != nil {
			w.Fatal(err)
		}
		for _, l := range page.Lapses {
			facts = append(facts, l.Fact)
		}
		more, q.After = page.More, page.Next
	}
	same("what lapsed", dueFacts(facts), dueList(want))
}

func (w *dueWalk) counts(who *duePartner) {
	w.Helper()
	list, err := w.desk.Reports(w.Context(), who.p, "secure", dueNames)
	if hidden := len(who.rights) == 0; hidden != (err != nil) {
		w.Errorf("%s asks what is reported: %v", who.p.Partner, err)
	}
	for i, r := range list {
		if want := w.reported(who, dueNames[i]); r.Partners != want {
			w.Errorf("%s (%s) is told that %d report %s, due is %d", who.p.Partner, who.clearance, r.Partners, dueNames[i], want)
		}
	}
}

var (
	duePattern = regexp.MustCompile(`(?:= '|"value":")([^'"]*)`)
	dueUntil   = regexp.MustCompile(`"valid_until":"([^"]*)"`)
)

// dueGists reads what the walk writes.
func dueGists(objects [][]byte, each func(collections.Gist)) {
	for _, raw := range objects {
		each(dueGist(raw))
	}
}

func dueGist(raw []byte) (g collections.Gist) {
	if m := duePattern.FindSubmatch(raw); m != nil {
		g.Values = []collections.Value{{Text: string(m[1])}}
	}
	if m := dueUntil.FindSubmatch(raw); m != nil {
		g.Until, _ = time.Parse(time.RFC3339, string(m[1]))
		g.Stated = true
	}
	g.Revoked = strings.Contains(string(raw), `"revoked":true`)
	return g
}

// dueVersion gives the number of a version, 0 for none of the walk's own.
func dueVersion(text string) string {
	_, tail, ok := strings.Cut(text, "2026-01-02T00:00:")
	if !ok {
		return "0"
	}
	n, _ := strconv.Atoi(tail[:2])
	return strconv.Itoa(n)
}

func dueNameOf(raw string) string {
	tail := raw[max(strings.Index(raw, `"modified":"`), strings.Index(raw, `"created":"`), 0):]
	return idOf(raw) + "/" + dueVersion(tail)
}

func dueFacts(list []collections.Fact) (names []string) {
	for _, f := range list {
		names = append(names, string(f.ID)+"/"+dueVersion(f.Version.Text))
	}
	return names
}
