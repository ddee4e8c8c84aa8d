package taxii

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// Bounds of a cursor.
const (
	maxFilters = 2 << 10 // bytes of filters that a cursor carries; of longer ones it has the hash
	maxCursor  = 4 << 10 // characters of a next that is looked into
	sealSize   = 16      // bytes of the HMAC
)

// Cursor is a place in one selection of one collection, for one partner. It says all by itself, so
// that it may be used again, after restarts, and at any of several gateways. TAXII 2.1 section 3.5
// and appendix B: "next [...] MUST NOT be implicitly trusted".
type Cursor struct {
	Endpoint Endpoint
	Partner  auth.PartnerID
	Place    collections.Place
	Object   stix.ID           // OfObject and OfVersions
	After    collections.Added // the last object that was served
	Filters  Filters
}

// Filters are the match parameters of the first request.
type Filters struct {
	text []byte // canonical form
	hash bool   // text is the SHA-256 of it
}

// FiltersOf gives the filters of a request.
func FiltersOf(r Request) Filters {
	text := appendFilters(nil, r)
	if len(text) > maxFilters {
		sum := sha256.Sum256(text)
		return Filters{text: sum[:], hash: true}
	}
	return Filters{text: text}
}

// Cursors seals and opens cursors. MAC is keyed with a secret of the gateway; Holds reports whether
// mac begins a MAC under that secret or one before it. A nil Holds knows MAC's alone.
type Cursors struct {
	MAC   func(label string, data []byte) [32]byte
	Holds func(label string, data, mac []byte) bool
}

func (s Cursors) holds(b, seal []byte) bool {
	if s.Holds != nil {
		return s.Holds("cursor", b, seal)
	}
	mac := s.MAC("cursor", b)
	return hmac.Equal(mac[:sealSize], seal)
}

const cursorVersion = 1

// Seal writes a cursor as the value of next. It is base64url of
//
//	version 1 | endpoint 1 | partner, operation, collection, object: length 1 and text each |
//	after 8 | filters: kind 1 (0 as they are, 1 SHA-256) and text | HMAC 16
func (s Cursors) Seal(c Cursor) string {
	b := []byte{cursorVersion, byte(c.Endpoint)}
	for _, text := range []string{string(c.Partner), string(c.Place.Operation), string(c.Place.Collection)} {
		b = append(append(b, byte(len(text))), text...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.Object)))
	b = append(b, c.Object...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.After))
	kind := byte(0)
	if c.Filters.hash {
		kind = 1
	}
	b = append(append(b, kind), c.Filters.text...)
	mac := s.MAC("cursor", b)
	return base64.RawURLEncoding.EncodeToString(append(b, mac[:sealSize]...))
}

