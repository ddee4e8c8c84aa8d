package storetest

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// gleaning is what is read of the bytes of objects after they were added.
func gleaning() []step {
	return []step{
		{"a gist is read once and stays", gistStays},
		{"what lapsed is listed by when", lapsedByWhen},
		{"only the last version lapses", lapsedLast},
		{"who reports a value is counted", reportsCounted},
		{"what an audience does not see is not counted", reportsHidden},
		{"copies of a shared id count each", reportsShared},
		{"values of several are listed by collection", commonListed},
		{"many are gleaned in several calls", gleanedInParts},
		{"many are gleaned one by one", gleanedSingly},
		{"what is to be gleaned is counted", ungleanedCounted},
		{"a walk with seed 0", func(e *env) { gleaningWalk(e, 0) }},
		{"a walk with seed 1", func(e *env) { gleaningWalk(e, 1) }},
	}
}

// The gist of an item of these cases is in its name.
var gistText = regexp.MustCompile(`"name":"([^"]*)"`)

func gistOf(list [][]byte, each func(collections.Gist)) {
	for _, raw := range list {
		each(oneGist(raw))
	}
}

func oneGist(raw []byte) (g collections.Gist) {
	m := gistText.FindSubmatch(raw)
	if m == nil {
		return g
	}
	for word := range strings.FieldsSeq(string(m[1])) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "until":
			g.Until, _ = time.Parse(time.RFC3339Nano, value)
		case "stated":
			g.Stated = true
		case "revoked":
			g.Revoked = true
		case "v":
			g.Values = append(g.Values, collections.Value{Kind: "word", Text: value})
		}
	}
	return g
}

func word(text string) collections.Value { return collections.Value{Kind: "word", Text: text} }

// glean gleans all that there is.
func (e *env) glean() {
	e.Helper()
	for more := true; more; {
		var err error
		more, err = e.store.Glean(e.ctx, secure, gistOf)
		e.check("gleaning", err)
	}
}

// until gives a time so many hours after the clock's first, as a name has it.
func until(hours int) string { return "until=" + untilTime(hours).Format(time.RFC3339Nano) }

func untilTime(hours int) time.Time { return newClock().at.Add(time.Duration(hours) * time.Hour) }

func gistStays(e *env) {
	a, b := item(1, body(until(5)+" stated"), to(vn, lk)), item(2, body(until(6)))
	never, gone := item(3, body("v=x")), item(4, body("revoked"))
	e.added(north, a, b, never, gone)
	e.remove(north, in(vn), gone.ID)
	e.glean()
	again := item(1, modified(2), body("revoked"))
	first, _ := e.added(north, again)
	gists := func(what string, id stix.ID, want ...collections.Gisted) {
		e.Helper()
		got, err := e.store.Gists(e.ctx, secure, id)
		e.check("asking for gists", err)
		for i := range got {
			got[i].Fact = collections.Fact{Version: got[i].Version}
		}
		equal(e, what, want, got)
	}
	one := collections.Gisted{Fact: collections.Fact{Version: a.Version}, Until: untilTime(5), Stated: true, In: []auth.CollectionID{vn, lk}}
	gists("what was not gleaned", again.ID, one)
	other := func(list [][]byte, each func(collections.Gist)) {
		for range list {
			each(collections.Gist{Revoked: true, Until: untilTime(1)})
		}
	}
	if _, err := e.store.Glean(e.ctx, secure, other); err != nil || first == 0 {
		e.Fatalf("gleaning: %v", err)
	}
	for range 2 {
		gists("with a version since", a.ID, one,
			collections.Gisted{Fact: collections.Fact{Version: again.Version}, Until: untilTime(1), Revoked: true, In: []auth.CollectionID{vn}})
		gists("by the table", b.ID, collections.Gisted{Fact: collections.Fact{Version: b.Version}, Until: untilTime(6), In: []auth.CollectionID{vn}})
		gists("for ever", never.ID)
		gists("deleted before", gone.ID)
		e.reopen()
	}
	e.remove(north, in(vn), a.ID)
	one.In = []auth.CollectionID{lk}
	gists("after a deletion", a.ID, one)
	if got, err := e.store.Gists(e.ctx, harbor, a.ID); err != nil || len(got) > 0 {
		e.Errorf("another operation has gists %v, %v", got, err)
	}
}

