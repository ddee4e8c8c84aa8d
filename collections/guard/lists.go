package guard

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"liaison/stix"
)

// List is a list of values that are no threat.
type List struct {
	Name        string // unique in a guard; what exemptions and the journal name
	Version     string
	Description string
	Action      Action

	kinds  kinds
	form   form
	blocks []block                         // addresses and networks
	texts  []string                        // in their one form: whole values, host names, substrings
	regex  []*regexp.Regexp                // of form regexes, one for each of texts
	shape  func(c *stix.Comparison) string // of form patterns: why a comparison is too wide
}

// Len gives how many entries the list has.
func (l *List) Len() int { return len(l.blocks) + len(l.texts) }

type block struct {
	netip.Prefix
	text string // as the list has it
}

// form is how a list's entries meet a value.
type form uint8

const (
	whole      form = iota // the value is the entry
	hosts                  // the host is the entry or under it
	sites                  // the host is the entry or www. before it, and of a URL that is all there is
	substrings             // the entry is in the value
	regexes                // the entry matches the value
	patterns               // not values, but the pattern itself
)

// kinds is a set of stix.ValueKind.
type kinds uint32

const everyKind = ^kinds(0)

func kindsOf(list ...stix.ValueKind) (k kinds) {
	for _, v := range list {
		k |= 1 << v
	}
	return k
}

func (k kinds) has(v stix.ValueKind) bool { return k>>v&1 != 0 }

// ListError is why a list cannot be used.
type ListError struct {
	File  string // or the list's name
	Field string // "list[3]", "type"
	Rule  string
}

// Error gives "FILE: FIELD: RULE".
func (e *ListError) Error() string { return e.File + ": " + e.Field + ": " + e.Rule }

// Unwrap gives ErrInvalid.
func (e *ListError) Unwrap() error { return ErrInvalid }

// Domains makes a list of domain names that hits them and all names under them, in domain names, URLs
// and mail addresses: an operator's own domains, those of member governments. Its action is Block. A
// name that is none, a top-level domain, and an empty list are *ListError.
func Domains(name, version string, domains []string) (*List, error) {
	l := &List{Name: name, Version: version, Action: Block, form: hosts,
		kinds: kindsOf(stix.DomainValue, stix.URLValue, stix.EmailValue)}
	if len(domains) == 0 {
		return nil, &ListError{name, "domains", "the list is empty"}
	}
	for i, d := range domains {
		k, ok := Normal(stix.DomainValue, strings.TrimPrefix(d, "."))
		if !ok || k.Kind != stix.DomainValue {
			return nil, &ListError{name, fmt.Sprintf("domains[%d]", i), fmt.Sprintf("%q is no domain name", clip(d))}
		}
		if !strings.Contains(k.Value, ".") {
			return nil, &ListError{name, fmt.Sprintf("domains[%d]", i), fmt.Sprintf("%q is a whole top-level domain: name the domains under it", clip(d))}
		}
		l.texts = append(l.texts, k.Value)
	}
	slices.Sort(l.texts)
	l.texts = slices.Compact(l.texts)
	return l, nil
}
