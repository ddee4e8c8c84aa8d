package collections

import (
	"context"

	"liaison/auth"
	"liaison/stix"
)

// Routes gives why the versions of an object went where they are, whoever published it. Operators alone;
// that it was looked at stands in the journal.
func (d *Desk) Routes(ctx context.Context, p auth.Principal, op auth.OperationID, id stix.ID) ([]Routed, error) {
	if _, err := d.operator(p, op); err != nil {
		return nil, err
	}
	list, err := d.Store.Routes(ctx, op, id)
	if err != nil {
		return nil, err
	}
	return list, d.served(ctx, p, "read.routes", struct {
		Operation auth.OperationID `json:"operation"`
		ID        stix.ID          `json:"id"`
		Count     int              `json:"count"`
		Address   string           `json:"address,omitempty"`
	}{op, id, len(list), p.Address})
}
