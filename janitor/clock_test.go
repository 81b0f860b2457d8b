package janitor

import (
	"strings"
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
		{"agree", ours.Add(5 * time.Millisecond), ours, 0},
		{"server ahead", ours.Add(30*time.Second + 10*time.Millisecond), ours, 30 * time.Second},
		{"server behind", ours.Add(-30 * time.Second), ours.Add(-30 * time.Second), -30 * time.Second},
		{"server too far ahead", ours.Add(2 * time.Hour), time.Time{}, 2*time.Hour - 10*time.Millisecond},
		{"server too far behind", ours.Add(-2 * time.Hour), time.Time{}, -2 * time.Hour},
		{"server finer than a microsecond", ours.Add(-1), ours.Add(-time.Microsecond), -1},
	} {
		t.Run(clock.name, func(t *testing.T) {
			t.Parallel()
			r := newRun(nil, settings())
			err := r.setClocks(ours, clock.server, ours.Add(10*time.Millisecond))
			if got := r.clocks.skew; got != clock.skew {
				t.Errorf("skew %s, want %s", got, clock.skew)
			}
			if clock.now.IsZero() {
				res, err := r.settle(err)
				if err == nil || !strings.Contains(err.Error(), "--max-clock-skew") || res.Outcome != Failed || res.StopReason != StopClockSkew {
					t.Errorf("%+v, %v", res, err)
				}
				return
			}
			if want := clock.now.Add(-time.Hour); err != nil || !r.clocks.cutoffs.Expired.Equal(want) {
				t.Errorf("cutoff %s, want %s (%v)", r.clocks.cutoffs.Expired, want, err)
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
	if err != nil || res.Deleted.Expired != 10 || time.Since(res.Cutoffs.Expired).Round(time.Minute) != time.Hour {
		t.Errorf("run: %+v, %v", res, err)
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
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.fill(10, "clock_timestamp() - interval '61 min'", "false", "NULL")
			tab.fill(10, "clock_timestamp() - interval '59 min'", "false", "NULL")
			if _, err := tab.Conn.Exec(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			if res, err := Run(t.Context(), tab.Conn, settings()); err != nil || res.Deleted.Expired != 10 {
				t.Errorf("run: %+v, %v", res, err)
			}
			if left := tab.count("true"); left != 10 {
				t.Errorf("%d rows left, want 10", left)
			}
		})
	}
}
