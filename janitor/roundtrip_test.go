package janitor

import (
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// A batch is one round trip, over a link on which each takes 5 ms.
func TestOneRoundTripABatch(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	const batches = 20
	tab.fill(batches*floorRows, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.insert(token{name: "live", expires: at(week)})
	s.BatchMaxRows = floorRows // so that the pace has no choice
	p, far := tab.through()
	p.mu.Lock()
	p.delay = 2500 * time.Microsecond // each way
	p.mu.Unlock()
	trips := p.countTrips()
	// From one batch to the next: how much a run asks before its first is another matter.
	var after []int64
	s.OnBatch = func(b Batch) {
		if b.Reason == Expired {
			after = append(after, trips.Load())
		}
	}
	res, err := far.runAt(t.Context(), noon, s)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	expect{stop: StopDrained, deleted: Counts{Expired: batches * floorRows}}.of(t, "run", res)
	if len(after) < batches {
		t.Fatalf("%d batches, want %d at least", len(after), batches)
	}
	for i := 1; i < len(after); i++ {
		if n := after[i] - after[i-1]; n != 1 {
			t.Errorf("batch %d took %d round trips", i+1, n)
		}
	}
	tab.survive("live")
}

// A run that finds nothing to do is few round trips, as between two continents.
func TestFewRoundTripsForNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		setUp func(*table)
		more  func(*Settings)
	}{
		{"as migrated", func(*table) {}, func(*Settings) {}},
		{"a daemon's, from the floors", func(*table) {}, func(s *Settings) {
			s.Floors = map[Reason]string{Expired: at(-time.Hour - time.Minute), Revoked: at(-week - time.Minute)}
			s.Window = 5000
		}},
		{"an index on revoked_at", func(tab *table) { tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at)`) }, func(s *Settings) {
			s.Floors = map[Reason]string{Expired: at(-time.Hour - time.Minute), Revoked: at(-week - time.Minute)}
		}},
		{"tokens that live for ever", func(tab *table) { tab.insert(token{name: "for ever", expires: "infinity"}) }, func(*Settings) {}},
		{"partitioned", (*table).partition, func(*Settings) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tt.setUp(tab)
			tab.fill(900, spread(52*week, time.Second), "false", "NULL")
			tt.more(&s)
			p, far := tab.through()
			trips := p.countTrips()
			res, err := Run(t.Context(), far.Conn, s)
			if err != nil {
				t.Fatal(err)
			}
			expect{stop: StopDrained}.of(t, "run", res)
			if n := trips.Load(); n > 10 {
				t.Errorf("%d round trips, want 10 at most", n)
			} else {
				t.Logf("%d round trips", n)
			}
		})
	}
}

// countTrips counts from now on how often the link turns round: the client speaks after the server did.
func (p *proxy) countTrips() *atomic.Int64 {
	var trips atomic.Int64
	var asked atomic.Bool
	p.set(func(*proxy, net.Conn, net.Conn, []byte) bool {
		if !asked.Swap(true) {
			trips.Add(1)
		}
		return false
	}, func(*proxy, net.Conn, net.Conn, []byte) bool {
		asked.Store(false)
		return false
	})
	return &trips
}
