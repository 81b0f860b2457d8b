package main

import (
	"encoding/json"
	"flag"
	"sync"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/status"
	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
)

var heldFor = flag.Duration("held", 5*time.Second, "how long the API holds rows that are due")

// TestRowsHeld: the API holds rows that are due for long (SELECT ... FOR UPDATE) while it works on, and so does the
// daemon. No run waits for it, each counts them, and the first one afterwards takes them.
func TestRowsHeld(t *testing.T) {
	t.Parallel()
	url := migrationstest.Head(t)
	conn, holder, api := dial(t, url), dial(t, url), dial(t, url)
	live := backlog(t, conn, 300)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const rows = 40
	tag, err := tx.Exec(t.Context(), `SELECT FROM refresh_tokens WHERE token_hash IN (
		SELECT token_hash FROM refresh_tokens WHERE token_hash LIKE 'due %' ORDER BY 1 LIMIT $1) FOR UPDATE`, rows)
	if err != nil || tag.RowsAffected() != rows {
		t.Fatal(tag, err)
	}
	began := time.Now()
	d := start(t, "", url)

	stop := make(chan struct{})
	var working sync.WaitGroup
	var made int64
	var slowest time.Duration
	working.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			roundBegan := time.Now()
			for _, sql := range []string{
				`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked)
				 SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', kind || gen_random_uuid(), now() + life, false
				 FROM (VALUES ('live ', interval '1 hour'), ('due ', interval '-2 hours')) AS v (kind, life)`,
				`UPDATE refresh_tokens SET is_revoked = true, revoked_at = now() WHERE token_hash IN (
				 SELECT token_hash FROM refresh_tokens WHERE NOT is_revoked AND expires_at > now() ORDER BY random() LIMIT 1)`,
			} {
				if _, err := api.Exec(t.Context(), sql); err != nil {
					t.Errorf("API: %v", err)
					return
				}
			}
			made++
			slowest = max(slowest, time.Since(roundBegan))
		}
	})
	ticks := 0
	for ; time.Since(began) < *heldFor; ticks++ {
		d.hears(t, "outcome=partial stop_reason=rows_left", 1)
	}
	close(stop)
	working.Wait()
	d.hears(t, "left_locked=40", 2)
	if n := count(t, conn, `token_hash LIKE 'due %'`); n != rows {
		t.Errorf("%d due rows are left, want the %d that are held", n, rows)
	}
	d.page(t, 200, "/readyz") // it is behind, not broken
	d.page(t, 200, "/", "Overdue.", "other transactions, tables or triggers hold them", "40 tokens overdue")
	d.page(t, 200, "/metrics", `token_janitor_tokens_left_total{cause="locked"}`)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.hears(t, "outcome=drained", 1)
	if n := count(t, conn, `token_hash LIKE 'due %'`); n != 0 {
		t.Errorf("%d due rows are left", n)
	}
	if n := count(t, conn, `token_hash LIKE 'live %'`); n != live+made {
		t.Errorf("%d live tokens of %d", n, live+made)
	}
	var told status.Status
	if err := json.Unmarshal([]byte(d.page(t, 200, "/status.json")), &told); err != nil {
		t.Fatal(err)
	}
	var longest float64
	for _, run := range told.Runs {
		longest = max(longest, run.Duration)
	}
	t.Logf("held for %s: %d ticks, the longest run %.3fs; %d rounds of the API, the slowest %s", time.Since(began).Round(time.Millisecond), ticks, longest, made, slowest)
	// A wait for a lock, and what a busy machine takes.
	if longest > 5 {
		t.Errorf("a run took %.1fs", longest)
	}
}
