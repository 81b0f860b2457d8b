package janitor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The index is the plan, or the run refuses and says which plan it was offered.
func TestPlan(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name   string
		setUp  []string
		refuse string // part of the error
	}{
		{"never analysed", nil, ""},
		{"analysed when empty", []string{`ANALYZE refresh_tokens`}, ""},
		{"server prefers sequential scans", []string{`ALTER DATABASE %s SET random_page_cost = 10000`, `ALTER DATABASE %s SET enable_indexscan = off`, `ALTER DATABASE %s SET enable_indexonlyscan = off`}, ""},
		{"generic plans", []string{`ALTER DATABASE %s SET plan_cache_mode = force_generic_plan`}, ""},
		{"no index", []string{`DROP INDEX ix_refresh_tokens_expires_at`}, "Seq Scan on refresh_tokens"},
		{"only an index with another column first", []string{`DROP INDEX ix_refresh_tokens_expires_at`, `CREATE INDEX ON refresh_tokens (user_id, expires_at)`}, "CREATE INDEX CONCURRENTLY"},
		{"only a partial index", []string{`DROP INDEX ix_refresh_tokens_expires_at`, `CREATE INDEX ON refresh_tokens (expires_at) WHERE is_revoked`}, "no usable index leads with expires_at"},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.insert(token{name: "live", expires: at(week)})
			var database string
			if err := tab.QueryRow(t.Context(), `SELECT quote_ident(current_database())`).Scan(&database); err != nil {
				t.Fatal(err)
			}
			for _, sql := range variant.setUp {
				if strings.Contains(sql, "%s") {
					sql = fmt.Sprintf(sql, database)
				}
				tab.exec(sql)
			}
			tab.Conn = connect(t, tab.url) // with the database's settings
			tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			res, err := tab.runAt(t.Context(), noon, settings())
			if variant.refuse != "" {
				failed(t, "run", res, err, StopError, variant.refuse)
				if left := tab.count("true"); left != 1001 {
					t.Errorf("%d rows left, want all", left)
				}
				return
			}
			if err != nil {
				t.Errorf("run: %v", err)
			}
			expect{stop: StopDrained, deleted: Counts{Expired: 1000}}.of(t, "run", res)
			tab.survive("live")
		})
	}
}

// No statistics make the planner reach the rows of a tie, or of a sweep, along an index:
// each batch would walk over the entries of all batches before it.
func TestPlanOfBlocks(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name  string
		setUp []string // before the rows are there
	}{
		{"never analysed", nil},
		{"analysed when empty", []string{`ANALYZE refresh_tokens`}},
		{"analysed when nothing had expired", []string{
			`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at) SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', i::text, '` +
				at(week) + `'::timestamptz + i * interval '1s' FROM generate_series(1, 20000) AS i`,
			`ANALYZE refresh_tokens`, `DELETE FROM refresh_tokens`, `VACUUM refresh_tokens`,
		}},
		{"an index on revoked_at", []string{`CREATE INDEX ON refresh_tokens (revoked_at)`, `ANALYZE refresh_tokens`}},
		{"server prefers other scans", []string{`SET enable_tidscan = off`, `SET enable_indexscan = off`, `SET enable_indexonlyscan = off`,
			`SET enable_nestloop = off`, `SET random_page_cost = 10000`}},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.exec(`ALTER TABLE refresh_tokens SET (autovacuum_enabled = off)`)
			for _, sql := range variant.setUp {
				tab.exec(sql)
			}
			tab.fill(20_000, constant(-2*week), "true", constant(-2*week))
			r := newRun(tab.Conn, settings())
			if err := tab.QueryRow(t.Context(), `SELECT 'refresh_tokens'::regclass::oid::bigint`).Scan(&r.session.oid); err != nil {
				t.Fatal(err)
			}
			if err := r.setClocks(noon, noon, noon); err != nil {
				t.Fatal(err)
			}
			for _, reason := range Reasons {
				p := r.newPass(reason, r.columns.expires, at(-2*week), at(-time.Hour))
				p.reaches(t, "Tid Range Scan", p.sql.blocks.tied, p.sql.blocks.due, p.sql.blocks.both)
				p.reaches(t, "Scan using ix_refresh_tokens_expires_at", p.sql.window, p.sql.tieByIndex)
			}
		})
	}
}

// reaches fails the test unless the server reaches the rows of these regions in one way only.
func (p *pass) reaches(t *testing.T, want string, regions ...regionSQL) {
	t.Helper()
	for _, r := range regions {
		for _, sql := range []string{r.delete, r.count, r.list} {
			var scans []string
			lines := func(rows pgx.Rows) error {
				all, err := pgx.CollectRows(rows, pgx.RowTo[string])
				for _, line := range all {
					if strings.Contains(line, "Scan") {
						scans = append(scans, line)
					}
				}
				return err
			}
			args := p.with("floor", p.cursor.at, "first", "(100,0)", "end", "(200,0)", "rows", 1000)
			err := p.batcher.session.exchange(t.Context(), query{"EXPLAIN " + sql, args, lines})
			if err != nil {
				t.Fatal(fmt.Errorf("explain %s: %w", sql, err))
			}
			if len(scans) != 1 || !strings.Contains(scans[0], want) {
				t.Errorf("%s: %s: %q, want %s", p.reason, sql, scans, want)
			}
		}
	}
}

// A window of the pass over revoked_at is read from an index that holds revoked rows only.
func TestPlanOfRevokedWindows(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	tab.exec(`CREATE INDEX revoked_ones ON refresh_tokens (revoked_at) WHERE is_revoked`)
	tab.fill(20_000, spread(week, time.Second), "false", "NULL")
	tab.fill(2000, constant(week), "true", spread(-2*week, -time.Second))
	r := newRun(tab.Conn, settings())
	if err := r.setClocks(noon, noon, noon); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"SELECT", "ANALYZE refresh_tokens"} {
		tab.exec(how)
		p := r.newPass(Revoked, r.columns.revokedAt, earliest, at(-week))
		p.reaches(t, "Index Scan using revoked_ones", p.sql.window)
		if err := p.requireIndex(t.Context(), earliest); err != nil {
			t.Error(err)
		}
	}
	// Where the planner would read all revoked rows for each window, the pass takes another way.
	tab.exec(`DROP INDEX revoked_ones`)
	tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at)`)
	tab.exec(`CREATE INDEX ON refresh_tokens (is_revoked)`)
	tab.exec(`UPDATE refresh_tokens SET is_revoked = false WHERE is_revoked AND extract(epoch FROM revoked_at)::bigint % 50 > 0`)
	tab.exec(`VACUUM ANALYZE refresh_tokens`)
	p := r.newPass(Revoked, r.columns.revokedAt, earliest, at(-week))
	if _, unusable := errors.AsType[*planError](p.requireIndex(t.Context(), earliest)); !unusable {
		t.Error("each window reads all revoked rows, and is called usable")
	}
}
