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

// wordGuard is a guard that meets words in the bytes of an object.
type wordGuard map[string]collections.Hit

func (g wordGuard) Check(o *stix.Object) (hits []collections.Hit) {
	for word, h := range g {
		if strings.Contains(string(o.Raw), word) {
			hits = append(hits, h)
		}
	}
	return hits
}

func (g wordGuard) Value(string) []collections.Hit        { return nil }
func (g wordGuard) Lists() (list []collections.GuardList) { return nil }

func (h *house) guard(g wordGuard) { h.desk.Guard = func() collections.Guard { return g } }

func (h *house) hold(p auth.PartnerID, rules ...auth.HoldRule) {
	h.Helper()
	h.apply(collections.Access(auth.SetPartner{ID: p, SetPublishing: auth.SetPublishing{Hold: &rules}}))
}

// operators are two of them on one machine.
func operators() (auth.Principal, auth.Principal) {
	return auth.LocalOperator(0), auth.LocalOperator(1000)
}

func (h *house) queue(q collections.KeptQuery) []collections.Kept {
	h.Helper()
	q.Limit = 1000
	list, _, err := h.desk.Queue(h.Context(), auth.LocalOperator(0), "secure", q)
	if err != nil {
		h.Fatal(err)
	}
	return list
}

func (h *house) keys() (keys []collections.KeptKey) {
	for _, k := range h.queue(collections.KeptQuery{}) {
		keys = append(keys, k.Key)
	}
	return keys
}

func TestHoldByRule(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Green}, auth.Rights{Read: true, Write: true}, "vn")
	agency := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	h.guard(wordGuard{"dns.example": {List: "resolvers", Text: "dns.example is on the list resolvers"}})
	domain := `{"type":"domain-name","spec_version":"2.1","id":"domain-name--3500c14b-9bde-5393-b4e5-b260aea7e058","value":"example.org"}`
	for i, c := range []struct {
		rule   auth.HoldRule
		object string
		held   string // part of the message; "": it goes through
	}{
		{"all", indicator(1, "green"), "everything that this partner publishes"},
		{"type=indicator", indicator(2, "green"), "objects of type indicator"},
		{"type=malware", indicator(3, "green"), ""},
		{"level=amber", indicator(4, "amber"), "what is marked amber or stricter"},
		{"level=amber", indicator(5, "green"), ""},
		{"pattern=domain-name", indicator(6, "green"), ""},
		{"pattern=ipv4-addr", indicator(7, "green"), "what tells of a ipv4-addr"},
		{"pattern=domain-name", domain, "what tells of a domain-name"},
		{"list=resolvers", indicator(8, "green"), ""},
		{"list=resolvers", strings.Replace(indicator(9, "green"), `"pattern_type"`, `"name":"dns.example","pattern_type"`, 1), "on the list resolvers"},
		{"list=others", strings.Replace(indicator(10, "green"), `"pattern_type"`, `"name":"dns.example","pattern_type"`, 1), ""},
	} {
		h.hold("acme", c.rule)
		before := len(h.pull(agency, "vn", collections.Query{Limit: 100}))
		s := h.publish(vendor, "vn", c.object)
		after := len(h.pull(agency, "vn", collections.Query{Limit: 100}))
		if s.Success != 1 || (s.Kept == 1) != (c.held != "") || (after == before) != (c.held != "") {
			t.Errorf("%d, %s: %+v, %d then %d objects", i, c.rule, s, before, after)
			continue
		}
		if m := s.Successes[0].Message; c.held != "" && (!strings.HasPrefix(m, "held until") || !strings.Contains(m, c.held)) {
			t.Errorf("%d, %s: message %q, want held … %s", i, c.rule, m, c.held)
		}
	}
	rules := []auth.HoldRule{}
	h.hold("acme", rules...)
	if s := h.publish(vendor, "vn", indicator(20, "green")); s.Kept != 0 {
		t.Errorf("without rules: %+v", s)
	}
	if list := h.queue(collections.KeptQuery{Kind: collections.KeepHeld}); len(list) != 6 {
		t.Errorf("%d are held, want 6", len(list))
	}
}

