package admin

import (
	"encoding"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object under construction.
type object = map[string]any

// describe gives the OpenAPI 3.1 description of the API. It is made of the table of routes and of the
// types that are read and written, so that it cannot say anything else than they do.
func (a *API) describe(request) (any, error) { return describe(a.routes(), a.o.URL), nil }

func describe(routes []route, url string) object {
	d := &describer{schemas: object{}}
	paths := object{}
	for _, r := range routes {
		item, ok := paths[Prefix+r.path].(object)
		if !ok {
			item = object{}
			if list := pathParameters(r.path); len(list) > 0 {
				item["parameters"] = list
			}
			paths[Prefix+r.path] = item
		}
		item[strings.ToLower(r.method)] = d.operation(r)
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Liaison, the operator's API", "version": "1",
			"description": "On the gateway's machine: plain HTTP/1.1 over admin.sock, who connects is told by the system. " +
				"Elsewhere: TLS with the client certificate of a partner with the role operator, and an access token of all scopes that is bound to it. An auditor has the journal.",
		},
		"servers":  []any{object{"url": url}},
		"security": []any{object{"certificate": []any{}, "token": []any{}}},
		"paths":    paths,
		"components": object{
			"schemas": d.schemas,
			"securitySchemes": object{
				"certificate": object{"type": "mutualTLS"},
				"token": object{"type": "oauth2", "flows": object{"clientCredentials": object{
					"tokenUrl": url + "/oauth2/token", "scopes": object{},
				}}},
			},
		},
	}
}

func pathParameters(path string) (list []any) {
	for s := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(s, "{"); ok {
			list = append(list, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	return list
}

// describer collects the schemas of named types.
type describer struct{ schemas object }

func (d *describer) operation(r route) object {
	status := r.status
	if status == 0 {
		status = http.StatusOK
	}
	op := object{
		"summary": r.about,
		"responses": object{
			strconv.Itoa(status): object{"description": http.StatusText(status), "content": d.content(r.out)},
			"default":            object{"description": "Why not", "content": d.content(Error{})},
		},
	}
	if r.in != nil {
		op["requestBody"] = object{"content": d.content(r.in)}
	}
	var query []any
	for _, name := range r.query {
		query = append(query, object{"name": name, "in": "query", "schema": object{"type": "string"}})
	}
	if query != nil {
		op["parameters"] = query
	}
	return op
}

func (d *describer) content(v any) object {
	if media, ok := v.(string); ok {
		return object{media: object{}}
	}
	return object{mediaJSON: object{"schema": d.schema(reflect.TypeOf(v))}}
}

// schema describes a type; structs of this API and of the domain have names.
func (d *describer) schema(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.schema(t.Elem())
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Struct:
		if strings.Contains(t.Name(), "[") { // of a generic type: its items say what it is
			return d.members(t)
		}
		name := t.Name()
		if !strings.HasSuffix(t.PkgPath(), "/admin") {
			name = "Row" + name
		}
		if _, ok := d.schemas[name]; !ok {
			d.schemas[name] = nil // a type may hold itself
			d.schemas[name] = d.members(t)
		}
		return object{"$ref": "#/components/schemas/" + name}
	}
	panic("admin: no schema for " + t.String()) // answers are plain structs
}

func (d *describer) members(t reflect.Type) object {
	properties, required := object{}, []string{}
	d.collect(t, properties, &required)
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (d *describer) collect(t reflect.Type, properties object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && tag == "":
			d.collect(f.Type, properties, required)
		case f.IsExported() && tag != "-":
			properties[tag] = d.schema(f.Type)
			if !strings.HasPrefix(options, "omit") {
				*required = append(*required, tag)
			}
		}
	}
}
