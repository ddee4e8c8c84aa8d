package stix_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/stix"
)

var patternCases = []struct {
	pattern string
	valid   bool
}{
	{"[ipv4-addr:value = '192.0.2.1']", true},
	{"[ipv4-addr:value == '192.0.2.0/24' OR domain-name:value IN ('a.example', 'b.example')]", true},
	{"[file:hashes.'SHA-256' LIKE 'ab%' AND NOT EXISTS file:name]", true},
	{"[EXISTS file:hashes.MD5]", true},
	{"[file:size > 10 AND (file:size <= 20.5 OR file:size >= -3)]", true},
	{"[a:b NOT = 'c'] FOLLOWEDBY ([d:e LIKE 'f%'] OR [g:h MATCHES '^i$']) WITHIN 5 SECONDS", true},
	{"[a:b = 'c'] START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00.5Z' REPEATS 3 TIMES WITHIN 1.5 SECONDS", true},
	{"[a:b[*].c[0].'d e'[-1] = h'00ff' OR a:b = b'AAEC' OR a:b = true]", true},
	{"[a:b ISSUBSET '192.0.2.0/24'] AND [a:b ISSUPERSET '2001:db8::/32']", true},
	{"[a:b IN ()]", true},
	{"[a:b = 'it\\'s \\\\ here'] // done", true},
	{"[a:b /* why */ = 'c']", true},
	{"([([a:b = 1])])", false},
	{"([a:b = 1])", true},
	{"[(a:b = 1)]", true},
	{"[a:b = +1 OR a:b = .5]", true},
	{"", false},
	{"a:b = 'c'", false},
	{"[a:b = 'c'", false},
	{"[a:b = 'c']]", false},
	{"[a:b = \"c\"]", false},
	{"[a:b = 'c\\n']", false},
	{"[a:b = 'c] ", false},
	{"[a:b-c = 1]", false},
	{"[a = 1]", false},
	{"[a:b > true]", false},
	{"[a:b LIKE 5]", false},
	{"[a:b = 01]", false},
	{"[a:b = t'2024-13-01T00:00:00Z']", false},
	{"[a:b = h'0']", false},
	{"[a:b = b'AAE']", false},
	{"[a:b = 1] and [a:b = 1]", false},
	{"[a:b = 1] WITHIN 5 SECONDS WITHIN 6 SECONDS", false},
	{"([a:b = 1] WITHIN 5 SECONDS) WITHIN 6 SECONDS", true},
	{"[a:b = 1] REPEATS 1.5 TIMES", false},
	{"[a:b = 1] WITHIN -5 SECONDS", false},
	{"[a:b = 1] START '2024-01-01T00:00:00Z' STOP '2024-01-02T00:00:00Z'", false},
	{"[a:b = 1 /* never ends]", false},
	{"[NOT a:b = 1]", false},
	{"[a:b = 1,2]", false},
	{"[a:b IN (1,)]", false},
	{"[a:b.c. = 1]", false},
	{"[a:b[x] = 1]", false},
	{"([a:b = 1]) WITHIN 5 SECONDS WITHIN 6 SECONDS", true},
	{"(([a:b = 1]))", true},
	{"[a:b = 1] START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z' START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'", false},
	{"([a:b = 1] REPEATS 2 TIMES REPEATS 3 TIMES)", false},
	{"[file:hashes.'SHA-256' = 'f00']", false},
	{"[file:hashes.MD5 = '0123456789abcdef0123456789ABCDEF']", true},
	{"[file:hashes.md5 != '0123456789abcdef0123456789abcde']", false},
	{"[file:hashes.SHA1 = '0123456789abcdef0123456789abcdef01234567']", true},
	{"[file:hashes.'sha3-256' IN ('0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'x')]", false},
	{"[file:hashes.MD5 LIKE 'ab%' OR file:hashes.MD5 MATCHES '^ab']", true},
	{"[file:hashes[*] = 'x' OR file:hashes.other = 'x' OR file:name = 'x']", true},
	{"[file:extensions.'ntfs-ext'.alternate_data_streams[0].hashes.MD5 = 'x']", false},
	{"[file:extensions.windows-pebinary-ext.sections[*].entropy > 7.0]", false},
	{"[a:b = h'']", true},
	{"[a:b = b'']", false},
	{"[a:b = b'====']", false},
	{"[a:b = b'AA==' OR a:b = b'AAA=']", true},
	{"[a:b = -0 OR a:b = +0 OR a:b = -.5 OR a:b = 00.5]", true},
	{"[a:b = 1.]", false},
	{"[a:b = 1e5]", false},
	{"[a:b = - 1]", false},
	{"[a:b = +-1]", false},
	{"[LAST:b = 1]", false},
	{"[a:AND = 1]", false},
	{"[a:'AND' = 1]", true},
	{"[and:or = 1]", true},
	{"[a:true = 1]", false},
	{"[AND-x:b = 1]", true},
	{"[a:b=1AND c:d=2]REPEATS 2TIMES WITHIN 5SECONDS", true},
	{"[a : b . c [ * ] = 1]", true},
	{"[a:b = 1] FOLLOWEDBY [a:b = 1] OR [a:b = 1] AND [a:b = 1]", true},
	{"[a:b = 1] FOLLOWEDBY", false},
	{"[a:b = 1] [a:b = 1]", false},
	{"[a:b = 1 FOLLOWEDBY a:b = 2]", false},
	{"[a:b = 1] WITHIN .5 SECONDS", true},
	{"[a:b = 1] REPEATS -1 TIMES", false},
	{"[a:b = 1] START t'2024-01-01T00:00:00Z'", false},
	{"[a:b = 1] START t'2024-01-01T00:00:00' STOP t'2024-01-02T00:00:00Z'", false},
	{"[a:b EXISTS]", false},
	{"[EXISTS a:b = 1]", false},
	{"[NOT EXISTS (a:b)]", false},
	{"[a:b NOT NOT = 1]", false},
	{"[a:b NOT > 1 AND a:b NOT IN (1, 'x', true)]", true},
	{"[a:b IN 1]", false},
	{"[a:b IN ('x' 'y')]", false},
	{"[a:b IN (('x'))]", false},
	{"[a:b ISSUBSET ('x')]", false},
	{"[a:b <> 1 AND a:b == 1]", true},
	{"[a:b === 1]", false},
	{"[a:b =! 1]", false},
	{"[a:b = 'it's']", false},
	{"[a:b = '\\\\']", true},
	{"[a:b = '\\']", false},
	{"[a:b = 'x\ny']", true},
	{"[a:b = '日本']", true},
	{"[日本:b = 1]", false},
	{"[a:b[+1] = 1]", true},
	{"[a:b[1.5] = 1]", false},
	{"[a:b[-1] = 1 AND a:b[*][*] = 1]", true},
	{"[a:[*] = 1]", false},
	{"[a:b..c = 1]", false},
	{"[a:b:c = 1]", false},
	{"[a:b.'c''d' = 1]", false},
	{"[a:b = 1 // to the end]", false},
	{"[a:b = 1] /* a */ /* b */ AND // c\n\n", false},
	{"/* first */ [a:b = /**/ 1]", true},
	{"[a:b /* /* nested */ */ = 1]", false},
	{"\u00a0[a:b\u2003=\u30001]\u2028", true},
	{"\ufeff[a:b = 1]", false},
	{"[a:b = t'2016-12-31T23:59:60Z' OR a:b > t'9999-12-31T23:59:59.999Z']", true},
	{"[a:b = t'2016-12-31T23:59:61Z']", false},
	{"[a:b = T'2016-12-31T23:59:59Z']", false},
	{"[a:b = t '2016-12-31T23:59:59Z']", false},
	{"[a:b = H'00']", false},
}

