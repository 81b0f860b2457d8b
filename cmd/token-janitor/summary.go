package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/status"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
)

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

// printText writes the summary for people: 60 columns suffice for its table. Of a dry run it tells how long the real
// one would take.
func printText(out io.Writer, res janitor.Result, state migrations.State, err error, wouldTake time.Duration) error {
	var b strings.Builder
	fmt.Fprintln(&b, sentence(res, err))
	if !res.Cutoffs.Expired.IsZero() && (err == nil || !didNothing(res)) {
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
			fmt.Fprintf(w, "left\t%s\n", status.Held(res.Left))
			if res.Refusal != "" {
				fmt.Fprintf(w, "refusal\t%s\n", res.Refusal)
			}
		}
		if res.Uncertain > 0 {
			fmt.Fprintf(w, "unknown\tup to %s more: the answer to their deletion was lost\n", text.Plural(res.Uncertain, "row"))
		}
		fmt.Fprintf(w, "took\t%s in %s, the longest %s\n", text.Took(res.Duration),
			batches(res.Batches[janitor.Expired]+res.Batches[janitor.Revoked]), text.Took(res.LongestBatch))
		if res.BatchesTimedOut > 0 {
			fmt.Fprintf(w, "timed out\t%s, tried again with fewer rows\n", batches(res.BatchesTimedOut))
		}
		switch n := counts.Total(); {
		case res.DryRun && err == nil && !cutShort(res) && n > 0: // no rate: it counts faster than a run deletes
			about := "under a second"
			if wouldTake >= time.Second {
				about = "about " + text.Humanize(wouldTake)
			}
			fmt.Fprintf(w, "real run\t%s, at this --load and --max-rate\n", about)
		case !res.DryRun && n > 0:
			fmt.Fprintf(w, "rate\t%s rows/s\n", text.Thousands(int64(float64(n)/res.Duration.Seconds())))
		}
		if state.Revision != "" {
			fmt.Fprintf(w, "schema\t%s\n", state.Revision)
		}
		for _, warning := range state.Warnings {
			fmt.Fprintf(w, "warning\t%s\n\t%s\n", warning.What, warning.Remedy)
		}
		_ = w.Flush()
	}
	_, wrote := io.WriteString(out, b.String())
	return wrote
}

func batches(n int64) string {
	if n == 1 {
		return "1 batch"
	}
	return text.Thousands(n) + " batches"
}

// printRules is the table, a column a rule; a dry run knows the oldest and the newest as well.
func printRules(out io.Writer, res janitor.Result, counts janitor.Counts) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer func() { _ = w.Flush() }()
	cutoffs := map[janitor.Reason]time.Time{janitor.Expired: res.Cutoffs.Expired, janitor.Revoked: res.Cutoffs.Revoked}
	row := func(name string, of func(janitor.Reason) string) {
		fmt.Fprint(w, name)
		for _, reason := range janitor.Reasons {
			if !cutoffs[reason].IsZero() { // else there is no such rule
				fmt.Fprint(w, "\t", of(reason))
			}
		}
		fmt.Fprintln(w)
	}
	end := func(of func(janitor.Range) string) func(janitor.Reason) string {
		return func(reason janitor.Reason) string {
			if found := of(res.Due[reason]); found != "" {
				return instant(found, time.RFC3339)
			}
			return "-"
		}
	}
	did := "deleted"
	if res.DryRun {
		did = "would delete"
	}
	row("", func(reason janitor.Reason) string { return string(reason) })
	row(did, func(reason janitor.Reason) string { return text.AtLeast(counts.Of(reason), cutShort(res)) })
	if res.DryRun {
		row("oldest", end(func(due janitor.Range) string { return due.Oldest }))
		row("newest", end(func(due janitor.Range) string { return due.Newest }))
	}
	row("due before", func(reason janitor.Reason) string { return cutoffs[reason].Format(time.RFC3339) })
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
	case err != nil && didNothing(res):
		return "Failed: " + whyFailed(err)
	case res.Cutoffs.Expired.IsZero() && res.StopReason == janitor.StopCancelled:
		return "Stopped before it began, as it was told to; it does not know what is overdue."
	case err != nil:
		return tokens + ", then failed: " + whyFailed(err)
	case res.Outcome == janitor.Skipped && counts.Total() == 0:
		return "Another janitor is running on this table: this one did nothing."
	case res.Outcome == janitor.Skipped:
		return tokens + ", then left the rest to another janitor that is running on this table."
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

// whyFailed is an error in one line, but the problems of a schema: each has its own, and so has its remedy.
func whyFailed(err error) string {
	contract, ok := errors.AsType[*migrations.ContractError](err)
	if !ok {
		return text.OneLine(err.Error())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "table %s is not as the janitor needs it", text.OneLine(contract.Table))
	for _, p := range contract.Problems {
		fmt.Fprintf(&b, "\n\n  %s\n  fix: %s", text.OneLine(p.What), text.OneLine(p.Remedy))
	}
	return b.String()
}

// didNothing says that a run has nothing to tell but its error.
func didNothing(res janitor.Result) bool {
	return res.Deleted.Total()+res.Would.Total()+res.Left.Total()+res.Uncertain == 0
}

// cutShort says that a dry run was told to stop: it would have found at least what it did.
func cutShort(res janitor.Result) bool {
	return res.DryRun && res.Outcome == janitor.Partial && res.StopReason == janitor.StopCancelled
}
