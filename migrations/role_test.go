package migrations_test

import (
	"os"
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// A table that the janitor's role owned the API could not read.
func TestWhoOwnsTheTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sql string
		start     string // what is there
		refused   string
	}{
		{name: "a member of the API's role", start: parentSQL, sql: "GRANT $api TO $me"},
		{name: "no version table yet", start: usersSQL, sql: "GRANT $api TO $me"},
		{name: "a superuser", start: parentSQL, sql: "ALTER ROLE $me SUPERUSER"},
		{name: "a stranger", start: parentSQL, sql: "GRANT SELECT ON users, alembic_version TO $me", refused: "GRANT"},
		{name: "a stranger who may not look", start: parentSQL, sql: "", refused: "GRANT SELECT ON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			database := pgtemp.Empty(t)
			admin := connect(t, database)
			api, me := newRole(t, admin, "_api"), newRole(t, admin, "_me")
			run(t, admin, "GRANT CREATE ON SCHEMA public TO "+api)
			run(t, connect(t, as(t, database, api)), c.start)
			run(t, admin, strings.NewReplacer("$api", api, "$me", me).Replace(c.sql))
			state, err := migrations.Ensure(t.Context(), connect(t, as(t, database, me)), migrations.Names{Table: "refresh_tokens"}, migrations.Stamp)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("got %+v, %v", state, err)
				}
				t.Log(err)
				return
			}
			if err != nil || !state.Upgraded {
				t.Fatalf("%+v, %v", state, err)
			}
			for _, table := range []string{"refresh_tokens", "alembic_version"} {
				if got := ask[string](t, admin, "SELECT relowner::regrole FROM pg_class WHERE oid = '"+table+"'::regclass"); got != api {
					t.Errorf("%s owns %s", got, table)
				}
			}
		})
	}
}

// What deploy/sql grants is enough for a database that is at head, and each right is needed: without it the refusal
// names it.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../deploy/sql/least_privilege.sql")
	if err != nil {
		t.Fatal(err)
	}
	var grants []string
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "GRANT") {
			grants = append(grants, strings.TrimSpace(line))
		}
	}
	for without, refusal := range map[string]string{
		"":                          "",
		"USAGE ON SCHEMA public":    `GRANT USAGE ON SCHEMA "public"`,
		"SELECT ON alembic_version": "GRANT SELECT ON",
		"expires_at":                "may not read expires_at",
		"is_revoked":                "may not read is_revoked",
		"revoked_at":                "may not read revoked_at",
		"ctid":                      "may not read ctid",
		"tableoid":                  "may not read tableoid",
		"DELETE ON refresh_tokens":  "may not delete from public.refresh_tokens",
	} {
		t.Run(without, func(t *testing.T) {
			t.Parallel()
			database := migrationstest.Head(t)
			admin := connect(t, database)
			me := newRole(t, admin, "_me")
			run(t, admin, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
			for _, grant := range grants {
				switch {
				case without == "":
				case strings.Contains(grant, without) && !strings.Contains(grant, "("):
					continue
				case strings.Contains(grant, "("):
					grant = strings.NewReplacer(without+", ", "", ", "+without, "").Replace(grant)
				}
				run(t, admin, strings.Replace(grant, "token_janitor", me, 1))
			}
			state, err := migrations.Ensure(t.Context(), connect(t, as(t, database, me)), migrations.Names{Table: "refresh_tokens"}, migrations.Check)
			if refusal == "" {
				if err != nil || !state.AtHead {
					t.Errorf("%+v, %v", state, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), refusal) {
				t.Errorf("%+v, %v, want %q", state, err, refusal)
			}
		})
	}
}
