package janitor

import (
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
