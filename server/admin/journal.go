package admin

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"liaison/auth"
	"liaison/collections"
)

const mediaLines = "application/x-ndjson"

// ErrJournal: the journal does not verify.
var ErrJournal = errors.New("the journal does not verify")

// listJournal streams lines as they are hashed, one a line. That it was asked for stands in the
// journal's spool before the first byte goes out, like every read.
func (a *API) listJournal(r request) (any, error) {
	from, err := number(r, "from", 0)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", math.MaxInt64)
	if err != nil {
		return nil, err
	}
	a.drain(r)
	if err := a.o.Store.Served(r.Context(), a.journalRead(r, from, limit)); err != nil {
		return nil, err
	}
	out := &stream{w: r.w, media: mediaLines}
	for e, err := range a.o.Store.Journal(r.Context(), from) {
		if limit == 0 {
			break
		}
		limit--
		if err == nil {
			_, err = out.Write(append(e.Raw[:len(e.Raw):len(e.Raw)], '\n'))
		}
		if err != nil {
			return nil, a.broken(r, out, fault(err))
		}
	}
	_, err = out.Write(nil)
	return nil, err
}

// drain brings what was served just now into the journal. Where the store takes nothing, what it holds
// is shown nevertheless.
func (a *API) drain(r request) {
	if err := a.o.Store.Sweep(r.Context(), a.o.Now()); err != nil {
		a.o.Log.Warn("draining served lines into the journal", "error", err)
	}
}

func (a *API) journalRead(r request, from, limit int64) auth.Line {
	what := struct {
		From    int64  `json:"from"`
		Limit   *int64 `json:"limit,omitempty"` // nil: to the end
		Address string `json:"address,omitempty"`
	}{From: from}
	if limit != math.MaxInt64 {
		what.Limit = &limit
	}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil { // the socket has none
		what.Address = at.Addr().Unmap().WithZone("").String()
	}
	return auth.NewLine(a.o.Now(), r.actor, "read.journal", what)
}

func number(r request, name string, absent int64) (int64, error) {
	q := r.URL.Query()
	if !q.Has(name) {
		return absent, nil
	}
	n, err := strconv.ParseInt(q.Get(name), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: parameter %s %q: want a number from 0 on", auth.ErrInvalid, name, q.Get(name))
	}
	return n, nil
}

func (a *API) verifyJournal(r request) (any, error) {
	if err := decode(r, &struct{}{}); err != nil {
		return nil, err
	}
	a.drain(r)
	c, err := a.o.Store.VerifyJournal(r.Context())
	if err = fault(err); errors.Is(err, ErrJournal) {
		a.o.Log.Error("journal", "error", err)
	}
	if err != nil {
		return nil, err
	}
	return Verified{Lines: c.Size, Root: c.Root, Note: c.Note}, nil
}

// fault makes an ErrJournal of a journal that does not hold.
func fault(err error) error {
	f, bad := errors.AsType[*collections.JournalFault](err)
	switch {
	case !bad:
		return err
	case f.Seq < 0:
		return fmt.Errorf("%w: the signed checkpoint: %s", ErrJournal, f.What)
	}
	return fmt.Errorf("%w: line %d: %s", ErrJournal, f.Seq, f.What)
}

// broken ends an answer that has begun and cannot be completed: the connection breaks off, so that
// what arrived cannot be taken for the whole. Before the first byte the error is an answer.
func (a *API) broken(r request, out *stream, err error) error {
	if !out.begun {
		return err
	}
	if r.Context().Err() == nil {
		a.o.Log.Error("operator's request broke off", "path", r.URL.Path, "error", err)
	}
	panic(http.ErrAbortHandler)
}

// stream is an answer of any length. A reader that takes nothing for stallTime is given up.
type stream struct {
	w     http.ResponseWriter
	media string
	begun bool
}

var _ io.Writer = (*stream)(nil)

func (s *stream) Write(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", s.media)
		s.w.WriteHeader(http.StatusOK)
	}
	http.NewResponseController(s.w).SetWriteDeadline(time.Now().Add(stallTime)) // not all transports have one
	return s.w.Write(b)
}