// lapses lists what lapsed, in pages of some.
func (e *env) lapses(a collections.Audience, at collections.Place, since, until time.Time, limit int) (ids []stix.ID, list []collections.Lapse) {
	e.Helper()
	q := collections.LapseQuery{After: collections.LapsePosition{At: since, Added: math.MaxInt64}, Until: until, Limit: limit}
	for {
		p, err := e.store.Lapsed(e.ctx, a, at, q)
		e.check("listing what lapsed", err)
		if len(p.Lapses) > limit {
			e.Errorf("a page of %d lapses, more than %d", len(p.Lapses), limit)
		}
		for _, l := range p.Lapses {
			ids = append(ids, l.ID)
		}
		list = append(list, p.Lapses...)
		if !p.More || e.Failed() {
			return ids, list
		}
		if p.Next == q.After {
			e.Fatalf("a page of lapses ends where it began")
		}
		q.After = p.Next
	}
}

func reader(v auth.View, in ...auth.CollectionID) collections.Audience {
	return collections.Audience{View: v, In: in}
}

func lapsedByWhen(e *env) {
	late, soon := item(1, body(until(400)+" stated")), item(2, body(until(200)), to(vn, lk))
	past, revoked := item(3, body(until(-5))), item(4, body("revoked "+until(900)))
	ever, red := item(5), item(6, body(until(300)), level(stix.Red), named(suva))
	first, _ := e.added(north, late, soon, past, revoked, ever, red)
	e.glean()
	everybody := reader(widest(), vn)
	for range 2 {
		for limit := 1; limit < 4; limit++ {
			ids, list := e.lapses(everybody, in(vn), time.Time{}, untilTime(1000), limit)
			equal(e, "what lapsed", []stix.ID{past.ID, revoked.ID, soon.ID, late.ID}, ids)
			if len(list) == 4 && (!list[0].At.Equal((first + 2*20).Time()) || !list[0].Until.Equal(untilTime(-5)) || !list[1].Revoked || !list[3].Stated || list[2].Stated || !list[3].At.Equal(untilTime(400))) {
				e.Errorf("lapses %+v", list)
			}
		}
		ids, _ := e.lapses(everybody, in(vn), untilTime(200), untilTime(1000), 5)
		equal(e, "since one of them", []stix.ID{late.ID}, ids)
		ids, _ = e.lapses(everybody, in(vn), time.Time{}, untilTime(200), 5)
		equal(e, "until one of them", []stix.ID{past.ID, revoked.ID, soon.ID}, ids)
		ids, _ = e.lapses(everybody, in(lk), time.Time{}, untilTime(1000), 5)
		equal(e, "in another collection", []stix.ID{soon.ID}, ids)
		ids, _ = e.lapses(reader(upTo(suva, stix.Red), vn), in(vn), untilTime(100), untilTime(1000), 1)
		equal(e, "for who is named", []stix.ID{soon.ID, red.ID, late.ID}, ids)
		ids, _ = e.lapses(collections.Audience{All: true}, in(vn), untilTime(100), untilTime(1000), 1)
		equal(e, "for an operator", []stix.ID{soon.ID, red.ID, late.ID}, ids)
		ids, _ = e.lapses(reader(ownView(south), vn), in(vn), time.Time{}, untilTime(1000), 5)
		equal(e, "for a rival", []stix.ID(nil), ids)
		ids, _ = e.lapses(everybody, collections.Place{Operation: harbor, Collection: vn}, time.Time{}, untilTime(1000), 5)
		equal(e, "in another operation", []stix.ID(nil), ids)
		e.reopen()
	}
}

func lapsedLast(e *env) {
	e.added(north, item(1, body(until(2))), item(2, body(until(3))), item(3, body(until(4))), item(4, body("revoked")))
	e.added(north, item(1, modified(2), body(until(30))), item(2, modified(2), body("revoked"), level(stix.Amber)))
	e.glean()
	list := func(what string, v auth.View, want ...stix.ID) {
		e.Helper()
		ids, _ := e.lapses(reader(v, vn), in(vn), time.Time{}, untilTime(10), 2)
		equal(e, what, want, ids)
	}
	list("for who sees the revocation", widest(), item(4).ID, item(2).ID, item(3).ID)
	list("for who does not", upTo(suva, stix.Green), item(4).ID, item(2).ID, item(3).ID)
	e.remove(north, in(vn), item(3).ID)
	list("after a deletion", widest(), item(4).ID, item(2).ID)
	_, err := e.store.Delete(e.ctx, e.deletion(north, in(vn), item(1).ID, collections.Versions{Last: true}))
	e.check("deleting", err)
	list("with an older version the last", widest(), item(4).ID, item(2).ID, item(1).ID)
}

