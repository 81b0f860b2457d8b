package janitor

import (
	"fmt"
	"testing"
	"time"
)

// An index orders the rows of one key by a column before or after it: its ends say nothing of
// where in the heap they lie.
func TestTieInAnIndexWithOtherColumns(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	const due = 12_000
	tab.exec(`CREATE INDEX ON refresh_tokens (is_revoked, revoked_at, expires_at)`)
	tab.fill(due, "'"+at(week)+"'::timestamptz + (i * 7919 % 12007) * interval '1s'", "true", constant(-2*week))
	tab.insert(token{name: "live", expires: at(week)})
	expect{stop: StopDrained, deleted: Counts{Revoked: due}}.of(t, "run", tab.run(s))
	tab.survive("live")
}

// A rewrite of the table under any reader leaves nothing behind.
func TestRewrittenInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name    string
		expires string
		rewrite string
		setUp   func(*table)
		change  func(*Settings)
	}{
		{name: "windows", expires: spread(-2*time.Hour, -time.Second), rewrite: `VACUUM FULL refresh_tokens`},
		{name: "a tie", expires: constant(-2 * time.Hour), rewrite: `VACUUM FULL refresh_tokens`},
		{name: "a tie, clustered", expires: constant(-2 * time.Hour), rewrite: `CLUSTER refresh_tokens USING ix_refresh_tokens_token_hash`},
		{name: "a tie, a column retyped", expires: constant(-2 * time.Hour), rewrite: `ALTER TABLE refresh_tokens ALTER token_hash TYPE text`},
		{name: "listed rows", expires: spread(-2*time.Hour, -time.Second), rewrite: `VACUUM FULL refresh_tokens`,
			setUp: func(tab *table) { tab.refuse("BEFORE DELETE ON refresh_tokens", "P0001") }},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			if variant.setUp != nil {
				variant.setUp(tab)
			}
			const due = 15_000
			tab.insert(token{name: "live", expires: at(week)})
			tab.fill(due, variant.expires, "false", "NULL")
			tab.exec(`VACUUM ANALYZE refresh_tokens`)
			beside, done := tab.other(), false
			s.BatchMaxRows = 1000
			s.OnBatch = func(b Batch) {
				if !done && b.Done.Expired >= due/2 {
					done = true
					beside.exec(variant.rewrite)
				}
			}
			expect{stop: StopDrained, deleted: Counts{Expired: due}}.of(t, "run", tab.run(s))
			if !done {
				t.Error("the table was not rewritten: this proves nothing")
			}
			tab.survive("live")
		})
	}
}

// Rows that somebody changes between being listed and being picked, and stay due, go.
func TestListedRowsMove(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	const due = 3000
	tab.insert(token{name: "live", expires: at(week)})
	tab.fill(due, constant(-2*time.Hour), "false", "NULL")
	beside := tab.other()
	s.BatchMaxRows = 500
	batches := 0
	s.OnBatch = func(Batch) {
		if batches++; batches%3 == 1 && batches < 10 {
			beside.exec(`UPDATE refresh_tokens SET token_hash = token_hash || 'x' WHERE token_hash <> 'live'`)
		}
	}
	expect{stop: StopDrained, deleted: Counts{Expired: due}}.of(t, "run", tab.run(s))
	tab.survive("live")
}

// The deletion of a row moves those that reference it, where the key says ON DELETE SET NULL.
func TestDeletionMovesRows(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.tune = sweepAll
	const due = 20_000
	tab.exec(`ALTER TABLE refresh_tokens ADD parent_id uuid REFERENCES refresh_tokens (id) ON DELETE SET NULL`)
	tab.exec(`CREATE INDEX ON refresh_tokens (parent_id)`)
	tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.insert(token{name: "live", expires: at(week)})
	tab.exec(`UPDATE refresh_tokens SET parent_id = parent.id
	            FROM (SELECT id, lead(id) OVER (ORDER BY expires_at) AS child FROM refresh_tokens) AS parent
	           WHERE refresh_tokens.id = parent.child`)
	tab.exec(`VACUUM ANALYZE refresh_tokens`)
	expect{stop: StopDrained, deleted: Counts{Expired: due}}.of(t, "run", tab.run(s))
	tab.survive("live")
}

// An index that is dropped during a run ends it, with the reason: each batch would read the table.
func TestIndexDroppedInTheMiddle(t *testing.T) {
	t.Parallel()
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		indexDropped(t, time.Millisecond, checkEvery) // every batch is much too slow
	})
	t.Run("none the slower", func(t *testing.T) {
		t.Parallel()
		indexDropped(t, time.Minute, time.Millisecond)
	})
}