func TestRelease(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, auth.Rights{Read: true, Write: true}, "vn")
	agency := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn", "lk")
	root, other := operators()
	h.hold("acme", auth.HoldAll)
	batch := h.publish(vendor, "vn", indicator(1, "green"), indicator(2, "amber"), indicator(3, "clear"))
	keys := h.keys()
	if len(keys) != 3 || batch.Kept != 3 || batch.First != 0 {
		t.Fatalf("%d are kept, status %+v", len(keys), batch)
	}
	ctx := t.Context()
	for what, c := range map[string]struct {
		p    auth.Principal
		o    collections.Order
		want error
	}{
		"without a reason":       {root, collections.Order{Keys: keys}, collections.ErrInvalid},
		"with blanks for one":    {root, collections.Order{Keys: keys, Reason: "  "}, collections.ErrInvalid},
		"by the vendor":          {vendor, collections.Order{Keys: keys, Reason: "mine"}, collections.ErrDenied},
		"by the agency":          {agency, collections.Order{Keys: keys, Reason: "wanted"}, collections.ErrDenied},
		"of nothing":             {root, collections.Order{Reason: "looked at"}, collections.ErrInvalid},
		"of keys and a batch":    {root, collections.Order{Keys: keys, Batch: batch.ID, Reason: "looked at"}, collections.ErrInvalid},
		"of a key that is not":   {root, collections.Order{Keys: []collections.KeptKey{keys[0], 99}, Reason: "looked at"}, collections.ErrNotFound},
		"of another batch":       {root, collections.Order{Batch: "x", Reason: "looked at"}, collections.ErrNotFound},
		"into no collection":     {root, collections.Order{Keys: keys, To: []string{"xx"}, Reason: "looked at"}, collections.ErrNotFound},
		"of another operation's": {root, collections.Order{Keys: keys, Reason: strings.Repeat("a", 501)}, collections.ErrInvalid},
	} {
		if _, err := h.desk.Release(ctx, c.p, "secure", c.o); !errors.Is(err, c.want) {
			t.Errorf("a release %s: %v, want %v", what, err, c.want)
		}
	}
	if got := h.keys(); len(got) != 3 {
		t.Fatalf("%d are kept after releases that were refused", len(got))
	}
	s, err := h.desk.Release(ctx, root, "secure", collections.Order{Keys: keys[:1], To: []string{"lk"}, Reason: "concerns LK"})
	if err != nil || s.Released != 0 || s.Stay != 1 || !strings.Contains(s.Refused[0].Why, "acme may not publish into lk") {
		t.Errorf("into a collection that its publisher may not write: %+v, %v", s, err)
	}
	s, err = h.desk.Release(ctx, root, "secure", collections.Order{Keys: keys[1:2], Reason: "looked at"})
	if err != nil || s.Released != 1 || s.First == "" || s.First != s.Last {
		t.Errorf("a release: %+v, %v", s, err)
	}
	s, err = h.desk.Drop(ctx, other, "secure", collections.Order{Keys: keys[2:], Reason: "a false positive"})
	if err != nil || s.Dropped != 1 {
		t.Errorf("a drop: %+v, %v", s, err)
	}
	if s, err = h.desk.Release(ctx, other, "secure", collections.Order{Batch: batch.ID, Reason: "the rest"}); err != nil || s.Released != 1 {
		t.Errorf("the release of a batch: %+v, %v", s, err)
	}
	want := []string{idOf(indicator(2, "amber")), idOf(indicator(1, "green"))}
	if got := h.pull(agency, "vn", collections.Query{Limit: 10}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the agency is given %v, want %v in the order of release", got, want)
	}
	h.journals("kept.release", 2, `"reason":"the rest"`)
	h.journals("kept.drop", 1, `"reason":"a false positive"`)
	h.journals("read.queue", 2, `"content":false`)
	h.apply(collections.CloseOperation{ID: "secure"})
	if _, err = h.desk.Release(ctx, root, "secure", collections.Order{Batch: batch.ID, Reason: "late"}); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("a release into a closed operation: %v", err)
	}
}