// counts checks how many publishers report values.
func (e *env) counts(what string, a collections.Audience, want map[string]int) {
	e.Helper()
	var values []collections.Value
	for text := range want {
		values = append(values, word(text))
	}
	got, err := e.store.Reports(e.ctx, a, secure, values)
	e.check("counting reports", err)
	if len(got) != len(values) {
		e.Fatalf("%d counts of %d values", len(got), len(values))
	}
	for i, r := range got {
		if r.Value != values[i] || r.Partners != want[r.Text] || (r.ID == "") != (r.Partners == 0) {
			e.Errorf("%s: %s is reported by %d (%s), want %d", what, values[i].Text, r.Partners, r.ID, want[values[i].Text])
		}
	}
}

func reportsCounted(e *env) {
	everybody := reader(widest(), vn, lk)
	e.added(north, item(1, body("v=a v=b")), item(2, body("v=a")), item(3, body("v=c"), to(lk)))
	e.added(south, item(11, body("v=a")), item(12, body("v=c")), item(13, body("v=d")))
	e.glean()
	for range 2 {
		e.counts("all", everybody, map[string]int{"a": 2, "b": 1, "c": 2, "d": 1, "e": 0})
		e.counts("an operator", collections.Audience{All: true}, map[string]int{"a": 2, "b": 1, "c": 2, "d": 1})
		e.counts("nobody", collections.Audience{}, map[string]int{"a": 0})
		e.counts("its own", reader(ownView(north), vn, lk), map[string]int{"a": 1, "d": 0})
		e.reopen()
	}
	e.remove(north, in(vn), item(1).ID)
	e.counts("after one deletion", everybody, map[string]int{"a": 2, "b": 0})
	e.added(north, item(2, modified(2), body("revoked v=a")))
	e.glean()
	e.counts("after a revocation", everybody, map[string]int{"a": 1})
	first, _ := e.added(south, item(11, modified(2), body("v=z")))
	e.glean()
	e.counts("after another version", everybody, map[string]int{"a": 0, "z": 1})
	_, err := e.store.Withdraw(e.ctx, collections.Withdrawal{
		Operation: secure, Publisher: south, Items: []collections.Withdrawn{{Collection: vn, ID: item(11).ID, Added: first}},
		Actor: "operator", Reason: "a slip", Still: agree,
	})
	e.check("withdrawing", err)
	e.counts("after a withdrawal", everybody, map[string]int{"a": 1, "z": 0})
	if got, err := e.store.Reports(e.ctx, everybody, harbor, []collections.Value{word("a")}); err != nil || got[0].Partners != 0 {
		e.Errorf("another operation counts %v, %v", got, err)
	}
}

func reportsHidden(e *env) {
	e.added(north, item(1, body("v=a"), to(vn)), item(2, body("v=b"), level(stix.Amber)), item(3, body("v=c"), level(stix.Red), named(suva)))
	e.added(south, item(11, body("v=a"), to(lk)), item(12, body("v=b")), item(13, body("v=c")))
	e.added(south, item(12, modified(2), body("v=y"), level(stix.AmberStrict)), item(13, modified(2), body("v=c"), to(fj)))
	e.glean()
	e.counts("of one collection", reader(upTo(hanoi, stix.AmberStrict), vn), map[string]int{"a": 1, "b": 1, "c": 1, "y": 1})
	e.counts("of two", reader(upTo(hanoi, stix.AmberStrict), vn, lk), map[string]int{"a": 2})
	e.counts("of a low clearance", reader(upTo(hanoi, stix.Green), vn, lk), map[string]int{"a": 2, "b": 1, "c": 1, "y": 0})
	e.counts("of one that is named", reader(upTo(suva, stix.Red), vn), map[string]int{"c": 2})
	e.counts("of none", reader(widest()), map[string]int{"a": 0})
}

func reportsShared(e *env) {
	e.added(north, item(1, observable, body("v=a"), level(stix.Amber)))
	e.added(south, item(1, observable, body("v=a")))
	e.glean()
	e.counts("both copies", reader(widest(), vn), map[string]int{"a": 2})
	e.counts("the other's", reader(upTo(hanoi, stix.Clear), vn), map[string]int{"a": 1})
	e.remove(north, in(vn), item(1, observable).ID)
	e.counts("what is left", reader(widest(), vn), map[string]int{"a": 1})
}

