package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says which room may import which. A room that is not here may not exist.
func arrows() map[string][]string {
	domain := []string{"liaison/stix", "liaison/auth", "liaison/collections"}
	gateway := append([]string{"liaison/certs", "liaison/server/taxii"}, domain...)
	return map[string][]string{
		"liaison/stix":                  {},
		"liaison/certs":                 {},
		"liaison/auth":                  {"liaison/stix"},
		"liaison/collections":           {"liaison/stix", "liaison/auth", "liaison/collections/routing"},
		"liaison/collections/routing":   {"liaison/stix"},
		"liaison/collections/guard":     {"liaison/stix"},
		"liaison/collections/bolt":      domain,
		"liaison/collections/storetest": domain,
		"liaison/server":                gateway,
		"liaison/server/taxii":          domain,
		"liaison/server/admin":          gateway,
		"liaison/server/client":         {"liaison/stix", "liaison/server/taxii"},
		"liaison/server/interop":        {"liaison/stix", "liaison/server/taxii", "liaison/server/client"},
		"liaison":                       {"*"},
	}
}

// barred says what a room must not import besides.
func barred() map[string][]string {
	return map[string][]string{
		"liaison/stix":                {"net/http", "net", "os", "time"},
		"liaison/auth":                {"net/http"},
		"liaison/certs":               {"net/http"},
		"liaison/collections":         {"net/http"},
		"liaison/collections/bolt":    {"net/http"},
		"liaison/collections/routing": {"net/http", "net", "os", "time"},
		"liaison/collections/guard":   {"net/http", "net", "os"},
		"liaison/server/taxii":        {"github.com/labstack/echo/v4"},
	}
}

func TestArrows(t *testing.T) {
	allowed, not := arrows(), barred()
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && name != "." || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		room := path.Join("liaison", filepath.ToSlash(filepath.Dir(name)))
		list, ok := allowed[room]
		if !ok {
			t.Errorf("%s: the house has no room %s", name, room)
			return nil
		}
		seen[room] = true
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			inside := imported == "liaison" || strings.HasPrefix(imported, "liaison/")
			if inside && !slices.Contains(list, imported) && !slices.Contains(list, "*") {
				t.Errorf("%s imports %s: %s may import only %v", name, imported, room, list)
			}
			if slices.Contains(not[room], imported) {
				t.Errorf("%s imports %s, which has no place in %s", name, imported, room)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room := range allowed {
		if !seen[room] {
			t.Errorf("room %s is empty", room)
		}
	}
}
