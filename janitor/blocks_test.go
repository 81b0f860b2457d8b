package janitor

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// indexReads is how many entries of the index on expires_at have been read.
func (tab *table) indexReads() (n int64) {
	tab.t.Helper()
	tab.exec(`SELECT pg_stat_force_next_flush()`)
	if err := tab.QueryRow(tab.t.Context(), `SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes WHERE indexrelname LIKE '%expires_at%'`).Scan(&n); err != nil {
		tab.t.Fatal(err)
	}
	return n
}

// More dead entries of the index before the next row than can be passed in a statement's time,
// as there are after a purge under a forgotten transaction, keep no run from its work.
func TestDeadEntries(t *testing.T) {
	pgtemp.Large(t)
	t.Parallel()
	const dead, due, held = 1_000_000, 3000, 1000
	for _, variant := range []struct {
		key       string // of the pass that meets them
		cut       string // what its index holds
		index     string
		held      string // the keys of the rows before them
		byRevoked bool
		restart   transition
		want      Counts
	}{
		{
			key: "expires_at", cut: "true", held: constant(-52 * week),
			restart: transition{"afterTie", deadEntries, "sweep"},
			want:    Counts{Expired: due, Revoked: 100},
		},
		{
			key: "revoked_at", cut: "is_revoked", index: `CREATE INDEX ON refresh_tokens (revoked_at) WHERE is_revoked`, held: spread(-52*week, -time.Second), byRevoked: true,
			restart: transition{"windows", deadEntries, "sweep"},
			want:    Counts{Expired: 100, Revoked: due},
		},
	} {
		t.Run(variant.key, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.taken = &recorder{}
			tab.exec(`ALTER TABLE refresh_tokens SET (autovacuum_enabled = off)`)
			tab.dropIndexes()
			// Those are due by the other rule, or live, that are not by this one.
			fill := func(n int, at, other string) {
				if variant.byRevoked {
					tab.fill(n, other, "true", at)
				} else {
					tab.fill(n, at, "false", "NULL")
				}
			}
			tab.fill(held, constant(-52*week), "true", variant.held)
			fill(dead, "'"+at(-4*week)+"'::timestamptz + i * 7919::bigint % 1000003 * interval '1s'", constant(week))
			fill(due, spread(-week-time.Hour, time.Millisecond), constant(week))
			if variant.byRevoked {
				tab.fill(100, constant(-2*time.Hour), "false", "NULL")
			} else {
				tab.fill(100, constant(week), "true", constant(-2*week))
			}
			tab.insert(token{name: "live", expires: at(week)}, token{name: "expires at the cutoff", expires: at(-time.Hour)})
			tab.exec(`CREATE INDEX ON refresh_tokens (expires_at)`)
			tab.exec(variant.index)
			forgotten := tab.hold(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1`)
			defer forgotten.Close(t.Context())
			tab.exec(`DELETE FROM refresh_tokens WHERE ` + variant.key + ` >= '` + at(-4*week) + `' AND ` + variant.key + ` < '` + at(-week-2*time.Hour) + `'`)
			s.StatementTimeout = 200 * time.Millisecond
			impatient := tab.other()
			impatient.exec(`SET enable_seqscan = off; SET statement_timeout = '200ms'`, pgx.QueryExecModeSimpleProtocol)
			if _, err := impatient.Exec(t.Context(), `SELECT FROM refresh_tokens WHERE `+variant.key+` > $1 AND `+variant.cut+` ORDER BY `+variant.key+` LIMIT 1`, at(-52*week)); sqlState(err) != queryCanceled {
				t.Errorf("the dead entries are in nobody's way: this proves nothing (%v)", err)
			}

			// Some windows before them are full of what stays.
			s.BatchMaxRows, s.LockTimeout = 500, 10*time.Millisecond
			holder := tab.hold(`SELECT FROM refresh_tokens WHERE expires_at = '` + at(-52*week) + `' FOR UPDATE`)
			s.DryRun = true
			want := variant.want
			want.Expired += held
			expect{stop: StopDrained, would: want}.of(t, "dry run", tab.run(s))
			s.DryRun = false
			expect{stop: StopLeft, deleted: variant.want, left: Left{Locked: held}}.of(t, "run", tab.run(s))
			holder.exec(`ROLLBACK`)
			expect{stop: StopDrained, deleted: Counts{Expired: held}}.of(t, "the next run", tab.run(s))
			tab.survive("live", "expires at the cutoff")
			tab.taken.require(t, variant.restart)
		})
	}
}

// The same among what never expires, which lies behind all windows.
func TestDeadEntriesAtInfinity(t *testing.T) {
	pgtemp.Large(t)
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.taken = &recorder{}
	tab.exec(`ALTER TABLE refresh_tokens SET (autovacuum_enabled = off)`)
	tab.dropIndexes()
	const due = 300
	tab.fill(1_000_000, "'infinity'", "true", constant(-4*week))
	tab.fill(due, "'infinity'", "true", constant(-2*week))
	tab.insert(token{name: "live", expires: forever}, token{name: "revoked lately", expires: forever, revoked: true, revokedAt: at(-time.Hour)})
	tab.exec(`CREATE INDEX ON refresh_tokens (expires_at)`)
	forgotten := tab.hold(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1`)
	defer forgotten.Close(t.Context())
	tab.exec(`DELETE FROM refresh_tokens WHERE revoked_at < '` + at(-3*week) + `'`)
	s.StatementTimeout = 200 * time.Millisecond
	expect{stop: StopDrained, deleted: Counts{Revoked: due}}.of(t, "run", tab.run(s))
	tab.survive("live", "revoked lately")
	tab.taken.require(t, transition{"tie", deadEntries, "sweep"})
}

// A heap that is dense with what is due is read from its start, and no row goes that
// would not have gone along the index.
func TestSweep(t *testing.T) {
	t.Parallel()
	const due, live = 6000, 2000
	for _, variant := range []struct {
		name  string
		setUp func(*table)
		swept bool
		s     func(*Settings)
	}{
		{name: "as it comes", swept: true},
		{name: "partitioned", setUp: (*table).partition, swept: true},
		{name: "a budget of rows", s: func(s *Settings) { s.MaxRows = due * 2 }},
		{name: "a budget of time", s: func(s *Settings) { s.MaxRunTime = time.Hour }},
		{name: "from floors", s: func(s *Settings) { s.Floors = map[Reason]string{Expired: at(-week)} }},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			if variant.setUp != nil {
				variant.setUp(tab)
			}
			if variant.s != nil {
				variant.s(&s)
			}
			tab.insert(
				token{name: "expires at the cutoff", expires: at(-time.Hour)},
				token{name: "never expires", expires: forever},
				token{name: "revoked at the cutoff", expires: at(week), revoked: true, revokedAt: at(-week)},
				token{name: "revoked, no age", expires: at(week), revoked: true},
			)
			tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.fill(live, spread(week, time.Second), "false", "NULL")
			tab.fill(10, constant(week), "true", constant(-2*week))
			tab.exec(`VACUUM ANALYZE refresh_tokens`)
			tab.tune = func(r *run) { r.tuning.sweepAfter = 0 } // these are few
			before := tab.indexReads()
			res := tab.run(s)
			expect{stop: StopDrained, deleted: Counts{Expired: due, Revoked: 10}}.of(t, "run", res)
			// Along the index each due row is met twice. After a sweep, its dead entry once, for
			// whoever looks whether a row has moved.
			if read := tab.indexReads() - before; (read < 2*due) != variant.swept {
				t.Errorf("read %d entries of the index", read)
			}
			tab.exec(`DELETE FROM refresh_tokens WHERE expires_at > $1 AND expires_at < 'infinity'`, at(week))
			tab.survive("expires at the cutoff", "never expires", "revoked at the cutoff", "revoked, no age")
		})
	}
}

