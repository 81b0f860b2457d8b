package janitor

import (
	"testing"
	"time"
)

func TestClocks(t *testing.T) {
	t.Parallel()
	ours := noon
	for _, clock := range []struct {
		name   string
		server time.Time
		now    time.Time // the run's; zero: it refuses
		skew   time.Duration
	}{
		{name: "agree", server: ours.Add(5 * time.Millisecond), now: ours},
		{name: "server ahead", server: ours.Add(30*time.Second + 10*time.Millisecond), now: ours, skew: 30 * time.Second},
		{name: "server behind", server: ours.Add(-30 * time.Second), now: ours.Add(-30 * time.Second), skew: -30 * time.Second},
		{name: "server too far ahead", server: ours.Add(2 * time.Hour), skew: 2*time.Hour - 10*time.Millisecond},
		{name: "server too far behind", server: ours.Add(-2 * time.Hour), skew: -2 * time.Hour},
		{name: "server finer than a microsecond", server: ours.Add(-1), now: ours.Add(-time.Microsecond), skew: -1},
	} {
		t.Run(clock.name, func(t *testing.T) {
			t.Parallel()
			r := newRun(nil, settings())
			clockErr := r.setClocks(ours, clock.server, ours.Add(10*time.Millisecond))
			if got := r.clocks.skew; got != clock.skew {
				t.Errorf("skew %s, want %s", got, clock.skew)
			}
			if clock.now.IsZero() {
				res, err := r.settle(clockErr)
				failed(t, "run", res, err, StopClockSkew, "--max-clock-skew")
				return
			}
			if clockErr != nil {
				t.Errorf("refused: %v", clockErr)
			}
			if want := clock.now.Add(-time.Hour); !r.clocks.cutoffs.Expired.Equal(want) {
				t.Errorf("cutoff %s, want %s", r.clocks.cutoffs.Expired, want)
			}
		})
	}
}

func TestRunReadsTheServersClock(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	tab.fill(10, "clock_timestamp() - interval '61 min'", "false", "NULL")
	tab.fill(10, "clock_timestamp() - interval '59 min'", "false", "NULL")
	res, err := Run(t.Context(), tab.Conn, settings())
	if err != nil {
		t.Errorf("run: %v", err)
	}
	expect{stop: StopDrained, deleted: Counts{Expired: 10}}.of(t, "run", res)
	if age := time.Since(res.Cutoffs.Expired).Round(time.Minute); age != time.Hour {
		t.Errorf("the cutoff is %s ago, want an hour", age)
	}
	if left := tab.count("true"); left != 10 {
		t.Errorf("%d rows left, want 10", left)
	}
}

// What the session says of timestamps, or of where functions come from, is not ours to follow.
func TestForeignSession(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]string{
		"German":   "SET datestyle = 'German'",
		"SQL":      "SET datestyle = 'SQL, DMY'",
		"Postgres": "SET datestyle = 'Postgres'",
		"evil set_config": `CREATE SCHEMA evil;
			CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''evil''; END';
			CREATE FUNCTION evil.pg_try_advisory_xact_lock(integer, integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''evil''; END';
			SET search_path = evil, pg_catalog, public`,
		"evil current_setting, in capitals": `CREATE SCHEMA evil;
			CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''evil''; END';
			SELECT set_config('search_path', 'evil, PG_CATALOG, public', false)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.fill(10, "clock_timestamp() - interval '61 min'", "false", "NULL")
			tab.fill(10, "clock_timestamp() - interval '59 min'", "false", "NULL")
			if _, err := tab.Conn.Exec(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			res, err := Run(t.Context(), tab.Conn, settings())
			if err != nil {
				t.Errorf("run: %v", err)
			}
			expect{stop: StopDrained, deleted: Counts{Expired: 10}}.of(t, "run", res)
			if left := tab.count("true"); left != 10 {
				t.Errorf("%d rows left, want 10", left)
			}
		})
	}
}
