package metrics

import (
	"flag"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
)

var update = flag.Bool("update", false, "write the golden files anew")

func testMetrics() *Metrics {
	return New(Build{Version: "v1.2.3", GoVersion: "go1.26.0", Revision: "c0ffee"})
}

// scrape is the whole exposition, as a client that accepts the given type gets it.
func scrape(t *testing.T, m *Metrics, accept string) string {
	t.Helper()
	req := httptest.NewRequest("GET", "/metrics", nil)
	req.Header.Set("Accept", accept)
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, req)
	if rec.Code != 200 {
		t.Errorf("scrape: status %d: %s", rec.Code, rec.Body) // not Fatal: other goroutines scrape as well
	}
	return rec.Body.String()
}

// own is the part of an exposition that is about the janitor.
func own(exposition string) string {
	var b strings.Builder
	for line := range strings.Lines(exposition) {
		if strings.Contains(line, "token_janitor_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// series is every sample of the janitor's, by its name and labels without the
// namespace, as text: NaN equals NaN so.
func series(t *testing.T, m *Metrics) map[string]string {
	t.Helper()
	found := map[string]string{}
	for line := range strings.Lines(own(scrape(t, m, "text/plain"))) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.TrimPrefix(strings.TrimSpace(line), "token_janitor_")
		cut := strings.LastIndexByte(line, ' ')
		found[line[:cut]] = line[cut+1:]
	}
	return found
}

func expect(t *testing.T, m *Metrics, want map[string]string) {
	t.Helper()
	got := series(t, m)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s = %q, want %q", name, got[name], value)
		}
	}
}

func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	t.Parallel()
	const golden = "testdata/start.txt"
	got := own(scrape(t, testMetrics(), "text/plain"))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the first exposition differs from %s (-update writes it anew):\n%s", golden, got)
	}
}

func TestNoSeriesAppearsOrGoesLater(t *testing.T) {
	t.Parallel()
	m := testMetrics()
	before := series(t, m)
	everything(m)
	after := series(t, m)

	delete(before, `schema_info{revision=""}`)
	delete(after, `schema_info{revision="004_add_refresh_tokens"}`)
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s was not there from the start", name)
		}
	}
}

// everything moves every metric off its first value.
func everything(m *Metrics) {
	m.Schema(true, "004_add_refresh_tokens", 2)
	m.Keep(time.Hour, 168*time.Hour)
	m.TokenLifetime(168 * time.Hour)
	m.NextRun(time.Unix(1_800_000_000, 0))
	m.TickSkipped()
	m.Paused(true)
	m.Progress(1, 2, time.Second, true)
	m.Batch(janitor.Batch{Reason: janitor.Expired})
	for _, reason := range janitor.Reasons {
		for _, cause := range janitor.Causes {
			m.Batch(janitor.Batch{Reason: reason, Rows: 5, Window: 5, Took: time.Millisecond})
			m.Rest(janitor.Rest{Cause: cause, For: time.Second})
		}
	}
	for _, stop := range janitor.StopReasons {
		m.Run(janitor.Result{Outcome: janitor.Partial, StopReason: stop})
	}
	for _, outcome := range janitor.Outcomes {
		m.Run(janitor.Result{Outcome: outcome, StopReason: janitor.StopDrained, Began: time.Unix(1_790_000_000, 0),
			Duration: time.Second, ClockSkew: time.Second,
			Left: janitor.Left{Locked: 1, Referenced: 2, Refused: 3, Slow: 4}, BatchesTimedOut: 5, RevokedDone: time.Unix(1_789_990_000, 0),
			Overdue: map[janitor.Reason]janitor.Overdue{
				janitor.Expired: {Known: true, Rows: 7, Oldest: 1<<63 - 1}}})
	}
}

func TestPromtoolFindsNothing(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		const missing = "promtool is not in PATH: apt install prometheus"
		if os.Getenv("TOKEN_JANITOR_TEST_REQUIRE") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	busy := testMetrics()
	everything(busy)
	for name, m := range map[string]*Metrics{"at the start": testMetrics(), "after a run": busy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
			check.Stdin = strings.NewReader(scrape(t, m, "text/plain"))
			if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("promtool check metrics: %v\n%s", err, out)
			}
		})
	}
}

