// Command plot draws what the benchmarks measured and writes the tables of
// .github/BENCHMARKS.md:
//
//	go -C .tools/plot run .
//
// It reads .github/benchmarks/*.txt, the output of go test -bench, and writes its plots
// beside them, each for a light page and for a dark one. A file that is not there leaves
// what was made of it as it is.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("dir", "../../.github", "the folder of BENCHMARKS.md, and of benchmarks/")
	flag.Parse()
	if err := render(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func render(dir string) error {
	raw := filepath.Join(dir, "benchmarks")
	for _, p := range plots {
		var lines []line
		for _, name := range p.files {
			read, err := readLines(filepath.Join(raw, name))
			if errors.Is(err, fs.ErrNotExist) {
				lines = nil
				break
			}
			if err != nil {
				return err
			}
			lines = append(lines, read...)
		}
		if lines == nil {
			continue
		}
		for _, th := range themes {
			svg, err := p.draw(lines, th)
			if err != nil {
				return fmt.Errorf("draw %s: %w", p.name, err)
			}
			if err := os.WriteFile(filepath.Join(raw, p.name+"-"+th.name+".svg"), svg, 0o644); err != nil {
				return err
			}
		}
	}
	return writeTables(filepath.Join(dir, "BENCHMARKS.md"), raw)
}

// plots are all there are.
var plots = []struct {
	name  string
	files []string
	draw  func([]line, theme) ([]byte, error)
}{
	{"drain", []string{"drain-pg15.txt"}, drawDrain},
	{"api", []string{"api-ram.txt", "api-disk.txt"}, drawAPI},
	{"size", []string{"size.txt"}, drawSize},
}
