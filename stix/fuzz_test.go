package stix_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/stix"
)

// facts is what a test compares of an object; it owns its text.
type facts struct {
	Raw, Type, ID, SpecVersion, Created, Modified, ValidFrom, ValidUntil string
	CreatedBy, Pattern, PatternType, Name                                string
	Revoked                                                              bool
	Markings, Granular, Refs                                             []string
	Problem, Check, Strict, Derived                                      string
}

func read(s *stix.Scanner) facts {
	o := s.Object()
	f := facts{
		Raw: string(o.Raw), Type: string(o.Type), ID: string(o.ID), SpecVersion: string(o.SpecVersion),
		Created: string(o.Created.Text), Modified: string(o.Modified.Text), ValidFrom: string(o.ValidFrom.Text),
		ValidUntil: string(o.ValidUntil.Text), CreatedBy: string(o.CreatedBy), Pattern: string(o.Pattern),
		PatternType: string(o.PatternType), Name: string(o.Name), Revoked: o.Revoked,
	}
	level, unknown := stix.LevelOf(o, func([]byte) (stix.Level, bool) { return stix.Unmarked, false })
	f.Derived = fmt.Sprint(string(o.DefinitionType), o.DefinitionLevel, o.Shared(), o.Spec(), o.Version().At, level, string(unknown))
	for _, m := range o.Markings {
		f.Markings = append(f.Markings, string(m))
	}
	for _, m := range o.GranularMarkings {
		f.Granular = append(f.Granular, string(m))
	}
	for _, r := range o.Refs {
		f.Refs = append(f.Refs, r.Property+" "+string(r.ID))
	}
	if p := s.Problem(); p != nil {
		f.Problem = p.Error()
	}
	if p, _ := stix.Check(o); p != nil {
		f.Check = p.Error()
	}
	if p := stix.CheckStrict(o); p != nil {
		f.Strict = p.Error()
	}
	return f
}

// readAll reads a body to its end.
func readAll(s *stix.Scanner) (all []facts, err error) {
	for s.Next() {
		all = append(all, read(s))
	}
	return all, s.Err()
}

func FuzzScanner(f *testing.F) {
	for _, seed := range scannerSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := readAll(stix.NewScanner(bytes.NewReader(body), stix.Limits{}))
		if err == nil && !json.Valid(body) {
			t.Fatal("accepted what json.Valid refuses")
		}
		slow, slowErr := readAll(stix.NewScanner(iotest.OneByteReader(bytes.NewReader(body)), stix.Limits{}))
		if diff := cmp.Diff(got, slow); diff != "" || (err == nil) != (slowErr == nil) {
			t.Fatalf("byte by byte, (-whole +bytes):\n%s\n%v, %v", diff, err, slowErr)
		}
		if err != nil {
			if errors.Is(err, stix.ErrSyntax) {
				mustBeWrong(t, body, err)
			}
			return
		}
		var want struct{ Objects []json.RawMessage }
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want.Objects) {
			t.Fatalf("%d objects, want %d", len(got), len(want.Objects))
		}
		for i, g := range got {
			if g.Raw != string(want.Objects[i]) {
				t.Fatalf("object %d is %q, want %q", i, g.Raw, want.Objects[i])
			}
			alone := append(append([]byte(`{"objects":[`), g.Raw...), "]}"...)
			first, err := readAll(stix.NewScanner(bytes.NewReader(alone), stix.Limits{}))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(first[0], g); diff != "" {
				t.Fatalf("after others (-alone +after):\n%s", diff)
			}
			if g.Problem == "" {
				agree(t, g)
			}
		}
	})
}

// mustBeWrong fails when encoding/json sees nothing wrong with a body that was refused.
func mustBeWrong(t *testing.T, body []byte, err error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || !bytes.HasPrefix(bytes.TrimLeft(members["objects"], " \t\r\n"), []byte("[")) {
		return
	}
	if strings.Contains(err.Error(), "second member") {
		return // encoding/json takes the last
	}
	for k, v := range members {
		if k != "objects" && !json.Valid(bytes.ToValidUTF8(v, nil)) || !bytes.Equal(body, bytes.ToValidUTF8(body, []byte("?"))) {
			return // text outside the objects that is not UTF-8
		}
	}
	t.Fatalf("refused with %v", err)
}

// agree compares facts with encoding/json's reading of the same object.
func agree(t *testing.T, g facts) {
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(g.Raw))
	d.UseNumber() // 1E400 is a number, though no float64
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	text := func(k string) string { s, _ := m[k].(string); return s }
	list := func(k string) (all []string) {
		l, _ := m[k].([]any)
		for _, v := range l {
			if s, ok := v.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	revoked, _ := m["revoked"].(bool)
	want := facts{
		Raw: g.Raw, Type: text("type"), ID: text("id"), SpecVersion: text("spec_version"), Created: text("created"),
		Modified: text("modified"), ValidFrom: text("valid_from"), ValidUntil: text("valid_until"),
		CreatedBy: text("created_by_ref"), Pattern: text("pattern"), PatternType: text("pattern_type"), Name: text("name"),
		Revoked: revoked, Markings: list("object_marking_refs"),
		Granular: g.Granular, Refs: g.Refs, Check: g.Check, Strict: g.Strict, Derived: g.Derived,
	}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Fatalf("facts (-encoding/json +scanner):\n%s", diff)
	}
}