// journals wants so many lines of a kind, the last with a text.
func (h *house) journals(kind string, n int, text string) {
	h.Helper()
	if err := h.store.Sweep(h.Context(), h.clock); err != nil {
		h.Fatal(err)
	}
	var lines []string
	for e, err := range h.store.Journal(h.Context(), 0) {
		if err != nil {
			h.Fatal(err)
		}
		if e.Line.Kind == kind {
			lines = append(lines, string(e.Line.What))
		}
	}
	if len(lines) != n || n > 0 && !strings.Contains(lines[n-1], text) {
		h.Errorf("lines of kind %s: %v, want %d, the last with %s", kind, lines, n, text)
	}
}

func TestGuardBlocks(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, auth.Rights{Read: true, Write: true}, "vn")
	agency := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	root, other := operators()
	h.guard(wordGuard{
		"gov.example": {List: "government", Block: true, Text: "gov.example is on the list government"},
		"top.example": {List: "top", Hold: true, Text: "top.example is on the list top"},
	})
	named := func(n int, name string) string {
		return strings.Replace(indicator(n, "green"), `"pattern_type"`, `"name":"`+name+`","pattern_type"`, 1)
	}
	bad := `{"type":"indicator"}` // so that items and drafts do not count alike
	s := h.publish(vendor, "vn", bad, indicator(1, "green"), indicator(9, "none"), named(2, "gov.example"), named(3, "top.example"), named(4, "gov.example top.example"))
	if s.Success != 4 || s.Kept != 3 || s.Failure != 2 {
		t.Fatalf("status %+v", s)
	}
	for i, want := range []bool{false, true, true, true} {
		if m := s.Successes[i].Message; strings.HasPrefix(m, "held until") != want {
			t.Errorf("success %d: %q, held: %t", i, m, want)
		}
	}
	for i, want := range map[int]string{
		1: "; the operator may release it (liaison queue release, by two), or exempt acme from the list for what comes (liaison guard exempt acme government)",
		2: "; the operator may release it (liaison queue release), or exempt acme from the list for what comes (liaison guard exempt acme top)",
		3: "; the operator may release it (liaison queue release, by two), or exempt acme from the lists for what comes (liaison guard exempt acme ",
	} {
		if m := s.Successes[i].Message; !strings.Contains(m, want) {
			t.Errorf("success %d: %q, want … %s", i, m, want)
		}
	}
	release := func(p auth.Principal) collections.Settled {
		t.Helper()
		r, err := h.desk.Release(t.Context(), p, "secure", collections.Order{Batch: s.ID, Reason: "really bad"})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := release(root); r.Released != 1 || r.Asked != 2 || r.Stay != 0 {
		t.Errorf("the first release: %+v", r)
	}
	if r := release(root); r.Released != 0 || r.Stay != 2 || !strings.Contains(r.Refused[0].Why, "takes two") {
		t.Errorf("the same person's second: %+v", r)
	}
	if n := len(h.pull(agency, "vn", collections.Query{Limit: 10})); n != 2 {
		t.Errorf("the agency has %d objects, want 2", n)
	}
	if r := release(other); r.Released != 2 {
		t.Errorf("another person's: %+v", r)
	}
	if n := len(h.pull(agency, "vn", collections.Query{Limit: 10})); n != 4 {
		t.Errorf("the agency has %d objects, want 4", n)
	}
	h.journals("kept.release", 2, `"asked":["local:0"]`)
	exempt := []string{"government"}
	h.apply(collections.Access(auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Exempt: &exempt}}))
	if s := h.publish(vendor, "vn", named(5, "gov.example"), named(6, "top.example")); s.Kept != 1 {
		t.Errorf("exempt from one list: %+v", s)
	}
}

// indicator makes an indicator marked with a level, or with none.
func indicator(n int, level string) string {
	mark := map[string]string{"clear": tlpClear, "green": tlpGreen, "amber": tlpAmber}[level]
	marking := ""
	if mark != "" {
		marking = marked(mark)
	}
	return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d",`+
		`"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","valid_from":"2026-01-01T00:00:00Z",`+
		`"pattern":"[ipv4-addr:value = '198.51.100.%d']","pattern_type":"stix"%s}`, n, n, marking)
}

