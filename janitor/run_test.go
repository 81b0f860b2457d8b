package janitor

import (
	"context"
	"errors"
	"strings"
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
		name  string
		setUp func(*table)
	}{
		{"as migrated", func(*table) {}},
		{"partitioned", (*table).partition},
		{"index on revoked_at", func(tab *table) { tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at) WHERE is_revoked`) }},
		{"windows of one", nil},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			if variant.setUp != nil {
				variant.setUp(tab)
			} else {
				s.BatchMaxRows = 1
			}
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
			if res := tab.run(s); res.Would != want || res.Outcome != Drained || res.Deleted.Total() != 0 {
				t.Errorf("dry run: %+v, want it to find %+v", res, want)
			} else if res.Due[Expired] != (Range{"-infinity", at(-time.Hour - us)}) || res.Due[Revoked] != (Range{"-infinity", at(-week - us)}) {
				t.Errorf("dry run: from when to when is %q", res.Due)
			}
			s.DryRun = false
			if res := tab.run(s); res.Deleted != want || res.Outcome != Drained || res.StopReason != StopDrained {
				t.Errorf("run: %+v, want it to delete %+v", res, want)
			}
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
	if res := tab.run(s); res.Deleted != (Counts{Revoked: 1}) {
		t.Errorf("deleted %+v", res.Deleted)
	}
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
		outcome Outcome
		stop    StopReason
	}{
		{"none", spread(-2*time.Hour, -time.Second), func(*Settings) {}, 1000, Drained, StopDrained},
		{"max rows", spread(-2*time.Hour, -time.Second), func(s *Settings) { s.MaxRows = 250 }, 250, Partial, StopMaxRows},
		{"max rows in a tie", constant(-2 * time.Hour), func(s *Settings) { s.MaxRows = 250 }, 250, Partial, StopMaxRows},
		{"max rows, to the row", constant(-2 * time.Hour), func(s *Settings) { s.MaxRows = 1000 }, 1000, Drained, StopDrained},
		{"no time", constant(-2 * time.Hour), func(s *Settings) { s.MaxRunTime = 1 }, 0, Partial, StopMaxRunTime},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.insert(token{name: "live", expires: at(week)})
			tab.fill(1000, variant.expires, "false", "NULL")
			s.BatchMaxRows = 100
			variant.change(&s)
			s.DryRun = true
			if res := tab.run(s); res.Would.Expired != variant.deleted {
				t.Errorf("dry run found %d rows, want %d", res.Would.Expired, variant.deleted)
			}
			s.DryRun = false
			res := tab.run(s)
			if res.Deleted.Expired != variant.deleted || res.Outcome != variant.outcome || res.StopReason != variant.stop {
				t.Errorf("run: %+v", res)
			}
			left := tab.count("token_hash <> 'live'")
			if left != 1000-variant.deleted {
				t.Errorf("%d expired rows left", left)
			}
			if overdue := res.Overdue[Expired]; !overdue.Known || overdue.Rows != left || (left > 0) != (overdue.Oldest >= time.Hour) {
				t.Errorf("overdue %+v, want %d rows", overdue, left)
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

// A run that is told where the one before ended finds what came to lie below; only if
// that takes too long, which a row that is slow to read stands for, does it leave it to a
// run that begins at the start.
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
	if second := tab.run(s); second.Deleted != (Counts{Expired: 1, Revoked: 1}) || second.Outcome != Drained {
		t.Errorf("run with rows below its floors: %+v", second)
	}
	tab.survive("live")

	// A hundred thousand dead entries that a snapshot keeps from being cleaned.
	tab.hold(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1`)
	tab.fill(100_000, spread(-3*time.Hour, -time.Second), "false", "NULL")
	s.Floors = tab.run(s).Floors
	tab.insert(due...)
	tab.insert(token{name: "expires later", expires: at(-time.Hour)})
	third, err := tab.runAt(t.Context(), noon.Add(time.Minute), s)
	if err != nil || third.Deleted != (Counts{Expired: 1, Revoked: 1}) || third.Outcome != Drained {
		t.Errorf("run from the floor: %+v, %v", third, err)
	}
	tab.survive("live", "expired")

	s.Floors = nil
	if last := tab.run(s); last.Deleted != (Counts{Expired: 1}) {
		t.Errorf("run from the start: %+v", last)
	}
	tab.survive("live")
}

func TestCancelledBetweenBatches(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	s.BatchMaxRows = 100
	ctx, cancel := context.WithCancel(t.Context())
	s.OnBatch = func(b Batch) {
		if b.Done.Expired == 300 {
			cancel()
		}
	}
	res, err := tab.runAt(ctx, noon, s)
	if err != nil || res.Outcome != Partial || res.StopReason != StopCancelled || res.Deleted.Expired != 300 {
		t.Errorf("run: %+v, %v", res, err)
	}
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
	if res.Outcome != Skipped || res.StopReason != StopOther || res.Deleted.Total() != 0 || res.Overdue[Expired].Known {
		t.Errorf("run beside another: %+v", res)
	}
	if left := tab.count("true"); left != 1000 {
		t.Errorf("%d rows left, want all", left)
	}
	s.DryRun = true
	if res := tab.run(s); res.Outcome != Drained || res.Would.Expired != 1000 {
		t.Errorf("dry run beside another: %+v", res)
	}
	other.exec(`COMMIT`)
	s.DryRun = false
	if res := tab.run(s); res.Outcome != Drained || res.Deleted.Expired != 1000 {
		t.Errorf("run after the other: %+v", res)
	}
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
	if err == nil || !strings.Contains(err.Error(), "is not there") || res.Outcome != Failed || res.StopReason != StopError {
		t.Errorf("run: %+v, %v", res, err)
	}
}

func TestServerGoneInTheMiddle(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	other := &table{Conn: connect(t, tab.url), t: t, url: tab.url}
	s.BatchMaxRows = 100
	pid := tab.PgConn().PID()
	s.OnBatch = func(b Batch) {
		if b.Done.Expired == 300 {
			other.exec(`SELECT pg_terminate_backend($1::bigint::int, 5000)`, int64(pid))
		}
	}
	res, err := tab.runAt(t.Context(), noon, s)
	if err == nil || errors.Is(err, context.Canceled) || res.Outcome != Failed || res.Deleted.Expired != 300 || res.Overdue[Expired].Known {
		t.Errorf("run: %+v, %v", res, err)
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
	s.MaxRate = 100
	if res := tab.run(s); res.Deleted.Revoked != 5 || res.Outcome != Drained || res.Batches[Revoked] > 6 {
		t.Errorf("run: %+v", res)
	}
}
