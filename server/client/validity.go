package client

import (
	"context"
	"fmt"
	"net/url"

	"liaison/server/taxii"
)

// What a gateway of this project answers beside TAXII; other servers say that it is not there.

// maxBeside bounds the pages of one list, so that a server cannot make it endless.
const maxBeside = 100_000

// Lapses gives each what is out of date or revoked in a collection since a time of TAXII's form, "" for
// all. again is the since for the next time.
func (c *Client) Lapses(ctx context.Context, root Root, k taxii.Collection, since string, each func(taxii.Lapse)) (again string, err error) {
	q := url.Values{}
	if since != "" {
		q.Set("since", since)
	}
	for range maxBeside {
		var page taxii.Lapses
		if err := c.beside(ctx, under(root.URL, "collections", k.ID, "validity"), q, &page); err != nil {
			return "", err
		}
		for _, l := range page.Objects {
			each(l)
		}
		if !page.More {
			return page.Again, nil
		}
		if page.Next == "" || page.Next == q.Get("next") {
			break
		}
		q = url.Values{"next": {page.Next}}
	}
	return "", endless(k)
}

func endless(k taxii.Collection) error {
	return fmt.Errorf("%w: collection %s: the server says more and does not go on", ErrNotTAXII, Name(k))
}

// Validity says until when an object of a collection is valid.
func (c *Client) Validity(ctx context.Context, root Root, k taxii.Collection, id string) (taxii.Lapse, error) {
	var page taxii.Lapses
	if err := c.beside(ctx, under(root.URL, "collections", k.ID, "validity"), url.Values{"id": {id}}, &page); err != nil {
		return taxii.Lapse{}, err
	}
	if len(page.Objects) != 1 {
		return taxii.Lapse{}, fmt.Errorf("%w: %d objects for one id", ErrNotTAXII, len(page.Objects))
	}
	return page.Objects[0], nil
}

// Reported says of values by how many partners they are reported, in their order.
func (c *Client) Reported(ctx context.Context, root Root, values []string) (taxii.Reports, error) {
	var out taxii.Reports
	const atOnce = 20 // so that a long URL does not become longer than servers take
	for len(values) > 0 {
		now := values[:min(atOnce, len(values))]
		values = values[len(now):]
		var page taxii.Reports
		if err := c.beside(ctx, under(root.URL, "reported"), url.Values{"value": now}, &page); err != nil {
			return out, err
		}
		if len(page.Values) != len(now) {
			return out, fmt.Errorf("%w: %d counts of %d values", ErrNotTAXII, len(page.Values), len(now))
		}
		out.Values = append(out.Values, page.Values...)
	}
	return out, nil
}

// Common lists the values of a collection that two or more partners report.
func (c *Client) Common(ctx context.Context, root Root, k taxii.Collection) (taxii.Reports, error) {
	var out taxii.Reports
	q := url.Values{}
	for range maxBeside {
		var page taxii.Reports
		if err := c.beside(ctx, under(root.URL, "collections", k.ID, "reported"), q, &page); err != nil {
			return out, err
		}
		out.Values = append(out.Values, page.Values...)
		if !page.More {
			return out, nil
		}
		if page.Next == "" || page.Next == q.Get("next") {
			break
		}
		q.Set("next", page.Next)
	}
	return out, endless(k)
}

func (c *Client) beside(ctx context.Context, at string, q url.Values, v any) error {
	if len(q) > 0 {
		at += "?" + q.Encode()
	}
	return c.resource(ctx, at, v)
}
