package main

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"liaison/collections"
	"liaison/collections/guard"
)

// TestGistOf: a list is read as its objects are one by one, also around one that cannot be read.
func TestGistOf(t *testing.T) {
	t.Parallel()
	object := func(kind, rest string) []byte {
		return fmt.Appendf(nil, `{"type":%q,"spec_version":"2.1","id":"%s--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",`+
			`"created":"2025-01-06T08:00:00.000Z","modified":"2025-01-06T08:00:00.000Z"%s}`, kind, kind, rest)
	}
	indicator := func(pattern, rest string) []byte {
		return object("indicator", fmt.Sprintf(`,"pattern_type":"stix","valid_from":"2025-01-06T08:00:00Z","pattern":%q%s`, pattern, rest))
	}
	var many []string
	for n := range 3 * fewValues {
		many = append(many, fmt.Sprintf("'10.0.0.%d'", n%(2*fewValues)))
	}
	set := "[ipv4-addr:value IN (" + strings.Join(many, ",") + ")]"
	list := [][]byte{
		indicator("[domain-name:value = 'A.example']", ""),
		indicator("[domain-name:value = 'b.example']", `,"valid_until":"2025-02-01T00:00:00Z"`),
		indicator(set, ""),
		object("domain-name", `,"value":"c.example"`),
		indicator("[domain-name:value = 'b.example' OR domain-name:value = 'B.example']", `,"revoked":true`),
		[]byte(`{"type":"indicator",`),
		object("malware", `,"is_family":true,"name":"`+strings.Repeat("x", 300<<10)+`"`),
		[]byte(`]}`),
		indicator("[url:value = 'http://D.example/']", ""),
	}
	read := gistOf(guard.DefaultLifetimes())
	gists := func(list ...[]byte) (all []collections.Gist) {
		read(list, func(g collections.Gist) {
			g.Values = append([]collections.Value(nil), g.Values...)
			all = append(all, g)
		})
		return all
	}
	var want []collections.Gist
	for _, raw := range list {
		want = append(want, gists(raw)...)
	}
	if got := gists(list...); !reflect.DeepEqual(got, want) || len(got) != len(list) {
		t.Errorf("as a list %+v\none by one %+v", got, want)
	}
	if gists() != nil {
		t.Error("gists of nothing")
	}
	texts := func(g collections.Gist) (list []string) {
		for _, v := range g.Values {
			list = append(list, v.Text)
		}
		return list
	}
	for i, n := range []int{1, 1, 2 * fewValues, 1, 1, 0, 0, 0, 1} {
		if list := texts(want[i]); len(list) != n {
			t.Errorf("object %d has the values %q, want %d", i, list, n)
		}
	}
	if g := want[1]; !g.Stated || g.Until.Format("2006-01-02") != "2025-02-01" || texts(g)[0] != "b.example" {
		t.Errorf("a stated end is %+v", g)
	}
	if g := want[4]; !g.Revoked || want[0].Stated || want[0].Until.IsZero() || !want[5].Until.IsZero() {
		t.Errorf("gists %+v", want)
	}
}
