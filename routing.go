package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/routing"
)

// maxAddressData bounds the operator's database of addresses, which is held in memory.
const maxAddressData = 1 << 30 // bytes

// routing gives what the operator decided about routing.
func (g *gateway) routing() (routing.Options, error) {
	o := routing.Options{Addresses: routing.Iploc(), Domains: map[string]routing.Country{}}
	for tld, code := range g.config.CountryDomains {
		o.Domains[tld] = routing.Country(code)
	}
	if name := g.config.AddressData; name != "" {
		if !filepath.IsAbs(name) {
			name = g.path(name)
		}
		if fi, err := os.Stat(name); err == nil && fi.Size() > maxAddressData {
			return o, fmt.Errorf("address_database: %s has %d bytes, more than %d", name, fi.Size(), maxAddressData)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return o, fmt.Errorf("address_database: %w", err)
		}
		if o.Addresses, err = routing.MMDB("", data); err != nil {
			return o, fmt.Errorf("address_database: %s: %w", name, err)
		}
	}
	if _, err := routing.New(nil, o); err != nil {
		return o, fmt.Errorf("country_domains: %w", err)
	}
	return o, nil
}

// intakes gives an intake to each operation of before there were any.
func (g *gateway) intakes(ctx context.Context) error {
	st := g.registry.State()
	var changes []collections.Change
	for _, id := range slices.Sorted(maps.Keys(st.Operations)) {
		if _, ok := st.IntakeOf(id); !ok {
			changes = append(changes, collections.AddIntake{Operation: id})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return g.registry.Apply(ctx, auth.Gateway, changes...)
}
