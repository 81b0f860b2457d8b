package janitor

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// backlog is a table as HyphaGraph fills it, of which 767 in 1,000 rows have expired:
// what the rivals were measured on.
func backlog(b *testing.B, rows int, expires string) *table {
	b.Helper()
	tab := newTable(b)
	tab.fillBacklog(rows, expires)
	return tab
}

func (tab *table) fillBacklog(rows int, expires string) {
	tab.t.Helper()
	if expires == "" {
		expires = fmt.Sprintf("'%s'::timestamptz + (i - %d * 0.767) * interval '6 s'", at(-time.Hour), rows)
	}
	tab.exec(`CREATE TABLE filled (LIKE refresh_tokens INCLUDING ALL)`)
	tab.exec(fmt.Sprintf(`INSERT INTO filled (id, user_id, token_hash, expires_at, is_revoked, revoked_at)
		SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', encode(sha256(i::text::bytea), 'hex'), %s, false, NULL
		FROM generate_series(1, %d) AS i`, expires, rows))
	tab.exec(`VACUUM ANALYZE filled`)
}

// refill makes the table as it was, in memory and with its writes done.
func (tab *table) refill() {
	tab.t.Helper()
	tab.exec(`DROP TABLE refresh_tokens`)
	tab.exec(`CREATE TABLE refresh_tokens (LIKE filled INCLUDING ALL)`)
	tab.exec(`ALTER TABLE refresh_tokens ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE`)
	tab.exec(`INSERT INTO refresh_tokens SELECT * FROM filled`)
	tab.exec(`VACUUM ANALYZE refresh_tokens`)
	tab.exec(`CHECKPOINT`)
}

var benchRows = flag.Int("rows", 20_000, "rows of a benchmark's table")

// way is one way to delete what expired; it returns the rows it deleted.
type way struct {
	name string
	run  func(*table) int64
}

func ours(tab *table) int64 {
	s := settings()
	s.BatchMaxRows = 20_000 // the command's default
	return tab.run(s).Deleted.Total()
}

func statementWay(sql string) func(*table) int64 {
	return func(tab *table) int64 {
		tag, err := tab.Exec(tab.t.Context(), sql, at(-time.Hour))
		if err != nil {
			tab.t.Fatal(err)
		}
		return tag.RowsAffected()
	}
}

func untilNone(sql string) func(*table) int64 {
	return func(tab *table) (n int64) {
		for {
			tag, err := tab.Exec(tab.t.Context(), sql, at(-time.Hour))
			if err != nil {
				tab.t.Fatal(err)
			}
			if tag.RowsAffected() == 0 {
				return n
			}
			n += tag.RowsAffected()
		}
	}
}

// ways are ours and what one would use instead.
var ways = []way{
	{"one DELETE", statementWay(`DELETE FROM refresh_tokens WHERE expires_at < $1::timestamptz`)},
	{"token-janitor", ours},
	{"HyphaGraph's OR", statementWay(`DELETE FROM refresh_tokens WHERE expires_at < $1::timestamptz OR is_revoked`)},
	{"LIMIT 5000 by ctid, SKIP LOCKED", untilNone(`WITH batch AS MATERIALIZED (SELECT ctid FROM refresh_tokens WHERE expires_at < $1::timestamptz
		ORDER BY expires_at LIMIT 5000 FOR UPDATE SKIP LOCKED) DELETE FROM refresh_tokens t USING batch WHERE t.ctid = batch.ctid`)},
	{"LIMIT 1000 by id, SKIP LOCKED", untilNone(`DELETE FROM refresh_tokens WHERE id IN (SELECT id FROM refresh_tokens WHERE expires_at < $1::timestamptz
		ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)`)},
	{"select ids, delete 100 by id", func(tab *table) (n int64) {
		for {
			rows, err := tab.Query(tab.t.Context(), `SELECT id::text FROM refresh_tokens WHERE expires_at < $1::timestamptz ORDER BY expires_at LIMIT 100`, at(-time.Hour))
			if err != nil {
				tab.t.Fatal(err)
			}
			ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				tab.t.Fatal(err)
			}
			if len(ids) == 0 {
				return n
			}
			tag, err := tab.Exec(tab.t.Context(), `DELETE FROM refresh_tokens WHERE id = ANY($1::text[]::uuid[])`, ids)
			if err != nil {
				tab.t.Fatal(err)
			}
			n += tag.RowsAffected()
		}
	}},
}

// BenchmarkDrain drains a table in each way in turn, alone and with an old snapshot held
// open, and tells each way's rows/s over those of one DELETE in the same round.
func BenchmarkDrain(b *testing.B) {
	rows := *benchRows
	for _, held := range []bool{false, true} {
		for _, ties := range []bool{false, true} {
			b.Run(fmt.Sprintf("held=%v/ties=%v", held, ties), func(b *testing.B) {
				expires := ""
				if ties {
					expires = "'" + at(-2*time.Hour) + "'"
				}
				tab := backlog(b, rows, expires)
				spent := make([]time.Duration, len(ways))
				deleted := make([]int64, len(ways))
				for range b.N {
					for i, w := range ways {
						tab.refill()
						var holder *table
						if held {
							holder = tab.hold(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1`)
						}
						began := time.Now()
						deleted[i] += w.run(tab)
						spent[i] += time.Since(began)
						if holder != nil {
							_ = holder.Close(context.Background())
						}
					}
				}
				one := float64(deleted[0]) / spent[0].Seconds()
				for i, w := range ways {
					b.Logf("%-32s %8.0f rows/s  %.3f of one DELETE", w.name, float64(deleted[i])/spent[i].Seconds(), float64(deleted[i])/spent[i].Seconds()/one)
				}
				b.ReportMetric(float64(deleted[1])/spent[1].Seconds()/one, "ours/one-DELETE")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
