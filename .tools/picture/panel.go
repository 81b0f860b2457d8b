package main

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// stat writes the last value of each series, one beside the other or, if the panel wants, one below the other.
func (d drawing) stat(p panel, all []series, box, inner vg.Rectangle) {
	write := func(at vg.Point, size vg.Length, c color.Color, words string) {
		style := d.letters(size, c, true)
		style.XAlign = text.XCenter
		d.FillText(style, at, words)
	}
	center := vg.Point{X: (inner.Min.X + inner.Max.X) / 2, Y: (inner.Min.Y + inner.Max.Y) / 2}
	known := slices.DeleteFunc(slices.Clone(all), func(s series) bool { return math.IsNaN(s.last()) })
	if len(known) == 0 {
		write(center, 20, d.faint, cmp.Or(p.FieldConfig.Defaults.NoValue, "no data"))
		return
	}
	if p.Options.ColorMode == "background" {
		value := known[0].last()
		d.fill(d.named[p.level(value)], box)
		white := color.NRGBA{0xff, 0xff, 0xff, 0xff}
		d.FillText(d.letters(9, white, true), vg.Point{X: inner.Min.X, Y: box.Max.Y - 11}, p.Title)
		write(center, 24, white, p.mapped(value))
		return
	}
	wide, tall := (inner.Max.X-inner.Min.X)/vg.Length(len(known)), inner.Max.Y-inner.Min.Y
	size := min(24, wide/3)
	for i, s := range known {
		at := vg.Point{X: inner.Min.X + (vg.Length(i)+0.5)*wide, Y: center.Y}
		if p.Options.Orientation == "horizontal" {
			at = vg.Point{X: center.X, Y: inner.Max.Y - (vg.Length(i)+0.5)*tall/vg.Length(len(known))}
			size = 24
		}
		write(vg.Point{X: at.X, Y: at.Y + 0.75*size}, 9, d.faint, s.name)
		value := s.last()
		if p.FieldConfig.Defaults.Unit == "none" {
			value = math.Round(value) // increase() reckons between scrapes
		}
		write(vg.Point{X: at.X, Y: at.Y - 0.35*size}, size, d.series(p, s.name, i), p.mapped(value))
	}
}

// timeseries draws each series as a line above a light area, stacked if the panel wants.
func (d drawing) timeseries(p panel, all []series, inner vg.Rectangle) error {
	plt := d.axes(inner)
	plt.Y.Tick.Marker = ticks(func(v float64) string { return inUnit(p.FieldConfig.Defaults.Unit, v) })
	stacked := p.FieldConfig.Defaults.Custom.Stacking.Mode == "normal"
	if stacked { // one that adds nothing hides the line that it lies on
		all = slices.DeleteFunc(all, func(s series) bool {
			return !slices.ContainsFunc(s.samples, func(one sample) bool { return one.value > 0 })
		})
	}
	below := map[float64]float64{}
	for i, s := range all {
		var upper, lower plotter.XYs
		for _, one := range s.samples {
			if math.IsNaN(one.value) {
				continue
			}
			lower = append(lower, plotter.XY{X: one.at, Y: below[one.at]})
			upper = append(upper, plotter.XY{X: one.at, Y: below[one.at] + one.value})
			plt.Y.Max = max(plt.Y.Max, below[one.at]+one.value)
			if stacked {
				below[one.at] += one.value
			}
		}
		if len(upper) == 0 {
			continue
		}
		line, err := plotter.NewLine(upper)
		if err != nil {
			return fmt.Errorf("draw %q: %w", p.Title, err)
		}
		slices.Reverse(lower)
		area, err := plotter.NewPolygon(append(slices.Clone(upper), lower...))
		if err != nil {
			return fmt.Errorf("draw %q: %w", p.Title, err)
		}
		c := d.series(p, s.name, i)
		line.Color, line.Width = c, 1.2
		c.A = 0x24 // the grid shines through
		area.Color, area.LineStyle.Width = c, 0
		plt.Add(area, line)
	}
	plt.Y.Min, plt.Y.Max = 0, 1.1*plt.Y.Max
	if plt.Y.Max <= 0 {
		plt.Y.Max = 1 // nothing to show is a line at the bottom
	}
	d.legend(p, all, inner)
	inner.Min.Y += 14
	plt.Draw(draw.Crop(d.Canvas, inner.Min.X-d.Min.X, inner.Max.X-d.Max.X, inner.Min.Y-d.Min.Y, inner.Max.Y-d.Max.Y))
	return nil
}

// legend names the series below a panel, as many as fit.
func (d drawing) legend(p panel, all []series, inner vg.Rectangle) {
	style := d.letters(7.5, d.text, false)
	x, y := inner.Min.X, inner.Min.Y+4
	for i, s := range all {
		if x+16+style.Width(s.name) > inner.Max.X {
			break
		}
		d.StrokeLine2(draw.LineStyle{Color: d.series(p, s.name, i), Width: 2.5}, x, y, x+10, y)
		d.FillText(style, vg.Point{X: x + 13, Y: y}, s.name)
		x += 13 + style.Width(s.name) + 10
	}
}

