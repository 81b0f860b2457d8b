package migrations_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

const columns = "(id uuid PRIMARY KEY, expires_at timestamptz, is_revoked boolean, revoked_at timestamptz)"

func TestContract(t *testing.T) {
	t.Parallel()
	table := "CREATE TABLE refresh_tokens " + columns + ";"
	const index = "CREATE INDEX ON refresh_tokens (expires_at);"
	const rls = "ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;"
	for _, c := range []struct {
		name string
		sql  string   // for the role $me to find
		what []string // one word of each problem, in order; none = it is as it should be
		mend []string // a word of each remedy, or ""
	}{
		{"plain", table + index, nil, nil},
		{"unlogged", "CREATE UNLOGGED TABLE refresh_tokens " + columns + ";" + index, nil, nil},
		{"more columns, other order", "CREATE TABLE refresh_tokens (revoked_at timestamptz(3), x int, is_revoked boolean, y int, expires_at timestamptz); ALTER TABLE refresh_tokens DROP x;" + index, nil, nil},
		{"descending", table + "CREATE INDEX ON refresh_tokens (expires_at DESC)", nil, nil},
		{"leading one of two", table + "CREATE INDEX ON refresh_tokens (expires_at, id)", nil, nil},
		{"covering", table + "CREATE INDEX ON refresh_tokens (expires_at) INCLUDE (is_revoked)", nil, nil},
		{"partitioned", "CREATE TABLE refresh_tokens (expires_at timestamptz, is_revoked boolean, revoked_at timestamptz) PARTITION BY RANGE (expires_at);" + index +
			"CREATE TABLE p PARTITION OF refresh_tokens DEFAULT", nil, nil},
		{"a partition alone", "CREATE TABLE tokens (expires_at timestamptz, is_revoked boolean, revoked_at timestamptz) PARTITION BY RANGE (expires_at);" +
			"CREATE TABLE refresh_tokens PARTITION OF tokens DEFAULT;" + index, nil, nil},
		{"policies that hide nothing", table + index + rls + "CREATE POLICY a ON refresh_tokens USING (true)", nil, nil},
		{"policies that hide nothing from this role", table + index + rls + "CREATE POLICY a ON refresh_tokens TO $me USING (true); CREATE POLICY b ON refresh_tokens USING (false); CREATE POLICY c ON refresh_tokens AS RESTRICTIVE TO pg_monitor USING (false)", nil, nil},
		{"policies that hide nothing, one for each command", table + index + rls + "CREATE POLICY a ON refresh_tokens FOR SELECT USING (true); CREATE POLICY b ON refresh_tokens FOR DELETE USING (true); CREATE POLICY c ON refresh_tokens AS RESTRICTIVE USING (true); CREATE POLICY d ON refresh_tokens AS RESTRICTIVE FOR INSERT WITH CHECK (false); CREATE POLICY e ON refresh_tokens AS RESTRICTIVE FOR UPDATE USING (false)", nil, nil},
		{"policies that hide nothing from a role that this one belongs to", table + index + rls + "GRANT pg_monitor TO $me; CREATE POLICY a ON refresh_tokens TO pg_monitor USING (true)", nil, nil},
		{"policies that hide nothing from the owner", table + index + rls + "ALTER TABLE refresh_tokens FORCE ROW LEVEL SECURITY, OWNER TO $me; CREATE POLICY a ON refresh_tokens USING (true)", nil, nil},
		{"policies of the partitioned table count", "CREATE TABLE refresh_tokens (expires_at timestamptz, is_revoked boolean, revoked_at timestamptz) PARTITION BY RANGE (expires_at);" + index + rls +
			"CREATE TABLE p PARTITION OF refresh_tokens DEFAULT; ALTER TABLE p ENABLE ROW LEVEL SECURITY; CREATE POLICY a ON refresh_tokens USING (true)", nil, nil},
		{"a rule that is not in force, or of a partition", "CREATE TABLE refresh_tokens (expires_at timestamptz, is_revoked boolean, revoked_at timestamptz) PARTITION BY RANGE (expires_at);" + index +
			"CREATE TABLE p PARTITION OF refresh_tokens DEFAULT; CREATE RULE a AS ON DELETE TO p DO INSTEAD NOTHING; CREATE RULE b AS ON INSERT TO refresh_tokens DO ALSO NOTHING;" +
			"CREATE RULE c AS ON DELETE TO refresh_tokens DO INSTEAD NOTHING; ALTER TABLE refresh_tokens DISABLE RULE c; CREATE RULE d AS ON DELETE TO refresh_tokens DO INSTEAD NOTHING; ALTER TABLE refresh_tokens ENABLE REPLICA RULE d", nil, nil},
		// It is read as one that never expires; what makes it due is its revocation.
		{"tokens that never expire", "CREATE TABLE refresh_tokens (expires_at timestamptz NULL, is_revoked boolean NOT NULL, revoked_at timestamptz NULL);" + index, nil, nil},
		{"row security that does not apply", table + index + "ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY; ALTER ROLE $me BYPASSRLS", nil, nil},

		{"view", "CREATE VIEW refresh_tokens AS SELECT now() AS expires_at, true AS is_revoked, now() AS revoked_at", []string{"is a view"}, []string{"--table"}},
		{"materialized view", "CREATE MATERIALIZED VIEW refresh_tokens AS SELECT now() AS expires_at, true AS is_revoked, now() AS revoked_at",
			[]string{"is a materialized view"}, nil},
		{"inherited from", table + index + "CREATE TABLE old () INHERITS (refresh_tokens)", []string{"inherit from it (public.old)"}, []string{"PARTITION BY"}},
		{"rule in place of DELETE", table + index + "CREATE RULE keep AS ON DELETE TO refresh_tokens DO INSTEAD NOTHING", []string{"rule keep in place of DELETE"}, []string{"DROP RULE keep"}},
		{"rule beside DELETE", table + index + "CREATE TABLE log (id uuid); CREATE RULE note AS ON DELETE TO refresh_tokens DO ALSO INSERT INTO log VALUES (OLD.id)", []string{"rule note beside DELETE"}, []string{"DROP RULE note ON public.refresh_tokens"}},
		{"rules with conditions", table + index + "CREATE RULE a AS ON DELETE TO refresh_tokens WHERE OLD.is_revoked DO INSTEAD NOTHING; CREATE RULE b AS ON DELETE TO refresh_tokens WHERE OLD.is_revoked DO ALSO NOTHING; ALTER TABLE refresh_tokens ENABLE ALWAYS RULE b",
			[]string{"rule a in place of DELETE", "rule b beside DELETE"}, []string{"DROP RULE a", "DROP RULE b"}},
		{"no columns", "CREATE TABLE refresh_tokens (id int)", []string{"expires_at is missing", "is_revoked is missing", "revoked_at is missing"},
			[]string{"name the column that says when a row expires: --expires-column", "--revoked-column none", "--revoked-at-column none"}},
		{"other types", "CREATE TABLE refresh_tokens (expires_at timestamp, is_revoked int, revoked_at bigint);" + index,
			[]string{"expires_at is timestamp without time zone, and --timestamp-zone is not given", "is_revoked is integer, not boolean", "revoked_at is bigint, and --epoch is not given"},
			[]string{"--timestamp-zone ZONE, the one that it is written in, such as UTC (last resort: ALTER TABLE public.refresh_tokens ALTER COLUMN expires_at TYPE timestamptz USING expires_at AT TIME ZONE 'ZONE', which rewrites the table under ACCESS EXCLUSIVE",
				"--revoked-column none --revoked-at-column none, so that rows are deleted when they expire (last resort: ", "--epoch seconds, or --epoch milliseconds"}},
		{"types that cannot be compared", "CREATE TABLE refresh_tokens (expires_at date, is_revoked timestamptz, revoked_at text, expiry int)",
			[]string{"expires_at is date, not timestamptz, timestamp, integer or bigint; the table has expiry integer", "is_revoked is timestamptz, not boolean", "revoked_at is text"},
			[]string{"--expires-column expiry --epoch seconds (last resort: ", "--revoked-column none --revoked-at-column is_revoked", "--revoked-at-column none"}},
		{"a table of another project", "CREATE TABLE refresh_tokens (session_key text, expire_date timestamptz, last_seen timestamptz)",
			[]string{"expires_at is missing; the table has expire_date timestamptz", "is_revoked is missing", "revoked_at is missing"}, []string{"--expires-column expire_date"}},
		{"another, with revocation", `CREATE TABLE refresh_tokens ("expiresAt" timestamp, "usedAt" bigint, "isUsed" boolean, active boolean, id bigint)`,
			[]string{`expires_at is missing; the table has "expiresAt" timestamp without time zone`, `is_revoked is missing; the table has "isUsed" boolean`, `revoked_at is missing; the table has "usedAt" bigint`},
			[]string{"--expires-column expiresAt --timestamp-zone ZONE", "--revoked-column isUsed, or --revoked-column none", "--revoked-at-column usedAt --epoch seconds or milliseconds, or --revoked-at-column none"}},
		{"a table that only knows when a row was made", "CREATE TABLE refresh_tokens (token text, created_at timestamptz, seen_at timestamptz)",
			[]string{"the table has created_at timestamptz, seen_at timestamptz", "is_revoked is missing", "revoked_at is missing"},
			[]string{"--expires-column created_at --keep-expired LIFETIME"}},
		{"no index", table, []string{"no index leads with expires_at"}, []string{"CREATE INDEX CONCURRENTLY ON public.refresh_tokens (expires_at)"}},
		{"indexes of no use", table + `CREATE INDEX a ON refresh_tokens (expires_at) WHERE NOT is_revoked;
			CREATE INDEX b ON refresh_tokens USING brin (expires_at);
			CREATE INDEX c ON refresh_tokens (expires_at NULLS FIRST);
			CREATE INDEX d ON refresh_tokens (id, expires_at);
			CREATE INDEX e ON refresh_tokens ((expires_at::timestamptz AT TIME ZONE 'UTC'))`,
			[]string{"a is partial, b is not a btree but brin, c sorts nulls at the wrong end"}, []string{"CREATE INDEX CONCURRENTLY"}},
		{"invalid index", table + "CREATE INDEX a ON refresh_tokens (expires_at); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a'::regclass",
			[]string{"a is not valid"}, []string{"DROP INDEX public.a"}},
		{"partitioned, index on the parent only", "CREATE TABLE refresh_tokens (expires_at timestamptz, is_revoked boolean, revoked_at timestamptz) PARTITION BY RANGE (expires_at);" +
			"CREATE TABLE p PARTITION OF refresh_tokens DEFAULT; CREATE INDEX a ON ONLY refresh_tokens (expires_at)",
			[]string{"a is not valid"}, []string{"CREATE INDEX ON public.refresh_tokens (expires_at)"}},
		{"row security", table + index + "ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY", []string{"row security"}, []string{"BYPASSRLS"}},
		{"a policy for reads only", table + index + rls + "CREATE POLICY token_janitor ON refresh_tokens FOR SELECT USING (true)", []string{"row security"}, []string{"CREATE POLICY token_janitor_2 ON public.refresh_tokens TO $me USING (true)"}},
		{"a policy for deletes only", table + index + rls + "CREATE POLICY a ON refresh_tokens FOR DELETE USING (true)", []string{"row security"}, []string{"CREATE POLICY"}},
		{"no policy for locks", table + index + rls + "GRANT UPDATE (is_revoked) ON refresh_tokens TO $me; CREATE POLICY a ON refresh_tokens FOR SELECT USING (true); CREATE POLICY b ON refresh_tokens FOR DELETE USING (true)", []string{"row security"}, []string{"CREATE POLICY"}},
		{"a policy that hides", table + index + rls + "CREATE POLICY a ON refresh_tokens USING (NOT is_revoked)", []string{"row security"}, []string{"CREATE POLICY"}},
		{"a policy without USING", table + index + rls + "CREATE POLICY a ON refresh_tokens", []string{"row security"}, []string{"CREATE POLICY"}},
		{"a policy for somebody else", table + index + rls + "CREATE POLICY a ON refresh_tokens TO pg_monitor USING (true)", []string{"row security"}, []string{"CREATE POLICY"}},
		{"a restrictive policy", table + index + rls + "CREATE POLICY a ON refresh_tokens USING (true); CREATE POLICY b ON refresh_tokens AS RESTRICTIVE FOR DELETE USING (NOT is_revoked)",
			[]string{"hides rows from $me (policy b)"}, []string{"BYPASSRLS"}},
		{"row_security off", table + index + rls + "CREATE POLICY a ON refresh_tokens USING (true); ALTER ROLE $me SET row_security = off", []string{"row_security is off"}, []string{"ALTER ROLE $me SET row_security = on"}},
		{"row security for the owner too", table + index + "ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; ALTER TABLE refresh_tokens OWNER TO $me",
			[]string{"row security"}, []string{"NO FORCE"}},
		{"no rights", table + index + "REVOKE ALL ON refresh_tokens FROM $me", []string{"may not read expires_at, is_revoked, revoked_at, ctid, tableoid", "may not delete"},
			[]string{"GRANT SELECT (expires_at, is_revoked, revoked_at, ctid, tableoid) ON public.refresh_tokens TO $me", "GRANT DELETE ON public.refresh_tokens TO $me"}},
		{"all at once", table + "REVOKE ALL ON refresh_tokens FROM $me; GRANT SELECT (expires_at) ON refresh_tokens TO $me; ALTER TABLE refresh_tokens DROP revoked_at, ENABLE ROW LEVEL SECURITY",
			[]string{"revoked_at is missing", "no index", "may not read is_revoked", "may not delete", "row security"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			database := pgtemp.Empty(t)
			admin := connect(t, database)
			role := newRole(t, admin, "_janitor")
			grants := "ALTER DEFAULT PRIVILEGES GRANT SELECT, DELETE ON TABLES TO $me;"
			run(t, admin, strings.ReplaceAll(grants+c.sql, "$me", role))
			_, err := migrations.Ensure(t.Context(), connect(t, as(t, database, role)), migrations.Names{Table: "refresh_tokens"}, migrations.Check)
			var contract *migrations.ContractError
			if len(c.what) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &contract) {
				t.Fatalf("got %v", err)
			}
			t.Log(err)
			if len(contract.Problems) != len(c.what) {
				t.Fatalf("got %d problems, want %d: %v", len(contract.Problems), len(c.what), err)
			}
			for i, p := range contract.Problems {
				if !strings.Contains(p.What, strings.ReplaceAll(c.what[i], "$me", role)) || p.Remedy == "" {
					t.Errorf("problem %d is %q, want %q in it", i, p.What, c.what[i])
				}
				if i < len(c.mend) && !strings.Contains(p.Remedy, strings.ReplaceAll(c.mend[i], "$me", role)) {
					t.Errorf("remedy %d is %q, want %q in it", i, p.Remedy, c.mend[i])
				}
			}
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than a line: %q", err)
			}
		})
	}
}

