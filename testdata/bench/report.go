package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report makes the page and the plots from the figures in a directory. The page is beside it.
func report(dir string) error {
	files, page, err := made(dir)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(dir+".md", []byte(page), 0o644)
}

// made gives the plots by name, and the page.
func made(dir string) (files map[string]string, page string, err error) {
	runs, err := readResults(dir)
	if err != nil {
		return nil, "", err
	}
	files = map[string]string{}
	var b strings.Builder
	b.WriteString(pageHead)
	for i, r := range runs {
		prefix := ""
		if r.Large {
			prefix = "large-"
		}
		if i > 0 {
			b.WriteString("\n")
		}
		writeRun(&b, r, filepath.Base(dir), prefix, files)
	}
	return files, b.String(), nil
}

// readResults reads the runs that there are: the usual one first.
func readResults(dir string) ([]*Results, error) {
	var runs []*Results
	for _, name := range []string{"results.json", "large.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var r Results
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, name), err)
		}
		runs = append(runs, &r)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("no figures in %s: run \"make bench\" first", dir)
	}
	return runs, nil
}

// writeRun writes the sections of one run.
func writeRun(b *strings.Builder, r *Results, dir, prefix string, files map[string]string) {
	put := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	title := "The figures"
	if r.Large {
		title = "The figures with 10 million objects"
	}
	m := r.Machine
	put("## %s\n", title)
	put("Run of %s at %s, %s long, %d rounds of each cell.\n", r.Began.UTC().Format("2 January 2006"), m.Commit, r.Took.Round(time.Second), r.Rounds)
	put("| machine | |\n|---|---|")
	put("| processor | %s, %d cores |", m.CPU, m.Cores)
	put("| memory | %s MiB |", thousands(m.MemoryMB))
	put("| kernel, file system | Linux %s, %s |", m.Kernel, m.Disk)
	put("| Go | %s |", m.Go)
	if m.Nginx != "" {
		put("| nginx, wrk | %s, %s |", m.Nginx, m.Wrk)
	}
	if m.Cipher != "" {
		put("| cipher of both sides | %s |", m.Cipher)
	}
	if m.Load != "" {
		put("| load average before | %s: what else the machine did |", m.Load)
	}
	put("")
	writeMissed(b, r)
	for _, name := range chartNames() {
		c := chartOf(name, r)
		if len(c.lines) == 0 {
			continue
		}
		files[prefix+name+".svg"] = c.svg()
		put("![%s](%s/%s%s.svg)\n", c.title, dir, prefix, name)
	}
	for _, cell := range names() {
		rows := rowsOf(r, cell)
		if len(rows) == 0 {
			continue
		}
		put("### %s\n\n%s\n", cell, about(cell))
		put("| store, case | measure | Liaison | peer | ratio | bar | |\n|---|---|---|---|---|---|---|")
		for _, row := range rows {
			peer, ratio := "–", "–"
			if row.Peer != "" {
				peer, ratio = row.Peer+": "+row.Theirs.String(), row.Ratio.String()+" "+row.How
			}
			put("| %s | %s | %s %s | %s | %s | %s | %s |", row.Case, row.Measure, row.Ours, row.Unit, peer, ratio, row.Bar, row.Bar.verdict())
		}
		put("")
		for _, note := range notesOf(rows) {
			put("%s\n", note)
		}
	}
}

func rowsOf(r *Results, cell string) []Row {
	return slices.DeleteFunc(slices.Clone(r.Rows), func(row Row) bool { return row.Cell != cell })
}

func notesOf(rows []Row) []string {
	var list []string
	for _, r := range rows {
		if note := r.Measure + ": " + r.Note + "."; r.Note != "" && !slices.Contains(list, note) {
			list = append(list, note)
		}
	}
	return list
}

// writeMissed tells which bars are not reached, and why, where that is known.
func writeMissed(b *strings.Builder, r *Results) {
	bars := 0
	for _, row := range r.Rows {
		if row.Bar != nil {
			bars++
		}
	}
	missed := r.missed()
	fmt.Fprintf(b, "%d of %d bars are met.", bars-len(missed), bars)
	if len(missed) == 0 {
		b.WriteString("\n\n")
		return
	}
	b.WriteString(" These are not:\n\n| cell | store, case | measure | have | bar |\n|---|---|---|---|---|\n")
	var cells []string
	for _, row := range missed {
		have := row.Ours.String() + " " + row.Unit
		if row.Peer != "" {
			have = row.Ratio.String() + " " + row.How + " (" + row.Peer + ")"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", row.Cell, row.Case, row.Measure, have, row.Bar)
		if !slices.Contains(cells, row.Cell) {
			cells = append(cells, row.Cell)
		}
	}
	b.WriteString("\n")
	for _, cell := range cells {
		if why := reason(cell); why != "" {
			fmt.Fprintf(b, "- **%s**: %s\n", cell, why)
		}
	}
	b.WriteString("\n")
}

func chartNames() []string { return []string{"pull", "gzip", "publish", "reads"} }

// chartOf gathers what one plot shows.
func chartOf(name string, r *Results) chart {
	charts := map[string]struct {
		title, unit string
		shows       func(Row) bool
		measured    bool // ours, else the ratio
	}{
		"pull": {"Pulling over TLS, 64 connections, against nginx", "times as good as nginx; red: the bar", func(r Row) bool {
			return (r.Cell == "pull-100" || r.Cell == "pull-1000") && r.Peer == peerNginx && strings.Contains(r.Case, plural(many, "connection"))
		}, false},
		"gzip": {"Pulling in gzip: CPU of compressing on the fly by ours", "times less server CPU; red: the bar", func(r Row) bool {
			return r.Peer == peerOnFly
		}, false},
		"publish": {"Publishing over TLS, against appending the same bytes to a file", "of the baseline's objects a second; red: the bar", func(r Row) bool {
			return strings.HasPrefix(r.Cell, "publish-") && r.Measure == "throughput"
		}, false},
		"reads": {"Reading without HTTP", "µs, median and quartiles of the calls; red: the bar", func(r Row) bool { return r.Cell == "in-process" }, true},
	}
	spec := charts[name]
	c := chart{title: spec.title, unit: spec.unit}
	for _, row := range r.Rows {
		if !spec.shows(row) {
			continue
		}
		l := line{label: row.Cell + ", " + row.Case + ", " + row.Measure, value: row.Ratio, bar: row.Bar}
		if l.label = row.Cell + ": " + row.Case; spec.measured {
			l.label, l.value = row.Measure+", "+row.Case, row.Ours
		} else if name == "pull" {
			l.label = strings.TrimSuffix(row.Cell+": "+row.Case, ", "+plural(many, "connection")) + ", " + row.Measure
		}
		c.lines = append(c.lines, l)
	}
	return c
}
