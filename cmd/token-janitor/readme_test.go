package main

import (
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/config"
	"github.com/hyphagraph/token-janitor/metrics"
)

// Every flag, with its default, and every metric, with its labels and type, is in the
// README, and nothing that is not.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := func(heading string) (found []string) {
		_, section, _ := strings.Cut(string(text), "\n## "+heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		for line := range strings.Lines(section) {
			if cells := strings.Split(line, "|"); len(cells) == 5 && strings.HasPrefix(cells[1], " `") {
				found = append(found, strings.TrimSpace(cells[1])+strings.TrimSpace(cells[2]))
			}
		}
		slices.Sort(found)
		return found
	}
	same := func(what string, told, are []string) {
		slices.Sort(are)
		if len(are) == 0 || !slices.Equal(told, are) {
			t.Errorf("%s in the README:\n%s\nthere are:\n%s", what, strings.Join(told, "\n"), strings.Join(are, "\n"))
		}
	}

	var flags []string
	for _, setting := range new(config.Flags).InForce() {
		flag := "`" + setting.Flag + "`"
		if setting.Default != "" {
			flag += "`" + setting.Default + "`"
		}
		flags = append(flags, flag)
	}
	same("flags", rows("Flags"), flags)

	answer := httptest.NewRecorder()
	metrics.New(metrics.Build{}).Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	exposition := answer.Body.String()
	var exported []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE token_janitor_(\S+) (\S+)`).FindAllStringSubmatch(exposition, -1) {
		name := m[1]
		if labels := regexp.MustCompile(`(?m)^token_janitor_` + name + `\{(.*)\}`).FindStringSubmatch(exposition); labels != nil {
			var names []string
			for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(labels[1], -1) {
				names = append(names, l[1])
			}
			if name == "build_info" {
				names = []string{"version", "goversion", "revision"} // the reader's order, not the alphabet's
			}
			name += "{" + strings.Join(names, ",") + "}"
		}
		exported = append(exported, "`"+name+"`"+m[2])
	}
	same("metrics", rows("Metrics"), exported)
}
