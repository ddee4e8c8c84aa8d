package stix

import (
	"cmp"
	"errors"
)

// Instant is a STIX timestamp as a sortable value of full precision (up to 18 fractional digits;
// a timestamp with more is refused). The zero value means that there is none.
type Instant struct {
	Sec  int64  // seconds since 1970-01-01T00:00:00Z
	Frac uint64 // 1e-18 seconds, 0 <= Frac < 1e18
	Set  bool
}

// Timestamp is a timestamp property: the partner's own digits and their value.
type Timestamp struct {
	Text []byte // nil when the property is absent
	At   Instant
}

// Compare orders instants; one that is not set comes first.
func (a Instant) Compare(b Instant) int {
	switch {
	case a.Set != b.Set && b.Set:
		return -1
	case a.Set != b.Set:
		return 1
	}
	return cmp.Or(cmp.Compare(a.Sec, b.Sec), cmp.Compare(a.Frac, b.Frac))
}

// ParseInstant reads a STIX timestamp (RFC 3339, calendar-true, Z only; a leap second where the
// calendar has had them, counted as the second after it). STIX 2.1 section 2.16.
func ParseInstant(text []byte) (Instant, error) {
	at, rule := parseInstant(text)
	if rule != "" {
		return Instant{}, errors.New("timestamp " + quote(text) + ": " + rule)
	}
	return at, nil
}

const (
	shapeRule    = "is not of the form YYYY-MM-DDTHH:MM:SS[.s+]Z"
	calendarRule = "is no day and time of the calendar"
	digitsRule   = "has more than 18 digits after the point"
)

// parseInstant is ParseInstant with the rule that is broken instead of an error.
//
// "The timestamp field MUST be a valid RFC 3339-formatted timestamp [RFC3339] using the format
// YYYY-MM-DDTHH:mm:ss[.s+]Z where the 's+' represents 1 or more sub-second values."
func parseInstant(t []byte) (Instant, string) {
	const least = len("2006-01-02T15:04:05Z")
	if len(t) < least || t[4] != '-' || t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':' || t[len(t)-1] != 'Z' {
		return Instant{}, shapeRule
	}
	y1, ok1 := twoDigits(t[0], t[1])
	y2, ok2 := twoDigits(t[2], t[3])
	month, ok3 := twoDigits(t[5], t[6])
	day, ok4 := twoDigits(t[8], t[9])
	hour, ok5 := twoDigits(t[11], t[12])
	minute, ok6 := twoDigits(t[14], t[15])
	second, ok7 := twoDigits(t[17], t[18])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) {
		return Instant{}, shapeRule
	}
	at := Instant{Set: true}
	if len(t) > least {
		var rule string
		if at.Frac, rule = fraction(t[19 : len(t)-1]); rule != "" {
			return Instant{}, rule
		}
	}
	year := y1*100 + y2
	if month-1 > 11 || day-1 >= daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		if !leapSecond(month, day, hour, minute, second) {
			return Instant{}, calendarRule
		}
	}
	at.Sec = int64(days(year, month, day))*86400 + int64(hour*3600+minute*60+second)
	return at, ""
}

// leapSecond reports whether it is 23:59:60 on the last day of June or December, where the leap
// seconds of RFC 3339 appendix D are.
func leapSecond(month, day, hour, minute, second uint) bool {
	return hour == 23 && minute == 59 && second == 60 && (month == 6 && day == 30 || month == 12 && day == 31)
}

func twoDigits(a, b byte) (n uint, ok bool) {
	x, y := uint(a-'0'), uint(b-'0')
	return x*10 + y, x <= 9 && y <= 9
}

// fraction reads "." and digits as 1e-18 seconds.
func fraction(t []byte) (uint64, string) {
	if t[0] != '.' || len(t) < 2 {
		return 0, shapeRule
	}
	t = t[1:]
	var frac uint64
	for i, c := range t {
		if c-'0' > 9 {
			return 0, shapeRule
		}
		if i < 18 {
			frac = frac*10 + uint64(c-'0')
		}
	}
	if len(t) > 18 {
		return 0, digitsRule
	}
	return frac * powers[18-len(t)], ""
}

// powers of ten, up to 1e17.
var powers = [18]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17}

// daysIn gives the days of a month of 1 to 12.
func daysIn(year, month uint) uint {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month>>3)&1
}

// days counts days from 1970-01-01 in the Gregorian calendar: months are counted from March, so that
// the leap day is the last of its year, and 153 days make five of them.
func days(year, month, day uint) int {
	y := int(year)
	m := int(month) - 3
	if m < 0 {
		m += 12
		y--
	}
	era := (y + 400) / 400 // one ahead, so that year 0 is not negative
	yoe := y + 400 - era*400
	doy := (153*m+2)/5 + int(day) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return (era-1)*146097 + doe - 719468
}

// A stampMemo remembers the last timestamp that was read: created, modified and valid_from are often
// the same, in one object and in the next.
type stampMemo struct {
	text [40]byte
	n    int
	at   Instant
}

// instant is parseInstant with a memory.
func (p *parser) instant(t []byte) (Instant, string) {
	m := &p.stamp
	if m.n > 0 && string(t) == string(m.text[:m.n]) {
		return m.at, ""
	}
	at, rule := parseInstant(t)
	if rule == "" {
		m.n = copy(m.text[:], t)
		m.at = at
	}
	return at, rule
}
