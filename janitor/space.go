package janitor

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Space is what the table takes on the server's disk when a run ends, all its partitions
// together, and how much of it vacuum has yet to make usable again. The rows are the
// server's own estimate, which autovacuum goes by.
type Space struct {
	Known      bool // false: the run could not look
	LiveRows   int64
	DeadRows   int64     // deleted or updated, and not yet vacuumed
	TableBytes int64     // with TOAST and maps, without indexes
	IndexBytes int64     // all indexes
	Vacuumed   time.Time // when the last vacuum ended, by hand or automatic, of any partition; zero = never
}

// lookAtSpace is of no use to the run itself: one that cannot look goes without.
func (r *run) lookAtSpace(ctx context.Context) {
	var s Space
	var vacuumed *time.Time
	err := r.exchange(ctx, query{statement("space"), pgx.NamedArgs{"oid": r.oid},
		into(&s.LiveRows, &s.DeadRows, &s.TableBytes, &s.IndexBytes, &vacuumed)})
	if err != nil {
		return
	}
	s.Known = true
	if vacuumed != nil {
		s.Vacuumed = *vacuumed
	}
	r.result.Space = s
}
