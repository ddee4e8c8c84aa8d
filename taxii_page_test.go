package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTAXIIPage holds docs/taxii.md against the tests: every row of the checklist is there once, each
// names tests that exist or says why there is none, and no test of a row is missing on the page.
func TestTAXIIPage(t *testing.T) {
	page, err := os.ReadFile("docs/taxii.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsBelow(t, "server")
	quoted := regexp.MustCompile("`((?:Test|Fuzz|Row|Table|Client|Body|Answer|Trap)\\w+)`")
	seen := map[string]int{}
	for line := range strings.Lines(string(page)) {
		row := regexp.MustCompile(`^\| (\d+[a-j]?) \|`).FindStringSubmatch(line)
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		named := quoted.FindAllStringSubmatch(cells[len(cells)-1], -1)
		for _, name := range named {
			if !tests[name[1]] {
				t.Errorf("the page names %s, which is no test", name[1])
			}
		}
		if row == nil || len(cells) != 6 {
			continue
		}
		seen[row[1]]++
		if len(named) == 0 && !strings.Contains(cells[5], "no test: ") {
			t.Errorf("row %s has neither a test nor the reason why there is none", row[1])
		}
		if strings.TrimSpace(cells[3]) == "" {
			t.Errorf("row %s does not say what is asked", row[1])
		}
	}
	for _, row := range checklist() {
		if seen[row] != 1 {
			t.Errorf("row %s is on the page %d times", row, seen[row])
		}
	}
	for name := range tests {
		if regexp.MustCompile(`^(Test)?(Row\d|Table[A-Z]\d|Client_|Trap[A-Z]\d)`).MatchString(name) && !strings.Contains(string(page), name) {
			t.Errorf("test %s is not on the page", name)
		}
	}
}

// checklist numbers the rows: 1 to 132, with 53 in ten parts.
func checklist() []string {
	var list []string
	for n := 1; n <= 132; n++ {
		if n != 53 {
			list = append(list, strconv.Itoa(n))
			continue
		}
		for part := 'a'; part <= 'j'; part++ {
			list = append(list, "53"+string(part))
		}
	}
	return list
}

// testsBelow lists the tests in a directory: functions, and the rows that are parts of one.
func testsBelow(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(|^\t+"((?:Row|Table|Client|Body|Answer|Trap)\w+)":`)
	all := map[string]bool{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range names.FindAllStringSubmatch(string(text), -1) {
			all[m[1]+m[2]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
