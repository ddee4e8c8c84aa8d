package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// clock is a clock that moves when it is told to. Safe for concurrent use.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2025, time.April, 1, 8, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// env is what a case works with: a store of its own, its clock, and the steps that all cases take.
type env struct {
	testing.TB
	ctx       context.Context
	factory   Factory
	clock     *clock
	open      Opener
	store     collections.Store
	published *atomic.Int32 // publications so far, for status ids
	kept      *kept
}

func newEnv(t testing.TB, f Factory) *env {
	c := newClock()
	e := &env{TB: t, ctx: t.Context(), factory: f, clock: c, open: f.New(t, c.now), published: new(atomic.Int32), kept: new(kept)}
	e.store = e.open(t)
	t.Cleanup(func() {
		if err := e.store.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return e
}

// twin is an env with another new store, whose clock shows the same.
func (e *env) twin() *env {
	return newEnv(e.TB, e.factory)
}

// reopen closes the store and opens it again.
func (e *env) reopen() {
	e.Helper()
	if err := e.store.Close(); err != nil {
		e.Fatalf("closing the store: %v", err)
	}
	e.store = e.open(e.TB)
}

// check ends the case on an error that nothing allows.
func (e *env) check(doing string, err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", doing, err)
	}
}

// equal reports a difference; an empty list is none.
func equal(t testing.TB, what string, want, got any) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return // much faster, and nearly always so
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s differ (-want +got):\n%s", what, diff)
	}
}

func agree() error { return nil }

// publication makes a publication of items that was sent to the collection vn of the operation secure.
func (e *env) publication(publisher auth.PartnerID, items ...collections.Item) collections.Publication {
	return collections.Publication{
		Status:    statusID(int(e.published.Add(1))),
		Place:     collections.Place{Operation: secure, Collection: vn},
		Publisher: publisher,
		Actor:     auth.Actor(publisher + "_1"),
		Address:   "2001:db8::1",
		Received:  e.clock.now(),
		Items:     items,
		Still:     agree,
	}
}

func statusID(n int) collections.StatusID {
	return collections.StatusID(fmt.Sprintf("%08x-5747-4000-8000-%012x", n, n))
}

// publish publishes items; an error ends the case.
func (e *env) publish(publisher auth.PartnerID, items ...collections.Item) collections.Status {
	e.Helper()
	return e.send(e.publication(publisher, items...))
}

func (e *env) send(p collections.Publication) collections.Status {
	e.Helper()
	s, err := e.store.Publish(e.ctx, p)
	e.check("publishing", err)
	return s
}

// added publishes items that are all to be added, and gives the run of date_added.
func (e *env) added(publisher auth.PartnerID, items ...collections.Item) (first, last collections.Added) {
	e.Helper()
	s := e.publish(publisher, items...)
	if s.Success != len(items) || s.Duplicate != 0 || s.Failure != 0 {
		e.Fatalf("publishing %d new objects: %d successes, %d duplicates, failures %v",
			len(items), s.Success, s.Duplicate, s.Failures)
	}
	return s.First, s.Last
}

// deletion makes a deletion by a publisher of what it published.
func (e *env) deletion(publisher auth.PartnerID, at collections.Place, id stix.ID, which collections.Versions) collections.Deletion {
	return collections.Deletion{
		Place: at, ID: id, Versions: which, View: ownView(publisher),
		Actor: auth.Actor(publisher + "_1"), Address: "2001:db8::1", At: e.clock.now(), Still: agree,
	}
}

// remove deletes all versions of an object that the publisher published.
func (e *env) remove(publisher auth.PartnerID, at collections.Place, id stix.ID) {
	e.Helper()
	_, err := e.store.Delete(e.ctx, e.deletion(publisher, at, id, allVersions()))
	e.check("deleting", err)
}

// sheet is one page of objects as a client gets it.
type sheet struct {
	Count       int
	First, Last collections.Added
	More, Gone  bool
	Body        string // the objects joined by commas
}

// page reads one page whole.
func (e *env) page(v auth.View, at collections.Place, q collections.Query) sheet {
	e.Helper()
	p, err := e.store.Objects(e.ctx, v, at, q)
	e.check("planning a page", err)
	return sheet{p.Count, p.First, p.Last, p.More, p.Gone, string(e.drain(p))}
}

// kept holds runs as somebody does who compresses them once: in every case the suite reads every other
// page out of it, as far as it goes.
type kept struct {
	mu    sync.Mutex
	pages int
	runs  map[collections.RunID]string
}

// turn reports whether the next page is one that is read out of what is kept.
func (k *kept) turn() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pages++
	return k.pages%2 == 0
}

