package janitor

import (
	"fmt"
	"strings"
	"testing"
	"time"
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
			tab.fill(1000, "'"+at(-2*time.Hour)+"'::timestamptz - i * interval '1s'", "false", "NULL")
			res, err := tab.runAt(t.Context(), noon, settings())
			if variant.refuse != "" {
				if err == nil || !strings.Contains(err.Error(), variant.refuse) || res.Outcome != Failed || tab.count("true") != 1001 {
					t.Errorf("run: %+v, %v", res, err)
				}
				return
			}
			if err != nil || res.Deleted.Expired != 1000 {
				t.Errorf("run: %+v, %v", res, err)
			}
			tab.survive("live")
		})
	}
}
