// Command demo shows the janitor at work: it starts a throwaway PostgreSQL with a backlog of tokens, an API that
// logs users in and out, and the real daemon beside it, and keeps a ledger of its own of every token that must stay.
//
//	go run ./cmd/demo
//
// With --api-only it is the API alone, on a database that others look after.
//
// It ends at Ctrl-C or after --for. The exit code is 1 if a token that must stay is gone, a call of the API failed
// or the janitor did, and 2 if a flag is wrong. (The go command itself answers 1 to Ctrl-C, whatever the demo does.)
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	opts, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 2
	}
	// The first signal ends the show in order. After it the next one kills, and even then nothing stays behind: the
	// server and the janitor are each held by a process that ends them when this one is gone.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	// Nobody reads on, as behind "| head": an end in order, too. It is never given back, for there is more to say.
	ctx, unread := signal.NotifyContext(ctx, syscall.SIGPIPE)
	defer unread()

	act := show
	if opts.database != "" {
		act = serve
	}
	if err := act(ctx, opts, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	return 0
}

// options are what the flags say.
type options struct {
	tokens int
	during time.Duration // 0: until a signal comes
	rate   int           // operations of the API per second
	listen string

	database string        // for the API alone
	lifetime time.Duration // of its tokens
}

const (
	mostTokens = 10_000_000 // the ledger keeps the fifth of them that must stay in memory
	mostRate   = 2_000      // beyond it a laptop measures its own queue

	leastLifetime = 30 * time.Second // several times what a call may take
)

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&o.tokens, "tokens", 300_000, "`number` of tokens in the table at the start")
	flags.DurationVar(&o.during, "for", 0, "end after this `duration`, such as 30s; 0 = at Ctrl-C")
	flags.IntVar(&o.rate, "rate", 300, "`operations` of the simulated API per second")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` of the janitor's status page and metrics; port 0 = a free one")
	flags.StringVar(&o.database, "api-only", "", "be the simulated API and nothing else, on the database at this `URL`, which has its schema")
	flags.DurationVar(&o.lifetime, "lifetime", lifetime, "how long a token lives, with --api-only, as a `duration`")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Println("A throwaway PostgreSQL, a simulated API and the real janitor beside it.\n\nusage: go run ./cmd/demo [flags]")
		flags.SetOutput(os.Stdout)
		flags.PrintDefaults()
		return o, err
	case err != nil:
		return o, fmt.Errorf("%s; --help lists the flags", strings.ReplaceAll(err.Error(), "\n", " "))
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; --help lists the flags", flags.Arg(0))
	case o.tokens < 0 || o.tokens > mostTokens:
		return o, fmt.Errorf("--tokens: %d is not between 0 and %s", o.tokens, thousands(mostTokens))
	case o.during < 0:
		return o, fmt.Errorf("--for: %s is below 0", o.during)
	case o.lifetime < leastLifetime || o.lifetime != lifetime && o.database == "":
		return o, fmt.Errorf("--lifetime: it goes with --api-only and is not below %s", leastLifetime)
	case o.rate < 1 || o.rate > mostRate:
		return o, fmt.Errorf("--rate: %d is not between 1 and %s", o.rate, thousands(mostRate))
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return o, fmt.Errorf("--listen: %q is not HOST:PORT", o.listen)
	}
	return o, nil
}
