package auth

import "fmt"

// Plain reports whether b is plain; an error says that it is and that it is not canonical.
func Plain(b []byte) (bool, error) {
	if !isPlain(b) {
		return false, nil
	}
	if c, err := appendCanonical(nil, b); err != nil || string(c) != string(b) {
		return true, fmt.Errorf("%q is plain, and canonical it is %q, %v", b, c, err)
	}
	return true, nil
}
