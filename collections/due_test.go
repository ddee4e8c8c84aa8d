package collections_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// The policy as a list of sentences, without any of the gateway's code: what a partner is due. It stands
// against the Desk in TestEverybodyIsGivenTheirDue.
type (
	dueVersion struct {
		id, version int
		level       stix.Level
		named       []auth.PartnerID
		publisher   auth.PartnerID
		collection  string
		key         collections.KeptKey // held under it; 0: it is out
		batch       collections.StatusID
		gone        bool
	}
	duePartner struct {
		p      auth.Principal
		vendor bool
		rights map[string]auth.Rights
		hold   string // "", "all", "type=indicator", "level=amber"
	}
	due struct {
		all      []*dueVersion
		owner    map[int]auth.PartnerID
		partners []*duePartner
	}
)

// sees: a vendor what it published; an agency what its clearance opens, but nothing above amber where it
// feeds others, and with a clearance of red what names it; both only where they may read.
func (d *due) sees(who *duePartner, v *dueVersion) bool {
	if v.gone || v.key != 0 || !who.rights[v.collection].Read {
		return false
	}
	if v.publisher == who.p.Partner {
		return true
	}
	if who.vendor || v.level == stix.Unknown {
		return false
	}
	top := min(who.p.Clearance, stix.AmberStrict)
	if who.p.Onward {
		top = min(top, stix.Amber)
	}
	return v.level <= top || v.level == stix.Red && who.p.Clearance == stix.Red && !who.p.Onward && slices.Contains(v.named, who.p.Partner)
}

// given: of every object in a collection all versions that are seen, or the newest of them.
func (d *due) given(who *duePartner, collection string, all bool) []string {
	newest := map[int]int{}
	for _, v := range d.all {
		if v.collection == collection && d.sees(who, v) {
			newest[v.id] = max(newest[v.id], v.version)
		}
	}
	var list []string
	for _, v := range d.all {
		if v.collection == collection && d.sees(who, v) && (all || v.version == newest[v.id]) {
			list = append(list, fmt.Sprintf("%d/%d", v.id, v.version))
		}
	}
	slices.Sort(list)
	return list
}

// took says what becomes of a new version: "fails", "there", "held" or "out".
func (d *due) took(who *duePartner, v *dueVersion, confirmed bool) string {
	if o, ok := d.owner[v.id]; ok && o != who.p.Partner {
		return "fails" // another's id
	}
	before := &dueVersion{}
	for _, o := range d.all {
		switch {
		case o.gone || o.id != v.id:
		case o.version == v.version && o.level == v.level && o.collection == v.collection && slices.Equal(o.named, v.named):
			return "there"
		case o.version == v.version && (o.level != v.level || !slices.Equal(o.named, v.named)):
			return "fails" // other content under the same version
		case o.version < v.version && (o.version > before.version || o.version == before.version && o.level > before.level):
			before = o
		}
	}
	if v.level < before.level && !confirmed {
		return "fails" // marked lower, by mistake
	}
	if who.hold == "all" || who.hold == "type=indicator" || who.hold == "level=amber" && v.level >= stix.Amber {
		return "held"
	}
	return "out"
}

// chances are repeatable numbers (splitmix64).
type chances uint64

func (c *chances) below(n int) int {
	*c += 0x9E3779B97F4A7C15
	z := uint64(*c)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return int((z ^ z>>31) >> 1 % uint64(n))
}

var dueMarks = map[stix.Level]string{
	stix.Clear: tlpClear, stix.Green: tlpGreen, stix.Amber: tlpAmber, stix.Red: tlpRed,
	stix.AmberStrict: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
}

// TestEverybodyIsGivenTheirDue: over random partners, grants, markings and holds, what a partner is given
// on any path is exactly what the sentences above say: nothing more, nothing less.
func TestEverybodyIsGivenTheirDue(t *testing.T) {
	for seed := range 6 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &dueWalk{house: newHouse(t), chances: chances(seed), due: due{owner: map[int]auth.PartnerID{}}}
			w.invite()
			for range 100 {
				w.step()
				if t.Failed() {
					return
				}
			}
			w.compare()
		})
	}
}

type dueWalk struct {
	*house
	chances
	due
	statuses map[collections.StatusID]auth.PartnerID
}

var dueCollections = []string{"vn", "lk"}

