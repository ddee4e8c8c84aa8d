package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

const (
	walkSeeds = 6
	walkSteps = 60
)

// random compares the store with the model over random walks through everything that a store does.
func random() []step {
	var steps []step
	for seed := range uint64(walkSeeds) {
		steps = append(steps, step{fmt.Sprintf("walk with seed %d", seed), func(e *env) { randomWalk(e, seed) }})
	}
	return steps
}

// walk is one random walk: the same steps on the store and on the model, which read one clock.
type walk struct {
	*env
	*dice
	model *Model
	sent  []collections.Publication
	added []collections.Added // positions that were given
	done  string              // the last step, for messages
}

func randomWalk(e *env, seed uint64) {
	w := &walk{env: e, dice: newDice(seed), model: NewModel(e.clock.now), added: []collections.Added{0}}
	for n := range walkSteps {
		w.step()
		for range 6 {
			w.look()
		}
		if e.Failed() {
			e.Logf("seed %d differs after step %d: %s", seed, n, w.done)
			return
		}
	}
	w.everybody()
	w.journals()
}

// step does one thing to both.
func (w *walk) step() {
	w.Helper()
	w.clock.step(pick(w.dice, 0, 0, 3*time.Microsecond, 777*time.Nanosecond, time.Millisecond, time.Second,
		-400*time.Millisecond, -2*time.Second, 90*time.Second, -time.Hour))
	switch w.below(15) {
	case 12, 13:
		w.settleSome()
	case 14:
		w.withdraw()
	case 0:
		w.done = "reopened"
		w.reopen()
	case 1, 2, 3:
		w.delete()
	case 4:
		w.again()
	default:
		w.publishSome()
	}
}

func (w *walk) place() auth.CollectionID { return pick(w.dice, vn, vn, lk, fj) }

func (w *walk) partner() auth.PartnerID { return pick(w.dice, north, north, south, hanoi) }

// item makes an item from few ids, versions and bodies, so that they meet.
func (w *walk) item() collections.Item {
	var dests []auth.CollectionID
	for _, c := range []auth.CollectionID{vn, lk, fj} {
		if w.chance(2) {
			dests = append(dests, c)
		}
	}
	if len(dests) == 0 {
		dests = append(dests, w.place())
	}
	ts := []trait{
		modified(1 + w.below(5)), level(pick(w.dice, levels()...)), to(dests...),
		spec(pick(w.dice, "2.1", "2.1", "2.1", "2.0")), body(pick(w.dice, "", "", "", "other")),
	}
	if w.chance(3) {
		ts = append(ts, named(pick(w.dice, hanoi, suva), north))
	}
	if w.chance(25) {
		ts = append(ts, body(strings.Repeat("long ", 1+w.below(8000)))) // up to 40 kB
	}
	if w.chance(5) {
		ts = append(ts, keepAs(pick(w.dice, collections.KeepHeld, collections.KeepPending), dests...))
		if w.chance(3) {
			ts = append(ts, to(w.place()))
		}
		if w.chance(3) {
			ts = append(ts, waitsFor(item(w.below(20)).ID))
		}
	} else if w.chance(20) {
		ts = append(ts, keepAs(collections.KeepUnrouted))
	}
	if w.chance(3) {
		ts = append(ts, guarded)
	}
	if w.chance(6) {
		ts = append(ts, by(item(pick(w.dice, 0, 1, 900, 901, 902)).ID))
	}
	switch w.below(8) {
	case 0, 1:
		return item(100+w.below(4), append(ts, shared)...)
	case 2, 3:
		return item(200+w.below(3), append(ts, observable)...)
	case 4:
		return item(300+w.below(2), append(ts, defining(pick(w.dice, levels()...)))...)
	case 5:
		return item(400+w.below(4), append(ts, kind("malware"))...)
	}
	return item(w.below(20), ts...)
}

