package janitor

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// refuse makes a trigger that raises for a row whose hash begins with "held by law".
func (tab *table) refuse(timing, code string) {
	tab.t.Helper()
	tab.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF OLD.token_hash LIKE 'held by law%' THEN RAISE EXCEPTION 'litigation hold' USING ERRCODE = '` + code + `'; END IF;
		RETURN OLD; END $$`)
	kind := "TRIGGER"
	if strings.HasPrefix(timing, "AFTER") {
		kind = "CONSTRAINT TRIGGER"
	}
	tab.exec(`CREATE ` + kind + ` refuse ` + timing + ` FOR EACH ROW EXECUTE FUNCTION refuse()`)
}

// A row that its trigger does not let go stays, is counted and said why; its neighbours go.
func TestRefusedRowsAreLeft(t *testing.T) {
	t.Parallel()
	const before = "BEFORE DELETE ON refresh_tokens"
	expired := spread(-2*time.Hour, -time.Second)
	for _, variant := range []struct {
		name        string
		timing      string // of the trigger
		code        string // that it raises
		expires     string
		partitioned bool
		noPLpgSQL   bool // for DO, by a role that may not update
	}{
		{name: "before delete", timing: before, code: "P0001", expires: expired},
		{name: "in a tie", timing: before, code: "P0001", expires: constant(-2 * time.Hour)},
		{name: "partitioned", timing: before, code: "P0001", expires: expired, partitioned: true},
		{name: "at the commit", timing: "AFTER DELETE ON refresh_tokens DEFERRABLE INITIALLY DEFERRED", code: "23514", expires: expired},
		{name: "with a code of its own", timing: before, code: "TOK01", expires: expired},
		{name: "where PL/pgSQL may not be used for DO", timing: before, code: "P0001", expires: expired, noPLpgSQL: true},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			if variant.partitioned {
				tab.partition()
			}
			tab.fill(3000, variant.expires, "false", "NULL")
			tab.insert(
				token{name: "held by law", expires: at(-2 * time.Hour)},
				token{name: "held by law, too", expires: at(-2 * time.Hour)},
				token{name: "held by law, revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)},
				token{name: "live", expires: at(week)},
			)
			tab.refuse(variant.timing, variant.code)
			if variant.noPLpgSQL {
				tab.exec(`REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC`)
				tab.lessRights()
			}
			total := tab.count("true")
			res := tab.run(s)
			expect{stop: StopLeft, deleted: Counts{Expired: total - 4}, left: Left{Refused: 3}}.of(t, "run", res)
			if !strings.Contains(res.Refusal, "litigation hold") {
				t.Errorf("the refusal is %q", res.Refusal)
			}
			if got := res.Overdue[Expired].Rows; got != 2 {
				t.Errorf("%d expired rows are overdue, want 2", got)
			}
			if got := res.Overdue[Revoked].Rows; got != 1 {
				t.Errorf("%d revoked rows are overdue, want 1", got)
			}
			tab.survive("held by law", "held by law, too", "held by law, revoked", "live")
		})
	}
}

// Rows that are locked and rows that are refused, side by side, are told apart also
// where a role may not pass over locked rows.
func TestRefusedAndLockedRows(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name string
		less bool
	}{{"with all rights", false}, {"without the right to update", true}} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.fill(300, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.insert(
				token{name: "held by law", expires: at(-2 * time.Hour)},
				token{name: "held by law, revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)},
				token{name: "locked", expires: at(-2*time.Hour - 10*time.Second)},
				token{name: "live", expires: at(week)},
			)
			tab.refuse("BEFORE DELETE ON refresh_tokens", "P0001")
			other := tab.hold(`SELECT FROM refresh_tokens WHERE token_hash = 'locked' FOR UPDATE`)
			if variant.less {
				tab.lessRights()
			}
			s.LockTimeout, s.BatchMaxRows = 10*time.Millisecond, 200
			due := tab.count("true") - 4
			res := tab.run(s)
			expect{stop: StopLeft, deleted: Counts{Expired: due}, left: Left{Refused: 2, Locked: 1}}.of(t, "run", res)
			tab.survive("held by law", "held by law, revoked", "locked", "live")
			other.exec(`COMMIT`)
		})
	}
}

// A trigger may keep a row without a word, by returning NULL: it must not be told as gone.
func TestRowsKeptWithoutAWord(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name        string
		partitioned bool
		less        bool // the role may not update
	}{
		{name: "as migrated"},
		{name: "partitioned", partitioned: true},
		{name: "without the right to update", less: true},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			if variant.partitioned {
				tab.partition()
			}
			tab.exec(`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				RETURN CASE WHEN OLD.token_hash LIKE 'kept%' THEN NULL ELSE OLD END; END $$`)
			tab.exec(`CREATE TRIGGER keep BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION keep()`)
			tab.insert(
				token{name: "live", expires: at(week)},
				token{name: "kept", expires: at(-2 * time.Hour)},
				token{name: "kept, revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)},
			)
			if variant.less {
				tab.lessRights() // and 200 rows that may go
			}
			for _, run := range []string{"run", "the next run"} {
				due := tab.count("true") - 3
				res := tab.run(s)
				expect{stop: StopLeft, deleted: Counts{Expired: due}, left: Left{Refused: 2}}.of(t, run, res)
				if res.Floors[Expired] != earliest && res.Floors[Expired] >= at(-time.Hour) {
					t.Errorf("floor %s is above the row that stays", res.Floors[Expired])
				}
				tab.survive("kept", "kept, revoked", "live")
			}
		})
	}
}

// A rule may keep all of them. The run says what the server says of it, and ends.
func TestRuleThatKeepsRows(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	tab.insert(token{name: "expired", expires: at(-2 * time.Hour)})
	tab.exec(`CREATE RULE keep AS ON DELETE TO refresh_tokens DO INSTEAD NOTHING`)
	res, err := tab.runAt(t.Context(), noon, settings())
	failed(t, "run", res, err, StopError, "SQLSTATE 0A000")
	if res.Deleted.Total() != 0 {
		t.Errorf("deleted %+v", res.Deleted)
	}
	tab.survive("expired")
}

// What a trigger writes to, it may name as the API lets it: without the schema.
func TestTriggerFindsItsTables(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	tab.fill(10, constant(-2*time.Hour), "false", "NULL")
	tab.exec(`CREATE TABLE gone (id uuid)`)
	tab.exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO gone VALUES (OLD.id); RETURN NULL; END $$`)
	tab.exec(`CREATE TRIGGER note AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION note()`)
	expect{stop: StopDrained, deleted: Counts{Expired: 10}}.of(t, "run", tab.run(settings()))
	var noted int
	if err := tab.QueryRow(t.Context(), `SELECT count(*) FROM gone`).Scan(&noted); err != nil {
		t.Error(err)
	}
	if noted != 10 {
		t.Errorf("the trigger noted %d of 10", noted)
	}
}

