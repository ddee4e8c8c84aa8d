package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"liaison/server/taxii"
)

// Clock asks the server for nothing in particular and gives the time that it says it is, and when
// that was by this machine's clock. A server that does not say is a zero time.
func (c *Client) Clock(ctx context.Context) (server, here time.Time, err error) {
	before := c.o.Now()
	resp, err := c.do(ctx, call{method: http.MethodGet, url: slashed(cmp.Or(c.account.Discovery, c.account.APIRoot)), open: true})
	after := c.o.Now()
	here = before.Add(after.Sub(before) / 2)
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Date, here, nil // an answer all the same
	}
	if err != nil {
		return time.Time{}, here, err
	}
	resp.Body.Close()
	return dateOf(resp), here, nil
}

// Peek gets the first page of a collection, of at most limit objects, and says how many came and
// whether there are more.
func (c *Client) Peek(ctx context.Context, root Root, k taxii.Collection, limit int) (objects int, more bool, err error) {
	q := url.Values{"limit": {fmt.Sprint(limit)}}
	resp, err := c.do(ctx, call{method: http.MethodGet, url: under(root.URL, "collections", k.ID, "objects") + "?" + q.Encode()})
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	if err := checkType(resp, false); err != nil {
		return 0, false, err
	}
	pg, err := readPage(resp.Body, func([]byte) error { return nil })
	if err == nil && pg.objects > 0 && resp.Header.Get(taxii.HeaderLast) == "" {
		err = fmt.Errorf("%w: a page with objects came without %s", ErrNotTAXII, taxii.HeaderLast)
	}
	return pg.objects, pg.more, err
}
