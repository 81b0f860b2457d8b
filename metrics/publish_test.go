package metrics

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
)

func TestParseGateway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, url, job string
		grouping       map[string]string
	}{
		{"http://gateway:9091", "http://gateway:9091", "token-janitor", nil},
		{"http://gateway:9091/", "http://gateway:9091", "token-janitor", nil},
		{"https://ada:pw@gateway/push/", "https://gateway/push", "token-janitor", nil},
		{"http://gateway:9091/metrics/job/shop", "http://gateway:9091", "shop", nil},
		{"http://gateway:9091/push/metrics/job/my%2Fshop/namespace/a%20b/", "http://gateway:9091/push", "my/shop", map[string]string{"namespace": "a b"}},
		{"http://[::1]:9091/metrics/job/token-janitor/instance/a", "http://[::1]:9091", "token-janitor", map[string]string{"instance": "a"}},
	} {
		g, err := ParseGateway(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if g.url != c.url || g.job != c.job || len(g.grouping) != len(c.grouping) {
			t.Errorf("%s: got %s, job %s, %v", c.text, g.url, g.job, g.grouping)
		}
		for name, value := range c.grouping {
			if g.grouping[name] != value {
				t.Errorf("%s: %s is %q, want %q", c.text, name, g.grouping[name], value)
			}
		}
	}
}

func TestGatewaysThatCannotBe(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for text, want := range map[string]string{
		"gateway:9091":                              "http",
		"ada:" + secret + "@gateway:9091":           "http",
		"http://ada:" + secret + "%@gateway":        "cannot be read",
		"http://ada:" + secret + "@gateway:port":    "cannot be read",
		"http://ada:" + secret + "@:9091":           "no host",
		"ftp://ada:" + secret + "@gateway":          "http",
		"http://gateway?token=" + secret:            "query",
		"http://gateway#" + secret:                  "query",
		"http://gateway/metrics/" + secret:          "no job",
		"http://gateway/metrics/job/":               "value is empty",
		"http://gateway/metrics/job/a/namespace":    "no value",
		"http://gateway/metrics/job/a/job/b":        "job twice",
		"http://gateway/metrics/job/a/b/c/b/d":      "b twice",
		"http://gateway/metrics/job/a/reason/b":     "reason twice, or the metrics have it",
		"http://gateway/metrics/job/a/b@base64/Yg":  "name of a label",
		"http://gateway/metrics/job/a/instance//b/": "no value",
	} {
		g, err := ParseGateway(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v and %v, want an error with %q and no secret", text, g, err, want)
		}
	}
}

// A group's label that the metrics have already is refused at each push: ParseGateway knows all of them.
func TestOwnLabelsAreAll(t *testing.T) {
	t.Parallel()
	m := testMetrics()
	everything(m)
	used := []string{"le"}
	for name := range series(t, m) {
		for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(name, -1) {
			used = append(used, label[1])
		}
	}
	slices.Sort(used)
	if used = slices.Compact(used); !slices.Equal(used, ownLabels) {
		t.Errorf("the metrics have labels %q, ParseGateway refuses %q", used, ownLabels)
	}
}

// wrote is what a run left in a file, by metric.
func wrote(t *testing.T, path string, r janitor.Result) map[string]string {
	t.Helper()
	m := testMetrics()
	m.Run(r)
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^([^# ]+) (.*)$`).FindAllStringSubmatch(string(text), -1) {
		found[strings.TrimPrefix(line[1], "token_janitor_")] = line[2]
	}
	return found
}

func TestFileKeepsTheLastSuccess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token-janitor.prom")
	at := func(seconds int64, outcome janitor.Outcome) janitor.Result {
		return janitor.Result{Outcome: outcome, StopReason: janitor.StopDrained, Began: time.Unix(seconds, 0)}
	}
	for _, c := range []struct {
		name          string
		run           janitor.Result
		last, success string
	}{
		{"a first run that fails", at(100, janitor.Failed), "100", ""},
		{"the next is a success", at(200, janitor.Drained), "200", "200"},
		{"one fails", at(300, janitor.Failed), "300", "200"},
		{"one finds another at work", at(400, janitor.Skipped), "400", "200"},
		{"one leaves rows", at(500, janitor.Partial), "500", "500"},
		{"one by a clock that went back", at(450, janitor.Drained), "450", "500"},
	} {
		got := wrote(t, path, c.run)
		if got["last_run_timestamp_seconds"] != c.last || got["last_success_timestamp_seconds"] != c.success {
			t.Errorf("%s: last run %q and success %q, want %q and %q", c.name, got["last_run_timestamp_seconds"], got["last_success_timestamp_seconds"], c.last, c.success)
		}
		if got[`runs_total{outcome="`+string(c.run.Outcome)+`"}`] != "1" {
			t.Errorf("%s: the run does not count", c.name)
		}
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v (%v), want the file alone", left, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v (%v): the collector cannot read it", info.Mode(), err)
	}
}

// What a single run does not know, and what belongs to a process that stays, is not in its file: the collector has
// metrics of a process of its own.
func TestFileHoldsWhatTheRunKnows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token-janitor.prom")
	got := wrote(t, path, janitor.Result{Outcome: janitor.Failed, StopReason: janitor.StopError, Began: time.Unix(100, 0)})
	for name := range got {
		if regexp.MustCompile(`^(go_|process_|paused|ticks_|run_progress|run_remaining|run_eta|schema_|clock_skew|table_)`).MatchString(name) {
			t.Errorf("the file tells %s", name)
		}
	}
	m := testMetrics()
	m.Schema(true, "004_add_refresh_tokens", 0)
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "\ntoken_janitor_schema_at_head 1\n") ||
		!strings.Contains(string(text), `schema_info{revision="004_add_refresh_tokens"} 1`) {
		t.Errorf("no schema in (%v):\n%s", err, text)
	}
}

// A file that is no metrics' is not written over in part, and one that cannot be read is not taken for none.
func TestFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token-janitor.prom")
	if err := testMetrics().WriteFile(filepath.Join(path, "none.prom")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	const broken = "token_janitor_last_success_timestamp_seconds yesterday\n"
	if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := testMetrics().WriteFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want the file's name", err)
	}
}
