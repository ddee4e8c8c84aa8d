package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"liaison/auth"
	"liaison/server/taxii"
)

const (
	contentStep = 64 << 10         // bytes that a publication takes at once
	contentWait = 10 * time.Second // that a publication may wait for room, in all
)

// contents bounds the bytes of all publications that are under way: each holds what it has read,
// decoded, until it is committed or refused.
//
// One publication at a time goes ahead: it reads on whatever the others hold, up to
// max_content_length, for which room is kept. So there is always one that comes to its end and gives
// back what it holds. The others share the rest, no partner more than half of it; where that is
// used up they wait, and are told to come again when nothing became free.
type contents struct {
	rest int64 // bytes that all but the one ahead may hold
	wait time.Duration
	now  func() time.Time

	mu      sync.Mutex
	held    int64 // of rest
	partner map[auth.PartnerID]int64
	ahead   *content // nil: nobody had to wait
	waiting []*waiter
}

// waiter is a publication that waits for n bytes.
type waiter struct {
	b    *content
	n    int64
	room chan struct{} // closed when it has them
}

func newContents(o *Options, now func() time.Time) *contents {
	return &contents{
		rest:    o.MaxContentInFlight - o.MaxContent,
		wait:    min(o.Grace, contentWait),
		now:     now,
		partner: map[auth.PartnerID]int64{},
	}
}

// take holds n more bytes for b, or waits for them.
func (c *contents) take(ctx context.Context, b *content, n int64) error {
	c.mu.Lock()
	if c.give(b, n) {
		c.mu.Unlock()
		return nil
	}
	w := &waiter{b: b, n: n, room: make(chan struct{})}
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()

	begin := c.now()
	timer := time.NewTimer(c.wait - b.waited)
	defer timer.Stop()
	var err error
	select {
	case <-w.room:
	case <-timer.C:
		err = errNoRoom()
	case <-ctx.Done():
		err = ctx.Err()
	}
	waited := c.now().Sub(begin)
	b.waited += waited
	b.k.limits.paused(waited)
	if err != nil {
		c.forget(w)
	}
	return err
}

// give holds n bytes for b if there is room for them.
func (c *contents) give(b *content, n int64) bool {
	p := b.k.p.Partner
	switch {
	case c.ahead == b:
	case c.held+n <= c.rest && c.partner[p]+n <= c.rest/2:
		c.held += n
		c.partner[p] += n
		b.held += n
	case c.ahead == nil:
		c.ahead = b
	default:
		return false
	}
	return true
}

// release gives back what b holds.
func (c *contents) release(b *content) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := b.k.p.Partner
	c.held -= b.held
	if c.partner[p] -= b.held; c.partner[p] <= 0 {
		delete(c.partner, p)
	}
	b.held = 0
	if c.ahead == b {
		c.ahead = nil
	}
	// Who holds least comes first, so that one partner's many do not keep the others waiting.
	slices.SortStableFunc(c.waiting, func(x, y *waiter) int {
		return cmp.Compare(c.partner[x.b.k.p.Partner], c.partner[y.b.k.p.Partner])
	})
	c.waiting = slices.DeleteFunc(c.waiting, func(w *waiter) bool {
		if !c.give(w.b, w.n) {
			return false
		}
		close(w.room)
		return true
	})
}

// forget takes a waiter off that waits no more. What it was given meanwhile goes with the release
// of its publication.
func (c *contents) forget(w *waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = slices.DeleteFunc(c.waiting, func(x *waiter) bool { return x == w })
}

func errNoRoom() error {
	return &retry{after: 5 * time.Second, problem: taxii.NewError(http.StatusServiceUnavailable, "busy",
		"Too much at the same time", "nothing was stored; send it again later, or in smaller parts")}
}
