package admin

import (
	"context"
	"fmt"
	"net/http"

	"liaison/auth"
	"liaison/collections"
)

// CollectionChange is the body of PATCH /operations/OPERATION/collections/COLLECTION.
type CollectionChange struct {
	Ceiling string `json:"ceiling"` // clear, green, amber, amber+strict, red; "": none
}

func (a *API) setCollection(r request) (any, error) {
	var in CollectionChange
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	l, err := level(in.Ceiling)
	if err != nil {
		return nil, fmt.Errorf("%w: ceiling: %w", auth.ErrInvalid, err)
	}
	chosen, err := choose(a.o.Registry.State(), r.operation(), []string{r.PathValue("collection")})
	if err != nil {
		return nil, err
	}
	var changes []collections.Change
	for _, c := range chosen {
		changes = append(changes, collections.SetCeiling{Operation: c.Operation, Collection: c.ID, Ceiling: l})
	}
	if err := a.o.Registry.Apply(r.Context(), r.actor, changes...); err != nil {
		return nil, err
	}
	return a.findOperation(r.operation())
}

// SetCeiling says up to which level a collection takes objects; "" is any.
func (c *Client) SetCeiling(ctx context.Context, op auth.OperationID, collection, ceiling string) (Operation, error) {
	return call[Operation](ctx, c, http.MethodPatch, path("operations", op, "collections", collection), CollectionChange{ceiling})
}
