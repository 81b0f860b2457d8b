package janitor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// fewTied is how many rows of one timestamp are listed along the index. Of more, the blocks
// between which they lie are read, whatever lies there besides.
const fewTied = 10_000

// tie clears the rows of the timestamp at the floor when they fill a window by
// themselves. The index cannot tell them apart, and batches that walk their entries, each
// over the dead ones of all before it, would take quadratic time. So it is walked once, or
// if they are too many to list, left.
func (w *walk) tie(ctx context.Context) error {
	rows, first, end, err := w.span(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("find the rows of a tie: %w", err)
	case rows > w.fewTied:
		w.stretch = w.heap.stretch(w.sql.tie, first, end, w.pastTie)
		return nil
	case rows > 0:
		if err := w.clear(ctx, place{placed: w.sql.same, rows: int(w.fewTied), picked: true}); err != nil {
			return err
		}
	}
	w.stretch = w.heap.stretch(w.sql.tie, 0, 0, w.pastTie) // there is nothing left of it
	return nil
}

// pastTie raises the floor to the next timestamp.
func (w *walk) pastTie(ctx context.Context) error {
	var next *string
	if err := w.send(ctx, query{w.sql.next, w.args("until", w.until), into(&next)}); err != nil {
		return fmt.Errorf("find the timestamp behind a tie: %w", err)
	}
	if next == nil {
		w.end()
	} else {
		w.raise(*next)
	}
	return nil
}

// span is how many rows the timestamp at the floor has, counted to one more than are few, and
// the range of heap blocks [first, end) that holds them: the whole heap where there are
// several, whose block numbers overlap, or the index has them in another order. (One that was
// built before PostgreSQL 12 and carried over since does without a sign of it: then the range
// may be short, and the next run that begins at the start goes on.)
func (w *walk) span(ctx context.Context) (rows, first, end int64, err error) {
	var low, high *string
	var inOrder bool
	err = w.send(ctx, w.spanQuery(into(&rows, &low, &high, &inOrder)))
	if err != nil || low == nil || high == nil {
		return 0, 0, 0, err
	}
	if w.heap.leaves > 1 || !inOrder {
		return rows, 0, w.heap.longest, nil
	}
	if _, err := fmt.Sscanf(*low, "(%d,", &first); err != nil {
		return 0, 0, 0, fmt.Errorf("read place %q: %w", *low, err)
	}
	if _, err := fmt.Sscanf(*high, "(%d,", &end); err != nil {
		return 0, 0, 0, fmt.Errorf("read place %q: %w", *high, err)
	}
	return rows, first, end + 1, nil
}

func (w *walk) spanQuery(answer func(pgx.Rows) error) query {
	return query{w.sql.span, w.args("oid", w.oid, "key", w.key, "rows", w.fewTied+1), answer}
}
