//go:build shared

package stix_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"liaison/stix"
)

const sharedData = "../../shared/data"

// sharedFiles lists the JSON files under the shared data; none is a failure.
func sharedFiles(t *testing.T, dirs ...string) []string {
	t.Helper()
	var files []string
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(sharedData, dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".json") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatalf("walking shared data: %v", err)
		}
	}
	if len(files) == 0 {
		t.Fatal("no files in the shared data")
	}
	return files
}

// wrapped gives a body for a file that may hold a bare object or a list of them.
func wrapped(data []byte) []byte {
	trimmed := bytes.TrimSpace(data)
	var probe struct{ Type string }
	if json.Unmarshal(trimmed, &probe) == nil && (probe.Type == "bundle" || probe.Type == "") {
		return data
	}
	if len(trimmed) > 0 && trimmed[0] == '[' {
		return append(append([]byte(`{"objects":`), trimmed...), '}')
	}
	return append(append([]byte(`{"objects":[`), trimmed...), "]}"...)
}

func TestSharedRealFiles(t *testing.T) {
	total, refused := 0, 0
	for _, file := range sharedFiles(t, "real", "iocs", "oasis") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		body := wrapped(data)
		var want struct{ Objects []json.RawMessage }
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		s := stix.NewScanner(bytes.NewReader(body), stix.Limits{})
		n := 0
		for ; s.Next(); n++ {
			o := s.Object()
			if !bytes.Equal(o.Raw, want.Objects[n]) {
				t.Errorf("%s: object %d is not as it came", file, n)
			}
			problem := s.Problem()
			if problem == nil {
				problem, _ = stix.Check(o)
			}
			total++
			if problem != nil {
				refused++
				t.Logf("%s: %s: %v", strings.TrimPrefix(file, sharedData), o.ID, problem)
			}
		}
		if s.Err() != nil || n != len(want.Objects) {
			t.Errorf("%s: %d objects of %d, %v", file, n, len(want.Objects), s.Err())
		}
	}
	t.Logf("%d objects, %d refused", total, refused)
}

type validatorCase struct {
	Test      string          `json:"test"`
	Object    json.RawMessage `json:"object"`
	MustValid *bool           `json:"must_valid"`
	Errors    []string        `json:"errors"`
}

// lines decodes a file of one JSON value a line.
func lines[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(sharedData, name))
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	for line := range bytes.Lines(data) {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return all
}

// verdict gives the first problem of a body by both tiers, and whether tier 1 has it.
func verdict(body []byte) (problem error, first bool) {
	s := stix.NewScanner(bytes.NewReader(body), stix.Limits{})
	for s.Next() {
		if p := s.Problem(); p != nil {
			return p, true
		}
		if p, _ := stix.Check(s.Object()); p != nil {
			return p, true
		}
		if p := stix.CheckStrict(s.Object()); p != nil {
			return p, false
		}
	}
	if err := s.Err(); err != nil {
		return err, true
	}
	return nil, false
}

func TestSharedValidatorCases(t *testing.T) {
	broken, caught, firstTier := 0, 0, 0
	for i, c := range lines[validatorCase](t, "oasis/validator-cases.jsonl") {
		if c.MustValid == nil {
			continue
		}
		got, first := verdict(wrapped(c.Object))
		switch {
		case *c.MustValid && got != nil:
			t.Errorf("case %d %s: refused with %v", i, c.Test, got)
		case !*c.MustValid:
			broken++
			if got != nil {
				caught++
			} else {
				t.Logf("case %d %s: accepted, the validator says %.200q", i, c.Test, c.Errors)
			}
			if first {
				firstTier++
			}
		}
	}
	t.Logf("%d of %d refused, %d by tier 1", caught, broken, firstTier)
	if caught*100 < broken*97 {
		t.Errorf("%d of %d refused, want 97 %%", caught, broken)
	}
}

func TestSharedPatternCases(t *testing.T) {
	type patternCase struct {
		Pattern string `json:"pattern"`
		Valid   bool   `json:"oracle_valid"`
	}
	for _, c := range lines[patternCase](t, "oasis/pattern-cases.jsonl") {
		if got := stix.Pattern([]byte(c.Pattern)); (got == nil) != c.Valid {
			t.Errorf("%s: %v, want valid %v", c.Pattern, got, c.Valid)
		}
	}
}