var scannerSeeds = []string{
	`{}`, `{"objects":[]}`, `{"objects":[{}]}`, `[]`, ``, `{"objects":[1,"x",[],null]}`,
	`{"more":true,"objects":[{"type":"identity","id":"identity--1"}],"next":"x"}`,
	`{"type":"bundle","id":"bundle--1","objects":[{"name":"é\u00e9\ud83d\ude00"},{"name":"\ud800"},{"a":1,"a":2}]}`,
	"{\"objects\" : [ { \"ID\" : -1.5e+10 , \"name\" : \"\xff\" } , {\"a\":{\"b\":[true,false,null]}} ] }\n",
	`{"objects":[{"type":"x","revoked":true,"object_marking_refs":["a--b"]},{"type":"x","revoked":true,"object_marking_refs":["a--b"]},{"type":"x","object_marking_refs":["\u0061--b"],"a_ref":"c--d"},{"type":"x","object_marking_refs":["\u0061--b"],"a_ref":"c--d"}]}`,
	`{"objects":[{"type":"x","id":"a","x_ref":"a--b","name":"1"},{"type":"x","id":"b","x_ref":"a--b","name":"2"},{"type":"x","id":"c","x_ref":"a--c","name":"3"},{"type":"x","id":"d","name":"3","x_ref":"a--c"},{"type":"x","id":"d"},{"type":"x","id":"d","type":"y"}]}`,
	`{"objects":[{"X_a":1,"b":{"c_refs":["d--e","f--g"]},"revoked":true},{"X_a":2,"b":{"c_refs":["d--e","f--g"]},"revoked":true},{"X_a":2,"b":{"c_refs":["d--e"]},"revoked":false},{"X_a":2,"x_a":3}]}`,
	`{"objects":[{"type":"tool","granular_markings":[{"marking_ref":"a--b"}],"pattern":"\\x"},{"type":"tool","granular_markings":[{"marking_ref":"a--b"}],"pattern":"\\y"},{"type":"tool","granular_markings":5,"pattern":"z"}]}`,
	`{"objects":[{"n":10},{"n":100},{"n":10,"n":1}]}`, `{"objects":[{"n":1E400},{"n":-0},{"":-0.0e-0,"\u0000":""}]}`,
	`{"objects":[{"type":"tool","id":"\u0074ool--1","pattern":"x"},{"type":"tool","id":"\u0074ool--1","pattern":"\u0074ool--2 forged"}]}`,
	`{"objects":[{"x":"` + strings.Repeat("a", 100) + `\n"}]} `,
	`{"\u006fbjects":[{}]}`, `{"Objects":[{}]}`, `{"objects":[{}],"objects":[{}]}`,
}

func FuzzPattern(f *testing.F) {
	for _, c := range patternCases {
		f.Add(c.pattern)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		problem := stix.Pattern([]byte(pattern))
		found := stix.Observables([]byte(pattern))
		if problem != nil {
			return
		}
		if stix.Pattern([]byte(" "+pattern)) != nil {
			t.Error("not valid after white space")
		}
		if stix.Pattern([]byte("("+pattern+"\n)")) != nil {
			t.Error("not valid in parentheses")
		}
		if stix.Pattern([]byte(pattern+"\n]")) == nil {
			t.Error("valid with a bracket too many")
		}
		for _, o := range found {
			if o.Path == "" || !strings.Contains(o.Path, ":") {
				t.Errorf("path %q", o.Path)
			}
		}
	})
}

func FuzzInstant(f *testing.F) {
	for _, s := range []string{"2016-12-31T23:59:60Z", "2024-02-29T00:00:00.000Z", "1969-12-31T23:59:59.123456789Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999999999999Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := stix.ParseInstant([]byte(text))
		want, wantErr := time.Parse("2006-01-02T15:04:05Z", text)
		switch {
		case err == nil && wantErr == nil:
			if at.Sec != want.Unix() || at.Frac/1e9 != uint64(want.Nanosecond()) {
				t.Errorf("%s is %+v, want %d and %d ns", text, at, want.Unix(), want.Nanosecond())
			}
		case err == nil && !strings.Contains(text, ":60"):
			t.Errorf("%q is accepted: %v", text, wantErr)
		case wantErr == nil && strings.HasPrefix(text, want.Format("2006-01-02T15:04:05")) && !strings.Contains(text, ",") && len(text) <= len("2006-01-02T15:04:05.000000000000000000Z"):
			t.Errorf("%q is refused: %v", text, err)
		}
	})
}

func FuzzCheck(f *testing.F) {
	for _, c := range checkCases {
		f.Add([]byte(c.object))
	}
	for _, c := range letterCases {
		f.Add([]byte(c.object))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		s := stix.NewScanner(bytes.NewReader(append(append([]byte(`{"objects":[`), object...), "]}"...)), stix.Limits{})
		for s.Next() {
			o := s.Object()
			first, _ := stix.Check(o)
			strict := stix.CheckStrict(o)
			if again, _ := stix.Check(o); cmp.Diff(first, again) != "" {
				t.Errorf("%v, then %v", first, again)
			}
			if first != nil && strict == nil {
				t.Errorf("tier 1 says %v and tier 2 nothing", first)
			}
			level, unknown := stix.LevelOf(o, nil)
			if (unknown != nil) != (level == stix.Unknown) {
				t.Errorf("level %v, unknown %q", level, unknown)
			}
			o.Spec()
			o.Shared()
			o.Version()
		}
	})
}
