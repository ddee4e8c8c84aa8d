package auth_test

import (
	"math/rand/v2"
	"testing"

	"liaison/auth"
)

func TestPlain(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`: true, `{"a":1}`: true, `{"a":"x y","b":[true,false,null,{},[]],"c":{"d":999999999999999}}`: true, `{"A":0,"a":""}`: true,
		`{"b":1,"a":1}`: false, `{"a":1,"a":1}`: false, `{"a":01}`: false, `{"a":-1}`: false, `{"a":1.0}`: false, `{"a":1e3}`: false,
		`{"a":1000000000000000}`: false, `{"a":"é"}`: false, `{"a":"\n"}`: false, "{\"a\":\"\x7f\"}": false, `{"a":tru}`: false, `{"a":truey}`: false,
		`{"a":1,}`: false, `{"a":[1,]}`: false, `{"a"}`: false, `{"a":}`: false, `{a:1}`: false, ` {}`: false, `{} `: false, `{}{}`: false, `[]`: false,
		`"x"`: false, ``: false, `{`: false, `{"`: false, `{"a`: false, `{"a"`: false, `{"a":`: false, `{"a":"`: false, `{"a":[`: false, `{"a":1`: false,
		`{"a":{"a":{"a":{"a":1}}}}`: true, `{"a":{"a":{"a":{"a":{}}}}}`: false, `{"":1}`: true,
	} {
		if got, err := auth.Plain([]byte(text)); got != want || err != nil {
			t.Errorf("%q: plain %t, %v; want %t", text, got, err, want)
		}
	}
	const seed = `{"a":["x",1,{"b":null}],"bc":"d","e":{"f":[]},"g":12}`
	r := rand.New(rand.NewPCG(1, 2))
	plain := 0
	for range 100_000 {
		b := []byte(seed)
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] = seed[r.IntN(len(seed))]
		}
		got, err := auth.Plain(b)
		if err != nil {
			t.Fatal(err)
		}
		if got {
			plain++
		}
		// Of a line too: what is read is what would be written.
		line := []byte(`{"actor":"x","kind":"y","seq":7,"time":"2025-01-31T09:30:00.123456Z","what":` + string(b) + `}`)
		if l, seq, err := auth.ParseLine(line); err == nil && string(l.Canonical(seq)) != string(line) {
			t.Fatalf("%s is read, and written as %s", line, l.Canonical(seq))
		} else if got && err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if plain < 1000 {
		t.Errorf("%d changed texts are plain", plain)
	}
}

func BenchmarkParseLine(b *testing.B) {
	for b.Loop() {
		if _, _, err := auth.ParseLine([]byte(good)); err != nil {
			b.Fatal(err)
		}
	}
}
