package janitor

import (
	"context"
	"fmt"

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
)

// places are where rows lie in the heap: a partition, and a place in it.
type places struct {
	parts []int64
	ctids []string
}

func (p places) len() int64 { return int64(len(p.ctids)) }

func (p places) slice(from, to int) places { return places{p.parts[from:to], p.ctids[from:to]} }

// cut returns the first n places, and the others.
func (p places) cut(n int) (places, places) { return p.slice(0, n), p.slice(n, len(p.ctids)) }

func (p *places) scan(rows pgx.Rows) error {
	*p = places{}
	for rows.Next() {
		var part int64
		var ctid string
		if err := rows.Scan(&part, &ctid); err != nil {
			return err
		}
		p.parts, p.ctids = append(p.parts, part), append(p.ctids, ctid)
	}
	return rows.Err()
}

// picker deletes listed rows that can go and counts the others by what keeps them. Locked rows
// are skipped. A row that another table references, or that a trigger refuses to let go, fails
// its whole statement, so it is isolated, and its neighbours go.
type picker struct {
	reason  Reason
	sql     statements
	args    pgx.NamedArgs // the cutoffs
	path    string        // the search_path that the table's triggers see
	batcher *batcher

	hasDeleteTrigger bool // a trigger or a rule may silently keep a row
	cannotSkipLocked bool // that takes the right to UPDATE, and a server that can
	cannotIsolate    bool // that takes PL/pgSQL
}

// picked is what became of listed rows.
type picked struct {
	deleted int64
	tally   tally
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
	work := []group{{rows: listed}}
	if expectFailures && listed.len() > subtransactions && !p.cannotIsolate {
		work[0].step = subtransactions
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
		all.tally.add(done.tally)
		if err != nil {
			return all, err
		}
		work = append(smaller, work...)
	}
	return all, nil
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
	n := g.rows.len()
	if g.step > 0 {
		done, smaller, err = p.isolate(ctx, g)
	} else {
		done, err = p.together(ctx, g.rows)
	}
	state := sqlState(err)
	switch {
	case err == nil:
		return done, smaller, nil
	case !p.cannotSkipLocked && (state == insufficientPrivilege || state == featureNotSupported):
		p.cannotSkipLocked = true // the DELETE itself waits from now on, for lock_timeout
		return picked{}, []group{g}, nil
	case g.step > 0 && cannotIsolate(err):
		p.cannotIsolate = true
		return picked{}, halves(g.rows), nil
	case state == lockNotAvailable && n == 1:
		return picked{tally: tally{left: Left{Locked: 1}}}, nil, nil
	case state == lockNotAvailable:
		return picked{}, halves(g.rows), nil
	case isRowError(err) && g.step == 0 && n == 1:
		done.tally.countLeft(state, serverMessage(err))
		return done, nil, nil
	case isRowError(err) && g.step == 0 && p.cannotIsolate:
		return picked{}, halves(g.rows), nil
	case isRowError(err) && g.step == 0:
		return picked{}, []group{p.inSteps(g.rows)}, nil
	}
	return picked{}, nil, err
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

func halves(rows places) []group {
	if rows.len() == 1 {
		return []group{{rows: rows}}
	}
	first, second := rows.cut(int(rows.len() / 2))
	return []group{{rows: first}, {rows: second}}
}

// together deletes the listed rows in one statement, skipping those that are locked.
func (p *picker) together(ctx context.Context, rows places) (picked, error) {
	text := p.sql.deleteListed
	if p.cannotSkipLocked {
		text = p.sql.deleteWaited
	}
	var due, free, deleted int64
	err := p.batcher.batch(ctx, p.reason, rows.len(), &deleted, p.triggerPath(),
		query{text, p.with("parts", rows.parts, "places", rows.ctids), into(&due, &free, &deleted)})
	if err != nil {
		return picked{}, fmt.Errorf("delete %d listed rows: %w", rows.len(), err)
	}
	return picked{deleted, p.kept(due, free, deleted)}, nil
}

// isolate deletes the listed rows in steps, each of which fails by itself.
func (p *picker) isolate(ctx context.Context, g group) (picked, []group, error) {
	lock := p.sql.isolate.lock
	if p.cannotSkipLocked {
		lock = p.sql.isolate.lockWaiting
	}
	var due, free, deleted int64
	var failed places
	var states, messages []string
	err := p.batcher.batch(ctx, p.reason, g.rows.len(), &deleted,
		query{statement("isolate_args"), p.with("parts", g.rows.parts, "places", g.rows.ctids, "step", g.step,
			"lock_statement", lock, "delete_statement", p.sql.isolate.delete, "fatal", statementErrors, "path", p.path), ignored},
		query{statement("isolate"), nil, ignored},
		query{statement("isolate_result"), nil, into(&due, &free, &deleted, &failed.parts, &failed.ctids, &states, &messages)})
	if err != nil {
		return picked{}, nil, fmt.Errorf("isolate the rows that cannot go among %d: %w", g.rows.len(), err)
	}
	done := picked{deleted, p.kept(due-failed.len(), free-failed.len(), deleted)}
	if g.step > 1 {
		var smaller []group
		for from, n := 0, int(failed.len()); from < n; from += g.step {
			smaller = append(smaller, group{failed.slice(from, min(from+g.step, n)), 1})
		}
		return done, smaller, nil
	}
	for i, state := range states {
		done.tally.countLeft(state, messages[i])
	}
	return done, nil, nil
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

// triggerPath lets the table's own triggers find what they name in its schema. It comes after all
// other statements of a batch: what somebody put there could take the place of what these mean.
func (p *picker) triggerPath() query {
	return query{p.sql.triggerPath, pgx.NamedArgs{"path": p.path}, ignored}
}

// with adds values to the cutoffs, as name, value, name, value.
func (p *picker) with(more ...any) pgx.NamedArgs { return with(p.args, more...) }
