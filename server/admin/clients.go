package admin

import (
	"cmp"
	"fmt"
	"slices"

	"liaison/auth"
	"liaison/collections"
)

// listClients gives the clients of one partner, or of all.
func (a *API) listClients(r request) (any, error) {
	st := a.o.Registry.State()
	partner := auth.PartnerID(r.URL.Query().Get("partner"))
	if r.URL.Query().Has("partner") {
		if _, err := a.findPartner(partner); err != nil {
			return nil, err
		}
	}
	all := list[Holder]{Items: []Holder{}}
	for _, c := range st.Access.Clients {
		if partner == "" || c.Partner == partner {
			all.Items = append(all.Items, a.holder(c))
		}
	}
	sortHolders(all.Items)
	return all, nil
}

func (a *API) holder(c auth.Client) Holder {
	out := Holder{
		ID: c.ID, Partner: c.Partner, Created: c.Created, Revoked: c.Revoked, Onward: c.Onward,
		Secrets: []Secret{}, Certificates: []Certificate{}, Keys: []Key{},
	}
	for _, s := range c.Secrets {
		out.Secrets = append(out.Secrets, Secret{ID: s.ID, Created: s.Created, Expires: s.Expires, LastUsed: a.o.Uses.Last(s.ID)})
	}
	for _, s := range c.Certificates {
		out.Certificates = append(out.Certificates, Certificate{s, a.o.Uses.Last(s.Serial)})
	}
	for _, k := range c.Keys {
		out.Keys = append(out.Keys, Key{ID: k.ID, Created: k.Created, LastUsed: a.o.Uses.Last(k.ID)})
	}
	return out
}

func (a *API) setClient(r request) (any, error) {
	id := auth.ClientID(r.PathValue("client"))
	var in ClientSetting
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Onward == nil {
		return nil, fmt.Errorf("%w: onward: say true or false", auth.ErrInvalid)
	}
	change := auth.SetClient{ID: id, Onward: *in.Onward}
	if err := a.o.Registry.Apply(r.Context(), r.actor, collections.Access(change)); err != nil {
		return nil, err
	}
	return a.holder(a.o.Registry.State().Access.Clients[id]), nil
}

func (a *API) revokeClient(r request) (any, error) {
	id := auth.ClientID(r.PathValue("client"))
	var in Revocation
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	var change auth.Change = auth.RevokeClient{ID: id}
	named := 0
	for _, s := range []string{in.Secret, in.Certificate, in.Key} {
		if s != "" {
			named++
		}
	}
	switch {
	case named > 1:
		return nil, fmt.Errorf("%w: secret, certificate and key: name one of them, or none for everything", auth.ErrInvalid)
	case in.Key != "":
		change = auth.RevokeKey{Client: id, ID: in.Key}
	case in.Secret != "":
		change = auth.RevokeSecret{Client: id, ID: in.Secret}
	case in.Certificate != "":
		change = auth.RevokeCertificate{Client: id, Serial: in.Certificate}
	}
	if err := a.o.Registry.Apply(r.Context(), r.actor, collections.Access(change)); err != nil {
		return nil, err
	}
	return a.holder(a.o.Registry.State().Access.Clients[id]), nil
}

// revokeClients revokes all clients of a partner in one act: after a breach.
func (a *API) revokeClients(r request) (any, error) {
	id := auth.PartnerID(r.PathValue("partner"))
	if err := decode(r, &struct{}{}); err != nil {
		return nil, err
	}
	if _, err := a.findPartner(id); err != nil {
		return nil, err
	}
	var changes []collections.Change
	var gone []auth.ClientID
	for _, c := range a.o.Registry.State().Access.Clients {
		if c.Partner == id && c.Revoked.IsZero() {
			changes = append(changes, collections.Access(auth.RevokeClient{ID: c.ID}))
			gone = append(gone, c.ID)
		}
	}
	if len(changes) == 0 {
		return nil, fmt.Errorf("%w: partner %q has no client that is live", auth.ErrConflict, id)
	}
	if err := a.o.Registry.Apply(r.Context(), r.actor, changes...); err != nil {
		return nil, err
	}
	all := list[Holder]{}
	for _, k := range gone {
		all.Items = append(all.Items, a.holder(a.o.Registry.State().Access.Clients[k]))
	}
	sortHolders(all.Items)
	return all, nil
}

// sortHolders orders by partner, and a partner's clients by their number.
func sortHolders(all []Holder) {
	slices.SortFunc(all, func(x, y Holder) int {
		return cmp.Or(cmp.Compare(x.Partner, y.Partner), cmp.Compare(len(x.ID), len(y.ID)), cmp.Compare(x.ID, y.ID))
	})
}
