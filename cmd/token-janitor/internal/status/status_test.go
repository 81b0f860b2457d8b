package status

import (
	"errors"
	"math"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
)

// The line says what is amiss with a schema; how to mend it stands below, with the schema.
func TestBriefOfASchema(t *testing.T) {
	t.Parallel()
	amiss := &migrations.ContractError{Table: `"tokens"`, Problems: []migrations.Problem{{What: "column a is missing", Remedy: "add it"}}}
	for _, want := range []string{`table "tokens" is not as the janitor needs it: column a is missing`, `table "tokens" is not as the janitor needs it: column a is missing (and 1 more)`} {
		if got := brief(amiss); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		amiss.Problems = append(amiss.Problems, migrations.Problem{What: "no index", Remedy: "create one"})
	}
	if got := brief(errors.New("no server")); got != "no server" {
		t.Error(got)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	run := func(outcome janitor.Outcome, why janitor.StopReason, left janitor.Overdue, err string) past {
		return past{janitor.Result{
			Outcome: outcome, StopReason: why, Deleted: janitor.Counts{Expired: 1200, Revoked: 4}, Began: now.Add(-3 * time.Minute),
			Overdue: map[janitor.Reason]janitor.Overdue{janitor.Expired: left, janitor.Revoked: {Known: left.Known}},
		}, err, err}
	}
	looked := janitor.Overdue{Known: true}
	next := now.Add(12 * time.Minute)
	for _, c := range []struct {
		view View
		word string
		line string
	}{
		{View{}, "starting", "Starting. It looks at the database and its schema."},
		{View{Waiting: "no\nserver"}, "waiting", "Waiting. No server."},
		{View{Booted: true, Next: next}, "ok", "OK. No run yet; next run in 12 minutes."},
		{View{Booted: true, Next: next, Runs: []past{run(janitor.Drained, janitor.StopDrained, looked, "")}},
			"ok", "OK. Last success 3 minutes ago: deleted 1,204 tokens; nothing is overdue; next run in 12 minutes."},
		{View{Booted: true, Running: newProgress(now), Runs: []past{run(janitor.Drained, janitor.StopDrained, looked, "")}},
			"ok", "OK. Last success 3 minutes ago: deleted 1,204 tokens; nothing is overdue; a run is under way."},
		{View{Booted: true, Next: next, Runs: []past{run(janitor.Partial, janitor.StopMaxRows, janitor.Overdue{Known: true, Rows: 5, Oldest: 2 * time.Hour}, "")}},
			"overdue", "Overdue. Last run 3 minutes ago deleted 1,204 tokens and stopped: the budget of --max-rows is spent; 5 tokens overdue, the oldest for 2 hours; next run in 12 minutes."},
		{View{Booted: true, Runs: []past{run(janitor.Partial, janitor.StopMaxRows, janitor.Overdue{Known: true, Rows: janitor.OverdueCap, Oldest: math.MaxInt64, AtLeast: true}, "")}},
			"overdue", "Overdue. Last run 3 minutes ago deleted 1,204 tokens and stopped: the budget of --max-rows is spent; at least 100,000 tokens overdue, the oldest for ever."},
		{View{Booted: true, Runs: []past{run(janitor.Partial, janitor.StopMaxRows, janitor.Overdue{Known: true, Rows: 5, Oldest: time.Hour, AtLeast: true}, "")}},
			"overdue", "Overdue. Last run 3 minutes ago deleted 1,204 tokens and stopped: the budget of --max-rows is spent; at least 5 tokens overdue, the oldest for 60 minutes."},
		{View{Booted: true, Next: next, Runs: []past{run(janitor.Failed, janitor.StopError, janitor.Overdue{}, "two\nlines"), run(janitor.Drained, janitor.StopDrained, looked, "")}},
			"failed", "Failed. Two lines; last run 3 minutes ago deleted 1,204 tokens; last success 3 minutes ago; next run in 12 minutes."},
		{View{Booted: true, Next: next, Runs: []past{run(janitor.Skipped, janitor.StopOther, janitor.Overdue{}, "")}},
			"ok", "OK. Last run 3 minutes ago left the work to another janitor; next run in 12 minutes."},
		{View{Booted: true, Next: next, Paused: now.Add(-time.Hour), Runs: []past{run(janitor.Drained, janitor.StopDrained, looked, "")}},
			"paused", "Paused. Last success 3 minutes ago: deleted 1,204 tokens; nothing is overdue; the schedule has been paused for 60 minutes (SIGUSR2 resumes it)."},
		{View{Booted: true, Paused: now.Add(-time.Hour), Runs: []past{run(janitor.Failed, janitor.StopError, janitor.Overdue{}, "no")}},
			"failed", "Failed. No; last run 3 minutes ago deleted 1,204 tokens; no success since it started; the schedule has been paused for 60 minutes (SIGUSR2 resumes it)."},
	} {
		word, line := c.view.state(now)
		if word != c.word || line != c.line {
			t.Errorf("got  %s: %s\nwant %s: %s", word, line, c.word, c.line)
		}
	}
}

func TestEveryEndIsToldInWords(t *testing.T) {
	t.Parallel()
	for _, why := range []janitor.StopReason{janitor.StopMaxRows, janitor.StopMaxRunTime, janitor.StopCancelled, janitor.StopLeft, janitor.StopTableLocked, janitor.StopUnverified} {
		if stopped[why] == "" {
			t.Errorf("no words for %s", why)
		}
	}
	for _, cause := range janitor.Causes {
		if asks[cause] == "" {
			t.Errorf("no words for a rest for %s", cause)
		}
	}
}

// TestWhy: what held rows, and what is in doubt, is told beside why the run stopped.
func TestWhy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		run  ended
		want string
	}{
		{ended{Outcome: janitor.Drained, StopReason: janitor.StopDrained}, "nothing was left to do"},
		{ended{Outcome: janitor.Skipped, StopReason: janitor.StopOther}, "another janitor is running"},
		{ended{Outcome: janitor.Partial, StopReason: janitor.StopMaxRows}, "the budget of --max-rows is spent"},
		{ended{Outcome: janitor.Partial, StopReason: janitor.StopLeft, Left: janitor.Left{Locked: 1200, Referenced: 2}},
			"other transactions, tables or triggers hold them: 1,200 locked, 2 referenced by another table"},
		{ended{Outcome: janitor.Partial, StopReason: janitor.StopLeft, Left: janitor.Left{Slow: 2}, TimedOut: 3},
			"other transactions, tables or triggers hold them: 2 too slow for --statement-timeout; 3 times a batch took longer than --statement-timeout"},
		{ended{Outcome: janitor.Partial, StopReason: janitor.StopMaxRunTime, Left: janitor.Left{Refused: 3}, Refusal: "not\nthis one"},
			"the time of --max-run-time is up: 3 refused by a trigger or rule, the server says \u201cnot this one\u201d"},
		{ended{Outcome: janitor.Failed, StopReason: janitor.StopConnection, Error: "the connection is lost", Uncertain: 500},
			"the connection is lost; up to 500 tokens more may be gone, the answer was lost"},
	} {
		if got := why(c.run); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestChart(t *testing.T) {
	t.Parallel()
	runs := make([]ended, remembered)
	for i := range runs {
		runs[i].Deleted = janitor.Counts{Expired: int64(i), Revoked: int64(remembered - i)}
	}
	runs[3] = ended{Outcome: janitor.Failed}
	runs[4].Deleted = janitor.Counts{Expired: math.MaxInt64 / 4, Revoked: 1}
	c := chart(runs)
	for i, col := range c.Columns {
		if col.X < 0 || col.X+barWidth > float64(c.Width) || col.Revoked.Y < 0 || col.Expired.Y+col.Expired.Height != fullChart {
			t.Errorf("column %d leaves the chart: %+v", i, col)
		}
	}
	if !c.Columns[3].Failed || c.Columns[3].Expired.Height != 0 || c.Columns[1].Expired.Height != leastBar {
		t.Errorf("got %+v", c.Columns)
	}
	if none := chart([]ended{{Outcome: janitor.Failed, Error: errors.ErrUnsupported.Error()}}); none.Most != 0 || len(none.Columns) != 1 {
		t.Errorf("got %+v", none)
	}
}

// TestContrast: WCAG 2.2 AA wants 4.5 to 1 for text (1.4.3) and 3 to 1 for what a chart
// is made of (1.4.11).
func TestContrast(t *testing.T) {
	t.Parallel()
	light, dark, _ := strings.Cut(statusCSS, "prefers-color-scheme: dark")
	for name, css := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]string{}
		for _, m := range regexp.MustCompile(`--(\w+): (#\w{6})`).FindAllStringSubmatch(css, -1) {
			colours[m[1]] = m[2]
		}
		for colour, least := range map[string]float64{
			"text": 4.5, "quiet": 4.5, "link": 4.5, "good": 4.5, "warn": 4.5, "bad": 4.5, "expired": 3, "revoked": 3,
		} {
			if got := contrast(t, colours[colour], colours["ground"]); got < least {
				t.Errorf("%s: %s has a contrast of %.2f, want %.1f", name, colour, got, least)
			}
		}
	}
}

