package collections_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/routing"
	"liaison/stix"
)

// vendor makes a vendor of both countries that may publish into the intake.
func (h *house) vendor(id auth.PartnerID, aliases ...string) auth.Principal {
	h.Helper()
	if aliases == nil {
		aliases = []string{"vn", "lk"}
	}
	p := h.partner(auth.CreatePartner{ID: id, Role: auth.Vendor, DefaultMarking: stix.Green}, auth.Rights{Read: true, Write: true}, aliases...)
	h.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{
		Partner: id, Operation: "secure", Collection: h.place("intake").Collection, Rights: auth.Rights{Write: true},
	}}))
	return p
}

// object makes an object of a type with a number, and more members.
func object(kind string, n int, more string) string {
	return fmt.Sprintf(`{"type":%q,"spec_version":"2.1","id":%q,"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z"%s}`,
		kind, objectID(kind, n), more)
}

func objectID(kind string, n int) string {
	return fmt.Sprintf("%s--00000000-0000-4000-8000-%012d", kind, n)
}

func listed(countries ...string) string {
	return `,"extensions":{"` + routing.Extension + `":{"extension_type":"property-extension","countries":["` + strings.Join(countries, `","`) + `"]}}`
}

func evil(n int, more string) string {
	return object("indicator", n, `,"valid_from":"2026-01-01T00:00:00Z","pattern":"[file:name = 'x']","pattern_type":"stix"`+more)
}

func malware(n int) string { return object("malware", n, `,"name":"M","is_family":true`) }

func relation(n int, kind, from, to string) string {
	return object("relationship", n, fmt.Sprintf(`,"relationship_type":%q,"source_ref":%q,"target_ref":%q`, kind, from, to))
}

func (h *house) intake(p auth.Principal, countries []string, objects ...string) collections.Status {
	h.Helper()
	s, err := h.desk.PublishFor(h.Context(), p, h.place("intake"), envelope(objects...), countries)
	if err != nil {
		h.Fatal(err)
	}
	return s
}

// has wants a reader to be given exactly these, in this order.
func (h *house) has(p auth.Principal, alias string, want ...string) {
	h.Helper()
	got := h.pull(p, alias, collections.Query{Limit: 100})
	var ids []string
	for _, o := range want {
		ids = append(ids, idOf(o))
	}
	if !slices.Equal(got, ids) {
		h.Errorf("%s has\n%s\nwant\n%s", alias, strings.Join(got, "\n"), strings.Join(ids, "\n"))
	}
}

func TestIntakeRoutes(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	lk := h.partner(auth.CreatePartner{ID: "lk-police", Role: auth.Agency}, auth.Rights{Read: true}, "lk")
	list, err := h.desk.Collections(t.Context(), vendor, "secure")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		if l.Intake && (l.CanRead || !l.CanWrite) {
			t.Errorf("the intake is %+v", l)
		}
	}
	if list, err = h.desk.Collections(t.Context(), vn, "secure"); err != nil || len(list) != 1 {
		t.Errorf("the agency is shown %+v, %v", list, err)
	}
	if _, err := h.desk.Objects(t.Context(), vendor, h.place("intake"), collections.Query{Limit: 1}); err == nil {
		t.Error("the intake can be read")
	}
	me, m := identity(1, ""), malware(1)
	a := evil(1, listed("VN")+`,"created_by_ref":"`+identityID(1)+`"`)
	b := evil(2, listed("VN", "LK"))
	nowhere, outside := evil(3, ""), evil(4, listed("FR"))
	rel := relation(1, "indicates", objectID("indicator", 1), objectID("malware", 1))
	apart := relation(2, "indicates", objectID("indicator", 3), objectID("malware", 1))
	s := h.intake(vendor, nil, rel, a, b, nowhere, outside, apart, m, me)
	if s.Success != 8 || s.Failure != 0 || s.Kept != 3 {
		t.Errorf("status %+v", s)
	}
	h.has(vn, "vn", me, a, m, rel, b)
	h.has(lk, "lk", b)
	for id, want := range map[string]string{
		idOf(a): "to VN: VN listed by the publisher", idOf(b): "to VN, LK: VN listed", idOf(nowhere): "no country was found",
		idOf(outside): "outside the operation", idOf(apart): "no country has all", idOf(me): "to VN: brought by " + idOf(a),
	} {
		i := slices.IndexFunc(s.Successes, func(d collections.Detail) bool { return d.ID == id })
		if i < 0 || !strings.Contains(s.Successes[i].Message, want) && !strings.Contains(s.Successes[i].Message, strings.Replace(want, "VN, LK", "LK, VN", 1)) {
			t.Errorf("of %s: %+v, want %q", id, s.Successes[max(i, 0)], want)
		}
	}
	if list := h.queue(collections.KeptQuery{Kind: collections.KeepUnrouted}); len(list) != 2 {
		t.Errorf("unrouted: %+v", list)
	}
	h.journals("publish", 1, `"kept":3`)
}

