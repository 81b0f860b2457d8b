package janitor

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

var (
	benchFor   = flag.Duration("beside", 300*time.Millisecond, "how long the API is watched beside each way")
	benchDir   = flag.String("data", "", "where the benchmark's server has its files; a RAM disk, or a real one")
	apiCalls   = 300 // a second
	apiClients = 8
)

// BenchmarkAPIBeside is the latency of an API (select by hash, revoke, insert the
// successor) while tokens are deleted in each way, open-loop: a call's time counts from
// when it was due, so that a stall counts for all who wait in it. Rounds are interleaved,
// and what is told is the median over them, as a ratio to the API undisturbed.
func BenchmarkAPIBeside(b *testing.B) {
	options := []pgtemp.Option{pgtemp.Durable(), pgtemp.Setting("shared_buffers", "1GB")}
	if *benchDir != "" {
		options = append(options, pgtemp.In(*benchDir))
	}
	server, err := pgtemp.Start(b.Context(), options...)
	if err != nil {
		b.Fatal(err)
	}
	defer server.Stop()
	tab := headOn(b, server)
	tab.fillBacklog(*benchRows, "")

	beside := append([]way{
		{"nothing", nil},
		{"token-janitor, at its defaults", func(tab *table) int64 {
			s := settings()
			s.BatchMaxRows, s.Load, s.MaxRate = 20_000, 0.5, 20_000
			ctx, stop := context.WithTimeout(tab.t.Context(), *benchFor)
			defer stop()
			res, err := tab.runAt(ctx, noon, s)
			if err != nil {
				tab.t.Error(err)
			}
			return res.Deleted.Total()
		}},
	}, ways[0], ways[3], ways[4])
	p50, p99 := make([][]time.Duration, len(beside)), make([][]time.Duration, len(beside))
	for range b.N {
		for i, w := range beside {
			tab.refill()
			calls := tab.api(w)
			p50[i] = append(p50[i], calls[len(calls)/2])
			p99[i] = append(p99[i], calls[len(calls)*99/100])
		}
	}
	for i, w := range beside {
		b.Logf("%-32s p50 %8.2f ms (%.2f)   p99 %8.2f ms (%.2f)", w.name,
			median(p50[i]).Seconds()*1000, ratio(p50[i], p50[0]), median(p99[i]).Seconds()*1000, ratio(p99[i], p99[0]))
	}
	b.ReportMetric(ratio(p50[1], p50[0]), "p50/undisturbed")
	b.ReportMetric(ratio(p99[1], p99[0]), "p99/undisturbed")
	b.ReportMetric(0, "ns/op")
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func ratio(a, b []time.Duration) float64 { return median(a).Seconds() / median(b).Seconds() }

// headOn is a table like newTable's, on a server of one's own.
func headOn(b testing.TB, server *pgtemp.Server) *table {
	b.Helper()
	if err := server.Create(b.Context(), "api"); err != nil {
		b.Fatal(err)
	}
	tab := &table{Conn: connect(b, server.URL("api")), t: b, url: server.URL("api")}
	tab.exec(`CREATE TABLE users (id uuid PRIMARY KEY)`)
	tab.exec(`INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000001')`)
	tab.exec(`CREATE TABLE refresh_tokens (id uuid PRIMARY KEY, user_id uuid NOT NULL, token_hash varchar NOT NULL,
		expires_at timestamptz NOT NULL, is_revoked boolean NOT NULL DEFAULT false, created_at timestamptz NOT NULL DEFAULT now(), revoked_at timestamptz)`)
	tab.exec(`CREATE INDEX ON refresh_tokens (user_id)`)
	tab.exec(`CREATE UNIQUE INDEX ON refresh_tokens (token_hash)`)
	tab.exec(`CREATE INDEX ON refresh_tokens (expires_at)`)
	return tab
}

// api is the latency of the calls that were due while a way was at work, sorted.
func (tab *table) api(w way) []time.Duration {
	tab.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	type call struct {
		due time.Time
		n   int
	}
	due := make(chan call, apiCalls*60)
	var mu sync.Mutex
	var took []time.Duration
	var clients sync.WaitGroup
	for range apiClients {
		conn := connect(tab.t, tab.url)
		clients.Go(func() {
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
		if w.name == "nothing" {
			<-time.After(*benchFor)
			return
		}
		w.run(tab)
	}()
	tick := time.NewTicker(time.Second / time.Duration(apiCalls))
	defer tick.Stop()
	live := *benchRows
	for n, begin := 0, time.Now(); ; n++ {
		select {
		case at := <-tick.C:
			select {
			case due <- call{at, live - n%(live/10)}: // the newest tenth is alive
			default:
			}
			if time.Since(begin) < *benchFor {
				continue
			}
		case <-done:
		case <-ctx.Done():
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
