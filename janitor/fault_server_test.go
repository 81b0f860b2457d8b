package janitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// own starts a server of the test's own, which it may break, with the table in it.
func own(t testing.TB, opts ...pgtemp.Option) (*pgtemp.Server, *table) {
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
	tab := &table{Conn: connect(t, server.URL("postgres")), t: t, url: server.URL("postgres")}
	tab.exec(`CREATE TABLE users (id uuid PRIMARY KEY)`)
	tab.exec(`CREATE TABLE alembic_version AS SELECT '003_add_users'::varchar(32) AS version_num`)
	tab.exec(`INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000001')`)
	tab.exec(migrations.History()[0].Up, pgx.QueryExecModeSimpleProtocol)
	return server, tab
}

// again is the table over a new connection.
func (tab *table) again() *table {
	tab.t.Helper()
	return &table{Conn: connect(tab.t, tab.url), t: tab.t, url: tab.url}
}

// interrupted looks at a run that something ended, and lets the next one finish.
func (tab *table) interrupted(res Result, err error, due int64) {
	tab.t.Helper()
	tab.t.Logf("%s: deleted %d, perhaps %d more: %v", res.StopReason, res.Deleted.Total(), res.Uncertain, err)
	if err == nil {
		tab.t.Error("run: no error")
	}
	if res.Outcome != Failed {
		tab.t.Errorf("run: outcome %s, want %s", res.Outcome, Failed)
	}
	// A session tells its end before its transaction, and the lock in it, is gone.
	tab.await(`NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 1953128814
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`)
	gone := due + 1 - tab.count("true")
	if low := res.Deleted.Total(); gone < low || gone > low+res.Uncertain {
		tab.t.Errorf("%d rows are gone, it said %d to %d", gone, low, low+res.Uncertain)
	}
	next := tab.run(settings())
	if next.Outcome != Drained {
		tab.t.Errorf("next run: outcome %s, want %s", next.Outcome, Drained)
	}
	if next.Deleted.Total() != due-gone {
		tab.t.Errorf("next run: deleted %d, want %d", next.Deleted.Total(), due-gone)
	}
	tab.survive("live")
}

// The server is stopped, each way, in the middle of a run, and starts again.
func TestServerStops(t *testing.T) {
	t.Parallel()
	server, tab := own(t, pgtemp.Durable()) // else a crash takes back what was committed
	const due = 20_000
	for _, stop := range []struct {
		name string
		how  pgtemp.Shutdown
	}{{"smart", pgtemp.Smart}, {"fast", pgtemp.Fast}, {"immediate", pgtemp.Immediate}} {
		tab.exec(`TRUNCATE refresh_tokens`)
		tab.insert(token{name: "live", expires: at(week)})
		tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
		tab.exec(`CHECKPOINT`)
		runner, s := tab.again(), settings()
		_ = tab.Close(t.Context())
		down := make(chan error, 1)
		s.fixWindows(100)
		s.Load = 0.5
		s.OnBatch = func(b Batch) {
			if b.Done.Expired == 1000 {
				go func() { down <- server.Down(t.Context(), stop.how) }()
			}
		}
		res, err := runner.runAt(t.Context(), noon, s)
		_ = runner.Close(t.Context())
		if err := <-down; err != nil {
			t.Fatal(err)
		}
		if err := server.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		tab = tab.again()
		if stop.how == pgtemp.Smart { // waits for us
			if err != nil {
				t.Errorf("%s: %v", stop.name, err)
			}
			expect{stop: StopDrained, deleted: Counts{Expired: due}}.of(t, stop.name, res)
			tab.survive("live")
			continue
		}
		if res.StopReason != StopConnection {
			t.Errorf("%s: %+v", stop.name, res)
		}
		tab.interrupted(res, err, due)
	}
}

// The server ends the session at any moment: between two batches, in one, waiting for a lock.
func TestSessionIsTerminated(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			const due = 5000
			tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.insert(token{name: "live", expires: at(week)})
			runner := tab.again()
			killer := tab.again()
			pid, done := runner.PgConn().PID(), make(chan struct{})
			s.fixWindows(100)
			s.Load = 0.5
			s.OnBatch = func(b Batch) {
				if b.Done.Expired == int64(100+100*i) {
					go func() {
						defer close(done)
						_, _ = killer.Exec(context.Background(), `SELECT pg_sleep($1::float8 / 1000), pg_terminate_backend($2::int)`, float64(i), int64(pid))
					}()
				}
			}
			res, err := runner.runAt(t.Context(), noon, s)
			<-done
			if res.StopReason != StopConnection {
				t.Errorf("stopped by %s, want %s", res.StopReason, StopConnection)
			}
			tab.interrupted(res, err, due)
		})
	}
}

