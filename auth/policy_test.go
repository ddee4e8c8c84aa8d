package auth_test

import (
	"fmt"
	"testing"

	"liaison/auth"
	"liaison/stix"
)

// Whom the table asks about, and who else there is.
const (
	us    auth.PartnerID = "us"
	rival auth.PartnerID = "rival"
)

type policy struct {
	t *testing.T
	p auth.Principal
}

func as(t *testing.T, r auth.Role, clearance stix.Level) policy {
	return policy{t, auth.Principal{Partner: us, Client: "us_1", Role: r, Clearance: clearance, Scope: auth.FullScope}}
}

func (c policy) scoped(s auth.Scope) policy {
	c.p.Scope = s
	return c
}

func (c policy) want(want auth.Verdict, a auth.Action, r auth.Resource) {
	c.t.Helper()
	if got := auth.Decide(c.p, a, r); got != want {
		object := "no object"
		if r.Object != nil {
			object = fmt.Sprintf("%+v", *r.Object)
		}
		c.t.Errorf("%s (clearance %s, scope %q), action %d on %+v, %s: got verdict %d, want %d",
			c.p.Role, c.p.Clearance, c.p.Scope, a, r, object, got, want)
	}
}

func (c policy) allow(a auth.Action, r auth.Resource) { c.t.Helper(); c.want(auth.Allowed, a, r) }
func (c policy) deny(a auth.Action, r auth.Resource)  { c.t.Helper(); c.want(auth.Denied, a, r) }
func (c policy) hide(a auth.Action, r auth.Resource)  { c.t.Helper(); c.want(auth.Hidden, a, r) }

func on(rights string, o ...auth.Object) auth.Resource {
	r := auth.Resource{Granted: true}
	for _, c := range rights {
		switch c {
		case 'r':
			r.Rights.Read = true
		case 'w':
			r.Rights.Write = true
		case 'x':
			r.Closed = true
		}
	}
	if len(o) > 0 {
		r.Object = &o[0]
	}
	return r
}

func ours(l stix.Level) auth.Object { return auth.Object{Publisher: us, Level: l} }

func theirs(l stix.Level, named ...auth.PartnerID) auth.Object {
	return auth.Object{Publisher: rival, Level: l, Named: named}
}

var actions = []auth.Action{auth.List, auth.Read, auth.Write, auth.Delete}

// The rows of the decision table of TAXII 2.1 sections 5.2 to 5.8.
func TestDecideCollections(t *testing.T) {
	for _, role := range []auth.Role{auth.Vendor, auth.Agency} {
		p := as(t, role, stix.AmberStrict)
		for _, a := range actions {
			p.hide(a, auth.Resource{})
			p.hide(a, auth.Resource{Rights: auth.Rights{Read: true, Write: true}})
		}
		for _, rights := range []string{"", "r", "w", "rw", "x", "rx", "wx", "rwx"} {
			p.allow(auth.List, on(rights))
		}

		p.allow(auth.Read, on("rw"))
		p.allow(auth.Write, on("rw"))
		p.allow(auth.Delete, on("rw"))

		p.allow(auth.Read, on("r"))
		p.deny(auth.Write, on("r"))
		p.deny(auth.Delete, on("r"))

		p.deny(auth.Read, on("w"))
		p.allow(auth.Write, on("w"))
		p.deny(auth.Delete, on("w"))

		p.deny(auth.Read, on(""))
		p.deny(auth.Write, on(""))
		p.hide(auth.Delete, on(""))

		p.allow(auth.Read, on("rwx"))
		p.deny(auth.Write, on("rwx"))
		p.deny(auth.Delete, on("rwx"))
		p.hide(auth.Delete, on("x"))
	}
	for _, role := range []auth.Role{auth.Operator, auth.Auditor, "", "root"} {
		p := as(t, role, stix.Red)
		for _, a := range actions {
			for _, rights := range []string{"", "r", "w", "rw", "rwx"} {
				p.hide(a, on(rights))
				p.hide(a, on(rights, ours(stix.Clear)))
				p.hide(a, on(rights, theirs(stix.Clear)))
			}
		}
	}
	as(t, auth.Agency, stix.Red).hide(auth.Delete+1, on("rw"))
}

func TestDecideScopes(t *testing.T) {
	for _, role := range []auth.Role{auth.Vendor, auth.Agency} {
		p := as(t, role, stix.AmberStrict)
		none := p.scoped(0)
		none.allow(auth.List, on("rw"))
		none.deny(auth.Read, on("rw"))
		none.deny(auth.Write, on("rw"))
		none.deny(auth.Delete, on("rw"))
		none.hide(auth.Delete, on(""))

		read := p.scoped(auth.ScopeRead)
		read.allow(auth.Read, on("rw"))
		read.deny(auth.Write, on("rw"))
		read.deny(auth.Delete, on("rw"))

		write := p.scoped(auth.ScopeWrite)
		write.deny(auth.Read, on("rw"))
		write.allow(auth.Write, on("rw"))
		write.deny(auth.Delete, on("rw"))

		remove := p.scoped(auth.ScopeDelete)
		remove.deny(auth.Read, on("rw"))
		remove.deny(auth.Write, on("rw"))
		remove.allow(auth.Delete, on("rw"))
		remove.deny(auth.Delete, on("r"))
	}
}

