package migrations

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The longest we wait for a lock. Who only reads, nobody has to wait in line behind. Who changes the schema waits for no
// longer than a statement of the API's takes, for a login would wait behind it; not getting the lock only costs another try.
const (
	readingLockTimeout = 100 * time.Millisecond
	writingLockTimeout = 10 * time.Millisecond
)

// limit is how long a statement, a rest within a transaction, or a transaction may take.
const limit = time.Minute

//go:embed sql/begin.sql
var beginSQL string

// inTransaction runs do in a transaction in which only pg_catalog is on the search_path, no lock is waited for long, and
// no limit of the session ends what takes a moment. It hands it the search_path that the session has. All it sets ends
// with the transaction.
func inTransaction(ctx context.Context, conn *pgx.Conn, options pgx.TxOptions, do func(tx pgx.Tx, path []string) error) error {
	tx, err := conn.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	defer tx.Rollback(ctx) // does nothing after a commit; if it fails the connection is closed, and all ends with that
	lockTimeout := readingLockTimeout
	if options.AccessMode == pgx.ReadWrite {
		lockTimeout = writingLockTimeout
	}
	var path []string
	begin := tx.QueryRow(ctx, beginSQL, pgx.QueryExecModeExec, int(lockTimeout.Milliseconds()), int(limit.Milliseconds()))
	if err := begin.Scan(&path, nil, nil, nil, nil, nil, nil); err != nil {
		return fmt.Errorf("set search_path aside: %w", err)
	}
	if err := do(tx, path); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// reading is for looks: every query of one sees the same moment, and nothing can be written.
var reading = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// writing is for changes: what is read after a lock was waited for must be what its holder committed. The access mode is
// said aloud because a role's default may differ.
var writing = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}

func code(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
