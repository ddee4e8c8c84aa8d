package stix_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/stix"
)

// dice is a small generator (splitmix64), so that a run can be repeated.
type dice uint64

func (d *dice) roll(n int) int {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n))
}

// neighbourMembers are members with values that an object of a feed may have, good and bad.
var neighbourMembers = []struct {
	name   string
	values []string
}{
	{"type", []string{`"indicator"`, `"identity"`, `"relationship"`, `"x-own"`, `"marking-definition"`, `7`}},
	{"id", []string{
		`"indicator--00000000-0000-4000-8000-00000000000a"`, `"indicator--00000000-0000-4000-8000-00000000000b"`,
		`"identity--00000000-0000-4000-8000-00000000000c"`, `"relationship--00000000-0000-5000-8000-00000000000d"`, `"nonsense"`,
	}},
	{"spec_version", []string{`"2.1"`, `"2.0"`}},
	{"created", []string{`"2026-01-01T00:00:00.000Z"`, `"2026-15-01T00:00:00Z"`}},
	{"modified", []string{`"2026-01-01T00:00:00.000Z"`, `"2026-01-02T00:00:00.5Z"`, `"2025-01-02T00:00:00Z"`}},
	{"created_by_ref", []string{`"identity--00000000-0000-4000-8000-00000000000c"`, `"identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5"`}},
	{"revoked", []string{`true`, `false`, `"true"`}},
	{"pattern", []string{`"[ipv4-addr:value = '192.0.2.1']"`, `"[domain-name:value = 'a.example'] \t"`, `"indicator--00000000-0000-4000-8000-00000000000b"`, `"[broken"`}},
	{"pattern_type", []string{`"stix"`, `"sigma"`}},
	{"valid_from", []string{`"2026-01-01T00:00:00Z"`, `""`}},
	{"name", []string{`"One"`, `"indicator--00000000-0000-4000-8000-00000000000b forged"`, `null`}},
	{"object_marking_refs", []string{`["marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"]`, `["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1","marking-definition--00000000-0000-4000-8000-000000000001"]`, `[]`}},
	{"granular_markings", []string{`[{"marking_ref":"marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421","selectors":["name"]}]`}},
	{"definition_type", []string{`"statement"`, `"tlp"`}},
	{"definition", []string{`{"statement":"TLP:AMBER"}`, `{"tlp":"red"}`}},
	{"x_ref", []string{`"malware--00000000-0000-4000-8000-00000000000e"`}},
	{"x_own", []string{`{"a":[1,2,{"b_ref":"tool--00000000-0000-4000-8000-00000000000f"}]}`, `"\ud800"`, `1e5`}},
}

// escaped writes letters of a JSON string as escapes, here and there.
func (d *dice) escaped(value string) string {
	if !strings.HasPrefix(value, `"`) || strings.Contains(value, `\`) || d.roll(3) > 0 {
		return value
	}
	var b strings.Builder
	for i, c := range value {
		if i > 0 && i < len(value)-1 && d.roll(5) == 0 {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// TestNeighbours scans bodies of objects that are much alike, and each object alone: what stands before
// an object must not show in what is read of it.
func TestNeighbours(t *testing.T) {
	d := dice(1)
	for range 5_000 {
		values := make([]string, len(neighbourMembers))
		var order []int
		for i := range neighbourMembers {
			if i < 5 || d.roll(2) == 0 {
				order = append(order, i)
				values[i] = d.escaped(neighbourMembers[i].values[d.roll(len(neighbourMembers[i].values))])
			}
		}
		var objects []string
		for range 2 + d.roll(4) {
			var members []string
			for _, i := range order {
				if d.roll(4) == 0 {
					values[i] = d.escaped(neighbourMembers[i].values[d.roll(len(neighbourMembers[i].values))])
				}
				members = append(members, fmt.Sprintf("%q:%s", neighbourMembers[i].name, values[i]))
			}
			if d.roll(6) == 0 {
				members = append(members, members[d.roll(len(members))])
			}
			objects = append(objects, "{"+strings.Join(members, ",")+"}")
		}
		body := `{"objects":[` + strings.Join(objects, ",") + `]}`
		if !json.Valid([]byte(body)) {
			t.Fatalf("the test writes what is no JSON: %s", body)
		}
		all, err := readAll(stix.NewScanner(strings.NewReader(body), stix.Limits{}))
		if err != nil || len(all) != len(objects) {
			t.Fatalf("%d of %d objects, %v: %s", len(all), len(objects), err, body)
		}
		for i, raw := range objects {
			alone, err := readAll(stix.NewScanner(strings.NewReader(`{"objects":[`+raw+`]}`), stix.Limits{}))
			if err != nil || len(alone) != 1 {
				t.Fatalf("%v: %s", err, raw)
			}
			if !reflect.DeepEqual(alone[0], all[i]) {
				t.Fatalf("object %d of %s\n(-alone +after others):\n%s", i, body, cmp.Diff(alone[0], all[i]))
			}
		}
	}
}

// TestNeighboursByByte changes an object at each of its bytes and scans it between copies of what it
// was: a change in any place must be seen, and seen in its object alone.
func TestNeighboursByByte(t *testing.T) {
	const base = `{"type":"indicator","id":"indicator--00000000-0000-4000-8000-00000000000a","name":"é\u00e9","x_n":-1.5e10,"revoked":true ,"x_l":[{"a_ref":"b--c"},null],"object_marking_refs":["marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"],"created":"2026-01-01T00:00:00Z"}`
	want := func(object string) facts {
		all, err := readAll(stix.NewScanner(strings.NewReader(`{"objects":[`+object+`]}`), stix.Limits{}))
		if err != nil || len(all) != 1 {
			t.Fatalf("%v: %s", err, object)
		}
		return all[0]
	}
	plain := want(base)
	s := stix.NewScanner(nil, stix.Limits{})
	for at := 1; at < len(base); at++ {
		for _, put := range []string{"", `"`, `\`, "0", "A", " ", "}", ",", "\xff"} {
			for cut := range 2 {
				changed := base[:at] + put + base[at+cut:]
				body := `{"objects":[` + strings.Join([]string{base, base, changed, changed, base}, ",") + `]}`
				s.Reset(strings.NewReader(body), stix.Limits{})
				all, err := readAll(s)
				if valid := json.Valid([]byte(body)); (err == nil) != valid {
					t.Fatalf("%v, json.Valid says %v: %s", err, valid, changed)
				} else if !valid || len(all) != 5 {
					continue // no JSON, or more objects or fewer: TestBodies is for those
				}
				other := want(changed)
				for i, expected := range []facts{plain, plain, other, other, plain} {
					if !reflect.DeepEqual(expected, all[i]) {
						t.Fatalf("object %d beside %s\n(-alone +beside):\n%s", i, changed, cmp.Diff(expected, all[i]))
					}
				}
			}
		}
	}
}
