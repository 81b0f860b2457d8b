package janitor

import (
	"fmt"
	"testing"
	"time"
)

// slow makes a trigger that takes its time for each row whose hash begins with "slow".
func (tab *table) slow(each time.Duration) { tab.slowAt("", each) }

// slowAt is slow, with a trigger that is a constraint or none, and may wait for the commit.
func (tab *table) slowAt(deferrable string, each time.Duration) {
	tab.t.Helper()
	constraint := ""
	if deferrable != "" {
		constraint = "CONSTRAINT"
	}
	tab.exec(fmt.Sprintf(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF OLD.token_hash LIKE 'slow%%' THEN PERFORM pg_sleep(%f); END IF; RETURN NULL; END $$`, each.Seconds()))
	tab.exec(`CREATE ` + constraint + ` TRIGGER slow AFTER DELETE ON refresh_tokens ` + deferrable + ` FOR EACH ROW EXECUTE FUNCTION slow()`)
}

// A row that takes longer than a statement may is left, counted and told, and the rest goes.
func TestSlowRowsAreLeft(t *testing.T) {
	t.Parallel()
	for _, deferrable := range []string{"", "DEFERRABLE INITIALLY DEFERRED"} {
		t.Run("trigger "+deferrable, func(t *testing.T) {
			t.Parallel()
			slowRowsAreLeft(t, deferrable)
		})
	}
}

func slowRowsAreLeft(t *testing.T, deferrable string) {
	t.Helper()
	tab, s := newTable(t), settings()
	const due = 3000
	tab.insert(
		token{name: "live", expires: at(week)},
		token{name: "slow", expires: at(-3 * time.Hour)},
		token{name: "slow, too", expires: at(-2*time.Hour - 20*time.Minute)},
		token{name: "slow, revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)})
	tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.slowAt(deferrable, 3*time.Second)
	s.StatementTimeout = time.Second
	res := expect{stop: StopLeft, deleted: Counts{Expired: due}, left: Left{Slow: 3}}.of(t, "run", tab.run(s))
	if res.BatchesTimedOut == 0 {
		t.Error("no batch is said to have timed out")
	}
	if res.Overdue[Expired].Rows != 2 || res.Overdue[Revoked].Rows != 1 {
		t.Errorf("overdue: %+v", res.Overdue)
	}
	tab.survive("live", "slow", "slow, too", "slow, revoked")
}

// Rows that cost milliseconds each, as where a foreign key lacks its index, make no batch of seconds,
// not even the first; nor does the next run begin anew.
func TestRowsCostMilliseconds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		each time.Duration
		due  int
		most int // rows in a window, once it is found
	}{
		{"3 ms", 3 * time.Millisecond, 200, 40},
		{"40 ms", 40 * time.Millisecond, 30, 4},
	} {
		for _, rule := range Reasons {
			t.Run(fmt.Sprintf("%s, %s", tt.name, rule), func(t *testing.T) {
				t.Parallel()
				tab, s := newTable(t), settings()
				tab.insert(token{name: "live", expires: at(week)})
				for i := range tt.due {
					due := token{name: fmt.Sprintf("slow %d", i), expires: at(-2*time.Hour + time.Duration(i)*time.Second)}
					if rule == Revoked {
						due.expires, due.revoked, due.revokedAt = at(2*time.Hour+time.Duration(i)*time.Second), true, at(-2*week)
					}
					tab.insert(due)
				}
				tab.fill(10_000, spread(time.Hour, time.Second), "false", "NULL")
				tab.slow(tt.each)
				s.MaxRows = int64(tt.due / 2)
				var windows []int
				s.OnBatch = func(b Batch) {
					if b.Rows > 0 {
						windows = append(windows, b.Window)
					}
				}
				res, err := tab.runAt(t.Context(), noon, s)
				if err != nil || res.StopReason != StopMaxRows {
					t.Fatalf("run: %+v, %v", res, err)
				}
				if most := firstRows*tt.each*2 + 100*time.Millisecond; res.LongestBatch > most {
					t.Errorf("the longest batch took %s, want %s at most", res.LongestBatch, most)
				}
				if res.Window > tt.most || res.BatchesTimedOut > 0 {
					t.Errorf("a window of %d rows at the end, want %d at most; %d batches timed out", res.Window, tt.most, res.BatchesTimedOut)
				}
				s.MaxRows, s.Window, windows = 0, res.Window, nil
				again, err := tab.runAt(t.Context(), noon, s)
				if err != nil || again.StopReason != StopDrained {
					t.Fatalf("next run: %+v, %v", again, err)
				}
				if windows[0] != res.Window || again.LongestBatch > 4*s.BatchGoal+100*time.Millisecond {
					t.Errorf("next run: began with windows of %v rows, want %d; the longest batch took %s", windows[0], res.Window, again.LongestBatch)
				}
				if left := tab.count("token_hash LIKE 'slow%'"); left > 0 || res.Deleted.Total()+again.Deleted.Total() != int64(tt.due) {
					t.Errorf("%d rows are left", left)
				}
				if live := tab.count("true"); live != 10_001 {
					t.Errorf("%d live tokens, want 10,001", live)
				}
			})
		}
	}
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
