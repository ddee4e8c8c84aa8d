package routing

import (
	"strings"

	"golang.org/x/net/idna"
)

// idnCountry gives the country of an internationalised country-code domain, in punycode. Those of the
// European Union (xn--e1a4c, xn--qxa6a) are no country's. IANA root zone database, by the Public Suffix
// List.
func idnCountry(tld string) Country {
	switch tld {
	case "xn--mgbaam7a8h":
		return "AE"
	case "xn--y9a3aq":
		return "AM"
	case "xn--54b7fta0cc":
		return "BD"
	case "xn--90ae":
		return "BG"
	case "xn--mgbcpq6gpa1a":
		return "BH"
	case "xn--90ais":
		return "BY"
	case "xn--fiqs8s", "xn--fiqz9s":
		return "CN"
	case "xn--lgbbat1ad8j":
		return "DZ"
	case "xn--wgbh1c":
		return "EG"
	case "xn--node":
		return "GE"
	case "xn--qxam":
		return "GR"
	case "xn--j6w193g":
		return "HK"
	case "xn--4dbrk0ce":
		return "IL"
	case "xn--2scrj9c", "xn--3hcrj9c", "xn--45br5cyl", "xn--45brj9c", "xn--fpcrj9c3d", "xn--gecrj9c", "xn--h2breg3eve", "xn--h2brj9c", "xn--h2brj9c8c", "xn--mgbbh1a", "xn--mgbbh1a71e", "xn--mgbgu82a", "xn--rvc1e0am3e", "xn--s9brj9c", "xn--xkc2dl3a5ee0h":
		return "IN"
	case "xn--mgbtx2b":
		return "IQ"
	case "xn--mgba3a4f16a", "xn--mgba3a4fra":
		return "IR"
	case "xn--mgbayh7gpa":
		return "JO"
	case "xn--3e0b707e":
		return "KR"
	case "xn--80ao21a":
		return "KZ"
	case "xn--q7ce6a":
		return "LA"
	case "xn--fzc2c9e2c", "xn--xkc2al3hye2a":
		return "LK"
	case "xn--mgbc0a9azcg":
		return "MA"
	case "xn--d1alf":
		return "MK"
	case "xn--l1acc":
		return "MN"
	case "xn--mix082f", "xn--mix891f":
		return "MO"
	case "xn--mgbah1a3hjkrd":
		return "MR"
	case "xn--mgbx4cd0ab":
		return "MY"
	case "xn--mgb9awbf":
		return "OM"
	case "xn--mgbai9a5eva00b", "xn--mgbai9azgqp6j":
		return "PK"
	case "xn--ygbi2ammx":
		return "PS"
	case "xn--wgbl6a":
		return "QA"
	case "xn--90a3ac":
		return "RS"
	case "xn--p1ai":
		return "RU"
	case "xn--mgberp4a5d4a87g", "xn--mgberp4a5d4ar", "xn--mgbqly7c0a67fbc", "xn--mgbqly7cvafr":
		return "SA"
	case "xn--mgbpl2fh":
		return "SD"
	case "xn--clchc0ea0b2g2a9gcd", "xn--yfro4i67o":
		return "SG"
	case "xn--mgbtf8fl", "xn--ogbpf8fl":
		return "SY"
	case "xn--o3cw4h":
		return "TH"
	case "xn--pgbs0dh":
		return "TN"
	case "xn--kprw13d", "xn--kpry57d", "xn--nnx388a":
		return "TW"
	case "xn--j1amh":
		return "UA"
	case "xn--mgb2ddes":
		return "YE"
	}
	return ""
}

// asciiLabel gives a label in lower case and punycode; false for one that is no label.
func asciiLabel(label []byte) (string, bool) {
	if ascii(label) {
		if len(label) == 2 {
			a, b := label[0]|0x20, label[1]|0x20
			if a-'a' > 25 || b-'a' > 25 {
				return "", false
			}
			at := 2 * (int(a-'a')*26 + int(b-'a'))
			return lowerLetters[at : at+2], true
		}
		return strings.ToLower(string(label)), true
	}
	text, err := idna.Lookup.ToASCII(string(label))
	return text, err == nil
}

var lowerLetters = strings.ToLower(letters)
