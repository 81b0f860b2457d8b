package janitor

import (
	"fmt"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// What a run tells of the table's space is true as it ends: what it deleted is dead, and
// vacuum has not been.
func TestSpace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		setUp  func(*table)
		leaves []string
		more   int64 // expired rows that setting up makes
	}{
		{name: "as migrated", leaves: []string{"refresh_tokens"}},
		{name: "partitioned", setUp: (*table).partition, leaves: []string{"part0", "part1", "part2"}},
		{name: "with the least rights", setUp: (*table).lessRights, leaves: []string{"refresh_tokens"}, more: 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			owner := tab.other()
			if c.setUp != nil {
				c.setUp(tab)
			}
			for _, leaf := range c.leaves {
				owner.exec(`ALTER TABLE ` + leaf + ` SET (autovacuum_enabled = off)`)
			}
			owner.fill(3000, fmt.Sprintf("CASE WHEN i <= 1000 THEN '%s' ELSE '%s' END", at(-2*time.Hour), at(week)), "false", "NULL")
			_ = owner.Close(t.Context()) // it tells the statistics
			for told := false; !told; {  // tab as well, at a statement a second later
				err := tab.QueryRow(t.Context(), `SELECT sum(n_live_tup) = $1 FROM pg_stat_user_tables WHERE relname <> 'users'`, 3000+c.more).Scan(&told)
				if err != nil {
					t.Fatal(err)
				}
			}

			got := tab.run(settings()).Space
			got.holds(t, "after the run", 2000, 1000+c.more)
			if !got.Vacuumed.IsZero() {
				t.Errorf("after the run: vacuumed at %s", got.Vacuumed)
			}
			if got.TableBytes < 3000*100 {
				t.Errorf("3000 rows take %d bytes in the table", got.TableBytes)
			}
			if got.IndexBytes < 3000*16 {
				t.Errorf("3000 rows take %d bytes in indexes", got.IndexBytes)
			}
			if all := got.TableBytes + got.IndexBytes; all > 8<<20 {
				t.Errorf("3000 rows take %d bytes", all)
			}
			// As between two runs of a daemon, whose connection ends: what it had not told it tells then.
			next := tab.other()
			pid := tab.PgConn().PID()
			_ = tab.Close(t.Context())
			next.await(fmt.Sprintf(`NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %d)`, pid))
			next.exec(`VACUUM refresh_tokens`)
			got = next.run(settings()).Space
			got.holds(t, "after a vacuum", 2000, 0)
			if time.Since(got.Vacuumed).Abs() > time.Minute {
				t.Errorf("after a vacuum: vacuumed at %s", got.Vacuumed)
			}
		})
	}
}

// holds fails the test unless the space is known to hold so many rows.
func (got Space) holds(t *testing.T, when string, live, dead int64) {
	t.Helper()
	if !got.Known {
		t.Errorf("%s: it is not known", when)
	}
	if got.LiveRows != live {
		t.Errorf("%s: %d live rows, want %d", when, got.LiveRows, live)
	}
	if got.DeadRows != dead {
		t.Errorf("%s: %d dead rows, want %d", when, got.DeadRows, dead)
	}
}

// A run that finds another at work leaves it to that one to tell; a dry run tells.
func TestWhoTellsOfSpace(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	other := tab.hold(`SELECT pg_advisory_xact_lock(1953128814, 'refresh_tokens'::regclass::oid::integer)`)
	if res := (expect{stop: StopOther}).of(t, "beside another", tab.run(s)); res.Space.Known {
		t.Errorf("beside another: %+v", res.Space)
	}
	s.DryRun = true
	if res := tab.run(s); !res.Space.Known {
		t.Errorf("dry: %+v", res)
	}
	other.exec(`ROLLBACK`)
	s.DryRun = false
	pooled := &table{Conn: connect(t, pgtemp.Bouncer(t, tab.url, "transaction")), t: t}
	if res := pooled.run(s); !res.Space.Known {
		t.Errorf("through PgBouncer: %+v", res)
	}
}

// A server that forgot its statistics in a crash is believed in nothing that they say.
func TestStatisticsAreForgotten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		setUp func(*table)
	}{{"as migrated", func(*table) {}}, {"partitioned", (*table).partition}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server, tab := own(t, pgtemp.Setting("autovacuum", "off"))
			s := settings()
			c.setUp(tab)
			tab.fill(2000, constant(week), "false", "NULL")
			tab.fill(50, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.exec(`VACUUM ANALYZE refresh_tokens`)
			crash := func(at *table) *table {
				t.Helper()
				at.exec(`CHECKPOINT`) // or the crash takes more than statistics
				if err := server.Down(t.Context(), pgtemp.Immediate); err != nil {
					t.Fatal(err)
				}
				if err := server.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				return tab.other()
			}

			after := crash(tab)
			s.OnBatch = func(b Batch) {
				if b.Rows > 0 && (b.About < 1 || b.About > 200) {
					t.Errorf("about %d rows were due, want some 50", b.About)
				}
			}
			got := expect{stop: StopDrained, deleted: Counts{Expired: 50}}.of(t, "run", after.run(s)).Space
			if !got.Forgot || !got.Known || !got.Vacuumed.IsZero() {
				t.Errorf("after a crash: %+v", got)
			}
			got.holds(t, "after a crash", 2000, -1)
			again := tab.other()
			got = again.run(s).Space
			if got.LiveRows < 2000 || got.LiveRows > 2050 || got.DeadRows != -1 {
				t.Errorf("in the next run: %+v", got)
			}
			again.exec(`VACUUM refresh_tokens`)
			got = again.run(s).Space
			if got.Forgot || got.Vacuumed.IsZero() {
				t.Errorf("after a vacuum: %+v", got)
			}
			got.holds(t, "after a vacuum", 2000, 0)

			again.exec(`UPDATE pg_class SET reltuples = -1 WHERE relname LIKE 'refresh_tokens' OR relname LIKE 'part_'`)
			got = crash(again).run(s).Space
			if !got.Forgot {
				t.Errorf("nothing in the catalogue: %+v", got)
			}
			got.holds(t, "nothing in the catalogue", -1, -1)
		})
	}
}
