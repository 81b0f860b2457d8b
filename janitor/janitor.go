// Package janitor deletes expired and old revoked refresh tokens from a table in PostgreSQL.
//
// A run is two passes, one for each rule: expired, then revoked. A [pass] reads the table through
// a [reader]. A step of a reader clears one region of the table and returns what it found; the pass
// alone keeps the books and decides which reader comes next:
//
//	reader        what the step found                    next
//	windows       window cleared                         windows, from its edge
//	windows       the rows are dense (sampled once)      sweep
//	windows       one key fills the window               tie
//	windows       no key before the end                  end; a tie, if keys at infinity remain
//	tie           few rows of one key                    afterTie
//	tie           many rows of one key                   blocks, then afterTie
//	afterTie      next key                               windows
//	afterTie      no key before the end                  end; a tie, if keys at infinity remain
//	blocks        blocks cleared                         blocks; after the last, the reader that asked for them, or what follows it
//	sweep         blocks cleared                         sweep; after the last, countByBlock, or the end if nobody else wrote
//	sweep         rows of the other rule met             the same blocks for that rule, then as before
//	again         rows tried again                       again; after the last, or where none goes, what comes after the reader that asked for it
//	countByIndex  due rows counted                       end; restart with windows, if any was missed
//	countByBlock  blocks counted                         countByBlock
//	countByBlock  due rows counted                       end; restart with windows, if any was missed
//	countByBlock  the table was rewritten                restart with windows; also from sweep and blocks, if a partition is gone
//	tie           listed rows vanished                   the same step again, as for any reader
//	windows       timed out over dead entries            restart with a sweep, also from tie and afterTie
//
// Rows that another table referenced are tried again at the end of a pass, or of a sweep, if others have gone since.
// A DELETE that times out is not repeated: its rows are listed and picked. Any other step that times
// out is taken again, over fewer rows if it has a size; a count that does so twice ends the pass. A
// pass that read the heap, whose listed rows vanished, or behind whose cursor rows turn up, may have
// missed rows that moved meanwhile, or were rewritten: there, countByIndex or countByBlock comes before
// the end. What it cannot verify in time, the Result calls unverified, unless another stop reason comes
// first.
//
// A region is cleared in one of two ways (delete.go). Usually one DELETE takes it whole, in one
// batch. Where a row is locked or fails the statement, or the region may hold too many rows, its
// due rows are listed by ctid, and the picker (pick.go) deletes those that can go.
//
// Calls go down, values come up: pass, reader, deleter, picker, batcher, session. A batch is one
// transaction in one round trip (session.go), fenced by an advisory lock, and undone if what acts on
// a DELETE has changed since the table was checked (effects.go); between batches the batcher rests, keeps to
// the budget and asks the throttle (batcher.go). Every statement is a file in sql/.
package janitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Run does one run: it deletes what is due from s.Table, over conn, expired tokens first, then
// revoked ones, in short batches, and returns what it did. The Result is true also beside an error.
// When ctx ends, Run ends after the batch in flight and a look at what is left, with StopCancelled and
// no error.
//
// The connection has to be in a mode without named prepared statements (pgx.QueryExecModeExec) to
// work through PgBouncer, and must not be in a transaction.
//
// The error is a *[ClockSkewError] if the clocks differ too much, and otherwise wraps the server's
// or the connection's.
func Run(ctx context.Context, conn *pgx.Conn, s Settings) (Result, error) {
	r := newRun(conn, s)
	defer r.session.leave(conn)
	err := r.readClocks(ctx)
	if err == nil {
		err = r.run(ctx)
	}
	return r.settle(err)
}

// run is one run in progress.
type run struct {
	Settings
	session *session
	batcher *batcher
	clocks  clocks
	columns columns
	heap    heap
	family  *family
	passes  []*pass

	seen    seen
	cadence cadence
	tuning  tuning
}

func newRun(conn *pgx.Conn, s Settings) *run {
	session := &session{
		conn:             conn,
		lockTimeout:      s.LockTimeout,
		statementTimeout: s.StatementTimeout,
		dryRun:           s.DryRun,
		begin:            statement("begin"),
	}
	return &run{
		Settings: s,
		session:  session,
		batcher:  newBatcher(s, session),
		columns:  s.Columns.of(),
		seen:     seen{ranges: map[Reason]Range{}, overdue: map[Reason]Overdue{}},
		tuning:   tuning{sweepAfter: sweepAfter, dense: dense, fewTied: fewTied, smallTable: smallTable, scannedBlocks: scannedBlocks, lookAhead: scanRows, checkEvery: checkEvery},
	}
}

