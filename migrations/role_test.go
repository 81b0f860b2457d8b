package migrations_test

import (
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/migrations"
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
			state, err := migrations.Ensure(t.Context(), connect(t, as(t, database, me)), "refresh_tokens", migrations.Upgrade)
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

// What deploy/sql grants is enough for a database that is at head.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	database := pgtemp.Head(t)
	admin := connect(t, database)
	me := newRole(t, admin, "_me")
	run(t, admin, `GRANT SELECT (expires_at, is_revoked, revoked_at), DELETE ON refresh_tokens TO `+me+`; GRANT SELECT ON alembic_version TO `+me)
	state, err := migrations.Ensure(t.Context(), connect(t, as(t, database, me)), "refresh_tokens", migrations.Upgrade)
	if err != nil || !state.AtHead {
		t.Errorf("%+v, %v", state, err)
	}
}
