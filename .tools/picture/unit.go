package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// inUnit writes a value as Grafana does in one of the units that the dashboard uses.
func inUnit(unit string, v float64) string {
	switch unit {
	case "s":
		return inTime(v)
	case "cps":
		return short(v) + " c/s"
	case "percentunit":
		return plain(v*100, 1) + "%"
	case "locale":
		return thousands(plain(v, 0))
	default:
		return short(v)
	}
}

func inTime(v float64) string {
	size := math.Abs(v)
	switch {
	case size == 0:
		return "0 s"
	case size < 1:
		return plain(v*1e3, 1) + " ms"
	case size < 60:
		return plain(v, 0) + " s"
	case size < 3600:
		return plain(v/60, 0) + " min"
	default:
		return plain(v/3600, 1) + " hours"
	}
}

func short(v float64) string {
	if math.Abs(v) >= 1000 {
		return plain(v/1000, 1) + " K"
	}
	return plain(v, 2)
}

// plain writes a number with so many places at most.
func plain(v float64, places int) string {
	text := strconv.FormatFloat(v, 'f', places, 64)
	if places > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if text == "-0" {
		return "0"
	}
	return text
}

func thousands(digits string) string {
	sign := ""
	if rest, ok := strings.CutPrefix(digits, "-"); ok {
		sign, digits = "-", rest
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = fmt.Sprintf("%s,%s", digits[:i], digits[i:])
	}
	return sign + digits
}
