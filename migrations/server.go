package migrations

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/server.sql
var serverSQL string

// requirePostgres refuses servers that speak PostgreSQL's protocol and are none.
func requirePostgres(ctx context.Context, conn *pgx.Conn) error {
	var version string
	var dsql bool
	if err := conn.QueryRow(ctx, serverSQL, pgx.QueryExecModeExec).Scan(&version, &dsql); err != nil {
		return fmt.Errorf("ask which server this is: %w", err)
	}
	return supported(version, dsql)
}

// supported refuses, by name, servers on which the janitor cannot keep its promises. version is what the function of
// that name returns; CockroachDB and YugabyteDB name themselves there.
func supported(version string, dsql bool) error {
	switch {
	case strings.HasPrefix(version, "CockroachDB"):
		return refuse("the server is CockroachDB, whose advisory locks lock nothing, so that nothing keeps two janitors apart",
			"use its row-level TTL: ALTER TABLE ... SET (ttl_expiration_expression = 'expires_at')")
	case strings.Contains(version, "-YB-"):
		return refuse("the server is YugabyteDB, whose rows have no ctid, by which the janitor finds the rows that it lists",
			"delete there by primary key, from the API or pg_cron")
	case dsql:
		return refuse("the server is Aurora DSQL, which has no PL/pgSQL",
			"delete there by primary key, from the API")
	}
	return nil
}
