package janitor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// client is an API worker with users of its own, and the ledger of what it may rely on.
type client struct {
	*pgx.Conn
	t       *testing.T
	number  int
	made    int
	ledger  map[string]bool // the hashes that must be found
	ops     int
	slowest time.Duration
	settled string // the settings of a session that nobody touched
}

const settingsNow = `SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('statement_timeout'), current_setting('search_path'),
	current_setting('enable_seqscan'), nullif(current_setting('token_janitor.alone', true), ''))`

// do is one statement of the API. It may fail no more than the API itself lets it.
func (c *client) do(sql string, args ...any) int64 {
	began := time.Now()
	tag, err := c.Exec(context.Background(), sql, args...)
	c.slowest = max(c.slowest, time.Since(began))
	c.ops++
	if err != nil {
		c.t.Errorf("API: %s: %v", sql, err)
	}
	return tag.RowsAffected()
}

func (c *client) login(user int, expires string) string {
	c.made++
	hash := fmt.Sprintf("client %d token %d", c.number, c.made)
	c.do(`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at) VALUES (gen_random_uuid(), $1::uuid, $2, now() + $3::interval)`, c.user(user), hash, expires)
	return hash
}

func (c *client) user(n int) string { return fmt.Sprintf("00000000-0000-0000-%04d-%012d", c.number, n) }

func (c *client) any() (hash string) {
	for hash = range c.ledger {
		break
	}
	return hash
}

// work does one thing that an API does, at random, and keeps the ledger.
func (c *client) work(n int) {
	user := n % 5
	switch rand.N(10) {
	case 0, 1, 2:
		c.ledger[c.login(user, "7 days")] = true
	case 3: // refresh: revoke and succeed; the old one is still needed to recognise a replay
		if old := c.any(); old != "" {
			c.do(`UPDATE refresh_tokens SET is_revoked = true, revoked_at = now() WHERE token_hash = $1`, old)
			c.ledger[c.login(user, "7 days")] = true
		}
	case 4: // logout, long ago as it were: nobody relies on it any more
		if old := c.any(); old != "" {
			delete(c.ledger, old)
			c.do(`UPDATE refresh_tokens SET is_revoked = true, revoked_at = now() - interval '8 days' WHERE token_hash = $1`, old)
		}
	case 5: // sliding expiry of a session that is due: whoever comes first, but a success counts
		hash := c.login(user, "-2 hours")
		if c.do(`UPDATE refresh_tokens SET expires_at = now() + interval '7 days' WHERE token_hash = $1`, hash) == 1 {
			c.ledger[hash] = true
		}
	case 6: // delete a user, whose tokens go by the cascade
		c.do(`DELETE FROM users WHERE id = $1`, c.user(900))
		c.do(`INSERT INTO users (id, email) VALUES ($1::uuid, $1::uuid::text)`, c.user(900))
		for range 5 {
			c.login(900, "-2 hours")
		}
	case 7: // revoke all tokens of a user
		c.do(`UPDATE refresh_tokens SET is_revoked = true, revoked_at = now() WHERE user_id = $1 AND NOT is_revoked`, c.user(user))
	case 8: // hold some rows for longer than the janitor waits
		tx, err := c.Begin(context.Background())
		if err == nil {
			_, err = tx.Exec(context.Background(), `SELECT id FROM refresh_tokens WHERE user_id = $1 ORDER BY id FOR UPDATE`, c.user(user))
			_, wait := tx.Exec(context.Background(), `SELECT pg_sleep(0.1)`)
			err = errors.Join(err, wait, tx.Commit(context.Background()))
		}
		if err != nil {
			c.t.Errorf("API: hold: %v", err)
		}
	default:
		var now string
		if err := c.QueryRow(context.Background(), settingsNow).Scan(&now); err != nil || now != c.settled {
			c.t.Errorf("API: the session has the settings %q of another (%v), want %q", now, err, c.settled)
		}
		for range 10 {
			c.login(user, "-3 hours")
		}
	}
}

