package auth

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Bounds of what is set for a partner.
const (
	MaxNetworks  = 64  // of a partner's address list
	maxReference = 200 // characters of an agreement's reference
)

// Agreement is what a partner signed, as the operator keeps it on file. The zero value is none.
type Agreement struct {
	Reference string    `json:"reference"` // as people find it: a number, a title
	Until     time.Time `json:"until"`     // it holds before this time
}

// Holds reports whether there is an agreement that holds at now.
func (a Agreement) Holds(now time.Time) bool { return a.Reference != "" && now.Before(a.Until) }

func (a Agreement) orNil() *Agreement {
	if a == (Agreement{}) {
		return nil
	}
	return &a
}

func (a Agreement) check() error {
	if a == (Agreement{}) {
		return nil
	}
	if err := checkText("agreement", a.Reference, maxReference); err != nil {
		return err
	}
	if a.Until.IsZero() {
		return fmt.Errorf("%w: agreement %q: say until when it holds", ErrInvalid, a.Reference)
	}
	return nil
}

// Compatibility is a departure from the usual answers that some client needs.
type Compatibility string

// EmptyObjects: an envelope without objects carries "objects": [], which TAXII 2.1 section 2 leaves
// out. Elastic's ti_custom integration fails on envelopes without it.
const EmptyObjects Compatibility = "empty-objects"

func (c Compatibility) check() error {
	if c == EmptyObjects {
		return nil
	}
	return fmt.Errorf("%w: compatibility %.40q: want %s", ErrInvalid, c, EmptyObjects)
}

// cleanNetworks gives an address list in its one form: masked, sorted, each once.
func cleanNetworks(list []netip.Prefix) ([]netip.Prefix, error) {
	if len(list) > MaxNetworks {
		return nil, fmt.Errorf("%w: networks: at most %d, have %d", ErrInvalid, MaxNetworks, len(list))
	}
	var out []netip.Prefix
	for _, n := range list {
		switch {
		case !n.IsValid():
			return nil, fmt.Errorf("%w: networks: want addresses or networks like 192.0.2.0/24", ErrInvalid)
		case n.Addr().Is4In6():
			return nil, fmt.Errorf("%w: networks: %s: write it as IPv4", ErrInvalid, n)
		case n.Bits() == 0:
			return nil, fmt.Errorf("%w: networks: %s is every address: leave the list empty for that", ErrInvalid, n)
		}
		out = append(out, n.Masked())
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	return slices.Compact(out), nil
}

func cleanCompatibility(list []Compatibility) ([]Compatibility, error) {
	for _, c := range list {
		if err := c.check(); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out), nil
}

// ParseNetwork reads 192.0.2.7, 192.0.2.0/24, 2001:db8::/32.
func ParseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	n, err := netip.ParsePrefix(s)
	if err != nil {
		return n, fmt.Errorf("%w: network %.60q: want an address or a network, like 192.0.2.0/24", ErrInvalid, s)
	}
	return n.Masked(), nil
}

// from reports whether the partner's requests may come from the address. An empty list is every
// address.
func (p Partner) from(address string) bool {
	if len(p.Networks) == 0 {
		return true
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	a = a.Unmap()
	return slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(a) })
}
