package stix

import "hash/maphash"

// kind is what a JSON value is. RFC 8259 section 3.
type kind uint8

const (
	kNull kind = iota
	kFalse
	kTrue
	kInteger // a number without fraction and exponent
	kNumber  // any other number
	kString
	kList
	kObject
)

const (
	escapedValue = 1 << iota // the value is a string with a reverse solidus in it
	escapedKey               // so is the member's name
	unchanged                // the member stands in the object before with the same bytes
	holdsRef                 // the member holds references
)

// A node is one JSON value of an object that was scanned. The nodes of an object lie in one slice in
// the order of the text; offsets count from the object's first byte.
type node struct {
	start, end uint32 // the value, without a string's quotes
	next       uint32 // the node after this value and all that it holds
	key, kend  uint32 // the member's name without quotes; both 0 in a list and for the object itself
	name       name   // the member's name, when STIX 2.1 defines it
	kind       kind
	flags      uint8
}

// Bounds that hold whatever the Limits are.
const (
	slack      = 8       // zero bytes kept after the buffered ones, so that eight bytes can always be loaded
	maxNesting = 10_000  // levels of a body; encoding/json has the same
	maxValues  = 1 << 19 // values in one object
)

// fault is what the scanner has against one object of well-formed JSON.
type fault uint8

const (
	noFault fault = iota
	faultKind
	faultSize
	faultDepth
	faultValues
	faultUTF8
	faultSurrogate
	faultDuplicate
	faultCase
)

// A parser reads one JSON value out of a buffer in one pass, checks its grammar and leaves nodes.
type parser struct {
	b     []byte // the buffer, slack included
	base  int    // where the value starts
	n     int    // where the buffered bytes end
	depth int    // levels allowed

	nodes   []node
	have    nameSet           // the names at the top level
	at      [nameCount]uint32 // their nodes, where have says so
	strange bool              // a name at the top level is not all lower case

	fault   fault
	faultAt int // offset in the buffer

	bad int // where the text stops being JSON; n when it goes on behind the buffer

	memory memory

	others []key // names that STIX 2.1 does not define, of the objects that are open
	large  keyTable
	tmp    []byte
	stamp  stampMemo
	seed   maphash.Seed
}

// A key is a member's name that STIX 2.1 does not define.
type key struct {
	hash       uint64
	start, end uint32
	escaped    bool
}

// parse reads the value at b[i], which is no white space, of the n bytes that are buffered. It gives
// the offset after the value, or -1: then p.bad says where the text stops being JSON.
func (p *parser) parse(b []byte, i, n int) int {
	p.remember()
	p.b, p.base, p.n = b, i, n
	p.nodes = p.nodes[:0]
	p.others = p.others[:0]
	p.fault = noFault
	p.large.reset()
	if b[i] != '{' {
		p.differ()
		j := p.value(i, 0)
		p.blame(faultKind, i)
		return j
	}
	p.nodes = append(p.nodes, node{kind: kObject})
	j := p.object(i+1, 1)
	if j < 0 || p.memory.cursor != len(p.memory.nodes) {
		p.differ()
	}
	if j >= 0 {
		p.nodes[0].end, p.nodes[0].next = uint32(j-i), uint32(len(p.nodes))
		if p.strange && p.fault == noFault {
			p.foldNames()
		}
		p.memory.clean = p.fault == noFault
	}
	return j
}

// blame notes the first fault.
func (p *parser) blame(f fault, at int) {
	if p.fault == noFault {
		p.fault, p.faultAt = f, at
	}
}

// stop ends the parse at offset i, where the text is no JSON.
func (p *parser) stop(i int) int {
	p.bad = min(i, p.n)
	return -1
}

// add appends a node, which the caller fills in, and gives its place. An object with too many values
// goes on in the last node: it fails anyway.
func (p *parser) add() (*node, int) {
	at := len(p.nodes)
	if at < cap(p.nodes) && at < maxValues {
		p.nodes = p.nodes[:at+1]
		return &p.nodes[at], at
	}
	return p.addSlow()
}

func (p *parser) addSlow() (*node, int) {
	if len(p.nodes) >= maxValues {
		p.blame(faultValues, p.base)
	} else {
		p.nodes = append(p.nodes, node{})
	}
	at := len(p.nodes) - 1
	return &p.nodes[at], at
}

// object reads the members after the opening brace at i-1 and gives the offset after the closing one.
func (p *parser) object(i, depth int) int {
	if depth > p.depth {
		if depth > maxNesting-2 {
			return p.stop(i - 1)
		}
		p.blame(faultDepth, i-1)
	}
	b := p.b
	var seen nameSet
	names := &seen
	if depth == 1 {
		names = &p.have
	}
	first := len(p.others)
	for space(b[i]) {
		i++
	}
	if b[i] == '}' {
		return i + 1
	}
	for {
		if b[i] != '"' {
			return p.stop(i)
		}
		j := 0
		if depth == 1 {
			j = p.again(i)
		}
		if j == 0 {
			if j = p.member(i, names, first, depth); j < 0 {
				return -1
			}
		}
		i = j
		c := b[i]
		for c <= ' ' {
			if !space(c) {
				return p.stop(i)
			}
			i++
			c = b[i]
		}
		if c == '}' {
			p.others = p.others[:first]
			return i + 1
		}
		if c != ',' {
			return p.stop(i)
		}
		i++
		for b[i] <= ' ' {
			if !space(b[i]) {
				return p.stop(i)
			}
			i++
		}
	}
}