// common lists the values of a collection that several report, sorted.
func (e *env) common(a collections.Audience, at collections.Place, limit int) []string {
	e.Helper()
	var list []string
	var after collections.CommonPosition
	for {
		p, err := e.store.Common(e.ctx, a, at, after, limit, gistOf)
		e.check("listing what several report", err)
		if len(p.Values) > limit {
			e.Errorf("a page of %d values, more than %d", len(p.Values), limit)
		}
		for _, r := range p.Values {
			if r.ID == "" {
				e.Errorf("no object reports %s", r.Text)
			}
			list = append(list, fmt.Sprint(r.Text, " ", r.Partners))
		}
		if !p.More || e.Failed() {
			slices.Sort(list)
			return list
		}
		if p.Next <= after {
			e.Fatalf("a page of values ends at %d, after %d", p.Next, after)
		}
		after = p.Next
	}
}

func commonListed(e *env) {
	both := reader(widest(), vn, lk)
	e.added(north, item(1, body("v=a v=b v=c v=f")), item(2, body("v=d"), to(lk)), item(3, body("v=e"), level(stix.Amber)))
	e.glean()
	equal(e, "of one", []string(nil), e.common(both, in(vn), 5))
	e.added(south, item(11, body("v=a")), item(12, body("v=b"), to(lk)), item(13, body("v=d v=e")))
	e.added(suva, item(21, body("v=a"), to(fj)))
	e.added(suva, item(22, body("v=f")))
	e.added(south, item(14, body("v=f")))
	e.glean()
	for range 2 {
		for limit := 1; limit < 4; limit++ {
			equal(e, "here", []string{"a 2", "b 2", "d 2", "e 2", "f 3"}, e.common(both, in(vn), limit))
			equal(e, "there", []string{"b 2", "d 2"}, e.common(both, in(lk), limit))
			equal(e, "for one collection", []string{"a 2", "e 2", "f 3"}, e.common(reader(widest(), vn), in(vn), limit))
			equal(e, "for a low clearance", []string{"a 2", "b 2", "d 2", "f 3"}, e.common(reader(upTo(hanoi, stix.Clear), vn, lk), in(vn), limit))
			equal(e, "for an operator", []string{"a 3", "b 2", "d 2", "e 2", "f 3"}, e.common(collections.Audience{All: true}, in(vn), limit))
			equal(e, "for a vendor", []string(nil), e.common(reader(ownView(south), vn, lk), in(vn), limit))
		}
		e.reopen()
	}
	e.remove(south, in(vn), item(13).ID)
	e.remove(south, in(lk), item(12).ID)
	equal(e, "after deletions", []string{"a 2", "f 3"}, e.common(both, in(vn), 5))
}

func gleanedInParts(e *env) {
	n := collections.MaxGleaned + 10
	e.added(north, items(1, n, body("v=a "+until(5)))...)
	e.added(south, item(n+1, body("v=a v=b")))
	more, err := e.store.Glean(e.ctx, secure, gistOf)
	if err != nil || !more {
		e.Fatalf("gleaning %d: more is %v, %v", n, more, err)
	}
	e.counts("after one call", reader(widest(), vn), map[string]int{"b": 0})
	e.reopen()
	e.glean()
	e.counts("after all", reader(widest(), vn), map[string]int{"a": 2, "b": 1})
	if ids, _ := e.lapses(reader(widest(), vn), in(vn), time.Time{}, untilTime(10), 777); len(ids) != n {
		e.Errorf("%d lapsed, want %d", len(ids), n)
	}
}

func gleanedSingly(e *env) {
	const n = 36
	var want []stix.ID
	for i := range n {
		e.added(pick(newDice(uint64(i)), north, south), item(i, body(fmt.Sprintf("v=a v=b%d %s", i, until(1+i*7%n)))))
		e.glean()
	}
	for hour := 1; hour <= n; hour++ {
		for i := range n {
			if 1+i*7%n == hour {
				want = append(want, item(i).ID)
			}
		}
	}
	everybody := reader(widest(), vn)
	for range 2 {
		ids, _ := e.lapses(everybody, in(vn), untilTime(0), untilTime(n), 10)
		equal(e, "what lapsed", want, ids)
		e.counts("all", everybody, map[string]int{"a": 2, "b0": 1, fmt.Sprint("b", n-1): 1})
		equal(e, "of several", []string{"a 2"}, e.common(everybody, in(vn), 3))
		e.reopen()
	}
}

