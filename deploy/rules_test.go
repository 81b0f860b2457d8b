package deploy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

func TestPromtoolFindsNothing(t *testing.T) {
	t.Parallel()
	promtool := pgtemp.Require(t, "promtool")
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", "prometheus/rules.yaml"},
		{"check", "config", "prometheus/scrape.yaml"},
		{"check", "config", "--syntax-only", "compose.prometheus.yaml"},
		{"test", "rules", "prometheus/rules_test.yaml"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			if args[0] == "test" {
				pgtemp.Large(t)
			}
			t.Parallel()
			output(t, nil, promtool, args...)
		})
	}
}

// fleet is many janitors' series, where values says what they are by the place of the janitor.
func fleet(many int, names map[string]func(i int) string) string {
	var b strings.Builder
	for name, values := range names {
		metric, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
		for i := range many {
			fmt.Fprintf(&b, "      - {series: '%s{job=\"api\", instance=\"pod-%d\", %s}', values: '%s'}\n", metric, i, labels, values(i))
		}
	}
	return b.String()
}

// One janitor of fifty does the work, whoever comes first; the others know nothing and
// say so. One trouble that all fifty have is one alert.
func TestFiftySidecars(t *testing.T) {
	t.Parallel()
	promtool := pgtemp.Require(t, "promtool")
	rules, err := filepath.Abs("prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := func(values string) func(int) string { return func(int) string { return values } }
	only := func(one int, its, others string) func(int) string {
		return func(i int) string {
			if i == one {
				return its
			}
			return others
		}
	}
	unknown := strings.TrimSpace(strings.Repeat("NaN ", 700))
	// Who works knows, whoever of ten that is each time. A query of promtool's holds 10,000
	// samples at most, and a day of fifty is more. (Prometheus's own limit is 50 million.)
	inTurn := func(value string) func(int) string {
		return func(i int) string {
			var b strings.Builder
			for slot := range 700 {
				if slot%10 == i {
					b.WriteString(value + " ")
				} else {
					b.WriteString("NaN ")
				}
			}
			return b.String()
		}
	}
	base := map[string]func(int) string{
		"up":                         all("1x700"),
		"token_janitor_build_info":   all("1x700"),
		"process_start_time_seconds": all("1x700"),
		"token_janitor_next_run_timestamp_seconds": all("900+300x700"),
		"token_janitor_last_run_timestamp_seconds": all("0+300x700"),
	}
	for _, tt := range []struct {
		name   string
		many   int
		at     string // when to look; two days are 576 slots
		series map[string]func(int) string
		fire   []string
	}{
		{"one works, the others are skipped", 50, "2h", map[string]func(int) string{
			"token_janitor_last_success_timestamp_seconds":           only(17, "0+300x700", "0x700"),
			`token_janitor_runs_total{outcome="skipped"}`:            only(17, "0x700", "0+0.3x700"),
			`token_janitor_runs_total{outcome="failed"}`:             all("0x700"),
			`token_janitor_oldest_overdue_seconds{reason="expired"}`: only(17, "0x700", unknown),
			`token_janitor_overdue_tokens{reason="expired"}`:         only(17, "0x700", unknown),
			"token_janitor_schema_at_head":                           all("1x700"),
			"token_janitor_clock_skew_seconds":                       all("0.1x700"),
		}, nil},
		{"one works and finds an old token", 50, "2h", map[string]func(int) string{
			"token_janitor_last_success_timestamp_seconds":           only(49, "0+300x700", "0x700"),
			`token_janitor_oldest_overdue_seconds{reason="expired"}`: only(49, "90000x700", unknown),
		}, []string{"TokenJanitorOldestOverdue"}},
		{"all have every trouble", 50, "2h", map[string]func(int) string{
			"up": all("0x700"),
			"token_janitor_last_success_timestamp_seconds":           all("0x700"),
			`token_janitor_runs_total{outcome="failed"}`:             all("0+0.3x700"),
			`token_janitor_oldest_overdue_seconds{reason="expired"}`: all("90000x700"),
			"token_janitor_schema_at_head":                           all("0x700"),
			"token_janitor_schema_warnings":                          all("1x700"),
			"token_janitor_batches_timed_out_total":                  all("0+1x700"),
			"token_janitor_clock_skew_seconds":                       all("45x700"),
			`token_janitor_keep_seconds{reason="revoked"}`:           all("86400x700"),
			"token_janitor_token_lifetime_seconds":                   all("604800x700"),
		}, []string{"TokenJanitorDown", "TokenJanitorNoSuccess", "TokenJanitorRunsFailing", "TokenJanitorOldestOverdue",
			"TokenJanitorSchemaNotAtHead", "TokenJanitorSchemaWarning", "TokenJanitorBatchesTimeOut", "TokenJanitorClockSkew", "TokenJanitorReuseDetectionCutShort"}},
		{"some are down, one is paused", 50, "2h", map[string]func(int) string{
			"up": func(i int) string { return []string{"0x700", "1x700"}[min(i/3, 1)] },
			"token_janitor_last_success_timestamp_seconds": only(17, "0+300x700", "0x700"),
			"token_janitor_paused":                         only(7, "1x700", "0x700"),
		}, []string{"TokenJanitorDown", "TokenJanitorPaused"}},
		{"all are gone", 50, "2h", map[string]func(int) string{
			"up":                       all("1x10"),
			"token_janitor_build_info": all("1x10"),
			"token_janitor_last_success_timestamp_seconds": all("0x10"),
		}, []string{"TokenJanitorAbsent"}},
		{"they take turns and fall behind", 10, "30h", map[string]func(int) string{
			"token_janitor_last_success_timestamp_seconds":           all("0+300x700"),
			`token_janitor_oldest_overdue_seconds{reason="expired"}`: inTurn("3600"),
			`token_janitor_overdue_tokens{reason="expired"}`:         inTurn("5000"),
			`token_janitor_run_stops_total{reason="max_rows"}`:       all("0+0.1x700"),
			`token_janitor_run_stops_total{reason="drained"}`:        all("0x700"),
			`token_janitor_tokens_left_total{cause="locked"}`:        all("0x700"),
		}, []string{"TokenJanitorFallsBehind"}},
		{"they take turns and leave the same rows", 10, "50h", map[string]func(int) string{
			"token_janitor_last_success_timestamp_seconds":           all("0+300x700"),
			`token_janitor_oldest_overdue_seconds{reason="expired"}`: inTurn("3600"),
			`token_janitor_overdue_tokens{reason="expired"}`:         inTurn("10"),
			`token_janitor_runs_total{outcome="partial"}`:            all("0+0.1x700"),
			`token_janitor_tokens_left_total{cause="referenced"}`:    all("0+1x700"),
		}, []string{"TokenJanitorRowsLeft"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if strings.HasPrefix(tt.name, "they take turns") {
				pgtemp.Large(t) // promtool takes ten seconds for days of them
			}
			series := map[string]func(int) string{}
			for _, from := range []map[string]func(int) string{base, tt.series} {
				for name, values := range from {
					series[name] = values
				}
			}
			text := "rule_files: [" + rules + "]\nevaluation_interval: 5m\ntests:\n  - interval: 5m\n    input_series:\n" + fleet(tt.many, series) +
				"    promql_expr_test:\n      - expr: 'count by (alertname) (ALERTS{alertstate=\"firing\"})'\n        eval_time: " + tt.at + "\n        exp_samples:\n"
			for _, alert := range tt.fire {
				text += "          - {labels: '{alertname=\"" + alert + "\"}', value: 1}\n"
			}
			file := filepath.Join(t.TempDir(), "fifty.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			output(t, nil, promtool, "test", "rules", file)
		})
	}
}

// alerts are the names of the alert rules, each with its text.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, rule := range strings.Split(read(t, "prometheus/rules.yaml"), "\n      - alert: ")[1:] {
		name, text, _ := strings.Cut(rule, "\n")
		if found[name] != "" {
			t.Errorf("%s is there twice", name)
		}
		found[name] = text
	}
	return found
}

