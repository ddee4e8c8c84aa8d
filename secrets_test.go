package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// secretText is what must never be written: secrets (as they are, and in the base64 of HTTP Basic),
// access tokens, invitations' tokens, private keys. Each alternative begins with one of secretHeads.
var secretText = regexp.MustCompile(`^(?:lsn_[A-Za-z0-9_-]{40,}|(?:bHNuX|xzbl[89+/_-]|sc25f)[A-Za-z0-9+/_-]{50,}` +
	`|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}|/join/[A-Za-z0-9_-]{40,}|-----BEGIN [A-Z ]*PRIVATE KEY)`)

var secretHeads = [][]byte{[]byte("lsn_"), []byte("bHNuX"), []byte("xzbl"), []byte("sc25f"), []byte("eyJ"), []byte("/join/"), []byte("-----BEGIN ")}

// findSecret gives where a secret begins and ends in b, or nil. Scripts leave many megabytes: only
// what a secret begins with is looked for everywhere.
func findSecret(b []byte) []int {
	for _, head := range secretHeads {
		for from := 0; ; from++ {
			i := bytes.Index(b[from:], head)
			if i < 0 {
				break
			}
			from += i
			if at := secretText.FindIndex(b[from:]); at != nil {
				return []int{from, from + at[1]}
			}
		}
	}
	return nil
}

// secretFound is the file that a program of a script leaves when it printed a secret. An exit code
// would not do: some are meant to fail.
const secretFound = "SECRET.FOUND"

// searchedMain is main, with everything that it prints searched for secrets. Some verbs are there to
// print one.
func searchedMain() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	found := func(what string) {
		if err := os.WriteFile(secretFound, fmt.Appendf(nil, "liaison %q printed %.16s…\n", os.Args[1:], what), 0o600); err != nil {
			panic(err)
		}
	}
	var stdout io.Writer = os.Stdout
	if !slices.ContainsFunc(os.Args[1:], func(a string) bool { return a == "token" || a == "invite" }) {
		stdout = &searched{Writer: os.Stdout, found: found}
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdin, stdout, &searched{Writer: os.Stderr, found: found}, os.Getenv))
}

// searched is a writer that looks for secrets in what passes.
type searched struct {
	io.Writer
	found func(string)

	mu   sync.Mutex
	tail []byte // of what passed before
}

func (s *searched) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tail = append(s.tail, p...)
	if at := findSecret(s.tail); at != nil {
		s.found(string(s.tail[at[0]:at[1]]))
	}
	s.tail = append(s.tail[:0], s.tail[max(0, len(s.tail)-4096):]...)
	return s.Writer.Write(p)
}

// looksAt is the log of a gateway in this process, searched at the test's end.
func looksAt(t *testing.T) io.Writer {
	return &searched{Writer: io.Discard, found: func(what string) { t.Errorf("the log holds a secret: %.16s…", what) }}
}

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
		if d.Name() == secretFound {
			b, err := os.ReadFile(name)
			t.Errorf("%s%v", b, err)
		}
		if !d.Type().IsRegular() || !gatewayWrote(name) {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if at := findSecret(b); at != nil {
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
		if findSecret([]byte(s)) == nil {
			t.Errorf("not found: %s", s)
		}
		for _, n := range []int{1, 7, len(s)} {
			found := ""
			w := &searched{Writer: io.Discard, found: func(what string) { found = what }}
			for b := range slices.Chunk([]byte(s), n) {
				w.Write(b)
			}
			if found == "" {
				t.Errorf("not found in pieces of %d: %s", n, s)
			}
		}
	}
	for _, id := range []string{"acme_1", "rival_1", "vn-police_1"} {
		s := base64.StdEncoding.EncodeToString([]byte(id + ":lsn_zpCNXH4NTmcyQD5zwCrYyR6j3MewBbu_OYLBGVRhXlQ"))
		if findSecret([]byte(s)) == nil {
			t.Errorf("not found: %s", s)
		}
	}
	if findSecret([]byte("client acme_1, GET /join/TOKEN, lsn_short")) != nil {
		t.Error("found where there is none")
	}
}

// TestPrintedSecretIsFound plants a secret in what a verb prints.
func TestPrintedSecretIsFound(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "liaison")
	if err := os.Symlink(self, bin); err != nil {
		t.Fatal(err)
	}
	for _, planted := range []string{"", "lsn_zpCNXH4NTmcyQD5zwCrYyR6j3MewBbu_OYLBGVRhXlQ"} {
		cmd := exec.Command(bin, "check", "--as", filepath.Join(dir, "nothing"+planted))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GORACE="+raceOptions)
		out, err := cmd.CombinedOutput()
		if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != 1 || !bytes.Contains(out, []byte("nothing"+planted)) {
			t.Fatalf("%v: %s", err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, secretFound)); (err == nil) != (planted != "") {
			t.Errorf("with %q printed: %v", planted, err)
		}
	}
}
