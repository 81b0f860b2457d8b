package janitor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// node is what EXPLAIN (FORMAT JSON) says of one step of a plan.
type node struct {
	Type  string  `json:"Node Type"`
	Table string  `json:"Relation Name"`
	Cond  string  `json:"Index Cond"`
	Rows  float64 `json:"Plan Rows"`
	Plans []node  `json:"Plans"`

	Distributed *distributedQuery `json:"Distributed Query"` // nil = it is this server's own
}

// requireIndex asks the server for its plans of the very statements that find an edge and clear a
// window: whether they follow an index on the pass's key, in its order and without reading rows
// outside the window. It asks in each run, since an index may come and go; the answer covers what
// no catalogue query would (partial indexes, partitions, an index that the planner may not use yet).
// It returns a *planError if there is no such index.
func (s *scan) requireIndex(ctx context.Context, from string) error {
	var texts planTexts
	if err := s.batcher.ask(ctx, s.explain(from, &texts)...); err != nil {
		return fmt.Errorf("explain the window on %s: %w", s.key.sql(), err)
	}
	return s.followsIndex(texts)
}

// planTexts are the plans of the statements that find an edge and clear a window.
type planTexts [2]string

// explain is the queries of requireIndex.
func (s *scan) explain(from string, texts *planTexts) []query {
	const explain = "EXPLAIN (FORMAT JSON, SUMMARY) "
	args := s.with("floor", from, "until", s.until, "edge", s.until, "rows", s.batcher.BatchMaxRows)
	window := s.sql.window.delete
	if s.batcher.DryRun {
		window = s.sql.window.count // the role may have no right to delete
	}
	queries := []query{
		{explain + s.sql.windowEdge, args, into(&texts[0])},
		{explain + window, args, into(&texts[1])},
	}
	if s.deleter.keys != nil {
		queries = append([]query{{statement("citus_edge"), args, ignored}}, queries...)
	}
	return queries
}

// followsIndex is the verdict of requireIndex.
func (s *scan) followsIndex(texts planTexts) error {
	var planning time.Duration
	for _, text := range texts {
		var plans []struct {
			Plan     node
			Planning float64 `json:"Planning Time"` // in milliseconds
		}
		if err := json.Unmarshal([]byte(text), &plans); err != nil {
			return fmt.Errorf("read the plan of the window on %s: %w", s.key.sql(), err)
		}
		if len(plans) != 1 {
			continue // a rule rewrites the deletion
		}
		planning += time.Duration(plans[0].Planning * float64(time.Millisecond))
		follows := plans[0].Plan.follows
		if s.deleter.keys != nil {
			follows = plans[0].Plan.shardsFollow
		}
		if _, wrong := follows(s.key.name); wrong != "" {
			return &planError{key: s.key.sql(), table: s.batcher.Table.Sanitize(), plan: wrong, partitioned: s.heap.partitions > 1}
		}
	}
	if s.heap.partitions > 1 { // the plans of one table take long only where they are the first to read a cold catalogue
		s.batcher.session.planning = max(s.batcher.session.planning, planning)
	}
	return nil
}

// ask exchanges the queries with which a run begins, outside any budget, and waits for a table
// that is locked.
func (b *batcher) ask(ctx context.Context, queries ...query) error {
	for b.lockTimeouts = 0; ; {
		err := b.session.exchange(ctx, queries...)
		if sqlState(err) != lockNotAvailable {
			b.lockTimeouts = 0
			return err
		}
		switch b.lockTimeouts++; {
		case ctx.Err() != nil:
			return stopped(StopCancelled)
		case b.lockTimeouts >= b.lockTimeoutsInARow():
			return stopped(StopTableLocked)
		}
	}
}

// follows reports whether the plan reads an index on the key, and returns the first step that
// does not follow it, if any.
func (n node) follows(key string) (reads bool, wrong string) {
	switch n.Type {
	case "Index Scan", "Index Only Scan":
		if !conditionOn(n.Cond, key) {
			return false, n.Type + " on " + n.Table + " without a condition on " + key
		}
		return true, ""
	}
	if n.Table != "" && n.Type != "ModifyTable" {
		return false, n.Type + " on " + n.Table
	}
	for _, child := range n.Plans {
		childReads, wrong := child.follows(key)
		if wrong != "" {
			return false, wrong
		}
		reads = reads || childReads
	}
	if strings.HasSuffix(n.Type, "Sort") && reads {
		return false, n.Type // of rows that the index has in another order
	}
	return reads, ""
}