// Whether to sweep, the heap tells, whatever the statistics say; a row that stayed behind in a
// window is not met again, and counted again, by a sweep.
func TestSweepIsFound(t *testing.T) {
	t.Parallel()
	const due, live = 40_000, 5_000
	for _, variant := range []struct {
		name  string
		setUp []string // before the rows are there
		order string   // of the rows in the heap
		held  bool     // the first row
		swept bool
	}{
		{name: "never analysed", order: "i", swept: true},
		{name: "never analysed, in no order", order: "i * 7919 % 100003", swept: true},
		{name: "analysed when empty", setUp: []string{`ANALYZE refresh_tokens`}, order: "i", swept: true},
		{name: "among ten times the live rows", setUp: []string{
			`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at) SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', i::text, '` +
				at(week) + `' FROM generate_series(1, 400000) AS i`}, order: "i"},
		{name: "a row stays behind", order: "i", held: true},
	} {
		t.Run(variant.name, func(t *testing.T) {
			if variant.name == "among ten times the live rows" {
				pgtemp.Large(t)
			}
			t.Parallel()
			tab, s := newTable(t), settings()
			s.TokenLifetime = s.KeepRevoked // else the revoked pass reads the index as well
			tab.exec(`ALTER TABLE refresh_tokens SET (autovacuum_enabled = off)`)
			for _, sql := range variant.setUp {
				tab.exec(sql)
			}
			tab.fill(due, "'"+at(-2*week)+"'::timestamptz + "+variant.order+" * interval '1s'", "false", "NULL")
			tab.fill(live, spread(week, time.Second), "false", "NULL")
			want := int64(due)
			if variant.held {
				want--
				holder := tab.hold(`SELECT FROM refresh_tokens WHERE expires_at = (SELECT min(expires_at) FROM refresh_tokens) FOR UPDATE`)
				defer holder.Close(t.Context())
			}
			s.DryRun = true
			expect{stop: StopDrained, would: Counts{Expired: due}}.of(t, "dry run", tab.run(s))
			s.DryRun = false
			before := tab.indexReads()
			res := tab.run(s)
			if res.Deleted.Expired != want {
				t.Errorf("deleted %+v, want %d expired ones", res.Deleted, want)
			}
			if res.Left.Total() != due-want {
				t.Errorf("left %+v, want %d", res.Left, due-want)
			}
			// The windows before the look take 13,000 rows; then there are their dead ones.
			if read := tab.indexReads() - before; (read < 2*due) != variant.swept {
				t.Errorf("read %d entries of the index", read)
			}
			if left := tab.count("true") - tab.count("expires_at > '"+at(week-time.Hour)+"'"); left != due-want {
				t.Errorf("%d due rows are left", left)
			}
		})
	}
}

