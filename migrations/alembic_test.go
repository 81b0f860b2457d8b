package migrations_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

func TestMain(m *testing.M) { pgtemp.Main(m) }

// connect opens a connection that ends with the test.
func connect(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func run(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func ask[T any](t testing.TB, conn *pgx.Conn, sql string) (answer T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

// until asks again and again, for half a minute, until the answer is yes.
func until(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	giveUp := time.After(30 * time.Second)
	for !ask[bool](t, conn, sql) {
		select {
		case <-giveUp:
			t.Fatalf("still not true: %s", sql)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// api is a real Alembic with the chain of testdata/alembic.
type api struct {
	program  string
	section  string   // of alembic.ini: which revisions it brings
	settings []string // -x, as env.py reads them
}

func newAPI(t testing.TB, database, section string, settings ...string) api {
	t.Helper()
	return api{pgtemp.Require(t, "alembic"), section, append(settings, "url="+database)}
}

func (a api) command(ctx context.Context, args ...string) *exec.Cmd {
	all := []string{"-c", "testdata/alembic/alembic.ini", "-n", a.section}
	for _, s := range a.settings {
		all = append(all, "-x", s)
	}
	cmd := exec.CommandContext(ctx, a.program, append(all, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	return cmd
}

// run returns what Alembic printed, errors included.
func (a api) run(t testing.TB, args ...string) (string, error) {
	out, err := a.command(t.Context(), args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (a api) must(t testing.TB, args ...string) string {
	t.Helper()
	out, err := a.run(t, args...)
	if err != nil {
		t.Fatalf("alembic %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// database at revision 003_add_users, as the chain of testdata/alembic leaves it but without waiting for Python.
func atParent(t testing.TB) string {
	t.Helper()
	database := pgtemp.Empty(t)
	conn := connect(t, database)
	run(t, conn, parentSQL)
	conn.Close(t.Context())
	return database
}

const (
	versionSQL = `CREATE TABLE alembic_version (version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));`
	usersSQL   = `CREATE TABLE users (id uuid PRIMARY KEY, email varchar NOT NULL UNIQUE);`
	parentSQL  = usersSQL + versionSQL + `INSERT INTO alembic_version VALUES ('003_add_users');`
	tokensSQL  = `CREATE TABLE refresh_tokens (id uuid PRIMARY KEY, expires_at timestamptz, is_revoked boolean, revoked_at timestamptz);
		CREATE INDEX ON refresh_tokens (expires_at);`
)

// as is database's URL for another role.
func as(t testing.TB, database, role string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(strings.Trim(role, `"`))
	return u.String()
}

// newRole makes a role that may log in, and goes with the test, with all it owns in the database; it returns its name
// as SQL wants it.
func newRole(t testing.TB, admin *pgx.Conn, suffix string) string {
	t.Helper()
	name := pgx.Identifier{ask[string](t, admin, "SELECT left(current_database(), 50)") + suffix}.Sanitize()
	if strings.ToLower(name) == name {
		name = strings.Trim(name, `"`)
	}
	run(t, admin, "CREATE ROLE "+name+" LOGIN")
	database := admin.Config().ConnString()
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), database)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "DROP OWNED BY "+name+" CASCADE; DROP ROLE "+name, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Error(err)
		}
	})
	return name
}
