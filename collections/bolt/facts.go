package bolt

import (
	"encoding/binary"
	"errors"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// The facts of a segment, bucket m:
//
//	1 byte tag 1, 1 byte 0, 2 bytes number of objects, 2 bytes number of types, 2 bytes of publishers
//	4 bytes for each type and each publisher: where its text ends; the texts
//	44 bytes for each object, in the order of date_added:
//	   0  8 bytes  date_added
//	   8  8 bytes  version in µs
//	  16 16 bytes  the UUID of the id
//	  32  4 bytes  where the object's part of the heap begins
//	  36  2 bytes  type, 38 2 bytes publisher: index into the texts
//	  40  1 byte   level
//	  41  1 byte   flags
//	  42  1 byte   digits after the point of the version's text; 255: it is in the heap
//	  43  1 byte   0
//	the heap: id where it is not TYPE--UUID in lower case, version where it has another form or more
//	than µs, names of recipients; each text with its length before it
const (
	factsTag    = 1
	factsHeader = 8
	rowSize     = 44
	oddVersion  = 255
)

const (
	flagPresent   = 1 << iota // the bytes are there
	flagVersioned             // the version is its own, else the date_added
	flagSpec20                // "2.0", else "2.1"
	flagShared
	flagPlainID // TYPE--UUID
	flagNamed
)

var errDamaged = errors.New("stored bytes are damaged")

// version is one object version as it is found and made in this package.
type version struct {
	collections.Fact
	versioned bool // it brought a version of its own
	shared    bool
	present   bool // in the collection that it was read from

	// From the index, for writing; see index.go.
	hash    uint64
	digest  digest
	defines stix.Level
	in      []uint16 // numbers of the collections that it is in
	gone    []uint16 // and of those that it was deleted from
	spots   []spot   // where it is, as far as known
	fresh   bool     // to be written to the index
}

// facts reads the facts of a segment without decoding them. The bytes are the store's: they end with
// the transaction.
type facts struct {
	n, types int
	texts    int
	ends     []byte
	text     []byte
	rows     []byte
	heap     []byte
	memo     []string // of texts that were asked for
}

func readFacts(b []byte) (facts, error) {
	if len(b) < factsHeader || b[0] != factsTag {
		return facts{}, errDamaged
	}
	le := binary.LittleEndian
	f := facts{n: int(le.Uint16(b[2:])), types: int(le.Uint16(b[4:]))}
	f.texts = f.types + int(le.Uint16(b[6:]))
	b = b[factsHeader:]
	if len(b) < 4*f.texts {
		return facts{}, errDamaged
	}
	f.ends, b = b[:4*f.texts], b[4*f.texts:]
	size := 0
	if f.texts > 0 {
		size = int(le.Uint32(f.ends[4*(f.texts-1):]))
	}
	if size > len(b) || len(b)-size < rowSize*f.n || f.n == 0 {
		return facts{}, errDamaged
	}
	f.text, b = b[:size], b[size:]
	f.rows, f.heap = b[:rowSize*f.n], b[rowSize*f.n:]
	return f, nil
}

func (f *facts) row(i int) []byte { return f.rows[rowSize*i : rowSize*i+rowSize] }

func (f *facts) added(i int) collections.Added {
	return collections.Added(binary.LittleEndian.Uint64(f.row(i)))
}

func (f *facts) present(i int) bool { return f.row(i)[41]&flagPresent != 0 }

// spec gives the spec version of object i.
func (f *facts) spec(i int) string {
	if f.row(i)[41]&flagSpec20 != 0 {
		return "2.0"
	}
	return "2.1"
}

// after gives the first position whose date_added is greater than a.
func (f *facts) after(a collections.Added) int {
	lo, hi := 0, f.n
	for lo < hi {
		if mid := (lo + hi) / 2; f.added(mid) > a {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// at gives the position with exactly this date_added.
func (f *facts) at(a collections.Added) (int, bool) {
	i := f.after(a - 1)
	return i, i < f.n && f.added(i) == a
}

func (f *facts) str(i int) (string, error) {
	if i >= f.texts {
		return "", errDamaged
	}
	if f.memo == nil {
		f.memo = make([]string, f.texts)
	}
	if f.memo[i] == "" {
		from, to := 0, int(binary.LittleEndian.Uint32(f.ends[4*i:]))
		if i > 0 {
			from = int(binary.LittleEndian.Uint32(f.ends[4*(i-1):]))
		}
		if from > to || to > len(f.text) {
			return "", errDamaged
		}
		f.memo[i] = string(f.text[from:to])
	}
	return f.memo[i], nil
}

// is reports whether object i has this id, without making it a string where it is plain.
func (f *facts) is(i int, id stix.ID) (bool, error) {
	row := f.row(i)
	if row[41]&flagPlainID == 0 {
		v, err := f.version(i)
		return err == nil && v.ID == id, err
	}
	kind, u, ok := splitID(id)
	if !ok || u != [16]byte(row[16:32]) {
		return false, nil
	}
	have, err := f.str(int(binary.LittleEndian.Uint16(row[36:])))
	return have == kind, err
}

// version decodes object i.
func (f *facts) version(i int) (*version, error) {
	le := binary.LittleEndian
	row := f.row(i)
	flags := row[41]
	kind, err1 := f.str(int(le.Uint16(row[36:])))
	publisher, err2 := f.str(f.types + int(le.Uint16(row[38:])))
	if err1 != nil || err2 != nil {
		return nil, errDamaged
	}
	v := &version{Fact: collections.Fact{
		Type: kind, Spec: f.spec(i), Added: f.added(i), Publisher: auth.PartnerID(publisher), Level: stix.Level(row[40]),
	}, versioned: flags&flagVersioned != 0, shared: flags&flagShared != 0, present: flags&flagPresent != 0}
	h := heap{b: f.heap}
	h.skip(int(le.Uint32(row[32:])))
	if flags&flagPlainID != 0 {
		v.ID = joinID(kind, [16]byte(row[16:32]))
	} else {
		v.ID = stix.ID(h.text())
	}
	switch {
	case !v.versioned:
		v.Version = addedVersion(v.Added)
	case row[42] == oddVersion:
		v.Version.At = stix.Instant{Sec: h.varint(), Frac: h.uvarint(), Set: true}
		v.Version.Text = h.text()
	default:
		v.Version = microVersion(int64(le.Uint64(row[8:])), int(row[42]))
	}
	if flags&flagNamed != 0 {
		for n := h.uvarint(); n > 0 && !h.bad; n-- {
			v.Named = append(v.Named, auth.PartnerID(h.text()))
		}
	}
	if h.bad {
		return nil, errDamaged
	}
	return v, nil
}

// writeFacts encodes the facts of a segment.
func writeFacts(list []object) []byte {
	var types, publishers dictionary
	rows := make([]byte, 0, rowSize*len(list))
	var heap []byte
	for i := range list {
		rows, heap = appendRow(rows, heap, &list[i], &types, &publishers)
	}
	texts := append(types.texts, publishers.texts...)
	b := make([]byte, 0, factsHeader+16*len(texts)+len(rows)+len(heap))
	b = append(b, factsTag, 0)
	le := binary.LittleEndian
	b = le.AppendUint16(b, uint16(len(list)))
	b = le.AppendUint16(b, uint16(len(types.texts)))
	b = le.AppendUint16(b, uint16(len(publishers.texts)))
	end := 0
	for _, t := range texts {
		end += len(t)
		b = le.AppendUint32(b, uint32(end))
	}
	for _, t := range texts {
		b = append(b, t...)
	}
	return append(append(b, rows...), heap...)
}

func appendRow(rows, heap []byte, o *object, types, publishers *dictionary) ([]byte, []byte) {
	v := o.version
	le := binary.LittleEndian
	var flags byte
	flag := func(on bool, f byte) {
		if on {
			flags |= f
		}
	}
	flag(o.present, flagPresent)
	flag(v.versioned, flagVersioned)
	flag(v.Spec == "2.0", flagSpec20)
	flag(v.shared, flagShared)
	flag(len(v.Named) > 0, flagNamed)
	begin := len(heap)
	kind, uuid, plain := splitID(v.ID)
	if plain = plain && kind == v.Type; plain {
		flags |= flagPlainID
	} else {
		uuid = [16]byte{}
		heap = appendText(heap, string(v.ID))
	}
	var micros int64
	digits := byte(0)
	if v.versioned {
		var ok bool
		if micros, digits, ok = compactVersion(v.Version); !ok {
			digits = oddVersion
			heap = binary.AppendVarint(heap, v.Version.At.Sec)
			heap = binary.AppendUvarint(heap, v.Version.At.Frac)
			heap = appendText(heap, v.Version.Text)
		}
	}
	if len(v.Named) > 0 {
		heap = binary.AppendUvarint(heap, uint64(len(v.Named)))
		for _, p := range v.Named {
			heap = appendText(heap, string(p))
		}
	}
	rows = le.AppendUint64(rows, uint64(v.Added))
	rows = le.AppendUint64(rows, uint64(micros))
	rows = append(rows, uuid[:]...)
	rows = le.AppendUint32(rows, uint32(begin))
	rows = le.AppendUint16(rows, types.index(v.Type))
	rows = le.AppendUint16(rows, publishers.index(string(v.Publisher)))
	return append(rows, byte(v.Level), flags, digits, 0), heap
}

// dictionary numbers texts.
type dictionary struct {
	texts []string
	byTxt map[string]uint16
}

func (d *dictionary) index(t string) uint16 {
	if n := len(d.texts); n > 0 && d.texts[n-1] == t {
		return uint16(n - 1)
	}
	i, ok := d.byTxt[t]
	if !ok {
		if d.byTxt == nil {
			d.byTxt = map[string]uint16{}
		}
		i = uint16(len(d.texts))
		d.byTxt[t] = i
		d.texts = append(d.texts, t)
	}
	return i
}

// heap reads what appendRow wrote to it; bad is set when it does not hold what is asked for.
type heap struct {
	b   []byte
	bad bool
}

func (h *heap) skip(n int) {
	if n > len(h.b) {
		h.bad, n = true, len(h.b)
	}
	h.b = h.b[n:]
}

func (h *heap) uvarint() uint64 {
	x, n := binary.Uvarint(h.b)
	if n <= 0 {
		h.bad, n = true, 0
	}
	h.b = h.b[n:]
	return x
}

func (h *heap) varint() int64 {
	x, n := binary.Varint(h.b)
	if n <= 0 {
		h.bad, n = true, 0
	}
	h.b = h.b[n:]
	return x
}

func (h *heap) bytes() []byte {
	n := h.uvarint()
	if n > uint64(len(h.b)) {
		h.bad, n = true, 0
	}
	b := h.b[:n]
	h.b = h.b[n:]
	return b
}

func (h *heap) text() string { return string(h.bytes()) }

func appendText(b []byte, t string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(t))), t...)
}

func appendBytes(b, t []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(t))), t...)
}

// micros gives the version of object i in µs, unless it is finer.
func (f *facts) micros(i int) (us int64, ok bool) {
	row := f.row(i)
	switch {
	case row[41]&flagVersioned == 0:
		return int64(f.added(i)), true
	case row[42] == oddVersion:
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(row[8:])), true
}
