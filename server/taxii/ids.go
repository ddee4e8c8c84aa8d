package taxii

import (
	"strings"

	"liaison/collections"
	"liaison/stix"
)

// ObjectID checks a STIX identifier, type--UUID, before anything is looked up by it. The UUID may be
// of any version. STIX 2.1 section 2.9.
func ObjectID(s string) (stix.ID, bool) {
	const length = len("--xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
	i := len(s) - length
	if i < 1 || s[i:i+2] != "--" || !objectType(s[:i]) || !uuid(s[i+2:]) {
		return "", false
	}
	return stix.ID(s), true
}

// objectType is the alphabet of STIX 2.1 section 3.1.
func objectType(s string) bool {
	return s != "" && len(s) <= 250 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// StatusID checks the identifier of a status: a UUIDv4. TAXII 2.1 section 4.3.1.
func StatusID(s string) (collections.StatusID, bool) {
	if !uuid(s) || s[14] != '4' {
		return "", false
	}
	return collections.StatusID(strings.ToLower(s)), true
}

// CollectionName checks what stands for a collection in a path, its id or its alias. TAXII 2.1
// section 5.2: "the alias can be used in place of the id".
func CollectionName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// uuid is RFC 9562 section 4.
func uuid(s string) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(s) != len(form) {
		return false
	}
	for i := range len(form) {
		c := s[i]
		hex := '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		if form[i] == 'x' && !hex || form[i] == '-' && c != '-' {
			return false
		}
	}
	return true
}
