package pgtemp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A standby follows its primary, refuses to write until it is promoted, and lives on without it.
func TestStandby(t *testing.T) {
	Large(t)
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

// A restart takes the files that it is given, which the server can read and nobody else.
func TestRestart(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if err := s.Restart(t.Context(), map[string]string{
		"postgresql.auto.conf": "max_connections = 77",
		"pg_hba.conf":          "host all postgres 127.0.0.1/32 trust\n",
	}); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var got string
	if err := conn.QueryRow(t.Context(), "SHOW max_connections").Scan(&got); err != nil || got != "77" {
		t.Errorf("max_connections is %s, %v", got, err)
	}
	if other, err := pgx.Connect(t.Context(), strings.Replace(s.URL("postgres"), "postgres@", "ada@", 1)); err == nil {
		other.Close(t.Context())
		t.Error("pg_hba.conf lets in whom it does not name")
	}
	if info, err := os.Stat(filepath.Join(s.dir, "data", "pg_hba.conf")); err != nil || info.Mode() != 0o600 {
		t.Errorf("pg_hba.conf: %v, %v", info, err)
	}
}
