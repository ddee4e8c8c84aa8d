package stix

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// pointer gives the JSON pointer of the node at. RFC 6901.
func (o *Object) pointer(at int) string {
	var b strings.Builder
	for i := 0; i != at; {
		child, n := i+1, 0
		for end := int(o.p.nodes[i].next); child < end && int(o.p.nodes[child].next) <= at; n++ {
			child = int(o.p.nodes[child].next)
		}
		if child > at || child >= len(o.p.nodes) {
			break
		}
		b.WriteByte('/')
		if m := &o.p.nodes[child]; o.p.nodes[i].kind == kObject {
			b.WriteString(pointerPart(o.key(m)))
		} else {
			b.WriteString(strconv.Itoa(n))
		}
		i = child
	}
	return b.String()
}

// pointerPart writes a name for a pointer: bytes that are no UTF-8 are replaced, long names are cut.
func pointerPart(key []byte) string {
	const most = 250
	if len(key) > most {
		key = key[:most]
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(string(bytes.ToValidUTF8(key, []byte("\uFFFD"))))
}

// problem says what the fault of the parse is.
func (p *parser) problem(l Limits) *Problem {
	at := p.faultAt - p.base
	switch p.fault {
	case faultKind:
		return &Problem{Rule: "an element of `objects` must be a JSON object", Section: "STIX 2.1 section 8.1"}
	case faultSize:
		return &Problem{Rule: fmt.Sprintf("the object has more than %d bytes", l.Object), Section: "RFC 8259 section 9"}
	case faultDepth:
		return &Problem{Pointer: p.pointerAt(at), Rule: fmt.Sprintf("the object is nested deeper than %d levels", l.Depth), Section: "RFC 8259 section 9"}
	case faultValues:
		return &Problem{Rule: fmt.Sprintf("the object holds more than %d values", maxValues), Section: "RFC 8259 section 9"}
	case faultUTF8:
		return &Problem{Pointer: p.pointerAt(at), Rule: "the text is not UTF-8", Section: "RFC 8259 section 8.1"}
	case faultSurrogate:
		return &Problem{Pointer: p.pointerAt(at), Rule: "an escape is half of a surrogate pair", Section: "RFC 8259 section 8.2"}
	case faultDuplicate:
		return &Problem{Pointer: p.pointerAt(at), Rule: "a member's name must be unique in its object: this one was there before", Section: "RFC 8259 section 4"}
	case faultCase:
		return &Problem{Pointer: p.pointerAt(at), Rule: "the member's name differs from another, or from one of STIX's own, in case alone", Section: "STIX 2.1 section 3.1"}
	}
	return nil
}

// pointerAt gives the pointer of the value, or of the member, whose text the offset is in.
func (p *parser) pointerAt(offset int) string {
	o := Object{p: p}
	best := 0
	for i := range p.nodes {
		m := &p.nodes[i]
		from := m.start
		if m.kend > 0 {
			from = m.key
		}
		if int(from) <= offset && (offset < int(m.end) || i == 0) || int(from) == offset {
			best = i
		}
	}
	return o.pointer(best)
}
