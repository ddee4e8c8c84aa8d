package stix

import (
	"bytes"
	"hash/maphash"
	"strings"
	"unicode"
	"unicode/utf8"
)

// few is how many names of one object are compared with each other before they go to a hash table.
const few = 16

// other takes a name that STIX 2.1 does not define and finds out whether its object has it already.
// "The names within an object SHOULD be unique": here they must. RFC 8259 section 4.
func (p *parser) other(start, end int, escaped bool, first, depth int) {
	text := p.keyText(start, end, escaped)
	if depth == 1 && !p.strange {
		p.strange = !lower(text)
	}
	k := key{hash: maphash.Bytes(p.seed, text), start: uint32(start - p.base), end: uint32(end - p.base), escaped: escaped}
	open := p.others[first:]
	if len(open) < few {
		for i := range open {
			if open[i].hash == k.hash && p.same(open[i], k) {
				p.blame(faultDuplicate, start)
				return
			}
		}
		p.others = append(p.others, k)
		return
	}
	if p.fault != noFault { // one fault is enough, and the table need not grow for the rest
		return
	}
	// The object's first names fill the table when there is one more; where they start in p.others
	// and the level tell the object from the others that are open.
	owner := uint64(first)<<32 | uint64(depth)
	if len(open) == few {
		p.large.forget(owner)
		for i := range open {
			p.large.insert(p, owner, open[i])
		}
		p.others = append(p.others, key{}) // marks that the table holds them
	}
	if !p.large.insert(p, owner, k) {
		p.blame(faultDuplicate, start)
	}
}

// same reports whether two names are the same text.
func (p *parser) same(a, b key) bool {
	x := p.b[p.base+int(a.start) : p.base+int(a.end)]
	y := p.b[p.base+int(b.start) : p.base+int(b.end)]
	if a.escaped {
		x = unescape(nil, x)
	}
	if b.escaped {
		y = unescape(nil, y)
	}
	return bytes.Equal(x, y)
}

// A keyTable holds the names of the objects with many members, by owner, with open addressing.
type keyTable struct {
	slots []keySlot
	used  int
	turn  uint64 // owners that came so far: two objects in the same place are not the same
	turns map[uint64]uint64
}

type keySlot struct {
	turn uint64 // 0: empty
	key  key
}

func (t *keyTable) reset() {
	if t.used > 0 {
		clear(t.slots)
		clear(t.turns)
		t.used = 0
	}
}

// forget starts an owner anew.
func (t *keyTable) forget(owner uint64) {
	if t.turns == nil {
		t.turns = make(map[uint64]uint64)
	}
	t.turn++
	t.turns[owner] = t.turn
}

// insert adds a name and reports whether it is new to its owner.
func (t *keyTable) insert(p *parser, owner uint64, k key) bool {
	if t.used*2 >= len(t.slots) {
		t.grow()
	}
	turn := t.turns[owner]
	mask := uint64(len(t.slots) - 1)
	for i := (k.hash ^ turn*0x9E3779B97F4A7C15) & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.turn == 0 {
			*s = keySlot{turn, k}
			t.used++
			return true
		}
		if s.turn == turn && s.key.hash == k.hash && p.same(s.key, k) {
			return false
		}
	}
}

func (t *keyTable) grow() {
	old := t.slots
	t.slots = make([]keySlot, max(64, 2*len(old)))
	mask := uint64(len(t.slots) - 1)
	for _, s := range old {
		if s.turn == 0 {
			continue
		}
		i := (s.key.hash ^ s.turn*0x9E3779B97F4A7C15) & mask
		for t.slots[i].turn != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}

// lower reports whether a name cannot be the case variant of another that it does not equal: ASCII
// without capitals. Beside it, some letters outside ASCII fold to ASCII ones.
func lower(text []byte) bool {
	for _, c := range text {
		if c-'A' <= 'Z'-'A' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldNames looks for a name at the top level that differs from another, or from one that STIX
// defines for every object, in case alone: readers that ignore case, encoding/json among them, would
// take the one for the other.
func (p *parser) foldNames() {
	seen := make(map[string]bool)
	for n := nType; n <= nExtensions; n++ {
		seen[n.String()] = true
	}
	obj := p.nodes[0]
	for pass := range 2 { // names as they should be first
		for i := 1; i < int(obj.next); i = int(p.nodes[i].next) {
			m := &p.nodes[i]
			start, end := p.base+int(m.key), p.base+int(m.kend)
			text := p.keyText(start, end, m.flags&escapedKey != 0)
			if lower(text) != (pass == 0) {
				continue
			}
			folded := fold(text)
			if pass == 1 && seen[folded] {
				p.blame(faultCase, start)
				return
			}
			seen[folded] = true
		}
	}
}

// fold maps every letter to the least of those that differ from it in case alone, and ASCII letters
// to lower case.
func fold(text []byte) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return unicode.ToLower(least)
	}, string(text))
}
