package taxii

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// Endpoint is a place that filters and pages.
type Endpoint uint8

// The endpoints. TAXII 2.1 sections 5.3, 5.4, 5.6, 5.7, 5.8.
const (
	OfManifest Endpoint = iota + 1
	OfObjects
	OfObject
	OfVersions
	OfDeletion
)

// Filter is a set of match parameters.
type Filter uint8

// The match parameters. TAXII 2.1 section 3.4.1.
const (
	MatchID Filter = 1 << iota
	MatchType
	MatchVersion
	MatchSpec
)

// filters lists what an endpoint has to filter by: the tables of TAXII 2.1 section 5.
func (e Endpoint) filters() Filter {
	switch e {
	case OfManifest, OfObjects:
		return MatchID | MatchType | MatchVersion | MatchSpec
	case OfObject, OfDeletion:
		return MatchVersion | MatchSpec
	case OfVersions:
		return MatchSpec
	}
	return 0
}

// Request is what a query string asks for.
type Request struct {
	Query      collections.Query
	Given      Filter // which match parameters were there
	Next       string // "" is none
	Positioned bool   // reading goes on from Query.After: added_after was there, or a cursor held
}

// ParseQuery reads a raw query string for an endpoint. The error is an *Error, a 400 that names the
// parameter. Parameters that are not TAXII's are ignored; TAXII's own never are: what cannot be done
// is refused, for an ignored filter would widen the answer. TAXII 2.1 section 3.4.
func ParseQuery(e Endpoint, raw string) (Request, error) {
	r := Request{Query: collections.Query{Limit: collections.PageSize}}
	if strings.Contains(raw, ";") {
		return r, NewError(http.StatusBadRequest, "invalid_query", "Invalid query string",
			"a semicolon does not separate parameters: write & between them, and %3B for one in a value")
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return r, NewError(http.StatusBadRequest, "invalid_query", "Invalid query string",
			"a percent sign must be followed by two hexadecimal digits")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		read := e.reader(name)
		if read == nil {
			continue
		}
		// "A client MUST NOT [...] occur more than once". TAXII 2.1 section 3.4.
		if len(values[name]) > 1 {
			return r, badParameter(name, "it may stand in a request once; write several values with commas between them")
		}
		if err := read(&r, values[name][0]); err != nil {
			return r, badParameter(name, err.Error())
		}
	}
	return r, nil
}

// reader finds what reads a parameter; nil for one that is not TAXII's.
func (e Endpoint) reader(name string) func(*Request, string) error {
	var filter Filter
	var read func(*Request, string) error
	switch name {
	case "added_after":
		return e.paging(readAfter)
	case "limit":
		return e.paging(readLimit)
	case "next":
		return e.paging(readNext)
	case "match[id]":
		filter, read = MatchID, readIDs
	case "match[type]":
		filter, read = MatchType, readTypes
	case "match[version]":
		filter, read = MatchVersion, readVersions
	case "match[spec_version]":
		filter, read = MatchSpec, readSpecs
	default:
		if strings.HasPrefix(name, "match[") || name == "match" {
			return refuse("this server does not filter by it; it knows match[id], match[type], match[version] and match[spec_version]")
		}
		return nil
	}
	if e.filters()&filter == 0 {
		return refuse("it does not filter this resource")
	}
	return func(r *Request, value string) error {
		r.Given |= filter
		return read(r, value)
	}
}

func (e Endpoint) paging(read func(*Request, string) error) func(*Request, string) error {
	if e == OfDeletion {
		return refuse("a deletion is not paged: leave it out")
	}
	return read
}

func refuse(why string) func(*Request, string) error {
	return func(*Request, string) error { return errors.New(why) }
}

func readNext(r *Request, value string) error {
	r.Next = value // empty is none: clients send it so
	return nil
}

// readLimit: "limit [...] MUST be a positive integer". TAXII 2.1 section 3.4. What is larger than a
// page is clamped: a server may give fewer.
func readLimit(r *Request, value string) error {
	if value == "" || strings.Trim(value, "0123456789") != "" || strings.Trim(value, "0") == "" {
		return fmt.Errorf("want a positive integer, have %q", clip(value))
	}
	n := 0
	for _, c := range []byte(strings.TrimLeft(value, "0")) {
		if n = n*10 + int(c-'0'); n >= collections.MaxLimit {
			n = collections.MaxLimit
			break
		}
	}
	r.Query.Limit = n
	return nil
}

func readAfter(r *Request, value string) error {
	t, err := parseTime(value)
	if err != nil {
		return err
	}
	r.Query.After = max(collections.AddedAt(t), 0) // cut to microseconds, as date_added has them
	r.Positioned = true
	return nil
}

