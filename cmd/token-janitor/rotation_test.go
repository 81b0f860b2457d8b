package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestPasswordRotated: the file of --database-url-file is read at every connect. Between the two steps of a rotation
// runs fail and say so; no restart is needed behind it, and no password is told, the old or the new.
func TestPasswordRotated(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	conn := dial(t, server.URL("postgres"))
	alter := func(password string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), `ALTER ROLE ada PASSWORD '`+password+`'`); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Exec(t.Context(), `CREATE ROLE ada LOGIN SUPERUSER`); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context(), map[string]string{
		"pg_hba.conf": "host all postgres 127.0.0.1/32 trust\nhost all ada 127.0.0.1/32 scram-sha-256\n",
	}); err != nil {
		t.Fatal(err)
	}
	conn = dial(t, server.URL("postgres"))
	url := filepath.Join(t.TempDir(), "url")
	rotate := func(password string) {
		t.Helper()
		write(t, url, strings.Replace(server.URL("postgres"), "postgres@", "ada:"+password+"@", 1)+"\n")
	}
	alter(secret + "1")
	rotate(secret + "1")
	live := backlog(t, conn, 300)
	d := start(t, "", "", "--database-url-file="+url, "--log-level=debug")
	d.hears(t, "outcome=drained", 1)

	alter(secret + "2")
	d.hears(t, "outcome=failed", 1)
	told := d.page(t, 503, "/readyz", "the last run failed: ", "SQLSTATE 28P01")
	told += d.page(t, 200, "/", "Failed.", "SQLSTATE 28P01")
	told += d.page(t, 200, "/status.json", "SQLSTATE 28P01")
	told += d.page(t, 200, "/metrics", "token_janitor_runs_total{outcome=\"failed\"} ")
	backlog(t, conn, 300)
	rotate(secret + "2")
	d.hears(t, "outcome=drained", 1)
	told += d.page(t, 200, "/readyz")

	rotate(secret + "3") // the other way round
	d.hears(t, "SQLSTATE 28P01", 1)
	d.page(t, 503, "/readyz")
	alter(secret + "3")
	d.hears(t, "outcome=drained", 1)
	told += d.page(t, 200, "/readyz") + d.page(t, 200, "/", "OK.") + d.page(t, 200, "/status.json")
	if strings.Contains(told, secret) || d.said(secret) > 0 {
		t.Errorf("a password is told:\n%s", told)
	}
	if n := count(t, conn, "true"); n != 2*live || count(t, conn, `token_hash LIKE 'live %'`) != 2*live {
		t.Errorf("%d rows, want the %d that live", n, 2*live)
	}
}
