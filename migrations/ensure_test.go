package migrations_test

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

var public = pgx.Identifier{"public", "refresh_tokens"}

// Every row of the table of cases, and what lies between them.
func TestEnsure(t *testing.T) {
	t.Parallel()
	stamp := func(revision string) string { return "INSERT INTO alembic_version VALUES ('" + revision + "');" }
	for _, c := range []struct {
		name  string
		sql   string
		table string // "" = refresh_tokens
		mode  migrations.Mode
		want  migrations.State // compared if err is empty
		ready bool             // the error is not a *NotReadyError
		err   []string         // what the error names
	}{
		{name: "at head", sql: usersSQL + versionSQL + tokensSQL + stamp(migrations.Head), ready: true,
			want: migrations.State{Table: public, Revision: migrations.Head, AtHead: true}},
		{name: "at head, check", mode: migrations.Check, sql: usersSQL + versionSQL + tokensSQL + stamp(migrations.Head),
			want: migrations.State{Table: public, Revision: migrations.Head, AtHead: true}},
		{name: "at the parent", sql: parentSQL,
			want: migrations.State{Table: public, Revision: migrations.Head, AtHead: true, Upgraded: true}},
		{name: "at the parent, check", sql: parentSQL, mode: migrations.Check,
			err: []string{"not up to date", `"003_add_users"`, "token-janitor migrate upgrade", "alembic upgrade 004_add_refresh_tokens"}},
		{name: "at the parent, typed", sql: parentSQL, mode: migrations.Stamp,
			want: migrations.State{Table: public, Revision: migrations.Head, AtHead: true, Upgraded: true}},
		{name: "no version table, typed", sql: usersSQL, mode: migrations.Stamp,
			want: migrations.State{Table: public, Revision: migrations.Head, AtHead: true, Upgraded: true}},
		{name: "empty version table, typed", sql: usersSQL + versionSQL, mode: migrations.Stamp,
			want: migrations.State{Table: public, Revision: migrations.Head, AtHead: true, Upgraded: true}},
		{name: "no version table", sql: usersSQL, err: []string{"no table alembic_version", "may not be the API's", "run token-janitor migrate upgrade"}},
		{name: "no version table, check", sql: usersSQL, mode: migrations.Check, err: []string{"no table alembic_version", "run token-janitor migrate upgrade"}},
		{name: "empty version table", sql: usersSQL + versionSQL, err: []string{"alembic_version is empty", "run token-janitor migrate upgrade"}},
		{name: "somebody else's users", sql: "CREATE TABLE users (id uuid, n text)", err: []string{"no table alembic_version", "run token-janitor migrate upgrade", "no primary key on id"}},
		{name: "ahead", sql: usersSQL + versionSQL + tokensSQL + stamp("005_add_audit_logs"),
			want: migrations.State{Table: public, Revision: "005_add_audit_logs", Ahead: true}},
		{name: "far ahead, check", mode: migrations.Check, sql: usersSQL + versionSQL + tokensSQL + stamp("024"),
			want: migrations.State{Table: public, Revision: "024", Ahead: true}},
		{name: "no Alembic at all", sql: tokensSQL, want: migrations.State{Table: public, Ahead: true}},
		{name: "empty version table and the table", sql: versionSQL + tokensSQL, want: migrations.State{Table: public, Ahead: true}},
		{name: "nothing", err: []string{"no table users", "alembic upgrade 003_add_users"}},
		{name: "at an older revision", sql: versionSQL + stamp("002_add_tags"),
			err: []string{"no table users", `"002_add_tags"`, "alembic upgrade 003_add_users"}},
		{name: "unknown revision without the table", sql: usersSQL + versionSQL + stamp("009_unheard_of"), ready: true,
			err: []string{`"009_unheard_of"`, "no table refresh_tokens", "alembic upgrade 003_add_users", "--table", "alembic stamp"}},
		{name: "two heads", sql: usersSQL + versionSQL + tokensSQL + stamp("004_add_refresh_tokens") + stamp("004b_fork"),
			want: migrations.State{Table: public, Revision: "004_add_refresh_tokens, 004b_fork", Ahead: true}},
		{name: "two heads, one the parent", mode: migrations.Check, sql: usersSQL + versionSQL + tokensSQL + stamp("003_add_users") + stamp("x"),
			want: migrations.State{Table: public, Revision: "003_add_users, x", Ahead: true}},
		{name: "two heads without the table", sql: usersSQL + versionSQL + stamp("003_add_users") + stamp("x"), ready: true,
			err: []string{`"003_add_users" "x"`, "heads of branches", "no table refresh_tokens", "alembic upgrade heads", "--table"}},
		{name: "two heads without the table, typed", mode: migrations.Stamp, sql: usersSQL + versionSQL + stamp("003_add_users") + stamp("x"), ready: true,
			err: []string{"alembic upgrade heads"}},
		{name: "a row twice", sql: usersSQL + twiceSQL + tokensSQL, ready: true,
			err: []string{`"public"."alembic_version" holds the row "004_add_refresh_tokens" twice`, "DELETE FROM"}},
		{name: "stamped by hand", sql: usersSQL + versionSQL + stamp(migrations.Head), ready: true,
			err: []string{"alembic_version says", "no table refresh_tokens", "alembic stamp 003_add_users"}},
		{name: "at the parent with the table", sql: parentSQL + tokensSQL,
			err: []string{"003_add_users", `"public"."refresh_tokens" already`, "alembic stamp 004_add_refresh_tokens"}},
		{name: "another name", sql: parentSQL, table: "tokens", ready: true, err: []string{"no table tokens", "makes one named refresh_tokens"}},
		{name: "another name that is there", sql: usersSQL + tokensSQL + "ALTER TABLE refresh_tokens RENAME TO \"Tokens\"", table: `"Tokens"`,
			want: migrations.State{Table: pgx.Identifier{"public", "Tokens"}, Ahead: true}},
		{name: "folded", sql: versionSQL + tokensSQL + stamp(migrations.Head), table: "PUBLIC.Refresh_Tokens",
			want: migrations.State{Table: public, Revision: migrations.Head, AtHead: true}},
		{name: "not a name", table: `"refresh_tokens`, ready: true, err: []string{"is not the name of a table", "--table"}},
		{name: "empty name", table: " ", ready: true, err: []string{"is not the name of a table"}},
		{name: "a statement", table: "refresh_tokens; DROP TABLE users", ready: true, err: []string{"is not the name of a table"}},
		{name: "three parts", table: "a.b.c", ready: true, err: []string{"more parts"}},
		{name: "schema missing", sql: parentSQL, table: "auth.refresh_tokens", ready: true, err: []string{`no schema "auth"`, `CREATE SCHEMA "auth"`}},
		{name: "in a schema of its own", sql: parentSQL + `CREATE SCHEMA "Au th"`, table: `"Au th".refresh_tokens`,
			want: migrations.State{Table: pgx.Identifier{"Au th", "refresh_tokens"}, Revision: migrations.Head, AtHead: true, Upgraded: true}},
		{name: "in a schema of its own, no version table", mode: migrations.Stamp, sql: usersSQL + `CREATE SCHEMA auth`, table: `auth.refresh_tokens`,
			want: migrations.State{Table: pgx.Identifier{"auth", "refresh_tokens"}, Revision: migrations.Head, AtHead: true, Upgraded: true}},
		{name: "elsewhere", sql: usersSQL + "CREATE SCHEMA auth; SET search_path = auth;" + tokensSQL, ready: true,
			err: []string{`"auth"`, "--table auth.refresh_tokens"}},
		{name: "in capitals", sql: `CREATE TABLE "PersistedGrants" (id int);`, table: "PersistedGrants", ready: true,
			err: []string{`there is no table PersistedGrants (but there is public."PersistedGrants": --table 'public."PersistedGrants"')`}},
		{name: "in capitals and elsewhere", sql: `CREATE SCHEMA s; CREATE TABLE s."PersistedGrants" (id int);`, table: "s.PersistedGrants", ready: true,
			err: []string{`--table 's."PersistedGrants"'`}},
		{name: "version table elsewhere", sql: usersSQL + "CREATE SCHEMA ops; SET search_path = ops;" + versionSQL + stamp("003_add_users"), ready: true,
			err: []string{`ops.alembic_version looks like a version table`, "--version-table ops.alembic_version", "alembic stamp 003_add_users"}},
		{name: "version table elsewhere, typed", mode: migrations.Stamp, sql: usersSQL + "CREATE SCHEMA ops; SET search_path = ops;" + versionSQL + stamp("003_add_users"), ready: true,
			err: []string{`ops.alembic_version looks like a version table`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			database := pgtemp.Empty(t)
			conn := connect(t, database)
			run(t, conn, c.sql+"; RESET search_path")
			if c.table == "" {
				c.table = "refresh_tokens"
			}
			if c.mode == "" {
				c.mode = migrations.Upgrade
			}
			before := catalogOf(t, conn)
			got, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: c.table}, c.mode)
			var notReady *migrations.NotReadyError
			switch {
			case c.err == nil && err != nil:
				t.Fatal(err)
			case c.err == nil:
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
			case err == nil:
				t.Fatalf("no error, state %+v", got)
			default:
				t.Log(err)
				if errors.As(err, &notReady) == c.ready {
					t.Errorf("a *NotReadyError: %v, want %v", !c.ready, !c.ready)
				}
				if strings.Contains(err.Error(), "%!") {
					t.Errorf("a word is missing: %v", err)
				}
				for _, word := range c.err {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("%q does not name %q", err, word)
					}
				}
			}
			if after := catalogOf(t, conn); !got.Upgraded && after != before {
				t.Errorf("it wrote:\n%s\nwas:\n%s", after, before)
			}
			if path := ask[string](t, conn, "SHOW search_path"); path != `"$user", public` {
				t.Errorf("the session's search_path is left at %s", path)
			}
			if got.Upgraded {
				again, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: c.table}, migrations.Check)
				if err != nil || again.Upgraded || !again.AtHead {
					t.Errorf("again: %+v, %v", again, err)
				}
			}
		})
	}
}

