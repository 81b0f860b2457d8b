package janitor

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

var benchFor = flag.Duration("beside", 300*time.Millisecond, "how long the API is watched beside each way")

const (
	apiCalls   = 300 // a second
	apiClients = 8
)

// BenchmarkAPIBeside is the latency of an API (select by hash, revoke, insert the
// successor) while tokens are deleted in each way, open-loop: a call's time counts from
// when it was due, so that a stall counts for all who wait in it. Rounds are interleaved
// (undisturbed, ours, a rival, ours, the next), and what is told is the median over them,
// as a ratio to the API undisturbed in the same round.
func BenchmarkAPIBeside(b *testing.B) {
	tab := headOn(b, benchServer(b))
	tab.keep(usual(*benchRows))
	undisturbed := way{name: "undisturbed", run: func(*table) work { <-time.After(*benchFor); return work{} }}
	gentle := way{name: "token-janitor", run: func(tab *table) work {
		s := settings()
		s.BatchMaxRows, s.Load, s.MaxRate = 100_000, 0.5, 20_000     // the command's defaults
		ctx, stop := context.WithTimeout(tab.t.Context(), *benchFor) // it is watched no longer
		defer stop()
		res, err := tab.runAt(ctx, noon, s)
		if err != nil {
			tab.t.Error(err)
		}
		return work{rows: res.Deleted.Total()}
	}}
	order := []way{undisturbed}
	for _, name := range []string{"one DELETE", "LIMIT 5000 by ctid", "LIMIT 1000 by id", "ids then 100 by id"} {
		order = append(order, gentle, wayOf(name))
	}
	p50, p99 := map[string][]float64{}, map[string][]float64{}
	p50Ratio, p99Ratio := map[string][]float64{}, map[string][]float64{}
	for range *benchRounds {
		var calm50, calm99 float64
		for i, w := range order {
			tab.refill()
			calls := tab.api(w)
			at50, at99 := calls[len(calls)/2].Seconds()*1000, calls[len(calls)*99/100].Seconds()*1000
			if i == 0 {
				calm50, calm99 = at50, at99
			}
			p50[w.name], p99[w.name] = append(p50[w.name], at50), append(p99[w.name], at99)
			p50Ratio[w.name], p99Ratio[w.name] = append(p50Ratio[w.name], at50/calm50), append(p99Ratio[w.name], at99/calm99)
		}
	}
	for _, w := range order {
		if p50[w.name] == nil {
			continue
		}
		tell(b, "way="+w.name, map[string]float64{
			"p50-ms": middle(p50[w.name]), "p99-ms": middle(p99[w.name]),
			"p50/undisturbed": middle(p50Ratio[w.name]), "p99/undisturbed": middle(p99Ratio[w.name]),
		})
		delete(p50, w.name) // ours was there more than once
	}
}

// api is the latency of the calls that were due while a way was at work, sorted.
func (tab *table) api(w way) []time.Duration {
	tab.t.Helper()
	type call struct {
		due time.Time
		n   int
	}
	due := make(chan call, apiCalls*int(benchFor.Seconds()+1)) // a stall holds up no later call
	var mu sync.Mutex
	var took []time.Duration
	var clients sync.WaitGroup
	for range apiClients {
		conn := connect(tab.t, tab.url)
		clients.Go(func() {
			defer conn.Close(context.Background()) // rounds are many, and a server's connections few
			for c := range due {
				if _, err := conn.Exec(context.Background(), fmt.Sprintf(`
					SELECT id FROM refresh_tokens WHERE token_hash = encode(sha256('%[1]d'), 'hex');
					UPDATE refresh_tokens SET is_revoked = true, revoked_at = now() WHERE token_hash = encode(sha256('%[1]d'), 'hex') AND expires_at > '%[2]s';
					INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at)
					VALUES (gen_random_uuid(), '00000000-0000-0000-0000-000000000001', gen_random_uuid()::text, '%[3]s')`,
					c.n, at(0), at(week))); err != nil {
					tab.t.Error(err)
				}
				mu.Lock()
				took = append(took, time.Since(c.due))
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(tab)
	}()
	// Each call is due at an instant fixed before, so that a generator that is late itself
	// leaves none out.
	begin, live := time.Now(), *benchRows
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n, at := 0, begin; at.Sub(begin) < *benchFor; n++ {
		select {
		case <-timer.C:
			due <- call{at, live - n%(live/10)} // the newest tenth is alive
			at = at.Add(time.Second / apiCalls)
			timer.Reset(time.Until(at))
			continue
		case <-done:
		}
		break
	}
	close(due)
	clients.Wait()
	<-done
	if len(took) == 0 {
		took = append(took, 0)
	}
	slices.Sort(took)
	return took
}