// The API does all that it does while two janitors work: it meets no error and no
// deadlock, waits no longer than a lock timeout and a batch, and loses no token of use.
func TestBesideTheAPI(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "transaction", "session"} {
		t.Run(mode+" pool", func(t *testing.T) {
			t.Parallel()
			if mode != "transaction" {
				pgtemp.Large(t)
			}
			tab := newTable(t)
			tab.fill(20_000, "now() - interval '2 hours' - i * interval '1ms'", "false", "NULL")
			url, settled := tab.url, ""
			if mode != "" {
				url = pgtemp.Bouncer(t, tab.url, mode)
			}
			if err := tab.again().QueryRow(t.Context(), settingsNow).Scan(&settled); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
			defer stop()
			var all sync.WaitGroup
			var clients []*client
			for n := range 4 {
				c := &client{Conn: connect(t, url), t: t, number: n + 1, ledger: map[string]bool{}, settled: settled}
				clients = append(clients, c)
				for user := range 5 {
					c.do(`INSERT INTO users (id, email) VALUES ($1::uuid, $1::uuid::text)`, c.user(user))
				}
				c.do(`INSERT INTO users (id, email) VALUES ($1::uuid, $1::uuid::text)`, c.user(900))
				all.Go(func() {
					for i := 0; ctx.Err() == nil; i++ {
						c.work(i)
					}
				})
			}
			s := settings()
			s.Load = 0.5
			var mu sync.Mutex
			var deleted, locked int64
			var longest time.Duration
			outcomes := map[Outcome]int{}
			for range 2 {
				runner := connect(t, url)
				all.Go(func() {
					for ctx.Err() == nil {
						res, err := Run(t.Context(), runner, s)
						if err != nil {
							t.Errorf("run: %+v, %v", res, err)
						}
						mu.Lock()
						deleted, locked, longest = deleted+res.Deleted.Total(), locked+res.Left.Locked, max(longest, res.LongestBatch)
						outcomes[res.Outcome]++
						mu.Unlock()
					}
				})
			}
			all.Wait()
			ops, live := 0, 0
			var slowest time.Duration
			for _, c := range clients {
				ops, live, slowest = ops+c.ops, live+len(c.ledger), max(slowest, c.slowest)
				for hash := range c.ledger {
					if tab.count("token_hash = '"+hash+"'") != 1 {
						t.Errorf("lost: %s", hash)
					}
				}
			}
			t.Logf("%d API operations, the slowest %s; runs %v, %d rows deleted, the longest batch %s, %d locked; %d tokens of use, none lost",
				ops, slowest.Round(time.Millisecond), outcomes, deleted, longest.Round(time.Millisecond), locked, live)
			// A statement may wait behind another client that holds its rows for 100ms; the rest is the machine's.
			if most := s.LockTimeout + longest + 2*time.Second; slowest > most {
				t.Errorf("the API waited %s, want %s at most", slowest, most)
			}
		})
	}
}

// Whoever wants the table for DDL gets it after a batch, and the API behind it waits no longer.
func TestDDLBesideARun(t *testing.T) {
	t.Parallel()
	for _, ddl := range []struct{ name, do, undo string }{
		{"add a column", `ALTER TABLE refresh_tokens ADD COLUMN note text`, `ALTER TABLE refresh_tokens DROP COLUMN note`},
		{"index concurrently", `CREATE INDEX CONCURRENTLY more ON refresh_tokens (created_at)`, `DROP INDEX CONCURRENTLY more`},
		{"vacuum full", `VACUUM FULL refresh_tokens`, `VACUUM refresh_tokens`},
	} {
		t.Run(ddl.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.insert(token{name: "live", expires: at(week)})
			tab.fill(30_000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			runner, other := tab.again(), tab.again()
			s.BatchMaxRows, s.Load = 500, 0.5
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for deleted := int64(0); deleted < 30_000 && t.Context().Err() == nil; {
					res, err := runner.runAt(t.Context(), noon, s)
					if err != nil || res.Outcome == Failed {
						t.Errorf("run: %+v, %v", res, err)
						return
					}
					deleted += res.Deleted.Total()
				}
			}()
			var slowest time.Duration
			times := 0
			for working := true; working; times++ {
				for _, sql := range []string{ddl.do, ddl.undo} {
					began := time.Now()
					other.exec(sql)
					slowest = max(slowest, time.Since(began))
				}
				select {
				case <-ended:
					working = false
				default:
				}
			}
			t.Logf("%d times, the slowest %s", times, slowest.Round(time.Millisecond))
			if slowest > 5*time.Second {
				t.Errorf("the DDL took %s", slowest)
			}
			tab = tab.again() // the columns of a prepared statement may have changed
			tab.survive("live")
		})
	}
}
