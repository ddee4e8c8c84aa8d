package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// chart is a plot of bars with quartiles, and of what they are held to.
type chart struct {
	title string
	unit  string // under the axis
	lines []line
}

// line is one bar.
type line struct {
	label string
	value Spread
	bar   *Bar
}

// Places on a chart, in its units.
const (
	chartWidth  = 860
	labelWidth  = 400
	lineHeight  = 24
	chartTop    = 46
	chartBottom = 44
	figureWidth = 60
)

const chartStyle = `text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}.a{fill:#57606a;font-size:11px}` +
	`.b{fill:#8fb3d9}.m{fill:#7fbf9b}.x{fill:#dd9c7a}.q{stroke:#24292f;stroke-width:1.5}.w{stroke:#b3261e;stroke-width:2}.g{stroke:#d0d7de}`

// svg draws the chart. The same figures give the same bytes.
func (c chart) svg() string {
	top := 0.0
	for _, l := range c.lines {
		top = max(top, l.value.High, l.value.Median)
		if l.bar != nil {
			top = max(top, l.bar.Want)
		}
	}
	step := axisStep(top)
	top = math.Ceil(top/step) * step
	plot := float64(chartWidth - labelWidth - figureWidth)
	x := func(v float64) float64 { return labelWidth + v/top*plot }
	bottom := chartTop + lineHeight*len(c.lines)

	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, bottom+chartBottom, escaped(c.title))
	put(`<style>%s</style>`, chartStyle)
	put(`<rect width="100%%" height="100%%" fill="#fff"/>`)
	put(`<text class="t" x="12" y="26">%s</text>`, escaped(c.title))
	for v := 0.0; v <= top+step/2; v += step {
		put(`<line class="g" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x(v), x(v), chartTop-4, bottom)
		put(`<text class="a" x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(v), bottom+16, axisFigure(v, step))
	}
	put(`<text class="a" x="%.1f" y="%d" text-anchor="middle">%s</text>`, labelWidth+plot/2, bottom+34, escaped(c.unit))
	for i, l := range c.lines {
		y := chartTop + lineHeight*i
		class := "b"
		if l.bar != nil {
			if class = "x"; l.bar.Met {
				class = "m"
			}
		}
		put(`<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-8, y+16, escaped(l.label))
		put(`<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>`, class, labelWidth, y+4, x(l.value.Median)-labelWidth, lineHeight-8)
		put(`<line class="q" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x(l.value.Low), x(l.value.High), y+lineHeight/2, y+lineHeight/2)
		if l.bar != nil {
			put(`<line class="w" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x(l.bar.Want), x(l.bar.Want), y+1, y+lineHeight-1)
		}
		put(`<text class="a" x="%d" y="%d" text-anchor="end">%s</text>`, chartWidth-8, y+16, escaped(figure(l.value.Median)))
	}
	put(`</svg>`)
	return b.String()
}

// axisStep gives 1, 2 or 5 times a power of ten, for four to ten steps.
func axisStep(top float64) float64 {
	if top <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(top)))
	for _, m := range []float64{0.1, 0.2, 0.5, 1} {
		if top/(m*power) <= 10 {
			return m * power
		}
	}
	return 2 * power
}

func axisFigure(v, step float64) string {
	digits := max(int(math.Ceil(-math.Log10(step)-1e-9)), 0)
	if digits == 0 {
		return thousands(int64(math.Round(v)))
	}
	return fmt.Sprintf("%.*f", digits, v)
}

func escaped(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
