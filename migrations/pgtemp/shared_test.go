//go:build unix

package pgtemp

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	one, other := connect(t, Empty(t)), connect(t, Empty(t))
	run(t, one, "CREATE TABLE mine ()")
	if got := ask(t, other, "SELECT count(*)::text FROM pg_class WHERE relname = 'mine'"); got != "0" {
		t.Error("a table of one database shows in another")
	}
}

func TestDatabaseGoesWithItsTest(t *testing.T) {
	t.Parallel()
	outer := t
	var gone string
	t.Run("uses one", func(t *testing.T) {
		// The connection outlives the inner test: that must not keep the database.
		conn, err := pgx.Connect(outer.Context(), Empty(t))
		if err != nil {
			t.Fatal(err)
		}
		outer.Cleanup(func() { conn.Close(context.Background()) })
		gone = ask(t, conn, "SELECT current_database()")
	})
	conn := connect(t, Shared(t).URL("postgres"))
	if !strings.HasPrefix(gone, "testdatabasegoeswithitstest_uses_one_") {
		t.Errorf("the database was named %s, which does not tell the test", gone)
	}
	if got := ask(t, conn, "SELECT count(*)::text FROM pg_database WHERE datname = '"+gone+"'"); got != "0" {
		t.Errorf("database %s outlived its test", gone)
	}
}

func TestCreateCloneDrop(t *testing.T) {
	t.Parallel()
	s := Shared(t)
	for _, name := range []string{"plain", `we"ird näme/with?all&of#it%`, "MiXed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if err := s.Create(ctx, name); err != nil {
				t.Fatal(err)
			}
			conn, err := pgx.Connect(ctx, s.URL(name))
			if err != nil {
				t.Fatal(err)
			}
			if got := ask(t, conn, "SELECT current_database()"); got != name {
				t.Errorf("the URL leads to %q", got)
			}
			run(t, conn, "CREATE TABLE kept ()")
			conn.Close(ctx)
			copied := name + " copied"
			if err := s.Clone(ctx, copied, name); err != nil {
				t.Fatal(err)
			}
			conn = connect(t, s.URL(copied))
			run(t, conn, "SELECT FROM kept")
			for _, drop := range []string{name, copied, copied} { // with a connection; a second time
				if err := s.Drop(ctx, drop); err != nil {
					t.Error(err)
				}
			}
			err = s.Clone(ctx, copied, name)
			if err == nil || !strings.Contains(err.Error(), "clone database "+name) || !strings.Contains(err.Error(), "does not exist") {
				t.Errorf("clone what is dropped: %v", err)
			}
		})
	}
}

func TestDatabaseName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		test string
		n    int64
		want string
	}{
		{"TestX", 1, "testx_1"},
		{"TestX/a_b#01", 2, "testx_a_b_01_2"},
		{"TestÄ/" + strings.Repeat("long", 30), 1 << 62, "test__longlonglonglonglonglonglonglonglo_4611686018427387904"},
	} {
		if got := databaseName(c.test, c.n); got != c.want || len(got) > 63 {
			t.Errorf("%s: %s (%d bytes), want %s", c.test, got, len(got), c.want)
		}
	}
}

// Every test of a binary whose server does not start fails, each with the reason.
func TestSharedServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	const tests = "TestDatabasesAreApart|TestServerIsAsDocumented|TestCreateCloneDrop"
	cmd := exec.Command(os.Args[0], "-test.run=^("+tests+")$")
	cmd.Env = append(os.Environ(), binVariable+"=/no/such/folder")
	out, err := cmd.CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v, want exit status 1", err)
	}
	const want = "pgtemp: TOKEN_JANITOR_TEST_PG_BIN=/no/such/folder: not a folder that holds initdb and postgres: no initdb in /no/such/folder\n"
	if got := strings.Count(string(out), want); got != 3 {
		t.Errorf("the reason is there %d times, want 3:\n%s", got, out)
	}
}

// PostgreSQL refuses root, so a run as root takes another way than an ordinary user's. This has root take both.
func TestAsOrdinaryUser(t *testing.T) {
	Large(t)
	t.Parallel()
	who, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	if who == nil {
		t.Skip("this is an ordinary user already")
	}
	dir := openDir(t)
	binary := dir + "/pgtemp.test" // the original is in a folder that is closed to others
	// By a process of its own: a file that this one has open for writing cannot be executed, and a child that
	// another test starts meanwhile keeps it open for a moment (https://go.dev/issue/22315).
	if out, err := exec.Command("install", "-m", "755", os.Args[0], binary).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary, "-test.v", "-test.run=^(TestDatabasesAreApart|TestStopLeavesNothing|TestServerEndsWithItsProcess)$/^kill$")
	detach(cmd, who)
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "HOME=") })
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as user %s: %v\n%s", who.name, err, out)
	}
	if got := strings.Count(string(out), "--- PASS: Test"); got != 4 { // a subtest counts
		t.Errorf("%d tests passed as user %s, want 4:\n%s", got, who.name, out)
	}
}

func ask(t *testing.T, conn *pgx.Conn, sql string) (answer string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
