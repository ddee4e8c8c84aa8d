package guard_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/collections/guard"
	"liaison/stix"
)

func check(t testing.TB, g *guard.Guard, object string) []guard.Hit {
	t.Helper()
	s := stix.NewScanner(strings.NewReader(`{"objects":[`+object+`]}`), stix.Limits{})
	if !s.Next() || s.Problem() != nil {
		t.Fatal(s.Err(), s.Problem())
	}
	return g.Check(s.Object())
}

func builtin(t testing.TB) *guard.Guard {
	t.Helper()
	g, err := guard.New(guard.Builtin()...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func names(hits []guard.Hit) string {
	var list []string
	for _, h := range hits {
		list = append(list, h.List)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestBuiltinPatterns(t *testing.T) {
	g := builtin(t)
	for _, tt := range []struct{ pattern, want string }{
		{"[ipv4-addr:value = '10.1.2.3']", guard.ReservedAddresses},
		{"[ipv4-addr:value = '11.1.2.3']", ""},
		{"[ipv4-addr:value = '203.0.113.9']", guard.DocumentationAddresses},
		{"[ipv4-addr:value ISSUBSET '203.0.113.0/24']", guard.DocumentationAddresses},
		{"[ipv4-addr:value ISSUBSET '203.0.112.0/22']", guard.DocumentationAddresses},
		{"[ipv4-addr:value ISSUBSET '8.8.8.0/24']", guard.PublicResolvers},
		{"[ipv4-addr:value = '8.8.8.8']", guard.PublicResolvers},
		{"[ipv6-addr:value = '2001:4860:4860:0:0:0:0:8888']", guard.PublicResolvers},
		{"[ipv6-addr:value = '::ffff:10.0.0.1']", guard.ReservedAddresses},
		{"[ipv6-addr:value = '2001:db8::1']", guard.DocumentationAddresses},
		{"[ipv6-addr:value = 'fe80::1']", guard.ReservedAddresses},
		{"[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.168.1.1']", guard.ReservedAddresses},
		{"[url:value = 'http://127.0.0.1:8080/x']", guard.ReservedAddresses},
		{"[url:value = 'http://[::1]/x']", guard.ReservedAddresses},
		{"[domain-name:value = '10.0.0.1']", guard.ReservedAddresses},
		{"[domain-name:value = 'Google.COM.']", guard.TopSites},
		{"[domain-name:value = 'www.google.com']", guard.TopSites},
		{"[domain-name:value = 'evil.google.com']", ""},
		{"[url:value = 'https://google.com']", guard.TopSites},
		{"[url:value = 'https://docs.google.com/forms/d/1']", ""},
		{"[url:value = 'https://docs.google.com/']", guard.SharedHosting},
		{"[domain-name:value = 'evil.pages.dev']", ""},
		{"[domain-name:value = 'pages.dev']", guard.SharedHosting},
		{"[domain-name:value = 'host.local']", guard.ReservedDomains},
		{"[domain-name:value = 'abc.onion']", ""},
		{"[domain-name:value = 'a.example.com']", guard.DocumentationDomains},
		{"[email-addr:value = 'x@mail.example.org']", guard.DocumentationDomains},
		{"[domain-name:value LIKE '%.google.com']", guard.TopSites},
		{"[file:hashes.'SHA-256' = 'E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855']", guard.EmptyFiles},
		{"[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']", guard.EmptyFiles},
		{"[file:hashes.MD5 = '00000000000000000000000000000001']", ""},
		{"[ipv4-addr:value != '8.8.8.8']", guard.MatchesMuch},
		{"[ipv4-addr:value NOT = '8.8.8.8']", guard.MatchesMuch},
		{"[ipv4-addr:value LIKE '%']", guard.MatchesEverything + " " + guard.MatchesMuch},
		{"[url:value MATCHES '.*']", guard.MatchesEverything + " " + guard.MatchesMuch},
		{"[url:value MATCHES '^https?://']", ""},
		{"[domain-name:value MATCHES '[a-z]']", guard.MatchesEverything + " " + guard.MatchesMuch},
		{"[domain-name:value MATCHES '(?=evil)x']", ""},
		{"[domain-name:value != '']", guard.MatchesEverything + " " + guard.MatchesMuch},
		{"[ipv4-addr:value NOT IN ()]", guard.MatchesEverything + " " + guard.MatchesMuch},
		{"[ipv4-addr:value IN ()]", ""},
		{"[EXISTS file:name]", guard.MatchesEverything + " " + guard.MatchesMuch},
		{"[EXISTS file:name AND file:hashes.MD5 = '00000000000000000000000000000001']", ""},
		{"[file:hashes.MD5 = '00000000000000000000000000000001' OR file:size > 0]", guard.MatchesMuch},
		{"[file:hashes.MD5 = '00000000000000000000000000000001' AND file:size > 0]", ""},
		{"[EXISTS file:name] AND [ipv4-addr:value = '11.2.3.4']", ""},
		{"[EXISTS file:name] OR [ipv4-addr:value = '11.2.3.4']", guard.MatchesEverything + " " + guard.MatchesMuch},
		{"[EXISTS file:name AND file:size > 0]", guard.MatchesMuch},
		{"[ipv4-addr:value = '11.2.3.4'] AND [ipv4-addr:value = '11.2.3.5'] OR [EXISTS a:b]", guard.MatchesEverything + " " + guard.MatchesMuch},
		{"[ipv4-addr:value = '11.2.3.4'] AND ([ipv4-addr:value = '11.2.3.5'] OR [EXISTS a:b])", ""},
		{"[ipv4-addr:value ISSUBSET '16.0.0.0/7']", guard.MatchesMuch},
		{"[ipv4-addr:value ISSUBSET '13.0.0.0/8']", ""},
		{"[ipv6-addr:value ISSUBSET '2400::/12']", guard.MatchesMuch},
		{"[ipv6-addr:value ISSUBSET '2400:4000::/22']", ""},
		{"[domain-name:value LIKE '%.vn']", guard.MatchesMuch},
		{"[domain-name:value LIKE '%.com.vn']", guard.MatchesMuch},
		{"[domain-name:value LIKE '%.evil.com.vn']", ""},
		{"[network-traffic:dst_port = 443]", guard.MatchesMuch},
		{"[network-traffic:dst_port = 443 AND network-traffic:dst_ref.value = '11.2.3.4']", ""},
		{"[ipv4-addr:value IN ('11.2.3.4', '10.2.3.4')]", guard.ReservedAddresses},
		{"[ipv4-addr:value NOT IN ('11.2.3.4', '10.2.3.4')]", guard.MatchesMuch},
	} {
		object := fmt.Sprintf(`{"type":"indicator","id":"indicator--00000000-0000-4000-8000-000000000001","pattern_type":"stix","pattern":%q}`, tt.pattern)
		if got := names(check(t, g, object)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.pattern, got, tt.want)
		}
		if p := stix.Pattern([]byte(tt.pattern)); p != nil {
			t.Error(p)
		}
	}
}

func TestNormal(t *testing.T) {
	for _, tt := range []struct {
		kind      stix.ValueKind
		in        string
		want      string
		different stix.ValueKind
	}{
		{kind: stix.IPv4Value, in: "1.2.3.4/32", want: "1.2.3.4"},
		{kind: stix.IPv4Value, in: "1.2.3.4/24", want: "1.2.3.0/24"},
		{kind: stix.IPv4Value, in: "01.2.3.4"},
		{kind: stix.IPv6Value, in: "2001:DB8:0:0:0:0:0:1", want: "2001:db8::1"},
		{kind: stix.IPv6Value, in: "::ffff:1.2.3.4", want: "1.2.3.4", different: stix.IPv4Value},
		{kind: stix.DomainValue, in: "EXAMPLE.Com.", want: "example.com"},
		{kind: stix.DomainValue, in: "Bücher.example", want: "xn--bcher-kva.example"},
		{kind: stix.DomainValue, in: "xn--bcher-kva.example", want: "xn--bcher-kva.example"},
		{kind: stix.DomainValue, in: "_dmarc.example.com", want: "_dmarc.example.com"},
		{kind: stix.DomainValue, in: "a..b"},
		{kind: stix.DomainValue, in: "1.2.3.4", want: "1.2.3.4", different: stix.IPv4Value},
		{kind: stix.URLValue, in: "HTTP://User@EXAMPLE.com:80", want: "http://User@example.com/"},
		{kind: stix.URLValue, in: "https://example.com:443/A/./b/../c%7e?Q=%7e#F", want: "https://example.com/A/c~?Q=%7e#F"},
		{kind: stix.URLValue, in: "https://example.com:8443/%2f", want: "https://example.com:8443/%2F"},
		{kind: stix.URLValue, in: "http://[2001:DB8::1]:80/", want: "http://[2001:db8::1]/"},
		{kind: stix.URLValue, in: "http://[::ffff:1.2.3.4]/", want: "http://1.2.3.4/"},
		{kind: stix.URLValue, in: "http://example.com/100%", want: "http://example.com/100%"},
		{kind: stix.URLValue, in: "http://example.com/%/../%0a0", want: "http://example.com/%/../%0a0"},
		{kind: stix.URLValue, in: "example.com/x"},
		{kind: stix.EmailValue, in: "John@EXAMPLE.com", want: "John@example.com"},
		{kind: stix.MACValue, in: "AA-BB-CC-dd-ee-0F", want: "aa:bb:cc:dd:ee:0f"},
		{kind: stix.MACValue, in: "aabb.ccdd.ee0f", want: "aa:bb:cc:dd:ee:0f"},
		{kind: stix.ASNumberValue, in: "AS0123", want: "123"},
		{kind: stix.MD5Value, in: "D41D8CD98F00B204E9800998ECF8427E", want: "d41d8cd98f00b204e9800998ecf8427e"},
		{kind: stix.MD5Value, in: "D41D"},
		{kind: stix.OtherHashValue, in: "3:AbC:d", want: "3:AbC:d"},
		{kind: stix.OtherValue, in: "x"},
	} {
		got, ok := guard.Normal(tt.kind, tt.in)
		want := guard.Key{}
		if tt.want != "" {
			want = guard.Key{Kind: max(tt.kind, tt.different), Value: tt.want}
			if tt.different != 0 {
				want.Kind = tt.different
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || ok != (tt.want != "") {
			t.Errorf("%s %q: %v %s", tt.kind, tt.in, ok, diff)
		}
	}
}

// FuzzNormal holds that a value's one form is its own one form.
func FuzzNormal(f *testing.F) {
	for _, s := range []string{"1.2.3.4/24", "::ffff:1.2.3.4/120", "EXAMPLE.Com.", "Bücher。example", "http://a@b:80/%41/../%2e/c?d#e", "http://[::1]:0443//..", "A@b.C", "AA-BB-CC-DD-EE-FF", "http://%31.2.3.4/"} {
		for k := stix.OtherValue; k <= stix.OtherHashValue; k++ {
			f.Add(uint8(k), s)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		k, ok := guard.Normal(stix.ValueKind(kind%uint8(stix.OtherHashValue+1)), text)
		if !ok {
			return
		}
		if again, ok := guard.Normal(k.Kind, k.Value); !ok || again != k {
			t.Errorf("%q: %v, then %v %v", text, k, again, ok)
		}
	})
}

// FuzzWarninglist holds that a list that is accepted can be asked.
func FuzzWarninglist(f *testing.F) {
	for _, kind := range []string{"string", "substring", "hostname", "cidr", "regex"} {
		f.Add([]byte(`{"name":"n","version":3,"type":"`+kind+`","list":["1.2.3.0/24","/evil[0-9]+/i","Example.com"],"matching_attributes":["ip-src","domain|ip","url"]}`), "http://evil7.example.com/")
	}
	f.Fuzz(func(t *testing.T, data []byte, value string) {
		l, err := guard.Warninglist("f.json", data)
		if err != nil {
			return
		}
		if l.Len() == 0 {
			t.Error("an accepted list is empty")
		}
		g, err := guard.New(l)
		if err != nil {
			t.Fatal(err)
		}
		for k := stix.OtherValue; k <= stix.OtherHashValue; k++ {
			for _, h := range g.Value(k, value) {
				if h.List != l.Name || h.Action != guard.Hold {
					t.Errorf("%+v", h)
				}
			}
		}
	})
}
