package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// table is a table of BENCHMARKS.md, between <!-- name --> and the next <!-- end -->: a
// row for each value of a key, or of two.
type table struct {
	name, file string
	by         []string // of all rows: benchmark, Drain, ties, false
	rows       []string // the keys
	columns    []column
}

type column struct {
	head, unit string
	by         []string
}

var tables = []table{
	drained("drain-pg15", "drain-pg15.txt", "false"),
	drained("ties-pg15", "drain-pg15.txt", "true"),
	drained("drain-pg18", "drain-pg18.txt", "false"),
	drained("ties-pg18", "drain-pg18.txt", "true"),
	{"api-ram", "api-ram.txt", []string{"benchmark", "APIBeside"}, []string{"way"}, latencies},
	{"api-disk", "api-disk.txt", []string{"benchmark", "APIBeside"}, []string{"way"}, latencies},
	{"backlog", "size.txt", []string{"benchmark", "Size", "of", "backlog"}, []string{"way", "rows"}, costColumns},
	{"live", "size.txt", []string{"benchmark", "Size", "of", "live"}, []string{"way", "rows"}, costColumns},
	{"revoked", "rest.txt", []string{"benchmark", "Revoked"}, []string{"live", "pass"}, []column{
		{"cost, of the expired pass's", "cost/expired", nil}, {"longest statement, ms", "longest-ms", nil}}},
	{"wal", "rest.txt", []string{"benchmark", "WAL"}, []string{"way"}, []column{
		{"bytes a row", "B/row", []string{"checkpoint", "false"}}, {"of one DELETE's", "WAL/DELETE", []string{"checkpoint", "false"}},
		{"bytes a row after a checkpoint", "B/row", []string{"checkpoint", "true"}}, {"of one DELETE's after one", "WAL/DELETE", []string{"checkpoint", "true"}}}},
	{"nothing", "rest.txt", []string{"benchmark", "NothingToDo"}, []string{"live"}, []column{
		{"pages", "pages", nil}, {"sequential scans", "seq-scans", nil}, {"server's time, ms", "server-ms", nil}}},
	{"pace", "pace.txt", []string{"benchmark", "Pace"}, []string{"load", "rate"}, []column{
		{"load, of what was told", "load/told", nil}, {"rate, of what was told", "rate/told", nil}, {"most in a second, of the rate", "burst/told", nil}}},
	{"process", "process.txt", nil, []string{"of"}, programColumns},
	{"process-pg18", "process-pg18.txt", nil, []string{"of"}, programColumns},
	{"process-10m", "process-10m.txt", nil, []string{"of"}, programColumns},
}

var programColumns = []column{
	{"of one DELETE", "/DELETE", nil}, {"longest statement, ms", "longest-ms", nil}, {"ms", "ms", nil}, {"MB", "RSS-MB", nil}, {"growth", "growth", nil}, {"CPU, ms/s", "CPU-ms/s", nil}}

func drained(name, file, ties string) table {
	columns := []column{
		{"alone", "/DELETE", []string{"held", "false"}},
		{"held", "/DELETE", []string{"held", "true"}},
		{"held, of itself alone", "/alone", []string{"held", "true"}},
		{"longest statement, ms", "longest-ms", []string{"held", "false"}},
		{"longest, held, ms", "longest-ms", []string{"held", "true"}},
	}
	if ties == "true" {
		columns = append(columns,
			column{"of itself with distinct ones", "/distinct", []string{"held", "false"}},
			column{"the same, held", "/distinct", []string{"held", "true"}})
	}
	return table{name, file, []string{"benchmark", "Drain", "ties", ties}, []string{"way"}, columns}
}

var latencies = []column{
	{"p50, of undisturbed", "p50/undisturbed", nil}, {"p99, of undisturbed", "p99/undisturbed", nil}, {"p50, ms", "p50-ms", nil}, {"p99, ms", "p99-ms", nil}}

var costColumns = []column{
	{"cost, of one DELETE's at the smallest", "cost/DELETE", nil}, {"of its own at the smallest", "cost/smallest", nil}, {"longest statement, ms", "longest-ms", nil}}

// writeTables writes each table anew whose marks and whose file are there.
func writeTables(path, raw string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	page := string(text)
	for _, t := range tables {
		begin := "<!-- " + t.name + " -->\n"
		before, rest, ok := strings.Cut(page, begin)
		if !ok {
			continue
		}
		_, after, ok := strings.Cut(rest, "<!-- end -->")
		if !ok {
			return fmt.Errorf("%s: no <!-- end --> after <!-- %s -->", path, t.name)
		}
		lines, err := readLines(filepath.Join(raw, t.file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		page = before + begin + t.markdown(lines) + "<!-- end -->" + after
	}
	return os.WriteFile(path, []byte(page), 0o644)
}

// markdown is the table of what there is; a column without a figure is left out.
func (t table) markdown(lines []line) string {
	var kept []line
	for _, l := range lines {
		if l.is(t.by...) {
			kept = append(kept, l)
		}
	}
	var keys [][]string // key, value, key, value of each row
	seen := map[string]bool{}
	for _, l := range kept {
		var key []string
		for _, k := range t.rows {
			key = append(key, k, l.by[k])
		}
		if id := strings.Join(key, "\x00"); !seen[id] {
			seen[id] = true
			keys = append(keys, key)
		}
	}
	head, rule := "", ""
	for _, k := range t.rows {
		head, rule = head+"| "+k+" ", rule+"|---"
	}
	rows := make([]string, len(keys))
	for i, key := range keys {
		for j := 1; j < len(key); j += 2 {
			rows[i] += "| " + bold(key[j]) + " "
		}
	}
	for _, c := range t.columns {
		cells, any := make([]string, len(keys)), false
		for i, key := range keys {
			f, ok := find(kept, c.unit, append(append([]string{}, key...), c.by...)...)
			if ok {
				cells[i], any = short(f), true
			}
		}
		if !any {
			continue
		}
		head, rule = head+"| "+c.head+" ", rule+"|--:"
		for i := range rows {
			rows[i] += "| " + cells[i] + " "
		}
	}
	return head + "|\n" + rule + "|\n" + strings.Join(rows, "|\n") + "|\n"
}

func bold(name string) string {
	if strings.HasPrefix(name, "token-janitor") {
		return "**" + name + "**"
	}
	return name
}
