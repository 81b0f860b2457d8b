package janitor

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

const (
	// pickRows is how many listed rows are picked in one batch, at most: each costs some three
	// times as much as a row of a window.
	pickRows = 10_000
	// subtransactions is how many subtransactions one batch may have. With more than 64 in a
	// transaction PostgreSQL keeps them in memory no longer, and each snapshot that is taken on the
	// server, by the API as well, has to look them up.
	subtransactions = 60
	// splitInto is how many groups rows are split into that together took too long: one slow row
	// among 5,000 is then found in three more batches.
	splitInto = 16
)

// picker deletes listed rows that can go and counts the others by what keeps them. Locked rows
// are skipped. A row that a foreign key references, that a trigger refuses to let go, or that takes
// longer than a statement may, fails its whole statement, so it is isolated, and its neighbours go.
type picker struct {
	reason  Reason
	sql     pickSQL
	args    pgx.NamedArgs // the cutoffs
	trigger query         // sets the search_path that the table's triggers see
	batcher *batcher
	direct  map[int64]direct // of partitions whose rows need not be looked for in all of them

	hasDeleteTrigger bool // a trigger or a rule may silently keep a row
	cannotSkipLocked bool // that takes the right to UPDATE, and a server that can
	cannotIsolate    bool // that takes PL/pgSQL
	failures         failures
	blocked          blocked
}

// direct is a partition that is reached directly.
type direct struct {
	part heapPart
	sql  pickSQL
}

// picked is what became of listed rows.
type picked struct {
	deleted  int64
	vanished int64 // were no longer due at their place: changed, moved or deleted by somebody else
	tally    tally
}

// group is listed rows that are tried together: in one statement, or, if step is not 0, in
// subtransactions of so many rows each.
type group struct {
	rows places
	step int
}

// pick deletes the listed rows. expectFailures spares it the first try in one statement.
func (p *picker) pick(ctx context.Context, listed places, expectFailures bool) (picked, error) {
	var all picked
	var work []group
	for _, rows := range p.byPartition(listed) {
		g := group{rows: rows}
		if expectFailures && rows.len() > subtransactions && !p.cannotIsolate {
			g.step = subtransactions
		}
		work = append(work, g)
	}
	for len(work) > 0 {
		g := work[0]
		work = work[1:]
		n := int(min(g.rows.len(), p.batcher.budget(), int64(p.most(g))))
		switch {
		case g.rows.len() == 0:
			continue
		case n <= 0:
			return all, stopped(StopMaxRows)
		case n < int(g.rows.len()):
			first, rest := g.rows.cut(n)
			g.rows = first
			work = append([]group{{rest, g.step}}, work...)
		}
		done, smaller, err := p.try(ctx, g)
		all.deleted += done.deleted
		all.vanished += done.vanished
		all.tally.add(done.tally)
		if err == nil {
			err = p.hopeless()
		}
		if err != nil {
			return all, err
		}
		work = append(smaller, work...)
	}
	return all, nil
}

// byPartition splits listed rows where each partition can be reached directly.
func (p *picker) byPartition(listed places) []places {
	if len(p.direct) == 0 {
		return []places{listed}
	}
	var order []int64
	parts := map[int64]places{}
	for i, part := range listed.parts {
		rows, known := parts[part]
		if !known {
			order = append(order, part)
		}
		parts[part] = places{append(rows.parts, part), append(rows.ctids, listed.ctids[i])}
	}
	split := make([]places, len(order))
	for i, part := range order {
		split[i] = parts[part]
	}
	return split
}

// statements are those for a group's rows, and the part in which they are reached directly, if they are.
func (p *picker) statements(g group) (sql pickSQL, parts []heapPart) {
	part := g.rows.parts[0]
	if d, ok := p.direct[part]; ok {
		return d.sql, []heapPart{d.part}
	}
	return p.sql, nil
}

// most is how many rows of a group one batch may try.
func (p *picker) most(g group) int {
	rows := max(1, min(pickRows, p.batcher.largest()))
	if g.step > 0 {
		rows = min(rows, subtransactions*g.step)
	}
	return rows
}

// try deletes the rows of a group in one batch. The rows that it has to leave undecided come back
// as smaller groups.
func (p *picker) try(ctx context.Context, g group) (done picked, smaller []group, err error) {
	n, before := g.rows.len(), p.batcher.totals.deleted.Total()
	if g.step > 0 {
		done, smaller, err = p.isolate(ctx, g)
	} else {
		done, err = p.together(ctx, g)
	}
	state := sqlState(err)
	if state == lockNotAvailable {
		if waited, stop := p.batcher.awaitTable(ctx); waited || stop != nil {
			return picked{}, []group{g}, stop
		}
	}
	switch {
	case err == nil:
		return done, smaller, nil
	case !p.cannotSkipLocked && state == featureNotSupported:
		p.cannotSkipLocked = true // the DELETE itself waits from now on, for lock_timeout
		return picked{}, []group{g}, nil
	case g.step > 0 && cannotIsolate(err):
		p.cannotIsolate = true
		return picked{}, g.rows.split(2, 0), nil
	case (state == undefinedTable || state == insufficientPrivilege) && p.forget(g):
		return picked{}, []group{g}, nil
	case state == queryCanceled && n > 1:
		p.batcher.pace.shrink()
		return picked{}, g.rows.split(splitInto, 0), nil
	case state != queryCanceled && state != lockNotAvailable && !isRowError(err):
		return picked{}, nil, err
	case n == 1:
		if isReferenced(state) {
			p.noteBlocked(g.rows, before)
		}
		p.countLeft(&done.tally, state, serverMessage(err), err)
		return done, nil, nil
	case p.cannotIsolate || g.step > 0:
		return picked{}, g.rows.split(2, g.step), nil
	}
	return picked{}, []group{p.inSteps(g.rows)}, nil
}

