package janitor

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkNothingToDo is a run that finds nothing, among live rows only: the pages of
// the table and its indexes that it touched, its sequential scans, and the server's time
// for it, over a connection of its own, as the daemon's is.
func BenchmarkNothingToDo(b *testing.B) {
	server := benchServer(b)
	tab := headOn(b, server)
	tab.keep(content{live: *benchRows})
	s := settings()
	s.TokenLifetime = week
	watch := &table{Conn: connect(b, server.URL("postgres")), t: b, url: server.URL("postgres")}
	// A session tells its statistics at its end, so each look and each run has its own.
	alone := func(do func(*table)) {
		other := tab.other()
		do(other)
		_ = other.Close(context.Background())
		watch.await(`NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'api' AND backend_type = 'client backend')`)
	}
	figure := func(tab *table, sql string) (n float64) {
		if err := tab.QueryRow(b.Context(), sql).Scan(&n); err != nil {
			b.Fatal(err)
		}
		return n
	}
	_ = tab.Close(b.Context())
	looked := func() (pages, scans float64) {
		alone(func(tab *table) {
			pages = figure(tab, `SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit
				+ coalesce(toast_blks_read + toast_blks_hit, 0) FROM pg_statio_user_tables WHERE relname = 'refresh_tokens'`)
			scans = figure(tab, `SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'refresh_tokens'`)
		})
		return pages, scans
	}
	const active = `SELECT active_time FROM pg_stat_database WHERE datname = 'api'`
	var pages, scans, ms []float64
	for range max(3, *benchRounds) { // the first finds nothing in memory
		pagesBefore, scansBefore := looked()
		msBefore := figure(watch, active)
		alone(func(tab *table) {
			if res := tab.run(s); res.Deleted.Total() != 0 {
				b.Fatalf("%+v", res)
			}
		})
		ms = append(ms, figure(watch, active)-msBefore)
		pagesAfter, scansAfter := looked()
		pages, scans = append(pages, pagesAfter-pagesBefore), append(scans, scansAfter-scansBefore)
	}
	tell(b, fmt.Sprintf("live=%d", *benchRows), map[string]float64{"pages": middle(pages), "seq-scans": middle(scans), "server-ms": middle(ms)})
}
