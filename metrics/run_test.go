package metrics

import (
	"math"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
)

// began is the start of every run here: float64 seconds hold its microseconds.
var began = time.Unix(1_790_000_000, 123_456_789)

func TestRun(t *testing.T) {
	t.Parallel()
	known := func(rows int64, oldest time.Duration) janitor.Overdue {
		return janitor.Overdue{Known: true, Rows: rows, Oldest: oldest}
	}
	for _, tt := range []struct {
		name string
		runs []janitor.Result
		want map[string]string
	}{
		{"drained", []janitor.Result{{
			Outcome: janitor.Drained, StopReason: janitor.StopDrained,
			Deleted: janitor.Counts{Expired: 1200, Revoked: 34},
			Batches: map[janitor.Reason]int64{janitor.Expired: 3, janitor.Revoked: 2},
			Rested:  map[janitor.Cause]time.Duration{janitor.ForLoad: 1500 * time.Millisecond},
			Window:  800, Duration: 2 * time.Second, ClockSkew: -1500 * time.Millisecond,
			Overdue: map[janitor.Reason]janitor.Overdue{
				janitor.Expired: known(0, 0), janitor.Revoked: known(0, 0)},
		}}, map[string]string{
			`runs_total{outcome="drained"}`:            "1",
			`runs_total{outcome="partial"}`:            "0",
			`run_stops_total{reason="drained"}`:        "1",
			`run_stops_total{reason="max_rows"}`:       "0",
			`tokens_deleted_total{reason="expired"}`:   "1200",
			`tokens_deleted_total{reason="revoked"}`:   "34",
			`batches_total{reason="expired"}`:          "3",
			`batches_total{reason="revoked"}`:          "2",
			`rested_seconds_total{cause="load"}`:       "1.5",
			`rested_seconds_total{cause="rate"}`:       "0",
			"batch_rows":                               "800",
			"run_duration_seconds_count":               "1",
			"run_duration_seconds_sum":                 "2",
			`run_duration_seconds_bucket{le="1"}`:      "0",
			`run_duration_seconds_bucket{le="5"}`:      "1",
			"last_run_timestamp_seconds":               "1.790000002123456e+09",
			"last_success_timestamp_seconds":           "1.790000002123456e+09",
			"clock_skew_seconds":                       "-1.5",
			`overdue_tokens{reason="expired"}`:         "0",
			`oldest_overdue_seconds{reason="revoked"}`: "0",
		}},
		{"partial by budget is a success", []janitor.Result{{
			Outcome: janitor.Partial, StopReason: janitor.StopMaxRows,
			Overdue: map[janitor.Reason]janitor.Overdue{
				janitor.Expired: known(1_000_000, 36*time.Hour), janitor.Revoked: known(12, time.Minute)},
		}}, map[string]string{
			`runs_total{outcome="partial"}`:            "1",
			`run_stops_total{reason="max_rows"}`:       "1",
			"last_run_timestamp_seconds":               "1.790000000123456e+09",
			"last_success_timestamp_seconds":           "1.790000000123456e+09",
			`overdue_tokens{reason="expired"}`:         "1e+06",
			`overdue_tokens{reason="revoked"}`:         "12",
			`oldest_overdue_seconds{reason="expired"}`: "129600",
			`oldest_overdue_seconds{reason="revoked"}`: "60",
		}},
		{"rows left behind add up over runs", []janitor.Result{
			{Outcome: janitor.Partial, StopReason: janitor.StopLeft, Left: janitor.Left{Locked: 3, Referenced: 2}},
			{Outcome: janitor.Partial, StopReason: janitor.StopLeft, Left: janitor.Left{Referenced: 2}},
		}, map[string]string{
			`tokens_left_total{cause="locked"}`:     "3",
			`tokens_left_total{cause="referenced"}`: "4",
			`runs_total{outcome="partial"}`:         "2",
		}},
		{"skipped is no success and knows nothing", []janitor.Result{
			{Outcome: janitor.Partial, Overdue: map[janitor.Reason]janitor.Overdue{
				janitor.Expired: known(5, time.Hour), janitor.Revoked: known(5, time.Hour)}},
			{Outcome: janitor.Skipped, StopReason: janitor.StopOther, Duration: time.Minute},
		}, map[string]string{
			`runs_total{outcome="skipped"}`:            "1",
			"run_duration_seconds_count":               "1",
			"last_run_timestamp_seconds":               "1.790000060123456e+09",
			"last_success_timestamp_seconds":           "1.790000000123456e+09",
			`overdue_tokens{reason="expired"}`:         "NaN",
			`overdue_tokens{reason="revoked"}`:         "NaN",
			`oldest_overdue_seconds{reason="expired"}`: "NaN",
			`oldest_overdue_seconds{reason="revoked"}`: "NaN",
		}},
		{"failed before it reached the database", []janitor.Result{
			{Outcome: janitor.Drained, ClockSkew: time.Second, Window: 700},
			{Outcome: janitor.Failed, StopReason: janitor.StopError, Duration: time.Minute},
		}, map[string]string{
			`runs_total{outcome="failed"}`:           "1",
			"run_duration_seconds_count":             "2",
			"last_run_timestamp_seconds":             "1.790000060123456e+09",
			"last_success_timestamp_seconds":         "1.790000000123456e+09",
			"clock_skew_seconds":                     "1",
			"batch_rows":                             "700",
			`tokens_deleted_total{reason="expired"}`: "0",
		}},
		{"failed half-way: what it deleted is deleted", []janitor.Result{{
			Outcome: janitor.Failed, StopReason: janitor.StopError, Deleted: janitor.Counts{Expired: 10},
		}}, map[string]string{
			`tokens_deleted_total{reason="expired"}`: "10",
			"last_success_timestamp_seconds":         "0",
		}},
		{"refused for the clock", []janitor.Result{{
			Outcome: janitor.Failed, StopReason: janitor.StopClockSkew, ClockSkew: 2 * time.Hour,
		}}, map[string]string{
			"clock_skew_seconds":               "7200",
			"last_success_timestamp_seconds":   "0",
			`overdue_tokens{reason="expired"}`: "NaN",
		}},
		{"the clocks agree again", []janitor.Result{
			{Outcome: janitor.Drained, ClockSkew: time.Second},
			{Outcome: janitor.Drained},
		}, map[string]string{
			"clock_skew_seconds": "0",
		}},
		{"one rule known, one not; expired since for ever", []janitor.Result{{
			Outcome: janitor.Partial,
			Overdue: map[janitor.Reason]janitor.Overdue{janitor.Expired: known(1, math.MaxInt64)},
		}}, map[string]string{
			`overdue_tokens{reason="expired"}`:         "1",
			`oldest_overdue_seconds{reason="expired"}`: "+Inf",
			`overdue_tokens{reason="revoked"}`:         "NaN",
		}},
		{"what the table takes stays where nobody looked", []janitor.Result{
			{Outcome: janitor.Drained, Space: janitor.Space{Known: true, LiveRows: 900, DeadRows: 100, TableBytes: 8192, IndexBytes: 16384, Vacuumed: began}},
			{Outcome: janitor.Skipped},
		}, map[string]string{
			"table_live_rows":                     "900",
			"table_dead_rows":                     "100",
			"table_last_vacuum_timestamp_seconds": "1.790000000123456e+09",
			`table_size_bytes{part="table"}`:      "8192",
			`table_size_bytes{part="indexes"}`:    "16384",
		}},
		{"never vacuumed", []janitor.Result{{Outcome: janitor.Drained, Space: janitor.Space{Known: true}}}, map[string]string{
			"table_last_vacuum_timestamp_seconds": "0",
		}},
		{"statistics that the server lost are unknown", []janitor.Result{{Outcome: janitor.Drained,
			Space: janitor.Space{Known: true, Forgot: true, LiveRows: 140_000, DeadRows: -1}}}, map[string]string{
			"table_live_rows":                     "140000",
			"table_dead_rows":                     "NaN",
			"table_last_vacuum_timestamp_seconds": "NaN",
		}},
		{"batches that time out and slow rows add up", []janitor.Result{
			{Outcome: janitor.Partial, BatchesTimedOut: 2, Left: janitor.Left{Slow: 1}},
			{Outcome: janitor.Failed, BatchesTimedOut: 3},
		}, map[string]string{"batches_timed_out_total": "5", `tokens_left_total{cause="slow"}`: "1"}},
		{"a revoked pass that was left out changes nothing and knows nothing", []janitor.Result{
			{Outcome: janitor.Drained, RevokedDone: began,
				Overdue: map[janitor.Reason]janitor.Overdue{janitor.Expired: known(0, 0), janitor.Revoked: known(0, 0)}},
			{Outcome: janitor.Drained, RevokedDone: began, RevokedLeftOut: true,
				Overdue: map[janitor.Reason]janitor.Overdue{janitor.Expired: known(0, 0)}},
			{Outcome: janitor.Failed},
		}, map[string]string{
			"revoked_pass_timestamp_seconds":   "1.790000000123456e+09",
			`overdue_tokens{reason="revoked"}`: "NaN",
		}},
		{"a dry run deletes nothing and is no success", []janitor.Result{{
			Outcome: janitor.Drained, DryRun: true, Would: janitor.Counts{Expired: 9, Revoked: 9},
			Batches: map[janitor.Reason]int64{janitor.Expired: 1, janitor.Revoked: 1},
			Rested:  map[janitor.Cause]time.Duration{janitor.ForRate: time.Second},
			Left:    janitor.Left{Locked: 1},
			Overdue: map[janitor.Reason]janitor.Overdue{janitor.Expired: known(9, time.Hour)},
		}}, map[string]string{
			`runs_total{outcome="drained"}`:          "1",
			"run_duration_seconds_count":             "1",
			`tokens_deleted_total{reason="expired"}`: "0",
			`tokens_deleted_total{reason="revoked"}`: "0",
			`batches_total{reason="expired"}`:        "0",
			`rested_seconds_total{cause="rate"}`:     "0",
			`tokens_left_total{cause="locked"}`:      "0",
			"last_run_timestamp_seconds":             "1.790000000123456e+09",
			"last_success_timestamp_seconds":         "0",
			`overdue_tokens{reason="expired"}`:       "9",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := testMetrics()
			for _, r := range tt.runs {
				r.Began = began
				m.Run(r)
			}
			expect(t, m, tt.want)
		})
	}
}

