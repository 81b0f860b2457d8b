package deploy_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each module that go.mod asks for is in CONTRIBUTING with its reason, and no other is.
func TestDependenciesHaveReasons(t *testing.T) {
	t.Parallel()
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal([]byte(output(t, nil, "go", "mod", "edit", "-json", "../go.mod")), &mod); err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, r := range mod.Require {
		if !r.Indirect {
			asked = append(asked, r.Path)
		}
	}
	_, table, _ := strings.Cut(read(t, "../.github/CONTRIBUTING.md"), "\n## Dependencies, and why\n")
	var told []string
	for _, row := range regexp.MustCompile(`(?m)^\|(.*)\| \S.*\|$`).FindAllStringSubmatch(table, -1) {
		for _, m := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[1], -1) {
			told = append(told, m[1])
		}
	}
	slices.Sort(asked)
	slices.Sort(told)
	if !slices.Equal(told, asked) {
		t.Errorf("CONTRIBUTING has\n%s\ngo.mod asks for\n%s", strings.Join(told, "\n"), strings.Join(asked, "\n"))
	}
}
