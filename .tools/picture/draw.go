package main

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"os"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

const (
	column = vg.Length(40) // of the grid's 24: the picture is as wide as a README and twice as fine
	line   = vg.Length(23) // of the grid: a panel of 8 is about as tall as Grafana's in proportion
	margin = vg.Length(10)
	gap    = vg.Length(3) // half of what lies between two panels
	dpi    = 144
)

// drawing is a picture in the making.
type drawing struct {
	draw.Canvas
	theme
	source
	fonts text.Handler
}

// letters is how text looks.
func (d drawing) letters(size vg.Length, c color.Color, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return text.Style{Color: c, Font: f, Handler: d.fonts, YAlign: text.YCenter}
}

// write draws the board with a theme into a PNG file.
func write(ctx context.Context, b board, s source, t theme, file string) (err error) {
	width, height := 24*column+2*margin, vg.Length(b.height())*line+2*margin
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(t.back))
	d := drawing{Canvas: draw.New(canvas), theme: t, source: s, fonts: text.Plain{Fonts: font.NewCache(liberation.Collection())}}
	for _, p := range b.Panels {
		// The grid's origin is at the top, the canvas's at the bottom.
		left, top := margin+vg.Length(p.GridPos.X)*column, height-margin-vg.Length(p.GridPos.Y)*line
		box := vg.Rectangle{
			Min: vg.Point{X: left + gap, Y: top - vg.Length(p.GridPos.H)*line + gap},
			Max: vg.Point{X: left + vg.Length(p.GridPos.W)*column - gap, Y: top - gap},
		}
		if err := d.panel(ctx, p, box); err != nil {
			return err
		}
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = vgimg.PngCanvas{Canvas: canvas}.WriteTo(out)
	return err
}

func (d drawing) panel(ctx context.Context, p panel, box vg.Rectangle) error {
	if p.Type == "row" {
		d.FillText(d.letters(11, d.text, true), vg.Point{X: box.Min.X, Y: (box.Min.Y + box.Max.Y) / 2}, p.Title)
		return nil
	}
	d.fill(d.theme.panel, box)
	d.StrokeLines(draw.LineStyle{Color: d.border, Width: 0.75}, corners(box))
	d.FillText(d.letters(9, d.text, true), vg.Point{X: box.Min.X + 8, Y: box.Max.Y - 11}, p.Title)
	inner := vg.Rectangle{Min: vg.Point{X: box.Min.X + 8, Y: box.Min.Y + 6}, Max: vg.Point{X: box.Max.X - 8, Y: box.Max.Y - 22}}
	switch p.Type {
	case "stat":
		all, err := d.at(ctx, p)
		if err != nil {
			return err
		}
		d.stat(p, all, box, inner)
		return nil
	case "timeseries":
		all, err := d.over(ctx, p, d.step)
		if err != nil {
			return err
		}
		return d.timeseries(p, all, inner)
	case "heatmap":
		all, err := d.over(ctx, p, d.rate) // a column holds what came since the one before
		if err != nil {
			return err
		}
		return d.heatmap(all, inner)
	}
	return fmt.Errorf("%q is a %s, which is not drawn", p.Title, p.Type)
}

func (d drawing) fill(c color.Color, box vg.Rectangle) { d.FillPolygon(c, corners(box)) }

func corners(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}, r.Min}
}
