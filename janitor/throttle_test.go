package janitor

import (
	"context"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// A run waits for what it was asked to mind, says so, and ends its work once that is over.
func TestThrottles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cause Cause
		ask   func(*Settings)
		begin func(*table) (end func()) // of what keeps the server busy
	}{
		{ForVacuum, func(s *Settings) { s.YieldToVacuum = true }, func(tab *table) func() {
			vacuum := &table{Conn: connect(tab.t, tab.url), t: tab.t}
			vacuum.exec(`SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1`)
			ctx, cancel := context.WithCancel(tab.t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _, _ = vacuum.Exec(ctx, `VACUUM (DISABLE_PAGE_SKIPPING) refresh_tokens`) }()
			tab.await(`EXISTS (SELECT FROM pg_stat_progress_vacuum WHERE relid = 'refresh_tokens'::regclass)`)
			return func() { cancel(); <-done }
		}},
		{ForLockWaits, func(s *Settings) { s.YieldToLockWaits = true }, func(tab *table) func() {
			holder := tab.hold(`SELECT FROM refresh_tokens WHERE token_hash = 'live' FOR UPDATE`)
			waiter := &table{Conn: connect(tab.t, tab.url), t: tab.t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = waiter.Exec(tab.t.Context(), `UPDATE refresh_tokens SET is_revoked = true WHERE token_hash = 'live'`)
			}()
			tab.await(`EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database())`)
			return func() { holder.exec(`COMMIT`); <-done }
		}},
		{ForWAL, func(s *Settings) { s.MaxWALRetained = 1 << 20 }, func(tab *table) func() {
			tab.exec(`SELECT pg_create_physical_replication_slot('forgotten', true)`)
			tab.exec(`CREATE TABLE noise AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)`)
			return func() { tab.other().exec(`SELECT pg_drop_replication_slot('forgotten')`) }
		}},
	} {
		t.Run(string(c.cause), func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.insert(token{name: "live", expires: at(week)})
			tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			end := sync.OnceFunc(c.begin(tab))
			t.Cleanup(end)
			c.ask(&s)
			deleted := int64(0)
			s.OnBatch = func(b Batch) { deleted = b.Done.Total() }
			s.OnRest = func(r Rest) {
				if r.Cause != c.cause || deleted > 0 {
					t.Errorf("a rest for %s after %d rows", r.Cause, deleted)
				}
				end()
				s.OnRest = nil
			}
			res := tab.run(s)
			expect{stop: StopDrained, deleted: Counts{Expired: 1000}}.of(t, "run", res)
			if rested := res.Rested[c.cause]; rested < throttlePause {
				t.Errorf("rested %s, want %s at least", rested, throttlePause)
			}
			tab.survive("live")
		})
	}
}

func TestThrottleIsBoundedByTime(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.insert(token{name: "expired", expires: at(-2 * time.Hour)})
	tab.hold(`LOCK TABLE refresh_tokens IN SHARE UPDATE EXCLUSIVE MODE`) // as vacuum does
	s.YieldToVacuum, s.MaxRunTime = true, 100*time.Millisecond
	expect{stop: StopMaxRunTime}.of(t, "run", tab.run(s))
	tab.survive("expired")
}

// A standby whose replay is paused lags, though the server's own replay_lag stands still.
func TestWaitsForAStandby(t *testing.T) {
	t.Parallel()
	pgtemp.Large(t)
	pgtemp.Require(t, "pg_basebackup")
	primary, err := pgtemp.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Stop() })
	tab := headOn(t, primary)
	tab.insert(token{name: "live", expires: at(week)})
	tab.fill(3000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	standby, err := primary.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Stop() })
	tab.await(`EXISTS (SELECT FROM pg_stat_replication WHERE replay_lsn IS NOT NULL)`)
	replica := &table{Conn: connect(t, standby.URL("api")), t: t}
	replica.exec(`SELECT pg_wal_replay_pause()`)

	s := settings()
	s.MaxReplicaLag = 500 * time.Millisecond
	s.BatchMaxRows, s.MaxRate = 100, 1000 // three seconds of work
	waited := false
	s.OnRest = func(r Rest) {
		if r.Cause == ForReplicaLag && !waited {
			waited = true
			replica.exec(`SELECT pg_wal_replay_resume()`)
		}
	}
	res := tab.run(s)
	expect{stop: StopDrained, deleted: Counts{Expired: 3000}}.of(t, "run", res)
	if !waited {
		t.Error("it did not wait")
	}
	tab.survive("live")
}

