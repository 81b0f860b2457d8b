package main

import (
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
)

// TestChangedBetweenCheckAndRun: what would have failed the check of the schema comes just after it, as a migration's commit
// that the check could not see yet, and before the run has looked at the table. The run deletes nothing.
func TestChangedBetweenCheckAndRun(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct{ name, sql string }{
		{"a key that cascades", `ALTER TABLE refresh_tokens ADD FOREIGN KEY (parent_id) REFERENCES refresh_tokens ON DELETE CASCADE`},
		{"another table of the name", `ALTER TABLE refresh_tokens RENAME TO before; CREATE TABLE refresh_tokens (LIKE before INCLUDING ALL); INSERT INTO refresh_tokens SELECT * FROM before`},
		{"a column of another zone", `SET TimeZone = 'America/Los_Angeles'; ALTER TABLE refresh_tokens ALTER expires_at TYPE timestamp`},
		{"a rule", `CREATE RULE stays AS ON DELETE TO refresh_tokens DO INSTEAD NOTHING`},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, migrationstest.Head(t))
			backlog(t, conn, 50)
			exec := func(sql string) {
				t.Helper()
				if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatal(err)
				}
			}
			count := func() (n int) {
				t.Helper()
				if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM refresh_tokens`).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			exec(`ALTER TABLE refresh_tokens ADD parent_id uuid;
				UPDATE refresh_tokens SET parent_id = (SELECT id FROM refresh_tokens WHERE token_hash LIKE 'due %' LIMIT 1) WHERE token_hash NOT LIKE 'due %'`)
			all := count()
			s := testService(t, new(bytes.Buffer))
			s.history.Begin()
			state, err := s.ensure(t.Context(), conn, migrations.Check)
			if err != nil {
				t.Fatal(err)
			}
			exec(variant.sql)
			res, err := s.run(t.Context(), conn, state.Table)
			if err == nil || res.Outcome != janitor.Failed || res.Deleted.Total() != 0 {
				t.Errorf("%s, %+v, %v", res.Outcome, res.Deleted, err)
			}
			if n := count(); n != all {
				t.Errorf("%d rows are left of %d", n, all)
			}
			if _, err := s.ensure(t.Context(), conn, migrations.Check); err == nil && variant.name != "another table of the name" {
				t.Error("the next check finds nothing amiss")
			}
		})
	}
}