// What cancels a statement for good fails the run; what it deleted before stays told.
func TestStatementsAreCancelled(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(2000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.insert(token{name: "live", expires: at(week)})
	tab.exec(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF OLD.expires_at > '` + at(-2*time.Hour-1000*time.Second) + `' THEN PERFORM pg_sleep(1); END IF; RETURN NULL; END $$`)
	tab.exec(`CREATE TRIGGER slow AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION slow()`)
	s.StatementTimeout, s.BatchMaxRows = 500*time.Millisecond, 100
	res, err := tab.runAt(t.Context(), noon, s)
	if res.StopReason != StopError {
		t.Errorf("stopped by %s, want %s", res.StopReason, StopError)
	}
	if res.Uncertain != 0 {
		t.Errorf("%d rows in doubt", res.Uncertain)
	}
	if res.Deleted.Expired == 0 {
		t.Error("nothing was deleted before: this proves nothing")
	}
	tab.exec(`DROP TRIGGER slow ON refresh_tokens`)
	tab.interrupted(res, err, 2000)
}

// A small tmpfs holds the server's files, and fills up.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=120m,mode=1777"); err != nil {
		if os.Geteuid() == 0 && os.Getenv("TOKEN_JANITOR_TEST_REQUIRE") == "1" {
			t.Fatalf("mount a tmpfs: %v", err)
		}
		t.Skipf("mount a tmpfs: %v: it takes root and CAP_SYS_ADMIN", err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // so that the server's user gets in
		t.Error(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	_, tab := own(t, pgtemp.In(dir), pgtemp.Setting("max_wal_size", "32MB"))
	const due = 5000
	tab.insert(token{name: "live", expires: at(week)})
	tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
	// Unlogged, for without room for WAL the server ends, and that is TestServerStops.
	tab.exec(`CREATE UNLOGGED TABLE gone (note text)`)
	tab.exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO gone VALUES (repeat(md5(OLD.id::text), 60)); RETURN NULL; END $$`)
	tab.exec(`CREATE TRIGGER note AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION note()`)
	tab.exec(`CHECKPOINT`)
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	size, err := io.Copy(ballast, zeros{})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk does not fill: %v", err)
	}
	if err := ballast.Truncate(size - 4<<20); err != nil {
		t.Fatal(err)
	}
	s := settings()
	s.BatchMaxRows = 500
	res, err := tab.runAt(t.Context(), noon, s)
	failed(t, "run", res, err, StopError, "SQLSTATE 53100")
	if res.Deleted.Total() == 0 {
		t.Error("nothing was deleted before: this proves nothing")
	}
	if err := ballast.Truncate(0); err != nil {
		t.Fatal(err)
	}
	tab.interrupted(res, err, due)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A server that has no connection left, or no room for one lock more, says so, and lets
// the next run work.
func TestServerOutOfLocks(t *testing.T) {
	t.Parallel()
	_, tab := own(t, pgtemp.Setting("max_locks_per_transaction", "10"), pgtemp.Setting("max_connections", "10"))
	const parts, due = 40, 4000
	tab.exec(`ALTER TABLE refresh_tokens RENAME TO plain`)
	tab.exec(`CREATE TABLE refresh_tokens (LIKE plain INCLUDING DEFAULTS) PARTITION BY HASH (id)`)
	for i := range parts {
		tab.exec(fmt.Sprintf(`CREATE TABLE part%d PARTITION OF refresh_tokens FOR VALUES WITH (MODULUS %d, REMAINDER %d)`, i, parts, i))
	}
	tab.exec(`CREATE INDEX ON refresh_tokens (expires_at)`)
	tab.insert(token{name: "live", expires: at(week)})
	tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
	hog := tab.again()
	hog.exec(`BEGIN`)
	var err error
	for i := 0; err == nil; i++ {
		if _, err = hog.Exec(t.Context(), fmt.Sprintf(`SAVEPOINT s; SELECT pg_advisory_xact_lock(%d, g) FROM generate_series(1, 20) AS g`, i), pgx.QueryExecModeSimpleProtocol); err != nil {
			hog.exec(`ROLLBACK TO SAVEPOINT s`)
		}
	}
	if sqlState(err) != "53200" {
		t.Fatalf("the lock table does not fill: %v", err)
	}
	res, err := tab.runAt(t.Context(), noon, settings())
	failed(t, "run", res, err, StopError, "SQLSTATE 53200")
	hog.exec(`ROLLBACK`)
	tab.interrupted(res, err, due)
}
