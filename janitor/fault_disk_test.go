package janitor

import (
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// TestDiskSlowsDown: a disk that takes longer to flush than a batch is meant to take makes the
// windows small at once, down to the floor and not below, and they grow again, by a half
// each, when it is itself again.
func TestDiskSlowsDown(t *testing.T) {
	t.Parallel()
	// With commit_siblings at 0, commit_delay is how much longer each flush takes.
	server, tab := own(t, pgtemp.Durable(), pgtemp.Setting("commit_siblings", "0"))
	s := settings()
	const due = 60_000
	tab.fill(due, spread(-2*week, time.Second), "false", "NULL")
	tab.insert(token{name: "live", expires: at(week)})

	disk := &table{Conn: connect(t, server.URL("postgres")), t: t}
	flush := func(delay string) {
		disk.exec(`ALTER SYSTEM SET commit_delay = ` + delay)
		disk.exec(`SELECT pg_reload_conf()`)
	}
	var batches []Batch
	slow, recovered := 0, 0 // from which batch on
	s.OnBatch = func(b Batch) {
		batches = append(batches, b)
		switch {
		case slow == 0 && b.Done.Expired > due/4:
			slow = len(batches)
			flush("90000") // microseconds
		case slow > 0 && recovered == 0 && b.Window == floorRows:
			recovered = len(batches)
			flush("0")
		}
	}
	expect{stop: StopDrained, deleted: Counts{Expired: due}}.of(t, "run", tab.run(s))
	tab.survive("live")

	if recovered == 0 {
		t.Fatalf("no window of %d rows in %d batches, of which %d on a slow disk", floorRows, len(batches), len(batches)-slow)
	}
	t.Logf("%d rows a window before, the floor after %d batches, %d at the end", batches[slow-1].Window, recovered-slow, batches[len(batches)-1].Window)
	if after := recovered - slow; after > 15 {
		t.Errorf("it took %d batches to come down", after)
	}
	for i, b := range batches[1:] {
		before := batches[i]
		most := before.Window + max(1, before.Window/2)
		if before.Took > s.BatchGoal {
			most = max(floorRows, int(float64(before.Window)*float64(s.BatchGoal)/float64(before.Took-5*time.Millisecond))) // the round trip apart
		}
		if i+1 < slow { // nobody had measured it
			most = firstGrowth * before.Window
		}
		if b.Window > most || i > 4 && b.Window < floorRows/4 { // it finds out that fewer rows are no faster
			t.Errorf("batch %d: a window of %d rows, after one of %d that took %s", i+1, b.Window, before.Window, before.Took)
		}
	}
	if last := batches[len(batches)-1].Window; last < 1000 {
		t.Errorf("a window of %d rows long after the disk was itself again", last)
	}
}
