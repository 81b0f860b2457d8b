package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// shutdownSignals are the signals that end the work in order. SIGHUP is one, for a terminal that
// closes and for the habit of asking for a reload with it; not under nohup, which has it
// ignored.
func shutdownSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGTERM, os.Interrupt}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// untilSignal is a context that a signal ends. The first signal ends the work in order; from
// when that shows, the next one kills.
func untilSignal() (context.Context, func()) {
	signalled, stop := signal.NotifyContext(context.Background(), shutdownSignals()...)
	ctx, end := context.WithCancelCause(context.Background())
	context.AfterFunc(signalled, func() { stop(); end(context.Cause(signalled)) })
	// A closed stdout is an error to report, not a death; nor does who asks for a run
	// now, before the daemon listens or while --once does one, mean to end it.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2)
	return ctx, stop
}
