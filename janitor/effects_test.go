package janitor

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What would have kept the run from beginning, or have it begin otherwise, ends it when it comes in the middle: before a row
// of use is gone, and not as drained.
func TestEffectsThatComeInTheMiddle(t *testing.T) {
	t.Parallel()
	// A live row references the one that is the last to go.
	family := `BEGIN; ALTER TABLE refresh_tokens ADD parent_id uuid; CREATE INDEX ON refresh_tokens (parent_id);
		UPDATE refresh_tokens SET parent_id = (SELECT id FROM refresh_tokens WHERE token_hash = 'last') WHERE token_hash = 'live';
		ALTER TABLE refresh_tokens ADD FOREIGN KEY (parent_id) REFERENCES refresh_tokens (id) ON DELETE %s; COMMIT`
	for _, c := range []struct {
		name  string
		sql   string
		setUp func(*table, *Settings)
	}{
		{name: "a cascade", sql: fmt.Sprintf(family, "CASCADE")},
		{name: "a cascade of two other tables, back to the tokens", sql: `BEGIN; INSERT INTO sessions SELECT 1, id FROM refresh_tokens WHERE token_hash = 'last'; INSERT INTO devices VALUES (1, 1);
			UPDATE refresh_tokens SET device_id = 1 WHERE token_hash = 'live'; ALTER TABLE devices ADD FOREIGN KEY (session_id) REFERENCES sessions ON DELETE CASCADE; COMMIT`,
			setUp: func(tab *table, _ *Settings) {
				tab.exec(`CREATE TABLE devices (id int PRIMARY KEY, session_id int)`)
				tab.exec(`CREATE TABLE sessions (id int PRIMARY KEY, token_id uuid REFERENCES refresh_tokens ON DELETE CASCADE)`)
				tab.exec(`ALTER TABLE refresh_tokens ADD device_id int REFERENCES devices ON DELETE CASCADE`)
			}},
		{name: "a default", sql: fmt.Sprintf(family, "SET DEFAULT")},
		{name: "a type", sql: `SET TimeZone = 'America/Los_Angeles'; ALTER TABLE refresh_tokens ALTER expires_at TYPE timestamp`},
		{name: "a type, in a sweep", sql: `SET TimeZone = 'America/Los_Angeles'; ALTER TABLE refresh_tokens ALTER expires_at TYPE timestamp`, setUp: func(tab *table, _ *Settings) {
			tab.tune = func(r *run) { r.tuning.sweepAfter, r.tuning.dense = 100, 1 }
		}},
		{name: "other columns of these names", sql: `ALTER TABLE refresh_tokens RENAME expires_at TO was; ALTER TABLE refresh_tokens RENAME created_at TO expires_at; ALTER TABLE refresh_tokens RENAME was TO created_at`},
		{name: "row security without a policy", sql: `ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY`, setUp: func(tab *table, _ *Settings) {
			tab.as(`DELETE, SELECT, UPDATE, INSERT ON refresh_tokens`)
		}},
		{name: "a policy", sql: `CREATE POLICY half ON refresh_tokens USING (token_hash < 'm'); ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY`, setUp: func(tab *table, _ *Settings) {
			tab.as(`DELETE, SELECT, UPDATE, INSERT ON refresh_tokens`)
		}},
		{name: "a table that inherits", sql: `CREATE TABLE more () INHERITS (refresh_tokens)`},
		{name: "a rule", sql: `CREATE RULE stays AS ON DELETE TO refresh_tokens DO INSTEAD NOTHING`},
		{name: "a rule, beside picked rows", sql: `CREATE RULE stays AS ON DELETE TO refresh_tokens DO INSTEAD NOTHING`, setUp: func(tab *table, _ *Settings) {
			tab.exec(`CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'`)
			tab.exec(`CREATE TRIGGER pass BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION pass()`)
		}},
		{name: "a trigger of a partition", sql: `CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
			CREATE TRIGGER pass BEFORE DELETE ON part0 FOR EACH ROW EXECUTE FUNCTION pass()`, setUp: func(tab *table, _ *Settings) {
			tab.partition()
		}},
		{name: "a rule, in a sweep", sql: `CREATE RULE stays AS ON DELETE TO refresh_tokens DO INSTEAD NOTHING`, setUp: func(tab *table, _ *Settings) {
			tab.tune = func(r *run) { r.tuning.sweepAfter, r.tuning.dense = 100, 1 }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			s.fixWindows(100)
			beside, came := tab.other(), false
			if c.setUp != nil {
				c.setUp(tab, &s)
			}
			tab.fill(5000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.insert(token{name: "last", expires: at(-time.Hour - time.Second)}, token{name: "live", expires: at(week)})
			s.OnBatch = func(b Batch) {
				if b.Done.Expired >= 300 && !came {
					came = true
					beside.exec(c.sql)
				}
			}
			res, err := tab.runAt(t.Context(), noon, s)
			failed(t, "run", res, err, StopError, "has changed since it was checked")
			if !came || res.Deleted.Expired < 300 || res.Deleted.Expired > 4000 {
				t.Errorf("deleted %+v", res.Deleted)
			}
			if n := int64(0); beside.QueryRow(t.Context(), `SELECT count(*) FROM refresh_tokens`).Scan(&n) != nil || n != 5002-res.Deleted.Expired {
				t.Errorf("%d rows are left, and %d were deleted", n, res.Deleted.Expired)
			}
			if n := 0; beside.QueryRow(t.Context(), `SELECT count(*) FROM refresh_tokens WHERE token_hash IN ('last', 'live')`).Scan(&n) != nil || n != 2 {
				t.Errorf("%d of the last row and the live one are left", n)
			}
		})
	}
}

// What hides rows from a run while it meets none that are due ends it all the same, and nothing is told of what it cannot see.
func TestRowsThatAreHiddenInTheMiddle(t *testing.T) {
	t.Parallel()
	hide := `ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY`
	for _, c := range []struct {
		name, sql string
		setUp     func(*table, *Settings)
		after     func(Batch) bool
	}{
		{name: "among live rows", sql: hide, after: func(b Batch) bool { return b.Reason == Revoked }},
		{name: "between the passes", sql: hide, after: func(b Batch) bool { return b.Done.Expired == 300 }},
		{name: "in a dry run", sql: hide, after: func(b Batch) bool { return b.Reason == Revoked }, setUp: func(_ *table, s *Settings) { s.DryRun = true }},
		{name: "by the role's rights", sql: `ALTER ROLE CURRENT_USER NOBYPASSRLS`, after: func(b Batch) bool { return b.Reason == Revoked }, setUp: func(tab *table, _ *Settings) {
			tab.exec(`RESET ROLE; ` + hide)
			tab.exec(`ALTER ROLE ` + tab.role + ` BYPASSRLS; SET ROLE ` + tab.role)
		}},
		{name: "by a policy that restricts", sql: `CREATE POLICY live ON refresh_tokens AS RESTRICTIVE USING (NOT is_revoked)`, after: func(b Batch) bool { return b.Reason == Revoked }, setUp: func(tab *table, _ *Settings) {
			tab.exec(`RESET ROLE; CREATE POLICY every ON refresh_tokens USING (true); ` + hide + `; SET ROLE ` + tab.role)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			s.fixWindows(100)
			tab.tune = func(r *run) { r.tuning.lookAhead = 100 }
			beside, came := tab.other(), false
			tab.fill(300, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.fill(3000, spread(week, time.Second), "false", "NULL")
			tab.fill(50, constant(2*week), "true", constant(-2*week))
			tab.as(`DELETE, SELECT, UPDATE ON refresh_tokens`)
			if c.setUp != nil {
				c.setUp(tab, &s)
			}
			s.OnBatch = func(b Batch) {
				if !came && c.after(b) {
					came = true
					beside.exec(strings.ReplaceAll(c.sql, `CURRENT_USER`, tab.role))
				}
			}
			res, err := tab.runAt(t.Context(), noon, s)
			failed(t, "run", res, err, StopError, "has changed since it was checked")
			if o := res.Overdue[Revoked]; o.Known {
				t.Errorf("overdue: %+v", o)
			}
			if n := 0; beside.QueryRow(t.Context(), `SELECT count(*) FROM refresh_tokens WHERE is_revoked`).Scan(&n) != nil || n != 50 {
				t.Errorf("%d of the revoked are left of 50", n)
			}
		})
	}
}

// A batch that has waited for such a change sees it, whatever the role's default of isolation is.
func TestEffectsThatABatchWaitsFor(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			s.fixWindows(100)
			s.LockTimeout = 10 * time.Second
			tab.exec(`ALTER TABLE refresh_tokens ADD parent_id uuid`)
			tab.exec(`CREATE INDEX ON refresh_tokens (parent_id)`)
			tab.fill(5000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.insert(token{name: "live", expires: at(week)})
			tab.exec(`UPDATE refresh_tokens SET parent_id = (SELECT id FROM refresh_tokens ORDER BY expires_at OFFSET 350 LIMIT 1) WHERE token_hash = 'live'`)
			tab.exec(`SET default_transaction_isolation = '` + isolation + `'`)
			var done <-chan struct{}
			s.OnBatch = func(b Batch) {
				if b.Done.Expired >= 300 && done == nil {
					done = tab.afterWait(tab.hold(`ALTER TABLE refresh_tokens ADD FOREIGN KEY (parent_id) REFERENCES refresh_tokens (id) ON DELETE CASCADE`), `COMMIT`)
				}
			}
			res, err := tab.runAt(t.Context(), noon, s)
			failed(t, "run", res, err, StopError, "has changed since it was checked")
			<-done
			if tab.count("token_hash = 'live'") != 1 {
				t.Error("the live token is gone")
			}
		})
	}
}

