package janitor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	us   = time.Microsecond
	week = 7 * 24 * time.Hour
)

func TestRulesToTheMicrosecond(t *testing.T) {
	t.Parallel()
	live := week // expires that far ahead
	tokens := []struct {
		token
		goes Reason
	}{
		{token{name: "live", expires: at(live)}, ""},
		{token{name: "expires now", expires: at(0)}, ""},
		{token{name: "expired, kept", expires: at(-time.Hour + us)}, ""},
		{token{name: "expired at the cutoff", expires: at(-time.Hour)}, ""},
		{token{name: "expired past the cutoff", expires: at(-time.Hour - us)}, Expired},
		{token{name: "expired a year ago", expires: at(-365 * 24 * time.Hour)}, Expired},
		{token{name: "expired at -infinity", expires: "-infinity"}, Expired},
		{token{name: "expired BC", expires: "4713-01-01 00:00:00+00 BC"}, Expired},
		{token{name: "expires never", expires: "infinity"}, ""},
		{token{name: "expires in the year 294276", expires: "294276-12-31 23:59:59.999999+00"}, ""},

		{token{name: "revoked now", expires: at(live), revoked: true, revokedAt: at(0)}, ""},
		{token{name: "revoked at the cutoff", expires: at(live), revoked: true, revokedAt: at(-week)}, ""},
		{token{name: "revoked past the cutoff", expires: at(live), revoked: true, revokedAt: at(-week - us)}, Revoked},
		{token{name: "revoked at -infinity", expires: at(live), revoked: true, revokedAt: "-infinity"}, Revoked},
		{token{name: "revoked at infinity", expires: at(live), revoked: true, revokedAt: "infinity"}, ""},
		{token{name: "revoked long ago, expires never", expires: "infinity", revoked: true, revokedAt: at(-2 * week)}, Revoked},
		{token{name: "revoked long ago, expires in 294276", expires: "294276-12-31 00:00:00+00", revoked: true, revokedAt: at(-2 * week)}, Revoked},
		{token{name: "revoked, of unknown age", expires: at(live), revoked: true}, ""},
		{token{name: "revoked, of unknown age, expired", expires: at(-2 * time.Hour), revoked: true}, Expired},
		{token{name: "revoked_at without is_revoked", expires: at(live), revokedAt: at(-2 * week)}, ""},
		{token{name: "revoked long ago and expired", expires: at(-2 * time.Hour), revoked: true, revokedAt: at(-2 * week)}, Expired},
		{token{name: "revoked long ago, expired, kept", expires: at(-time.Hour), revoked: true, revokedAt: at(-2 * week)}, Revoked},
	}
	for _, variant := range []struct {
		name   string
		setUp  func(*table)
		window int
	}{
		{"as migrated", func(*table) {}, 5000},
		{"partitioned", (*table).partition, 5000},
		{"index on revoked_at", func(tab *table) { tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at) WHERE is_revoked`) }, 5000},
		{"windows of one", func(*table) {}, 1},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			variant.setUp(tab)
			s.BatchMaxRows = variant.window
			var want Counts
			var survivors []string
			for _, k := range tokens {
				tab.insert(k.token)
				if k.goes == "" {
					survivors = append(survivors, k.name)
				} else {
					*want.of(k.goes)++
				}
			}
			s.DryRun = true
			dry := expect{stop: StopDrained, would: want}.of(t, "dry run", tab.run(s))
			if got := dry.Due[Expired]; got != (Range{"-infinity", at(-time.Hour - us)}) {
				t.Errorf("dry run: what has expired is from %q", got)
			}
			if got := dry.Due[Revoked]; got != (Range{"-infinity", at(-week - us)}) {
				t.Errorf("dry run: what was revoked is from %q", got)
			}
			s.DryRun = false
			expect{stop: StopDrained, deleted: want}.of(t, "run", tab.run(s))
			tab.survive(survivors...)
		})
	}
}

func TestRowsWithoutExpirySurvive(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	tab.exec(`ALTER TABLE refresh_tokens ALTER expires_at DROP NOT NULL, ALTER is_revoked DROP NOT NULL`)
	tab.insert(
		token{name: "no expiry"},
		token{name: "no expiry, revoked", revoked: true, revokedAt: at(-2 * week)},
		token{name: "expired", expires: at(-2 * time.Hour)},
		token{name: "is_revoked unknown", expires: at(week), revokedAt: at(-2 * week)},
	)
	tab.exec(`UPDATE refresh_tokens SET is_revoked = NULL WHERE token_hash = 'is_revoked unknown'`)
	tab.run(settings())
	tab.survive("no expiry", "no expiry, revoked", "is_revoked unknown")
}

func TestTokenLifetimeBoundsTheRevokedPass(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	s := settings()
	s.KeepRevoked, s.TokenLifetime = 24*time.Hour, week
	tab.insert(
		token{name: "revoked, within the lifetime", expires: at(6*24*time.Hour - us), revoked: true, revokedAt: at(-24*time.Hour - us)},
		// A token that breaks the promise of --token-lifetime waits for its expiry.
		token{name: "revoked, beyond the lifetime", expires: at(6 * 24 * time.Hour), revoked: true, revokedAt: at(-24*time.Hour - us)},
	)
	expect{stop: StopDrained, deleted: Counts{Revoked: 1}}.of(t, "run", tab.run(s))
	tab.survive("revoked, beyond the lifetime")
}

// A timestamp that fills windows by itself still goes in bounded batches, and what
// lies before and behind it goes too.
func TestBudgets(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name    string
		expires string // 1000 rows over i, all expired
		change  func(*Settings)
		deleted int64
		stop    StopReason
	}{
		{name: "none", expires: spread(-2*time.Hour, -time.Second), change: func(*Settings) {}, deleted: 1000, stop: StopDrained},
		{name: "max rows", expires: spread(-2*time.Hour, -time.Second), change: func(s *Settings) { s.MaxRows = 250 }, deleted: 250, stop: StopMaxRows},
		{name: "max rows in a tie", expires: constant(-2 * time.Hour), change: func(s *Settings) { s.MaxRows = 250 }, deleted: 250, stop: StopMaxRows},
		{name: "max rows, to the row", expires: constant(-2 * time.Hour), change: func(s *Settings) { s.MaxRows = 1000 }, deleted: 1000, stop: StopDrained},
		{name: "no time", expires: constant(-2 * time.Hour), change: func(s *Settings) { s.MaxRunTime = 1 }, deleted: 0, stop: StopMaxRunTime},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.insert(token{name: "live", expires: at(week)})
			tab.fill(1000, variant.expires, "false", "NULL")
			s.BatchMaxRows = 100
			variant.change(&s)
			s.DryRun = true
			expect{stop: variant.stop, would: Counts{Expired: variant.deleted}}.of(t, "dry run", tab.run(s))
			s.DryRun = false
			res := tab.run(s)
			expect{stop: variant.stop, deleted: Counts{Expired: variant.deleted}}.of(t, "run", res)
			left := tab.count("token_hash <> 'live'")
			if left != 1000-variant.deleted {
				t.Errorf("%d expired rows left", left)
			}
			overdue := res.Overdue[Expired]
			if !overdue.Known {
				t.Error("it does not know what is overdue")
			}
			if overdue.Rows != left {
				t.Errorf("%d rows are overdue, want %d", overdue.Rows, left)
			}
			if (left > 0) != (overdue.Oldest >= time.Hour) {
				t.Errorf("the oldest of %d rows is overdue for %s", left, overdue.Oldest)
			}
			if tab.count("token_hash = 'live'") != 1 {
				t.Error("the live token is gone")
			}
		})
	}
}

func TestOldestOverdue(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	s.MaxRunTime = 1
	tab.insert(
		token{name: "expired", expires: at(-3 * time.Hour)},
		token{name: "revoked", expires: at(week), revoked: true, revokedAt: at(-week - time.Minute)},
	)
	res := tab.run(s)
	for reason, want := range map[Reason]time.Duration{Expired: 2 * time.Hour, Revoked: time.Minute} {
		if got := res.Overdue[reason]; got != (Overdue{Known: true, Rows: 1, Oldest: want}) {
			t.Errorf("%s: %+v, want one row for %s", reason, got, want)
		}
	}
	tab.insert(token{name: "expired for ever", expires: "-infinity"})
	if got := tab.run(s).Overdue[Expired].Oldest; got.Hours() < 24*365*290 {
		t.Errorf("a row that expired at -infinity is overdue for %s", got)
	}
}

// A run that is told where the one before ended finds what came to lie below, also where it takes
// too long to look there at first.
func TestFloors(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at)`)
	due := []token{
		{name: "expired", expires: at(-2 * time.Hour)},
		{name: "revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)},
	}
	tab.insert(due...)
	tab.insert(token{name: "live", expires: at(week)})
	first := tab.run(s)
	tab.survive("live")

	tab.insert(due...)
	s.Floors = first.Floors
	expect{stop: StopDrained, deleted: Counts{Expired: 1, Revoked: 1}}.of(t, "run with rows below its floors", tab.run(s))
	tab.survive("live")

	// A hundred thousand dead entries that a snapshot keeps from being cleaned.
	tab.hold(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1`)
	tab.fill(100_000, spread(-3*time.Hour, -time.Second), "false", "NULL")
	s.Floors = tab.run(s).Floors
	tab.insert(due...)
	tab.insert(token{name: "expires later", expires: at(-time.Hour)})
	third, err := tab.runAt(t.Context(), noon.Add(time.Minute), s)
	if err != nil {
		t.Errorf("run from the floor: %v", err)
	}
	expect{stop: StopDrained, deleted: Counts{Expired: 2, Revoked: 1}}.of(t, "run from the floor", third)
	tab.survive("live")
}

func TestCancelledBetweenBatches(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	s.fixWindows(100)
	ctx, cancel := context.WithCancel(t.Context())
	s.OnBatch = func(b Batch) {
		if b.Done.Expired == 300 {
			cancel()
		}
	}
	res, err := tab.runAt(ctx, noon, s)
	if err != nil {
		t.Errorf("run: %v", err)
	}
	expect{stop: StopCancelled, deleted: Counts{Expired: 300}}.of(t, "run", res)
	if left := tab.count("true"); left != 700 {
		t.Errorf("%d rows left, want 700", left)
	}
}

func TestAnotherJanitorAtWork(t *testing.T) {
	t.Parallel()
	tab, other := newTable(t), (*table)(nil)
	other = &table{Conn: connect(t, tab.url), t: t, url: tab.url}
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	other.exec(`BEGIN`)
	other.exec(`SELECT pg_advisory_xact_lock(1953128814, 'refresh_tokens'::regclass::oid::int)`)
	s := settings()
	res := tab.run(s)
	expect{stop: StopOther}.of(t, "run beside another", res)
	if res.Overdue[Expired].Known {
		t.Errorf("run beside another: overdue %+v, which is the other's to tell", res.Overdue[Expired])
	}
	if left := tab.count("true"); left != 1000 {
		t.Errorf("%d rows left, want all", left)
	}
	s.DryRun = true
	expect{stop: StopDrained, would: Counts{Expired: 1000}}.of(t, "dry run beside another", tab.run(s))
	other.exec(`COMMIT`)
	s.DryRun = false
	expect{stop: StopDrained, deleted: Counts{Expired: 1000}}.of(t, "run after the other", tab.run(s))
}

func TestNothingStaysOnTheConnection(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	state := func() (s string) {
		err := tab.QueryRow(t.Context(), `SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('statement_timeout'), current_setting('search_path'),
			current_setting('enable_seqscan'), current_setting('timezone'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())),
			(SELECT count(*) FROM pg_prepared_statements))`).Scan(&s)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := state()
	tab.fill(10, constant(-2*time.Hour), "false", "NULL")
	tab.run(settings())
	if after := state(); after != before {
		t.Errorf("the session was %q and is %q", before, after)
	}
}

func TestTableGone(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	s.Table = pgx.Identifier{"public", `no "such" table`}
	res, err := Run(t.Context(), tab.Conn, s)
	failed(t, "run", res, err, StopError, "is not there")
}

func TestServerGoneInTheMiddle(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	other := &table{Conn: connect(t, tab.url), t: t, url: tab.url}
	s.fixWindows(100)
	pid := tab.PgConn().PID()
	s.OnBatch = func(b Batch) {
		if b.Done.Expired == 300 {
			other.exec(`SELECT pg_terminate_backend($1::bigint::int, 5000)`, int64(pid))
		}
	}
	res, err := tab.runAt(t.Context(), noon, s)
	failed(t, "run", res, err, StopConnection, "")
	if errors.Is(err, context.Canceled) {
		t.Errorf("run: %v, and nobody cancelled it", err)
	}
	if res.Deleted.Expired != 300 {
		t.Errorf("deleted %d, want 300", res.Deleted.Expired)
	}
	if res.Overdue[Expired].Known {
		t.Errorf("overdue %+v, of a server that is gone", res.Overdue[Expired])
	}
	if left := other.count("true"); left != 700 {
		t.Errorf("%d rows left, want the 700 that the result does not claim", left)
	}
}

// A low rate bounds what goes, and not what the pass through live rows looks at.
func TestLowRate(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(5000, spread(week, time.Second), "i % 1000 = 0", constant(-2*week))
	s.MaxRate, s.BatchGoal = 100, time.Minute
	res := expect{stop: StopDrained, deleted: Counts{Revoked: 5}}.of(t, "run", tab.run(s))
	if n := res.Batches[Revoked]; n > 6 {
		t.Errorf("%d batches, at most 6 allowed", n)
	}
}

// A pass among live rows reads as many at a time as it has time for, whatever window the last run found right.
func TestLiveRowsAreReadInLargeWindows(t *testing.T) {
	t.Parallel()
	for _, window := range []int{0, 500, 2000} {
		tab, s := newTable(t), settings()
		tab.fill(60_000, spread(week, time.Second), "i > 59940", constant(-2*week))
		s.Window = window
		s.BatchGoal = time.Second
		res := expect{stop: StopDrained, deleted: Counts{Revoked: 60}}.of(t, "run", tab.run(s))
		if n := res.Batches[Revoked]; n > 25 {
			t.Errorf("from windows of %d rows on: %d batches, at most 25 allowed", window, n)
		}
	}
}
