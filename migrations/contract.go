package migrations

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/contract.sql
var contractSQL string

// problems compares a table with what the janitor relies on, and no more: an ordinary or partitioned table without
// tables that inherit from it, its three columns, an index that leads with expires_at, the rights, and no row security.
func problems(ctx context.Context, tx pgx.Tx, table uint32) ([]Problem, error) {
	rows, err := tx.Query(ctx, contractSQL, pgx.QueryExecModeExec, table)
	if err != nil {
		return nil, fmt.Errorf("check the table of tokens: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Problem])
	if err != nil {
		return nil, fmt.Errorf("check the table of tokens: %w", err)
	}
	return list, nil
}