// run does the two passes and reports what they leave.
func (r *run) run(ctx context.Context) error {
	if err := r.plan(ctx); err != nil {
		return err
	}
	var err error
	for _, p := range r.passes {
		if r.DryRun {
			if r.seen.ranges[p.reason], err = p.dueRange(ctx, p.cursor.at); err != nil {
				break
			}
		}
		if err = p.run(ctx); err != nil {
			err = fmt.Errorf("%s pass: %w", p.reason, err)
			break
		}
	}
	for _, p := range r.passes {
		if err != nil || p.reader != nil {
			break
		}
		if p.reader = p.tryAgain(nil); p.reader != nil { // what kept these was due by the other rule
			if err = p.run(ctx); err != nil {
				err = fmt.Errorf("%s pass: %w", p.reason, err)
			}
		}
	}
	if err == nil {
		err = r.everyRowFailed()
	}
	stop, wasStopped := errors.AsType[stopped](err)
	if stop == stopped(StopOther) {
		return err // it is for the janitor at work to report what is overdue
	}
	r.seen.space = r.session.space(ctx)
	if r.DryRun && !wasStopped {
		return err
	}
	nothingLeft := true
	if r.columns.revoked == "" {
		r.seen.overdue[Revoked] = Overdue{Known: true}
	}
	for _, p := range r.passes {
		left, none := p.overdue(ctx)
		r.seen.overdue[p.reason] = left
		nothingLeft = nothingLeft && none
	}
	if r.DryRun {
		clear(r.seen.overdue) // it has looked only for whether it has counted all
	}
	if nothingLeft && wasStopped {
		return nil // the budget ended with the work
	}
	return err
}

// settle makes the Result. An error that only says why the run stopped is none.
func (r *run) settle(err error) (Result, error) {
	totals := r.batcher.totals
	res := Result{
		DryRun:          r.DryRun,
		Deleted:         totals.deleted,
		Would:           r.batcher.counted,
		Due:             r.seen.ranges,
		Uncertain:       totals.uncertain,
		BatchesTimedOut: totals.timedOut,
		Batches:         totals.batches,
		LongestBatch:    totals.longest,
		Window:          r.batcher.pace.rows,
		Began:           r.batcher.began,
		Duration:        time.Since(r.batcher.began),
		Rested:          totals.rested,
		Cutoffs:         r.clocks.cutoffs,
		ClockSkew:       r.clocks.skew,
		Overdue:         r.seen.overdue,
		Space:           r.seen.space,
		Floors:          map[Reason]string{},

		RevokedDone:    r.RevokedDone,
		RevokedLeftOut: r.cadence.leftOut,
	}
	var all tally
	doubt := false
	for _, p := range r.passes {
		if p.reason == Revoked && p.complete() && !r.DryRun {
			res.RevokedDone = r.batcher.began
		}
		all.add(p.tally)
		doubt = doubt || p.missed.why != ""
		if floor := p.floor(); floor != "" && !r.DryRun {
			res.Floors[p.reason] = floor
		}
	}
	res.RevokedDue = r.revokedDue(res.RevokedDone)
	res.Left, res.Refusal = all.left, all.refusal
	stop, wasStopped := errors.AsType[stopped](err)
	_, skewed := errors.AsType[*ClockSkewError](err)
	switch {
	case err == nil && res.Left.Total() > 0:
		res.Outcome, res.StopReason = Partial, StopLeft
	case err == nil && doubt && !r.DryRun:
		res.Outcome, res.StopReason = Partial, StopUnverified
	case err == nil:
		res.Outcome, res.StopReason = Drained, StopDrained
	case stop == stopped(StopOther) && res.Deleted.Total() == 0:
		res.Outcome, res.StopReason = Skipped, StopOther
	case wasStopped:
		res.Outcome, res.StopReason = Partial, StopReason(stop)
	case skewed:
		res.Outcome, res.StopReason = Failed, StopClockSkew
		return res, err
	case r.session.conn.IsClosed():
		res.Outcome, res.StopReason = Failed, StopConnection
		res.Window = max(1, res.Window/4) // a limit of the server or a pooler may have ended the session: no run repeats itself
		return res, err
	default:
		res.Outcome, res.StopReason = Failed, StopError
		return res, err
	}
	return res, nil
}
