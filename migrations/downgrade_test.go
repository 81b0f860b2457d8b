package migrations_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

func TestDowngrade(t *testing.T) {
	t.Parallel()
	stamp := func(revision string) string { return "INSERT INTO alembic_version VALUES ('" + revision + "');" }
	head := usersSQL + versionSQL + tokensSQL + stamp(migrations.Head)
	for _, c := range []struct {
		name, sql, table string
		err              []string // nil = it goes
	}{
		{name: "at head", sql: head, table: "refresh_tokens"},
		{name: "in its own schema", sql: "CREATE SCHEMA auth; SET search_path = auth;" + head, table: "auth.refresh_tokens"},
		{name: "ahead", sql: usersSQL + versionSQL + tokensSQL + stamp("005_add_audit_logs"), table: "refresh_tokens",
			err: []string{"the API's chain is ahead", `"005_add_audit_logs"`, "alembic downgrade 004_add_refresh_tokens"}},
		{name: "at the parent", sql: parentSQL, table: "refresh_tokens", err: []string{"nothing to take back"}},
		{name: "no version", sql: tokensSQL, table: "refresh_tokens", err: []string{"no table alembic_version", "nothing to take back"}},
		{name: "two rows", sql: head + stamp("x"), table: "refresh_tokens", err: []string{"several revisions", "alembic downgrade"}},
		{name: "no table", sql: usersSQL + versionSQL + stamp(migrations.Head), table: "refresh_tokens", err: []string{"no table refresh_tokens", "alembic stamp 003_add_users"}},
		{name: "another table", sql: head, table: "users", err: []string{"made a table named refresh_tokens, not users"}},
		{name: "a temporary table before it", sql: head + "CREATE TEMP TABLE refresh_tokens ()", table: "refresh_tokens", err: []string{"temporary"}},
		{name: "referred to", sql: head + "CREATE TABLE sessions (token uuid REFERENCES refresh_tokens)", table: "refresh_tokens", err: []string{"sessions_token_fkey", "drop what refers"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtemp.Empty(t))
			run(t, conn, c.sql+"; RESET search_path")
			before := catalogOf(t, conn)
			state, err := migrations.Downgrade(t.Context(), conn, migrations.Names{Table: c.table})
			if c.err != nil {
				if err == nil {
					t.Fatalf("no error, state %+v", state)
				}
				if strings.Contains(err.Error(), "%!") {
					t.Errorf("a word is missing: %v", err)
				}
				for _, word := range c.err {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("%q does not name %q", err, word)
					}
				}
				if after := catalogOf(t, conn); after != before {
					t.Errorf("it wrote:\n%s\nwas:\n%s", after, before)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if state.Revision != "003_add_users" || state.AtHead || state.Upgraded || state.Table[1] != "refresh_tokens" {
				t.Errorf("got %+v", state)
			}
			if got, err := migrations.Current(t.Context(), conn, migrations.Names{Table: c.table}); err != nil || !reflect.DeepEqual(got, []string{"003_add_users"}) {
				t.Errorf("alembic_version says %q, %v", got, err)
			}
			if ask[bool](t, conn, "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'refresh_tokens')") {
				t.Error("the table is still there")
			}
		})
	}
}
