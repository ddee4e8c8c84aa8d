package guard

import (
	"bytes"
	"cmp"
	"net/netip"
	"regexp"
	"strings"

	"golang.org/x/net/publicsuffix"

	"liaison/stix"
)

// judge checks a pattern against a list of form patterns. A pattern of several comparisons is as wide as its
// logic makes it: of two that must both hold the narrower counts, of two of which one is enough the wider.
func (h *hits) judge(l *List, pattern []byte) {
	first := ""
	if stix.Holds(pattern, func(c *stix.Comparison) bool {
		why := l.shape(c)
		if first == "" {
			first = why
		}
		return why != ""
	}) {
		h.add(l, string(pattern), cmp.Or(first, "NOT IN nothing"), "/pattern")
	}
}

// isEverything says why a comparison holds for every value that there is, or "".
func isEverything(c *stix.Comparison) string {
	switch {
	case c.Operator == stix.Exists:
		return "EXISTS alone names nothing"
	case len(c.Value) > MaxEntry:
		return ""
	case c.Operator == stix.Differs && !c.Negated && len(c.Value) == 0:
		return "everything differs from the empty text"
	case c.Operator == stix.Like && !c.Negated && len(c.Value) > 0 && len(bytes.Trim(c.Value, "%_")) == 0 && bytes.IndexByte(c.Value, '%') >= 0:
		return "LIKE with wild cards alone"
	case c.Operator == stix.Matches && !c.Negated && matchesAll(c):
		return "the regular expression matches everything"
	case isBlock(c):
		if p, err := netip.ParsePrefix(string(c.Value)); err == nil && p.Bits() == 0 {
			return "the network holds every address"
		}
	}
	return ""
}

func isBlock(c *stix.Comparison) bool {
	return (c.Kind == stix.IPv4Value || c.Kind == stix.IPv6Value) && c.Names() && bytes.IndexByte(c.Value, '/') >= 0
}

// The widest networks that may be somebody's: IANA gave IPv4 out in pieces of at most /8, and all but a few
// networks in the world have less than a /19 of IPv6. What is wider holds the networks of many.
const (
	widest4 = 8
	widest6 = 19
)

// isMuch says why a comparison names nothing, or "". What matches everything matches much, too: of
// [EXISTS a:b AND c:d > 5] each half is too wide for one reason.
func isMuch(c *stix.Comparison) string {
	if why := isEverything(c); why != "" {
		return why
	}
	switch {
	case c.Negated != (c.Operator == stix.Differs):
		return "all but what it names"
	case c.Operator == stix.Orders:
		return "an order alone names nothing"
	case c.Operator == stix.Like && c.Kind == stix.DomainValue && !c.Negated:
		return wholeSuffix(string(c.Value))
	case isBlock(c):
		p, err := netip.ParsePrefix(string(c.Value))
		if err != nil || p.Bits() == 0 {
			return ""
		}
		if p.Addr().Is4() && p.Bits() < widest4 {
			return "a network wider than /8 is that of many"
		}
		if p.Addr().Is6() && !p.Addr().Is4In6() && p.Bits() < widest6 {
			return "a network wider than /19 is that of many"
		}
	case c.Names():
		return commonProperty(c.Path)
	}
	return ""
}

// commonProperty tells properties whose values everybody's traffic has.
func commonProperty(path []byte) string {
	const prefix = "network-traffic:"
	if !bytes.HasPrefix(path, []byte(prefix)) {
		return ""
	}
	property, _, _ := strings.Cut(string(path[len(prefix):]), "[")
	switch property {
	case "dst_port", "src_port", "protocols", "is_active", "dst_ref.type", "src_ref.type":
		return "a " + property + " alone names nothing"
	}
	return ""
}

// wholeSuffix tells LIKE '%.com' and LIKE '%.com.vn': everything that anybody registered there.
func wholeSuffix(value string) string {
	rest := strings.TrimLeft(value, "%_")
	if rest == value || strings.ContainsAny(rest, "%_") {
		return ""
	}
	name, ok := hostText(strings.TrimPrefix(rest, "."))
	if !ok {
		return ""
	}
	if suffix, icann := publicsuffix.PublicSuffix(name); suffix == name && (icann || !strings.Contains(name, ".")) {
		return "all names under ." + name
	}
	return ""
}

// probes are texts that have nothing in common: what matches all of them matches everything.
const probes = "a|Zq-9_7|203.0.113.77|fd12:3456::9|mail.subdomain.example.org|http://example.net/a/B?c=d#e|someone@example.com|d41d8cd98f00b204e9800998ecf8427e|C:\\Windows\\system32|\u1ea1 b\tc"

// matchesAll tries a regular expression on texts of its kind that have nothing in common. One that RE2
// does not read (STIX has PCRE) is not judged.
func matchesAll(c *stix.Comparison) bool {
	r, err := regexp.Compile(string(c.Value))
	if err != nil {
		return false
	}
	for p := range strings.SplitSeq(probesOf(c.Kind), "|") {
		if !r.MatchString(p) {
			return false
		}
	}
	return true
}

func probesOf(k stix.ValueKind) string {
	switch {
	case k == stix.IPv4Value:
		return "1.2.3.4|10.255.17.9|198.51.100.200|203.0.113.77|77.88.99.66"
	case k == stix.IPv6Value:
		return "::1|2001:db8::9|fd12:3456:789a::dead|2a00:1450:4001:80b::200e"
	case k == stix.DomainValue:
		return "a.example|mail.sub-domain.example.org|xn--80ak6aa92e.test|qqq.wwwzz.invalid"
	case k == stix.URLValue:
		return "http://a.example/|https://sub.example.org:8443/x/Y?z=1#q|ftp://198.51.100.7/|http://qqq.invalid/%20"
	case k == stix.EmailValue:
		return "a@b.example|first.last+tag@mail.example.org|Q_9@zzz.invalid"
	case k.Hash():
		return "00000000000000000000000000000000|d41d8cd98f00b204e9800998ecf8427e|FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
	}
	return probes
}
