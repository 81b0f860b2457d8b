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
	s.BatchMaxRows = floorRows // so that the pace has no choice
	s.TokenLifetime = week
	p, far := tab.through()
	p.mu.Lock()
	p.delay = 2500 * time.Microsecond // each way
	p.mu.Unlock()
	// The link turns round when the client speaks after the server did.
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
	// What a run asks besides its batches is the same for any number of them.
	counted := func(rows int) (roundTrips, batches int64) {
		tab.fill(rows, "'"+at(-2*time.Hour)+"'::timestamptz - i * interval '1s'", "false", "NULL")
		before := trips.Load()
		res, err := far.runAt(t.Context(), noon, s)
		if err != nil || res.Deleted.Expired != int64(rows) {
			t.Errorf("run: %+v, %v", res, err)
		}
		return trips.Load() - before, res.Batches[Expired]
	}
	tab.insert(token{name: "live", expires: at(week)})
	fewTrips, few := counted(5 * floorRows)
	manyTrips, many := counted(25 * floorRows)
	t.Logf("%d round trips for %d batches, %d for %d", fewTrips, few, manyTrips, many)
	if many-few != 20 || manyTrips-fewTrips != many-few {
		t.Errorf("%d round trips more for %d batches more", manyTrips-fewTrips, many-few)
	}
	tab.survive("live")
}
