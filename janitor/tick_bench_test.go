package janitor

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var benchTick = flag.Int("tick", 50, "rows that a run of BenchmarkTick finds due, among -rows live ones")

// BenchmarkTick is what a daemon does all day: a run that begins at the floor of the one before and finds a few rows
// due, among live ones, with and without dead index entries before the floor, as many as three in five of the live
// rows. Told are the server's time over that of one DELETE of the same rows, and how long the run took.
func BenchmarkTick(b *testing.B) {
	server := benchServer(b)
	for _, dead := range []int{0, *benchRows * 3 / 5} {
		tab := headIn(b, server, "tick")
		tab.exec(`ALTER TABLE refresh_tokens SET (autovacuum_enabled = off)`)
		first := -time.Hour - time.Duration(*benchTick)*6*time.Second
		tab.keepWithDead(content{due: *benchTick, live: *benchRows}, dead, first-time.Minute)
		s := settings()
		s.BatchMaxRows, s.TokenLifetime = 100_000, week
		s.Floors = map[Reason]string{Expired: at(first - time.Second)}
		s.Window = 5000
		var ratios, took []float64
		for range *benchRounds {
			tab.refill()
			theirs := tab.timed()(func(other *table) {
				if did := ways[0].run(other); did.rows != int64(*benchTick) {
					b.Fatalf("one DELETE deleted %d rows", did.rows)
				}
			})
			tab.refill()
			var res Result
			own := tab.timed()(func(other *table) { res = other.run(s) })
			if res.Deleted.Expired != int64(*benchTick) || res.Outcome != Drained {
				b.Fatalf("run: %+v", res)
			}
			ratios = append(ratios, own/theirs)
			took = append(took, res.Duration.Seconds()*1000)
		}
		tell(b, fmt.Sprintf("dead=%d", dead), map[string]float64{"server/DELETE": middle(ratios), "run-ms": middle(took)})
		tab.drop()
	}
}

// keepWithDead is keep, of a table with rows that were deleted and never vacuumed, the last of them at an instant.
func (tab *table) keepWithDead(c content, dead int, last time.Duration) {
	tab.t.Helper()
	tab.pour(c)
	tab.fill(dead, spread(last, -time.Second), "false", "NULL")
	tab.exec(`DELETE FROM refresh_tokens WHERE expires_at < $1`, at(last))
	tab.exec(`CREATE EXTENSION IF NOT EXISTS pg_prewarm`)
	database := tab.Config().Database
	tab.copy(database, database+"_kept")
}
