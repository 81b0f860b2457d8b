package janitor

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Partitions come and go under a sweep, which reaches each of them directly: what is no longer the table's
// stays as it was, and what has become the table's goes.
func TestPartitionsUnderASweep(t *testing.T) {
	t.Parallel()
	const perPartition = 4000
	for _, variant := range []struct {
		name   string
		beside []string
		kept   bool // there is a table day2 that is not the table's
		more   int64
		public bool // the run is that of a role with the rights of everybody
	}{
		{name: "detached", beside: []string{`ALTER TABLE refresh_tokens DETACH PARTITION day2`}, kept: true},
		{name: "detached concurrently", beside: []string{`ALTER TABLE refresh_tokens DETACH PARTITION day2 CONCURRENTLY`}, kept: true},
		{name: "dropped", beside: []string{`DROP TABLE day2`}},
		{name: "renamed", beside: []string{`ALTER TABLE day1 RENAME TO day7`}, more: perPartition},
		{name: "another table takes the name", beside: []string{
			`BEGIN`, `ALTER TABLE day2 RENAME TO day2_old`, `CREATE TABLE day2 AS SELECT * FROM day2_old`, `COMMIT`,
		}, more: perPartition, kept: true},
		{name: "another table takes name and schema", beside: []string{
			`CREATE SCHEMA elsewhere`, `BEGIN`, `ALTER TABLE day2 SET SCHEMA elsewhere`, `CREATE TABLE day2 AS SELECT * FROM elsewhere.day2`, `COMMIT`,
		}, more: perPartition, kept: true},
		{name: "its rights go", beside: []string{`REVOKE ALL ON day2 FROM PUBLIC`}, more: perPartition, public: true},
		{name: "attached", beside: []string{
			`CREATE TABLE day3 (LIKE refresh_tokens INCLUDING ALL)`,
			fmt.Sprintf(`INSERT INTO day3 (id, user_id, token_hash, expires_at, is_revoked) SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', i::text, %s, false FROM generate_series(1, 500) AS i`, spread(-71*time.Hour, time.Second)),
			fmt.Sprintf(`ALTER TABLE refresh_tokens ATTACH PARTITION day3 FOR VALUES FROM ('%s') TO ('%s')`, at(-72*time.Hour), at(-48*time.Hour)),
		}, more: perPartition + 500},
		{name: "rewritten", beside: []string{`VACUUM FULL refresh_tokens`}, more: perPartition},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.tune = sweepAll
			tab.exec(`ALTER TABLE refresh_tokens RENAME TO plain`)
			tab.exec(`CREATE TABLE refresh_tokens (LIKE plain INCLUDING DEFAULTS) PARTITION BY RANGE (expires_at)`)
			days := []time.Duration{-144, -120, -96, -72}
			for i, from := range days[:3] {
				tab.exec(fmt.Sprintf(`CREATE TABLE day%d PARTITION OF refresh_tokens FOR VALUES FROM ('%s') TO ('%s')`, i, at(from*time.Hour), at(days[i+1]*time.Hour)))
				tab.fill(perPartition, spread((from+1)*time.Hour, time.Second), "false", "NULL")
			}
			tab.exec(fmt.Sprintf(`CREATE TABLE later PARTITION OF refresh_tokens FOR VALUES FROM ('%s') TO ('%s')`, at(-2*time.Hour), at(2*week)))
			tab.exec(`CREATE INDEX ON refresh_tokens (expires_at)`)
			tab.insert(token{name: "live", expires: at(week)})
			beside, acted := tab.other(), false
			beside.exec(`SET lock_timeout = '10s'`)
			if variant.public {
				tab.exec(`GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA public TO PUBLIC`)
				tab.as()
			}
			s.BatchMaxRows = scanRows // blocks of so many are cleared whole
			s.OnBatch = func(b Batch) {
				if !acted && b.Done.Expired > perPartition {
					acted = true
					for _, sql := range variant.beside {
						beside.exec(sql)
					}
				}
			}
			res := tab.run(s)
			if !acted {
				t.Error("nothing happened beside the run: this proves nothing")
			}
			if res.Outcome != Drained {
				t.Errorf("run: %+v", res)
			}
			if want := 2*perPartition + variant.more; res.Deleted.Expired != want {
				t.Errorf("deleted %d, want %d", res.Deleted.Expired, want)
			}
			if variant.kept {
				beside.holds(`day2`, perPartition)
			}
			if variant.public {
				tab.exec(`RESET ROLE`)
			}
			tab.survive("live")
		})
	}
}

// holds fails the test unless another table has so many rows.
func (tab *table) holds(other string, want int64) {
	tab.t.Helper()
	var rows int64
	if err := tab.QueryRow(tab.t.Context(), `SELECT count(*) FROM `+other).Scan(&rows); err != nil || rows != want {
		tab.t.Errorf("%s has %d rows, want %d: %v", other, rows, want, err)
	}
}

