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
// due. (In windows by expires_at that is the oldest; else the next look back finds an
// older one. A sweep looks when it has ended: before, most of what is due has yet to go.)
func (w *walk) leave(ctx context.Context, cause *int64, rows int64) {
	*cause += rows
	w.stay += rows
	if w.late == 0 && !w.sweeping {
		w.lookForOldest(ctx, leaveLook)
	}
}

// leaveLook is how many rows, at most, are read to tell how long one that stays has been due.
const leaveLook = 20_000

// lookForOldest notes how long the oldest due row from the floor on has been due. Without an answer
// it is unknown: no reason to end a run.
func (w *walk) lookForOldest(ctx context.Context, most int64) {
	if _, late, _, err := w.overdue(ctx, most); err == nil {
		w.late = max(w.late, late)
	}
}

// leftBehind is what a step may add to, beside the rows that go.
type leftBehind struct {
	left         Left
	stay, beside int64
	due          int64 // that went; in a dry run, that would
}

func (w *walk) leftBehind() leftBehind {
	b := leftBehind{left: w.result.Left, stay: w.stay, due: w.due.Total()}
	if w.beside != nil {
		b.beside = w.beside.stay
	}
	return b
}

// forget takes back what a step counted that begins again.
func (w *walk) forget(b leftBehind) {
	w.result.Left, w.stay = b.left, b.stay
	if w.DryRun {
		*w.due.of(w.reason) -= w.due.Total() - b.due
	}
	if w.beside != nil {
		w.beside.stay = b.beside
	}
}

// lookBack tells what is overdue now that the run ends. It returns true if nothing is.
func (r *run) lookBack(ctx context.Context, walks []*walk) bool {
	clear := true
	for _, w := range walks {
		if w.stay == 0 {
			w.late = 0 // who was left has gone since
		}
		overdue := Overdue{Known: true, Rows: w.stay, Oldest: w.late}
		if !w.done {
			rows, late, all, err := w.overdue(ctx, OverdueCap)
			overdue = Overdue{Known: err == nil, Rows: w.below + rows, Oldest: max(w.late, late), AtLeast: err == nil && !all}
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
