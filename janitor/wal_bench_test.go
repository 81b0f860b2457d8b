package janitor

import (
	"fmt"
	"testing"
)

// BenchmarkWAL is the WAL of a deleted row, in bytes and over one DELETE's, when the pages
// changed before since the last checkpoint, and right after one. There is no vacuum
// beside, which would add its own.
func BenchmarkWAL(b *testing.B) {
	server := benchServer(b)
	var tab *table
	written := func() (bytes float64) {
		if err := tab.QueryRow(b.Context(), `SELECT (pg_current_wal_insert_lsn() - '0/0')::float8`).Scan(&bytes); err != nil {
			b.Fatal(err)
		}
		return bytes
	}
	for _, checkpoint := range []bool{false, true} {
		var base float64
		for _, w := range ways {
			if w.sameWAL { // pg-cron as HyphaGraph's OR, token-janitor as with a lifetime
				continue
			}
			// What a way writes is the same each time, to a byte a row: a round is enough.
			tab = headOn(b, server)
			tab.exec(`CHECKPOINT`) // lest one falls due later
			tab.pour(usual(*benchRows))
			tab.exec(`ALTER TABLE refresh_tokens SET (autovacuum_enabled = false)`)
			if w.prepare != nil {
				w.prepare(tab)
			}
			if checkpoint {
				tab.exec(`CHECKPOINT`)
			}
			before := written()
			rows := w.run(tab).rows
			bytes := (written() - before) / float64(rows)
			if base == 0 {
				base = bytes
			}
			tell(b, fmt.Sprintf("checkpoint=%v/way=%s", checkpoint, w.name), map[string]float64{"B/row": bytes, "WAL/DELETE": bytes / base})
		}
	}
}
