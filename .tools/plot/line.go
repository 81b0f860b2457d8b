package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// line is one line of a benchmark: Drain, by way and held and ties, with figures by unit.
type line struct {
	file, benchmark string
	by              map[string]string
	figures         map[string]float64
}

// readLines reads the output of go test -bench.
func readLines(path string) ([]line, error) {
	files := benchfmt.Files{Paths: []string{path}}
	var lines []line
	for files.Scan() {
		result, ok := files.Result().(*benchfmt.Result)
		if !ok {
			continue // PASS, or a log line
		}
		base, parts := result.Name.Parts()
		l := line{filepath.Base(path), string(base), map[string]string{}, map[string]float64{}}
		for _, part := range parts {
			// The last part, -2, is GOMAXPROCS.
			if key, value, ok := strings.Cut(strings.TrimPrefix(string(part), "/"), "="); ok {
				l.by[key] = strings.ReplaceAll(value, "_", " ") // which go test made of it
			}
		}
		for _, v := range result.Values {
			unit := v.Unit
			value := v.Value
			if v.OrigUnit != "" { // as it was reported, not in benchfmt's base units
				unit, value = v.OrigUnit, v.OrigValue
			}
			l.figures[unit] = value
		}
		lines = append(lines, l)
	}
	if err := files.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return lines, nil
}

// is reports whether a line has these values: key, value, key, value. The keys "benchmark"
// and "file" are there for all.
func (l line) is(by ...string) bool {
	for i := 0; i < len(by); i += 2 {
		got := l.by[by[i]]
		switch by[i] {
		case "benchmark":
			got = l.benchmark
		case "file":
			got = l.file
		}
		if got != by[i+1] {
			return false
		}
	}
	return true
}

// find is a figure of the line with these values.
func find(lines []line, unit string, by ...string) (float64, bool) {
	for _, l := range lines {
		if f, ok := l.figures[unit]; ok && l.is(by...) {
			return f, true
		}
	}
	return 0, false
}

// must is find where a plot without the figure would not be true.
func must(lines []line, unit string, by ...string) (float64, error) {
	f, ok := find(lines, unit, by...)
	if !ok {
		return 0, fmt.Errorf("no figure in %s of %s", unit, strings.Join(by, " "))
	}
	return f, nil
}

// names are the values of a key, in the order of the lines.
func names(lines []line, key string, by ...string) (found []string) {
	seen := map[string]bool{}
	for _, l := range lines {
		if name := l.by[key]; name != "" && l.is(by...) && !seen[name] {
			found = append(found, name)
			seen[name] = true
		}
	}
	return found
}
