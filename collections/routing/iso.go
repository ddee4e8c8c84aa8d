package routing

// assigned reports the codes that ISO 3166-1 assigns, and XK, which registers and databases use for
// Kosovo.
func assigned(c Country) bool {
	if len(c) != 2 || c[0]-'A' > 25 || c[1]-'A' > 25 {
		return false
	}
	return isoCodes[slot(c)]
}

// iso lists ISO 3166-1 alpha-2 by first letter.
const iso = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ " +
	"BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ " +
	"DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY " +
	"HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY " +
	"MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ " +
	"NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY " +
	"QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ " +
	"TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ " +
	"VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"

var isoCodes = func() (is [26 * 26]bool) {
	for i := 0; i+1 < len(iso); i += 3 {
		is[slot(Country(iso[i:i+2]))] = true
	}
	return is
}()

// code gives the assigned code that two letters of any case stand for, out of the table so that
// nothing is allocated; "" for none.
func code(a, b byte) Country {
	a, b = a|0x20, b|0x20
	if a-'a' > 25 || b-'a' > 25 {
		return ""
	}
	at := int(a-'a')*26 + int(b-'a')
	if !isoCodes[at] {
		return ""
	}
	return Country(letters[2*at : 2*at+2])
}

// letters holds AA, AB … ZZ.
var letters = func() string {
	b := make([]byte, 0, 2*26*26)
	for i := range 26 * 26 {
		b = append(b, byte('A'+i/26), byte('A'+i%26))
	}
	return string(b)
}()
