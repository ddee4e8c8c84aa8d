package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/guard"
	"liaison/stix"
)

// gleaning is how this gateway reads the validity of objects and the values that they report: by the
// operator's table of lifetimes and the one form of values that guards compare.
func (c config) gleaning() (collections.Gleaning, error) {
	lifetimes, err := guard.ParseLifetimes(c.Lifetimes)
	if err != nil {
		return collections.Gleaning{}, fmt.Errorf("lifetimes: %w", err)
	}
	return collections.Gleaning{Gist: gistOf(lifetimes), Value: typedValue}, nil
}

// gistOf reads one object that was checked when it was published.
func gistOf(lifetimes guard.Lifetimes) collections.GistOf {
	scanners := sync.Pool{New: func() any { return new(stix.Scanner) }}
	return func(raw []byte) (g collections.Gist) {
		s := scanners.Get().(*stix.Scanner)
		defer scanners.Put(s)
		s.Reset(io.MultiReader(strings.NewReader(`{"objects":[`), bytes.NewReader(raw), strings.NewReader("]}")), stix.Limits{Object: len(raw) + 1})
		if !s.Next() {
			return g
		}
		o := s.Object()
		g.Revoked = o.Revoked
		if at, stated := lifetimes.Expires(o); !at.IsZero() {
			g.Until, g.Stated = at, stated
		}
		seen := map[guard.Key]bool{}
		o.Observed(func(c *stix.Comparison, _ string) {
			if !c.Names() || len(g.Values) == collections.MaxValues {
				return
			}
			if k, ok := guard.Normal(c.Kind, string(c.Value)); ok && !seen[k] {
				seen[k] = true
				g.Values = append(g.Values, collections.Value{Kind: k.Kind.String(), Text: k.Value})
			}
		})
		return g
	}
}

// typedValue gives the one form of a value that a person typed, defanged or not.
func typedValue(text string) (collections.Value, error) {
	text = strings.NewReplacer("[.]", ".", "(.)", ".", "[:]", ":", "[@]", "@").Replace(strings.TrimSpace(text))
	if len(text) > 4 && strings.EqualFold(text[:4], "hxxp") {
		text = "http" + text[4:]
	}
	kinds := []stix.ValueKind{valueKind(text)}
	if kinds[0] == stix.DomainValue {
		kinds = []stix.ValueKind{stix.MACValue, stix.DomainValue}
		if len(text) > 2 && strings.EqualFold(text[:2], "as") && strings.Trim(text[2:], "0123456789") == "" {
			kinds = []stix.ValueKind{stix.ASNumberValue}
		}
	}
	for _, kind := range kinds {
		if k, ok := guard.Normal(kind, text); ok {
			return collections.Value{Kind: k.Kind.String(), Text: k.Value}, nil
		}
	}
	return collections.Value{}, fmt.Errorf("%w: value %.80q: want an address, a domain, a URL, a mail address, a hash, a MAC address or an AS number", auth.ErrInvalid, text)
}