// contrast is WCAG's ratio of two colours.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	luminance := func(colour string) (sum float64) {
		n, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		for i, weight := range []float64{0.0722, 0.7152, 0.2126} {
			c := float64(n>>(8*i)&0xff) / 255
			if c <= 0.04045 {
				sum += weight * c / 12.92
			} else {
				sum += weight * math.Pow((c+0.055)/1.055, 2.4)
			}
		}
		return sum
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// What a server forgot is unknown, on the page and to machines.
func TestForgottenStatistics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		space      janitor.Space
		page, json string
	}{
		{janitor.Space{Known: true, LiveRows: 140_000, DeadRows: 0}, "It has about 140,000 rows and about 0 dead ones that wait for a vacuum; there has been none.",
			`"live_rows":140000,"dead_rows":0,"table_bytes":0,"index_bytes":0,"vacuumed":null,"statistics_lost":false`},
		{janitor.Space{Known: true, Forgot: true, LiveRows: 140_000, DeadRows: -1},
			"It has about 140,000 rows; how many dead ones wait for a vacuum is unknown, for the server has lost its statistics; when the last was is unknown as well.",
			`"live_rows":140000,"dead_rows":null,"table_bytes":0,"index_bytes":0,"vacuumed":null,"statistics_lost":true`},
		{janitor.Space{Known: true, Forgot: true, LiveRows: -1, DeadRows: -1}, "How many rows it has is unknown; how many dead ones",
			`"live_rows":null,"dead_rows":null`},
	} {
		var h History
		h.Add(janitor.Result{Outcome: janitor.Drained, Space: c.space}, nil)
		st := h.View().Status(time.Now(), Program{})
		page, machine := httptest.NewRecorder(), httptest.NewRecorder()
		if err := st.WritePage(page); err != nil || !strings.Contains(page.Body.String(), c.page) {
			t.Errorf("%+v: the page does not say %q (%v)", c.space, c.page, err)
		}
		if err := st.WriteJSON(machine); err != nil || !strings.Contains(machine.Body.String(), c.json) {
			t.Errorf("%+v: got %s (%v), want %s", c.space, machine.Body, err, c.json)
		}
	}
}
