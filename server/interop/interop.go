// Package interop holds any TAXII 2.1 server against the 44 rows of the TAXII 2.1 Interoperability
// Test Document (version 1.0, CSD01): 39 that are mandatory and five optional tiers of filters.
//
// It speaks as several partners with different rights and finds out by itself what each may do. It
// writes to one collection that is named for it, only objects of its own making, and deletes them at
// the end where the server lets it. It prints nothing and judges nothing but the rows.
//
// TAXII Version 2.1, OASIS Standard, 10 June 2021; STIX Version 2.1.
package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"liaison/server/client"
	"liaison/server/taxii"
)

// Result is what became of a row.
type Result string

// The results. A row that needs something that is not there, a partner with certain rights above all,
// is not testable, which is no failure; an optional row of which the server does nothing is not
// offered.
const (
	Passed      Result = "passed"
	Failed      Result = "failed"
	NotTestable Result = "not testable"
	NotOffered  Result = "not offered"
)

// Row is one row of the document with its result.
type Row struct {
	ID        string `json:"row"`
	Name      string `json:"name"`
	Mandatory bool   `json:"mandatory"`
	Result    Result `json:"result"`
	Expected  string `json:"expected"`
	Got       string `json:"got"` // or what is needed
}

// Report is a run.
type Report struct {
	Rows []Row    `json:"rows"`
	Left []string `json:"left,omitempty"` // ids of test objects that the server did not delete
}

// Count gives the number of rows with a result, mandatory or optional ones.
func (r Report) Count(mandatory bool, result Result) int {
	n := 0
	for _, row := range r.Rows {
		if row.Mandatory == mandatory && row.Result == result {
			n++
		}
	}
	return n
}

// OK reports whether no mandatory row failed.
func (r Report) OK() bool { return r.Count(true, Failed) == 0 }

// Partner is one account to speak as.
type Partner struct {
	Name    string // in the report
	Account client.Account
	TLS     *tls.Config // what is trusted, and the partner's certificate; nil: the system's, and none
}

// Options are what a run needs.
type Options struct {
	Partners   []Partner                             // at least one
	Collection string                                // alias or id of the collection to write to; "": rows that write are not testable
	Rows       []string                              // only these; nil: all
	Proxy      func(*http.Request) (*url.URL, error) // nil for none
	Timeout    time.Duration                         // of a request, and of a status that is pending; 30 s when zero
}

// Run tries the rows. The error is for what makes a run impossible: no partners, none of them reaches
// the server, or a row that the document does not have.
func Run(ctx context.Context, o Options) (Report, error) {
	if len(o.Partners) == 0 {
		return Report{}, errors.New("testing interoperability: no partners")
	}
	rows, err := chosen(o.Rows)
	if err != nil {
		return Report{}, err
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	r := &run{ctx: ctx, o: o}
	defer r.close()
	var reached bool
	var trouble []error
	for _, p := range o.Partners {
		s, err := r.speaker(p)
		if err != nil {
			trouble = append(trouble, fmt.Errorf("%s: %w", p.Name, err))
			continue
		}
		reached = true
		r.speakers = append(r.speakers, s)
	}
	if !reached {
		return Report{}, errors.Join(trouble...)
	}
	var report Report
	for _, row := range rows {
		got, err := row.try(r)
		out := Row{ID: row.id, Name: row.name, Mandatory: !row.optional, Result: Passed, Expected: row.expected, Got: got}
		if err != nil {
			out.Result, out.Got = Failed, err.Error()
			if n, ok := errors.AsType[*missing](err); ok {
				out.Result, out.Got = NotTestable, "needs "+n.what
			}
			if _, ok := errors.AsType[*unoffered](err); ok {
				out.Result = NotOffered
			}
		}
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
		out.Got = printable(out.Got)
		report.Rows = append(report.Rows, out)
	}
	report.Left = r.clean()
	return report, nil
}

// chosen gives the rows of the table that are asked for.
func chosen(ids []string) ([]tableRow, error) {
	all := table()
	if ids == nil {
		return all, nil
	}
	var rows []tableRow
	for _, id := range ids {
		i := slices.IndexFunc(all, func(row tableRow) bool { return row.id == id })
		if i < 0 {
			return nil, fmt.Errorf("the interoperability test document has no row %q: they are 3.1.1 to 3.15.1", id)
		}
		rows = append(rows, all[i])
	}
	return rows, nil
}

// printable makes what a server said fit for one line of a terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	const most = 600 // characters
	if list := []rune(s); len(list) > most {
		s = string(list[:most]) + "…"
	}
	return strings.TrimSpace(s)
}

// missing is a precondition that is not given.
type missing struct{ what string }

func (m *missing) Error() string { return "needs " + m.what }

func needs(what string) error { return &missing{what} }

// unoffered is an optional filter that the server does not have.
type unoffered struct{ how string }

func (u *unoffered) Error() string { return u.how }

// run is the state of one run.
type run struct {
	ctx      context.Context
	o        Options
	speakers []*speaker
	made     []made // test objects that may be there
	stocked  *stock
	stockErr error
	once     bool
	status   *taxii.Status // of the row about adding
}

// made is an object that this run published.
type made struct {
	by *speaker
	at string // the collection's URL
	id string
}

func (r *run) close() {
	for _, s := range r.speakers {
		s.with.CloseIdleConnections()
		s.without.CloseIdleConnections()
	}
}

// clean deletes what was published and gives the ids of what stays.
func (r *run) clean() []string {
	var left []string
	seen := map[string]bool{}
	for _, m := range r.made {
		if seen[m.id] {
			continue
		}
		seen[m.id] = true
		a, err := r.ask(m.by, http.MethodDelete, m.at+"objects/"+m.id+"/", nil)
		if err != nil || a.status != http.StatusOK && a.status != http.StatusNotFound {
			left = append(left, m.id)
		}
	}
	return left
}
