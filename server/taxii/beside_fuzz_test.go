package taxii_test

import (
	"errors"
	"net/url"
	"reflect"
	"testing"

	"liaison/server/taxii"
)

// FuzzBeside: what is asked beside TAXII is read or refused with a 400 that names the parameter, and the
// same in another order and spelling of the query is the same.
func FuzzBeside(f *testing.F) {
	f.Add("since=2025-01-31T09:30:00.000000Z&limit=5", true)
	f.Add("id="+idA, true)
	f.Add("value=198.51.100.1&value=evil.test&limit=007", false)
	f.Add("next=abc&limit=10001", false)
	f.Fuzz(func(t *testing.T, raw string, lapses bool) {
		known := []string{"value", "next", "limit"}
		if lapses {
			known = []string{"since", "id", "next", "limit"}
		}
		b, err := taxii.ParseBeside(raw, known...)
		if err != nil {
			if e, ok := errors.AsType[*taxii.Error](err); !ok || e.Status() != 400 || len(e.Description) > 1000 {
				t.Errorf("%v", err)
			}
			return
		}
		if b.Limit < 1 || b.Lapses.Limit != b.Limit {
			t.Errorf("%+v", b)
		}
		values, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("taken and not a query: %v", err)
		}
		if again, err := taxii.ParseBeside(values.Encode(), known...); err != nil || !reflect.DeepEqual(again, b) {
			t.Errorf("sorted: %+v, %v; was %+v", again, err, b)
		}
	})
}
