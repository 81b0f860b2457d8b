package migrations

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/contract.sql
var contractSQL string

//go:embed sql/publications.sql
var publicationsSQL string

//go:embed sql/unindexed.sql
var unindexedSQL string

// problems compares a table with what the janitor relies on, and no more: an ordinary or partitioned table without
// tables that inherit from it, its columns, an index that leads with that of expiry, the rights, no row security that
// hides rows, no foreign key by which one token takes others with it, and no publication that stands in the way. Warnings
// are what it can work with, slowly: foreign keys without an index.
//
// What nothing can be amiss with is not asked: on a catalogue that nobody has read yet, each of these queries takes as
// long as the deletion of thousands of rows.
func problems(ctx context.Context, tx pgx.Tx, at catalog, cols Columns) (list, warnings []Problem, err error) {
	list, err = collect(ctx, tx, contractSQL, at.TokensOID, cols.Expires, cols.Revoked, cols.RevokedAt, cols.TimestampZone, cols.Epoch)
	if err != nil {
		return nil, nil, fmt.Errorf("check the table of tokens: %w", err)
	}
	var keys []foreignKey
	if at.Referenced {
		if keys, err = foreignKeys(ctx, tx, at.TokensOID, cols); err != nil {
			return nil, nil, err
		}
	}
	c := newCascades(at.TokensOID, keys)
	list = append(list, c.problems()...)
	if at.Publications {
		tables, updates := c.touched()
		published, err := collect(ctx, tx, publicationsSQL, tables, updates)
		if err != nil {
			return nil, nil, fmt.Errorf("check the publications: %w", err)
		}
		list = append(list, published...)
	}
	if at.Referenced {
		if warnings, err = collect(ctx, tx, unindexedSQL, c.deleted()); err != nil {
			return nil, nil, fmt.Errorf("check the indexes of foreign keys: %w", err)
		}
	}
	return list, warnings, nil
}

func collect(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]Problem, error) {
	rows, err := tx.Query(ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows([]Problem(nil), rows, pgx.RowToStructByName[Problem]) // nil = none
}
