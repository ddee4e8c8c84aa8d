package auth_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"liaison/auth"
)

func TestVault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := auth.OpenVault(dir); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("no vault: %v", err)
	}
	v, err := auth.CreateVault(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := auth.CreateVault(dir); !errors.Is(err, auth.ErrExists) {
		t.Errorf("created twice: %v", err)
	}
	again, err := auth.OpenVault(dir)
	if err != nil {
		t.Fatal(err)
	}
	if v.MAC("a", []byte("bc")) != again.MAC("a", []byte("bc")) {
		t.Error("another MAC after opening again")
	}
	if v.MAC("a", []byte("bc")) == v.MAC("ab", []byte("c")) {
		t.Error("labels run into data")
	}
	text, s := v.NewSecret(morning)
	if !strings.HasPrefix(text, "lsn_") || len(text) != 47 || strings.ContainsAny(text, ":+/= ") {
		t.Errorf("secret of the wrong form, %d characters", len(text))
	}
	if len(s.MAC) != 64 || strings.Contains(s.MAC, text) || s.ID == "" || s.Key == "" {
		t.Errorf("row %+v", s)
	}
	if other, _ := v.NewSecret(morning); other == text {
		t.Error("the same secret twice")
	}
}

// Both key files are read and written by the same rules.
func TestKeyFiles(t *testing.T) {
	for name, c := range map[string]struct{ open, create func(dir string) error }{
		"secrets.json": {
			func(d string) error { _, err := auth.OpenVault(d); return err },
			func(d string) error { _, err := auth.CreateVault(d); return err },
		},
		"tokens.json": {
			func(d string) error { _, err := auth.OpenRing(d); return err },
			func(d string) error { _, err := auth.CreateRing(d); return err },
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			if err := c.create(dir); err != nil {
				t.Fatal(err)
			}
			if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
				t.Fatalf("mode %v, %v", i.Mode(), err)
			}
			if files, _ := os.ReadDir(dir); len(files) != 1 {
				t.Errorf("left behind: %v", files)
			}
			if err := c.open(dir); err != nil {
				t.Fatal(err)
			}
			was, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
			if err := c.open(dir); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("readable by others: %v", err)
			}
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			for what, b := range map[string]string{
				"empty":           "",
				"no keys":         `{"keys":[]}`,
				"cut off":         string(was[:len(was)/2]),
				"an unknown one":  strings.Replace(string(was), `"keys"`, `"extra": 1, "keys"`, 1),
				"unknown in key":  strings.Replace(string(was), `"state"`, `"extra": 1, "state"`, 1),
				"unknown state":   strings.Replace(string(was), `"active"`, `"asleep"`, 1),
				"none active":     strings.Replace(string(was), `"active"`, `"retiring"`, 1),
				"more after it":   string(was) + "{}",
				"without created": strings.Replace(string(was), `"created"`, `"Xcreated"`, 1),
			} {
				if err := os.WriteFile(path, []byte(b), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := c.open(dir); err == nil {
					t.Errorf("%s: opened", what)
				}
				if err := c.create(dir); !errors.Is(err, auth.ErrExists) {
					t.Errorf("%s: written over: %v", what, err)
				}
			}
		})
	}
}
