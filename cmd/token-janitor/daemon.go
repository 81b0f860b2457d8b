package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// daemon is the janitor that stays: it runs on schedule, and on a signal.
type daemon struct {
	*service
	running sync.Mutex // held for the length of a tick: one at a time
}

// serve ends when ctx does, with the batch in flight done.
func (d *daemon) serve(ctx context.Context) int {
	listener, err := net.Listen("tcp", d.Listen)
	if err != nil {
		d.log.Error("cannot listen", "address", d.Listen, "error", err)
		return exitFailed
	}
	// Before anybody hears that the daemon is there.
	now, pause := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(now, syscall.SIGUSR1)
	signal.Notify(pause, syscall.SIGUSR2)
	defer signal.Stop(now)
	defer signal.Stop(pause)
	ctx, stop := context.WithCancelCause(ctx)
	pages := newPages(d.service)
	server := pages.server()
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := pages.serve(listener, server); !errors.Is(err, http.ErrServerClosed) {
			stop(err)
		}
	}()

	worked := make(chan struct{})
	go func() {
		defer close(worked)
		d.work(ctx, now, pause)
	}()

	<-ctx.Done()
	d.log.Info("stopping", "cause", context.Cause(ctx))
	ending, cancel := context.WithTimeout(context.Background(), d.ShutdownTimeout)
	defer cancel()
	select {
	case <-worked:
	case <-ending.Done():
		d.log.Error("the run did not end within --shutdown-timeout", "shutdown_timeout", d.ShutdownTimeout)
		return exitFailed
	}
	if err := server.Shutdown(ending); err != nil {
		_ = server.Close() // a scrape that takes too long is no reason to stay
	}
	<-served
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		d.log.Error("http", "error", cause)
		return exitFailed
	}
	d.log.Info("stopped")
	return exitDone
}

// work boots, then runs at once, on schedule and on SIGUSR1, until ctx ends. SIGUSR2
// pauses the schedule and resumes it.
func (d *daemon) work(ctx context.Context, now, pause <-chan os.Signal) {
	var runs sync.WaitGroup
	defer runs.Wait()
	runs.Go(func() {
		for {
			select {
			case <-pause: // also before the first run
				d.pause()
			case <-ctx.Done():
				return
			}
		}
	})

	// The daemon waits for ever: a sidecar that exits takes its pod down with it.
	state, err := d.boot(ctx, d.mode(), func(error) bool { return true }, nil)
	if err != nil {
		return
	}
	d.history.Ready()
	d.log.Info("ready", "revision", state.Revision, "table", state.Table.Sanitize(), "schedule", d.Schedule.String())

	if d.RunOnStart {
		runs.Go(func() { d.runScheduled(ctx) })
	}
	runs.Go(func() {
		for {
			select {
			case <-now:
				runs.Go(func() { d.runAlone(ctx) })
			case <-ctx.Done():
				return
			}
		}
	})
	d.Schedule.Run(ctx, d.ScheduleJitter, d.plan, func() { d.runScheduled(ctx) })
}

// pause pauses the schedule, or resumes it. A run at work goes on, and SIGUSR1 still
// asks for one: who sends it means it.
func (d *daemon) pause() {
	since, paused := d.history.TogglePause()
	d.metrics.Paused(paused)
	if paused {
		d.log.Warn("paused: no run on schedule until SIGUSR2 comes again, or a restart")
	} else {
		d.log.Info("resumed", "paused_for", time.Since(since).Round(time.Second))
	}
}

// runScheduled does a tick unless the schedule is paused. That is logged each time, lest it
// is forgotten.
func (d *daemon) runScheduled(ctx context.Context) {
	if since := d.history.View().Paused; !since.IsZero() {
		d.metrics.TickSkipped()
		d.log.Warn("paused: this run is skipped", "since", since.Format(time.RFC3339))
		return
	}
	d.runAlone(ctx)
}

// runAlone does a tick unless one is still at it: then this one is left out, and counted.
func (d *daemon) runAlone(ctx context.Context) {
	if !d.running.TryLock() {
		d.metrics.TickSkipped()
		d.log.Info("the previous run has not ended: this one is skipped")
		return
	}
	defer d.running.Unlock()
	_, _, _ = d.tick(ctx, d.attempt) // logged there
}

// plan records when the next tick is due.
func (d *daemon) plan(t time.Time) {
	d.metrics.NextRun(t)
	d.history.Plan(t)
}