// catalogOf is every relation of the database and every revision, to tell whether anything was written.
func catalogOf(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	rows := ask[string](t, conn, `SELECT coalesce(string_agg(oid::regclass::text, ' ' ORDER BY oid), '') FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_'`)
	if ask[bool](t, conn, "SELECT to_regclass('alembic_version') IS NOT NULL") {
		rows += ask[string](t, conn, "SELECT coalesce(string_agg(version_num || xmin, ' '), '') FROM alembic_version")
	}
	return rows
}

func TestEnsureRefusesWhereNothingCanBeDeleted(t *testing.T) {
	t.Parallel()
	conn := connect(t, atParent(t))
	run(t, conn, "SET default_transaction_read_only = on")
	_, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Upgrade)
	if err == nil || !strings.Contains(err.Error(), "ALTER ROLE \"postgres\" SET default_transaction_read_only = off") {
		t.Errorf("got %v", err)
	}
}

func TestEnsureRefusesUnknownMode(t *testing.T) {
	t.Parallel()
	if _, err := migrations.Ensure(t.Context(), nil, migrations.Names{Table: "refresh_tokens"}, "yes"); err == nil || !strings.Contains(err.Error(), `"yes"`) {
		t.Errorf("got %v", err)
	}
}

// Somebody who may create in a schema that comes first on the path must not be able to put words in our mouth.
func TestHostileSearchPath(t *testing.T) {
	t.Parallel()
	database := atParent(t)
	conn := connect(t, database)
	run(t, conn, `CREATE SCHEMA evil;
		CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'infinity'::timestamptz $$;
		CREATE FUNCTION evil.row_security_active(oid) RETURNS boolean LANGUAGE sql AS $$ SELECT 1/0 = 1 $$;
		CREATE FUNCTION evil.current_schemas(boolean) RETURNS name[] LANGUAGE sql AS $$ SELECT ARRAY['evil']::name[] $$;
		CREATE FUNCTION evil.never(name, name) RETURNS boolean LANGUAGE sql AS $$ SELECT 1/0 = 1 $$;
		CREATE OPERATOR evil.= (FUNCTION = evil.never, LEFTARG = name, RIGHTARG = name);
		CREATE DOMAIN evil.timestamptz AS text;
		CREATE VIEW evil.pg_class AS SELECT 1/0 AS oid;
		SET search_path = public, evil, pg_catalog`)
	state, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Upgrade)
	if err != nil || !state.Upgraded {
		t.Fatalf("%+v, %v", state, err)
	}
	run(t, conn, "SET search_path = pg_catalog")
	if got := ask[string](t, conn, `SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef d JOIN pg_attribute a ON attrelid = adrelid AND attnum = adnum
		WHERE adrelid = 'public.refresh_tokens'::regclass AND attname = 'created_at'`); got != "now()" {
		t.Errorf("created_at defaults to %s", got)
	}
}

