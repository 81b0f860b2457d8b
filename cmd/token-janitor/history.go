package main

import (
	"sync"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
)

// remembered is how many runs the status page tells of: five hours at the default schedule.
const remembered = 20

// history is what the status page and the probes know. Its methods may be called from
// several goroutines.
type history struct {
	mu      sync.Mutex
	booted  bool
	waiting string // what boot waits for
	running bool
	next    time.Time
	runs    []past // the latest first
}

// past is a run that ended.
type past struct {
	janitor.Result
	Error string
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

func (h *history) begins() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = true
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
	h.running = false
	h.runs = append([]past{run}, h.runs[:min(len(h.runs), remembered-1)]...)
}

// view is the history at one moment.
type view struct {
	Booted  bool
	Waiting string
	Running bool
	Next    time.Time
	Runs    []past
}

func (h *history) view() view {
	h.mu.Lock()
	defer h.mu.Unlock()
	return view{h.booted, h.waiting, h.running, h.next, append([]past(nil), h.runs...)}
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
