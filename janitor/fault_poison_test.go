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
	hour := "'" + at(-2*time.Hour) + "'::timestamptz"
	for _, variant := range []struct {
		name, timing, code, expires string
		setUp                       func(*table)
	}{
		{"before delete", "BEFORE DELETE ON refresh_tokens", "P0001", hour + " - i * interval '1s'", nil},
		{"in a tie", "BEFORE DELETE ON refresh_tokens", "P0001", hour, nil},
		{"partitioned", "BEFORE DELETE ON refresh_tokens", "P0001", hour + " - i * interval '1s'", (*table).partition},
		{"at the commit", "AFTER DELETE ON refresh_tokens DEFERRABLE INITIALLY DEFERRED", "23514", hour + " - i * interval '1s'", nil},
		{"with a code of its own", "BEFORE DELETE ON refresh_tokens", "TOK01", hour + " - i * interval '1s'", nil},
		{"where PL/pgSQL may not be used for DO", "BEFORE DELETE ON refresh_tokens", "P0001", hour + " - i * interval '1s'", nil},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			if variant.setUp != nil {
				variant.setUp(tab)
			}
			tab.fill(3000, variant.expires, "false", "NULL")
			expires := strings.TrimSuffix(strings.TrimPrefix(hour, "'"), "'::timestamptz")
			tab.insert(
				token{name: "held by law", expires: expires},
				token{name: "held by law, too", expires: expires},
				token{name: "held by law, revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)},
				token{name: "live", expires: at(week)},
			)
			tab.refuse(variant.timing, variant.code)
			if variant.name == "where PL/pgSQL may not be used for DO" {
				tab.exec(`REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC`)
				tab.lessRights()
			}
			total := tab.count("true")
			res := tab.run(s)
			if res.Left != (Left{Refused: 3}) || res.Outcome != Partial || res.StopReason != StopLeft || res.Deleted != (Counts{Expired: total - 4}) {
				t.Errorf("run: %+v", res)
			}
			if !strings.Contains(res.Refusal, "litigation hold") {
				t.Errorf("the refusal is %q", res.Refusal)
			}
			if res.Overdue[Expired].Rows != 2 || res.Overdue[Revoked].Rows != 1 {
				t.Errorf("overdue: %+v", res.Overdue)
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
			tab.fill(300, "'"+at(-2*time.Hour)+"'::timestamptz - i * interval '1s'", "false", "NULL")
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
			res := tab.run(s)
			if res.Left != (Left{Refused: 2, Locked: 1}) || res.Outcome != Partial || res.StopReason != StopLeft {
				t.Errorf("run: %+v", res)
			}
			tab.survive("held by law", "held by law, revoked", "locked", "live")
			other.exec(`COMMIT`)
		})
	}
}

