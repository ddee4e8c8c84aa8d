package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReadme runs the commands of the README's "Your first gateway" as they stand there, in one shell.
// Only where something else has the README's port already is another put in its place.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	script, build := readmeScript(t, string(text))
	port := freePort(t, "8443")
	script = strings.ReplaceAll(script, "8443", port)
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	shell(t, exec.Command("go", "build", "-o", bin+"/liaison", "."))

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// The gateway that the text starts in the background is stopped at the end, and so is the test when
	// a command fails.
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", "trap 'kill $(jobs -p); wait' EXIT\n"+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out := shell(t, cmd)
	if !strings.Contains(build, "go build") {
		t.Errorf("the first command does not build: %q", build)
	}
	for _, want := range []string{
		"serving https://localhost:" + port,
		"ebdf261b27d5e8b71f80abebad0b7a4d0f5bd3ed628163ee4d63f806035b716c",
		`"more":false`,
		"vn-police_1  read.discovery",
		"vn-police_1  read.root",
		"vn-police_1  read.objects",
		"verified",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the README's commands do not print %q; they print:\n%s", want, out)
		}
	}
	if n := strings.Count(out, "ebdf261b27d5e8b71f80abebad0b7a4d0f5bd3ed628163ee4d63f806035b716c"); n != 2 {
		t.Errorf("the indicator was pulled %d times, want once by liaison and once by curl", n)
	}
}

// freePort gives the port if nobody listens there, else another.
func freePort(t *testing.T, port string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// readmeScript gives the commands of the section; the line that builds is apart, because the test's
// working directory is another.
func readmeScript(t *testing.T, text string) (script, build string) {
	t.Helper()
	_, section, ok := strings.Cut(text, "\n## Your first gateway\n")
	if !ok {
		t.Fatal("the README has no section \"Your first gateway\"")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var b strings.Builder
	for i, part := range strings.Split(section, "```") {
		if i%2 == 0 {
			continue
		}
		code, ok := strings.CutPrefix(part, "sh\n")
		if !ok {
			t.Fatalf("a block that is not sh: %q", part)
		}
		if build == "" {
			build, code, _ = strings.Cut(code, "\n")
		}
		b.WriteString(code)
	}
	return b.String(), build
}

func shell(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args[:2], " "), err, out.String())
	}
	return out.String()
}
