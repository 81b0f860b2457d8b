package janitor

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkRevoked is the cost of a row that the revoked pass deletes over that of one
// that the expired pass does, with as many live rows beside it, few or many; with an index
// on revoked_at, as the README advises, and without.
func BenchmarkRevoked(b *testing.B) {
	server := benchServer(b)
	due := *benchRows / 2
	cost, longest := map[string][]float64{}, map[string][]float64{}
	var names []string
	for _, times := range []int{1, 10} {
		expired, indexed, plain := headIn(b, server, "expired"), headIn(b, server, "indexed"), headIn(b, server, "plain")
		indexed.exec(`CREATE INDEX ON refresh_tokens (revoked_at) WHERE is_revoked`)
		// The others have an index more as well, for each row that goes pays for each.
		for _, tab := range []*table{expired, plain} {
			tab.exec(`CREATE INDEX ON refresh_tokens (user_id, revoked_at)`)
		}
		expired.keep(content{due: due, live: due * times})
		indexed.keep(content{due: due, live: due * times, revoked: true})
		plain.keep(content{due: due, live: due * times, revoked: true})
		for range *benchRounds {
			var base float64
			for i, tab := range []*table{expired, indexed, plain} {
				tab.refill()
				s := settings()
				s.BatchMaxRows, s.TokenLifetime = 20_000, week
				if tab != expired {
					s.TokenLifetime = 2*week + time.Hour // else the walk by expires_at ends before these
				}
				began := time.Now()
				res := tab.run(s)
				c := time.Since(began).Seconds() / float64(res.Deleted.Total())
				if res.Deleted.Total() != int64(due) {
					b.Fatalf("%d rows deleted of %d", res.Deleted.Total(), due)
				}
				if i == 0 {
					base = c
				}
				name := fmt.Sprintf("live=%dx/pass=%s", times, []string{"expired", "revoked with index", "revoked without"}[i])
				if cost[name] == nil {
					names = append(names, name)
				}
				cost[name] = append(cost[name], c/base)
				longest[name] = append(longest[name], res.LongestBatch.Seconds()*1000)
			}
		}
	}
	for _, name := range names {
		tell(b, name, map[string]float64{"cost/expired": middle(cost[name]), "longest-ms": middle(longest[name])})
	}
}
