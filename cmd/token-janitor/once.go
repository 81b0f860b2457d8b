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

	"golang.org/x/term"

	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
)

// once does one run, prints its summary and returns the exit code.
func (s *service) once(ctx context.Context) int {
	began := time.Now()
	line := &progress{out: io.Discard, began: began}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		line.out = os.Stderr
	}
	s.onBatch, s.beforeLog = line.draw, line.clear
	state, err := s.bootOnce(ctx, s.mode())
	res := janitor.Result{Outcome: janitor.Failed, StopReason: janitor.StopError, DryRun: s.DryRun, Began: began, Duration: time.Since(began)}
	switch {
	case err == nil:
		res, state, err = s.tick(ctx)
	case ctx.Err() != nil: // a signal came first
		res.Outcome, res.StopReason, err = janitor.Partial, janitor.StopCancelled, nil
		s.report(res, nil)
	default:
		s.report(res, err)
	}
	print := printText
	if s.Output == "json" {
		print = printJSON
	}
	if printed := print(os.Stdout, res, state, err); printed != nil {
		s.log.Error("the run is done, its summary cannot be printed", "error", printed)
		return exitFailed
	}
	return exitCode(res)
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

func printText(out io.Writer, res janitor.Result, state migrations.State, err error) error {
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
			fmt.Fprintf(w, "left\t%s locked, %s referenced by another table\n", thousands(res.Left.Locked), thousands(res.Left.Referenced))
		}
		fmt.Fprintf(w, "took\t%s in %s batches, the longest %s\n", res.Duration.Round(time.Millisecond),
			thousands(res.Batches[janitor.Expired]+res.Batches[janitor.Revoked]), res.LongestBatch.Round(100*time.Microsecond))
		if n := counts.Total(); n > 0 {
			fmt.Fprintf(w, "rate\t%s rows/s\n", thousands(int64(float64(n)/res.Duration.Seconds())))
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
	return tokens + "; overdue ones are left: " + map[janitor.StopReason]string{
		janitor.StopMaxRows:     "the budget of --max-rows is spent.",
		janitor.StopMaxRunTime:  "the time of --max-run-time is up.",
		janitor.StopCancelled:   "it was told to stop.",
		janitor.StopLeft:        "other transactions or tables hold them.",
		janitor.StopTableLocked: "the table is locked, by DDL or maintenance.",
	}[res.StopReason]
}

// thousands is n with separators.
func thousands(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

const (
	clearLine = "\r\x1b[K"
	redraw    = 200 * time.Millisecond // as often as an eye follows
)

// progress is the line that a terminal shows while a run works.
type progress struct {
	out   io.Writer
	began time.Time
	drawn time.Time
}

func (p *progress) draw(b janitor.Batch) {
	if time.Since(p.drawn) < redraw {
		return
	}
	p.drawn = time.Now()
	line := fmt.Sprintf("%s: %s rows, %s rows/s", b.Reason, thousands(b.Done.Of(b.Reason)),
		thousands(int64(float64(b.Done.Total())/time.Since(p.began).Seconds())))
	if left := b.About - b.Done.Of(b.Reason); b.About >= 0 && left > 0 {
		line += fmt.Sprintf(", about %s left", thousands(left))
	}
	fmt.Fprint(p.out, clearLine+line)
}

func (p *progress) clear() {
	if !p.drawn.IsZero() {
		fmt.Fprint(p.out, clearLine)
	}
}
