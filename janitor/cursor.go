package janitor

import (
	"context"
	"fmt"
	"time"
)

const (
	forever  = "infinity"  // the largest timestamptz there is
	earliest = "-infinity" // and the smallest
)

// cursor is how far a pass has come. Keys are PostgreSQL's own text from end to end, for Go's time
// knows neither infinity nor all the years. It only rises, but for a restart.
type cursor struct {
	start      string
	at         string // all rows below have been dealt with
	resumeFrom string // the highest key below which no due row is known to be left; the next run looks there first
	leftBelow  int64  // due rows that were left below at
}

func startAt(key string) cursor { return cursor{start: key, at: key, resumeFrom: key} }

// raise raises the cursor. What is below it now and still there, stays.
func (p *pass) raise(key string) {
	p.cursor.at, p.cursor.leftBelow = key, p.tally.left.Total()
	if p.cursor.leftBelow == 0 {
		p.cursor.resumeFrom = key
	}
}

// floor is where the next run may begin, "" if nowhere.
func (p *pass) floor() string {
	if !p.ordered {
		return "" // rows become due all along the pass
	}
	return p.cursor.resumeFrom
}

// lookBelow is how long a run looks where nothing should be left: enough for tens of thousands of
// dead entries, and little for a run that finds nothing else to do.
const lookBelow = 5 * time.Millisecond

// skipTo begins the pass at the floor of an earlier run, unless a row lies below it by now.
func (p *pass) skipTo(ctx context.Context, floor string) error {
	if floor == "" || !p.key.kind.may(floor) {
		return nil
	}
	empty, known, err := p.empty(ctx, p.cursor.at, floor, lookBelow)
	if err == nil && (empty || !known) {
		p.raise(floor)
		p.reader = p.at(floor)
	}
	if err == nil && !known {
		p.missed.why = belowUnknown
	}
	return err
}

// empty reports whether no row has a key in [from, to); unknown if that takes too long.
func (s *scan) empty(ctx context.Context, from, to string, within time.Duration) (empty, known bool, err error) {
	if s.deleter.keys != nil {
		within = clusterGoal // the way to the workers alone takes longer
	}
	var first *string
	var setting string
	err = s.batcher.session.look(ctx, within, query{s.sql.windowEdge, s.with("floor", from, "until", to, "rows", 0), into(&first, &setting)})
	switch {
	case sqlState(err) != "":
		return false, false, nil // it takes too long, or the table is locked
	case err != nil:
		return false, false, fmt.Errorf("look below %s: %w", to, err)
	}
	return first == nil, true, nil
}
