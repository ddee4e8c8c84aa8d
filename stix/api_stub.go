package stix

import "io"

// ID is a STIX identifier, type--UUID. STIX 2.1 section 2.9.
type ID string

// Instant is a STIX timestamp as a sortable value of full precision (up to 18 fractional digits;
// a timestamp with more is refused). The zero value means that there is none.
type Instant struct {
	Sec  int64  // seconds since 1970-01-01T00:00:00Z
	Frac uint64 // 1e-18 seconds, 0 <= Frac < 1e18
	Set  bool
}

// Compare orders instants; one that is not set comes first.
func (a Instant) Compare(b Instant) int { panic("stub") }

// ParseInstant reads a STIX timestamp (RFC 3339, calendar-true, Z only). STIX 2.1 section 2.16.
func ParseInstant(text []byte) (Instant, error) { panic("stub") }

// Timestamp is a timestamp property: the partner's own digits and their value.
type Timestamp struct {
	Text []byte // nil when the property is absent
	At   Instant
}

// Ref is a reference from one object to another.
type Ref struct {
	Property string // the top-level property that holds it, like "source_ref" or "object_refs"
	ID       []byte
}

// Object is one STIX object of a body: its bytes and the facts read from them. Everything in it is
// valid until the Scanner's next Next and must be copied to be kept.
type Object struct {
	Raw               []byte // exactly as it came, without surrounding white space
	Type, ID          []byte
	SpecVersion       []byte // as written; nil when absent
	Created, Modified Timestamp
	ValidFrom         Timestamp
	ValidUntil        Timestamp
	Revoked           bool
	CreatedBy         []byte
	Markings          [][]byte // object_marking_refs
	GranularMarkings  [][]byte // marking_ref of every granular marking
	Refs              []Ref    // every other reference at any depth, created_by_ref included
	Pattern           []byte   // decoded; nil when absent
	PatternType       []byte
	Name              []byte // decoded; nil when absent or not a string
	DefinitionType    []byte // marking-definition only
	DefinitionLevel   Level  // marking-definition only: see Definitions
}

// Version gives the object's STIX version instant: modified, else created, else not set (an
// observable; the store's date_added stands for it). TAXII 2.1 section 3.4.1.
func (o *Object) Version() Timestamp { panic("stub") }

// Spec gives "2.1" or "2.0": spec_version where present; an SDO, SRO or marking without it is 2.0,
// an SCO without it 2.1. DESIGN.md section 7.
func (o *Object) Spec() string { panic("stub") }

// Shared reports whether everybody derives this id alike (observables and other UUIDv5 ids, MITRE's
// ids, the standard marking definitions), so that nobody owns it.
func (o *Object) Shared() bool { panic("stub") }

// Limits bound one body. A zero field takes its default.
type Limits struct {
	Body    int64 // bytes of the body, default 100 MiB
	Object  int   // bytes of one object, default 16 MiB
	Objects int   // objects in a body, default 100,000
	Depth   int   // nesting, default 64
}

// Errors of a whole body; BodyError carries where.
type BodyError struct {
	Kind   error // ErrSyntax, ErrTooLarge, ErrTooMany, ErrNoObjects
	Offset int64 // bytes from the start of the body
	Rule   string
}

func (e *BodyError) Error() string { return e.Rule }
func (e *BodyError) Unwrap() error { return e.Kind }

// Scanner splits one body into objects in one pass.
type Scanner struct{}

// NewScanner reads an envelope or a bundle from r.
func NewScanner(r io.Reader, l Limits) *Scanner { panic("stub") }

// Next advances to the next object; false at the end and on an error of the body.
func (s *Scanner) Next() bool { panic("stub") }

// Object gives the current object.
func (s *Scanner) Object() *Object { panic("stub") }

// Problem gives what the scanner itself has against the current object (duplicate members, invalid
// UTF-8, depth, size), or nil. The object's facts are then those that could be read.
func (s *Scanner) Problem() *Problem { panic("stub") }

// Err gives the error of the body, or nil.
func (s *Scanner) Err() error { panic("stub") }

// Bundle reports whether the body was a bundle and not an envelope; valid after the last Next.
func (s *Scanner) Bundle() bool { panic("stub") }

// A Note is something worth telling the publisher that is no reason to refuse.
type Note = Problem

// Check is tier 1: what always must hold of an object.
func Check(o *Object) (problem *Problem, notes []*Note) { panic("stub") }

// CheckStrict is tier 2: everything that the OASIS schemas demand, beyond Check.
func CheckStrict(o *Object) *Problem { panic("stub") }

// Pattern checks a pattern of pattern_type "stix". STIX 2.1 section 9.
func Pattern(text []byte) *Problem { panic("stub") }

// Observable is a comparison in a pattern of an object path with a constant.
type Observable struct {
	Path  string // "ipv4-addr:value"
	Value string
}

// Observables lists the equality comparisons (=, IN, ISSUBSET) of a valid pattern.
func Observables(text []byte) []Observable { panic("stub") }

// StandardMarking gives the definition that the gateway serves for a standard marking id.
func StandardMarking(id []byte) (raw []byte, level Level, ok bool) { panic("stub") }

// LevelOf joins the levels of all markings of o, object and granular. lookup gives the level of a
// definition that is not standard. unknown is the first marking that nobody knows, or nil; the level
// is then Unknown. A marking-definition has the level that it defines (a statement: Clear), an
// extension-definition is Clear, each joined with its own markings; others without any marking are
// Unmarked. A statement carries no level: an object marked with statements alone is Unmarked.
func LevelOf(o *Object, lookup func(id []byte) (Level, bool)) (level Level, unknown []byte) {
	panic("stub")
}
