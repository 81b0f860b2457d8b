package janitor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// place is a part of the table that one batch clears: a window, or a tie's blocks.
type place struct {
	placed
	find       []query // what the same batch asks before, to know where the place ends
	first, end string  // a tie's places in the heap; "" in a window
	rows       int     // it holds no more
}

// clear deletes what is due in a place (a dry run counts it), in one batch. Where
// that cannot be, because somebody holds or references a row or the budget may end
// within the place, it lists the rows and picks them.
func (w *walk) clear(ctx context.Context, p place) error {
	most := min(w.budget(), int64(p.rows))
	args := w.args("first", p.first, "end", p.end, "rows", most)
	if most == int64(p.rows) {
		err := w.whole(ctx, p, args)
		switch code(err) {
		case lockNotAvailable, foreignKeyViolation, restrictViolation:
		default:
			return err
		}
	}
	var listed ctids
	if err := w.send(ctx, append(p.find, query{p.list, args, listed.scan})...); err != nil {
		return fmt.Errorf("list the rows of a batch: %w", err)
	}
	if w.DryRun {
		*w.due.of(w.reason) += int64(len(listed.at))
	} else if err := w.pick(ctx, listed); err != nil {
		return err
	}
	if most < int64(p.rows) && most == int64(len(listed.at)) {
		return stopped(StopMaxRows) // the place may hold more
	}
	return nil
}

// whole clears a place in one batch.
func (w *walk) whole(ctx context.Context, p place, args pgx.NamedArgs) error {
	if w.DryRun {
		var due int64
		return w.batch(ctx, &due, append(p.find, query{p.count, args, into(&due)})...)
	}
	var gone int64
	return w.batch(ctx, &gone, append(p.find, query{p.delete, args, affected(&gone)})...)
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
// Locked rows are passed over. A row that another table references fails its whole
// statement, so it is found by halving, and its neighbours go.
func (w *walk) pick(ctx context.Context, listed ctids) error {
	n := len(listed.at)
	if n == 0 {
		return nil
	}
	err := w.take(ctx, listed)
	switch code(err) {
	default:
		return err
	case insufficientPrivilege, featureNotSupported:
		// To pass over locked rows takes the right to UPDATE, and an engine that
		// can. Without it the DELETE waits for lock_timeout, and halves as well.
		if w.waits {
			return err
		}
		w.waits = true
		return w.pick(ctx, listed)
	case lockNotAvailable:
		if n == 1 {
			return w.leave(ctx, &w.result.Left.Locked, 1)
		}
	case foreignKeyViolation, restrictViolation:
		if n == 1 {
			return w.leave(ctx, &w.result.Left.Referenced, 1)
		}
	}
	if err := w.pick(ctx, listed.slice(0, n/2)); err != nil {
		return err
	}
	return w.pick(ctx, listed.slice(n/2, n))
}

// take deletes the listed rows in one batch, passing over those that are locked.
func (w *walk) take(ctx context.Context, listed ctids) error {
	text := w.sql.take
	if w.waits {
		text = w.sql.takeWaiting
	}
	var due, gone int64
	err := w.batch(ctx, &gone, query{text, w.args("parts", listed.part, "places", listed.at), into(&due, &gone)})
	if err != nil {
		return fmt.Errorf("delete %d listed rows: %w", len(listed.at), err)
	}
	if held := due - gone; held > 0 {
		return w.leave(ctx, &w.result.Left.Locked, held)
	}
	return nil
}
