package collections

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"liaison/auth"
)

// resyncs makes clients of a partner pull from the start after "partner resync".
//
// Clients keep their position themselves, as a cursor or as an added_after, so the gateway has to ignore
// positions of before. For each stream (what a client reads of a collection with the same filters) it
// remembers the positions that it gave since the resync. Any other is from before: it counts as none,
// and a run begins again at the start. The run has done it when the client comes back with the position
// of its end, and then the registry remembers. A page counts when it was sent to its end.
//
// A run that a client begins at the start by itself goes on undisturbed, and ends nothing: it may be
// somebody who only looks, and the client's old position may be the very end. A restart makes clients
// begin again, which repeats objects and loses none.
type resyncs struct {
	mu      sync.Mutex
	streams map[string]*progress
}

// Bounds of what is remembered.
const (
	maxPositions = 100_000 // of one stream; beyond, every position up to the last one counts as given
	maxStreams   = 16      // of a client in a collection that the registry remembers; others begin again after a restart
)

// progress is how far a stream is in a resync.
type progress struct {
	resync time.Time
	given  map[Added]run // by the positions that its pages ended with
	last   Added         // the highest of them
	end    Added         // where a renewed run found nothing more; 0: nowhere yet
}

// run is why a stream is where it is.
type run uint8

const (
	settled run = iota // no resync is pending
	fresh              // the client began at the start by itself
	renewed            // it was put back to the start
)

// stream names what a client reads: objects or manifests of a collection, with these filters.
func stream(kind string, p auth.Principal, at Place, q Query) string {
	key := resyncKey(p.Client, at.Collection)
	filter := filterText(q)
	if filter == "" && kind == readObjects {
		return key
	}
	sum := sha256.Sum256([]byte(kind + " " + filter))
	return key + "/" + hex.EncodeToString(sum[:8])
}

// pending gives the resync that a stream has still to go through; zero for none.
func (s *State) pending(p auth.Principal, key string) time.Time {
	resync := s.Access.Partners[p.Partner].Resync
	if resync.IsZero() || !s.resynced[key].Before(resync) || !s.Access.Clients[p.Client].Created.Before(resync) {
		return time.Time{}
	}
	return resync
}

// position gives the place to read from for a client that asks for what comes after q.After. Reads of
// single objects have none.
func (d *Desk) position(kind string, p auth.Principal, at Place, q Query) (Added, run) {
	st := d.Registry.State()
	if len(q.IDs) > 0 || st.Access.Partners[p.Partner].Resync.IsZero() {
		return q.After, settled
	}
	key := stream(kind, p, at, q)
	resync := st.pending(p, key)
	switch {
	case resync.IsZero():
		return q.After, settled
	case q.After == 0:
		return 0, fresh
	}
	d.resyncs.mu.Lock()
	have := d.resyncs.of(key, resync)
	r, known := have.given[q.After]
	if !known && len(have.given) >= maxPositions && q.After <= have.last {
		r, known = renewed, true
	}
	through := r == renewed && q.After == have.end
	d.resyncs.mu.Unlock()
	switch {
	case through:
		d.resynced(p, at, key, resync)
		return q.After, settled
	case known:
		return q.After, r
	}
	return 0, renewed
}

// of gives the progress of a stream; the caller holds the lock.
func (r *resyncs) of(key string, resync time.Time) *progress {
	if r.streams == nil {
		r.streams = map[string]*progress{}
	}
	have := r.streams[key]
	if have == nil || !have.resync.Equal(resync) {
		have = &progress{resync: resync, given: map[Added]run{}}
		r.streams[key] = have
	}
	return have
}

// given remembers the position that a page of a run left its client with.
func (d *Desk) given(kind string, p auth.Principal, at Place, q Query, r run, s span) {
	if r == settled || r == fresh && !s.more {
		return
	}
	key := stream(kind, p, at, q)
	resync := d.Registry.State().pending(p, key)
	if resync.IsZero() {
		return
	}
	last := max(s.last, q.After)
	d.resyncs.mu.Lock()
	defer d.resyncs.mu.Unlock()
	have := d.resyncs.of(key, resync)
	if len(have.given) < maxPositions && have.given[last] != renewed {
		have.given[last] = r
	}
	have.last = max(have.last, last)
	if r == renewed && !s.more {
		have.end = last
	}
}

// resynced ends the resync of a stream for good.
func (d *Desk) resynced(p auth.Principal, at Place, key string, resync time.Time) {
	if base := resyncKey(p.Client, at.Collection); key != base {
		n := 0
		for k := range d.Registry.State().resynced {
			if strings.HasPrefix(k, base+"/") {
				n++
			}
		}
		if n >= maxStreams {
			return
		}
	}
	err := d.Registry.Apply(context.Background(), p.Actor(), resynced{p.Client, at.Collection, key, resync})
	if err != nil {
		d.Log.Error("ending a resync", "client", p.Client, "collection", at.Collection, "error", err)
		return
	}
	d.resyncs.mu.Lock()
	delete(d.resyncs.streams, key)
	d.resyncs.mu.Unlock()
}
