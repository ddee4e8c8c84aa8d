// Command bench measures Liaison: the binary that users run, started as they start it and spoken to over
// TLS, side by side with peers that do the least that could be done. It writes its figures as JSON, and
// docs/benchmarks.md with its plots from them.
//
//	go run ./testdata/bench                 every cell, at most 20 minutes
//	go run ./testdata/bench -large          the cells that have a store of 10 million objects
//	go run ./testdata/bench -cells publish  those whose name has "publish" in it
//	go run ./testdata/bench -report         the pages again from the figures that are there
//
// docs/benchmarks.md says what is measured and how. It needs Linux, Go, and from Debian nginx and wrk,
// which it installs. It works in a directory of its own and leaves nothing of it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 5 && os.Args[1] == "baseline" {
		if err := runBaseline(os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, "baseline:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// usualOut is where the project keeps its figures.
const usualOut = "docs/benchmarks"

// options are the command line.
type options struct {
	large, smoke, report bool
	cells, dir, out      string
	rounds               int
	scale                float64
}

func command(ctx context.Context, args []string, out io.Writer) error {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.large, "large", false, "10 million objects in the large stores, not 1 million")
	f.BoolVar(&o.smoke, "smoke", false, "see that everything runs, with next to nothing")
	f.BoolVar(&o.report, "report", false, "only make the pages again from the figures in -out")
	f.StringVar(&o.cells, "cells", "", "only the cell of this name, or those whose names contain it")
	f.StringVar(&o.dir, "dir", os.TempDir(), "where to work: a directory on a disk")
	f.StringVar(&o.out, "out", usualOut, "where the figures and the plots go; the page is beside it")
	f.IntVar(&o.rounds, "rounds", 9, "rounds of each cell")
	f.Float64Var(&o.scale, "scale", 1, "for a rough run: how much of each store")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("what is %q?", f.Args())
	}
	if o.report {
		return report(o.out)
	}
	return measure(ctx, o, out)
}

// bench is one run.
type bench struct {
	options
	sizes   sizes
	dir     string // of this run
	binary  string
	self    string // this program
	out     io.Writer
	began   time.Time
	results Results

	idle   *gateway   // whose keys the baseline has
	stores []*gateway // small and big of one collection, small and big of many
}

// many is how many connections a busy cell has.
const many = 64

// sizes are how much of everything a run has.
type sizes struct {
	small, big, spread int // objects, and collections of the stores that have many
	seconds            int // of a slice of pulls with many connections
	publish            int // a thousandth of what is published in a slice
	scans              int // of all bodies in a round of the scanner cell
	calls              int // in the process
	commits            int // in a round of the writing cell
	content            int // bytes of the large publication
	pulling            int // seconds of a round of the memory cell

	settle time.Duration // how long a gateway is let alone before it counts as idle
}

func (o options) sizes() sizes {
	if o.smoke {
		return sizes{small: 1200, big: 2400, spread: 3, seconds: 1, publish: 30, scans: 1, calls: 50, commits: 2, content: 2 << 20, settle: 20 * time.Millisecond}
	}
	s := sizes{small: 10_000, big: 1_000_000, spread: 200, seconds: 1, publish: 1000, scans: 10, calls: 20_000, commits: 50, content: 100 << 20, pulling: 2, settle: 2 * time.Second}
	if o.large {
		s.big = 10_000_000
	}
	s.small = max(int(float64(s.small)*o.scale), 2000)
	s.big = max(int(float64(s.big)*o.scale), 2*s.small)
	s.content = max(int(float64(s.content)*o.scale), 1<<20)
	return s
}

// cell is something that is measured by itself.
type cell struct {
	names []string
	large bool // is part of a large run too
	tools bool // needs nginx and wrk
	run   func(*bench, context.Context) error
}

// cells are in the order in which they run: those that change a store come last, and the size of its file is
// looked at before answers are in its journal.
func cells() []cell {
	return []cell{
		{[]string{"scanner"}, false, false, (*bench).scanner},
		{[]string{"writing"}, true, false, (*bench).writing},
		{[]string{"opening"}, true, false, (*bench).opening},
		{[]string{"pull-100", "pull-1000", "pull-gzip-100", "pull-gzip-1000", "nothing-new", "match-id"}, true, true, (*bench).pulls},
		{[]string{"memory-pull"}, true, true, (*bench).memoryPull},
		{[]string{"memory-publish"}, false, false, (*bench).memoryPublish},
		{[]string{"in-process"}, true, false, (*bench).inProcess},
		{[]string{"publish-1", "publish-100", "publish-1000", "publish-after"}, true, false, (*bench).publishing},
	}
}

