package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
)

// once does one run, prints its summary and returns the exit code.
func (s *service) once(ctx context.Context) int {
	began := time.Now()
	if watched(os.Stderr) {
		shown := &bar{out: os.Stderr, colours: os.Getenv("NO_COLOR") == ""} // no-color.org
		s.onBatch, s.beforeLog = shown.hear, shown.clear
	}
	state, err := s.bootOnce(ctx, s.mode())
	res := janitor.Result{Outcome: janitor.Failed, StopReason: janitor.StopError, DryRun: s.DryRun, Began: began, Duration: time.Since(began)}
	switch {
	case err == nil:
		worked := make(chan struct{})
		go func() {
			defer close(worked)
			res, state, err = s.tick(ctx)
		}()
		select {
		case <-worked:
		case <-s.overtime(ctx):
			s.log.Error("the batch in flight did not end within --shutdown-timeout", "shutdown_timeout", s.ShutdownTimeout)
			return exitFailed
		}
	case ctx.Err() != nil: // a signal came first
		res.Outcome, res.StopReason, err = janitor.Partial, janitor.StopCancelled, nil
		s.report(res, nil)
	default:
		s.report(res, err)
	}
	var printed error
	if s.Output == "json" {
		printed = printJSON(os.Stdout, res, state, err)
	} else {
		printed = printText(os.Stdout, res, state, err, s.wouldTake(res))
	}
	if printed != nil {
		s.log.Error("the run is done, its summary cannot be printed", "error", printed)
		return exitFailed
	}
	return exitCode(res)
}

// overtime is closed when --shutdown-timeout has passed since a signal came.
func (s *service) overtime(ctx context.Context) <-chan struct{} {
	over := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(s.ShutdownTimeout, func() { close(over) }) })
	return over
}

// exitCode is what a script learns of a run.
func exitCode(res janitor.Result) int {
	switch {
	case res.Outcome == janitor.Failed:
		return exitFailed
	case res.Outcome == janitor.Partial && res.StopReason != janitor.StopCancelled:
		return exitOverdue
	}
	return exitDone // also at a signal: it ended as it was told to
}

// summary is a result as machines read it.
type summary struct {
	Outcome        janitor.Outcome    `json:"outcome"`
	StopReason     janitor.StopReason `json:"stop_reason"`
	DryRun         bool               `json:"dry_run"`
	Deleted        janitor.Counts     `json:"deleted"`
	WouldDelete    janitor.Counts     `json:"would_delete"`
	RowsLeft       janitor.Left       `json:"rows_left"`
	UncertainRows  int64              `json:"uncertain_rows"` // at most so many went beside those deleted
	Batches        int64              `json:"batches"`
	LongestBatch   float64            `json:"longest_batch_seconds"`
	Duration       float64            `json:"duration_seconds"`
	Cutoffs        *janitor.Cutoffs   `json:"cutoffs"` // null: it did not come to that
	SchemaRevision string             `json:"schema_revision"`
	Error          *string            `json:"error"`
}

func printJSON(out io.Writer, res janitor.Result, state migrations.State, err error) error {
	sum := summary{
		Outcome:        res.Outcome,
		StopReason:     res.StopReason,
		DryRun:         res.DryRun,
		Deleted:        res.Deleted,
		WouldDelete:    res.Would,
		RowsLeft:       res.Left,
		UncertainRows:  res.Uncertain,
		Batches:        res.Batches[janitor.Expired] + res.Batches[janitor.Revoked],
		LongestBatch:   res.LongestBatch.Seconds(),
		Duration:       res.Duration.Seconds(),
		SchemaRevision: state.Revision,
	}
	if !res.Cutoffs.Expired.IsZero() {
		sum.Cutoffs = &res.Cutoffs
	}
	if err != nil {
		text := err.Error()
		sum.Error = &text
	}
	return json.NewEncoder(out).Encode(sum)
}

// deleteCost is how much longer a batch takes that deletes than one that counts:
// measured 0.9 to 2 times, in memory. A slow disk adds to it.
const deleteCost = 2

// wouldTake is about how long the run would take that a dry run stood in for.
func (c *config) wouldTake(dry janitor.Result) time.Duration {
	work := dry.Duration
	for _, rested := range dry.Rested {
		work -= rested
	}
	takes := time.Duration(float64(work) * deleteCost / c.Load)
	if c.MaxRate > 0 {
		takes = max(takes, seconds(float64(dry.Would.Total())/float64(c.MaxRate)))
	}
	return takes
}

