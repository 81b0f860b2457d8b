package janitor

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// hold opens a transaction beside the run and leaves it open to the test's end.
func (tab *table) hold(sql string) *table {
	tab.t.Helper()
	other := tab.other()
	other.exec(`BEGIN`)
	other.exec(sql)
	return other
}

func TestLockedRowsAreLeft(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name        string
		partitioned bool
		tied        int  // rows of one expiry beside them
		less        bool // the role may not update
	}{
		{name: "as migrated"},
		{name: "partitioned", partitioned: true},
		{name: "in a tie", tied: 400},
		{name: "without the right to update", less: true},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			if variant.partitioned {
				tab.partition()
			}
			tab.insert(token{name: "held", expires: at(-2 * time.Hour)}, token{name: "held as well", expires: at(-3 * time.Hour)}, token{name: "live", expires: at(week)})
			tab.fill(variant.tied, constant(-2*time.Hour), "false", "NULL")
			other := tab.hold(`SELECT FROM refresh_tokens WHERE token_hash IN ('held', 'held as well') FOR UPDATE`)
			if variant.less {
				tab.lessRights() // and 200 rows
			} else {
				tab.fill(200, spread(-2*time.Hour, -time.Second), "false", "NULL")
			}
			total := tab.count("true")
			s.BatchMaxRows = 100
			s.LockTimeout = 20 * time.Millisecond
			res := tab.run(s)
			expect{stop: StopLeft, deleted: Counts{Expired: total - 3}, left: Left{Locked: 2}}.of(t, "run", res)
			if got := res.Overdue[Expired].Rows; got != 2 {
				t.Errorf("%d rows are overdue, want 2", got)
			}
			if got := res.Overdue[Expired].Oldest; got != 2*time.Hour {
				t.Errorf("the oldest is overdue for %s, want 2h", got)
			}
			tab.survive("held", "held as well", "live")
			other.exec(`COMMIT`)
			expect{stop: StopDrained, deleted: Counts{Expired: 2}}.of(t, "run after the lock went", tab.run(s))
			tab.survive("live")
		})
	}
}