// names are all cells, as the page lists them.
func names() []string {
	var list []string
	for _, c := range cells() {
		list = append(list, c.names...)
	}
	return list
}

// wants reports whether a run has the cell.
func (o options) wants(c cell) bool {
	if o.smoke && c.tools || o.large && !c.large {
		return false
	}
	return slices.ContainsFunc(c.names, o.named)
}

// named reports whether -cells leaves a cell: by its name, or by a part of it that is no name.
func (o options) named(cell string) bool {
	if slices.Contains(names(), o.cells) {
		return cell == o.cells
	}
	return strings.Contains(cell, o.cells)
}

func measure(ctx context.Context, o options, out io.Writer) (err error) {
	if o.smoke {
		o.rounds = 1
	}
	b := &bench{options: o, sizes: o.sizes(), out: out, began: time.Now()}
	if b.dir, err = os.MkdirTemp(o.dir, "liaison-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, c := range cells() {
		if !o.wants(c) {
			continue
		}
		if err := c.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(c.names, ", "), err)
		}
	}
	b.results.Took = time.Since(b.began).Round(time.Second)
	b.results.sorted(names())
	b.say("%d rows in %v; missed bars: %d", len(b.results.Rows), b.results.Took, len(b.results.missed()))
	if o.smoke || o.out == usualOut && (o.cells != "" || o.scale != 1) {
		return nil // the project's figures are of whole runs
	}
	return keep(o.out, &b.results)
}

// prepare builds the binary, installs the peers, and fills the stores.
func (b *bench) prepare(ctx context.Context) (err error) {
	b.results = Results{Began: b.began.UTC().Truncate(time.Second), Large: b.large, Rounds: b.rounds, Scale: b.scale}
	if b.results.Machine, err = machine(b.dir); err != nil {
		return err
	}
	if b.results.Machine.Load, err = loadNow(); err != nil {
		return err
	}
	b.binary = filepath.Join(b.dir, "liaison")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building liaison (run it in the project's directory): %w: %s", err, text)
	}
	if commit, err := run(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12"); err == nil {
		b.results.Machine.Commit = strings.TrimSpace(commit)
	}
	for _, c := range cells() {
		if b.wants(c) && c.tools {
			if err := b.install(ctx); err != nil {
				return err
			}
			break
		}
	}
	for _, s := range []struct{ count, collections int }{
		{b.sizes.small, 1}, {b.sizes.big, 1}, {b.sizes.small, b.sizes.spread}, {b.sizes.big, b.sizes.spread},
	} {
		if b.smoke && s.collections > 1 {
			continue
		}
		g, err := b.newGateway(ctx, storeName(s.count, s.collections), s.collections)
		if err != nil {
			return err
		}
		begin := time.Now()
		if err := b.fill(ctx, g, s.count); err != nil {
			return err
		}
		b.say("filled a store: %s, in %v", g.name, time.Since(begin).Round(time.Millisecond))
		b.stores = append(b.stores, g)
	}
	return nil
}

func storeName(count, collections int) string {
	return thousands(int64(count)) + " in " + plural(collections, "collection")
}

// install has nginx and wrk from Debian's packages, unless they are there.
func (b *bench) install(ctx context.Context) error {
	var missing []string
	for _, name := range []string{"nginx", "wrk"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		b.say("installing %s", strings.Join(missing, " and "))
		if _, err := run(ctx, "apt-get", "update", "-qq"); err != nil {
			return err
		}
		args := append([]string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends"}, missing...)
		if _, err := run(ctx, "env", args...); err != nil {
			return err
		}
	}
	for name, at := range map[string]*string{"nginx": &b.results.Machine.Nginx, "wrk": &b.results.Machine.Wrk} {
		v, err := run(ctx, "dpkg-query", "-W", "-f", "${Version}", name)
		if err != nil {
			return err
		}
		*at = v
	}
	return nil
}

// add keeps a row and prints it.
func (b *bench) add(r Row) {
	b.results.Rows = append(b.results.Rows, r)
	fmt.Fprintln(b.out, r)
}

// say tells how far the run is.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.out, "[%s] %s\n", time.Since(b.began).Round(time.Second), fmt.Sprintf(format, args...))
}

// keep writes the figures and what is made of them.
func keep(dir string, r *Results) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	name := "results.json"
	if r.Large {
		name = "large.json"
	}
	if err := os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return report(dir)
}
