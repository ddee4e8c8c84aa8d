package guard_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/collections/guard"
	"liaison/stix"
)

// warninglist writes a list in MISP's format.
func warninglist(form, list, attributes string) []byte {
	return []byte(`{"name":"The list","version":20260101,"description":"d","type":"` + form + `","list":` + list +
		`,"matching_attributes":` + attributes + `,"category":"known"}`)
}

func TestWarninglistHits(t *testing.T) {
	for _, tt := range []struct {
		form, list, attributes string
		kind                   stix.ValueKind
		hits, misses           []string
	}{
		{"string", `["Evil.Example.COM","1.1.1.1","10.0.0.0/8"]`, `["domain","ip-dst|port"]`, stix.DomainValue,
			[]string{"evil.example.com", "EVIL.example.com.", "10.2.3.4"}, []string{"a.evil.example.com", "example.com", ""}},
		{"string", `["Evil.Example.COM","1.1.1.1"]`, `["domain","ip-dst|port"]`, stix.IPv4Value,
			[]string{"1.1.1.1", "1.1.1.1/32", "1.1.1.0/24"}, []string{"1.1.1.2"}},
		{"string", `["http://A.example/x"]`, `["url"]`, stix.URLValue,
			[]string{"HTTP://a.EXAMPLE:80/x"}, []string{"http://a.example/X", "http://a.example/"}},
		{"string", `["D41D8CD98F00B204E9800998ECF8427E"]`, `["filename|md5"]`, stix.MD5Value,
			[]string{"d41d8cd98f00b204e9800998ecf8427e"}, []string{"d41d"}},
		{"string", `["user@Example.com"]`, `["email-src"]`, stix.EmailValue, []string{"user@EXAMPLE.com"}, []string{"User@example.com"}},
		{"hostname", `[".example.com","8.8.8.8"]`, `["hostname","url","ip-src"]`, stix.DomainValue,
			[]string{"example.com", "a.b.example.com", "8.8.8.8"}, []string{"notexample.com", "com"}},
		{"hostname", `["example.com"]`, `["hostname","url"]`, stix.URLValue,
			[]string{"https://a.example.com:8443/x?y"}, []string{"https://example.org/example.com"}},
		{"hostname", `["example.com"]`, `["hostname"]`, stix.URLValue, nil, []string{"https://example.com/"}},
		{"cidr", `["8.8.8.0/24","8.8.0.0/16","2001:4860::/32"]`, `["ip-src","ip-dst"]`, stix.IPv4Value,
			[]string{"8.8.8.8", "8.8.9.9", "8.8.8.128/25", "8.0.0.0/8"}, []string{"8.9.0.0", "8.7.255.255", "9.0.0.0/8", "8.8.8"}},
		{"cidr", `["2001:4860::/32"]`, `[]`, stix.IPv6Value, []string{"2001:4860::1", "2001:4860:ffff::/48"}, []string{"2001:4861::1", "::1"}},
		{"cidr", `["255.255.255.0/24","0.0.0.0/8","ffff::/16"]`, `[]`, stix.IPv4Value, []string{"255.255.255.255", "0.0.0.0"}, []string{"1.0.0.0", "255.255.254.255"}},
		{"substring", `["Update.Micro"]`, `["domain"]`, stix.DomainValue, []string{"x.update.microsoft.com", "UPDATE.MICRO"}, []string{"update.mic"}},
		{"regex", `["/^EVIL[0-9]+\\.example$/i","^good\\."]`, `["domain"]`, stix.DomainValue, []string{"evil12.example", "good.example"}, []string{"evil.example", "a.good.example"}},
		{"regex", `["[a-z]+"]`, `["domain"]`, stix.OtherValue, nil, []string{"abc"}},
	} {
		l, err := guard.Warninglist("f.json", warninglist(tt.form, tt.list, tt.attributes))
		if err != nil {
			t.Error(err)
			continue
		}
		g, err := guard.New(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range tt.hits {
			hits := g.Value(tt.kind, v)
			if len(hits) != 1 || hits[0].List != "The list" || hits[0].Version != "20260101" || hits[0].Action != guard.Hold || hits[0].Value != v {
				t.Errorf("%s %s: %s: %+v", tt.form, tt.list, v, hits)
			}
		}
		for _, v := range tt.misses {
			if hits := g.Value(tt.kind, v); hits != nil {
				t.Errorf("%s %s: %s: %+v", tt.form, tt.list, v, hits)
			}
		}
	}
}

func TestWarninglistErrors(t *testing.T) {
	many := func(entry string, n int) string { return `["` + strings.Repeat(entry+`","`, n-1) + entry + `"]` }
	for want, data := range map[string]string{
		`f.json: (file): is no JSON object`:                                                `[1]`,
		`f.json: (file): is cut off`:                                                       `{"name":"a"`,
		`f.json: (file): goes on after the object's end`:                                   `{"name":"a","version":1,"type":"cidr","list":["1.1.1.1"]} x`,
		`f.json: name: is there twice`:                                                     `{"name":"a","name":"b"}`,
		`f.json: name: is missing`:                                                         `{"Name":"a"}`,
		`f.json: name: want a string`:                                                      `{"name":1}`,
		`f.json: name: want 1 to 200 bytes of text without control characters`:             `{"name":"","version":1,"type":"cidr","list":["1.1.1.1"]}`,
		`f.json: version: want a whole number or a string`:                                 `{"name":"a","version":1.5}`,
		`f.json: version: is missing`:                                                      `{"name":"a"}`,
		`f.json: list: is missing`:                                                         `{"name":"a","version":1,"type":"cidr"}`,
		`f.json: list: is empty`:                                                           `{"name":"a","version":1,"type":"cidr","list":[]}`,
		`f.json: list: want a list of strings`:                                             `{"name":"a","version":1,"type":"cidr","list":[1]}`,
		`f.json: type: is "cidrs": want string, substring, hostname, cidr or regex`:        `{"name":"a","version":1,"type":"cidrs","list":["1.1.1.1"]}`,
		`f.json: list[1]: "1.1.1" is no address and no network`:                            `{"name":"a","version":1,"type":"cidr","list":["1.1.1.1","1.1.1"]}`,
		`f.json: list[0]: "a b" is no host name`:                                           `{"name":"a","version":1,"type":"hostname","list":["a b"]}`,
		`f.json: list[0]: " a" is empty or has white space around it`:                      `{"name":"a","version":1,"type":"string","list":[" a"]}`,
		`f.json: list[0]: "abc" is shorter than 4 bytes: it would be in nearly everything`: `{"name":"a","version":1,"type":"substring","list":["abc"]}`,
		"f.json: list[0]: \"a(\" is no regular expression of RE2: missing closing ): `a(`": `{"name":"a","version":1,"type":"regex","list":["a("]}`,
		"f.json: list[0]: \"/a/x\" has the flag 'x': want i, m, s or u":                    `{"name":"a","version":1,"type":"regex","list":["/a/x"]}`,
		`f.json: list[0]: "a*" matches the empty text, and so every value`:                 `{"name":"a","version":1,"type":"regex","list":["a*"]}`,
		`f.json: list: has 201 entries: a list of type regex may have 200`:                 `{"name":"a","version":1,"type":"regex","list":` + many("abcd", 201) + `}`,
		`f.json: list: has 10001 entries: a list of type substring may have 10000`:         `{"name":"a","version":1,"type":"substring","list":` + many("abcd", 10001) + `}`,
		`f.json: matching_attributes: names nothing that the gateway compares: addresses, domains, URLs, mail addresses, MAC addresses, AS numbers, digests of files`: `{"name":"a","version":1,"type":"string","list":["x"],"matching_attributes":["btc"]}`,
	} {
		_, err := guard.Warninglist("f.json", []byte(data))
		if err == nil || err.Error() != want {
			t.Errorf("%.80s: got %v, want %s", data, err, want)
		}
		if _, ok := errors.AsType[*guard.ListError](err); !ok || !errors.Is(err, guard.ErrInvalid) {
			t.Errorf("%T", err)
		}
	}
	long := `{"name":"a","version":1,"type":"string","list":["` + strings.Repeat("x", 2049) + `"]}`
	if _, err := guard.Warninglist("f.json", []byte(long)); err == nil || !strings.HasSuffix(err.Error(), "has more than 2048 bytes") {
		t.Error(err)
	}
	if _, err := guard.Warninglist("f.json", make([]byte, guard.MaxListFile+1)); err == nil || !strings.Contains(err.Error(), "has more than 67108864 bytes") {
		t.Error(err)
	}
}

func TestDomainsList(t *testing.T) {
	l, err := guard.Domains("members", "1", []string{"gov.vn", ".Police.LK", "gov.vn"})
	if err != nil {
		t.Fatal(err)
	}
	if l.Len() != 2 || l.Action != guard.Block {
		t.Errorf("%d entries, %s", l.Len(), l.Action)
	}
	g, err := guard.New(l)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		kind  stix.ValueKind
		value string
		hit   bool
	}{
		{stix.DomainValue, "www.gov.vn", true}, {stix.DomainValue, "gov.vn", true}, {stix.DomainValue, "xgov.vn", false},
		{stix.URLValue, "https://mail.police.lk/owa", true}, {stix.EmailValue, "a@police.lk", true}, {stix.EmailValue, "police.lk@evil.example", false},
	} {
		if hits := g.Value(tt.kind, tt.value); (len(hits) > 0) != tt.hit {
			t.Errorf("%s: %+v", tt.value, hits)
		}
	}
	for want, list := range map[string][]string{
		"own: domains: the list is empty":                                              nil,
		`own: domains[1]: "a b" is no domain name`:                                     {"gov.vn", "a b"},
		`own: domains[0]: "1.2.3.4" is no domain name`:                                 {"1.2.3.4"},
		`own: domains[0]: "vn" is a whole top-level domain: name the domains under it`: {"vn"},
	} {
		if _, err := guard.Domains("own", "1", list); err == nil || err.Error() != want {
			t.Errorf("%q: %v", list, err)
		}
	}
}