// lessRights makes the connection one of a role with the fewest rights: it can read
// three columns, none of them a secret, and the places of rows, and delete.
func (tab *table) lessRights() {
	tab.t.Helper()
	tab.fill(200, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.as(`DELETE, SELECT (expires_at, is_revoked, revoked_at, ctid, tableoid) ON refresh_tokens`,
		`SELECT (token_hash) ON refresh_tokens`) // for this test's own looks
}

// as makes the connection one of a new role with these rights.
func (tab *table) as(rights ...string) {
	tab.t.Helper()
	role := pgx.Identifier{fmt.Sprintf("janitor_%d", time.Now().UnixNano())}.Sanitize()
	tab.role = role
	tab.exec(`CREATE ROLE ` + role)
	tab.t.Cleanup(func() {
		_, _ = tab.Exec(context.Background(), `RESET ROLE; DROP OWNED BY `+role+`; DROP ROLE `+role)
	})
	for _, right := range rights {
		tab.exec(`GRANT ` + right + ` TO ` + role)
	}
	tab.exec(`SET ROLE ` + role)
}

func TestReferencedRowsAreLeft(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct{ name, onDelete string }{
		{"no action", "NO ACTION"}, {"restrict", "RESTRICT"}, {"deferred", "NO ACTION DEFERRABLE INITIALLY DEFERRED"},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.fill(500, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.insert(
				token{name: "referenced", expires: at(-2 * time.Hour)},
				token{name: "referenced, revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)},
				token{name: "live", expires: at(week)},
			)
			tab.exec(`CREATE TABLE audit (token uuid REFERENCES refresh_tokens ON DELETE ` + variant.onDelete + `)`)
			tab.exec(`INSERT INTO audit SELECT id FROM refresh_tokens WHERE token_hash LIKE 'referenced%'`)
			res := tab.run(s)
			expect{stop: StopLeft, deleted: Counts{Expired: 500}, left: Left{Referenced: 2}}.of(t, "run", res)
			tab.survive("referenced", "referenced, revoked", "live")
			tab.exec(`DELETE FROM audit`)
			expect{stop: StopDrained, deleted: Counts{Expired: 1, Revoked: 1}}.of(t, "run after the reference went", tab.run(s))
			tab.survive("live")
		})
	}
}

// The API prolongs an expired session, or takes a revocation back, while the row is being
// deleted: the row that is no longer due stays.
func TestProlongedWhileDeleted(t *testing.T) {
	t.Parallel()
	expired, prolong := token{expires: at(-2 * time.Hour)}, `expires_at = '`+at(week)+`'`
	revoked, reinstate := token{expires: at(week), revoked: true, revokedAt: at(-2 * week)}, `is_revoked = false, revoked_at = NULL`
	for _, variant := range []struct {
		name   string
		due    token
		change string
		tune   func(*run)
		index  string
		goes   Counts
		window int  // what an earlier run found right; 0 = none did
		left   Left // the row is passed over, not waited for
	}{
		{name: "prolonged, in a window", due: expired, change: prolong, goes: Counts{Expired: 1}},
		{name: "prolonged, in a sweep", due: expired, change: prolong, tune: sweepAll, window: scanRows, goes: Counts{Expired: 1}},
		{name: "prolonged, in a first sweep", due: expired, change: prolong, tune: sweepAll, goes: Counts{Expired: 1}, left: Left{Locked: 1}},
		{name: "reinstated, in a window", due: revoked, change: reinstate, window: scanRows, goes: Counts{Revoked: 1}},
		{name: "reinstated, by its index", due: revoked, change: reinstate, index: "(revoked_at)", goes: Counts{Revoked: 1}},
		{name: "reinstated, among live rows", due: revoked, change: reinstate, goes: Counts{Revoked: 1}, left: Left{Locked: 1}},
		{name: "reinstated, in a sweep", due: revoked, change: reinstate, tune: sweepAll, window: scanRows, goes: Counts{Revoked: 1}},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.tune = variant.tune
			if variant.index != "" {
				tab.exec(`CREATE INDEX ON refresh_tokens ` + variant.index)
			}
			changed, other := variant.due, variant.due
			changed.name, other.name = "live again", "due"
			tab.insert(changed, other)
			api := tab.hold(`UPDATE refresh_tokens SET ` + variant.change + ` WHERE token_hash = 'live again'`)
			watch := &table{Conn: connect(t, tab.url), t: t}
			s.LockTimeout = time.Minute
			s.StatementTimeout, s.BatchGoal = time.Minute, time.Minute // on a busy machine as well
			s.Window = variant.window
			committed := make(chan struct{})
			ran, end := context.WithCancel(t.Context())
			defer end()
			go func() { // commits once the run waits for the row, or has passed it over
				defer close(committed)
				for waiting := false; !waiting && ran.Err() == nil; {
					_ = watch.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = $1::bigint)`, int64(tab.PgConn().PID())).Scan(&waiting)
				}
				_, _ = api.Exec(context.Background(), `COMMIT`)
			}()
			res := tab.run(s)
			end()
			<-committed
			stop := StopDrained
			if variant.left != (Left{}) {
				stop = StopLeft
			}
			expect{stop: stop, deleted: variant.goes, left: variant.left}.of(t, "run", res)
			tab.survive("live again")
		})
	}
}

// A budget is not spent on rows that cannot go, of which there are as many as it allows.
func TestBudgetIsForRowsThatGo(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	s.LockTimeout = 10 * time.Millisecond
	const held, budget = 300, 100
	tab.insert(token{name: "live", expires: at(week)})
	tab.fill(held, spread(-3*time.Hour, -time.Second), "false", "NULL")
	tab.hold(`SELECT FROM refresh_tokens WHERE expires_at < '` + at(-3*time.Hour) + `' FOR UPDATE`)
	tab.fill(500, spread(-2*time.Hour, -time.Second), "false", "NULL")
	s.MaxRows = budget
	for night := range 3 {
		expect{stop: StopMaxRows, deleted: Counts{Expired: budget}, left: Left{Locked: held}}.of(t, fmt.Sprintf("night %d", night), tab.run(s))
	}
	if left := tab.count("expires_at < '" + at(-time.Hour) + "'"); left != held+500-3*budget {
		t.Errorf("%d expired rows left, want %d", left, held+500-3*budget)
	}
	if tab.count("token_hash = 'live'") != 1 {
		t.Error("the live token is gone")
	}
}

// A table that DDL holds is waited for, in short waits, and then left.
func TestTableLocked(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"ACCESS EXCLUSIVE", "SHARE"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.fill(1000, constant(-2*time.Hour), "false", "NULL")
			s.LockTimeout = 5 * time.Millisecond
			locker := connect(t, tab.url)
			s.OnBatch = func(b Batch) {
				if b.Done.Expired > 0 {
					_, err := locker.Exec(t.Context(), `BEGIN; LOCK TABLE refresh_tokens IN `+mode+` MODE`, pgx.QueryExecModeSimpleProtocol)
					if err != nil {
						t.Error(err)
					}
				}
			}
			s.BatchMaxRows = 100
			res := tab.run(s)
			if res.Outcome != Partial {
				t.Errorf("outcome %s, want %s", res.Outcome, Partial)
			}
			if res.StopReason != StopTableLocked {
				t.Errorf("stopped by %s, want %s", res.StopReason, StopTableLocked)
			}
			if res.Left.Total() > 200 {
				t.Errorf("left %+v, want 200 at most", res.Left)
			}
			if res.Deleted.Expired == 0 {
				t.Error("nothing was deleted before: this proves nothing")
			}
			if _, err := locker.Exec(t.Context(), `ROLLBACK`); err != nil {
				t.Fatal(err)
			}
			s.OnBatch = nil
			if left := tab.count("true"); left != 1000-res.Deleted.Expired {
				t.Errorf("%d rows left, %d deleted", left, res.Deleted.Expired)
			}
			expect{stop: StopDrained, deleted: Counts{Expired: 1000 - res.Deleted.Expired}}.of(t, "run after the DDL", tab.run(s))
		})
	}
}

// So is one that DDL holds before the run begins.
func TestTableLockedFromTheStart(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.insert(token{name: "expired", expires: at(-2 * time.Hour)})
	other := tab.hold(`LOCK TABLE refresh_tokens IN ACCESS EXCLUSIVE MODE`)
	s.LockTimeout = 5 * time.Millisecond
	if res := (expect{stop: StopTableLocked}).of(t, "run", tab.run(s)); res.Overdue[Expired].Known {
		t.Errorf("overdue: %+v, of a table that it could not read", res.Overdue[Expired])
	}
	other.exec(`ROLLBACK`)
	tab.survive("expired")
}

// A lock that a prepared transaction holds is one as well, though nobody's process does.
func TestTableLockedByAPreparedTransaction(t *testing.T) {
	t.Parallel()
	_, tab := own(t, pgtemp.Setting("max_prepared_transactions", "5"))
	s := settings()
	s.LockTimeout = 5 * time.Millisecond
	s.fixWindows(100)
	tab.fill(2000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	for _, mode := range []string{"SHARE", "ACCESS EXCLUSIVE"} {
		locked, gone := false, Counts{}
		s.OnBatch = func(b Batch) {
			if b.Done.Expired >= 300 && !locked {
				locked, gone = true, b.Done
				other := tab.hold(`LOCK TABLE refresh_tokens IN ` + mode + ` MODE`)
				other.exec(`PREPARE TRANSACTION 'locks'`)
			}
		}
		expect{stop: StopTableLocked, deleted: gone}.of(t, mode, tab.run(s))
		tab.exec(`ROLLBACK PREPARED 'locks'`)
	}
	if n := tab.count("true"); n != 1400 {
		t.Errorf("%d rows are left", n)
	}
}

// A row that is prolonged while a batch waits for it stays, and the others go, whatever the role's default of isolation is.
func TestProlongedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.insert(token{name: "prolonged", expires: at(-2 * time.Hour)}, token{name: "expired", expires: at(-3 * time.Hour)})
			tab.exec(`SET default_transaction_isolation = '` + isolation + `'`)
			api := tab.hold(`UPDATE refresh_tokens SET expires_at = '` + at(week) + `' WHERE token_hash = 'prolonged'`)
			s.LockTimeout, s.StatementTimeout = 10*time.Second, time.Minute
			done := tab.afterWait(api, `COMMIT`)
			expect{stop: StopDrained, deleted: Counts{Expired: 1}}.of(t, "run", tab.run(s))
			<-done
			tab.survive("prolonged")
			var now string
			if err := tab.QueryRow(t.Context(), `SHOW transaction_isolation`).Scan(&now); err != nil || now != isolation {
				t.Errorf("after the run: %s, %v", now, err)
			}
		})
	}
}

// afterWait has another session do something once the table's own waits for a lock. The channel is closed after that.
func (tab *table) afterWait(other *table, sql string) <-chan struct{} {
	watch, pid, done := tab.other(), int64(tab.PgConn().PID()), make(chan struct{})
	go func() {
		defer close(done)
		for waiting := false; !waiting && tab.t.Context().Err() == nil; {
			_ = watch.QueryRow(tab.t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = $1::bigint)`, pid).Scan(&waiting)
		}
		_, _ = other.Exec(context.Background(), sql)
	}()
	return done
}

