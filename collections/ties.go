package collections

import (
	"slices"

	"liaison/auth"
	"liaison/stix"
)

// Tie has an item go only where things are that it speaks of: a relationship whose other end does not go there
// stays behind. What is known before the commit is in the item's To already; a Tie is for what fails in it.
type Tie struct {
	Item int32 // its place among the publication's items
	Ends []End
}

// End is one thing that an item speaks of.
type End struct {
	ID   stix.ID
	Item int32 // its place among the same publication's items; -1: it came before
}

// Tie gives the Tie of item i; nil: none.
func (p *Publication) Tie(i int) *Tie {
	if len(p.Ties) == 0 {
		return nil
	}
	at, ok := slices.BinarySearchFunc(p.Ties, int32(i), func(t Tie, i int32) int { return int(t.Item - i) })
	if !ok {
		return nil
	}
	return &p.Ties[at]
}

// Cut gives the item as it goes when an end is missing in some of its collections: to the others, or else it is
// pending, or, if it is Brought, goes nowhere. Where none is missing it gives the item itself.
func (t *Tie) Cut(it *Item, missing func(e End, c auth.CollectionID) (bool, error)) (*Item, error) {
	var lost, rest []stix.ID
	gone := map[auth.CollectionID]bool{}
	for _, e := range t.Ends {
		away := false
		for _, c := range it.To {
			no, err := missing(e, c)
			if err != nil {
				return nil, err
			}
			if no {
				away, gone[c] = true, true
			}
		}
		if away {
			lost = append(lost, e.ID)
		} else {
			rest = append(rest, e.ID)
		}
	}
	if len(gone) == 0 {
		return it, nil
	}
	out := *it
	out.To = slices.DeleteFunc(slices.Clone(it.To), func(c auth.CollectionID) bool { return gone[c] })
	waits := "it waits for " + ids(lost) + ", which failed"
	switch {
	case len(out.To) > 0:
		out.Message = "not everywhere: " + waits + "; with that: " + it.Message
	case !it.Brought && it.Keep == nil:
		k := Keep{Kind: KeepPending, Waits: append(lost, rest...), Reasons: append([]Reason{{Code: CodeWaiting, Text: clip(waits)}}, it.Why...)}
		k.Waits, k.Reasons = k.Waits[:min(len(k.Waits), MaxWaits)], k.Reasons[:min(len(k.Reasons), MaxReasons)]
		out.Keep, out.Kept, out.Why = &k, 0, nil
		out.Message = "kept until it goes somewhere: " + waits + "; with that: " + it.Message
	}
	return &out, nil
}

// shift tells that n items were put before all others.
func (p *Publication) shift(n int) {
	for i := range p.Ties {
		t := &p.Ties[i]
		t.Item += int32(n)
		for j := range t.Ends {
			if t.Ends[j].Item >= 0 {
				t.Ends[j].Item += int32(n)
			}
		}
	}
}
