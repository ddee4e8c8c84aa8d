package taxii

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"liaison/collections"
	"liaison/stix"
)

// What a partner asks beside TAXII: until when objects are valid, and which values several partners
// report. The answers are this project's own; docs/validity.md describes them.

// DefaultBeside is how many entries such a page has unless asked.
const DefaultBeside = 1000

// Where a valid_until comes from.
const (
	UntilStated  = "stated"  // the publisher wrote it into the object
	UntilDefault = "default" // the operator's table, for the publisher wrote none
)

// Lapse is an object that is out of date or revoked, or, asked for by its id, will be.
type Lapse struct {
	ID         stix.ID `json:"id"`
	Version    string  `json:"version"`
	Added      string  `json:"date_added"`
	At         string  `json:"lapses,omitempty"` // when it goes, or went, out of date, or was revoked
	ValidUntil string  `json:"valid_until,omitempty"`
	Which      string  `json:"valid_until_is,omitempty"` // UntilStated or UntilDefault
	Revoked    bool    `json:"revoked"`
}

// Lapses is a page of them. Again is what to give as since the next time, after the last page.
type Lapses struct {
	Objects []Lapse `json:"objects"`
	More    bool    `json:"more"`
	Next    string  `json:"next,omitempty"`
	Again   string  `json:"since_next_time,omitempty"`
}

// Reports is a page of values, each with the number of partners that report it.
type Reports struct {
	Values []collections.Reported `json:"values"`
	More   bool                   `json:"more"`
	Next   string                 `json:"next,omitempty"`
}

// NewLapse gives the wire form.
func NewLapse(l collections.Lapse) Lapse {
	out := Lapse{ID: l.ID, Version: l.Version.Text, Added: l.Added.String(), Revoked: l.Revoked}
	if !l.At.IsZero() {
		out.At = stamp(l.At)
	}
	if !l.Until.IsZero() {
		out.ValidUntil, out.Which = stamp(l.Until), UntilDefault
		if l.Stated {
			out.Which = UntilStated
		}
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format(collections.AddedLayout) }

// NewLapses gives the wire form of a page.
func NewLapses(l collections.Lapses) Lapses {
	out := Lapses{Objects: []Lapse{}, More: l.More}
	for _, o := range l.Lapses {
		out.Objects = append(out.Objects, NewLapse(o))
	}
	if l.More {
		out.Next = fmt.Sprintf("%d.%d.%d", l.Until.UnixMicro(), l.Next.At.UnixMicro(), int64(l.Next.Added))
	} else {
		out.Again = stamp(l.Since)
	}
	return out
}

// NewReports gives the wire form of a page.
func NewReports(p collections.CommonPage) Reports {
	out := Reports{Values: append([]collections.Reported{}, p.Values...), More: p.More}
	if p.More {
		out.Next = strconv.FormatUint(uint64(p.Next), 16)
	}
	return out
}

// Beside is what such a request asks for.
type Beside struct {
	ID     stix.ID // "": none
	Lapses collections.LapseQuery
	After  collections.CommonPosition
	Values []string
	Limit  int
}

// ParseBeside reads a query string whose parameters are only these: since, id, next, limit, value; next of
// the kind that is named first. The error is an *Error, a 400 that names the parameter.
func ParseBeside(raw string, known ...string) (b Beside, err error) {
	b.Limit = DefaultBeside
	values, err := url.ParseQuery(raw)
	if err != nil {
		return b, NewError(http.StatusBadRequest, "invalid_query", "Invalid query string",
			"a percent sign must be followed by two hexadecimal digits, and a semicolon be written %3B")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, name) {
			return b, badParameter(name, "this is not asked here; the parameters are "+strings.Join(known, ", "))
		}
		if len(values[name]) > 1 && name != "value" {
			return b, badParameter(name, "it may stand in a request once")
		}
		if err := b.read(name, values[name], known[0] == "since"); err != nil {
			return b, badParameter(name, err.Error())
		}
	}
	if b.ID != "" && len(values) > 1 {
		return b, badParameter("id", "it stands alone")
	}
	if values.Has("next") && values.Has("since") {
		return b, badParameter("since", "next says where to go on: leave since out")
	}
	b.Lapses.Limit = b.Limit
	return b, nil
}

func (b *Beside) read(name string, values []string, lapses bool) error {
	value := values[0]
	switch name {
	case "since":
		t, err := parseTime(value)
		b.Lapses.After = collections.LapsePosition{At: t.UTC(), Added: math.MaxInt64}
		return err
	case "id":
		id, ok := ObjectID(value)
		if b.ID = id; !ok {
			return errors.New("want an object's id, like indicator--…")
		}
	case "limit":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > collections.MaxLimit {
			return fmt.Errorf("want 1 to %d", collections.MaxLimit)
		}
		b.Limit = n
	case "next":
		if lapses {
			return b.readLapse(value)
		}
		n, err := strconv.ParseUint(value, 16, 64)
		if err != nil || n == 0 {
			return errNext
		}
		b.After = collections.CommonPosition(n)
	case "value":
		b.Values = values
	}
	return nil
}

var errNext = errors.New("want what the page before gave")

func (b *Beside) readLapse(value string) error {
	var n [3]int64
	parts := strings.Split(value, ".")
	if len(parts) != len(n) {
		return errNext
	}
	for i, part := range parts {
		var err error
		if n[i], err = strconv.ParseInt(part, 10, 64); err != nil || n[i] < 1 || n[i] == math.MaxInt64 {
			return errNext
		}
	}
	b.Lapses.Until = time.UnixMicro(n[0]).UTC()
	b.Lapses.After = collections.LapsePosition{At: time.UnixMicro(n[1]).UTC(), Added: collections.Added(n[2])}
	return nil
}
