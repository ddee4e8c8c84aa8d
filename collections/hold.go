package collections

import (
	"fmt"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/stix"
)

// Codes of the reasons for which objects are held.
const (
	CodePolicy = "policy" // a rule of the publisher's row
	CodeGuard  = "guard"  // a guard list
)

// holding is what one publication is held to: the rules of its publisher, and the guard.
type holding struct {
	all      bool
	level    stix.Level // this or stricter; Unmarked: no such rule
	types    []string
	patterns []string
	lists    []string
	guard    Guard // nil: none
	exempt   []string
}

// Guard says what must not leave before somebody has looked at it. Safe for concurrent use.
type Guard interface {
	// Check gives what the object meets, at most a few. The object is the caller's.
	Check(o *stix.Object) []Hit
	// Value gives what a value by itself meets.
	Value(text string) []Hit
	// Lists tells of the lists that are asked.
	Lists() []GuardList
}

// GuardList is one list of a guard.
type GuardList struct {
	Name, Version, Description string
	Action                     string // hold or block
	Entries                    int
}

// Hit is a value of an object that a guard list has.
type Hit struct {
	List  string
	Block bool   // its release takes two
	Hold  bool   // it is held; neither: only a rule of the publisher's asks for the list
	Text  string // in words, for the publisher and the operator
}

// holding gives what a partner's publications are held to now.
func (d *Desk) holding(p auth.PartnerID) holding {
	row := d.Registry.State().Access.Partners[p]
	h := holding{exempt: row.Exempt}
	if d.Guard != nil {
		h.guard = d.Guard()
	}
	for _, r := range row.Hold {
		switch what, value := r.Cut(); what {
		case "all":
			h.all = true
		case "level":
			if l, err := stix.ParseLevel(value); err == nil && (h.level == stix.Unmarked || l < h.level) {
				h.level = l
			}
		case "type":
			h.types = append(h.types, value)
		case "pattern":
			h.patterns = append(h.patterns, value)
		case "list":
			h.lists = append(h.lists, value)
		}
	}
	return h
}

// watched is what was seen of an object while its bytes were at hand.
type watched struct {
	kind string // of observable that a rule asks for, "" for none
	hits []Hit
}

// lists names the guard lists that an object meets, each once.
func (w watched) lists() (names []string) {
	for _, h := range w.hits {
		if !slices.Contains(names, h.List) {
			names = append(names, h.List)
		}
	}
	return names
}

// watch looks at an object that becomes draft i.
func (in *intake) watch(o *stix.Object, i int) {
	var w watched
	if len(in.holding.patterns) > 0 {
		w.kind = in.holding.observes(o)
	}
	if in.holding.guard != nil {
		w.hits = slices.DeleteFunc(in.holding.guard.Check(o), func(h Hit) bool {
			return slices.Contains(in.holding.exempt, h.List) ||
				!h.Block && !h.Hold && !slices.Contains(in.holding.lists, h.List)
		})
	}
	if w.kind == "" && len(w.hits) == 0 {
		return
	}
	if in.watched == nil {
		in.watched = map[int]watched{}
	}
	in.watched[i] = w
}

// observes gives the first kind of observable of an object that a rule asks for.
func (h *holding) observes(o *stix.Object) (kind string) {
	if slices.Contains(h.patterns, string(o.Type)) {
		return string(o.Type)
	}
	o.Observed(func(c *stix.Comparison, _ string) {
		if t, _, _ := strings.Cut(string(c.Path), ":"); kind == "" && slices.Contains(h.patterns, t) {
			kind = t
		}
	})
	return kind
}

// moved tells that draft i became item n.
func (in *intake) moved(i, n int) {
	if w, ok := in.watched[i]; ok && i != n {
		delete(in.watched, i)
		in.watched[n] = w
	}
}

// holds reports whether anything may be held.
func (in *intake) holds() bool {
	h := &in.holding
	return h.all || h.level != stix.Unmarked || len(h.types) > 0 || len(in.watched) > 0
}

// heldBack tells routing which objects of the graph are held, each at its place among the items; nil: none.
func (in *intake) heldBack(at []int) func(index int) bool {
	if !in.holds() {
		return nil
	}
	back := make([]bool, len(at))
	for n, i := range at {
		if i >= 0 {
			reasons, _ := in.holding.reasons(&in.publication.Items[i], in.watched[i])
			back[n] = len(reasons) > 0
		}
	}
	return func(index int) bool { return back[index] }
}

// hold has those items kept that the publisher's rules or the guard hold. It comes after all else that
// is decided about where an item goes.
func (in *intake) hold() {
	if !in.holds() {
		return
	}
	h := &in.holding
	for i := range in.publication.Items {
		it := &in.publication.Items[i]
		reasons, second := h.reasons(it, in.watched[i])
		if len(reasons) == 0 || it.Foreign || it.Brought { // what is brought was judged when it was published
			continue
		}
		keep := Keep{Kind: KeepHeld, Reasons: reasons, To: it.To, Second: second}
		if old := it.Keep; old != nil {
			keep.To, keep.Waits = union(it.To, old.To), old.Waits
			keep.Reasons = append(keep.Reasons, old.Reasons...)
		}
		keep.Reasons = append(keep.Reasons, it.Why...)
		keep.Reasons = keep.Reasons[:min(len(keep.Reasons), MaxReasons)]
		it.To, it.Keep = nil, &keep
		m := in.heldMessage(reasons, in.watched[i].lists(), second)
		if it.Message != "" {
			m = appendMessage(m, it.Message)
		}
		it.Message = m
	}
}

// heldMessage says why an item is held, and what can be done about it where guard lists are the reason.
func (in *intake) heldMessage(reasons []Reason, lists []string, second bool) string {
	m := "held until the operator has looked at it: " + clip(Reasons(reasons))
	if len(lists) == 0 {
		return m
	}
	two, from, p := "", "list", in.publication.Publisher
	if second {
		two = ", by two"
	}
	if len(lists) > 1 {
		from = "lists"
	}
	return fmt.Sprintf("%s; the operator may release it (liaison queue release%s), or exempt %s from the %s for what comes (liaison guard exempt %s %s)",
		m, two, p, from, p, strings.Join(lists, " "))
}

func union(a, b []auth.CollectionID) []auth.CollectionID {
	list := slices.Clone(a)
	for _, c := range b {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// reasons says why an item is held; none: it is not. second: its release takes two.
func (h *holding) reasons(it *Item, w watched) (list []Reason, second bool) {
	say := func(code, text string) { list = append(list, Reason{Code: code, Text: clip(text)}) }
	for _, hit := range w.hits {
		say(CodeGuard, hit.Text)
		second = second || hit.Block
	}
	switch {
	case h.all:
		say(CodePolicy, "everything that this partner publishes is looked at first")
	case h.level != stix.Unmarked && it.Level >= h.level:
		say(CodePolicy, fmt.Sprintf("what is marked %s or stricter is looked at first", h.level))
	case slices.Contains(h.types, it.Type):
		say(CodePolicy, fmt.Sprintf("objects of type %s are looked at first", it.Type))
	case w.kind != "":
		say(CodePolicy, fmt.Sprintf("what tells of a %s is looked at first", w.kind))
	}
	return list, second
}
