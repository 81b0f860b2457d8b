package main

import (
	"os"
	"os/signal"
	"syscall"
)

// endings are the signals that end the work in order. SIGHUP is one, for a terminal that
// closes and for the habit of asking for a reload with it; not under nohup, which has it
// ignored.
func endings() []os.Signal {
	signals := []os.Signal{syscall.SIGTERM, os.Interrupt}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}
