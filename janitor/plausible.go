package janitor

import (
	"context"
	"fmt"
	"time"
)

// The median of a column of times lies between these, or it is in another unit: seconds taken for
// milliseconds lie in January 1970, and milliseconds taken for seconds beyond the year 30000.
const (
	plausibleFrom  = 946_684_800   // 2000, in seconds
	plausibleUntil = 4_133_980_800 // 2101
)

// plausibleBlocks is how many blocks of the heap are enough to find a median.
const plausibleBlocks = 100

// requirePlausible refuses integer columns whose values are no times in the unit that was given. An empty
// table is plausible, and so are rows that never expire.
func (r *run) requirePlausible(ctx context.Context) error {
	for _, c := range []column{r.columns.expires, r.columns.revokedAt} {
		if c.kind.unit == 0 {
			continue
		}
		own := pieces{"table": r.Table.Sanitize(), "column": c.sql()}
		percent := 100 / max(1, float64(r.heap.total)/plausibleBlocks)
		var median *int64
		var err error
		if r.session.cluster == nil { // Citus takes no samples
			err = r.batcher.ask(ctx, query{render("epoch_sample", nil, own), map[string]any{"percent": percent}, into(&median)})
		}
		if err == nil && median == nil && c == r.columns.expires {
			err = r.batcher.ask(ctx, query{render("epoch_first", nil, own), nil, into(&median)})
		}
		switch {
		case err != nil:
			return fmt.Errorf("sample the times of %s: %w", c.sql(), err)
		case median != nil && !plausible(*median, c.kind.unit):
			return &implausibleError{column: c, median: *median}
		}
	}
	return nil
}

func plausible(median int64, unit time.Duration) bool {
	perSecond := int64(time.Second / unit)
	return median >= plausibleFrom*perSecond && median < plausibleUntil*perSecond
}

// implausibleError says that the values of a column are no times in the unit that was given.
type implausibleError struct {
	column column
	median int64
}

func (e *implausibleError) Error() string {
	unit, other, otherUnit := Seconds, Milliseconds, time.Millisecond
	if e.column.kind.unit == time.Millisecond {
		unit, other, otherUnit = Milliseconds, Seconds, time.Second
	}
	remedy := "name a column that counts from 1970 with --expires-column or --revoked-at-column"
	if plausible(e.median, otherUnit) {
		remedy = "give --epoch " + string(other)
	}
	return fmt.Sprintf("the values of column %s are not %s since 1970: the median of a sample, %d, lies before 2000 or after 2100; %s",
		e.column.sql(), unit, e.median, remedy)
}
