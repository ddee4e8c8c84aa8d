package guard

import (
	"net/netip"
	"slices"
	"sort"
	"strings"

	"liaison/stix"
)

// index finds the entries of all lists that a value meets.
type index struct {
	exact      map[string][]mark // whole values and sites
	hosts      map[string][]mark
	spans4     spans
	spans6     spans
	substrings map[[MinSubstring]byte][]text
	scans      []*List // lists of regular expressions
	shapes     []*List
}

// mark is a list that holds a text.
type mark struct {
	list *List
	form form
}

type text struct {
	list *List
	text string
}

func (x *index) build(lists []*List) {
	x.exact, x.hosts = make(map[string][]mark), make(map[string][]mark)
	x.substrings = make(map[[MinSubstring]byte][]text)
	var v4, v6 []nested
	for _, l := range lists {
		for _, b := range l.blocks {
			n := nested{block: b, list: l, parent: -1}
			if b.Addr().Is4() {
				v4 = append(v4, n)
			} else {
				v6 = append(v6, n)
			}
		}
		switch l.form {
		case whole, sites:
			for _, t := range l.texts {
				x.exact[t] = append(x.exact[t], mark{l, l.form})
			}
		case hosts:
			for _, t := range l.texts {
				x.hosts[t] = append(x.hosts[t], mark{l, l.form})
			}
		case substrings:
			for _, t := range l.texts {
				gram := [MinSubstring]byte([]byte(t))
				x.substrings[gram] = append(x.substrings[gram], text{l, t})
			}
		case regexes:
			x.scans = append(x.scans, l)
		case patterns:
			x.shapes = append(x.shapes, l)
		}
	}
	x.spans4.build(v4)
	x.spans6.build(v6)
}

// spans finds the networks around an address: the networks, each with the one around it, and the
// addresses at which the innermost network changes.
type spans struct {
	networks []nested
	starts   []netip.Addr
	inner    []int32 // of the addresses from starts on; -1 none
}

type nested struct {
	block
	list   *List
	parent int32
}

func (s *spans) build(networks []nested) {
	slices.SortStableFunc(networks, func(a, b nested) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	s.networks = networks
	var open []int32
	at := func(a netip.Addr, inner int32) {
		if n := len(s.starts); n > 0 && s.starts[n-1] == a {
			s.inner[n-1] = inner
			return
		}
		s.starts, s.inner = append(s.starts, a), append(s.inner, inner)
	}
	closeTo := func(depth int) {
		for len(open) > depth {
			n := open[len(open)-1]
			open = open[:len(open)-1]
			if end := lastOf(networks[n].Prefix).Next(); end.IsValid() {
				at(end, networks[n].parent)
			}
		}
	}
	for i := range networks {
		depth := len(open)
		for depth > 0 && !networks[open[depth-1]].Contains(networks[i].Addr()) {
			depth--
		}
		closeTo(depth)
		if depth > 0 {
			networks[i].parent = open[depth-1]
		}
		at(networks[i].Addr(), int32(i))
		open = append(open, int32(i))
	}
	closeTo(0)
}

// lastOf gives the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	for bit := 128 - (p.Addr().BitLen() - p.Bits()); bit < 128; bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	a := netip.AddrFrom16(b)
	if p.Addr().Is4() {
		return a.Unmap()
	}
	return a
}

// around calls each with the networks that an address lies in, the innermost first.
func (s *spans) around(a netip.Addr, each func(n *nested)) {
	at := sort.Search(len(s.starts), func(i int) bool { return s.starts[i].Compare(a) > 0 }) - 1
	if at < 0 {
		return
	}
	for i := s.inner[at]; i >= 0; i = s.networks[i].parent {
		each(&s.networks[i])
	}
}

// inside calls each with the networks that begin in the block, in order, until it gives false.
func (s *spans) inside(block netip.Prefix, each func(n *nested) bool) {
	at := sort.Search(len(s.networks), func(i int) bool { return s.networks[i].Addr().Compare(block.Addr()) >= 0 })
	for ; at < len(s.networks) && block.Contains(s.networks[at].Addr()); at++ {
		if s.networks[at].Bits() >= block.Bits() && !each(&s.networks[at]) {
			return
		}
	}
}

// hits collects what lists have against one object.
type hits struct {
	guard *Guard
	each  func(*stix.Comparison, string) // its comparison
	list  []Hit
	worst Action
	wide  bool // a comparison is too wide by itself
}

// add keeps a hit. When there are too many, one that decides takes the last one's place.
func (h *hits) add(l *List, value, entry, pointer string) {
	for i := range h.list {
		if h.list[i].List == l.Name && h.list[i].Value == value {
			return
		}
	}
	hit := Hit{List: l.Name, Version: l.Version, Action: l.Action, Value: value, Entry: entry, Pointer: pointer}
	if len(h.list) < MaxHits {
		h.list = append(h.list, hit)
	} else if l.Action > h.worst {
		h.list[MaxHits-1] = hit
	}
	h.worst = max(h.worst, l.Action)
}

