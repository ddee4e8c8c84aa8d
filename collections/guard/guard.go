// Package guard says what must not leave: values that are no threat whoever reports them (private and
// documentation addresses, public resolvers, well-known sites, the digest of an empty file, a member
// government's domains) and patterns that match everything. It also brings values to one form, so that
// the same thing from two vendors is seen to be the same, and says when an indicator is out of date.
//
// It computes: it reads no file, asks no network, has no clock. Lists come as bytes. Who is exempted from
// which list, and who releases what was held, is the caller's business. docs/guards.md says for operators
// and publishers what is done here.
//
// The format of lists is that of MISP warning lists (github.com/MISP/misp-warninglists, schema.json).
package guard

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"liaison/stix"
)

// Bounds of lists and of one object's check.
const (
	MaxListFile   = 64 << 20  // bytes of a list
	MaxEntries    = 2_000_000 // entries of a list
	MaxEntry      = 2048      // bytes of an entry
	MaxRegexes    = 200       // entries of a list of regular expressions
	MaxSubstrings = 10_000    // entries of a list of substrings
	MinSubstring  = 4         // bytes of a substring: shorter ones are in nearly everything
	MaxHits       = 16        // hits reported of an object; its verdict is that of all hits
	MaxValue      = 8192      // bytes of a value that is looked at
)

// ErrInvalid is what errors of this package are.
var ErrInvalid = errors.New("invalid guard")

// Action is what becomes of an object that a list hits.
type Action uint8

// The actions, in their order: where several lists hit, the greatest decides.
const (
	Off   Action = iota // the list is not asked
	Hold                // the object waits for a release with a reason
	Block               // the release needs a second person besides
)

// ParseAction reads the names of the configuration: off, hold, block.
func ParseAction(s string) (Action, error) {
	for a := Off; a <= Block; a++ {
		if a.String() == s {
			return a, nil
		}
	}
	return Off, fmt.Errorf("%w: action %q: want off, hold or block", ErrInvalid, s)
}

// String gives the name that ParseAction reads.
func (a Action) String() string {
	switch a {
	case Hold:
		return "hold"
	case Block:
		return "block"
	}
	return "off"
}

// Hit is a value of an object that a list holds, or a pattern that matches too much.
type Hit struct {
	List    string // its name
	Version string
	Action  Action
	Value   string // as the object has it
	Entry   string // of the list; of a pattern, what is wrong with it
	Pointer string // JSON pointer in the object
}

// Text says it in words.
func (h Hit) Text() string {
	if h.Entry == h.Value {
		return fmt.Sprintf("%s: %s is on the list %s", h.Pointer, clip(h.Value), h.List)
	}
	return fmt.Sprintf("%s: %s is on the list %s (%s)", h.Pointer, clip(h.Value), h.List, clip(h.Entry))
}

// Guard checks objects against lists. It is safe for concurrent use and does not change.
type Guard struct {
	lists []*List
	index index
}

// New makes a guard of lists, which must not be changed afterwards. Two lists with one name are
// ErrInvalid; lists whose action is Off are left out.
func New(lists ...*List) (*Guard, error) {
	g := &Guard{}
	names := make(map[string]bool)
	for _, l := range lists {
		if names[l.Name] {
			return nil, fmt.Errorf("%w: two lists are called %q: name them apart", ErrInvalid, l.Name)
		}
		names[l.Name] = true
		if l.Action != Off {
			g.lists = append(g.lists, l)
		}
	}
	g.index.build(g.lists)
	return g, nil
}

// Lists gives the lists that are asked; the caller must not change them.
func (g *Guard) Lists() []*List { return g.lists }

// Check gives what the lists have against an object, at most MaxHits, nil for nothing.
func (g *Guard) Check(o *stix.Object) []Hit {
	h := checks.Get().(*hits)
	*h = hits{guard: g, each: h.each}
	defer checks.Put(h)
	o.Observed(h.each)
	if string(o.Type) == "indicator" && (h.wide || bytes.Contains(o.Pattern, []byte("NOT"))) && (o.PatternType == nil || string(o.PatternType) == "stix") {
		h.pattern(o.Pattern)
	}
	return h.list
}

// checks are what Check gathers in: most objects meet nothing, and cost no memory.
var checks = sync.Pool{New: func() any {
	h := new(hits)
	h.each = h.comparison
	return h
}}

// Value gives what the lists have against a value by itself.
func (g *Guard) Value(kind stix.ValueKind, text string) []Hit {
	h := hits{guard: g}
	h.comparison(&stix.Comparison{Kind: kind, Value: []byte(text)}, "")
	return h.list
}

// Verdict gives the greatest action of hits; Off for none.
func Verdict(hits []Hit) Action {
	worst := Off
	for i := range hits {
		worst = max(worst, hits[i].Action)
	}
	return worst
}

// clip bounds a text that an outsider made and a message repeats.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}
