package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"liaison/server/taxii"
)

// collection pulls one collection to its present end.
func (p *Puller) collection(ctx context.Context, k taxii.Collection) error {
	pos, ok := p.state.Collections[k.ID]
	if !ok {
		pos = Position{After: p.state.Since}
	}
	pos.Name = Name(k)
	for {
		pg, last, err := p.page(ctx, k, &pos)
		if err != nil {
			return errors.Join(err, p.out.rollback())
		}
		was := pos
		pos, err = pos.advance(pg, last)
		if err != nil {
			return errors.Join(err, p.out.rollback())
		}
		if err := p.commit(k.ID, pos); err != nil {
			return err
		}
		if !pg.more {
			return nil
		}
		if pg.objects == 0 && pos.Next == was.Next && pos.After == was.After {
			return fmt.Errorf("%w: the server says more and goes on giving the same empty page", ErrNotTAXII)
		}
	}
}

// advance gives the position after a page. TAXII 2.1 section 3.5: with next, the same filters and
// that; without it, added_after moves to the last object's date.
func (q Position) advance(pg page, last string) (Position, error) {
	if last != "" {
		if _, err := addedTime(last); err != nil {
			return q, fmt.Errorf("%w: %s is %q, no timestamp", ErrNotTAXII, taxii.HeaderLast, clean(last))
		}
		q.Last = last
	} else if pg.objects > 0 {
		// "all 2xx": section 3.2. Without it nobody can tell where to go on.
		return q, fmt.Errorf("%w: a page with objects came without %s", ErrNotTAXII, taxii.HeaderLast)
	}
	q.Count += int64(pg.objects)
	switch {
	case pg.more && pg.next != "":
		q.Next = pg.next
	case pg.more:
		before, _ := addedTime(q.After)
		if now, err := addedTime(q.Last); err != nil || q.After != "" && !now.After(before) {
			return q, fmt.Errorf("%w: the server says more, gives no next, and its dates do not move on", ErrNotTAXII)
		}
		q.Next, q.After = "", q.Last
	default:
		q.Next = ""
		if q.Last != "" {
			q.After = q.Last
		}
	}
	return q, nil
}

// page fetches one page into the output, again until it comes whole. A cursor that the server does
// not know any more is left for the date of the last object that it gave.
func (p *Puller) page(ctx context.Context, k taxii.Collection, pos *Position) (page, string, error) {
	c := p.Client
	for n := 1; ; n++ {
		resp, err := c.do(ctx, call{method: http.MethodGet, url: p.address(k, *pos)})
		if e, ok := errors.AsType[*Error](err); ok && pos.Next != "" && cursorRefused(e.Status) {
			c.o.Notify(fmt.Sprintf("collection %s: the server does not take its cursor back (%v); going on after the last object", Name(k), e))
			pos.Next = ""
			if pos.Last != "" {
				pos.After = pos.Last
			}
			continue
		}
		if err != nil {
			return page{}, "", err
		}
		pg, err := p.read(resp)
		switch {
		case err == nil:
			return pg, resp.Header.Get(taxii.HeaderLast), nil
		case ctx.Err() != nil:
			return page{}, "", ctx.Err()
		case !interrupted(err) || c.spent(n):
			return page{}, "", err
		}
		if err := p.out.rollback(); err != nil {
			return page{}, "", err
		}
		if err := c.pause(ctx, n, 0, fmt.Errorf("collection %s: %w", Name(k), err)); err != nil {
			return page{}, "", err
		}
	}
}

func cursorRefused(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusGone || status == http.StatusUnprocessableEntity
}

func (p *Puller) address(k taxii.Collection, pos Position) string {
	q := url.Values{"limit": {strconv.Itoa(DefaultPage)}}
	if p.Page > 0 {
		q.Set("limit", strconv.Itoa(p.Page))
	}
	if pos.After != "" {
		q.Set("added_after", pos.After)
	}
	if pos.Next != "" {
		q.Set("next", pos.Next)
	}
	return under(p.Root.URL, "collections", k.ID, "objects") + "?" + q.Encode()
}

// writeError is a failure of the output, not of the server.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

// read takes a page from an answer and closes it.
func (p *Puller) read(resp *http.Response) (page, error) {
	defer resp.Body.Close()
	if err := checkType(resp, false); err != nil {
		return page{}, err
	}
	return readPage(resp.Body, func(raw []byte) error {
		if err := p.out.append(raw); err != nil {
			return &writeError{err}
		}
		return nil
	})
}

// interrupted reports whether a page broke off on its way.
func interrupted(err error) bool {
	if _, ok := errors.AsType[*writeError](err); ok {
		return false
	}
	return !errors.Is(err, ErrNotTAXII)
}
