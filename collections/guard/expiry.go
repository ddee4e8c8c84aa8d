package guard

import (
	"fmt"
	"maps"
	"time"

	"liaison/stix"
)

// Lifetimes says how long an indicator of a value of each kind is good for when its publisher does not
// say. A kind that is absent, and zero, is for ever.
type Lifetimes map[stix.ValueKind]time.Duration

const day = 24 * time.Hour

// DefaultLifetimes: addresses and URLs change hands within weeks, names within months, a digest never
// becomes another file's but the malware goes out of use.
func DefaultLifetimes() Lifetimes {
	return Lifetimes{
		stix.IPv4Value: 30 * day, stix.IPv6Value: 30 * day, stix.URLValue: 30 * day,
		stix.DomainValue: 90 * day, stix.EmailValue: 180 * day,
		stix.MACValue: 365 * day, stix.ASNumberValue: 365 * day,
		stix.MD5Value: 365 * day, stix.SHA1Value: 365 * day, stix.SHA256Value: 365 * day, stix.SHA512Value: 365 * day,
		stix.OtherHashValue: 365 * day,
		stix.OtherValue:     180 * day,
	}
}

// ParseLifetimes lays an operator's table over the defaults: days by the name of the kind
// (stix.ValueKind.String), 0 for ever, at most 3,650. Other names and numbers are ErrInvalid.
func ParseLifetimes(days map[string]int) (Lifetimes, error) {
	l := DefaultLifetimes()
	for name, n := range days {
		kind, ok := kindNamed(name)
		if !ok {
			return nil, fmt.Errorf("%w: lifetime of %q: no such kind of observable", ErrInvalid, clip(name))
		}
		if n < 0 || n > 3650 {
			return nil, fmt.Errorf("%w: lifetime of %s: %d days: want 0 (for ever) to 3,650", ErrInvalid, name, n)
		}
		l[kind] = time.Duration(n) * day
	}
	return maps.Clone(l), nil
}

func kindNamed(name string) (stix.ValueKind, bool) {
	for k := stix.OtherValue; k <= stix.OtherHashValue; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// Expires gives when an indicator goes out of date, in UTC: its valid_until, and then stated is true; else
// the longest of the lifetimes of what its pattern names, from its valid_from on, or from its modified
// where that is later: a publisher who writes a new version stands by it. Indicators of which one
// comparison is good for ever, and other objects, never expire: the zero time. Nothing is purged by it.
// STIX 2.1 section 4.7.
func (l Lifetimes) Expires(o *stix.Object) (at time.Time, stated bool) {
	if string(o.Type) != "indicator" {
		return time.Time{}, false
	}
	if o.ValidUntil.At.Set {
		return instant(o.ValidUntil.At), true
	}
	from := o.ValidFrom.At
	if v := o.Version().At; v.Compare(from) > 0 {
		from = v
	}
	if !from.Set {
		return time.Time{}, false
	}
	longest, ever, named := time.Duration(0), false, false
	judge := func(k stix.ValueKind) {
		d := l[k]
		longest, ever, named = max(longest, d), ever || d == 0, true
	}
	o.Observed(func(c *stix.Comparison, _ string) {
		if !c.Negated && c.Operator != stix.Exists && c.Operator != stix.Differs {
			judge(c.Kind)
		}
	})
	if !named {
		judge(stix.OtherValue)
	}
	if ever {
		return time.Time{}, false
	}
	return instant(from).Add(longest), false
}

func instant(i stix.Instant) time.Time { return time.Unix(i.Sec, int64(i.Frac/1e9)).UTC() }
