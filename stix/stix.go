// Package stix reads what is said: bytes in, facts out. It holds the scanner that splits an
// envelope or a bundle into objects without touching their bytes, the facts of one object, the
// validation of STIX 2.1 (and what STIX 2.0 needs), the pattern grammar, and markings.
//
// It does no I/O of its own, has no clock and keeps no state between bodies. It never writes an
// object: a partner's bytes are kept and served as they came.
//
// STIX Version 2.1, OASIS Standard, 10 June 2021; RFC 8259 (JSON); FIRST TLP 1.0 and 2.0.
package stix

import "fmt"

// A Problem is why an object (or a property of it) is refused. It is an error; the zero value is not
// a valid problem.
type Problem struct {
	Pointer string // JSON pointer (RFC 6901) inside the object, "" for the object itself
	Rule    string // one plain sentence: what must hold, and what was found
	Section string // the clause, like "STIX 2.1 section 3.2" or "RFC 8259 section 7"
}

// Error gives "POINTER: RULE (SECTION)".
func (p *Problem) Error() string {
	at := p.Pointer
	if at == "" {
		at = "/"
	}
	if p.Section == "" {
		return fmt.Sprintf("%s: %s", at, p.Rule)
	}
	return fmt.Sprintf("%s: %s (%s)", at, p.Rule, p.Section)
}
