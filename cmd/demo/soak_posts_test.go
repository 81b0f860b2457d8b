package main

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// What a janitor of the soak is told besides: a run each second, in batches so small that a fault comes between them.
const (
	postBatch = 1_000
	postRate  = 20_000 // the default
)

// What a janitor may come to. One at work has about ten goroutines, some more for each scrape, and 20 MB.
const (
	mostGoroutines = 40
	mostMemory     = 40 << 20
)

// post is where a janitor works. Who is killed there has a successor.
type post struct {
	binary  string
	url     string
	flags   []string
	lasting bool // it is spared: its janitor lives through it all

	link    *link      // nil: it goes through the pooler
	pausing sync.Mutex // held by who pauses it

	mu      sync.Mutex // held by who looks at the janitor, or replaces it
	daemon  *daemon
	logged  int64     // rows that this janitor deleted, by its log, which tells of a run at its end
	seen    int64     // and by its metrics, which tell of a batch
	faults  int       // that there are
	excused time.Time // what fails up to then may come of one that there was
	tally   tally
}

// tally is what the janitors of a post came to.
type tally struct {
	runs, failed       int
	deleted            int64 // rows, as they told
	uncertain          int64 // rows that may have gone besides: as they told, or had no time to tell
	goroutines, memory float64
}

// begin starts a janitor.
func (p *post) begin(ctx context.Context) (err error) {
	flags := append([]string{"--listen=127.0.0.1:0", "--schedule=@every 1s", "--schedule-jitter=0s",
		fmt.Sprintf("--batch-max-rows=%d", postBatch), fmt.Sprintf("--max-rate=%d", postRate)}, p.flags...)
	p.logged, p.seen = 0, 0
	p.daemon, err = startDaemon(ctx, p.binary, p.url, brisk, flags...)
	return err
}

// pardon excuses runs that fail: there is a fault, which ends with the function that it returns.
func (p *post) pardon() (end func()) {
	// A run may notice it only when --statement-timeout, the engine's grace and a connection's own time are over.
	const late = 20 * time.Second
	p.mu.Lock()
	p.faults++
	p.mu.Unlock()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults--
		p.excused = time.Now().Add(late)
	}
}

func (p *post) isExcused() bool { return p.faults > 0 || time.Now().Before(p.excused) }

// watch looks at the janitor each second until ctx ends.
func (p *post) watch(ctx context.Context) error {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-second.C:
			p.mu.Lock()
			err := p.look(context.WithoutCancel(ctx))
			p.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}

// look reads metrics and log. Neither page nor process may ever be gone.
func (p *post) look(ctx context.Context) error {
	counts, err := p.daemon.counts(ctx)
	if err != nil {
		return err
	}
	goroutines, memory := counts["go_goroutines"], counts["process_resident_memory_bytes"]
	p.seen = int64(counts[deletedTotal])
	p.tally.goroutines, p.tally.memory = max(p.tally.goroutines, goroutines), max(p.tally.memory, memory)
	if goroutines > mostGoroutines || memory > mostMemory {
		return fmt.Errorf("the janitor has %.0f goroutines and %.0f MB, want %d and %d at most", goroutines, memory/(1<<20), mostGoroutines, mostMemory>>20)
	}
	return p.hear()
}

// hear reads the log: no run fails unless it is excused, and nothing else goes wrong.
func (p *post) hear() error {
	for _, l := range p.daemon.log() {
		if l.Msg == "run" {
			p.tally.runs++
			p.logged += l.Expired + l.Revoked
			p.tally.uncertain += l.Uncertain
			if l.Outcome == "failed" {
				p.tally.failed++
			}
		}
		if l.Level == "ERROR" && (!p.isExcused() || l.Msg == "panic") {
			return fmt.Errorf("the janitor says: %s", l.words())
		}
	}
	return nil
}

// end ends the janitor, in order or not, and settles what it did.
func (p *post) end(ctx context.Context, kill bool) error {
	if err := p.look(ctx); err != nil {
		return err
	}
	last := time.Now()
	if kill {
		_ = p.daemon.signal(syscall.SIGKILL) // it is there: nobody else may end it
		<-p.daemon.done
	}
	err := p.daemon.stop()
	if kill || err != nil && p.isExcused() {
		// What it did since it was looked at, and the batch in flight on either side.
		p.tally.uncertain += int64(postRate*time.Since(last).Seconds()) + 2*postBatch
		err = nil
	}
	if err == nil {
		err = p.hear()
	}
	p.tally.deleted += max(p.logged, p.seen)
	return err
}

// replace ends the janitor and lets another come.
func (p *post) replace(ctx context.Context, kill bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx = context.WithoutCancel(ctx) // a post without a janitor has nobody to look at
	if err := p.end(ctx, kill); err != nil {
		return err
	}
	return p.begin(ctx)
}

// leave ends the janitor for good.
func (p *post) leave(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end(ctx, false)
}

// signal sends the janitor that is there a signal.
func (p *post) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.daemon.signal(sig)
}

// now is the janitor that is there.
func (p *post) now() *daemon {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.daemon
}

// pardonAll is pardon for what happens to all of them.
func pardonAll(posts []*post) (end func()) {
	var ends []func()
	for _, p := range posts {
		ends = append(ends, p.pardon())
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}
