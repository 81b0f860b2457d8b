package janitor

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// retries is how often a batch is sent again that lost a deadlock or a serialization race, and
// how often a region is tried again that the server timed out.
const retries = 5

// fewLockTimeouts and manyLockTimeouts in a row are a reason to ask whether the table itself is locked (by VACUUM
// FULL, CREATE INDEX, ALTER TABLE), not some of its rows; between them, as many as take lockedFor: at the default
// --lock-timeout, waits each too short to hold up whoever queues behind us.
const (
	fewLockTimeouts  = 3
	manyLockTimeouts = 50
	lockedFor        = 5 * time.Second
)

// lockTimeoutsInARow is how many of them are enough.
func (b *batcher) lockTimeoutsInARow() int {
	return max(fewLockTimeouts, min(manyLockTimeouts, int(lockedFor/max(b.LockTimeout, time.Millisecond))))
}

// batcher runs batches one after another: it rests between them, keeps to the budget, retries
// what lost a race, and adds up what they did.
type batcher struct {
	Settings
	session  *session
	pace     *pace
	throttle *throttle
	began    time.Time

	wakeAfter    time.Duration // the longest rest without a word to the server
	rest         Rest          // what the last batch asked for
	lastTook     time.Duration // the last batch
	lockTimeouts int           // batches in a row that timed out waiting for a lock
	counted      Counts        // due rows that the passes of a dry run have counted
	totals       totals
	underWay     underWay
}

// totals is what the batches of a run did.
type totals struct {
	deleted   Counts
	uncertain int64 // see Result.Uncertain
	batches   map[Reason]int64
	longest   time.Duration
	shortest  time.Duration // 0 = there was none
	timedOut  int64         // batches that the server, or a pooler, ended for their length
	rested    map[Cause]time.Duration

	reconnected int // times that a pooler ended the connection, and the run went on
}

// underWay is the pass whose batches these are, as OnBatch hears of it.
type underWay struct {
	pass     Reason
	estimate int64 // rows due when it began, -1 = unknown
}

func newBatcher(s Settings, session *session) *batcher {
	return &batcher{
		Settings:  s,
		session:   session,
		pace:      newPace(s),
		throttle:  &throttle{},
		began:     time.Now(),
		wakeAfter: wakeAfter,
		totals:    totals{batches: map[Reason]int64{}, rested: map[Cause]time.Duration{}},
	}
}

// stopped is an end of a run that is no failure.
type stopped StopReason

func (s stopped) Error() string { return "stopped: " + string(s) }

// batch is one transaction that deletes rows, or counts them in a dry run.
type batch struct {
	reason  Reason        // the rule of its rows
	most    int64         // it deletes no more rows than this
	rows    *int64        // how many it deleted, or counted in a dry run, once the answer is there
	within  time.Duration // its statement_timeout; 0 = Settings.StatementTimeout
	parts   []heapPart    // that it reaches directly; none = it goes through the table
	queries []query
}

// run does a batch.
func (b *batcher) run(ctx context.Context, w batch) error {
	window := b.pace.rows
	if b.DryRun {
		w.most = 0
	}
	took, err := b.attempt(ctx, w)
	if err != nil {
		return err
	}
	b.pace.resize(took-b.overhead(took), *w.rows)
	b.record(Batch{Reason: w.reason, Rows: *w.rows, Window: window, Took: took})
	return nil
}

// overhead is what of a batch's time no number of rows changes: the way there and back and, where it weighs,
// the planning, which for 400 partitions takes as long as a batch may. No row is locked meanwhile.
func (b *batcher) overhead(took time.Duration) time.Duration {
	over := b.session.trip
	if b.planningWeighs() {
		over += b.session.planning
	}
	return min(over, min(took, cmp.Or(b.totals.shortest, took))*9/10)
}

// planningWeighs reports whether the planning takes much of a batch's time. Where it is little, the first plans, which read
// the catalogue, say too much.
func (b *batcher) planningWeighs() bool { return b.session.planning > b.BatchGoal/4 }

// record adds a batch to what the run did.
func (b *batcher) record(batch Batch) {
	b.totals.batches[batch.Reason]++
	b.totals.longest = max(b.totals.longest, batch.Took)
	b.totals.shortest = min(cmp.Or(b.totals.shortest, batch.Took), batch.Took)
	batch.Done = b.done()
	*batch.Done.of(batch.Reason) += batch.Rows
	if !b.DryRun {
		b.totals.deleted = batch.Done
	}
	if b.OnBatch != nil {
		batch.Pass, batch.About = b.underWay.pass, b.underWay.estimate
		b.OnBatch(batch)
	}
}

// send exchanges queries that only read, and waits for a table that is locked.
func (b *batcher) send(ctx context.Context, queries ...query) error {
	return b.sendTo(ctx, nil, queries...)
}

// sendTo is send of queries that reach parts of the table directly.
func (b *batcher) sendTo(ctx context.Context, parts []heapPart, queries ...query) error {
	for {
		if _, err := b.attempt(ctx, batch{rows: new(int64), parts: parts, queries: queries}); sqlState(err) != lockNotAvailable {
			return err
		}
	}
}

