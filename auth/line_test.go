package auth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/stix"
)

var morning = time.Date(2025, 1, 31, 9, 30, 0, 123_456_789, time.UTC)

func TestLineCanonical(t *testing.T) {
	cases := []struct {
		name string
		what any
		want string
	}{
		{"nothing", nil, `{}`},
		{"sorted", json.RawMessage(` { "b" : 1 , "a" : [ true , false, null ] } `), `{"a":[true,false,null],"b":1}`},
		{"sorted by UTF-16", json.RawMessage(`{"\ufb33":1,"\ud83d\ude00":2,"\u20ac":3,"\r":4,"1":5,"":6}`),
			"{\"\":6,\"\\r\":4,\"1\":5,\"\u20ac\":3,\"\U0001F600\":2,\"\ufb33\":1}"},
		{"prefixes", json.RawMessage(`{"ab":1,"a":2}`), `{"a":2,"ab":1}`},
		{"escapes", map[string]string{"s": "<&>\u2028\"\\\b\f\n\r\t\x00\x1f\u007fé"},
			"{\"s\":\"<&>\u2028\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\u007fé\"}"},
		{"not UTF-8", map[string]string{"s": "a\xffb"}, "{\"s\":\"a\ufffdb\"}"},
		{"integers", json.RawMessage(`{"a":-0,"b":1.0,"c":1e3,"d":9007199254740991,"e":-9007199254740991}`),
			`{"a":0,"b":1,"c":1000,"d":9007199254740991,"e":-9007199254740991}`},
		{"level", struct{ L stix.Level }{stix.AmberStrict}, `{"L":"amber+strict"}`},
		{"within", json.RawMessage(`{"a":{"z":[{"y":1,"x":2}],"b":{}}}`), `{"a":{"b":{},"z":[{"x":2,"y":1}]}}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := auth.NewLine(morning, "acme_1", "publish", c.what)
			want := `{"actor":"acme_1","kind":"publish","seq":42,"time":"2025-01-31T09:30:00.123456Z","what":` + c.want + `}`
			got := l.Canonical(42)
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Fatalf("Canonical (-want +got):\n%s", diff)
			}
			back, seq, err := auth.ParseLine(got)
			if err != nil || seq != 42 {
				t.Fatalf("ParseLine: seq %d, %v", seq, err)
			}
			if diff := cmp.Diff(l, back); diff != "" {
				t.Errorf("ParseLine (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLineTimeIsUTC(t *testing.T) {
	l := auth.NewLine(morning.In(time.FixedZone("", 7*3600)), auth.Gateway, "start", nil)
	want := `{"actor":"gateway","kind":"start","seq":0,"time":"2025-01-31T09:30:00.123456Z","what":{}}`
	if diff := cmp.Diff(want, string(l.Canonical(0))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNewLineRefuses(t *testing.T) {
	for name, what := range map[string]any{
		"a fraction":       map[string]float64{"x": 1.5},
		"a great number":   json.RawMessage(`{"x":9007199254740992}`),
		"a great exponent": json.RawMessage(`{"x":1e300}`),
		"a string":         "x",
		"a list":           []int{1},
		"a member twice":   json.RawMessage(`{"x":1,"x":2}`),
		"a deep one":       json.RawMessage(`{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`),
		"a channel":        make(chan int),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			auth.NewLine(morning, auth.Gateway, "start", what)
		})
	}
}

const good = `{"actor":"acme_1","kind":"publish","seq":42,"time":"2025-01-31T09:30:00.123456Z","what":{"a":1,"b":"x"}}`

func TestParseLineRefuses(t *testing.T) {
	if _, _, err := auth.ParseLine([]byte(good)); err != nil {
		t.Fatal(err)
	}
	cases := map[string][2]string{ // replace the first by the second
		"white space":         {`:42`, `: 42`},
		"order":               {`"a":1,"b":"x"`, `"b":"x","a":1`},
		"an unknown member":   {`"seq"`, `"extra":1,"seq"`},
		"a member twice":      {`"seq":42`, `"seq":42,"seq":42`},
		"another case":        {`"seq"`, `"Seq"`},
		"no actor":            {`"actor":"acme_1",`, ``},
		"an empty actor":      {`acme_1`, ``},
		"no kind":             {`"kind":"publish",`, ``},
		"no time":             {`"time":"2025-01-31T09:30:00.123456Z",`, ``},
		"no what":             {`,"what":{"a":1,"b":"x"}`, ``},
		"a what that is null": {`{"a":1,"b":"x"}`, `null`},
		"a what that is none": {`{"a":1,"b":"x"}`, `[]`},
		"milliseconds":        {`.123456Z`, `.123Z`},
		"an offset":           {`Z"`, `+00:00"`},
		"no such day":         {`01-31`, `02-31`},
		"a negative seq":      {`:42`, `:-1`},
		"a seq of float":      {`:42`, `:42.0`},
		"a great seq":         {`:42`, `:9007199254740992`},
		"a leading zero":      {`:42`, `:042`},
		"a fraction":          {`"a":1`, `"a":1.5`},
		"a needless escape":   {`"x"`, `"\u0078"`},
		"a lone surrogate":    {`"x"`, `"\ud800"`},
		"bytes not UTF-8":     {`"x"`, "\"\xff\""},
		"cut off":             {`}}`, `}`},
		"more after it":       {`}}`, `}}{}`},
		"a newline":           {`}}`, "}}\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := strings.Replace(good, c[0], c[1], 1)
			if b == good {
				t.Fatal("nothing replaced")
			}
			if l, _, err := auth.ParseLine([]byte(b)); !errors.Is(err, auth.ErrInvalid) {
				t.Errorf("%s: got %+v, %v; want ErrInvalid", b, l, err)
			}
		})
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"actor":"local:0","kind":"x","seq":0,"time":"2025-01-31T09:30:00.000000Z","what":{}}`))
	f.Add([]byte(`{"actor":"é","kind":"\u0000","seq":1,"time":"0000-01-01T00:00:00.000000Z","what":{"a":[null,{"\ud83d\ude00":-1}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, seq, err := auth.ParseLine(b)
		if err != nil {
			return
		}
		if got := l.Canonical(seq); string(got) != string(b) {
			t.Fatalf("accepted %q, writes %q", b, got)
		}
		if !json.Valid(b) {
			t.Fatalf("accepted %q, which is not JSON", b)
		}
		if _, err := auth.Plain(l.What); err != nil {
			t.Fatal(err)
		}
	})
}

func TestActor(t *testing.T) {
	for want, p := range map[auth.Actor]auth.Principal{
		"acme_1":     {Partner: "acme", Client: "acme_1", Method: auth.BySecret, UID: 7},
		"local:1000": {Method: auth.ByPeer, UID: 1000},
		"local:0":    auth.LocalOperator(0),
		"acme":       {Partner: "acme"},
	} {
		if got := p.Actor(); got != want {
			t.Errorf("%+v: got %q, want %q", p, got, want)
		}
	}
}

func TestScope(t *testing.T) {
	for s, want := range map[string]auth.Scope{
		"":                        auth.FullScope,
		"taxii:read":              auth.ScopeRead,
		"taxii:write taxii:read":  auth.ScopeRead | auth.ScopeWrite,
		"taxii:delete":            auth.ScopeDelete,
		"taxii:read taxii:read":   auth.ScopeRead,
		auth.FullScope.String():   auth.FullScope,
		auth.ScopeWrite.String():  auth.ScopeWrite,
		auth.ScopeDelete.String(): auth.ScopeDelete,
	} {
		if got, err := auth.ParseScope(s); err != nil || got != want {
			t.Errorf("ParseScope(%q) = %q, %v; want %q", s, got, err, want)
		}
	}
	for _, s := range []string{" ", "taxii:read ", " taxii:read", "taxii:read  taxii:write", "TAXII:READ", "admin", "taxii:read,taxii:write", "taxii:read\ttaxii:write"} {
		if got, err := auth.ParseScope(s); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("ParseScope(%q) = %q, %v; want ErrInvalid", s, got, err)
		}
	}
	if got := auth.FullScope.String(); got != "taxii:read taxii:write taxii:delete" {
		t.Errorf("FullScope is %q", got)
	}
}

// What NewLine takes comes out as the same JSON value in its one form; what it refuses it refuses
// with its own words.
func FuzzNewLine(f *testing.F) {
	f.Add([]byte(`{"b":[1,-0,1e3,true,null,"\u0041\n"],"a":{"\ud83d\ude00":{},"\ufb33":[]}}`))
	f.Add([]byte(` { "a" : "\\\"" , "\u0061b" : "<\u2028>" } `))
	f.Add([]byte(`{"a":1,"\u0061":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		defer func() {
			if r := recover(); r != nil && !strings.HasPrefix(fmt.Sprint(r), "auth: journal line x: what: ") {
				panic(r)
			}
		}()
		l := auth.NewLine(morning, "a", "x", json.RawMessage(b))
		var before, after any
		if json.Unmarshal(b, &before) != nil || json.Unmarshal(l.What, &after) != nil {
			t.Fatalf("%q became %q", b, l.What)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("%q became %q (-before +after):\n%s", b, l.What, diff)
		}
		if again := auth.NewLine(morning, "a", "x", l.What); string(again.What) != string(l.What) {
			t.Fatalf("%q became %q and that %q", b, l.What, again.What)
		}
		if _, _, err := auth.ParseLine(l.Canonical(1)); err != nil {
			t.Fatal(err)
		}
	})
}

