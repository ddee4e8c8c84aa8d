package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func concurrent() []step {
	return []step{
		{"many publish, delete and read", concurrentAll},
		{"writing goes on while a reader is slow", concurrentSlow},
		{"ten thousand objects at once", concurrentLarge},
	}
}

const (
	crowdPartners     = 8
	crowdPublishers   = 24
	crowdPublications = 6
)

// crowd is many that work on one store at once, and what they were told.
type crowd struct {
	*env
	writing atomic.Bool
	readers sync.WaitGroup
	mu      sync.Mutex
	told    []collections.Status
}

func crowdPartner(n int) auth.PartnerID {
	return auth.PartnerID(fmt.Sprint("vendor-", n%crowdPartners))
}

// concurrentAll: 24 publish and delete, 40 read, and afterwards every promise holds.
func concurrentAll(e *env) {
	c := &crowd{env: e}
	c.writing.Store(true)
	followed := make([][]collections.Fact, 32)
	for n := range followed {
		c.readers.Go(func() { followed[n] = c.follow(c.view(n)) })
	}
	for n := range 8 {
		c.readers.Go(func() { c.browse(n) })
	}
	var publishers sync.WaitGroup
	for n := range crowdPublishers {
		publishers.Go(func() { c.publishSome(n) })
	}
	publishers.Wait()
	c.writing.Store(false)
	c.readers.Wait()
	if e.Failed() {
		return
	}
	for n, facts := range followed {
		equal(e, fmt.Sprintf("what a follower was given and what is there, for %+v", c.view(n)),
			e.facts(c.view(n), in(vn), every()), facts)
	}
	c.runs()
	c.owners()
	if _, err := e.store.VerifyJournal(e.ctx); err != nil {
		e.Errorf("the journal does not verify: %v", err)
	}
	e.check("sweeping", e.store.Sweep(e.ctx, e.clock.now()))
	read := map[string]int{}
	for _, l := range e.linesOf("read.objects") {
		read[string(l.What)]++
	}
	if len(read) != 8*crowdPublications {
		e.Errorf("%d reads are in the journal, want %d", len(read), 8*crowdPublications)
	}
	for what, times := range read {
		if times != 1 {
			e.Errorf("the read %s is %d times in the journal", what, times)
		}
	}
}

func (c *crowd) view(n int) auth.View {
	if n%2 == 0 {
		return widest()
	}
	return ownView(crowdPartner(n / 2))
}

// publishSome publishes objects of its own, one that all want to own, and one that is shared; in
// another collection it deletes again.
func (c *crowd) publishSome(n int) {
	for k := range crowdPublications {
		own := n*1000 + k*10
		p := c.publication(crowdPartner(n),
			item(own), item(own+1, level(levels()[k%7])), item(own+2, to(vn, lk)), item(own+3, to(lk)),
			item(500_000+k, modified(n+1)),
			item(600_000+k, shared, body(fmt.Sprint(n, k)), modified(n+1)),
		)
		s, err := c.store.Publish(c.ctx, p)
		if err != nil {
			c.Errorf("publishing: %v", err)
			return
		}
		c.mu.Lock()
		c.told = append(c.told, s)
		c.mu.Unlock()
		if k%2 == 0 {
			if n, err := c.store.Delete(c.ctx, c.deletion(p.Publisher, in(lk), item(own+3).ID, allVersions())); n != 1 || err != nil {
				c.Errorf("deleting: %d, %v", n, err)
			}
		}
		c.clock.step(35 * time.Microsecond)
	}
}

// follow reads on from where it was until the writers are done, and then once more.
func (c *crowd) follow(v auth.View) []collections.Fact {
	var list []collections.Fact
	q := every()
	q.Limit = 50
	for done := false; !done; {
		done = !c.writing.Load()
		for more := true; more; {
			facts, next, err := c.store.Facts(c.ctx, v, in(vn), q)
			if err != nil {
				c.Errorf("reading facts: %v", err)
				return nil
			}
			more = next > 0
			if q.After = max(q.After, next); len(facts) > 0 {
				q.After = facts[len(facts)-1].Added
			}
			list = append(list, facts...)
		}
	}
	return list
}

// browse reads whole pages, and records that it did.
func (c *crowd) browse(n int) {
	for k := 0; k < crowdPublications || c.writing.Load(); k++ {
		v := upTo(suva, levels()[n%7])
		p, err := c.store.Objects(c.ctx, v, in([]auth.CollectionID{vn, lk}[k%2]), every())
		if err != nil {
			c.Errorf("planning a page: %v", err)
			return
		}
		var buf []byte
		for err == nil {
			buf, err = p.Next(buf[:0])
		}
		if k < crowdPublications {
			if err := c.store.Served(c.ctx, c.line("read.objects", fmt.Sprint(n, " ", k))); err != nil {
				c.Errorf("serving: %v", err)
			}
		}
	}
}

