package auth

import (
	"fmt"
	"strings"
)

// Scope is a set of OAuth scope values.
type Scope uint8

// The scopes. RFC 6749 section 3.3.
const (
	ScopeRead   Scope = 1 << iota // taxii:read
	ScopeWrite                    // taxii:write
	ScopeDelete                   // taxii:delete
	FullScope   = ScopeRead | ScopeWrite | ScopeDelete
)

// scopeValue names one scope; "" for what is none.
func scopeValue(s Scope) string {
	switch s {
	case ScopeRead:
		return "taxii:read"
	case ScopeWrite:
		return "taxii:write"
	case ScopeDelete:
		return "taxii:delete"
	}
	return ""
}

// Has reports whether s contains all of t.
func (s Scope) Has(t Scope) bool { return s&t == t }

// ParseScope reads a space-separated list; an unknown value is ErrInvalid; "" is FullScope.
//
// RFC 6749 section 3.3: scope = scope-token *( SP scope-token ). A value may stand twice.
func ParseScope(s string) (Scope, error) {
	if s == "" {
		return FullScope, nil
	}
	var out Scope
next:
	for v := range strings.SplitSeq(s, " ") {
		for one := ScopeRead; one <= ScopeDelete; one <<= 1 {
			if v == scopeValue(one) {
				out |= one
				continue next
			}
		}
		return 0, fmt.Errorf("%w: scope %q: want some of %q with one space between them", ErrInvalid, v, FullScope)
	}
	return out, nil
}

// String gives the space-separated list.
func (s Scope) String() string {
	var b strings.Builder
	for one := ScopeRead; one <= ScopeDelete; one <<= 1 {
		if s&one == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(scopeValue(one))
	}
	return b.String()
}
