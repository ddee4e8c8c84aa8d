package auth

import (
	"sync"
	"sync/atomic"
	"time"
)

// usesGrain is how exactly a last use is known: it is written once in this time.
const usesGrain = time.Minute

// Uses remembers when secrets, certificates and keys were last used, by the ids of their rows. It is
// a convenience for people, kept in memory: whoever wants it to last saves All now and then and gives
// it back with Restore. Safe for concurrent use; the zero value is ready.
type Uses struct {
	m sync.Map // id → *atomic.Int64, Unix seconds
}

// Note remembers a use. It is cheap: most calls only compare.
func (u *Uses) Note(id string, now time.Time) {
	if u == nil || id == "" {
		return
	}
	v, ok := u.m.Load(id)
	if !ok {
		v, _ = u.m.LoadOrStore(id, new(atomic.Int64))
	}
	at := v.(*atomic.Int64)
	if old, now := at.Load(), now.Unix(); now-old >= int64(usesGrain/time.Second) {
		at.CompareAndSwap(old, now)
	}
}

// Last gives the last use of a secret, certificate (by serial) or key; zero for none.
func (u *Uses) Last(id string) time.Time {
	if u == nil {
		return time.Time{}
	}
	v, ok := u.m.Load(id)
	if !ok {
		return time.Time{}
	}
	s := v.(*atomic.Int64).Load()
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// All gives what is known of the credentials that are in t; the rest is forgotten.
func (u *Uses) All(t *Tables) map[string]time.Time {
	out := map[string]time.Time{}
	for _, c := range t.Clients {
		for _, id := range c.credentials() {
			if at := u.Last(id); !at.IsZero() {
				out[id] = at
			}
		}
	}
	u.m.Range(func(id, _ any) bool {
		if _, ok := out[id.(string)]; !ok {
			u.m.Delete(id)
		}
		return true
	})
	return out
}

// Restore gives back what All gave.
func (u *Uses) Restore(list map[string]time.Time) {
	for id, at := range list {
		u.Note(id, at)
	}
}

func (c Client) credentials() []string {
	var out []string
	for _, s := range c.Secrets {
		out = append(out, s.ID)
	}
	for _, s := range c.Certificates {
		out = append(out, s.Serial)
	}
	for _, k := range c.Keys {
		out = append(out, k.ID)
	}
	return out
}
