package janitor

import (
	"testing"
	"time"
)

// A timestamp with somewhat more rows than the window makes no batch of the largest size, which
// would be seconds' worth of the rate at once.
func TestTieInABacklog(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	s.BatchMaxRows, s.MaxRate = 100_000, 20_000
	tab.fill(2100, constant(-3*time.Hour), "false", "NULL")
	tab.fill(20_000, spread(-2*time.Hour, 10*time.Millisecond), "false", "NULL")
	tab.insert(token{name: "live", expires: at(time.Minute)})
	largest := int64(0)
	s.OnBatch = func(b Batch) { largest = max(largest, b.Rows) }
	expect{stop: StopDrained, deleted: Counts{Expired: 22_100}}.of(t, "run", tab.run(s))
	// Blocks hold a few rows more or less than those before.
	if most := int64(s.MaxRate / ratePerWindow * 11 / 10); largest > most {
		t.Errorf("a batch of %d rows, at most %d allowed", largest, most)
	}
	tab.survive("live")
}

func TestTies(t *testing.T) {
	t.Parallel()
	const ties = 4000
	for _, variant := range []struct {
		name      string
		at        string // expires_at of the tie
		revoked   string
		revokedAt string
		setUp     func(*table)
		want      Counts
	}{
		{name: "expired", at: at(-2 * time.Hour), revoked: "false", revokedAt: "NULL", want: Counts{Expired: ties + 2}},
		{name: "expired, partitioned", at: at(-2 * time.Hour), revoked: "false", revokedAt: "NULL", setUp: (*table).partition, want: Counts{Expired: ties + 2}},
		{name: "expired, a descending index", at: at(-2 * time.Hour), revoked: "false", revokedAt: "NULL", setUp: func(tab *table) {
			tab.exec(`DROP INDEX ix_refresh_tokens_expires_at`)
			tab.exec(`CREATE INDEX ON refresh_tokens (expires_at DESC)`)
		}, want: Counts{Expired: ties + 2}},
		{name: "expired, an index with a second column", at: at(-2 * time.Hour), revoked: "false", revokedAt: "NULL", setUp: func(tab *table) {
			tab.exec(`DROP INDEX ix_refresh_tokens_expires_at`)
			tab.exec(`CREATE INDEX ON refresh_tokens (expires_at, created_at)`)
			// Those from the middle of the heap are the first and the last in the index.
			tab.exec(`CREATE SEQUENCE made`)
			tab.exec(`ALTER TABLE refresh_tokens ALTER created_at SET DEFAULT '` + at(-week) + `'::timestamptz + (nextval('made') + 2500) % 5000 * interval '1s'`)
		}, want: Counts{Expired: ties + 2}},
		{name: "expired at -infinity", at: "-infinity", revoked: "false", revokedAt: "NULL", want: Counts{Expired: ties + 2}},
		{name: "revoked half, one expiry", at: at(week), revoked: "i % 2 = 0", revokedAt: constant(-2 * week), want: Counts{Expired: 2, Revoked: ties / 2}},
		{name: "revoked half, never expiring", at: "infinity", revoked: "i % 2 = 0", revokedAt: constant(-2 * week), want: Counts{Expired: 2, Revoked: ties / 2}},
		{name: "revoked half, partitioned", at: "infinity", revoked: "i % 2 = 0", revokedAt: constant(-2 * week), setUp: (*table).partition, want: Counts{Expired: 2, Revoked: ties / 2}},
		{name: "revoked at once", at: at(week), revoked: "true", revokedAt: constant(-2 * week), setUp: func(tab *table) {
			tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at)`)
		}, want: Counts{Expired: 2, Revoked: ties}},
	} {
		test := func(t *testing.T, few int64) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.tune = func(r *run) { r.tuning.fewTied = few }
			if variant.setUp != nil {
				variant.setUp(tab)
			}
			tab.insert(
				token{name: "expired before", expires: at(-3 * time.Hour)},
				token{name: "expired after", expires: at(-90 * time.Minute)},
				token{name: "live", expires: at(time.Minute)},
			)
			tab.fill(ties/2, "'"+variant.at+"'", variant.revoked, variant.revokedAt)
			tab.fill(1000, spread(week, time.Second), "false", "NULL")
			tab.fill(ties/2, "'"+variant.at+"'", variant.revoked, variant.revokedAt)
			tab.exec(`VACUUM refresh_tokens`)
			s.BatchMaxRows = 500
			largest := int64(0)
			s.OnBatch = func(b Batch) { largest = max(largest, b.Rows) }
			s.DryRun = true
			expect{stop: StopDrained, would: variant.want}.of(t, "dry run", tab.run(s))
			s.DryRun, largest = false, 0 // to count them is no burden
			expect{stop: StopDrained, deleted: variant.want}.of(t, "run", tab.run(s))
			if largest > int64(s.BatchMaxRows) {
				t.Errorf("a batch of %d rows, at most %d allowed", largest, s.BatchMaxRows)
			}
			if left, want := tab.count("true"), 1003+ties-variant.want.Total(); left != want {
				t.Errorf("%d rows left, want %d", left, want)
			}
			if tab.count(`token_hash = 'live'`) != 1 {
				t.Error("the live token is gone")
			}
		}
		t.Run(variant.name+", listed", func(t *testing.T) { test(t, fewTied) })
		t.Run(variant.name+", by blocks", func(t *testing.T) { test(t, 0) })
	}
}

// What never expires lies behind all windows: a statement that takes too long there ends
// nothing but itself.
func TestTieAtInfinityTimesOut(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	const due = 300
	tab.fill(due, "'infinity'", "true", constant(-2*week))
	tab.insert(token{name: "live", expires: forever})
	tab.exec(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.002); RETURN NULL; END $$`)
	tab.exec(`CREATE TRIGGER slow AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION slow()`)
	s.StatementTimeout = 400 * time.Millisecond
	expect{stop: StopDrained, deleted: Counts{Revoked: due}}.of(t, "run", tab.run(s))
	tab.survive("live")
}

// A few rows of one timestamp, more than a low rate allows at once, do not make a run read
// the heap between them, where others lie.
func TestTieInALargeHeap(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(100, constant(-2*time.Hour), "false", "NULL")
	tab.fill(50_000, spread(week, time.Second), "false", "NULL")
	tab.fill(100, constant(-2*time.Hour), "false", "NULL")
	s.MaxRate, s.TokenLifetime, s.BatchGoal = 1000, week, time.Minute
	res := tab.run(s)
	expect{stop: StopDrained, deleted: Counts{Expired: 200}}.of(t, "run", res)
	if n := res.Batches[Expired]; n > 8 {
		t.Errorf("%d batches, at most 8 allowed", n)
	}
}