// forget has the rows of a partition that may be gone, or closed to this role, looked for in all of them. It reports whether they were not yet.
func (p *picker) forget(g group) bool {
	_, direct := p.direct[g.rows.parts[0]]
	delete(p.direct, g.rows.parts[0])
	return direct
}

// inSteps is the group that isolates what fails among rows: many rows a step first, then those
// of a step that failed one by one. So a row that cannot go costs a batch at most, and a swarm
// of them one for each sixty, where halving takes two for each time that the rows can be halved.
func (p *picker) inSteps(rows places) group {
	if rows.len() > subtransactions {
		return group{rows, subtransactions}
	}
	return group{rows, 1}
}

// together deletes the listed rows in one statement, skipping those that are locked.
func (p *picker) together(ctx context.Context, g group) (picked, error) {
	n := g.rows.len()
	sql, parts := p.statements(g)
	text := sql.deleteListed
	if p.cannotSkipLocked {
		text = sql.deleteWaited
	}
	var due, free, deleted, still int64
	args := with(p.args, "parts", g.rows.parts, "places", g.rows.ctids)
	queries := []query{p.trigger, {text, args, into(&due, &free, &deleted)}}
	if p.hasDeleteTrigger {
		queries = append(queries, query{sql.stillDue, args, into(&still)})
	}
	err := p.batcher.run(ctx, p.batch(n, &deleted, parts, queries...))
	if err != nil {
		return picked{}, fmt.Errorf("delete %d listed rows: %w", n, err)
	}
	if p.hasDeleteTrigger && free > deleted { // it may have changed them in place of deleting them
		changed := max(0, due-deleted-still)
		due, free = due-changed, free-changed
	}
	return picked{deleted, n - due, p.kept(due, free, deleted)}, nil
}

// isolate deletes the listed rows in steps, each of which fails by itself.
func (p *picker) isolate(ctx context.Context, g group) (picked, []group, error) {
	n, before := g.rows.len(), p.batcher.totals.deleted.Total()
	sql, parts := p.statements(g)
	lock := sql.lockListed
	if p.cannotSkipLocked {
		lock = sql.lockWaited
	}
	var due, free, deleted int64
	var failed places
	var states, messages []string
	queries := []query{
		{statement("isolate_args"), with(p.args, "parts", g.rows.parts, "places", g.rows.ctids, "step", g.step,
			"lock_statement", lock, "delete_statement", sql.deleteLocked,
			// The rows may wait for locks one after another, within one statement_timeout.
			"lock_timeout", milliseconds(p.batcher.LockTimeout/10)), ignored},
		p.trigger,
		{statement("isolate"), nil, ignored},
		{statement("isolate_result"), nil, into(&due, &free, &deleted, &failed.parts, &failed.ctids, &states, &messages)},
	}
	err := p.batcher.run(ctx, p.batch(n, &deleted, parts, queries...))
	if err != nil {
		return picked{}, nil, fmt.Errorf("isolate the rows that cannot go among %d: %w", n, err)
	}
	done := picked{deleted, n - due, p.kept(due-failed.len(), free-failed.len(), deleted)}
	if g.step > 1 {
		var smaller []group
		for from, n := 0, int(failed.len()); from < n; from += g.step {
			smaller = append(smaller, group{failed.slice(from, min(from+g.step, n)), 1})
		}
		return done, smaller, nil
	}
	if slices.Contains(states, lockNotAvailable) {
		if waited, stop := p.batcher.awaitTable(ctx); waited || stop != nil {
			return done, failed.split(1, 1), stop
		}
	}
	for i, state := range states {
		if isReferenced(state) {
			p.noteBlocked(failed.slice(i, i+1), before)
		}
		p.countLeft(&done.tally, state, messages[i], nil)
	}
	return done, nil, nil
}

// batch is a batch that picks n rows. More than one are not given all the time that one may take:
// they are split.
func (p *picker) batch(n int64, deleted *int64, parts []heapPart, queries ...query) batch {
	w := batch{reason: p.reason, most: n, rows: deleted, parts: parts, queries: queries}
	if n > 1 {
		w.within = max(p.batcher.StatementTimeout/5, min(p.batcher.StatementTimeout, 4*p.batcher.BatchGoal))
	}
	return w
}

// kept counts the rows that were due and were not deleted, though no statement failed. A row that
// we locked but did not delete was kept by a trigger, if the table has one.
func (p *picker) kept(due, free, deleted int64) (t tally) {
	t.left.Locked, t.left.Refused = due-free, free-deleted
	if p.cannotSkipLocked && !p.hasDeleteTrigger {
		t.left.Locked, t.left.Refused = due-deleted, 0
	}
	return t
}
