package server

import (
	"errors"
	"io"
	"net/http"

	"liaison/collections"
	"liaison/server/taxii"
	"liaison/stix"
)

// question is a request for a page, with what its cursor will say.
type question struct {
	taxii.Request
	here taxii.Cursor
}

// ask reads the query string and resumes from its cursor.
func (s *Server) ask(k *call, e taxii.Endpoint, at collections.Place, id stix.ID) (question, error) {
	r, err := taxii.ParseQuery(e, k.r.URL.RawQuery)
	if err != nil {
		return question{}, err
	}
	here := taxii.Cursor{Endpoint: e, Partner: k.p.Partner, Place: at, Object: id}
	stray, err := s.cursors.Resume(&r, here)
	if err != nil {
		return question{}, err
	}
	if stray {
		s.strayed.count(tallyKey{address: string(at.Collection), client: k.p.Client, code: "another collection's cursor"}, s.now())
	}
	if err := s.rates.read(k.p.Client, at, r, s.now()); err != nil {
		return question{}, err
	}
	return question{Request: r, here: here}, nil
}

// Keys of http.Header, which are of one form.
const (
	keyFirst = "X-Taxii-Date-Added-First"
	keyLast  = "X-Taxii-Date-Added-Last"
)

// page sets the headers that tell where an answer lies, and gives the cursor of the next; "" at the
// end. next is there whenever more is: clients loop without it.
//
// TAXII 2.1 section 3.2: "The X-TAXII-Date-Added-First header [...] MUST be included in responses
// that return multiple objects". An empty answer to a request that goes on from somewhere says where
// it is, for a client that finds nothing takes its own clock for it; another empty answer has no
// time to tell.
func (q question) page(k *call, first, last, after collections.Added, n int, more bool) (next string) {
	h := k.Response().Header()
	at := max(after, last)
	told := at
	switch {
	case n > 0:
		told = last
		values := []string{first.String(), last.String()}
		h[keyFirst], h[keyLast] = values[:1:1], values[1:]
	case q.Positioned || more:
		h[keyLast] = []string{at.String()}
	}
	if !more {
		return ""
	}
	k.s.rates.gave(k.p.Client, q.here.Place, told, k.s.now())
	c := q.here
	c.After, c.Filters = at, taxii.FiltersOf(q.Request)
	return k.s.cursors.Seal(c)
}

// envelope writes a page of objects as they came from their publishers. It copies out of the store
// into a buffer and writes that: a slow reader holds nothing but the buffer.
func (s *Server) envelope(k *call, q question, page collections.Reading) error {
	next := q.page(k, page.First, page.Last, page.After, page.Count, page.More)
	if page.Count == 0 {
		return s.send(k, http.StatusOK, k.nothing(next))
	}
	coding, ok := k.coding()
	switch {
	case !ok:
		return errNoCoding()
	case coding == "gzip":
		return s.stitch(k, next, &page.Page)
	}
	runs := runs{next: page.Next}
	b, done, err := s.fill(&runs, func(b []byte) []byte { return taxii.AppendHead(b, next) })
	switch {
	case err != nil:
		s.pools.release(b)
		return err
	case done && !runs.started: // all of it was deleted meanwhile, and a list is never empty
		s.pools.release(b)
		return s.send(k, http.StatusOK, k.nothing(next))
	case done:
		*b = taxii.AppendTail(*b)
		return s.sendBuffer(k, http.StatusOK, *b, b)
	}
	return s.stream(k, coding, b, &runs)
}

// stitch writes a page as one gzip member, of runs that were compressed before as far as there are.
func (s *Server) stitch(k *call, next string, page *collections.Page) error {
	m := s.newMember(k, http.StatusOK)
	defer m.close()
	*m.text = taxii.AppendHead(*m.text, next)
	for started := false; ; {
		took, err := m.take(page, started)
		started = started || took
		switch {
		case errors.Is(err, io.EOF) && !started: // all of it was deleted meanwhile, and a list is never empty
			m.pause()
			return s.send(k, http.StatusOK, k.nothing(next))
		case errors.Is(err, io.EOF):
			*m.text = taxii.AppendTail(*m.text)
			if !m.begun() { // it may be too short to be compressed
				m.pause()
				return s.send(k, http.StatusOK, *m.text)
			}
			m.end()
		case err != nil && m.sent:
			return s.broken(k, "reading a page", err)
		case err != nil:
			return err
		}
		if over, e := m.push(err != nil); e != nil {
			return s.broken(k, "writing a page", e)
		} else if over || err != nil {
			return nil
		}
	}
}

// nothing is an envelope without objects. TAXII 2.1 section 2 leaves empty lists out; a partner whose
// clients cannot do without may have one: docs/divergences.md.
func (k *call) nothing(next string) []byte {
	if k.p.EmptyObjects {
		return taxii.AppendTail(taxii.AppendHead(nil, next))
	}
	return taxii.AppendEmpty(nil, next)
}

// stream writes what does not fit the buffer. After the first byte an error can only break the
// connection off: an answer that ends well is complete.
func (s *Server) stream(k *call, coding string, b *[]byte, runs *runs) error {
	defer func() { s.pools.release(b) }()
	out := s.encoder(k, coding)
	defer out.release()
	s.head(k, http.StatusOK)
	if k.r.Method == http.MethodHead {
		return nil
	}
	for done := false; ; {
		k.limits.writing(len(*b))
		err := k.gather(done, func() error {
			_, err := out.Write(*b)
			s.pools.release(b)
			b = nil
			if err == nil && done {
				err = out.finish()
			}
			return err
		})
		if err != nil {
			return s.broken(k, "writing a page", err)
		}
		if done {
			return nil
		}
		if b, done, err = s.fill(runs, func(b []byte) []byte { return b }); err != nil {
			return s.broken(k, "reading a page", err)
		}
		if done {
			*b = taxii.AppendTail(*b)
		}
	}
}

// runs joins the runs of a page with commas.
type runs struct {
	next    func([]byte) ([]byte, error)
	started bool // something was written: a comma comes before what follows
}

// fill gives a buffer with what head puts into it and runs behind that, which is the caller's.
func (s *Server) fill(r *runs, head func([]byte) []byte) (b *[]byte, done bool, err error) {
	s.pools.begin()
	defer s.pools.end()
	b = s.pools.buffer()
	*b = head(*b)
	done, err = r.fill(b)
	return b, done, err
}

// fill appends runs until the buffer is full enough to be written, or until done.
func (r *runs) fill(b *[]byte) (done bool, err error) {
	for len(*b) < pageSize {
		before := len(*b)
		if r.started {
			*b = append(*b, ',')
		}
		start := len(*b)
		*b, err = r.next(*b)
		switch {
		case errors.Is(err, io.EOF):
			*b = (*b)[:before]
			return true, nil
		case err != nil:
			return false, err
		case len(*b) == start: // its objects were deleted meanwhile
			*b = (*b)[:before]
		default:
			r.started = true
		}
	}
	return false, nil
}