func (w *dueWalk) invite() {
	w.statuses = map[collections.StatusID]auth.PartnerID{}
	clearances := []stix.Level{stix.Clear, stix.Green, stix.Amber, stix.AmberStrict, stix.Red, stix.Red}
	for n := range 7 {
		who := &duePartner{vendor: n < 3, rights: map[string]auth.Rights{}}
		c := auth.CreatePartner{ID: auth.PartnerID(fmt.Sprintf("partner-%d", n)), Role: auth.Vendor}
		if !who.vendor {
			c.Role, c.Clearance = auth.Agency, clearances[w.below(len(clearances))]
		}
		who.p = w.partner(c, auth.Rights{})
		for _, alias := range dueCollections {
			if w.below(4) > 0 {
				who.rights[alias] = auth.Rights{Read: w.below(5) > 0, Write: who.vendor || w.below(4) == 0}
				w.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{
					Partner: c.ID, Operation: "secure", Collection: w.place(alias).Collection, Rights: who.rights[alias],
				}}))
			}
		}
		w.partners = append(w.partners, who)
	}
}

// refresh takes what an operator changed of a partner.
func (w *dueWalk) set(who *duePartner, c auth.SetPartner) {
	c.ID = who.p.Partner
	w.apply(collections.Access(c))
	who.p = w.principal(who.p.Client)
}

func (w *dueWalk) step() {
	w.Helper()
	w.clock = w.clock.Add(1e9)
	who := w.partners[w.below(len(w.partners))]
	switch n := w.below(12); {
	case n == 0 && !who.vendor:
		yes := w.below(2) == 0
		w.set(who, auth.SetPartner{SetPublishing: auth.SetPublishing{Onward: &yes}})
	case n == 1 || n == 5:
		who.hold = []string{"", "all", "type=indicator", "type=malware", "level=amber", "level=amber"}[w.below(6)]
		rules := []auth.HoldRule{}
		if who.hold != "" {
			rules = append(rules, auth.HoldRule(who.hold))
		}
		w.set(who, auth.SetPartner{SetPublishing: auth.SetPublishing{Hold: &rules}})
	case n == 2 || n == 3:
		w.decide()
	case n == 4 && len(w.all) > 0:
		w.withdraw(w.all[w.below(len(w.all))])
	default:
		w.send(who)
	}
	if w.below(10) == 0 {
		w.compare()
	}
}

func (w *dueWalk) send(who *duePartner) {
	w.Helper()
	alias := dueCollections[w.below(2)]
	id := 1 + w.below(12)
	if w.below(4) > 0 { // mostly ids of its own
		id = 1 + (2*slices.Index(w.partners, who)+w.below(2))%12
	}
	v := &dueVersion{id: id, version: 1 + w.below(4), collection: alias, publisher: who.p.Partner}
	v.level = stix.Level(1 + w.below(5))
	confirmed := w.below(4) == 0
	var more []string
	if v.level == stix.Red {
		v.named = []auth.PartnerID{w.partners[w.below(7)].p.Partner}
		more = append(more, fmt.Sprintf(`"partners":[%q]`, v.named[0]))
	}
	wishes := collections.Wishes{Lower: confirmed}
	object := version(with(indicator(v.id, ""), marked(dueMarks[v.level])[1:]), v.version)
	if len(more) > 0 {
		object = with(object, says(strings.Join(more, ",")))
	}
	s, err := w.desk.PublishWith(w.Context(), who.p, w.place(alias), envelope(object), wishes)
	if !who.rights[alias].Write {
		if err == nil {
			w.Errorf("%s published to %s without the right", who.p.Partner, alias)
		}
		return
	}
	if err != nil {
		w.Fatal(err)
	}
	w.statuses[s.ID] = who.p.Partner
	what := w.took(who, v, confirmed)
	if got := becameOf(s); got != what {
		w.Errorf("%s published %+v, confirmed %t, held by %q: it %s (%+v), want %s", who.p.Partner, *v, confirmed, who.hold, got, s, what)
		return
	}
	if what == "fails" || what == "there" {
		return
	}
	w.owner[v.id], v.batch = who.p.Partner, s.ID
	if what == "held" {
		v.key = w.queue(collections.KeptQuery{Batch: s.ID})[0].Key
	}
	w.all = append(w.all, v)
}

func becameOf(s collections.Status) string {
	switch {
	case s.Failure > 0:
		return "fails"
	case s.Duplicate > 0:
		return "there"
	case s.Kept > 0:
		return "held"
	}
	return "out"
}

// decide releases or drops something that is held.
func (w *dueWalk) decide() {
	w.Helper()
	for _, v := range w.all {
		if v.key == 0 || v.gone || w.below(3) == 0 {
			continue
		}
		o := collections.Order{Keys: []collections.KeptKey{v.key}, Reason: "decided"}
		if w.below(3) == 0 {
			if _, err := w.desk.Drop(w.Context(), auth.LocalOperator(0), "secure", o); err != nil {
				w.Fatal(err)
			}
			v.gone = true
		} else if r, err := w.desk.Release(w.Context(), auth.LocalOperator(0), "secure", o); err != nil || r.Released != 1 {
			w.Fatalf("releasing %+v: %+v, %v", *v, r, err)
		}
		v.key = 0
		return
	}
}