// runs: every publication was given a run of date_added of its own, in the order of the journal, and
// a status that adds up.
func (c *crowd) runs() {
	c.Helper()
	position := map[string]int{}
	for i, l := range c.linesOf("publish") {
		for _, leaf := range leavesOf(c.env, l) {
			if _, ok := position[leaf]; !ok {
				position[leaf] = i
			}
		}
	}
	slices.SortFunc(c.told, func(a, b collections.Status) int { return cmp.Compare(a.First, b.First) })
	var end collections.Added
	for i, s := range c.told {
		if s.Success+s.Failure != 6 || s.Pending != 0 || s.Failure > 1 {
			c.Errorf("the status of a publication of 6 objects does not add up: %+v", s)
		}
		if s.First <= end || s.Last < s.First {
			c.Errorf("a run from %v to %v begins before %v, the end of another", s.First, s.Last, end)
		}
		if at, ok := position[string(s.ID)]; !ok || at != i {
			c.Errorf("publication %d by date_added is number %d in the journal (%t)", i, at, ok)
		}
		end = s.Last
	}
	if len(c.told) != crowdPublishers*crowdPublications {
		c.Errorf("%d publications were acknowledged, want %d", len(c.told), crowdPublishers*crowdPublications)
	}
}

// owners: of each id that all wanted one publisher has all versions, and everybody else was refused.
func (c *crowd) owners() {
	c.Helper()
	var refusals int
	for _, s := range c.told {
		refusals += s.Failure
	}
	q := every()
	for k := range crowdPublications {
		q.IDs = append(q.IDs, item(500_000+k).ID)
	}
	facts := c.facts(widest(), in(vn), q)
	owner := map[stix.ID]auth.PartnerID{}
	for _, f := range facts {
		if cmp.Or(owner[f.ID], f.Publisher) != f.Publisher {
			c.Errorf("%s is owned by %s and by %s", f.ID, owner[f.ID], f.Publisher)
		}
		owner[f.ID] = f.Publisher
	}
	each := crowdPublishers / crowdPartners
	if want := each * crowdPublications; len(facts) != want || refusals != crowdPublishers*crowdPublications-want {
		c.Errorf("of the ids that all wanted there are %d versions and %d refusals, want %d and %d",
			len(facts), refusals, want, crowdPublishers*crowdPublications-want)
	}
}

// concurrentSlow: a caller that stops in the middle of reading holds nobody up.
func concurrentSlow(e *env) {
	e.fill()
	p, err := e.store.Objects(e.ctx, widest(), in(vn), every())
	e.check("planning a page", err)
	begun, err := p.Next(nil)
	e.check("reading a page", err)
	n := 1000
	more := func() {
		n++
		e.added(north, item(n))
	}
	for range e.store.Rows(e.ctx) {
		more()
	}
	for entry, err := range e.store.Journal(e.ctx, 0) {
		e.check("reading the journal", err)
		if more(); entry.Seq > 3 {
			break
		}
	}
	for {
		more()
		next, err := p.Next(nil)
		if err != nil {
			break
		}
		begun = append(begun, next...)
	}
	if len(begun) == 0 {
		e.Errorf("a page that was read slowly is empty")
	}
}

// concurrentLarge: one publication of very many objects, into several collections, is one effect.
func concurrentLarge(e *env) {
	const n = 10_000
	list := items(0, n, to(vn, lk, fj))
	s := e.publish(north, list...)
	if s.Success != n || s.Failure != 0 || s.Last-s.First != 20*(n-1) {
		e.Errorf("%d objects: %d successes, %d failures, from %v to %v", n, s.Success, s.Failure, s.First, s.Last)
	}
	for _, at := range []auth.CollectionID{vn, fj} {
		q := last()
		facts := e.facts(widest(), in(at), q)
		page := e.page(widest(), in(at), q)
		if len(facts) != n || page.Count != n || page.More {
			e.Fatalf("%d objects were published, there are %d facts and a page of %d, more %t", n, len(facts), page.Count, page.More)
		}
		for i, f := range facts {
			if f.ID != list[i].ID || f.Added != s.First+collections.Added(20*i) {
				e.Fatalf("object %d is %s at %v, want %s", i, f.ID, f.Added, list[i].ID)
			}
		}
	}
	again := e.publish(north, list...)
	if again.Duplicate != n || again.First != 0 {
		e.Errorf("%d objects again: %d duplicates, added from %v", n, again.Duplicate, again.First)
	}
	if n := len(e.linesOf("publish")); n != 2 {
		e.Errorf("%d lines of kind publish, want 2", n)
	}
}
