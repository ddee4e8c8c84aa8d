package routing_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/phuslu/iploc"
	"golang.org/x/text/language"

	"liaison/collections/routing"
)

func TestParseCountry(t *testing.T) {
	for _, a := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		for _, b := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
			code := string(a) + string(b)
			region, err := language.ParseRegion(code)
			want := err == nil && region.IsCountry() && region.Canonicalize().String() == code
			switch code {
			case "AC", "CP", "CQ", "DG", "EA", "EZ", "IC", "TA", "UN", // reserved by ISO, which CLDR has as regions
				"AN", "CS", "FQ", "NT", "PC", "SU", "YU": // withdrawn
				want = false
			}
			got, err := routing.ParseCountry(strings.ToLower(code))
			if (err == nil) != want || err == nil && got != routing.Country(code) || err != nil && !errors.Is(err, routing.ErrInvalid) {
				t.Errorf("%s: %q, %v; CLDR says %v", code, got, err, want)
			}
		}
	}
}

func TestNew(t *testing.T) {
	for want, o := range map[string]routing.Options{
		"want an ISO 3166-1": {Domains: map[string]routing.Country{"la": "Laos"}},
		"without dots":       {Domains: map[string]routing.Country{"gov.la": "LA"}},
	} {
		if _, err := routing.New([]routing.Country{"VN"}, o); !errors.Is(err, routing.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	for _, list := range [][]routing.Country{{"VN", "vn"}, {"XX"}, slices.Repeat([]routing.Country{"VN"}, 257)} {
		if _, err := routing.New(list, routing.Options{}); !errors.Is(err, routing.ErrInvalid) {
			t.Errorf("%.3v: %v", list, err)
		}
	}
}

func TestIploc(t *testing.T) {
	db := routing.Iploc()
	if got := db.Source(); got != "iploc 2026-09" || iploc.Version != "v1.0.20260915" {
		t.Errorf("%s of %s: raise the month here and in the other tests when the module is raised", got, iploc.Version)
	}
	for text, want := range map[string]routing.Country{
		"203.113.131.1": "VN", "::ffff:203.113.131.1": "VN", "2001:ee0::1": "VN", "10.0.0.1": "", "::1": "", "255.255.255.255": "", "0.0.0.0": "",
	} {
		a := netip.MustParseAddr(text)
		got, around := db.Country(a)
		if got != want || !around.Contains(a.Unmap()) {
			t.Errorf("%s: %q, %v", text, got, around)
		}
	}
}

// TestIplocSteps holds that the data for IPv4 do not change inside a /24, as Country says: of every 64th.
func TestIplocSteps(t *testing.T) {
	for n := range uint32(1 << 18) {
		first := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n<<14|(n%64)<<8)))
		b := first.As4()
		b[3] = 255
		if iploc.IPCountry(first) != iploc.IPCountry(netip.AddrFrom4(b)) {
			t.Fatalf("%s: the /24 is in two countries", first)
		}
	}
}

func TestBlocks(t *testing.T) {
	for block, want := range map[string]string{
		"203.113.131.0/24":  "indicator.a routed VN | 203.113.131.0/24 is in VN by iploc 2026-09",
		"203.113.131.77/24": "indicator.a routed VN | 203.113.131.77/24 is in VN by iploc 2026-09",
		"203.113.131.1/32":  "indicator.a routed VN | 203.113.131.1/32 is in VN by iploc 2026-09",
		"2001:ee0::/32":     "indicator.a routed VN | 2001:ee0::/32 is in VN by iploc 2026-09",
		"203.112.0.0/12":    "indicator.a nowhere  | ", // more than four countries
		"0.0.0.0/0":         "indicator.a nowhere  | ",
		"::/0":              "indicator.a nowhere  | ",
		"ffff::/16":         "indicator.a nowhere  | ",
		"255.255.255.0/24":  "indicator.a nowhere  | ",
		"203.113.131.0/33":  "indicator.a nowhere  | ",
		"203.113.131":       "indicator.a nowhere  | ",
		"0203.113.131.1":    "indicator.a nowhere  | ",
		"203.113.131.1.":    "indicator.a nowhere  | ",
		"203.113.131.256":   "indicator.a nowhere  | ",
	} {
		got := route(t, router(t), routing.Request{}, indicator("a", "[ipv4-addr:value ISSUBSET '"+block+"']"))
		if got[0] != want {
			t.Errorf("%s: %s", block, got[0])
		}
	}
	// Two countries side by side.
	db := fixed{"203.0.112.0/24": "VN", "203.0.113.0/24": "LK"}
	r, err := routing.New([]routing.Country{"VN", "LK"}, routing.Options{Addresses: db})
	if err != nil {
		t.Fatal(err)
	}
	got := route(t, r, routing.Request{}, indicator("a", "[ipv4-addr:value ISSUBSET '203.0.112.0/23']"))
	if want := "indicator.a routed VN,LK | 203.0.112.0/23 is in VN by fixed 1; 203.0.112.0/23 is in LK by fixed 1"; got[0] != want {
		t.Error(got[0])
	}
}

type fixed map[string]routing.Country

func (fixed) Source() string { return "fixed 1" }

func (f fixed) Country(a netip.Addr) (routing.Country, netip.Prefix) {
	for text, c := range f {
		if p := netip.MustParsePrefix(text); p.Contains(a) {
			return c, p
		}
	}
	p, _ := a.Prefix(a.BitLen())
	return "", p
}

