//go:build shared

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"liaison/stix"
)

// TestSharedRoundTrip publishes every real file as a vendor whose unmarked objects count as clear, and
// reads back as the vendor and pulls as an agency. What was accepted comes back byte for byte, what does
// not come back was named as a failure or is an older version, and nothing else comes. The agency
// receives all but what bears a marking that nobody defined.
func TestSharedRoundTrip(t *testing.T) {
	files := realFiles(t)
	h := newHouse(t)
	vendor := h.join("acme", "--role", "vendor", "--name", "Acme", "--default-marking", "clear",
		"--operation", "secure", "--countries", "VN")
	agency := h.join("vn-police", "--role", "agency", "--name", "Police", "--operation", "secure", "--countries", "VN")

	sent := map[[32]byte]sentObject{}
	failed := map[string]string{} // "id version" → message
	for _, file := range files {
		for _, f := range h.publishFile(vendor, file) {
			failed[f.ID+" "+f.Version] = f.Message
			failed[f.ID+" "] = f.Message // an object without a version stands there with the time of the request
		}
		readObjects(t, file, func(o *stix.Object) {
			unknown := bytes.Contains(o.Raw, []byte("marking-definition--60c0f466-511a-5419-9f7e-4814e696da40"))
			sent[sha256.Sum256(o.Raw)] = sentObject{file, string(o.ID), string(o.Version().Text), o.Version().At, unknown}
		})
	}
	for _, reader := range []string{vendor, agency} {
		t.Run(filepath.Base(reader), func(t *testing.T) { h.receives(t, reader, reader == vendor, sent, failed) })
	}
}

// receives pulls as a reader and compares with what was sent.
func (h *house) receives(t *testing.T, reader string, publisher bool, sent map[[32]byte]sentObject, failed map[string]string) {
	out := filepath.Join(t.TempDir(), "pulled.json")
	h.run("pull", "--as", reader, "--out", out)

	newest := map[string]stix.Instant{}
	received := map[[32]byte]bool{}
	readObjects(t, out, func(o *stix.Object) {
		sum := sha256.Sum256(o.Raw)
		if _, ok := sent[sum]; !ok {
			t.Errorf("received what nobody published: %.200s", o.Raw)
		}
		received[sum] = true
		newest[string(o.ID)] = o.Version().At
	})
	lost := 0
	for sum, o := range sent {
		at, there := newest[o.id]
		older := there && o.at.Compare(at) < 0
		_, named := failed[o.id+" "+o.version]
		hidden := o.unknown && !publisher
		if hidden && received[sum] {
			t.Errorf("%s of %s was received, although nobody defined its marking", o.id, o.file)
		}
		if !received[sum] && !older && !named && !hidden && lost < 10 {
			lost++
			t.Errorf("%s %s of %s was neither received nor refused", o.id, o.version, o.file)
		}
	}
	t.Logf("%d different objects, %d received, %d refused", len(sent), len(received), len(failed))
	if len(received) < len(sent)*9/10 {
		t.Errorf("only %d of %d objects were accepted", len(received), len(sent))
	}
}

type sentObject struct {
	file, id, version string
	at                stix.Instant
	unknown           bool // it bears a marking that no file defines
}

func realFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, dir := range []string{"../shared/data/real", "../shared/data/iocs"} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(name, ".json") {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) < 100 {
		t.Fatalf("only %d files below ../shared/data", len(files))
	}
	return files
}

// readObjects gives the objects of a bundle, of an envelope, or of a file that is one object.
func readObjects(t *testing.T, name string, see func(*stix.Object)) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	limits := stix.Limits{Objects: 1 << 30, Body: 1 << 40}
	s := stix.NewScanner(bytes.NewReader(data), limits)
	for s.Next() {
		see(s.Object())
	}
	if !errors.Is(s.Err(), stix.ErrNoObjects) {
		return
	}
	s = stix.NewScanner(strings.NewReader(`{"objects":[`+string(data)+`]}`), limits)
	for s.Next() {
		see(s.Object())
	}
}

// house is a gateway that serves in this process, with an operation of Viet Nam.
type house struct {
	*testing.T
	dir string
}

func newHouse(t *testing.T) *house {
	h := &house{T: t, dir: t.TempDir()}
	data := filepath.Join(h.dir, "gateway")
	if err := createGateway(t.Context(), data, initOptions{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	g, err := openGateway(t.Context(), data, gatewayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := g.listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- g.serve(ctx, l, func(url string) { ready <- url }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	<-ready
	h.run("operation", "create", "secure", "--title", "Operation Secure", "--countries", "VN")
	return h
}

// run runs a verb as it is typed and gives what it prints; it must succeed.
func (h *house) run(args ...string) []byte {
	h.Helper()
	out, code := h.try(args...)
	if code != 0 {
		h.Fatalf("liaison %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

func (h *house) try(args ...string) ([]byte, int) {
	var out, errs bytes.Buffer
	args = append([]string{"--data", filepath.Join(h.dir, "gateway")}, args...)
	code := run(h.Context(), args, strings.NewReader(""), &out, &errs, func(string) string { return "" })
	if code != 0 {
		out.Write(errs.Bytes())
	}
	return out.Bytes(), code
}

// join makes a partner and gives its directory.
func (h *house) join(id string, flags ...string) string {
	h.Helper()
	h.run(append([]string{"partner", "create", id}, flags...)...)
	var invitation struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(h.run("--json", "partner", "invite", id), &invitation); err != nil {
		h.Fatal(err)
	}
	dir := filepath.Join(h.dir, id)
	h.run("join", invitation.URL, "--out", dir)
	return dir
}

// publishFile publishes a file and gives what failed. A file that is no bundle is refused whole.
func (h *house) publishFile(vendor, file string) []publishFailure {
	h.Helper()
	out, _ := h.try("--json", "publish", "--as", vendor, "--collection", "vn", file)
	var report struct {
		Failures []publishFailure `json:"failures"`
		Failed   int              `json:"failed"`
		Error    string           `json:"error"`
		Files    []struct {
			Objects int    `json:"objects"`
			Error   string `json:"error"`
		} `json:"files"`
	}
	first, _, _ := bytes.Cut(out, []byte("\n"))
	if err := json.Unmarshal(first, &report); err != nil {
		h.Fatalf("%s: %v: %s", file, err, out)
	}
	if report.Failed != len(report.Failures) {
		h.Errorf("%s: %d failed and %d are named", file, report.Failed, len(report.Failures))
	}
	if report.Error != "" || report.Files[0].Error != "" {
		h.Logf("%s: %s %s", file, report.Error, report.Files[0].Error)
	}
	return report.Failures
}

type publishFailure struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Message string `json:"message"`
}
