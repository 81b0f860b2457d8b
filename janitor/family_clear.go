package janitor

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// clear deletes the rows of a graph that can go. It counts the listed rows that stay, if they are for the
// books: a row is listed there once in a run, and may be met in the graphs of others before.
func (f *family) clear(ctx context.Context, g *graph, told bool, all *familyPicked) error {
	defer f.remember(g)
	units := g.order(cycleRows)
	work := [][]unit{units}
	if g.cut {
		work = nil // what could go is not known to have nothing left that references it
	}
	for len(work) > 0 {
		now := work[len(work)-1]
		work = work[:len(work)-1]
		batch, rest, err := f.cut(g, now)
		if err != nil {
			return err
		}
		if len(rest) > 0 {
			work = append(work, rest)
		}
		if len(batch) == 0 {
			continue
		}
		undone, err := f.try(ctx, g, batch, told, &all.picked)
		if err != nil {
			return err
		}
		for i := len(undone) - 1; i >= 0; i-- {
			work = append(work, undone[i])
		}
		g.spread(units)
	}
	for i := range g.rows {
		r := &g.rows[i]
		if !r.listed {
			all.others = true
		} else if told && r.due != "" && r.stays && !r.told {
			all.tally.left.Referenced++
		}
	}
	return nil
}

// cut takes the units of one batch, without those that stay.
func (f *family) cut(g *graph, units []unit) (batch, rest []unit, err error) {
	budget := f.batcher.budget()
	most := min(int64(max(1, f.batcher.largest())), budget)
	var rows int64
	for i, u := range units {
		n := int64(len(u))
		switch {
		case g.kept(u):
			continue
		case rows > 0 && rows+n > most:
			return batch, units[i:], nil
		case n > budget && f.batcher.MaxRows > 0 && n > f.batcher.MaxRows:
			g.keep(u) // a cycle that no run with this budget could delete
			g.spread(units)
			continue
		case n > budget:
			return nil, nil, stopped(StopMaxRows)
		}
		batch, rows = append(batch, u), rows+n
	}
	return batch, nil, nil
}

func (g *graph) keep(u unit) {
	for _, i := range u {
		g.rows[i].stays = true
	}
}

// try deletes the rows of some units in one batch. Where that fails, it picks them; but smaller groups come
// back undone if a cycle is among them, whose rows cannot be picked one by one.
func (f *family) try(ctx context.Context, g *graph, units []unit, told bool, all *picked) (undone [][]unit, err error) {
	var rows []int32
	for _, u := range units {
		rows = append(rows, u...)
	}
	hasCycle := len(rows) > len(units)
	if !f.careful || hasCycle {
		err := f.together(ctx, g, rows, told, all)
		if state := sqlState(err); state != lockNotAvailable && !isRowError(err) {
			return nil, err
		}
		if hasCycle && len(units) > 1 {
			return [][]unit{units[:len(units)/2], units[len(units)/2:]}, nil
		}
	}
	f.careful = false
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && g.rows[rows[n]].kind() == g.rows[rows[0]].kind() {
			n++
		}
		if err := f.separately(ctx, g, rows[:n], told, all); err != nil {
			return nil, err
		}
		rows = rows[n:]
		g.spread(units)
	}
	return nil, nil
}

// together deletes rows in one statement, by either rule, waiting for those that are locked.
func (f *family) together(ctx context.Context, g *graph, rows []int32, told bool, all *picked) error {
	b := f.batcher
	var n int64
	var counts Counts
	at := g.places(rows)
	window := b.pace.rows
	took, err := b.attempt(ctx, batch{most: at.len(), rows: &n, queries: []query{f.pickers[Expired].trigger,
		{f.sql.delete, with(f.args, "parts", at.parts, "places", at.ctids), func(found pgx.Rows) error {
			err := into(&counts.Expired, &counts.Revoked)(found)
			n = counts.Total()
			return err
		}}}})
	if err != nil {
		return fmt.Errorf("delete %d rows of families: %w", at.len(), err)
	}
	b.pace.resize(took-b.overhead(took), n)
	for _, reason := range Reasons {
		if rows := counts.Of(reason); rows > 0 {
			b.record(Batch{Reason: reason, Rows: rows, Window: window, Took: took})
		}
	}
	if n < at.len() { // no longer due, or a trigger kept them without a word
		kept, err := f.findKept(ctx, g, at)
		if err != nil {
			return err
		}
		all.vanished += max(0, at.len()-n-kept)
	}
	for _, i := range rows {
		r := &g.rows[i]
		if r.listed && r.stays && told && !r.told {
			all.tally.left.Refused++
			r.told = true
		} else if r.listed && !r.stays {
			all.deleted++
		}
	}
	return nil
}

// separately picks rows of one rule, all listed or none.
func (f *family) separately(ctx context.Context, g *graph, rows []int32, told bool, all *picked) error {
	first := g.rows[rows[0]]
	var free []int32
	for _, i := range rows {
		if !g.kept(unit{i}) {
			free = append(free, i)
		}
	}
	if len(free) == 0 {
		return nil
	}
	at := g.places(free)
	done, err := f.pickers[first.due].pick(ctx, at, f.careful)
	told = told && first.listed
	if err == nil && done.tally.left.Total() > 0 {
		f.careful = true
		if _, err = f.findKept(ctx, g, at); err == nil {
			g.blame(free, &done.tally.left)
		}
		for _, i := range free {
			g.rows[i].told = told && g.rows[i].stays
		}
	}
	if told {
		all.tally.add(done.tally)
		all.deleted += done.deleted
	}
	all.vanished += done.vanished
	return err
}

// blame counts rows that stay as referenced where a row that stays references them. The picker may have met
// the lock on that row instead: the check of the key waits for it.
func (g *graph) blame(rows []int32, left *Left) {
	var referenced int64
	for _, i := range rows {
		if g.rows[i].stays && slices.ContainsFunc(g.children[i], func(child int32) bool { return g.rows[child].stays }) {
			referenced++
		}
	}
	if more := min(referenced-left.Referenced, left.Locked); more > 0 {
		left.Locked, left.Referenced = left.Locked-more, left.Referenced+more
	}
}

// findKept looks which of the rows that were to be deleted are still there and due: they stay.
func (f *family) findKept(ctx context.Context, g *graph, rows places) (kept int64, err error) {
	var left places
	err = f.batcher.send(ctx, query{f.sql.left, with(f.args, "parts", rows.parts, "places", rows.ctids), left.scan})
	if err != nil {
		return 0, fmt.Errorf("look which rows of families had to stay: %w", err)
	}
	for i := range left.ctids {
		if row, known := g.index[place{left.parts[i], left.ctids[i]}]; known {
			g.rows[row].stays = true
		}
	}
	return left.len(), nil
}

// places is where rows of a graph lie.
func (g *graph) places(rows []int32) (at places) {
	for _, i := range rows {
		at.parts, at.ctids = append(at.parts, g.rows[i].part), append(at.ctids, g.rows[i].ctid)
	}
	return at
}
