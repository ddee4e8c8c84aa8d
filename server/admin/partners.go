package admin

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"liaison/auth"
	"liaison/collections"
)

func (a *API) listPartners(request) (any, error) {
	st := a.o.Registry.State()
	all := list[Partner]{Items: []Partner{}}
	for _, p := range st.Access.Partners {
		all.Items = append(all.Items, a.partner(st, p))
	}
	byID(all.Items, func(p Partner) auth.PartnerID { return p.ID })
	return all, nil
}

func (a *API) createPartner(r request) (any, error) {
	var in NewPartner
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	clearance, err := level(in.Clearance)
	if err != nil {
		return nil, fmt.Errorf("%w: clearance: %w", auth.ErrInvalid, err)
	}
	marking, err := level(in.DefaultMarking)
	if err != nil {
		return nil, fmt.Errorf("%w: default_marking: %w", auth.ErrInvalid, err)
	}
	chosen, err := countriesOf(a.o.Registry.State(), in.Operation, in.Countries, in.Role)
	if err != nil {
		return nil, err
	}
	changes := []collections.Change{collections.Access(auth.CreatePartner{
		ID: in.ID, Role: in.Role, Name: in.Name, Clearance: clearance, DefaultMarking: marking,
	})}
	for _, c := range chosen {
		changes = append(changes, grant(in.ID, c, usual(in.Role, c)))
	}
	if err := a.o.Registry.Apply(r.Context(), r.actor, changes...); err != nil {
		return nil, err
	}
	p, err := a.findPartner(in.ID)
	return created{p}, err
}

// usual gives the rights that partners of a role have in their collections; nobody reads an intake.
func usual(role auth.Role, c collections.Collection) auth.Rights {
	return auth.Rights{Read: !c.Intake, Write: role == auth.Vendor}
}

func grant(p auth.PartnerID, c collections.Collection, rights auth.Rights) collections.Change {
	return collections.Access(auth.SetGrant{Grant: auth.Grant{
		Partner: p, Operation: c.Operation, Collection: c.ID, Rights: rights,
	}})
}

func (a *API) showPartner(r request) (any, error) {
	return a.findPartner(auth.PartnerID(r.PathValue("partner")))
}

func (a *API) setPartner(r request) (any, error) {
	id := auth.PartnerID(r.PathValue("partner"))
	var in PartnerChange
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	before, err := a.findPartner(id)
	if err != nil {
		return nil, err
	}
	set, err := in.set(id)
	if err == nil {
		err = a.knownLists(before, in.Exempt)
	}
	if err != nil {
		return nil, err
	}
	changes, err := a.countries(before, in.Operation, in.Countries)
	if err != nil {
		return nil, err
	}
	if in.Operation == "" || set != (auth.SetPartner{ID: id}) {
		changes = append(changes, collections.Access(set))
	}
	return a.change(r, before, changes)
}

// set gives what the change is besides countries.
func (in PartnerChange) set(id auth.PartnerID) (auth.SetPartner, error) {
	set := auth.SetPartner{ID: id, Name: in.Name, RequireCertificate: in.RequireCertificate, RequireAgreement: in.RequireAgreement, Compatibility: in.Compatibility}
	set.SetPublishing = auth.SetPublishing{Hold: in.Hold, Exempt: in.Exempt, Onward: in.Onward}
	if in.Attribution != nil {
		a, err := auth.ParseAttribution(*in.Attribution)
		if err != nil {
			return set, err
		}
		set.Attribution = &a
	}
	if in.Clearance != nil {
		l, err := level(*in.Clearance)
		if err != nil {
			return set, fmt.Errorf("%w: clearance: %w", auth.ErrInvalid, err)
		}
		set.Clearance = &l
	}
	if in.DefaultMarking != nil {
		l, err := level(*in.DefaultMarking)
		if err != nil {
			return set, fmt.Errorf("%w: default_marking: %w", auth.ErrInvalid, err)
		}
		set.DefaultMarking = &l
	}
	if in.Networks != nil {
		nets := []netip.Prefix{}
		for _, text := range *in.Networks {
			n, err := auth.ParseNetwork(text)
			if err != nil {
				return set, err
			}
			nets = append(nets, n)
		}
		set.Networks = &nets
	}
	var err error
	set.Agreement, err = in.agreement()
	return set, err
}

// agreement gives the agreement that is set: nil for none given, the zero value to take it away.
func (in PartnerChange) agreement() (*auth.Agreement, error) {
	switch {
	case in.Agreement == nil && in.AgreementUntil == nil:
		return nil, nil
	case in.Agreement != nil && *in.Agreement == "" && in.AgreementUntil == nil:
		return &auth.Agreement{}, nil
	case in.Agreement == nil || in.AgreementUntil == nil:
		return nil, fmt.Errorf("%w: agreement and agreement_until go together", auth.ErrInvalid)
	}
	until, err := time.Parse(time.RFC3339, *in.AgreementUntil)
	if day, e := time.Parse(time.DateOnly, *in.AgreementUntil); e == nil {
		until, err = day.AddDate(0, 0, 1), nil // the day itself counts
	}
	if err != nil {
		return nil, fmt.Errorf("%w: agreement_until %.40q: want a day like 2026-12-31", auth.ErrInvalid, *in.AgreementUntil)
	}
	return &auth.Agreement{Reference: *in.Agreement, Until: until.UTC()}, nil
}