// A relationship comes before its ends, an identity is published for one country and needed in another.
func TestIntakeCompletesLater(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	lk := h.partner(auth.CreatePartner{ID: "lk-police", Role: auth.Agency}, auth.Rights{Read: true}, "lk")
	me, m := identity(1, ""), malware(1)
	rel := relation(1, "indicates", objectID("indicator", 1), objectID("malware", 1))
	a := evil(1, listed("VN"))
	s := h.intake(vendor, nil, rel, m)
	if s.Kept != 2 || s.First != 0 {
		t.Errorf("a relationship without its indicator: %+v", s)
	}
	h.has(vn, "vn")
	s = h.intake(vendor, nil, a)
	if s.Success != 1 || s.Kept != 0 || len(s.Successes) != 1 {
		t.Errorf("the indicator: %+v", s)
	}
	h.has(vn, "vn", a, m, rel)
	if list := h.queue(collections.KeptQuery{}); len(list) != 0 {
		t.Errorf("still kept: %+v", list)
	}
	b := evil(2, listed("VN")+`,"created_by_ref":"`+identityID(1)+`"`)
	h.intake(vendor, nil, me, b)
	c := evil(3, listed("LK")+`,"created_by_ref":"`+identityID(1)+`"`)
	h.intake(vendor, nil, c)
	h.has(lk, "lk", me, c)
	h.has(vn, "vn", a, m, rel, me, b)
	// A rival's identity cannot be named, and is not brought.
	rival := h.vendor("zeta")
	d := evil(4, listed("LK"))
	s = h.intake(rival, nil, d, evil(5, listed("LK")+`,"created_by_ref":"`+identityID(1)+`"`))
	if s.Failure != 1 || s.Success != 1 {
		t.Errorf("a rival that names another's identity: %+v", s)
	}
	h.has(lk, "lk", me, c, d)
	h.has(rival, "lk", d)
}

func TestIntakeKnowsBounds(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme", "vn")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	both, other := evil(1, listed("VN", "LK")), evil(2, listed("LK"))
	s := h.intake(vendor, nil, both, other)
	if s.Success != 1 || s.Failure != 1 || !strings.Contains(s.Failures[0].Message, "you may not publish to LK") ||
		!strings.Contains(s.Successes[0].Message, "not to LK: you may not publish to LK") {
		t.Errorf("into a country that is not the vendor's: %+v", s)
	}
	h.has(vn, "vn", both)
	s = h.intake(vendor, []string{"VN"}, evil(3, ""), evil(4, listed("LK")))
	if s.Success != 1 || s.Failure != 1 || !strings.Contains(s.Successes[0].Message, "VN listed by the publisher for the whole publication") {
		t.Errorf("with a list for all: %+v", s)
	}
	if _, err := h.desk.PublishFor(t.Context(), vendor, h.place("vn"), envelope(evil(5, "")), []string{"VN"}); err == nil {
		t.Error("a list of countries for a country's collection is taken")
	}
	direct := h.publish(vendor, "vn", evil(6, listed("LK")))
	if direct.Success != 1 || direct.Successes[0].Message != "" {
		t.Errorf("direct publication: %+v", direct)
	}
	read := auth.SetGrant{Grant: auth.Grant{Partner: "vn-police", Operation: "secure", Collection: h.place("intake").Collection, Rights: auth.Rights{Read: true}}}
	if err := h.desk.Registry.Apply(t.Context(), "local:0", collections.Access(read)); err == nil {
		t.Error("the intake can be granted for reading")
	}
}

