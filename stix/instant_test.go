package stix_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/stix"
)

func TestParseInstant(t *testing.T) {
	for text, want := range map[string]stix.Instant{
		"1970-01-01T00:00:00Z":                    {Set: true},
		"1969-12-31T23:59:59.5Z":                  {Sec: -1, Frac: 5e17, Set: true},
		"2024-02-29T12:30:45.123456789012345678Z": {Sec: 1709209845, Frac: 123456789012345678, Set: true},
		"2016-12-31T23:59:60Z":                    {Sec: 1483228800, Set: true},
		"0000-01-01T00:00:00Z":                    {Sec: -62167219200, Set: true},
		"9999-12-31T23:59:59.000Z":                {Sec: 253402300799, Set: true},
	} {
		got, err := stix.ParseInstant([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	for _, text := range []string{
		"", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01T00:00:00z", "2024-01-01t00:00:00Z", "2024-01-01T00:00:00+00:00",
		"2024-01-01 00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2024-00-01T00:00:00Z", "2024-13-01T00:00:00Z",
		"2024-04-31T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:60Z",
		"2016-12-31T23:58:60Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00,5Z", "2024-01-01T00:00:00.1234567890123456789Z",
		"2024-01-01T00:00:00.5xZ", "-024-01-01T00:00:00Z", "2024-1-01T00:00:000Z",
	} {
		if got, err := stix.ParseInstant([]byte(text)); err == nil {
			t.Errorf("%q is %+v, want an error", text, got)
		}
	}
}

func TestInstantCompare(t *testing.T) {
	parse := func(s string) stix.Instant {
		at, err := stix.ParseInstant([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	order := []stix.Instant{
		{}, parse("0001-01-01T00:00:00Z"), parse("2024-01-01T00:00:00Z"), parse("2024-01-01T00:00:00.000000000000000001Z"),
		parse("2024-01-01T00:00:00.1Z"), parse("2024-01-01T00:00:01Z"),
	}
	for i, a := range order {
		for j, b := range order {
			want := min(max(i-j, -1), 1)
			if got := a.Compare(b); got != want {
				t.Errorf("%+v.Compare(%+v) = %d, want %d", a, b, got, want)
			}
		}
	}
	if parse("2024-01-01T00:00:00Z").Compare(parse("2024-01-01T00:00:00.000Z")) != 0 {
		t.Error("trailing zeros make a difference")
	}
}
