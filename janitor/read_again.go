package janitor

import (
	"context"
	"slices"
)

const (
	// blockedRows is how many rows are remembered that another table referenced, at most.
	blockedRows = 100_000
	// blockedSample is how many of them are tried once more before the others are given up, if none of these goes: most
	// are referenced for good, and each takes half a millisecond.
	blockedSample = 300
)

// blocked is rows that another table referenced when they were tried.
type blocked struct {
	rows    places
	deleted int64 // by the run, before the batch in which the first of them was tried
}

// noteBlocked notes rows that could not go because of a reference, in a batch before which the run had deleted so many.
func (p *picker) noteBlocked(rows places, deleted int64) {
	b := &p.blocked
	if b.rows.len() == 0 {
		b.deleted = deleted
	}
	if b.rows.len() < blockedRows {
		b.rows.parts, b.rows.ctids = append(b.rows.parts, rows.parts...), append(b.rows.ctids, rows.ctids...)
	}
}

// again tries rows once more that another table referenced: what did may have gone since, as where the tokens of a family
// lead to one another by way of a table of sessions. The last come first, for a newer token leads to an older one.
type again struct {
	*scan
	rows        places
	size        int // how many of them the next step tries
	tried, gone int64
	then        reader // what the pass was at; nil = it was at its end
}

// tryAgain is the reader of the rows that were blocked, if others have gone since; nil = there are none. The rows of families
// go in an order of their own, in which one may be tried before it is listed.
func (s *scan) tryAgain(then reader) reader {
	b := &s.deleter.picker.blocked
	rows := b.rows
	if rows.len() == 0 || s.deleter.family != nil || s.batcher.totals.deleted.Total() == b.deleted {
		return nil
	}
	*b = blocked{}
	slices.Reverse(rows.parts)
	slices.Reverse(rows.ctids)
	return again{scan: s, rows: rows, size: subtransactions, then: then}
}

// cut returns the rows of the next step, and those after them.
func (a again) cut() (now, rest places) { return a.rows.cut(min(a.size, len(a.rows.ctids))) }

func (a again) step(ctx context.Context) (found, error) {
	now, _ := a.cut()
	done, err := a.deleter.picker.pick(ctx, now, false)
	f := found{event: triedAgain, reason: a.reason, deleted: done.deleted, tally: done.tally}
	if done.vanished > 0 {
		f.event = rowsVanished
	}
	// All of them have been counted as referenced before: those that still are do not count again, the others no more.
	others := done.tally.left.Total() - done.tally.left.Referenced
	f.tally.left.Referenced = -(done.deleted + done.vanished + others)
	return f, err
}

// goOn is the reader after a step: the same for the rows after these, or for those that were blocked again, as long as
// enough of them go; nil = there is nothing more to try.
func (a again) goOn(f found) reader {
	now, rest := a.cut()
	a.tried, a.gone = a.tried+now.len(), a.gone+f.deleted
	switch {
	case rest.len() > 0 && (a.gone > 0 || a.tried < blockedSample):
		a.rows, a.size = rest, min(4*a.size, pickRows)
		return a
	case a.gone > 0 && a.gone >= a.tried/20: // each time costs as much as this one
		return a.tryAgain(a.then)
	}
	b := &a.deleter.picker.blocked // for the end of the run, when another pass has deleted rows
	b.rows = places{append(rest.parts, b.rows.parts...), append(rest.ctids, b.rows.ctids...)}
	b.deleted = a.batcher.totals.deleted.Total()
	return nil
}
