package migrationstest

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

func TestMain(m *testing.M) { pgtemp.Main(m) }

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func ask(t *testing.T, conn *pgx.Conn, sql string) (answer string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

func TestHeadIsAtHead(t *testing.T) {
	t.Parallel()
	conn := connect(t, Head(t))
	for _, c := range []struct{ sql, want string }{
		{"SELECT string_agg(version_num, ',') FROM alembic_version", "004_add_refresh_tokens"},
		{"SELECT count(*)::text FROM users", "0"},
		{"SELECT count(*)::text FROM refresh_tokens", "0"},
		{
			"SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'refresh_tokens'::regclass",
			"ix_refresh_tokens_expires_at ix_refresh_tokens_token_hash ix_refresh_tokens_user_id refresh_tokens_pkey",
		},
		{"INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'a@example.org') RETURNING email", "a@example.org"},
	} {
		if got := ask(t, conn, c.sql); got != c.want {
			t.Errorf("%s: %s, want %s", c.sql, got, c.want)
		}
	}
}

func TestHeadsAreApart(t *testing.T) {
	t.Parallel()
	one, other := connect(t, Head(t)), connect(t, Head(t))
	if _, err := one.Exec(t.Context(), "CREATE TABLE mine ()"); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, other, "SELECT count(*)::text FROM pg_class WHERE relname = 'mine'"); got != "0" {
		t.Error("a table of one database shows in another")
	}
}