// countries gives the changes after which the partner has the named collections of an operation, with
// the rights that it had or the usual ones, and no others.
func (a *API) countries(p Partner, op auth.OperationID, codes []string) ([]collections.Change, error) {
	chosen, err := countriesOf(a.o.Registry.State(), op, codes, p.Role)
	if err != nil {
		return nil, err
	}
	var changes []collections.Change
	for _, c := range chosen {
		if !slices.ContainsFunc(p.Grants, func(g Grant) bool { return g.Collection == c.ID }) {
			changes = append(changes, grant(p.ID, c, usual(p.Role, c)))
		}
	}
	for _, g := range p.Grants {
		if g.Operation != op || slices.ContainsFunc(chosen, func(c collections.Collection) bool { return c.ID == g.Collection }) {
			continue
		}
		changes = append(changes, collections.Access(auth.DropGrant{Partner: p.ID, Collection: g.Collection}))
	}
	return changes, nil
}

func (a *API) setGrant(r request) (any, error) {
	id, op := auth.PartnerID(r.PathValue("partner")), auth.OperationID(r.PathValue("operation"))
	var rights auth.Rights
	if err := decode(r, &rights); err != nil {
		return nil, err
	}
	before, err := a.findPartner(id)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(a.o.Registry.State(), op, []string{r.PathValue("collection")})
	if err != nil {
		return nil, err
	}
	var changes []collections.Change
	for _, c := range chosen {
		changes = append(changes, grant(id, c, rights))
	}
	return a.change(r, before, changes)
}

// change applies changes to a partner and tells what came of it. No changes are none: what is asked
// for is so already.
func (a *API) change(r request, before Partner, changes []collections.Change) (any, error) {
	if len(changes) > 0 {
		if err := a.o.Registry.Apply(r.Context(), r.actor, changes...); err != nil {
			return nil, err
		}
	}
	after, err := a.findPartner(before.ID)
	if err != nil {
		return nil, err
	}
	return Changed{Partner: after, Widened: widened(before, after)}, nil
}

func widened(before, after Partner) bool {
	if after.Clearance > before.Clearance {
		return true
	}
	return slices.ContainsFunc(after.Grants, func(g Grant) bool {
		return g.Read && !slices.ContainsFunc(before.Grants, func(h Grant) bool {
			return h.Collection == g.Collection && h.Read
		})
	})
}

func (a *API) suspendPartner(r request) (any, error) {
	id := auth.PartnerID(r.PathValue("partner"))
	return a.one(r, id, auth.SuspendPartner{ID: id})
}

func (a *API) resumePartner(r request) (any, error) {
	id := auth.PartnerID(r.PathValue("partner"))
	return a.one(r, id, auth.ResumePartner{ID: id})
}

func (a *API) removePartner(r request) (any, error) {
	id := auth.PartnerID(r.PathValue("partner"))
	return a.one(r, id, auth.RemovePartner{ID: id})
}

func (a *API) resyncPartner(r request) (any, error) {
	id := auth.PartnerID(r.PathValue("partner"))
	return a.one(r, id, auth.ResyncPartner{ID: id})
}

// one makes one change of auth's that takes no body, and gives the partner after it.
func (a *API) one(r request, id auth.PartnerID, c auth.Change) (any, error) {
	if err := decode(r, &struct{}{}); err != nil {
		return nil, err
	}
	if err := a.o.Registry.Apply(r.Context(), r.actor, collections.Access(c)); err != nil {
		return nil, err
	}
	return a.findPartner(id)
}

func (a *API) invitePartner(r request) (any, error) {
	var in NewInvitation
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	ttl := defaultTTL
	if in.TTL != "" {
		var err error
		if ttl, err = time.ParseDuration(in.TTL); err != nil {
			return nil, fmt.Errorf("%w: ttl %q: want a duration like 24h", auth.ErrInvalid, in.TTL)
		}
	}
	id, token := auth.PartnerID(r.PathValue("partner")), auth.NewInvitation()
	err := a.o.Registry.Apply(r.Context(), r.actor, collections.Access(auth.Invite{Partner: id, Token: token, TTL: ttl}))
	if err != nil {
		return nil, err
	}
	v, _, err := a.o.Registry.State().Access.Invitation(token, a.o.Now())
	if err != nil {
		return nil, err
	}
	return created{Invitation{URL: a.o.Invitation(token), Expires: v.Expires}}, nil
}

func (a *API) findPartner(id auth.PartnerID) (Partner, error) {
	st := a.o.Registry.State()
	p, ok := st.Access.Partners[id]
	if !ok {
		return Partner{}, fmt.Errorf("%w: partner %q: \"liaison partner list\" shows them", auth.ErrNotFound, id)
	}
	return a.partner(st, p), nil
}

func (a *API) partner(st *collections.State, p auth.Partner) Partner {
	out := Partner{Partner: p, Grants: []Grant{}}
	for _, g := range st.Access.Grants[p.ID] {
		c := st.Collections[g.Collection]
		out.Grants = append(out.Grants, Grant{
			Operation: g.Operation, Collection: g.Collection, Alias: c.Alias, Title: c.Title, Rights: g.Rights,
		})
	}
	slices.SortFunc(out.Grants, func(x, y Grant) int {
		return cmp.Or(cmp.Compare(x.Operation, y.Operation), cmp.Compare(x.Alias, y.Alias))
	})
	for _, c := range st.Access.Clients {
		if c.Partner == p.ID && c.Revoked.IsZero() {
			out.LiveClients++
		}
	}
	for _, v := range st.Access.Invitations {
		if v.Partner == p.ID && v.Used.IsZero() && a.o.Now().Before(v.Expires) {
			out.Invitations++
		}
	}
	return out
}
