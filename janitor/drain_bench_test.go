package janitor

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkDrain drains a table in each way in turn: alone and with an old snapshot held
// open, of distinct expiries and of one. Told are a way's rows/s over those of one DELETE
// in the same round, over its own alone, and over its own of distinct expiries.
func BenchmarkDrain(b *testing.B) {
	server := benchServer(b)
	distinct, tied := headIn(b, server, "api"), headIn(b, server, "tied")
	c := usual(*benchRows)
	distinct.keep(c)
	c.tied = true
	tied.keep(c)
	withCron := *benchCron && distinct.hasCron()
	if !withCron {
		b.Log("without pg_cron: it needs -cron, and postgresql-*-cron of the server's version")
	}

	type key struct {
		way        string
		held, ties bool
	}
	did := map[key][]work{} // one of each round
	for range *benchRounds {
		for _, held := range []bool{false, true} {
			for _, w := range ways {
				if w.byCron && !withCron {
					continue
				}
				did[key{w.name, held, false}] = append(did[key{w.name, held, false}], distinct.drain(w, held))
				if !w.byCron { // another minute to see one DELETE again
					did[key{w.name, held, true}] = append(did[key{w.name, held, true}], tied.drain(w, held))
				}
			}
		}
	}
	over := func(a, b key) float64 {
		var ratios []float64
		for i, w := range did[a] {
			ratios = append(ratios, w.rate()/did[b][i].rate())
		}
		return middle(ratios)
	}
	for _, ties := range []bool{false, true} {
		for _, held := range []bool{false, true} {
			for _, w := range ways {
				k := key{w.name, held, ties}
				if did[k] == nil {
					continue
				}
				var rates, longest []float64
				for _, w := range did[k] {
					rates = append(rates, w.rate())
					longest = append(longest, w.longest.Seconds()*1000)
				}
				tell(b, fmt.Sprintf("ties=%v/held=%v/way=%s", ties, held, w.name), map[string]float64{
					"rows/s":     middle(rates),
					"longest-ms": middle(longest),
					"/DELETE":    over(k, key{ways[0].name, held, ties}),
					"/alone":     over(k, key{w.name, false, ties}),
					"/distinct":  over(k, key{w.name, held, false}),
				})
			}
		}
	}
}

// drain refills the table and drains it in one way.
func (tab *table) drain(w way, held bool) work {
	tab.t.Helper()
	tab.refill()
	if w.prepare != nil {
		w.prepare(tab)
	}
	if held {
		holder := tab.hold(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1`)
		defer holder.Close(context.Background())
	}
	return w.run(tab)
}
