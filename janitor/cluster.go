package janitor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// cluster is what there is to know of a table that Citus distributes over workers, or replicates to them.
//
// A run on such a table has fewer ways. It reads along the index, never the heap: a ctid is the place of another row
// on each shard. Where a batch fails, its rows are picked by their primary key, in ever smaller groups, for FOR UPDATE
// SKIP LOCKED is refused there.
type cluster struct {
	columns, types []string // of the primary key
	// replicated says that each worker has all rows. Then Citus lets one writer in at a time: a row that a transaction
	// holds, holds the table.
	replicated bool
	sharded    bool // the rows lie in several shards
}

// clusterGoal is how long a batch of several servers may take at least: a two-phase commit and the limits sent to each take
// their time whatever the rows, and a shorter goal has batches shrink for what they cannot help. BENCHMARKS.md has what runs
// took at this goal and at shorter ones.
const clusterGoal = 250 * time.Millisecond

// readCluster finds out whether the table is Citus's, where the extension is there.
func (r *run) readCluster(ctx context.Context) error {
	if !r.session.hasCitus {
		return nil
	}
	var c cluster
	err := r.batcher.ask(ctx, query{statement("citus_table"), pgx.NamedArgs{"oid": r.session.oid}, into(&c.columns, &c.types, &c.replicated, &c.sharded)})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("ask Citus for the table: %w", err)
	case len(c.columns) == 0:
		return fmt.Errorf("table %s is distributed by Citus and has no primary key, which tells its rows apart: add one, ALTER TABLE ... ADD PRIMARY KEY",
			r.Table.Sanitize())
	}
	r.session.cluster = &c
	r.batcher.pace.goal = max(r.batcher.pace.goal, clusterGoal)
	return nil
}

// settings are the statements that take the limits of a batch to the workers: set_config stays on the coordinator.
func (c *cluster) settings(lockTimeout, statementTimeout string) []query {
	var all []query
	for _, set := range []string{
		// One connection to each worker, which Citus keeps for the next batch: more of them are opened anew for each.
		"citus.max_adaptive_executor_pool_size = 1",
		"citus.propagate_set_commands = 'local'",
		"lock_timeout = '" + lockTimeout + "'",
		"statement_timeout = '" + statementTimeout + "'",
		"datestyle = 'ISO, YMD'",
		"timezone = 'UTC'",
		"enable_seqscan = off",
		"enable_bitmapscan = off",
		"enable_sort = off",
		"max_parallel_workers_per_gather = 0",
		"jit = off", // a plan against enable_seqscan, as of a foreign key without an index, looks worth a compilation
	} {
		all = append(all, query{"SET LOCAL " + set, nil, ignored})
	}
	return all
}

// distributedQuery is what EXPLAIN says of a query that Citus sends to shards: the plan of one shard stands for all.
type distributedQuery struct {
	Subplans []struct{ PlannedStmt []struct{ Plan node } }
	Job      struct {
		Tasks []struct {
			Plans [][]struct{ Plan node } `json:"Remote Plan"`
		}
	}
}

// shards are the plans of shards in a plan of the coordinator.
func (n node) shards() (all []node) {
	for _, child := range n.Plans {
		all = append(all, child.shards()...)
	}
	if n.Distributed == nil {
		return all
	}
	for _, sub := range n.Distributed.Subplans {
		for _, stmt := range sub.PlannedStmt {
			all = append(all, stmt.Plan.shards()...)
		}
	}
	for _, task := range n.Distributed.Job.Tasks {
		for _, plans := range task.Plans {
			for _, p := range plans {
				all = append(all, p.Plan)
			}
		}
	}
	return all
}

// shardsFollow is follows, of all shards that EXPLAIN shows.
func (n node) shardsFollow(key string) (reads bool, wrong string) {
	for _, shard := range n.shards() {
		shardReads, wrong := shard.follows(key)
		if wrong != "" {
			return false, wrong + " of a worker"
		}
		reads = reads || shardReads
	}
	if !reads {
		return false, n.Type
	}
	return true, ""
}

