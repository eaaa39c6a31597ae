package main

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours also differ in brightness, for colour-blind readers.
var (
	metColor    = color.RGBA{R: 0x2b, G: 0x6c, B: 0xb0, A: 0xff}
	missedColor = color.RGBA{R: 0xf0, G: 0x9a, B: 0x36, A: 0xff}
)

const (
	barHeight  = vg.Length(12)
	rowHeight  = vg.Length(20)
	chartWidth = vg.Length(640)
	chartFrame = vg.Length(110) // for title, axis and legend
)

// compared returns the rows that have a rival, in the order of the chart: from bottom
// to top.
func (r *report) compared() []row {
	var some []row
	for _, row := range r.rows {
		if f := r.figures(row); f.rival > 0 {
			some = append(some, row)
		}
	}
	slices.Reverse(some)
	return some
}

// chart draws the time of aio as a ratio to plain Go, with the goals, as SVG.
func (r *report) chart() ([]byte, error) {
	rows := r.compared()
	if len(rows) == 0 {
		return nil, errors.New("no benchmark with a rival was run")
	}
	p, err := r.plot(rows)
	if err != nil {
		return nil, err
	}
	return render(p, chartFrame+rowHeight*vg.Length(len(rows)))
}

func (r *report) plot(rows []row) (*plot.Plot, error) {
	p := plot.New()
	sans(p)
	p.Title.Text = "aio compared with plain Go, shorter is better"
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text = "time (Parked: memory) of aio / that of plain Go"
	p.X.Min = 0
	var labels []string
	// a bar has the value 0 in the series that does not draw it
	var met, missed plotter.Values
	var goals plotter.XYs
	highest := 1.0
	for i, row := range rows {
		f := r.figures(row)
		is := ratio(f.aio, f.rival)
		highest = max(highest, is, row.goal)
		labels = append(labels, row.label())
		if row.goal > 0 {
			goals = append(goals, plotter.XY{X: row.goal, Y: float64(i)})
		}
		if row.goal > 0 && rounded(is) > row.goal {
			met, missed = append(met, 0), append(missed, is)
		} else {
			met, missed = append(met, is), append(missed, 0)
		}
	}
	p.X.Tick.Marker = ticks(highest)
	p.Add(gridLines())
	for _, kind := range []struct {
		name   string
		values plotter.Values
		color  color.Color
	}{{"goal met, or none", met, metColor}, {"goal missed", missed, missedColor}} {
		bars, err := plotter.NewBarChart(kind.values, barHeight)
		if err != nil {
			return nil, err
		}
		bars.Horizontal, bars.Color, bars.LineStyle.Width = true, kind.color, 0
		p.Add(bars)
		p.Legend.Add(kind.name, bars)
	}
	if len(goals) > 0 {
		marks, err := plotter.NewScatter(goals)
		if err != nil {
			return nil, err
		}
		marks.GlyphStyle = draw.GlyphStyle{Color: color.Black, Radius: rowHeight / 2, Shape: upright{}}
		p.Add(marks)
		p.Legend.Add("goal", marks)
	}
	p.NominalY(labels...)
	p.X.Max = highest * 1.02
	p.Y.Label.Padding = vg.Points(6)
	p.Legend.Top = true
	p.Legend.Padding = vg.Points(2)
	p.Legend.XOffs = -vg.Points(8)
	return p, nil
}

// sans sets all text of p in a sans-serif font.
func sans(p *plot.Plot) {
	for _, style := range []*draw.TextStyle{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		style.Font.Variant = "Sans"
	}
}

// ticks returns a labelled tick at every half.
func ticks(highest float64) plot.ConstantTicks {
	var all plot.ConstantTicks
	for v := 0.0; v <= highest; v += 0.5 {
		all = append(all, plot.Tick{Value: v, Label: fmt.Sprintf("%.1f", v)})
	}
	return all
}

// gridLines draws thin lines behind the bars.
func gridLines() *plotter.Grid {
	g := plotter.NewGrid()
	g.Horizontal.Width = 0
	g.Vertical.Color = color.Gray{Y: 0xd0}
	return g
}

// upright draws the mark of a goal: a vertical line across the bar.
type upright struct{}

func (upright) DrawGlyph(c *draw.Canvas, s draw.GlyphStyle, at vg.Point) {
	c.StrokeLine2(draw.LineStyle{Color: s.Color, Width: vg.Points(2)}, at.X, at.Y-s.Radius, at.X, at.Y+s.Radius)
}

// render draws p on white, which stays readable on a dark page.
func render(p *plot.Plot, height vg.Length) ([]byte, error) {
	p.BackgroundColor = color.White
	c := vgsvg.New(chartWidth, height)
	p.Draw(draw.NewCanvas(c, chartWidth, height))
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	// The file does not embed the font. The fonts named here have the same letter
	// widths.
	fonts := []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), fonts), err
}