func TestTemporaryTableIsRefused(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtemp.Empty(t))
	run(t, conn, "CREATE TEMP TABLE refresh_tokens "+columns+"; CREATE INDEX ON refresh_tokens (expires_at)")
	_, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Check)
	if err == nil || !strings.Contains(err.Error(), "is a temporary table") {
		t.Errorf("got %v", err)
	}
}

// The remedies are to be run as they stand.
func TestRemediesMend(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"CREATE TABLE refresh_tokens " + columns + "; ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY; REVOKE ALL ON refresh_tokens FROM PUBLIC",
		"CREATE TABLE refresh_tokens " + columns + "; CREATE RULE a AS ON DELETE TO refresh_tokens DO ALSO NOTHING; CREATE RULE b AS ON DELETE TO refresh_tokens WHERE OLD.is_revoked DO INSTEAD NOTHING; ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY; CREATE POLICY a ON refresh_tokens AS RESTRICTIVE USING (NOT is_revoked)",
		"CREATE TABLE refresh_tokens " + columns + "; CREATE INDEX a ON refresh_tokens (expires_at); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a'::regclass",
		versionSQL + "CREATE TABLE refresh_tokens " + columns + "; INSERT INTO alembic_version VALUES ('024'); REVOKE USAGE ON SCHEMA public FROM PUBLIC",
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			database := pgtemp.Empty(t)
			admin := connect(t, database)
			conn := connect(t, as(t, database, newRole(t, admin, "_Janitor's")))
			run(t, admin, sql)
			// A column that is made or changed brings up what could not be said of it before: its index, the right to read it.
			for range 3 {
				_, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "public.refresh_tokens"}, migrations.Check)
				if err == nil {
					return
				}
				var contract *migrations.ContractError
				if !errors.As(err, &contract) {
					t.Fatal(err)
				}
				for _, p := range contract.Problems {
					for statement := range strings.SplitSeq(p.Remedy, "; ") {
						run(t, admin, strings.TrimPrefix(statement, "then "))
					}
				}
			}
			t.Error("not mended")
		})
	}
}

