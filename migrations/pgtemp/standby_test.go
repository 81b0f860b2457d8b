package pgtemp

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// A standby follows its primary, refuses to write until it is promoted, and lives on without it.
func TestStandby(t *testing.T) {
	t.Parallel()
	Require(t, "pg_basebackup")
	primary, err := Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Stop()
	standby, err := primary.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Stop()
	if err := standby.Create(t.Context(), "refused"); err == nil {
		t.Error("the standby takes writes")
	}
	for _, how := range []Shutdown{Smart, Fast, Immediate} {
		if err := primary.Down(t.Context(), how); err != nil {
			t.Fatal(err)
		}
		if conn, err := pgx.Connect(t.Context(), primary.URL("postgres")); err == nil {
			conn.Close(t.Context())
			t.Error("a server that is down answers")
		}
		if err := primary.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := primary.Down(t.Context(), Immediate); err != nil {
		t.Fatal(err)
	}
	if err := primary.Stop(); err != nil {
		t.Errorf("stop what is down: %v", err)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := standby.Create(t.Context(), "taken"); err != nil {
		t.Error(err)
	}
}
