package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"liaison/stix"
)

// Publishing is what is set about a partner's publications, and about what it makes of what it reads.
type Publishing struct {
	Hold        []HoldRule  `json:"hold,omitempty"`        // what waits for the operator; none: straight through
	Exempt      []string    `json:"exempt,omitempty"`      // guard lists that do not hold for it, by name
	Onward      bool        `json:"onward,omitzero"`       // it feeds others: nothing above AMBER
	Identity    stix.ID     `json:"identity,omitempty"`    // of the identity object that the gateway issued for it
	Attribution Attribution `json:"attribution,omitempty"` // how its objects name it
	Pseudonym   stix.ID     `json:"pseudonym,omitempty"`   // of the identity object that hides its name
}

// Attribution is how a publisher's objects name it.
type Attribution string

// The attributions.
const (
	Named        Attribution = ""          // by an identity of its own
	Pseudonymous Attribution = "pseudonym" // by the pseudonym that the gateway issued, and by nothing else
)

func (a Attribution) check(r Role) error {
	switch {
	case a != Named && a != Pseudonymous:
		return fmt.Errorf("%w: attribution %.40q: want named or pseudonym", ErrInvalid, a)
	case a != Named && r != Vendor && r != Agency:
		return fmt.Errorf("%w: attribution: only vendors and agencies publish: leave it out", ErrInvalid)
	}
	return nil
}

// ParseAttribution reads "named" or "pseudonym".
func ParseAttribution(s string) (Attribution, error) {
	if s == "named" {
		return Named, nil
	}
	a := Attribution(s)
	if a != Pseudonymous {
		return a, fmt.Errorf("%w: attribution %.40q: want named or pseudonym", ErrInvalid, s)
	}
	return a, nil
}

// A HoldRule says which of a publisher's objects wait for the operator, before anybody else sees them:
//
//	all                  every object
//	type=TYPE            objects of this STIX type
//	level=LEVEL          objects marked with this level or a stricter one
//	pattern=TYPE         objects whose pattern, or which themselves, tell of this kind of observable: "domain-name"
//	list=NAME            objects that meet this guard list, whatever the list does by itself
type HoldRule string

// HoldAll holds everything.
const HoldAll HoldRule = "all"

// Bounds of a partner's rules and exemptions.
const (
	MaxHoldRules  = 64
	MaxExemptions = 64
	maxRuleValue  = 100 // bytes
)

// Cut gives what the rule looks at and the value that it looks for; "all" and "" for HoldAll.
func (h HoldRule) Cut() (what, value string) {
	what, value, _ = strings.Cut(string(h), "=")
	return what, value
}

func (h HoldRule) check() error {
	what, value := h.Cut()
	bad := func(why string) error {
		return fmt.Errorf("%w: hold: rule %.60q: %s", ErrInvalid, h, why)
	}
	switch what {
	case "all":
		if h != HoldAll {
			return bad("all takes no value")
		}
	case "level":
		if l, err := stix.ParseLevel(value); err != nil || l < stix.Clear || l > stix.Red {
			return bad("want level=clear, green, amber, amber+strict or red")
		}
	case "type", "pattern", "list":
		if value == "" || len(value) > maxRuleValue || strings.ContainsAny(value, " \t\r\n,=\x00") {
			return bad("want a name after =, at most 100 bytes, without spaces and commas")
		}
	default:
		return bad("want all, type=TYPE, level=LEVEL, pattern=TYPE or list=NAME")
	}
	return nil
}

// cleanRules gives a list of rules in its one form: sorted, each once, "all" alone.
func cleanRules(list []HoldRule, r Role) ([]HoldRule, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if r != Vendor && r != Agency {
		return nil, fmt.Errorf("%w: hold: only vendors and agencies publish: leave it out", ErrInvalid)
	}
	if len(list) > MaxHoldRules {
		return nil, fmt.Errorf("%w: hold: at most %d rules, have %d", ErrInvalid, MaxHoldRules, len(list))
	}
	for _, h := range list {
		if err := h.check(); err != nil {
			return nil, err
		}
	}
	if slices.Contains(list, HoldAll) {
		return []HoldRule{HoldAll}, nil
	}
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out), nil
}

// cleanExemptions gives a list of guard lists in its one form.
func cleanExemptions(list []string, r Role) ([]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if r != Vendor && r != Agency {
		return nil, fmt.Errorf("%w: exempt: only vendors and agencies publish: leave it out", ErrInvalid)
	}
	if len(list) > MaxExemptions {
		return nil, fmt.Errorf("%w: exempt: at most %d lists, have %d", ErrInvalid, MaxExemptions, len(list))
	}
	for _, name := range list {
		if err := checkText("exempt", name, maxRuleValue); err != nil {
			return nil, err
		}
	}
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out), nil
}

// newIdentity gives the id of an identity object that the gateway issues.
func newIdentity() stix.ID { return stix.ID("identity--" + uuid.NewString()) }

// SetPublishing is what SetPartner changes of Publishing; nil fields stay.
type SetPublishing struct {
	Hold        *[]HoldRule // empty takes them away
	Exempt      *[]string   // likewise
	Onward      *bool
	Attribution *Attribution // to Pseudonymous: a pseudonym is issued when there is none yet, and stays
}

// publishingChanged is what the journal has of it.
type publishingChanged struct {
	Hold        *changed[[]HoldRule]  `json:"hold,omitempty"`
	Exempt      *changed[[]string]    `json:"exempt,omitempty"`
	Onward      *changed[bool]        `json:"onward,omitempty"`
	Attribution *changed[Attribution] `json:"attribution,omitempty"`
	Pseudonym   stix.ID               `json:"pseudonym,omitempty"` // issued now
	Identity    stix.ID               `json:"identity,omitempty"`  // likewise
}

func (c SetPublishing) apply(p *Partner) (what publishingChanged, err error) {
	if p.Identity == "" { // a row of before there were any
		p.Identity = newIdentity()
		what.Identity = p.Identity
	}
	if c.Hold != nil {
		list, err := cleanRules(*c.Hold, p.Role)
		if err != nil {
			return what, err
		}
		what.Hold = &changed[[]HoldRule]{p.Hold, list}
		p.Hold = list
	}
	if c.Exempt != nil {
		list, err := cleanExemptions(*c.Exempt, p.Role)
		if err != nil {
			return what, err
		}
		what.Exempt = &changed[[]string]{p.Exempt, list}
		p.Exempt = list
	}
	if c.Onward != nil {
		if *c.Onward && p.Role != Agency {
			return what, fmt.Errorf("%w: onward: only agencies read what others published: leave it out", ErrInvalid)
		}
		what.Onward = &changed[bool]{p.Onward, *c.Onward}
		p.Onward = *c.Onward
	}
	if c.Attribution != nil {
		if err := c.Attribution.check(p.Role); err != nil {
			return what, err
		}
		what.Attribution = &changed[Attribution]{p.Attribution, *c.Attribution}
		p.Attribution = *c.Attribution
		if p.Attribution == Pseudonymous && p.Pseudonym == "" {
			p.Pseudonym = newIdentity()
			what.Pseudonym = p.Pseudonym
		}
	}
	return what, nil
}