// lists has the rows of regions listed by their keys.
func (c *cluster) lists(table pgx.Identifier, cols columns, reason Reason, key column, sql *statements) {
	shared := cols.pieces(reason, key)
	shared["table"] = table.Sanitize()
	var names []string
	for _, name := range c.columns {
		names = append(names, pgx.Identifier{name}.Sanitize()+"::text")
	}
	list := func(where string) string {
		return render("citus_list", shared, pieces{"identity": strings.Join(names, ", "), "region": render(where, shared, nil)})
	}
	sql.window.list, sql.tieByIndex.list = list("where_window"), list("where_tie_by_index")
	if !c.sharded {
		c.sendWhole(sql)
	}
}

// keyPicker deletes rows by their keys, and counts those that cannot go. picker keeps the books.
type keyPicker struct {
	cluster       *cluster
	delete, count string
	args          pgx.NamedArgs // the cutoffs
	picker        *picker
}

func (c *cluster) newPicker(table pgx.Identifier, cols columns, p *picker) *keyPicker {
	var matches []string
	for i, name := range c.columns {
		matches = append(matches, fmt.Sprintf("%s = ANY (@key%d::text[]::%s[])", pgx.Identifier{name}.Sanitize(), i, c.types[i]))
	}
	own := pieces{"identity": strings.Join(matches, " AND ")}
	shared := pieces{"table": table.Sanitize(), "rule": cols.rule(p.reason)}
	return &keyPicker{cluster: c, delete: render("citus_delete", shared, own), count: render("citus_count", shared, own), args: p.args, picker: p}
}

// newDeleter is the deleter of a pass by a rule that follows the index on key.
func (r *run) newDeleter(reason Reason, key column, sql *statements, p *picker) *deleter {
	d := &deleter{reason: reason, batcher: r.batcher, picker: p}
	if c := r.session.cluster; c != nil {
		c.lists(r.Table, r.columns, reason, key, sql)
		d.keys = c.newPicker(r.Table, r.columns, p)
	}
	return d
}

// keyedRows are keys of rows, each with a value for each column of the primary key.
type keyedRows [][]string

func (k *keyedRows) scan(rows pgx.Rows) (err error) {
	*k, err = pgx.AppendRows([][]string(nil), rows, pgx.RowTo[[]string])
	return err
}

func (p *keyPicker) with(keys keyedRows) pgx.NamedArgs {
	args := with(p.args)
	for i := range p.cluster.columns {
		var values []string
		for _, key := range keys {
			values = append(values, key[i])
		}
		args[fmt.Sprintf("key%d", i)] = values
	}
	return args
}

// pick deletes the rows of some keys, in one batch where that can be, and otherwise in groups: a group that fails is
// split, until what fails is one row, which is left. Groups may overlap where the primary key has several columns, for
// each is matched by itself; all that they match is due.
func (p *keyPicker) pick(ctx context.Context, keys keyedRows) (picked, error) {
	var all picked
	work := []keyedRows{keys}
	b := p.picker.batcher
	for len(work) > 0 {
		now := work[0]
		work = work[1:]
		n := min(len(now), max(1, min(pickRows, b.largest())), int(min(b.budget(), pickRows)))
		switch {
		case len(now) == 0:
			continue
		case n <= 0:
			return all, stopped(StopMaxRows)
		case n < len(now):
			work = append([]keyedRows{now[n:]}, work...)
			now = now[:n]
		}
		var deleted, kept int64
		args := p.with(now)
		err := b.run(ctx, p.picker.batch(int64(n), &deleted, nil, p.picker.trigger,
			query{p.delete, args, affected(&deleted)}, query{p.count, args, into(&kept)}))
		state := sqlState(err)
		if state == lockNotAvailable && p.cluster.replicated {
			work = append([]keyedRows{now}, work...) // until attempt finds that it was so too often
			continue
		}
		if state == lockNotAvailable {
			waited, stop := b.awaitTable(ctx)
			if stop != nil {
				return all, stop
			}
			if waited {
				work = append([]keyedRows{now}, work...)
				continue
			}
		}
		switch {
		case err == nil:
			all.deleted += deleted
			all.tally.left.Refused += kept // by a trigger: nothing failed
		case state != queryCanceled && state != lockNotAvailable && (!isRowError(err) || endsSession(state)):
			return all, fmt.Errorf("delete %d rows by their keys: %w", n, err)
		case n == 1:
			p.picker.countLeft(&all.tally, state, serverMessage(err), err)
		default:
			work = append(now.split(keyedSplit), work...)
		}
		if err := p.picker.hopeless(); err != nil {
			return all, err
		}
	}
	return all, nil
}

