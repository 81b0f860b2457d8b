package janitor

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
)

// seen is what a run finds out about the table beside its work.
type seen struct {
	ranges  map[Reason]Range // of a dry run
	overdue map[Reason]Overdue
	space   Space
}

const (
	// OverdueCap is how many rows a run reads, at most, to count those that are overdue.
	OverdueCap = 100_000
	// oldestAmong is how many rows are read, at most, to find how long one that is left has been due.
	oldestAmong = 20_000
)

// noteOldest notes how long the oldest due row from the cursor on has been due. Without an answer
// it is unknown, which is no reason to end a run.
func (p *pass) noteOldest(ctx context.Context, most int64) {
	if _, oldest, _, err := p.overdueFrom(ctx, p.cursor.at, most); err == nil {
		p.tally.oldest = max(p.tally.oldest, oldest)
	}
}

// overdue is what the pass leaves; none reports whether that is nothing.
func (p *pass) overdue(ctx context.Context) (left Overdue, none bool) {
	if p.reader != nil {
		p.noteRewrite(ctx)
	}
	left = Overdue{Known: true, Rows: p.tally.left.Total()}
	if left.Rows > 0 {
		left.Oldest = p.tally.oldest
	}
	if p.reader == nil && p.missed.why == "" {
		return left, left.Rows == 0
	}
	from, below, most := p.cursor.at, p.cursor.leftBelow, int64(OverdueCap)
	switch {
	case p.batcher.DryRun: // what it has counted is still there
		from, below, most = p.cursor.start, -p.tally.counted, most+p.tally.counted
	case p.missed.why != "": // what was missed may lie anywhere
		from, below = p.cursor.start, 0
	}
	rows, oldest, all, err := p.overdueFrom(ctx, from, most)
	if err == nil && all && rows == 0 {
		p.missed.why = ""
	}
	left = Overdue{Known: err == nil, Rows: below + rows, Oldest: max(left.Oldest, oldest), AtLeast: err == nil && !all}
	return left, left.Rows <= 0 && all && err == nil
}

// overdueFrom counts the due rows from a key on, reading no more than most rows; all reports whether
// these were all.
func (s *scan) overdueFrom(ctx context.Context, from string, most int64) (rows int64, oldest time.Duration, all bool, err error) {
	var seconds float64
	var read int64
	err = s.batcher.session.look(ctx, s.batcher.StatementTimeout,
		query{s.sql.overdue, s.with("floor", from, "until", s.until, "rows", most), into(&rows, &seconds, &read)})
	if err != nil {
		return 0, 0, false, fmt.Errorf("count what is overdue: %w", err)
	}
	oldest = math.MaxInt64
	if seconds < oldest.Seconds() {
		oldest = time.Duration(seconds * float64(time.Second))
	}
	return rows, oldest, read < most, nil
}

// Range is the oldest and the newest expiry, or revocation, of what a dry run found due, in
// PostgreSQL's own text (ISO style, UTC), for Go's time knows neither -infinity nor all the years.
// Both are empty where nothing is due, or the server did not answer within StatementTimeout.
type Range struct{ Oldest, Newest string }

// dueRange asks for the range of what is due in a pass that is about to begin.
func (s *scan) dueRange(ctx context.Context, from string) (Range, error) {
	var oldest, newest *string
	err := s.batcher.session.look(ctx, s.batcher.StatementTimeout,
		query{s.sql.dueRange, s.with("floor", from, "until", s.until), into(&oldest, &newest)})
	switch {
	case sqlState(err) == queryCanceled, sqlState(err) == lockNotAvailable:
		return Range{}, nil
	case err != nil:
		return Range{}, fmt.Errorf("find the oldest and the newest row that is due: %w", err)
	case oldest == nil || newest == nil:
		return Range{}, nil
	}
	return Range{*oldest, *newest}, nil
}

// Space is what the table takes on the server's disk when a run ends, all its partitions together,
// and how much of it vacuum has yet to make usable again. The rows are the server's own estimate,
// which autovacuum goes by.
type Space struct {
	Known      bool      // false: the run could not look
	Forgot     bool      // the server has lost its statistics, as in a crash, and no vacuum or ANALYZE came since
	LiveRows   int64     // -1 = unknown; if it forgot, as of the last VACUUM or ANALYZE
	DeadRows   int64     // deleted or updated, and not yet vacuumed; -1 = unknown
	TableBytes int64     // with TOAST and maps, without indexes
	IndexBytes int64     // all indexes
	Vacuumed   time.Time // when the last vacuum ended, manual or automatic, of any partition; zero = never, or unknown if it forgot
}

// space measures the table. A run that cannot, goes without.
func (s *session) space(ctx context.Context) Space {
	if s.cluster != nil {
		return s.clusterSpace(ctx)
	}
	var space Space
	var live, dead *int64
	var vacuumed *time.Time
	err := s.exchange(ctx, query{statement("space"), pgx.NamedArgs{"oid": s.oid},
		into(&live, &dead, &space.TableBytes, &space.IndexBytes, &vacuumed, &space.Forgot)})
	if err != nil {
		return Space{}
	}
	space.Known, space.LiveRows, space.DeadRows = true, orUnknown(live), orUnknown(dead)
	if vacuumed != nil {
		space.Vacuumed = *vacuumed
	}
	return space
}

func orUnknown(rows *int64) int64 {
	if rows == nil {
		return -1
	}
	return *rows
}
