package schedule

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSchedule(t *testing.T) {
	t.Parallel()
	// In Berlin the clocks go forward at 2026-03-29 02:00 and back at 2026-10-25 03:00.
	for _, c := range []struct {
		name, spec, from string
		want             []string
	}{
		{"every day", "0 3 * * *", "2026-01-01T00:00:00Z", []string{"2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"}},
		{"descriptor", "@daily", "2026-01-01T00:00:00Z", []string{"2026-01-02T00:00:00Z"}},
		{"interval", "@every 15m", "2026-01-01T00:00:00Z", []string{"2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"}},
		{"interval in blanks", "  @every 90s ", "2026-01-01T00:00:00Z", []string{"2026-01-01T00:01:30Z"}},
		{"zone", "CRON_TZ=Europe/Berlin 0 3 * * *", "2026-01-01T00:00:00Z", []string{"2026-01-01T02:00:00Z"}},
		{"zone in the other spelling", "TZ=Asia/Tokyo 0 3 * * *", "2026-01-01T00:00:00Z", []string{"2026-01-01T18:00:00Z"}},
		{"leap day", "0 0 29 2 *", "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
		{"an hour that is left out: the day is", "CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T00:00:00Z",
			[]string{"2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"}},
		{"an hour that comes twice: so does the run", "CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}},
		{"every quarter of an hour, through the change", "CRON_TZ=Europe/Berlin */15 * * * *", "2026-03-29T00:40:00Z",
			[]string{"2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"}},
		{"a midnight that is left out", "CRON_TZ=Africa/Cairo @daily", "2026-04-22T12:00:00Z",
			[]string{"2026-04-22T22:00:00Z", "2026-04-24T21:00:00Z", "2026-04-25T21:00:00Z"}},
		{"every hour, through the hour that comes twice", "CRON_TZ=Europe/Berlin 0 * * * *", "2026-10-24T23:30:00Z",
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		{"a change by half an hour", "CRON_TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-02T00:00:00Z",
			[]string{"2026-10-02T15:45:00Z", "2026-10-04T15:15:00Z"}},
	} {
		s, err := Parse(c.spec)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if at = s.Next(at); at.UTC().Format(time.RFC3339) != want {
				t.Errorf("%s: got %s, want %s", c.name, at.UTC().Format(time.RFC3339), want)
			}
		}
	}
}

// TestScheduleAsCrontab reads the fields as crontab(5) does: the same days as a form that
// everybody reads alike.
func TestScheduleAsCrontab(t *testing.T) {
	t.Parallel()
	for spec, same := range map[string]string{
		"0 3 * * 7":                    "0 3 * * 0",
		"0 3 * * 5-7":                  "0 3 * * 5,6,0",
		"0 3 * * 1-7":                  "0 3 * * *",
		"0 3 * * 0-7":                  "0 3 * * *",
		"0 3 * * 1-7/2":                "0 3 * * 1,3,5,0",
		"0 3 * * 1-7/3":                "0 3 * * 1,4,0",
		"0 3 * * 2,7":                  "0 3 * * 0,2",
		"0 3 * * 7-7":                  "0 3 * * 0",
		"0 3 * * fri-sun":              "0 3 * * 5,6,0",
		"0 3 * * Mon-SUN":              "0 3 * * *",
		"0 3 * * fri-7":                "0 3 * * 5,6,0",
		"0 3 * * sun-sat":              "0 3 * * *",
		"0 3 * * sun":                  "0 3 * * 0",
		"0 3 * * */7":                  "0 3 * * 0",
		"CRON_TZ=Asia/Tokyo 0 3 * * 7": "CRON_TZ=Asia/Tokyo 0 3 * * 0",
		"0 3 ? * *":                    "0 3 * * *",
		"'0 3 * * 7'":                  "0 3 * * 0",
		`"@midnight"`:                  "0 0 * * *",
		"0 3 1 * 7":                    "0 3 1 * 0", // either, for neither has a star
	} {
		a, err := Parse(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		b, err := Parse(same)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 30 {
			if !a.Next(at).Equal(b.Next(at)) {
				t.Errorf("%s: fires at %s, want %s", spec, a.Next(at), b.Next(at))
				break
			}
			at = a.Next(at)
		}
	}
}

// A field that begins with a star and steps is still one: Mondays with an odd date, not
// all Mondays and all odd dates.
func TestDayAndWeekdayWithAStar(t *testing.T) {
	t.Parallel()
	s, err := Parse("0 3 */2 * 1")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 50 {
		if at = s.Next(at); at.Weekday() != time.Monday || at.Day()%2 == 0 {
			t.Errorf("fires on %s", at)
		}
	}
}

func TestScheduleRefused(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"0 3 * * 8": "above maximum", "0 3 * * 7-8": "above maximum", "0 3 * * 6-1": "beyond end", "0 3 * * 5-7/0": "positive",
		"*/0 * * * *": "positive", "0 0 31 2 *": "never fires", "0 0 3 * * *": "6 fields", "0 3 * *": "4 fields", "0 0 3 * * ? 2026": "7 fields",
		"0 3 L * *": "no L, W or #", "0 3 15W * *": "no L, W or #", "0 3 LW * *": "no L, W or #", "0 3 L-3 * *": "no L, W or #",
		"0 3 * * 5L": "no L, W or #", "0 3 * * 2#1": "no L, W or #", "0 3 * * wedn": "wedn", "@reboot": "@reboot", "": "0 fields", "''": "0 fields",
		"CRON_TZ=UTC+3 0 3 * * *": "UTC+3", "CRON_TZ=Europe/Pariss 0 3 * * *": "Europe/Pariss", "CRON_TZ=EST5EDT4 0 3 * * *": "EST5EDT4",
	} {
		if _, err := Parse(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", spec, err, want)
		}
	}
}

func TestShortest(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	for spec, want := range map[string]time.Duration{
		"@every 15m": 15 * time.Minute, "0,5 3 * * *": 5 * time.Minute, "0 3 * * *": 24 * time.Hour, "0 3 * * 1,4": 72 * time.Hour,
		"CRON_TZ=Europe/Berlin 0 1,3 * * *": time.Hour, // on the day that has no 2 o'clock
		"0 0 29 2 *":                        4*365*24*time.Hour + 24*time.Hour,
		"@every 2000000h":                   2_000_000 * time.Hour,
	} {
		s, err := Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Shortest(from); got != want {
			t.Errorf("%s: got %s, want %s", spec, got, want)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	for _, spec := range []string{
		"@every 15m", "0 3 * * *", "CRON_TZ=Europe/Berlin 0 3 * * *", "TZ=", "CRON_TZ= 0 3 * * *", "TZ=x", "@every 1ns", "@every 9999999h",
		"0 0 30 2 *", "* * * * * *", "@reboot", "TZ=UTC @every 1ms", "TZ=UTC TZ=UTC @hourly", "*/0 * * * *", "1-0 * * * *", "@every  -1s", "TZ=\t@daily",
	} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := Parse(spec)
		if err != nil {
			if s != (Schedule{}) {
				t.Errorf("got %v beside %v", s, err)
			}
			return
		}
		at := time.Now()
		for range 3 {
			next := s.Next(at)
			if next.IsZero() {
				t.Fatalf("%q stops firing", spec)
			}
			// An interval is counted in whole seconds from the last whole second.
			if next.Sub(at.Truncate(time.Second)) < time.Second {
				t.Fatalf("%q fires at %s and again at %s", spec, at, next)
			}
			at = next
		}
	})
}

// TestJitter holds each tick to the time that was announced, and that to its bounds.
func TestJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hourly, err := Parse("CRON_TZ=UTC 0 * * * *")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Hour)
		defer stop()
		var planned, ticks []time.Time
		var mu sync.Mutex // each tick has a goroutine of its own
		hourly.Run(ctx, time.Minute, func(at time.Time) { planned = append(planned, at) }, func() {
			mu.Lock()
			defer mu.Unlock()
			ticks = append(ticks, time.Now())
		})
		if len(ticks) < 99 || len(planned) != len(ticks)+1 {
			t.Fatalf("%d ticks in 100 hours, %d announced", len(ticks), len(planned))
		}
		var lates []time.Duration
		for i, at := range ticks {
			if !at.Equal(planned[i]) {
				t.Errorf("a tick at %s, announced for %s", at, planned[i])
			}
			lates = append(lates, at.Sub(at.Truncate(time.Hour)))
		}
		slices.Sort(lates)
		if lates[0] < 0 || lates[len(lates)-1] >= time.Minute || len(slices.Compact(lates)) < len(ticks)/2 {
			t.Errorf("late by %s", lates)
		}
	})
}

// TestScheduleWaitsForTheTickInFlight and starts none after the end.
func TestScheduleWaitsForTheTickInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		each, err := Parse("@every 10s")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 11*time.Second)
		defer stop()
		var begun, done atomic.Int32
		each.Run(ctx, 0, func(time.Time) {}, func() {
			begun.Add(1)
			time.Sleep(time.Hour)
			done.Add(1)
		})
		if begun.Load() != 1 || done.Load() != 1 {
			t.Errorf("%d begun, %d done when the schedule ended, want 1 and 1", begun.Load(), done.Load())
		}
		time.Sleep(time.Hour)
		if begun.Load() != 1 {
			t.Error("a tick began after the end")
		}
	})
}