// keyedSplit is how many groups keys are split into. Two would be the fewest batches for one row that is referenced, sixteen
// the fewest waits for one that is locked.
const keyedSplit = 4

// split makes n groups of the keys, or one for each if they are fewer.
func (k keyedRows) split(n int) []keyedRows {
	size := max(1, (len(k)+n-1)/n)
	var groups []keyedRows
	for from := 0; from < len(k); from += size {
		groups = append(groups, k[from:min(from+size, len(k))])
	}
	return groups
}

// clearKeyed clears a region by the keys of its due rows. full reports whether there may be more of them.
func (d *deleter) clearKeyed(ctx context.Context, r region) (c cleared, full bool, err error) {
	var keys keyedRows
	queries, err := d.findEdge(ctx, &r, &c)
	if err != nil {
		return cleared{}, false, err
	}
	on := r.stretches[0]
	queries = append(queries, query{on.sql.list, on.args, keys.scan})
	if err := d.batcher.send(ctx, queries...); err != nil {
		return cleared{}, false, fmt.Errorf("list the rows of a batch: %w", err)
	}
	full = len(keys) >= r.rows
	if d.batcher.DryRun {
		budget := d.batcher.budget()
		if c.tally.counted = min(int64(len(keys)), budget); int64(len(keys)) > budget {
			return c, full, stopped(StopMaxRows)
		}
		return c, full, nil
	}
	done, err := d.keys.pick(ctx, keys)
	c.deleted, c.tally = done.deleted, done.tally
	d.expectFailures = false
	return c, full, err
}

// keyed is the step of a tie in a cluster: its rows are listed so many at a time, beside those that had to stay.
func (t tie) keyed(ctx context.Context) (found, error) {
	f := found{event: tieListed, reason: t.reason}
	if t.batcher.DryRun {
		rows := region{stretches: []stretch{{t.sql.tieByIndex, t.with("floor", t.key)}}}
		c, err := t.deleter.whole(ctx, rows)
		f.tally = c.tally
		return f, err
	}
	for {
		rows := region{rows: pickRows + int(f.tally.left.Total())}
		rows.stretches = []stretch{{t.sql.tieByIndex, t.with("floor", t.key, "rows", rows.rows)}}
		c, full, err := t.deleter.clearKeyed(ctx, rows)
		f.deleted += c.deleted
		f.tally = c.tally // those of an earlier turn were listed again
		if err != nil || !full || c.deleted == 0 {
			return f, err
		}
	}
}

// clusterSpace is what the shards take. Their rows are known to nobody but their workers.
func (s *session) clusterSpace(ctx context.Context) Space {
	space := Space{Known: true, LiveRows: -1, DeadRows: -1}
	var total int64
	if err := s.exchange(ctx, query{statement("citus_size"), pgx.NamedArgs{"oid": s.oid}, into(&space.TableBytes, &total)}); err != nil {
		return Space{}
	}
	space.IndexBytes = total - space.TableBytes
	return space
}
