package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/collections"
)

type (
	// GuardList is one list of the guard.
	GuardList struct {
		Name        string           `json:"name"`
		Version     string           `json:"version,omitempty"`
		Action      string           `json:"action"` // hold or block
		Entries     int              `json:"entries"`
		Description string           `json:"description,omitempty"`
		Exempt      []auth.PartnerID `json:"exempt"` // for whom it does not hold
	}
	// GuardHit is a list that a value is on.
	GuardHit struct {
		List   string `json:"list"`
		Action string `json:"action"`
		Text   string `json:"text"`
	}
)

func (a *API) guards() []collections.GuardList {
	if a.o.Desk == nil || a.o.Desk.Guard == nil {
		return nil
	}
	return a.o.Desk.Guard().Lists()
}

func (a *API) listGuards(request) (any, error) {
	all := list[GuardList]{Items: []GuardList{}}
	st := a.o.Registry.State()
	for _, l := range a.guards() {
		g := GuardList{Name: l.Name, Version: l.Version, Action: l.Action, Entries: l.Entries, Description: l.Description, Exempt: []auth.PartnerID{}}
		for id, p := range st.Access.Partners {
			if slices.Contains(p.Exempt, l.Name) && p.State != auth.Removed {
				g.Exempt = append(g.Exempt, id)
			}
		}
		slices.Sort(g.Exempt)
		all.Items = append(all.Items, g)
	}
	return all, nil
}

// maxGuarded bounds a value that is asked for, in bytes.
const maxGuarded = 8192

func (a *API) checkGuard(r request) (any, error) {
	value := r.URL.Query().Get("value")
	if value == "" || len(value) > maxGuarded {
		return nil, fmt.Errorf("%w: parameter value: want 1 to %d bytes", auth.ErrInvalid, maxGuarded)
	}
	all := list[GuardHit]{Items: []GuardHit{}}
	if a.guards() == nil {
		return all, nil
	}
	for _, h := range a.o.Desk.Guard().Value(value) {
		g := GuardHit{List: h.List, Action: "hold", Text: h.Text}
		if h.Block {
			g.Action = "block"
		}
		all.Items = append(all.Items, g)
	}
	return all, nil
}

// knownLists refuses exemptions from lists that are not there and were not before.
func (a *API) knownLists(before Partner, names *[]string) error {
	if names == nil {
		return nil
	}
	var known []string
	for _, l := range a.guards() {
		known = append(known, l.Name)
	}
	for _, n := range *names {
		if !slices.Contains(known, n) && !slices.Contains(before.Exempt, n) {
			return fmt.Errorf("%w: exempt: no guard list is called %.60q: there are %s", auth.ErrInvalid, n, strings.Join(known, ", "))
		}
	}
	return nil
}

// guardRoutes are the routes of what a collection takes and of what must not leave.
func (a *API) guardRoutes() []route {
	return []route{
		{http.MethodPatch, "/operations/{operation}/collections/{collection}", nil, a.setCollection, "Say up to which level a collection takes objects", CollectionChange{}, Operation{}, 0},
		{http.MethodGet, "/guards", nil, a.listGuards, "List what must not leave, and who is exempted", nil, list[GuardList]{}, 0},
		{http.MethodGet, "/guards/check", []string{"value"}, a.checkGuard, "Say which lists a value is on", nil, list[GuardHit]{}, 0},
	}
}

// Guards lists the lists of the guard.
func (c *Client) Guards(ctx context.Context) ([]GuardList, error) {
	return all[GuardList](ctx, c, "/guards")
}

// CheckGuard says which lists a value is on.
func (c *Client) CheckGuard(ctx context.Context, value string) ([]GuardHit, error) {
	return all[GuardHit](ctx, c, "/guards/check?"+url.Values{"value": {value}}.Encode())
}
