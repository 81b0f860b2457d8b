package janitor

import (
	"context"
	"fmt"
)

// Range is from when to when what a dry run found due had expired, or was revoked, in
// PostgreSQL's own words (ISO style, UTC), for Go's time knows neither -infinity nor all
// the years. Both are empty where nothing is due, or it took the server longer than
// StatementTimeout to tell.
type Range struct{ Oldest, Newest string }

// dueRange asks for the range of what is due in a walk that is about to begin.
func (w *walk) dueRange(ctx context.Context) (Range, error) {
	var oldest, newest *string
	err := w.exchange(ctx, query{w.sql.dueRange, w.args("until", w.until), into(&oldest, &newest)})
	switch {
	case code(err) == queryCanceled, code(err) == lockNotAvailable:
		return Range{}, nil
	case err != nil:
		return Range{}, fmt.Errorf("look from when to when what is due is: %w", err)
	case oldest == nil || newest == nil:
		return Range{}, nil
	}
	return Range{*oldest, *newest}, nil
}
