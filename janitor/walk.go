package janitor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	forever  = "infinity"  // the largest timestamptz there is
	earliest = "-infinity" // and the smallest
)

// walk is one pass of a run: windows over the index on one column, from a floor that
// only ever rises. Timestamps are PostgreSQL's own text from end to end, for Go's
// time knows neither infinity nor all the years.
type walk struct {
	*run
	reason  Reason
	sql     statements
	ordered bool   // it follows the column that its rule compares
	until   string // the walk ends before this key; forever includes the keys at infinity

	floor   string   // everything below has been dealt with
	stretch *stretch // of the heap, where the walk is off the index
	beside  *walk    // a sweep does this one as well; nil: none
	done    bool

	sweepable bool  // it may leave the index for a sweep
	cut       int64 // rows that its windows were cut for so far
	about     int64 // rows due when the run began, by the planner's estimate or a sample; -1 = unknown

	waits       bool          // locked rows cannot be passed over here, see pick
	halves      bool          // rows cannot be isolated in subtransactions here
	wary        bool          // the last window had rows that failed it
	stay, below int64         // due rows left behind; those of them below the floor
	clean       string        // the highest floor that nothing was left below
	late        time.Duration // how long the first of them has been due
}

// all walks to the end, or until an error says why not.
func (w *walk) all(ctx context.Context) error {
	w.pass = w
	timeouts := 0
	for !w.done {
		before := w.leftBehind()
		err := w.step(ctx)
		if code(err) == queryCanceled && timeouts < retries {
			timeouts++
			w.pace.shrink()
			w.forget(before) // the step begins again
			if timeouts > 1 && w.leaveIndex() {
				timeouts = 0
			}
			continue
		}
		if err != nil {
			return err
		}
		timeouts = 0
	}
	return nil
}

// step deals with the window at the floor and raises the floor to its edge, or with the
// next blocks of a stretch.
func (w *walk) step(ctx context.Context) error {
	if w.stretch == nil && w.sweepable && w.cut >= w.sweepAfter {
		if err := w.sweep(ctx); err != nil {
			return err
		}
	}
	if w.stretch != nil {
		return w.onward(ctx)
	}
	edge, err := w.window(ctx)
	switch {
	case err != nil:
		return err
	case edge == nil:
		return w.end(ctx)
	case *edge == w.floor:
		return w.tie(ctx)
	}
	w.raise(*edge)
	return nil
}

// lookBelow is how long a run looks where nothing should be left: enough for tens of
// thousands of dead entries, and little for a run that finds nothing else to do.
const lookBelow = 5 * time.Millisecond

// seenBelow is how many dead entries, at most, can be passed in that time.
const seenBelow = 100_000

// skip begins the walk at the floor of an earlier run, unless a row lies below it by now.
func (w *walk) skip(ctx context.Context, floor string) error {
	if floor == "" {
		return nil
	}
	empty, known, err := w.empty(ctx, floor)
	if err == nil && (empty || !known) {
		w.raise(floor)
	}
	return err
}

// empty says whether no row lies below a key; unknown if that takes too long.
func (w *walk) empty(ctx context.Context, below string) (empty, known bool, err error) {
	var first *string
	var set string
	err = w.exchangeWithin(ctx, lookBelow, query{w.sql.edge, w.args("until", below, "rows", 0), into(&first, &set)})
	switch {
	case code(err) == queryCanceled:
		return false, false, nil
	case err != nil:
		return false, false, fmt.Errorf("look below %s: %w", below, err)
	}
	return first == nil, true, nil
}

// raise raises the floor: what is below it now and still there stays.
func (w *walk) raise(floor string) {
	w.floor, w.below = floor, w.stay
	if w.stay == 0 {
		w.clean = floor
	}
}

// end is reached when no key is left below until.
func (w *walk) end(ctx context.Context) error {
	if w.until == forever && w.floor != forever {
		w.raise(forever)
		return w.tie(ctx) // no window's edge lies above infinity
	}
	w.raise(w.until)
	w.done = true
	return nil
}

// window clears the window at the floor and returns its edge: nil when it reached the
// end of the walk, the floor itself when one timestamp fills it.
func (w *walk) window(ctx context.Context) (edge *string, err error) {
	rows, picked := w.pace.rows, false
	if !w.ordered && rows < firstRows && rows == w.pace.max {
		// What is due is rare among what this walk looks at: a low rate need not slow the look.
		rows, picked = firstRows, true
	}
	var set string
	err = w.clear(ctx, place{
		placed: w.sql.window,
		find:   []query{{w.sql.edge, w.args("until", w.until, "rows", rows), into(&edge, &set)}},
		rows:   rows,
		picked: picked,
	})
	if err == nil {
		w.cut += int64(rows)
	}
	return edge, err
}

// args are the values of a statement: those that every statement may use, and more
// as name, value, name, value.
func (w *walk) args(more ...any) pgx.NamedArgs {
	args := pgx.NamedArgs{
		"floor":          w.floor,
		"expired_before": w.expiredBefore,
		"revoked_before": w.revokedBefore,
	}
	for ; len(more) > 1; more = more[2:] {
		args[more[0].(string)] = more[1]
	}
	return args
}
