package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// asDemo makes the test binary the demo.
const asDemo = "TOKEN_JANITOR_TEST_AS_DEMO"

func TestMain(m *testing.M) {
	if os.Getenv(asDemo) != "" {
		main()
	}
	pgtemp.Main(m)
}

// limit is what a loaded machine may take for what an idle one does in a second.
const limit = time.Minute

// demo is a running one, as a process of its own.
type demo struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  chan string
	stdout strings.Builder
	stderr bytes.Buffer
	out    io.Closer // stops reading stdout
	temp   string    // its folder for temporary files
	heirs  *os.File  // ends when the demo and all that it started are gone
}

func start(t *testing.T, args ...string) *demo {
	t.Helper()
	heirs, inherited, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{t: t, cmd: exec.Command(os.Args[0], args...), lines: make(chan string, 1000), temp: t.TempDir(), heirs: heirs}
	// A descriptor that the demo does not know of goes to all that it starts: the pipe ends with the last of them.
	// Not 3, which hold.sh and pgtemp use.
	d.cmd.ExtraFiles = []*os.File{nil, inherited}
	d.cmd.Env = append(os.Environ(), asDemo+"=1", "TMPDIR="+d.temp)
	d.cmd.Stderr = &d.stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.out = out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inherited.Close()
	go func() {
		defer close(d.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			d.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // no news if it has ended
		heirs.Close()
	})
	return d
}

// await reads lines until one matches, and returns the first group.
func (d *demo) await(pattern string) string {
	d.t.Helper()
	want := regexp.MustCompile(pattern)
	late := time.After(limit)
	for {
		select {
		case line, ok := <-d.lines:
			if !ok {
				_ = d.cmd.Wait()
				d.t.Fatalf("it ended and never said %q; it said:\n%s%s", pattern, &d.stdout, &d.stderr)
			}
			fmt.Fprintln(&d.stdout, line)
			if m := want.FindStringSubmatch(line); m != nil {
				return m[len(m)-1]
			}
		case <-late:
			d.t.Fatalf("it never said %q; it said:\n%s", pattern, &d.stdout)
		}
	}
}

// end waits until the demo is gone, and all that it started, and returns its exit code.
func (d *demo) end() int {
	d.t.Helper()
	late := time.AfterFunc(limit, func() { _ = d.cmd.Process.Kill() })
	defer late.Stop()
	for line := range d.lines {
		fmt.Fprintln(&d.stdout, line)
	}
	_ = d.cmd.Wait() // the code says it
	if err := d.heirs.SetReadDeadline(time.Now().Add(limit)); err != nil {
		d.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, d.heirs); err != nil {
		d.t.Errorf("something outlives the demo: %v", err)
	}
	left, err := os.ReadDir(d.temp)
	if err != nil || len(left) > 0 {
		d.t.Errorf("it leaves %v, %v", left, err)
	}
	return d.cmd.ProcessState.ExitCode()
}

// said fails the test unless the demo ended so and said so.
func (d *demo) said(code int, output string, want ...string) {
	d.t.Helper()
	if got := d.cmd.ProcessState.ExitCode(); got != code {
		d.t.Errorf("exit code %d, want %d", got, code)
	}
	for _, w := range want {
		if !strings.Contains(output, w) {
			d.t.Errorf("it does not say %q", w)
		}
	}
	if d.t.Failed() {
		d.t.Logf("it said:\n%s%s", &d.stdout, &d.stderr)
	}
}

func TestAllGoesWellForAsLongAsAsked(t *testing.T) {
	t.Parallel()
	d := start(t, "--tokens", "3000", "--rate", "100", "--for", "5s")
	d.end()
	d.said(0, d.stdout.String(), "schema at 004_add_refresh_tokens", "loading 3,000 tokens", "deleted/s", "run 1 drained", "none failed", "must stay are in the table: 0 lost.",
		"What happens: ", "Open its status page: http://127.0.0.1:", "token-janitor --database-url URL --dry-run", "token-janitor --database-url URL --once")
	if d.stderr.Len() > 0 {
		t.Errorf("stderr: %s", &d.stderr)
	}
}

