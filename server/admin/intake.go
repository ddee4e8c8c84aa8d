package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// ObjectRoute is one object version, and why it went where it is.
type ObjectRoute struct {
	ID        stix.ID              `json:"id"`
	Version   string               `json:"version"`
	Added     time.Time            `json:"added"`
	Publisher auth.PartnerID       `json:"publisher"`
	Level     stix.Level           `json:"level"`
	In        []string             `json:"in"`      // aliases of collections
	Reasons   []collections.Reason `json:"reasons"` // none: it was published there
}

// intakeRoutes are those of what is published to an intake.
func (a *API) intakeRoutes() []route {
	return []route{
		{"GET", "/operations/{operation}/routes", []string{"id"}, a.showRoutes, "Why the versions of an object went where they are", nil, list[ObjectRoute]{}, 0},
		{"POST", "/operations/{operation}/preview", []string{"partner", "collection", "countries", "partners", "confirm"}, a.preview,
			"What would become of a bundle or envelope if a partner published it, to the intake unless a collection is named", mediaJSON, collections.Preview{}, 0},
	}
}

func (a *API) showRoutes(r request) (any, error) {
	id := r.URL.Query().Get("id")
	if id == "" {
		return nil, fmt.Errorf("%w: parameter id is missing: name an object", auth.ErrInvalid)
	}
	found, err := a.o.Desk.Routes(r.Context(), r.p, r.operation(), stix.ID(id))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: no version of this object is in a collection of %s", auth.ErrNotFound, r.operation())
	}
	st := a.o.Registry.State()
	all := list[ObjectRoute]{Items: []ObjectRoute{}}
	for _, f := range found {
		o := ObjectRoute{
			ID: f.ID, Version: f.Version.Text, Added: f.Added.Time(), Publisher: f.Publisher, Level: f.Level,
			In: []string{}, Reasons: []collections.Reason{},
		}
		for _, c := range f.In {
			o.In = append(o.In, st.Collections[c].Alias)
		}
		o.Reasons = append(o.Reasons, f.Why...)
		all.Items = append(all.Items, o)
	}
	return all, nil
}

// preview is what a partner asks at POST …/preview, for the operator.
func (a *API) preview(r request) (any, error) {
	q := r.URL.Query()
	if q.Get("partner") == "" {
		return nil, fmt.Errorf("%w: parameter partner is missing: whose publication is it?", auth.ErrInvalid)
	}
	name := q.Get("collection")
	if name == "" {
		name = collections.IntakeAlias
	}
	c, ok := a.o.Registry.State().Find(r.operation(), strings.ToLower(name))
	if !ok {
		return nil, fmt.Errorf("%w: collection %q of %s", auth.ErrNotFound, name, r.operation())
	}
	var w collections.Wishes
	var err error
	if w.Countries, err = collections.ParseCountries(q.Get("countries")); err != nil {
		return nil, err
	}
	if q.Has("partners") {
		if w.Partners, err = collections.ParsePartners(q.Get("partners")); err != nil {
			return nil, err
		}
	}
	if q.Has("confirm") {
		if w.Lower = q.Get("confirm") == collections.ConfirmLower; !w.Lower {
			return nil, fmt.Errorf("%w: parameter confirm: want %s", auth.ErrInvalid, collections.ConfirmLower)
		}
	}
	v, err := a.o.Desk.PreviewAs(r.Context(), r.p, auth.PartnerID(q.Get("partner")), c.Place(), r.Body, w)
	if e, ok := errors.AsType[*stix.BodyError](err); ok {
		return nil, fmt.Errorf("%w: body: %w", auth.ErrInvalid, e)
	}
	return v, err
}

// Routes tells why the versions of an object went where they are.
func (c *Client) Routes(ctx context.Context, op auth.OperationID, id stix.ID) ([]ObjectRoute, error) {
	return all[ObjectRoute](ctx, c, path("operations", op, "routes")+"?"+url.Values{"id": {string(id)}}.Encode())
}

// Preview tells what would become of a bundle or envelope if the partner published it to the intake.
func (c *Client) Preview(ctx context.Context, op auth.OperationID, partner auth.PartnerID, countries []string, body any) (collections.Preview, error) {
	q := url.Values{"partner": {string(partner)}}
	if len(countries) > 0 {
		q.Set("countries", strings.Join(countries, ","))
	}
	return call[collections.Preview](ctx, c, http.MethodPost, path("operations", op, "preview")+"?"+q.Encode(), body)
}