// take appends the next run of a page: what is kept under its name, or what the store gives, which is
// kept unless it is empty. passed is whether it was kept.
func (k *kept) take(p collections.Page, dst []byte) (longer []byte, passed bool, err error) {
	var name collections.RunID
	run, asked := "", 0
	longer, err = p.Take(dst, func(id collections.RunID) bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		asked++
		name = id
		run, passed = k.runs[id]
		return passed
	})
	switch {
	case err != nil:
		return longer, false, err
	case asked > 1:
		return longer, false, fmt.Errorf("taking asked for %d names of one run", asked)
	case passed && len(longer) != len(dst):
		return longer, false, fmt.Errorf("taking appended %d bytes of a run that was kept", len(longer)-len(dst))
	case passed:
		return append(longer, run...), true, nil
	case asked == 0 && len(longer) > len(dst):
		return longer, false, errors.New("taking did not ask for a run that is not empty")
	case asked == 1 && len(longer) == len(dst):
		return longer, false, errors.New("taking asked for an empty run")
	case asked == 1:
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.runs == nil {
			k.runs = map[collections.RunID]string{}
		}
		k.runs[name] = string(longer[len(dst):])
	}
	return longer, false, nil
}

// drain reads the bytes of a page.
func (e *env) drain(p collections.Page) []byte {
	e.Helper()
	next := p.Next
	if e.kept.turn() {
		next = func(dst []byte) ([]byte, error) {
			longer, _, err := e.kept.take(p, dst)
			return longer, err
		}
	}
	var body []byte
	for {
		start := len(body)
		if start > 0 {
			body = append(body, ',')
		}
		before := len(body)
		longer, err := next(body)
		if errors.Is(err, io.EOF) {
			if len(longer) != before {
				e.Fatalf("at its end, a page changed dst from %d bytes to %d", before, len(longer))
			}
			return body[:start]
		}
		e.check("reading a page", err)
		if len(longer) < before || !bytes.Equal(longer[:before], body[:before]) {
			e.Fatalf("a page did not append to dst")
		}
		if body = longer; len(body) == before {
			body = body[:start] // an empty run
		}
	}
}

// split gives the objects of a body, each with exactly its bytes.
func (e *env) split(body string) []string {
	e.Helper()
	var raws []json.RawMessage
	if err := json.Unmarshal([]byte("["+body+"]"), &raws); err != nil {
		e.Fatalf("the runs of a page are not objects joined by commas: %v", err)
	}
	list := make([]string, len(raws))
	for i, r := range raws {
		list[i] = string(r)
	}
	return list
}

// walk reads all pages of a query, each from the end of the one before, and gives the objects. It
// holds every page to what the contract says of a page.
func (e *env) walk(v auth.View, at collections.Place, q collections.Query) []string {
	e.Helper()
	var list []string
	for {
		s := e.page(v, at, q)
		objects := e.split(s.Body)
		e.sound(q, len(objects), s)
		list = append(list, objects...)
		if !s.More || e.Failed() {
			return list
		}
		q.After = s.Last
	}
}

func (e *env) sound(q collections.Query, n int, s sheet) {
	e.Helper()
	switch {
	case s.Count != n:
		e.Errorf("a page of %d objects says that it has %d", n, s.Count)
	case n > q.Limit:
		e.Errorf("a page has %d objects, more than its limit %d", n, q.Limit)
	case n == 0 && (s.First != 0 || s.Last != 0):
		e.Errorf("an empty page says that it goes from %v to %v", s.First, s.Last)
	case n == 0 && s.More:
		e.Errorf("an empty page says that there is more")
	case n > 0 && (s.First <= q.After || s.Last < s.First || n == 1 && s.First != s.Last || n > 1 && s.First == s.Last):
		e.Errorf("a page of %d objects after %v goes from %v to %v", n, q.After, s.First, s.Last)
	}
}

// facts reads the facts of all pages of a query.
func (e *env) facts(v auth.View, at collections.Place, q collections.Query) []collections.Fact {
	e.Helper()
	var list []collections.Fact
	for {
		facts, next, err := e.store.Facts(e.ctx, v, at, q)
		e.check("reading facts", err)
		if len(facts) > q.Limit {
			e.Errorf("%d facts, more than the limit %d", len(facts), q.Limit)
		}
		for _, f := range facts {
			if f.Added <= q.After {
				e.Errorf("a fact of %v at or before %v", f.Added, q.After)
			}
			q.After = f.Added
		}
		list = append(list, facts...)
		switch {
		case next == 0:
			return list
		case len(facts) > 0 && next != q.After:
			e.Errorf("after facts until %v the next begin after %v", q.After, next)
		case len(facts) == 0 && next <= q.After:
			e.Errorf("no facts, more of them, and the next begin after %v again", next)
		}
		if e.Failed() {
			return list
		}
		q.After = next
	}
}

// gives checks what a reader is given for a query: exactly these items, in this order, as objects
// and as facts.
func (e *env) gives(what string, v auth.View, at collections.Place, q collections.Query, items ...collections.Item) {
	e.Helper()
	var raws []string
	var ids []stix.ID
	for _, it := range items {
		raws = append(raws, string(it.Raw))
		ids = append(ids, it.ID)
	}
	equal(e, what+": objects", raws, e.walk(v, at, q))
	var listed []stix.ID
	for _, f := range e.facts(v, at, q) {
		listed = append(listed, f.ID)
	}
	equal(e, what+": facts", ids, listed)
}
