package migrations

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Parse is for the fuzz target: tests of this package are outside it, because pgtemp imports it.
var Parse = parse

// Supported is supported, for tests.
var Supported = supported

// Setting is the value of a setting in a transaction of ours, of either kind.
func Setting(ctx context.Context, conn *pgx.Conn, writes bool, name string) (value string, err error) {
	kind := reading
	if writes {
		kind = writing
	}
	err = inTransaction(ctx, conn, kind, func(tx pgx.Tx, _ []string) error {
		return tx.QueryRow(ctx, "SELECT coalesce(current_setting($1, true), '')", pgx.QueryExecModeExec, name).Scan(&value)
	})
	return value, err
}