func (w *walk) publishSome() {
	w.Helper()
	p := w.publication(w.partner())
	for range 1 + w.below(6) {
		it := w.item()
		if w.chance(8) {
			it.Brought = true
		}
		if w.chance(3) {
			it.Why = []collections.Reason{{Code: "listed", Country: pick(w.dice, "VN", "LK")}}
		}
		for _, k := range w.model.waiting(secure, p.Publisher, it.ID) {
			if w.chance(2) {
				it.Kept = k.Key
			}
		}
		p.Items = append(p.Items, it)
	}
	if w.chance(5) {
		first := w.below(1000)
		p.Items = append(p.Items, items(1000+first, 1+w.below(150), level(stix.Green), to(w.place()))...)
	}
	if w.chance(6) {
		p.Failed, p.Failures = 1, []collections.Detail{{ID: "objects/0", Version: "0", Message: "bad"}}
	}
	w.sendBoth(p)
}

// again sends an earlier publication once more, as a client does that lost the answer.
func (w *walk) again() {
	w.Helper()
	if len(w.sent) == 0 {
		return
	}
	p := pick(w.dice, w.sent...)
	fresh := w.publication(p.Publisher, p.Items...)
	w.sendBoth(fresh)
}

func (w *walk) sendBoth(p collections.Publication) {
	w.Helper()
	w.done = fmt.Sprintf("%s published %d items at %v", p.Publisher, len(p.Items), w.clock.now())
	for _, it := range p.Items[:min(8, len(p.Items))] {
		w.done += fmt.Sprintf("\n  %.250s to %v, level %s, named %v, shared %t", it.Raw, it.To, it.Level, it.Named, it.Shared)
	}
	if w.chance(3) {
		want, err := w.model.Try(w.ctx, p)
		w.check("trying with the model", err)
		got, err := w.store.Try(w.ctx, p)
		w.check("trying", err)
		equal(w, "what is tried", plainly(want), plainly(got))
	}
	want, err := w.model.Publish(w.ctx, p)
	w.check("publishing to the model", err)
	got := w.send(p)
	w.sameStatus("the status that Publish gives", want, got)
	kept, err := w.store.Status(w.ctx, secure, p.Publisher, p.Status)
	w.check("asking for a status", err)
	w.sameStatus("the status that is kept", want, kept)
	w.sent = append(w.sent, p)
	if got.First != 0 {
		w.added = append(w.added, got.First, got.Last)
	}
}

// plainly leaves out the store's own words.
func plainly(list []collections.Tried) []collections.Tried {
	for i := range list {
		if list[i].Why != "" {
			list[i].Why = "it fails"
		}
	}
	return list
}

// sameStatus compares all but the store's own words, and versions of what has none.
func (w *walk) sameStatus(what string, want, got collections.Status) {
	w.Helper()
	plain := func(s collections.Status) collections.Status {
		s.Received = s.Received.UTC()
		s.Successes, s.Failures = slices.Clone(s.Successes), slices.Clone(s.Failures)
		for i := range s.Successes {
			s.Successes[i].Message = ""
		}
		for i := range s.Failures {
			s.Failures[i].Message = ""
		}
		return s
	}
	equal(w, what, plain(want), plain(got))
}

func (w *walk) delete() {
	w.Helper()
	it, publisher := w.item(), w.partner()
	if len(w.sent) > 0 && !w.chance(4) {
		p := pick(w.dice, w.sent...)
		publisher = p.Publisher
		if len(p.Items) > 0 {
			it = pick(w.dice, p.Items...)
		}
	}
	d := w.deletion(publisher, in(w.place()), it.ID, w.versions())
	d.Specs = w.specs()
	w.done = fmt.Sprintf("%s deleted %s in %s: %+v of %v", publisher, d.ID, d.Place.Collection, d.Versions, d.Specs)
	want, wantErr := w.model.Delete(w.ctx, d)
	got, err := w.store.Delete(w.ctx, d)
	if got != want || isNotFound(err) != isNotFound(wantErr) || err != nil && !isNotFound(err) {
		w.Errorf("deleting: %d, %v; want %d, %v", got, err, want, wantErr)
	}
}

