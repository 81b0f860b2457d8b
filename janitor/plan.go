package janitor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// node is what EXPLAIN (FORMAT JSON) tells of one step of a plan.
type node struct {
	Type  string  `json:"Node Type"`
	Table string  `json:"Relation Name"`
	Cond  string  `json:"Index Cond"`
	Rows  float64 `json:"Plan Rows"`
	Plans []node  `json:"Plans"`
}

// walksIndex asks the server for its plans of the very statements that find an edge and
// clear a window: whether they follow an index on the key, in its order and without looking
// at rows outside the window. Asked for each run, since an index may come and go; the answer
// covers what no catalogue query would (partial indexes, partitions, an index the planner
// may not use yet).
func (w *walk) walksIndex(ctx context.Context, key string) error {
	const explain = "EXPLAIN (FORMAT JSON) "
	args := w.args("until", w.until, "rows", w.BatchMaxRows)
	clear := w.sql.window.delete
	if w.DryRun {
		clear = w.sql.window.count // the role may not be allowed more
	}
	var texts [2]string
	err := w.look(ctx,
		query{explain + w.sql.edge, args, into(&texts[0])},
		query{explain + clear, args, into(&texts[1])})
	if err != nil {
		return fmt.Errorf("explain the window on %s: %w", key, err)
	}
	for _, text := range texts {
		var plans []struct{ Plan node }
		if err := json.Unmarshal([]byte(text), &plans); err != nil {
			return fmt.Errorf("read the plan of the window on %s: %w", key, err)
		}
		if len(plans) != 1 {
			continue // a rule makes something else of the deletion
		}
		if _, wrong := plans[0].Plan.follows(key); wrong != "" {
			return &planError{key: key, table: w.Table.Sanitize(), plan: wrong}
		}
	}
	return nil
}

// look exchanges queries that a run begins with, and waits for a table that is locked.
func (r *run) look(ctx context.Context, queries ...query) error {
	for r.refused = 0; ; {
		err := r.exchange(ctx, queries...)
		if code(err) != lockNotAvailable {
			r.refused = 0
			return err
		}
		switch r.refused++; {
		case ctx.Err() != nil:
			return stopped(StopCancelled)
		case r.refused >= refusals:
			return stopped(StopTableLocked)
		}
	}
}

// follows says whether the plan reads an index on the key, and the first step that does
// not follow it, if any.
func (n node) follows(key string) (reads bool, wrong string) {
	switch n.Type {
	case "Index Scan", "Index Only Scan":
		if !strings.Contains(n.Cond, key) {
			return false, n.Type + " on " + n.Table + " without a condition on " + key
		}
		return true, ""
	}
	if n.Table != "" && n.Type != "ModifyTable" {
		return false, n.Type + " on " + n.Table
	}
	for _, child := range n.Plans {
		child, wrong := child.follows(key)
		if wrong != "" {
			return false, wrong
		}
		reads = reads || child
	}
	if strings.HasSuffix(n.Type, "Sort") && reads {
		return false, n.Type // of rows that the index has in another order
	}
	return reads, ""
}

// planError says that the server has no index to walk.
type planError struct{ key, table, plan string }

func (e *planError) Error() string {
	return fmt.Sprintf("no usable index leads with %s (the server plans: %s); create one: CREATE INDEX CONCURRENTLY ON %s (%s)",
		e.key, e.plan, e.table, e.key)
}