func TestPattern(t *testing.T) {
	for _, c := range patternCases {
		if got := stix.Pattern([]byte(c.pattern)); (got == nil) != c.valid {
			t.Errorf("%s: %v, want valid %v", c.pattern, got, c.valid)
		}
	}
}

func TestPatternSaysWhere(t *testing.T) {
	got := stix.Pattern([]byte("[a:b = c]"))
	want := &stix.Problem{Rule: `the pattern needs a constant at byte 7, where "c" stands`, Section: "STIX 2.1 section 9"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPatternIsBounded(t *testing.T) {
	for _, hostile := range []string{
		strings.Repeat("(", 1<<20), "[" + strings.Repeat("(", 1<<20), strings.Repeat("/*", 1<<20), strings.Repeat("h'", 1<<20),
		"[a:b IN (" + strings.Repeat("1,", 1<<20), "[a:b" + strings.Repeat("[0]", 1<<20), "[a:b = '" + strings.Repeat(`\'`, 1<<20),
	} {
		start := time.Now()
		if stix.Pattern([]byte(hostile)) == nil {
			t.Errorf("%.20s… is accepted", hostile)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.20s… took %v", hostile, took)
		}
	}
}

func TestObservables(t *testing.T) {
	got := stix.Observables([]byte(`[ipv4-addr:value = '192.0.2.1' AND network-traffic:dst_ref . value IN ('a.example', 'b\'s') ` +
		`AND ipv6-addr:value ISSUBSET '2001:db8::/32' AND a:b != 'no' AND a:b NOT = 'no' AND a:b LIKE 'no' AND file:size = 5]`))
	want := []stix.Observable{
		{Path: "ipv4-addr:value", Value: "192.0.2.1"},
		{Path: "network-traffic:dst_ref.value", Value: "a.example"},
		{Path: "network-traffic:dst_ref.value", Value: "b's"},
		{Path: "ipv6-addr:value", Value: "2001:db8::/32"},
		{Path: "file:size", Value: "5"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
