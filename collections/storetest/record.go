package storetest

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"liaison/auth"
	"liaison/collections"
)

func record() []step {
	return []step{
		{"rows come back", recordRows},
		{"no effect without a line", recordNoLine},
		{"done comes before any later Still", recordDone},
		{"every effect has its line", recordEffects},
		{"reads are recorded", recordReads},
		{"the journal from a line on", recordFrom},
		{"the journal verifies", recordVerifies},
	}
}

func recordRows(e *env) {
	row := func(table, key, value string) auth.Record {
		r := auth.Record{Table: table, Key: key}
		if value != "" {
			r.Value = []byte(value)
		}
		return r
	}
	apply := func(text string, rows ...auth.Record) {
		e.Helper()
		done := 0
		err := e.store.Apply(e.ctx, rows, []auth.Line{e.line("partner.set", text)}, func() { done++ })
		e.check("applying", err)
		if done != 1 {
			e.Errorf("done was called %d times, want once", done)
		}
		for i := range rows {
			clear(rows[i].Value) // the caller's buffer is the caller's
		}
	}
	apply("1", row("partner", "north", `{"n":1}`), row("partner", "south", `{"n":2}`), row("grant", "north", `{"n":3}`))
	apply("2", row("partner", "south", `{"n":4}`), row("partner", "hanoi", `{"n":5}`), row("grant", "north", ""))
	apply("3", row("grant", "nobody", ""), row("grant", "north/vn", `{"n":6}`), row("grant", "north/vn/x", `{"n":7}`))
	apply("4", row("a", "b/c", `{"n":8}`), row("a/b", "c", `{"n":9}`))
	check := e.store.Apply(e.ctx, nil, []auth.Line{e.line("partner.set", "5"), e.line("partner.set", "6")}, nil)
	e.check("applying lines alone", check)

	want := map[string]string{
		"partner north": `{"n":1}`, "partner south": `{"n":4}`, "partner hanoi": `{"n":5}`,
		"grant north/vn": `{"n":6}`, "grant north/vn/x": `{"n":7}`,
		"a b/c": `{"n":8}`, "a/b c": `{"n":9}`,
	}
	equal(e, "rows", want, e.rows())
	e.reopen()
	equal(e, "rows after reopening", want, e.rows())
	e.lines("partner.set", "1", "2", "3", "4", "5", "6")
}

func recordNoLine(e *env) {
	rows := []auth.Record{{Table: "partner", Key: "north", Value: []byte(`{}`)}}
	called := false
	if err := e.store.Apply(e.ctx, rows, nil, func() { called = true }); err == nil {
		e.Errorf("rows are written without a journal line")
	}
	if called {
		e.Errorf("done was called for rows that were not written")
	}
	if got := e.rows(); len(got) != 0 {
		e.Errorf("rows after an error: %v", got)
	}
}

// recordDone: while many publish, their right is taken away; once the journal says so, nothing of
// theirs follows.
func recordDone(e *env) {
	errRevoked := errors.New("revoked")
	var revoked atomic.Bool
	var started, all sync.WaitGroup
	for g := range 8 {
		started.Add(1)
		all.Go(func() {
			begin := sync.OnceFunc(started.Done)
			defer begin()
			for n := 0; ; n++ {
				p := e.publication(north, item(g*100_000+n))
				p.Still = func() error {
					if revoked.Load() {
						return errRevoked
					}
					return nil
				}
				_, err := e.store.Publish(e.ctx, p)
				if err != nil {
					if !errors.Is(err, errRevoked) {
						e.Errorf("publishing: %v", err)
					}
					return
				}
				begin()
			}
		})
	}
	started.Wait()
	err := e.store.Apply(e.ctx, nil, []auth.Line{e.line("partner.suspend", "north")}, func() { revoked.Store(true) })
	revoked.Store(true) // so that the publishers end in any case
	all.Wait()
	e.check("applying", err)
	suspended := false
	for _, entry := range e.journal() {
		switch entry.Line.Kind {
		case "partner.suspend":
			suspended = true
		case "publish":
			if suspended {
				e.Fatalf("entry %d is a publication of a partner that was suspended before", entry.Seq)
			}
		}
	}
	if !suspended {
		e.Errorf("the journal does not say that the partner was suspended")
	}
}