// comparison checks one value.
func (h *hits) comparison(c *stix.Comparison, pointer string) {
	for _, l := range h.guard.index.shapes {
		h.wide = h.wide || l.shape(c) != ""
	}
	if c.Kind == stix.OtherValue || len(c.Value) > MaxValue {
		return
	}
	if !c.Names() {
		h.loose(c, pointer)
		return
	}
	value := string(c.Value)
	k, block, ok := normal(c.Kind, value)
	if !ok {
		k = Key{c.Kind, strings.ToLower(value)}
	}
	as := kindsOf(c.Kind)
	if ok {
		as |= kindsOf(k.Kind) // an address where a name should stand is an address too
	}
	h.scan(k, as, value, pointer)
	if block.IsValid() { // lists hold addresses as blocks
		h.address(block, as, value, pointer)
		return
	}
	h.exact(k.Value, as, value, pointer)
	switch {
	case !ok:
	case k.Kind == stix.DomainValue:
		h.host(k.Value, as, value, pointer, true)
	case k.Kind == stix.EmailValue:
		h.host(k.Value[strings.LastIndexByte(k.Value, '@')+1:], as, value, pointer, false)
	case k.Kind == stix.URLValue:
		u, ok := splitURL(value)
		if !ok {
			return
		}
		if u.block.IsValid() {
			h.address(u.block, as, value, pointer)
		} else {
			h.host(u.key.Value, as, value, pointer, u.path == "/" && u.rest == "")
		}
	}
}

// loose checks what LIKE means when all that its wild cards leave is the end of a name: '%.example.com'.
func (h *hits) loose(c *stix.Comparison, pointer string) {
	if c.Operator != stix.Like || c.Negated || c.Kind != stix.DomainValue {
		return
	}
	value := string(c.Value)
	if k, _, ok := normalHost(strings.TrimLeft(value, "%_.")); ok && k.Kind == stix.DomainValue && !strings.ContainsAny(k.Value, "%_") {
		h.host(k.Value, kindsOf(stix.DomainValue), value, pointer, true)
	}
}

func (h *hits) exact(normal string, as kinds, value, pointer string) {
	for _, m := range h.guard.index.exact[normal] {
		if m.form == whole && m.list.kinds&as != 0 {
			h.add(m.list, value, normal, pointer)
		}
	}
}

// host checks a name and every name that it is under. bare is whether the host is all that the value says.
func (h *hits) host(host string, as kinds, value, pointer string, bare bool) {
	x := &h.guard.index
	if bare {
		site := strings.TrimPrefix(host, "www.")
		for _, m := range x.exact[site] {
			if m.form == sites && m.list.kinds&as != 0 {
				h.add(m.list, value, site, pointer)
			}
		}
	}
	if len(x.hosts) == 0 {
		return
	}
	for name := host; ; {
		for _, m := range x.hosts[name] {
			if m.list.kinds&as != 0 {
				h.add(m.list, value, name, pointer)
			}
		}
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return
		}
		name = rest
	}
}

// address checks an address, or a block: what lies around it and what lies in it.
func (h *hits) address(block netip.Prefix, as kinds, value, pointer string) {
	x := &h.guard.index
	s := &x.spans6
	if block.Addr().Is4() {
		s = &x.spans4
	}
	s.around(block.Addr(), func(n *nested) {
		if n.list.kinds&as != 0 && n.Bits() <= block.Bits() {
			h.add(n.list, value, n.text, pointer)
		}
	})
	if block.IsSingleIP() {
		return
	}
	left := 4 * MaxHits
	s.inside(block, func(n *nested) bool {
		if n.list.kinds&as != 0 {
			h.add(n.list, value, n.text, pointer)
		}
		left--
		return left > 0
	})
}

// scan checks lists of substrings and of regular expressions.
func (h *hits) scan(k Key, as kinds, value, pointer string) {
	x := &h.guard.index
	if len(x.substrings) > 0 {
		for i := 0; i+MinSubstring <= len(k.Value); i++ {
			for _, t := range x.substrings[[MinSubstring]byte([]byte(k.Value[i:i+MinSubstring]))] {
				if t.list.kinds&as != 0 && strings.HasPrefix(k.Value[i:], t.text) {
					h.add(t.list, value, t.text, pointer)
				}
			}
		}
	}
	for _, l := range x.scans {
		if l.kinds&as == 0 || len(value) > MaxEntry {
			continue
		}
		for i, r := range l.regex {
			if r.MatchString(k.Value) || value != k.Value && r.MatchString(value) {
				h.add(l, value, l.texts[i], pointer)
				break
			}
		}
	}
}

// pattern checks what a pattern as a whole matches.
func (h *hits) pattern(pattern []byte) {
	for _, l := range h.guard.index.shapes {
		h.judge(l, pattern)
	}
}