// The contract is of the columns that are named, and of the types that the flags make readable.
func TestContractOfOtherColumns(t *testing.T) {
	t.Parallel()
	const index = `CREATE INDEX ON "Sessions" ("expiresAt");`
	both := migrations.Columns{Expires: "expiresAt", Revoked: "used", RevokedAt: "usedAt"}
	with := func(c migrations.Columns, zone, epoch string) migrations.Columns {
		c.TimestampZone, c.Epoch = zone, epoch
		return c
	}
	for _, c := range []struct {
		name    string
		sql     string
		columns migrations.Columns
		says    string // "" = it is as it should be
	}{
		{"all three", `CREATE TABLE "Sessions" ("expiresAt" timestamptz, used boolean, "usedAt" timestamptz);` + index, both, ""},
		{"none but expiry", `CREATE TABLE "Sessions" ("expiresAt" timestamptz);` + index, migrations.Columns{Expires: "expiresAt"}, ""},
		{"timestamps", `CREATE TABLE "Sessions" ("expiresAt" timestamp(6), used boolean, "usedAt" timestamp);` + index, with(both, "UTC", ""), ""},
		{"integers", `CREATE TABLE "Sessions" ("expiresAt" bigint, used boolean, "usedAt" integer);` + index, with(both, "", "seconds"), ""},
		{"milliseconds", `CREATE TABLE "Sessions" ("expiresAt" bigint, used boolean, "usedAt" integer);` + index, with(both, "", "milliseconds"), `"usedAt" is integer, which cannot hold milliseconds since 1970 (fix: --epoch seconds`},
		{"no zone", `CREATE TABLE "Sessions" ("expiresAt" timestamp, used boolean, "usedAt" timestamptz);` + index, with(both, "", "seconds"), `"expiresAt" is timestamp without time zone, and --timestamp-zone is not given`},
		{"no unit", `CREATE TABLE "Sessions" ("expiresAt" bigint, used boolean, "usedAt" timestamptz);` + index, with(both, "UTC", ""), `"expiresAt" is bigint, and --epoch is not given`},
		{"no index", `CREATE TABLE "Sessions" ("expiresAt" bigint)`, migrations.Columns{Expires: "expiresAt", Epoch: "seconds"}, `no index leads with "expiresAt" (fix: CREATE INDEX CONCURRENTLY ON public."Sessions" ("expiresAt"))`},
		{"each row is revoked", `CREATE TABLE "Sessions" ("expiresAt" timestamptz, "createdAt" timestamptz NOT NULL DEFAULT now());` + index,
			migrations.Columns{Expires: "expiresAt", RevokedAt: "createdAt"}, `column "createdAt" is NOT NULL, so that each row counts as revoked (fix: --revoked-at-column none`},
		{"revoked at infinity is not revoked", `CREATE TABLE "Sessions" ("expiresAt" timestamptz, "usedAt" timestamptz NOT NULL DEFAULT 'infinity');` + index,
			migrations.Columns{Expires: "expiresAt", RevokedAt: "usedAt"}, ""},
		{"0 is not revoked", `CREATE TABLE "Sessions" ("expiresAt" timestamptz, "usedAt" bigint NOT NULL DEFAULT 0);` + index,
			migrations.Columns{Expires: "expiresAt", RevokedAt: "usedAt", Epoch: "seconds"}, ""},
		{"a flag of another type", `CREATE TABLE "Sessions" ("expiresAt" timestamptz, used int, "usedAt" timestamptz);` + index, both,
			"column used is integer, not boolean (fix: --revoked-column none --revoked-at-column none"},
		{"no rights", `CREATE TABLE "Sessions" ("expiresAt" timestamptz); REVOKE ALL ON "Sessions" FROM $me;` + index, migrations.Columns{Expires: "expiresAt"}, `GRANT SELECT ("expiresAt", ctid, tableoid) ON public."Sessions" TO $me`},
		{"a key that nulls a column of the rules", `CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE "Sessions" (id int PRIMARY KEY, "expiresAt" timestamptz, "usedAt" bigint REFERENCES "Sessions" ON DELETE SET NULL);` + index,
			migrations.Columns{Expires: "expiresAt", RevokedAt: "usedAt", Epoch: "seconds"}, "usedAt"},
		{"in HyphaGraph's own database, before its table", versionSQL + `INSERT INTO alembic_version VALUES ('003_add_users'); CREATE TABLE users (id uuid PRIMARY KEY); CREATE TABLE "Sessions" ("expiresAt" timestamptz);` + index, migrations.Columns{Expires: "expiresAt"}, ""},
		{"no table", ``, both, "and revision 004_add_refresh_tokens makes one named refresh_tokens only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			database := pgtemp.Empty(t)
			admin := connect(t, database)
			role := newRole(t, admin, "_janitor")
			run(t, admin, strings.ReplaceAll("ALTER DEFAULT PRIVILEGES GRANT SELECT, DELETE ON TABLES TO $me;"+c.sql, "$me", role))
			state, err := migrations.Ensure(t.Context(), connect(t, as(t, database, role)), migrations.Names{Table: `"Sessions"`, Columns: c.columns}, migrations.Upgrade)
			if c.says == "" {
				if err != nil || !state.Ahead || state.Upgraded {
					t.Errorf("got %+v, %v", state, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(c.says, "$me", role)) {
				t.Errorf("got %v, want %q in it", err, c.says)
			}
		})
	}
}

// A table with other columns is never made by a revision.
func TestOtherColumnsAreNotMade(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtemp.Empty(t))
	run(t, conn, versionSQL+"CREATE TABLE users (id uuid PRIMARY KEY); INSERT INTO alembic_version VALUES ('003_add_users')")
	names := migrations.Names{Table: "refresh_tokens", Columns: migrations.Columns{Expires: "expire_date"}}
	for _, mode := range []migrations.Mode{migrations.Check, migrations.Upgrade, migrations.Stamp} {
		if _, err := migrations.Ensure(t.Context(), conn, names, mode); err == nil || !strings.Contains(err.Error(), "makes one with other columns") {
			t.Errorf("%s: %v", mode, err)
		}
	}
	var made bool
	if err := conn.QueryRow(t.Context(), "SELECT to_regclass('refresh_tokens') IS NOT NULL").Scan(&made); err != nil || made {
		t.Errorf("made %v, %v", made, err)
	}
}
