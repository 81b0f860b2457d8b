package janitor

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// The defaults are small: .ci/run runs every benchmark. BENCHMARKS.md has the sizes that
// say something.
var (
	benchRows   = flag.Int("rows", 5_000, "rows of a benchmark's table")
	benchRounds = flag.Int("rounds", 1, "interleaved rounds; what is told is the median over them")
	benchDir    = flag.String("data", "", "where the benchmarks' server has its files: a RAM disk, or a real one")
)

// benchServer is the one that benchmarks share: PostgreSQL's defaults, durable, but with
// 1 GB of shared_buffers, and with pg_cron where it is installed. It ends with the process.
func benchServer(b *testing.B) *pgtemp.Server {
	b.Helper()
	server, err := startBenchServer()
	if err != nil {
		b.Fatal(err)
	}
	return server
}

var startBenchServer = sync.OnceValues(func() (*pgtemp.Server, error) {
	options := []pgtemp.Option{pgtemp.Durable(), pgtemp.Setting("shared_buffers", "1GB")}
	if *benchDir != "" {
		options = append(options, pgtemp.In(*benchDir))
	}
	cron := append(slices.Clone(options),
		pgtemp.Setting("shared_preload_libraries", "pg_cron"),
		pgtemp.Setting("cron.use_background_workers", "on")) // it would look for the server at "localhost"
	server, err := pgtemp.Start(context.Background(), cron...)
	if err != nil && strings.Contains(err.Error(), "pg_cron") {
		return pgtemp.Start(context.Background(), options...)
	}
	return server, err
})

// headOn is a table like newTable's, on a server of one's own.
func headOn(t testing.TB, server *pgtemp.Server) *table {
	t.Helper()
	return headIn(t, server, "api")
}

// headIn is headOn in a new database of that name.
func headIn(t testing.TB, server *pgtemp.Server, database string) *table {
	t.Helper()
	if err := server.Drop(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	if err := server.Create(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	tab := &table{Conn: connect(t, server.URL(database)), t: t, url: server.URL(database), server: server}
	t.Cleanup(tab.drop)
	tab.exec(`CREATE TABLE users (id uuid PRIMARY KEY)`)
	tab.exec(`INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000001')`)
	tab.exec(`CREATE TABLE refresh_tokens (id uuid PRIMARY KEY, user_id uuid NOT NULL, token_hash varchar NOT NULL,
		expires_at timestamptz NOT NULL, is_revoked boolean NOT NULL DEFAULT false, created_at timestamptz NOT NULL DEFAULT now(), revoked_at timestamptz)`)
	tab.exec(`ALTER TABLE refresh_tokens ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE`)
	tab.exec(`CREATE INDEX ON refresh_tokens (user_id)`)
	tab.exec(`CREATE UNIQUE INDEX ON refresh_tokens (token_hash)`)
	tab.exec(`CREATE INDEX ON refresh_tokens (expires_at)`)
	return tab
}

// content is what a benchmark's table is filled with again before each way.
type content struct {
	due, live int
	tied      bool // all that is due has one expires_at
	revoked   bool // what is due is so by revoked_at, and expires later, among the live rows
}

// usual is a table of which 767 in 1,000 rows have expired: what the rivals were measured
// on first.
func usual(rows int) content { return content{due: rows * 767 / 1000, live: rows - rows*767/1000} }

// keep fills the table, changes it, and keeps a copy of its database, which refill makes it from.
func (tab *table) keep(c content, change ...string) {
	tab.t.Helper()
	tab.pour(c)
	for _, sql := range change {
		tab.exec(sql)
	}
	if len(change) > 0 {
		tab.exec(`VACUUM (FULL, ANALYZE) refresh_tokens`)
	}
	tab.exec(`CREATE EXTENSION IF NOT EXISTS pg_prewarm`)
	database := tab.Config().Database
	tab.copy(database, database+"_kept")
	tab.refill()
}

// refill makes the table as it was kept, on a new connection, in memory and with its writes
// done. To copy its files takes a tenth of the time that it takes to insert the rows.
func (tab *table) refill() {
	tab.t.Helper()
	database := tab.Config().Database
	tab.copy(database+"_kept", database)
	tab.Conn = connect(tab.t, tab.url)
	tab.exec(`SELECT pg_prewarm(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')`)
	tab.exec(`CHECKPOINT`)
}

// drop drops what there is of the table: its files may be large.
func (tab *table) drop() {
	for _, database := range []string{tab.Config().Database, tab.Config().Database + "_kept"} {
		_ = tab.server.Drop(context.Background(), database)
	}
}

// copy makes a database again, of another one's files, and leaves the table without a
// connection.
func (tab *table) copy(from, to string) {
	tab.t.Helper()
	_ = tab.Close(tab.t.Context())
	if err := tab.server.Replace(tab.t.Context(), to, from); err != nil {
		tab.t.Fatal(err)
	}
}

// pour fills the table by inserts, without a checkpoint, after which each page that
// changes goes to the WAL whole.
func (tab *table) pour(c content) {
	tab.t.Helper()
	expires := fmt.Sprintf(`'%s'::timestamptz + (i - %d) * interval '6 s'`, at(-time.Hour), c.due+1)
	revokedAt := "NULL::timestamptz"
	switch {
	case c.tied:
		expires = fmt.Sprintf(`CASE WHEN i <= %d THEN '%s' ELSE %s END`, c.due, at(-2*time.Hour), expires)
	case c.revoked:
		// In a table that is filled in the order of expiry, those revoked lie everywhere.
		expires = fmt.Sprintf(`'%s'::timestamptz + i * interval '1 week' / %d`, at(0), c.due+c.live)
		revokedAt = fmt.Sprintf(`CASE WHEN i * 7919::bigint %% %d < %d THEN '%s'::timestamptz - (%[1]d + 1 - i) * interval '1 s' END`, c.due+c.live, c.due, at(-week))
	}
	tab.exec(`TRUNCATE refresh_tokens`)
	tab.exec(fmt.Sprintf(`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, revoked_at)
		SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', encode(sha256(i::text::bytea), 'hex'),
		       %s, revoked_at IS NOT NULL, revoked_at
		FROM generate_series(1, %d) AS i, LATERAL (SELECT %s AS revoked_at) AS r`, expires, c.due+c.live, revokedAt))
	tab.exec(`VACUUM ANALYZE refresh_tokens`)
}

// tell reports figures under a name of its own, such as way=ours/held=true, so that one
// round can go through all ways in turn and each still has its line.
func tell(b *testing.B, name string, figures map[string]float64) {
	b.Run(name, func(b *testing.B) {
		for unit, figure := range figures {
			b.ReportMetric(figure, unit)
		}
		b.ReportMetric(0, "ns/op") // it means nothing here, and 0 leaves it out
	})
}

// middle is the median.
func middle(figures []float64) float64 {
	return slices.Sorted(slices.Values(figures))[len(figures)/2]
}
