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

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/status"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
)

// once does one run, prints its summary and returns the exit code.
func (s *service) once(ctx context.Context) int {
	if watched(os.Stderr) {
		shown := &progressBar{out: os.Stderr, colours: os.Getenv("NO_COLOR") == ""} // no-color.org
		s.onBatch, s.beforeLog = shown.draw, shown.clear
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
		s.log.Error("the batch in flight did not end within --shutdown-timeout", "shutdown_timeout", s.ShutdownTimeout)
		return exitFailed
	}
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
	LongestBatch   float64                 `json:"longest_batch_seconds"`
	Duration       float64                 `json:"duration_seconds"`
	Cutoffs        *janitor.Cutoffs        `json:"cutoffs"` // null: it did not come to that
	SchemaRevision string                  `json:"schema_revision"`
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
		LongestBatch:   res.LongestBatch.Seconds(),
		Duration:       res.Duration.Seconds(),
		SchemaRevision: state.Revision,
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

// deleteCost is how much longer a batch takes that deletes than one that counts:
// measured 0.9 to 2 times, in memory. A slow disk adds to it.
const deleteCost = 2

// wouldTake is about how long the run would take that a dry run stood in for, by what its
// batches took and what the pace allows. What a throttle would wait for nobody knows.
func wouldTake(dry janitor.Result, worked time.Duration, load float64, maxRate int) time.Duration {
	takes := text.Seconds(worked.Seconds() * deleteCost / load)
	if maxRate > 0 {
		takes = max(takes, text.Seconds(float64(dry.Would.Total())/float64(maxRate)))
	}
	return takes
}

// printText tells, of a dry run, how long the real one would take.
func printText(out io.Writer, res janitor.Result, state migrations.State, err error, wouldTake time.Duration) error {
	var b strings.Builder
	fmt.Fprintln(&b, sentence(res, err))
	if !res.Cutoffs.Expired.IsZero() {
		counts := res.Deleted
		if res.DryRun {
			counts = res.Would
		}
		b.WriteString("\n")
		printRules(&b, res, counts)
		b.WriteString("\n")
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		if res.Outcome == janitor.Partial && !res.DryRun {
			fmt.Fprintf(w, "overdue\t%s\n", status.OverdueOf(res))
		}
		if res.Left.Total() > 0 {
			fmt.Fprintf(w, "left\t%s locked, %s referenced by another table, %s refused by a trigger or rule\n",
				text.Thousands(res.Left.Locked), text.Thousands(res.Left.Referenced), text.Thousands(res.Left.Refused))
			if res.Refusal != "" {
				fmt.Fprintf(w, "refusal\t%s\n", res.Refusal)
			}
		}
		if res.Uncertain > 0 {
			fmt.Fprintf(w, "unknown\tup to %s rows more: the answer to their deletion was lost\n", text.Thousands(res.Uncertain))
		}
		fmt.Fprintf(w, "took\t%s in %s batches, the longest %s\n", res.Duration.Round(time.Millisecond),
			text.Thousands(res.Batches[janitor.Expired]+res.Batches[janitor.Revoked]), res.LongestBatch.Round(100*time.Microsecond))
		if n := counts.Total(); n > 0 {
			fmt.Fprintf(w, "rate\t%s rows/s\n", text.Thousands(int64(float64(n)/res.Duration.Seconds())))
		}
		if res.DryRun && !cutShort(res) {
			fmt.Fprintf(w, "for real\tit would take about %s here, at this --load and --max-rate\n", text.Humanize(wouldTake))
		}
		fmt.Fprintf(w, "schema\t%s\n", state.Revision)
		_ = w.Flush()
	}
	_, wrote := io.WriteString(out, b.String())
	return wrote
}

// printRules is the table by rule; a dry run knows the oldest and the newest as well.
func printRules(out io.Writer, res janitor.Result, counts janitor.Counts) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer func() { _ = w.Flush() }()
	cutoff := map[janitor.Reason]time.Time{janitor.Expired: res.Cutoffs.Expired, janitor.Revoked: res.Cutoffs.Revoked}
	if !res.DryRun {
		fmt.Fprint(w, "rule\tdeleted\tif before\t\n")
	} else {
		fmt.Fprint(w, "rule\twould delete\toldest\tnewest\tif before\t\n")
	}
	for _, reason := range janitor.Reasons {
		if cutoff[reason].IsZero() {
			continue // there is no such rule
		}
		fmt.Fprintf(w, "%s\t%s\t", reason, text.AtLeast(counts.Of(reason), cutShort(res)))
		if due := res.Due[reason]; res.DryRun && due.Oldest != "" {
			fmt.Fprintf(w, "%s\t%s\t", instant(due.Oldest, time.RFC3339), instant(due.Newest, time.RFC3339))
		} else if res.DryRun {
			fmt.Fprint(w, "-\t-\t")
		}
		fmt.Fprintf(w, "%s\t\n", cutoff[reason].Format(time.RFC3339))
	}
}

// sentence says in plain words how a run ended.
func sentence(res janitor.Result, err error) string {
	counts, did := res.Deleted, "Deleted"
	if res.DryRun {
		counts, did = res.Would, "Dry run: would delete"
	}
	if cutShort(res) {
		did += " at least"
	}
	tokens := did + " " + text.Plural(counts.Total(), "token")
	switch {
	case res.Cutoffs.Expired.IsZero() && err != nil: // it did not come to a run
		return "Failed: " + text.OneLine(err.Error())
	case res.Cutoffs.Expired.IsZero() && res.StopReason == janitor.StopCancelled:
		return "Stopped before it began, as it was told to; it does not know what is overdue."
	case err != nil:
		return tokens + ", then failed: " + text.OneLine(err.Error())
	case res.Outcome == janitor.Skipped && counts.Total() == 0:
		return "Another janitor is at work on this table; left it to that one."
	case res.Outcome == janitor.Skipped:
		return tokens + ", then left the rest to another janitor at work on this table."
	case res.Outcome == janitor.Drained && res.DryRun:
		return tokens + "."
	case res.Outcome == janitor.Drained:
		return tokens + "; nothing overdue is left."
	case cutShort(res):
		return tokens + "; it was told to stop before it had counted all."
	case res.StopReason == janitor.StopCancelled && status.OverdueOf(res).None(): // of the little that it looked at
		return tokens + "; overdue ones may be left: " + status.WhyStopped(res.StopReason) + "."
	}
	return tokens + "; overdue ones are left: " + status.WhyStopped(res.StopReason) + "."
}

// cutShort says that a dry run was told to stop: it would have found at least what it did.
func cutShort(res janitor.Result) bool {
	return res.DryRun && res.Outcome == janitor.Partial && res.StopReason == janitor.StopCancelled
}
