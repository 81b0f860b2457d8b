package janitor

import (
	"testing"
	"time"
)

// A run that begins where another was cut short, whatever statistics there are since,
// estimates what is left and not what there once was.
func TestEstimateIsOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	for name, setUp := range map[string]func(*table){"as migrated": func(*table) {}, "partitioned": (*table).partition} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			s.BatchGoal = time.Second // on no machine does planning weigh beside it
			setUp(tab)
			const due, live, revoked = 40_000, 20_000, 10_000
			tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at) WHERE is_revoked`)
			tab.fill(due, spread(-week, -time.Minute), "false", "NULL")
			tab.fill(live, spread(week, time.Minute), "false", "NULL")
			tab.fill(revoked, constant(week), "true", spread(-2*week, -time.Second))
			// In no order, so that a sample of the blocks, of which the estimate comes where a sweep is thought of, is as good
			// as of rows that lie everywhere.
			tab.exec(`CREATE TEMP TABLE mixed AS SELECT * FROM refresh_tokens`)
			tab.exec(`TRUNCATE refresh_tokens`)
			tab.exec(`INSERT INTO refresh_tokens SELECT * FROM mixed ORDER BY token_hash`)
			tab.exec(`ANALYZE refresh_tokens`)

			about := func(more func(*Settings)) map[Reason]int64 {
				changed, told := s, map[Reason]int64{}
				changed.OnBatch = func(b Batch) { told[b.Reason] = b.About }
				more(&changed)
				tab.run(changed)
				return told
			}
			within := func(when string, got, want int64) {
				t.Helper()
				if got < want*8/10 || got > want*12/10 {
					t.Errorf("%s: about %d, want %d", when, got, want)
				}
			}
			s.MaxRows = due / 2
			within("at first", about(func(*Settings) {})[Expired], due)
			s.MaxRows = due / 4
			within("in another process", about(func(*Settings) {})[Expired], due/2)
			left := about(func(s *Settings) { s.MaxRows = 0 })
			within("to the end", left[Expired], due/4)
			within("the other rule", left[Revoked], revoked)
			within("with nothing left", about(func(s *Settings) { s.MaxRows = 0 })[Expired], 0)
		})
	}
}
