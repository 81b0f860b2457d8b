package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// board is dashboard.json, as far as it is drawn.
type board struct {
	Title  string
	Panels []panel
}

type panel struct {
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, LegendFormat string }
	FieldConfig struct {
		Defaults struct {
			Unit, NoValue string
			Mappings      []struct {
				Type    string
				Options map[string]struct{ Text string }
			}
			Thresholds struct {
				Steps []struct {
					Color string
					Value *float64 // nil: the first, from below all
				}
			}
			Custom struct{ Stacking struct{ Mode string } }
		}
		Overrides []struct {
			Matcher    struct{ Options any }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
	Options struct{ ColorMode, TextMode, Orientation string }
}

// readBoard reads a dashboard and leaves out what begins at the row of panels from.
func readBoard(file, from string) (board, error) {
	var b board
	text, err := os.ReadFile(file)
	if err != nil {
		return b, err
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return b, fmt.Errorf("read %s: %w", file, err)
	}
	for i, p := range b.Panels {
		if p.Type == "row" && p.Title == from {
			b.Panels = b.Panels[:i]
			return b, nil
		}
	}
	return b, fmt.Errorf("%s has no row %q", file, from)
}

// height is that of all panels, in the units of the grid.
func (b board) height() int {
	bottom := 0
	for _, p := range b.Panels {
		bottom = max(bottom, p.GridPos.Y+p.GridPos.H)
	}
	return bottom
}

// paint is the name of the colour that the panel gives a series, if it gives one.
func (p panel) paint(series string) string {
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			value, _ := property.Value.(map[string]any)
			if name, ok := value["fixedColor"].(string); ok && o.Matcher.Options == series && property.ID == "color" {
				return name
			}
		}
	}
	return ""
}

// level is the name of the colour of the highest threshold that a value reaches.
func (p panel) level(value float64) string {
	name := "green"
	for _, s := range p.FieldConfig.Defaults.Thresholds.Steps {
		if s.Value == nil || value >= *s.Value {
			name = s.Color
		}
	}
	return name
}

// mapped is a value as the panel writes it: in its unit, or by a word of its own.
func (p panel) mapped(value float64) string {
	for _, m := range p.FieldConfig.Defaults.Mappings {
		if o, ok := m.Options[fmt.Sprint(value)]; ok && m.Type == "value" {
			return o.Text
		}
	}
	return inUnit(p.FieldConfig.Defaults.Unit, value)
}

// named is what the legend calls a series.
func named(format string, labels map[string]string) string {
	for name, value := range labels {
		format = strings.ReplaceAll(format, "{{"+name+"}}", value)
	}
	return format
}
