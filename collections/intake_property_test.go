package collections_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// meant is an indicator as its publisher means it.
type meant struct {
	n         int
	by        int // number of the identity that made it; 0: none
	level     stix.Level
	countries []string // it lists itself; nil: none
}

func (m meant) json() string {
	more := marked(levelMarks()[m.level])
	if m.countries != nil {
		more += listed(m.countries...)
	}
	if m.by != 0 {
		more += `,"created_by_ref":"` + identityID(m.by) + `"`
	}
	return evil(m.n, more)
}

func levelMarks() map[stix.Level]string {
	return map[stix.Level]string{
		stix.Clear: tlpClear, stix.Green: tlpGreen, stix.Amber: tlpAmber,
		stix.AmberStrict: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
		stix.Red:         "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
	}
}

// rule is the policy once more, in as few words as it goes: who is in which country, and why.
type rule struct {
	writable map[auth.PartnerID][]string
	granted  map[auth.PartnerID][]string
	clear    map[auth.PartnerID]stix.Level
	in       map[string]map[string]bool // alias → ids
	level    map[string]stix.Level
	owner    map[string]auth.PartnerID
	author   map[string]auth.PartnerID // identities, by whom they were published
	wanted   map[string][]string       // by publisher and identity: where it is wanted
}

// published notes where a publication's objects go; it gives how many were taken.
func (r *rule) published(by auth.PartnerID, to string, list []meant, identities []int, all []string) (taken int) {
	put := func(id string, l stix.Level, alias string) {
		if r.in[alias] == nil {
			r.in[alias] = map[string]bool{}
		}
		r.in[alias][id], r.level[id], r.owner[id] = true, l, by
	}
	for _, n := range identities {
		r.author[identityID(n)] = by
		taken++
		if to != "intake" {
			put(identityID(n), stix.Green, to)
			continue
		}
		for _, a := range r.wanted[string(by)+identityID(n)] {
			put(identityID(n), stix.Green, a)
		}
	}
	for _, m := range list {
		var where []string
		switch {
		case to != "intake":
			where = []string{to}
		default:
			stated := m.countries
			if stated == nil {
				stated = all
			}
			for _, c := range stated {
				if a := strings.ToLower(c); slices.Contains(r.writable[by], a) {
					where = append(where, a)
				}
			}
			if len(stated) > 0 && slices.ContainsFunc(stated, func(c string) bool { return c != "FR" }) && len(where) == 0 {
				continue // it concerns countries of the operation that its publisher may not write
			}
		}
		taken++
		for _, a := range where {
			put(objectID("indicator", m.n), m.level, a)
			if who := identityID(m.by); to == "intake" && r.author[who] == by {
				put(who, stix.Green, a)
			} else if to == "intake" {
				r.wanted[string(by)+who] = append(r.wanted[string(by)+who], a)
			}
		}
	}
	return taken
}