// attempt exchanges queries when the pace allows it, and retries after a deadlock or a
// serialization failure.
func (b *batcher) attempt(ctx context.Context, w batch) (took time.Duration, err error) {
	queries := append(b.attached(w.parts...), w.queries...)
	if w.most > 0 && b.session.effects.wait {
		queries = append(queries, query{statement("fire_deferred"), nil, ignored})
	}
	queries = append(queries, b.session.effects.unchanged(w.parts))
	for try := 1; ; try++ {
		if err := b.ready(ctx); err != nil {
			return 0, err
		}
		began := time.Since(b.began)
		err = b.session.exchangeWithin(ctx, cmp.Or(w.within, b.StatementTimeout), queries...)
		took = time.Since(b.began) - began
		b.lastTook = took
		if err != nil {
			*w.rows = 0 // what was read before the error is not committed
			if b.session.inDoubt(err) {
				b.totals.uncertain += w.most // unless its commit went through
			}
			if b.outlasted(ctx, err, took) {
				err = errOutlasted()
			}
		}
		b.session.alone.note(*w.rows, err)
		b.rest = b.pace.after(began, took, *w.rows)
		switch sqlState(err) {
		case deadlockDetected, serializationFailure:
			if try <= retries {
				b.rest.For += rand.N(b.LockTimeout) // #nosec G404 -- jitter, lest both meet again
				continue
			}
		case lockNotAvailable:
			if b.lockTimeouts++; b.lockTimeouts >= b.lockTimeoutsInARow() {
				// What only reads waits for no row: the table is locked on a worker, of which the coordinator does not know.
				onWorker := b.session.cluster != nil && w.reason == ""
				if locked, err := b.tableLocked(ctx); locked || err != nil || onWorker {
					return took, stopped(StopTableLocked)
				}
				b.lockTimeouts = 0 // only rows of it are locked
			}
			return took, err
		case queryCanceled:
			b.totals.timedOut++
		}
		b.lockTimeouts = 0
		return took, err
	}
}

// tableLocked reports whether another session keeps the table locked, not some of its rows.
func (b *batcher) tableLocked(ctx context.Context) (locked bool, err error) {
	if c := b.session.cluster; c != nil && c.replicated {
		return true, nil
	}
	err = b.session.exchange(ctx, query{statement("table_locked"), pgx.NamedArgs{"oid": b.session.oid}, into(&locked)})
	return locked, err
}

// awaitTable waits while DDL keeps the table locked. It reports whether it had to, and returns
// stopped(StopTableLocked) if the table is locked for as long as lockTimeoutsInARow() batches would
// have waited.
func (b *batcher) awaitTable(ctx context.Context) (waited bool, err error) {
	for range b.lockTimeoutsInARow() {
		locked, err := b.tableLocked(ctx)
		if err != nil || !locked {
			return waited, err
		}
		waited = true
		b.pause(ctx, Rest{Cause: ForLoad, For: b.LockTimeout})
		if ctx.Err() != nil {
			return true, stopped(StopCancelled)
		}
	}
	return true, stopped(StopTableLocked)
}

// ready rests as long as the last batch and the throttle ask, then reports whether another batch
// may begin.
func (b *batcher) ready(ctx context.Context) error {
	b.pace.rested(b.pause(ctx, b.rest))
	b.rest = Rest{}
	for {
		switch {
		case ctx.Err() != nil:
			return stopped(StopCancelled)
		case b.MaxRunTime > 0 && time.Since(b.began) >= b.MaxRunTime:
			return stopped(StopMaxRunTime)
		case b.budget() <= 0:
			return stopped(StopMaxRows)
		}
		if b.DryRun {
			return nil
		}
		cause, err := b.throttle.check(ctx, b.session, b.Settings)
		if err != nil || cause == "" {
			return err
		}
		b.pause(ctx, Rest{Cause: cause, For: throttlePause})
	}
}

// wakeAfter is for how long a connection rests: firewalls and poolers end one that is silent for
// minutes.
const wakeAfter = 30 * time.Second

// pause rests, but no longer than the run may take, and returns for how long it did.
func (b *batcher) pause(ctx context.Context, rest Rest) time.Duration {
	if b.MaxRunTime > 0 {
		rest.For = min(rest.For, b.MaxRunTime-time.Since(b.began))
	}
	if rest.For <= 0 {
		return 0
	}
	began := time.Now()
	for left := rest.For; left > 0 && ctx.Err() == nil; left = rest.For - time.Since(began) {
		timer := time.NewTimer(min(left, b.wakeAfter))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if left > b.wakeAfter {
			// An error shows in the batch that comes next.
			_ = b.session.exchange(ctx)
		}
	}
	rest.For = time.Since(began)
	b.totals.rested[rest.Cause] += rest.For
	if b.OnRest != nil {
		b.OnRest(rest)
	}
	return rest.For
}

// done is what the run has deleted so far, or counted in a dry run.
func (b *batcher) done() Counts {
	return Counts{
		Expired: b.totals.deleted.Expired + b.counted.Expired,
		Revoked: b.totals.deleted.Revoked + b.counted.Revoked,
	}
}

// budget is how many more rows the run may delete, or count in a dry run.
func (b *batcher) budget() int64 {
	if b.MaxRows == 0 {
		return math.MaxInt64
	}
	return b.MaxRows - b.done().Total()
}

// largest is how many rows a batch aims at just now.
func (b *batcher) largest() int { return b.pace.rows }