func TestGoAndProcessAreMeasured(t *testing.T) {
	t.Parallel()
	text := scrape(t, testMetrics(), "text/plain")
	for _, name := range []string{"go_goroutines", "go_info", "process_start_time_seconds"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestOpenMetricsForThoseWhoAsk(t *testing.T) {
	t.Parallel()
	text := scrape(t, testMetrics(), "application/openmetrics-text; version=1.0.0")
	if !strings.HasSuffix(text, "# EOF\n") {
		t.Errorf("not OpenMetrics: it ends in %q", text[max(0, len(text)-80):])
	}
}

func TestSchemaIsOneSeries(t *testing.T) {
	t.Parallel()
	m := testMetrics()
	for _, step := range []struct {
		atHead         bool
		revision       string
		head, revLabel string
	}{
		{true, "004_add_refresh_tokens", "1", "004_add_refresh_tokens"},
		{false, "024_more", "0", "024_more"},
		{false, "", "0", ""},
		{false, "a\"b\\c\nd", "0", `a\"b\\c\nd`},
		{false, "\xff\xfe", "0", "\uFFFD"}, // a SQL_ASCII database
	} {
		m.Schema(step.atHead, step.revision, 0)
		expect(t, m, map[string]string{
			"schema_at_head": step.head,
			`schema_info{revision="` + step.revLabel + `"}`: "1",
		})
		var n int
		for name := range series(t, m) {
			if strings.HasPrefix(name, "schema_info{") {
				n++
			}
		}
		if n != 1 {
			t.Errorf("after revision %q: %d series of schema_info, want 1", step.revision, n)
		}
	}
}

func TestScheduleAndKeep(t *testing.T) {
	t.Parallel()
	m := testMetrics()
	m.Keep(90*time.Second, 168*time.Hour)
	m.TokenLifetime(720 * time.Hour)
	m.NextRun(time.Unix(1_790_000_000, 250_000_000))
	m.TickSkipped()
	m.TickSkipped()
	m.Paused(true)
	expect(t, m, map[string]string{
		`keep_seconds{reason="expired"}`: "90",
		`keep_seconds{reason="revoked"}`: "604800",
		"next_run_timestamp_seconds":     "1.79000000025e+09",
		"token_lifetime_seconds":         "2.592e+06",
		"ticks_skipped_total":            "2",
		"paused":                         "1",
	})
	m.NextRun(time.Time{})
	m.Paused(false)
	expect(t, m, map[string]string{"next_run_timestamp_seconds": "0", "paused": "0"})
}

// Batches come from the run's goroutine while scrapes, ticks and checks come from
// others. The race detector is the judge; the sums must hold too.
func TestRunsWhileOthersScrape(t *testing.T) {
	t.Parallel()
	m := testMetrics()
	const runs, batches, rows = 20, 50, 3

	var others sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				scrape(t, m, "text/plain")
				m.TickSkipped()
				m.NextRun(time.Unix(1, 0))
				m.Schema(true, "004_add_refresh_tokens", 1)
				m.Keep(1, 1)
			}
		})
	}
	for range runs {
		var r janitor.Result
		r.Outcome, r.Batches = janitor.Drained, map[janitor.Reason]int64{}
		for range batches {
			r.Deleted.Expired += rows
			r.Batches[janitor.Expired]++
			m.Batch(janitor.Batch{Reason: janitor.Expired, Rows: rows, Done: r.Deleted})
		}
		m.Run(r)
	}
	close(done)
	others.Wait()

	expect(t, m, map[string]string{
		`tokens_deleted_total{reason="expired"}`: "3000",
		`batches_total{reason="expired"}`:        "1000",
		"batch_duration_seconds_count":           "1000",
		`runs_total{outcome="drained"}`:          "20",
	})
}
