package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/taxii"
	"liaison/stix"
)

// ObjectValidity is one version of an object that goes out of date or is revoked. ValidUntil is as the
// publisher stated it, or of the operator's table, which stands beside the object and not in it.
type ObjectValidity struct {
	ID          stix.ID        `json:"id"`
	Version     string         `json:"version"`
	Added       string         `json:"date_added"`
	Publisher   auth.PartnerID `json:"publisher"`
	Level       stix.Level     `json:"level"`
	Collections []string       `json:"collections"` // aliases, where they have one
	ValidUntil  *time.Time     `json:"valid_until,omitempty"`
	Which       string         `json:"valid_until_is,omitempty"` // stated or default
	Revoked     bool           `json:"revoked"`
}

func (a *API) objectValidity(r request) (any, error) {
	id, ok := taxii.ObjectID(r.URL.Query().Get("of"))
	if !ok {
		return nil, fmt.Errorf("%w: parameter of: want the id of an object", auth.ErrInvalid)
	}
	versions, err := a.o.Desk.Gists(r.Context(), r.p, r.operation(), id)
	if err != nil {
		return nil, err
	}
	st := a.o.Registry.State()
	all := list[ObjectValidity]{Items: []ObjectValidity{}}
	for _, g := range versions {
		o := ObjectValidity{
			ID: g.ID, Version: g.Version.Text, Added: g.Added.String(), Publisher: g.Publisher, Level: g.Level,
			Collections: []string{}, Revoked: g.Revoked,
		}
		if !g.Until.IsZero() {
			o.ValidUntil, o.Which = &g.Until, taxii.UntilDefault
			if g.Stated {
				o.Which = taxii.UntilStated
			}
		}
		for _, c := range g.In {
			o.Collections = append(o.Collections, cmp.Or(st.Collections[c].Alias, string(c)))
		}
		all.Items = append(all.Items, o)
	}
	return all, nil
}

// collectionPlace finds the collection of the path by its alias or id.
func (a *API) collectionPlace(r request) (collections.Place, error) {
	op, name := r.operation(), r.PathValue("collection")
	c, ok := a.o.Registry.State().Find(op, strings.ToLower(name))
	if !ok {
		return collections.Place{}, fmt.Errorf("%w: collection %.60q of operation %s", auth.ErrNotFound, name, op)
	}
	return c.Place(), nil
}

func (a *API) beside(r request, known ...string) (taxii.Beside, collections.Place, error) {
	at, err := a.collectionPlace(r)
	if err != nil {
		return taxii.Beside{}, at, err
	}
	q, err := taxii.ParseBeside(r.URL.RawQuery, known...)
	if err != nil {
		err = fmt.Errorf("%w: %w", auth.ErrInvalid, err)
	}
	return q, at, err
}

func (a *API) lapses(r request) (any, error) {
	q, at, err := a.beside(r, "since", "limit", "next")
	if err != nil {
		return nil, err
	}
	page, err := a.o.Desk.Lapsed(r.Context(), r.p, at, q.Lapses)
	if err != nil {
		return nil, err
	}
	return taxii.NewLapses(page), nil
}

func (a *API) common(r request) (any, error) {
	q, at, err := a.beside(r, "limit", "next")
	if err != nil {
		return nil, err
	}
	page, err := a.o.Desk.Common(r.Context(), r.p, at, q.After, q.Limit)
	if err != nil {
		return nil, err
	}
	return taxii.NewReports(page), nil
}

func (a *API) reported(r request) (any, error) {
	values, err := a.o.Desk.Reports(r.Context(), r.p, r.operation(), []string{r.URL.Query().Get("value")})
	if err != nil {
		return nil, err
	}
	return values[0], nil
}

// validityRoutes are the routes of what is read from objects after their commit.
func (a *API) validityRoutes() []route {
	const at, in = "/operations/{operation}", "/operations/{operation}/collections/{collection}"
	return []route{
		{http.MethodGet, at + "/validity", []string{"of"}, a.objectValidity, "Until when the versions of an object are valid, and who says so", nil, list[ObjectValidity]{}, 0},
		{http.MethodGet, in + "/validity", []string{"since", "limit", "next"}, a.lapses, "List what is out of date or revoked in a collection", nil, taxii.Lapses{}, 0},
		{http.MethodGet, at + "/reported", []string{"value"}, a.reported, "Say by how many partners a value is reported", nil, collections.Reported{}, 0},
		{http.MethodGet, in + "/reported", []string{"limit", "next"}, a.common, "List the values of a collection that two or more partners report", nil, taxii.Reports{}, 0},
	}
}

// ObjectValidity says until when the versions of an object are valid.
func (c *Client) ObjectValidity(ctx context.Context, op auth.OperationID, id string) ([]ObjectValidity, error) {
	return all[ObjectValidity](ctx, c, path("operations", op, "validity")+"?"+url.Values{"of": {id}}.Encode())
}

// Lapses gives each what is out of date or revoked in a collection since a time, "" for all.
func (c *Client) Lapses(ctx context.Context, op auth.OperationID, collection, since string, each func(taxii.Lapse)) (again string, err error) {
	q := url.Values{}
	if since != "" {
		q.Set("since", since)
	}
	for {
		page, err := call[taxii.Lapses](ctx, c, http.MethodGet, path("operations", op, "collections", collection, "validity")+"?"+q.Encode(), nil)
		if err != nil {
			return "", err
		}
		for _, l := range page.Objects {
			each(l)
		}
		if !page.More {
			return page.Again, nil
		}
		q = url.Values{"next": {page.Next}}
	}
}

// Reported says by how many partners a value is reported.
func (c *Client) Reported(ctx context.Context, op auth.OperationID, value string) (collections.Reported, error) {
	return call[collections.Reported](ctx, c, http.MethodGet, path("operations", op, "reported")+"?"+url.Values{"value": {value}}.Encode(), nil)
}

// Common lists the values of a collection that two or more partners report.
func (c *Client) Common(ctx context.Context, op auth.OperationID, collection string) (list []collections.Reported, err error) {
	q := url.Values{}
	for {
		page, err := call[taxii.Reports](ctx, c, http.MethodGet, path("operations", op, "collections", collection, "reported")+"?"+q.Encode(), nil)
		if err != nil {
			return nil, err
		}
		if list = append(list, page.Values...); !page.More {
			return list, nil
		}
		q.Set("next", page.Next)
	}
}
