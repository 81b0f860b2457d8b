package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
)

var soak = flag.Duration("soak", 5*time.Second, "how long the janitor is killed again and again")

// program is the path of the real program: this test binary, called by its name.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "token-janitor")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// backlog fills the table with live tokens, which it returns the number of, and n that are due.
func backlog(t *testing.T, conn *pgx.Conn, n int) (live int64) {
	t.Helper()
	_, err := conn.Exec(t.Context(), fmt.Sprintf(`
		INSERT INTO users (id, email) VALUES ('00000000-0000-0000-0000-000000000001', 'ada@example.org') ON CONFLICT DO NOTHING;
		INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, revoked_at)
		SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', 'due ' || gen_random_uuid(),
		       CASE WHEN i %% 3 = 0 THEN now() + interval '1 day' ELSE now() - interval '2 hours' - i * interval '1s' END,
		       i %% 3 = 0, CASE WHEN i %% 3 = 0 THEN now() - interval '8 days' END
		FROM generate_series(1, %d) AS i;
		INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, revoked_at)
		SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', 'live ' || gen_random_uuid(),
		       now() + (i - 5) * interval '10 minutes', i %% 2 = 0, CASE WHEN i %% 2 = 0 THEN now() - i * interval '1 hour' END
		FROM generate_series(1, 100) AS i`, n), pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	return count(t, conn, `token_hash LIKE 'live %'`)
}

func count(t *testing.T, conn *pgx.Conn, where string) (n int64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM refresh_tokens WHERE `+where).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// once runs the program and returns its summary and exit code.
func once(t *testing.T, path, url string, args ...string) (sum summary, code int, log string) {
	t.Helper()
	stdout, log, code := output(t, path, "DATABASE_URL="+url, append([]string{"--once", "--output=json", "--load=1", "--max-rate=0"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &sum); err != nil {
		t.Errorf("summary %q: %v\n%s", stdout, err, log)
	}
	return sum, code, log
}

// output runs the program with a variable more in its environment.
func output(t *testing.T, path, variable string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), variable, "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = &out, &log
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

// TestKilledAtAnyMoment: kill -9 loses no token that is of use and blocks nobody: the next run finishes the work.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	url := migrationstest.Head(t)
	conn, path := dial(t, url), program(t)
	live := backlog(t, conn, 1000)
	ends := time.Now().Add(*soak)
	var kills, late sync.Map
	var workers sync.WaitGroup
	for w := range 2 {
		workers.Go(func() {
			for i := 0; time.Now().Before(ends); i++ {
				cmd := exec.CommandContext(t.Context(), path, "--once", "--load=1", "--batch-max-rows=20")
				cmd.Env = append(os.Environ(), "DATABASE_URL="+url)
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				timer := time.AfterFunc(rand.N(200*time.Millisecond), func() { _ = cmd.Process.Kill() })
				_ = cmd.Wait()
				if timer.Stop() {
					late.Store([2]int{w, i}, true)
				} else {
					kills.Store([2]int{w, i}, true)
				}
			}
		})
	}
	api := dial(t, url)
	workers.Go(func() { // the API goes on, and makes work
		for i := 0; time.Now().Before(ends); i++ {
			if _, err := api.Exec(t.Context(), `INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked)
				SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', CASE WHEN $1 THEN 'live ' ELSE 'due ' END || gen_random_uuid(),
				       now() + CASE WHEN $1 THEN interval '1 hour' ELSE interval '-2 hours' END, false
				FROM generate_series(1, 10)`, i%10 == 0); err != nil {
				t.Errorf("API: %v", err)
				return
			}
			if i%10 == 0 {
				live += 10
			}
		}
	})
	workers.Wait()
	size := func(m *sync.Map) (n int) { m.Range(func(any, any) bool { n++; return true }); return n }
	due := count(t, conn, `token_hash LIKE 'due %'`)
	t.Logf("%d killed, %d had ended before; %d tokens live, %d due", size(&kills), size(&late), live, due)
	if size(&kills) == 0 {
		t.Error("none was killed")
	}
	// Those killed last may still have a batch in flight: the server ends it when it sees that they are gone.
	if err := again(t.Context(), func() error {
		sum, code, log := once(t, path, url)
		if sum.Outcome == "skipped" {
			return errors.New("the lock is held by the dead")
		}
		if code != exitDone || sum.Outcome != "drained" || sum.Deleted.Total() > due {
			t.Errorf("exit code %d: %+v\n%s", code, sum, log)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if got := count(t, conn, `token_hash LIKE 'live %'`); got != live {
		t.Errorf("%d live tokens of %d", got, live)
	}
	if got := count(t, conn, `token_hash LIKE 'due %'`); got != 0 {
		t.Errorf("%d due tokens are left", got)
	}
}

// TestFiftyAtOnce: each row is deleted by one of them, and nobody fails. Who another one takes over from says so.
func TestFiftyAtOnce(t *testing.T) {
	t.Parallel()
	url := migrationstest.Head(t)
	conn, path := dial(t, url), program(t)
	const due = 5000
	live := backlog(t, conn, due)
	var mu sync.Mutex
	outcomes, deleted := map[string]int{}, int64(0)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			sum, code, log := once(t, path, url, "--batch-max-rows=100", "--load=0.5")
			mu.Lock()
			defer mu.Unlock()
			outcomes[string(sum.Outcome)]++
			deleted += sum.Deleted.Total()
			takenOver := code == exitOverdue && sum.StopReason == janitor.StopOther && sum.Deleted.Total() > 0
			if code != exitDone && !takenOver || sum.Error != nil {
				t.Errorf("exit code %d: %+v\n%s", code, sum, log)
			}
		})
	}
	all.Wait()
	t.Logf("%v", outcomes)
	if sum, _, log := once(t, path, url); sum.Outcome != janitor.Drained {
		t.Errorf("the last run: %+v\n%s", sum, log)
	} else {
		deleted += sum.Deleted.Total()
	}
	if deleted != due || count(t, conn, "true") != live || count(t, conn, `token_hash LIKE 'live %'`) != live {
		t.Errorf("they say %d of %d; %d rows are left, want %d", deleted, due, count(t, conn, "true"), live)
	}
}