// A partition that is detached while a batch waits for it keeps its rows.
func TestPartitionDetachedUnderABatch(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.tune = sweepAll
	tab.partition()
	tab.insert(token{name: "live", expires: at(week)})
	tab.fill(15_000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	beside, watch, done := tab.other(), tab.other(), make(chan error, 1)
	s.BatchMaxRows, s.LockTimeout = scanRows, 10*time.Second
	var kept int64
	s.OnBatch = func(b Batch) {
		if kept > 0 || b.Done.Expired < 1000 {
			return
		}
		beside.exec(`BEGIN`)
		beside.exec(`ALTER TABLE refresh_tokens DETACH PARTITION part2`)
		if err := beside.QueryRow(t.Context(), `SELECT count(*) FROM part2`).Scan(&kept); err != nil {
			t.Error(err)
		}
		go func() {
			watch.await(`EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation IN ('part2'::regclass, 'refresh_tokens'::regclass))`)
			_, err := beside.Exec(t.Context(), `COMMIT`)
			done <- err
		}()
	}
	if res := tab.run(s); res.Outcome != Drained || kept == 0 {
		t.Errorf("run, with %d rows in what was detached: %+v", kept, res)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	tab.holds(`part2`, kept)
}

// A partition that was detached after its rows were listed keeps them.
func TestPartitionDetachedBeforeThePick(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.partition()
	tab.fill(300, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.exec(`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'`)
	tab.exec(`CREATE TRIGGER keep BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION keep()`)
	beside, kept := tab.other(), int64(-1)
	s.BatchMaxRows = 20
	s.OnBatch = func(Batch) {
		if kept < 0 {
			beside.exec(`ALTER TABLE refresh_tokens DETACH PARTITION part2`)
			if err := beside.QueryRow(context.Background(), `SELECT count(*) FROM part2`).Scan(&kept); err != nil {
				t.Error(err)
			}
		}
	}
	if res := tab.run(s); res.Outcome != Drained || kept <= 0 {
		t.Errorf("run, with %d rows in what was detached: %+v", kept, res)
	}
	tab.holds(`part2`, kept)
	tab.survive()
}

// Partitions are reached directly by whoever may do there what it may do in the table.
func TestRightsOnPartitions(t *testing.T) {
	t.Parallel()
	const reads = `DELETE, SELECT (expires_at, is_revoked, revoked_at, ctid, tableoid) ON `
	for _, variant := range []struct {
		name   string
		rights []string
		direct int // partitions
		parts  int // of the heap
	}{
		{"on the table", nil, 0, 1},
		{"on one partition", []string{reads + `part1`}, 1, 1},
		{"on all partitions", []string{reads + `part0, part1, part2`}, 3, 3},
		{"on all partitions, less than on the table", []string{reads + `part0, part1, part2`, `UPDATE (created_at) ON refresh_tokens`}, 0, 1},
		{"to delete only", []string{`DELETE ON part0, part1, part2`}, 0, 1},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.partition()
			tab.insert(token{name: "live", expires: at(week)})
			tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			var seen *run
			tab.tune = func(r *run) { sweepAll(r); seen = r }
			tab.as(append(variant.rights, reads+`refresh_tokens`, `SELECT (token_hash) ON refresh_tokens`)...)
			expect{stop: StopDrained, deleted: Counts{Expired: 1000}}.of(t, "run", tab.run(s))
			tab.survive("live")
			if got := len(seen.heap.direct); got != variant.direct {
				t.Errorf("%d partitions are reached directly, want %d", got, variant.direct)
			}
			if got := len(seen.heap.parts); got != variant.parts {
				t.Errorf("the heap has %d parts, want %d", got, variant.parts)
			}
		})
	}
}

// What the table's own DELETE would meet or pass by in its partitions, a sweep meets and passes by.
func TestDirectAsTheTable(t *testing.T) {
	t.Parallel()
	const due = 3000
	for _, variant := range []struct {
		name    string
		setUp   []string
		role    bool // the run is another role's, which may work in the partitions
		left    int64
		outcome Outcome
		after   string // holds after the run
	}{
		{name: "a rule of a partition", setUp: []string{`CREATE RULE keep AS ON DELETE TO part1 DO INSTEAD NOTHING`}, outcome: Drained},
		{name: "policies of a partition", setUp: []string{`ALTER TABLE part1 ENABLE ROW LEVEL SECURITY`}, role: true, outcome: Drained},
		{name: "policies of the table", setUp: []string{
			`ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY`,
			`CREATE POLICY expired ON refresh_tokens USING (token_hash <> 'hidden')`,
		}, role: true, left: 1, outcome: Drained},
		{name: "a statement trigger of the table", setUp: []string{
			`CREATE TABLE noted (note text)`,
			`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.noted VALUES (TG_RELID::regclass); RETURN NULL; END'`,
			`CREATE TRIGGER note AFTER DELETE ON refresh_tokens FOR EACH STATEMENT EXECUTE FUNCTION note()`,
		}, outcome: Drained, after: `(SELECT bool_and(note = 'refresh_tokens') FROM noted)`},
		{name: "a statement trigger of a partition", setUp: []string{
			`CREATE TABLE noted (note text)`,
			`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.noted VALUES (TG_RELID::regclass); RETURN NULL; END'`,
			`CREATE TRIGGER note AFTER DELETE ON part1 FOR EACH STATEMENT EXECUTE FUNCTION note()`,
		}, outcome: Drained, after: `NOT EXISTS (SELECT FROM noted)`},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.tune = sweepAll
			tab.partition()
			tab.insert(token{name: "live", expires: at(week)}, token{name: "hidden", expires: at(-3 * time.Hour)})
			tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
			for _, sql := range variant.setUp {
				tab.exec(sql)
			}
			owner := tab.other()
			if variant.role {
				tab.as(`SELECT, DELETE ON ALL TABLES IN SCHEMA public`)
			}
			if res := tab.run(s); res.Outcome != variant.outcome || res.Deleted.Expired != due+1-variant.left {
				t.Errorf("run: %+v", res)
			}
			holds := false
			want := []string{"live", "hidden"}[:1+variant.left]
			owner.survive(want...)
			if variant.after != "" {
				if err := owner.QueryRow(t.Context(), `SELECT `+variant.after).Scan(&holds); err != nil || !holds {
					t.Errorf("after the run it does not hold that %s: %v", variant.after, err)
				}
			}
		})
	}
}
