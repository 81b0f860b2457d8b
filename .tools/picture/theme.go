package main

import "image/color"

// theme is the colours of a picture. The light one's series are darker, to be seen on white.
type theme struct {
	back, panel, border, text, faint color.NRGBA
	named                            map[string]color.NRGBA
	rest                             []string // names for series that the dashboard gives no colour, in turn
}

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{uint8(hex >> 16 & 0xff), uint8(hex >> 8 & 0xff), uint8(hex & 0xff), 0xff}
}

var turn = []string{"green", "yellow", "blue", "orange", "red", "purple"}

var light = theme{
	back: rgb(0xf4f5f5), panel: rgb(0xffffff), border: rgb(0xdcdde0), text: rgb(0x24292e), faint: rgb(0x5f6670),
	named: map[string]color.NRGBA{
		"green": rgb(0x37872d), "yellow": rgb(0xb88900), "blue": rgb(0x1f60c4), "orange": rgb(0xd9580c), "red": rgb(0xc4162a), "purple": rgb(0x8f3bb8),
	},
	rest: turn,
}

var dark = theme{
	back: rgb(0x111217), panel: rgb(0x181b1f), border: rgb(0x2c3038), text: rgb(0xd8d9da), faint: rgb(0x9a9fa8),
	named: map[string]color.NRGBA{
		"green": rgb(0x37872d), "yellow": rgb(0xf2cc0c), "blue": rgb(0x5794f2), "orange": rgb(0xd9580c), "red": rgb(0xc4162a), "purple": rgb(0xb877d9),
	},
	rest: turn,
}

// series is the colour of the i-th series of a panel, of which there is a name.
func (t theme) series(p panel, name string, i int) color.NRGBA {
	if c, ok := t.named[p.paint(name)]; ok {
		return c
	}
	return t.named[t.rest[i%len(t.rest)]]
}

// oranges are the heatmap's colours from few to many, from near the panel's own to full.
func (t theme) oranges() []color.Color {
	const steps = 32 // finer than the eye tells apart
	var all []color.Color
	full := t.named["orange"]
	for i := range steps {
		share := 0.25 + 0.75*float64(i)/(steps-1) // one call in a bucket must still be seen
		mix := func(a, b uint8) uint8 { return uint8(float64(a)*(1-share) + float64(b)*share) }
		all = append(all, color.NRGBA{mix(t.panel.R, full.R), mix(t.panel.G, full.G), mix(t.panel.B, full.B), 0xff})
	}
	return all
}
