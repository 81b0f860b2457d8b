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

// serve is the daemon: it ends when ctx does, with the batch in flight done.
func (s *service) serve(ctx context.Context) int {
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		s.log.Error("cannot listen", "address", s.Listen, "error", err)
		return exitFailed
	}
	// Before anybody hears that the daemon is there.
	now, pause := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(now, syscall.SIGUSR1)
	signal.Notify(pause, syscall.SIGUSR2)
	defer signal.Stop(now)
	defer signal.Stop(pause)
	ctx, stop := context.WithCancelCause(ctx)
	server := s.server()
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := s.serveHTTP(listener, server); !errors.Is(err, http.ErrServerClosed) {
			stop(err)
		}
	}()

	worked := make(chan struct{})
	go func() {
		defer close(worked)
		s.work(ctx, now, pause)
	}()

	<-ctx.Done()
	s.log.Info("stopping", "cause", context.Cause(ctx))
	ending, cancel := context.WithTimeout(context.Background(), s.ShutdownTimeout)
	defer cancel()
	select {
	case <-worked:
	case <-ending.Done():
		s.log.Error("the batch in flight did not end within --shutdown-timeout", "shutdown_timeout", s.ShutdownTimeout)
		return exitFailed
	}
	if err := server.Shutdown(ending); err != nil {
		_ = server.Close() // a scrape that takes too long is no reason to stay
	}
	<-served
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		s.log.Error("http", "error", cause)
		return exitFailed
	}
	s.log.Info("stopped")
	return exitDone
}

// work boots, then runs at once, on schedule and on SIGUSR1, until ctx ends. SIGUSR2
// pauses the schedule and resumes it.
func (s *service) work(ctx context.Context, now, pause <-chan os.Signal) {
	var runs sync.WaitGroup
	defer runs.Wait()
	runs.Go(func() {
		for {
			select {
			case <-pause: // also before the first run
				s.pause()
			case <-ctx.Done():
				return
			}
		}
	})

	// The daemon waits for ever: a sidecar that exits takes its pod down with it.
	state, err := s.boot(ctx, s.mode(), func(error) bool { return true }, nil)
	if err != nil {
		return
	}
	s.history.Ready()
	s.log.Info("ready", "revision", state.Revision, "table", state.Table.Sanitize(), "schedule", s.Schedule.String())

	if s.RunOnStart {
		runs.Go(func() { s.scheduled(ctx) })
	}
	runs.Go(func() {
		for {
			select {
			case <-now:
				runs.Go(func() { s.alone(ctx) })
			case <-ctx.Done():
				return
			}
		}
	})
	s.Schedule.Run(ctx, s.ScheduleJitter, s.planned, func() { s.scheduled(ctx) })
}

// pause pauses the schedule, or resumes it. A run at work goes on, and SIGUSR1 still
// asks for one: who sends it means it.
func (s *service) pause() {
	since, paused := s.history.TogglePause()
	s.metrics.Paused(paused)
	if paused {
		s.log.Warn("paused: no run on schedule until SIGUSR2 comes again, or a restart")
	} else {
		s.log.Info("resumed", "paused_for", time.Since(since).Round(time.Second))
	}
}

// scheduled does a tick unless the schedule is paused. That is told each time, lest it
// is forgotten.
func (s *service) scheduled(ctx context.Context) {
	if since := s.history.View().Paused; !since.IsZero() {
		s.metrics.TickSkipped()
		s.log.Warn("paused: this run is left out", "since", since.Format(time.RFC3339))
		return
	}
	s.alone(ctx)
}

// alone does a tick unless one is still at it: then this one is left out, and counted.
func (s *service) alone(ctx context.Context) {
	if !s.running.TryLock() {
		s.metrics.TickSkipped()
		s.log.Info("the run before is still at work; this one is left out")
		return
	}
	defer s.running.Unlock()
	_, _, _ = s.tick(ctx, s.attempt) // logged there
}

// planned hears when the next tick is due.
func (s *service) planned(t time.Time) {
	s.metrics.NextRun(t)
	s.history.Plan(t)
}
