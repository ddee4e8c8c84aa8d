package routing

import (
	"bytes"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// domain gives the country whose top-level domain the host is under, and that domain with its dot. The
// operator's table comes first, then the built-in ones. A domain of a country that is sold as a word
// says nothing of the country, but its government's and schools' branch does: gov.la is Laos.
func (r *Router) domain(host []byte) (Country, string) {
	host = bytes.TrimSuffix(host, []byte("."))
	dot := bytes.LastIndexByte(host, '.')
	if dot < 0 {
		return "", ""
	}
	label := host[dot+1:]
	if len(label) != 2 && (len(label) < 4 || !bytes.EqualFold(label[:4], []byte("xn--"))) && ascii(label) && len(r.domains) == 0 {
		return "", ""
	}
	tld, ok := asciiLabel(label)
	if !ok {
		return "", ""
	}
	if len(r.domains) > 0 {
		if c, ok := r.domains[tld]; ok {
			return c, "." + tld
		}
	}
	if len(tld) != 2 {
		c := idnCountry(tld)
		return c, "." + tld
	}
	switch tld {
	case "uk":
		return "GB", ".uk"
	case "su", "eu":
		return "", "" // the Soviet Union's, and a union's: no country
	}
	c := code(tld[0], tld[1])
	if c == "" {
		return "", ""
	}
	if generic(tld) {
		return r.official(c, host[:dot], tld)
	}
	return c, "." + tld
}

// official tells the branches of a domain that are kept for a country's own institutions.
func (r *Router) official(c Country, rest []byte, tld string) (Country, string) {
	branch := strings.ToLower(string(rest[bytes.LastIndexByte(rest, '.')+1:]))
	switch branch {
	case "gov", "go", "gob", "gouv", "mil", "edu", "police":
	default:
		return "", ""
	}
	under := branch + "." + tld
	if suffix, icann := publicsuffix.PublicSuffix("x." + under); !icann || suffix != under {
		return "", ""
	}
	return c, "." + under
}

// generic lists the country-code domains that are left out because most of what is registered under
// them has nothing to do with the country:
//
//   - sold as a word or an abbreviation by their registries or agents: ac (academic), ag (Aktiengesellschaft),
//     ai, am and fm (radio), as (A/S), bz (business), cc, cd, co (company), cx, dj, gg (games), gs, im (messaging),
//     io, la (Los Angeles), lc, ly (adverbs), me, ms, nu ("now" in Swedish, Danish and Dutch), pw, sc, sh, so,
//     sr, st, sx, tc, to, tv, vc (venture capital), vg, ws (web site)
//   - given away for years, and so the spammers': cf, ga, gq, ml, tk
//
// .is, .li, .mn, .in and .us are used in the country in the main and stay.
func generic(tld string) bool {
	switch tld {
	case "ac", "ag", "ai", "am", "as", "bz", "cc", "cd", "co", "cx", "dj", "fm", "gg", "gs", "im", "io", "la", "lc", "ly",
		"me", "ms", "nu", "pw", "sc", "sh", "so", "sr", "st", "sx", "tc", "to", "tv", "vc", "vg", "ws",
		"cf", "ga", "gq", "ml", "tk":
		return true
	}
	return false
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
