package main

import (
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// drawSize is the cost of a deleted row by the size of the backlog, and by the number of
// live rows beside one.
func drawSize(lines []line, th theme) ([]byte, error) {
	var panels []*plot.Plot
	for _, panel := range []struct{ of, axis string }{{"backlog", "rows that are due"}, {"live", "live rows beside them"}} {
		p := th.blank("")
		p.X.Label.Text = panel.axis
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker = plot.TickerFunc(sizes)
		p.Y.Tick.Marker = plot.TickerFunc(costs)
		p.Y.Min, p.Y.Max = 0.5, 2
		grid := plotter.NewGrid()
		grid.Vertical.Width, grid.Horizontal.Color = 0, th.faint
		p.Add(grid)
		p.Y.Label.Text = "cost of a row, of one DELETE's = 1"
		for i, way := range names(lines, "way", "benchmark", "Size", "of", panel.of) {
			var points plotter.XYs
			for _, rows := range names(lines, "rows", "benchmark", "Size", "of", panel.of, "way", way) {
				x, err := strconv.ParseFloat(rows, 64)
				if err != nil {
					return nil, err
				}
				y, err := must(lines, "cost/DELETE", "benchmark", "Size", "of", panel.of, "way", way, "rows", rows)
				if err != nil {
					return nil, err
				}
				points = append(points, plotter.XY{X: x, Y: y})
			}
			curve, dots, err := plotter.NewLinePoints(points)
			if err != nil {
				return nil, err
			}
			// Ours has the first colour and the thickest line.
			c := th.series[[]int{2, 0, 1}[i%3]]
			curve.LineStyle = draw.LineStyle{Color: c, Width: []vg.Length{1.5, 2.5, 1.5}[i%3]}
			dots.GlyphStyle = draw.GlyphStyle{Color: c, Radius: 3, Shape: []draw.GlyphDrawer{draw.BoxGlyph{}, draw.CircleGlyph{}, draw.TriangleGlyph{}}[i%3]}
			p.Add(curve, dots)
			if panel.of == "backlog" {
				p.Legend.Add(way, curve, dots)
			}
		}
		p.Legend.Top, p.Legend.Left = true, true
		p.Legend.XOffs = 6
		panels = append(panels, p)
	}
	// One scale for both.
	high := max(panels[0].Y.Max, panels[1].Y.Max) * 2
	low := min(panels[0].Y.Min, panels[1].Y.Min)
	for _, p := range panels {
		p.Y.Min, p.Y.Max = low, high
	}
	return svg(720, 300, panels...)
}

// sizes marks the powers of ten.
func sizes(low, high float64) (ticks []plot.Tick) {
	for x := 1.0; x <= high; x *= 10 {
		if x >= low {
			ticks = append(ticks, plot.Tick{Value: x, Label: rowsLabel(x)})
		}
	}
	return ticks
}

func rowsLabel(x float64) string {
	switch {
	case x >= 1e6:
		return strconv.FormatFloat(x/1e6, 'f', -1, 64) + " M"
	case x >= 1e3:
		return strconv.FormatFloat(x/1e3, 'f', -1, 64) + " k"
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

// costs marks 1, 2 and 5 of each power of ten.
func costs(low, high float64) (ticks []plot.Tick) {
	for x := 0.01; x <= high; x *= 10 {
		for _, y := range []float64{x, 2 * x, 5 * x} {
			if y >= low && y <= high {
				ticks = append(ticks, plot.Tick{Value: y, Label: strconv.FormatFloat(y, 'g', 3, 64)})
			}
		}
	}
	return ticks
}
