package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// What is committed and in the way does not go by waiting: it is refused at once, by name, and what the refusal says to
// run mends it.
func TestObstacles(t *testing.T) {
	t.Parallel()
	const renamed = "CREATE TABLE refresh_tokens (id uuid PRIMARY KEY, user_id uuid, token_hash varchar, expires_at timestamptz);" +
		"CREATE INDEX ix_refresh_tokens_user_id ON refresh_tokens (user_id);" +
		"CREATE UNIQUE INDEX ix_refresh_tokens_token_hash ON refresh_tokens (token_hash);" +
		"CREATE INDEX ix_refresh_tokens_expires_at ON refresh_tokens (expires_at);" +
		"ALTER TABLE refresh_tokens RENAME TO tokens_old;"
	users := func(columns string) string { return strings.Replace(parentSQL, usersSQL, columns, 1) }
	for _, c := range []struct {
		name, sql string
		what      []string
		mend      string // "" = the statements of the refusal
		typed     bool
	}{
		{name: "renamed away", sql: parentSQL + renamed,
			what: []string{"public.tokens_old", "ix_refresh_tokens_expires_at, ix_refresh_tokens_token_hash, ix_refresh_tokens_user_id", "ALTER TABLE public.tokens_old RENAME TO refresh_tokens", "ALTER INDEX public.ix_refresh_tokens_user_id RENAME TO"}},
		{name: "one index of another table", sql: parentSQL + "CREATE INDEX ix_refresh_tokens_user_id ON users (email)", what: []string{"public.users", "ix_refresh_tokens_user_id"}},
		{name: "a table of an index's name", sql: parentSQL + "CREATE TABLE ix_refresh_tokens_user_id ()", what: []string{"public.ix_refresh_tokens_user_id is taken by a table"}},
		{name: "sequence", sql: parentSQL + "CREATE SEQUENCE refresh_tokens", what: []string{"public.refresh_tokens is taken by a sequence"}},
		{name: "sequence of an index's name", sql: parentSQL + "CREATE SEQUENCE ix_refresh_tokens_expires_at", what: []string{"taken by a sequence"}},
		{name: "view of an index's name", sql: parentSQL + "CREATE VIEW ix_refresh_tokens_expires_at AS SELECT 1", what: []string{"taken by a view"}},
		{name: "materialized view of an index's name", sql: parentSQL + "CREATE MATERIALIZED VIEW ix_refresh_tokens_expires_at AS SELECT 1", what: []string{"taken by a materialized view"}},
		{name: "enum", sql: parentSQL + "CREATE TYPE refresh_tokens AS ENUM ('a')", what: []string{"public.refresh_tokens is taken by a type"}},
		{name: "domain", sql: parentSQL + "CREATE DOMAIN refresh_tokens AS text", what: []string{"public.refresh_tokens is taken by a type"}},
		{name: "composite type", sql: parentSQL + "CREATE TYPE refresh_tokens AS (a int)", what: []string{"public.refresh_tokens is taken by a type"}},
		{name: "index of the table's name", sql: parentSQL + "CREATE INDEX refresh_tokens ON users (email)", what: []string{"public.users", "refresh_tokens"}},
		{name: "renamed version table's key", typed: true, sql: usersSQL + versionSQL + "ALTER TABLE alembic_version RENAME TO old; ALTER TABLE old RENAME version_num TO v",
			what: []string{"public.old, which may be a renamed alembic_version", "alembic_version_pkc"}},
		{name: "sequence of the version table's name", typed: true, sql: usersSQL + "CREATE SEQUENCE alembic_version", what: []string{"public.alembic_version is taken by a sequence"}},
		{name: "enum of the version table's name", typed: true, sql: usersSQL + "CREATE TYPE alembic_version AS ENUM ('a')", what: []string{"public.alembic_version is taken by a type"}},
		{name: "version table is a view", sql: usersSQL + "CREATE VIEW alembic_version AS SELECT '003_add_users'::varchar AS version_num", what: []string{"\"alembic_version\" is not a table with a column version_num"},
			mend: "DROP VIEW alembic_version; " + versionSQL + "INSERT INTO alembic_version VALUES ('003_add_users')"},

		{name: "users is a view", sql: users("CREATE VIEW users AS SELECT gen_random_uuid() AS id;"), what: []string{"public.users is a view"}, mend: "DROP VIEW users; " + usersSQL},
		{name: "users is a materialized view", sql: users("CREATE MATERIALIZED VIEW users AS SELECT gen_random_uuid() AS id;"), what: []string{"public.users is a materialized view"}, mend: "DROP MATERIALIZED VIEW users; " + usersSQL},
		{name: "users is a foreign table", sql: users("CREATE FOREIGN DATA WRAPPER f; CREATE SERVER s FOREIGN DATA WRAPPER f; CREATE FOREIGN TABLE users (id uuid) SERVER s;"),
			what: []string{"public.users is a foreign table"}, mend: "DROP FOREIGN TABLE users; " + usersSQL},
		{name: "users is unlogged", sql: users("CREATE UNLOGGED TABLE users (id uuid PRIMARY KEY);"), what: []string{"unlogged"}},
		{name: "no id", sql: users("CREATE TABLE users (user_id uuid PRIMARY KEY);"), what: []string{"no column id"}, mend: "ALTER TABLE users RENAME user_id TO id"},
		{name: "id is bigint", sql: users("CREATE TABLE users (id bigint PRIMARY KEY);"), what: []string{"column id of public.users is bigint"}, mend: "ALTER TABLE users ALTER id TYPE uuid USING gen_random_uuid()"},
		{name: "id is varchar", sql: users("CREATE TABLE users (id varchar(36) PRIMARY KEY);"), what: []string{"is character varying(36)"}, mend: "ALTER TABLE users ALTER id TYPE uuid USING id::uuid"},
		{name: "no key", sql: users("CREATE TABLE users (id uuid, n text);"), what: []string{"no primary key on id"}},
		{name: "another key", sql: users("CREATE TABLE users (id uuid, n text PRIMARY KEY);"), what: []string{"no primary key on id"}},
		{name: "key of two columns", sql: users("CREATE TABLE users (id uuid, n text, PRIMARY KEY (id, n));"), what: []string{"no primary key on id"}},
		{name: "partial key", sql: users("CREATE TABLE users (id uuid); CREATE UNIQUE INDEX ON users (id) WHERE id IS NOT NULL;"), what: []string{"no primary key on id"}},
		{name: "deferrable key", sql: users("CREATE TABLE users (id uuid UNIQUE DEFERRABLE);"), what: []string{"no primary key on id"}},
		{name: "all at once", sql: users("CREATE TABLE users (id uuid);") + "CREATE INDEX ix_refresh_tokens_user_id ON users (id)", what: []string{"ix_refresh_tokens_user_id", "no primary key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtemp.Empty(t))
			run(t, conn, c.sql)
			mode, names := migrations.Upgrade, migrations.Names{Table: "refresh_tokens"}
			if c.typed {
				mode = migrations.Stamp
			}
			before := relations(t, conn)
			began := time.Now()
			_, err := migrations.Ensure(t.Context(), conn, names, mode)
			var notReady *migrations.NotReadyError
			if err == nil || errors.As(err, &notReady) {
				t.Fatalf("got %v, want a refusal", err)
			}
			t.Log(err)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s to see that waiting is of no use", took)
			}
			for _, word := range c.what {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not name %q", err, word)
				}
			}
			if strings.Contains(err.Error(), "SQLSTATE") || strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("not in our words: %v", err)
			}
			if after := relations(t, conn); after != before {
				t.Errorf("it wrote: %s, was %s", after, before)
			}
			if c.mend == "" {
				for _, part := range strings.Split(err.Error(), "(fix: ")[1:] {
					statements, _, _ := strings.Cut(part, "); ")
					statements = strings.TrimSuffix(statements, "): nothing is changed")
					if _, second, ok := strings.Cut(statements, "if it is not, "); ok {
						statements = second
					}
					run(t, conn, statements)
				}
			}
			run(t, conn, c.mend)
			if state, err := migrations.Ensure(t.Context(), conn, names, mode); err != nil || !state.Upgraded {
				t.Errorf("mended: %+v, %v", state, err)
			}
		})
	}
}

