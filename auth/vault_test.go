package auth_test

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// twice gives a key file with its one key twice.
func twice(s string) string {
	i, j := strings.Index(s, "["), strings.LastIndex(s, "]")
	return s[:i+1] + s[i+1:j] + "," + s[i+1:j] + s[j:]
}

// MACs under a key that makes no new ones still hold; a file that makes no sense is not opened.
func TestVaultKeys(t *testing.T) {
	h := newHouse(t)
	old, err := auth.CreateVault(t.TempDir())
	must(t, err)
	text, secret := old.NewSecret(h.now)
	h.do(auth.AddSecret{Client: h.id, Secret: secret, Overlap: time.Hour})
	h.stays("invalid_token", "", bearer(text)) // its key is not in the vault

	dir := t.TempDir()
	k1, k2 := b64std("1"), b64std("2")
	key := func(id, state, key string) string {
		return `{"id":"` + id + `","state":"` + state + `","key":"` + key + `","created":"2025-01-31T09:30:00Z"}`
	}
	open := func(keys ...string) (*auth.Vault, error) {
		must(t, os.WriteFile(filepath.Join(dir, "secrets.json"), []byte(`{"keys":[`+strings.Join(keys, ",")+`]}`), 0o600))
		return auth.OpenVault(dir)
	}
	first, err := open(key("a", "active", k1))
	must(t, err)
	text, secret = first.NewSecret(h.now)
	h.do(auth.AddSecret{Client: h.id, Secret: secret, Overlap: time.Hour})
	h.doors.Vault, err = open(key("a", "retiring", k1), key("b", "active", k2))
	must(t, err)
	h.enters(h.id, auth.BySecret, bearer(text))
	text, secret = h.doors.Vault.NewSecret(h.now)
	if secret.Key != "b" {
		t.Errorf("a new secret is under key %q", secret.Key)
	}
	h.do(auth.AddSecret{Client: h.id, Secret: secret, Overlap: time.Hour})
	h.enters(h.id, auth.BySecret, bearer(text))

	for name, keys := range map[string][]string{
		"two active":  {key("a", "active", k1), key("b", "active", k2)},
		"one id":      {key("a", "active", k1), key("a", "retiring", k2)},
		"no id":       {key("", "active", k1)},
		"a short key": {key("a", "active", k1[:20])},
		"a next key":  {key("a", "active", k1), key("b", "next", k2)},
	} {
		if _, err := open(keys...); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	must(t, os.Remove(filepath.Join(dir, "secrets.json")))
	must(t, os.Mkdir(filepath.Join(dir, "secrets.json"), 0o700))
	if _, err := auth.OpenVault(dir); err == nil {
		t.Error("opened a directory")
	}
}

func b64std(s string) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(s, 32))) }

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
				"the same twice":  twice(string(was)),
				"a megabyte":      strings.Repeat(" ", 1<<20) + string(was),
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
