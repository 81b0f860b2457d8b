package janitor

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Values that are no times in the unit that was given are nobody's expiry.
func TestImplausibleEpoch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		epoch  Epoch
		column string
		value  string // of i, from 1 to 50
		refuse string // part of the error; "" = drained
	}{
		{"seconds taken for milliseconds", Milliseconds, "bigint", "1795000000 + i", "give --epoch seconds"},
		{"milliseconds taken for seconds", Seconds, "bigint", "1795000000000 + i", "give --epoch milliseconds"},
		{"a counter", Seconds, "bigint", "i", "lies before 2000 or after 2100"},
		{"microseconds", Milliseconds, "bigint", "1795000000000000 + i", "lies before 2000 or after 2100"},
		{"a few of them", Seconds, "bigint", "CASE WHEN i < 20 THEN i ELSE 1995000000 END", ""},
		{"none that expires", Seconds, "bigint", "CASE WHEN i < 25 THEN 0 ELSE NULL END", ""},
		{"no row", Seconds, "bigint", "", ""},
		{"no unit", "", "bigint", "1995000000", "--epoch"},
		{"integer", Milliseconds, "integer", "1", "cannot hold milliseconds"},
		{"date", Seconds, "date", "'2000-01-01'::date", "is date, not a timestamp"},
		{"timestamp without a zone", "", "timestamp", "'2000-01-01'::timestamp", "--timestamp-zone"},
		{"text", Seconds, "text", "'2000-01-01'", "is text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.makeOther(`expires `+c.column, `expires`)
			if c.value != "" {
				tab.exec(`INSERT INTO "Sessions" SELECT 'row', ` + c.value + ` FROM generate_series(1, 50) AS i`)
			}
			s := other(Columns{Expires: "expires"})
			s.Epoch = c.epoch
			res, err := tab.runAt(t.Context(), noon, s)
			if c.refuse == "" {
				if err != nil || res.Outcome != Drained {
					t.Errorf("run: %s, %v", res.Outcome, err)
				}
				return
			}
			failed(t, "run", res, err, StopError, c.refuse)
			var n int
			if err := tab.QueryRow(t.Context(), `SELECT count(*) FROM "Sessions"`).Scan(&n); err != nil || n != 50 {
				t.Errorf("%d rows left, %v; want all", n, err)
			}
		})
	}
}

// Where a column has values of two units, as after the API has changed its mind, those of the other one stay.
func TestTwoUnits(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	tab.makeOther(`expires bigint, revoked bigint`, `expires`)
	in := func(d time.Duration, unit time.Duration) string {
		return fmt.Sprint(noon.Add(d).UnixNano() / int64(unit))
	}
	tab.add("due", in(-2*time.Hour, time.Millisecond), "NULL")
	tab.add("revoked", in(week, time.Millisecond), in(-2*week, time.Millisecond))
	for range 10 {
		tab.add("live", in(week, time.Millisecond), "NULL")
		tab.add("revoked today", in(week, time.Millisecond), in(-time.Hour, time.Millisecond))
	}
	tab.add("live, in seconds", in(week, time.Second), "NULL")
	tab.add("revoked a minute ago, in seconds", in(week, time.Millisecond), in(-time.Minute, time.Second))
	s := other(Columns{Expires: "expires", RevokedAt: "revoked"})
	s.Epoch = Milliseconds
	expect{stop: StopDrained, deleted: Counts{Expired: 1, Revoked: 1}}.of(t, "run", tab.run(s))
	tab.leaves(append(slices.Repeat([]string{"live", "revoked today"}, 10), "live, in seconds", "revoked a minute ago, in seconds")...)
}
