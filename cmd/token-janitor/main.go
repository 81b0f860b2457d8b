// Command token-janitor deletes refresh tokens that expired, and revoked ones that are
// old, from the PostgreSQL of the API that it runs beside.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/config"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// The exit codes.
const (
	exitDone    = 0 // done, or another janitor was running already
	exitFailed  = 1
	exitUsage   = 2 // bad usage or configuration
	exitOverdue = 3 // stopped with overdue rows left
)

func main() { os.Exit(run()) }

func run() int {
	cfg, err := config.Parse(config.Program{
		Args: os.Args[1:], Environ: os.Environ(), Version: build().Version, Description: describe(build()),
		Width: columns(os.Stdout),
	})
	switch printed := config.Printed(""); {
	case errors.As(err, &printed):
		if _, err := fmt.Println(string(printed)); err != nil {
			fmt.Fprintf(os.Stderr, "token-janitor: %s\n", err)
			return exitFailed
		}
		return exitDone
	case err != nil:
		fmt.Fprintf(os.Stderr, "token-janitor: %s\n", text.OneLine(err.Error()))
		return exitUsage
	}
	ctx, stop := untilSignal()
	defer stop()
	s := newService(cfg)
	switch {
	case len(cfg.Args) > 0 && cfg.Args[0] == "healthcheck":
		return healthcheck(ctx, cfg)
	case len(cfg.Args) > 0:
		return s.migrate(ctx, cfg.Args[1])
	case cfg.Once:
		return s.once(ctx)
	default:
		return (&daemon{service: s}).serve(ctx)
	}
}
