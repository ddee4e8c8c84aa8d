package collections

import (
	"fmt"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// CountryName gives the English name of an ISO 3166-1 alpha-2 code in any case, without "." and ","
// so that clients that choose a collection by its title or split lists of titles find it. The names
// that INTERPOL uses win over the Unicode CLDR's.
func CountryName(code string) (string, error) {
	upper := strings.ToUpper(code)
	if len(upper) != 2 {
		return "", fmt.Errorf("%w: country %q: want an ISO 3166-1 code of two letters, like VN", ErrInvalid, code)
	}
	if name := interpolName(upper); name != "" {
		return name, nil
	}
	r, err := language.ParseRegion(upper)
	if err != nil || !r.IsCountry() || r.Canonicalize().String() != upper {
		return "", fmt.Errorf("%w: country %q: no such ISO 3166-1 code", ErrInvalid, code)
	}
	name := strings.NewReplacer(".", "", ",", "").Replace(display.English.Regions().Name(r))
	if name == "" {
		return "", fmt.Errorf("%w: country %q: no such ISO 3166-1 code", ErrInvalid, code)
	}
	return name, nil
}

func interpolName(code string) string {
	switch code {
	case "HK":
		return "Hong Kong (China)"
	case "KR":
		return "Korea"
	case "LA":
		return "Laos"
	case "MO":
		return "Macau (China)"
	case "VN":
		return "Viet Nam"
	}
	return ""
}