// settleSome decides about some of what is kept, and compares all of it.
func (w *walk) settleSome() {
	w.Helper()
	w.done = "compared what is kept"
	q := collections.KeptQuery{Limit: 1 + w.below(30), Bytes: w.chance(2)}
	if w.chance(3) {
		q.Publisher, q.Waits = w.partner(), []stix.ID{item(w.below(20)).ID}
	}
	want, _, err := w.model.Kept(w.ctx, secure, collections.KeptQuery{
		Limit: collections.MaxSettled, Publisher: q.Publisher, Waits: q.Waits, Bytes: q.Bytes,
	})
	w.check("listing what the model keeps", err)
	for i := range want {
		want[i].Received = want[i].Received.UTC()
	}
	equal(w, "what is kept", want, w.waiting(q))
	s := w.settlement()
	for _, k := range want {
		switch w.below(8) {
		case 0, 1, 2:
			r := collections.Released{Key: k.Key}
			if len(k.Item.Keep.To) == 0 || w.chance(3) {
				r.To = []auth.CollectionID{w.place()}
			}
			s.Release = append(s.Release, r)
		case 3:
			s.Drop = append(s.Drop, k.Key)
		case 4:
			s.Amend = append(s.Amend, collections.Amended{Key: k.Key, Waits: []stix.ID{item(w.below(20)).ID}, Asked: "local:7"})
		}
	}
	if len(s.Keys()) == 0 {
		return
	}
	w.done = fmt.Sprintf("settled %+v", s)
	wantOut, err := w.model.Settle(w.ctx, s)
	w.check("settling in the model", err)
	got := w.settle(s)
	for i := range got {
		if got[i].Added != 0 {
			w.added = append(w.added, got[i].Added)
		}
		if (got[i].Why == "") == (wantOut[i].Why == "") {
			got[i].Why = wantOut[i].Why // its own words
		}
	}
	equal(w, "outcomes", wantOut, got)
}

// withdraw takes some of what is there, and some of what is not.
func (w *walk) withdraw() {
	w.Helper()
	p := w.partner()
	d := collections.Withdrawal{Operation: secure, Publisher: p, Actor: "local:1000", Reason: "bad", Still: agree}
	for range 1 + w.below(8) {
		at := w.place()
		facts, _, err := w.model.Facts(w.ctx, auth.View{Partner: p, Own: true}, in(at), every())
		w.check("asking the model for facts", err)
		if len(facts) > 0 {
			f := pick(w.dice, facts...)
			d.Items = append(d.Items, collections.Withdrawn{Collection: w.place(), ID: f.ID, Added: f.Added})
			d.Items = append(d.Items, collections.Withdrawn{Collection: at, ID: f.ID, Added: f.Added})
		}
	}
	if len(d.Items) == 0 {
		return
	}
	w.done = fmt.Sprintf("withdrew %+v", d)
	want, wantErr := w.model.Withdraw(w.ctx, d)
	got, err := w.store.Withdraw(w.ctx, d)
	if got != want || isNotFound(err) != isNotFound(wantErr) || err != nil && !isNotFound(err) {
		w.Errorf("withdrawing: %d, %v; want %d, %v", got, err, want, wantErr)
	}
}

func (w *walk) versions() collections.Versions {
	switch w.below(8) {
	case 0, 1:
		return collections.Versions{}
	case 2, 3:
		return allVersions()
	case 4:
		return collections.Versions{First: true}
	case 5:
		return collections.Versions{First: w.chance(2), Last: true, At: instants(1 + w.below(5))}
	case 6:
		return collections.Versions{At: []stix.Instant{addedVersion(pick(w.dice, w.added...)).At, versionOf(2).At}}
	}
	return collections.Versions{At: instants(1+w.below(5), 9)}
}

func (w *walk) specs() []string {
	return pick(w.dice, nil, nil, nil, []string{"2.1"}, []string{"2.0"}, []string{"2.0", "2.1"})
}