// TestHeldObjectsBringNothing: what speaks of something that is held waits with it, and nothing comes along
// with it before it is released; else a reader could tell that it is there.
func TestHeldObjectsBringNothing(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	lk := h.partner(auth.CreatePartner{ID: "lk-police", Role: auth.Agency}, auth.Rights{Read: true}, "lk")
	root, _ := operators()
	h.hold("acme", "type=indicator")
	maker := object("identity", 9, `,"name":"Acme"`)
	one := evil(1, `,"created_by_ref":"`+objectID("identity", 9)+`"`+listed("VN"))
	two := malware(2)
	says := relation(3, "indicates", objectID("indicator", 1), objectID("malware", 2))
	place := object("location", 4, `,"country":"LK"`)
	there := relation(5, "targets", objectID("malware", 2), objectID("location", 4))
	s := h.intake(vendor, nil, maker, one, two, says)
	if s.Success != 4 || s.Kept != 4 {
		t.Errorf("status %+v", s)
	}
	h.has(vn, "vn")
	// What the malware has besides goes, and it too; what speaks of the indicator still waits.
	h.intake(vendor, nil, place, there)
	h.has(lk, "lk", place, two, there)
	h.has(vn, "vn")
	held := h.queue(collections.KeptQuery{Kind: collections.KeepHeld})
	if len(held) != 1 {
		t.Fatalf("%d are held, want the indicator", len(held))
	}
	if r, err := h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: []collections.KeptKey{held[0].Key}, Reason: "seen"}); err != nil || r.Stay != 0 {
		t.Errorf("release: %+v, %v", r, err)
	}
	h.has(vn, "vn", maker, one, two, says) // what it needs before it, what waited for it after it
	routes, err := h.desk.Routes(t.Context(), root, "secure", stix.ID(objectID("indicator", 1)))
	if err != nil || len(routes) != 1 || collections.Reasons(routes[0].Why) != "VN listed by the publisher" {
		t.Errorf("routes: %+v, %v", routes, err)
	}

	// A location that is held still says where the indicator is.
	h.hold("acme", "type=location")
	three, home := evil(11, ""), object("location", 12, `,"country":"VN"`)
	before := h.pull(vn, "vn", collections.Query{Limit: 100})
	h.intake(vendor, nil, three, home, relation(13, "located-at", objectID("indicator", 11), objectID("location", 12)))
	if got := h.pull(vn, "vn", collections.Query{Limit: 100})[len(before):]; !slices.Equal(got, []string{objectID("indicator", 11)}) {
		t.Errorf("VN got %v, want the indicator alone", got)
	}
}

// TestReleaseBringsIdentity: the identity that the gateway issued goes with what names it, also when that was
// held before.
func TestReleaseBringsIdentity(t *testing.T) {
	for _, alias := range []string{"intake", "vn"} {
		h := newHouse(t)
		vendor := h.vendor("acme")
		vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
		root, _ := operators()
		me := h.desk.Registry.State().Access.Partners["acme"].Identity
		h.hold("acme", auth.HoldAll)
		one := evil(1, `,"created_by_ref":"`+string(me)+`"`+listed("VN"))
		h.publish(vendor, alias, one)
		h.has(vn, "vn")
		if r, err := h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: h.keys(), Reason: "seen"}); err != nil || r.Released != 1 || r.Stay != 0 {
			t.Errorf("release to %s: %+v, %v", alias, r, err)
		}
		h.has(vn, "vn", `{"id":"`+string(me)+`"}`, one)
	}
}

