package janitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Run does one run: it deletes from s.Table, over conn, what is due, in the order
// expired, revoked, in short batches, and says what it did. The Result is true also
// beside an error. When ctx ends, Run ends after the batch in flight, with
// StopCancelled and no error.
//
// The connection has to be in a mode without named prepared statements
// (pgx.QueryExecModeExec) to work through PgBouncer, and must not be in a transaction.
func Run(ctx context.Context, conn *pgx.Conn, s Settings) (Result, error) {
	r := &run{Settings: s, conn: conn, pace: newPace(s), began: time.Now()}
	r.result = Result{
		DryRun:  s.DryRun,
		Began:   r.began,
		Batches: map[Reason]int64{},
		Rested:  map[Cause]time.Duration{},
		Overdue: map[Reason]Overdue{},
	}
	err := r.passes(ctx)
	r.result.Duration = time.Since(r.began)
	r.result.Window = r.pace.rows
	if s.DryRun {
		r.result.Would = r.due
	} else {
		r.result.Deleted = r.due
	}
	return r.result, err
}

// run is one run in progress.
type run struct {
	Settings
	conn   *pgx.Conn
	pace   *pace
	began  time.Time
	result Result

	oid                          int64
	open                         string // open.sql
	expiredBefore, revokedBefore string // the cutoffs, as the statements take them

	due     Counts // deleted, or counted by a dry run
	rest    Rest   // what the last batch asked for
	rested  Rest   // what went before the batch in flight
	refused int    // batches in a row that waited for a lock in vain
}

// stopped is an end of a run that is no failure.
type stopped StopReason

func (s stopped) Error() string { return "stopped: " + string(s) }

// passes does the two passes and settles the outcome.
func (r *run) passes(ctx context.Context) error {
	walks, err := r.prepare(ctx)
	for _, w := range walks {
		if err = w.all(ctx); err != nil {
			err = fmt.Errorf("%s pass: %w", w.reason, err)
			break
		}
	}
	stop, wasStopped := errors.AsType[stopped](err)
	// Whoever another janitor sent away leaves it to that one to tell.
	if len(walks) > 0 && !r.DryRun && stop != stopped(StopOther) && r.lookBack(ctx, walks) && wasStopped {
		err = nil // the budget ended with the work
	}
	switch {
	case err == nil && r.result.Left.Total() > 0:
		r.result.Outcome, r.result.StopReason = Partial, StopLeft
	case err == nil:
		r.result.Outcome, r.result.StopReason = Drained, StopDrained
	case !wasStopped:
		if r.result.StopReason == "" {
			r.result.StopReason = StopError
		}
		r.result.Outcome = Failed
		return err
	case stop == stopped(StopOther):
		r.result.Outcome, r.result.StopReason = Skipped, StopOther
	default:
		r.result.Outcome, r.result.StopReason = Partial, StopReason(stop)
	}
	return nil
}

// prepare fixes the cutoffs and plans the two passes.
func (r *run) prepare(ctx context.Context) ([]*walk, error) {
	r.open = statement("open")
	if err := r.readClocks(ctx); err != nil {
		return nil, err
	}
	expired := r.walk(Expired, "expires_at", earliest, r.expiredBefore)
	about, err := expired.walksIndex(ctx, "expires_at")
	if err != nil {
		return nil, err
	}
	expired.about = about

	// Where an index leads with revoked_at, the pass costs what it deletes.
	revoked := r.walk(Revoked, "revoked_at", earliest, r.revokedBefore)
	about, err = revoked.walksIndex(ctx, "revoked_at")
	if _, unusable := errors.AsType[*planError](err); unusable {
		// Without, it looks at each live row once. A row that was revoked before the
		// cutoff was made before it, and expires within a token's life from then.
		until := forever
		if r.TokenLifetime > 0 {
			until = timestamp(r.result.Cutoffs.Revoked.Add(r.TokenLifetime))
		}
		revoked = r.walk(Revoked, "expires_at", r.expiredBefore, until)
		about, err = -1, nil
	}
	if err != nil {
		return nil, err
	}
	revoked.about = about
	return []*walk{expired, revoked}, nil
}

func (r *run) walk(reason Reason, key, from, until string) *walk {
	return &walk{run: r, reason: reason, sql: statementsFor(r.Table, reason, key), floor: from, until: until}
}