// printText tells, of a dry run, how long the real one would take.
func printText(out io.Writer, res janitor.Result, state migrations.State, err error, wouldTake time.Duration) error {
	var b strings.Builder
	fmt.Fprintln(&b, sentence(res, err))
	if !res.Cutoffs.Expired.IsZero() {
		verb, counts := "deleted", res.Deleted
		if res.DryRun {
			verb, counts = "would delete", res.Would
		}
		b.WriteString("\n")
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(w, "rule\t%s\tif before\t\n", verb)
		fmt.Fprintf(w, "expired\t%s\t%s\t\n", thousands(counts.Expired), res.Cutoffs.Expired.Format(time.RFC3339))
		fmt.Fprintf(w, "revoked\t%s\t%s\t\n", thousands(counts.Revoked), res.Cutoffs.Revoked.Format(time.RFC3339))
		_ = w.Flush()
		b.WriteString("\n")
		w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		if res.Left.Total() > 0 {
			fmt.Fprintf(w, "left\t%s locked, %s referenced by another table, %s refused by a trigger or rule\n",
				thousands(res.Left.Locked), thousands(res.Left.Referenced), thousands(res.Left.Refused))
			if res.Refusal != "" {
				fmt.Fprintf(w, "refusal\t%s\n", oneLine(res.Refusal))
			}
		}
		if res.Uncertain > 0 {
			fmt.Fprintf(w, "unknown\tup to %s rows more: the answer to their deletion was lost\n", thousands(res.Uncertain))
		}
		fmt.Fprintf(w, "took\t%s in %s batches, the longest %s\n", res.Duration.Round(time.Millisecond),
			thousands(res.Batches[janitor.Expired]+res.Batches[janitor.Revoked]), res.LongestBatch.Round(100*time.Microsecond))
		if n := counts.Total(); n > 0 {
			fmt.Fprintf(w, "rate\t%s rows/s\n", thousands(int64(float64(n)/res.Duration.Seconds())))
		}
		if res.DryRun {
			fmt.Fprintf(w, "for real\tit would take about %s here, at this --load and --max-rate\n", words(wouldTake))
		}
		fmt.Fprintf(w, "schema\t%s\n", state.Revision)
		_ = w.Flush()
	}
	_, wrote := io.WriteString(out, b.String())
	return wrote
}

// sentence says in plain words how a run ended.
func sentence(res janitor.Result, err error) string {
	counts, did := res.Deleted, "Deleted"
	if res.DryRun {
		counts, did = res.Would, "Dry run: would delete"
	}
	tokens := fmt.Sprintf("%s %s tokens", did, thousands(counts.Total()))
	if counts.Total() == 1 {
		tokens = did + " 1 token"
	}
	switch {
	case res.Cutoffs.Expired.IsZero() && err != nil: // it did not come to a run
		return "Failed: " + oneLine(err.Error())
	case res.Cutoffs.Expired.IsZero() && res.StopReason == janitor.StopCancelled:
		return "Stopped before it began, as it was told to."
	case err != nil:
		return tokens + ", then failed: " + oneLine(err.Error())
	case res.Outcome == janitor.Skipped && counts.Total() == 0:
		return "Another janitor is at work on this table; left it to that one."
	case res.Outcome == janitor.Skipped:
		return tokens + ", then left the rest to another janitor at work on this table."
	case res.Outcome == janitor.Drained && res.DryRun:
		return tokens + "."
	case res.Outcome == janitor.Drained:
		return tokens + "; nothing overdue is left."
	}
	return tokens + "; overdue ones are left: " + stopped[res.StopReason] + "."
}

// stopped says in plain words why a run ended before its work did.
var stopped = map[janitor.StopReason]string{
	janitor.StopMaxRows:     "the budget of --max-rows is spent",
	janitor.StopMaxRunTime:  "the time of --max-run-time is up",
	janitor.StopCancelled:   "it was told to stop",
	janitor.StopLeft:        "other transactions, tables or triggers hold them",
	janitor.StopTableLocked: "the table is locked, by DDL or maintenance",
}
