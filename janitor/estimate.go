package janitor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// estimateFor is how long a run may look for its first row, over the dead entries of those
// that went before. The first batch has to pass them as well, and finds those hinted that
// this look went over.
const estimateFor = time.Second

// estimate is about how many rows are due in the walk; -1 = unknown. The planner tells
// (rows), by statistics which may be older than the last run, cut short or killed: so where
// it tells of more than a batch it is asked again, from the first row that is still there.
func (w *walk) estimate(ctx context.Context, key string) (about, rows int64, err error) {
	rows, err = w.planned(ctx, key, w.floor)
	about = rows
	if err == nil && about > int64(w.BatchMaxRows) {
		var first *string
		var set string
		err = w.exchangeWithin(ctx, min(estimateFor, w.StatementTimeout), query{w.sql.edge, w.args("until", w.until, "rows", 0), into(&first, &set)})
		switch {
		case err == nil && first == nil:
			about = 0
		case err == nil:
			about, err = w.planned(ctx, key, *first)
		}
	}
	switch {
	case code(err) != "": // the server took too long, or a lock is in the way
		return -1, rows, nil
	case err != nil:
		return 0, 0, fmt.Errorf("estimate how many rows are due: %w", err)
	}
	return about, rows, nil
}

// planned is how many rows the planner expects from a key on.
func (w *walk) planned(ctx context.Context, key, from string) (int64, error) {
	var text string
	explain := strings.NewReplacer(":table", w.Table.Sanitize(), ":key", key).Replace(statement("estimate"))
	err := w.exchange(ctx, query{explain, pgx.NamedArgs{"floor": from, "until": w.until}, into(&text)})
	if err != nil {
		return 0, err
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) != 1 {
		return 0, fmt.Errorf("read the plan: %w", err)
	}
	return int64(plans[0].Plan.Rows), nil
}