// A trigger may keep a row without a word, by returning NULL: it must not be told as gone.
func TestRowsKeptWithoutAWord(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name  string
		setUp func(*table)
	}{
		{"as migrated", nil},
		{"partitioned", (*table).partition},
		{"without the right to update", (*table).lessRights},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.insert(token{name: "live", expires: at(week)})
			make := func() {
				tab.exec(`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
					RETURN CASE WHEN OLD.token_hash LIKE 'kept%' THEN NULL ELSE OLD END; END $$`)
				tab.exec(`CREATE TRIGGER keep BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION keep()`)
				tab.insert(
					token{name: "live", expires: at(week)},
					token{name: "kept", expires: at(-2 * time.Hour)},
					token{name: "kept, revoked", expires: at(week), revoked: true, revokedAt: at(-2 * week)},
				)
			}
			tab.exec(`TRUNCATE refresh_tokens`)
			if variant.name == "partitioned" {
				tab.partition()
			}
			make()
			if variant.name == "without the right to update" {
				tab.lessRights()
			}
			for range 2 {
				res := tab.run(s)
				if res.Left != (Left{Refused: 2}) || res.Outcome != Partial || res.StopReason != StopLeft {
					t.Errorf("run: %+v", res)
				}
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
	if err == nil || res.Outcome != Failed || res.Deleted.Total() != 0 {
		t.Errorf("run: %+v, %v", res, err)
	}
	if code(err) != featureNotSupported {
		t.Errorf("it does not say why: %v", err)
	}
	tab.survive("expired")
}

// What a trigger writes to, it may name as the API lets it: without the schema.
func TestTriggerFindsItsTables(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	tab.fill(10, "'"+at(-2*time.Hour)+"'", "false", "NULL")
	tab.exec(`CREATE TABLE gone (id uuid)`)
	tab.exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO gone VALUES (OLD.id); RETURN NULL; END $$`)
	tab.exec(`CREATE TRIGGER note AFTER DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION note()`)
	if res := tab.run(settings()); res.Outcome != Drained || res.Deleted.Expired != 10 {
		t.Errorf("run: %+v", res)
	}
	var noted int
	if err := tab.QueryRow(t.Context(), `SELECT count(*) FROM gone`).Scan(&noted); err != nil || noted != 10 {
		t.Errorf("the trigger noted %d of 10 (%v)", noted, err)
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
	if err == nil || code(err) != "42P01" || res.Outcome != Failed || res.StopReason != StopError {
		t.Errorf("run: %+v, %v", res, err)
	}
	tab.survive("expired")
}

// Thousands of poisoned rows, scattered and in a swarm, cost little and the rest goes.
func TestManyPoisonedRows(t *testing.T) {
	t.Parallel()
	const rows, scattered, swarm = 20_000, 100, 500
	poisoned := fmt.Sprintf(`(SELECT id, row_number() OVER (ORDER BY expires_at) AS n FROM refresh_tokens) AS r WHERE n %% %d = 0 OR n <= %d`, rows/scattered, swarm)
	for _, variant := range []struct {
		name   string
		poison func(*table)
		left   func(Left) int64
	}{
		{"referenced", func(tab *table) {
			tab.exec(`CREATE TABLE audit (token uuid REFERENCES refresh_tokens)`)
			tab.exec(`INSERT INTO audit SELECT id FROM ` + poisoned)
			tab.exec(`CREATE INDEX ON audit (token)`)
		}, func(l Left) int64 { return l.Referenced }},
		{"refused", func(tab *table) {
			tab.exec(`UPDATE refresh_tokens SET token_hash = 'held by law ' || id WHERE id IN (SELECT id FROM ` + poisoned + `)`)
			tab.refuse("BEFORE DELETE ON refresh_tokens", "P0001")
		}, func(l Left) int64 { return l.Refused }},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.fill(rows, "'"+at(-2*time.Hour)+"'::timestamptz - i * interval '1s'", "false", "NULL")
			tab.insert(token{name: "live", expires: at(week)})
			variant.poison(tab)
			tab.exec(`ANALYZE refresh_tokens`)
			res := tab.run(settings())
			t.Logf("%d rows, %d stay: %s, %d batches, the longest %s", rows, res.Left.Total(), res.Duration.Round(time.Millisecond),
				res.Batches[Expired], res.LongestBatch.Round(time.Millisecond))
			want := int64(scattered + swarm - swarm*scattered/rows)
			if variant.left(res.Left) != want || res.Left.Total() != want || res.Deleted.Expired != rows-want || res.StopReason != StopLeft {
				t.Errorf("run: %+v, want %d to stay", res, want)
			}
			if n := res.Batches[Expired]; n > 2*want { // halving takes some 10 for each
				t.Errorf("%d batches for %d poisoned rows", n, want)
			}
			if tab.count("token_hash = 'live'") != 1 || tab.count("true") != want+1 {
				t.Errorf("%d rows left", tab.count("true"))
			}
		})
	}
}

// A trigger that says a great deal of each row it keeps costs the server no more than what it says: of each, a
// thousand characters are kept.
func TestLongRefusals(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(120, "'"+at(-2*time.Hour)+"'::timestamptz - i * interval '1s'", "false", "NULL")
	tab.insert(token{name: "live", expires: at(week)})
	tab.exec(`CREATE FUNCTION long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF OLD.expires_at < '` + at(-2*time.Hour-90*time.Second) + `' THEN RAISE '%', repeat('no', 500000); END IF; RETURN OLD; END $$`)
	tab.exec(`CREATE TRIGGER long BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION long()`)
	res := tab.run(s)
	if res.Left != (Left{Refused: 30}) || res.Deleted.Expired != 90 || len(res.Refusal) > 1000 || res.LongestBatch > 2*time.Second {
		t.Errorf("run: longest batch %s, left %+v, deleted %+v, a refusal of %d bytes", res.LongestBatch, res.Left, res.Deleted, len(res.Refusal))
	}
	t.Logf("the longest batch took %s", res.LongestBatch)
	if n := tab.count("token_hash = 'live'"); n != 1 {
		t.Error("the live one is gone")
	}
}
