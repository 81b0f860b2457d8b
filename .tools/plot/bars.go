package main

import (
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// group is one colour of a bar chart: a bar for each name.
type group struct {
	legend  string
	lengths []float64
}

const barWidth vg.Length = 11

// bars draws groups of horizontal bars, the first name on top, with a line at 1, which
// all is compared with.
func bars(th theme, title, axis string, names []string, groups []group) ([]byte, error) {
	p := th.blank(title)
	p.X.Label.Text = axis
	p.X.Min = 0
	names = slices.Clone(names)
	slices.Reverse(names)
	longest := 1.0
	for g, group := range groups {
		lengths := slices.Clone(group.lengths)
		slices.Reverse(lengths)
		chart, err := plotter.NewBarChart(plotter.Values(lengths), barWidth)
		if err != nil {
			return nil, err
		}
		chart.Horizontal, chart.Color, chart.LineStyle.Width = true, th.series[g], 0
		chart.Offset = barWidth * vg.Length(float64(len(groups)-1)/2-float64(g))
		var at plotter.XYLabels
		for i, length := range lengths {
			at.XYs = append(at.XYs, plotter.XY{X: length, Y: float64(i)})
			at.Labels = append(at.Labels, short(length))
			longest = max(longest, length)
		}
		figures, err := plotter.NewLabels(at)
		if err != nil {
			return nil, err
		}
		for i := range figures.TextStyle {
			figures.TextStyle[i] = th.words(9)
		}
		figures.Offset = vg.Point{X: 4, Y: chart.Offset}
		p.Add(chart, figures)
		p.Legend.Add(group.legend, chart)
	}
	p.X.Max = longest * 1.1 // room for the figure beside the longest
	one, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(len(names)) - 0.5}})
	if err != nil {
		return nil, err
	}
	one.LineStyle = draw.LineStyle{Color: th.ink, Width: 1, Dashes: []vg.Length{3, 3}}
	p.Add(one)
	p.NominalY(names...)
	p.Y.LineStyle.Width, p.Y.Tick.Length = 0, 0
	p.X.Tick.Marker = plot.DefaultTicks{}
	p.Y.Max = float64(len(names)) + 0.3 // room for the legend above the bars
	p.Legend.Top = true
	return svg(640, vg.Length(100+len(names)*(len(groups)*12+12)), p)
}

// short is a ratio as short as it is still of use.
func short(x float64) string {
	switch {
	case x < 0.095:
		return strconv.FormatFloat(x, 'f', 3, 64)
	case x < 9.95:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}