// Open reads what Seal wrote; ok is false for anything else.
func (s Cursors) Open(text string) (c Cursor, ok bool) {
	if len(text) > maxCursor || strings.ContainsAny(text, "\r\n") { // which the decoder would skip
		return c, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < sealSize {
		return c, false
	}
	b, seal := b[:len(b)-sealSize], b[len(b)-sealSize:]
	if !s.holds(b, seal) {
		return c, false
	}
	in := reader{b: b, ok: true}
	if in.byte() != cursorVersion {
		return c, false
	}
	c.Endpoint = Endpoint(in.byte())
	c.Partner = auth.PartnerID(in.take(int(in.byte())))
	c.Place.Operation = auth.OperationID(in.take(int(in.byte())))
	c.Place.Collection = auth.CollectionID(in.take(int(in.byte())))
	c.Object = stix.ID(in.take(int(in.uint16())))
	c.After = collections.Added(in.uint64())
	c.Filters.hash = in.byte() == 1
	c.Filters.text = in.b
	return c, in.ok
}

// Resume lets a request go on from its next, if it has one. here is what the request is about: its
// Endpoint, Partner, Place and Object. elsewhere reports a cursor of this partner's that belongs to
// another collection: it counts as none, for some clients carry one over from collection to
// collection. The error is an *Error.
//
// What next says wins over added_after, which some clients send beside it. Match parameters that are
// not repeated are taken from it; those that are must be the same.
func (s Cursors) Resume(r *Request, here Cursor) (elsewhere bool, err error) {
	if r.Next == "" {
		return false, nil
	}
	c, ok := s.Open(r.Next)
	if !ok || c.Partner != here.Partner {
		return false, badCursor("it is damaged, or was not given to you: start again without next")
	}
	if c.Place != here.Place {
		r.Next = ""
		return true, nil
	}
	if c.Endpoint != here.Endpoint || c.Object != here.Object {
		return false, badCursor("it belongs to another resource of this collection: start again without next")
	}
	if err := c.Filters.apply(r); err != nil {
		return false, err
	}
	r.Query.After, r.Positioned = c.After, true
	return false, nil
}

func badCursor(description string) *Error {
	e := NewError(http.StatusBadRequest, "invalid_next", "Invalid next", description)
	e.Details = map[string]string{"parameter": "next"}
	return e
}

// apply completes the request with the filters, or refuses what differs.
func (f Filters) apply(r *Request) error {
	differ := badCursor("the match parameters are not those that this next was given for: repeat them as they were, or leave them out")
	if f.hash {
		if mine := FiltersOf(*r); !mine.hash || !bytes.Equal(mine.text, f.text) {
			return badCursor("its match parameters are too long to be kept in it: repeat them as they were")
		}
		return nil
	}
	was, ok := readFilters(f.text)
	if !ok {
		return differ
	}
	for bit := MatchID; bit <= MatchSpec; bit <<= 1 {
		if r.Given&bit != 0 && !bytes.Equal(appendOne(nil, *r, bit), appendOne(nil, was, bit)) {
			return differ
		}
	}
	after, limit := r.Query.After, r.Query.Limit
	r.Query, r.Given = was.Query, was.Given
	r.Query.After, r.Query.Limit = after, limit
	return nil
}

// appendFilters writes the filters that were given in a form that equal ones share.
func appendFilters(dst []byte, r Request) []byte {
	dst = append(dst, byte(r.Given))
	for bit := MatchID; bit <= MatchSpec; bit <<= 1 {
		dst = appendOne(dst, r, bit)
	}
	return dst
}

func appendOne(dst []byte, r Request, bit Filter) []byte {
	if bit != MatchVersion && r.Given&bit == 0 {
		return dst
	}
	switch bit {
	case MatchID:
		return appendTexts(dst, r.Query.IDs)
	case MatchType:
		return appendTexts(dst, r.Query.Types)
	case MatchSpec:
		return appendTexts(dst, r.Query.Specs)
	}
	return appendVersions(dst, r.Query.Versions)
}

func appendTexts[T ~string](dst []byte, texts []T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(texts)))
	for _, t := range texts {
		dst = append(binary.AppendUvarint(dst, uint64(len(t))), t...)
	}
	return dst
}

const (
	flagAll = 1 << iota
	flagFirst
	flagLast
)

// appendVersions writes "last" and no match[version] alike: that is the default.
func appendVersions(dst []byte, v collections.Versions) []byte {
	var flags byte
	if v.All {
		flags |= flagAll
	}
	if v.First {
		flags |= flagFirst
	}
	if v.Last || !v.All && !v.First && len(v.At) == 0 {
		flags |= flagLast
	}
	dst = append(dst, flags)
	at := slices.SortedFunc(slices.Values(v.At), stix.Instant.Compare)
	dst = binary.AppendUvarint(dst, uint64(len(at)))
	for _, t := range at {
		dst = binary.BigEndian.AppendUint64(dst, uint64(t.Sec))
		dst = binary.BigEndian.AppendUint64(dst, t.Frac)
	}
	return dst
}

func readFilters(b []byte) (Request, bool) {
	in := reader{b: b, ok: true}
	r := Request{Given: Filter(in.byte())}
	if r.Given&MatchID != 0 {
		r.Query.IDs = texts[stix.ID](&in)
	}
	if r.Given&MatchType != 0 {
		r.Query.Types = texts[string](&in)
	}
	flags := in.byte()
	r.Query.Versions = collections.Versions{All: flags&flagAll != 0, First: flags&flagFirst != 0, Last: flags&flagLast != 0}
	for range in.count(16) {
		t := stix.Instant{Sec: int64(in.uint64()), Frac: in.uint64(), Set: true}
		r.Query.Versions.At = append(r.Query.Versions.At, t)
	}
	if r.Given&MatchSpec != 0 {
		r.Query.Specs = texts[string](&in)
	}
	return r, in.ok && len(in.b) == 0
}

func texts[T ~string](in *reader) []T {
	var out []T
	for range in.count(1) {
		out = append(out, T(in.take(in.count(1))))
	}
	return out
}

// reader takes values off a string of bytes; ok turns false where it is too short.
type reader struct {
	b  []byte
	ok bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.ok, r.b = false, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// count reads a number of things that take at least size bytes each.
func (r *reader) count(size int) int {
	n, used := binary.Uvarint(r.b)
	if used <= 0 || n > uint64(len(r.b)/size) {
		r.ok, r.b = false, nil
		return 0
	}
	r.b = r.b[used:]
	return int(n)
}