// sees gives what a partner must be given in a collection.
func (r *rule) sees(p auth.PartnerID, alias string) (ids []string) {
	if !slices.Contains(r.granted[p], alias) {
		return nil
	}
	for id := range r.in[alias] {
		if r.owner[id] == p || r.level[id] != stix.Red && r.level[id] <= r.clear[p] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// TestEverybodyGetsItsDue plays random publications by random partners on all paths, and compares what
// everybody is given on every path with the rule, both ways; and each preview with what came of it.
func TestEverybodyGetsItsDue(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dice := rand.New(rand.NewPCG(seed, 7))
			h := newHouse(t)
			r := &rule{
				writable: map[auth.PartnerID][]string{}, granted: map[auth.PartnerID][]string{}, clear: map[auth.PartnerID]stix.Level{},
				in: map[string]map[string]bool{}, level: map[string]stix.Level{}, owner: map[string]auth.PartnerID{}, author: map[string]auth.PartnerID{}, wanted: map[string][]string{},
			}
			some := func(list ...string) (out []string) {
				for _, s := range list {
					if dice.IntN(2) == 0 {
						out = append(out, s)
					}
				}
				return out
			}
			people := map[auth.PartnerID]auth.Principal{}
			vendors := []auth.PartnerID{"acme", "zeta"}
			for _, id := range vendors {
				r.writable[id] = some("vn", "lk")
				r.granted[id] = r.writable[id]
				people[id] = h.vendor(id, append([]string{}, r.writable[id]...)...)
			}
			for i := range 4 {
				id := auth.PartnerID(fmt.Sprint("agency-", i))
				r.granted[id], r.clear[id] = some("vn", "lk"), stix.Level(1+dice.IntN(5))
				people[id] = h.partner(auth.CreatePartner{ID: id, Role: auth.Agency, Clearance: r.clear[id]}, auth.Rights{Read: true}, r.granted[id]...)
			}
			n := 0
			for range 15 {
				who := dice.IntN(len(vendors))
				by, to := vendors[who], "intake"
				if w := r.writable[by]; len(w) > 0 && dice.IntN(4) == 0 {
					to = w[dice.IntN(len(w))]
				}
				var list []meant
				var objects []string
				var identities []int
				if dice.IntN(3) == 0 {
					identities = append(identities, 1+who*10+dice.IntN(2))
					objects = append(objects, identity(identities[0], marked(tlpGreen)))
				}
				for range dice.IntN(4) {
					n++
					m := meant{n: n, by: dice.IntN(2) * (1 + who*10 + dice.IntN(2)), level: stix.Level(1 + dice.IntN(5))}
					if dice.IntN(3) > 0 {
						m.countries = some("VN", "LK", "FR")
					}
					list = append(list, m)
					objects = append(objects, m.json())
				}
				var all []string
				if to == "intake" && dice.IntN(3) == 0 {
					if all = some("VN", "LK"); len(all) == 0 {
						all = nil
					}
				}
				// A list for all holds for identities too.
				if all != nil {
					identities, objects = nil, objects[len(identities):]
				}
				if len(objects) == 0 {
					continue
				}
				w := collections.Wishes{Countries: all}
				v, err := h.desk.Preview(t.Context(), people[by], h.place(to), envelope(objects...), w)
				if err != nil {
					t.Fatal(err)
				}
				before := h.holdings(people[by], r.granted[by])
				s, err := h.desk.PublishWith(t.Context(), people[by], h.place(to), envelope(objects...), w)
				if err != nil {
					t.Fatal(err)
				}
				if taken := r.published(by, to, list, identities, all); s.Success != taken || s.Failure != len(objects)-taken {
					t.Errorf("%d taken, %d failed of %d; by the rule %d taken: %+v", s.Success, s.Failure, len(objects), taken, s)
				}
				if v.Accepted != s.Success || v.Failed != s.Failure || v.Kept != s.Kept || v.Duplicate != s.Duplicate {
					t.Errorf("the preview %+v, then %+v", v, s)
				}
				var foretold []string
				for _, f := range v.Objects {
					for _, c := range f.Collections {
						foretold = append(foretold, c+" "+f.ID)
					}
				}
				came := slices.DeleteFunc(h.holdings(people[by], r.granted[by]), func(x string) bool { return slices.Contains(before, x) })
				slices.Sort(foretold)
				if !slices.Equal(foretold, came) {
					t.Errorf("foretold %q, came %q", foretold, came)
				}
			}
			for id, p := range people {
				for _, alias := range []string{"vn", "lk"} {
					h.readsExactly(p, alias, r.sees(id, alias), slices.Contains(r.granted[id], alias))
				}
			}
		})
	}
}

// holdings lists what a publisher reads back.
func (h *house) holdings(p auth.Principal, aliases []string) (list []string) {
	for _, a := range aliases {
		for _, id := range h.pull(p, a, collections.Query{Limit: 100}) {
			list = append(list, a+" "+id)
		}
	}
	slices.Sort(list)
	return list
}

// readsExactly compares what a reader is given on every path.
func (h *house) readsExactly(p auth.Principal, alias string, want []string, granted bool) {
	h.Helper()
	ctx, at := h.Context(), h.place(alias)
	if !granted {
		if _, err := h.desk.Objects(ctx, p, at, collections.Query{Limit: 1}); err == nil {
			h.Errorf("%s reads %s", p.Partner, alias)
		}
		return
	}
	got := h.pull(p, alias, collections.Query{Limit: 3})
	slices.Sort(got)
	if !slices.Equal(got, want) {
		h.Errorf("%s has in %s\n%q, want\n%q", p.Partner, alias, got, want)
	}
	m, err := h.desk.Manifest(ctx, p, at, collections.Query{Limit: 1000})
	if err != nil {
		h.Fatal(err)
	}
	var listed []string
	for _, f := range m.Facts {
		listed = append(listed, string(f.ID))
	}
	slices.Sort(listed)
	if !slices.Equal(listed, want) {
		h.Errorf("%s has in the manifest of %s\n%q, want\n%q", p.Partner, alias, listed, want)
	}
	for n := 1; n < 30; n++ {
		for _, id := range []string{objectID("indicator", n), identityID(n)} {
			q := collections.Query{Limit: 10}
			_, objErr := h.desk.Object(ctx, p, at, stix.ID(id), q)
			_, verErr := h.desk.Versions(ctx, p, at, stix.ID(id), q)
			if has := slices.Contains(want, id); has != (objErr == nil) || has != (verErr == nil) {
				h.Errorf("%s of %s in %s: %v, %v; want it: %t", id, p.Partner, alias, objErr, verErr, has)
			}
		}
	}
}