// member reads a member whose name's quotation mark is at i and gives the offset after its value.
func (p *parser) member(i int, names *nameSet, first, depth int) int {
	b := p.b
	start := i + 1
	end, known, flags := p.name(start, names, first, depth)
	if end < 0 {
		return -1
	}
	i = end + 1
	for b[i] != ':' {
		if !space(b[i]) {
			return p.stop(i)
		}
		i++
	}
	i++
	for b[i] <= ' ' {
		if !space(b[i]) {
			return p.stop(i)
		}
		i++
	}
	m, at := p.add()
	m.key, m.kend, m.name = uint32(start-p.base), uint32(end-p.base), known
	if b[i] != '"' {
		return p.plain(i, depth, at, flags)
	}
	start = i + 1
	end, escaped := p.text(b, start)
	if end < 0 {
		p.nodes = p.nodes[:at]
		return -1
	}
	m.start, m.end, m.kind, m.flags = uint32(start-p.base), uint32(end-p.base), kString, flags|escaped
	m.next = uint32(at + 1)
	return end + 1
}

// name reads a member's name and makes sure that its object does not have it already.
func (p *parser) name(start int, names *nameSet, first, depth int) (end int, known name, flags uint8) {
	if depth == 1 {
		p.memory.changed = append(p.memory.changed, len(p.nodes))
		if p.memory.alike {
			if end, old := p.sameName(start); old != nil {
				p.at[old.name] = uint32(len(p.nodes))
				p.memory.cursor = int(old.next)
				return end, old.name, old.flags & escapedKey
			}
			p.differ()
		}
	}
	if end, flags = p.text(p.b, start); end < 0 {
		return -1, 0, 0
	}
	if flags == 0 {
		known = lookup(p.b, start, end)
	} else {
		flags = escapedKey
		known = p.lookupEscaped(start, end)
	}
	switch {
	case known == 0:
		p.other(start, end, flags != 0, first, depth)
	case names.has(known):
		p.blame(faultDuplicate, start)
	default:
		names.add(known)
		if depth == 1 {
			p.at[known] = uint32(len(p.nodes))
			p.catchUp(known)
		}
	}
	return end, known, flags
}

// list reads the values after the opening bracket at i-1.
func (p *parser) list(i, depth int) int {
	if depth > p.depth {
		if depth > maxNesting-2 {
			return p.stop(i - 1)
		}
		p.blame(faultDepth, i-1)
	}
	b := p.b
	for space(b[i]) {
		i++
	}
	if b[i] == ']' {
		return i + 1
	}
	for {
		if i = p.value(i, depth); i < 0 {
			return -1
		}
		for space(b[i]) {
			i++
		}
		if b[i] == ']' {
			return i + 1
		}
		if b[i] != ',' {
			return p.stop(i)
		}
		i++
		for space(b[i]) {
			i++
		}
	}
}

// value reads a value of a list at i.
func (p *parser) value(i, depth int) int {
	m, at := p.add()
	m.key, m.kend, m.name = 0, 0, 0
	if p.b[i] != '"' {
		return p.plain(i, depth, at, 0)
	}
	start := i + 1
	end, escaped := p.text(p.b, start)
	if end < 0 {
		p.nodes = p.nodes[:at]
		return -1
	}
	m.start, m.end, m.kind, m.flags = uint32(start-p.base), uint32(end-p.base), kString, escaped
	m.next = uint32(at + 1)
	return end + 1
}

// plain reads a value that is no string into the node at.
func (p *parser) plain(i, depth, at int, flags uint8) int {
	m := &p.nodes[at]
	m.start, m.end, m.next, m.flags = uint32(i-p.base), 0, 0, flags
	j := 0
	switch c := p.b[i]; {
	case c == '{':
		m.kind = kObject
		j = p.object(i+1, depth+1)
	case c == '[':
		m.kind = kList
		j = p.list(i+1, depth+1)
	case c == '-' || c-'0' <= 9:
		m.kind, j = p.number(i)
	case c == 't':
		m.kind, j = kTrue, p.literal(i, "true")
	case c == 'f':
		m.kind, j = kFalse, p.literal(i, "false")
	case c == 'n':
		m.kind, j = kNull, p.literal(i, "null")
	default:
		j = p.stop(i)
	}
	if j < 0 {
		return -1
	}
	m = &p.nodes[at] // the slice may have moved
	m.end, m.next = uint32(j-p.base), uint32(len(p.nodes))
	return j
}

func (p *parser) literal(i int, want string) int {
	for k := range len(want) {
		if p.b[i+k] != want[k] {
			return p.stop(i + k)
		}
	}
	return i + len(want)
}

// number reads a number at i. It needs the byte after it: one that reaches the end of what is
// buffered may go on. RFC 8259 section 6.
func (p *parser) number(i int) (kind, int) {
	b, k := p.b, kInteger
	if b[i] == '-' {
		i++
	}
	if b[i] == '0' {
		i++
	} else {
		j := digits(b, i)
		if j == i {
			return 0, p.stop(i)
		}
		i = j
	}
	if b[i] == '.' {
		k = kNumber
		j := digits(b, i+1)
		if j == i+1 {
			return 0, p.stop(j)
		}
		i = j
	}
	if b[i]|0x20 == 'e' {
		k = kNumber
		i++
		if b[i] == '+' || b[i] == '-' {
			i++
		}
		j := digits(b, i)
		if j == i {
			return 0, p.stop(j)
		}
		i = j
	}
	if i >= p.n {
		return 0, p.stop(i)
	}
	return k, i
}

// digits gives the offset after the digits at i; the zero bytes after the buffer end every run.
func digits(b []byte, i int) int {
	for b[i]-'0' <= 9 {
		i++
	}
	return i
}

// space reports white space. RFC 8259 section 2.
func space(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