// A trigger that fails for want of something is no word on a row: the run fails, and says so.
func TestBrokenTriggerFailsTheRun(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	tab.insert(token{name: "expired", expires: at(-2 * time.Hour)})
	tab.exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO nowhere VALUES (OLD.id); RETURN NULL; END $$`)
	tab.exec(`CREATE TRIGGER note AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION note()`)
	res, err := tab.runAt(t.Context(), noon, settings())
	failed(t, "run", res, err, StopError, "SQLSTATE 42P01")
	tab.survive("expired")
}

// One row that nothing but its trigger keeps, with a code that speaks of the statement, keeps no pass from its work.
func TestPoisonedRowOfOnePass(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"0A000", "42P01", "40001", "40P01", "XX000", "25P02", "25006", "53100", "XX001"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.insert(token{name: "poisoned", expires: at(-2 * time.Hour)}, token{name: "live", expires: at(week)})
			tab.fill(50, constant(week), "true", constant(-2*week))
			tab.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.token_hash = 'poisoned' THEN RAISE 'no' USING ERRCODE = '` + state + `'; END IF; RETURN OLD; END $$`)
			tab.exec(`CREATE TRIGGER refuse BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION refuse()`)
			expect{stop: StopLeft, deleted: Counts{Revoked: 50}, left: Left{Refused: 1}}.of(t, "run", tab.run(settings()))
			tab.survive("poisoned", "live")
		})
	}
}

