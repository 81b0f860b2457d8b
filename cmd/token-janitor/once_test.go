package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
)

func TestSentence(t *testing.T) {
	t.Parallel()
	some := janitor.Counts{Expired: 1200, Revoked: 34}
	for _, c := range []struct {
		outcome janitor.Outcome
		why     janitor.StopReason
		counts  janitor.Counts
		dry     bool
		err     error
		want    string
		code    int
	}{
		{janitor.Drained, janitor.StopDrained, some, false, nil, "Deleted 1,234 tokens; nothing overdue is left.", 0},
		{janitor.Drained, janitor.StopDrained, some, true, nil, "Dry run: would delete 1,234 tokens.", 0},
		{janitor.Drained, janitor.StopDrained, janitor.Counts{Revoked: 1}, false, nil, "Deleted 1 token; nothing overdue is left.", 0},
		{janitor.Skipped, janitor.StopOther, janitor.Counts{}, false, nil, "Another janitor is running on this table: this one did nothing.", 0},
		{janitor.Skipped, janitor.StopOther, some, false, nil, "Deleted 1,234 tokens, then left the rest to another janitor that is running on this table.", 0},
		{janitor.Partial, janitor.StopMaxRows, some, false, nil, "Deleted 1,234 tokens; overdue ones are left: the budget of --max-rows is spent.", 3},
		{janitor.Partial, janitor.StopMaxRunTime, some, false, nil, "Deleted 1,234 tokens; overdue ones are left: the time of --max-run-time is up.", 3},
		{janitor.Partial, janitor.StopLeft, some, false, nil, "Deleted 1,234 tokens; overdue ones are left: other transactions, tables or triggers hold them.", 3},
		{janitor.Partial, janitor.StopTableLocked, some, true, nil, "Dry run: would delete 1,234 tokens; overdue ones are left: the table is locked, by DDL or maintenance.", 3},
		{janitor.Partial, janitor.StopCancelled, some, false, nil, "Deleted 1,234 tokens; overdue ones may be left: it was told to stop.", 3},
		{janitor.Failed, janitor.StopError, some, false, errors.New("two\nlines"), "Deleted 1,234 tokens, then failed: two lines", 1},
		{janitor.Failed, janitor.StopClockSkew, janitor.Counts{}, true, errors.New("clocks"), "Failed: clocks", 1},
	} {
		res := janitor.Result{
			Outcome: c.outcome, StopReason: c.why, DryRun: c.dry, Deleted: c.counts,
			Cutoffs: janitor.Cutoffs{Expired: time.Unix(1_790_000_000, 0)},
		}
		if c.dry {
			res.Deleted, res.Would = janitor.Counts{}, c.counts
		}
		if got := sentence(res, c.err); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
		if got := exitCode(res); got != c.code {
			t.Errorf("%s: exit code %d, want %d", c.want, got, c.code)
		}
	}
}

// A run that did not come to pass deleted nothing, and does not know what is left.
func TestSentenceWithoutARun(t *testing.T) {
	t.Parallel()
	if got := sentence(janitor.Result{Outcome: janitor.Failed, StopReason: janitor.StopError}, errors.New("no\nserver")); got != "Failed: no server" {
		t.Error(got)
	}
	if got := sentence(janitor.Result{Outcome: janitor.Partial, StopReason: janitor.StopCancelled}, nil); got != "Stopped before it began, as it was told to; it does not know what is overdue." {
		t.Error(got)
	}
}

