package migrations

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// lockTimeout is the longest we wait for a lock, and so the longest anybody waits in line behind us: a blink. Not
// getting it only costs us another try.
const lockTimeout = 100 * time.Millisecond

//go:embed sql/begin.sql
var beginSQL string

//go:embed sql/lock_timeout.sql
var lockTimeoutSQL string

// inTransaction runs do in a transaction in which only pg_catalog is on the search_path and no lock is waited for long,
// and hands it the search_path that the session has. All it sets ends with the transaction.
func inTransaction(ctx context.Context, conn *pgx.Conn, options pgx.TxOptions, do func(tx pgx.Tx, path []string) error) error {
	tx, err := conn.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	defer tx.Rollback(ctx) // does nothing after a commit; if it fails the connection is closed, and all ends with that
	var path []string
	if err := tx.QueryRow(ctx, beginSQL, pgx.QueryExecModeExec).Scan(&path, nil); err != nil {
		return fmt.Errorf("set search_path aside: %w", err)
	}
	if _, err := tx.Exec(ctx, lockTimeoutSQL, pgx.QueryExecModeExec, int(lockTimeout.Milliseconds())); err != nil {
		return fmt.Errorf("set lock_timeout: %w", err)
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

// createPath is the search_path for running a revision: the schema to create in comes first, as in the session, and
// pg_catalog goes before all, as it does unless it is named.
func createPath(path []string) []string {
	return slices.DeleteFunc(slices.Clone(path), func(schema string) bool {
		return schema == "pg_catalog" || strings.HasPrefix(schema, "pg_temp_")
	})
}

func setPath(ctx context.Context, tx pgx.Tx, path []string) error {
	quoted := make([]string, len(path))
	for i, schema := range path {
		quoted[i] = pgx.Identifier{schema}.Sanitize()
	}
	_, err := tx.Exec(ctx, "SELECT pg_catalog.set_config('search_path', $1, true)", pgx.QueryExecModeExec,
		strings.Join(append(quoted, "pg_temp"), ", "))
	if err != nil {
		return fmt.Errorf("set search_path: %w", err)
	}
	return nil
}

func code(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