func TestActions(t *testing.T) {
	lists := guard.Builtin()
	if err := guard.Choose(lists, map[string]guard.Action{guard.DocumentationAddresses: guard.Off, guard.PublicResolvers: guard.Hold}); err != nil {
		t.Fatal(err)
	}
	g, err := guard.New(lists...)
	if err != nil {
		t.Fatal(err)
	}
	if hits := g.Value(stix.IPv4Value, "192.0.2.1"); hits != nil {
		t.Error(hits)
	}
	hits := g.Value(stix.IPv4Value, "8.8.8.8")
	if guard.Verdict(hits) != guard.Hold || guard.Verdict(append(hits, g.Value(stix.IPv4Value, "10.0.0.1")...)) != guard.Block || guard.Verdict(nil) != guard.Off {
		t.Error(hits)
	}
	if text := hits[0].Text(); text != ": 8.8.8.8 is on the list public-resolvers (8.8.8.8, Google Public DNS)" {
		t.Error(text)
	}
	if err := guard.Choose(lists, map[string]guard.Action{"top-site": guard.Off}); !errors.Is(err, guard.ErrInvalid) || !strings.Contains(err.Error(), `"top-site"`) {
		t.Error(err)
	}
	if _, err := guard.New(append(lists, lists[0])...); !errors.Is(err, guard.ErrInvalid) {
		t.Error(err)
	}
	for name, want := range map[string]guard.Action{"off": guard.Off, "hold": guard.Hold, "block": guard.Block} {
		if a, err := guard.ParseAction(name); err != nil || a != want || a.String() != name {
			t.Error(name, a, err)
		}
	}
	if _, err := guard.ParseAction("warn"); !errors.Is(err, guard.ErrInvalid) {
		t.Error(err)
	}
}

