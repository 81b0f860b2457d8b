package status

import (
	"fmt"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
)

// state is a word for how it is, and a line that says why.
func (v View) state(now time.Time) (word, line string) {
	switch {
	case !v.Booted && v.Waiting == "":
		return "starting", "Starting. It looks at the database and its schema."
	case !v.Booted:
		return "waiting", "Waiting. " + text.Capitalize(text.OneLine(v.Waiting)) + "."
	}
	word, line = "ok", "no run yet"
	if len(v.Runs) > 0 {
		word, line = v.Runs[0].clause(now, v.overdue())
	}
	if word == "ok" && !v.Paused.IsZero() {
		word = "paused"
	}
	if word == "failed" {
		line += "; " + v.lastSuccess(now)
	}
	if v.Running != nil {
		line += "; a run is under way"
	}
	switch {
	case !v.Paused.IsZero():
		line += "; the schedule has been paused for " + text.Humanize(now.Sub(v.Paused)) + " (SIGUSR2 resumes it)"
	case !v.Next.IsZero():
		line += "; next run in " + text.Humanize(v.Next.Sub(now))
	}
	return word, Word(word) + ". " + text.Capitalize(line) + "."
}

// Word is a state as people write it.
func Word(state string) string {
	if state == "ok" {
		return "OK"
	}
	return text.Capitalize(state)
}

// lastSuccess is when a run last ended that did not fail, of those that are remembered.
func (v View) lastSuccess(now time.Time) string {
	for _, p := range v.Runs {
		if p.Outcome != janitor.Failed {
			return "last success " + text.Humanize(now.Sub(p.Began.Add(p.Duration))) + " ago"
		}
	}
	if len(v.Runs) < remembered {
		return "no success since it started"
	}
	return fmt.Sprintf("no success in the last %d runs", remembered)
}
