package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestCitus: --once and the daemon on each kind of table of a Citus cluster, where TOKEN_JANITOR_TEST_CITUS names a database
// on its coordinator. Such tests of the engine are in janitor/citus_test.go.
func TestCitus(t *testing.T) {
	const variable = "TOKEN_JANITOR_TEST_CITUS"
	url := os.Getenv(variable)
	if url == "" {
		t.Skip(variable + " names no coordinator of a Citus cluster")
	}
	for _, k := range []struct{ name, primary, distribute string }{
		{"by user_id", "user_id, id", "SELECT create_distributed_table('refresh_tokens', 'user_id')"},
		{"by token_hash", "token_hash", "SELECT create_distributed_table('refresh_tokens', 'token_hash')"},
		{"reference", "id", "SELECT create_reference_table('refresh_tokens')"},
		{"one shard", "id", "SELECT create_distributed_table('refresh_tokens', NULL)"},
		{"managed", "id", "SELECT citus_add_local_table_to_metadata('refresh_tokens')"},
		{"local", "id", ""},
	} {
		t.Run(k.name, func(t *testing.T) {
			schema := fmt.Sprintf("tokens_%d", time.Now().UnixNano())
			conn := dial(t, url)
			do := func(sql string) {
				t.Helper()
				if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			do("SET client_min_messages = error; SET citus.shard_count = 4; CREATE SCHEMA " + schema)
			t.Cleanup(func() {
				if _, err := conn.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
					t.Errorf("clean up: %v", err)
				}
			})
			do("SET search_path = " + schema)
			do(`CREATE TABLE refresh_tokens (id uuid DEFAULT gen_random_uuid(), user_id uuid DEFAULT gen_random_uuid(), token_hash text, expires_at timestamptz NOT NULL,
				is_revoked boolean NOT NULL DEFAULT false, revoked_at timestamptz, PRIMARY KEY (` + k.primary + `))`)
			do("CREATE INDEX ON refresh_tokens (expires_at)")
			do("CREATE INDEX ON refresh_tokens (revoked_at)")
			do(k.distribute)
			due := func(name string, expired, revoked int) {
				t.Helper()
				do(fmt.Sprintf(`INSERT INTO refresh_tokens (token_hash, expires_at) SELECT '%s' || i, now() - interval '2 days' + i * interval '1 second' FROM generate_series(1, %d) AS i`, name, expired))
				do(fmt.Sprintf(`INSERT INTO refresh_tokens (token_hash, expires_at, is_revoked, revoked_at) SELECT '%s, revoked' || i, now() + interval '1 week', true, now() - interval '8 days' FROM generate_series(1, %d) AS i`, name, revoked))
			}
			due("due", 600, 200)
			do(`INSERT INTO refresh_tokens (token_hash, expires_at, is_revoked, revoked_at) VALUES ('lately', now() - interval '59 minutes', false, NULL),
				('live', now() + interval '1 day', false, NULL), ('revoked lately', now() + interval '1 day', true, now() - interval '167 hours')`)
			survivors := func() {
				t.Helper()
				rows, _ := conn.Query(t.Context(), "SELECT token_hash FROM refresh_tokens ORDER BY 1", pgx.QueryExecModeSimpleProtocol)
				names, err := pgx.CollectRows(rows, pgx.RowTo[string])
				if got, want := strings.Join(names, ", "), "lately, live, revoked lately"; err != nil || got != want {
					t.Errorf("%.200s survive, want %s: %v", got, want, err)
				}
			}

			args := []string{"--migrate=check", "--table=" + schema + ".refresh_tokens"}
			for _, flag := range []string{"--dry-run", "--once"} {
				cmd := exec.CommandContext(t.Context(), program(t), append(args, "--once", "--output=json", flag)...)
				var log bytes.Buffer
				cmd.Env, cmd.Stderr = append(os.Environ(), "DATABASE_URL="+url), &log
				out, err := cmd.Output()
				var sum summary
				if err != nil || json.Unmarshal(out, &sum) != nil {
					t.Fatalf("%s: %v, %s\n%s", flag, err, out, log.String())
				}
				if got := sum.Deleted.Total() + sum.WouldDelete.Total(); got != 800 || sum.Outcome != "drained" || sum.DryRun != (flag == "--dry-run") {
					t.Errorf("%s: %s", flag, out)
				}
			}
			survivors()

			// Its first run finds nothing, and later ones what the API has left meanwhile.
			d := start(t, "", url, args...)
			d.hears(t, "outcome=drained", 2)
			due("due again", 300, 100)
			words := []string{`token_janitor_tokens_deleted_total{reason="expired"} 300`, `token_janitor_tokens_deleted_total{reason="revoked"} 100`,
				`token_janitor_runs_total{outcome="failed"} 0`, `token_janitor_overdue_tokens{reason="expired"} 0`, `token_janitor_overdue_tokens{reason="revoked"} 0`}
			if k.distribute != "" {
				words = append(words, "token_janitor_table_live_rows NaN", "token_janitor_table_dead_rows NaN")
			}
			d.page(t, 200, "/metrics", words...)
			d.page(t, 200, "/readyz", "ok")
			d.page(t, 200, "/", "OK.", "nothing is overdue", schema)
			survivors()
			if n := d.said("level=ERROR") + d.said("level=WARN"); n > 0 {
				t.Errorf("%d warnings or errors in the log", n)
			}
		})
	}
}
