package collections

import (
	"fmt"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/collections/routing"
	"liaison/stix"
)

// MaxNamed bounds the partners that one TLP:RED object names.
const MaxNamed = 100

// ConfirmLower confirms that an object is marked lower than the version before it.
const ConfirmLower = "lower-marking"

// Wishes are what a publisher says of a whole publication beside its body. An object's own extension
// (docs/routing.md) wins.
type Wishes struct {
	Countries []string         // for what is published to an intake; nil: none
	Partners  []auth.PartnerID // who may see its TLP:RED objects
	Lower     bool             // its objects may be marked lower than the versions before them

	Size int64 // bytes of the body, where they are known before it is read; else 0
}

// ParsePartners reads a list of partners: ids separated by commas. Errors are ErrInvalid. Whether there
// are such partners is nobody's to know.
func ParsePartners(text string) ([]auth.PartnerID, error) {
	var list []auth.PartnerID
	for id := range strings.SplitSeq(text, ",") {
		p := auth.PartnerID(strings.TrimSpace(id))
		if err := p.Check(); err != nil {
			return nil, fmt.Errorf("%w: partners: %w", ErrInvalid, err)
		}
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	if len(list) > MaxNamed {
		return nil, fmt.Errorf("%w: partners: at most %d", ErrInvalid, MaxNamed)
	}
	return list, nil
}

// said is what an object's extension says of who gets it, besides its countries.
type said struct {
	partners []auth.PartnerID
	lower    bool
}

// saidOf reads it. An object that says something that cannot be understood fails: it could go to those
// who must not have it.
func saidOf(o *stix.Object) (s said, problem *stix.Problem) {
	list, there, problem := o.ExtensionList(routing.Extension, "partners")
	if !there || problem != nil {
		return s, problem
	}
	bad := func(property, rule string) *stix.Problem {
		return &stix.Problem{Pointer: "/extensions/" + routing.Extension + "/" + property, Rule: rule, Section: "docs/routing.md"}
	}
	if len(list) > MaxNamed {
		return s, bad("partners", fmt.Sprintf("names more than %d partners", MaxNamed))
	}
	for _, text := range list {
		p := auth.PartnerID(text)
		if p.Check() != nil {
			return s, bad("partners", fmt.Sprintf("%q is no partner's id", clip(string(text))))
		}
		if !slices.Contains(s.partners, p) {
			s.partners = append(s.partners, p)
		}
	}
	confirms, _, problem := o.ExtensionList(routing.Extension, "confirms")
	if problem != nil {
		return s, problem
	}
	for _, text := range confirms {
		if string(text) != ConfirmLower {
			return s, bad("confirms", fmt.Sprintf("%q is nothing that can be confirmed: want %s", clip(string(text)), ConfirmLower))
		}
		s.lower = true
	}
	return s, nil
}

// names settles who is named by draft i, whose level is settled, or makes it a failure.
func (in *intake) names(i int) bool {
	dr := &in.drafts[i]
	switch {
	case dr.Level == stix.Red && len(dr.Named) == 0:
		dr.Named = in.wishes.Partners
	case dr.Level != stix.Red && dr.Level != stix.Unknown && len(dr.Named) > 0:
		in.reject(i, fmt.Sprintf("it names partners and is marked %s: only TLP:RED is for those who are named; mark it so, or name nobody", dr.Level))
		return false
	}
	if len(in.wishes.Partners) > 0 && dr.Level < stix.Red {
		dr.Message = appendMessage(dr.Message, fmt.Sprintf("it is marked %s and goes to whoever may read it: the partners that are named count for TLP:RED alone", dr.Level))
	}
	if dr.Level == stix.Red && len(dr.Named) == 0 {
		dr.Message = appendMessage(dr.Message, "nobody but you can see it: it is TLP:RED and names no recipients")
	}
	return true
}
