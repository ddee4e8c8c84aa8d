package admin

import (
	"cmp"
	"errors"
	"fmt"

	"liaison/auth"
)

func (a *API) listKeys(request) (any, error) { return a.keys(), nil }

func (a *API) keys() Keys {
	k := Keys{Signing: a.o.Ring.Keys(), Server: a.o.Vault.Keys(a.o.Registry.State().Access)}
	for i, j := 0, len(k.Signing)-1; i < j; i, j = i+1, j-1 { // the newest first
		k.Signing[i], k.Signing[j] = k.Signing[j], k.Signing[i]
	}
	return k
}

// rotateKeys begins a rotation: a signing key is published for a while before it signs, a server key
// is used at once.
func (a *API) rotateKeys(r request) (any, error) {
	var in KeyRotation
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	kind := cmp.Or(in.Kind, SigningKeys)
	if kind != SigningKeys && kind != ServerKeys {
		return nil, fmt.Errorf("%w: kind %.40q: want %s or %s", auth.ErrInvalid, kind, SigningKeys, ServerKeys)
	}
	// The files of keys are not the store's: the line comes first, another one says when it failed.
	if err := a.o.Store.Apply(r.Context(), nil, []auth.Line{a.keyLine(r, "keys.rotate", kind, "")}, nil); err != nil {
		return nil, err
	}
	var err error
	if kind == SigningKeys {
		err = a.o.Ring.Rotate(a.o.Now())
	} else {
		_, err = a.o.Vault.Rotate(a.o.Now())
	}
	if err != nil {
		a.Tell(r.Context(), a.keyLine(r, "keys.failed", kind, ""))
		return nil, err
	}
	return a.keys(), nil
}

// revokeKey takes a key away before it is written that it is gone: in an emergency the door is shut
// first. The line is owed until the store takes it.
func (a *API) revokeKey(r request) (any, error) {
	if err := decode(r, &struct{}{}); err != nil {
		return nil, err
	}
	id, kind := r.PathValue("key"), SigningKeys
	err := a.o.Ring.Revoke(id, a.o.Now())
	if errors.Is(err, auth.ErrNotFound) {
		kind = ServerKeys
		err = a.o.Vault.Revoke(id, a.o.Now())
	}
	if errors.Is(err, auth.ErrNotFound) {
		return nil, fmt.Errorf("%w: key %.60q: \"liaison key list\" shows them", auth.ErrNotFound, id)
	}
	if err != nil {
		return nil, err
	}
	a.Tell(r.Context(), a.keyLine(r, "keys.revoke", kind, id))
	return a.keys(), nil
}

func (a *API) keyLine(r request, what, kind, id string) auth.Line {
	return auth.NewLine(a.o.Now(), r.actor, what, struct {
		Kind string `json:"kind"`
		Key  string `json:"key,omitempty"`
	}{kind, id})
}
