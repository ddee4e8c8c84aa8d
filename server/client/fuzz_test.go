package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// These two are tested from inside: what they read comes from a server and from a file that others can
// write, and neither is to be had from outside the package.

// FuzzPage holds the splitter to encoding/json: both take the same answers, and the objects are the
// same bytes, however the answer comes in.
func FuzzPage(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"more":false}`, `{"objects":[]}`, `{"objects":null,"next":null,"more":null}`,
		`{"more":true,"next":"a\u0000b","objects":[{"id":"a","b":[1,{"c":"]}\\\"\\\\"}]} , {}]}`,
		` { "x" : 1.5e+7 , "y":[true,false,null],"objects":[{"a":"é"}]} `,
		`{"objects":[{"a":1},]}`, `{"objects":[{"a":1}{"b":2}]}`, `{"objects":[1]}`, `{"objects":[{]}]}`, `{"a":"\`, `{"a"}`, `{,}`,
	} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		var got [][]byte
		s := &splitter{r: iotest.OneByteReader(bytes.NewReader(data)), buf: make([]byte, 1+min(max(size, 0), 100))}
		var p page
		err := s.envelope(&p, func(raw []byte) error {
			got = append(got, bytes.Clone(raw))
			return nil
		})
		if err != nil && !errors.Is(err, ErrNotTAXII) && !errors.Is(err, errCut) {
			t.Fatalf("an error of no kind: %v", err)
		}
		// What the reader gives at once must make no difference.
		n := 0
		whole, err2 := readPage(bytes.NewReader(data), func(raw []byte) error {
			if n >= len(got) || !bytes.Equal(raw, got[n]) {
				t.Fatalf("object %d is %q", n, raw)
			}
			n++
			return nil
		})
		if (err == nil) != (err2 == nil) || n != len(got) {
			t.Fatalf("%v byte by byte, %v whole", err, err2)
		}
		if err != nil {
			return
		}
		if whole != p {
			t.Fatalf("%+v byte by byte, %+v whole", p, whole)
		}
		if !json.Valid(data) {
			t.Fatalf("took what is no JSON: %q", data)
		}
		// Into a map, because encoding/json folds the case of a struct's members.
		var members map[string]json.RawMessage
		var objects []json.RawMessage
		if json.Unmarshal(data, &members) != nil || strings.Count(string(data), "objects") > 1 ||
			members["objects"] != nil && json.Unmarshal(members["objects"], &objects) != nil {
			return
		}
		if len(objects) != len(got) {
			t.Fatalf("%d objects, encoding/json has %d", len(got), len(objects))
		}
		for i, raw := range objects {
			if !bytes.Equal(raw, got[i]) {
				t.Fatalf("object %d is %q, encoding/json has %q", i, got[i], raw)
			}
		}
	})
}

// FuzzValue holds scanValue to encoding/json: a text is one value for both or for neither, and no
// beginning of a good text is wrong.
func FuzzValue(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-0.5e+10,true,false,null,"\u00e9\\"]}`, `[]`, ` [ [ ] , { } ] `, `01`, `-`, `1.`, `.5`, `1e`, `"\x"`, "\"\n\"", `{"a" 1}`, `{"a":}`, `[,]`, `[1,]`, `tru`, `nul`, `"\ud800"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// Something that ends a number, and would be wrong inside of every value.
		end, v, _ := scanValue(append(bytes.Clone(data), 0), 0, nil)
		good := v == whole && blank(data, end) == len(data)
		if good != json.Valid(data) {
			t.Fatalf("%q: %v up to %d, encoding/json %v", data, v, end, !good)
		}
		if !good {
			return
		}
		for i := range data {
			if _, v, _ := scanValue(data[:i], 0, nil); v == wrong {
				t.Fatalf("%q: its first %d bytes are wrong", data, i)
			}
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"api_root":"https://gw.example/secure/","output":"/a/b.json","length":17,"objects":2,"since":"2025-01-01T00:00:00.000000Z","collections":{"c":{"name":"vn","added_after":"2025-01-01T00:00:00.000000Z","next":"x","last":"2025-01-01T00:00:00.000020Z","objects":2}}}`))
	f.Add([]byte(`{"version":1,"api_root":"a","output":"-"}`))
	f.Add([]byte(`{"version":2}`))
	name := f.TempDir() + "/state"
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseState(data)
		if err != nil {
			if !errors.Is(err, ErrState) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q", err)
			}
			return
		}
		if err := s.save(name); err != nil {
			if errors.Is(err, ErrState) {
				return // too large to be written
			}
			t.Fatal(err)
		}
		again, err := loadState(name)
		if err != nil {
			t.Fatal(err)
		}
		a, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := json.Marshal(again); err != nil || !bytes.Equal(a, b) {
			t.Fatalf("%s became %s, %v", a, b, err)
		}
	})
}

func BenchmarkReadPage(b *testing.B) {
	object := `{"type":"indicator","id":"indicator--00000000-0000-4000-8000-000000000000","pattern":"[domain-name:value = 'a.example']","x":"` + strings.Repeat("x", 600) + `"}`
	data := `{"more":false,"objects":[` + strings.Repeat(object+",", 999) + object + `]}`
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := readPage(strings.NewReader(data), func(raw []byte) error { _, err := io.Discard.Write(raw); return err }); err != nil {
			b.Fatal(err)
		}
	}
}
