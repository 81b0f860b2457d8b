package janitor

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A run that finds nothing to do is no burden, however many tokens live.
func TestNothingToDo(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.exec(`ALTER TABLE refresh_tokens SET (autovacuum_enabled = off)`) // it would be counted
	tab.fill(30_000, spread(-time.Minute, time.Second), "false", "NULL")
	tab.exec(`VACUUM ANALYZE refresh_tokens`)
	s.TokenLifetime = week
	if pages, scans, _ := tab.idle(s); pages >= 60 || scans > 0 {
		t.Errorf("%.0f pages read, and %.0f sequential scans", pages, scans)
	}
	s.TokenLifetime = 0 // then it has to look at every live one
	if pages, scans, _ := tab.idle(s); pages < 300 || scans > 0 {
		t.Errorf("%.0f pages read, and %.0f sequential scans", pages, scans)
	}
}

// BenchmarkNothingToDo is a run that finds nothing, among live rows only: the pages of
// the table and its indexes that it touched, its sequential scans, and the server's time
// for it, over a connection of its own, as the daemon's is.
func BenchmarkNothingToDo(b *testing.B) {
	tab := headOn(b, benchServer(b))
	tab.keep(content{live: *benchRows})
	s := settings()
	s.TokenLifetime = week
	var pages, scans, ms []float64
	for range max(3, *benchRounds) { // the first finds nothing in memory
		p, s, m := tab.idle(s)
		pages, scans, ms = append(pages, p), append(scans, s), append(ms, m)
	}
	tell(b, fmt.Sprintf("live=%d", *benchRows), map[string]float64{"pages": middle(pages), "seq-scans": middle(scans), "server-ms": middle(ms)})
}

// idle does a run that has nothing to do and tells the pages that it read of the table and its
// indexes, its sequential scans, and the server's time for it in ms. A session tells its
// statistics at its end, so each look and the run has one of its own, and the table's ends.
func (tab *table) idle(s Settings) (pages, scans, ms float64) {
	tab.t.Helper()
	timed := tab.timed()
	read := func() (pages, scans float64) {
		timed(func(other *table) {
			if err := other.QueryRow(tab.t.Context(), `SELECT (heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::float8, seq_scan::float8
				FROM pg_statio_user_tables JOIN pg_stat_user_tables USING (relid, relname) WHERE relname = 'refresh_tokens'`).Scan(&pages, &scans); err != nil {
				tab.t.Fatal(err)
			}
		})
		return pages, scans
	}
	pagesBefore, scansBefore := read()
	ms = timed(func(other *table) {
		expect{stop: StopDrained}.of(tab.t, "run", other.run(s))
	})
	pages, scans = read()
	return pages - pagesBefore, scans - scansBefore, ms
}

// timed ends the table's connection. What it returns does something over a new one, and tells the server's time for
// it in ms.
func (tab *table) timed() func(do func(*table)) (ms float64) {
	tab.t.Helper()
	database := tab.Config().Database
	_ = tab.Close(tab.t.Context())
	url := strings.Replace(tab.url, "/"+database+"?", "/postgres?", 1)
	watch := &table{Conn: connect(tab.t, url), t: tab.t, url: url}
	active := func() (ms float64) {
		watch.await(`NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '` + database + `' AND backend_type = 'client backend')`)
		if err := watch.QueryRow(tab.t.Context(), `SELECT active_time FROM pg_stat_database WHERE datname = $1`, database).Scan(&ms); err != nil {
			tab.t.Fatal(err)
		}
		return ms
	}
	return func(do func(*table)) float64 {
		before := active()
		other := tab.other()
		do(other)
		_ = other.Close(context.Background())
		return active() - before
	}
}
