package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const measured = `goos: linux
BenchmarkDrain/ties=false/held=false/way=one_DELETE-2     	       1	         1.000 /DELETE	         1.000 /alone	       120.0 longest-ms
BenchmarkDrain/ties=false/held=false/way=token-janitor-2  	       1	         0.912 /DELETE	         1.000 /alone	        12.34 longest-ms
BenchmarkDrain/ties=false/held=true/way=one_DELETE-2      	       1	         1.000 /DELETE	         0.980 /alone	       130.0 longest-ms
PASS
`

const held = `BenchmarkDrain/ties=false/held=true/way=token-janitor-2   	       1	         0.905 /DELETE	         0.970 /alone	        13.00 longest-ms
`

// folder is one as .github is, with a page that has room for a table.
func folder(t *testing.T, output string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"BENCHMARKS.md":             "before\n<!-- drain-pg15 -->\nold\n<!-- end -->\nafter\n",
		"benchmarks/drain-pg15.txt": output,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRender(t *testing.T) {
	t.Parallel()
	dir := folder(t, measured+held)
	if err := render(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "BENCHMARKS.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := "before\n<!-- drain-pg15 -->\n" +
		"| way | alone | held | held, of itself alone | longest statement, ms | longest, held, ms |\n" +
		"|---|--:|--:|--:|--:|--:|\n" +
		"| one DELETE | 1.00 | 1.00 | 0.98 | 120 | 130 |\n" +
		"| **token-janitor** | 0.91 | 0.91 | 0.97 | 12 | 13 |\n" +
		"<!-- end -->\nafter\n"
	if string(page) != want {
		t.Errorf("page:\n%s\nwant:\n%s", page, want)
	}
	for _, th := range themes {
		svg, err := os.ReadFile(filepath.Join(dir, "benchmarks", "drain-"+th.name+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", th.name, err)
			}
		}
		if n := bytes.Count(svg, []byte("<text")); n == 0 || bytes.Count(svg, []byte("textLength=")) != n {
			t.Errorf("%s: not each of %d texts is fitted", th.name, n)
		}
	}
}

// A measurement that broke off makes no plot: what is missing would look like nothing.
func TestMissingFigures(t *testing.T) {
	t.Parallel()
	if err := render(folder(t, measured)); err == nil || !strings.Contains(err.Error(), "no figure in /DELETE") {
		t.Errorf("error: %v", err)
	}
}
