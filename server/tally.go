package server

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"liaison/auth"
)

// Bounds of a minute: what is counted one by one, and what is written so; the rest goes together.
const (
	maxKeys = 4096
	maxRows = 256
)

// tallyKey is what is counted: where from, as whom, and what.
type tallyKey struct {
	address string
	client  auth.ClientID // or what says to be one, known or not: both are counted alike
	code    string
}

// tally counts by the minute. What was counted is written to the journal when its minute is over.
type tally struct {
	known  func(auth.ClientID) auth.ClientID // the name if it may be written, else ""
	mu     sync.Mutex
	minute time.Time
	counts map[tallyKey]int
	other  int
	done   []summary // minutes that are over and not yet written
}

// summary is what the journal says of a minute.
type summary struct {
	Minute string  `json:"minute"`
	Counts []count `json:"counts"`
	Other  int     `json:"other,omitempty"` // not counted one by one
}

type count struct {
	Address string        `json:"address,omitempty"`
	Client  auth.ClientID `json:"client,omitempty"`
	Code    string        `json:"code,omitempty"`
	Count   int           `json:"count"`
}

func newTally(now time.Time, known func(auth.ClientID) auth.ClientID) *tally {
	return &tally{known: known, minute: now.UTC().Truncate(time.Minute), counts: map[tallyKey]int{}}
}

// count adds one, and gives the number of this key in this minute; what is beyond maxKeys counts as
// one key.
func (t *tally) count(k tallyKey, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(now)
	if t.counts[k] == 0 && len(t.counts) >= maxKeys {
		t.other++
		return t.other
	}
	t.counts[k]++
	return t.counts[k]
}

// maxSummaries bounds the minutes that wait for a store that does not take them.
const maxSummaries = 60

// turn closes the minute when it is over. t.mu is held.
func (t *tally) turn(now time.Time) {
	minute := now.UTC().Truncate(time.Minute)
	if !minute.After(t.minute) {
		return
	}
	if len(t.counts) > 0 {
		if len(t.done) == maxSummaries {
			t.done = t.done[1:]
		}
		t.done = append(t.done, t.sum())
	}
	t.minute, t.other = minute, 0
	clear(t.counts)
}

// sum gives the minute as it is written: names that are nobody's are one, and the rows of clients
// come before the others when there is no room for all. t.mu is held.
func (t *tally) sum() summary {
	sums := map[tallyKey]int{}
	for k, n := range t.counts {
		k.client = t.known(k.client)
		sums[k] += n
	}
	s := summary{Minute: t.minute.Format(time.RFC3339), Other: t.other}
	for k, n := range sums {
		s.Counts = append(s.Counts, count{k.address, k.client, k.code, n})
	}
	if len(s.Counts) > maxRows {
		slices.SortFunc(s.Counts, func(a, b count) int {
			if (a.Client == "") != (b.Client == "") {
				return cmp.Compare(b.Client, a.Client)
			}
			return cmp.Or(cmp.Compare(b.Count, a.Count), a.compare(b))
		})
		for _, c := range s.Counts[maxRows:] {
			s.Other += c.Count
		}
		s.Counts = s.Counts[:maxRows]
	}
	slices.SortFunc(s.Counts, count.compare)
	return s
}

func (a count) compare(b count) int {
	return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Client, b.Client), cmp.Compare(a.Code, b.Code))
}

// flush hands over the minutes that are over; what write does not take stays.
func (t *tally) flush(now time.Time, write func(summary) error) error {
	t.mu.Lock()
	t.turn(now)
	done := t.done
	t.done = nil
	t.mu.Unlock()
	for i, s := range done {
		if err := write(s); err != nil {
			t.mu.Lock()
			t.done = append(slices.Clone(done[i:]), t.done...)
			t.mu.Unlock()
			return err
		}
	}
	return nil
}

// Flush writes what was counted in the minutes that are over into the journal: logins that were
// refused (kind "login.refused") and cursors that clients carried into another collection (kind
// "cursor.elsewhere", where the collection stands for the address). The gateway calls it about once
// a second, and at its end with a time a minute ahead. What cannot be written is kept for the next
// time.
func (s *Server) Flush(ctx context.Context, now time.Time) error {
	for _, t := range []struct {
		*tally
		kind string
	}{{s.refused, "login.refused"}, {s.strayed, "cursor.elsewhere"}} {
		err := t.flush(now, func(sum summary) error {
			return s.o.Desk.Store.Served(ctx, auth.NewLine(s.now(), auth.Gateway, t.kind, sum))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