func TestDecideVendorReadsItsOwnAlone(t *testing.T) {
	for _, clearance := range levels {
		p := as(t, auth.Vendor, clearance)
		for _, l := range levels {
			p.allow(auth.Read, on("rw", ours(l)))
			p.allow(auth.Delete, on("rw", ours(l)))
			p.hide(auth.Read, on("rw", theirs(l)))
			p.hide(auth.Read, on("rw", theirs(l, us)))
			p.hide(auth.Delete, on("rw", theirs(l, us)))
		}
	}
}

func TestDecideAgencyByLevel(t *testing.T) {
	// The rows are clearances, the columns levels of objects of others, from unmarked to unknown.
	table := map[stix.Level]string{
		stix.Unmarked:    ". . . . . . .",
		stix.Clear:       ". c . . . . .",
		stix.Green:       ". c g . . . .",
		stix.Amber:       ". c g a . . .",
		stix.AmberStrict: ". c g a s . .",
		stix.Red:         ". c g a s . .", // by name only
		stix.Unknown:     ". . . . . . .", // a clearance that nobody can have
	}
	for clearance, line := range table {
		p := as(t, auth.Agency, clearance)
		for _, l := range levels {
			open := line[2*int(l)] != '.'
			named := open || clearance == stix.Red && l == stix.Red
			for _, c := range []struct {
				open   bool
				object auth.Object
			}{
				{open, theirs(l)},
				{open, theirs(l, "another")},
				{named, theirs(l, "another", us)},
			} {
				if c.open {
					p.allow(auth.Read, on("r", c.object))
					p.allow(auth.Read, on("rwx", c.object))
					p.deny(auth.Delete, on("rw", c.object))
				} else {
					p.hide(auth.Read, on("r", c.object))
					p.hide(auth.Read, on("rwx", c.object))
					p.hide(auth.Delete, on("rw", c.object))
				}
				p.deny(auth.Read, on("w", c.object))
				p.deny(auth.Delete, on("r", c.object))
				p.scoped(auth.ScopeWrite).deny(auth.Read, on("r", c.object))
			}
			p.allow(auth.Read, on("r", ours(l)))
			p.allow(auth.Delete, on("rw", ours(l)))
		}
	}
}

var levels = []stix.Level{stix.Unmarked, stix.Clear, stix.Green, stix.Amber, stix.AmberStrict, stix.Red, stix.Unknown}

// What the stores are given is the policy: over every principal and object, a View shows exactly what
// Decide lets be read.
func TestViewIsDecide(t *testing.T) {
	granted := auth.Resource{Granted: true, Rights: auth.Rights{Read: true}}
	n := 0
	for _, partner := range []auth.PartnerID{us, rival, ""} {
		for _, role := range []auth.Role{auth.Vendor, auth.Agency, auth.Operator, auth.Auditor, ""} {
			for _, clearance := range levels {
				p := auth.Principal{Partner: partner, Role: role, Clearance: clearance, Scope: auth.FullScope}
				v := auth.ViewOf(p)
				if v.Level > stix.AmberStrict {
					t.Errorf("view of %+v has level %s", p, v.Level)
				}
				for _, publisher := range []auth.PartnerID{us, rival, "third", ""} {
					for _, level := range levels {
						for _, named := range [][]auth.PartnerID{nil, {us}, {rival}, {"third"}, {us, rival}, {""}} {
							o := auth.Object{Publisher: publisher, Level: level, Named: named}
							r := granted
							r.Object = &o
							n++
							if got, want := v.Shows(o), auth.Decide(p, auth.Read, r) == auth.Allowed; got != want {
								t.Fatalf("%+v, object %+v: view shows %t, policy allows %t", p, o, got, want)
							}
							if (auth.View{}).Shows(o) {
								t.Fatalf("the zero view shows %+v", o)
							}
						}
					}
				}
			}
		}
	}
	if n < 10_000 {
		t.Fatalf("only %d cases", n)
	}
}

// Raising a clearance never takes anything away, and a level never shows more than a lower one.
func TestViewIsMonotonic(t *testing.T) {
	for _, role := range []auth.Role{auth.Vendor, auth.Agency} {
		for i, low := range levels[:stix.Red] {
			for _, high := range levels[i : stix.Red+1] {
				a := auth.ViewOf(auth.Principal{Partner: us, Role: role, Clearance: low})
				b := auth.ViewOf(auth.Principal{Partner: us, Role: role, Clearance: high})
				for _, l := range levels {
					for _, o := range []auth.Object{ours(l), theirs(l), theirs(l, us)} {
						if a.Shows(o) && !b.Shows(o) {
							t.Errorf("%s: %s shows %+v, %s does not", role, low, o, high)
						}
					}
				}
			}
		}
	}
}
