package janitor

import (
	"context"
	"fmt"
	"math"
	"time"
)

// OverdueCap bounds how many rows a run looks at to tell how many are overdue.
const OverdueCap = 100_000

// leave counts due rows that stay, and finds out how long the first of them has been
// due. (In a walk by expires_at that is the oldest; else the next look back finds an
// older one.)
func (w *walk) leave(ctx context.Context, cause *int64, rows int64) error {
	*cause += rows
	w.stay += rows
	if w.late > 0 {
		return nil
	}
	_, late, _, err := w.overdue(ctx, int64(w.BatchMaxRows))
	w.late = late
	return err
}

// lookBack tells what is overdue now that the run ends. It returns true if nothing is.
func (r *run) lookBack(ctx context.Context, walks []*walk) bool {
	clear := true
	for _, w := range walks {
		overdue := Overdue{Known: true, Rows: w.stay, Oldest: w.late}
		if !w.done {
			rows, late, all, err := w.overdue(ctx, OverdueCap)
			overdue = Overdue{Known: err == nil, Rows: w.below + rows, Oldest: max(w.late, late)}
			clear = clear && all && err == nil
		}
		r.result.Overdue[w.reason] = overdue
		clear = clear && overdue.Rows == 0
	}
	return clear
}

// overdue counts the overdue rows from the floor on, looking at no more than most rows.
func (w *walk) overdue(ctx context.Context, most int64) (rows int64, late time.Duration, all bool, err error) {
	var seconds float64
	var seen int64
	err = w.exchange(ctx, query{w.sql.overdue, w.args("until", w.until, "rows", most), into(&rows, &seconds, &seen)})
	if err != nil {
		return 0, 0, false, fmt.Errorf("count what is overdue: %w", err)
	}
	late = math.MaxInt64
	if seconds < late.Seconds() {
		late = time.Duration(seconds * float64(time.Second))
	}
	return rows, late, seen < most, nil
}
