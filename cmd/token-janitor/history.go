package main

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
)

// remembered is how many runs the status page tells of: five hours at the default schedule.
const remembered = 20

// history is what the status page and the probes know. Its methods may be called from
// several goroutines.
type history struct {
	mu      sync.Mutex
	booted  bool
	waiting string // what boot waits for
	schema  checked
	paused  time.Time // since when the schedule is; zero = it is not
	running *progress // nil = between runs
	next    time.Time
	runs    []past // the latest first
	space   taken
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
}

// checked is what the last look at the schema found.
type checked struct {
	at       time.Time // zero = nobody has looked yet
	state    migrations.State
	problems []migrations.Problem
}

func (h *history) waits(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = err.Error()
}

func (h *history) ready() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.booted, h.waiting = true, ""
}

// looked takes in what a check of the schema found.
func (h *history) looked(state migrations.State, err error) {
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

// pause pauses the schedule, or resumes it, and returns since when it is paused, or was.
func (h *history) pause() (since time.Time, paused bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if since = h.paused; !since.IsZero() {
		h.paused = time.Time{}
		return since, false
	}
	h.paused = time.Now()
	return h.paused, true
}

func (h *history) begins() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = newProgress(time.Now())
}

// hearBatch returns how far the run has come with this batch; so does hearRest.
func (h *history) hearBatch(b janitor.Batch) *progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running.hearBatch(b, time.Now())
	return h.running.clone()
}

func (h *history) hearRest(r janitor.Rest) *progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running.hearRest(r)
	return h.running.clone()
}

func (h *history) plan(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next = t
}

func (h *history) add(res janitor.Result, err error) {
	run := past{Result: res}
	if err != nil {
		run.Error = err.Error()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = nil
	if res.Space.Known {
		h.space = taken{res.Space, res.Began.Add(res.Duration)}
	}
	h.runs = append([]past{run}, h.runs[:min(len(h.runs), remembered-1)]...)
}

// view is the history at one moment.
type view struct {
	Booted  bool
	Waiting string
	Schema  checked
	Paused  time.Time
	Running *progress
	Next    time.Time
	Runs    []past
	Space   taken
}

func (h *history) view() view {
	h.mu.Lock()
	defer h.mu.Unlock()
	return view{h.booted, h.waiting, h.schema, h.paused, h.running.clone(), h.next, append([]past(nil), h.runs...), h.space}
}

// unready says why the janitor is not ready, or "".
func (v view) unready() string {
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
