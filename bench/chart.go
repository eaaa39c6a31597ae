package main

// The chart of docs/performance.md: for each benchmark, the time of plain Go, uvloop and
// asyncio in terms of aio's, on a logarithmic axis. It is plain SVG without
// measurements of text: any font fits.

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
)

// The layout, in pixels.
const (
	chartWidth = 900
	labelWidth = 200 // of the names of the benchmarks, to the left of the axis
	axisWidth  = chartWidth - labelWidth - 30
	headHeight = 76
	lineHeight = 22
	footHeight = 50
)

// The ends of the axis.
const axisFrom, axisTo = 0.125, 128

// rival is what aio is compared with in the chart. The marks differ in shape, and the
// colours in brightness too.
type rival struct {
	name, color, shape string
	value              func(figures) float64
}

var rivals = []rival{
	{"plain Go", "#111111", `<circle r="5"/>`, func(f figures) float64 { return f.rival }},
	{"uvloop", "#e08a1e", `<rect x="-5" y="-5" width="10" height="10"/>`, func(f figures) float64 { return f.uvloop }},
	{"asyncio", "#2b6cb0", `<path d="M0 -6.5L6.5 0L0 6.5L-6.5 0Z"/>`, func(f figures) float64 { return f.asyncio }},
}

// compared returns the rows that have a rival.
func (r *report) compared() []row {
	var some []row
	for _, row := range r.rows {
		f := r.figures(row)
		if f.aio > 0 && max(f.rival, f.asyncio, f.uvloop) > 0 {
			some = append(some, row)
		}
	}
	return some
}

// place returns the place of a ratio on the axis.
func place(ratio float64) float64 {
	ratio = min(max(ratio, axisFrom), axisTo)
	return labelWidth + axisWidth*math.Log(ratio/axisFrom)/math.Log(axisTo/axisFrom)
}

// chart draws the times of the rivals in terms of those of aio, as SVG.
func (r *report) chart() ([]byte, error) {
	rows := r.compared()
	if len(rows) == 0 {
		return nil, errors.New("no benchmark with a rival was run")
	}
	var b bytes.Buffer
	foot := headHeight + lineHeight*len(rows)
	// white stays readable on a dark page
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`font-family="sans-serif" font-size="13" role="img">`+"\n"+
		"<title>Time of plain Go, uvloop and asyncio in terms of the time of aio</title>\n"+
		`<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n",
		chartWidth, foot+footHeight, chartWidth, foot+footHeight)
	text(&b, 16, 24, "start", `font-size="16" font-weight="bold"`, "Time in terms of aio's")
	text(&b, place(1)-8, 58, "end", "", "aio is slower")
	text(&b, place(1)+8, 58, "start", "", "aio is faster")
	for i, v := range rivals {
		x := labelWidth + 190 + 160*i
		mark(&b, v, float64(x), 20)
		text(&b, float64(x)+14, 25, "start", "", v.name)
	}
	for ratio := axisFrom; ratio <= axisTo; ratio *= 2 {
		color, width := "#dddddd", 1
		if ratio == 1 {
			color, width = "#111111", 2
		}
		x := place(ratio)
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="%s" stroke-width="%d"/>`+"\n", x, headHeight-8, foot, color, width)
		text(&b, x, float64(foot)+18, "middle", "", fmt.Sprintf("%g", ratio))
	}
	text(&b, labelWidth+axisWidth/2, float64(foot)+40, "middle", "",
		"times as long as aio (Parked: times the memory)")
	for i, row := range rows {
		y, f := float64(headHeight+lineHeight*i+lineHeight/2), r.figures(row)
		text(&b, labelWidth-12, y+4, "end", "", row.label())
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#eeeeee"/>`+"\n", labelWidth, y, labelWidth+axisWidth)
		for _, v := range rivals {
			if is := ratio(v.value(f), f.aio); is > 0 {
				mark(&b, v, place(is), y)
			}
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}

// mark draws the mark of v, with a white edge where marks overlap.
func mark(b *bytes.Buffer, v rival, x, y float64) {
	fmt.Fprintf(b, `<g transform="translate(%.1f %.1f)" fill="%s" stroke="#ffffff">%s</g>`+"\n", x, y, v.color, v.shape)
}

// text draws s.
func text(b *bytes.Buffer, x, y float64, anchor, more, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="#111111" %s>`, x, y, anchor, more)
	_ = xml.EscapeText(b, []byte(s)) // a bytes.Buffer takes everything
	b.WriteString("</text>\n")
}
