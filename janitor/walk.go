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
	key     string // the column whose index it follows
	ordered bool   // that is the one that its rule compares
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
	narrow      bool          // a window timed out that looked at more rows than may go at once
	leftIndex   bool          // it could not pass the dead entries
	from        string        // the floor that it began at
	first       leftBehind    // and what had been left behind by then
	stay, below int64         // due rows left behind; those of them below the floor
	clean       string        // the highest floor that nothing was left below
	late        time.Duration // how long the first of them has been due
}

// all walks to the end, or until an error says why not.
func (w *walk) all(ctx context.Context) error {
	w.pass = w
	w.from, w.first = w.floor, w.leftBehind()
	timeouts := 0
	for !w.done {
		before := w.leftBehind()
		err := w.step(ctx)
		if w.due.Total() > before.due && !w.DryRun {
			timeouts = 0 // it got on, even if not to the end
		}
		if code(err) == queryCanceled && timeouts < retries {
			timeouts++
			w.pace.shrink()
			w.narrow = true
			w.forget(before) // the step begins again
			if timeouts > 1 && w.deadAhead(ctx) {
				w.leaveIndex()
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
	switch {
	case w.stretch != nil:
		return w.onward(ctx)
	case w.floor == forever:
		return w.tie(ctx) // no window's edge lies above infinity
	}
	edge, err := w.window(ctx)
	switch {
	case err != nil:
		return err
	case edge == nil:
		w.end()
		return nil
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
	case code(err) != "":
		return false, false, nil // it takes too long, or the table is locked
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

// end is reached when no key is left below until: the walk is done, unless it includes the
// keys at infinity and these are still before it.
func (w *walk) end() {
	w.done = w.until != forever || w.floor == forever
	w.raise(w.until)
}

// window clears the window at the floor and returns its edge: nil when it reached the
// end of the walk, the floor itself when one timestamp fills it.
func (w *walk) window(ctx context.Context) (edge *string, err error) {
	rows, picked := w.pace.rows, false
	if !w.ordered && w.MaxRate > 0 && rows == w.pace.max && rows < firstRows && !w.narrow {
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
