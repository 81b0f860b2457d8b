package janitor

import (
	"sync"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// Several janitors at once, over the server or through a pooler that shares two
// sessions among them: each row is deleted once, the counts add up, nobody fails, and
// whoever another one sent away says so, also in the middle of its work.
func TestTogether(t *testing.T) {
	t.Parallel()
	for _, through := range []string{"", "transaction", "session"} {
		t.Run(through+" pool", func(t *testing.T) {
			t.Parallel()
			if through != "transaction" {
				pgtemp.Large(t)
			}
			tab := newTable(t)
			tab.insert(token{name: "live", expires: at(week)}, token{name: "revoked today", expires: at(week), revoked: true, revokedAt: at(-time.Hour)})
			tab.fill(20000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.fill(5000, constant(week), "true", constant(-2*week))
			url := tab.url
			if through != "" {
				url = pgtemp.Bouncer(t, tab.url, through)
			}
			var all Counts
			var mu sync.Mutex
			outcomes := map[Outcome]int{}
			var runs sync.WaitGroup
			for range 8 {
				other := &table{Conn: connect(t, url), t: t, url: url}
				runs.Go(func() {
					s := settings()
					s.Load, s.BatchMaxRows = 0.5, 500
					for range 3 {
						res, err := other.runAt(t.Context(), noon, s)
						mu.Lock()
						if err != nil {
							t.Errorf("run: %+v, %v", res, err)
						}
						all.Expired += res.Deleted.Expired
						all.Revoked += res.Deleted.Revoked
						outcomes[res.Outcome]++
						if res.Outcome == Partial && res.StopReason != StopOther {
							t.Errorf("partial for %s", res.StopReason)
						}
						mu.Unlock()
					}
				})
			}
			runs.Wait()
			t.Logf("%v", outcomes)
			if res := tab.run(settings()); res.Outcome != Drained {
				t.Errorf("last run: %+v", res)
			} else {
				all.Expired += res.Deleted.Expired
				all.Revoked += res.Deleted.Revoked
			}
			if all != (Counts{Expired: 20000, Revoked: 5000}) {
				t.Errorf("together they say they deleted %+v", all)
			}
			if outcomes[Failed] > 0 || outcomes[Drained] == 0 {
				t.Errorf("outcomes: %v", outcomes)
			}
			tab.survive("live", "revoked today")
		})
	}
}
