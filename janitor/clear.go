package janitor

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// place is a part of the table that one batch clears: a window, or blocks.
type place struct {
	placed
	find       []query // what the same batch asks before, to know where the place ends
	after      []query // and after, where it is cleared whole
	first, end string  // places in the heap, of a tie or a sweep; "" in a window
	rows       int     // it holds no more
	picked     bool    // it may hold more than go at once
}

// pickRows is how many listed rows are picked in one batch, at most: each costs some three
// times of what a row of a window costs.
const pickRows = 10_000

// clear deletes what is due in a place (a dry run counts it), in one batch. Where
// that cannot be, because somebody holds or references a row, something keeps it, they are
// too many or the budget may end within the place, it lists the rows and picks them.
func (w *walk) clear(ctx context.Context, p place) error {
	args := w.args("first", p.first, "end", p.end, "rows", p.rows)
	if w.budget() >= int64(p.rows) && (w.DryRun || !p.picked && !w.guarded && !w.wary) {
		err := w.whole(ctx, p, args)
		if code(err) != lockNotAvailable && !ofARow(err) {
			return err
		}
	}
	var listed ctids
	if err := w.send(ctx, append(p.find, query{p.list, args, listed.scan})...); err != nil {
		return fmt.Errorf("list the rows of a batch: %w", err)
	}
	return w.pickAll(ctx, listed)
}

// pickAll picks the listed rows (a dry run counts them), so many at once as a window may hold.
func (w *walk) pickAll(ctx context.Context, listed ctids) error {
	kept := w.kept()
	for from, n := 0, len(listed.at); from < n; {
		if w.budget() <= 0 {
			return stopped(StopMaxRows)
		}
		to := from + int(min(int64(n-from), w.budget()))
		if w.DryRun {
			*w.due.of(w.reason) += int64(to - from)
		} else {
			to = min(to, from+pickRows, from+w.pace.rows)
			if err := w.pick(ctx, listed.slice(from, to)); err != nil {
				return err
			}
		}
		from = to
	}
	// Such rows come in swarms: the next window is spared the try as a whole.
	w.wary = w.kept() > kept
	return nil
}

// kept is how many rows stay that fail the statement they are in.
func (w *walk) kept() int64 { return w.result.Left.Referenced + w.result.Left.Refused }

// whole clears a place in one batch.
func (w *walk) whole(ctx context.Context, p place, args pgx.NamedArgs) error {
	var rows int64
	last := []query{{p.count, args, into(&rows)}}
	if !w.DryRun {
		last = []query{w.path(), {p.delete, args, affected(&rows)}}
	}
	return w.batch(ctx, int64(p.rows), &rows, slices.Concat(p.find, last, p.after)...)
}

// path lets the table's own triggers find what they name in its schema. Not before the
// other statements: what somebody put there could come before what these mean.
func (w *walk) path() query {
	return query{w.sql.path, pgx.NamedArgs{"path": w.triggersPath()}, ignored}
}

func (w *walk) triggersPath() string {
	path := "pg_catalog, "
	if len(w.Table) > 1 {
		path += w.Table[:1].Sanitize() + ", "
	}
	return path + "pg_temp"
}

// ctids are where rows lie in the heap: a partition and a place in it.
type ctids struct {
	part []int64
	at   []string
}

func (c ctids) slice(from, to int) ctids { return ctids{c.part[from:to], c.at[from:to]} }

func (c *ctids) scan(rows pgx.Rows) error {
	*c = ctids{}
	for rows.Next() {
		var part int64
		var at string
		if err := rows.Scan(&part, &at); err != nil {
			return err
		}
		c.part, c.at = append(c.part, part), append(c.at, at)
	}
	return rows.Err()
}

// pick deletes the listed rows that can go and counts the others by what holds them.
// Locked rows are passed over. A row that another table references, or that a trigger
// refuses to let go, fails its whole statement, so it is isolated, and its neighbours go.
func (w *walk) pick(ctx context.Context, listed ctids) error {
	n := len(listed.at)
	if n == 0 {
		return nil
	}
	if w.wary && n > subtransactions && !w.halves {
		return w.isolate(ctx, listed)
	}
	err := w.take(ctx, listed)
	switch code := code(err); {
	case code == insufficientPrivilege || code == featureNotSupported:
		// To pass over locked rows takes the right to UPDATE, and an engine that
		// can. Without it the DELETE waits for lock_timeout, and halves as well.
		if w.waits {
			return err
		}
		w.waits = true
		return w.pick(ctx, listed)
	case code == lockNotAvailable && n == 1:
		w.leave(ctx, &w.result.Left.Locked, 1)
		return nil
	case ofARow(err) && n == 1:
		w.leaveOne(ctx, code, words(err))
		return nil
	case ofARow(err) && !w.halves:
		err := w.isolate(ctx, listed)
		if !cannotIsolate(err) {
			return err
		}
		w.halves = true
	case code != lockNotAvailable && !ofARow(err):
		return err
	}
	return w.halve(ctx, listed)
}

// halve picks two halves of what could not be taken whole.
func (w *walk) halve(ctx context.Context, listed ctids) error {
	n := len(listed.at)
	if err := w.pick(ctx, listed.slice(0, n/2)); err != nil {
		return err
	}
	return w.pick(ctx, listed.slice(n/2, n))
}

// taken is what became of listed rows.
type taken struct{ due, free, gone int64 }

// take deletes the listed rows in one batch, passing over those that are locked.
func (w *walk) take(ctx context.Context, listed ctids) error {
	text := w.sql.take
	if w.waits {
		text = w.sql.takeWaiting
	}
	var t taken
	err := w.batch(ctx, int64(len(listed.at)), &t.gone, w.path(),
		query{text, w.args("parts", listed.part, "places", listed.at), into(&t.due, &t.free, &t.gone)})
	if err != nil {
		return fmt.Errorf("delete %d listed rows: %w", len(listed.at), err)
	}
	w.leaveRest(ctx, t)
	return nil
}

// leaveRest counts the rows that were due and did not go. One that was ours to delete
// and stays is a trigger's, unless nothing of the kind is there and nobody was kept from it.
func (w *walk) leaveRest(ctx context.Context, t taken) {
	locked, refused := t.due-t.free, t.free-t.gone
	if w.waits && !w.guarded {
		locked, refused = locked+refused, 0
	}
	if locked > 0 {
		w.leave(ctx, &w.result.Left.Locked, locked)
	}
	if refused > 0 {
		w.leave(ctx, &w.result.Left.Refused, refused)
	}
}