func TestEveryAlertIsComplete(t *testing.T) {
	t.Parallel()
	runbook, tests := read(t, "../.github/RUNBOOK.md"), read(t, "prometheus/rules_test.yaml")
	known := alerts(t)
	for name, text := range known {
		for _, part := range []string{"severity: ", "summary: ", "description: ", "runbook_url: " + runbookURL + "#" + strings.ToLower(name) + "\n"} {
			if !strings.Contains(text+"\n", part) {
				t.Errorf("%s has no %q", name, part)
			}
		}
		_, section, ok := strings.Cut(runbook, "\n## "+name+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		for _, part := range []string{"**Means**", "**Look at**", "**Do**"} {
			if !ok || !strings.Contains(section, part) {
				t.Errorf("the runbook's section for %s has no %s", name, part)
			}
		}
		if !strings.Contains(tests, "alertname: "+name+"\n") {
			t.Errorf("%s is not tested", name)
		}
	}
	for _, section := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(runbook, -1) {
		if _, ok := known[section[1]]; !ok {
			t.Errorf("the runbook has a section %s, which is no alert", section[1])
		}
	}
}

// What the runbook has people type runs, with answers or without.
func TestRunbookSQLRuns(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), migrationstest.Head(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(read(t, "../.github/RUNBOOK.md"), -1)
	if len(blocks) < 5 {
		t.Errorf("%d blocks of SQL", len(blocks))
	}
	for _, block := range blocks {
		if _, err := conn.Exec(t.Context(), block[1], pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Errorf("%s: %v", block[1], err)
		}
	}
}

const runbookURL = "https://github.com/hyphagraph/token-janitor/blob/main/.github/RUNBOOK.md"
