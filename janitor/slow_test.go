package janitor

import (
	"fmt"
	"testing"
	"time"
)

// slow makes a trigger that takes its time for each row whose hash begins with "slow".
func (tab *table) slow(each time.Duration) {
	tab.t.Helper()
	tab.exec(fmt.Sprintf(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF OLD.token_hash LIKE 'slow%%' THEN PERFORM pg_sleep(%f); END IF; RETURN NULL; END $$`, each.Seconds()))
	tab.exec(`CREATE TRIGGER slow AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION slow()`)
}

// A row that takes longer than a statement may is left, counted and told, and the rest goes.
func TestSlowRowsAreLeft(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	const due = 3000
	tab.insert(
		token{name: "live", expires: at(week)},
		token{name: "slow", expires: at(-3 * time.Hour)},
		token{name: "slow, too", expires: at(-2*time.Hour - 20*time.Minute)},
		token{name: "slow, revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)})
	tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.slow(3 * time.Second)
	s.StatementTimeout = time.Second
	res := expect{stop: StopLeft, deleted: Counts{Expired: due}, left: Left{Slow: 3}}.of(t, "run", tab.run(s))
	if res.TimedOut == 0 {
		t.Error("no batch is said to have timed out")
	}
	if res.Overdue[Expired].Rows != 2 || res.Overdue[Revoked].Rows != 1 {
		t.Errorf("overdue: %+v", res.Overdue)
	}
	tab.survive("live", "slow", "slow, too", "slow, revoked")
}

// If every row is too slow, the statement is, and the run says so soon.
func TestEveryRowIsTooSlow(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	for i := range 60 {
		tab.insert(token{name: fmt.Sprintf("slow %d", i), expires: at(-2 * time.Hour)})
	}
	tab.slow(time.Second)
	s.StatementTimeout = 100 * time.Millisecond
	res, err := tab.runAt(t.Context(), noon, s)
	failed(t, "run", res, err, StopError, "SQLSTATE 57014")
	if left := tab.count("true"); left != 60 {
		t.Errorf("%d rows are left", left)
	}
}

// A session that the server ends when it rests is not one that a run may lose.
func TestIdleSessionTimeout(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	const due = 60
	tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.insert(token{name: "live", expires: at(week)})
	tab.exec(`SET idle_session_timeout = '500ms'`)
	s.MaxRate = 20 // a window of two rows each 100 ms
	s.Load = 0.001 // and rests of seconds
	s.MaxRunTime = 4 * time.Second
	res, err := Run(t.Context(), tab.Conn, s)
	if err != nil || res.StopReason != StopMaxRunTime {
		t.Errorf("run: %+v, %v", res, err)
	}
	if tab.other().count("token_hash = 'live'") != 1 {
		t.Error("the live token is gone")
	}
}
