package janitor

import (
	"fmt"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// from is now plus d, by our own clock, in PostgreSQL's words.
func from(now time.Time, d time.Duration) string { return timestamp(now.Add(d)) }

// A server whose clock is wrong. Ours cannot be made so for a program in Go, which asks the kernel and no library:
// when the server's is ahead ours is behind, and TestClocks has each with figures.
func TestServersClockIsWrong(t *testing.T) {
	t.Parallel()
	server, first := own(t, pgtemp.Faked(t))
	url := first.url
	for _, clock := range []struct {
		name    string
		ahead   time.Duration
		refused bool
		stays   []string // of those that are due by one clock only
	}{
		{name: "right", stays: []string{"in 15s", "live", "revoked, in 15s", "revoked today"}},
		{name: "2h ahead", ahead: 2 * time.Hour, refused: true, stays: []string{"15s ago", "3h ago", "in 15s", "live", "revoked, 15s ago", "revoked, in 15s", "revoked today"}},
		{name: "2h behind", ahead: -2 * time.Hour, refused: true, stays: []string{"15s ago", "3h ago", "in 15s", "live", "revoked, 15s ago", "revoked, in 15s", "revoked today"}},
		{name: "30s ahead", ahead: 30 * time.Second, stays: []string{"in 15s", "live", "revoked, in 15s", "revoked today"}},
		{name: "30s behind", ahead: -30 * time.Second, stays: []string{"15s ago", "in 15s", "live", "revoked, 15s ago", "revoked, in 15s", "revoked today"}},
	} {
		t.Run(clock.name, func(t *testing.T) {
			tab, s := &table{Conn: connect(t, url), t: t, url: url}, settings()
			tab.exec(`TRUNCATE refresh_tokens`)
			now := time.Now()
			tab.insert( // each by when it becomes due
				token{name: "3h ago", expires: from(now, -4*time.Hour)},
				token{name: "15s ago", expires: from(now, -time.Hour-15*time.Second)},
				token{name: "in 15s", expires: from(now, -time.Hour+15*time.Second)},
				token{name: "revoked, 15s ago", expires: from(now, week), revoked: true, revokedAt: from(now, -week-15*time.Second)},
				token{name: "revoked, in 15s", expires: from(now, week), revoked: true, revokedAt: from(now, -week+15*time.Second)},
				token{name: "revoked today", expires: from(now, week), revoked: true, revokedAt: from(now, -time.Hour)},
				token{name: "live", expires: from(now, time.Minute)},
			)
			if err := server.SetClock(clock.ahead); err != nil {
				t.Fatal(err)
			}
			res, err := Run(t.Context(), tab.Conn, s)
			if skew := res.ClockSkew; (skew - clock.ahead).Abs() > 5*time.Second {
				t.Errorf("skew %s, want %s", skew, clock.ahead)
			}
			switch {
			case clock.refused:
				failed(t, "run", res, err, StopClockSkew, "")
			case err != nil:
				t.Errorf("run: %v", err)
			case res.Outcome != Drained:
				t.Errorf("run: outcome %s, want %s", res.Outcome, Drained)
			}
			tab.survive(clock.stays...)
		})
	}
}

// The server's clock jumps while a run is on: its cutoffs stand, so what is deleted is what was due when it began, and
// the next run refuses.
func TestServersClockJumps(t *testing.T) {
	t.Parallel()
	server, tab := own(t, pgtemp.Faked(t))
	for _, jump := range []time.Duration{-30 * 24 * time.Hour, 30 * 24 * time.Hour} {
		if err := server.SetClock(0); err != nil {
			t.Fatal(err)
		}
		tab.exec(`TRUNCATE refresh_tokens`)
		now := time.Now()
		const due = 3000
		tab.fill(due, spreadFrom(from(now, -2*time.Hour), -time.Second), "false", "NULL")
		tab.fill(due, "'"+from(now, week)+"'", "true", spreadFrom(from(now, -week-time.Minute), -time.Second))
		tab.insert(
			token{name: "live", expires: from(now, time.Minute)},
			token{name: "live for a week", expires: from(now, week)},
			token{name: "revoked today", expires: from(now, week), revoked: true, revokedAt: from(now, -time.Hour)},
			token{name: "revoked without a time", expires: from(now, week), revoked: true},
			token{name: "expired just now", expires: from(now, -time.Minute)},
		)
		stays := []string{"expired just now", "live", "live for a week", "revoked today", "revoked without a time"}
		s := settings()
		s.fixWindows(100)
		jumped := Batch{}
		s.OnBatch = func(b Batch) {
			if b.Done.Expired > 500 && jumped.Done.Expired == 0 {
				if jumped = b; server.SetClock(jump) != nil {
					t.Error("the clock does not jump")
				}
			}
		}
		res, err := Run(t.Context(), tab.Conn, s)
		run := fmt.Sprintf("jump by %s", jump)
		if err != nil {
			t.Errorf("%s: %v", run, err)
		}
		expect{stop: StopDrained, deleted: Counts{Expired: due, Revoked: due}}.of(t, run, res)
		if jumped.Done.Expired >= due {
			t.Errorf("%s after %d rows: this proves nothing", run, jumped.Done.Expired)
		}
		if late := res.Cutoffs.Expired.Sub(now.Add(-time.Hour)); late < 0 || late > 30*time.Second {
			t.Errorf("%s: the cutoff is %s late", run, late)
		}
		for _, reason := range Reasons {
			if got := res.Overdue[reason]; got != (Overdue{Known: true}) {
				t.Errorf("%s: overdue by the rule %s: %+v", run, reason, got)
			}
		}
		tab.survive(stays...)
		next, err := Run(t.Context(), tab.Conn, settings())
		failed(t, run+", the next run", next, err, StopClockSkew, "")
		tab.survive(stays...)
	}
}
