package main

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// docs/threats.md has every number of its two parts once, in order, and each test that it names is there.
func TestThreatsPage(t *testing.T) {
	f, err := os.Open("docs/threats.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	row := regexp.MustCompile(`^\| (\d+) \|.*\| ([^|]+) \|$`)
	room := regexp.MustCompile("`([a-z]+)` ([^;`]+)")
	name := regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)\w+`)
	declared := map[string]string{}
	next := 1
	for lines := bufio.NewScanner(f); lines.Scan(); {
		m := row.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		if n, err := strconv.Atoi(m[1]); err != nil || n != next {
			t.Errorf("number %s where %d is due", m[1], next)
		}
		next++
		found := 0
		for _, r := range room.FindAllStringSubmatch(m[2], -1) {
			if _, ok := declared[r[1]]; !ok {
				declared[r[1]] = testsOf(t, r[1])
			}
			for _, test := range name.FindAllString(r[2], -1) {
				found++
				if !strings.Contains(declared[r[1]], "\nfunc "+test+"(") {
					t.Errorf("threat %s: %s has no %s", m[1], r[1], test)
				}
			}
		}
		if found == 0 {
			t.Errorf("threat %s: no test", m[1])
		}
	}
	if next != 31 {
		t.Errorf("%d threats, want 30", next-1)
	}
}

// testsOf gives the text of a room's tests.
func testsOf(t *testing.T, room string) string {
	t.Helper()
	if room == "main" {
		room = "."
	}
	names, err := filepath.Glob(filepath.Join(room, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
