package stix_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/stix"
)

// named gives what a pattern's comparisons name, as Observables gives it.
func named(pattern []byte) (list []stix.Observable) {
	stix.Comparisons(pattern, func(c *stix.Comparison) {
		if c.Names() {
			list = append(list, stix.Observable{Path: string(c.Path), Value: string(c.Value)})
		}
	})
	return list
}

func TestComparisons(t *testing.T) {
	const pattern = `([ipv4-addr : value = '1.2.3.4' OR url:value NOT LIKE 'a\'%'] AND [EXISTS file:name AND x:y[*].z IN (1, 't')]) ` +
		`REPEATS 5 TIMES WITHIN 3 SECONDS FOLLOWEDBY [network-traffic:dst_ref.value = 'a.example' AND file:hashes.'SSDEEP' != '3:a' AND a:b NOT = 2.5]`
	if p := stix.Pattern([]byte(pattern)); p != nil {
		t.Fatal(p)
	}
	var got []string
	stix.Comparisons([]byte(pattern), func(c *stix.Comparison) {
		got = append(got, fmt.Sprintf("%s %d %v %q %s", c.Path, c.Operator, c.Negated, c.Value, c.Kind))
	})
	want := []string{
		`ipv4-addr:value 0 false "1.2.3.4" ipv4-addr`,
		`url:value 4 true "a'%" url`,
		`file:name 8 false "" other`,
		`x:y[*].z 3 false "1" other`,
		`x:y[*].z 3 false "t" other`,
		`network-traffic:dst_ref.value 0 false "a.example" domain-name`,
		`file:hashes.'SSDEEP' 1 false "3:a" hash`,
		`a:b 0 true "2.5" other`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHolds(t *testing.T) {
	for pattern, want := range map[string]bool{
		"[a:t = 1]":                                 true,
		"[a:f = 1]":                                 false,
		"[a:t = 1 OR a:f = 1 AND a:f = 1]":          true,
		"[(a:t = 1 OR a:f = 1) AND a:f = 1]":        false,
		"[a:f = 1] OR [a:t = 1]":                    true,
		"[a:f = 1] AND [a:t = 1] OR [a:t = 1]":      true,
		"[a:t = 1] OR [a:t = 1] FOLLOWEDBY [a:f=1]": false,
		"([a:f = 1] OR [a:t = 1]) WITHIN 5 SECONDS": true,
		"[a:t IN (1, 2)]":                           true,
		"[a:t IN ()]":                               false,
		"[a:f NOT IN ()]":                           true,
		"[EXISTS a:t]":                              true,
		"[EXISTS a:f]":                              false,
		"[a:t = 1":                                  false,
		"[a:t = 1] x":                               false,
		"":                                          false,
		"[a:t['x'] = 1]":                            false,
		strings.Repeat("(", 600) + "[a:t=1]" + strings.Repeat(")", 600): false,
	} {
		got := stix.Holds([]byte(pattern), func(c *stix.Comparison) bool { return string(c.Path) == "a:t" })
		if got != want {
			t.Errorf("%.80s: %v", pattern, got)
		}
	}
}

func TestObserved(t *testing.T) {
	const hash = "d41d8cd98f00b204e9800998ecf8427e"
	for object, want := range map[string]string{
		`{"type":"ipv4-addr","id":"x","value":"1.2.3.0/24"}`:                                                               "/value ipv4-addr:value 1.2.3.0/24 ipv4-addr",
		`{"type":"url","id":"x","value":"http:\/\/a"}`:                                                                     "/value url:value http://a url",
		`{"type":"autonomous-system","id":"x","number":64496}`:                                                             "/number autonomous-system:number 64496 autonomous-system",
		`{"type":"file","id":"x","hashes":{"MD5":"` + hash + `","a/b":"7"}}`:                                               "/hashes/MD5 file:hashes.'MD5' " + hash + " MD5; /hashes/a~1b file:hashes.'a/b' 7 hash",
		`{"type":"artifact","id":"x","url":"http://a","hashes":{"SHA-1":"0"}}`:                                             "/url artifact:url http://a url; /hashes/SHA-1 artifact:hashes.'SHA-1' 0 SHA-1",
		`{"type":"mutex","id":"x","name":"m"}`:                                                                             "",
		`{"type":"indicator","id":"x","pattern_type":"snort","pattern":"[ipv4-addr:value = '1.2.3.4']"}`:                   "",
		`{"type":"indicator","id":"x","pattern":"[ipv4-addr:value = '1.2.3.4']"}`:                                          "/pattern ipv4-addr:value 1.2.3.4 ipv4-addr",
		`{"type":"observed-data","id":"x","objects":{"0":{"value":"a.b","type":"domain-name"},"1":{"type":"file"},"2":7}}`: "/objects/0/value domain-name:value a.b domain-name",
		`{"type":"observed-data","id":"x","objects":[{"type":"domain-name","value":"a.b"}]}`:                               "",
		`{"type":"ipv4-addr","id":"x","value":7}`:                                                                          "/value ipv4-addr:value 7 ipv4-addr",
		`{"type":"ipv4-addr","id":"x"}`:                                                                                    "",
		`{"type":"malware","id":"x","value":"1.2.3.4"}`:                                                                    "",
	} {
		s := stix.NewScanner(strings.NewReader(`{"objects":[`+object+`]}`), stix.Limits{})
		if !s.Next() {
			t.Fatal(s.Err())
		}
		var got []string
		s.Object().Observed(func(c *stix.Comparison, pointer string) {
			got = append(got, fmt.Sprintf("%s %s %s %s", pointer, c.Path, c.Value, c.Kind))
		})
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("%s: got %q, want %q", object, text, want)
		}
	}
}

func TestExtensionList(t *testing.T) {
	for object, want := range map[string]string{
		`{"extensions":{"e":{"l":["a","b\u0063"]}}}`: "[a bc] true <nil>",
		`{"extensions":{"e":{"l":[]}}}`:              "[] true <nil>",
		`{"extensions":{"e":{}}}`:                    "[] true <nil>",
		`{"extensions":{"f":{"l":["a"]}}}`:           "[] false <nil>",
		`{"extensions":{"e":7}}`:                     "[] true <nil>",
		`{"extensions":[]}`:                          "[] false <nil>",
		`{}`:                                         "[] false <nil>",
		`{"extensions":{"e":{"l":"a"}}}`:             "[] true /extensions/e/l: is no list of strings",
		`{"extensions":{"e":{"l":["a",1]}}}`:         "[] true /extensions/e/l/1: is no string",
	} {
		s := stix.NewScanner(strings.NewReader(`{"objects":[`+object+`]}`), stix.Limits{})
		if !s.Next() {
			t.Fatal(s.Err())
		}
		list, there, p := s.Object().ExtensionList("e", "l")
		problem := "<nil>"
		if p != nil {
			problem = p.Error()
		}
		if got := fmt.Sprintf("%s %v %s", list, there, problem); got != want {
			t.Errorf("%s: %s, want %s", object, got, want)
		}
	}
}

// FuzzComparisons holds that the two readers of patterns find the same in what the grammar allows, and
// that whatever else comes does no harm.
func FuzzComparisons(f *testing.F) {
	f.Add([]byte("[ipv4-addr:value = '1.2.3.4']"))
	f.Add([]byte(`([a:b.c[*].'d' NOT IN ('x\\', 2.5, true)] OR [EXISTS a:b]) START t'2020-01-01T00:00:00Z' STOP t'2020-01-02T00:00:00Z'`))
	f.Add([]byte("[a:b ISSUBSET '10.0.0.0/8' AND (c:d != 'e' OR f:g > 1)] FOLLOWEDBY [h:i MATCHES 'j'] REPEATS 2 TIMES // k"))
	f.Fuzz(func(t *testing.T, pattern []byte) {
		got := named(pattern)
		if stix.Pattern(pattern) != nil {
			return
		}
		if diff := cmp.Diff(stix.Observables(pattern), got); diff != "" {
			t.Errorf("%q: %s", pattern, diff)
		}
	})
}
