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
	r := newRun(conn, s)
	err := r.readClocks(ctx)
	if err == nil {
		err = r.passes(ctx)
	}
	return r.end(err)
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
	refused int    // batches in a row that waited for a lock in vain
	guarded bool   // a trigger or a rule may keep a row without a word
	heap    heap
	pass    *walk // the one under way

	sweeping                   bool  // it is, by the pass under way
	sweepAfter, dense, fewTied int64 // the constants, but in tests

	throttle throttle
}

// stopped is an end of a run that is no failure.
type stopped StopReason

func (s stopped) Error() string { return "stopped: " + string(s) }

func newRun(conn *pgx.Conn, s Settings) *run {
	r := &run{Settings: s, conn: conn, pace: newPace(s), sweepAfter: sweepAfter, dense: dense, fewTied: fewTied, open: statement("open"), began: time.Now()}
	r.result = Result{
		DryRun:  s.DryRun,
		Began:   r.began,
		Batches: map[Reason]int64{},
		Rested:  map[Cause]time.Duration{},
		Overdue: map[Reason]Overdue{},
		Floors:  map[Reason]string{},
		Due:     map[Reason]Range{},
	}
	return r
}

// passes does the two passes and looks back at what they leave.
func (r *run) passes(ctx context.Context) error {
	walks, err := r.plan(ctx)
	if err != nil {
		return err
	}
	for _, w := range walks {
		if r.DryRun {
			if r.result.Due[w.reason], err = w.dueRange(ctx); err != nil {
				break
			}
		}
		if err = w.all(ctx); err != nil {
			err = fmt.Errorf("%s pass: %w", w.reason, err)
			break
		}
	}
	for _, w := range walks {
		// Where the walk follows another column than its rule compares, rows become
		// due all along it, and no floor holds.
		if w.ordered && !r.DryRun {
			r.result.Floors[w.reason] = w.clean
		}
	}
	stop, wasStopped := errors.AsType[stopped](err)
	if stop == stopped(StopOther) {
		return err // it is for the janitor at work to tell what is overdue
	}
	r.lookAtSpace(ctx)
	if r.DryRun {
		return err
	}
	if r.lookBack(ctx, walks) && wasStopped {
		return nil // the budget ended with the work
	}
	return err
}

// end settles the result. An error that only says why the run stopped is none.
func (r *run) end(err error) (Result, error) {
	res := &r.result
	res.Duration = time.Since(r.began)
	res.Window = r.pace.rows
	if r.DryRun {
		res.Would = r.due
	} else {
		res.Deleted = r.due
	}
	stop, wasStopped := errors.AsType[stopped](err)
	switch {
	case err == nil && res.Left.Total() > 0:
		res.Outcome, res.StopReason = Partial, StopLeft
	case err == nil:
		res.Outcome, res.StopReason = Drained, StopDrained
	case stop == stopped(StopOther):
		res.Outcome, res.StopReason = Skipped, StopOther
	case wasStopped:
		res.Outcome, res.StopReason = Partial, StopReason(stop)
	case res.StopReason == "":
		res.Outcome, res.StopReason = Failed, StopError
		if r.conn.IsClosed() {
			res.StopReason = StopConnection
		}
		return *res, err
	default:
		res.Outcome = Failed
		return *res, err
	}
	return *res, nil
}

// plan decides along which index each of the two passes walks, and how far.
func (r *run) plan(ctx context.Context) ([]*walk, error) {
	expired := r.walk(Expired, "expires_at", earliest, r.expiredBefore)
	if err := expired.walksIndex(ctx, "expires_at"); err != nil {
		return nil, err
	}
	oid := pgx.NamedArgs{"oid": r.oid}
	err := r.look(ctx,
		query{statement("guard"), oid, into(&r.guarded)},
		r.heap.look(r.oid))
	if err != nil {
		return nil, fmt.Errorf("look for triggers, rules and partitions: %w", err)
	}
	if err := expired.skip(ctx, r.Floors[Expired]); err != nil {
		return nil, err
	}
	expired.maySweep()
	if expired.about, err = expired.estimate(ctx); err != nil {
		return nil, err
	}

	// Where an index leads with revoked_at, the pass costs what it deletes.
	revoked := r.walk(Revoked, "revoked_at", earliest, r.revokedBefore)
	err = revoked.walksIndex(ctx, "revoked_at")
	if _, unusable := errors.AsType[*planError](err); unusable {
		// Without, it looks at each live row once. A row that was revoked before the
		// cutoff was made before it, and expires within a token's life from then.
		until := forever
		if r.TokenLifetime > 0 {
			until = timestamp(r.result.Cutoffs.Revoked.Add(r.TokenLifetime))
		}
		revoked = r.walk(Revoked, "expires_at", r.expiredBefore, until)
		revoked.about, err = -1, nil
		revoked.maySweep()
		expired.beside = revoked
	}
	if err != nil {
		return nil, err
	}
	if revoked.ordered {
		if err = revoked.skip(ctx, r.Floors[Revoked]); err == nil {
			revoked.maySweep()
			revoked.about, err = revoked.estimate(ctx)
		}
	}
	return []*walk{expired, revoked}, err
}

func (r *run) walk(reason Reason, key, from, until string) *walk {
	return &walk{
		run: r, reason: reason, sql: statementsFor(r.Table, reason, key), key: key,
		ordered: (reason == Revoked) == (key == "revoked_at"),
		until:   until, floor: from, clean: from,
	}
}
