// Command token-janitor deletes refresh tokens that expired, and revoked ones that are
// old, from the PostgreSQL of the API that it runs beside.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// The exit codes.
const (
	exitDone    = 0 // done, or another janitor is at work
	exitFailed  = 1
	exitUsage   = 2 // bad usage or configuration
	exitOverdue = 3 // stopped with overdue rows left
)

func main() { os.Exit(run()) }

func run() int {
	cfg, err := configure()
	switch notice := (asked)(""); {
	case errors.As(err, &notice):
		if _, err := fmt.Println(string(notice)); err != nil {
			fmt.Fprintf(os.Stderr, "token-janitor: %s\n", err)
			return exitFailed
		}
		return exitDone
	case err != nil:
		fmt.Fprintf(os.Stderr, "token-janitor: %s\n", text.OneLine(err.Error()))
		return exitUsage
	}
	// The first signal ends the work in order; from when that shows, the next one kills.
	signalled, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	ctx, end := context.WithCancelCause(context.Background())
	context.AfterFunc(signalled, func() { stop(); end(context.Cause(signalled)) })
	// A closed stdout is an error to report, not a death; nor does who asks for a run
	// now, before the daemon listens or while --once does one, mean to end it.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2)

	s := newService(cfg)
	switch {
	case len(cfg.Args) > 0 && cfg.Args[0] == "healthcheck":
		return s.healthcheck(ctx)
	case len(cfg.Args) > 0:
		return s.migrate(ctx, cfg.Args[1])
	case cfg.Once:
		return s.once(ctx)
	default:
		return s.serve(ctx)
	}
}
