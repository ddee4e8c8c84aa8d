package storetest

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func durability() []step {
	return []step{
		{"a new store is empty", durabilityNew},
		{"what was written is there after reopening", durabilityReopened},
		{"identity holds after reopening", durabilityIdentity},
		{"a closed store is unavailable", durabilityClosed},
		{"a backup opens as a store", durabilityBackup},
	}
}

func durabilityNew(e *env) {
	if s := e.page(widest(), in(vn), every()); s != (sheet{}) {
		e.Errorf("a collection that nobody wrote to gives %+v", s)
	}
	if facts := e.facts(widest(), in(vn), every()); len(facts) != 0 {
		e.Errorf("a collection that nobody wrote to has facts: %v", facts)
	}
	if known, err := e.store.Known(e.ctx, widest(), in(vn), item(1).ID); known || err != nil {
		e.Errorf("Known of an object that nobody published: %v, %v", known, err)
	}
	if _, err := e.store.Status(e.ctx, secure, north, statusID(1)); !isNotFound(err) {
		e.Errorf("a status that nobody made: %v, want not found", err)
	}
	if rows := e.rows(); len(rows) != 0 {
		e.Errorf("a new registry has rows: %v", rows)
	}
	if _, err := e.store.VerifyJournal(e.ctx); err != nil {
		e.Errorf("a new journal does not verify: %v", err)
	}
}

// everything is what a store holds, as far as its readers and the operator see.
type everything struct {
	Facts   map[string][]collections.Fact
	Objects map[string][]string
	Status  []collections.Status
	Rows    map[string]string
	Journal []string
	Last    collections.Added
}

// everything reads the store through several eyes.
func (e *env) everything() everything {
	e.Helper()
	all := everything{Facts: map[string][]collections.Fact{}, Objects: map[string][]string{}, Rows: e.rows()}
	views := map[string]auth.View{
		"north": ownView(north), "south": ownView(south), "hanoi": widest(), "suva": upTo(suva, stix.Green),
	}
	for who, v := range views {
		for _, c := range []auth.CollectionID{vn, lk, fj} {
			for how, q := range map[string]collections.Query{" all": every(), " last": last()} {
				key := who + " " + string(c) + how
				all.Facts[key] = e.facts(v, in(c), q)
				all.Objects[key] = e.walk(v, in(c), q)
			}
		}
	}
	for n := range int(e.published.Load()) {
		for _, p := range []auth.PartnerID{north, south} {
			if s, err := e.store.Status(e.ctx, secure, p, statusID(n+1)); err == nil {
				s.Received = s.Received.UTC()
				all.Status = append(all.Status, s)
			}
		}
	}
	for _, entry := range e.journal() {
		if entry.Line.Actor != auth.Gateway { // what a store says of its own opening
			all.Journal = append(all.Journal, string(entry.Line.Actor)+" "+entry.Line.Kind+" "+string(entry.Line.What))
		}
	}
	var err error
	all.Last, err = e.store.Last(e.ctx)
	e.check("asking for the last date_added", err)
	return all
}

// rows gives the registry by table and key.
func (e *env) rows() map[string]string {
	e.Helper()
	rows := map[string]string{}
	for r, err := range e.store.Rows(e.ctx) {
		e.check("reading rows", err)
		if _, twice := rows[r.Table+" "+r.Key]; twice {
			e.Errorf("row %s %s comes twice", r.Table, r.Key)
		}
		rows[r.Table+" "+r.Key] = string(r.Value)
	}
	return rows
}

// fill puts something of everything into the store.
func (e *env) fill() {
	e.Helper()
	e.added(north, append(items(0, 40), item(40, to(vn, lk, fj)), item(41, observable, to(lk)))...)
	e.added(north, items(0, 10, modified(2), level(stix.Amber))...)
	e.added(south, item(50, level(stix.Red), named(hanoi)), item(41, observable, body("south"), to(lk)))
	e.publish(south, item(1, modified(3)), item(50, level(stix.Red)), item(51, spec("2.0")))
	e.remove(north, in(vn), item(7).ID)
	e.check("applying", e.store.Apply(e.ctx, []auth.Record{
		{Table: "partner", Key: "north", Value: []byte(`{"id":"north"}`)},
		{Table: "partner", Key: "south", Value: []byte(`{"id":"south"}`)},
	}, []auth.Line{e.line("partner.create", "both")}, nil))
	e.check("serving", e.store.Served(e.ctx, e.line("read.objects", "page")))
	e.check("sweeping", e.store.Sweep(e.ctx, e.clock.now()))
}