func TestCtrlC(t *testing.T) {
	t.Parallel()
	d := start(t, "--tokens", "1000", "--rate", "100")
	d.await("the janitor begins")
	d.interrupt()
	d.end()
	d.said(0, d.stdout.String(), "must stay are in the table: 0 lost.")
}

func TestCtrlCWhileTheStageIsSet(t *testing.T) {
	t.Parallel()
	d := start(t, "--tokens", "1000")
	d.await("throwaway PostgreSQL")
	d.interrupt()
	d.end()
	d.said(0, d.stdout.String(), "Stopped before the janitor began.")
}

func TestNobodyReads(t *testing.T) {
	t.Parallel()
	d := start(t, "--tokens", "1000")
	d.await("throwaway PostgreSQL")
	d.out.Close()
	d.end()
	d.said(0, d.stderr.String())
}

func (d *demo) interrupt() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		d.t.Fatal(err)
	}
}

func TestKilledLeavesNothing(t *testing.T) {
	t.Parallel()
	d := start(t, "--tokens", "1000")
	d.await("the janitor begins")
	if err := d.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.end()
}

func TestLostTokenEndsTheShow(t *testing.T) {
	t.Parallel()
	d := start(t, "--tokens", "3000", "--rate", "50")
	// One that only the ledger knows of: the API does not ask for it again.
	id := d.behind(`DELETE FROM refresh_tokens WHERE id = (SELECT id FROM refresh_tokens
		WHERE revoked_at > now() - interval '2 days' AND expires_at > now() LIMIT 1) RETURNING id::text`)
	d.end()
	d.said(1, d.stderr.String(), "demo: token "+id+" is LOST")
	if strings.Contains(d.stdout.String(), "0 lost") {
		t.Error("it says that none was lost")
	}
}

// behind does something behind the demo's back while it works and returns the one value of it.
func (d *demo) behind(sql string) (value string) {
	d.t.Helper()
	url := d.await(`database +(postgres://\S+)`)
	d.await("^ +1 s ")
	ctx, done := context.WithTimeout(d.t.Context(), limit)
	defer done()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, sql).Scan(&value); err != nil {
		d.t.Fatal(err)
	}
	return value
}

func TestBadUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"--tokens lots", `invalid value "lots" for flag -tokens`},
		{"--tokens -1", "--tokens: -1 is not between 0 and 10,000,000"},
		{"--tokens 10000001", "--tokens: 10000001 is not between 0 and 10,000,000"},
		{"--for 10", `invalid value "10" for flag -for`},
		{"--for -1s", "--for: -1s is below 0"},
		{"--lifetime 1h", "--lifetime: it goes with --api-only and is not below 30s"},
		{"--api-only postgres://127.0.0.1 --lifetime 1s", "--lifetime: it goes with --api-only and is not below 30s"},
		{"--rate 0", "--rate: 0 is not between 1 and 2,000"},
		{"--listen 9856", `--listen: "9856" is not HOST:PORT`},
		{"--speed 9", "flag provided but not defined: -speed"},
		{"--for 1s now", `unexpected argument "now"`},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			d := start(t, strings.Fields(c.args)...)
			d.end()
			d.said(2, d.stderr.String(), "demo: "+c.want)
			if n := strings.Count(d.stderr.String(), "\n"); n != 1 || d.stdout.Len() > 0 {
				t.Errorf("%d lines on stderr and %q on stdout, want one line in all", n, &d.stdout)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	d := start(t, "--help")
	d.end()
	d.said(0, d.stdout.String(), "-tokens number", "-for duration", "-rate operations", "-listen address", "-api-only URL", "-lifetime duration")
}
