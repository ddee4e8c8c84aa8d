package collections

import (
	"context"
	"sync"
	"time"

	"liaison/auth"
)

// resyncs makes clients of a partner pull from the start after "partner resync".
//
// Clients keep their position themselves, as a cursor or as an added_after, so the gateway has to
// ignore positions of before. It remembers, by client and collection, the highest date_added that it
// served since the resync; a position beyond that is from before and counts as none. When a client
// has reached the end, the resync is over for it in that collection, and the registry remembers.
// A lost answer or a restart makes the client begin again, which repeats objects and loses none.
type resyncs struct {
	mu   sync.Mutex
	high map[string]progress // CLIENT/COLLECTION
}

type progress struct {
	resync time.Time
	served Added
}

// pending gives the resync that the client has still to go through; zero for none.
func (s *State) pending(p auth.Principal, at Place) time.Time {
	resync := s.Access.Partners[p.Partner].Resync
	if resync.IsZero() || !s.resynced[resyncKey(p.Client, at.Collection)].Before(resync) {
		return time.Time{}
	}
	return resync
}

// position gives the place to read from for a client that asks for what comes after a.
func (d *Desk) position(p auth.Principal, at Place, a Added) Added {
	resync := d.Registry.State().pending(p, at)
	if resync.IsZero() {
		return a
	}
	d.resyncs.mu.Lock()
	defer d.resyncs.mu.Unlock()
	have := d.resyncs.high[resyncKey(p.Client, at.Collection)]
	if !have.resync.Equal(resync) || a > have.served {
		return 0
	}
	return a
}

// note remembers what was served, and ends the client's resync at the end of the collection.
func (r *resyncs) note(d *Desk, p auth.Principal, at Place, s span) {
	resync := d.Registry.State().pending(p, at)
	if resync.IsZero() {
		return
	}
	key := resyncKey(p.Client, at.Collection)
	r.mu.Lock()
	if r.high == nil {
		r.high = map[string]progress{}
	}
	have := r.high[key]
	if !have.resync.Equal(resync) {
		have = progress{resync: resync}
	}
	have.served = max(have.served, s.last)
	r.high[key] = have
	if !s.more {
		delete(r.high, key)
	}
	r.mu.Unlock()
	if s.more {
		return
	}
	err := d.Registry.Apply(context.Background(), p.Actor(), resynced{p.Client, at.Collection, resync})
	if err != nil {
		d.Log.Error("ending a resync", "client", p.Client, "collection", at.Collection, "error", err)
	}
}
