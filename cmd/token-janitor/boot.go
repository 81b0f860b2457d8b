package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/migrations"
)

const (
	firstRetry = 250 * time.Millisecond // what a database takes to begin to listen
	lastRetry  = 30 * time.Second       // beyond it waiting longer spares nobody anything
	repeatLog  = 5 * time.Minute        // a wait that goes on is mentioned again

	// lookFor ends a look at the schema on a connection that went silent. It is longer
	// than migrations itself waits for others to finish (30s).
	lookFor = time.Minute
)

// boot waits until the database is there and the schema as it has to be, upgrading it
// in that mode, and returns what it found. It tries again, at ever longer intervals,
// while again says that an error may pass, and tells each error once until it changes. The
// connection that found the schema in order serves for what is to be done then, if anything.
func (s *service) boot(ctx context.Context, mode migrations.Mode, again func(error) bool, then func(*pgx.Conn, migrations.State)) (state migrations.State, err error) {
	logged, loggedAt := "", time.Time{}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		tried := s.connected(ctx, func(conn *pgx.Conn) (amiss error) {
			if state, amiss = s.ensure(ctx, conn, mode); amiss == nil && then != nil {
				err = nil // whatever goes wrong from here on, it was not the wait
				then(conn, state)
			}
			return amiss
		})
		if tried == nil {
			return state, nil
		}
		// A connection that ends with the wait's own deadline may say so before ctx does.
		end, limited := ctx.Deadline()
		over := ctx.Err() != nil || limited && !time.Now().Before(end)
		if err == nil || !over { // else what the wait was for says more than that it is over
			err = tried
		}
		s.history.Waiting(err)
		if over || !again(err) {
			return state, err
		}
		if err.Error() != logged || time.Since(loggedAt) > repeatLog {
			logged, loggedAt = err.Error(), time.Now()
			if s.summarized {
				fmt.Fprintf(os.Stderr, "Waiting up to %s (--connect-timeout): %s\n", text.ShortDuration(s.ConnectTimeout), whyFailed(err))
				s.told.waitedFor = logged
			} else {
				s.log.Warn("waiting for the database and its schema", "error", err)
			}
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)): // #nosec G404 -- jitter, lest a fleet knocks at once
		case <-ctx.Done():
			return state, err
		}
	}
}

// bootOnce is boot for a command that somebody waits for: at most --connect-timeout,
// and only for what passes by itself: nobody but a person who types migrate upgrade gives a
// database its first revision. Nor does a dry run, which a person reads, wait for a migration.
func (s *service) bootOnce(ctx context.Context, mode migrations.Mode, then func(*pgx.Conn, migrations.State)) (migrations.State, error) {
	ctx, stop := context.WithTimeout(ctx, s.ConnectTimeout)
	defer stop()
	return s.boot(ctx, mode, func(err error) bool {
		var notReady *migrations.NotReadyError
		return errors.As(err, &notReady) && !errors.Is(err, migrations.ErrNoRevision) && !s.DryRun || unreachable(err)
	}, then)
}

// mode is what boot may do to the schema: a dry run changes nothing.
func (s *service) mode() migrations.Mode {
	if s.DryRun {
		return migrations.Check
	}
	return migrations.Mode(s.Migrate)
}
