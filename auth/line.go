package auth

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// stampLayout is how the journal writes times: UTC, six digits. TAXII 2.1 section 2.
const stampLayout = "2006-01-02T15:04:05.000000Z"

func actorOf(p Principal) Actor {
	if p.Method == ByPeer {
		return Actor("local:" + strconv.Itoa(p.UID))
	}
	return Actor(cmp.Or(string(p.Client), string(p.Partner)))
}

// Line is what the journal says of one effect or one read. The store gives it its sequence number
// and its place in the tree.
type Line struct {
	Time  time.Time // UTC, microseconds
	Actor Actor
	Kind  string          // "partner.create", "publish", "read.objects", …
	What  json.RawMessage // an object with what changed; never a secret
}

// NewLine marshals what into a Line; nil is an empty object. It panics when what is no object of
// strings, integers, booleans, arrays and objects: what the journal says is fixed in the code, it
// never comes from outside.
func NewLine(at time.Time, a Actor, kind string, what any) Line {
	l := Line{Time: micro(at), Actor: a, Kind: kind, What: json.RawMessage("{}")}
	if what == nil {
		return l
	}
	if raw, ok := what.(json.RawMessage); ok && isPlain(raw) {
		l.What = raw
		return l
	}
	b, err := json.Marshal(what)
	if err == nil {
		l.What, err = canonicalWhat(b)
	}
	if err != nil {
		panic(fmt.Sprintf("auth: journal line %s: %v", kind, err))
	}
	return l
}

// Canonical writes the line with its sequence number as canonical JSON (RFC 8785), without a newline:
// members sorted, no insignificant white space. It panics on a What that NewLine would not make.
//
//	{"actor":"acme_1","kind":"publish","seq":42,"time":"2025-01-31T09:30:00.000000Z","what":{…}}
func (l Line) Canonical(seq int64) []byte {
	return l.AppendCanonical(make([]byte, 0, 128+len(l.What)), seq)
}

// AppendCanonical appends what Canonical gives.
func (l Line) AppendCanonical(dst []byte, seq int64) []byte {
	b, err := l.canonical(dst, seq)
	if err != nil {
		panic(fmt.Sprintf("auth: journal line %s: %v", l.Kind, err))
	}
	return b
}

func (l Line) canonical(b []byte, seq int64) ([]byte, error) {
	what, err := canonicalWhat(l.What)
	if err != nil {
		return nil, err
	}
	b = appendString(append(b, `{"actor":`...), string(l.Actor))
	b = appendString(append(b, `,"kind":`...), l.Kind)
	b = strconv.AppendInt(append(b, `,"seq":`...), seq, 10)
	b = AppendStamp(append(b, `,"time":"`...), l.Time)
	b = append(append(b, `","what":`...), what...)
	return append(b, '}'), nil
}

// AppendStamp appends a time as the journal and TAXII write it: in UTC with six decimals, what is beyond
// them cut off. TAXII 2.1 section 2.
func AppendStamp(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, stampLayout)
	}
	hour, minute, second := t.Clock()
	b = appendDigits(b, year, 4)
	b = appendDigits(append(b, '-'), int(month), 2)
	b = appendDigits(append(b, '-'), day, 2)
	b = appendDigits(append(b, 'T'), hour, 2)
	b = appendDigits(append(b, ':'), minute, 2)
	b = appendDigits(append(b, ':'), second, 2)
	b = appendDigits(append(b, '.'), t.Nanosecond()/1000, 6)
	return append(b, 'Z')
}

// ParseStamp is the inverse of AppendStamp; ok is false for anything that it does not write.
func ParseStamp[T string | []byte](s T) (t time.Time, ok bool) {
	if len(s) != len(stampLayout) {
		return time.Time{}, false
	}
	number := func(from, n int) (x int) {
		for i := range n {
			x = 10*x + int(s[from+i]-'0')
		}
		return x
	}
	t = time.Date(number(0, 4), time.Month(number(5, 2)), number(8, 2), number(11, 2), number(14, 2), number(17, 2), 1000*number(20, 6), time.UTC)
	// Whatever is not of the form gives a time that is written otherwise.
	var again [len(stampLayout)]byte
	return t, string(AppendStamp(again[:0], t)) == string(s)
}

// appendDigits appends the last n digits of x, which is not negative.
func appendDigits(b []byte, x, n int) []byte {
	const zeros = "000000"
	b = append(b, zeros[:n]...)
	for i := len(b) - 1; x > 0 && i >= len(b)-n; i-- {
		b[i] = byte('0' + x%10)
		x /= 10
	}
	return b
}

// canonicalWhat may return what itself.
func canonicalWhat(what []byte) ([]byte, error) {
	if len(what) == 0 {
		return []byte("{}"), nil
	}
	if isPlain(what) {
		return what, nil
	}
	b, err := appendCanonical(nil, what)
	if err != nil {
		return nil, fmt.Errorf("what: %w", err)
	}
	if b[0] != '{' {
		return nil, errors.New("what: want an object")
	}
	return b, nil
}

// ParseLine is the inverse of Canonical; an error names what is wrong. Every line has exactly one
// form: anything that Canonical would not have written, to the byte, is refused.
func ParseLine(b []byte) (Line, int64, error) {
	if l, seq, ok := parsePlain(b); ok {
		return l, seq, nil
	}
	var row struct {
		Actor *string         `json:"actor"`
		Kind  *string         `json:"kind"`
		Seq   *int64          `json:"seq"`
		Time  *string         `json:"time"`
		What  json.RawMessage `json:"what"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&row); err != nil {
		return Line{}, 0, fmt.Errorf("%w: journal line: %v", ErrInvalid, err)
	}
	switch {
	case row.Actor == nil || *row.Actor == "":
		return Line{}, 0, fmt.Errorf("%w: journal line: no actor", ErrInvalid)
	case row.Kind == nil || *row.Kind == "":
		return Line{}, 0, fmt.Errorf("%w: journal line: no kind", ErrInvalid)
	case row.Seq == nil || *row.Seq < 0 || *row.Seq > maxInt:
		return Line{}, 0, fmt.Errorf("%w: journal line: seq: want 0 to 2^53 - 1", ErrInvalid)
	case row.Time == nil || row.What == nil:
		return Line{}, 0, fmt.Errorf("%w: journal line: no time or no what", ErrInvalid)
	}
	at, err := time.Parse(stampLayout, *row.Time)
	if err != nil {
		return Line{}, 0, fmt.Errorf("%w: journal line: time %q: want the form %s", ErrInvalid, *row.Time, stampLayout)
	}
	l := Line{Time: at.UTC(), Actor: Actor(*row.Actor), Kind: *row.Kind, What: row.What}
	want, err := l.canonical(nil, *row.Seq)
	if err != nil {
		return Line{}, 0, fmt.Errorf("%w: journal line: %v", ErrInvalid, err)
	}
	if !bytes.Equal(b, want) {
		return Line{}, 0, fmt.Errorf("%w: journal line: not canonical from byte %d on", ErrInvalid, commonPrefix(b, want))
	}
	return l, *row.Seq, nil
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// micro is a time as rows and lines keep it: UTC, whole microseconds, no monotonic reading.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