func TestDomains(t *testing.T) {
	for host, want := range map[string]string{
		"a.vn": "VN .vn", "A.VN": "VN .vn", "a.vn.": "VN .vn", "a.b.com.vn": "VN .vn", "a.co.uk": "GB .uk",
		"a.com": "", "vn": "", "a.su": "", "a.eu": "", "a.io": "", "a.la": "", "a.gov.la": "LA .gov.la", "gov.la": "LA .gov.la", "edu.la": "LA .edu.la",
		"a.gouv.ml": "ML .gouv.ml", "a.gov.tv": "", "a.gov.cc": "", "com.la": "", "a.zz": "", "a.v1": "", "a.uk.com": "",
		"a.xn--q7ce6a": "LA .xn--q7ce6a", "a.XN--P1AI": "RU .xn--p1ai", "пример.рф": "RU .xn--p1ai", "a.ไทย": "TH .xn--o3cw4h", "a.xn--e1a4c": "", "a.\xff": "",
	} {
		got := route(t, router(t), routing.Request{}, object("domain-name", "a", `"value":"`+strings.ToValidUTF8(host, "")+`"`))[0]
		country, under := "", ""
		if want != "" {
			country, under, _ = strings.Cut(want, " ")
		}
		_, reason, _ := strings.Cut(got, " | ")
		if want == "" && reason != "" || want != "" && reason != "domain under "+under {
			t.Errorf("%s: %s, want %s", host, got, country)
		}
	}
	r, err := routing.New([]routing.Country{"LA", "VN"}, routing.Options{Domains: map[string]routing.Country{".LA": "LA", "vn": "", "saigon": "VN"}})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"a.la": "routed LA", "a.vn": "nowhere ", "a.saigon": "routed VN"} {
		if got := route(t, r, routing.Request{}, object("domain-name", "a", `"value":"`+host+`"`))[0]; !strings.HasPrefix(got, "domain-name.a "+want) {
			t.Errorf("%s: %s", host, got)
		}
	}
}

// mmdbFile writes a database of MaxMind's format with one network, 203.0.113.0/24, and its record.
// MaxMind DB File Format Specification 2.0.
func mmdbFile(record string) []byte {
	const bits = 24
	network := uint32(203<<16 | 0<<8 | 113)
	var b []byte
	put := func(n uint32) { b = append(b, byte(n>>16), byte(n>>8), byte(n)) }
	for depth := range uint32(bits) {
		next := depth + 1
		if next == bits {
			next = bits + 16 // the data section's first byte
		}
		if network>>(bits-1-depth)&1 == 0 {
			put(next)
			put(bits)
		} else {
			put(bits)
			put(next)
		}
	}
	b = append(b, make([]byte, 16)...)
	b = append(b, record...)
	b = append(b, "\xab\xcd\xefMaxMind.com"...)
	text := func(s string) string { return string(rune(0x40+len(s))) + s }
	number := func(n uint32) string { return "\xc4" + string(binary.BigEndian.AppendUint32(nil, n)) }
	meta := "\xe9" +
		text("node_count") + number(bits) + text("record_size") + "\xa2\x00\x18" + text("ip_version") + "\xa2\x00\x04" +
		text("database_type") + text("Test-Country") + text("binary_format_major_version") + "\xa2\x00\x02" +
		text("binary_format_minor_version") + "\xa2\x00\x00" + text("build_epoch") + "\x04\x02\x65\x92\x00\x80" +
		text("languages") + "\x00\x04" + text("description") + "\xe0"
	return append(b, meta...)
}

func TestMMDB(t *testing.T) {
	for record, want := range map[string]routing.Country{
		"\xe1\x47country\xe1\x48iso_code\x42VN": "VN",
		"\xe1\x4ccountry_code\x42lk":            "LK",
		"\xe1\x47country\x42LA":                 "LA",
	} {
		db, err := routing.MMDB("", mmdbFile(record))
		if err != nil {
			t.Errorf("%q: %v", record, err)
			continue
		}
		if db.Source() != "Test-Country 2024-01-01" {
			t.Error(db.Source())
		}
		if got, around := db.Country(netip.MustParseAddr("203.0.113.7")); got != want || around.String() != "203.0.113.0/24" {
			t.Errorf("%q: %q %v", record, got, around)
		}
		if got, around := db.Country(netip.MustParseAddr("8.8.8.8")); got != "" || !around.Contains(netip.MustParseAddr("8.8.8.8")) {
			t.Errorf("%q %v", got, around)
		}
		if got, _ := db.Country(netip.MustParseAddr("2001:db8::1")); got != "" {
			t.Errorf("an IPv6 address in a database without: %q", got)
		}
	}
	for _, data := range []string{"", "no database", string(mmdbFile("\xe1\x44city\x42VN"))} {
		if _, err := routing.MMDB("geo", []byte(data)); !errors.Is(err, routing.ErrInvalid) {
			t.Errorf("%.20q: %v", data, err)
		}
	}
}

// FuzzMMDB holds that a database that is accepted can be asked.
func FuzzMMDB(f *testing.F) {
	f.Add(mmdbFile("\xe1\x47country\xe1\x48iso_code\x42VN"))
	f.Fuzz(func(t *testing.T, data []byte) {
		db, err := routing.MMDB("geo", data)
		if err != nil {
			return
		}
		for _, text := range []string{"203.0.113.7", "8.8.8.8", "2001:db8::1"} {
			a := netip.MustParseAddr(text)
			if c, around := db.Country(a); !around.Contains(a) || len(c) != 0 && len(c) != 2 {
				t.Errorf("%s: %q %v", text, c, around)
			}
		}
	})
}