// A standby that was behind before the run began holds it up from the start.
func TestWaitsForAStandbyThatWasBehind(t *testing.T) {
	t.Parallel()
	pgtemp.Require(t, "pg_basebackup")
	primary, tab := own(t)
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	const apart = 5 * time.Second
	standby, err := primary.Standby(t.Context(), pgtemp.Setting("recovery_min_apply_delay", fmt.Sprint(apart.Milliseconds())+"ms"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Stop() })
	// It tells how far it is behind when it has replayed a commit, and that is not for long.
	ctx, stop := context.WithCancel(t.Context())
	api, written := tab.again(), make(chan struct{})
	go func() {
		defer close(written)
		for err := error(nil); err == nil; {
			_, err = api.Exec(ctx, `INSERT INTO users SELECT gen_random_uuid() FROM pg_sleep(0.02)`)
		}
	}()
	defer func() { stop(); <-written }()
	tab.await(`EXISTS (SELECT FROM pg_stat_replication WHERE replay_lag > interval '2s')`)
	s := settings()
	s.MaxReplicaLag = apart / 5
	s.MaxRunTime = apart / 2
	res := expect{stop: StopMaxRunTime}.of(t, "run", tab.run(s))
	if res.Rested[ForReplicaLag] == 0 {
		t.Errorf("it did not rest for the standby: %v", res.Rested)
	}
}

// Whoever receives WAL to keep it, and never replays it, is no standby that lags.
func TestDoesNotWaitForAReceiver(t *testing.T) {
	t.Parallel()
	receive := pgtemp.Require(t, "pg_receivewal")
	_, tab := own(t)
	tab.insert(token{name: "live", expires: at(week)})
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	ctx, stop := context.WithCancel(t.Context())
	receiver := exec.CommandContext(ctx, receive, "-D", t.TempDir(), "-d", tab.url, "-s", "1")
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = receiver.Wait() })
	s := settings()
	s.MaxReplicaLag = time.Second
	s.MaxRunTime = 30 * time.Second
	tab.await(`EXISTS (SELECT FROM pg_stat_replication WHERE write_lsn IS NOT NULL AND replay_lsn IS NULL)`)
	expect{stop: StopDrained, deleted: Counts{Expired: 1000}}.of(t, "run", tab.run(s))
	tab.await(`EXISTS (SELECT FROM pg_stat_replication)`) // else this proves nothing
	tab.survive("live")
}

// WAL that cannot be archived holds a run up, until it can.
func TestWaitsForTheArchive(t *testing.T) {
	t.Parallel()
	_, tab := own(t, pgtemp.Setting("archive_mode", "on"), pgtemp.Setting("archive_command", "false"))
	tab.insert(token{name: "live", expires: at(week)})
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	for range 3 {
		tab.exec(`INSERT INTO users VALUES (gen_random_uuid())`)
		tab.exec(`SELECT pg_switch_wal()`)
	}
	tab.await(`EXISTS (SELECT FROM pg_stat_archiver WHERE failed_count > 0)`)
	s := settings()
	s.MaxWALRetained = 24 << 20 // of segments of 16 MB each
	s.MaxRunTime = time.Minute
	mended := false
	s.OnRest = func(r Rest) {
		if r.Cause == ForWAL && !mended {
			mended = true
			other := tab.other()
			other.exec(`ALTER SYSTEM SET archive_command = 'true'`)
			other.exec(`SELECT pg_reload_conf()`)
			other.exec(`SELECT pg_switch_wal()`)
		}
	}
	expect{stop: StopDrained, deleted: Counts{Expired: 1000}}.of(t, "run", tab.run(s))
	if !mended {
		t.Error("it did not wait")
	}
	tab.survive("live")
}

func TestLagOfAStandby(t *testing.T) {
	t.Parallel()
	lsn := func(n int64) *int64 { return &n }
	now := time.Now()
	var tr throttle
	for i := range 10 { // a thousand bytes each second, up to now
		tr.written = append(tr.written, written{now.Add(time.Duration(i-9) * time.Second), int64(i+1) * 1000})
	}
	for _, c := range []struct {
		name     string
		replayed *int64
		want     time.Duration
	}{
		{"behind from the start", lsn(0), 9 * time.Second},
		{"three seconds behind", lsn(6500), 3 * time.Second},
		{"caught up", lsn(10000), 0},
		{"ahead of our last look", lsn(20000), 0},
		{"no standby", nil, 0},
	} {
		if got := tr.lag(c.replayed).Round(time.Second); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestReplicaLagNeedsTheRightToSee(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.lessRights()
	s.MaxReplicaLag = time.Second
	res, err := tab.runAt(t.Context(), noon, s)
	if err == nil {
		t.Error("run: no error")
	}
	if res.Deleted.Total() != 0 {
		t.Errorf("deleted %+v", res.Deleted)
	}
}
