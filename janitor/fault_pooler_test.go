package janitor

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// A pooler loses its server in the middle of a batch: what it says of that is not the
// server's word, so the batch is in doubt, and the counts stay true.
func TestPoolerLosesItsServer(t *testing.T) {
	t.Parallel()
	for _, terminate := range []bool{true, false} {
		t.Run(fmt.Sprintf("terminated %v", terminate), func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			const due = 20_000
			tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.insert(token{name: "live", expires: at(week)})
			p, far := tab.through()
			url := pgtemp.Bouncer(t, far.url, "transaction")
			killer := tab.again()
			s.fixWindows(100)
			var gone, deleted, doubt int64
			var kills sync.WaitGroup
			pid := tab.PgConn().PID()
			for run := 0; gone < due; run++ {
				runner := &table{Conn: connect(t, url), t: t, url: url}
				if p.set(nil, nil); !terminate && run < 7 {
					p.set(nil, onAnswer(func(_ *proxy, server, client net.Conn) { server.Close(); client.Close() }))
				}
				s.OnBatch = func(b Batch) {
					if b.Done.Expired != 500 || !terminate {
						return
					}
					kills.Go(func() {
						<-time.After(time.Duration(run%8) * time.Millisecond / 2) // at any moment of a batch
						_, _ = killer.Exec(context.Background(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
							WHERE datname = current_database() AND pid NOT IN (pg_backend_pid(), $1::int)`, int64(pid))
					})
				}
				res, err := runner.runAt(t.Context(), noon, s)
				kills.Wait()
				_ = runner.Close(t.Context())
				if err != nil && res.StopReason != StopConnection {
					t.Errorf("run: %+v, %v", res, err)
				}
				// What is cut off may still be committed a moment later: so the sums are compared.
				deleted, doubt = deleted+res.Deleted.Total(), doubt+res.Uncertain
				gone = due + 1 - tab.count("true")
				if gone < deleted || gone > deleted+doubt {
					t.Fatalf("%d rows are gone, it said %d to %d: %v", gone, deleted, deleted+doubt, err)
				}
				if run == 7 {
					s.BatchMaxRows = 5000 // seen enough
				}
			}
			t.Logf("in doubt: up to %d rows", doubt)
			if !terminate && doubt == 0 {
				t.Error("nothing was ever in doubt")
			}
			tab.survive("live")
		})
	}
}

// A pooler that allows a query less time than a statement has: the row that takes longer is left as slow, as without a pooler,
// and the rows behind it go.
func TestPoolerAllowsLessTime(t *testing.T) {
	t.Parallel()
	for _, alone := range []bool{true, false} {
		t.Run(fmt.Sprintf("alone %v", alone), func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.insert(token{name: "slow", expires: at(-3 * time.Hour)}, token{name: "live", expires: at(week)})
			behind := 0
			if !alone {
				behind = 500
			}
			tab.fill(behind, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.fill(50, constant(week), "true", constant(-2*week))
			tab.exec(`CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.token_hash = 'slow' THEN PERFORM pg_sleep(60); END IF; RETURN OLD; END $$`)
			tab.exec(`CREATE TRIGGER sleep BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION sleep()`)
			url := pgtemp.Bouncer(t, tab.url, "transaction", "query_timeout = 1")
			runner := &table{Conn: connect(t, url), t: t, url: url}
			s.StatementTimeout = 3 * time.Second
			s.Reconnect = func(context.Context) (*pgx.Conn, error) { return connect(t, url), nil }
			res := runner.run(s)
			expect{stop: StopLeft, deleted: Counts{Expired: int64(behind), Revoked: 50}, left: Left{Slow: 1}}.of(t, "run", res)
			if res.BatchesTimedOut == 0 {
				t.Error("no batch is told to have timed out")
			}
			tab.survive("slow", "live")
		})
	}
}