// What a trigger raises as a server does that chose another transaction is tried again.
func TestSerializationFailuresAreRetried(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	tab.insert(token{name: "expired", expires: at(-3 * time.Hour)}, token{name: "live", expires: at(week)})
	tab.exec(`CREATE SEQUENCE tries`)
	tab.exec(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('tries') < 3 THEN RAISE serialization_failure; END IF; RETURN NULL; END $$`)
	tab.exec(`CREATE TRIGGER lose AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION lose()`)
	expect{stop: StopDrained, deleted: Counts{Expired: 1}}.of(t, "run", tab.run(settings()))
	if tab.count("(SELECT last_value FROM tries) = 3") != 1 {
		t.Error("it did not take three tries")
	}
	tab.survive("live")
}

func TestStatementTimeoutCutsTheWindow(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.exec(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.0005); RETURN OLD; END $$`)
	tab.exec(`CREATE TRIGGER slow BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION slow()`)
	s.StatementTimeout = 300 * time.Millisecond // a window of 1,000 takes longer, one of 100 does not
	res := expect{stop: StopDrained, deleted: Counts{Expired: 1000}}.of(t, "run", tab.run(s))
	if res.LongestBatch > time.Second {
		t.Errorf("a batch of %s", res.LongestBatch)
	}
}