func durabilityReopened(e *env) {
	e.fill()
	before := e.everything()
	for range 2 {
		e.reopen()
		equal(e, "what the store holds before and after reopening", before, e.everything())
	}
	if _, err := e.store.VerifyJournal(e.ctx); err != nil {
		e.Errorf("the journal does not verify after reopening: %v", err)
	}
}

func durabilityIdentity(e *env) {
	e.fill()
	e.reopen()
	want := []struct {
		publisher auth.PartnerID
		item      collections.Item
		what      string
		of        func(collections.Status) int
	}{
		{north, item(3), "duplicate", func(s collections.Status) int { return s.Duplicate }},
		{south, item(3), "refusal", func(s collections.Status) int { return s.Failure }},
		{south, item(7), "refusal of a deleted id", func(s collections.Status) int { return s.Failure }},
		{north, item(3, body("other")), "conflict", func(s collections.Status) int { return s.Failure }},
		{north, item(41, observable, to(lk)), "duplicate", func(s collections.Status) int { return s.Duplicate }},
		{north, item(7), "addition", func(s collections.Status) int { return s.Success - s.Duplicate }},
	}
	for _, w := range want {
		if s := e.publish(w.publisher, w.item); w.of(s) != 1 {
			e.Errorf("%s of %s is no %s: %+v", w.publisher, w.item.Raw, w.what, s)
		}
	}
}

func durabilityClosed(e *env) {
	e.added(north, items(0, 3)...)
	e.check("closing", e.store.Close())
	defer func() { e.store = e.open(e.TB) }()
	s := e.store
	calls := map[string]error{}
	_, calls["Publish"] = s.Publish(e.ctx, e.publication(north, item(9)))
	_, calls["Delete"] = s.Delete(e.ctx, e.deletion(north, in(vn), item(1).ID, allVersions()))
	calls["Apply"] = s.Apply(e.ctx, nil, []auth.Line{e.line("partner.set", "late")}, nil)
	calls["Raise"] = s.Raise(e.ctx, 1, e.line("restore", "late"))
	calls["Served"] = s.Served(e.ctx, e.line("read.objects", "late"))
	calls["Sweep"] = s.Sweep(e.ctx, e.clock.now())
	_, calls["Objects"] = s.Objects(e.ctx, widest(), in(vn), every())
	_, _, calls["Facts"] = s.Facts(e.ctx, widest(), in(vn), every())
	_, calls["Known"] = s.Known(e.ctx, widest(), in(vn), item(1).ID)
	_, calls["Status"] = s.Status(e.ctx, secure, north, statusID(1))
	for _, err := range s.Rows(e.ctx) {
		calls["Rows"] = err
	}
	for _, err := range s.Journal(e.ctx, 0) {
		calls["Journal"] = err
	}
	for call, err := range calls {
		if !errors.Is(err, collections.ErrUnavailable) {
			e.Errorf("%s of a closed store: %v, want unavailable", call, err)
		}
	}
}

// durabilityBackup: writes go on meanwhile, and what was acknowledged before is in the copy.
func durabilityBackup(e *env) {
	e.fill()
	before := e.everything()
	var copied bytes.Buffer
	if e.factory.Restore == nil {
		if err := e.store.Backup(e.ctx, &copied); err == nil {
			e.Errorf("a store that cannot be restored writes a backup")
		}
		return
	}
	writer := writerFunc(func(b []byte) (int, error) {
		if e.published.Load() < 20 { // a writer that is not held up by the slow reader of the backup
			e.added(north, item(1000+int(e.published.Load())))
		}
		return copied.Write(b)
	})
	e.check("making a backup", e.store.Backup(e.ctx, writer))

	r := *e
	r.open = e.factory.Restore(e.TB, e.clock.now, &copied)
	r.store = r.open(e.TB)
	defer func() { e.check("closing the restored store", r.store.Close()) }()
	after := r.everything()
	for key, objects := range before.Objects {
		if got := after.Objects[key]; len(got) < len(objects) || !slices.Equal(objects, got[:len(objects)]) {
			equal(e, "objects in the copy, "+key, objects, got)
		}
	}
	equal(e, "rows in the copy", before.Rows, after.Rows)
	equal(e, "journal in the copy", before.Journal, after.Journal[:min(len(before.Journal), len(after.Journal))])
	if _, err := r.store.VerifyJournal(e.ctx); err != nil {
		e.Errorf("the copy's journal does not verify: %v", err)
	}
	r.clock.step(time.Second)
	r.added(north, item(5000))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
