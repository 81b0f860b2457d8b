// Package migrationstest makes what a test or the demo needs of the API's schema on a [pgtemp] server.
package migrationstest

import (
	"context"
	_ "embed"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// Users is the SQL that makes what the API's revision 003_add_users leaves, version table included.
//
//go:embed users.sql
var Users string

// Apply brings an empty database to head and returns where it is then.
func Apply(ctx context.Context, conn *pgx.Conn) (migrations.State, error) {
	if _, err := conn.Exec(ctx, Users, pgx.QueryExecModeSimpleProtocol); err != nil {
		return migrations.State{}, fmt.Errorf("apply 003_add_users: %w", err)
	}
	state, err := migrations.Ensure(ctx, conn, migrations.Names{Table: "refresh_tokens"}, migrations.Upgrade)
	if err != nil {
		return migrations.State{}, fmt.Errorf("apply %s: %w", migrations.Head, err)
	}
	return state, nil
}

// template is the database at head that tests get a copy of.
const template = "head"

var head struct {
	make sync.Once
	err  error
}

// Head returns the URL of a new database on the shared server whose schema is at head: the tables users and
// refresh_tokens, empty, and alembic_version at 004_add_refresh_tokens. It goes with the test.
func Head(t testing.TB) string {
	t.Helper()
	s := pgtemp.Shared(t)
	head.make.Do(func() { head.err = makeTemplate(context.Background(), s) })
	if head.err != nil {
		t.Fatalf("migrationstest: make the database at head that tests get a copy of: %v", head.err)
	}
	return pgtemp.From(t, template)
}

func makeTemplate(ctx context.Context, s *pgtemp.Server) error {
	if err := s.Create(ctx, template); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.URL(template))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = Apply(ctx, conn)
	return err
}
