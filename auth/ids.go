package auth

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Check reports whether the id keeps the grammar [a-z0-9][a-z0-9-]{1,62}; the error is ErrInvalid.
func (id PartnerID) Check() error {
	if len(id) < 2 || len(id) > 63 || !slug(string(id)) {
		return fmt.Errorf("%w: partner id %q: want 2 to 63 of a-z, 0-9 and -, not beginning with -", ErrInvalid, id)
	}
	return nil
}

// Check reports whether the slug keeps the grammar [a-z0-9][a-z0-9-]{0,62}; the error is ErrInvalid.
func (id OperationID) Check() error {
	if len(id) < 1 || len(id) > 63 || !slug(string(id)) {
		return fmt.Errorf("%w: operation %q: want 1 to 63 of a-z, 0-9 and -, not beginning with -", ErrInvalid, id)
	}
	return nil
}

// Check reports whether the id is a UUID of version 4 in lower case, as TAXII 2.1 section 5.2 asks
// of collections; the error is ErrInvalid.
func (id CollectionID) Check() error {
	const pattern = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx"
	ok := len(id) == len(pattern)
	for i := 0; ok && i < len(pattern); i++ {
		switch c := id[i]; pattern[i] {
		case 'x':
			ok = c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
		case 'y':
			ok = c == '8' || c == '9' || c == 'a' || c == 'b'
		default:
			ok = c == pattern[i]
		}
	}
	if !ok {
		return fmt.Errorf("%w: collection id %q: want a lower-case UUID of version 4", ErrInvalid, id)
	}
	return nil
}

// Check reports whether the id has the form PARTNER_N; the error is ErrInvalid.
func (id ClientID) Check() error {
	p, n, found := strings.Cut(string(id), "_")
	i, err := strconv.Atoi(n)
	if !found || err != nil || i < 1 || strconv.Itoa(i) != n || PartnerID(p).Check() != nil {
		return fmt.Errorf("%w: client id %q: want PARTNER_N", ErrInvalid, id)
	}
	return nil
}

// slug is the alphabet that ids share; it leaves out ":" and "_", which some clients cut at.
func slug(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' && i > 0 {
			continue
		}
		return false
	}
	return true
}

func checkName(s string) error { return checkText("name", s, 200) }

// checkText bounds what people read: 1 to most characters.
func checkText(field, s string, most int) error {
	if n := utf8.RuneCountInString(s); n < 1 || n > most || !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s: want 1 to %d characters of UTF-8", ErrInvalid, field, most)
	}
	if strings.TrimSpace(s) == "" {
		return fmt.Errorf("%w: %s: want more than white space", ErrInvalid, field)
	}
	for _, r := range s {
		// Format characters turn the direction of what a person reads.
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("%w: %s: want no control or format characters, found %U", ErrInvalid, field, r)
		}
	}
	return nil
}

// hexOf reports whether s is lower-case hexadecimal of min to max digits.
func hexOf(s string, min, max int) bool {
	if len(s) < min || len(s) > max {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}
