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
	var probe struct {
		Objects json.RawMessage `json:"objects"`
	}
	if json.Unmarshal(trimmed, &probe) == nil && len(probe.Objects) > 0 && probe.Objects[0] == '[' {
		return data
	}
	if len(trimmed) > 0 && trimmed[0] == '[' {
		return append(append([]byte(`{"objects":`), trimmed...), '}')
	}
	return append(append([]byte(`{"objects":[`), trimmed...), "]}"...)
}

func TestRealFilesAreRead(t *testing.T) {
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
