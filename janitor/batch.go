package janitor

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// retries is how often a batch is sent again that lost a deadlock or a serialization
// race, and how often a window is cut smaller because the server timed it out.
const retries = 5

// refusals in a row mean that the table itself is locked (by VACUUM FULL, CREATE INDEX,
// ALTER TABLE), not some of its rows: five seconds of waiting at the default
// --lock-timeout, in waits each too short to hold up whoever queues behind us.
const refusals = 50

// batch exchanges queries that clear a place, and counts what they did: *rows is the
// number of rows that went, most of the place at most, once the answer is there.
func (w *walk) batch(ctx context.Context, most int64, rows *int64, queries ...query) error {
	cutFor := w.pace.rows
	if w.DryRun {
		most = 0
	}
	took, err := w.attempt(ctx, most, rows, queries)
	if err != nil {
		return err
	}
	w.pace.resize(took, *rows)
	*w.due.of(w.reason) += *rows
	w.result.Batches[w.reason]++
	w.result.LongestBatch = max(w.result.LongestBatch, took)
	if w.OnBatch != nil {
		w.OnBatch(Batch{Reason: w.reason, Pass: w.pass.reason, Rows: *rows, Window: cutFor, Took: took, Done: w.due, About: w.pass.about})
	}
	return nil
}

// send exchanges queries that only look, and waits for a table that is locked.
func (w *walk) send(ctx context.Context, queries ...query) error {
	for {
		if _, err := w.attempt(ctx, 0, new(int64), queries); code(err) != lockNotAvailable {
			return err
		}
	}
}

// attempt exchanges queries when the pace allows it, and again where the server took
// another transaction's side.
func (w *walk) attempt(ctx context.Context, most int64, rows *int64, queries []query) (took time.Duration, err error) {
	for try := 1; ; try++ {
		if err := w.ready(ctx); err != nil {
			return 0, err
		}
		began := time.Since(w.began)
		err = w.exchange(ctx, queries...)
		took = time.Since(w.began) - began
		if err != nil {
			*rows = 0 // what was read before the error is not committed
			if w.inDoubt(err) {
				w.result.Uncertain = most // or it is
			}
		}
		w.rest = w.pace.after(began, took, *rows)
		switch code(err) {
		case deadlockDetected, serializationFailure:
			if try <= retries {
				w.rest.For += rand.N(w.LockTimeout) // #nosec G404 -- jitter, lest both meet again
				continue
			}
		case lockNotAvailable:
			if w.refused++; w.refused >= refusals {
				return took, stopped(StopTableLocked)
			}
			return took, err
		}
		w.refused = 0
		return took, err
	}
}

// ready rests as long as the last batch asked for and a throttle asks, then says
// whether another batch may begin.
func (r *run) ready(ctx context.Context) error {
	r.pace.rested(r.pause(ctx, r.rest))
	r.rest = Rest{}
	for {
		switch {
		case ctx.Err() != nil:
			return stopped(StopCancelled)
		case r.MaxRunTime > 0 && time.Since(r.began) >= r.MaxRunTime:
			return stopped(StopMaxRunTime)
		case r.budget() <= 0:
			return stopped(StopMaxRows)
		}
		cause, err := r.throttled(ctx)
		if err != nil || cause == "" {
			return err
		}
		r.pause(ctx, Rest{Cause: cause, For: throttlePause})
	}
}

// pause rests, unless the run has to end before, and returns for how long it did.
func (r *run) pause(ctx context.Context, rest Rest) time.Duration {
	if r.MaxRunTime > 0 {
		rest.For = min(rest.For, r.MaxRunTime-time.Since(r.began))
	}
	if rest.For <= 0 {
		return 0
	}
	began := time.Now()
	timer := time.NewTimer(rest.For)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	rest.For = time.Since(began)
	r.result.Rested[rest.Cause] += rest.For
	if r.OnRest != nil {
		r.OnRest(rest)
	}
	return rest.For
}

// budget is how many rows the run may still delete.
func (r *run) budget() int64 {
	if r.MaxRows == 0 {
		return math.MaxInt64
	}
	return r.MaxRows - r.due.Total()
}