func TestEnsureEndsWithItsContext(t *testing.T) {
	t.Parallel()
	database := atParent(t)
	holder := connect(t, database)
	run(t, holder, "BEGIN; SELECT * FROM alembic_version")
	ctx, cancel := context.WithCancel(t.Context())
	conn := connect(t, database)
	done := make(chan error)
	go func() {
		_, err := migrations.Ensure(ctx, conn, migrations.Names{Table: "refresh_tokens"}, migrations.Upgrade)
		done <- err
	}()
	watcher := connect(t, database)
	until(t, watcher, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = "+strconv.Itoa(int(conn.PgConn().PID()))+" AND query <> '')")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCurrent(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtemp.Empty(t))
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"", nil},
		{versionSQL, nil},
		{"INSERT INTO alembic_version VALUES ('b'), ('a')", []string{"a", "b"}},
	} {
		run(t, conn, c.sql)
		got, err := migrations.Current(t.Context(), conn, migrations.Names{Table: "refresh_tokens"})
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("after %q: %q, %v", c.sql, got, err)
		}
	}
	run(t, conn, "CREATE SCHEMA auth; SET search_path = auth;"+versionSQL+"INSERT INTO alembic_version VALUES ('c'); RESET search_path")
	if got, err := migrations.Current(t.Context(), conn, migrations.Names{Table: "auth.refresh_tokens"}); err != nil || !reflect.DeepEqual(got, []string{"c"}) {
		t.Errorf("in the table's own schema: %q, %v", got, err)
	}
}
