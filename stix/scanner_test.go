package stix_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"liaison/stix"
)

// split reads a body: for each object its raw bytes, or the pointer of the scanner's problem.
func split(body string, l stix.Limits) (raw, problems []string, s *stix.Scanner) {
	s = stix.NewScanner(strings.NewReader(body), l)
	for s.Next() {
		raw = append(raw, string(s.Object().Raw))
		text := ""
		if p := s.Problem(); p != nil {
			text = p.Error()
		}
		problems = append(problems, text)
	}
	return raw, problems, s
}

func TestBodies(t *testing.T) {
	for _, c := range []struct {
		body    string
		objects int
		kind    error
	}{
		{`{"objects":[{}]}`, 1, nil},
		{" {\n\t\"objects\" : [ {} , {} ] }\r\n", 2, nil},
		{`{"more":true,"next":"a\"}]","objects":[{}]}`, 1, nil},
		{`{"objects":[{}],"x":{"objects":[1,{"y":[]}]},"n":-1.5e3,"t":[true,false,null,"é\ud83d\ude00"]}`, 1, nil},
		{`{"type":"bundle","id":"bundle--x","spec_version":"2.0","objects":[{}]}`, 1, nil},
		{`{"\u006f\u0062\u006a\u0065\u0063\u0074\u0073":[{}]}`, 1, nil},
		{`{}`, 0, stix.ErrNoObjects},
		{`{"objects":[]}`, 0, stix.ErrNoObjects},
		{`{"type":"indicator","id":"x"}`, 0, stix.ErrNoObjects},
		{`{"Objects":[{}]}`, 0, stix.ErrNoObjects},
		{``, 0, stix.ErrSyntax},
		{` `, 0, stix.ErrSyntax},
		{`[{}]`, 0, stix.ErrSyntax},
		{`"objects"`, 0, stix.ErrSyntax},
		{"\ufeff{}", 0, stix.ErrSyntax},
		{`{"objects":{}}`, 0, stix.ErrSyntax},
		{`{"objects":null}`, 0, stix.ErrSyntax},
		{`{"objects":[{}],"objects":[]}`, 1, stix.ErrSyntax},
		{`{"objects":[{}],"obj\u0065cts":[]}`, 1, stix.ErrSyntax},
		{`{"objects":[{}],"OBJECTS":[]}`, 1, stix.ErrSyntax},
		{`{"Objects":[],"objects":[{}]}`, 0, stix.ErrSyntax},
		{`{"objects":[{}]`, 1, stix.ErrSyntax},
		{`{"objects":[{}`, 1, stix.ErrSyntax},
		{`{"objects":[{"a":"`, 0, stix.ErrSyntax},
		{`{"objects":[{}]}{}`, 1, stix.ErrSyntax},
		{`{"objects":[{}]} x`, 1, stix.ErrSyntax},
		{`{"objects":[{},]}`, 1, stix.ErrSyntax},
		{`{"objects":[{}{}]}`, 1, stix.ErrSyntax},
		{`{"objects":[{}],}`, 1, stix.ErrSyntax},
		{`{"objects":[{"a":01}]}`, 0, stix.ErrSyntax},
		{`{"objects":[{"a":1.}]}`, 0, stix.ErrSyntax},
		{`{"objects":[{"a":'b'}]}`, 0, stix.ErrSyntax},
		{`{"objects":[{"a":"\x"}]}`, 0, stix.ErrSyntax},
		{"{\"objects\":[{\"a\":\"\n\"}]}", 0, stix.ErrSyntax},
		{"{\"objects\":[{\"a\":\"\x00\"}]}", 0, stix.ErrSyntax},
		{`{"objects":[{}],"x":nul}`, 1, stix.ErrSyntax},
		{`{"objects":[{}],"x":"` + "\xff" + `"}`, 1, stix.ErrSyntax},
		{`{"objects":[{}],"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 1, stix.ErrSyntax},
	} {
		raw, _, s := split(c.body, stix.Limits{})
		var body *stix.BodyError
		if c.kind != nil && !errors.As(s.Err(), &body) {
			t.Errorf("%.60q: %v is no BodyError", c.body, s.Err())
		}
		if len(raw) < c.objects || c.kind == nil && len(raw) != c.objects || !errors.Is(s.Err(), c.kind) {
			t.Errorf("%.60q: %d objects, %v, want %d, %v", c.body, len(raw), s.Err(), c.objects, c.kind)
		}
	}
}

func TestBundle(t *testing.T) {
	for body, want := range map[string]bool{
		`{"objects":[{}]}`:                          false,
		`{"type":"bundle","objects":[{}]}`:          true,
		`{"objects":[{}],"type":"b\u0075ndle"}`:     true,
		`{"type":"envelope","objects":[{}]}`:        false,
		`{"x":{"type":"bundle"},"objects":[{}]}`:    false,
		`{"type":["bundle"],"objects":[{"a":1}]}`:   false,
		`{"type":"bundle","more":1,"objects":[{}]}`: true,
	} {
		_, _, s := split(body, stix.Limits{})
		if s.Err() != nil || s.Bundle() != want {
			t.Errorf("%s: %v, %v, want %v", body, s.Bundle(), s.Err(), want)
		}
	}
}

// One bad object among good ones fails alone.
func TestObjectsFailAlone(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	many := func(extra string) string {
		var b strings.Builder
		b.WriteString(`{"x":1`)
		for i := range 100 {
			fmt.Fprintf(&b, `,"k%d":1`, i)
		}
		return b.String() + extra + "}"
	}
	for object, want := range map[string]string{
		`{"a":1,"a":2}`:                         "/a: a member's name must be unique",
		`{"a":1,"\u0061":2}`:                    "/a: a member's name must be unique",
		`{"type":"x","type":"x"}`:               "/type: a member's name must be unique",
		`{"d":{"e":[{"name":1,"name":2}]}}`:     "/d/e/0/name: a member's name must be unique",
		`{"ID":"x"}`:                            "/ID: the member's name differs",
		`{"id":"x","Id":"x"}`:                   "/Id: the member's name differs",
		`{"\u017fpec_version":"2.1"}`:           "/ſpec_version: the member's name differs",
		`{"x_a":1,"X_a":1}`:                     "/X_a: the member's name differs",
		`{"d":{"a":1,"A":2}}`:                   "",
		`{"X":1}`:                               "",
		"{\"d\":\"\xc3\x28\"}":                  "/d: the text is not UTF-8",
		"{\"d\":\"\xed\xa0\x80\"}":              "/d: the text is not UTF-8",
		`{"d":["x","\ud800"]}`:                  "/d/1: an escape is half",
		`{"d":"\ud800\u0041"}`:                  "/d: an escape is half",
		`{"d":"\udc00\ud800"}`:                  "/d: an escape is half",
		`{"d":"\ud83d\ude00"}`:                  "",
		deep(64):                                "",
		deep(65):                                "/a/a/a",
		many(""):                                "",
		many(`,"k50":1`):                        "/k50: a member's name must be unique",
		many(`,"d":` + many(`,"d":{"k1":1}`)):   "",
		many(`,"d":` + many(`,"k99":{"k1":1}`)): "/d/k99: a member's name must be unique",
		`5`:                                     "/: an element of",
		`[{}]`:                                  "/: an element of",
		`null`:                                  "/: an element of",
		`{"a":[` + strings.Repeat("0,", 1<<19) + `0]}`: "/: the object holds more than",
	} {
		raw, problems, s := split(`{"objects":[{"type":"a"},`+object+`,{"type":"b"}]}`, stix.Limits{})
		if s.Err() != nil || len(raw) != 3 {
			t.Errorf("%.60q: %d objects, %v", object, len(raw), s.Err())
			continue
		}
		if raw[1] != object || problems[0] != "" || problems[2] != "" || !strings.HasPrefix(problems[1], want) || want == "" && problems[1] != "" {
			t.Errorf("%.60q: problems %q, want %q", object, problems, want)
		}
	}
}

func TestLimits(t *testing.T) {
	object := func(n int) string {
		return `{"type":"x","p":"` + strings.Repeat("a", n-len(`{"type":"x","p":""}`)) + `"}`
	}
	for _, n := range []int{99, 100, 101, 5000, 300_000} {
		body := `{"objects":[{"type":"a"},` + object(n) + `,{"type":"b"}]}`
		raw, problems, s := split(body, stix.Limits{Object: 100})
		if s.Err() != nil || len(raw) != 3 || (problems[1] != "") != (n > 100) || problems[2] != "" || raw[2] != `{"type":"b"}` {
			t.Errorf("object of %d: %q, %v", n, problems, s.Err())
		}
		_, _, s = split(body, stix.Limits{Body: int64(len(body))})
		if s.Err() != nil {
			t.Errorf("body at its limit: %v", s.Err())
		}
		for _, wrong := range []string{body, body[:len(body)-9] + "nonsense!", `[` + body[1:]} {
			_, _, s = split(wrong, stix.Limits{Body: int64(len(body)) - 1})
			if !errors.Is(s.Err(), stix.ErrTooLarge) {
				t.Errorf("body over its limit: %v", s.Err())
			}
		}
	}
	for n, want := range map[int]error{99_999: nil, 100_000: nil, 100_001: stix.ErrTooMany} { // by default
		if _, _, s := split(`{"objects":[{}`+strings.Repeat(",{}", n-1)+`]}`, stix.Limits{}); !errors.Is(s.Err(), want) {
			t.Errorf("%d objects: %v, want %v", n, s.Err(), want)
		}
	}
	for n, want := range map[int]error{2: nil, 3: nil, 4: stix.ErrTooMany} {
		_, _, s := split(`{"objects":[{}`+strings.Repeat(",{}", n-1)+`]}`, stix.Limits{Objects: 3})
		if !errors.Is(s.Err(), want) {
			t.Errorf("%d objects: %v, want %v", n, s.Err(), want)
		}
	}
}

func TestReaderError(t *testing.T) {
	broken := errors.New("line is down")
	s := stix.NewScanner(io.MultiReader(strings.NewReader(`{"objects":[{},`), iotest.ErrReader(broken)), stix.Limits{})
	for s.Next() {
	}
	if !errors.Is(s.Err(), broken) || errors.Is(s.Err(), stix.ErrSyntax) {
		t.Errorf("%v, want %v", s.Err(), broken)
	}
}

func TestFacts(t *testing.T) {
	const object = ` {"type":"sighting","id":"sighting--1","spec_version":"2.1","name":"caf\u00e9 \"x\"","created":"2024-01-01T00:00:00.5Z",
		"modified":"2024-13-01T00:00:00Z","revoked":true,"created_by_ref":"identity--1","object_marking_refs":["m--1","m--2"],
		"granular_markings":[{"marking_ref":"m--3","selectors":["name"]},{"lang":"de","selectors":["name"]}],
		"where_sighted_refs":["identity--2","identity--3"],"x_deep":{"a":[{"some_ref":"tool--1"}]},"x_own_ref":"tool--2",
		"x_not_ref":5,"x_local_ref":"0","pattern":"[a:b = 'c\\\\d']","valid_from":7} `
	o := one(t, object)
	got := []any{
		string(o.Raw), string(o.Name), string(o.Created.Text), o.Created.At, string(o.Modified.Text), o.Modified.At, o.Revoked,
		fmt.Sprintf("%s", o.Markings), fmt.Sprintf("%s", o.GranularMarkings), fmt.Sprintf("%s", o.Refs), string(o.Pattern),
		o.ValidFrom.Text == nil,
	}
	want := []any{
		strings.TrimSpace(object), `café "x"`, "2024-01-01T00:00:00.5Z", stix.Instant{Sec: 1704067200, Frac: 5e17, Set: true},
		"2024-13-01T00:00:00Z", stix.Instant{}, true, "[m--1 m--2]", "[m--3]",
		"[{created_by_ref identity--1} {where_sighted_refs identity--2} {where_sighted_refs identity--3} {x_deep tool--1} {x_own_ref tool--2}]",
		`[a:b = 'c\\d']`, true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The scanner uses no memory for an object beyond what it has.
func TestNoAllocationPerObject(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"objects":[`)
	for i := range 2000 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"type":"indicator","id":"indicator--%08d-0000-4000-8000-000000000000","x_some_ref":"tool--%d","name":"caf\u00e9 %d","pattern":"[a:b = '\\\\%d']","x_own":{"k":[%d]},"object_marking_refs":["m--%d"]}`, i, i, i, i, i, i%7)
	}
	body.WriteString(`]}`)
	s := stix.NewScanner(nil, stix.Limits{})
	r := strings.NewReader("")
	count := 0
	perBody := testing.AllocsPerRun(5, func() {
		r.Reset(body.String())
		s.Reset(r, stix.Limits{})
		for count = 0; s.Next(); count++ {
		}
	})
	if s.Err() != nil || count != 2000 || perBody > 100 {
		t.Errorf("%v allocations for %d objects, %v", perBody, count, s.Err())
	}
}

// Memory follows the largest object and not the body.
func TestMemoryIsBounded(t *testing.T) {
	object := `{"p":"` + strings.Repeat("a", 1000) + `"},`
	body := io.MultiReader(strings.NewReader(`{"blob":"`+strings.Repeat("b", 8<<20)+`","objects":[`), strings.NewReader(strings.Repeat(object, 20_000)), strings.NewReader(`{}]}`))
	s := stix.NewScanner(body, stix.Limits{})
	count := 0
	var most uint64
	for s.Next() {
		if count++; count == 10_000 {
			most = uint64(cap(s.Object().Raw))
		}
	}
	if s.Err() != nil || count != 20_001 || most > 2000 {
		t.Errorf("%d objects, %v", count, s.Err())
	}
}

// TestScannerZero: a Scanner that nobody made reads after its first Reset, names that it does not know too.
func TestScannerZero(t *testing.T) {
	var s stix.Scanner
	for range 2 {
		s.Reset(strings.NewReader(`{"objects":[{"type":"x-y","id":"x-y--1","x_other":{"x_deep":1,"x_deeper":2}}]}`), stix.Limits{})
		if !s.Next() || s.Problem() != nil || string(s.Object().ID) != "x-y--1" || s.Next() || s.Err() != nil {
			t.Fatal(s.Problem(), s.Err())
		}
	}
}
