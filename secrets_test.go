package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// secretText finds what must never be written: secrets, access tokens, invitations' tokens, private keys.
var secretText = regexp.MustCompile(`lsn_[A-Za-z0-9_-]{40,}|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}|/join/[A-Za-z0-9_-]{40,}|-----BEGIN [A-Z ]*PRIVATE KEY`)

// noSecrets searches what the gateways of a script wrote: their output, and their data directories
// but for the files whose purpose is to hold keys.
func noSecrets(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if holdsKeys(name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !gatewayWrote(name) {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if at := secretText.FindIndex(bytes.TrimRight(b, "\x00")); at != nil {
			t.Errorf("%s holds a secret at byte %d: %.12s…", name, at[0], b[at[0]:at[1]])
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// holdsKeys reports the directories of a gateway that hold its keys.
func holdsKeys(dir string) bool {
	base := filepath.Base(dir)
	if base != keysName && base != caName && base != tlsName {
		return false
	}
	_, err := os.Stat(filepath.Join(filepath.Dir(dir), configName))
	return err == nil
}

// gatewayWrote reports the output of a gateway that a script started, and files of a data directory.
func gatewayWrote(name string) bool {
	if strings.HasSuffix(name, ".out") || strings.HasSuffix(name, ".err") {
		return true
	}
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, storeName)); err == nil {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

func TestSecretTextIsFound(t *testing.T) {
	for _, s := range []string{
		"user x lsn_zpCNXH4NTmcyQD5zwCrYyR6j3MewBbu_OYLBGVRhXlQ",
		"Bearer eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJodHRwczovL2xvY2FsaG9zdCJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
		"POST /join/zpCNXH4NTmcyQD5zwCrYyR6j3MewBbuxOYLBGVRhXlQ 200",
		"-----BEGIN PRIVATE KEY-----",
	} {
		if !secretText.MatchString(s) {
			t.Errorf("not found: %s", s)
		}
	}
	if secretText.MatchString("client acme_1, GET /join/TOKEN, lsn_short") {
		t.Error("found where there is none")
	}
}
