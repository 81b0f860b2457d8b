package janitor

import (
	"context"
	"fmt"
	"strings"
)

// Range is from when to when what a dry run found due had expired, or was revoked, in
// PostgreSQL's own words (ISO style, UTC), for Go's time knows neither -infinity nor all
// the years. Both are empty where nothing is due, or it took the server longer than
// StatementTimeout to tell.
type Range struct{ Oldest, Newest string }

// dueRange asks for the range of what is due in a walk that is about to begin.
func (w *walk) dueRange(ctx context.Context) (Range, error) {
	aged, key, cut := "expires_at", "expires_at", "true"
	if w.reason == Revoked {
		aged = "revoked_at"
	}
	if w.reason == Revoked && w.ordered {
		key, cut = "revoked_at", "is_revoked"
	}
	text := strings.NewReplacer(":table", w.Table.Sanitize(), ":rule", fragment("rule_"+string(w.reason)),
		":aged", aged, ":key", key, ":cut", cut).Replace(statement("range"))
	var oldest, newest *string
	err := w.exchange(ctx, query{text, w.args("until", w.until), into(&oldest, &newest)})
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