func ungleanedCounted(e *env) {
	left := func(what string, op auth.OperationID, want collections.Ungleaned) {
		e.Helper()
		got, err := e.store.Ungleaned(e.ctx, op, 300)
		e.check("counting what is to be gleaned", err)
		if want.Versions >= 300 && got.Versions >= 300 {
			got.Versions = want.Versions
		}
		equal(e, what, want, got)
	}
	left("of nothing", secure, collections.Ungleaned{})
	first, _ := e.added(north, items(1, 3)...)
	left("of three", secure, collections.Ungleaned{Versions: 3, Oldest: first})
	e.added(south, item(4, to(vn, lk)))
	e.remove(north, in(vn), item(2).ID)
	left("in two collections, and deleted", secure, collections.Ungleaned{Versions: 5, Oldest: first})
	left("of another operation", harbor, collections.Ungleaned{})
	e.reopen()
	left("after a start", secure, collections.Ungleaned{Versions: 5, Oldest: first})
	e.glean()
	left("when all was read", secure, collections.Ungleaned{})
	first, _ = e.added(north, items(10, 400)...)
	left("of many", secure, collections.Ungleaned{Versions: 400, Oldest: first})
}

// gleaningWalk holds the store against the model while things come and go.
func gleaningWalk(e *env, seed uint64) {
	d := newDice(seed)
	model := NewModel(e.clock.now)
	do := func(act func(s collections.Store) error) {
		e.Helper()
		mine, theirs := act(model), act(e.store)
		if (mine == nil) != (theirs == nil) {
			e.Fatalf("the model answers %v, the store %v", mine, theirs)
		}
	}
	levels := []stix.Level{stix.Clear, stix.Green, stix.Amber, stix.AmberStrict, stix.Red}
	for range 60 {
		e.clock.step(time.Duration(d.below(90)) * time.Minute)
		publisher := pick(d, north, south, suva)
		switch {
		case d.chance(5):
			del := e.deletion(publisher, in(pick(d, vn, lk)), item(d.below(12)).ID, pick(d, allVersions(), collections.Versions{Last: true}))
			do(func(s collections.Store) error { _, err := s.Delete(e.ctx, del); return err })
		case d.chance(3):
			do(func(s collections.Store) error { _, err := s.Glean(e.ctx, secure, gistOf); return err })
		default:
			var list []collections.Item
			for range 1 + d.below(6) {
				text := ""
				for range d.below(3) {
					text += pick(d, " v=a", " v=b", " v=c", " v=d")
				}
				text += pick(d, "", "", " revoked", " "+until(d.below(80)), " stated "+until(d.below(800)))
				traits := []trait{modified(1 + d.below(4)), body(text), level(pick(d, levels...)), to(pick(d, [][]auth.CollectionID{{vn}, {lk}, {vn, lk}}...)...)}
				if d.chance(3) {
					traits = append(traits, named(suva))
				}
				n := d.below(4) + map[auth.PartnerID]int{north: 0, south: 4, suva: 8}[publisher]
				if d.chance(3) {
					n = 20 + d.below(2)
					traits = append(traits, observable)
				}
				list = append(list, item(n, traits...))
			}
			p := e.publication(publisher, list...)
			do(func(s collections.Store) error { _, err := s.Publish(e.ctx, p); return err })
		}
	}
	twin := *e
	twin.store = model
	e.glean()
	twin.glean()
	for _, a := range []collections.Audience{
		{All: true}, reader(widest(), vn, lk), reader(widest(), vn), reader(upTo(hanoi, stix.Green), vn, lk), reader(upTo(suva, stix.Red), lk, vn),
		reader(ownView(north), vn, lk), {},
	} {
		for _, c := range []auth.CollectionID{vn, lk} {
			_, want := twin.lapses(a, in(c), untilTime(1), untilTime(90), 3)
			_, got := e.lapses(a, in(c), untilTime(1), untilTime(90), 3)
			equal(e, fmt.Sprintf("lapses of %+v in %s", a, c), want, got)
			equal(e, fmt.Sprintf("values of %+v in %s", a, c), twin.common(a, in(c), 2), e.common(a, in(c), 2))
		}
		for _, text := range []string{"a", "b", "c", "d"} {
			want, _ := model.Reports(e.ctx, a, secure, []collections.Value{word(text)})
			e.counts(fmt.Sprintf("to %+v", a), a, map[string]int{text: want[0].Partners})
		}
	}
}