// conditionOn reports whether an index condition, as EXPLAIN writes it, compares a column. The column
// may have its table's name before it, and stands in quotes where SQL wants them.
func conditionOn(cond, name string) bool {
	for _, written := range []string{name, pgx.Identifier{name}.Sanitize()} {
		if strings.Contains(cond, "("+written+" ") || strings.Contains(cond, "."+written+" ") {
			return true
		}
	}
	return false
}

// planError says that there is no index that a pass could follow.
type planError struct {
	key, table, plan string
	partitioned      bool
}

func (e *planError) Error() string {
	remedy := fmt.Sprintf("create one: CREATE INDEX CONCURRENTLY ON %s (%s)", e.table, e.key)
	switch {
	case strings.HasPrefix(e.plan, "Foreign Scan"):
		remedy = "a partition that is a foreign table has none that can be used: DETACH it"
	case e.partitioned:
		remedy = fmt.Sprintf("each partition needs one that is valid: REINDEX INDEX CONCURRENTLY one that is not, or CREATE INDEX CONCURRENTLY ON the partition (%s)", e.key)
	}
	return fmt.Sprintf("no usable index leads with %s (the server plans: %s); %s", e.key, e.plan, remedy)
}

const (
	// estimateFor is how long a run may look for its first row, over the dead entries of those that
	// it deleted before. The first batch has to pass them as well, and finds those marked that this
	// look passed.
	estimateFor = time.Second
	// estimateFrom is the number of rows, by a first estimate, that makes a second one worth it: fewer
	// are deleted before anybody has read it.
	estimateFrom = 20_000
)

// estimated is about how many rows are due from a key on; -1 = unknown. The planner tells, by
// statistics that may be older than the last run, if that was cut short: so where it tells of many
// it is asked again, from the first row that is still there.
func (s *scan) estimated(ctx context.Context, from string) (int64, error) {
	if s.deleter.keys != nil {
		return -1, nil // the coordinator has no statistics of the shards
	}
	rows, err := s.planned(ctx, from)
	if err != nil || rows <= estimateFrom || s.batcher.planningWeighs() {
		return rows, err
	}
	var first *string
	var setting string
	err = s.batcher.session.exchangeWithin(ctx, min(estimateFor, s.batcher.StatementTimeout),
		query{s.sql.windowEdge, s.with("floor", from, "until", s.until, "rows", 0), into(&first, &setting)})
	switch {
	case sqlState(err) != "":
		return -1, nil
	case err != nil:
		return 0, fmt.Errorf("look for the first row that is due: %w", err)
	case first == nil:
		return 0, nil
	}
	return s.planned(ctx, *first)
}

// planned is how many rows the planner expects from a key on; -1 if the server took too long, or a
// lock is in the way.
func (s *scan) planned(ctx context.Context, from string) (int64, error) {
	var text string
	err := s.batcher.session.exchange(ctx, query{s.sql.estimate, s.with("floor", from, "until", s.until), into(&text)})
	switch {
	case sqlState(err) != "":
		return -1, nil
	case err != nil:
		return 0, fmt.Errorf("estimate how many rows are due: %w", err)
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) != 1 {
		return 0, fmt.Errorf("read the plan of an estimate: %w", err)
	}
	return int64(plans[0].Plan.Rows), nil
}

// sampleBlocks is how many blocks are enough to judge all of them by: to a twentieth, if half of
// them hold such rows.
const sampleBlocks = 400

// sampled is about how many rows the pass has from a key on, by a sample of the heap's blocks; -1
// if the server cannot, or took too long.
func (s *scan) sampled(ctx context.Context, from string) (int64, error) {
	scale := max(1, float64(s.heap.total)/sampleBlocks)
	var rows int64
	err := s.batcher.session.exchange(ctx, query{s.sql.sample, s.with("floor", from, "until", s.until, "percent", 100/scale), into(&rows)})
	switch {
	case sqlState(err) != "":
		return -1, nil
	case err != nil:
		return 0, fmt.Errorf("sample the heap: %w", err)
	}
	return int64(float64(rows) * scale), nil
}
