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
		fmt.Println(string(notice))
		return exitDone
	case err != nil:
		fmt.Fprintf(os.Stderr, "token-janitor: %s\n", oneLine(err.Error()))
		return exitUsage
	}
	// The first signal ends the work in order; after it the next one kills.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	signal.Ignore(syscall.SIGPIPE) // a closed stdout is an error to report, not a death

	s := newService(cfg)
	switch {
	case len(cfg.Args) > 0:
		return s.migrate(ctx, cfg.Args[1])
	case cfg.Once:
		return s.once(ctx)
	default:
		return s.serve(ctx)
	}
}
