package stix_test

import (
	"strings"
	"testing"

	"liaison/stix"
)

func TestQuick(t *testing.T) {
	for _, b := range []string{`{}`, `{"objects":[]}`, `[]`, ``, `{"objects":[{"type":"x"}]`, `{"objects":[{"type":"x"}]} x`, `{"objects":[1]}`,
		`{"objects":[{"a":1,"a":2}],"more":true}`, `{"objects":[{"ID":1}]}`, `{"id":"bundle--1","type":"bundle","objects":[{"type":"x","d":{"x":"\ud800"}},{"k":"` + "\xff" + `"}]}`,
		`{"objects":[{}],"objects":[]}`, `{"objects":{}}`, "\ufeff{}", `{"objects":[` + strings.Repeat(`{"a":`, 65) + `1` + strings.Repeat(`}`, 65) + `,{}]}`,
		`{"objects":[{"nam\u0065":1,"name":2}]}`, `{"obj\u0065cts":[{"a":1}]}`} {
		s := stix.NewScanner(strings.NewReader(b), stix.Limits{})
		for s.Next() {
			t.Logf("  %.50s %v", s.Object().Raw, s.Problem())
		}
		t.Logf("%.60s: err %v bundle %v", b, s.Err(), s.Bundle())
	}
}
