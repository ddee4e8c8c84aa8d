package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"liaison/stix"
)

// watched is an output that somebody waits for.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	want string
	seen chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if w.want != "" && strings.Contains(w.text.String(), w.want) {
		w.want = ""
		close(w.seen)
	}
	return len(b), nil
}

// TestDemoServes plays a small story, then uses the lines that it prints as its reader would.
func TestDemoServes(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &watched{want: "partner list\n", seen: make(chan struct{})}
	w := &world{stdout: out, stderr: io.Discard, getenv: func(string) string { return "" }}
	dir := filepath.Join(t.TempDir(), "demo")
	ended := make(chan error, 1)
	go func() {
		ended <- runDemo(ctx, w, demoOptions{dir: dir, listen: "127.0.0.1:0", indicators: 500})
	}()
	select {
	case <-out.seen:
	case err := <-ended:
		t.Fatalf("the demo ended: %v\n%s", err, out.text.String())
	}
	text := out.text.String()
	for _, want := range []string{"Timor-Leste", "Hong Kong (China)", "Every police force received exactly", "OpenCTI", "MISP", "Sentinel", "taxii2-client"} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo does not say %q:\n%s", want, text)
		}
	}
	pulled, err := exec.Command("bash", "-c", pasted(t, text, "curl")).Output()
	if err != nil {
		t.Fatalf("the line for curl: %v", err)
	}
	var envelope struct{ Objects []struct{ Type string } }
	if err := json.Unmarshal(pulled, &envelope); err != nil || len(envelope.Objects) == 0 || envelope.Objects[0].Type != "indicator" {
		t.Errorf("the line for curl gives %.300s (%v)", pulled, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// pasted gives the lines below a heading.
func pasted(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("no lines for %s in\n%s", heading, text)
	}
	lines, _, _ := strings.Cut(rest, "\n\n")
	return lines
}

func TestDemoOnce(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var out bytes.Buffer
	w := &world{stdout: &out, stderr: io.Discard, getenv: func(string) string { return "" }, json: true}
	if err := runDemo(t.Context(), w, demoOptions{listen: "127.0.0.1:0", once: true, indicators: 200}); err != nil {
		t.Fatal(err)
	}
	var r demoResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if !r.Right || r.Indicators != 200 || len(r.Readers) != 30 || r.Doors != 702 || r.Opened != 0 {
		t.Errorf("result %+v", r)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("the demo left %v (%v)", left, err)
	}
}

// TestDemoFindsDifferences holds the demo's own judgement against receipts that are wrong.
func TestDemoFindsDifferences(t *testing.T) {
	vendors, err := writeStory(time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC), 300)
	if err != nil {
		t.Fatal(err)
	}
	agencies, err := demoAgencies()
	if err != nil {
		t.Fatal(err)
	}
	vn := slices.IndexFunc(agencies, func(a demoAgency) bool { return a.country == "VN" })
	due := func(a demoAgency) [][]byte {
		var list [][]byte
		for _, v := range vendors {
			for _, o := range v.objects {
				if slices.Contains(o.countries, a.country) && o.level <= a.clearance && o.level != stix.Red {
					list = append(list, o.raw)
				}
			}
		}
		return list
	}
	hidden := func(a demoAgency) []byte {
		for _, o := range vendors[0].objects {
			if o.level == stix.Red || !slices.Contains(o.countries, a.country) {
				return o.raw
			}
		}
		t.Fatal("the story has nothing to hide")
		return nil
	}
	for name, tt := range map[string]struct {
		change          func(list [][]byte) [][]byte
		missing, excess int
	}{
		"all that was due":  {func(l [][]byte) [][]byte { return l }, 0, 0},
		"one is missing":    {func(l [][]byte) [][]byte { return l[1:] }, 1, 0},
		"one came twice":    {func(l [][]byte) [][]byte { return append(l, l[0]) }, 0, 1},
		"one was not due":   {func(l [][]byte) [][]byte { return append(l, hidden(agencies[vn])) }, 0, 1},
		"a byte is changed": {func(l [][]byte) [][]byte { return append(l[1:], append(bytes.Clone(l[0]), ' ')) }, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := &demo{dir: t.TempDir(), out: io.Discard}
			if err := os.Mkdir(filepath.Join(d.dir, "pulled"), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, a := range agencies {
				list := due(a)
				if a.country == "VN" {
					list = tt.change(list)
				}
				if err := os.WriteFile(d.output(a.id), append(bytes.Join(list, []byte("\n")), '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			result := &demoResult{}
			for _, v := range vendors {
				var list [][]byte
				for _, o := range v.objects {
					for range o.countries {
						list = append(list, o.raw)
					}
				}
				if err := os.WriteFile(filepath.Join(d.dir, "pulled", v.id+".ndjson"), append(bytes.Join(list, []byte("\n")), '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.compare(vendors, agencies, result); err != nil {
				t.Fatal(err)
			}
			for i, r := range result.Readers {
				missing, excess := 0, 0
				if i == vn {
					missing, excess = tt.missing, tt.excess
				}
				if len(r.Missing) != missing || len(r.Excess) != excess {
					t.Errorf("%s: %d missing, %d not due; want %d, %d", r.Partner, len(r.Missing), len(r.Excess), missing, excess)
				}
			}
		})
	}
}

// TestStory holds the story to what it says of itself.
func TestStory(t *testing.T) {
	vendors, err := writeStory(time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC), storyIndicators)
	if err != nil {
		t.Fatal(err)
	}
	kinds, levels, patterns := map[string]int{}, map[stix.Level]int{}, map[string]int{}
	families := map[string]bool{}
	for _, v := range vendors {
		for _, o := range v.objects {
			kinds[o.kind]++
			levels[o.level]++
			s := stix.NewScanner(io.MultiReader(strings.NewReader(`{"objects":[`), bytes.NewReader(o.raw), strings.NewReader(`]}`)), stix.Limits{})
			if !s.Next() || s.Problem() != nil {
				t.Fatalf("%s is not read: %v %v", o.id, s.Err(), s.Problem())
			}
			if problem, _ := stix.Check(s.Object()); problem != nil {
				t.Fatalf("%s: %v", o.id, problem)
			}
			if level, _ := stix.LevelOf(s.Object(), func([]byte) (stix.Level, bool) { return stix.Unmarked, false }); level != o.level {
				t.Fatalf("%s is meant to be %s and is marked %s", o.id, o.level, level)
			}
			switch o.kind {
			case "indicator":
				patterns[string(s.Object().Pattern)]++
			case "malware":
				families[string(s.Object().Name)] = true
			}
		}
	}
	if kinds["indicator"] != storyIndicators || len(patterns) != storyIndicators {
		t.Errorf("%d indicators with %d different patterns, want %d", kinds["indicator"], len(patterns), storyIndicators)
	}
	if kinds["malware"] != storyFamilies || len(families) != storyFamilies || kinds["infrastructure"] != storyServers {
		t.Errorf("%d families with %d names, %d servers", kinds["malware"], len(families), kinds["infrastructure"])
	}
	for l := stix.Clear; l <= stix.Red; l++ {
		if levels[l] == 0 {
			t.Errorf("nothing is marked %s", l)
		}
	}
}