// A users table that is as good as the API's is no obstacle.
func TestNoObstacles(t *testing.T) {
	t.Parallel()
	for name, users := range map[string]string{
		"partitioned":      "CREATE TABLE users (id uuid PRIMARY KEY) PARTITION BY HASH (id); CREATE TABLE u0 PARTITION OF users FOR VALUES WITH (MODULUS 1, REMAINDER 0);",
		"unique index":     "CREATE TABLE users (id uuid); CREATE UNIQUE INDEX ON users (id);",
		"covering key":     "CREATE TABLE users (id uuid, n text); CREATE UNIQUE INDEX ON users (id) INCLUDE (n);",
		"a domain":         "CREATE DOMAIN user_id AS uuid; CREATE TABLE users (id user_id PRIMARY KEY);",
		"an array type":    "CREATE TABLE users (id uuid PRIMARY KEY); CREATE TYPE tokens AS ENUM (); ALTER TYPE tokens RENAME TO x;",
		"in other schemas": "CREATE TABLE users (id uuid PRIMARY KEY); CREATE SCHEMA s; CREATE SEQUENCE s.refresh_tokens; CREATE TABLE s.t (i int); CREATE INDEX ix_refresh_tokens_user_id ON s.t (i);",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtemp.Empty(t))
			run(t, conn, strings.Replace(parentSQL, usersSQL, users, 1))
			if state, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Upgrade); err != nil || !state.Upgraded {
				t.Errorf("%+v, %v", state, err)
			}
		})
	}
}

