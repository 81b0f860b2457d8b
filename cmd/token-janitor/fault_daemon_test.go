package main

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
)

// started is a daemon as a process of its own.
type started struct {
	cmd    *exec.Cmd
	addr   string
	killed bool
	mu     sync.Mutex
	log    bytes.Buffer
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
		if d.killed {
			return
		}
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

// kill is kill -9.
func (d *started) kill() {
	d.killed = true
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
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

// page waits until a page of the daemon has this status and holds these words, and returns it.
func (d *started) page(t *testing.T, status int, path string, words ...string) (body string) {
	t.Helper()
	if err := again(t.Context(), func() error {
		var got int
		if got, body = d.get(t, path); got != status {
			return fmt.Errorf("%d: %s", got, body)
		}
		for _, w := range words {
			if !strings.Contains(html.UnescapeString(body), w) {
				return fmt.Errorf("no %q in %s", w, body)
			}
		}
		return nil
	}); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return body
}

// get is a page of the daemon; 0 if it does not answer.
func (d *started) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	resp, err := http.Get("http://" + d.addr + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// TestOutOfFiles: the daemon goes on when it can open no file more, and works again when it can.
func TestOutOfFiles(t *testing.T) {
	t.Parallel()
	url := migrationstest.Head(t)
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
	d.hears(t, "too many open files", 1) // not all are taken up at once: until then a run may find one
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
	url := migrationstest.Head(t)
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
	if code != exitFailed || sum.Outcome != "failed" || sum.Error == nil || !strings.Contains(*sum.Error, "SQLSTATE 53300") {
		t.Errorf("exit code %d: %+v\n%s", code, sum, log)
	}
	d := start(t, "", url)
	d.hears(t, "SQLSTATE 53300", 1)
	_ = holder.Close(t.Context())
	d.hears(t, "outcome=drained", 1)
	if n := count(t, conn, `token_hash LIKE 'due %'`); n != 0 {
		t.Errorf("%d due tokens are left", n)
	}
}
