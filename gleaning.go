package main

import (
	"fmt"
	"io"
	"math"
	"slices"
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

// gistOf reads objects that were checked when they were published.
func gistOf(lifetimes guard.Lifetimes) collections.GistOf {
	gleaners := sync.Pool{New: func() any { return &gleaner{lifetimes: lifetimes} }}
	return func(list [][]byte, each func(collections.Gist)) {
		g := gleaners.Get().(*gleaner)
		defer gleaners.Put(g)
		for len(list) > 0 {
			n := g.read(list, each)
			if list = list[n:]; len(list) > 0 { // this one cannot be read
				each(collections.Gist{})
				list = list[1:]
			}
		}
	}
}

// gleaner reads objects as one body, for a Scanner is quick where an object is like the one before.
type gleaner struct {
	lifetimes guard.Lifetimes
	scanner   stix.Scanner
	values    []collections.Value
}

// read gives the gists of a list and how many of its objects it could read.
func (g *gleaner) read(list [][]byte, each func(collections.Gist)) (n int) {
	largest := 0
	for _, raw := range list {
		largest = max(largest, len(raw))
	}
	g.scanner.Reset(&joined{list: list, part: []byte(`{"objects":[`)}, stix.Limits{Body: math.MaxInt64, Object: largest + 1, Objects: len(list)})
	for n < len(list) && g.scanner.Next() {
		each(g.gist(g.scanner.Object()))
		n++
	}
	return n
}

// gist reads one object. Its values are overwritten by the next one's.
func (g *gleaner) gist(o *stix.Object) collections.Gist {
	gist := collections.Gist{Revoked: o.Revoked}
	gist.Until, gist.Stated = g.lifetimes.Expires(o)
	gist.Stated = gist.Stated && !gist.Until.IsZero()
	g.values = g.values[:0]
	var many map[collections.Value]bool
	o.Observed(func(c *stix.Comparison, _ string) {
		if !c.Names() || len(g.values) == collections.MaxValues {
			return
		}
		k, ok := guard.Normal(c.Kind, string(c.Value))
		if !ok {
			return
		}
		v := collections.Value{Kind: k.Kind.String(), Text: k.Value}
		if len(g.values) < fewValues {
			if slices.Contains(g.values, v) {
				return
			}
		} else {
			if many == nil {
				many = map[collections.Value]bool{}
				for _, v := range g.values {
					many[v] = true
				}
			}
			if many[v] {
				return
			}
			many[v] = true
		}
		g.values = append(g.values, v)
	})
	gist.Values = g.values
	return gist
}

// fewValues are looked through faster than a table is made.
const fewValues = 16

// joined reads as a body of objects.
type joined struct {
	list [][]byte // those that are to come
	part []byte   // what comes before them
	next int      // how many have begun
	end  bool
}

// Read implements io.Reader.
func (e *joined) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(e.part) > 0 {
			m := copy(p[n:], e.part)
			n, e.part = n+m, e.part[m:]
			continue
		}
		switch {
		case e.next < 2*len(e.list)-1 && e.next%2 == 0:
			e.part = e.list[e.next/2]
		case e.next < 2*len(e.list)-1:
			e.part = []byte(",")
		case !e.end:
			e.part, e.end = []byte("]}"), true
		default:
			return n, io.EOF
		}
		e.next++
	}
	return n, nil
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
