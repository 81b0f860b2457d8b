package migrations_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// An API whose env.py names the version table: nothing is stamped beside it, and once it is named to the janitor, both
// tools agree and each goes on where the other left off.
func TestVersionTableOfAnotherName(t *testing.T) {
	t.Parallel()
	pgtemp.Large(t) // each case starts Alembic several times
	for _, c := range []struct {
		name     string
		settings []string // of env.py
		table    string   // --version-table
		hint     string   // how the refusal spells it
	}{
		{"name", []string{"version_table=hypha_version"}, "hypha_version", "public.hypha_version"},
		{"schema", []string{"version_table_schema=ops"}, "ops.alembic_version", "ops.alembic_version"},
		{"both, in need of quotes", []string{"version_table=Hypha Version", "version_table_schema=Op s"}, `"Op s"."Hypha Version"`, `"Op s"."Hypha Version"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			database := pgtemp.Empty(t)
			conn := connect(t, database)
			run(t, conn, `CREATE SCHEMA ops; CREATE SCHEMA "Op s"`)
			api := newAPI(t, database, "alembic", c.settings...)
			api.must(t, "upgrade", "003_add_users")

			before := relations(t, conn)
			for _, mode := range []migrations.Mode{migrations.Check, migrations.Upgrade, migrations.Stamp} {
				_, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, mode)
				if err == nil || !strings.Contains(err.Error(), "--version-table "+c.hint) {
					t.Errorf("%s: got %v, want a hint at %s", mode, err, c.hint)
				}
			}
			if after := relations(t, conn); after != before {
				t.Errorf("it wrote: %s, was %s", after, before)
			}

			names := migrations.Names{Table: "refresh_tokens", VersionTable: c.table}
			state, err := migrations.Ensure(t.Context(), conn, names, migrations.Upgrade)
			if err != nil || !state.Upgraded || !state.AtHead {
				t.Fatalf("%+v, %v", state, err)
			}
			if got := api.must(t, "current"); got != "004_add_refresh_tokens (head)" {
				t.Errorf("alembic current: %q", got)
			}
			newAPI(t, database, "ahead", c.settings...).must(t, "upgrade", "head")
			if state, err = migrations.Ensure(t.Context(), conn, names, migrations.Upgrade); err != nil || state.Revision != "005_add_audit_logs" || !state.Ahead {
				t.Errorf("%+v, %v", state, err)
			}
			newAPI(t, database, "ahead", c.settings...).must(t, "downgrade", "-1")
			if _, err := migrations.Downgrade(t.Context(), conn, names); err != nil {
				t.Fatal(err)
			}
			if got := api.must(t, "current"); got != "003_add_users" {
				t.Errorf("alembic current: %q", got)
			}
			api.must(t, "upgrade", "head")
			if got, err := migrations.Current(t.Context(), conn, names); err != nil || len(got) != 1 || got[0] != migrations.Head {
				t.Errorf("current: %q, %v", got, err)
			}
			if n := ask[int](t, conn, "SELECT count(*) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE attname = 'version_num' AND relkind = 'r'"); n != 1 {
				t.Errorf("%d version tables, want one", n)
			}
		})
	}
}

// The version table that a person asks for, where there is none, is as Alembic makes it.
func TestStampedVersionTableIsAsAlembicMakesIt(t *testing.T) {
	t.Parallel()
	pgtemp.Large(t)
	settings := []string{"version_table=hypha_version"}
	theirs, ours := pgtemp.Empty(t), pgtemp.Empty(t)
	newAPI(t, theirs, "alembic", settings...).must(t, "upgrade", "head")
	conn := connect(t, ours)
	run(t, conn, usersSQL)
	state, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens", VersionTable: "hypha_version"}, migrations.Stamp)
	if err != nil || !state.Upgraded {
		t.Fatalf("%+v, %v", state, err)
	}
	if got, want := dump(t, ours, "hypha_version"), dump(t, theirs, "hypha_version"); got != want {
		t.Errorf("we made\n%s\nAlembic makes\n%s", got, want)
	}
	newAPI(t, ours, "ahead", settings...).must(t, "upgrade", "head")
}

// What looks like a version table keeps a typed upgrade from stamping, and what does not look like one does not.
func TestWhatLooksLikeAVersionTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sql string
		refused   bool
	}{
		{"of text", "CREATE TABLE v (version_num text)", true},
		{"empty", "CREATE TABLE v (version_num varchar(64) PRIMARY KEY)", true},
		{"with columns of its own", "CREATE TABLE v (version_num varchar(32) PRIMARY KEY, applied_at timestamptz)", true},
		{"of a domain", "CREATE DOMAIN revision AS text; CREATE TABLE v (version_num revision)", true},
		{"in a schema that is on no path", "CREATE SCHEMA s; CREATE TABLE s.v (version_num text); REVOKE ALL ON SCHEMA s FROM PUBLIC", true},
		{"beside an empty one of the usual name", versionSQL + "CREATE TABLE v (version_num text)", true},
		{"a column was dropped", "CREATE TABLE v (x int, version_num text); ALTER TABLE v DROP x", true},
		{"documents", "CREATE TABLE v (id int PRIMARY KEY, version_num text)", false},
		{"numbers", "CREATE TABLE v (version_num int)", false},
		{"temporary", "CREATE TEMP TABLE v (version_num text)", false},
		{"the column was dropped", "CREATE TABLE v (version_num text, x int); ALTER TABLE v DROP version_num", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtemp.Empty(t))
			run(t, conn, usersSQL+c.sql)
			before := relations(t, conn)
			state, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Stamp)
			if !c.refused {
				if err != nil || !state.Upgraded {
					t.Errorf("%+v, %v", state, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), "looks like a version table") {
				t.Errorf("%+v, %v", state, err)
			}
			if after := relations(t, conn); after != before {
				t.Errorf("it wrote: %s, was %s", after, before)
			}
		})
	}
}

// relations are all of a database, in whatever schema.
func relations(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	return ask[string](t, conn, `SELECT coalesce(string_agg(relnamespace::regnamespace || '.' || relname, ' ' ORDER BY oid), '')
		FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_|^information_schema'`)
}

// Branches of a real chain: with the table there the janitor works, whatever the heads; without it, it says what to run.
func TestBranches(t *testing.T) {
	t.Parallel()
	pgtemp.Large(t)
	database := pgtemp.Empty(t)
	conn := connect(t, database)
	api := newAPI(t, database, "branched")
	names := migrations.Names{Table: "refresh_tokens"}
	api.must(t, "upgrade", "heads")
	state, err := migrations.Ensure(t.Context(), conn, names, migrations.Upgrade)
	if err != nil || !state.Ahead || state.AtHead || state.Revision != "004_add_billing, 004_add_refresh_tokens" {
		t.Errorf("%+v, %v", state, err)
	}
	if got, err := migrations.Current(t.Context(), conn, names); err != nil || strings.Join(got, " ") != "004_add_billing 004_add_refresh_tokens" {
		t.Errorf("current: %q, %v", got, err)
	}
	if _, err := migrations.Downgrade(t.Context(), conn, names); err == nil || !strings.Contains(err.Error(), "several revisions") {
		t.Errorf("downgrade: %v", err)
	}
	api.must(t, "downgrade", "billing@003_add_users")
	if state, err = migrations.Ensure(t.Context(), conn, names, migrations.Upgrade); err != nil || !state.AtHead {
		t.Errorf("%+v, %v", state, err)
	}
	// One branch alone, and the table not made yet: Alembic alone knows where it belongs.
	if _, err := migrations.Downgrade(t.Context(), conn, names); err != nil {
		t.Fatal(err)
	}
	api.must(t, "upgrade", "billing@head")
	if _, err := migrations.Ensure(t.Context(), conn, names, migrations.Stamp); err == nil || !strings.Contains(err.Error(), `"004_add_billing", a revision this janitor does not know`) {
		t.Errorf("got %v", err)
	}
	api.must(t, "upgrade", "heads")
	if state, err = migrations.Ensure(t.Context(), conn, names, migrations.Check); err != nil || !state.Ahead {
		t.Errorf("%+v, %v", state, err)
	}
}

// twiceSQL is a version table without its primary key that came to hold its row twice.
const twiceSQL = `CREATE TABLE alembic_version (version_num varchar(32) NOT NULL);
	INSERT INTO alembic_version VALUES ('004_add_refresh_tokens'), ('004_add_refresh_tokens');`

func TestARowTwiceIsMended(t *testing.T) {
	t.Parallel()
	pgtemp.Large(t)
	conn := connect(t, pgtemp.Empty(t))
	run(t, conn, usersSQL+twiceSQL+tokensSQL)
	names := migrations.Names{Table: "refresh_tokens"}
	_, err := migrations.Ensure(t.Context(), conn, names, migrations.Check)
	if err == nil {
		t.Fatal("no error")
	}
	run(t, conn, err.Error()[strings.Index(err.Error(), "DELETE FROM"):])
	if got, err := migrations.Current(t.Context(), conn, names); err != nil || !reflect.DeepEqual(got, []string{migrations.Head}) {
		t.Errorf("got %q, %v", got, err)
	}
	if state, err := migrations.Ensure(t.Context(), conn, names, migrations.Check); err != nil || !state.AtHead {
		t.Errorf("got %+v, %v", state, err)
	}
}
