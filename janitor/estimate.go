package janitor

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// estimateFor is how long a run may look for its first row, over the dead entries of those
// that went before. The first batch has to pass them as well, and finds those hinted that
// this look went over.
const estimateFor = time.Second

// estimateFrom is from how many rows on, by a first estimate, it is worth another look: what
// is less is done before anybody has read it.
const estimateFrom = 20_000

// estimate is about how many rows are due in the walk. The planner tells, by
// statistics which may be older than the last run, cut short or killed: so where it tells
// of many it is asked again, from the first row that is still there. -1 where
// nobody knows.
func (w *walk) estimate(ctx context.Context) (int64, error) {
	rows, err := w.planned(ctx, w.floor)
	if err != nil || rows <= estimateFrom {
		return rows, err
	}
	var first *string
	var set string
	err = w.exchangeWithin(ctx, min(estimateFor, w.StatementTimeout), query{w.sql.edge, w.args("until", w.until, "rows", 0), into(&first, &set)})
	switch {
	case code(err) != "":
		return -1, nil
	case err != nil:
		return 0, fmt.Errorf("look for the first row that is due: %w", err)
	case first == nil:
		return 0, nil
	}
	return w.planned(ctx, *first)
}

// planned is how many rows the planner expects from a key on; -1 if the server took too
// long, or a lock is in the way.
func (w *walk) planned(ctx context.Context, from string) (int64, error) {
	var text string
	err := w.exchange(ctx, query{w.sql.estimate, pgx.NamedArgs{"floor": from, "until": w.until}, into(&text)})
	switch {
	case code(err) != "":
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

// sampled is about how many rows the walk has before it, by a look at some blocks of the
// heap; -1 where the server cannot or took too long.
func (w *walk) sampled(ctx context.Context) (int64, error) {
	scale := max(1, float64(w.heap.blocks)/sampleBlocks)
	var rows int64
	err := w.exchange(ctx, query{w.sql.sample, w.args("until", w.until, "percent", 100/scale), into(&rows)})
	switch {
	case code(err) != "":
		return -1, nil
	case err != nil:
		return 0, fmt.Errorf("sample the heap: %w", err)
	}
	return int64(float64(rows) * scale), nil
}