// recordEffects: the kinds of lines, and what they say.
func recordEffects(e *env) {
	first := e.publish(north, item(1), item(2, to(lk, fj)), item(2, to(lk)))
	again := e.publish(north, item(1))
	clash := e.publish(south, item(1), item(3))
	e.remove(north, in(vn), item(1).ID)
	if _, err := e.store.Delete(e.ctx, e.deletion(north, in(vn), item(1).ID, allVersions())); !isNotFound(err) {
		e.Errorf("deleting twice: %v, want not found", err)
	}
	lines := []auth.Line{e.line("partner.create", "x"), e.line("partner.grant", "y")}
	e.check("applying", e.store.Apply(e.ctx, nil, lines, nil))
	e.check("raising", e.store.Raise(e.ctx, clash.Last, e.line("restore", "z")))

	var got []string
	var publishes []auth.Line
	for _, entry := range e.journal() {
		l := entry.Line
		if l.Actor == auth.Gateway {
			continue
		}
		if l.Time.IsZero() || l.Time.Nanosecond()%1000 != 0 || l.Time.Location() != time.UTC {
			e.Errorf("the time of entry %d is %v, want microseconds in UTC", entry.Seq, l.Time)
		}
		got = append(got, string(l.Actor)+" "+l.Kind)
		if l.Kind == "publish" {
			publishes = append(publishes, l)
		}
	}
	equal(e, "lines", []string{
		"north_1 publish", "north_1 publish", "south_1 publish", "south_1 ownership.refused", "north_1 delete",
		"operator_1 partner.create", "operator_1 partner.grant", "operator_1 restore",
	}, got)
	if e.Failed() {
		return
	}
	mentions(e, publishes[0], string(first.ID), string(secure), string(vn), string(lk), string(fj), "3", "1")
	mentions(e, publishes[1], string(again.ID), string(secure), string(vn), "1")
	mentions(e, publishes[2], string(clash.ID), string(secure), string(vn), "1")
	said := leavesOf(e, publishes[0])
	for _, a := range []collections.Added{first.First, first.Last} {
		if !slices.Contains(said, a.String()) && !slices.Contains(said, strconv.FormatInt(int64(a), 10)) {
			e.Errorf("the line %s does not say date_added %v", publishes[0].What, a)
		}
	}
}

// recordReads: what was served is in the journal with the next transaction, once, in order.
func recordReads(e *env) {
	served := func(texts ...string) {
		e.Helper()
		for _, t := range texts {
			e.check("serving", e.store.Served(e.ctx, e.line("read.objects", t)))
		}
	}
	served("1", "2", "3")
	e.added(north, item(1))
	e.lines("read.objects", "1", "2", "3")
	served("4")
	e.check("sweeping", e.store.Sweep(e.ctx, e.clock.now()))
	e.lines("read.objects", "1", "2", "3", "4")
	served("5", "6")
	e.reopen()
	e.check("sweeping", e.store.Sweep(e.ctx, e.clock.now()))
	e.lines("read.objects", "1", "2", "3", "4", "5", "6")
	e.reopen()
	e.check("sweeping", e.store.Sweep(e.ctx, e.clock.now()))
	e.lines("read.objects", "1", "2", "3", "4", "5", "6")
	if _, err := e.store.VerifyJournal(e.ctx); err != nil {
		e.Errorf("the journal does not verify: %v", err)
	}
}

func recordFrom(e *env) {
	e.fill()
	whole := e.journal()
	for from := range int64(len(whole)) + 2 {
		var got []collections.Entry
		for entry, err := range e.store.Journal(e.ctx, from) {
			e.check("reading the journal", err)
			got = append(got, entry)
		}
		want := whole[min(from, int64(len(whole))):]
		if !slices.EqualFunc(want, got, func(a, b collections.Entry) bool { return a.Seq == b.Seq && bytes.Equal(a.Raw, b.Raw) }) {
			e.Errorf("from line %d the journal gives %d entries, want the last %d", from, len(got), len(want))
		}
	}
	for entry := range e.store.Journal(e.ctx, 1) {
		if entry.Seq > 2 {
			break // a reader may stop
		}
	}
	for _, entry := range whole {
		if raw := entry.Line.Canonical(entry.Seq); !bytes.Equal(raw, entry.Raw) {
			e.Errorf("entry %d is kept as %s, its canonical form is %s", entry.Seq, entry.Raw, raw)
		}
	}
}

func recordVerifies(e *env) {
	verify := func() collections.Checkpoint {
		e.Helper()
		c, err := e.store.VerifyJournal(e.ctx)
		e.check("verifying the journal", err)
		if n := len(e.journal()); c.Size != int64(n) {
			e.Errorf("the checkpoint is of %d lines, the journal has %d", c.Size, n)
		}
		if c.Root == "" || c.Note == "" {
			e.Errorf("the checkpoint has no root or no note: %+v", c)
		}
		return c
	}
	before := verify()
	e.fill()
	for n := range 12 {
		e.added(north, item(1000+n))
		c := verify()
		if c.Size <= before.Size || c.Root == before.Root {
			e.Errorf("after a publication the journal goes from %+v to %+v", before, c)
		}
		before = c
		if n == 6 {
			e.reopen()
			before = verify()
		}
	}
}