func TestBatchesAreCountedOnce(t *testing.T) {
	t.Parallel()
	m := testMetrics()
	load := func(d time.Duration) janitor.Rest { return janitor.Rest{Cause: janitor.ForLoad, For: d} }

	m.Batch(janitor.Batch{Reason: janitor.Expired, Rows: 500, Window: 500, Took: 20 * time.Millisecond})
	m.Batch(janitor.Batch{Reason: janitor.Expired, Rows: 700, Window: 700, Took: 40 * time.Millisecond})
	m.Rest(load(2 * time.Second))
	m.Batch(janitor.Batch{Reason: janitor.Revoked, Rows: 30, Window: 900, Took: 40 * time.Millisecond})
	m.Rest(load(4 * time.Second))
	expect(t, m, map[string]string{ // in mid-run
		`tokens_deleted_total{reason="expired"}`:    "1200",
		`tokens_deleted_total{reason="revoked"}`:    "30",
		`batches_total{reason="expired"}`:           "2",
		`batches_total{reason="revoked"}`:           "1",
		"batch_duration_seconds_count":              "3",
		`batch_duration_seconds_bucket{le="0.025"}`: "1",
		`batch_duration_seconds_bucket{le="0.05"}`:  "3",
		"batch_rows":                         "900",
		`rested_seconds_total{cause="load"}`: "6",
		`runs_total{outcome="partial"}`:      "0",
	})

	// A signal cut the rest after the last batch short, after a second. The Result
	// knows of five rows more than the batches told.
	end := janitor.Result{Outcome: janitor.Partial, StopReason: janitor.StopCancelled, Began: began,
		Deleted: janitor.Counts{Expired: 1200, Revoked: 35},
		Batches: map[janitor.Reason]int64{janitor.Expired: 2, janitor.Revoked: 2},
		Rested:  map[janitor.Cause]time.Duration{janitor.ForLoad: 7 * time.Second}}
	m.Run(end)
	once := map[string]string{
		`tokens_deleted_total{reason="expired"}`: "1200",
		`tokens_deleted_total{reason="revoked"}`: "35",
		`batches_total{reason="expired"}`:        "2",
		`batches_total{reason="revoked"}`:        "2",
		"batch_duration_seconds_count":           "3",
		`rested_seconds_total{cause="load"}`:     "7",
		`runs_total{outcome="partial"}`:          "1",
	}
	expect(t, m, once)

	// A run that panicked has batches, and a Result that knows of none.
	m.Batch(janitor.Batch{Reason: janitor.Expired, Rows: 1})
	m.Rest(load(time.Second))
	m.Run(janitor.Result{Outcome: janitor.Failed, StopReason: janitor.StopError, Began: began})
	once[`tokens_deleted_total{reason="expired"}`] = "1201"
	once[`batches_total{reason="expired"}`] = "3"
	once["batch_duration_seconds_count"] = "4"
	once[`rested_seconds_total{cause="load"}`] = "8"
	expect(t, m, once)

	// What earlier runs were told is not taken off a later one, told or not.
	m.Batch(janitor.Batch{Reason: janitor.Expired, Rows: 100})
	m.Run(janitor.Result{Outcome: janitor.Drained, Began: began, Deleted: janitor.Counts{Expired: 100},
		Batches: map[janitor.Reason]int64{janitor.Expired: 1}})
	m.Run(janitor.Result{Outcome: janitor.Drained, Began: began, Deleted: janitor.Counts{Expired: 10},
		Batches: map[janitor.Reason]int64{janitor.Expired: 1}})
	once[`tokens_deleted_total{reason="expired"}`] = "1311"
	once[`batches_total{reason="expired"}`] = "5"
	once["batch_duration_seconds_count"] = "5"
	expect(t, m, once)
}
