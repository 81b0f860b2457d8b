// Package status is what the janitor reports of itself: what happened so far, as a page and as JSON.
package status

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
)

// remembered is how many runs the status page tells of: five hours at the default schedule.
const remembered = 20

// History is what the status page and the probes know. Its methods may be called from
// several goroutines.
type History struct {
	mu      sync.Mutex
	booted  bool
	waiting string // what boot waits for
	schema  checked
	paused  time.Time // since when the schedule is; zero = it is not
	running *Progress // nil = between runs
	next    time.Time
	runs    []past // the latest first
	space   taken
	revoked janitor.Overdue // as the last run that looked at revoked tokens left them
}

// taken is what the table took when a run last looked.
type taken struct {
	janitor.Space
	at time.Time
}

// past is a run that ended.
type past struct {
	janitor.Result
	Error string
	Brief string // the same without what the section on the schema tells
}

// brief is an error for a line beside the problems of the schema, which have a section of their own.
func brief(err error) string {
	if contract, ok := errors.AsType[*migrations.ContractError](err); ok {
		return contract.Brief()
	}
	return err.Error()
}

// checked is what the last look at the schema found.
type checked struct {
	at       time.Time // zero = nobody has looked yet
	state    migrations.State
	problems []migrations.Problem
}

// Waiting records what boot waits for.
func (h *History) Waiting(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = brief(err)
}

// Ready records that boot is over.
func (h *History) Ready() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.booted, h.waiting = true, ""
}

// SchemaChecked records what a check of the schema found.
func (h *History) SchemaChecked(state migrations.State, err error) {
	found := checked{at: time.Now(), state: state}
	var contract *migrations.ContractError
	var notReady *migrations.NotReadyError
	switch {
	case errors.As(err, &contract):
		found.problems = slices.Clone(contract.Problems)
	case errors.As(err, &notReady):
		found.problems = []migrations.Problem{{What: notReady.Found, Remedy: notReady.Remedy}}
	case err != nil:
		found.problems = []migrations.Problem{{What: err.Error()}}
	}
	for i, p := range found.problems {
		found.problems[i] = migrations.Problem{What: text.OneLine(p.What), Remedy: text.OneLine(p.Remedy)}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.schema = found
}

// TogglePause pauses the schedule, or resumes it, and returns since when it is paused, or was.
func (h *History) TogglePause() (since time.Time, paused bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if since = h.paused; !since.IsZero() {
		h.paused = time.Time{}
		return since, false
	}
	h.paused = time.Now()
	return h.paused, true
}

// Begin records that a run begins.
func (h *History) Begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = newProgress(time.Now())
}

// RecordBatch returns how far the run has come with this batch; so does RecordRest.
func (h *History) RecordBatch(b janitor.Batch) *Progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running.recordBatch(b, time.Now())
	return h.running.clone()
}

func (h *History) RecordRest(r janitor.Rest) *Progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running.recordRest(r)
	return h.running.clone()
}

// Plan records when the next run on schedule is due.
func (h *History) Plan(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next = t
}

// Add records a run that ended.
func (h *History) Add(res janitor.Result, err error) {
	var run past
	if err != nil {
		run.Error, run.Brief = err.Error(), brief(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = nil
	if res.RevokedLeftOut {
		res.Overdue = maps.Clone(res.Overdue) // others read it
		res.Overdue[janitor.Revoked] = h.revoked
	}
	if seen := res.Overdue[janitor.Revoked]; seen.Known {
		h.revoked = seen
	}
	run.Result = res
	if res.Space.Known {
		h.space = taken{res.Space, res.Began.Add(res.Duration)}
	}
	h.runs = append([]past{run}, h.runs[:min(len(h.runs), remembered-1)]...)
}

// View is the history at one moment.
type View struct {
	Booted  bool
	Waiting string
	Schema  checked
	Paused  time.Time
	Running *Progress
	Next    time.Time
	Runs    []past
	Space   taken
}

// View is the history now.
func (h *History) View() View {
	h.mu.Lock()
	defer h.mu.Unlock()
	return View{h.booted, h.waiting, h.schema, h.paused, h.running.clone(), h.next, append([]past(nil), h.runs...), h.space}
}

// Unready says why the janitor is not ready, or "".
func (v View) Unready() string {
	switch {
	case !v.Booted && v.Waiting == "":
		return "booting"
	case !v.Booted:
		return "waiting: " + v.Waiting
	case len(v.Runs) > 0 && v.Runs[0].Outcome == janitor.Failed:
		return "the last run failed: " + v.Runs[0].Error
	}
	return ""
}
