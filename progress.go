package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a bar on a terminal; on anything else it draws nothing.
type progress struct {
	w   *world
	bar *progressbar.ProgressBar // nil when there is no terminal

	lines sync.Mutex // one at a time
}

// newProgress draws towards max bytes; -1 when nobody knows how many there are.
func newProgress(w *world, what string, max int64) *progress {
	p := &progress{w: w}
	f, ok := w.stderr.(*os.File)
	if !ok || w.json || !term.IsTerminal(int(f.Fd())) {
		return p
	}
	p.bar = progressbar.NewOptions64(max,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100_000_000),
		progressbar.OptionClearOnFinish(),
	)
	return p
}

// set moves the bar; errors of a terminal that is gone change nothing.
func (p *progress) set(done int64, what string) {
	if p.bar == nil {
		return
	}
	p.bar.Describe(what)
	_ = p.bar.Set64(done)
}

// add moves the bar on.
func (p *progress) add(n int64) {
	if p.bar != nil {
		_ = p.bar.Add64(n)
	}
}

// line prints a line where the bar is, which is drawn anew with its next move.
func (p *progress) line(w io.Writer, format string, args ...any) {
	p.lines.Lock()
	defer p.lines.Unlock()
	p.clear()
	fmt.Fprintf(w, format+"\n", args...)
}

func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// byteCount gives a size for people.
func byteCount(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// plural gives "1 object", "2 objects".
func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
