package janitor

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

func TestMain(m *testing.M) {
	// Each check is three runs on a real table, and there are many models. The command line may ask for more.
	checks := "5"
	if pgtemp.Required() {
		checks = "15"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
	pgtemp.Main(m)
}

// noon is when the tests' runs take place, unless they ask the real clocks.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 123456000, time.UTC)

// settings are the defaults, without rests.
func settings() Settings {
	return Settings{
		Table:            pgx.Identifier{"public", "refresh_tokens"},
		KeepExpired:      time.Hour,
		KeepRevoked:      7 * 24 * time.Hour,
		MaxClockSkew:     time.Minute,
		BatchMaxRows:     5000,
		BatchGoal:        50 * time.Millisecond,
		Load:             1,
		LockTimeout:      100 * time.Millisecond,
		StatementTimeout: 5 * time.Second,
	}
}

// fixWindows has every window hold so many rows, however slow the machine is.
func (s *Settings) fixWindows(rows int) {
	s.BatchMaxRows, s.Window, s.BatchGoal = rows, rows, time.Minute
}

// table is a table of refresh tokens in a database of its own.
type table struct {
	*pgx.Conn
	t   testing.TB
	url string

	tune   func(*run)     // for its runs; nil: they are as they are
	taken  *recorder      // of the transitions of its runs; nil: none are kept
	server *pgtemp.Server // of a benchmark's table
	role   string         // whose rights its session has; "": a superuser's
}

func newTable(t testing.TB) *table {
	t.Helper()
	url := migrationstest.Head(t)
	tab := &table{Conn: connect(t, url), t: t, url: url}
	tab.exec(`INSERT INTO users (id, email) VALUES ('00000000-0000-0000-0000-000000000001', 'ada@example.org')`)
	return tab
}

// dropIndexes makes room for a million rows, which take long to enter into indexes one by one.
func (tab *table) dropIndexes() {
	tab.t.Helper()
	for _, column := range []string{"token_hash", "user_id", "expires_at"} {
		tab.exec(`DROP INDEX ix_refresh_tokens_` + column)
	}
}

// partition makes the table a partitioned one, by hash of its id, with the same indexes.
func (tab *table) partition() {
	tab.t.Helper()
	tab.exec(`ALTER TABLE refresh_tokens RENAME TO plain`)
	tab.exec(`CREATE TABLE refresh_tokens (LIKE plain INCLUDING DEFAULTS) PARTITION BY HASH (id)`)
	for i := range 3 {
		tab.exec(fmt.Sprintf(`CREATE TABLE part%d PARTITION OF refresh_tokens FOR VALUES WITH (MODULUS 3, REMAINDER %d)`, i, i))
	}
	tab.exec(`CREATE INDEX ON refresh_tokens (expires_at)`)
	tab.exec(`DROP TABLE plain`)
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (tab *table) exec(sql string, args ...any) {
	tab.t.Helper()
	if _, err := tab.Exec(tab.t.Context(), sql, args...); err != nil {
		tab.t.Fatalf("%s: %v", sql, err)
	}
}

// other is another session on the same database.
func (tab *table) other() *table {
	tab.t.Helper()
	return &table{Conn: connect(tab.t, tab.url), t: tab.t, url: tab.url}
}

// await waits until a condition holds, as another session sees it.
func (tab *table) await(condition string) {
	tab.t.Helper()
	watch := tab.other()
	for holds := false; !holds; {
		if err := watch.QueryRow(tab.t.Context(), `SELECT `+condition).Scan(&holds); err != nil {
			tab.t.Fatalf("%s: %v", condition, err)
		}
	}
}

// token is a row by its name, which is its hash. Empty times are NULL.
type token struct {
	name      string
	expires   string
	revoked   bool
	revokedAt string
}

func (tab *table) insert(tokens ...token) {
	tab.t.Helper()
	for _, k := range tokens {
		tab.exec(`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, revoked_at)
			VALUES (md5($1)::uuid, '00000000-0000-0000-0000-000000000001', $1, nullif($2, '')::timestamptz, $3, nullif($4, '')::timestamptz)`,
			k.name, k.expires, k.revoked, k.revokedAt)
	}
}

// fill inserts n rows; row i, from 1 on, has the values of three SQL expressions over i.
func (tab *table) fill(n int, expires, revoked, revokedAt string) {
	tab.t.Helper()
	tab.exec(fmt.Sprintf(`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, revoked_at)
		SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', gen_random_uuid()::text, (%s)::timestamptz, %s, (%s)::timestamptz
		FROM generate_series(1, %d) AS i`, expires, revoked, revokedAt, n))
}

func (tab *table) names() []string {
	tab.t.Helper()
	rows, err := tab.Query(tab.t.Context(), `SELECT token_hash FROM refresh_tokens ORDER BY token_hash COLLATE "C"`)
	if err != nil {
		tab.t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tab.t.Fatal(err)
	}
	return names
}

func (tab *table) count(where string) (n int64) {
	tab.t.Helper()
	if err := tab.QueryRow(tab.t.Context(), `SELECT count(*) FROM refresh_tokens WHERE `+where).Scan(&n); err != nil {
		tab.t.Fatal(err)
	}
	return n
}

// survive fails the test unless just these rows are left.
func (tab *table) survive(want ...string) {
	tab.t.Helper()
	slices.Sort(want)
	if got := tab.names(); !slices.Equal(got, want) {
		tab.t.Errorf("left: %s\nwant: %s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// runAt is Run at a given time.
func (tab *table) runAt(ctx context.Context, now time.Time, s Settings) (Result, error) {
	tab.t.Helper()
	r := newRun(tab.Conn, s)
	taken := tab.taken
	if taken == nil {
		taken = &recorder{}
	}
	r.tuning.observe = taken.watch(tab.t)
	if tab.tune != nil {
		tab.tune(r)
	}
	if err := tab.QueryRow(tab.t.Context(), `SELECT $1::regclass::oid::bigint`, s.Table.Sanitize()).Scan(&r.session.oid); err != nil {
		tab.t.Fatal(err)
	}
	err := r.setClocks(now, now, now)
	if err == nil {
		err = r.run(ctx)
	}
	return r.settle(err)
}

// run is runAt noon, without an error.
func (tab *table) run(s Settings) Result {
	tab.t.Helper()
	res, err := tab.runAt(tab.t.Context(), noon, s)
	if err != nil {
		tab.t.Fatalf("run: %v", err)
	}
	return res
}

// at is noon plus d, in PostgreSQL's words.
func at(d time.Duration) string { return timestamp(noon.Add(d)) }

// constant is the expression of rows that all have one time, for fill.
func constant(d time.Duration) string { return "'" + at(d) + "'" }

// spread is the expression of rows that follow one another by a step, from noon plus d on.
func spread(d, step time.Duration) string { return spreadFrom(at(d), step) }

func spreadFrom(at string, step time.Duration) string {
	return fmt.Sprintf("'%s'::timestamptz + i * interval '%d microseconds'", at, step.Microseconds())
}
