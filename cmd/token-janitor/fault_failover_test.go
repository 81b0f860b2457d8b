package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// ownServer starts a server of the test's own, whose database postgres is at head.
func ownServer(t *testing.T, opts ...pgtemp.Option) *pgtemp.Server {
	t.Helper()
	pgtemp.Large(t) // a server of its own takes seconds
	server, err := pgtemp.Start(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := dial(t, server.URL("postgres")).Exec(t.Context(), migrationstest.Users, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if sum, code, log := once(t, program(t), server.URL("postgres")); code != exitDone {
		t.Fatalf("exit code %d: %+v\n%s", code, sum, log)
	}
	return server
}

// TestFailover: the primary dies in the middle of a run, its standby is promoted, and the daemon follows it.
func TestFailover(t *testing.T) {
	t.Parallel()
	pgtemp.Require(t, "pg_basebackup")
	primary, path := ownServer(t), program(t)
	conn := dial(t, primary.URL("postgres"))
	const due = 5000
	live := backlog(t, conn, due)
	standby, err := primary.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Stop() })

	// A standby alone is refused, and told what it is.
	for _, query := range []string{"", "&target_session_attrs=read-write"} {
		sum, code, log := once(t, path, standby.URL("postgres")+query, "--connect-timeout=1s")
		if code != exitFailed || sum.Error == nil || sum.Deleted.Total() != 0 {
			t.Errorf("exit code %d: %+v\n%s", code, sum, log)
		} else if text := *sum.Error; !strings.Contains(text, "standby") && !strings.Contains(text, "read only") && !strings.Contains(text, "read-only") {
			t.Errorf("nothing in %q says that this is a standby", text)
		} else {
			t.Log(text)
		}
	}

	both, err := url.Parse(primary.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := url.Parse(standby.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, "", strings.Replace(both.String(), both.Host, both.Host+","+other.Host, 1)+"&target_session_attrs=read-write",
		"--batch-max-rows=50", "--load=0.1")
	begun(t, conn, due)
	// It heeds this when it comes back.
	if _, err := conn.Exec(t.Context(), `ALTER SYSTEM SET default_transaction_read_only = on`); err != nil {
		t.Fatal(err)
	}
	if err := primary.Down(t.Context(), pgtemp.Immediate); err != nil {
		t.Fatal(err)
	}
	d.hears(t, "outcome=failed", 1)
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.hears(t, "outcome=drained", 1)
	conn = dial(t, standby.URL("postgres"))
	if n := count(t, conn, `token_hash LIKE 'live %'`); n != live || count(t, conn, "true") != live {
		t.Errorf("%d live tokens of %d, %d rows", n, live, count(t, conn, "true"))
	}

	// The former primary comes back, to be read only: it is passed over, and alone it is refused.
	if err := primary.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	former := dial(t, primary.URL("postgres"))
	left := count(t, former, "true")
	live = backlog(t, conn, 300)
	if err := again(t.Context(), func() error { // in one run, or in the two that it comes between
		if n := count(t, conn, `token_hash LIKE 'due %'`); n > 0 {
			return fmt.Errorf("%d of 300 are left", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	sum, code, log := once(t, path, primary.URL("postgres"))
	if code != exitFailed || sum.Error == nil || !strings.Contains(*sum.Error, "read-only by default") {
		t.Errorf("exit code %d: %+v\n%s", code, sum, log)
	}
	if n := count(t, former, "true"); n != left || left <= 100 {
		t.Errorf("the former primary has %d rows of the %d that it came back with", n, left)
	}
	if n := count(t, conn, `token_hash LIKE 'live %'`); n != live {
		t.Errorf("%d live tokens of %d", n, live)
	}
}

// begun waits until a run has deleted the first of so many due rows.
func begun(t *testing.T, conn *pgx.Conn, due int64) {
	t.Helper()
	if err := again(t.Context(), func() error {
		if count(t, conn, `token_hash LIKE 'due %'`) == due {
			return errors.New("the run has not begun")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestReadOnly: a server that stops to take writes in the middle of a run ends it, says so, and is worked on again
// when it takes them.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	conn := dial(t, server.URL("postgres"))
	const due = 5000
	live := backlog(t, conn, due)
	d := start(t, "", server.URL("postgres"), "--batch-max-rows=50", "--load=0.1")
	begun(t, conn, due)
	for _, sql := range []string{`ALTER SYSTEM SET default_transaction_read_only = on`, `SELECT pg_reload_conf()`} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	d.hears(t, "SQLSTATE 25006", 1)
	d.hears(t, "read-only by default", 1)
	d.page(t, 503, "/readyz", `transactions of postgres are read-only by default`, `ALTER ROLE "postgres" SET default_transaction_read_only = off`)
	if n := count(t, conn, `token_hash LIKE 'due %'`); n == 0 {
		t.Error("nothing is left to do")
	}
	for _, sql := range []string{`ALTER SYSTEM RESET default_transaction_read_only`, `SELECT pg_reload_conf()`} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	d.hears(t, "outcome=drained", 1)
	d.page(t, 200, "/readyz")
	if n := count(t, conn, `token_hash LIKE 'live %'`); n != live || count(t, conn, "true") != live {
		t.Errorf("%d live tokens of %d, %d rows", n, live, count(t, conn, "true"))
	}
}
