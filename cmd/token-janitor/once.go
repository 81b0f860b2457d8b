package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/status"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
)

// once does one run, prints its summary and returns the exit code.
func (s *service) once(ctx context.Context) int {
	if watched(os.Stderr) {
		shown := &progressBar{out: os.Stderr, colours: os.Getenv("NO_COLOR") == "", dryRun: s.DryRun, width: columns(os.Stderr)} // no-color.org
		s.onBatch, s.beforeLog = shown.draw, shown.clear
		// Who reads both on one screen is told once, and in words.
		s.summarized = s.Output == "text" && watched(os.Stdout)
	}
	var res janitor.Result
	var state migrations.State
	var err, printed error
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		res, state, err = s.tick(ctx, s.first)
	}()
	select {
	case <-worked:
	case <-overtime(ctx, s.ShutdownTimeout):
		s.log.Error("the run did not end within --shutdown-timeout", "shutdown_timeout", s.ShutdownTimeout)
		return exitFailed
	}
	if s.summarized && err != nil && err.Error() == s.told.waitedFor { // a line above
		err = fmt.Errorf("gave up after %s (--connect-timeout)", text.ShortDuration(s.ConnectTimeout))
	}
	s.publish(ctx)
	takes := wouldTake(res, s.worked, s.Load, s.MaxRate)
	if s.Output == "json" {
		printed = printJSON(os.Stdout, res, state, err, takes)
	} else {
		printed = printText(os.Stdout, res, state, err, takes)
	}
	if printed != nil {
		s.log.Error("the run is done, its summary cannot be printed", "error", printed)
		return exitFailed
	}
	return exitCode(res)
}

// overtime is closed when patience has passed since a signal came.
func overtime(ctx context.Context, patience time.Duration) <-chan struct{} {
	over := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(patience, func() { close(over) }) })
	return over
}

// exitCode is what a script learns of a run.
func exitCode(res janitor.Result) int {
	switch {
	case res.Outcome == janitor.Failed:
		return exitFailed
	case res.Outcome == janitor.Partial:
		return exitOverdue // also at a signal, or what drained a node would take its job for done
	}
	return exitDone
}

// summary is a result as machines read it.
type summary struct {
	Outcome        janitor.Outcome         `json:"outcome"`
	StopReason     janitor.StopReason      `json:"stop_reason"`
	DryRun         bool                    `json:"dry_run"`
	Deleted        janitor.Counts          `json:"deleted"`
	WouldDelete    janitor.Counts          `json:"would_delete"`
	Due            *due                    `json:"due"` // null: no dry run
	RowsLeft       janitor.Left            `json:"rows_left"`
	Overdue        *status.OverdueByReason `json:"overdue"`        // null: it did not look, as a dry run does not
	UncertainRows  int64                   `json:"uncertain_rows"` // at most so many went beside those deleted
	Batches        int64                   `json:"batches"`
	TimedOut       int64                   `json:"batches_timed_out"` // not in batches
	LongestBatch   float64                 `json:"longest_batch_seconds"`
	Duration       float64                 `json:"duration_seconds"`
	Cutoffs        *janitor.Cutoffs        `json:"cutoffs"` // null: it did not come to that
	SchemaRevision string                  `json:"schema_revision"`
	SchemaWarnings []status.Problem        `json:"schema_warnings"`
	Error          *string                 `json:"error"`
}

// due is what a dry run found besides how many.
type due struct {
	Expired dueRange `json:"expired"`
	Revoked dueRange `json:"revoked"`
	Takes   float64  `json:"about_seconds"` // for a run to delete it here, at this --load and --max-rate
}

// dueRange is from when to when tokens expired, or were revoked; null: none did, or it is
// not known.
type dueRange struct {
	Oldest *string `json:"oldest"`
	Newest *string `json:"newest"`
}

func dueOf(r janitor.Range) (d dueRange) {
	if r.Oldest != "" {
		oldest, newest := instant(r.Oldest, time.RFC3339Nano), instant(r.Newest, time.RFC3339Nano)
		d = dueRange{&oldest, &newest}
	}
	return d
}

// instant is a timestamp of PostgreSQL's in another layout, or as it stands where that
// cannot say it: -infinity, or a year BC or beyond 9999.
func instant(text, layout string) string {
	t, err := time.Parse("2006-01-02 15:04:05.999999-07", text)
	if err != nil {
		return text
	}
	return t.UTC().Format(layout)
}

func printJSON(out io.Writer, res janitor.Result, state migrations.State, err error, wouldTake time.Duration) error {
	sum := summary{
		Outcome:        res.Outcome,
		StopReason:     res.StopReason,
		DryRun:         res.DryRun,
		Deleted:        res.Deleted,
		WouldDelete:    res.Would,
		RowsLeft:       res.Left,
		Overdue:        status.OverdueOf(res),
		UncertainRows:  res.Uncertain,
		Batches:        res.Batches[janitor.Expired] + res.Batches[janitor.Revoked],
		TimedOut:       res.BatchesTimedOut,
		LongestBatch:   res.LongestBatch.Seconds(),
		Duration:       res.Duration.Seconds(),
		SchemaRevision: state.Revision,
		SchemaWarnings: status.Problems(state.Warnings),
	}
	if !res.Cutoffs.Expired.IsZero() {
		sum.Cutoffs = &res.Cutoffs
	}
	if res.DryRun && sum.Cutoffs != nil {
		sum.Due = &due{dueOf(res.Due[janitor.Expired]), dueOf(res.Due[janitor.Revoked]), wouldTake.Seconds()}
	}
	if err != nil {
		text := err.Error()
		sum.Error = &text
	}
	return json.NewEncoder(out).Encode(sum)
}