// A run deletes from the table that it has looked at, not from one that comes to have its name.
func TestAnotherTableOfTheNameInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, goes string }{
		{"renamed", `ALTER TABLE refresh_tokens RENAME TO tokens_before`},
		{"dropped", `DROP TABLE refresh_tokens`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			s.fixWindows(100)
			tab.fill(5000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.exec(`CREATE TABLE other (LIKE refresh_tokens INCLUDING ALL)`)
			tab.exec(`INSERT INTO other SELECT * FROM refresh_tokens`)
			beside, came := tab.other(), false
			s.OnBatch = func(b Batch) {
				if b.Done.Expired >= 300 && !came {
					came = true
					beside.exec(`BEGIN; ` + c.goes + `; ALTER TABLE other RENAME TO refresh_tokens; COMMIT`)
				}
			}
			res, err := tab.runAt(t.Context(), noon, s)
			failed(t, "run", res, err, StopError, "has changed since it was checked")
			if n := int64(0); beside.QueryRow(t.Context(), `SELECT count(*) FROM refresh_tokens`).Scan(&n) != nil || n != 5000 {
				t.Errorf("%d rows of the other table are left of 5000", n)
			}
		})
	}
}

// What changes beside that is no reason to end: statistics, an index, a column, a table that has nothing to do with this one.
func TestOtherChangesInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		`ANALYZE refresh_tokens`,
		`CREATE INDEX ON refresh_tokens (created_at)`,
		`ALTER TABLE refresh_tokens ADD note text`,
		`CREATE TABLE devices (id int PRIMARY KEY, owner uuid REFERENCES users ON DELETE CASCADE)`,
		`CREATE VIEW tokens AS SELECT id FROM refresh_tokens`,
		`VACUUM FULL pg_trigger`,
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			s.fixWindows(100)
			tab.fill(2000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			beside, came := tab.other(), false
			s.OnBatch = func(b Batch) {
				if b.Done.Expired >= 300 && !came {
					came = true
					beside.exec(sql)
				}
			}
			expect{stop: StopDrained, deleted: Counts{Expired: 2000}}.of(t, "run", tab.run(s))
		})
	}
}
