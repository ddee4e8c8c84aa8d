package storetest

import (
	"fmt"
	"strings"

	"liaison/auth"
	"liaison/collections"
)

// like checks that a reader is given the same by the store as by the model: objects and facts, all
// pages, and pages that are as full as they can be. Of a long list the pages are made larger, so that
// there are a few dozen at most.
func (e *env) like(m *Model, v auth.View, at collections.Place, q collections.Query) {
	e.Helper()
	whole := q
	whole.Limit = collections.MaxLimit
	selected, gone := func() ([]*version, bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.selected(v, at, whole), m.gone(v, at, q)
	}()
	q.Limit = max(q.Limit, len(selected)/24)
	what := fmt.Sprintf("for view %+v in %s, query %+v", v, at.Collection, q)
	var facts []collections.Fact
	for _, o := range selected {
		facts = append(facts, o.Fact)
	}
	equal(e, what+": facts", facts, e.facts(v, at, q))
	e.pagesLike(what, selected, gone, v, at, q)
	for _, o := range selected[:min(1, len(selected))] {
		if known, err := e.store.Known(e.ctx, v, at, o.ID); err != nil || !known {
			e.Errorf("%s: Known of %s gives %v, %v; want true", what, o.ID, known, err)
		}
	}
}

// pagesLike walks the pages of a query and compares each with its part of what is to come.
func (e *env) pagesLike(what string, want []*version, gone bool, v auth.View, at collections.Place, q collections.Query) {
	e.Helper()
	for {
		s := e.page(v, at, q)
		if s.Count > len(want) || s.Count > q.Limit {
			e.Errorf("%s: a page of %d objects, want %d at most", what, s.Count, min(q.Limit, len(want)))
			return
		}
		// TAXII 2.1 section 3.4: if all that match fit, all are returned.
		fits, size := 0, 0
		for fits < min(q.Limit, len(want)) && (fits == 0 || size+len(want[fits].raw) <= collections.MaxPageSize) {
			size += len(want[fits].raw)
			fits++
		}
		if s.Count < fits && fits == len(want) || s.Count == 0 && fits > 0 {
			e.Errorf("%s: after %v a page of %d objects, though all %d that are left fit", what, q.After, s.Count, fits)
			return
		}
		expect := sheet{Count: s.Count, More: s.Count < len(want), Gone: gone}
		var raws []string
		for _, o := range want[:s.Count] {
			raws = append(raws, string(o.raw))
			expect.Last = o.Added
		}
		if s.Count > 0 {
			expect.First = want[0].Added
		}
		expect.Body = strings.Join(raws, ",")
		if expect.Body != s.Body {
			equal(e, what+": objects", raws, e.split(s.Body))
		}
		s.Body, expect.Body = "", ""
		equal(e, what+": the page", expect, s)
		want = want[s.Count:]
		if len(want) == 0 || e.Failed() {
			return
		}
		q.After = s.Last
	}
}