// Thousands of poisoned rows, scattered and in a swarm, cost little and the rest goes.
func TestManyPoisonedRows(t *testing.T) {
	t.Parallel()
	const rows, scattered, swarm = 20_000, 100, 500
	poisoned := fmt.Sprintf(`(SELECT id, row_number() OVER (ORDER BY expires_at) AS n FROM refresh_tokens) AS r WHERE n %% %d = 0 OR n <= %d`, rows/scattered, swarm)
	for _, variant := range []struct {
		name   string
		poison func(*table)
		left   func(n int64) Left
	}{
		{"referenced", func(tab *table) {
			tab.exec(`CREATE TABLE audit (token uuid REFERENCES refresh_tokens)`)
			tab.exec(`INSERT INTO audit SELECT id FROM ` + poisoned)
			tab.exec(`CREATE INDEX ON audit (token)`)
		}, func(n int64) Left { return Left{Referenced: n} }},
		{"refused", func(tab *table) {
			tab.exec(`UPDATE refresh_tokens SET token_hash = 'held by law ' || id WHERE id IN (SELECT id FROM ` + poisoned + `)`)
			tab.refuse("BEFORE DELETE ON refresh_tokens", "P0001")
		}, func(n int64) Left { return Left{Refused: n} }},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.fill(rows, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.insert(token{name: "live", expires: at(week)})
			variant.poison(tab)
			tab.exec(`ANALYZE refresh_tokens`)
			res := tab.run(settings())
			t.Logf("%d rows, %d stay: %s, %d batches, the longest %s", rows, res.Left.Total(), res.Duration.Round(time.Millisecond),
				res.Batches[Expired], res.LongestBatch.Round(time.Millisecond))
			want := int64(scattered + swarm - swarm*scattered/rows)
			expect{stop: StopLeft, deleted: Counts{Expired: rows - want}, left: variant.left(want)}.of(t, "run", res)
			if n := res.Batches[Expired]; n > 2*want { // halving takes some 10 for each
				t.Errorf("%d batches for %d poisoned rows", n, want)
			}
			if tab.count("token_hash = 'live'") != 1 {
				t.Error("the live token is gone")
			}
			if left := tab.count("true"); left != want+1 {
				t.Errorf("%d rows left, want %d", left, want+1)
			}
		})
	}
}

// A trigger that says a great deal of each row it keeps costs the server no more than what it says: of each, a
// thousand characters are kept.
func TestLongRefusals(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(120, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.insert(token{name: "live", expires: at(week)})
	tab.exec(`CREATE FUNCTION long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF OLD.expires_at < '` + at(-2*time.Hour-90*time.Second) + `' THEN RAISE '%', repeat('no', 500000); END IF; RETURN OLD; END $$`)
	tab.exec(`CREATE TRIGGER long BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION long()`)
	res := tab.run(s)
	expect{stop: StopLeft, deleted: Counts{Expired: 90}, left: Left{Refused: 30}}.of(t, "run", res)
	if n := len(res.Refusal); n > 1000 {
		t.Errorf("a refusal of %d bytes", n)
	}
	if res.LongestBatch > 2*time.Second {
		t.Errorf("a batch of %s", res.LongestBatch)
	}
	t.Logf("the longest batch took %s", res.LongestBatch)
	if n := tab.count("token_hash = 'live'"); n != 1 {
		t.Error("the live one is gone")
	}
}

// A trigger may keep a row with whatever SQLSTATE it likes: its neighbours go.
func TestAnySQLSTATEKeepsOneRow(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"42501", "55000", "55006", "55P03", "0A000", "40001", "40P01", "42P01", "53400", "25001", "57P03", "54000", "XX000", "F0000", "P0004", "22012", "08006",
		"25006", "53100", "53200", "XX001", "XX002", "57P01", "57014",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			const due = 1500
			tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.insert(token{name: "held by law", expires: at(-3 * time.Hour)}, token{name: "live", expires: at(week)})
			tab.refuse("BEFORE DELETE ON refresh_tokens", code)
			s.LockTimeout = 10 * time.Millisecond // bounds the pause before a retry
			res := tab.run(s)
			if res.Outcome != Partial || res.StopReason != StopLeft || res.Left.Total() != 1 || res.Deleted.Expired != due {
				t.Errorf("run: %+v", res)
			}
			tab.survive("held by law", "live")
		})
	}
}

