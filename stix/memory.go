package stix

import "slices"

// memory is what the parser keeps of the object before. The objects of a body are much alike: one
// producer writes the same members in the same order, and many with the same value. A member that
// stands there byte for byte as in the object before needs not be read again: its nodes are copied,
// and when that object passed Check with the same shape, so does the member.
type memory struct {
	clean  bool   // the parser's nodes are those of an object without fault, still in the buffer
	passed *shape // what that object passed Check with

	nodes   []node // of the object before; empty when there is none
	base    int    // where it starts
	cursor  int    // the node of its member that should come next
	trusted *shape // what it passed Check with

	// alike: the names so far are those of the object before, in its order. While they are, none of
	// them can be there twice, and what parser.have says of that object goes for this one.
	alike   bool
	changed []int // the nodes of the members that are not unchanged
	refs    int   // members with references among those that are
}

// remember makes the object that was read last the object before.
func (p *parser) remember() {
	m := &p.memory
	m.trusted, m.passed = m.passed, nil
	m.changed, m.refs = m.changed[:0], 0
	m.alike = m.clean
	if !m.clean {
		m.nodes, m.trusted = m.nodes[:0], nil
		p.have = nameSet{}
		p.strange = false
		return
	}
	m.nodes, p.nodes = p.nodes, m.nodes
	m.base, m.cursor, m.clean = p.base, 1, false
}

// forget is for when the buffer moves.
func (p *parser) forget() { p.memory.clean = false }

// differ is for when the names are no longer those of the object before: those that came so far are
// taken for themselves.
func (p *parser) differ() {
	if !p.memory.alike {
		return
	}
	p.memory.alike = false
	p.have = nameSet{}
	p.strange = false
	for i := 1; i < len(p.nodes); {
		m := &p.nodes[i]
		if m.name != 0 {
			p.have.add(m.name)
		} else {
			p.other(p.base+int(m.key), p.base+int(m.kend), m.flags&escapedKey != 0, 0, 1)
		}
		if int(m.next) <= i {
			return // it is cut off
		}
		i = int(m.next)
	}
}

// again reads the member at i if it is the one of the object before, and with it the members after
// it that were unchanged there already, as long as they are again. It gives the offset after the
// last value, or 0.
func (p *parser) again(i int) int {
	m := &p.memory
	if m.cursor >= len(m.nodes) {
		return 0
	}
	first := &m.nodes[m.cursor]
	from := int(first.key) - 1
	last := first
	if first.flags&unchanged != 0 {
		for next := int(first.next); next < len(m.nodes) && m.nodes[next].flags&unchanged != 0; next = int(last.next) {
			last = &m.nodes[next]
		}
	}
	for {
		to := int(last.end) + 1 // and the byte after, which shows that the value ends there too
		if last.kind == kString {
			to++
		}
		if size := to - from; i+size <= p.n && string(p.b[i:i+size]) == string(p.b[m.base+from:m.base+to]) {
			if !p.copyNodes(int(last.next), uint32(i-p.base-from)) {
				return 0
			}
			return i + size - 1
		}
		if last == first {
			return 0
		}
		last = first
	}
}

// copyNodes takes the members from the cursor to the node end over from the object before; moved is
// how much further their text stands. It changes nothing and gives false when one is there already.
func (p *parser) copyNodes(end int, moved uint32) bool {
	m := &p.memory
	at := len(p.nodes)
	if at+end-m.cursor > maxValues {
		return false
	}
	for k := m.cursor; k < end && !m.alike; k = int(m.nodes[k].next) {
		if n := m.nodes[k].name; n == 0 || p.have.has(n) {
			return false
		}
	}
	size := end - m.cursor
	p.nodes = slices.Grow(p.nodes, size)[:at+size]
	later := uint32(at - m.cursor)
	top := m.cursor
	for k := m.cursor; k < end; k++ {
		old, c := &m.nodes[k], &p.nodes[at+k-m.cursor]
		c.start, c.end, c.next = old.start+moved, old.end+moved, old.next+later
		c.name, c.kind, c.flags = old.name, old.kind, old.flags
		c.key, c.kend = 0, 0
		if old.kend != 0 {
			c.key, c.kend = old.key+moved, old.kend+moved
		}
		if k == top {
			c.flags |= unchanged
			m.refs += int(c.flags / holdsRef & 1)
			p.at[c.name] = uint32(k) + later
			if !m.alike {
				p.have.add(c.name)
			}
			top = int(old.next)
		}
	}
	m.cursor = end
	return true
}

// sameName reads the name at start if it is that of the member that should come next, and gives the
// offset of its closing quotation mark and its node there; else 0 and nil.
func (p *parser) sameName(start int) (end int, old *node) {
	m := &p.memory
	if m.cursor >= len(m.nodes) {
		return 0, nil
	}
	old = &m.nodes[m.cursor]
	size := int(old.kend - old.key)
	from := m.base + int(old.key)
	if start+size >= p.n || string(p.b[start:start+size+1]) != string(p.b[from:from+size+1]) {
		return 0, nil
	}
	return start + size, old
}

// catchUp moves the cursor behind the member n of the object before, when it is near.
func (p *parser) catchUp(n name) {
	const near = 4
	m := &p.memory
	at := m.cursor
	for range near {
		if at >= len(m.nodes) {
			return
		}
		if m.nodes[at].name == n {
			m.cursor = int(m.nodes[at].next)
			return
		}
		at = int(m.nodes[at].next)
	}
}
