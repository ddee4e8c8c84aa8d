package auth

import (
	"slices"

	"liaison/stix"
)

// Action is what a principal wants to do.
type Action uint8

// The actions.
const (
	List   Action = iota // see that the collection is there
	Read                 // objects, manifest, versions
	Write                // publish
	Delete               // remove what one published
)

// Object is what the policy knows of one object version.
type Object struct {
	Publisher PartnerID
	Level     stix.Level
	Named     []PartnerID // recipients that the publisher named
}

// Resource is what an action is done to: a collection as this principal's grant shows it, and for
// Read and Delete the object.
type Resource struct {
	Granted bool   // the partner has a grant on the collection
	Rights  Rights // of that grant
	Closed  bool   // the operation is closed: reads only

	Training bool // the collection is for partners without an agreement too
	Object   *Object
}

// Verdict is the answer of the policy. The zero value hides.
type Verdict uint8

// The verdicts.
const (
	Hidden Verdict = iota // it does not exist for this principal: 404
	Denied                // it may know of it, not do this: 403
	Allowed
)

// Decide is the policy, whole. What is not allowed here is not allowed anywhere.
//
// The verdicts on collections are those that TAXII 2.1 sections 5.2 to 5.8 leave open and the
// interoperability test document fixes: a wrong direction is 403, deletion without any right 404.
func Decide(p Principal, a Action, r Resource) Verdict {
	if !r.Granted || (p.Role != Vendor && p.Role != Agency) || p.Training && !r.Training {
		return Hidden
	}
	switch a {
	case List:
		return Allowed
	case Read:
		if !r.Rights.Read || !p.Scope.Has(ScopeRead) {
			return Denied
		}
		return shown(p, r.Object)
	case Write:
		if !r.Rights.Write || r.Closed || !p.Scope.Has(ScopeWrite) {
			return Denied
		}
		return Allowed
	case Delete:
		if !r.Rights.Read && !r.Rights.Write {
			return Hidden
		}
		if !r.Rights.Read || !r.Rights.Write || r.Closed || !p.Scope.Has(ScopeDelete) {
			return Denied
		}
		if v := shown(p, r.Object); v != Allowed {
			return v
		}
		if r.Object != nil && r.Object.Publisher != p.Partner {
			return Denied
		}
		return Allowed
	}
	return Hidden
}

func shown(p Principal, o *Object) Verdict {
	if o == nil || ViewOf(p).Shows(*o) {
		return Allowed
	}
	return Hidden
}

// View is the policy compiled for the stores: which object versions of a collection a reader sees.
// The zero View sees nothing.
type View struct {
	Partner PartnerID
	Level   stix.Level // others' objects up to this level, never above AmberStrict; Unmarked: none
	Own     bool       // what Partner published, whatever its level
	Named   bool       // what names Partner
}

// ViewOf compiles what p may read in a collection that it has the right to read. A vendor sees its
// own publications alone; an agency what its clearance opens, what it published, and, with a
// clearance of Red, what names it; one that feeds others nothing above AMBER. Nobody else reads content.
func ViewOf(p Principal) View {
	switch p.Role {
	case Vendor:
		return View{Partner: p.Partner, Own: true}
	case Agency:
		level := min(p.Clearance, stix.AmberStrict)
		if p.Clearance > stix.Red { // no clearance that there is
			level = stix.Unmarked
		}
		if p.Training {
			return View{Partner: p.Partner, Level: min(level, stix.Clear), Own: true}
		}
		if p.Onward { // TLP 2.0: AMBER+STRICT stays in the organisation that it was given to
			return View{Partner: p.Partner, Level: min(level, stix.Amber), Own: true}
		}
		return View{
			Partner: p.Partner,
			Level:   level,
			Own:     true,
			Named:   p.Clearance == stix.Red,
		}
	}
	return View{}
}

// Shows reports whether a reader with this view sees the object version.
func (v View) Shows(o Object) bool {
	if v.Partner == "" {
		return false
	}
	return o.Level.Opens(v.Level) ||
		v.Own && o.Publisher == v.Partner ||
		v.Named && o.Level == stix.Red && slices.Contains(o.Named, v.Partner)
}
