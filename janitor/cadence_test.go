package janitor

import (
	"testing"
	"time"
)

// Where each revoked pass has to read every live row, a run may leave it out, says so, and claims nothing.
func TestRevokedPassIsLeftOut(t *testing.T) {
	t.Parallel()
	now := time.Now()
	hourAgo, soon := now.Add(-time.Hour), now.Add(15*time.Minute)
	for _, tt := range []struct {
		name     string
		done     time.Time
		next     time.Time
		index    bool
		lifetime time.Duration
		dryRun   bool
		small    bool
		leftOut  bool
	}{
		{name: "the next run is early enough", done: hourAgo, next: soon, leftOut: true},
		{name: "the next run is too late", done: hourAgo, next: now.Add(6*time.Hour + time.Minute)},
		{name: "no next run", done: hourAgo},
		{name: "the first run", next: soon},
		{name: "the next run is overdue", done: hourAgo, next: now.Add(-time.Second)},
		{name: "a clock was set back", done: now.Add(time.Hour), next: soon},
		{name: "an index", done: hourAgo, next: soon, index: true},
		{name: "a lifetime", done: hourAgo, next: soon, lifetime: 4 * week},
		{name: "a small table", done: hourAgo, next: soon, small: true},
		{name: "a dry run", done: hourAgo, next: soon, dryRun: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			if !tt.small {
				tab.tune = func(r *run) { r.tuning.smallTable = 0 }
			}
			tab.insert(
				token{name: "live", expires: at(week)},
				token{name: "expired", expires: at(-2 * time.Hour)},
				token{name: "revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)})
			if tt.index {
				tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at)`)
			}
			s.RevokedDone, s.NextRun, s.TokenLifetime, s.DryRun = tt.done, tt.next, tt.lifetime, tt.dryRun
			res := tab.run(s)
			if res.RevokedLeftOut != tt.leftOut {
				t.Errorf("left out: %t, want %t", res.RevokedLeftOut, tt.leftOut)
			}
			switch looked := res.Overdue[Revoked].Known; {
			case tt.dryRun:
				expect{stop: StopDrained, would: Counts{Expired: 1, Revoked: 1}}.of(t, "run", res)
				tab.survive("live", "expired", "revoked")
			case tt.leftOut:
				expect{stop: StopDrained, deleted: Counts{Expired: 1}}.of(t, "run", res)
				if looked || !res.RevokedDone.Equal(tt.done) {
					t.Errorf("it did not look, and says that it did: %+v", res)
				}
				tab.survive("live", "revoked")
			default:
				expect{stop: StopDrained, deleted: Counts{Expired: 1, Revoked: 1}}.of(t, "run", res)
				if !looked || res.RevokedDone.Before(now) {
					t.Errorf("it looked, and does not say so: %+v", res)
				}
				tab.survive("live")
			}
			readsAll := !tt.small && !tt.index && tt.lifetime == 0 && !tt.dryRun
			if due := res.RevokedDone.Add(s.KeepRevoked / 24); readsAll && !res.RevokedDue.Equal(due) {
				t.Errorf("due at %s, want %s", res.RevokedDue, due)
			}
			if !readsAll && !tt.dryRun && !res.RevokedDue.IsZero() {
				t.Errorf("due at %s, and each run does it", res.RevokedDue)
			}
		})
	}
}

// A pass that was cut short, or left locked rows, is not done. One that left what may stay for long is.
func TestRevokedPassIsNotDone(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(20, spread(week, time.Second), "true", constant(-2*week))
	s.MaxRows = 7
	if res := (expect{stop: StopMaxRows, deleted: Counts{Revoked: 7}}).of(t, "short", tab.run(s)); !res.RevokedDone.IsZero() {
		t.Errorf("done at %s", res.RevokedDone)
	}
	s.MaxRows = 0
	tab.insert(token{name: "held", expires: at(week), revoked: true, revokedAt: at(-2 * week)})
	tab.hold(`SELECT FROM refresh_tokens WHERE token_hash = 'held' FOR UPDATE`)
	if res := (expect{stop: StopLeft, deleted: Counts{Revoked: 13}, left: Left{Locked: 1}}).of(t, "held", tab.run(s)); !res.RevokedDone.IsZero() {
		t.Errorf("done at %s", res.RevokedDone)
	}
	tab.survive("held")

	kept := newTable(t)
	kept.insert(token{name: "kept", expires: at(week), revoked: true, revokedAt: at(-2 * week)})
	kept.exec(`CREATE TABLE audit (token uuid REFERENCES refresh_tokens)`)
	kept.exec(`INSERT INTO audit SELECT id FROM refresh_tokens`)
	if res := (expect{stop: StopLeft, left: Left{Referenced: 1}}).of(t, "kept", kept.run(settings())); res.RevokedDone.IsZero() {
		t.Error("a row that another table references has the table read each time")
	}
	kept.survive("kept")
}

// A day of ticks reads the table four times, and from one pass to the next there is never more than the 24th.
func TestADayOfRevokedPasses(t *testing.T) {
	t.Parallel()
	s := settings()
	began := time.Now()
	passes, ticks := 0, 0
	for now := began; now.Before(began.Add(24 * time.Hour)); now = s.NextRun {
		s.NextRun = now.Add(15 * time.Minute)
		r := newRun(nil, s)
		r.batcher.began = now
		ticks++
		if r.mayLeaveOutRevoked() {
			continue
		}
		passes++
		if gap := now.Sub(s.RevokedDone); passes > 1 && gap > s.KeepRevoked/24 {
			t.Errorf("%s between two passes", gap)
		}
		s.RevokedDone = now
	}
	if ticks != 96 || passes > 4 {
		t.Errorf("%d passes in %d ticks", passes, ticks)
	}
}