func (w *walk) query() collections.Query {
	q := collections.Query{
		Limit: pick(w.dice, 1, 2, 3, 10, 100, collections.MaxLimit), Versions: w.versions(), Specs: w.specs(),
	}
	if w.chance(3) {
		q.After = pick(w.dice, w.added...) + collections.Added(w.below(3)-1)*collections.Added(w.below(2))
	}
	if w.chance(4) {
		for range 1 + w.below(3) {
			if id := w.item().ID; !slices.Contains(q.IDs, id) {
				q.IDs = append(q.IDs, id)
			}
		}
	}
	if w.chance(4) {
		q.Types = pick(w.dice, []string{"indicator"}, []string{"ipv4-addr", "malware"}, []string{"marking-definition"}, []string{"x-none"})
	}
	return q
}

func (w *walk) eye() auth.View {
	switch w.below(6) {
	case 0, 1:
		return ownView(pick(w.dice, north, south))
	case 2:
		return pick(w.dice, views()...)
	}
	return upTo(pick(w.dice, hanoi, suva), pick(w.dice, levels()...))
}

// look compares one answer of each kind.
func (w *walk) look() {
	w.Helper()
	v, at, q := w.eye(), in(w.place()), w.query()
	w.like(w.model, v, at, q)
	id := w.item().ID
	want, err := w.model.Known(w.ctx, v, at, id)
	w.check("asking the model", err)
	if got, err := w.store.Known(w.ctx, v, at, id); got != want || err != nil {
		w.Errorf("%+v knows of %s in %s: %t, %v; want %t", v, id, at.Collection, got, err, want)
	}
	if !w.chance(3) {
		return
	}
	ids := []stix.ID{id, w.item().ID, w.item().ID, item(300, defining(0)).ID, item(301, defining(0)).ID}
	p := w.partner()
	w.placedLike(p, ids)
	for what, ask := range map[string]func(collections.Store) (map[stix.ID]stix.Level, error){
		"definitions": func(s collections.Store) (map[stix.ID]stix.Level, error) { return s.Definitions(w.ctx, secure, p, ids) },
		"levels":      func(s collections.Store) (map[stix.ID]stix.Level, error) { return s.Levels(w.ctx, secure, p, ids) },
	} {
		want, err := ask(w.model)
		w.check("asking the model", err)
		got, err := ask(w.store)
		w.check("asking for "+what, err)
		equal(w, fmt.Sprintf("%s of %s for %v", what, p, ids), want, got)
	}
}

// placedLike compares what a publisher has of ids, and why it is there.
func (w *walk) placedLike(p auth.PartnerID, ids []stix.ID) {
	w.Helper()
	want, err := w.model.Placed(w.ctx, secure, p, ids, true)
	w.check("asking the model", err)
	got, err := w.store.Placed(w.ctx, secure, p, ids, true)
	w.check("looking things up", err)
	equal(w, fmt.Sprintf("what %s has of %v", p, ids), want, got)
	for _, id := range ids[:2] {
		want, err := w.model.Routes(w.ctx, secure, id)
		w.check("asking the model", err)
		got, err := w.store.Routes(w.ctx, secure, id)
		w.check("asking for reasons", err)
		equal(w, fmt.Sprintf("routes of %s", id), want, got)
	}
}

// everybody compares what views of all kinds are given in all collections, and after reopening.
func (w *walk) everybody() {
	w.Helper()
	for _, c := range []auth.CollectionID{vn, lk, fj} {
		for _, v := range views() {
			w.like(w.model, v, in(c), pick(w.dice, every(), last()))
		}
	}
	w.reopen()
	for _, v := range readers() {
		for _, c := range []auth.CollectionID{vn, lk, fj} {
			w.like(w.model, v, in(c), every())
			w.like(w.model, v, in(c), collections.Query{Limit: 100})
		}
	}
}

// journals compares who did what, in order.
func (w *walk) journals() {
	w.Helper()
	kinds := func(s collections.Store) []string {
		var list []string
		for entry, err := range s.Journal(w.ctx, 0) {
			w.check("reading a journal", err)
			if entry.Line.Actor != auth.Gateway {
				list = append(list, string(entry.Line.Actor)+" "+entry.Line.Kind)
			}
		}
		return list
	}
	equal(w, "journals", kinds(w.model), kinds(w.store))
}
