package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// serveReport is how often the API alone says how it fares: a screen of it is some minutes.
const serveReport = 10 * time.Second

// serve is the API alone: it works on a database that others look after until ctx ends or
// for as long as asked. Its error is a call that failed.
func serve(ctx context.Context, opts options, out io.Writer) error {
	a := &api{url: opts.database, rate: opts.rate, mix: daily, life: func() time.Duration { return opts.lifetime }}
	if err := a.meet(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "the simulated API: %s users, %d calls a second, tokens that live %s\n", thousands(len(a.idle)), opts.rate, opts.lifetime)
	working, end := context.WithCancel(ctx)
	wrong := &trouble{end: end}
	var worker sync.WaitGroup
	defer worker.Wait()
	defer end()
	worker.Go(func() {
		a.serve(working, wrong)
		end()
	})
	var over <-chan time.Time
	if opts.during > 0 {
		over = time.After(opts.during)
	}
	for tick := time.NewTicker(serveReport); ; {
		select {
		case <-tick.C:
			took := a.forget()
			fmt.Fprintf(out, "%s calls, p50 %s, p99 %s\n", thousands(len(took)), millis(quantile(took, 0.5)), millis(quantile(took, 0.99)))
			continue
		case <-over:
			end()
		case <-working.Done():
		}
		worker.Wait()
		return wrong.first()
	}
}

// meet finds the users who log in, and makes some if there are none.
func (a *api) meet(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, a.url)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, "SELECT id FROM users LIMIT $1", users)
	if err != nil {
		return fmt.Errorf("find users: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid])
	if err != nil {
		return fmt.Errorf("find users: %w", err)
	}
	if len(ids) == 0 {
		a.idle, err = loadUsers(ctx, conn)
		return err
	}
	// One at a time is served; where there are few users, each is several people.
	for len(a.idle) < max(len(ids), 2*apiConnections) {
		a.idle = append(a.idle, &user{id: ids[len(a.idle)%len(ids)]})
	}
	return nil
}

// forget returns how long the calls took since it was last asked, shortest first.
func (a *api) forget() []time.Duration {
	took := a.took(0, a.calls())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latencies = a.latencies[len(took):]
	return took
}
