package routing

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
	"github.com/phuslu/iploc"
)

// Addresses is a database of where addresses are. Implementations are safe for concurrent use.
type Addresses interface {
	// Country gives the country of an address, an assigned code or "" when the database knows none, and
	// a network around the address for all of which that holds: at least the address itself.
	Country(a netip.Addr) (Country, netip.Prefix)
	// Source is the database's name and version, which stand in reasons: "iploc 2026-09".
	Source() string
}

// Iploc gives the database that is part of the binary: github.com/phuslu/iploc, whose version is the
// date of its data.
func Iploc() Addresses {
	return embedded{source: "iploc " + iplocMonth(iploc.Version)}
}

// iplocMonth reads the module's version: v1.0.20260915 has the data of September 2026.
func iplocMonth(version string) string {
	date := version[strings.LastIndexByte(version, '.')+1:]
	if len(date) != len("20060102") {
		return version
	}
	return date[:4] + "-" + date[4:6]
}

type embedded struct{ source string }

func (e embedded) Source() string { return e.source }

// Country looks an address up. All of the data for IPv4 is in steps of /24 (a test holds that).
func (e embedded) Country(a netip.Addr) (Country, netip.Prefix) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return "", netip.Prefix{}
	}
	size := a.BitLen()
	if a.Is4() {
		size = 24
	}
	around, _ := a.Prefix(size)
	text := iploc.IPCountry(a)
	if len(text) != 2 {
		return "", around
	}
	return code(text[0], text[1]), around
}

// MMDB reads a database in MaxMind's format out of memory: GeoLite2 and GeoIP2 Country and City, DB-IP,
// IPinfo and what else has `country.iso_code`, `country_code` or `country`. name is what the operator
// calls it, "" for the type that the file gives; the version is the day of its making. data must not
// change afterwards. A file that is no such database, or that has no country for its first thousand
// networks, is ErrInvalid.
//
// MaxMind DB File Format Specification 2.0.
func MMDB(name string, data []byte) (Addresses, error) {
	db, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%w: address database: %w", ErrInvalid, err)
	}
	if name == "" {
		name = db.Metadata.DatabaseType
	}
	m := mmdb{db: db, source: name + " " + db.Metadata.BuildTime().UTC().Format("2006-01-02")}
	looked := 0
	for result := range db.Networks() {
		if err := result.Err(); err != nil {
			return nil, fmt.Errorf("%w: address database %s: %w", ErrInvalid, name, err)
		}
		if _, ok := countryOf(result); ok {
			return m, nil
		}
		if looked++; looked == 1000 {
			break
		}
	}
	return nil, fmt.Errorf("%w: address database %s: no network in it has country.iso_code, country_code or country: name a country database", ErrInvalid, name)
}

type mmdb struct {
	db     *maxminddb.Reader
	source string
}

func (m mmdb) Source() string { return m.source }

func (m mmdb) Country(a netip.Addr) (Country, netip.Prefix) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return "", netip.Prefix{}
	}
	result := m.db.Lookup(a)
	around := result.Prefix()
	if !around.IsValid() || !around.Contains(a) {
		around, _ = a.Prefix(a.BitLen())
	}
	c, _ := countryOf(result)
	return c, around
}

// countryOf reads the country in the places where the makers of databases put it.
func countryOf(result maxminddb.Result) (Country, bool) {
	for _, path := range [...][]any{{"country", "iso_code"}, {"country_code"}, {"country"}} {
		var text string
		if err := result.DecodePath(&text, path...); err == nil && len(text) == 2 {
			if c := code(text[0], text[1]); c != "" {
				return c, true
			}
		}
	}
	return "", false
}
