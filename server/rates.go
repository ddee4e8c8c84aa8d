package server

import (
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/taxii"
)

// Bounds of what is kept to hold clients to a rate.
const (
	maxBuckets   = 4096      // clients; the one that was away longest is forgotten, and then has its burst again
	maxPositions = 64        // of a client: pages that said more, the newest
	positionLife = time.Hour // that a position may be gone on from
)

// rates hold each client to a rate of requests that begin something: a first page, a publication, a
// deletion. What goes on with something is never refused here: a cursor that holds, or added_after
// with a position that this client was given with more. The zero value holds nobody to anything.
// Safe for concurrent use.
type rates struct {
	perMinute int // 0: off
	burst     int

	mu      sync.Mutex
	buckets map[auth.ClientID]*bucket
}

// bucket is one client's.
type bucket struct {
	limiter *rate.Limiter
	used    time.Time
	given   []position // the newest last
}

// position is where a page of a collection ended that was not the last.
type position struct {
	place collections.Place
	at    collections.Added
	when  time.Time
}

// of finds a client's bucket, or makes a full one. The caller holds mu.
func (l *rates) of(c auth.ClientID, now time.Time) *bucket {
	b := l.buckets[c]
	if b == nil {
		if l.buckets == nil {
			l.buckets = map[auth.ClientID]*bucket{}
		}
		if len(l.buckets) >= maxBuckets {
			l.forget()
		}
		b = &bucket{limiter: rate.NewLimiter(rate.Limit(l.perMinute)/60, l.burst)}
		l.buckets[c] = b
	}
	b.used = now
	return b
}

func (l *rates) forget() {
	var oldest auth.ClientID
	var used time.Time
	for c, b := range l.buckets {
		if used.IsZero() || b.used.Before(used) {
			oldest, used = c, b.used
		}
	}
	delete(l.buckets, oldest)
}

// charge takes a request off a client's bucket, or refuses it. RFC 6585 section 4: "MAY include a
// Retry-After header".
func (l *rates) charge(c auth.ClientID, now time.Time) error {
	if l.perMinute == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.of(c, now)
	if b.limiter.AllowN(now, 1) {
		return nil
	}
	seconds := math.Ceil((1 - b.limiter.TokensAt(now)) / float64(b.limiter.Limit()))
	return &retry{after: time.Duration(max(seconds, 1)) * time.Second, problem: taxii.NewError(http.StatusTooManyRequests,
		"rate_limited", "Too many requests", "wait as long as Retry-After says; pages of a running sync are never refused")}
}

// read charges a request for a page unless it goes on with a sync.
func (l *rates) read(c auth.ClientID, at collections.Place, r taxii.Request, now time.Time) error {
	if l.perMinute == 0 || r.Next != "" || r.Positioned && l.goesOn(c, at, r.Query.After, now) {
		return nil
	}
	return l.charge(c, now)
}

// gave remembers a position that a client was given with more.
func (l *rates) gave(c auth.ClientID, at collections.Place, last collections.Added, now time.Time) {
	if l.perMinute == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.of(c, now)
	if len(b.given) == maxPositions {
		b.given = append(b.given[:0], b.given[1:]...)
	}
	b.given = append(b.given, position{place: at, at: last, when: now})
}

// goesOn reports whether after is such a position. Some clients cut it to milliseconds or to seconds.
func (l *rates) goesOn(c auth.ClientID, at collections.Place, after collections.Added, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[c]
	if b == nil {
		return false
	}
	for _, p := range b.given {
		if p.place != at || now.Sub(p.when) > positionLife {
			continue
		}
		if t := p.at.Time(); after == p.at || after == collections.AddedAt(t.Truncate(time.Millisecond)) ||
			after == collections.AddedAt(t.Truncate(time.Second)) {
			b.used = now
			return true
		}
	}
	return false
}
