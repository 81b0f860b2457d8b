package janitor

import (
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// Rows that come to lie behind the cursor during a run go with it, or the run does not say that nothing is left.
func TestRowsComeToLieBehind(t *testing.T) {
	t.Parallel()
	const due = 2000
	trigger := func(body string) func(*table, *Settings) {
		return func(tab *table, _ *Settings) {
			tab.exec(`CREATE FUNCTION behind() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + body + ` RETURN OLD; END $$`)
			tab.exec(`CREATE TRIGGER behind AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION behind()`)
		}
	}
	// meanwhile does it after half of the rows.
	meanwhile := func(sql string) func(*table, *Settings) {
		return func(tab *table, s *Settings) {
			beside, done := tab.other(), false
			s.fixWindows(100)
			s.OnBatch = func(b Batch) {
				if !done && b.Done.Expired >= due/2 {
					done = true
					beside.exec(sql)
				}
			}
		}
	}
	for _, tt := range []struct {
		name  string
		setUp func(*table, *Settings)
		stop  StopReason
		gone  int64 // rows that were deleted; 0 = more than there were
	}{
		{"an update makes them older", meanwhile(`UPDATE refresh_tokens SET expires_at = expires_at - interval '5 days' WHERE token_hash NOT LIKE 'live%' AND expires_at < '` + at(-time.Hour) + `'`), StopDrained, due + 1},
		{"new ones are due already", meanwhile(`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at) SELECT gen_random_uuid(), user_id, 'new ' || i, '` + at(-4*week) + `' FROM refresh_tokens, generate_series(1, 100) AS i WHERE token_hash = 'live'`), StopDrained, due + 101},
		{"revoked ones expire", meanwhile(`UPDATE refresh_tokens SET expires_at = '` + at(-4*week) + `' WHERE is_revoked`), StopDrained, due + 1},
		{"a trigger makes the next ones older", trigger(`UPDATE refresh_tokens SET expires_at = '` + at(-4*week) + `' WHERE expires_at > OLD.expires_at AND expires_at < '` + at(-time.Hour) + `' AND id IN (SELECT id FROM refresh_tokens WHERE expires_at > OLD.expires_at ORDER BY expires_at DESC OFFSET 10 LIMIT 1);`), StopDrained, 0},
		{"a trigger makes each again", trigger(`INSERT INTO refresh_tokens SELECT OLD.*;`), StopUnverified, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.stop == StopUnverified {
				pgtemp.Large(t) // it goes on for as long as a run may
			}
			tab, s := newTable(t), settings()
			tab.insert(token{name: "live", expires: at(week)}, token{name: "revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)})
			tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tt.setUp(tab, &s)
			res := tab.run(s)
			if res.StopReason != tt.stop {
				t.Errorf("stopped by %s, want %s", res.StopReason, tt.stop)
			}
			if tt.gone > 0 && res.Deleted.Total() != tt.gone {
				t.Errorf("deleted %+v", res.Deleted)
			}
			left := tab.count("token_hash <> 'live'")
			if tt.stop == StopDrained && left > 0 {
				t.Errorf("%d rows are left", left)
			}
			if tab.count("token_hash = 'live'") != 1 {
				t.Error("the live token is gone")
			}
		})
	}
}

// So it is beside a row that has to stay, and what is told to be overdue is all of it.
func TestRowsComeToLieBehindBesideAHeldOne(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	const due = 2000
	tab.insert(token{name: "live", expires: at(week)}, token{name: "held", expires: at(-3 * time.Hour)})
	tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.hold(`SELECT FROM refresh_tokens WHERE token_hash = 'held' FOR UPDATE`)
	beside, done := tab.other(), false
	s.fixWindows(100)
	s.LockTimeout = 10 * time.Millisecond
	s.OnBatch = func(b Batch) {
		if !done && b.Done.Expired >= due/2 {
			done = true
			beside.exec(`UPDATE refresh_tokens SET expires_at = expires_at - interval '5 days' WHERE token_hash NOT IN ('live', 'held')`)
		}
	}
	res := expect{stop: StopLeft, deleted: Counts{Expired: due}, left: Left{Locked: 1}}.of(t, "run", tab.run(s))
	if got := res.Overdue[Expired]; got.Rows != 1 || !got.Known {
		t.Errorf("overdue %+v", got)
	}
	tab.survive("live", "held")
}