// timeShape has the second in its first group and the zone in its third; a space in that was a plus sign.
var timeShape = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:(\d\d)(\.\d{1,9})?(Z|[+-]` + offset + `| ` + offset + `)?$`)

// offset is of RFC 3339 section 5.6; time.Parse takes 24:60 too.
const offset = `(?:[01]\d|2[0-3]):[0-5]\d`

// parseTime reads a timestamp of 0 to 9 decimals. The standard's own is in UTC with Z; an offset is
// taken too. TAXII 2.1 section 2, timestamp.
func parseTime(value string) (time.Time, error) {
	if t, ok := auth.ParseStamp(value); ok { // as it was given
		return t, nil
	}
	const want = "want a timestamp like 2025-01-31T09:30:00.000000Z"
	m := timeShape.FindStringSubmatch(value)
	switch {
	case m == nil:
		return time.Time{}, fmt.Errorf("%s, have %q", want, clip(value))
	case m[3] == "":
		return time.Time{}, fmt.Errorf("%s: %q has no zone; end it with Z for UTC", want, value)
	case m[3][0] == ' ':
		return time.Time{}, fmt.Errorf("%s: %q has a space where a zone begins, for an unescaped + is a space in a query; "+
			"write %%2B for it, or the time in UTC with Z", want, value)
	}
	t, err := time.Parse(time.RFC3339Nano, value)
	if m[1] == "60" {
		t, err = leap(value)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %q is no day and time of the calendar", want, value)
	}
	return t, nil
}

// leap reads a leap second: the last one of June or December, which the clock counts as the one after
// it. RFC 3339 section 5.7.
func leap(value string) (time.Time, error) {
	const second = len("2006-01-02T15:04:")
	t, err := time.Parse(time.RFC3339Nano, value[:second]+"59"+value[second+2:])
	if err != nil {
		return t, err
	}
	t = t.Add(time.Second)
	if u := t.UTC(); u.Hour()+u.Minute()+u.Second() > 0 || u.Day() > 1 || u.Month() != time.January && u.Month() != time.July {
		return t, errors.New("not a leap second")
	}
	return t, nil
}

// list splits a comma list; lists and their values are never empty, and have no spaces in them.
func list(value string) ([]string, error) {
	var out []string
	for v := range strings.SplitSeq(value, ",") {
		if v == "" {
			return nil, errors.New("want values with one comma between them, and none of them empty")
		}
		out = append(out, v)
	}
	return out, nil
}

func readIDs(r *Request, value string) error {
	values, err := list(value)
	if err != nil {
		return err
	}
	for _, v := range values {
		id, ok := ObjectID(v)
		if !ok {
			return fmt.Errorf("want STIX identifiers like indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f, have %q", clip(v))
		}
		r.Query.IDs = append(r.Query.IDs, id)
	}
	r.Query.IDs = unique(r.Query.IDs)
	return nil
}

// readTypes takes any type that could be one: "a STIX 2.1 type MUST NOT be an error". TAXII 2.1
// section 3.4.1.
func readTypes(r *Request, value string) error {
	values, err := list(value)
	if err != nil {
		return err
	}
	for _, v := range values {
		if !objectType(v) {
			return fmt.Errorf("want types like indicator, in lower-case letters, digits and hyphens, have %q", clip(v))
		}
	}
	r.Query.Types = unique(values)
	return nil
}

func readSpecs(r *Request, value string) error {
	values, err := list(value)
	if err != nil {
		return err
	}
	for _, v := range values {
		major, minor, ok := strings.Cut(v, ".")
		if !ok || !digits(major) || !digits(minor) {
			return fmt.Errorf("want versions of STIX like 2.1, have %q", clip(v))
		}
	}
	r.Query.Specs = unique(values)
	return nil
}

func digits(s string) bool { return s != "" && len(s) <= 4 && strings.Trim(s, "0123456789") == "" }

// readVersions reads match[version]. TAXII 2.1 section 3.4.1: "all [...] MUST NOT be used with any
// other keyword or value", and no keyword or value stands there twice; instants are compared as such.
func readVersions(r *Request, value string) error {
	values, err := list(value)
	if err != nil {
		return err
	}
	v := &r.Query.Versions
	for _, text := range values {
		twice := false
		switch text {
		case "all":
			twice, v.All = v.All, true
		case "first":
			twice, v.First = v.First, true
		case "last":
			twice, v.Last = v.Last, true
		default:
			at, err := stix.ParseInstant([]byte(text))
			if err != nil {
				return fmt.Errorf("want first, last, all, or versions like 2025-01-31T09:30:00.000Z, have %q", clip(text))
			}
			twice = slices.Contains(v.At, at)
			v.At = append(v.At, at)
		}
		if twice {
			return fmt.Errorf("%q stands there twice", clip(text))
		}
	}
	if v.All && len(values) > 1 {
		return errors.New("all may not be combined with other versions")
	}
	return nil
}

// unique sorts values and drops what stands there twice.
func unique[T cmp.Ordered](values []T) []T {
	slices.Sort(values)
	return slices.Compact(values)
}
