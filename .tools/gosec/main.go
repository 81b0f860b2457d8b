// Command gosec looks for what may be unsafe, as gosec's own command does. That one brings four makers of language
// models along, which take two minutes to compile.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"runtime"

	"github.com/securego/gosec/v2"
	"github.com/securego/gosec/v2/analyzers"
	"github.com/securego/gosec/v2/rules"
)

// The demo and pgtemp serve people and tests on one machine: their programs, files and chances are their own. What ships
// excuses a finding on its line, with the reason.
const excused = "cmd/demo/.*:G101,G104,G204,G404;migrations/pgtemp/.*:G104,G115,G204,G301,G304,G306,G702,G703"

func main() {
	found, err := scan()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gosec:", err)
		os.Exit(2)
	}
	if found > 0 {
		os.Exit(1)
	}
}

// scan prints what it finds in the packages below the working directory, and returns how much that is.
func scan() (found int, err error) {
	config := gosec.NewConfig()
	config.SetGlobal(gosec.NoSecRequireRules, "true")
	config.SetGlobal(gosec.NoSecRequireJustification, "true")
	rule, analyzer := rules.Generate(false), analyzers.Generate(false)
	scanner := gosec.NewAnalyzer(config, false, false, false, runtime.GOMAXPROCS(0), log.New(io.Discard, "", 0))
	scanner.LoadRules(rule.RulesInfo())
	scanner.LoadAnalyzers(analyzer.AnalyzersInfo())

	packages, err := gosec.PackagePaths("./...", gosec.ExcludedDirsRegExp([]string{`\.git/`, ".tools"}))
	if err != nil {
		return 0, err
	}
	if err := scanner.Process(nil, packages...); err != nil {
		return 0, err
	}
	excuses, err := gosec.ParseCLIExcludeRules(excused)
	if err != nil {
		return 0, err
	}
	filter, err := gosec.NewPathExclusionFilter(excuses)
	if err != nil {
		return 0, err
	}
	all, metrics, failed := scanner.Report()
	issues, _ := filter.FilterIssues(all)
	for _, i := range issues {
		if !i.NoSec {
			found++
			fmt.Printf("%s: %s: %s\n", i.FileLocation(), i.RuleID, i.What)
		}
	}
	for file, errs := range failed {
		for _, e := range errs {
			found++
			fmt.Printf("%s:%d: %s\n", file, e.Line, e.Err)
		}
	}
	if metrics.NumFiles < 100 {
		return 0, fmt.Errorf("it read %d files only", metrics.NumFiles)
	}
	return found, nil
}