// axes are an empty plot over the time that is drawn.
func (d drawing) axes(inner vg.Rectangle) *plot.Plot {
	plt := plot.New()
	plt.BackgroundColor = color.Transparent
	plt.Y.Max = 0
	plt.X.Min, plt.X.Max = float64(d.from.Unix()), float64(d.to.Unix())
	const room = 55 // for one time and what keeps it from the next
	every := d.to.Sub(d.from) / time.Duration((inner.Max.X-inner.Min.X)/room)
	every = max(time.Minute, (every + time.Minute - 1).Truncate(time.Minute))
	plt.X.Tick.Marker = plot.TickerFunc(func(from, to float64) (all []plot.Tick) {
		for t := time.Unix(int64(from), 0).Truncate(every); float64(t.Unix()) <= to; t = t.Add(every) {
			if float64(t.Unix()) >= from {
				all = append(all, plot.Tick{Value: float64(t.Unix()), Label: t.UTC().Format("15:04")})
			}
		}
		return all
	})
	for _, axis := range []*plot.Axis{&plt.X, &plt.Y} {
		axis.LineStyle.Width, axis.Tick.LineStyle.Width, axis.Padding = 0, 0, 0
		label := d.letters(7.5, d.faint, false)
		label.XAlign, label.YAlign = axis.Tick.Label.XAlign, axis.Tick.Label.YAlign
		axis.Tick.Label = label
	}
	grid := plotter.NewGrid()
	grid.Horizontal = draw.LineStyle{Color: d.border, Width: 0.5}
	grid.Vertical = grid.Horizontal
	plt.Add(grid)
	return plt
}

// ticks are those of plot's own choice, written in a unit.
func ticks(write func(float64) string) plot.TickerFunc {
	return func(from, to float64) (all []plot.Tick) {
		last := ""
		for _, t := range (plot.DefaultTicks{}).Ticks(from, to) {
			if label := write(t.Value); !t.IsMinor() && label != last { // between 0 and 1 there is no token
				all = append(all, plot.Tick{Value: t.Value, Label: label})
				last = label
			}
		}
		return all
	}
}

// buckets are a heatmap: how many fell into each bucket, at each time. The value of a cell
// that holds nothing is no number, so that it is not drawn.
type buckets struct {
	times []float64
	upper []float64
	cells map[[2]int]float64 // by the place of the time and of the bucket
}

func (b buckets) Dims() (c, r int) { return len(b.times), len(b.upper) }
func (b buckets) X(c int) float64  { return b.times[c] }
func (b buckets) Y(r int) float64  { return float64(r) }
func (b buckets) Z(c, r int) float64 {
	if v := b.cells[[2]int{c, r}]; v > 1e-9 { // the panel's own filter
		return v
	}
	return math.NaN()
}

// Colors makes the palette one.
func (t theme) Colors() []color.Color { return t.oranges() }

// heatmap draws the buckets from the fastest to the slowest that hold anything.
func (d drawing) heatmap(all []series, inner vg.Rectangle) error {
	slices.SortFunc(all, func(a, b series) int { return cmp.Compare(bound(a), bound(b)) })
	count := map[[2]float64]float64{} // cumulative, by time and bound
	times := map[float64]bool{}
	first, last := len(all), -1
	for i, s := range all {
		for _, one := range s.samples {
			count[[2]float64{one.at, float64(i)}] = one.value
			times[one.at] = true
			if one.value-count[[2]float64{one.at, float64(i - 1)}] > 1e-9 {
				first, last = min(first, i), max(last, i)
			}
		}
	}
	if last < 0 {
		return nil
	}
	b := buckets{cells: map[[2]int]float64{}}
	for at := range times {
		b.times = append(b.times, at)
	}
	slices.Sort(b.times)
	most := 0.0
	for r, s := range all[first : last+1] {
		b.upper = append(b.upper, bound(s))
		for c, at := range b.times {
			v := count[[2]float64{at, float64(first + r)}] - count[[2]float64{at, float64(first + r - 1)}]
			b.cells[[2]int{c, r}] = v
			if v > most { // what is no number never is
				most = v
			}
		}
	}
	plt := d.axes(inner)
	heat := plotter.NewHeatMap(b, d.theme)
	heat.Min, heat.Max = 0, max(most, 1)
	plt.Add(heat)
	plt.X.Min, plt.X.Max = float64(d.from.Unix()), float64(d.to.Unix())
	plt.Y.Tick.Marker = plot.TickerFunc(func(_, _ float64) (all []plot.Tick) {
		for r, upper := range b.upper {
			label := inTime(upper)
			if math.IsInf(upper, 1) {
				label = "more"
			}
			all = append(all, plot.Tick{Value: float64(r), Label: label})
		}
		return all
	})
	plt.Draw(draw.Crop(d.Canvas, inner.Min.X-d.Min.X, inner.Max.X-d.Max.X, inner.Min.Y-d.Min.Y, inner.Max.Y-d.Max.Y))
	return nil
}

// bound is the upper bound of a bucket, in seconds.
func bound(s series) float64 {
	v, err := strconv.ParseFloat(s.labels["le"], 64)
	if err != nil {
		return math.NaN()
	}
	return v
}