// AppendStamp writes what time.Format writes, and ParseStamp takes that and nothing else.
func TestStamp(t *testing.T) {
	const layout = "2006-01-02T15:04:05.000000Z"
	for _, at := range []time.Time{
		morning, {}, time.Unix(0, 0), time.Unix(-1, 999), time.Date(2024, 2, 29, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2025, 12, 31, 23, 0, 0, 1000, time.FixedZone("", -7200)),
	} {
		want := at.UTC().Format(layout)
		if got := string(auth.AppendStamp([]byte("at "), at)); got != "at "+want {
			t.Errorf("AppendStamp wrote %q, want %q behind \"at \"", got, want)
		}
		if got, ok := auth.ParseStamp(want); !ok || !got.Equal(at.Truncate(time.Microsecond)) {
			t.Errorf("ParseStamp(%q) = %v, %v", want, got, ok)
		}
	}
	for _, at := range []time.Time{time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got, want := string(auth.AppendStamp(nil, at)), at.Format(layout); got != want {
			t.Errorf("AppendStamp wrote %q, want %q", got, want)
		}
	}
	for _, s := range []string{
		"", "2025-01-31T09:30:00Z", "2025-01-31T09:30:00.000000", "2025-02-30T09:30:00.000000Z", "2025-01-31T24:00:00.000000Z",
		"2025-01-31T09:30:60.000000Z", "2025-01-31 09:30:00.000000Z", "2025-01-31T09:30:00.00000:Z", "2025-1-031T09:30:00.000000Z",
		"2025-01-31T09:30:00.0000000", "2025-00-31T09:30:00.000000Z", "-025-01-31T09:30:00.000000Z", "\xff025-01-31T09:30:00.000000Z",
	} {
		if at, ok := auth.ParseStamp([]byte(s)); ok {
			t.Errorf("ParseStamp took %q for %v", s, at)
		}
	}
}

func FuzzParseStamp(f *testing.F) {
	f.Add("2025-01-31T09:30:00.123456Z")
	f.Add("2025-02-29T09:30:00.000000Z")
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := auth.ParseStamp(s)
		if want, err := time.Parse(time.RFC3339Nano, s); ok && (err != nil || !at.Equal(want)) {
			t.Fatalf("%q is %v, want %v, %v", s, at, want, err)
		} else if err == nil && len(s) == len("2006-01-02T15:04:05.000000Z") && want.Format("2006-01-02T15:04:05.000000Z") == s && !ok {
			t.Fatalf("%q was not taken", s)
		}
	})
}
