package taxii_test

import (
	"net/http"
	"strings"
	"testing"

	"liaison/server/taxii"
)

func TestSection3_1_Accept(t *testing.T) {
	const tx, html = true, true
	for _, row := range []struct {
		lines       []string
		taxii, html bool
	}{
		{nil, tx, false},
		{[]string{""}, tx, false},
		{[]string{"*/*"}, tx, false},
		{[]string{"application/*"}, tx, false},
		{[]string{"application/taxii+json;version=2.1"}, tx, false},
		{[]string{"application/taxii+json; version=2.1"}, tx, false},
		{[]string{"Application/TAXII+JSON ; Version=\"2.1\" ; charset=utf-8"}, tx, false},
		{[]string{"application/taxii+json"}, tx, false},
		{[]string{"application/taxii+json;version=2"}, tx, false},
		{[]string{"application/taxii+json;q=0.9;version=2.1"}, tx, false},
		{[]string{"application/taxii+json;version=2.0"}, false, false},
		{[]string{"application/taxii+json;version=9.9"}, false, false},
		{[]string{"application/taxii+json;version=2.0, application/taxii+json;version=2.1"}, tx, false},
		{[]string{"application/taxii+json;version=2.0", "application/taxii+json;version=2.1"}, tx, false},
		{[]string{"application/taxii+json;version=2.0, */*;q=0.1"}, tx, false},
		{[]string{"application/vnd.oasis.taxii+json; version=2.0"}, false, false},
		{[]string{"application/stix+json;version=2.1"}, tx, false},
		{[]string{"application/stix+json;version=2.0"}, tx, false},
		{[]string{"application/stix+json;version=3.0"}, false, false},
		{[]string{"application/taxii+json;version=2.1;q=0"}, false, false},
		{[]string{"application/taxii+json;version=2.1;q=0.000, */*"}, false, false},
		{[]string{"*/*;q=0, application/taxii+json"}, tx, false},
		{[]string{"*/*;q=0"}, false, false},
		{[]string{"application/json"}, false, false},
		{[]string{"text/plain"}, false, false},
		{[]string{"text/html"}, false, html},
		{[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, tx, html},
		{[]string{"text/html, application/taxii+json;version=2.1"}, tx, false},
		{[]string{"text/html;q=0, */*"}, tx, false},
		{[]string{",, ,application/taxii+json,,"}, tx, false},
		{[]string{"application/taxii+json;;version=2.1;"}, tx, false},
		{[]string{`text/plain;x="a,application/taxii+json"`}, false, false},
		{[]string{"application/taxii+json;version=2.1;version=2.1"}, false, false},
		{[]string{"application/taxii+json;q=2"}, false, false},
		{[]string{"application"}, false, false},
		{[]string{"application/taxii+json/x"}, false, false},
	} {
		got := taxii.Accept(row.lines)
		if got.TAXII != row.taxii || got.HTML != row.html {
			t.Errorf("%q: %+v, want TAXII %v, HTML %v", row.lines, got, row.taxii, row.html)
		}
	}
}

func TestSection3_1_ContentType(t *testing.T) {
	for line, want := range map[string]bool{
		"application/taxii+json;version=2.1":               true,
		"application/taxii+json; version=2.1":              true,
		"application/taxii+json":                           true,
		"APPLICATION/TAXII+JSON;VERSION=2.1":               true,
		`application/taxii+json;version="2.1"`:             true,
		"application/taxii+json;version=2.1;charset=utf-8": true,
		"application/taxii+json;version=2.1;charset=UTF-8": true,
		"application/taxii+json;charset=utf-16":            false,
		"application/taxii+json;version=2.0":               false,
		"application/stix+json":                            true,
		"application/stix+json; version=2.1":               true,
		"application/stix+json;version=2.0":                true,
		"application/vnd.oasis.stix+json":                  false,
		"application/json":                                 false,
		"text/plain":                                       false,
		"":                                                 false,
		";":                                                false,
	} {
		if got := taxii.Content([]string{line}); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
	if taxii.Content(nil) || taxii.Content([]string{"application/taxii+json", "application/taxii+json"}) {
		t.Error("none or two Content-Type lines are taken")
	}
}

func TestCoding(t *testing.T) {
	for _, row := range []struct {
		line, want string
		ok         bool
	}{
		{"", "", true},
		{"gzip", "gzip", true},
		{"x-gzip", "gzip", true},
		{"GZIP, deflate, br", "gzip", true},
		{"zstd", "zstd", true},
		{"gzip, zstd", "gzip", true},
		{"gzip;q=0.5, zstd", "zstd", true},
		{"gzip;q=0, *", "zstd", true},
		{"*", "gzip", true},
		{"deflate, br", "", true},
		{"identity", "", true},
		{"identity, gzip;q=0.5", "", true},
		{"identity;q=0.5, gzip", "gzip", true},
		{"gzip;q=0", "", true},
		{"identity;q=0", "", false},
		{"*;q=0", "", false},
		{"identity;q=0, zstd;q=0.1", "zstd", true},
	} {
		got, ok := taxii.Coding([]string{row.line}, "gzip", "zstd")
		if got != row.want || ok != row.ok {
			t.Errorf("%q: %q %v, want %q %v", row.line, got, ok, row.want, row.ok)
		}
	}
}

// FuzzAccept holds that a header is read the same in any case, in one line or in several, and with
// white space around its elements.
func FuzzAccept(f *testing.F) {
	f.Add("application/taxii+json;version=2.1, */*;q=0.5")
	f.Add(`text/html;level="1,2\"";q=0.3,application/*;q=0`)
	f.Fuzz(func(t *testing.T, line string) {
		got := taxii.Accept([]string{line})
		if again := taxii.Accept([]string{" \t" + line + " "}); again != got {
			t.Errorf("white space changes %+v to %+v", got, again)
		}
		if again := taxii.Accept([]string{"", line, ","}); again != got {
			t.Errorf("empty lines change %+v to %+v", got, again)
		}
		if !strings.ContainsAny(line, `"\`) {
			if again := taxii.Accept(strings.Split(line, ",")); again != got {
				t.Errorf("several lines change %+v to %+v", got, again)
			}
		}
		if more := taxii.Accept([]string{line + ", application/taxii+json;version=2.1"}); !strings.Contains(line, `"`) &&
			!more.TAXII && !strings.Contains(strings.ToLower(line), "q") {
			t.Errorf("%q: naming the type beside it is not acceptable", line)
		}
		taxii.Coding([]string{line}, "gzip", "zstd")
		taxii.Content([]string{line})
	})
}

func TestError(t *testing.T) {
	e := taxii.NewError(http.StatusNotFound, "not_found", "Not found", "")
	if e.Status() != 404 || e.HTTPStatus != "404" || e.Error() != "Not found" {
		t.Errorf("%+v", e)
	}
}
