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

// The colours differ in brightness too, for those who do not tell them apart.
var (
	metColor    = color.RGBA{R: 0x2b, G: 0x6c, B: 0xb0, A: 0xff}
	missedColor = color.RGBA{R: 0xf0, G: 0x9a, B: 0x36, A: 0xff}
)

const (
	barHeight  = vg.Length(12)
	rowHeight  = vg.Length(20)
	chartWidth = vg.Length(640)
	chartFrame = vg.Length(110) // title, axis and legend
)

// compared are the rows that have a rival, as they stand in the chart: from bottom to
// top.
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

// chart draws what aio takes in terms of plain Go, with the goals, as SVG.
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
	p.Title.Text = "aio beside plain Go, shorter is better"
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text = "time (Parked: memory) of aio / that of plain Go"
	p.X.Min = 0
	var labels []string
	var met, missed plotter.Values // 0 where the bar is of the other kind
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

// sans has all text of p in a font without serifs.
func sans(p *plot.Plot) {
	for _, style := range []*draw.TextStyle{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		style.Font.Variant = "Sans"
	}
}

// ticks are every half, with the numbers.
func ticks(highest float64) plot.ConstantTicks {
	var all plot.ConstantTicks
	for v := 0.0; v <= highest; v += 0.5 {
		all = append(all, plot.Tick{Value: v, Label: fmt.Sprintf("%.1f", v)})
	}
	return all
}

// gridLines are the faint lines behind the bars.
func gridLines() *plotter.Grid {
	g := plotter.NewGrid()
	g.Horizontal.Width = 0
	g.Vertical.Color = color.Gray{Y: 0xd0}
	return g
}

// upright is the mark of a goal: a line across the bar.
type upright struct{}

func (upright) DrawGlyph(c *draw.Canvas, s draw.GlyphStyle, at vg.Point) {
	c.StrokeLine2(draw.LineStyle{Color: s.Color, Width: vg.Points(2)}, at.X, at.Y-s.Radius, at.X, at.Y+s.Radius)
}

// render draws p on white, which stays readable where the page around it is dark.
func render(p *plot.Plot, height vg.Length) ([]byte, error) {
	p.BackgroundColor = color.White
	c := vgsvg.New(chartWidth, height)
	p.Draw(draw.NewCanvas(c, chartWidth, height))
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	// The font is not part of the file. Those named here have letters of the same
	// widths.
	fonts := []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), fonts), err
}
