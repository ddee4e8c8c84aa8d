package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Results are what a run writes; docs/benchmarks.md and its plots are made of them and of nothing else.
type Results struct {
	Machine Machine       `json:"machine"`
	Began   time.Time     `json:"began"`
	Took    time.Duration `json:"took_ns"`
	Large   bool          `json:"large"`  // with 10 million objects
	Rounds  int           `json:"rounds"` // of each cell that is not said to have others
	Scale   float64       `json:"scale"`  // 1: the real sizes; a rough run has less
	Rows    []Row         `json:"rows"`
}

// Machine is where the figures are of.
type Machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	MemoryMB int64  `json:"memory_mb"`
	Kernel   string `json:"kernel"`
	Disk     string `json:"disk"` // file system of the data
	Go       string `json:"go"`
	Nginx    string `json:"nginx,omitempty"`
	Wrk      string `json:"wrk,omitempty"`
	Commit   string `json:"commit,omitempty"`
	Cipher   string `json:"cipher,omitempty"` // of both sides' connections
	Load     string `json:"load,omitempty"`   // load average of the minute before the run: what else the machine did
}

// Row is one figure of a cell: ours, that of the peer of the same rounds, and how they compare.
type Row struct {
	Cell    string `json:"cell"`
	Case    string `json:"case"`    // what was asked, of which store
	Measure string `json:"measure"` // "throughput", "server CPU", …
	Unit    string `json:"unit"`
	Ours    Spread `json:"ours"`
	Peer    string `json:"peer,omitempty"` // who
	Theirs  Spread `json:"theirs,omitzero"`
	Ratio   Spread `json:"ratio,omitzero"`
	How     string `json:"how,omitempty"` // what the ratio is: "ours / theirs" or "theirs / ours"
	Bar     *Bar   `json:"bar,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Bar is what a figure is held to: the ratio's median where there is one, else ours.
type Bar struct {
	Want   float64 `json:"want"`
	AtMost bool    `json:"at_most"` // else at least
	Goal   float64 `json:"goal,omitempty"`
	Met    bool    `json:"met"`
}

// Spread is the median of the rounds with its quartiles.
type Spread struct {
	Low    float64 `json:"q1"`
	Median float64 `json:"median"`
	High   float64 `json:"q3"`
}

func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	return Spread{quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75)}
}

// quantile interpolates linearly between the closest ranks.
func quantile(values []float64, q float64) float64 {
	v := slices.Sorted(slices.Values(values))
	at := q * float64(len(v)-1)
	i := int(at)
	if i+1 >= len(v) {
		return v[len(v)-1]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

// nearest is the smallest value that at least q of all are not above.
func nearest(values []float64, q float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return v[max(int(math.Ceil(q*float64(len(v))))-1, 0)]
}

const (
	oursByTheirs = "ours / theirs"
	theirsByOurs = "theirs / ours"
)

// ratios compares round by round. A round in which one side was not seen to use anything says nothing.
func ratios(ours, theirs []float64, how string) []float64 {
	var list []float64
	for i := range min(len(ours), len(theirs)) {
		a, b := ours[i], theirs[i]
		if how == theirsByOurs {
			a, b = b, a
		}
		if a > 0 && b > 0 {
			list = append(list, a/b)
		}
	}
	return list
}

// compare makes the row of two series of the same rounds.
func compare(cell, what, measure, unit string, ours []float64, peer string, theirs []float64, how string) Row {
	r := Row{Cell: cell, Case: what, Measure: measure, Unit: unit, Ours: spreadOf(ours)}
	if peer != "" {
		r.Peer, r.Theirs, r.How = peer, spreadOf(theirs), how
		r.Ratio = spreadOf(ratios(ours, theirs, how))
	}
	return r
}

// held adds the bar, and whether it is met.
func (r Row) held(want float64, atMost bool, goal float64) Row {
	v := r.Ours.Median
	if r.Peer != "" {
		v = r.Ratio.Median
	}
	met := v >= want
	if atMost {
		met = v <= want
	}
	r.Bar = &Bar{Want: want, AtMost: atMost, Goal: goal, Met: met}
	return r
}

func (b *Bar) String() string {
	if b == nil {
		return "–"
	}
	sign := "≥"
	if b.AtMost {
		sign = "≤"
	}
	s := sign + " " + figure(b.Want)
	if b.Goal != 0 {
		s += " (goal " + figure(b.Goal) + ")"
	}
	return s
}

func (b *Bar) verdict() string {
	switch {
	case b == nil:
		return ""
	case b.Met:
		return "met"
	}
	return "missed"
}

// String is the line that a run prints.
func (r Row) String() string {
	s := fmt.Sprintf("%-14s %-34s %-16s %s %s", r.Cell, r.Case, r.Measure, r.Ours, r.Unit)
	if r.Peer != "" {
		s += fmt.Sprintf("  | %s %s  | ratio %s", r.Peer, r.Theirs, r.Ratio)
	}
	if r.Bar != nil {
		s += fmt.Sprintf("  | bar %s: %s", r.Bar, r.Bar.verdict())
	}
	return s
}

func (s Spread) String() string {
	return figure(s.Median) + " [" + figure(s.Low) + "–" + figure(s.High) + "]"
}

// figure writes three significant digits, large numbers with all of their integer ones.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return thousands(int64(math.Round(v)))
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.1 || v == 0:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.4f", v)
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// missed lists the rows whose bar was not reached.
func (r *Results) missed() []Row {
	var list []Row
	for _, row := range r.Rows {
		if row.Bar != nil && !row.Bar.Met {
			list = append(list, row)
		}
	}
	return list
}

// sorted brings the rows of a cell together, in the order of the cells.
func (r *Results) sorted(order []string) {
	slices.SortStableFunc(r.Rows, func(a, b Row) int {
		return cmp.Compare(slices.Index(order, a.Cell), slices.Index(order, b.Cell))
	})
}
