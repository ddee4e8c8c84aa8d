// Package routing says which countries an object concerns, and why, and what it needs to be
// understood there. It computes: it reads no file, asks no network, has no clock, and keeps nothing
// between publications. Who may see what is not its business: the caller says what is allowed.
//
// A Router is made once for an operation. For each publication, Add the objects to a Graph as they are
// scanned, then Plan it. docs/routing.md says for operators and publishers what is done here.
//
// STIX 2.1 sections 4.11 (location), 5.1 (relationship), 5.2 (sighting), 6 (observables), 9 (patterns);
// ISO 3166-1; RFC 1591 and IANA's root zone (country-code domains).
package routing

import (
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"strings"
)

// Bounds of one publication's work. What is over a bound is left out, never guessed.
const (
	MaxCountries     = 256     // countries of an operation
	MaxReasons       = 64      // reasons kept of one object; the countries are complete all the same
	MaxBlockPlaces   = 4096    // places at which a CIDR block is looked up: exact for IPv4 from /12 on
	MaxBlockSpread   = 4       // countries that a CIDR block may span; one that spans more gives none
	MaxBlockWork     = 1 << 22 // places looked up for all blocks of a publication; later blocks give none
	MaxKnowledgeStep = 2       // relationships between malware, tools, actors … that are followed from one that is brought
	MaxWaits         = 16      // ids listed that one object waits for
	MaxWaiting       = 1_000   // kept objects that wait for one id and are looked at when it comes
	MaxHeld          = 100_000 // kept objects that are looked at for one publication
)

// ErrInvalid is what errors of this package are: a country, a table or a database that cannot be used.
var ErrInvalid = errors.New("invalid routing")

// Country is an ISO 3166-1 alpha-2 code in capitals, like "VN", or XK for Kosovo. The zero value is
// none.
type Country string

// ParseCountry reads an alpha-2 code in any case. Names, alpha-3 codes and codes that ISO 3166-1 does
// not assign (UK, EU) are errors that say what to write instead.
func ParseCountry(text string) (Country, error) {
	if len(text) != 2 {
		return "", fmt.Errorf("%w: country %q: want an ISO 3166-1 alpha-2 code of two letters, like VN, not a name and not three letters", ErrInvalid, clip(text))
	}
	c := Country(strings.ToUpper(text))
	if !assigned(c) {
		if c == "UK" {
			return "", fmt.Errorf("%w: country %q: want GB, the ISO 3166-1 code of the United Kingdom", ErrInvalid, text)
		}
		return "", fmt.Errorf("%w: country %q: no such ISO 3166-1 alpha-2 code", ErrInvalid, clip(text))
	}
	return c, nil
}

// Set is a set of an operation's countries, by their place in Router.Countries. The zero value is
// empty.
type Set [MaxCountries / 64]uint64

// Has reports whether the country with this place is in the set.
func (s Set) Has(i int) bool { return s[i>>6]>>(i&63)&1 != 0 }

// Add puts the country with this place in.
func (s *Set) Add(i int) { s[i>>6] |= 1 << (i & 63) }

// Empty reports a set without countries.
func (s Set) Empty() bool { return s == Set{} }

// Len gives how many countries are in the set.
func (s Set) Len() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// All yields the places in order.
func (s Set) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for k, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(k<<6 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// Union, Intersect and Without give what is in either set, in both, in s and not in t.
func (s Set) Union(t Set) Set {
	for i := range s {
		s[i] |= t[i]
	}
	return s
}

// Intersect is described at Union.
func (s Set) Intersect(t Set) Set {
	for i := range s {
		s[i] &= t[i]
	}
	return s
}

// Without is described at Union.
func (s Set) Without(t Set) Set {
	for i := range s {
		s[i] &^= t[i]
	}
	return s
}

// Options are what an operator decides about routing. The zero value is a router that knows country
// domains by the built-in tables and nothing of addresses.
type Options struct {
	// Addresses finds the country of an address; nil finds none. Iploc is built in.
	Addresses Addresses
	// Domains overrides the built-in table of top-level domains: "la" or "xn--q7ce6a" without the dot
	// to a country, or to "" for one that says nothing of a country.
	Domains map[string]Country
}

// Router finds the countries of objects for one operation. It is safe for concurrent use.
type Router struct {
	countries []Country
	index     [26 * 26]int16 // place + 1
	addresses Addresses
	source    string // the database's name and version
	domains   map[string]Country
}

// New makes a router for an operation's countries, at most MaxCountries. A code that ISO 3166-1 does not
// assign, one that comes twice and a bad table are ErrInvalid.
func New(countries []Country, o Options) (*Router, error) {
	r := &Router{addresses: o.Addresses, domains: map[string]Country{}}
	if len(countries) > MaxCountries {
		return nil, fmt.Errorf("%w: %d countries, the most is %d", ErrInvalid, len(countries), MaxCountries)
	}
	for i, c := range countries {
		c, err := ParseCountry(string(c))
		if err != nil {
			return nil, err
		}
		if slices.Contains(r.countries, c) {
			return nil, fmt.Errorf("%w: country %s is there twice", ErrInvalid, c)
		}
		r.countries = append(r.countries, c)
		r.index[slot(c)] = int16(i + 1)
	}
	if o.Addresses != nil {
		r.source = o.Addresses.Source()
	}
	for tld, c := range o.Domains {
		if c != "" {
			var err error
			if c, err = ParseCountry(string(c)); err != nil {
				return nil, fmt.Errorf("domain %q: %w", tld, err)
			}
		}
		tld = strings.ToLower(strings.TrimPrefix(tld, "."))
		if tld == "" || strings.Contains(tld, ".") {
			return nil, fmt.Errorf("%w: domain %q: want a top-level domain without dots, like la", ErrInvalid, tld)
		}
		r.domains[tld] = c
	}
	return r, nil
}

// Countries gives the operation's countries in their places; the caller must not change them.
func (r *Router) Countries() []Country { return r.countries }

// Source gives the address database's name and version, like "iploc 2026-09"; "" without one.
func (r *Router) Source() string { return r.source }

// Place gives the place of a country in the operation; false for one that is not in it.
func (r *Router) Place(c Country) (int, bool) {
	if len(c) != 2 || c[0]-'A' > 25 || c[1]-'A' > 25 {
		return 0, false
	}
	i := r.index[slot(c)]
	return int(i) - 1, i > 0
}

// Set makes a set of those of the countries that are in the operation.
func (r *Router) Set(countries ...Country) (s Set) {
	for _, c := range countries {
		if i, ok := r.Place(c); ok {
			s.Add(i)
		}
	}
	return s
}

// Codes lists a set's countries.
func (r *Router) Codes(s Set) []Country {
	list := make([]Country, 0, s.Len())
	for i := range s.All() {
		list = append(list, r.countries[i])
	}
	return list
}

func slot(c Country) int { return int(c[0]-'A')*26 + int(c[1]-'A') }

// clip bounds a text that an outsider made and a message repeats.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