// A name that is taken where the catalogue does not tell (here an event trigger says so) is not waited for, for ever.
func TestWhatNothingAccountsFor(t *testing.T) {
	t.Parallel()
	for _, sqlstate := range []string{"42P07", "23505", "42P01", "P0001"} {
		t.Run(sqlstate, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, atParent(t))
			run(t, conn, "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no DDL today' USING ERRCODE = '"+sqlstate+"'; END $$;"+
				"CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()")
			ctx, stop := context.WithTimeout(t.Context(), 25*time.Second)
			defer stop()
			_, err := migrations.Ensure(ctx, conn, migrations.Names{Table: "refresh_tokens"}, migrations.Upgrade)
			var notReady *migrations.NotReadyError
			if err == nil || errors.As(err, &notReady) || !strings.Contains(err.Error(), "no DDL today") {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
}

// The table goes where users and the version table are, whatever schema comes first on the path of the janitor's role.
func TestWhereTheTableGoes(t *testing.T) {
	t.Parallel()
	pgtemp.Large(t) // each case starts Alembic several times
	for _, c := range []struct {
		name, sql string // $me is the janitor's role, "$me" its schema; the API's path is public
		mode      migrations.Mode
		want      string
	}{
		{"a schema of the role's name", "CREATE SCHEMA AUTHORIZATION $me;" + parentSQL, migrations.Upgrade, "public"},
		{"and no version table", "CREATE SCHEMA AUTHORIZATION $me;" + usersSQL, migrations.Stamp, "public"},
		{"and users of its own", "CREATE SCHEMA AUTHORIZATION $me;" + parentSQL + "CREATE TABLE $me.users (id uuid PRIMARY KEY)", migrations.Upgrade, "public"},
		{"the version table elsewhere", "CREATE SCHEMA ops;" + parentSQL + "ALTER TABLE alembic_version SET SCHEMA ops; ALTER ROLE $me SET search_path = ops, public", migrations.Upgrade, "public"},
		{"users elsewhere", "CREATE SCHEMA app;" + parentSQL + "ALTER TABLE users SET SCHEMA app; ALTER ROLE $me SET search_path = public, app", migrations.Upgrade, "app"},
		{"first on the path", "CREATE SCHEMA app;" + parentSQL + "ALTER ROLE $me SET search_path = app, public", migrations.Upgrade, "public"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			database := pgtemp.Empty(t)
			admin := connect(t, database)
			me := newRole(t, admin, "_me")
			run(t, admin, "ALTER ROLE "+me+" SUPERUSER;"+strings.ReplaceAll(c.sql, "$me", me))
			state, err := migrations.Ensure(t.Context(), connect(t, as(t, database, me)), migrations.Names{Table: "refresh_tokens"}, c.mode)
			if err != nil || !state.Upgraded || state.Table[0] != c.want {
				t.Fatalf("%+v, %v", state, err)
			}
			if c.want == "public" { // as the API sees it
				if n := ask[int](t, admin, "SELECT count(*) FROM refresh_tokens"); n != 0 {
					t.Errorf("%d tokens", n)
				}
				run(t, admin, "INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000001', 'ada'); INSERT INTO refresh_tokens SELECT id, id, 'hash', now() FROM users")
			}
			if got := ask[string](t, admin, "SELECT string_agg(relnamespace::regnamespace::text, ' ') FROM pg_class WHERE relname = 'refresh_tokens'"); got != c.want {
				t.Errorf("made in %s", got)
			}
			if got := ask[int](t, admin, "SELECT count(*) FROM pg_class WHERE relname = 'alembic_version'"); got != 1 {
				t.Errorf("%d version tables", got)
			}
		})
	}
}

// While a lock is held that the upgrade needs, the janitor takes none and stands in nobody's way.
func TestWaitingTakesNoLock(t *testing.T) {
	pgtemp.Large(t)
	t.Parallel()
	for name, hold := range map[string]string{
		"a row of users":    "INSERT INTO users VALUES (gen_random_uuid(), 'ada')",
		"users":             "LOCK TABLE users IN SHARE MODE",
		"the version table": "SELECT * FROM alembic_version",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := atParent(t)
			holder, watcher, conn := connect(t, database), connect(t, database), connect(t, database)
			ctx, stop := context.WithTimeout(t.Context(), 6*time.Second)
			defer stop()
			run(t, holder, "BEGIN; "+hold)
			done := make(chan error, 1)
			go func() {
				_, err := migrations.Ensure(ctx, conn, migrations.Names{Table: "refresh_tokens"}, migrations.Upgrade)
				done <- err
			}()
			for ctx.Err() == nil {
				locks := ask[string](t, watcher, `SELECT coalesce(string_agg(mode || ' on ' || relation::regclass || CASE WHEN granted THEN '' ELSE ' waited for' END, ', '), '')
					FROM pg_locks WHERE pid = `+fmt.Sprint(conn.PgConn().PID())+` AND relation IN ('users'::regclass, 'alembic_version'::regclass) AND (mode <> 'AccessShareLock' OR NOT granted)`)
				if locks != "" {
					t.Fatalf("while it waits it has %s", locks)
				}
				select {
				case <-ctx.Done():
				case <-time.After(time.Millisecond):
				}
			}
			if err := <-done; err == nil || !strings.Contains(err.Error(), "locks are held") && !strings.Contains(err.Error(), "transactions are open") {
				t.Errorf("got %v", err)
			}
			run(t, holder, "COMMIT")
			if state, err := migrations.Ensure(t.Context(), connect(t, database), migrations.Names{Table: "refresh_tokens"}, migrations.Upgrade); err != nil || !state.Upgraded {
				t.Errorf("%+v, %v", state, err)
			}
		})
	}
}