// Without the right to UPDATE, held rows cannot be skipped; those behind them go all the same.
func TestManyHeldRowsWithoutTheRightToUpdate(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	const held, due = 300, 2000
	tab.fill(held, spread(-4*time.Hour, -time.Second), "false", "NULL")
	tab.hold(`SELECT FROM refresh_tokens WHERE expires_at < '` + at(-3*time.Hour) + `' FOR UPDATE`)
	tab.insert(token{name: "live", expires: at(week)})
	tab.fill(due-200, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.lessRights() // and 200 rows more
	s.LockTimeout = 20 * time.Millisecond
	expect{stop: StopLeft, deleted: Counts{Expired: due}, left: Left{Locked: held}}.of(t, "run", tab.run(s))
	if tab.count("token_hash = 'live'") != 1 || tab.count("true") != held+1 {
		t.Errorf("%d rows are left", tab.count("true"))
	}
}

// How long a run waits for a locked table hardly depends on how long each wait may be.
func TestLockTimeoutsInARow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		each time.Duration
		want int
	}{
		{time.Nanosecond, 50}, {10 * time.Millisecond, 50}, {100 * time.Millisecond, 50}, {time.Second, 5}, {2 * time.Second, 3}, {time.Hour, 3},
	} {
		if got := (&batcher{Settings: Settings{LockTimeout: tt.each}}).lockTimeoutsInARow(); got != tt.want {
			t.Errorf("%d of %s, want %d", got, tt.each, tt.want)
		}
	}
}
