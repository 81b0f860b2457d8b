package janitor

import (
	"fmt"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// After a sweep the due rows are counted, unless nobody can have moved one.
func TestCountAfterASweep(t *testing.T) {
	t.Parallel()
	server, tab := own(t, pgtemp.Setting("autovacuum", "off"))
	tab.exec(`CREATE TABLE elsewhere (n int)`)
	if err := server.Create(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	other := connect(t, server.URL("other"))
	exec := func(sql string) func() {
		return func() {
			if _, err := other.Exec(t.Context(), sql); err != nil {
				t.Error(err)
			}
		}
	}
	for _, variant := range []struct {
		name         string
		before, then func() // the latter between two batches
		trigger      bool
		counts       bool
	}{
		{name: "nobody else"},
		{name: "another reads", then: exec(`SELECT count(*) FROM pg_class`)},
		{name: "another writes, elsewhere", then: exec(`CREATE TABLE a (n int)`), counts: true},
		{name: "another gives up", then: exec(`BEGIN; CREATE TABLE b (n int); ROLLBACK`), counts: true},
		{name: "another has begun to write", before: exec(`BEGIN; CREATE TABLE c (n int)`), then: exec(`COMMIT`), counts: true},
		{name: "another begins to write, and has yet to commit", then: exec(`BEGIN; CREATE TABLE d (n int)`), counts: true},
		{name: "a trigger", trigger: true, counts: true},
	} {
		t.Run(variant.name, func(t *testing.T) {
			tab.t, tab.tune, tab.taken = t, sweepAll, &recorder{}
			tab.exec(`TRUNCATE refresh_tokens`)
			if variant.before != nil { // before transactions that end, or the server would not know of it
				variant.before()
			}
			tab.insert(token{name: "live", expires: at(week)})
			tab.fill(3000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.fill(500, constant(week), "true", constant(-2*week))
			if variant.trigger {
				tab.exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`)
				tab.exec(`CREATE TRIGGER note AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION note()`)
			}
			s, acted := settings(), false
			s.BatchMaxRows = 200
			s.OnBatch = func(b Batch) {
				if b.Done.Expired > 1000 && !acted && variant.then != nil {
					acted = true
					variant.then()
				}
			}
			expect{stop: StopDrained, deleted: Counts{Expired: 3000, Revoked: 500}}.of(t, "run", tab.run(s))
			counted := tab.taken.taken[transition{"countByBlock", "due rows counted", end}] > 0
			if counted != variant.counts {
				t.Errorf("counted: %t, want %t; taken: %v", counted, variant.counts, tab.taken.taken)
			}
			tab.survive("live")
			exec(`ROLLBACK`)()
		})
	}
}

// After windows a run looks for rows that have come to lie behind it, over the dead entries of all that it deleted,
// unless nobody can have put one there.
func TestLookBehindWindows(t *testing.T) {
	t.Parallel()
	_, tab := own(t, pgtemp.Setting("autovacuum", "off"))
	tab.exec(`CREATE TABLE elsewhere (n int)`)
	const due = 3000
	read := func() (entries int64) {
		t.Helper()
		if err := tab.QueryRow(t.Context(), `SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'ix_refresh_tokens_expires_at'`).Scan(&entries); err != nil {
			t.Fatal(err)
		}
		return entries
	}
	for _, variant := range []struct {
		name  string
		then  string
		looks bool
	}{
		{name: "nobody else", then: `SELECT FROM elsewhere`},
		{name: "another writes", then: `INSERT INTO elsewhere VALUES (1)`, looks: true},
	} {
		t.Run(variant.name, func(t *testing.T) {
			tab.t = t
			tab.exec(`TRUNCATE refresh_tokens`)
			tab.insert(token{name: "live", expires: at(week)})
			tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
			janitor, beside, acted := tab.other(), tab.other(), false
			s := settings()
			s.BatchMaxRows = 200
			s.OnBatch = func(b Batch) {
				if b.Done.Expired > due/2 && !acted {
					acted = true
					beside.exec(variant.then)
				}
			}
			before := read()
			expect{stop: StopDrained, deleted: Counts{Expired: due}}.of(t, "run", janitor.run(s))
			pid := janitor.PgConn().PID()
			if err := janitor.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			// A session that ends tells the server's statistics what it read, before it is gone.
			tab.await(fmt.Sprintf(`NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %d)`, pid))
			// An edge and a DELETE read each entry once.
			if n := read() - before; (n > due*5/2) != variant.looks {
				t.Errorf("%d entries of the index were read for %d rows; looked behind: want %t", n, due, variant.looks)
			}
			tab.survive("live")
		})
	}
}
