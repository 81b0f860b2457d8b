package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

func TestThroughPgBouncer(t *testing.T) {
	t.Parallel()
	database := pgtemp.Bouncer(t, atParent(t), "transaction")
	if n := await(t, boots(t, database, 4, migrations.Upgrade)); n != 1 {
		t.Errorf("%d janitors upgraded, want one", n)
	}
	// Nothing of ours stays behind in a session that somebody else gets next.
	conn := connect(t, database)
	for _, c := range []struct{ setting, want string }{
		{"search_path", `"$user", public`}, {"lock_timeout", "0"}, {"role", "none"},
	} {
		var got string
		if err := conn.QueryRow(t.Context(), "SHOW "+c.setting, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != c.want {
			t.Errorf("%s is left at %q, %v", c.setting, got, err)
		}
	}
	if _, err := migrations.Downgrade(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}); err != nil {
		t.Error(err)
	}
}