func indexDropped(t *testing.T, goal, every time.Duration) {
	t.Helper()
	tab, s := newTable(t), settings()
	tab.tune = func(r *run) { r.tuning.checkEvery = every }
	tab.fill(20_000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.fill(20_000, spread(week, time.Second), "false", "NULL")
	beside, dropped := tab.other(), false
	s.BatchMaxRows, s.BatchGoal = 100, goal
	s.MaxRunTime = time.Hour // so that it does not sweep
	s.OnBatch = func(b Batch) {
		if b.Done.Expired >= 1000 && !dropped {
			dropped = true
			beside.exec(`DROP INDEX ix_refresh_tokens_expires_at`)
		}
	}
	res, err := tab.runAt(t.Context(), noon, s)
	failed(t, "run", res, err, StopError, "no usable index leads with expires_at")
	if left := tab.count("true"); left != 40_000-res.Deleted.Total() {
		t.Errorf("%d rows left, %d deleted", left, res.Deleted.Total())
	}
}

// One UPDATE of all rows moves each of them beyond where the heap ended when the run began, and nobody writes after it: a
// sweep beside which nobody wrote has to look there.
func TestEveryRowIsUpdatedInTheMiddle(t *testing.T) {
	t.Parallel()
	const due = 20_000
	for name, expires := range map[string]string{"a tie": constant(-2 * time.Hour), "distinct": spread(-2*time.Hour, -time.Second)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.fill(due, expires, "false", "NULL")
			beside, updated := tab.other(), false
			s.OnBatch = func(b Batch) {
				if b.Done.Expired >= 100 && !updated {
					updated = true
					beside.exec(`UPDATE refresh_tokens SET created_at = now()`)
				}
			}
			expect{stop: StopDrained, deleted: Counts{Expired: due}}.of(t, "run", tab.run(s))
			if n := tab.count("true"); n != 0 {
				t.Errorf("%d rows are left", n)
			}
		})
	}
}

// Another janitor that takes over in the middle makes the run partial.
func TestAnotherJanitorInTheMiddle(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	s.BatchMaxRows = 100
	var gone int64
	s.OnBatch = func(b Batch) {
		if gone == 0 && b.Done.Expired >= 300 {
			gone = b.Done.Expired
			tab.hold(`SELECT pg_advisory_xact_lock(1953128814, 'refresh_tokens'::regclass::oid::integer)`)
		}
	}
	res := tab.run(s)
	if res.Outcome != Partial || res.StopReason != StopOther || res.Deleted.Expired != gone {
		t.Errorf("run: %+v", res)
	}
	if left := tab.count("true"); gone == 0 || left != 1000-gone {
		t.Errorf("%d rows left", left)
	}
}

// Rows are listed, then the table is rewritten, and others that are due lie where the listed ones did.
func TestOthersLieWhereListedRowsDid(t *testing.T) {
	t.Parallel()
	for _, rule := range Reasons {
		t.Run(string(rule), func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.exec(`ALTER TABLE refresh_tokens SET (autovacuum_enabled = off)`)
			tab.insert(token{name: "gone 1", expires: at(week)}, token{name: "gone 2", expires: at(week)})
			for i := range 4 {
				due := token{name: fmt.Sprintf("due %d", i), expires: at(-3*time.Hour + time.Duration(i)*time.Minute)}
				if rule == Revoked {
					due = token{name: due.name, expires: at(week), revoked: true, revokedAt: at(-2*week + time.Duration(i)*time.Minute)}
				}
				tab.insert(due)
			}
			tab.insert(token{name: "live", expires: at(week)})
			tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at)`)
			tab.exec(`DELETE FROM refresh_tokens WHERE token_hash LIKE 'gone%'`)
			tab.exec(`CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'`)
			tab.exec(`CREATE TRIGGER kept BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION kept()`) // so rows are listed
			beside, rewritten := tab.other(), false
			s.BatchMaxRows, s.Load = 2, 0.1
			rests := 0
			s.OnRest = func(Rest) {
				defer func() { rests++ }()
				if !rewritten && (rule == Expired || rests > 0) {
					rewritten = true
					beside.exec(`VACUUM FULL refresh_tokens`)
				}
			}
			res := tab.run(s)
			if !rewritten {
				t.Fatal("the table was not rewritten: this proves nothing")
			}
			if res.Outcome != Drained || res.Deleted.Of(rule) != 4 {
				t.Errorf("run: %+v", res)
			}
			tab.survive("live")
		})
	}
}

// Rows that are picked are reached in their own partition.
func TestPickInPartitions(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.exec(`ALTER TABLE refresh_tokens RENAME TO plain`)
	tab.exec(`CREATE TABLE refresh_tokens (LIKE plain INCLUDING DEFAULTS) PARTITION BY HASH (id)`)
	const partitions, due = 40, 4000
	for i := range partitions {
		tab.exec(fmt.Sprintf(`CREATE TABLE part%d PARTITION OF refresh_tokens FOR VALUES WITH (MODULUS %d, REMAINDER %[1]d)`, i, partitions))
	}
	tab.exec(`CREATE INDEX ON refresh_tokens (expires_at)`)
	tab.insert(token{name: "live", expires: at(week)}, token{name: "held", expires: at(-2 * time.Hour)})
	tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.hold(`SELECT FROM refresh_tokens WHERE token_hash = 'held' FOR UPDATE`)
	s.LockTimeout = 20 * time.Millisecond
	expect{stop: StopLeft, deleted: Counts{Expired: due}, left: Left{Locked: 1}}.of(t, "run", tab.run(s))
	tab.survive("live", "held")
}
