package admin_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"liaison/server/admin"
)

// description is the OpenAPI document as somebody reads it who knows nothing else of the API.
type description struct {
	OpenAPI    string                                `json:"openapi"`
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	Summary   string `json:"summary"`
	Responses map[string]struct {
		Content map[string]struct {
			Schema schema `json:"schema"`
		} `json:"content"`
	} `json:"responses"`
}

type schema struct {
	Ref        string            `json:"$ref"`
	Type       string            `json:"type"`
	Format     string            `json:"format"`
	Items      *schema           `json:"items"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Additional *bool             `json:"additionalProperties"`
}

func (e *env) signingKey() string { return e.ring.Keys()[0].ID }

func describedBy(t *testing.T, e *env) description {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://gateway"+admin.Prefix+"/openapi.json", nil)
	check(t, err)
	status, answer := do(t, e.raw(), r)
	var d description
	if err := json.Unmarshal([]byte(answer), &d); err != nil || status != 200 || d.OpenAPI != "3.1.0" {
		t.Fatalf("%d %v %s", status, err, answer)
	}
	return d
}

// The description and the table of routes have the same paths and methods.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	e := newEnv(t, nil)
	e.serve(t)
	d := describedBy(t, e)
	for _, r := range e.api.Routes() {
		raw, ok := d.Paths[admin.Prefix+r.Path][strings.ToLower(r.Method)]
		var o operation
		if !ok || json.Unmarshal(raw, &o) != nil || o.Summary == "" || len(o.Responses) != 2 {
			t.Errorf("%s %s is described as %s", r.Method, r.Path, raw)
		}
		delete(d.Paths[admin.Prefix+r.Path], strings.ToLower(r.Method))
	}
	for path, item := range d.Paths {
		delete(item, "parameters")
		for method := range item {
			t.Errorf("%s %s is described, and is no route", method, path)
		}
	}
	for name, s := range d.Components.Schemas {
		if s.Type != "object" || len(s.Properties) == 0 {
			t.Errorf("schema %s: %+v", name, s)
		}
	}
}

// holds wants an answer to be what the description says of it.
func (d description) holds(t *testing.T, method, path string, status int, answer string) {
	t.Helper()
	raw, ok := d.Paths[admin.Prefix+path][strings.ToLower(method)]
	if !ok {
		return // no route
	}
	var o operation
	check(t, json.Unmarshal(raw, &o))
	response, ok := o.Responses[strconv.Itoa(status)]
	if status >= 400 {
		response, ok = o.Responses["default"]
	}
	if !ok {
		t.Errorf("%s %s: status %d is not described", method, path, status)
		return
	}
	content, ok := response.Content["application/json"]
	if !ok || content.Schema.Ref+content.Schema.Type == "" { // lines, a tar, the description itself
		return
	}
	var v any
	check(t, json.Unmarshal([]byte(answer), &v))
	d.fits(t, method+" "+path, content.Schema, v)
}

func (d description) fits(t *testing.T, at string, s schema, v any) {
	t.Helper()
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		if s, ok = d.Components.Schemas[name]; !ok {
			t.Errorf("%s: no schema %s", at, name)
			return
		}
	}
	ok := false
	switch v := v.(type) {
	case map[string]any:
		ok = s.Type == "object"
		for _, name := range s.Required {
			if _, there := v[name]; !there {
				t.Errorf("%s: %s is required and not there", at, name)
			}
		}
		for name, one := range v {
			member, known := s.Properties[name]
			if !known {
				t.Errorf("%s: %s is not described", at, name)
				continue
			}
			d.fits(t, at+"."+name, member, one)
		}
	case []any:
		ok = s.Type == "array"
		for _, one := range v {
			d.fits(t, at+"[]", *s.Items, one)
		}
	case string:
		ok = s.Type == "string"
		if s.Format == "date-time" {
			_, err := time.Parse(time.RFC3339, v)
			ok = ok && err == nil
		}
	case bool:
		ok = s.Type == "boolean"
	case float64:
		ok = s.Type == "integer" && v == float64(int64(v))
	}
	if !ok {
		t.Errorf("%s: %v is no %s", at, v, s.Type)
	}
}