// An operator routes what has no country: what it needs comes first, what waited for it after.
func TestQueueRoutes(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	me, m := identity(1, ""), malware(1)
	a := evil(1, `,"created_by_ref":"`+identityID(1)+`"`)
	rel := relation(1, "indicates", objectID("indicator", 1), objectID("malware", 1))
	h.intake(vendor, nil, rel, a)
	h.intake(vendor, nil, me, m)
	list := h.queue(collections.KeptQuery{Kind: collections.KeepUnrouted})
	if len(list) != 1 || string(list[0].Item.ID) != idOf(a) {
		t.Fatalf("unrouted: %+v", list)
	}
	root, _ := operators()
	s, err := h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: []collections.KeptKey{list[0].Key}, To: []string{"intake"}, Reason: "back"})
	if err != nil || s.Stay != 1 {
		t.Errorf("into the intake: %+v, %v", s, err)
	}
	s, err = h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: []collections.KeptKey{list[0].Key}, To: []string{"vn"}, Reason: "the victim is there"})
	if err != nil || s.Released != 1 || s.Stay != 0 || s.First == "" {
		t.Errorf("routing: %+v, %v", s, err)
	}
	h.has(vn, "vn", me, a, m, rel)
	h.journals("route", 1, `"reason":"the victim is there"`)
	if list := h.queue(collections.KeptQuery{}); len(list) != 0 {
		t.Errorf("still kept: %+v", list)
	}
	routes, err := h.desk.Routes(t.Context(), root, "secure", list[0].Item.ID)
	if err != nil || len(routes) != 1 || len(routes[0].Why) != 1 || routes[0].Why[0].Text != "routed to VN by the operator" {
		t.Errorf("routes: %+v, %v", routes, err)
	}
}

// What is held on its way through the intake takes what waited for it along when it is released.
func TestHeldThroughIntake(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	root, _ := operators()
	h.hold("acme", "type=indicator")
	a, m := evil(1, listed("VN")), malware(1)
	rel := relation(1, "indicates", objectID("indicator", 1), objectID("malware", 1))
	h.intake(vendor, nil, a, m, rel)
	h.has(vn, "vn")
	b := evil(2, listed("VN"))
	h.intake(vendor, nil, b)
	second := relation(2, "indicates", objectID("indicator", 2), objectID("malware", 1))
	h.intake(vendor, nil, second) // its end is held
	var keys []collections.KeptKey
	for _, k := range h.queue(collections.KeptQuery{Kind: collections.KeepHeld}) {
		keys = append(keys, k.Key)
	}
	s, err := h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: keys, Reason: "good"})
	if err != nil || s.Released != 2 || s.Stay != 0 {
		t.Errorf("release: %+v, %v", s, err)
	}
	h.has(vn, "vn", a, b, m, rel, second)
	h.hold("acme", auth.HoldAll)
	third := relation(3, "indicates", objectID("indicator", 3), objectID("malware", 1))
	h.intake(vendor, nil, third)
	h.hold("acme")
	list := h.queue(collections.KeptQuery{})
	if s, err = h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: []collections.KeptKey{list[0].Key}, Reason: "fine"}); err != nil || s.Waiting != 1 {
		t.Errorf("release of what waits: %+v, %v", s, err)
	}
	c := evil(3, listed("VN"))
	h.intake(vendor, nil, c)
	h.has(vn, "vn", a, b, m, rel, second, c, third)
}

// An operation of before there were intakes gets one, and its vendors the right to publish there.
func TestAddIntake(t *testing.T) {
	h := newHouse(t)
	rows := h.desk.Registry.State()
	in, ok := rows.IntakeOf("secure")
	if !ok {
		t.Fatal("no intake")
	}
	h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, auth.Rights{Read: true, Write: true}, "vn")
	h.partner(auth.CreatePartner{ID: "idle", Role: auth.Vendor}, auth.Rights{Read: true}, "vn")
	h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true, Write: true}, "vn")
	add := collections.AddIntake{Operation: "secure"}
	if err := h.desk.Registry.Apply(t.Context(), "gateway", add); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("a second intake: %v", err)
	}
	if err := h.desk.Registry.Apply(t.Context(), "gateway", collections.AddIntake{Operation: "none"}); !errors.Is(err, collections.ErrNotFound) {
		t.Errorf("of an operation that is not: %v", err)
	}
	// As a store of before has it.
	old := auth.Record{Table: "collection", Key: string(in.ID)}
	if err := h.store.Apply(t.Context(), []auth.Record{old}, []auth.Line{auth.NewLine(h.clock, "gateway", "test", struct{}{})}, nil); err != nil {
		t.Fatal(err)
	}
	reg, err := collections.OpenRegistry(t.Context(), h.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.desk.Registry = reg
	if _, ok := reg.State().IntakeOf("secure"); ok {
		t.Fatal("it is there still")
	}
	h.apply(add)
	in, ok = reg.State().IntakeOf("secure")
	if !ok || !in.Intake || in.Alias != collections.IntakeAlias {
		t.Fatalf("intake %+v, %t", in, ok)
	}
	for id, want := range map[auth.PartnerID]bool{"acme": true, "idle": false, "vn-police": false} {
		rights, granted := reg.State().Access.Rights(id, in.ID)
		if granted != want || rights.Read || rights.Write != want {
			t.Errorf("%s has %+v there, %t", id, rights, granted)
		}
	}
	h.journals("operation.intake", 1, `"vendors":["acme"]`)
}

