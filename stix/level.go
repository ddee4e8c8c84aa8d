package stix

import "fmt"

// A Level says how widely a thing may be shared; levels are ordered and joined by max, so that the
// strictest wins. FIRST TLP 2.0.
//
// Of an object: the join of all its markings. Of a reader: its clearance, the highest level it may
// read. The zero value is no level: an object without a known one is shown to nobody but its
// publisher, a reader without one reads nothing but its own.
type Level uint8

// The levels, in their order. TLP 1's WHITE is Clear; TLP 1's other levels are their namesakes.
const (
	Unmarked    Level = iota // no marking with a level; never readable by others
	Clear                    // no limit
	Green                    // the community
	Amber                    // the recipient's organisation and its clients
	AmberStrict              // the recipient's organisation only
	Red                      // the recipients that the publisher names, nobody else
	Unknown                  // a marking that the gateway does not understand: nobody
)

// ParseLevel reads the command line's and the API's names: clear, white, green, amber,
// amber+strict, red. Any other text is an error that lists them.
func ParseLevel(s string) (Level, error) {
	switch s {
	case "clear", "white":
		return Clear, nil
	case "green":
		return Green, nil
	case "amber":
		return Amber, nil
	case "amber+strict":
		return AmberStrict, nil
	case "red":
		return Red, nil
	}
	return Unmarked, fmt.Errorf("level %q: want clear, green, amber, amber+strict or red", s)
}

// String gives the name that ParseLevel reads; "unmarked" and "unknown" for the two that it does not.
func (l Level) String() string {
	switch l {
	case Unmarked:
		return "unmarked"
	case Clear:
		return "clear"
	case Green:
		return "green"
	case Amber:
		return "amber"
	case AmberStrict:
		return "amber+strict"
	case Red:
		return "red"
	}
	return "unknown"
}

// MarshalText writes String; the zero level is the empty text.
func (l Level) MarshalText() ([]byte, error) {
	if l == Unmarked {
		return nil, nil
	}
	return []byte(l.String()), nil
}

// UnmarshalText is the inverse of MarshalText.
func (l *Level) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*l = Unmarked
		return nil
	}
	if string(b) == Unknown.String() {
		*l = Unknown
		return nil
	}
	v, err := ParseLevel(string(b))
	if err != nil {
		return err
	}
	*l = v
	return nil
}

// Join gives the stricter of two levels; no marking joined with a marking is the marking.
func (l Level) Join(m Level) Level { return max(l, m) }

// Opens reports whether an object of level l is open to a reader of this clearance by level alone.
// Red and Unknown never are (a clearance of Red means that the reader may be named, nothing more),
// and neither is an unmarked object.
func (l Level) Opens(clearance Level) bool {
	return l >= Clear && l <= min(clearance, AmberStrict)
}