// A due row that moves to a block which the sweep has behind it goes in the same run, or if
// the dead are too many to look among them, in the next that begins at the start.
func TestSweptRowMoves(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.tune = func(r *run) { r.tuning.sweepAfter = 0 }
	tab.exec(`ALTER TABLE refresh_tokens SET (autovacuum_enabled = off)`)
	tab.fill(2000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.insert(token{name: "moves", expires: at(-90 * time.Minute)}, token{name: "live", expires: at(week)})
	tab.fill(2000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.exec(`ANALYZE refresh_tokens`)
	beside := tab.other()
	s.BatchMaxRows = 100
	moved := false
	s.OnBatch = func(b Batch) {
		if b.Done.Expired < 1000 || moved {
			return
		}
		moved = true
		beside.exec(`VACUUM refresh_tokens`) // what went makes room at the front
		beside.exec(`UPDATE refresh_tokens SET is_revoked = true, revoked_at = $1, token_hash = 'has moved' WHERE token_hash = 'moves'`, at(0))
		// All that is behind the sweep is gone.
		if beside.count(`token_hash = 'has moved' AND ctid < (SELECT min(ctid) FROM refresh_tokens WHERE token_hash <> 'has moved')`) != 1 {
			t.Error("the row did not move behind the sweep: this proves nothing")
		}
	}
	first, second := tab.run(s), tab.run(s)
	if !moved {
		t.Error("no row moved: this proves nothing")
	}
	if first.Outcome != Drained {
		t.Errorf("run: %+v", first)
	}
	if both := first.Deleted.Expired + second.Deleted.Expired; both != 4001 {
		t.Errorf("deleted %d, want 4001: %+v and %+v", both, first, second)
	}
	tab.survive("live")
}

// A table that is rewritten under a sweep has its rows elsewhere, behind the sweep as well:
// they go all the same, by both rules.
func TestSweptTableIsRewritten(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.tune = func(r *run) { r.tuning.sweepAfter = 0 }
	tab.exec(`ALTER TABLE refresh_tokens SET (autovacuum_enabled = off)`)
	const due = 6000
	tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.fill(due, constant(week), "true", constant(-2*week))
	tab.insert(token{name: "live", expires: at(week)}, token{name: "referenced", expires: at(-3 * time.Hour)})
	tab.exec(`CREATE TABLE devices AS SELECT id AS token FROM refresh_tokens WHERE token_hash = 'referenced'`)
	tab.exec(`ALTER TABLE devices ADD FOREIGN KEY (token) REFERENCES refresh_tokens`)
	beside, rewritten := tab.other(), false
	s.BatchMaxRows = 200
	s.OnBatch = func(b Batch) {
		// What is left is then behind, and no expired row among it that a look could see.
		if b.Done.Expired == due && !rewritten {
			rewritten = true
			beside.exec(`VACUUM FULL refresh_tokens`)
		}
	}
	res := tab.run(s)
	if !rewritten {
		t.Error("the table was not rewritten: this proves nothing")
	}
	expect{stop: StopLeft, deleted: Counts{Expired: due, Revoked: due}, left: Left{Referenced: 1}}.of(t, "run", res)
	if got := res.Overdue[Expired].Rows; got != 1 {
		t.Errorf("%d rows are overdue, want 1", got)
	}
	tab.survive("live", "referenced")
}

// What a sweep has to leave is told with its own age, not with that of what has yet to go.
func TestLeftInASweep(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.tune = sweepAll
	s.LockTimeout = 10 * time.Millisecond
	tab.insert(
		token{name: "held", expires: at(-3 * time.Hour)},
		token{name: "held as well", expires: at(week), revoked: true, revokedAt: at(-week - time.Minute)})
	tab.fill(2000, spread(-52*week, -time.Second), "false", "NULL")
	tab.fill(2000, constant(week), "true", constant(-3*week))
	tab.hold(`SELECT FROM refresh_tokens WHERE token_hash LIKE 'held%' FOR UPDATE`)
	res := tab.run(s)
	expect{stop: StopLeft, deleted: Counts{Expired: 2000, Revoked: 2000}, left: Left{Locked: 2}}.of(t, "run", res)
	want := map[Reason]Overdue{Expired: {Known: true, Rows: 1, Oldest: 2 * time.Hour}, Revoked: {Known: true, Rows: 1, Oldest: time.Minute}}
	for reason, o := range res.Overdue {
		if o != want[reason] {
			t.Errorf("%s: %+v, want %+v", reason, o, want[reason])
		}
	}
	if res.Floors[Expired] != earliest {
		t.Errorf("a floor of %s above a row that stays", res.Floors[Expired])
	}
	tab.survive("held", "held as well")
}
