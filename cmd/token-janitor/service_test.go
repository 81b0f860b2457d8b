package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/config"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/metrics"
	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
)

// configure is what these flags, and nothing else, make of the configuration.
func configure(t *testing.T, flags ...string) config.Config {
	t.Helper()
	cfg, err := config.Parse(config.Program{Args: flags})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// testService is a service without jitter and rests, which logs to log.
func testService(t *testing.T, log io.Writer, flags ...string) *service {
	t.Helper()
	flags = append([]string{
		"--schedule=@every 1h", "--schedule-jitter=0s", "--run-on-start=false", "--listen=127.0.0.1:0",
		"--batch-max-rows=1000", "--load=1", "--max-rate=0", "--connect-timeout=10s",
	}, flags...)
	return &service{
		Config:  configure(t, flags...),
		log:     slog.New(slog.NewTextHandler(log, nil)),
		metrics: metrics.New(build()),
	}
}

// TestBootBacksOff for ever, says at first and now and then what it waits for, and hears at once when that changes.
func TestBootBacksOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := testService(t, &log, "--database-url-file="+filepath.Join(dir, "url"))
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		var tries []time.Time
		_, err := s.boot(ctx, migrations.Check, func(err error) bool {
			if !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			tries = append(tries, time.Now())
			return true
		}, nil)
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, want what it waited for", err)
		}
		wait := firstRetry
		for i := range len(tries) - 1 {
			if got := tries[i+1].Sub(tries[i]); got < wait/2 || got > wait*3/2 {
				t.Errorf("wait %d was %s, want %s by half", i, got, wait)
			}
			wait = min(2*wait, lastRetry)
		}
		if len(tries) < 80 || len(tries) > 250 { // an hour in pauses of 15 to 45 seconds
			t.Errorf("%d tries in an hour", len(tries))
		}
		if n := strings.Count(log.String(), "waiting for the database"); n < 10 || n > 12 {
			t.Errorf("told %d times in an hour, want every five minutes:\n%s", n, &log)
		}
		if got := s.history.View().Unready(); !strings.Contains(got, "waiting: --database-url-file: open ") {
			t.Errorf("the page says %q", got)
		}
	})
}

func TestBootTellsWhatChanges(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "url")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := testService(t, &log, "--database-url-file="+file)
		tries := 0
		_, err := s.boot(t.Context(), migrations.Check, func(error) bool {
			tries++
			switch tries {
			case 3:
				write(t, file, " \n")
			case 6:
				write(t, file, "mysql://u:"+secret+"@db/app")
			}
			return tries < 8
		}, nil)
		if err == nil || strings.Contains(err.Error()+log.String(), secret) {
			t.Errorf("got %v and\n%s", err, &log)
		}
		if n := strings.Count(log.String(), "\n"); n != 3 {
			t.Errorf("%d lines for three reasons:\n%s", n, &log)
		}
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTickWhileAnotherIsAtWorkIsCounted(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := testService(t, &log, "--database-url=postgres://nobody@127.0.0.1:1/none")
	d := &daemon{service: s}
	d.running.Lock()
	d.runAlone(t.Context())
	d.runAlone(t.Context())
	d.running.Unlock()
	if got := page(t, s, "/metrics"); !strings.Contains(got, "\ntoken_janitor_ticks_skipped_total 2\n") ||
		!strings.Contains(got, "\ntoken_janitor_runs_total{outcome=\"failed\"} 0\n") {
		t.Errorf("metrics:\n%s", got)
	}
	d.runAlone(t.Context())
	if got := page(t, s, "/metrics"); !strings.Contains(got, "\ntoken_janitor_runs_total{outcome=\"failed\"} 1\n") {
		t.Errorf("metrics:\n%s", got)
	}
}

// page is what the daemon would serve.
func page(t *testing.T, s *service, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	newPages(s).server().Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Body.String()
}

// TestPanicInATick ends that run as a failure, keeps what it had committed, and leaves
// neither a lock nor a connection behind: the next tick goes on.
func TestPanicInATick(t *testing.T) {
	t.Parallel()
	url := migrationstest.Head(t)
	conn := dial(t, url)
	if _, err := conn.Exec(t.Context(), tokensSQL, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := testService(t, &log, "--database-url="+url, "--batch-max-rows=1")
	s.history.Ready()
	s.onBatch = func(janitor.Batch) { panic("a fault of ours") }
	d := &daemon{service: s}
	d.runAlone(t.Context())
	if got := page(t, s, "/readyz"); got != "the last run failed: panic: a fault of ours\n" {
		t.Errorf("ready? %q", got)
	}
	if got := log.String(); !strings.Contains(got, "msg=panic") || !strings.Contains(got, "service_test.go") {
		t.Errorf("no stack in the log:\n%s", got)
	}
	s.onBatch = nil
	d.runAlone(t.Context())
	if got := page(t, s, "/readyz"); got != "ok\n" {
		t.Errorf("ready after the next tick? %q\n%s", got, &log)
	}
	if got := page(t, s, "/metrics"); !strings.Contains(got, "\ntoken_janitor_tokens_deleted_total{reason=\"expired\"} 4\n") ||
		!strings.Contains(got, "\ntoken_janitor_tokens_deleted_total{reason=\"revoked\"} 2\n") {
		t.Errorf("the metrics tell another number than 4 and 2:\n%s", got)
	}
	var left, connections int
	err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM survivors),
		(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'token-janitor')`).Scan(&left, &connections)
	if err != nil || left != 6 || connections > 1 { // the server may still be at the last goodbye
		t.Errorf("%d rows, %d connections (%v), want the 6 that stay and none", left, connections, err)
	}
}

func dial(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// TestDaemonLeavesNoGoroutine; it is not parallel, for those of other tests would count.
func TestDaemonLeavesNoGoroutine(t *testing.T) {
	url := migrationstest.Head(t)
	before := goleak.IgnoreCurrent()
	s := testService(t, io.Discard, "--database-url="+url, "--run-on-start")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int)
	go func() { ended <- (&daemon{service: s}).serve(ctx) }()
	if err := again(t.Context(), func() error {
		if v := s.history.View(); len(v.Runs) == 0 || v.Next.IsZero() {
			return errors.New("no run yet, or no next one planned")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d", code)
	}
	goleak.VerifyNone(t, before)
}

// TestStatusPageEscapes what comes from the server.
func TestStatusPageEscapes(t *testing.T) {
	t.Parallel()
	s := testService(t, io.Discard, `--table="<b>t</b>"`)
	s.history.Ready()
	s.history.Add(janitor.Result{Outcome: janitor.Failed, StopReason: janitor.StopError}, errors.New("<script>alert(1)</script>\nmore"))
	if got := page(t, s, "/"); strings.Contains(got, "<script>alert") || strings.Contains(got, "<b>") {
		t.Errorf("the page:\n%s", got)
	}
	if got := page(t, s, "/readyz"); strings.Count(got, "\n") != 1 {
		t.Errorf("more than a line: %q", got)
	}
}
