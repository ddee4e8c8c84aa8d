package admin

import (
	"fmt"

	"liaison/auth"
	"liaison/collections"
)

// maxFaults bounds the faults that an answer lists.
const maxFaults = 1000

// showStore tells what the store takes.
func (a *API) showStore(r request) (any, error) {
	if err := a.o.Store.Served(r.Context(), auth.NewLine(a.o.Now(), r.actor, "read.store", struct{}{})); err != nil {
		return nil, err
	}
	return a.o.Maintainer.Usage(r.Context())
}

// checkStore looks at everything that is stored.
func (a *API) checkStore(r request) (any, error) {
	if err := decode(r, &struct{}{}); err != nil {
		return nil, err
	}
	if err := a.o.Store.Served(r.Context(), auth.NewLine(a.o.Now(), r.actor, "read.store", struct{}{})); err != nil {
		return nil, err
	}
	a.drain(r)
	out := StoreChecked{Faults: []collections.Fault{}}
	var err error
	out.Checked, err = a.o.Maintainer.Check(r.Context(), func(f collections.Fault) {
		if len(out.Faults) < maxFaults {
			out.Faults = append(out.Faults, f)
		}
	})
	if err != nil {
		return nil, err
	}
	if n := out.Checked.Faults; n > 0 {
		a.o.Log.Error("the store has faults", "count", n, "first", fmt.Sprint(out.Faults[0]))
	}
	return out, nil
}

// compactStore joins small segments and gives free room back.
func (a *API) compactStore(r request) (any, error) {
	if err := decode(r, &struct{}{}); err != nil {
		return nil, err
	}
	if err := a.o.Store.Apply(r.Context(), nil, []auth.Line{auth.NewLine(a.o.Now(), r.actor, "store.compact", struct{}{})}, nil); err != nil {
		return nil, err
	}
	return a.o.Maintainer.Compact(r.Context())
}