// TestObjects: observables and observed-data are looked at as patterns are, and the hit says where.
func TestObjects(t *testing.T) {
	g := builtin(t)
	zero := sha256.Sum256([]byte{0})
	for object, want := range map[string]string{
		`{"type":"ipv4-addr","id":"x","value":"10.0.0.1"}`:                                           "/value: 10.0.0.1 is on the list reserved-addresses (10.0.0.0/8, RFC 1918: private)",
		`{"type":"file","id":"x","hashes":{"SHA-256":"` + hex.EncodeToString(zero[:]) + `"}}`:        "/hashes/SHA-256: " + hex.EncodeToString(zero[:]) + " is on the list empty-files",
		`{"type":"observed-data","id":"x","objects":{"7":{"type":"domain-name","value":"a.local"}}}`: "/objects/7/value: a.local is on the list reserved-domains (local)",
		`{"type":"indicator","id":"x","pattern_type":"stix","pattern":"[EXISTS a:b]"}`:               "/pattern: [EXISTS a:b] is on the list matches-everything (EXISTS alone names nothing); /pattern: [EXISTS a:b] is on the list matches-much (EXISTS alone names nothing)",
		`{"type":"indicator","id":"x","pattern_type":"yara","pattern":"[EXISTS a:b]"}`:               "",
		`{"type":"malware","id":"x","name":"10.0.0.1"}`:                                              "",
	} {
		var got []string
		for _, h := range check(t, g, object) {
			got = append(got, h.Text())
		}
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("%s: %s", object, text)
		}
	}
}