// Requests of one publisher at the same time miss nothing of each other: each relationship is sent beside
// its ends, in any order.
func TestIntakeAtOnce(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	const n = 20
	var all sync.WaitGroup
	for i := 1; i <= n; i++ {
		for _, o := range []string{
			evil(i, listed("VN")), malware(i), relation(i, "indicates", objectID("indicator", i), objectID("malware", i)),
		} {
			all.Go(func() {
				if _, err := h.desk.Publish(t.Context(), vendor, h.place("intake"), envelope(o)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if got := h.pull(vn, "vn", collections.Query{Limit: 1000}); len(got) != 3*n {
		t.Errorf("%d objects have arrived, want %d", len(got), 3*n)
	}
	if list := h.queue(collections.KeptQuery{}); len(list) != 0 {
		t.Errorf("%d wait still", len(list))
	}
}

// Reasons keep to their bound however long the ids are that they name.
func TestIntakeLongIDs(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	long := "x-" + strings.Repeat("a", 240)
	s := h.intake(vendor, nil, relation(1, "related-to", objectID(long, 1), objectID(long, 2)))
	if s.Success != 1 || s.Kept != 1 {
		t.Errorf("status %+v", s)
	}
	if list := h.queue(collections.KeptQuery{}); len(list) != 1 || len(list[0].Item.Keep.Reasons[0].Text) > collections.MaxReason {
		t.Errorf("kept %+v", list)
	}
}

func sightingOf(n int) string {
	return object("sighting", n, `,"sighting_of_ref":"`+objectID("indicator", n)+`"`)
}

// TestEarlierEndIsThere: a version that fails at the door does not hide the one before it.
func TestEarlierEndIsThere(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	a := evil(1, listed("VN"))
	h.intake(vendor, nil, a)
	none := stix.Unmarked
	h.apply(collections.Access(auth.SetPartner{ID: "acme", DefaultMarking: &none}))
	unmarked := strings.Replace(evil(1, ""), `"modified":"2026-01`, `"modified":"2026-02`, 1)
	sighted := object("sighting", 1, `,"sighting_of_ref":"`+objectID("indicator", 1)+`"`+marked(tlpGreen))
	if s := h.intake(h.principal(vendor.Client), nil, unmarked, sighted); s.Failure != 1 || s.Kept != 0 {
		t.Errorf("status %+v", s)
	}
	h.has(vn, "vn", a, sighted)
}

// TestEndsThatFail: what speaks of what fails in the commit goes where that is already, or waits for it.
func TestEndsThatFail(t *testing.T) {
	h := newHouse(t)
	vendor, other := h.vendor("acme"), h.vendor("other")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	lk := h.partner(auth.CreatePartner{ID: "lk-police", Role: auth.Agency}, auth.Rights{Read: true}, "lk")
	a, theirs := evil(1, listed("VN")), evil(2, listed("VN"))
	h.intake(vendor, nil, a)
	h.intake(other, nil, theirs)
	s := h.intake(vendor, nil, evil(1, listed("VN", "LK")), sightingOf(1), evil(2, listed("VN")), sightingOf(2))
	if s.Failure != 2 || s.Success != 2 || s.Kept != 1 {
		t.Errorf("status %+v", s)
	}
	h.has(vn, "vn", a, theirs, sightingOf(1))
	h.has(lk, "lk")
	list := h.queue(collections.KeptQuery{})
	if len(list) != 1 || list[0].Item.Keep.Kind != collections.KeepPending || !slices.Equal(list[0].Item.Keep.Waits, []stix.ID{stix.ID(objectID("indicator", 2))}) {
		t.Errorf("what waits: %+v", list)
	}
}