// TestReleaseNewerVersions: each version that was held goes, whatever was there before.
func TestReleaseNewerVersions(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	root, _ := operators()
	version := func(n int) string {
		return strings.Replace(evil(1, listed("VN")), `"modified":"2026-01-01`, fmt.Sprintf(`"modified":"2026-01-%02d`, n), 1)
	}
	h.intake(vendor, nil, version(1))
	h.hold("acme", auth.HoldAll)
	h.intake(vendor, nil, version(2))
	h.intake(vendor, nil, version(3), evil(2, listed("LK")))
	if r, err := h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: h.keys(), Reason: "seen"}); err != nil || r.Released != 3 || r.Stay != 0 {
		t.Errorf("release: %+v, %v", r, err)
	}
	if got := h.pull(vn, "vn", collections.Query{Limit: 100, Versions: collections.Versions{All: true}}); len(got) != 3 {
		t.Errorf("VN has %v, want three versions", got)
	}
	h.intake(vendor, nil, evil(3, listed("VN")))
	if r, err := h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: h.keys(), To: []string{"lk"}, Reason: "there"}); err != nil || r.Released != 1 {
		t.Errorf("release elsewhere: %+v, %v", r, err)
	}
	if got := h.pull(vn, "vn", collections.Query{Limit: 100}); len(got) != 1 {
		t.Errorf("VN has %v, want nothing of what was sent elsewhere", got)
	}
}

// TestGuardBlocksThroughIntake: two release what a guard blocked on its way through the intake, to where it was
// meant to go or where the first of them says.
func TestGuardBlocksThroughIntake(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	lk := h.partner(auth.CreatePartner{ID: "lk-police", Role: auth.Agency}, auth.Rights{Read: true}, "lk")
	root, other := operators()
	h.guard(wordGuard{"gov.example": {List: "government", Block: true, Text: "gov.example is on the list government"}})
	one, two := evil(1, listed("VN")+`,"name":"gov.example"`), evil(2, `,"name":"gov.example"`)
	m, says := malware(3), relation(4, "indicates", objectID("indicator", 2), objectID("malware", 3))
	h.intake(vendor, nil, one, two, m, says)
	var keys []collections.KeptKey
	for _, k := range h.queue(collections.KeptQuery{Kind: collections.KeepHeld}) {
		keys = append(keys, k.Key)
	}
	release := func(p auth.Principal, key collections.KeptKey, to []string, released, asked, stay int) {
		t.Helper()
		r, err := h.desk.Release(t.Context(), p, "secure", collections.Order{Keys: []collections.KeptKey{key}, To: to, Reason: "really bad"})
		if err != nil || r.Released != released || r.Asked != asked || r.Stay != stay {
			t.Errorf("release of %d by %s: %+v, %v", key, p.Actor(), r, err)
		}
	}
	release(root, keys[0], nil, 0, 1, 0)
	release(root, keys[0], nil, 0, 0, 1)
	release(root, keys[1], nil, 0, 1, 0)
	release(other, keys[0], nil, 1, 0, 0)
	h.has(vn, "vn", one)
	release(root, keys[1], []string{"lk"}, 0, 0, 1)
	h.has(lk, "lk")
	release(other, keys[1], []string{"lk"}, 1, 0, 0)
	h.has(vn, "vn", one)
	h.has(lk, "lk", two, m, says)
	h.journals("kept.release", 2, `"asked":["local:0"]`)
}

// TestBroughtObjectsAreNotHeldAgain: what somebody looked at, or what was published before the rule, comes
// along with what needs it.
func TestBroughtObjectsAreNotHeldAgain(t *testing.T) {
	h := newHouse(t)
	vendor := h.vendor("acme")
	vn := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	root, _ := operators()
	waits, seen := malware(1), object("malware", 2, `,"name":"N","is_family":true`+listed("LK"))
	h.intake(vendor, nil, waits)
	h.hold("acme", "type=malware")
	h.intake(vendor, nil, seen)
	keys := h.queue(collections.KeptQuery{Kind: collections.KeepHeld})
	if _, err := h.desk.Release(t.Context(), root, "secure", collections.Order{Keys: []collections.KeptKey{keys[0].Key}, Reason: "seen"}); err != nil {
		t.Fatal(err)
	}
	one := evil(3, listed("VN"))
	first := relation(4, "indicates", objectID("indicator", 3), objectID("malware", 1))
	second := relation(5, "indicates", objectID("indicator", 3), objectID("malware", 2))
	s := h.intake(vendor, nil, one, first, second)
	if s.Kept != 0 {
		t.Errorf("status %+v", s)
	}
	h.has(vn, "vn", one, waits, first, seen, second)
	if list := h.queue(collections.KeptQuery{}); len(list) != 0 {
		t.Errorf("kept: %+v", list)
	}
}