// TestManyHits: the verdict is that of all hits, also of those that are not reported.
func TestManyHits(t *testing.T) {
	lists := guard.Builtin()
	if err := guard.Choose(lists, map[string]guard.Action{guard.ReservedAddresses: guard.Hold}); err != nil {
		t.Fatal(err)
	}
	g, err := guard.New(lists...)
	if err != nil {
		t.Fatal(err)
	}
	var terms []string
	for i := range 40 {
		terms = append(terms, fmt.Sprintf("ipv4-addr:value = '10.0.0.%d'", i))
	}
	terms = append(terms, "ipv4-addr:value = '8.8.8.8'")
	hits := check(t, g, fmt.Sprintf(`{"type":"indicator","id":"x","pattern":%q}`, "["+strings.Join(terms, " OR ")+"]"))
	if len(hits) != guard.MaxHits || guard.Verdict(hits) != guard.Block {
		t.Errorf("%d hits, %s", len(hits), guard.Verdict(hits))
	}
}

func TestExpires(t *testing.T) {
	l := guard.DefaultLifetimes()
	own, err := guard.ParseLifetimes(map[string]int{"ipv4-addr": 7, "SHA-256": 0})
	if err != nil {
		t.Fatal(err)
	}
	const ip, hash = "[ipv4-addr:value = '1.2.3.4']", "[file:hashes.'SHA-256' = 'x']"
	for _, tt := range []struct {
		table  guard.Lifetimes
		object string
		want   string
		stated bool
	}{
		{l, `"pattern":"` + ip + `","valid_from":"2026-01-01T00:00:00Z"`, "2026-01-31T00:00:00Z", false},
		{l, `"pattern":"` + ip + `","valid_from":"2026-01-01T00:00:00Z","modified":"2026-02-01T00:00:00.5Z"`, "2026-03-03T00:00:00.5Z", false},
		{l, `"pattern":"` + ip + `","valid_from":"2026-01-01T00:00:00Z","valid_until":"2027-01-01T00:00:00Z"`, "2027-01-01T00:00:00Z", true},
		{l, `"pattern":"[ipv4-addr:value = '1.2.3.4' OR domain-name:value = 'a.b']","valid_from":"2026-01-01T00:00:00Z"`, "2026-04-01T00:00:00Z", false},
		{l, `"pattern":"[file:name = 'a']","valid_from":"2026-01-01T00:00:00Z"`, "2026-06-30T00:00:00Z", false},
		{l, `"pattern":"alert","pattern_type":"snort","valid_from":"2026-01-01T00:00:00Z"`, "2026-06-30T00:00:00Z", false},
		{own, `"pattern":"` + ip + `","valid_from":"2026-01-01T00:00:00Z"`, "2026-01-08T00:00:00Z", false},
		{own, `"pattern":"` + hash + `","valid_from":"2026-01-01T00:00:00Z"`, "", false},
		{l, `"pattern":"` + ip + `"`, "", false},
	} {
		s := stix.NewScanner(strings.NewReader(`{"objects":[{"type":"indicator","id":"x",`+tt.object+`}]}`), stix.Limits{})
		if !s.Next() {
			t.Fatal(s.Err())
		}
		at, stated := tt.table.Expires(s.Object())
		got := ""
		if !at.IsZero() {
			got = at.Format(time.RFC3339Nano)
		}
		if got != tt.want || stated != tt.stated {
			t.Errorf("%s: %s %v", tt.object, got, stated)
		}
	}
	for want, days := range map[string]map[string]int{
		`invalid guard: lifetime of "ipv4": no such kind of observable`:         {"ipv4": 1},
		`invalid guard: lifetime of url: -1 days: want 0 (for ever) to 3,650`:   {"url": -1},
		`invalid guard: lifetime of url: 3651 days: want 0 (for ever) to 3,650`: {"url": 3651},
	} {
		if _, err := guard.ParseLifetimes(days); err == nil || err.Error() != want {
			t.Error(cmp.Diff(want, fmt.Sprint(err)))
		}
	}
}