// What a trigger makes, or asks for by current_schema(), is where it would be in a DELETE by the same role.
func TestTriggerMakesItsTables(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`EXECUTE format('INSERT INTO %I.audit VALUES (%L)', current_schema(), OLD.token_hash);`,
		`CREATE TABLE IF NOT EXISTS audit_today (hash text); INSERT INTO audit_today VALUES (OLD.token_hash);`,
		`CREATE TEMP TABLE IF NOT EXISTS audit (hash text); INSERT INTO pg_temp.audit VALUES (OLD.token_hash);`,
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.insert(token{name: "live", expires: at(week)})
			tab.fill(50, constant(-2*time.Hour), "false", "NULL")
			tab.exec(`CREATE TABLE audit (hash text); CREATE SCHEMA auth; ALTER TABLE refresh_tokens SET SCHEMA auth`)
			tab.exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + body + ` RETURN OLD; END $$`)
			tab.exec(`CREATE TRIGGER note AFTER DELETE ON auth.refresh_tokens FOR EACH ROW EXECUTE FUNCTION note()`)
			s := settings()
			s.Table[0] = "auth"
			expect{stop: StopDrained, deleted: Counts{Expired: 50}}.of(t, "run", tab.run(s))
			tab.exec(`SET search_path = auth, public`)
			tab.survive("live")
		})
	}
}

// A trigger sees the search_path that it would see in a DELETE by the same role.
func TestTriggerSeesTheRolesPath(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.exec(`CREATE SCHEMA auth`)
	tab.exec(`CREATE TABLE audit_log (id uuid)`)
	tab.exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit_log VALUES (OLD.id); RETURN NULL; END $$`)
	tab.exec(`CREATE TRIGGER note AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION note()`)
	tab.fill(10, constant(-2*time.Hour), "false", "NULL")
	tab.insert(token{name: "live", expires: at(week)})
	tab.exec(`ALTER TABLE refresh_tokens SET SCHEMA auth`)
	s.Table[0] = "auth"
	expect{stop: StopDrained, deleted: Counts{Expired: 10}}.of(t, "run", tab.run(s))
	tab.exec(`SET search_path = auth, public`)
	if n := tab.count("token_hash = 'live' AND (SELECT count(*) FROM audit_log) = 10"); n != 1 {
		t.Error("the live token or what the trigger noted is gone")
	}
}

// Where the deletion of a row changes another, as ON DELETE SET NULL does, one row that cannot go costs no other.
func TestPoisonedRowAmongRowsThatMove(t *testing.T) {
	t.Parallel()
	const due = 4000
	for _, c := range []struct {
		name  string
		setUp func(*table)
		left  Left
	}{
		{"referenced", func(tab *table) {
			tab.exec(`CREATE TABLE events (token uuid REFERENCES refresh_tokens)`)
			tab.exec(`CREATE INDEX ON events (token)`)
			tab.exec(`INSERT INTO events SELECT id FROM refresh_tokens WHERE token_hash = '100-10'`)
		}, Left{Referenced: 1}},
		{"refused", func(tab *table) { tab.refuseOnly("100-10", "RAISE EXCEPTION 'litigation hold'") }, Left{Refused: 1}},
		{"kept without a word", func(tab *table) { tab.refuseOnly("100-10", "RETURN NULL") }, Left{Refused: 1}},
		{"locked", func(tab *table) { tab.hold(`SELECT FROM refresh_tokens WHERE token_hash = '100-1' FOR UPDATE`) }, Left{Locked: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.key("parent_id", "ON DELETE SET NULL")
			tab.rotate(rotations{families: due / 20, length: 20, key: "parent_id"})
			c.setUp(tab)
			expect{stop: StopLeft, deleted: Counts{Expired: due - 1}, left: c.left}.of(t, "run", tab.run(s))
		})
	}
}
