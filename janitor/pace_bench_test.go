package janitor

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkPace is how honest --load and --max-rate are on a real server: what a run did,
// over what it was told, and the most rows that went within any second, over the rate.
func BenchmarkPace(b *testing.B) {
	tab := headOn(b, benchServer(b))
	tab.keep(usual(*benchRows))
	for _, told := range []struct {
		load float64
		rate int
	}{{0.5, 0}, {0.1, 0}, {1, 20_000}, {0.5, 20_000}, {1, 1000}} {
		tab.refill()
		s := settings()
		s.BatchMaxRows, s.Load, s.MaxRate = 100_000, told.load, told.rate
		s.TokenLifetime = week
		s.MaxRunTime = 10 * *benchFor
		var work time.Duration
		type batch struct {
			ended time.Time
			rows  int64
		}
		var batches []batch
		s.OnBatch = func(done Batch) {
			work += done.Took
			batches = append(batches, batch{time.Now(), done.Rows})
		}
		res := tab.run(s)
		took := batches[len(batches)-1].ended.Sub(res.Began)
		figures := map[string]float64{}
		if told.rate > 0 {
			var most, inSecond int64
			for first, i := 0, 0; i < len(batches); i++ {
				inSecond += batches[i].rows
				for batches[i].ended.Sub(batches[first].ended) >= time.Second {
					inSecond -= batches[first].rows
					first++
				}
				most = max(most, inSecond)
			}
			figures["rate/told"] = float64(res.Deleted.Total()) / took.Seconds() / float64(told.rate)
			figures["burst/told"] = float64(most) / float64(told.rate)
		} else {
			figures["load/told"] = work.Seconds() / took.Seconds() / told.load
		}
		tell(b, fmt.Sprintf("load=%g/rate=%d", told.load, told.rate), figures)
	}
}
