package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
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
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, append([]string{"--once", "--output=json", "--load=1", "--max-rate=0"}, args...)...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+url, "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Error(err)
		return
	}
	if err := json.Unmarshal(stdout.Bytes(), &sum); err != nil {
		t.Errorf("summary %q: %v\n%s", stdout.String(), err, stderr.String())
	}
	return sum, cmd.ProcessState.ExitCode(), stderr.String()
}

// TestKilledAtAnyMoment: kill -9 loses no token that is of use and blocks nobody: the next run finishes the work.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	url := pgtemp.Head(t)
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

// TestFiftyAtOnce: each row is deleted by one of them, and nobody fails.
func TestFiftyAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtemp.Head(t)
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
			if code != exitDone || sum.Error != nil {
				t.Errorf("exit code %d: %+v\n%s", code, sum, log)
			}
		})
	}
	all.Wait()
	t.Logf("%v", outcomes)
	if deleted != due || count(t, conn, "true") != live || count(t, conn, `token_hash LIKE 'live %'`) != live {
		t.Errorf("they say %d of %d; %d rows are left, want %d", deleted, due, count(t, conn, "true"), live)
	}
}

// started is a daemon as a process of its own.
type started struct {
	cmd  *exec.Cmd
	addr string
	mu   sync.Mutex
	log  bytes.Buffer
}

func (d *started) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *started) said(words string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(d.log.String(), words)
}

// start starts a daemon; shell is what a shell does before.
func start(t *testing.T, shell, url string, args ...string) *started {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &started{addr: l.Addr().String()}
	_ = l.Close()
	d.cmd = exec.Command("/bin/sh", append([]string{"-c", shell + `exec "$0" "$@"`, program(t), "--listen=" + d.addr, "--schedule=@every 1s", "--schedule-jitter=0"}, args...)...)
	d.cmd.Env = append(os.Environ(), "DATABASE_URL="+url)
	d.cmd.Stderr = d
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Signal(os.Interrupt)
		if err := d.cmd.Wait(); err != nil {
			t.Errorf("the daemon: %v", err)
		}
		if t.Failed() {
			t.Logf("its log:\n%s", d.log.String())
		}
	})
	return d
}

// hears waits until the daemon has said some words so many times more.
func (d *started) hears(t *testing.T, words string, times int) {
	t.Helper()
	before := d.said(words)
	if err := again(t.Context(), func() error {
		if n := d.said(words) - before; n < times {
			return fmt.Errorf("%d of %d times: %s", n, times, words)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestOutOfFiles: the daemon goes on when it can open no file more, and works again when it can.
func TestOutOfFiles(t *testing.T) {
	t.Parallel()
	url := pgtemp.Head(t)
	conn := dial(t, url)
	const limit = 24
	d := start(t, fmt.Sprintf("ulimit -n %d; ", limit), url)
	d.hears(t, "outcome=drained", 1)
	var held []net.Conn
	for range limit {
		c, err := net.Dial("tcp", d.addr)
		if err != nil {
			break
		}
		_, _ = c.Write([]byte("GET /healthz HTTP/1.1\r\n")) // and no more
		held = append(held, c)
	}
	backlog(t, conn, 300)
	d.hears(t, "too many open files", 2)
	if n := count(t, conn, `token_hash LIKE 'due %'`); n != 300 {
		t.Errorf("%d due", n)
	}
	for _, c := range held {
		_ = c.Close()
	}
	d.hears(t, "outcome=drained", 2)
	if n := count(t, conn, `token_hash LIKE 'due %'`); n != 0 {
		t.Errorf("%d due tokens are left", n)
	}
	resp, err := http.Get("http://" + d.addr + "/readyz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("ready? %v, %v", resp, err)
	}
	if err == nil {
		_ = resp.Body.Close()
	}
}

// TestNoConnectionLeft is waited out: by --once as long as it may, by the daemon for ever.
func TestNoConnectionLeft(t *testing.T) {
	t.Parallel()
	url := pgtemp.Head(t)
	conn, path := dial(t, url), program(t)
	backlog(t, conn, 300)
	var database string
	if err := conn.QueryRow(t.Context(), `SELECT current_database()`).Scan(&database); err != nil {
		t.Fatal(err)
	}
	role := pgx.Identifier{database}.Sanitize() // a superuser is not limited
	for _, sql := range []string{
		`CREATE ROLE ` + role + ` LOGIN CONNECTION LIMIT 1`, `GRANT SELECT, UPDATE, DELETE ON refresh_tokens TO ` + role, `GRANT SELECT ON alembic_version TO ` + role,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_, _ = conn.Exec(context.Background(), `DROP OWNED BY `+role+`; DROP ROLE `+role, pgx.QueryExecModeSimpleProtocol)
	})
	url = strings.Replace(url, "postgres@", database+"@", 1)
	holder := dial(t, url)
	sum, code, log := once(t, path, url, "--connect-timeout=1s")
	if code != exitFailed || sum.Outcome != "failed" || sum.Error == nil || !strings.Contains(*sum.Error, "too many connections") {
		t.Errorf("exit code %d: %+v\n%s", code, sum, log)
	}
	d := start(t, "", url)
	d.hears(t, "too many connections", 1)
	_ = holder.Close(t.Context())
	d.hears(t, "outcome=drained", 1)
	if n := count(t, conn, `token_hash LIKE 'due %'`); n != 0 {
		t.Errorf("%d due tokens are left", n)
	}
}
