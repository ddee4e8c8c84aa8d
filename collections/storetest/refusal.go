package storetest

import (
	"context"
	"errors"
	"sync"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func refusal() []step {
	return []step{
		{"what Still refuses is not there", refusalStill},
		{"refused among others", refusalAmongOthers},
		{"what was given up is not there", refusalCancelled},
		{"given up at any moment", refusalAnyMoment},
	}
}

func refusalStill(e *env) {
	e.fill()
	before := e.everything()
	errGone := errors.New("suspended")
	gone := func() error { return errGone }
	p := e.publication(south, item(900), item(901, observable))
	p.Still = gone
	if _, err := e.store.Publish(e.ctx, p); !errors.Is(err, errGone) {
		e.Errorf("publishing: %v, want the error of Still", err)
	}
	d := e.deletion(north, in(vn), item(3).ID, allVersions())
	d.Still = gone
	if n, err := e.store.Delete(e.ctx, d); n != 0 || !errors.Is(err, errGone) {
		e.Errorf("deleting: %d, %v; want the error of Still", n, err)
	}
	e.published.Add(-1)
	equal(e, "what the store holds", before, e.everything())
	e.reopen()
	equal(e, "what the store holds after reopening", before, e.everything())
	if _, err := e.store.Status(e.ctx, secure, south, p.Status); !isNotFound(err) {
		e.Errorf("the status of what was refused: %v, want not found", err)
	}
	e.added(north, item(900)) // nobody owns it
}

// refusalAmongOthers: of many that publish at once, only those are refused that Still refuses.
func refusalAmongOthers(e *env) {
	errGone := errors.New("suspended")
	var all sync.WaitGroup
	for n := range 48 {
		all.Go(func() {
			p := e.publication(north, item(n), item(100+n))
			if n%3 == 0 {
				p.Still = func() error { return errGone }
			}
			s, err := e.store.Publish(e.ctx, p)
			if n%3 == 0 && !errors.Is(err, errGone) || n%3 != 0 && (err != nil || s.Success != 2) {
				e.Errorf("publication %d: %+v, %v", n, s, err)
			}
		})
	}
	all.Wait()
	for n := range 48 {
		for _, id := range []stix.ID{item(n).ID, item(100 + n).ID} {
			known, err := e.store.Known(e.ctx, widest(), in(vn), id)
			e.check("asking whether an object is known", err)
			if known != (n%3 != 0) {
				e.Errorf("publication %d: its object is known: %t", n, known)
			}
		}
	}
	if n := len(e.linesOf("publish")); n != 32 {
		e.Errorf("%d lines of kind publish, want 32", n)
	}
}

func refusalCancelled(e *env) {
	e.fill()
	before := e.everything()
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	called := false
	calls := map[string]error{}
	_, calls["Publish"] = e.store.Publish(ctx, e.publication(north, item(900)))
	_, calls["Delete"] = e.store.Delete(ctx, e.deletion(north, in(vn), item(3).ID, allVersions()))
	rows := []auth.Record{{Table: "partner", Key: "late", Value: []byte(`{}`)}}
	calls["Apply"] = e.store.Apply(ctx, rows, []auth.Line{e.line("partner.set", "late")}, func() { called = true })
	calls["Raise"] = e.store.Raise(ctx, before.Last+1_000_000, e.line("restore", "late"))
	for call, err := range calls {
		if !errors.Is(err, context.Canceled) {
			e.Errorf("%s whose caller is gone: %v, want context canceled", call, err)
		}
	}
	if called {
		e.Errorf("done was called for rows that were not written")
	}
	e.published.Add(-1)
	equal(e, "what the store holds", before, e.everything())
	if next, _ := e.added(north, item(901)); next != before.Last+20 {
		e.Errorf("date_added %v follows %v, want 20 µs more", next, before.Last)
	}
}

// refusalAnyMoment: whenever the caller goes, an error means that nothing is there, and nil that
// everything is.
func refusalAnyMoment(e *env) {
	const n = 64
	var errs [n]error
	var all sync.WaitGroup
	for i := range n {
		ctx, cancel := context.WithCancel(e.ctx)
		all.Go(func() {
			_, errs[i] = e.store.Publish(ctx, e.publication(north, item(i), item(1000+i)))
		})
		all.Go(func() {
			for range i % 8 { // the moment differs
				if _, err := e.store.Known(e.ctx, widest(), in(vn), item(i).ID); err != nil {
					e.Errorf("asking whether an object is known: %v", err)
				}
			}
			cancel()
		})
	}
	all.Wait()
	stored := 0
	for i, err := range errs {
		if err == nil {
			stored++
		} else if !errors.Is(err, context.Canceled) {
			e.Errorf("publication %d: %v", i, err)
		}
		q := every()
		q.IDs = []stix.ID{item(i).ID, item(1000 + i).ID}
		var want []collections.Item
		if err == nil {
			want = []collections.Item{item(i), item(1000 + i)}
		}
		e.gives("objects of a publication whose caller went", widest(), in(vn), q, want...)
	}
	if lines := len(e.linesOf("publish")); lines != stored {
		e.Errorf("%d lines of kind publish for %d publications", lines, stored)
	}
}
