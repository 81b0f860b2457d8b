package main

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"regexp"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// theme is the colours of a plot on one kind of page, whose own background shows.
type theme struct {
	name       string
	ink, faint color.Color // text and axes; lines of the grid
	series     []color.Color
}

// The colours differ in lightness as well, for those who do not tell blue from orange.
var themes = []theme{
	{"light", rgb(0x1f2328), rgb(0xd1d9e0), []color.Color{rgb(0x0550ae), rgb(0xe38b3a), rgb(0x6e7781)}},
	{"dark", rgb(0xf0f6fc), rgb(0x3d444d), []color.Color{rgb(0x79c0ff), rgb(0xc2631c), rgb(0x9198a1)}},
}

func rgb(hex uint32) color.Color {
	return color.RGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 255}
}

func init() { // gonum's own is a serif
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	plotter.DefaultFont = plot.DefaultFont
}

// words is the style of text of a size.
func (th theme) words(size vg.Length) text.Style {
	return text.Style{Color: th.ink, Font: font.From(plot.DefaultFont, size), Handler: plot.DefaultTextHandler, YAlign: draw.YCenter}
}

// blank is an empty plot in the theme's colours.
func (th theme) blank(title string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.Title.Text, p.Title.Padding = title, 8
	p.Title.TextStyle.Color, p.Title.TextStyle.Font.Size = th.ink, 13
	p.Legend.TextStyle.Color, p.Legend.TextStyle.Font.Size = th.ink, 11
	p.Legend.Padding = 3
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color, axis.Label.TextStyle.Color, axis.Tick.Label.Color, axis.Tick.Color = th.ink, th.ink, th.ink, th.ink
		axis.Label.TextStyle.Font.Size, axis.Tick.Label.Font.Size = 11, 11
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = th.ink, th.ink
	}
	return p
}

// svg writes plots side by side.
func svg(w, h vg.Length, plots ...*plot.Plot) ([]byte, error) {
	canvas := vgsvg.New(w, h)
	tiles := draw.Tiles{Rows: 1, Cols: len(plots), PadX: 24, PadTop: 6, PadBottom: 6, PadLeft: 6, PadRight: 12}
	whole := draw.New(canvas)
	for i, c := range plot.Align([][]*plot.Plot{plots}, tiles, whole)[0] {
		plots[i].Draw(c)
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, err
	}
	return fitted(b.Bytes()), nil
}

// A piece of text of an SVG: its size, and what it says.
var piece = regexp.MustCompile(`font-family:Liberation Sans;([^"]*font-size:(\d+)px[^"]*")>([^<]*)`)

// fitted lets other fonts stand in where Liberation is not installed, as wide as it would be:
// the plot was laid out for that.
func fitted(svg []byte) []byte {
	return piece.ReplaceAllFunc(svg, func(text []byte) []byte {
		m := piece.FindSubmatch(text)
		size, _ := strconv.Atoi(string(m[2])) // digits, as the pattern says
		face := font.DefaultCache.Lookup(plot.DefaultFont, vg.Length(size))
		width := face.Width(html.UnescapeString(string(m[3])))
		return fmt.Appendf(nil, `font-family:Liberation Sans,Arial,Helvetica,sans-serif;%s textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s`,
			m[1], width.Points(), m[3])
	})
}