// Each problem of a schema stands alone, with what mends it.
func TestSentenceOfASchema(t *testing.T) {
	t.Parallel()
	amiss := &migrations.ContractError{Table: `"tokens"`, Problems: []migrations.Problem{{What: "column\na is missing", Remedy: "add it"}, {What: "no index", Remedy: "create one"}}}
	want := "Failed: table \"tokens\" is not as the janitor needs it\n\n  column a is missing\n  fix: add it\n\n  no index\n  fix: create one"
	if got := sentence(janitor.Result{Outcome: janitor.Failed, StopReason: janitor.StopError}, amiss); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestInstant(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-05-04 03:02:00.5+00": "2026-05-04T03:02:00Z", "0001-01-01 00:00:00+00": "0001-01-01T00:00:00Z",
		"-infinity": "-infinity", "infinity": "infinity",
		"4713-01-01 00:00:00+00 BC": "4713-01-01 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00": "294276-12-31 23:59:59.999999+00",
	} {
		if got := instant(text, time.RFC3339); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	cutoff := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	res := janitor.Result{
		Outcome: janitor.Partial, StopReason: janitor.StopLeft,
		Deleted: janitor.Counts{Expired: 1200, Revoked: 34}, Left: janitor.Left{Locked: 5, Referenced: 6},
		Batches:      map[janitor.Reason]int64{janitor.Expired: 7, janitor.Revoked: 1},
		LongestBatch: 1500 * time.Microsecond, BatchesTimedOut: 3, Duration: 2 * time.Second,
		Cutoffs: janitor.Cutoffs{Expired: cutoff, Revoked: cutoff.Add(-167 * time.Hour)},
	}
	dry := janitor.Result{
		Outcome: janitor.Drained, StopReason: janitor.StopDrained, DryRun: true, Would: janitor.Counts{Expired: 1200},
		Due:     map[janitor.Reason]janitor.Range{janitor.Expired: {Oldest: "-infinity", Newest: "2026-05-04 03:02:00.5+00"}},
		Batches: map[janitor.Reason]int64{janitor.Expired: 2}, Duration: 2 * time.Second, Cutoffs: res.Cutoffs,
	}
	state := migrations.State{Revision: "005_add_audit_logs"}
	for _, c := range []struct {
		name string
		got  func(*bytes.Buffer) error
		want string
	}{
		{"json", func(b *bytes.Buffer) error { return printJSON(b, res, state, nil, 0) },
			`{"outcome":"partial","stop_reason":"rows_left","dry_run":false,"deleted":{"expired":1200,"revoked":34},` +
				`"would_delete":{"expired":0,"revoked":0},"due":null,"rows_left":{"locked":5,"referenced":6,"refused":0,"slow":0},"overdue":null,"uncertain_rows":0,"batches":8,"batches_timed_out":3,"longest_batch_seconds":0.0015,` +
				`"duration_seconds":2,"cutoffs":{"expired":"2026-05-04T03:02:01Z","revoked":"2026-04-27T04:02:01Z"},` +
				`"schema_revision":"005_add_audit_logs","schema_warnings":[],"error":null}` + "\n"},
		{"json of an early end", func(b *bytes.Buffer) error {
			return printJSON(b, janitor.Result{Outcome: janitor.Failed, StopReason: janitor.StopError}, migrations.State{}, errors.New(`a "word"`), 0)
		},
			`{"outcome":"failed","stop_reason":"error","dry_run":false,"deleted":{"expired":0,"revoked":0},` +
				`"would_delete":{"expired":0,"revoked":0},"due":null,"rows_left":{"locked":0,"referenced":0,"refused":0,"slow":0},"overdue":null,"uncertain_rows":0,"batches":0,"batches_timed_out":0,"longest_batch_seconds":0,` +
				`"duration_seconds":0,"cutoffs":null,"schema_revision":"","schema_warnings":[],"error":"a \"word\""}` + "\n"},
		{"json of a dry run", func(b *bytes.Buffer) error { return printJSON(b, dry, state, nil, 90*time.Second) },
			`{"outcome":"drained","stop_reason":"drained","dry_run":true,"deleted":{"expired":0,"revoked":0},` +
				`"would_delete":{"expired":1200,"revoked":0},"due":{"expired":{"oldest":"-infinity","newest":"2026-05-04T03:02:00.5Z"},` +
				`"revoked":{"oldest":null,"newest":null},"about_seconds":90},"rows_left":{"locked":0,"referenced":0,"refused":0,"slow":0},"overdue":null,"uncertain_rows":0,"batches":2,"batches_timed_out":0,"longest_batch_seconds":0,` +
				`"duration_seconds":2,"cutoffs":{"expired":"2026-05-04T03:02:01Z","revoked":"2026-04-27T04:02:01Z"},` +
				`"schema_revision":"005_add_audit_logs","schema_warnings":[],"error":null}` + "\n"},
		{"text of a dry run", func(b *bytes.Buffer) error { return printText(b, dry, state, nil, 90*time.Second) },
			`Dry run: would delete 1,200 tokens.

              expired               revoked
would delete  1,200                 0
oldest        -infinity             -
newest        2026-05-04T03:02:00Z  -
due before    2026-05-04T03:02:01Z  2026-04-27T04:02:01Z

took      2s in 2 batches, the longest 0s
real run  about 2 minutes, at this --load and --max-rate
schema    005_add_audit_logs
`},
		{"text", func(b *bytes.Buffer) error { return printText(b, res, state, nil, 0) },
			`Deleted 1,234 tokens; overdue ones are left: other transactions, tables or triggers hold them.

            expired               revoked
deleted     1,200                 34
due before  2026-05-04T03:02:01Z  2026-04-27T04:02:01Z

overdue    unknown
left       5 locked, 6 referenced by another table
took       2s in 8 batches, the longest 1.5ms
timed out  3 batches, tried again with fewer rows
rate       617 rows/s
schema     005_add_audit_logs
`},
	} {
		var b bytes.Buffer
		if err := c.got(&b); err != nil || b.String() != c.want {
			t.Errorf("%s (%v): got\n%s\nwant\n%s", c.name, err, &b, c.want)
		}
	}
}

// TestWouldTake: the rate sets how long a run takes, or else the work and its rests do.
func TestWouldTake(t *testing.T) {
	t.Parallel()
	dry := janitor.Result{
		Would: janitor.Counts{Expired: 30_000, Revoked: 10_000}, Duration: time.Hour,
	}
	for _, c := range []struct {
		load float64
		rate int
		want time.Duration
	}{
		{1, 0, deleteCost * time.Second},
		{0.25, 0, 4 * deleteCost * time.Second},
		{0.5, 1000, 40 * time.Second},
		{0.5, 1_000_000, 2 * deleteCost * time.Second},
	} {
		if got := wouldTake(dry, time.Second, c.load, c.rate); got != c.want {
			t.Errorf("at load %v and rate %d: %s, want %s", c.load, c.rate, got, c.want)
		}
	}
}