func (w *dueWalk) withdraw(v *dueVersion) {
	w.Helper()
	_, err := w.desk.WithdrawBatch(w.Context(), auth.LocalOperator(0), "secure", v.batch, "withdrawn", false)
	if v.gone != errors.Is(err, auth.ErrConflict) || err != nil && !v.gone {
		w.Fatalf("withdrawing %+v: %v", *v, err)
	}
	v.gone, v.key = true, 0
}

// compare looks at everything that anybody could be given.
func (w *dueWalk) compare() {
	w.Helper()
	for _, who := range w.partners {
		for _, alias := range dueCollections {
			w.paths(who, alias)
		}
		for id, publisher := range w.statuses {
			_, err := w.desk.Status(w.Context(), who.p, "secure", id)
			if mine := publisher == who.p.Partner; mine != (err == nil) {
				w.Errorf("%s asks for a status of %s: %v", who.p.Partner, publisher, err)
			}
		}
	}
}

func (w *dueWalk) paths(who *duePartner, alias string) {
	w.Helper()
	ctx, at := w.Context(), w.place(alias)
	every := collections.Query{Limit: 1000, Versions: collections.Versions{All: true}}
	if !who.rights[alias].Read {
		if _, err := w.desk.Objects(ctx, who.p, at, every); !errors.Is(err, collections.ErrDenied) && !errors.Is(err, collections.ErrNotFound) {
			w.Errorf("%s reads %s without the right: %v", who.p.Partner, alias, err)
		}
		return
	}
	same := func(path string, got, want []string) {
		w.Helper()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			w.Errorf("%s of %s in %s by %s gives %v, due is %v", who.p.Partner, who.p.Clearance, alias, path, got, want)
		}
	}
	for _, all := range []bool{false, true} {
		q := collections.Query{Limit: 1 + w.below(4), Versions: collections.Versions{All: all}}
		want := w.given(who, alias, all)
		var objects, manifest []string
		for more := true; more; {
			page, err := w.desk.Objects(ctx, who.p, at, q)
			if err != nil {
				w.Fatal(err)
			}
			raws := bodies(w.T, page.Page)
			if len(raws) != page.Count {
				w.Errorf("a page of %d says %d", len(raws), page.Count)
			}
			for _, raw := range raws {
				objects = append(objects, dueName(raw))
			}
			list, err := w.desk.Manifest(ctx, who.p, at, q)
			if err != nil {
				w.Fatal(err)
			}
			for _, f := range list.Facts {
				manifest = append(manifest, dueName(string(f.ID)+`"modified":"`+f.Version.Text))
			}
			more, q.After = page.More, page.Last
		}
		same("objects", objects, want)
		same("manifest", manifest, want)
	}
	for id := range 13 {
		var want []string
		for _, name := range w.given(who, alias, true) {
			if strings.HasPrefix(name, fmt.Sprintf("%d/", id)) {
				want = append(want, name)
			}
		}
		object := stix.ID(idOf(indicator(id, "")))
		var got, versions []string
		page, err := w.desk.Object(ctx, who.p, at, object, every)
		list, also := w.desk.Versions(ctx, who.p, at, object, every)
		if hidden := len(want) == 0; hidden != errors.Is(err, collections.ErrNotFound) || hidden != errors.Is(also, collections.ErrNotFound) {
			w.Errorf("%s asks for object %d in %s: %v, %v; due is %v", who.p.Partner, id, alias, err, also, want)
		}
		if err == nil && also == nil {
			for _, raw := range bodies(w.T, page.Page) {
				got = append(got, dueName(raw))
			}
			for _, f := range list.Facts {
				versions = append(versions, dueName(string(f.ID)+`"modified":"`+f.Version.Text))
			}
		}
		same("object", got, want)
		same("versions", versions, want)
	}
}

// dueName gives "id/version" of an object or of a fact written like one.
func dueName(raw string) string {
	var id, version int
	_, tail, _ := strings.Cut(raw, "indicator--00000000-0000-4000-8000-")
	fmt.Sscanf(tail[:12], "%d", &id)
	_, tail, _ = strings.Cut(raw, `"modified":"2026-01-02T00:00:`)
	fmt.Sscanf(tail[:2], "%d", &version)
	return fmt.Sprintf("%d/%d", id, version)
}
