package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/stix"
)

// TestMain lets the test's program be the baseline, as the real one is.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "baseline" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestSmoke runs all cells but those of nginx and wrk with next to nothing, against the real program.
func TestSmoke(t *testing.T) {
	t.Chdir("../..")
	dir := t.TempDir()
	var out bytes.Buffer
	if err := command(t.Context(), []string{"-smoke", "-dir", dir, "-out", filepath.Join(dir, "out")}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, c := range cells() {
		for _, name := range c.names {
			if !c.tools && !strings.Contains(out.String(), "\n"+name+" ") {
				t.Errorf("no row of %s in\n%s", name, &out)
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestPage holds docs/benchmarks.md and its plots against the figures.
func TestPage(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "benchmarks")
	files, page, err := made(dir)
	if err != nil {
		t.Fatal(err)
	}
	files["../benchmarks.md"] = page
	for name, want := range files {
		have, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(have)); diff != "" {
			t.Errorf("%s is not of the figures; make it with \"go run ./testdata/bench -report\" (-want +got):\n%s", name, diff)
		}
		if strings.HasSuffix(name, ".svg") {
			d := xml.NewDecoder(strings.NewReader(want))
			for err = nil; err == nil; {
				_, err = d.Token()
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	plots, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil || len(plots) != len(files)-1 {
		t.Errorf("%d plots, want %d: %v", len(plots), len(files)-1, err)
	}
}

// TestObjects: what is published is of its size, holds against all of STIX's rules, and the tenth is a
// newer version of an earlier one.
func TestObjects(t *testing.T) {
	for _, size := range []int{objectSize, 1200} {
		m := maker{objects: objects{size: size}}
		versions := map[string]map[string]bool{}
		bodies := append(m.envelopes(2, 500), m.envelopes(1, 1)...)
		s := stix.NewScanner(nil, stix.Limits{})
		for _, body := range bodies {
			s.Reset(bytes.NewReader(body), stix.Limits{})
			for s.Next() {
				if s.Problem() != nil {
					t.Fatal(s.Problem())
				}
				o := s.Object()
				if p, _ := stix.Check(o); p != nil {
					t.Fatal(p)
				}
				if len(o.Raw) != size {
					t.Fatalf("%d bytes, want %d: %s", len(o.Raw), size, o.Raw)
				}
				id, modified := string(o.ID), modifiedOf(t, o.Raw)
				if versions[id] == nil {
					versions[id] = map[string]bool{}
				}
				if versions[id][modified] {
					t.Fatalf("%s is there twice", id)
				}
				versions[id][modified] = true
			}
			if s.Err() != nil {
				t.Fatal(s.Err())
			}
		}
		if len(versions) != 901 {
			t.Errorf("%d different objects of 1,001, want 901", len(versions))
		}
		if !bytes.Equal(bodies[0], m.envelope(nil, 0, 500)) {
			t.Error("the same positions are other bytes")
		}
	}
}

func modifiedOf(t *testing.T, raw []byte) string {
	t.Helper()
	var o struct{ Modified string }
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	return o.Modified
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{7}, Spread{7, 7, 7}},
		{[]float64{3, 1, 2}, Spread{1.5, 2, 2.5}},
		{[]float64{9, 1, 8, 2, 7, 3, 6, 4, 5}, Spread{3, 5, 7}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
	if got := nearest([]float64{5, 1, 4, 2, 3}, 0.99); got != 5 {
		t.Errorf("p99 %v", got)
	}
	if got := nearest([]float64{5, 1, 4, 2, 3}, 0.5); got != 3 {
		t.Errorf("p50 %v", got)
	}
}

// TestCompare: ratios are of the same round, and rounds without a figure say nothing.
func TestCompare(t *testing.T) {
	r := compare("c", "w", "m", "u", []float64{10, 20, 30}, "peer", []float64{20, 0, 30}, oursByTheirs)
	if want := (Spread{0.625, 0.75, 0.875}); r.Ratio != want {
		t.Errorf("ratio %v, want %v", r.Ratio, want)
	}
	if r := r.held(0.75, false, 0); !r.Bar.Met {
		t.Error("at the bar is met")
	}
	if r := r.held(0.74, true, 0); r.Bar.Met {
		t.Error("above what it may be at most is missed")
	}
	r = compare("c", "w", "m", "u", []float64{10}, "peer", []float64{20}, theirsByOurs)
	if r.Ratio.Median != 2 {
		t.Errorf("cost ratio %v, want 2", r.Ratio.Median)
	}
	r = compare("c", "w", "m", "u", []float64{3}, "", nil, "").held(5, true, 0)
	if !r.Bar.Met || r.Ratio != (Spread{}) {
		t.Errorf("without a peer: %+v", r)
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.00", 0.0042: "0.0042", 0.953: "0.95", 12.34: "12.3", 100: "100", 1234567.4: "1,234,567", -1234: "-1,234",
	} {
		if got := figure(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	for top, want := range map[float64]float64{0: 1, 0.9: 0.1, 1: 0.1, 1.4: 0.2, 3: 0.5, 7: 1, 47: 5, 150: 20} {
		if got := axisStep(top); math.Abs(got-want) > 1e-9 {
			t.Errorf("step for %v: %v, want %v", top, got, want)
		}
	}
}
