package migrations

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// settle is how long the schema must have looked the same before we change it while others are connected. Alembic
// holds a lock on alembic_version from its first look to its commit; but with transaction_per_migration it begins anew
// after each revision, and between two of them nothing tells that it is at work. What it does there takes it
// milliseconds, on a machine short of everything some hundred.
const settle = 2 * time.Second

//go:embed sql/sessions.sql
var sessionsSQL string

//go:embed sql/locks.sql
var locksSQL string

// quiet watches whether anybody may be at work on the schema without a lock to show for it. Its zero value has seen
// nothing.
type quiet struct {
	seen    *found
	since   time.Time
	settled bool
	open    []string // transactions that were open when the schema had settled, and have not ended
}

// errUnsettled is what quiet waits for.
type errUnsettled string

func (e errUnsettled) Error() string { return string(e) }

// check returns nil once nobody can be in the middle of a chain of migrations: because nobody else is connected, or
// because the schema has been as f for a while and every transaction that was open then has ended. (The next migration
// may take long before its first statement leaves a trace. What cannot be seen is one that, with
// transaction_per_migration, computes for longer than settle before it says anything to the server.)
func (q *quiet) check(ctx context.Context, conn *pgx.Conn, f *found) error {
	var others int
	var open, locks []string
	used, written := f.locked()
	err := inTransaction(ctx, conn, reading, func(tx pgx.Tx, _ []string) error {
		if err := tx.QueryRow(ctx, sessionsSQL, pgx.QueryExecModeExec).Scan(&others, &open); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, locksSQL, pgx.QueryExecModeExec, used, written)
		if err != nil {
			return err
		}
		locks, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return fmt.Errorf("look for other sessions: %w", err)
	}
	switch {
	case others == 0 && len(locks) == 0:
		return nil
	case !f.same(q.seen):
		*q = quiet{seen: f, since: time.Now()}
		return errUnsettled("somebody may be migrating still")
	case time.Since(q.since) < settle:
		return errUnsettled("somebody may be migrating still")
	case !q.settled:
		q.settled, q.open = true, open
	default:
		q.open = slices.DeleteFunc(q.open, func(t string) bool { return !slices.Contains(open, t) })
	}
	if len(q.open) > 0 {
		return errUnsettled("transactions are open that may be a migration's: " + strings.Join(q.open, ", "))
	}
	// To ask for such a lock would have everybody wait behind us who asks after us.
	if len(locks) > 0 {
		return errUnsettled("locks are held that it has to wait for: " + strings.Join(locks, ", "))
	}
	return nil
}

// locked are the tables that a change locks: those that nobody may use meanwhile, and those that nobody may write to.
func (f *found) locked() (used, written []uint32) {
	if f.TokensOID != 0 { // a downgrade: to drop a foreign key takes the same lock at both ends
		return []uint32{f.VersionOID, f.TokensOID, f.UsersOID}, []uint32{}
	}
	return []uint32{f.VersionOID}, []uint32{f.UsersOID}
}
