package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/status"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// TestProgressIsTold in a line each half minute, in the metrics at each batch, and no more
// when the run is over.
func TestProgressIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := testService(t, &log)
		s.history.Begin()
		began := time.Now()
		batch := janitor.Batch{Reason: janitor.Expired, Pass: janitor.Expired, Rows: 1000, Took: time.Second, About: 400_000}
		for time.Since(began) < 100*time.Second {
			time.Sleep(time.Second)
			batch.Done.Expired += 1000
			s.recordBatch(batch)
		}
		var told []string
		for line := range strings.Lines(log.String()) {
			_, line, _ = strings.Cut(strings.TrimSpace(line), "msg=")
			told = append(told, line)
		}
		want := []string{
			`running deleted_expired=30000 deleted_revoked=0 rows_per_second=1000 pass=expired about_left=370000 eta=6m10s`,
			`running deleted_expired=60000 deleted_revoked=0 rows_per_second=1000 pass=expired about_left=340000 eta=5m40s`,
			`running deleted_expired=90000 deleted_revoked=0 rows_per_second=1000 pass=expired about_left=310000 eta=5m10s`,
		}
		if strings.Join(told, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
		}
		metrics := func(want ...string) {
			t.Helper()
			page := page(t, s, "/metrics")
			for _, line := range want {
				if !strings.Contains(page, "\ntoken_janitor_run_"+line+"\n") {
					t.Errorf("no %s in %s", line, regexp.MustCompile(`(?m)^token_janitor_run_(progress|remaining|eta).*`).FindAllString(page, -1))
				}
			}
		}
		metrics("progress_rows 100000", "remaining_rows 300000", "eta_seconds 300")

		log.Reset()
		for range 60 {
			time.Sleep(time.Second)
			s.recordRest(janitor.Rest{Cause: janitor.ForVacuum, For: time.Second})
		}
		if n := strings.Count(log.String(), " waits_for=vacuum\n"); n != 2 {
			t.Errorf("told %d times in a minute what it waits for:\n%s", n, &log)
		}
		batch.About = -1
		s.recordBatch(batch)
		metrics("progress_rows 100000", "remaining_rows NaN", "eta_seconds NaN")
		s.metrics.Run(janitor.Result{Outcome: janitor.Drained, StopReason: janitor.StopDrained, Began: began})
		metrics("progress_rows 0", "remaining_rows 0", "eta_seconds 0")
	})
}

// TestProgressAfterKill: what another process tells is about what is left, and not what
// there once was, though nobody has counted since.
func TestProgressAfterKill(t *testing.T) {
	t.Parallel()
	pgtemp.Large(t)
	url := migrationstest.Head(t)
	conn := dial(t, url)
	const due = 120_000
	if _, err := conn.Exec(t.Context(), `ALTER TABLE refresh_tokens SET (autovacuum_enabled = off)`); err != nil {
		t.Fatal(err)
	}
	backlog(t, conn, due*3/2) // a third of it is revoked
	if _, err := conn.Exec(t.Context(), `ANALYZE refresh_tokens`); err != nil {
		t.Fatal(err)
	}
	expired := func() int64 { return count(t, conn, `expires_at < now() - interval '1 hour'`) }
	atWork := func(d *started) (r *status.Running, err error) {
		resp, err := http.Get("http://" + d.addr + "/status.json")
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		var st status.Status
		if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
			return nil, err
		}
		if st.Running == nil || st.Running.Pass != janitor.Expired || st.Running.Due == nil || st.Running.ToGo == nil {
			return nil, errors.New("nothing is known of a run")
		}
		return st.Running, nil
	}
	for left := int64(due); left > due/4; {
		d := start(t, "", url, "--load=1", "--max-rate=30000", "--batch-max-rows=1000")
		began := left
		var last *status.Running
		err := again(t.Context(), func() error {
			r, err := atWork(d)
			if err != nil {
				return err
			}
			if last = r; r.Deleted.Expired < 30_000 {
				return fmt.Errorf("%d deleted", r.Deleted.Expired)
			}
			return nil
		})
		d.kill()
		if err != nil {
			t.Fatal(err)
		}
		if *last.Due < began*8/10 || *last.Due > began*12/10 {
			t.Errorf("it told of about %d, when %d were due", *last.Due, began)
		}
		// 30,000 rows a second, and a busy machine.
		if rest := float64(began-last.Deleted.Expired) / last.Rate; *last.ToGo < rest/4 || *last.ToGo > rest*4 {
			t.Errorf("%.1f s to go, want about %.1f at %.0f rows/s", *last.ToGo, rest, last.Rate)
		}
		left = expired()
		t.Logf("%d were due, it told of %d, and of %.1f s; %d are left", began, *last.Due, *last.ToGo, left)
	}
	if sum, code, log := once(t, program(t), url); code != exitDone || sum.Outcome != janitor.Drained || count(t, conn, `token_hash LIKE 'due %'`) > 0 {
		t.Errorf("the last run: %d, %+v\n%s", code, sum, log)
	}
}

// TestNightly: a budget makes a nightly job of a backlog. Each run but the last says that it
// stopped at it, each begins where the one before ended, and together they delete all.
func TestNightly(t *testing.T) {
	t.Parallel()
	for budget, stop := range map[string]janitor.StopReason{"--max-rows=700": janitor.StopMaxRows, "--max-run-time=400ms": janitor.StopMaxRunTime} {
		t.Run(budget, func(t *testing.T) {
			t.Parallel()
			url := migrationstest.Head(t)
			conn, path := dial(t, url), program(t)
			const due = 9000
			live := backlog(t, conn, due)
			var deleted int64
			for night := 1; ; night++ {
				sum, code, log := once(t, path, url, budget, "--max-rate=5000", "--batch-max-rows=200")
				deleted += sum.Deleted.Total()
				if code == exitDone && sum.Outcome == janitor.Drained && sum.StopReason == janitor.StopDrained && night > 3 {
					break
				}
				if code != exitOverdue || sum.Outcome != janitor.Partial || sum.StopReason != stop || sum.Deleted.Total() == 0 {
					t.Fatalf("night %d: exit code %d, %+v\n%s", night, code, sum, log)
				}
			}
			if deleted != due || count(t, conn, "true") != live {
				t.Errorf("%d deleted, want %d; %d left, want %d", deleted, due, count(t, conn, "true"), live)
			}
		})
	}
}
