package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// report tells what happens, a line a second.
type report struct {
	*stage
	began, last time.Time // the first line's second, and the last line's
	lines       int
	calls       int   // of the API up to the last line
	alone       int   // of the API before the janitor came
	deleted     int64 // up to the last line, as the janitor's metrics say
	runs        int
	total       int64 // deleted, as the janitor's log says, which is complete when the janitor has ended
}

const legend = `
  overdue: tokens still to be deleted      API/s, p50, p99: the API's calls, and how long they take
  must stay: tokens still of use           checked, lost: how often one was looked for, and not found
`

// headEvery repeats the head of the table before it scrolls out of a usual window.
const headEvery = 20

// enter says that the janitor is there.
func (r *report) enter() {
	r.alone = r.api.calls()
	r.note("the janitor begins. Open its status page: http://%s/", r.daemon.address)
}

func (r *report) note(format string, args ...any) {
	fmt.Fprintf(r.out, "         - %s\n", fmt.Sprintf(format, args...))
}

// line writes where things stand.
func (r *report) line(ctx context.Context) error {
	if err := r.news(); err != nil {
		return err
	}
	now := time.Now()
	elapsed := now.Sub(r.last).Seconds()
	perSecond := func(n int64) string { return thousands(int64(float64(n)/elapsed + 0.5)) }

	deleting := "-"
	if r.daemon != nil {
		counts, err := r.daemon.counts(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		deleted := int64(counts[deletedTotal])
		deleting = perSecond(deleted - r.deleted)
		r.deleted = deleted
	}
	calls := r.api.calls()
	took := r.api.took(r.calls, calls)
	if r.lines%headEvery == 0 {
		if r.lines == 0 {
			fmt.Fprint(r.out, legend)
		}
		fmt.Fprintf(r.out, "\n  %6s %11s %10s %8s %9s %9s %11s %13s %5s\n",
			"time", "overdue", "deleted/s", "API/s", "p50", "p99", "must stay", "checked", "lost")
	}
	at := r.book.standing()
	fmt.Fprintf(r.out, "  %6s %11s %10s %8s %9s %9s %11s %13s %5d\n",
		fmt.Sprintf("%.0f s", now.Sub(r.began).Seconds()), thousands(max(0, at.due-r.deleted)), deleting,
		perSecond(int64(len(took))), millis(quantile(took, 0.5)), millis(quantile(took, 0.99)),
		thousands(at.stay), thousands(at.checked), 0) // a loss ends the demo
	r.lines, r.last, r.calls = r.lines+1, now, calls
	return nil
}

// news writes what the janitor has to say. A run that failed is an error.
func (r *report) news() error {
	if r.daemon == nil {
		return nil
	}
	for _, l := range r.daemon.log() {
		switch {
		case l.Msg == "run" && l.Outcome == "failed":
			return fmt.Errorf("a run of the janitor failed: %s", l.Error)
		case l.Msg == "run":
			outcome := l.Outcome
			if l.StopReason == "cancelled" {
				outcome = "cut short by the end of the demo"
			}
			r.runs++
			r.total += l.Expired + l.Revoked
			r.note("run %d %s: %s expired and %s revoked tokens deleted in %s", r.runs, outcome,
				thousands(l.Expired), thousands(l.Revoked), brief(l.Duration))
		case l.Level == "WARN" || l.Level == "ERROR":
			r.note("the janitor says: %s", l.words())
		}
	}
	return nil
}

// summary writes what came of it all, when all went well.
func (r *report) summary(stayed int64) {
	calls := r.api.calls()
	before, beside := r.api.took(0, r.alone), r.api.took(r.alone, calls)
	fmt.Fprintf(r.out, "\n  %-9s %s tokens deleted in %d %s\n", "janitor", thousands(r.total), r.runs, plural(r.runs, "run"))
	fmt.Fprintf(r.out, "  %-9s %s calls, none failed\n", "API", thousands(calls))
	fmt.Fprintf(r.out, "  %-9s p50 %s, p99 %s alone\n", "", millis(quantile(before, 0.5)), millis(quantile(before, 0.99)))
	fmt.Fprintf(r.out, "  %-9s p50 %s, p99 %s beside the janitor\n", "", millis(quantile(beside, 0.5)), millis(quantile(beside, 0.99)))
	fmt.Fprintf(r.out, "\nAll %s tokens that must stay are in the table: 0 lost.\n", thousands(stayed))
	fmt.Fprint(r.out, epilogue)
}

const epilogue = `
Next, with a database of your own:

  go run ./cmd/token-janitor --database-url URL --dry-run   counts what it would delete, and changes nothing
  go run ./cmd/token-janitor --database-url URL --once      deletes it, once
  go run ./cmd/token-janitor --database-url URL             does so every 15 minutes; status page http://localhost:9856/
`

// quantile is the value that the share q of sorted values do not exceed, or 0 if there are none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1e3) }

func brief(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// thousands writes 1234567 as 1,234,567. No number here is below 0.
func thousands[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
